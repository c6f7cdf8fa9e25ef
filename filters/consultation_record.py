"""A running record of a consultation: what was told, denied, asked and shown, and in which turn.

Every concept of every sentence gets a status; a patient's "yes" or "no" counts for what the doctor asked just before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from filters.consultation_concepts import ABSENCE, Found, concepts, told_with
from filters.consultation_replies import FINE, NEUTRAL, NO, QUALIFIED, YES
from filters.consultation_text import Sentence, clause_at, denied, imagined, of_others, sentences
from filters.terms import synonyms

Evidence = dict[str, Any]

LONGEST = 4000
"""How many characters of a turn are read: rules look around every find, and a loop of a model may be endless."""

_STEM = 5


@dataclass(frozen=True, slots=True)
class Said:
    """A concept as it occurs in a turn."""

    turn: int
    speaker: str
    sentence: Sentence
    found: Found
    status: str
    """told, denied, asked, imagined, others (of somebody else), about (named without saying yes or no)."""
    qualified: bool = False
    """Whether it holds for some time, place or degree only."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as the checks read it."""

    place: int
    speaker: str
    text: str
    action: str
    argument: str
    sentences: list[Sentence]


@dataclass(slots=True)
class Talk:
    """The whole consultation."""

    turns: list[Turn] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def before(self, place: int) -> Before:
        """What was told and shown before a turn."""
        earlier = self.turns[:place]
        shown = "\n".join(t.text for t in earlier if t.speaker == "result" and not NOTHING_SHOWN.search(t.text))
        told = "\n".join(t.text for t in earlier if t.speaker == "patient")
        known: set[str] = set()
        for said in self.said:
            if said.turn < place and said.speaker != "doctor" and said.status in ("told", "about", "imagined"):
                known |= told_with(said.found.name)
        seen, heard = _names(shown), _names(told)
        asked = " ".join(
            question.text
            for question, answer in pairwise(earlier)
            if question.speaker == "doctor" and answer.speaker == "patient" and not NO.match(answer.text)
        )
        return Before(
            shown,
            told,
            frozenset(seen),
            frozenset(heard),
            frozenset(known | seen),
            _stems(told + shown),
            _stems(asked),
        )


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before a turn of the doctor."""

    shown: str
    """All results that hold something."""
    told: str
    """All words of the patient."""
    seen: frozenset[str]
    """Concepts in results."""
    heard: frozenset[str]
    """Concepts in the patient's words, denied ones too."""
    known: frozenset[str]
    """Concepts that the patient told, or confirmed, or a result showed; also what was asked and not denied."""
    stems: frozenset[str]
    asked: frozenset[str] = frozenset()
    """Beginnings of the words of questions that the patient did not answer with a no."""

    def discussed(self, phrase: str) -> bool:
        """Whether the last word of a phrase was asked about, and not denied: any words may have told it."""
        longer = [word for word in re.findall(r"\w+", phrase.lower()) if len(word) >= _STEM]
        return len(longer) > 1 and longer[-1][:_STEM] in self.asked

    def worded(self, phrase: str) -> bool:
        """Whether all longer words of a phrase, or one of its synonyms, were said or shown, by their stems."""
        words = [word for word in re.findall(r"\w+", phrase.lower()) if len(word) > 2] or [phrase.lower()]
        if all(word[:_STEM] in self.stems for word in words):
            return True
        text = (self.told + " " + self.shown).lower()
        return any(
            other in text and re.search(rf"\b{re.escape(other)}\b", text)
            for other in synonyms(phrase)
            if len(other) > 1
        )


def _names(text: str) -> set[str]:
    return {name for line in text.split("\n") if line for f in concepts(line) for name in told_with(f.name)}


def _stems(text: str) -> frozenset[str]:
    """The beginnings of all words, of two to five letters."""
    return frozenset(word[:n] for word in re.findall(r"\w+", text.lower()) for n in range(2, _STEM + 1))


NOTHING_SHOWN = re.compile(r"\bnot done\b|no (?:finding|result)s? (?:is |was )?(?:recorded|available)", re.IGNORECASE)


def read(turns: Iterable[Any]) -> Talk:
    """The record of a consultation; a turn that is no mapping counts as an empty one."""
    talk = Talk()
    for place, given in enumerate(turns):
        turn = _turn(place, given if isinstance(given, Mapping) else {})
        talk.turns.append(turn)
        for sentence in turn.sentences:
            talk.said += _said(turn, sentence)
        if turn.speaker == "patient" and place and talk.turns[place - 1].speaker == "doctor":
            talk.said += _answered(talk, turn)
    return talk


def evidence(flag: str, turn: int, text: str, fact: str | None = None) -> Evidence:
    """One finding: the flag, the turn it is in, the sentence and the fact it rests on."""
    return {"flag": flag, "turn": turn, "text": text[:300], "fact": fact}


def strings(given: object) -> list[str]:
    """The texts of a list; of a single text that text alone; of anything else none."""
    if isinstance(given, str):
        return [given]
    return [item for item in given if isinstance(item, str)] if isinstance(given, Sequence) else []


def _turn(place: int, given: Mapping[Any, Any]) -> Turn:
    def text(name: str) -> str:
        value = given.get(name)
        return value if isinstance(value, str) else ""

    return Turn(
        place,
        text("speaker"),
        text("text")[:LONGEST],
        text("action"),
        text("argument")[:LONGEST],
        sentences(text("text")[:LONGEST]),
    )


def _said(turn: Turn, sentence: Sentence) -> list[Said]:
    text = sentence.text
    return [
        Said(turn.place, turn.speaker, sentence, found, _status(turn, sentence, found), _qualified(text, found))
        for found in concepts(text)
    ]


def _status(turn: Turn, sentence: Sentence, found: Found) -> str:
    text = sentence.text
    negated = denied(text, found.start, found.end)
    if found.kind == ABSENCE:
        return "about" if negated or sentence.asks or imagined(text, found.start) else "denied"
    if of_others(text, found.start):
        return "others"
    if text[found.start : found.end].lower() in NEUTRAL:
        start, end = clause_at(text, found.start)
        return "denied" if FINE.search(text[start:end]) and not negated else "about"
    if sentence.asks and turn.speaker != "result":
        return "asked" if turn.speaker == "doctor" else "imagined"
    if negated:
        return "denied"
    return "imagined" if turn.speaker != "result" and imagined(text, found.start) else "told"


def _qualified(text: str, found: Found) -> bool:
    start, end = clause_at(text, found.start)
    return bool(QUALIFIED.search(text[start : found.start] + " | " + text[found.end : end]))


def _answered(talk: Talk, turn: Turn) -> list[Said]:
    """What the patient's yes or no says of the concepts in the question before it."""
    if not turn.sentences:
        return []
    first = turn.sentences[0]
    status = "denied" if NO.match(first.text) else "told" if YES.match(first.text) else "about"
    open_to_yes = ("asked", "imagined", "told") if status == "told" else ("asked", "imagined")
    before = [s for s in talk.said if s.turn == turn.place - 1 and s.status in open_to_yes and s.found.kind != ABSENCE]
    asked = [s for s in talk.turns[turn.place - 1].sentences if s.asks]
    last = asked[-1].text if asked else ""
    found = [s for s in before if status != "denied" or s.sentence.text == last]
    symptoms = [s for s in found if s.found.kind in ("symptom", "condition")]
    vague = status == "told" and len({s.found.name for s in symptoms}) > 1
    own = {f.name for sentence in turn.sentences for f in concepts(sentence.text)}
    return [
        Said(
            turn.place,
            "patient",
            first,
            s.found,
            "about" if vague else status,
            s.qualified or bool(QUALIFIED.search(s.sentence.text)),
        )
        for s in symptoms
        if s.found.name not in own
    ]
