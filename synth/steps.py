"""Every question that a recipe puts to a model: who is asked, with which template, how it is sampled.

``max_tokens`` bounds the reply; ``expected`` is the usual length that ``--dry-run`` counts with. Temperatures
of ``questions`` and ``score`` are the paper's (FineMedLM-o1, arXiv 2501.09213); the rest are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of question."""

    role: str
    template: str
    variables: frozenset[str]
    temperature: float
    max_tokens: int
    expected: int
    """Tokens of a usual reply, for estimates only."""
    top_p: float = 0.9

    def samples(self) -> Iterator[dict[str, object]]:
        """Values for all variables of the template, once with its switches on and once with them off."""
        for switch in (True, False):
            yield {name: SAMPLES.get(name, switch) for name in self.variables}


def _step(role: str, template: str, variables: str, temperature: float, max_tokens: int, expected: int) -> Step:
    return Step(role, template, frozenset(variables.split()) | {"language"}, temperature, max_tokens, expected)


STEPS: dict[str, Step] = {
    "department": _step("judge", "finemed/department", "passage departments", 0.0, 64, 12),
    "questions": _step("generator", "finemed/questions", "passage count", 1.0, 1024, 160),
    "score": _step("judge", "finemed/score", "question", 0.8, 256, 40),
    "answers": _step("generator", "finemed/answers", "passage question count", 1.0, 4096, 700),
    "reward": _step("judge", "finemed/reward", "question answer", 0.0, 256, 30),
    "reasoning": _step("reasoner", "finemed/reasoning", "passage question sections", 0.7, 8192, 2500),
    "recover": _step("judge", "finemed/recover", "question thought", 0.0, 1024, 150),
    "agree": _step("judge", "finemed/agree", "question first second", 0.0, 64, 8),
    "open_question": _step("generator", "finemed/open_question", "question options gold", 0.2, 2048, 160),
    "think": _step("reasoner", "finemed/think", "question sections", 0.7, 8192, 2500),
    "check_answer": _step("judge", "finemed/check_answer", "question gold answer", 0.0, 64, 8),
    "search": _step("reasoner", "finemed/search", "question attempts strategy gold sections", 0.7, 8192, 2500),
    "rewrite": _step("generator", "finemed/rewrite", "question attempts answer", 0.5, 8192, 2500),
    "common_answer": _step("generator", "finemed/common_answer", "question count", 1.0, 4096, 700),
    "weak_answer": _step("weak", "finemed/weak_answer", "question", 0.7, 1024, 120),
    "case": _step("generator", "dialogue/case", "passage", 0.8, 2048, 600),
    "patient": _step("patient", "dialogue/patient", "facts persona turns sex age opening", 0.8, 512, 60),
    "doctor": _step("doctor", "dialogue/doctor", "turns actions closing", 0.7, 1024, 200),
    "diagnosis": _step("judge", "dialogue/diagnosis", "given expected said", 0.0, 64, 8),
    "judge_dialogue": _step("judge", "dialogue/judge_dialogue", "turns", 0.0, 256, 30),
    "judge_turn": _step("judge", "dialogue/judge_turn", "turns reply", 0.0, 256, 30),
    "review_dialogue": _step("judge", "dialogue/review_dialogue", "case_facts transcript", 0.0, 4096, 100),
    "rubric_write": _step("generator", "dialogue/rubric_write", "facts expected count", 0.7, 1024, 200),
    "rubric_judge": _step("judge", "dialogue/rubric_judge", "turns criterion", 0.0, 256, 50),
}

REWARD_STEP = "reward_model"
"""Asked of ``models.reward`` in the place of ``reward``, without template and sampling."""


def role_of(step: str) -> str:
    """Who is asked at a step."""
    return "reward" if step == REWARD_STEP else STEPS[step].role


GRADED = ("reward", "judge_dialogue", "judge_turn")
"""Steps that are asked as often as ``filters.quality.votes`` says; a rubric has many small questions and asks each
once."""
VOTE_TEMPERATURE = 0.7
"""Of a graded step that is asked several times, unless the spec names another: at 0 all votes would be the same."""

SAMPLES: dict[str, object] = {
    "passage": "Beta blockers slow the heart.",
    "departments": ["Internal Medicine/Cardiology"],
    "count": 2,
    "question": "What do beta blockers do?",
    "answer": "They slow the heart.",
    "thought": "They block a receptor of the heart.",
    "first": "They slow the heart.",
    "second": "The heart beats slower.",
    "options": ["They slow the heart.", "They thin the blood."],
    "gold": "They slow the heart.",
    "attempts": [{"strategy": "first", "thought": "They act on the blood.", "answer": "They thin the blood."}],
    "strategy": "backtrack",
    "facts": ["The chest hurts on the stairs."],
    "persona": ["anxious"],
    "turns": [{"speaker": "Patient", "text": "My chest hurts."}],
    "case_facts": [{"id": "p1", "text": "The chest hurts on the stairs.", "known_by": "patient"}],
    "transcript": [{"number": 0, "speaker": "Patient", "text": "My chest hurts."}],
    "sex": "female",
    "age": 61,
    "actions": ["ask", "diagnose"],
    "given": "angina",
    "expected": "stable angina",
    "said": "This is angina.",
    "reply": "Since when?",
    "criterion": "Asks since when the chest hurts.",
    "language": "English",
}
"""A value of each variable, to try templates with; those not named here (``opening``) are true or false."""

RECIPES: dict[str, tuple[str, ...]] = {
    "finemed": (
        *("department", "questions", "score", "answers", "reward", "reasoning", "recover", "agree"),
        *("check_answer", "weak_answer"),
    ),
    "verified": (
        *("department", "open_question", "check_answer", "think", "search", "rewrite", "recover", "agree", "reward"),
        *("common_answer", "weak_answer"),
    ),
    "dialogue": (
        *("department", "case", "patient", "doctor", "diagnosis", "judge_dialogue", "judge_turn"),
        *("rubric_write", "rubric_judge", "review_dialogue"),
    ),
}
"""Which steps make the rows of a recipe; the row's ``prompt_hash`` covers their templates."""
