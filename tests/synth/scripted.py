"""A server's replies, scripted by step: what each request asks for, default replies, and the hook that gives them.

A script is a function from a request's body to a reply, so replies depend on the body alone, as a run's replay needs
it. Each passage is about a topic of its own (``topic-…``), which the default replies hand on: by it a script can tell
seeds apart in any request.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from synth.steps import STEPS
from synth.templates import Templates

MODELS = {
    "generator": "writer-1",
    "reasoner": "thinker-1",
    "judge": "judge-1",
    "doctor": "doctor-1",
    "patient": "patient-1",
    "weak": "weak-1",
}


@lru_cache(maxsize=1)
def _openings() -> dict[str, str]:
    """How the system message of each step begins, up to its first variable; no two begin alike."""
    templates = Templates()
    openings = {}
    for step in STEPS:
        source = templates.load(STEPS[step].template, STEPS[step].variables).path.read_text("utf-8")
        openings[source.split("{% block system %}")[1].split("{")[0].strip()] = step
    assert len(openings) == len(STEPS)
    assert not any(one != other and other.startswith(one) for one in openings for other in openings)
    return openings


def step_of(messages: Sequence[Mapping[str, str]]) -> str:
    """The step that these messages were rendered for."""
    (step,) = (step for opening, step in _openings().items() if messages[0]["content"].startswith(opening))
    return step


@dataclass(frozen=True)
class Asked:
    """One request as the server got it."""

    body: dict[str, Any]

    @property
    def step(self) -> str:
        return step_of(self.body["messages"])

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def text(self) -> str:
        """Everything that the model is shown."""
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = self.body["response_format"]["json_schema"]["schema"]
        return schema

    @property
    def actions(self) -> list[str]:
        """What is open to the doctor."""
        action = self.schema["properties"]["action"]
        return list(action.get("enum") or [action["const"]])

    @property
    def turn(self) -> int:
        """How often the doctor has spoken."""
        return len(re.findall(r"^Doctor: ", self.user, re.MULTILINE))

    @property
    def criterion(self) -> str:
        """What a consultation is checked for."""
        return self.user.rpartition("Criterion: ")[2].partition("\n")[0]

    @property
    def topic(self) -> str:
        found = re.search(r"topic-\w+", self.text)
        return found.group() if found else "topic-none"

    @property
    def seed(self) -> int:
        """The sampling seed: differs between samples of the same question."""
        return int(self.body["seed"])


Handler = Callable[[Asked], Any]


def score(quality: int = 6, difficulty: int = 5, relevance: int = 6, details: bool = False) -> dict[str, int | bool]:
    return {
        "quality": quality,
        "difficulty": difficulty,
        "relevance_to_medicine": relevance,
        "mention_specific_details": details,
    }


def grade(quality: int = 7, complexity: int = 5, relevance: int = 6) -> dict[str, int]:
    return {"quality": quality, "complexity": complexity, "relevance": relevance}


def case(topic: str = "topic-none", **changes: Any) -> dict[str, Any]:
    return {
        "subject": "illness",
        "age": 54,
        "sex": "female",
        "complaint": f"I do not feel well since {topic} began.",
        "diagnosis": "Stable angina",
        "differential": ["Reflux disease"],
        "history": ["It began two months ago."],
        "medication": ["ramipril"],
        "allergies": [],
        "findings": ["Blood pressure: 150/90 mmHg"],
        "tests": ["Resting ECG: no changes"],
        "red_flags": [],
    } | changes


def doctor(action: str, argument: str, say: str, *differential: tuple[str, float]) -> dict[str, Any]:
    suspicions = differential or (("Stable angina", 0.5), ("Reflux disease", 0.5))
    return {
        "thought": f"I should {action} about {argument}.",
        "differential": [{"diagnosis": name, "probability": share} for name, share in suspicions],
        "action": action,
        "argument": argument,
        "say": say,
    }


PLAN = (
    doctor("ask", "onset", "When did it begin?"),
    doctor("examine", "blood pressure", "Let me take your blood pressure."),
    doctor("test", "ECG", "I would like to record an ECG."),
)


def consultation(asked: Asked) -> dict[str, Any]:
    """Asks, examines, tests, then names the right diagnosis; a wrong one where it must close at once."""
    if asked.actions == ["diagnose"]:
        return doctor("diagnose", "Reflux disease", "This looks like reflux. Avoid late meals.")
    if asked.turn < len(PLAN):
        return PLAN[asked.turn]
    return doctor("diagnose", "stable angina", "This is stable angina. Call for help if pain comes at rest.")


def _questions(asked: Asked) -> dict[str, list[str]]:
    forms = ("How is {} treated in adults?", "Why does {} come back so often?", "Who is at risk of {} and why?")
    count = asked.schema["properties"]["questions"]["maxItems"]
    return {"questions": [form.format(asked.topic) for form in forms[:count]]}


def _answers(asked: Asked) -> dict[str, list[str]]:
    count = asked.schema["properties"]["answers"]["maxItems"]
    return {"answers": [f"Answer {n} about {asked.topic} says what to do." for n in range(count)]}


def opened(question: str, answer: str, convertible: str = "yes") -> dict[str, str]:
    """The reply to a request for an open question."""
    return {"convertible": convertible, "reason": "It stands alone.", "question": question, "answer": answer}


def thinks(asked: Asked, answer: str) -> str:
    """A native chain with its answer; tells its sample by the sampling seed."""
    return f"<think>\nI weigh {asked.topic} in draft {asked.seed} and look at it once more.\n</think>\n\n{answer}"


def given_answer(asked: Asked) -> str:
    """What a judge is shown between the lines of equal signs."""
    return asked.user.split("==========")[1].strip()


DEFAULTS: dict[str, Handler] = {
    "department": lambda asked: {"department": "Cardiology"},
    "questions": _questions,
    "score": lambda asked: score(8 if "How is" in asked.user else 6),
    "answers": _answers,
    "reward": lambda asked: grade(8 if "Answer 1" in asked.user else 6),
    "reasoning": lambda asked: (
        f"<think>\nFirst I weigh {asked.topic} in draft {asked.seed}. Wait, I look again: it may be another one.\n"
        f"</think>\n\n"
        f"The conclusion about {asked.topic} of draft {asked.seed}."
    ),
    "recover": lambda asked: {"answer": "The same conclusion."},
    "agree": lambda asked: {"verdict": "yes"},
    "open_question": lambda asked: opened(f"Which drug helps in {asked.topic}?", "digoxin"),
    "think": lambda asked: thinks(asked, "Digoxin."),
    "check_answer": lambda asked: {"verdict": "yes" if "digoxin" in given_answer(asked).lower() else "no"},
    "search": lambda asked: thinks(asked, "Digoxin."),
    "rewrite": lambda asked: f"First I weigh {asked.topic}. Hmm, that does not hold, so I look again and see.",
    "common_answer": _answers,
    "weak_answer": lambda asked: {"answer": "Some diuretic, I would think."},
    "case": lambda asked: case(asked.topic),
    "patient": lambda asked: {"say": f"With {asked.topic} I feel the same after {asked.turn} of your turns."},
    "doctor": consultation,
    "diagnosis": lambda asked: {"verdict": "no"},
    "judge_dialogue": lambda asked: grade(7),
    "judge_turn": lambda asked: grade(8 if "stable angina" in asked.user else 4),
    "review_dialogue": {"findings": []},
    "rubric_write": lambda asked: {
        "criteria": [
            {"criterion": f"Asks about {asked.topic}, part {n}.", "points": 2 - 4 * (n % 2)}
            for n in range(asked.schema["properties"]["criteria"]["maxItems"])
        ]
    },
    "rubric_judge": lambda asked: {"explanation": "It says so.", "criteria_met": "synonym" in asked.criterion},
}


class Script:
    """The server's ``reply`` hook: a handler by step, the defaults for the rest; remembers what was served."""

    def __init__(self, **handlers: Handler | object) -> None:
        """A handler gives an object (sent as JSON) or a text; anything else is what it always gives."""
        unknown = set(handlers) - set(STEPS)
        assert not unknown, unknown
        self._handlers: dict[str, Any] = DEFAULTS | handlers
        self.served: list[Asked] = []

    def __call__(self, body: dict[str, Any]) -> str:
        asked = Asked(body)
        self.served.append(asked)
        handler = self._handlers[asked.step]
        given = handler(asked) if callable(handler) else handler
        return given if isinstance(given, str) else json.dumps(given)

    def steps(self) -> Counter[str]:
        """How often each step was asked."""
        return Counter(asked.step for asked in self.served)
