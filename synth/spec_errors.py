"""What is wrong with a spec as lines for people: ``file:line: dotted.key: what is wrong, what to do``.

Takes pydantic's errors apart by their type and words them anew, since pydantic's own messages repeat what was
written. A line never holds a value, and no key that looks like a secret: keys are pasted into wrong places.
A missing key has the line of the mapping that lacks it; what came from ``--set`` is shown as ``--set dotted.key``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from synth.spec import STEPS, Spec
from synth.spec_yaml import Document, Finding, Loc

ENGINES = ("local", "openai", "vllm", "openai-batch")

SECRET = re.compile(r"(?=.*\d)(Bearer\s+\S+|(sk|hf|gsk|xai|nvapi|ghp|pk)[-_][\w-]{16,}|AIza[\w-]{20,})")
"""How keys of common services begin; compared with whole values."""

_MISSING = {
    "name": "the run folder's name, such as cardiology",
    "seeds": "such as {source: seeds.jsonl}",
    "models": "such as {generator: {engine: local}}",
    "produce": "such as {questions: {per_seed: 2}, answers: {styles: 2}}",
    "source": "a .jsonl, .parquet or .csv file, or hf://owner/name",
    "generator": "such as {engine: local}",
    "model": "the name as the server knows it",
    "base_url": "the server's URL up to and including /v1",
    "from": "such as [reward]",
    "input": "US dollars per million tokens",
    "output": "US dollars per million tokens",
}
_PATTERNS: dict[Loc, str] = {
    ("name",): "must be at most 64 letters, digits, '.', '_' or '-', the first a letter or digit",
    ("language",): "must be a BCP 47 code, such as en or pt-BR",
    ("filters", "dedup", "ngram"): "must be word:N or char:N with N from 1 to 99, such as word:3",
}
_TYPES: dict[str, str] = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, such as [a, b]",
    "too_short": "needs at least one entry",
    "dict_type": "must be a mapping, such as {key: value}",
    "model_type": "must be a mapping, such as {key: value}",
    "model_attributes_type": "must be a mapping, such as {key: value}",
    "url_type": "must be a URL that starts with http:// or https://",
    "url_parsing": "must be a URL that starts with http:// or https://",
    "url_scheme": "must be a URL that starts with http:// or https://",
    "url_syntax_violation": "must be a URL that starts with http:// or https://",
    "url_too_long": "must be a URL of at most 2083 characters",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def validation_findings(error: ValidationError, raw: Any) -> list[Finding]:
    """Word pydantic's errors about the document ``raw`` anew, one finding for each place."""
    found = [_worded(detail, raw) for detail in error.errors(include_url=False)]
    # the members of a union (`default` or a path) each complain; the last is the more general one
    return list({finding.loc: finding for finding in found}.values())


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the hint for a name that is not known: the nearest known one, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(names)}"


def dotted(loc: Loc) -> str:
    """Return ``a.b[0].c``; a part that could be a pasted secret, or does not fit a line, is not shown."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            hidden = SECRET.fullmatch(part) or len(part) > 40 or not part.isprintable() or not part
            text += "." + ("(key not shown)" if hidden else part)
    return text.removeprefix(".")


def render(findings: Iterable[Finding], path: Path, document: Document) -> str:
    """Return one line for each finding, by line of the file, those of ``--set`` last."""
    rows: list[tuple[float, str]] = []
    for loc, message, own_line in findings:
        line = document.line(loc) if own_line is None else own_line
        where = f"{path}:{line}:" if line else "--set"
        key = f" {dotted(loc)}" if loc else ""
        rows.append((line or math.inf, f"{where}{key}: {message}" if key or not line else f"{where} {message}"))
    rows.sort(key=lambda row: row[0])
    return "\n".join(dict.fromkeys(text for _, text in rows))


def model_at(loc: Loc, raw: Any) -> type[BaseModel] | None:
    """Return the model of which the value at ``loc`` is one, by its engine where there are several; else None."""
    annotation, value = _at(loc, raw)
    return _model(annotation, value)


def _at(loc: Loc, raw: Any) -> tuple[Any, Any]:
    annotation: Any = Spec
    value = raw
    for part in loc:
        model = _model(annotation, value)
        if model is not None:
            annotation = _fields(model).get(part)
        else:
            inner = [get_args(member) for member in _members(annotation) if get_origin(member) in (dict, list)]
            annotation = inner[0][-1] if inner else None
        value = _inside(value, part)
    return annotation, value


def _model(annotation: Any, value: Any) -> type[BaseModel] | None:
    models = [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]
    engine = value.get("engine") if isinstance(value, dict) else None
    of_engine = [model for model in models if len(models) > 1 and engine in get_args(_fields(model)["engine"])]
    return next(iter(of_engine or models), None)


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _fields(model: type[BaseModel]) -> dict[str | int, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _place(detail: ErrorDetails, raw: Any) -> Loc:
    """Return the error's place without the parts that pydantic adds (union tags, ``[key]``)."""
    loc, value = list[str | int](), raw
    for part in detail["loc"]:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            loc.append(part)
            value = _inside(value, part)
    return (*loc, detail["loc"][-1]) if detail["type"] == "missing" else tuple(loc)


def _worded(detail: ErrorDetails, raw: Any) -> Finding:
    kind, loc = detail["type"], _place(detail, raw)
    key = str(loc[-1]) if loc else ""
    if kind.startswith("union_tag"):
        given = detail["input"].get("engine") if isinstance(detail["input"], dict) else None
        near = difflib.get_close_matches(str(given), ENGINES, n=1)
        what = "engine is missing" if kind == "union_tag_not_found" else "unknown engine"
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return Finding((*loc, "engine"), f"{what}: one of {', '.join(ENGINES)}{hint}")
    if kind == "missing":
        return Finding(loc, f"{key} is missing: {_MISSING.get(key, 'add it')}")
    if kind == "extra_forbidden":
        model = model_at(loc[:-1], raw)
        return Finding(loc, f"unknown key; {unknown(key, map(str, _fields(model)) if model else ())}")
    if detail["loc"][-1:] == ("[key]",):
        return Finding(loc, f"unknown step; {unknown(key, STEPS)}")
    return Finding(loc, _about_value(detail, loc, raw))


def _about_value(detail: ErrorDetails, loc: Loc, raw: Any) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if given is None:
        return "is empty: give a value, or remove the line"
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"must be {words} {context[name]:g}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(loc, "does not have the right form")
    if kind == "model_type" and given is False and type(None) in _members(_at(loc, raw)[0]):
        return "must be a mapping, such as {key: value}, or null to leave it out"
    words = _TYPES.get(kind, f"is not valid here ({kind})")
    if kind == "string_type" and isinstance(given, (bool, int, float)):
        return f"{words}: put it in quotes"
    if kind in ("int_type", "float_type") and isinstance(given, str) and given.replace(".", "", 1).isdigit():
        return f"{words}, without quotes"
    return words
