"""The patient's own medicines against the card: denied, claimed though the card has none, another dose.

A medicine counts by its name or class. Taking something for the present trouble, once, or as needed contradicts
nothing; nor does a denial for a time or a place ("nothing today"). A dose that nobody could mean is
``dose_implausible``'s. Allergies are :mod:`filters.consultation_allergies`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_allergies import alike, other_allergy
from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_replies import first_answer
from filters.consultation_text import asks, denied, of_others
from filters.doses import find_doses, implausible
from filters.medicines import find_medicines
from filters.phrasing import either, phrases

_NONE = either(r"^\W*(?:none|no|nil|nothing|unknown|n/?a|null|nkda|not \w+)\b|^\W*$")
_TAKES = phrases(
    r"""
    i(?:'m| am) (?:currently )?(?:on|taking|using)
    i (?:also |just |only )?(?:take|use)
    i(?:'ve| have) been (?:on|taking)
    """
)
_REGULAR = phrases(
    r"""
    every (?:day|morning|night|evening)|daily|once a|twice a|a day|regular\w*|long-term|prescribed
    for (?:my|years|high|blood)
    """
)
_NOW_AND_THEN = phrases(
    r"""
    now and (?:then|again)|sometimes|occasional\w*|as needed|when(?:ever)? (?:i|it|needed|the)|if (?:i|it|needed|the)
    used to|stopped|once|tried|took|gave|had|yesterday|today|last|for (?:it|this|the|a (?:day|week))|once in a while
    over the counter|from the (?:chemist|pharmacy|drugstore)|herbal|vitamins?|allerg\w*
    """
)
_MEDICINES = r"(?:medic\w+|meds|drugs|pills|tablets)"
_TAKING = r"(?:take|taking|on|using|use)"
_NO_MEDICINES = phrases(
    rf"""
    (?:do not|don't|not|never|no) (?:currently |regularly |really )?{_TAKING} (?:any )?(?:\w+ ){{0,2}}?{_MEDICINES}
    (?:do not|don't|not|never) (?:currently |regularly |really )?{_TAKING} (?:any )?anything
    no (?:regular )?{_MEDICINES}
    (?:not|never|n't) (?:\w+ ){{0,2}}?(?:a single|one|any) (?:pill|tablet|medicine|drug|thing)
    (?:avoid|don't (?:touch|hold with|believe in)|never touch|hate taking|can't be doing with) {_MEDICINES}
    (?:don't|do not|never) even (?:take|touch|use) an? \w+
    medicine-free|free of {_MEDICINES}
    """
)
_ALL_MEDICINES = phrases(
    rf"""
    (?:any|regular|what|which) (?:\w+ ){{0,3}}?{_MEDICINES}
    {_TAKING} (?:anything|something) (?:regularly|daily|every day|long-term|by prescription|on prescription)
    on (?:any|regular) (?:\w+ )?(?:medic\w+|tablets|pills|treatment)
    what (?:do|are|else do) you (?:currently |regularly )?(?:take|taking|on|use|using)|what are you on
    do you take anything
    your (?:\w+ )?(?:medic\w+|meds|tablets|pills|prescriptions?)
    """
)
_SOME_MEDICINES = either(r"\ballerg|\bother\b|\bpain|\btried|\bfor (?:it|this|the)|\bhelp|\brecreational")
_PLAIN_NO = either(r"^\W*(?:no|none|nope|nah|nothing|never|not (?:a|one|any|at all)|zero|i don't)\b")
_NO_SUCH = either(r"^\W*(?:no|never|not (?:any|one|a single))(?: \w+)? $")
_BUT = either(r"\b(?:but|except|just|only)\b|\d")
_ELSE = phrases(r"other|else|except|apart|but|besides")
_FOR_NOW = phrases(r"other|else|except|apart|but|besides|for (?:it|this|the)|over|today|new|pain|street")
_USING = phrases("tak(?:e|ing)|on|use|using|been")
_AT_TIMES = phrases(r"today|yet|this morning|when|always|help\w*|stopped|any\s*more|missed|allerg\w*")
_BARE = either(
    r"^(?:,|:)? (?:that's |it's )?(?:an? |the |my )?(\d+(?:\.\d+)?)(?= (?:of (?:it|them|those)|at (?:night"
    r"|bedtime|noon)"
    r"|a day|an evening|daily|in the|every|each|once|twice|one)\b|\s*[.;]|,(?!\d)|\s*$)"
)
_IN_MG = {"g": 1000.0, "mg": 1.0, "microgram": 0.001, "ng": 1e-6, "units": 1e9}
_Card = list[tuple[str, str]]


def own_medicines(talk: Talk, turn: Turn, case: Mapping[str, Any], card: _Card) -> list[Evidence]:
    """answer_contradicts_case for medicines and allergies in a turn of the patient."""
    if not case.get("facts") and "medication" not in case and "allergies" not in case:
        return []
    medication = [m for m in strings(case.get("medication")) if not _NONE.match(m)]
    allergies = [a for a in strings(case.get("allergies")) if not _NONE.match(a)]
    before = talk.turns[turn.place - 1] if turn.place and talk.turns[turn.place - 1].speaker == "doctor" else None
    asked = next((s.text for s in reversed(before.sentences) if asks(s.text)), "") if before else ""
    first = first_answer(turn.sentences)
    found = []
    for place, sentence in enumerate(turn.sentences):
        question = asked if place == first else ""
        fact = (
            other_allergy(sentence.text, question, allergies, card)
            or _medicine(sentence.text, question, medication, card)
            or _denied_course(sentence.text, question, card)
            or _other_dose(sentence.text, medication, card)
            or _bare_dose(sentence.text, medication, card)
        )
        if fact is not None and not (of_others(sentence.text, 0) and "allerg" not in sentence.text):
            found.append(evidence("answer_contradicts_case", turn.place, sentence.raw, fact))
    return found


def _medicine(text: str, asked: str, medication: list[str], card: _Card) -> str | None:
    if medication and (fact := _denied_medicine(text, asked, medication)):
        return fact
    listed = " ".join([*medication, *(fact for _, fact in card)])
    none_listed = any("no medicines" in fact for _, fact in card) or any(
        re.match("You take", fact) for _, fact in card
    )
    takes = _TAKES.search(text)
    start = takes.end() if takes else 0
    answers = bool(_ALL_MEDICINES.search(asked)) and not _SOME_MEDICINES.search(asked) and not _PLAIN_NO.match(text)
    regular = bool(_REGULAR.search(text)) or (answers and "no medicines" in listed)
    if not none_listed or not (takes or answers) or not regular or _NOW_AND_THEN.search(text) or asks(text):
        return None
    if takes and denied(text, takes.start(), takes.end()):
        return None
    for mention in find_medicines(text[start:]):
        claimed = not denied(text, start + mention.start, start + mention.end) and not of_others(text, start)
        if claimed and not alike(mention.text, listed):
            return f"takes {medication[0]}" if medication else "takes no medicines"
    return None


def _denied_medicine(text: str, asked: str, medication: list[str]) -> str | None:
    about_all = _ALL_MEDICINES.search(asked) and not _SOME_MEDICINES.search(asked)
    plain_no = _PLAIN_NO.match(text) and not _BUT.search(text) and not find_medicines(text)
    if (_NO_MEDICINES.search(text) and not _FOR_NOW.search(text)) or (plain_no and about_all):
        return f"takes {medication[0]}"
    using = _USING.search(text) or (_USING.search(asked) and not asked.startswith("Why"))
    if using and not _AT_TIMES.search(text) and not _ELSE.search(text):
        for mention in find_medicines(text):
            if (denied(text, mention.start, mention.end) or _NO_SUCH.search(text[: mention.start])) and alike(
                mention.text, " ".join(medication)
            ):
                return f"takes {mention.name}"
    return None


def _denied_course(text: str, asked: str, card: _Card) -> str | None:
    """The fact of a medicine taken at some time, where the patient says that there was none."""
    about = find_medicines(asked) if _PLAIN_NO.match(text) and not _BUT.search(text) else []
    denied_here = [m for m in find_medicines(text) if denied(text, m.start, m.end) or _NO_SUCH.search(text[: m.start])]
    if not (about or denied_here) or _AT_TIMES.search(text) or _ELSE.search(text) or "allerg" in asked:
        return None
    for name, fact in card:
        for held in find_medicines(fact):
            if denied(fact, held.start, held.end) or "allerg" in fact or of_others(fact, held.start):
                continue
            for mention in denied_here or about:
                if mention.name == held.name or mention.name in held.classes or held.name in mention.classes:
                    return name
    return None


def _other_dose(text: str, medication: list[str], card: _Card) -> str | None:
    said = [dose for dose in find_doses(text) if dose.medicine and implausible(dose) is None]
    if not said:
        return None
    known = [d for entry in [*medication, *(t for _, t in card)] for d in find_doses(entry) if d.medicine]
    for dose in said:
        same = [d for d in known if d.medicine == dose.medicine]
        units = [d for d in same if _in_mg(d.amount, d.unit) and _in_mg(dose.amount, dose.unit)]
        one = _in_mg(dose.amount * dose.count, dose.unit)
        if units and all(_in_mg(d.amount * d.count, d.unit) != one for d in units):
            return f"takes {units[0].medicine} {units[0].text}"
        often = [d for d in same if d.per_day is not None]
        if dose.per_day is not None and often and all(d.per_day != dose.per_day for d in often):
            return f"takes {often[0].medicine} {often[0].text}"
    return None


def _bare_dose(text: str, medication: list[str], card: _Card) -> str | None:
    """Another amount than the card's, said without its unit ("amitriptyline, 75 at bedtime")."""
    mentions = find_medicines(text)
    for mention, following in zip(mentions, [*mentions[1:], None], strict=False):
        said = _BARE.match(text[mention.end : following.start if following else len(text)])
        if said is None:
            continue
        known = [d for entry in [*medication, *(t for _, t in card)] for d in find_doses(entry)]
        same = [d for d in known if d.medicine == mention.name and d.unit in _IN_MG]
        amounts = {round(d.amount * n, 6) for d in same for n in {1.0, d.count, d.count * (d.per_day or 1.0)}}
        if same and float(said[1]) not in amounts and not denied(text, mention.start, mention.end):
            return f"takes {same[0].medicine} {same[0].text}"
    return None


def _in_mg(amount: float, unit: str) -> float | None:
    factor = _IN_MG.get(unit)
    return round(amount * factor, 6) if factor else None
