"""Doses of medicines in running text, and which of them are far from any in use.

A dose is a number (digits, words, a range, whose higher end counts) with a unit. It belongs to the nearest known
medicine of its sentence. No doses are values per volume ("180 mg/dL", "250 mg/5 mL"), rates per minute or hour,
volumes of blood, urine and drinks, weights of food and persons, units of blood and alcohol, packs handed out, and
percentages. Doses by body weight keep "/kg" in their unit and are never called implausible.

Implausible is what is 5 times or more above the usual highest dose or daily amount of adults
(:mod:`filters.doses_data`), 50 times or more below the lowest one (micrograms written for milligrams), counted in a
unit the medicine never is, taken daily although swallowed once a week, or more than 20 tablets at once. That finds
gross mistakes and nothing else: it is no dosing advice, and it knows neither children nor kidneys nor indications.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from filters.doses_data import MG, SPELLINGS, usual_doses
from filters.doses_frequency import per_day
from filters.medicines import Mention, find_medicines
from filters.numbers_in_words import NUMBER, number

_UNITS = {spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings.split()}
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_FORM = r"(?:tablets?|capsules?|pills?|caplets?|tabs?|sachets?|puffs?|vials?|doses?)"
_DOSE = re.compile(
    rf"(?:(?P<count>{NUMBER})\s?(?:{_FORM}\s(?:of\s)?|[x\u00d7]\s?))?"
    rf"(?<![\w.,/])(?:(?P<low>{NUMBER})\s?(?:-|\u2013|to|or|/)\s?)?(?P<amount>{NUMBER})[\s-]?(?P<unit>{_UNIT})\b"
    r"(?P<kg>\s?/\s?kg|\s(?:per|a|for each|for every)\s(?:kg|kilo\w*))?",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"\s?/\s?(?!day|d\b|dose|kg|night|week)\d*\s?[a-z\u00b5\u03bc%]|\s?per\s(?:\d+\s?)?(?:deci|d?l\b|lit|mil|ml|cubic|minute|hour|min\b|h\b)"
    r"|\s(?:an\shour|a\sminute)\b",
    re.IGNORECASE,
)
_NO_DOSE = re.compile(
    r"\b(?:blood(?!\s(?:pressure|thinner|clot|sugar))|urine|drain|output|residual|alcohol|wine|beer|spirits|vodka|water|coffee|juice|birth"
    r"|weigh|protein|carb(?:s\b|oh)|fib(?:re|er)|sodium\sdiet|salt|fat|lost|loss|transfus|packed|gestation|per\sweek\sof|effusion|lesion|nodule"
    r"|stone|prostate\sis|drinks?|fluid)",
    re.IGNORECASE,
)
_HANDED_OUT = re.compile(r"\b(?:prescrib|suppl|dispens|bottle|pack|box|refill|quantity|left|remaining)", re.IGNORECASE)
_BULK = frozenset({"mL", "g", "units", "drops"})
_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|\n")
_AFTER_COUNT = re.compile(
    rf"\s?(?:{_FORM})?,?\s(?:take\s)?(?P<count>{NUMBER})\s(?:{_FORM})\b(?!\s(?:a|per|each)\sday|\sdaily)",
    re.IGNORECASE,
)
_REACH = 60
_OWN_STRENGTH = re.compile(
    r"\s+(?:\d[\d.,]*\s?%|(?:\w+\s)?(?:cream|gel|ointment|lotion|drops|spray|patch)\b)", re.IGNORECASE
)


_NEW_CLAUSE = re.compile(
    r"[,;]\s+(?:and\s+)?(?:stay|keep|carry|go|continue|stop|leave|then)\b|\band\s+(?:stay|keep|carry|go|continue|stop)\b",
    re.IGNORECASE,
)
_OWN_NUMBER = re.compile(r"\s+\d[\d.]*,\s+(?:\w+\s+){1,4}?\w+,?\s*$")
"""A bare amount, and behind its comma the name of something else ("furosemide 40, the calcium thing, ")."""
_OF_NAME = re.compile(r"\s+of\s+(?:[\w-]+\s+){1,3}")
"""What stands between a count of tablets and the strength of each."""


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose in a text: ``text[start:end]``; amounts are as written, ``unit`` in one spelling."""

    start: int
    end: int
    text: str
    amount: float
    """The amount of one unit ("two tablets of 500 mg": 500); of a range the higher end."""
    unit: str
    """mg, microgram, g, ng, mL, units, mmol, mEq, puffs, drops or tablets; with "/kg" behind it where told."""
    count: float
    """How many of them at one time ("two tablets of 500 mg": 2), else 1."""
    per_day: float | None
    """How often a day ("twice a day": 2, "once a week": 1/7), None where the text does not say."""
    medicine: str | None
    """The generic name of the nearest medicine in the same sentence, or None."""


def find_doses(text: str) -> list[Dose]:
    """Every dose of the text in order; laboratory values, pressures, weights and lengths are none."""
    matches = [match for match in _DOSE.finditer(text) if not _is_value(text, match)]
    if not matches:
        return []
    medicines = find_medicines(text)
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    found: list[Dose] = []
    for at, match in enumerate(matches):
        first = max(end for end in ends if end <= match.start())
        last = min(end for end in ends if end >= match.end())
        following = matches[at + 1].start() if at + 1 < len(matches) else last
        behind = text[match.end() : last]
        counted = match["count"] or ((after := _AFTER_COUNT.match(behind)) and after["count"])
        if at and found and _counts_previous(text, matches[at - 1], match):
            continue  # "500 mg, two tablets": the tablets are the count of the dose before
        unit = _UNITS[match["unit"].lower()] + ("/kg" if match["kg"] else "")
        nearby = [one for one in medicines if first <= one.start and one.end <= last]
        often = per_day(text[match.end() : max(match.end(), min(last, following if not counted else last))])
        found.append(
            Dose(match.start(), match.end(), match.group(), _higher(match), unit, number(counted) if counted else 1.0,
                 often, _nearest(match, nearby))
        )  # fmt: skip
    return _counted(text, found)


def _counted(text: str, doses: list[Dose]) -> list[Dose]:
    """The doses, with "five tablets" and "1 g" made one in "five tablets of paracetamol 1 g"."""
    joined: list[Dose] = []
    for dose in doses:
        last = joined[-1] if joined else None
        of_it = last is not None and last.unit == "tablets" and last.medicine == dose.medicine and dose.unit in MG
        if last is not None and of_it and _OF_NAME.fullmatch(text[last.end : dose.start]):
            joined[-1] = replace(dose, start=last.start, text=text[last.start : dose.end], count=last.amount)
        else:
            joined.append(dose)
    return joined


def implausible(dose: Dose) -> str | None:
    """One line that says why the dose is far from any in use; None for a usual, unusual or unknown one."""
    if dose.unit == "tablets" and dose.amount * dose.count > 20:
        return f"{dose.amount * dose.count:g} tablets at once"
    usual = usual_doses().get(dose.medicine or "")
    if usual is None or dose.unit.endswith("/kg"):
        return None
    if usual.unit == "units":
        if dose.unit in MG:
            return f"{dose.medicine} is counted in units, not in {dose.unit}"
        single = dose.amount * dose.count if dose.unit == "units" else None
    elif dose.unit == "units" and usual.unit == "mg":
        return f"{dose.medicine} is never counted in units"
    else:
        single = dose.amount * dose.count * MG[dose.unit] if dose.unit in MG else None
    if single is None:
        return None
    unit = "units" if usual.unit == "units" else "mg"
    if single >= (5 if dose.count == 1 else 4) * usual.high:
        return f"{dose.medicine} {single:g} {unit} at once: usual is up to {usual.high:g} {unit}"
    if single <= usual.low / 50:
        return f"{dose.medicine} {single:g} {unit} at once: usual is {usual.low:g} {unit} or more"
    if dose.per_day is None:
        return None
    if usual.weekly and dose.per_day >= 1 and single >= usual.low:
        return f"{dose.medicine} daily: it is taken once a week"
    if dose.per_day >= 1 and single * dose.per_day >= 5 * usual.daily:
        return f"{dose.medicine} {single * dose.per_day:g} {unit} a day: usual is up to {usual.daily:g} {unit}"
    return None


def _is_value(text: str, match: re.Match[str]) -> bool:
    """Whether the number with its unit is a laboratory value, a rate, a volume lost, a weight or a pack handed out."""
    if _VALUE.match(text, match.end()):
        return True
    unit = _UNITS[match["unit"].lower()]
    if unit == "tablets" and _HANDED_OUT.search(text, max(0, match.start() - 40), match.end() + 15):
        return True
    around = text[max(0, match.start() - 25) : match.start()] + " " + text[match.end() : match.end() + 25]
    return unit in _BULK and bool(_NO_DOSE.search(around))


def _higher(match: re.Match[str]) -> float:
    return max(number(match["amount"]), number(match["low"]) if match["low"] else 0.0)


def _counts_previous(text: str, previous: re.Match[str], match: re.Match[str]) -> bool:
    counts = _AFTER_COUNT.match(text, previous.end())
    return counts is not None and counts.end() >= match.end() and counts.start("count") == match.start()


def _is_next(match: re.Match[str], one: Mention) -> bool:
    """Whether a medicine behind a dose has a strength or a form of its own ("1 g daily, and terbinafine 1% cream")."""
    return one.start >= match.end() and bool(_OWN_STRENGTH.match(match.string, one.end))


def _is_apart(match: re.Match[str], one: Mention) -> bool:
    """Whether a medicine stands in another clause behind a dose, or has a number of its own before the dose."""
    if one.start >= match.end():
        return bool(_NEW_CLAUSE.search(match.string, match.end(), one.start))
    return bool(_OWN_NUMBER.match(match.string[one.end : match.start()]))


def _nearest(match: re.Match[str], medicines: list[Mention]) -> str | None:
    """The nearest medicine, one before the dose first where two are as near; groups only where no medicine stands."""

    def distance(one: Mention) -> int:
        return match.start() - one.end if one.end <= match.start() else max(0, one.start - match.end())

    near = [
        one for one in medicines if distance(one) <= _REACH and not (_is_next(match, one) or _is_apart(match, one))
    ]
    named = [one for one in near if "groups" not in one.classes] or near
    return min(named, key=distance).name if named else None
