"""Whatever comes in: no exception, evidence that points into an existing turn, the same answer every time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.consultation_checks import FLAGS, check_consultation
from tests.filters.consultation_talks import CASE, OPENING, talk

ODD = st.one_of(st.none(), st.integers(), st.text(max_size=40), st.lists(st.text(max_size=10), max_size=2))
PHRASES = st.sampled_from(
    [
        "Since you have had a fever, rest.",
        "Your ECG shows ST depression!",
        "I\u2019m 99 years old \u2026",
        "Take amoxicillin 500 mg",
        "\u201cNo\u201d.",
        "I have angina\nand more",
        "\u0130 \u1e9e \ud800",
        "...",
        "Doctor: hello",
        "I vomited blood",
        "born 12 March 1961, John Miller",
    ]
)
TEXTS = st.lists(st.one_of(PHRASES, st.text(max_size=60)), max_size=4).map(" ".join)
TURNS = st.lists(
    st.one_of(
        ODD,
        st.dictionaries(st.sampled_from(["speaker", "text", "action", "argument"]), ODD),
        st.fixed_dictionaries(
            {
                "speaker": st.sampled_from(["patient", "doctor", "result"]),
                "text": TEXTS,
                "action": st.sampled_from([None, "ask", "test", "diagnose"]),
                "argument": st.one_of(st.none(), TEXTS),
            }
        ),
    ),
    max_size=6,
)
CASES = st.one_of(st.just({}), st.just(CASE), st.dictionaries(st.sampled_from(sorted(CASE)), ODD))


@settings(max_examples=150, deadline=None)
@given(TURNS, CASES)
def test_anything_gives_evidence_that_stands_where_it_says(turns: list[Any], case: dict[str, Any]) -> None:
    found = check_consultation(turns, case)
    for item in found:
        assert item["flag"] in FLAGS
        assert (
            item["text"] in turns[item["turn"]].get("text", "")
            if isinstance(turns[item["turn"]], dict) and isinstance(turns[item["turn"]].get("text"), str)
            else item["text"] == ""
        )
        assert item["fact"] is None or isinstance(item["fact"], str)
    assert check_consultation(turns, case) == found


@pytest.mark.parametrize("turns", [[], [None], [{}], talk("P: " + "fever and pain " * 3000)])
@pytest.mark.parametrize("case", [{}, None, CASE])
def test_nothing_and_very_much(turns: list[Any], case: dict[str, Any] | None) -> None:
    assert isinstance(check_consultation(turns, case), list)


def test_a_good_consultation_has_no_flags() -> None:
    turns = talk(
        OPENING,
        "D: How long has this been going on?",
        "P: About three weeks. It goes away when I rest.",
        "D: Do you have any allergies?",
        "P: Yes, to penicillin.",
        "R: [Test: ECG] ST depression on exertion",
        "C: Your ECG shows ST depression, and your chest gets tight on the stairs. This is stable angina. I will start"
        " aspirin 75 mg once a day. If the pain comes at rest, call 911.",
    )
    assert check_consultation(turns, CASE) == []
