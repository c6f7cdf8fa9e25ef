"""Slots: every planned row is settled once, failures inside a block settle what is open, by-products have an order."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.ask import AskFailed, AskRejected
from synth.recipes.slots import BYPRODUCTS, Slot, Slots, planned_slots
from synth.rows import KINDS
from synth.spec import Produce

ORIGINS = ["reasoning_over_answer", "reward", "dialogue_outcome"]


@pytest.mark.parametrize(
    ("produce", "planned"),
    [
        ({}, []),
        ({"questions": {}}, []),
        ({"questions": {}, "answers": {"styles": 4}}, [("sft", "0")]),
        ({"questions": {}, "reasoning": {"hardest": 0.5, "chains": 8}}, [("reasoning", "0")]),
        ({"dialogues": {"per_seed": 3}}, [("dialogue", "0"), ("dialogue", "1"), ("dialogue", "2")]),
        (
            {"answers": {}, "reasoning": {"hardest": 1}, "preferences": {"from": ORIGINS[:2]}},
            [("sft", "0"), ("reasoning", "0"), ("preference", "reasoning_over_answer"), ("preference", "reward")],
        ),
        (
            {"dialogues": {"per_seed": 2}, "preferences": {"from": ["dialogue_outcome"]}},
            [
                ("dialogue", "0"),
                ("dialogue", "1"),
                ("preference", "dialogue_outcome-0"),
                ("preference", "dialogue_outcome-1"),
            ],
        ),
    ],
)
def test_what_is_planned_follows_from_the_spec(produce: dict[str, Any], planned: list[Slot]) -> None:
    assert list(planned_slots(Produce.model_validate(produce))) == planned


@given(st.booleans(), st.booleans(), st.integers(0, 4), st.lists(st.sampled_from(ORIGINS), unique=True), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_origins(
    answers: bool, reasoning: bool, dialogues: int, origins: list[str], rng: random.Random
) -> None:
    def plan(from_: list[str]) -> tuple[Slot, ...]:
        produce: dict[str, Any] = {"answers": {}} if answers else {}
        produce |= {"reasoning": {"hardest": 0.5}} if reasoning else {}
        produce |= {"dialogues": {"per_seed": dialogues}} if dialogues else {}
        return planned_slots(Produce.model_validate(produce | ({"preferences": {"from": from_}} if from_ else {})))

    slots = plan(origins)
    counts = Counter(kind for kind, _ in slots)
    pairs = sum(dialogues if origin == "dialogue_outcome" else 1 for origin in origins)
    assert [counts[kind] for kind in KINDS] == [answers, reasoning, dialogues, pairs]
    assert len(set(slots)) == len(slots)
    rng.shuffle(origins)
    assert plan(origins) == slots


PLANNED: tuple[Slot, ...] = (("sft", "0"), ("reasoning", "0"), ("dialogue", "0"), ("dialogue", "1"))
Deed = tuple[str, Slot]
DEEDS = st.lists(
    st.tuples(st.sampled_from(["keep", "reject", "fail", "raise rejected", "raise failed"]), st.sampled_from(PLANNED)),
    max_size=8,
)


@given(DEEDS)
def test_planned_is_kept_and_rejected_and_failed_and_pending(deeds: list[Deed]) -> None:
    slots = Slots("s", PLANNED)
    expected: dict[Slot, str] = dict.fromkeys(PLANNED, "pending")
    for deed, slot in deeds:
        if expected[slot] != "pending" and not deed.startswith("raise"):
            with pytest.raises(AssertionError, match="settled twice"):
                _do(slots, deed, slot)
            continue
        _do(slots, deed, slot)
        if expected[slot] == "pending":
            expected[slot] = {"keep": "kept", "reject": "rejected", "fail": "failed"}.get(deed, deed.split()[-1])
    kept, rejected = slots.results()
    found = Counter[str](r.status for r in rejected)
    found += Counter(kept=len(kept), pending=len(slots.open()))
    assert found == Counter(expected.values())
    assert slots.open() == [slot for slot in PLANNED if expected[slot] == "pending"]
    assert [row.kind for row in kept] == [slot[0] for slot in PLANNED if expected[slot] == "kept"]
    settled = [slot for slot in PLANNED if expected[slot] in ("rejected", "failed")]
    assert [(r.kind, r.status) for r in rejected] == [(slot[0], expected[slot]) for slot in settled]
    assert all(r.seed_id == "s" and r.step and r.reason for r in rejected)
    assert len({r.id for r in rejected}) == len(rejected)


def _do(slots: Slots, deed: str, slot: Slot) -> None:
    if deed == "keep":
        slots.keep(*slot, {"text": "x"}, "x")
    elif deed in ("reject", "fail"):
        slots.reject([slot], "score", "why", status="rejected" if deed == "reject" else "failed")
    else:
        with slots.covering(slot):
            raise (
                AskRejected("score/0", "schema", "detail", "text", ())
                if deed == "raise rejected"
                else AskFailed("score/0", "timeout", "detail")
            )


def test_only_planned_slots_can_be_settled() -> None:
    slots = Slots("s", PLANNED)
    assert slots.has("sft")
    assert slots.has("dialogue", "1")
    assert not slots.has("dialogue", "2")
    with pytest.raises(AssertionError, match="never planned"):
        slots.keep("preference", "reward", {}, "x")
    with pytest.raises(AssertionError, match="never planned"):
        slots.reject([("sft", "1")], "step", "why")
    assert slots.open(("sft", "0"), ("preference", "reward")) == [("sft", "0")]


def test_a_covering_block_settles_what_is_open_of_its_slots_and_says_why() -> None:
    slots = Slots("s", PLANNED)
    slots.keep("sft", "0", {}, "x")
    with slots.covering(("sft", "0"), ("dialogue", "1")), slots.covering(("reasoning", "0")):
        raise AskRejected("reasoning", "truncated", "it was cut", "long " * 2000, ())
    assert slots.open() == [("dialogue", "0"), ("dialogue", "1")]  # the inner block has caught it
    with slots.covering(("sft", "0"), ("dialogue", "1")):
        raise AskFailed("case", "timeout", "no reply within 5 s")
    assert slots.open() == [("dialogue", "0")]
    _, (cut, late) = slots.results()
    assert (cut.kind, cut.step, cut.reason, cut.status) == ("reasoning", "reasoning", "truncated", "rejected")
    assert cut.payload == {"reply": ("long " * 2000)[:4000]}
    assert (late.kind, late.step, late.reason, late.detail) == ("dialogue", "case", "timeout", "no reply within 5 s")
    assert (late.status, late.payload) == ("failed", None)


def test_other_errors_pass_through_a_covering_block() -> None:
    slots = Slots("s", PLANNED)
    with pytest.raises(ZeroDivisionError), slots.covering(*PLANNED):
        raise ZeroDivisionError
    assert slots.open() == list(PLANNED)


@given(st.permutations([(kind, str(n)) for kind in BYPRODUCTS[:3] for n in range(3)]))
def test_by_products_have_an_order_of_their_own_and_fill_no_slot(order: list[Slot]) -> None:
    slots = Slots("s", PLANNED)
    slots.reject([("dialogue", "0")], "case", "no_case")
    for kind, name in order:
        slots.byproduct(kind, name, "score", "not_chosen", payload={"name": name})
    _, rejected = slots.results()
    assert len(slots.open()) == len(PLANNED) - 1
    assert rejected[0].kind == "dialogue"
    named = [(r.kind, (r.payload or {})["name"]) for r in rejected[1:]]
    assert named == sorted(order)


def test_by_products_are_of_known_kinds() -> None:
    with pytest.raises(AssertionError, match="recipe"):
        Slots("s", PLANNED).byproduct("recipe", "0", "score", "not_chosen")


def test_ids_of_rows_depend_on_seed_slot_and_content_alone() -> None:
    def row_of(seed: str, slot: Slot, content: str) -> str:
        slots = Slots(seed, PLANNED)
        slots.keep(*slot, {}, content)
        return str(slots.results()[0][0].row["id"])

    first = row_of("s", ("dialogue", "0"), "x")
    others = [row_of("t", ("dialogue", "0"), "x"), row_of("s", ("dialogue", "1"), "x"), row_of("s", PLANNED[2], "y")]
    assert row_of("s", ("dialogue", "0"), "x") == first
    assert len({first, *others}) == 4
