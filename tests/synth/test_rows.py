from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.text import storable
from synth.rows import (
    KINDS,
    REJECTED,
    SCHEMAS,
    Rejected,
    clean_row,
    dedup_text,
    kept_batch,
    rejected_batch,
    row_id,
)
from tests.synth.factories import make_rejected, make_row

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)

RESERVED = {"conversations", "image", "images", "labels", "input_ids", "tools", "chat_template_kwargs"}
RESERVED |= {"ref_chosen_logps", "completion"}


@pytest.mark.parametrize("kind", KINDS)
def test_complete_row_survives_arrow(kind: str) -> None:
    row = make_row(kind)
    assert kept_batch(kind, [row]).to_pylist() == [row]
    assert set(row) == set(SCHEMAS[kind].names)


@pytest.mark.parametrize("kind", KINDS)
def test_no_column_that_trainers_take_for_something_else(kind: str) -> None:
    names = set(SCHEMAS[kind].names)
    assert not names & RESERVED
    assert not {"prompt", "messages"} <= names


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"respons": "x"}, "respons"),
        ({"messages": [{"role": "user", "contents": "x"}]}, "contents"),
        ({"evidence": [{"flags": "x"}]}, "flags"),
    ],
)
def test_unknown_names_are_refused_at_every_level(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(AssertionError, match=named):
        kept_batch("sft", [make_row("sft", **changes)])


def test_missing_column_is_refused() -> None:
    row = make_row("sft")
    del row["tokens_in"]
    with pytest.raises(AssertionError, match="tokens_in"):
        kept_batch("sft", [row])


def test_missing_names_inside_structs_are_null() -> None:
    batch = kept_batch("sft", [make_row("sft", evidence=[{"flag": "dose", "text": "5 g"}])])
    assert batch.to_pylist()[0]["evidence"] == [{"flag": "dose", "turn": None, "text": "5 g", "fact": None}]


@given(ANY_TEXT)
def test_any_text_can_be_stored(text: str) -> None:
    row = make_row("sft", instruction=text, flags=[text], messages=[{"role": "user", "content": text}])
    stored = kept_batch("sft", [row]).to_pylist()[0]
    assert stored["instruction"] == stored["flags"][0] == stored["messages"][0]["content"] == storable(text)


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, JSON, max_size=3))
def test_any_rejection_can_be_stored(text: str, payload: dict[str, object]) -> None:
    item = make_rejected(detail=text, seed_id=text, payload=payload, evidence=({"flag": "x", "text": text},))
    stored = rejected_batch([item]).to_pylist()[0]
    assert stored["detail"] == storable(text)
    assert json.loads(stored["payload"]) == clean_row(payload)
    assert list(stored) == REJECTED.names


def test_rejection_without_payload_stays_null() -> None:
    stored = rejected_batch([Rejected("seed", "s", "i", "case", "no_case", "nothing to tell")]).to_pylist()[0]
    assert stored["payload"] is None
    assert (stored["status"], stored["evidence"]) == ("rejected", [])


@given(JSON, st.randoms())
def test_id_depends_on_content_not_on_key_order(content: object, rng: random.Random) -> None:
    def shuffled(value: object) -> object:
        if isinstance(value, dict):
            items = list(value.items())
            rng.shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert row_id("sft", "s", "answer", content) == row_id("sft", "s", "answer", shuffled(content))


def test_id_tells_everything_apart() -> None:
    variants = [
        ("sft", "s", "answer", "x"),
        ("reasoning", "s", "answer", "x"),
        ("sft", "sa", "nswer", "x"),
        ("sft", "s", "answer-2", "x"),
        ("sft", "s", "answer", "\ud800"),
        ("sft", "s", "answer", math.nan),
    ]
    ids = {row_id(*variant) for variant in variants}
    assert len(ids) == len(variants)
    assert all(len(i) == 32 and set(i) <= set("0123456789abcdef") for i in ids)


def test_id_is_that_of_the_canonical_json() -> None:
    assert row_id("sft", "s1", "answer", {"q": "Wie geht’s?", "a": 1}) == "7b39671346d459c2c9c12c73fdf66619"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sft", ["instruction", "response"]),
        ("reasoning", ["question", "answer"]),
    ],
)
def test_dedup_text_of_single_turns(kind: str, expected: list[str]) -> None:
    row = make_row(kind)
    assert dedup_text(kind, row) == "\n".join(row[name] for name in expected)


def test_dedup_text_of_conversations() -> None:
    dialogue, pair = make_row("dialogue"), make_row("preference")
    assert dedup_text("dialogue", dialogue) == "\n".join(m["content"] for m in dialogue["messages"])
    parts = [*pair["prompt"], *pair["chosen"], *pair["rejected"]]
    assert dedup_text("preference", pair) == "\n".join(m["content"] for m in parts)
    assert dedup_text("sft", make_row("sft", instruction=None, response=None)) == "\n"
