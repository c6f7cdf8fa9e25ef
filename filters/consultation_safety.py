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
from filters.consultation_text import denied, of_others, plain
from filters.phrasing import either, phrases

_ESCALATES = phrases(
    r"""
    ambulance|paramedics?|999|911|112|000|9-1-1
    emergency (?:
        department|room|care|services?|ward|unit|surgery|operation|treatment|hospital|referral|assessment
        admission|scan|procedure|transfer|centre|center|physician|doctor|team|medical|dept|response
    )
    casualty|a\s*&\s*e|a and e|ER\b|ED\b|(?:to|into|in|at|go|the|nearest|a) hospital
    hospital (?:right|now|today|immediately|straight|admission|bed|stay|tonight)|hospitali[sz]\w*
    admit(?:ted|ting)?\b|admission|same[-\x20]day|straight (?:away|to)|urgent(?:ly)?|emergency|right away
    immediate(?:ly)?|without delay|at once|crisis (?:team|line|service|hotline)
    suicide (?:line|hotline|lifeline)|988|intensive care|ICU|cath(?:eteri[sz]ation)? lab
    operating (?:theatre|room)|theatre|stroke (?:unit|team|centre|center)|on-?call
    (?:today|tonight|this (?:morning|afternoon|evening)|within (?:the )?(?:hour|24 hours|hours)|right now|now)
    resuscitation|blue light|rush(?:ed|ing)?|transfer(?:red|ring)?|as soon as possible
    """
)
_PLACE_ONLY = phrases(
    r"""
    today|tonight|this (?:morning|afternoon|evening)|right now|now|immediate(?:ly)?|right away|straight away
    at once|as soon as possible|without delay|urgent(?:ly)?|emergency
    """
)
_SENDS = phrases(
    r"""
    see|seen|go|going|get|send\w*|refer\w*|admit\w*|take|taken|call\w*|come|need\w*|assess\w*|review\w*
    evaluat\w*|attend|hospital|specialist|surg\w*|team|ophthalm\w*|neurolog\w*|cardiolog\w*|treat\w*|scan|care
    attention|transfer\w*|arrang\w*|surgeon|it's an|is an|this is
    """
)
_START_ONLY = either(
    r"""
    \b(?:
        start|begin|stop|take|taking|prescri\w+|drink|rest|antibiotic\w*|tablet\w*
    )\b[^.]*\b(?:today|now|tonight|right away|immediately|straight away)\b
    """
)
_CONDITIONAL = either(
    r"""
    (?<!\bsee\s)(?<!\bcheck\s)(?<!\bas\s)(?<!\beven\s)(?<!\bask\s)\bif\b
    \bshould (?:you|it|the|any|this|your|these|things|symptoms)\b|\bin case\b|\bunless\b|\bwhenever\b
    \bonce (?:you|it|the)\b|\bwhen you (?:notice|develop|have|get|feel)\b
    \b(?:in the event|any of (?:these|the following))\b|\bworsen(?:s|ing)?\s*[,:]
    ^\W*(?:call|go|seek|return|come)\b[^.]*\b(?:for|with) (?:any|worsening|new|increasing|severe)\b
    """
)
_REFUSES = phrases(
    r"""
    no need|not (?:an? )?(?:emergency|urgent|necessary|need)
    (?:don't|do not|doesn't|does not|won't|will not) (?:\w+ ){0,3}?(?:need|have to|require|go|think)
    isn't (?:an? )?(?:emergency|urgent)|not (?:going to )?(?:require|immediately)|rather than
    without (?:going|admission)|nothing (?:urgent|immediate)|never
    """
)
_EMERGENCY = phrases(
    r"""
    myocardial infarct\w*|heart attack|N?STEMI|acute coronary|unstable angina|aortic dissection|dissecti\w+
    ruptur\w+|stroke|TIA|transient isch\w+|subarachnoid|intracranial|subdural|epidural|extradural|ha?emorrhage
    meningitis|encephalitis|sepsis|septic|pulmonary embol\w*|tension pneumothorax|pneumothorax|cardiac tamponade
    anaphyla\w*|appendicitis|perforat\w*|peritonitis|bowel obstruction|strangulat\w*|mesenteric isch\w*|ectopic
    testicular torsion|torsion|cauda equina|cord compression|diabetic ketoacidosis|ketoacidosis|DKA|hyperosmolar
    adrenal cris\w*|thyroid storm|status epilepticus|status asthmaticus|(?:severe|life-threatening) asthma
    acute severe asthma|epiglottitis|acute limb|limb isch\w*|compartment syndrome|necroti[sz]ing
    angle[-\x20]closure|retinal (?:detachment|artery)|giant cell arteritis|temporal arteritis|pre-?eclampsia
    eclampsia|placental abruption|gastrointestinal bleed\w*|GI bleed\w*|variceal
    acute (?:heart|liver|respiratory) failure|pulmonary (?:o?edema)|complete heart block|ventricular tachy\w*
    intussusception|volvulus|cholangitis|septic arthritis|neutropeni\w+|suicid\w*
    """
)
_MILD = either(
    r"""
    \b(?:history of|previous|old|past|chronic|prior|resolved|no|not|viral|ruled out|risk)\b[^,.;]{0,20}$
    """
)
_SUDDEN = phrases(
    r"""
    sudden\w*|abrupt\w*|all at once|out of nowhere|woke up with|this morning|minutes? ago|hours? ago|an? hour
    since (?:this morning|yesterday|last night)|today|all of a
    """
)
_RADIATES = either(
    r"""
    \b(?:
        (?:
            down|into|to|up|in|through to
        ) (?:my|the|his|her) (?:left |right |lower )?(?:arm|jaw|shoulder|neck|back)
        radiat\w+
    )
    """
)


_YOUNG = phrases(
    r"""
    (?:[1-9]|1[01]|two|three|four|five|six|seven|eight|nine|ten)[-\x20](?:weeks?|days?)[-\x20]old|newborn
    (?:one|two|1|2)[-\x20]months?[-\x20]old
    """
)
_OF_NO_ONE = phrases(
    r"never|years ago|used to|(?:not|don't|didn't|wouldn't) (?:\w+ )?want to (?:end|kill|harm|hurt|die)"
)


def red_flags(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """red_flag_not_escalated, at the closing turn, with the alarm feature as its fact."""
    doctors = [turn for turn in talk.turns if turn.speaker == "doctor" and turn.sentences]
    if not doctors or not _closes(doctors[-1]):
        return []
    alarm = _alarm(talk, case, doctors[-1])
    if alarm is None or _escalates(doctors[-1]) or any(_escalates(turn, _SENDS_AWAY) for turn in doctors[:-1]):
        return []
    advice = next((s for s in doctors[-1].sentences if _ADVICE.search(s.text)), doctors[-1].sentences[-1])
    return [evidence("red_flag_not_escalated", doctors[-1].place, advice.raw, alarm)]


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
            and (match := _EMERGENCY.search(diagnosis))
            and not _MILD.search(diagnosis[: match.start()])
        ):
            return diagnosis
    for sentence in told:
        for name, pattern in ALARMS.items():
            match = pattern.search(sentence.text)
            if (
                match
                and not denied(sentence.text, match.start(), match.end())
                and not of_others(sentence.text, match.start())
                and not _OF_NO_ONE.search(sentence.text)
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
        (m := _RADIATES.search(t)) and not denied(t, m.start(), m.end()) and not re.search(r"\bback\s+to\b", t)
        for t in texts
    ):
        return TOGETHER[0][0]
    if {"chest pain", "dyspnoea"} <= has and any(_SUDDEN.search(t) for t in texts):
        return TOGETHER[0][0]
    young = _YOUNG.search(" ".join(texts))
    return "fever in a young infant" if young and "fever" in has else None


_SENDS_AWAY = phrases(
    r"""
    ambulance|paramedics?|999|911|112|emergency (?:department|room|services)|casualty|a\s*&\s*e|ER\b|ED\b
    (?:to|into|in|at|go|the|nearest|a) hospital|hospital (?:right|now|today|immediately|straight|admission|tonight)
    hospitali[sz]\w*|admit(?:ted|ting)?\b|crisis (?:team|line|service|hotline)|988
    """
)
"""What counts before the closing turn, where "at once" may be said of a test."""


def _escalates(turn: Turn, wanted: re.Pattern[str] = _ESCALATES) -> bool:
    """Whether a turn sends the patient somewhere urgently, and not only if something should happen."""
    for sentence in turn.sentences:
        text = sentence.text
        for piece in re.split(r";|\s[\u2013\u2014-]\s", text):
            match = wanted.search(piece)
            if (
                match is None
                or _CONDITIONAL.search(piece)
                or _REFUSES.search(piece)
                or (sentence.asks and turn.action == "ask")
            ):
                continue
            if _PLACE_ONLY.fullmatch(match[0]) and (
                not _SENDS.search(piece)
                or (
                    _START_ONLY.search(piece)
                    and not re.search(r"\bhospital|\bemergency|\bspecialist|\brefer|\bteam\b|\bsurg", piece, re.I)
                )
            ):
                continue
            if match[0].lower() in ("now", "today") and not re.search(
                r"\b(?:hospital|refer\w*|admi\w+|ambulance|emergency|specialist|team|surg\w+|seen|scan|unit|ward|doctor|go|going|send\w*)\b",
                piece,
                re.I,
            ):
                continue
            return True
    return False
