from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, TypeAdapter

from synth.prose import phrase, sentence
from synth.schema_values import compile_schema, value_for

SEEDS = st.integers(0, 2**32)
NAMES = st.text("abcdeé/~ $", min_size=1, max_size=6)
JSON_SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    low, span = draw(st.integers(0, 300)), draw(st.integers(0, 300))
    bounds = {"minLength": low, "maxLength": low + span}
    return {"type": "string"} | {key: bounds[key] for key in bounds if draw(st.booleans())}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    whole: bool = draw(st.booleans())
    low: float = draw(st.integers(-1000, 1000) if whole else st.floats(-1e6, 1e6))
    high = low + draw(st.sampled_from([2, 3, 1000] if whole else [1e-3, 0.5, 2, 1e9]))
    lower = draw(st.sampled_from([{}, {"minimum": low}, {"exclusiveMinimum": low}]))
    upper = draw(st.sampled_from([{}, {"maximum": high}, {"exclusiveMaximum": high}]))
    return {"type": "integer" if whole else "number"} | lower | upper


LEAVES = st.one_of(
    strings(),
    numbers(),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, True, {"type": ["integer", "null"]}]),
    st.fixed_dictionaries({"enum": st.lists(JSON_SCALARS, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"const": JSON_SCALARS}),
    st.sampled_from([{"$ref": "#/$defs/first"}, {"$ref": "#/$defs/a~1b"}]),
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if draw(st.booleans()) and properties:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    more: dict[str, Any] = draw(st.sampled_from([{}, {"additionalProperties": False}, {"title": "T", "x-extra": 1}]))
    return schema | more


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    low = draw(st.integers(0, 3))
    bounds = {"minItems": low, "maxItems": low + draw(st.integers(0, 5))}
    return {"type": "array", "items": draw(inner)} | {key: bounds[key] for key in bounds if draw(st.booleans())}


def choices(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    exclusive = st.permutations([{"type": "string"}, {"type": "integer"}, {"type": "null"}, {"type": "array"}])
    return st.one_of(
        some.map(lambda schemas: {"anyOf": schemas}),
        inner.map(lambda schema: {"allOf": [schema], "description": "one"}),
        exclusive.map(lambda schemas: {"oneOf": schemas[:2]}),
    )


NODES = st.recursive(LEAVES, lambda inner: objects(inner) | arrays(inner) | choices(inner), max_leaves=12)


@st.composite
def whole_schemas(draw: st.DrawFn) -> dict[str, Any]:
    return {"properties": {"root": draw(NODES)}, "required": ["root"]} | {
        "$defs": {
            "first": draw(strings() | numbers()),
            "a/b": draw(objects(LEAVES.filter(lambda leaf: "$ref" not in leaf if isinstance(leaf, dict) else True))),
        }
    }


@settings(max_examples=150, deadline=None)
@given(schema=whole_schemas(), seed=SEEDS)
def test_any_value_is_valid_survives_json_and_is_repeatable(schema: dict[str, Any], seed: int) -> None:
    Draft202012Validator.check_schema(schema)
    value = value_for(schema, Random(seed))
    Draft202012Validator(schema).validate(value)
    assert json.loads(json.dumps(value)) == value
    assert value_for(schema, Random(seed)) == value


@given(schema=strings(), seed=SEEDS)
def test_strings_have_words_and_no_blanks_at_their_ends(schema: dict[str, Any], seed: int) -> None:
    value = value_for(schema, Random(seed))
    assert value == value.strip()
    assert value or schema.get("maxLength") == 0
    if "maxLength" in schema:
        assert len(value) <= max(schema["maxLength"] - 2, schema.get("minLength", 1))


@given(schema=objects(strings() | numbers()), seed=SEEDS)
def test_optional_properties_are_given_too(schema: dict[str, Any], seed: int) -> None:
    assert list(value_for(schema, Random(seed))) == list(schema["properties"])


@given(size=st.integers(1, 12), seed=SEEDS)
def test_unique_items_can_use_up_a_whole_enum(size: int, seed: int) -> None:
    schema = {"type": "array", "uniqueItems": True, "items": {"enum": list(range(size))}, "minItems": size}
    assert sorted(value_for(schema, Random(seed))) == list(range(size))


def test_enums_are_uniform_and_lists_short() -> None:
    item = {"enum": ["mild", "moderate", "severe"]}
    draw = compile_schema({"type": "array", "items": item, "minItems": 1, "maxItems": 50})
    rng = Random(0)
    lists = [draw(rng) for _ in range(400)]
    assert set(map(len, lists)) == {1, 2, 3, 4}
    counts = Counter(word for drawn in lists for word in drawn)
    assert all(0.28 < count / counts.total() < 0.39 for count in counts.values())
    assert len(counts) == 3


def test_open_numbers_stay_within_a_hundred() -> None:
    rng = Random(0)
    assert all(-130 <= value_for({"type": "integer", "maximum": -30}, rng) <= -30 for _ in range(50))
    assert all(7 < value_for({"type": "number", "exclusiveMinimum": 7}, rng) <= 107.01 for _ in range(50))


class Finding(BaseModel):
    kind: Literal["finding"] = "finding"
    name: Annotated[str, Field(max_length=40)]
    value: Annotated[float, Field(gt=0, lt=1)] | None = None


class Drug(BaseModel):
    kind: Literal["drug"] = "drug"
    dose_mg: Annotated[int, Field(ge=5, le=500)]


class Case(BaseModel):
    department: Literal["Cardiology", "Neurology"]
    age: Annotated[int, Field(ge=0, le=110)]
    story: Annotated[str, Field(min_length=200, max_length=600)]
    facts: Annotated[list[Annotated[Finding | Drug, Field(discriminator="kind")]], Field(min_length=2, max_length=9)]
    tags: set[Literal["acute", "chronic", "rare"]]
    related: list[Case] = []
    parent: Case | None = None


def test_pydantic_reads_what_its_own_schema_gives() -> None:
    draw = compile_schema(Case.model_json_schema())
    for seed in range(60):
        case = Case.model_validate(draw(Random(seed)), strict=False)
        assert len(case.facts) in range(2, 6)


TREE = {"type": "object", "properties": {"n": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}}}


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {**TREE, "required": ["n", "kids"]},
        {
            "$ref": "#/$defs/A",
            "$defs": {
                "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
                "B": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
            },
        },
        {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
        {
            "properties": {"ok": {"type": "null"}, "never": {"$ref": "#/$defs/L"}},
            "$defs": {"L": {"properties": {"l": {"$ref": "#/$defs/L"}}, "required": ["l"]}},
        },
        {"properties": {"ok": {"type": "null"}, "never": False}},
        {"anyOf": [False, {"type": "null"}]},
        {"type": "array", "items": False},
        {"type": "object", "required": ["extra"], "additionalProperties": {"type": "integer"}},
    ],
)
def test_recursion_and_the_impossible_are_avoided(schema: dict[str, Any]) -> None:
    draw = compile_schema(schema)
    for seed in range(100):
        value = draw(Random(seed))
        Draft202012Validator(schema).validate(value)
        assert len(json.dumps(value)) < 50_000


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {"code": {"type": "string", "pattern": "^[A-Z]$"}}}, "#/properties/code: pattern"),
        ({"not": {"type": "null"}}, "not is not supported"),
        ({"type": "string", "minLength": 5, "maxLength": 4}, "minLength 5"),
        ({"type": "array", "minItems": 10**9}, "minItems"),
        ({"type": "integer", "minimum": 3.1, "maximum": 3.9}, "no integer"),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, "no number"),
        ({"allOf": [{"type": "string"}, {"minLength": 3}]}, "allOf"),
        ({"$ref": "https://example.org/schema"}, "within the schema"),
        ({"$ref": "#/$defs/nowhere"}, "points to nothing"),
        ({"$ref": "#/$defs/a", "minLength": 3, "$defs": {"a": {"type": "string"}}}, "beside \\$ref"),
        ({"type": "strin"}, "unknown type 'strin'"),
        ({"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}, "nothing fits"),
        ({"enum": []}, "nothing fits"),
        (False, "nothing fits"),
        ({"required": ["a"], "additionalProperties": False}, "nothing fits"),
        ({"properties": 3}, "malformed"),
        ([], "malformed"),
        ({"type": "integer", "minimum": "low"}, "malformed"),
    ],
)
def test_what_it_cannot_do_it_says(schema: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_schema(schema)


def test_too_few_different_items_are_an_error() -> None:
    schema = {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3}
    with pytest.raises(ValueError, match="found only 2 different"):
        value_for(schema, Random(0))


def test_draws_do_not_change() -> None:
    schema = TypeAdapter(list[Annotated[int, Field(ge=0, le=999)]]).json_schema() | {"minItems": 5, "maxItems": 5}
    assert value_for(schema, Random(7)) == [150, 650, 72, 535, 365]


@given(seed=SEEDS)
def test_prose_is_made_of_sentences(seed: int) -> None:
    text = sentence(Random(seed))
    assert text.endswith(".")
    assert text[0].isupper()
    assert 5 <= len(text.split()) <= 30
    assert 2 <= len(phrase(Random(seed)).split()) <= 4
