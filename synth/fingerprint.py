"""Whether two runs would ask and export the same, and the ``spec.lock.yaml`` that remembers it.

The fingerprint covers the spec, the templates and the contents of seeds, taxonomy and personas. What only carries
requests (URL, key, concurrency, timeout, slots), money (budget, prices), the tolerated share of failures and the place
where things lie are left out: they may change while a run goes on. A GGUF file counts by its name, as hashing
gigabytes at every start would cost more than it finds out.

A lock holds the spec with its defaults. Names of environment variables stand in it, their values never do: a loaded
spec has no field for a secret.
"""

from __future__ import annotations

import hashlib
import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from synth.errors import UserError
from synth.spec import Spec
from synth.spec_models import is_folder
from synth.spec_yaml import YamlProblem, parse, read_text

DATA = Path(__file__).parent / "data"

_CARRIES = {"base_url", "api_key_env", "max_in_flight", "timeout", "retries", "structured", "send_seed", "price"}
_CARRIES |= {"deadline", "max_outage", "poll", "slots", "threads", "cache_prompt", "device"}
_CARRIES |= {"engine", "args", "replicas", "python", "env", "start_timeout"}
_HEADER = "# The spec of this run as resolved. Written by clinsynth, and compared with when the run goes on.\n"
_KEYS = {"spec": dict, "seeds_digest": str, "template_hashes": dict, "versions": dict, "fingerprint": str}
_MAX_LOCK = 16_000_000


class _Representer(RoundTripRepresenter):
    """Writes what reads back the same: ``null`` (not nothing, which a spec may not hold), odd characters escaped."""

    def null(self, _: None) -> ScalarNode:
        """Write null as a word."""
        return self.represent_scalar("tag:yaml.org,2002:null", "null")

    def text(self, text: str) -> ScalarNode:
        """Quote text in which a reader would see a line break (U+0085, U+2028) or nothing at all."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Representer.add_representer(type(None), _Representer.null)
_Representer.add_representer(str, _Representer.text)


def asking_fingerprint(spec: Spec, template_hashes: dict[str, str], seeds_digest: str) -> str:
    """Return the SHA-256 (hex) of everything that decides what is asked or exported.

    ``template_hashes`` maps the templates in use to hashes of their contents, ``seeds_digest`` stands for the
    seeds; the paths of both do not count. Keys that are spelled out and keys left at their default are the same.
    """
    asked = spec.model_dump(mode="json", by_alias=True, exclude={"budget", "max_failed", "prompts"})
    if not spec.seeds.source.startswith("hf://"):
        asked["seeds"]["source"] = Path(spec.seeds.source).name
    for model in filter(None, asked["models"].values()):
        for key in _CARRIES & model.keys():
            del model[key]
        if is_folder(model.get("model") or ""):
            model["model"] = Path(model["model"]).name
        if model.get("path"):
            model["path"] = Path(model["path"]).name
    if is_folder(spec.filters.encoder or ""):
        asked["filters"]["encoder"] = Path(str(spec.filters.encoder)).name
    if spec.filters.decontaminate is not None:
        asked["filters"]["decontaminate"]["against"] = [
            _benchmark(path) for path in spec.filters.decontaminate.against
        ]
    asked["taxonomy"] = _contents(spec.taxonomy or DATA / "taxonomy.yaml")
    if spec.produce.dialogues is not None:
        if not spec.produce.dialogues.review:  # runs of before it could be asked for go on
            del asked["produce"]["dialogues"]["review"]
        personas = spec.produce.dialogues.personas
        asked["produce"]["dialogues"]["personas"] = _contents(
            DATA / "personas.yaml" if personas == "default" else Path(personas)
        )
    everything = {"spec": asked, "templates": template_hashes, "seeds": seeds_digest}
    text = json.dumps(everything, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _benchmark(path: Path) -> list[str]:
    """Name and contents of a benchmark, be it a file or a folder; the name alone where there is nothing."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [path.name, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file())]


def write_lock(
    path: Path,
    spec: Spec,
    *,
    fingerprint: str,
    template_hashes: dict[str, str],
    seeds_digest: str,
    versions: dict[str, str],
) -> None:
    """Write ``spec.lock.yaml``; a kill or a full disk leaves the former one or none, never half of one.

    Raises:
        UserError: the folder cannot be written to.
    """
    content = {
        "spec": spec.model_dump(mode="json", by_alias=True),
        "seeds_digest": seeds_digest,
        "template_hashes": dict(sorted(template_hashes.items())),
        "versions": dict(sorted(versions.items())),
        "fingerprint": fingerprint,  # last, so that a lock that was cut off lacks it
    }
    yaml = YAML(typ="rt")
    yaml.Representer = _Representer
    yaml.width = 1_000_000
    yaml.allow_unicode = True
    text = StringIO()
    yaml.dump(content, text)
    try:
        _replace(path, (_HEADER + text.getvalue()).encode())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def read_lock(path: Path) -> dict[str, Any] | None:
    """Return what :func:`write_lock` wrote, None when there is no lock.

    The keys are ``spec``, ``seeds_digest``, ``template_hashes``, ``versions`` and ``fingerprint``.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    mend = "restore the file, or start in a new folder with --out"
    try:
        document = parse(read_text(path, _MAX_LOCK))
    except YamlProblem as problem:
        raise UserError(f"{path}:{problem.line}: damaged: {mend}") from None
    lock = document.value
    whole = isinstance(lock, dict) and all(isinstance(lock.get(key), kind) for key, kind in _KEYS.items())
    if document.findings or not whole or len(lock["fingerprint"]) != 64:
        raise UserError(f"{path}: damaged or not a lock: {mend}")
    return dict(lock)


def _contents(path: Path) -> str:
    """Return the digest of a file's contents; its name when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return path.name


def _replace(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
