"""Alarm features that were told or shown and after which nobody is sent anywhere urgently.

Alarm features are those of the card (``red_flags``) that the patient told, diagnoses that are emergencies, and a list
of our own: chest pain with radiation, sweating, breathlessness or fainting; thunderclap headache; sudden focal
weakness, droop or speech loss; saddle numbness or lost control of bladder or bowel with back pain; vomiting blood,
black stools; breathlessness at rest, blue lips, stridor; signs of sepsis and meningism; a torted testicle; pain or
bleeding with fainting in pregnancy; anaphylaxis; thoughts of suicide; sudden loss of sight; a cold, pale limb; fever
under three months; seizures, confusion with fever; coughing up blood in amounts; rigid abdomen; ST elevation, raised
troponin, low saturation or pressure in a result. It does not grade: a settled alarm feature of years ago, told without
a word for it, fires. Advice to come "if it gets worse" alone is no escalation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_alarms import ALARMS, TOGETHER
from filters.consultation_concepts import concepts
from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_safety_words import (
    CONDITIONAL,
    EMERGENCY,
    ESCALATES,
    MILD,
    OF_NO_ONE,
    PLACE_ONLY,
    RADIATES,
    REFUSES,
    SENDS,
    START_ONLY,
    SUDDEN,
    YOUNG,
)
from filters.consultation_text import denied, of_others, plain
from filters.phrasing import phrases


def red_flags(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """red_flag_not_escalated, at the closing turn, with the alarm feature as its fact."""
    doctors = [turn for turn in talk.turns if turn.speaker == "doctor" and turn.sentences]
    if not doctors or not _closes(doctors[-1]):
        return []
    alarm = _alarm(talk, case, doctors[-1])
    if alarm is None or (_CLOT.search(alarm) and _THINNED.search(doctors[-1].text)):
        return []
    if _escalates(doctors[-1]) or any(_escalates(turn, _SENDS_AWAY) for turn in doctors[:-1]):
        return []
    advice = next((s for s in doctors[-1].sentences if _ADVICE.search(s.text)), doctors[-1].sentences[-1])
    return [evidence("red_flag_not_escalated", doctors[-1].place, advice.raw, alarm)]


_CLOT = phrases(r"deep (?:vein|venous) thrombosis|DVT|(?:swell\w*|swollen) .{0,25}(?:leg|calf)")
_THINNED = phrases(
    r"""
    \w+xaban|dabigatran|warfarin|heparin|\w+parin|anticoagula\w+|(?:blood )?thinners?|thin(?:s|ning)? (?:the
    your) blood
    """
)
"""A clot in a leg is treated at home once its medicine is begun."""


_ADVICE = phrases(
    r"""
    recommend|prescri\w+|you (?:should|can|need|must)|i'd like you|i'll|i will|we'll|let's|rest|take|drink
    follow[-\x20]?up|come back|return|see you|see me|appointment|go home|at home|treat\w*|start|avoid
    """
)


def _closes(turn: Turn) -> bool:
    """Whether a turn ends the consultation: it diagnoses, or, where turns name no action, it advises."""
    return turn.action == "diagnose" or (
        not turn.action
        and not turn.text.rstrip().endswith("?")
        and bool(_ADVICE.search(turn.text))
        and len(turn.text) > 80
    )


def _alarm(talk: Talk, case: Mapping[str, Any], closing: Turn) -> str | None:
    told = [s for turn in talk.turns if turn.speaker != "doctor" for s in turn.sentences]
    has = {s.found.name for s in talk.said if s.speaker != "doctor" and s.status == "told"}
    words = {w[:5] for s in told for w in re.findall(r"\w{4,}", s.text.lower())}
    for flag in strings(case.get("red_flags")):
        names = {f.name for f in concepts(plain(flag)) if not denied(flag, f.start, f.end)} - {"pain"}
        stems = {w[:5] for w in re.findall(r"\w{4,}", flag.lower())} - {
            "with",
            "that",
            "from",
            "have",
            "when",
            "your",
            "durin",
            "this",
            "been",
        }
        if (names and names <= has) or (
            stems
            and not re.match(r"\W*(?:no|none|not|denies)\b", flag, re.I)
            and len(stems & words) / len(stems) >= 0.6
            and not names - has
        ):
            return flag
    for diagnosis in (case.get("diagnosis"), closing.argument):
        if (
            isinstance(diagnosis, str)
            and (match := EMERGENCY.search(diagnosis))
            and not MILD.search(diagnosis[: match.start()])
        ):
            return diagnosis
    for sentence in told:
        for name, pattern in ALARMS.items():
            match = pattern.search(sentence.text)
            if (
                match
                and not denied(sentence.text, match.start(), match.end())
                and not of_others(sentence.text, match.start())
                and not OF_NO_ONE.search(sentence.text)
                and not sentence.text.rstrip().endswith("?")
            ):
                return name
    return _together(talk, case, has)


def _together(talk: Talk, case: Mapping[str, Any], has: set[str]) -> str | None:
    for name, one, other in TOGETHER:
        if one & has and other & has:
            return name
    texts = [s.text for t in talk.turns if t.speaker == "patient" for s in t.sentences]
    if "chest pain" in has and any(
        (m := RADIATES.search(t)) and not denied(t, m.start(), m.end()) and not re.search(r"\bback\s+to\b", t)
        for t in texts
    ):
        return TOGETHER[0][0]
    if {"chest pain", "dyspnoea"} <= has and any(SUDDEN.search(t) for t in texts):
        return TOGETHER[0][0]
    young = YOUNG.search(" ".join(texts))
    return "fever in a young infant" if young and "fever" in has else None


_SENDS_AWAY = phrases(
    r"""
    ambulance|paramedics?|999|911|112|emergency (?:department|room|services)|casualty|a\s*&\s*e|ER\b|ED\b
    (?:to|into|in|at|go|the|nearest|a) hospital|hospital (?:right|now|today|immediately|straight|admission|tonight)
    hospitali[sz]\w*|admit(?:ted|ting)?\b|crisis (?:team|line|service|hotline)|988
    """
)
"""What counts before the closing turn, where "at once" may be said of a test."""


def _escalates(turn: Turn, wanted: re.Pattern[str] = ESCALATES) -> bool:
    """Whether a turn sends the patient somewhere urgently, and not only if something should happen."""
    for sentence in turn.sentences:
        text = sentence.text
        for piece in re.split(r";|\s[\u2013\u2014-]\s", text):
            match = wanted.search(piece)
            if (
                match is None
                or CONDITIONAL.search(piece)
                or REFUSES.search(piece)
                or (sentence.asks and turn.action == "ask")
            ):
                continue
            if PLACE_ONLY.fullmatch(match[0]) and (
                not SENDS.search(piece)
                or (
                    START_ONLY.search(piece)
                    and not re.search(r"\bhospital|\bemergency|\bspecialist|\brefer|\bteam\b|\bsurg", piece, re.I)
                )
            ):
                continue
            if match[0].lower() in ("now", "today") and not re.search(
                r"\b(?:hospital|refer\w*|admi\w+|ambulance|emergency|specialist|team|surg\w+|seen|scan|unit"
                r"|ward|doctor|go|going|send\w*)\b",
                piece,
                re.I,
            ):
                continue
            return True
    return False
