"""Numbers of a patient that are not the card's: age, how long, how often, how many, and whether it is the first time.

A number contradicts when the card has one for the same thing and none of its numbers is near: durations and rates of
the same symptom (or both of the complaint), counts of the same noun. A length of time that the card states of anything
is never held against the patient, for what "it" is stays open. Numbers that only follow from others are not computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filters.consultation_answers import other_value
from filters.consultation_asked import asked_for
from filters.consultation_concepts import concepts
from filters.consultation_durations import Duration, durations
from filters.consultation_numbers import ages, counted, rates
from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_replies import first_answer
from filters.consultation_states import other_state
from filters.consultation_text import Sentence, asks, of_others, sentences
from filters.medicines import find_medicines
from filters.phrasing import either, phrases

_SAME = 1.3
"""Durations that differ by less than this factor are the same."""
_SAME_RATE = 2.5
"""The like of frequencies: "every day" for "six times a week" is no contradiction."""
_HOW_LONG = phrases(
    r"""
    how long|when did|since when|(?:how|for|over) (?:many|what) (?:days|weeks|months|years|time)
    when .{0,30}(?:start\w*|beg[ai]n|notice|come on|came on|kick)
    """
)
_HOW_OLD = phrases("how old (?:are you|is he|is she)|what(?:'s| is) (?:your|his|her) age")
_HOW_OFTEN = phrases(r"how (?:often|frequent\w*|many times)")
_EACH = either(r"\b(?:last|each|episode|attack|at a time|spell)")
_LASTS = either(r"(?<!has\x20)(?<!have\x20)(?<!been\x20)\blast|\bat a time|\beach|\bevery")
_EARLIER = phrases(
    r"""
    the same|similar(?:ly)?|like (?:this|that|it)|before|previous\w*|earlier|again|used to
    last (?:year|time|summer|winter)
    had .{3,60} (?:at|when you were) \d+
    """
)
"""A card's fact that tells of another time, not of this illness."""
_AGO = either(
    r"\bago\b|\blast (?:year|month|summer|winter|spring|autumn)\b|\bbefore\b|\bsince you were\b|\bin \d{4}\b"
)
_OTHER_COURSE = phrases(
    r"""
    worse|last time|since then|medic\w*|tablets?|then|another|now for|late|overdue|pregnant|quit|stopped
    """
)
_FIRST_TIME = phrases(
    r"""
    (?:the |my )?(?:very )?first time
    never (?:ever )?(?:had|happened|felt|known|experienced|seen) (?:anything |something )?(?:like )?(?:this|that|it)
    never (?:ever )?(?:had|happened|felt|known|experienced|seen) .{0,20}before
    (?:nothing|not anything) like (?:it|this|that) (?:has |was )?(?:ever |never )?(?:happened|before)
    """
)
_ASKS_BEFORE = phrases(
    r"""
    (?:had|happened|felt|experienced|have) .{0,40}(?:before|in the past|previously|earlier)
    ever (?:had|happened) .{0,40}(?:this|that)
    """
)
_GOES_ON = phrases(
    r"""
    (?:it|it's|this|that|they|these)(?:'s| has| have| all| just| first|'ve)* (?:\w+ )?(?:
        start\w*|began|begun|going on|been (?:there|going|like|building|happening|this|bothering|with)|came on|come on
        lasted|set in|crept up|kicked off
    )
    symptoms?
    (?:started|began|going on|came on|kicked off)
    """
)
"""What is said of the complaint without its name."""
_OTHER_EVENT = phrases(
    r"""
    (?:was|were|had (?:it|my|an?|the)|got (?:it|my)) (?:\w+ ){0,3}?(?:out|removed|operated|taken|born|diagnosed|broken)
    flew|landed|came back|got back|returned|moved|married|retired|died|gave birth|delivered|operat\w+|surgery|quit
    broke|met|worked|working|diagnosed|vaccin\w+|jab|birthday|holiday|divorced?|lost my|period
    """
)
"""Things that happen at a time of their own."""
_NO_MORE = phrases("used to|quit|stopped|gave up")
_NO_FIRST = either(r"^\W*(?:no|never|not)\b")
_Card = list[tuple[str, str]]


def quantities(talk: Talk, turn: Turn, case: Mapping[str, Any], card: _Card) -> list[Evidence]:
    """answer_contradicts_case for the numbers in a turn of the patient."""
    asked = talk.turns[turn.place - 1].text if turn.place and talk.turns[turn.place - 1].speaker == "doctor" else ""
    complaint = {f.name for text in strings(case.get("complaint")) for f in concepts(text)}
    last = _last_question(asked)
    timed = next((place for place, one in enumerate(turn.sentences) if durations(one.text)), 0)
    first = first_answer(turn.sentences)
    found = []
    for place, sentence in enumerate(turn.sentences):
        fact = (
            _other_age(sentence, case, asked if place == 0 else "", turn.place == 0)
            or _other_duration(turn.text, sentence.text, asked if place == timed else "", complaint, card)
            or _other_rate(sentence.text, asked, complaint, card)
            or _other_count(sentence.text, card)
            or other_value(sentence.text, asked if place == 0 else "", card)
            or _not_the_first(sentence.text, asked if place == 0 else "", card)
            or asked_for(sentence.text, last if place == first else "", card)
            or other_state(sentence.text, last if place == first else "", card)
        )
        if fact is not None:
            found.append(evidence("answer_contradicts_case", turn.place, sentence.raw, fact))
    return found


def _last_question(asked: str) -> str:
    return next((one.text for one in reversed(sentences(asked)) if one.asks), asked)


def _other_age(sentence: Sentence, case: Mapping[str, Any], asked: str, opening: bool) -> str | None:
    """Another age where the doctor asked for it, or in the first words; else it is age_sex_contradiction's alone."""
    age = case.get("age")
    how_old = bool(_HOW_OLD.search(asked))
    if not isinstance(age, int | float) or isinstance(age, bool) or not (how_old or opening):
        return None
    said = [years for _, _, years in ages(sentence.text)]
    if not said and how_old:
        said = [years for _, _, years in ages("I'm " + sentence.text)]
    return f"age {age}" if any(abs(years - age) >= 1 for years in said) else None


def _other_duration(turn: str, text: str, asked: str, complaint: set[str], card: _Card) -> str | None:
    how_long, each = bool(_HOW_LONG.search(asked)), bool(_EACH.search(asked))
    said_of = {f.name for f in concepts(text) if f.kind in ("symptom", "sign")}
    if _OTHER_EVENT.search(text) or not (said_of or how_long or _GOES_ON.search(text)):
        return None
    said_of = said_of or {f.name for f in concepts(asked)}
    listed = [(length, name, fact) for name, fact in card for length in durations(fact)]
    exact = [
        length for length, *_ in listed if length.start or length.slack == 1.0
    ]  # "Yesterday you fell" is no length
    if any(_alike(one, length) for one in durations(turn) for length in exact):
        return None
    for said in durations(text):
        if not (said.course or how_long) or (each and how_long) or _OTHER_COURSE.search(text):
            continue
        for length, name, fact in listed:
            of = _complaints(fact)
            if (
                of is not None
                and _about(said_of, of, complaint)
                and not _EARLIER.search(fact)
                and (length.course or not _LASTS.search(fact))
            ):
                return name
    return None


def _alike(one: Duration, other: Duration) -> bool:
    return _near(one.days, other.days, _SAME * one.slack * other.slack)


def _near(one: float, other: float, factor: float) -> bool:
    return max(one, other) / max(min(one, other), 1e-6) <= factor


def _about(said: set[str], fact: set[str], complaint: set[str]) -> bool:
    """Whether a statement and a fact are of the same thing; without a concept both are of the complaint."""
    if said and fact:
        return bool(said & fact)
    return not said or bool(said & complaint)


def _complaints(text: str) -> set[str] | None:
    """The symptoms of a fact; None for a fact of illnesses or habits alone, whose numbers are others."""
    found = concepts(text)
    names = {f.name for f in found if f.kind in ("symptom", "sign")}
    return names if names or not found else None


def _other_rate(text: str, asked: str, complaint: set[str], card: _Card) -> str | None:
    said = rates(text)
    if not said or find_medicines(text) or of_others(text, len(text) - 1) or _NO_MORE.search(text):
        return None
    about = {f.name for f in concepts(text)}
    often = bool(_HOW_OFTEN.search(asked))
    if often and not about:
        about = {f.name for f in concepts(asked)}
    known = []
    for name, fact in card:
        of = _complaints(fact)
        if of is not None and (about & of or (often and _about(about, of, complaint))) and not find_medicines(fact):
            known += [(rate, name) for rate in rates(fact)]
    if known and all(not _near(rate, one, _SAME_RATE) for rate, _ in known for one in said):
        return known[0][1]
    return None


def _other_count(text: str, card: _Card) -> str | None:
    said = counted(text)
    if not said or of_others(text, len(text) - 1) or _NO_MORE.search(text):
        return None
    for name, fact in card:
        for noun, value in counted(fact).items():
            if noun in said and said[noun] != value:
                return name
    return None


def _not_the_first(text: str, asked: str, card: _Card) -> str | None:
    """The fact of an earlier time, where the patient says that this is the first."""
    denies = bool(_FIRST_TIME.search(text)) or (
        bool(_NO_FIRST.match(text)) and bool(_ASKS_BEFORE.search(asked)) and not concepts(asked)
    )
    if not denies or asks(text) or of_others(text, len(text) - 1):
        return None
    for name, fact in card:
        if (
            _EARLIER.search(fact)
            and _AGO.search(fact)
            and "never" not in fact.lower()
            and not of_others(fact, len(fact) - 1)
        ):
            return name
    return None
