"""Checks across the fields of a valid spec, and of the files it names; paths are taken as resolved.

Each finding is a place and a message that never repeats what was written there. Does not look inside any file, at
environment variables or at the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from filters.near_duplicates import choose_bands, lowest_threshold
from synth.licence_names import OTHER, nearest_licence
from synth.spec import ROLES, Preferences, Produce, Spec
from synth.spec_errors import SECRET
from synth.spec_models import RemoteModel, VllmModel
from synth.spec_reasoning_checks import check_reasoning
from synth.spec_record_checks import of_records, record_source
from synth.spec_yaml import Finding, Loc

SEED_FILE = re.compile(r"\.(parquet|(jsonl|ndjson|csv|tsv)(\.(gz|bz2|xz|zst))?)$", re.IGNORECASE)
HUB_DATASET = re.compile(r"hf://[\w.-]+/[\w.-]+")

_RELATIVE = "a relative path starts at the spec's folder, or with --set at the current one"
_NO_KEYS = "looks like a secret key, and a spec holds none: set an environment variable and name it in api_key_env"
_SECRET_FIELDS = frozenset(("api_key", "apikey", "authorization", "password", "secret", "access_token", "token"))


_NAMED = (*ROLES, "reward")
"""All that may stand under ``models``."""


def check(spec: Spec) -> list[Finding]:
    """Return everything wrong with a spec whose fields are valid one by one; an empty list when nothing is."""
    return [
        *_licence(spec),
        *_produce(spec),
        *check_reasoning(spec),
        *_dedup(spec),
        *_encoder(spec),
        *_reward(spec),
        *_prices(spec),
        *_files(spec),
        *_endpoints(spec),
        *_secrets(spec.model_dump(mode="json", by_alias=True), ()),
    ]


def _licence(spec: Spec) -> Iterator[Finding]:
    near = nearest_licence(spec.license) if spec.license is not None else ""
    if near:
        mend = f"did you mean {near}? Write `{OTHER}` for one without, which synth.publish does not publish"
        yield Finding(("license",), f"is no licence identifier; {mend}")


def _produce(spec: Spec) -> Iterator[Finding]:
    produce = spec.produce
    if spec.seeds.kind != "passages":
        yield from of_records(produce, spec.seeds.kind)
    else:
        yield from _of_passages(produce)
    if produce.preferences is not None:
        yield from _preferences(produce, produce.preferences)


def _of_passages(produce: Produce) -> Iterator[Finding]:
    at: Loc = ("produce",)
    kinds = (produce.answers, produce.reasoning, produce.dialogues)
    if produce.questions is not None and not any(kinds) and produce.preferences is None:
        yield Finding((*at, "questions"), "questions alone make no rows: add `answers: {styles: 2}`")
    elif not any((*kinds, produce.preferences)):
        yield Finding(at, "nothing to produce: add `questions: {per_seed: 2}` and `answers: {styles: 2}`")
    for name in ("answers", "reasoning"):
        if getattr(produce, name) is not None and produce.questions is None:
            message = "cannot be made without questions: add `questions: {per_seed: 2}` under produce"
            yield Finding((*at, name), message)
    if produce.reasoning is not None:
        rules = (produce.reasoning.difficulty_above, produce.reasoning.hardest)
        if rules == (None, None):
            message = "lacks the rule for complex questions: add `difficulty_above: 8` or `hardest: 0.25`"
            yield Finding((*at, "reasoning"), message)
        elif None not in rules:
            yield Finding((*at, "reasoning"), "takes one of difficulty_above and hardest: remove the other")


def _preferences(produce: Produce, preferences: Preferences) -> Iterator[Finding]:
    for index, origin in enumerate(preferences.from_):
        at: Loc = ("produce", "preferences", "from", index)
        if origin in preferences.from_[:index]:
            yield Finding(at, f"{origin} is listed twice: keep one")
        elif origin in ("reasoning_over_answer", "verified_over_unverified") and produce.reasoning is None:
            yield Finding(at, f"{origin} needs reasoning: add `reasoning: {{hardest: 0.25}}` under produce")
        elif origin == "reward" and (produce.answers is None or produce.answers.styles < 2):
            yield Finding(at, f"{origin} compares answers: set `answers: {{styles: 2}}` or more under produce")
        elif origin == "dialogue_outcome" and produce.dialogues is None:
            yield Finding(at, f"{origin} needs dialogues: add `dialogues: {{}}` under produce")


def _dedup(spec: Spec) -> Iterator[Finding]:
    dedup = spec.filters.dedup
    if dedup is None:
        return
    for name, threshold in (("questions", dedup.questions), ("rows", dedup.rows)):
        try:
            choose_bands(threshold, dedup.num_perm)
        except ValueError:
            message = f"too low for an index of num_perm numbers: set {lowest_threshold(dedup.num_perm)} or more"
            mend = ", or raise num_perm" if threshold else "; `dedup: null` turns the filter off"
            yield Finding(("filters", "dedup", name), message + mend)


def _encoder(spec: Spec) -> Iterator[Finding]:
    filters = spec.filters
    wants: list[tuple[str, ...]] = [("paraphrases",)] if filters.paraphrases is not None else []
    if filters.decontaminate is not None and filters.decontaminate.paraphrases is not None:
        wants.append(("decontaminate", "paraphrases"))
    if filters.encoder is None:
        for place in wants:
            yield Finding(("filters", *place), "needs a model: add `encoder: NAME` under filters")
    elif not wants:
        yield Finding(("filters", "encoder"), "is not used: add `paraphrases: 0.95` under filters, or remove it")


def _reward(spec: Spec) -> Iterator[Finding]:
    if spec.models.reward is not None and spec.produce.answers is None and spec.produce.reasoning is None:
        message = "has nothing to choose from: add `answers: {styles: 2}` under produce, or remove it"
        yield Finding(("models", "reward"), message)


def _prices(spec: Spec) -> Iterator[Finding]:
    if spec.budget.usd is None:
        return
    used = {"generator": True, "judge": True, "reasoner": spec.produce.reasoning is not None}
    used["weak"] = spec.produce.reasoning is not None and spec.produce.reasoning.pass_rate is not None
    used["doctor"] = used["patient"] = spec.produce.dialogues is not None
    used["reward"] = True
    for role in _NAMED:
        model = getattr(spec.models, role)
        if used[role] and isinstance(model, RemoteModel) and model.price is None:
            message = "price is missing, and budget.usd needs it: add `price: {input: …, output: …}` in US dollars"
            yield Finding(("models", role, "price"), f"{message} per million tokens")


def _files(spec: Spec) -> Iterator[Finding]:
    source: Loc = ("seeds", "source")
    if spec.seeds.kind != "passages":
        yield from record_source(spec.seeds)
    elif spec.seeds.source.startswith("hf://"):
        if not HUB_DATASET.fullmatch(spec.seeds.source):
            yield Finding(source, "a data set on the Hub is hf://owner/name; a commit goes into seeds.revision")
    elif not os.path.isdir(spec.seeds.source):  # a folder holds Parquet files
        if SEED_FILE.search(spec.seeds.source):
            yield from _file(source, spec.seeds.source)
        else:
            endings = ".jsonl, .ndjson, .csv or .tsv (also with .gz, .bz2, .xz or .zst), or in .parquet"
            yield Finding(source, f"must end in {endings}, or be hf://owner/name")
    if spec.prompts is not None and not os.path.isdir(spec.prompts):
        what = "this is a file: name the folder" if os.path.isfile(spec.prompts) else "no such folder"
        yield Finding(("prompts",), f"{what}; {_RELATIVE}")
    if spec.taxonomy is not None:
        yield from _file(("taxonomy",), spec.taxonomy)
    if spec.produce.dialogues is not None and spec.produce.dialogues.personas != "default":
        yield from _file(("produce", "dialogues", "personas"), spec.produce.dialogues.personas)
    for at, benchmark in enumerate(spec.filters.decontaminate.against if spec.filters.decontaminate else []):
        if not benchmark.exists():
            yield Finding(("filters", "decontaminate", "against", at), f"no such file or folder; {_RELATIVE}")
    for role in ROLES:
        path = getattr(getattr(spec.models, role), "path", None)
        if path is not None:
            yield from _file(("models", role, "path"), path)


def _file(loc: Loc, path: str | os.PathLike[str]) -> Iterator[Finding]:
    if not os.path.isfile(path):  # a pipe could be read only once, and a run may be resumed
        what = "this is a folder: name the file" if os.path.isdir(path) else "no such file"
        yield Finding(loc, f"{what}; {_RELATIVE}")


def _endpoints(spec: Spec) -> Iterator[Finding]:
    for role in _NAMED:
        model = getattr(spec.models, role)
        if not isinstance(model, RemoteModel):
            continue
        yield from _urls(model, ("models", role))
        if model.api_key_env is not None and not _is_name(model.api_key_env):
            message = "must be the NAME of an environment variable, such as OPENAI_API_KEY, never the key itself"
            yield Finding(("models", role, "api_key_env"), message)


def _urls(model: RemoteModel, loc: Loc) -> Iterator[Finding]:
    given = getattr(model, "base_url", None)
    urls = given if isinstance(given, list) else [given] if given is not None else []
    for at, url in enumerate(urls):
        place = (*loc, "base_url", at) if len(urls) > 1 else (*loc, "base_url")
        if url.username is not None or url.password is not None:
            yield Finding(place, "holds a user name or password: name a key in api_key_env")
        elif url.query is not None or url.fragment is not None:
            yield Finding(place, "ends in a query (?…) or fragment (#…): remove it")
        elif str(url).rstrip("/") in [str(other).rstrip("/") for other in urls[:at]]:
            yield Finding(place, "is listed twice: keep one")
    if isinstance(model, VllmModel) and urls:
        for name in sorted(model.model_fields_set & {"args", "replicas", "python", "env", "start_timeout"}):
            yield Finding((*loc, name), "is for a server that we start: remove it, or base_url")


def _is_name(text: str) -> bool:
    """Tell a variable's name from a key: keys are long runs without ``_`` or begin as those of known services do."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) or text.startswith(("sk_", "hf_", "gsk_")):
        return False
    return max(map(len, text.split("_"))) < 24


def _secrets(value: Any, loc: Loc) -> Iterator[Finding]:
    """Find keys pasted elsewhere; a spec is copied into its run folder, so none may stand in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            named = "extra_body" in loc and key.lower().replace("-", "_") in _SECRET_FIELDS
            if (named and isinstance(inner, str)) or SECRET.fullmatch(key):
                yield Finding((*loc, key), _NO_KEYS)
            else:
                yield from _secrets(inner, (*loc, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets(inner, (*loc, index))
    elif isinstance(value, str) and loc[-1] != "api_key_env" and SECRET.fullmatch(value):
        yield Finding(loc, _NO_KEYS)
