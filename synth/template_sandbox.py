"""Where templates run: Jinja's immutable sandbox with nothing in it but the filters and tests named here.

Templates come from people one may not trust. They see items of mappings and fields of other values, never methods, and
a key of a mapping goes before anything else of that name. What would print as Python (None, lists, mappings, objects)
is refused rather than sent to a model. Loops go over lists, tuples and mappings of at most 1,000 items, and what a
filter makes is capped; there is no clock.

What a template may hold at all is checked before (see :mod:`synth.template_rules`); files are read and messages put
together elsewhere (see :mod:`synth.templates`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS: dict[str, tuple[str, ...]] = {
    "first": (),
    "int": ("default",),
    "join": ("separator",),
    "last": (),
    "length": (),
    "lower": (),
    "round": ("precision",),
    "tojson": ("indent",),
    "trim": (),
    "upper": (),
}
"""Filters and the parameters that each may be given; arguments must be constants."""
TESTS = ("boolean", "defined", "false", "mapping", "none", "number", "sequence", "string", "true", "undefined")

MAX_CONTENT = 4_000_000
"""Characters of a rendered message and of what a filter makes."""
MAX_ITEMS = 1_000
"""Items of an input that a template may loop over."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox without globals, methods and constant folding, and with the allowed filters and tests alone."""

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            finalize=_printable,
            autoescape=False,
            optimized=False,
        )
        self.globals.clear()
        ours = {"join": _join, "tojson": _tojson}
        self.filters = {name: ours.get(name, self.filters[name]) for name in FILTERS} | {"_inputs": _inputs}
        self.tests = {name: self.tests[name] for name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Keys of mappings, fields of others: a case may have a key ``items``, and calls are refused anyway."""
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        value = super().getattr(obj, attribute)
        if callable(value) and not isinstance(value, Undefined):
            return self.unsafe_undefined(obj, attribute)
        return value

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Items alone, no attributes."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)


def bound_loops(tree: nodes.Template) -> None:
    """Change a parsed template so that its loops, when they run, refuse texts, sets and more than MAX_ITEMS items."""
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = nodes.Filter(loop.iter, "_inputs", [], [], None, None, lineno=loop.lineno)


@jinja2.pass_context  # a function that needs the context is not run while compiling
def _printable(context: Context, value: object) -> object:
    if isinstance(value, str | int | float | Undefined):
        return value
    raise TypeError(f"a value of type {type(value).__name__} is not text: name a part of it, or use |join or |tojson")


def _listed(value: object, purpose: str) -> Collection[object]:
    """Refuse sets, which have no order to rely on, and texts: their letters are too many to go over."""
    if isinstance(value, Undefined):
        str(value)  # raises, naming the variable
    if not isinstance(value, list | tuple | Mapping):
        raise TypeError(f"{purpose} takes a list or a mapping, not a value of type {type(value).__name__}")
    return value


def _inputs(value: object) -> Collection[object]:
    """Return what a loop goes over; :func:`bound_loops` wraps every loop's source in this."""
    items = _listed(value, "a loop")
    if len(items) > MAX_ITEMS:
        raise ValueError(f"a loop may go over {MAX_ITEMS:,} items, not {len(items):,}")
    return items


def _join(value: object, separator: object = "") -> str:
    between, texts = str(separator), [str(item) for item in _listed(value, "|join")]
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_CONTENT:
        raise ValueError(f"|join makes more than {MAX_CONTENT:,} characters")
    return between.join(texts)


def _tojson(value: object, indent: int | None = None) -> str:
    """JSON for models to read: nothing escaped for HTML, letters of all languages as they are, keys in their order."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=_plain)
    if len(text) > MAX_CONTENT:
        raise ValueError(f"|tojson makes more than {MAX_CONTENT:,} characters")
    return text


def _plain(value: Any) -> object:
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"|tojson cannot write a value of type {type(value).__name__}")
