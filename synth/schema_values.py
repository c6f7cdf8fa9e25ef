"""Values from a seeded generator: an instance that is valid for a JSON schema, its strings from :mod:`synth.prose`.

Supported: ``type`` (also a list), ``enum``, ``const``, ``properties``, ``required``, ``additionalProperties`` (for
names that are required without being described), ``items``, ``minItems``, ``maxItems``, ``uniqueItems``, lengths,
numeric bounds, ``anyOf``, ``oneOf``, ``allOf`` of one, and local ``$ref``, recursion included. Every property is
given; once a reference has nested into itself three times, only those that are required or hold no reference.
Branches of ``oneOf`` are taken to exclude each other, and what stands beside ``enum`` or ``const`` to agree with it.
``format``, ``nullable`` and unknown keywords are ignored: null is drawn only where the schema names it. A string
stays two characters below its ``maxLength`` where it may, for clients that take a full one for a truncated one.

ValueError: the keywords of :data:`UNSUPPORTED`, several schemas in ``allOf``, constraints beside a reference or a
choice. Not a validator: a malformed schema is noticed only where it hurts. Draws are those of :mod:`synth.prose`, so
the same schema and seed give the same value under any version of Python.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import unquote

from synth.prose import between, pick, text_within

UNSUPPORTED = frozenset(
    {"pattern", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependencies"}
    | {"dependentRequired", "dependentSchemas", "prefixItems", "contains", "multipleOf", "not", "if", "then", "else"}
)
"""Keywords that could make a drawn value invalid and are therefore refused."""

_KEYWORDS_OF = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_CHOICES = ("anyOf", "oneOf", "allOf")
_CONSTRAINTS = {"type", "enum", "const", "$ref", *_CHOICES}.union(*_KEYWORDS_OF.values())
_LARGEST = 100_000  # items or characters; a schema may ask for more than a machine can hold

Draw = Callable[[Random, tuple[str, ...], bool], Any]
"""Draws a value; arguments: the generator, the references on the way here, whether to keep it as small as can be."""


def value_for(schema: Any, rng: Random) -> Any:
    """Return a value that is valid for ``schema``; raises ValueError as :func:`compile_schema` does."""
    return compile_schema(schema)(rng)


def compile_schema(schema: Any) -> Callable[[Random], Any]:
    """Return a function that draws valid values; compiling once pays when a schema is used often.

    That function raises ValueError only where ``uniqueItems`` asks for more different items than it could find.

    Raises:
        ValueError: an unsupported keyword, bounds that cross, or nothing at all fits (a required property that
            contains itself). The message names the place as a JSON pointer.
    """
    try:
        draw = _Compiler(schema).draw()
    except (AttributeError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise ValueError(f"malformed schema: {type(error).__name__}: {error}") from error
    return lambda rng: draw(rng, (), False)


class _Compiler:
    """Turns a schema into nested closures, once it knows how many levels each reference needs at least."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.draws: dict[str, Draw] = {}
        self.heights: dict[str, float] = {"#": math.inf}
        before: dict[str, float] = {}
        while before != self.heights:  # a fixed point: after n rounds all that ends within n references is known
            before = dict(self.heights)
            for ref in before:
                self.heights[ref] = self.height(self.resolve(ref))

    def draw(self) -> Draw:
        if self.heights["#"] == math.inf:
            raise ValueError("nothing fits the schema: something required is forbidden or contains itself without end")
        for ref, height in self.heights.items():
            if height < math.inf:
                self.draws[ref] = self.compile(self.resolve(ref), ref)
        return self.draws["#"]

    def resolve(self, ref: str) -> Any:
        if not ref.startswith("#"):
            raise ValueError(f"$ref {ref!r}: only references within the schema are supported")
        node = self.root
        for part in unquote(ref[1:]).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(name) if isinstance(node, list) else name]
            except (LookupError, TypeError, ValueError):
                raise ValueError(f"$ref {ref!r} points to nothing") from None
        return node

    def height(self, schema: Any) -> float:
        """Return how many levels the flattest value has; infinite where none ends or fits. Notes every reference."""
        if isinstance(schema, bool):
            return 1 if schema else math.inf
        if "$ref" in schema:
            return 1 + self.heights.setdefault(schema["$ref"], math.inf)
        if "const" in schema or "enum" in schema:
            return 1 if "const" in schema or schema["enum"] else math.inf
        if branches := _branches(schema):
            return 1 + min([self.height(branch) for branch in branches])
        levels = [(self.height(part), needed) for _, part, needed in _parts(schema)]
        return 1 + max([level for level, needed in levels if needed], default=0)

    def compile(self, schema: Any, where: str) -> Draw:
        schema = {} if schema is True else schema
        for keyword in sorted(UNSUPPORTED & schema.keys()):
            raise ValueError(f"{where}: {keyword} is not supported")
        for keyword in ("$ref", *_CHOICES):
            if keyword in schema and len(_CONSTRAINTS & schema.keys()) > 1:
                raise ValueError(f"{where}: constraints beside {keyword} are not supported")
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if "const" in schema:
            return lambda rng, refs, small: schema["const"]
        if "enum" in schema:
            return lambda rng, refs, small: pick(rng, schema["enum"])
        if len(schema.get("allOf", ())) > 1:
            raise ValueError(f"{where}: several schemas in allOf are not supported")
        if branches := _branches(schema):
            return self._choice(branches, where)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, where)
        if kind == "array":
            return self._array(schema, where)
        return _scalar(kind, schema, where)

    def _reference(self, ref: str) -> Draw:
        def draw(rng: Random, refs: tuple[str, ...], small: bool) -> Any:
            return self.draws[ref](rng, (*refs, ref), small or refs.count(ref) >= 2)

        return draw

    def _choice(self, branches: list[Any], where: str) -> Draw:
        possible = [branch for branch in branches if self.height(branch) < math.inf]
        draws = [self.compile(branch, where) for branch in possible]
        flattest = draws[min(range(len(possible)), key=lambda i: self.height(possible[i]))]

        def draw(rng: Random, refs: tuple[str, ...], small: bool) -> Any:
            return (flattest if small else pick(rng, draws))(rng, refs, small)

        return draw

    def _object(self, schema: dict[str, Any], where: str) -> Draw:
        fields: list[tuple[str, Draw, bool]] = []
        for name, part, needed in _parts(schema):
            if self.height(part) < math.inf:
                always = needed or '"$ref"' not in json.dumps(part)
                make = self.compile(part, f"{where}/properties/{name}")
                if not needed and isinstance(part, dict) and "default" in part:
                    make = _mostly(part["default"], make)
                fields.append((name, make, always))

        def draw(rng: Random, refs: tuple[str, ...], small: bool) -> Any:
            return {name: make(rng, refs, small) for name, make, always in fields if always or not small}

        return draw

    def _array(self, schema: dict[str, Any], where: str) -> Draw:
        least, most = _range(schema, "minItems", "maxItems", 0, where)
        items = schema.get("items", True)
        if self.height(items) == math.inf:
            return lambda rng, refs, small: []
        item, distinct = self.compile(items, f"{where}/items"), bool(schema.get("uniqueItems"))

        def draw(rng: Random, refs: tuple[str, ...], small: bool) -> Any:
            count = least if small else between(rng, least, min(most, least + 3))
            if not distinct:
                return [item(rng, refs, small) for _ in range(count)]
            found: dict[str, Any] = {}
            for _ in range(200 + 40 * count):  # all but surely collects an enum of `count` members
                if len(found) == count:
                    break
                value = item(rng, refs, small)
                found.setdefault(json.dumps(value, sort_keys=True), value)
            if len(found) < least:
                raise ValueError(f"{where}: uniqueItems wants {least} items, found only {len(found)} different ones")
            return list(found.values())

        return draw


def _branches(schema: dict[str, Any]) -> list[Any]:
    """Return the schemas to choose from, none where there is no choice."""
    for keyword in _CHOICES:
        if schema.get(keyword):
            return list(schema[keyword])
    kinds = schema.get("type")
    return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else []


def _kind(schema: dict[str, Any]) -> str:
    """Return the type, or the one that the other keywords are about; a schema of anything gives a string."""
    if "type" in schema:
        return str(schema["type"])
    return next((kind for kind, keywords in _KEYWORDS_OF.items() if schema.keys() & set(keywords)), "string")


def _mostly(usual: Any, other: Draw) -> Draw:
    """The default of an optional field seven times of eight, as models leave it alone."""
    return lambda rng, refs, small: usual if rng.random() < 7 / 8 else other(rng, refs, small)


def _parts(schema: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    """Return (name, schema, whether a value must have it) for each property, or for the items."""
    kind = _kind(schema)
    if kind == "array":
        return [("items", schema.get("items", True), schema.get("minItems", 0) > 0)]
    if kind != "object":
        return []
    properties, required = schema.get("properties", {}), schema.get("required", [])
    described = [(name, part, name in required) for name, part in properties.items()]
    others = schema.get("additionalProperties", True)
    return described + [(name, others, True) for name in required if name not in properties]


def _range(schema: dict[str, Any], low: str, high: str, least: int, where: str) -> tuple[int, int]:
    """Return the bounds on a size, at least ``least`` unless the upper bound forbids it."""
    most = int(min(schema.get(high, _LARGEST), _LARGEST))
    lowest = int(max(schema.get(low, 0), min(least, most)))
    if lowest > most:
        raise ValueError(f"{where}: {low} {lowest} is more than {most}, the largest size allowed")
    return lowest, most


def _scalar(kind: str, schema: dict[str, Any], where: str) -> Draw:
    if kind == "null":
        return lambda rng, refs, small: None
    if kind == "boolean":
        return lambda rng, refs, small: rng.random() < 0.5
    if kind == "string":
        shortest, longest = _range(schema, "minLength", "maxLength", 1, where)
        return lambda rng, refs, small: text_within(rng, shortest, longest)
    if kind not in ("integer", "number"):
        raise ValueError(f"{where}: unknown type {kind!r}")
    low, high = _bounds(schema)
    if kind == "integer":
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise ValueError(f"{where}: no {kind} lies within the bounds")
    if kind == "integer":
        return lambda rng, refs, small: between(rng, int(low), int(high))
    return lambda rng, refs, small: _number(rng, low, high)


def _bounds(schema: dict[str, Any]) -> tuple[float, float]:
    """Return the smallest and the largest number allowed; a range of 100 where a side is open."""
    lows = [schema["minimum"]] if "minimum" in schema else []
    highs = [schema["maximum"]] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(math.nextafter(schema["exclusiveMinimum"], math.inf))
    if "exclusiveMaximum" in schema:
        highs.append(math.nextafter(schema["exclusiveMaximum"], -math.inf))
    low = max(lows) if lows else min([0, *[high - 100 for high in highs]])
    return low, min(highs) if highs else low + 100


def _number(rng: Random, low: float, high: float) -> float:
    share = rng.random()
    value = min(high, max(low, low * (1 - share) + high * share))
    return round(value, 2) if low <= round(value, 2) <= high else value
