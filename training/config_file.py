"""From a YAML file and ``--set`` to a checked pydantic model, with the file's line in every complaint.

Works for any model whose fields are models, lists and plain values. Values are never repeated in a message.
Knows no field of a training run (:mod:`training.config`) and none of a spec.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from synth.errors import UserError
from synth.spec_errors import BOUNDS, render, unknown
from synth.spec_yaml import Document, Finding, Loc, YamlProblem, parse, read_text

Config = TypeVar("Config", bound=BaseModel)

_WORDS = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, such as [a, b]",
    "too_short": "needs at least one entry",
    "dict_type": "must be a mapping, such as {key: value}",
    "model_type": "must be a mapping, such as {key: value}",
}


def read_document(path: Path, overrides: Sequence[str]) -> Document:
    """Return the mapping in the file with the overrides in their places; UserError where there is none."""
    try:
        document = parse(read_text(path))
    except YamlProblem as problem:
        raise UserError(f"{path}:{problem.line}: {problem.message}") from None
    if not isinstance(document.value, dict):
        raise UserError(f"{path}:1: a configuration is a mapping of keys (model, data, output)")
    for override in overrides:
        document.findings += _apply(document, override)
    return document


def resolve(document: Document, folder: Path, places: Sequence[Loc]) -> None:
    """Make relative paths absolute, in place: against ``folder``, or the current one for what ``--set`` gave.

    A name that is no existing path there and then (a Hub repository, a template's name) is left as it is, except
    where it begins with a dot.
    """
    for loc in places:
        around = document.value
        for part in loc[:-1]:
            around = around.get(part) if isinstance(around, dict) else None
        if not isinstance(around, dict) or loc[-1] not in around:
            continue
        base = folder.absolute() if document.line(loc) else Path.cwd()
        written = around[loc[-1]]
        around[loc[-1]] = (
            [_absolute(part, base, loc) for part in written]
            if isinstance(written, list)
            else _absolute(written, base, loc)
        )


def _absolute(written: Any, base: Path, loc: Loc) -> Any:
    if not isinstance(written, str) or not written:
        return written
    path = os.path.join(base, os.path.expanduser(written))
    always = loc in (("output",), ("data", "path"))
    return os.path.normpath(path) if always or written.startswith(".") or os.path.exists(path) else written


def validate(kind: type[Config], document: Document, path: Path) -> Config:
    """Return the document as a ``kind``; a UserError with a line for each finding otherwise."""
    findings = list(document.findings)
    try:
        # by way of JSON, where strictness refuses "3" for a number and 1 for true, and takes a list for a tuple
        config = kind.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        findings += [_worded(detail, kind) for detail in error.errors(include_url=False)]
        config = None
    if config is None or findings:
        unique = {finding.loc: finding for finding in findings}
        raise UserError(render(unique.values(), path, document))
    return config


def _worded(detail: ErrorDetails, kind: type[BaseModel]) -> Finding:
    what, loc = detail["type"], _written(detail["loc"], kind)
    if what == "missing":
        return Finding(loc, f"{loc[-1]} is missing: add it")
    if what == "extra_forbidden":
        model = _model_at(loc[:-1], kind)
        return Finding(loc, f"unknown key; {unknown(str(loc[-1]), model.model_fields if model else ())}")
    if detail["input"] is None:
        return Finding(loc, "is empty: give a value, or remove the line")
    context = detail.get("ctx", {})
    if what in BOUNDS:
        name, words = BOUNDS[what]
        return Finding(loc, f"must be {words} {context[name]:g}")
    if what == "literal_error":
        return Finding(loc, f"must be {context['expected']}")
    if what == "value_error":
        return Finding(loc, str(context["error"]))
    return Finding(loc, _WORDS.get(what, f"is not valid here ({what})"))


def _written(loc: Loc, kind: type[BaseModel]) -> Loc:
    """Return the place without the parts that pydantic adds for the members of a union."""
    kept: list[str | int] = []
    annotation: Any = kind
    for part in loc:
        inner = _inside(annotation, part)
        if inner is None and kept and _model(annotation) is None:
            continue
        kept.append(part)
        annotation = inner
    return tuple(kept)


def _model_at(loc: Loc, kind: type[BaseModel]) -> type[BaseModel] | None:
    annotation: Any = kind
    for part in loc:
        annotation = _inside(annotation, part)
    return _model(annotation)


def _inside(annotation: Any, part: str | int) -> Any:
    model = _model(annotation)
    if model is not None:
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    for member in _members(annotation):
        if get_origin(member) is list and isinstance(part, int):
            return get_args(member)[0]
        if get_origin(member) is dict and isinstance(part, str):
            return get_args(member)[1]
    return None


def _model(annotation: Any) -> type[BaseModel] | None:
    found = [part for part in _members(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    return found[0] if found else None


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _apply(document: Document, override: str) -> list[Finding]:
    """Put one ``a.b=value`` into the document, making the mappings on the way, and return what is wrong with it."""
    key, equals, text = override.partition("=")
    loc = tuple(key.strip().split("."))
    if not equals or not all(loc):
        return [Finding((), "write KEY=VALUE, such as --set trl.max_steps=10", 0)]
    try:
        given = parse(text)
    except YamlProblem as problem:
        return [Finding(loc, problem.message, 0)]
    around = document.value
    for depth, part in enumerate(loc[:-1], start=1):
        if around.get(part) is None:
            around[part] = {}
            document.lines[loc[:depth]] = 0
        around = around[part]
        if not isinstance(around, dict):
            return [Finding(loc, f"{'.'.join(loc[:depth])} has no keys: set the whole of it", 0)]
    for known in [known for known in document.lines if known[: len(loc)] == loc]:
        del document.lines[known]
    document.lines[loc] = 0
    document.findings = [finding for finding in document.findings if finding.loc[: len(loc)] != loc]
    around[loc[-1]] = given.value
    return [Finding(loc + inner, message, 0) for inner, message, _ in given.findings]
