"""Turn-taking: a patient who knows only facts, a doctor who never sees the case, one action a turn.

The consultation ends with a diagnosis. The doctor may diagnose from the second turn on; it must at ``max_turns``, or
as soon as it repeats itself. Examinations and tests are answered from the card without a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from filters.text import normalise
from synth.ask import Answer, Asker
from synth.recipes.case import facts_of, result_of
from synth.recipes.forms import CaseCard, PatientTurn, doctor_form
from synth.recipes.notes import Evidence, note, one_line
from synth.recipes.review import Review

FIRST = ("ask", "examine", "test")
ALL = ("ask", "examine", "test", "diagnose")
CLOSING = ("diagnose",)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as it is stored."""

    speaker: str
    """``patient``, ``doctor`` or ``result`` (of an examination or test)."""
    text: str
    thought: str | None = None
    action: str | None = None
    argument: str | None = None
    differential: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The turn as a row's struct."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class Consultation:
    """A dialogue in the making."""

    turns: list[Turn] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """Every reply that went into it, in order; the last one is the doctor's diagnosis."""
    evidence: list[Evidence] = field(default_factory=list)
    """What was noticed about its course."""
    review: Review = field(default_factory=Review)
    """What the judge found in it, where the spec wants that."""

    def messages(self) -> list[dict[str, str]]:
        """As a chat: patient and results are the user, the doctor is the assistant."""
        roles = {"patient": "user", "result": "user", "doctor": "assistant"}
        return [{"role": roles[t.speaker], "content": t.text} for t in self.turns]

    def shown(self) -> list[dict[str, str]]:
        """As templates see it: who said what, each on one line, and nothing of thoughts."""
        return [{"speaker": t.speaker.capitalize(), "text": one_line(t.text)} for t in self.turns]

    def note(self, flag: str, text: str) -> None:
        """Remember something about the last turn."""
        self.evidence.append(note(flag, text, len(self.turns) - 1))


async def consult(
    asker: Asker, talk: Consultation, card: CaseCard, persona: dict[str, str], part: str, last: int
) -> None:
    """Play one consultation of at most ``last`` doctor's turns into ``talk``.

    Raises:
        AskRejected, AskFailed: somebody falls silent; ``talk`` holds the turns so far.
    """
    await _patient(asker, talk, card, persona, f"{part}/0", opening=True)
    repeated = False
    for number in range(1, last + 1):
        closing = repeated or number == last
        actions = CLOSING if closing else FIRST if number == 1 else ALL
        turn, answer = await doctor_turn(asker, talk, actions, f"{part}/{number}")
        repeated = any(normalise(t.text) == normalise(turn.text) for t in talk.turns if t.speaker == "doctor")
        talk.turns.append(turn)
        talk.answers.append(answer)
        if repeated:
            talk.note("question_repeated", turn.text)
        if turn.action == "diagnose":
            if number == last:
                talk.note("closed_at_max_turns", turn.text)
            break
        if turn.action == "ask":
            await _patient(asker, talk, card, persona, f"{part}/{number}", opening=False)
        else:
            _result(talk, card, turn.action or "", turn.argument or "")


async def doctor_turn(
    asker: Asker, talk: Consultation, actions: tuple[str, ...], part: str, sample: int = 0
) -> tuple[Turn, Answer]:
    """One turn of the doctor after what ``talk`` holds so far; sees the conversation and nothing else."""
    answer = await asker.ask(
        "doctor",
        doctor_form(actions),
        part=part,
        sample=sample,
        turns=talk.shown(),
        actions=list(actions),
        closing=actions == CLOSING,
    )
    said = answer.value
    turn = Turn("doctor", said.say, said.thought, said.action, said.argument, normalised(said.differential))
    return turn, answer


def _result(talk: Consultation, card: CaseCard, action: str, argument: str) -> None:
    text, known = result_of(card, action, argument)
    talk.turns.append(Turn("result", text))
    if not known:
        talk.note("result_not_in_case", argument)


async def _patient(
    asker: Asker, talk: Consultation, card: CaseCard, persona: dict[str, str], part: str, *, opening: bool
) -> None:
    answer = await asker.ask(
        "patient",
        PatientTurn,
        part=part,
        facts=[f.text for f in facts_of(card) if f.known_by == "patient"],
        persona=list(persona.values()),
        turns=talk.shown(),
        sex=card.sex,
        age=card.age,
        opening=opening,
    )
    talk.turns.append(Turn("patient", answer.value.say))
    talk.answers.append(answer)


def normalised(differential: list[Any]) -> list[dict[str, Any]]:
    """A differential whose diagnoses are distinct and whose probabilities sum to 1; the likeliest first.

    Models repeat diagnoses and their probabilities sum to anything; of a repeated diagnosis the first entry counts.
    """
    distinct: dict[str, tuple[str, float]] = {}
    for entry in differential:
        distinct.setdefault(normalise(entry.diagnosis), (entry.diagnosis, float(entry.probability)))
    total = sum(p for _, p in distinct.values())
    ranked = sorted(distinct.values(), key=lambda e: -e[1])
    return [{"diagnosis": name, "probability": round(p / total, 4)} for name, p in ranked]
