"""Finds a spec, reads it, applies ``--set``, validates it and resolves its paths.

Everything wrong is reported at once, as one :class:`~synth.errors.UserError` with a line for each finding. Paths in
the file start at the file's folder, paths given by ``--set`` at the current one; ``~`` is the home folder. Whether
a key's environment variable is set, an endpoint answers or the seeds can be read is found out later, by those who
use them.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synth.errors import UserError
from synth.spec import Spec
from synth.spec_checks import check
from synth.spec_errors import dotted, model_at, render, validation_findings
from synth.spec_models import is_folder
from synth.spec_yaml import Document, Finding, Loc, YamlProblem, parse, read_text

BUILT_IN = Path(__file__).parent / "specs"
"""Folder of the specs that come with the package."""

_NO_INDEX = "a list index is not supported: set the whole list, such as --set a.b=[c, d]"


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec, its paths absolute, and the file it came from."""

    spec: Spec
    path: Path


def find_spec(name: str) -> Path:
    """Return the file that ``name`` means: a path, else a built-in spec, with or without ``.yaml``.

    Raises:
        UserError: there is no such spec; the line names the built-in ones and the nearest.
    """
    path = Path(name).expanduser() if name.startswith("~/") else Path(name)
    if os.path.exists(path) and not path.is_dir():
        return path
    built_in = {file.stem: file for file in sorted(BUILT_IN.glob("*.yaml"))}
    if name.removesuffix(".yaml") in built_in:
        return built_in[name.removesuffix(".yaml")]
    if path.is_dir():
        raise UserError(f"{name}: this is a folder: name the spec file in it")
    listed = f"built-in specs: {', '.join(built_in)}" if built_in else "there are no built-in specs"
    near = difflib.get_close_matches(path.stem, built_in, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UserError(f"{name}: no such spec file; {listed}{hint}")


def load_spec(name: str, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Return the spec that ``name`` means, with ``a.b=value`` overrides applied in order.

    Raises:
        UserError: one line for everything that is wrong, ``file:line: key: what, how to mend it``.
    """
    path = find_spec(name)
    try:
        document = parse(read_text(path))
    except YamlProblem as problem:
        raise UserError(f"{path}:{problem.line}: {problem.message}") from None
    if not isinstance(document.value, dict):
        what = "the file is empty" if document.value is None and not document.findings else "this is not a spec"
        raise UserError(f"{path}:1: {what}: a spec is a mapping of keys (name, seeds, models, produce)")
    for override in overrides:
        wrong = _apply(document, override)
        document.findings += wrong
    _resolve_paths(document, Path.cwd() / path.parent)
    spec, findings = _validate(document)
    if spec is None or findings:
        raise UserError(render(findings, path, document))
    return LoadedSpec(spec, path)


def spec_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, for editors that check YAML while it is written."""
    schema = Spec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clinsynth spec"}


def _validate(document: Document) -> tuple[Spec | None, list[Finding]]:
    raw = document.value
    findings = list(document.findings)
    for loc in sorted(document.empty, key=str):
        model = model_at(loc, raw)
        if model is not None:
            needs = any(field.is_required() for field in model.model_fields.values())
            mend = "fill it in" if needs else "write {} for the defaults"
            document.unread.add(loc)
            findings.append(Finding(loc, f"is empty: {mend}, or null to leave it out"))
    try:
        # by way of JSON because strictness there still takes text for a path or a URL, but not true for a number
        spec = Spec.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        new = validation_findings(error, raw)
        return None, findings + [finding for finding in new if not _said(finding.loc, document)]
    return spec, findings or check(spec)


def _said(loc: Loc, document: Document) -> bool:
    return any(loc[:length] in document.unread for length in range(1, len(loc) + 1))


def _names_folder(around: object, key: str = "model") -> bool:
    return isinstance(around, dict) and isinstance(name := around.get(key), str) and is_folder(name)


def _resolve_paths(document: Document, folder: Path) -> None:
    """Make the document's relative paths absolute, in place."""
    models = document.value.get("models")
    roles = list(models) if isinstance(models, dict) else []
    for loc in [
        ("seeds", "source"),
        ("prompts",),
        ("taxonomy",),
        ("produce", "dialogues", "personas"),
        ("filters", "decontaminate", "against"),
        *([("filters", "encoder")] if _names_folder(document.value.get("filters"), "encoder") else []),
        *(("models", role, key) for role in roles for key in ("path", "python")),
        *(("models", role, "model") for role in roles if _names_folder(models[role])),
    ]:
        around = document.value
        for part in loc[:-1]:
            around = around.get(part) if isinstance(around, dict) else None
        written = around.get(loc[-1]) if isinstance(around, dict) else None
        if loc[-1] == "personas" and written == "default":
            continue
        base = folder if document.line(loc) else Path.cwd()
        if isinstance(written, list):
            around[loc[-1]] = [_absolute(base, path) for path in written]
        elif isinstance(written, str):
            around[loc[-1]] = _absolute(base, written)


def _absolute(base: Path, written: Any) -> Any:
    if not isinstance(written, str) or not written or written.startswith("hf://"):
        return written
    return os.path.join(base, os.path.expanduser(written))


def _apply(document: Document, override: str) -> list[Finding]:
    """Put one ``a.b=value`` into the document, making the mappings on the way, and return what is wrong with it."""
    key, equals, text = override.partition("=")
    loc = tuple(key.strip().split("."))
    if not equals or not all(loc):
        return [Finding((), "write KEY=VALUE, such as --set budget.requests=10", 0)]
    if "[" in key:
        return [Finding(loc, _NO_INDEX, 0)]
    try:
        given = parse(text)
    except YamlProblem as problem:
        return [Finding(loc, problem.message, 0)]
    around = document.value
    for depth, part in enumerate(loc[:-1], start=1):
        if around.get(part) is None:
            around[part] = {}
            _forget(document, loc[:depth])
        around = around[part]
        if not isinstance(around, dict):
            single = f"{dotted(loc[:depth])} is a single value and has no keys"
            return [Finding(loc, _NO_INDEX if isinstance(around, list) else single, 0)]
    _forget(document, loc)
    around[loc[-1]] = given.value
    document.empty |= {loc + inner for inner in given.empty}
    document.unread |= {loc + inner for inner in given.unread}
    return [Finding(loc + inner, message, 0) for inner, message, _ in given.findings]


def _forget(document: Document, loc: Loc) -> None:
    """Take ``loc`` as given on the command line: what the file said of it and of all below it is over."""
    size = len(loc)
    document.lines = {known: line for known, line in document.lines.items() if known[:size] != loc} | {loc: 0}
    document.empty = {known for known in document.empty if known[:size] != loc}
    document.unread = {known for known in document.unread if known[:size] != loc}
    document.findings = [finding for finding in document.findings if finding.loc[:size] != loc]
