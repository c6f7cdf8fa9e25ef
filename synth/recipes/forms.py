"""Shapes of replies, as pydantic models; the server gets them as JSON Schema, the reply is checked against them again.

Every text has a ``maxLength`` and every list a ``maxItems``, for small models run away otherwise. Numbers are enums,
because servers do not enforce numeric bounds. A text that fills its ``maxLength`` to the brim was cut by the grammar
in mid-sentence and is refused like any truncated reply.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints, create_model

Ten = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
Six = Literal[1, 2, 3, 4, 5, 6]
Points = Literal[-10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
Action = Literal["ask", "examine", "test", "diagnose"]
Probability = Literal[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]  # type: ignore[valid-type]  # floats: JSON enums may hold them


def _text(longest: int, shortest: int = 1) -> Any:
    """A text type of bounded length that refuses what was cut at the bound."""

    def whole(value: str) -> str:
        if len(value) >= longest - 1:
            raise ValueError(f"it fills the {longest} characters allowed and was cut there; be brief")
        return value

    limits = StringConstraints(min_length=shortest, max_length=longest, strip_whitespace=True)
    return Annotated[str, limits, AfterValidator(whole)]


if TYPE_CHECKING:
    Name: TypeAlias = str
    Line: TypeAlias = str
    Said: TypeAlias = str
    Paragraph: TypeAlias = str
    Vignette: TypeAlias = str
    Brief: TypeAlias = str
else:
    Name, Line, Said, Paragraph = _text(120, 2), _text(320, 2), _text(800, 2), _text(2000, 2)
    Vignette, Brief = _text(6000, 0), _text(400, 0)

_CLOSING_WORDS: Any = _text(1600, 2)


class Form(BaseModel):
    """Base of all reply models."""

    model_config = ConfigDict(extra="forbid")
    own_words: ClassVar[tuple[str, ...]] = (
        "answers", "answer", "summarization", "thought", "say", "questions",
    )  # fmt: skip
    """Fields that may not hold a refusal."""


class Score(Form):
    """The paper's judgement of a question: quality and difficulty 1-10, relevance 1-6, leaning on one case or not."""

    quality: Ten
    difficulty: Ten
    relevance_to_medicine: Six
    mention_specific_details: bool


class Grade(Form):
    """The judge's opinion of a finished row."""

    quality: Ten
    complexity: Ten
    relevance: Six


class Sections(Form):
    """Long reasoning from a model that has no thinking mode of its own."""

    thought: str
    summarization: str


class Recovered(Form):
    """The answer that somebody else draws from a chain without its conclusion."""

    answer: Paragraph


class Verdict(Form):
    """Yes or no."""

    verdict: Literal["yes", "no"]


class CriterionVerdict(Form):
    """Whether a conversation meets one criterion of a rubric; the explanation comes first, so that it can matter."""

    explanation: Line
    criteria_met: StrictBool


class WrittenCriterion(Form):
    """A criterion that a model wrote for one case; good behaviour has positive points, bad has negative ones."""

    criterion: Line
    points: Points


class OpenedItem(Form):
    """An exam question without its options; question and answer are empty where it cannot be asked so."""

    own_words: ClassVar[tuple[str, ...]] = ()
    convertible: Literal["yes", "no"]
    reason: Line
    question: Vignette
    answer: Brief


class CaseCard(Form):
    """A patient behind a passage. ``subject`` is other when the passage describes no illness a person could have.

    Findings and tests are lines of the form ``name: result``.
    """

    subject: Literal["illness", "other"]
    age: Annotated[int, Field(ge=0, le=110)]
    sex: Literal["female", "male"]
    complaint: Line
    diagnosis: Name
    differential: list[Name]
    history: Annotated[list[Line], Field(min_length=1)]
    medication: list[Name]
    allergies: list[Name]
    findings: list[Line]
    tests: list[Line]
    red_flags: list[Line]
    pregnant: bool = False


class RecordedCase(CaseCard):
    """A card from a stored case: texts and lists as long as the source has them, and what it says beside the card.

    It lists what the source tells, not all that there is: an empty list of medicines says nothing about medicines.
    """

    complaint: str
    diagnosis: str
    history: list[str]
    medication: list[str]
    allergies: list[str]
    findings: list[str]
    tests: list[str]
    left_out: list[str]
    """Facts of the source that nobody can know when the consultation begins, or that say nothing."""


class PatientTurn(Form):
    """What the patient says; patients may well be sorry that they cannot answer."""

    own_words: ClassVar[tuple[str, ...]] = ()
    say: Said


class Suspicion(Form):
    """One entry of a differential diagnosis."""

    diagnosis: Name
    probability: Probability


@lru_cache(maxsize=32)
def questions_form(count: int) -> type[BaseModel]:
    """``count`` questions about a passage."""
    each: Any = _text(400, 12)
    return create_model(
        "Questions", __base__=Form, questions=(Annotated[list[each], Field(min_length=count, max_length=count)], ...)
    )


@lru_cache(maxsize=32)
def answers_form(count: int, max_tokens: int) -> type[BaseModel]:
    """``count`` answers of different styles, sized so that all of them fit ``max_tokens``."""
    each: Any = _text(_characters(max_tokens // count), 2)
    return create_model(
        "Answers", __base__=Form, answers=(Annotated[list[each], Field(min_length=count, max_length=count)], ...)
    )


@lru_cache(maxsize=32)
def sections_form(max_tokens: int) -> type[BaseModel]:
    """Thought and summarization, sized so that both fit ``max_tokens``."""
    return create_model(
        "SizedSections",
        __base__=Sections,
        thought=(_text(_characters(max_tokens * 2 // 3), 2), ...),
        summarization=(_text(_characters(max_tokens // 3), 2), ...),
    )


@lru_cache(maxsize=32)
def case_form(max_tokens: int) -> type[CaseCard]:
    """A case card whose lists are short enough for ``max_tokens``: one entry for each 300 tokens, five at most."""
    longest = max(1, min(5, max_tokens // 300))
    names: Any = Annotated[list[Name], Field(max_length=longest)]
    lines: Any = Annotated[list[Line], Field(max_length=longest)]
    some: Any = Annotated[list[Line], Field(min_length=1, max_length=longest)]
    return create_model(
        "SizedCaseCard",
        __base__=CaseCard,
        differential=(names, ...),
        history=(some, ...),
        medication=(names, ...),
        allergies=(names, ...),
        findings=(lines, ...),
        tests=(lines, ...),
        red_flags=(lines, ...),
    )


@lru_cache(maxsize=8)
def criteria_form(count: int) -> type[BaseModel]:
    """``count`` criteria for one case."""
    return create_model(
        "Criteria",
        __base__=Form,
        criteria=(Annotated[list[WrittenCriterion], Field(min_length=count, max_length=count)], ...),
    )


@lru_cache(maxsize=8)
def doctor_form(actions: tuple[str, ...]) -> type[BaseModel]:
    """A doctor's turn in which only ``actions`` are open; where it must diagnose it may speak longer."""
    say: Any = _CLOSING_WORDS if actions == ("diagnose",) else Said
    return create_model(
        "DoctorTurn",
        __base__=Form,
        thought=(Said, ...),
        differential=(Annotated[list[Suspicion], Field(min_length=1, max_length=3)], ...),
        action=(_one_of(actions), ...),
        argument=(Line, ...),
        say=(say, ...),
    )


def _one_of(names: tuple[str, ...]) -> Any:
    return Literal[names]


def _characters(tokens: int) -> int:
    """Characters that surely fit ``tokens``, at about three a token and some room for the JSON around them.

    Bounded above, because grammars with very long repetitions are refused by some servers.
    """
    return max(64, min(12_000, (tokens - 24) * 3))
