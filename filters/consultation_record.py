"""A running record of a consultation: what was told, denied, asked and shown, and in which turn.

Every concept of every sentence gets a status; a patient's "yes" or "no" counts for what the doctor asked just before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from filters.consultation_concepts import Found, concepts, told_with
from filters.consultation_text import Sentence, clause_at, denied, imagined, of_others, sentences
from filters.medicines import find_medicines

Evidence = dict[str, Any]

LONGEST = 6000
"""How many characters of a turn are read: rules look around every find, and a loop of a model may be endless."""

_YES = re.compile(
    r"\W*(?:(?:oh|um+|uh|well|hmm|er|ah|actually|doctor|so)\W+)*(?:yes|yeah|yep|yup|yea|i\s+do\b|i\s+have\b|i\s+did\b|correct|right\b|exactly"
    r"|uh-huh|mm-?hmm|definitely|absolutely|of\s+course|it\s+does|it\s+is|a\s+(?:little|bit)|sometimes|occasionally|that's\s+right|indeed|sure"
    r"|i\s+am\b|i\s+think\s+so|quite|very\s+much|always|often)",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\W*(?:(?:oh|um+|uh|well|hmm|er|ah|actually|doctor|so|thankfully|luckily)\W+)*(?:no\b(?!\s+(?:idea|doubt))|nope|nah|never\b|none\b|not\s+(?:really|at\s+all|that"
    r"|any)|i\s+(?:don't|haven't|didn't|do\s+not|have\s+not)\b(?!\s+(?:know|remember|think|recall|notice|sure|understand|check|measure|like|want|mean))"
    r"|nothing\s+like|neither\b|it\s+(?:doesn't|does\s+not|isn't|hasn't))",
    re.IGNORECASE,
)
QUALIFIED = re.compile(
    r"\b(?:now|right\s+now|at\s+the\s+moment|today|currently|when|while|if|only|except|until|before|unless|at\s+rest|resting|sitting|lying|at\s+night"
    r"|always|usually|normally|constant\w*|all\s+the\s+time|any\s*more|anymore|there|yesterday|this\s+time|during|after|first|earlier|other|else|last"
    r"|worse|better|spread\w*|radiat\w*|change\w*|severe|bad|much|really|this\s+morning|started|began|with\s+(?:the|it|this)|like\s+(?:this|that)"
    r"|again|recent\w*|new|more|used\s+to|ago|at\s+first|initially|so\s+far|yet|together|caus\w+|relat\w+|due|because|from\s+(?:the|it)|related)\b",
    re.IGNORECASE,
)
"""Words with which a denial or an answer holds for a time, a place or a degree, and is not a plain yes or no."""

NEUTRAL = {"appetite", "vision", "visual", "eyesight", "energy", "sleep", "memory", "hearing", "smell", "speech", "heartbeat",
            "heartbeats", "thyroid", "cholesterol", "breathing"}  # fmt: skip
_FINE = re.compile(r"\b(?:normal|fine|good|okay|ok|unchanged|same|all\s+right|well|usual)\b", re.IGNORECASE)


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

    def known_before(self, place: int) -> set[str]:
        """Concepts that the patient told, or a result showed, before a turn; also what was asked and not denied."""
        found: set[str] = set()
        for said in self.said:
            if said.turn < place and said.speaker != "doctor" and said.status in ("told", "about", "imagined"):
                found |= told_with(said.found.name)
        return found

    def shown_before(self, place: int) -> str:
        """All results before a turn that hold something, in lower case."""
        shown = [t.text for t in self.turns[:place] if t.speaker == "result" and not NOTHING_SHOWN.search(t.text)]
        return "\n".join(shown).lower()

    def told_before(self, place: int) -> str:
        """All words of the patient before a turn, in lower case."""
        return "\n".join(t.text for t in self.turns[:place] if t.speaker == "patient").lower()


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
    if of_others(text, found.start):
        return "others"
    if text[found.start : found.end].lower() in NEUTRAL:
        start, end = clause_at(text, found.start)
        return "denied" if _FINE.search(text[start:end]) and not negated else "about"
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
    status = "denied" if _NO.match(first.text) else "told" if _YES.match(first.text) else "about"
    before = [said for said in talk.said if said.turn == turn.place - 1 and said.status in ("asked", "imagined")]
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


def medicines_told(talk: Talk, place: int) -> set[str]:
    """Names of medicines that the patient, a result or the doctor's question named before a turn."""
    texts = (t.text for t in talk.turns[:place])
    return {mention.name for text in texts for mention in find_medicines(text)}
