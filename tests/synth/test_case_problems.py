"""Case cards that give no consultation: each contradiction with its reason, and what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.recipes.case_problems import problem_of
from synth.recipes.forms import CaseCard
from tests.synth.test_case import CARD, card


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({}, None, ""),
        ({"subject": "other"}, "no_case", "no illness"),
        ({"subject": "other", "complaint": "none"}, "no_case", "no illness"),
        ({"complaint": "None."}, "bad_case", "complaint"),
        ({"complaint": "unknown"}, "bad_case", "complaint"),
        ({"diagnosis": "N/A"}, "bad_case", "diagnosis"),
        ({"diagnosis": "Diagnosis"}, "bad_case", "diagnosis"),
        ({"diagnosis": " no "}, "bad_case", "diagnosis"),
        ({"complaint": "angina, stable!"}, "bad_case", "names the diagnosis"),
        ({"complaint": "I was told it is stable angina."}, "bad_case", "names the diagnosis"),
        ({"complaint": "I was told it is angina."}, None, ""),
        ({"findings": [], "tests": [], "medication": [], "allergies": []}, None, ""),
        ({"diagnosis": "42!"}, "bad_case", "no name"),
        ({"diagnosis": "The patient has a tight chest"}, "bad_case", "no name"),
        ({"diagnosis": "What is it?"}, "bad_case", "no name"),
        ({"history": ["None", "unknown"]}, "bad_case", "no facts"),
        ({"history": ["I have had stable angina for years."]}, "bad_case", "history names"),
        ({"red_flags": ["My angina is no longer stable"]}, "bad_case", "red flags name"),
        ({"diagnosis": "Heart attack (MI)", "complaint": "I fear it is an MI."}, "bad_case", "complaint names"),
        (
            {"diagnosis": "Myocardial infarction", "history": ["It is a heart attack, I know it."]},
            "bad_case",
            "history",
        ),
        ({"allergies": ["Ramipril"]}, "bad_case", "both taken"),
        ({"allergies": ["none"], "medication": ["none"]}, None, ""),
        ({"tests": ["Sodium: 140 mmol/l", "sodium: 128 mmol/l"]}, "bad_case", "two results"),
        ({"tests": ["Sodium: 140 mmol/l", "Sodium: 140  mmol/L"]}, None, ""),
        ({"findings": ["Pulse: 80", "Pulse: 120"]}, "bad_case", "two results"),
        ({"findings": ["Pulse: 80"], "tests": ["Pulse: 120"]}, None, ""),
        ({"pregnant": True}, None, ""),
        ({"pregnant": True, "sex": "male"}, "bad_case", "pregnant"),
        ({"pregnant": True, "age": 7}, "bad_case", "pregnant"),
        ({"pregnant": True, "age": 71}, "bad_case", "pregnant"),
        ({"history": ["My prostate is enlarged."]}, "bad_case", "prostate"),
        ({"history": ["My father had prostate cancer."]}, None, ""),
        ({"sex": "male", "history": ["My last menses were in May."]}, "bad_case", "menses"),
        ({"sex": "male", "findings": ["Ovaries: not palpable"]}, "bad_case", "ovaries"),
        ({"sex": "male", "history": ["My wife is pregnant."]}, None, ""),
        ({"age": 6, "history": ["I retired last year."]}, "bad_case", "retired"),
        ({"history": ["I am a 12-year-old girl."]}, "bad_case", "12-year-old"),
        ({"history": ["I am a 54-year-old woman."]}, None, ""),
        ({"history": ["I look after a 12-year-old girl, my daughter."]}, None, ""),
    ],
)
def test_cards_that_give_no_consultation(changes: dict[str, Any], reason: str | None, words: str) -> None:
    problem = problem_of(card(**changes))
    assert (problem and problem[0]) == reason
    assert problem is None or words in problem[1]


@given(
    st.fixed_dictionaries(
        {
            "age": st.integers(0, 110),
            "sex": st.sampled_from(["female", "male"]),
            "pregnant": st.booleans(),
            "history": st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=3),
            "diagnosis": st.text(min_size=2, max_size=40),
        }
    )
)
def test_any_card_gets_a_verdict(changes: dict[str, Any]) -> None:
    problem = problem_of(CaseCard.model_construct(**(CARD | {"pregnant": False} | changes)))
    assert problem is None or (problem[0] == "bad_case" and problem[1])
