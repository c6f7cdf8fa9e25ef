"""Case cards straight from structured cases, without a model: AgentClinic (OSCE) and MEDIQ (atomic facts).

AgentClinic says itself what the patient knows, what an examination finds and what tests give. Of MEDIQ's facts these
rules decide, the first that fits (:mod:`synth.recipes.fact_kinds`): what is done in this visit is left out, what the
patient tells is the patient's, then tests, then examinations, and all the rest is the patient's.

Every fact of the source stands in the card, in its own words, or in ``left_out``. A record says only what it says:
that it names no medicine does not mean that the patient takes none. What this module does not do: it invents
nothing, rewords nothing and knows no medicine beyond :mod:`filters.medicines`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from filters.medicines import find_medicines
from filters.readers import Case
from filters.text import storable
from synth.recipes.case_person import age_of, is_pregnant, sex_of
from synth.recipes.fact_kinds import kind_of, name_of
from synth.recipes.forms import RecordedCase

_SENTENCE = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bDr\.)(?<!\bvs\.)\s+(?=[A-Z\"'])")
_UNTOLD = re.compile(
    r"(?:information |details? )?not (?:provided|specified|available|applicable|mentioned|relevant)\.?"
    r"|(?:no|none|n/a)\.?"
    r"|no (?:additional|other|further|pertinent|relevant|specific|notable)?[\w ]*"
    r"(?:provided|mentioned|available|given|specified|noted)\b[^.]*\.?",
    re.IGNORECASE,
)
_DIAGNOSIS_ASKED = re.compile(
    r"(?:which(?: of the following)?|what)(?: is| was) (?:(?:the|this|most|likely|underlying|patient['’]s) )+"
    r"diagnosis(?: (?:in|for|of) this (?:patient|condition|case))?[\s?:.\"”]*$",
    re.IGNORECASE,
)
_CAUSE_ASKED = re.compile(
    r"(?:which(?: of the following)?|what)(?: is| was) (?:(?:the|a|most|primary|likely|probable|underlying) )+"
    r"(?:cause|explanation|etiology) (?:of|for) (?:(?:this|the|her|his|these|patient['’]s|newborn['’]s|infant['’]s"
    r"|current|recent|clinical) )+(?:symptoms|condition|presentation|findings|disorder|complaints)[\s?:.\"”]*$",
    re.IGNORECASE,
)
_MECHANISM = re.compile(
    r"\b(?:\w*creased?|impaired|loss|deposition|deposits?|defective|defect|elevated|excessive|occlusion|obstructed"
    r"|damage"
    r"|mutation|use|levels?|chains?|infection (?:with|from)|breakdown|response|vasoconstriction|volume|separation"
    r"|attachment|appointment|entering|oxidation|abnormality|development|prolapse of|infarction of|toxicity|activity"
    r"|antibod\w+|gene|enzyme|lesion)\b",
    re.IGNORECASE,
)
_ALLERGY = re.compile(
    r"\ballergic to (?P<a>[\w -]+)|\ballergy to (?P<b>[\w -]+)|\b(?P<c>\w+) allergy\b", re.IGNORECASE
)
_NO_ALLERGEN = {"no", "known", "drug", "food", "an", "any", "seasonal", "severe", "the", "of"}
_TAKES = re.compile(
    r"\b(?:medications? (?:include|are|consist|list)|medications?:|takes|is taking|currently taking"
    r"|is currently on)\b",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(r"\b(?:not|no|denies|never|stopped|discontinued|used to|previously)\b", re.IGNORECASE)
_NOT_OWN = re.compile(
    r"\b(?:not|no|denies|denied|never|without|mother|father|parents?|wife|husband|sister|brother|son|daughter|aunt|uncle"
    r"|grand\w+|family|partner|girlfriend|boyfriend|friend)\b",
    re.IGNORECASE,
)
"""A line that denies, or speaks of somebody else; it stays in the history in its own words."""
_NO_MEDICINE = re.compile(r"^(?:no|none|not)\b|\b(?:started|stopped|taking|taken|discontinued)\b", re.IGNORECASE)
_NO_NAME = {"finding", "findings", "result", "results", "comments", "details", "optional"}
_LONGEST_DIAGNOSIS = 10
"""Words; what is longer is no name of an illness."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a case gives no card: ``no_diagnosis``, ``no_age`` or ``no_sex``."""

    reason: str
    detail: str


@dataclass(slots=True)
class _Parts:
    """A card in the making."""

    history: list[str] = field(default_factory=list)
    medication: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def card_of(case: Case) -> RecordedCase | Unusable:
    """The card of a stored case, or why it gives none.

    Args:
        case: a case of :func:`filters.readers.read_cases`; its ``examination`` and ``tests`` may be empty.
    """
    diagnosis = _diagnosis(case)
    if isinstance(diagnosis, Unusable):
        return diagnosis
    known = [storable(text) for text in (case.demographics, case.opening, *case.facts) if text.strip()]
    age, sex = age_of(known), sex_of(known)
    if age is None:
        return Unusable("no_age", f"no age is told: {case.demographics!r}")
    if sex is None:
        return Unusable("no_sex", f"the sex is not told: {case.demographics!r}")
    complaint, parts = _from_osce(case) if case.item is None else _from_facts(case)
    if len(complaint) < 2:
        return Unusable("no_complaint", "the case does not say what the patient comes with")
    return RecordedCase(
        subject="illness",
        age=age,
        sex=sex,
        pregnant=sex == "female" and is_pregnant(known),
        complaint=complaint,
        diagnosis=diagnosis,
        differential=[],
        history=_once(parts.history) or [complaint],
        medication=_once([*parts.medication, *_medication(parts.history)]),
        allergies=_once(_allergies(parts.history)),
        findings=_once(parts.findings),
        tests=_once(parts.tests),
        red_flags=[],
        left_out=_once(parts.left_out),
    )


def _diagnosis(case: Case) -> str | Unusable:
    """The case's own, or the right option where the question asks for the illness."""
    name = storable(case.diagnosis).strip()
    if case.item is not None and not name:
        question = case.item.question.strip()
        name = storable(case.item.options.get(case.item.answer, "")).strip()
        if not _DIAGNOSIS_ASKED.search(question) and not _CAUSE_ASKED.search(question):
            return Unusable("no_diagnosis", "the question does not ask for the illness")
        if not _DIAGNOSIS_ASKED.search(question) and _MECHANISM.search(name):
            return Unusable("no_diagnosis", f"the right option names no illness: {name!r}")
    if len(name) < 2 or (not case.diagnosis and len(name.split()) > _LONGEST_DIAGNOSIS):
        return Unusable("no_diagnosis", f"the right option names no illness: {name!r}")
    return name


def _from_osce(case: Case) -> tuple[str, _Parts]:
    parts = _Parts(left_out=[storable(case.opening)] if case.opening.strip() else [])
    complaint = ""
    if case.demographics.strip():
        parts.history.append(storable(case.demographics))
    for fact in map(storable, case.facts):
        label, _, value = fact.partition(": ")
        label, value = label.strip().lower(), value.strip() or fact
        if label == "symptoms":
            which, _, symptom = value.partition(": ")
            symptom = symptom.strip() or value
            if "primary" in which.lower() and not complaint:
                complaint = symptom
            else:
                _tell(parts, symptom)
        elif "medication" in label or label == "drug history":
            listed = (name.strip(" .") for name in re.split(r"[;,]", value))
            parts.medication += [name for name in listed if not _NO_MEDICINE.search(name)]
            _tell(parts, fact)
        else:
            titled = label in ("past medical history", "social history", "family history")
            _tell(parts, value, label.capitalize() + ": " if titled else "")
    parts.findings = _results(case.examination)
    parts.tests = _results(case.tests)
    if not complaint and parts.history:
        complaint = parts.history[0]
    return complaint, parts


def _tell(parts: _Parts, text: str, title: str = "") -> None:
    """Add a text to what the patient knows, sentence by sentence; what says nothing is left out."""
    for line in (one for part in text.split("; ") for one in _SENTENCE.split(part)):
        (parts.left_out if _UNTOLD.fullmatch(line.strip()) else parts.history).append(title + line.strip())


def _results(table: Mapping[str, str]) -> list[str]:
    """``name: result`` lines; what stands under one heading (vital signs, a blood count) becomes one line."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in table.items():
        above, _, last = storable(name).rpartition(": ")
        groups.setdefault(above or last, []).append((last if above else "", storable(value)))
    lines = []
    for above, entries in groups.items():
        inner = [leaf for leaf, _ in entries if leaf and leaf.lower() not in _NO_NAME]
        name = ", ".join([above.replace(": ", ", "), *inner])
        alone = len(entries) == 1
        shown = [value if alone or not leaf else f"{leaf}: {value}" for leaf, value in entries]
        lines.append(f"{name}: {'; '.join(shown)}")
    return lines


def _from_facts(case: Case) -> tuple[str, _Parts]:
    parts = _Parts()
    complaint = storable(case.opening).strip()
    if case.demographics.strip():
        parts.history.append(storable(case.demographics))
    lines: dict[str, dict[str, list[str]]] = {"examination": {}, "test": {}}
    for fact in (storable(text).strip() for text in case.facts):
        kind = kind_of(fact)
        if kind == "patient":
            parts.history.append(fact)
        elif kind == "course":
            parts.left_out.append(fact)
        elif fact:
            lines[kind].setdefault(name_of(fact, kind), []).append(fact)
    parts.findings = [f"{name}: {' '.join(told)}" for name, told in lines["examination"].items()]
    parts.tests = [f"{name}: {' '.join(told)}" for name, told in lines["test"].items()]
    return complaint, parts


def _medication(history: Iterable[str]) -> list[str]:
    own = (line for line in history if not _NOT_OWN.search(line))
    taken = (line for line in own if _TAKES.search(line) and not _NOT_TAKEN.search(line))
    return [mention.name for line in taken for mention in find_medicines(line)]


def _allergies(history: Iterable[str]) -> list[str]:
    own = (line for line in history if not _NOT_OWN.search(line))
    told = [match["a"] or match["b"] or match["c"] for line in own for match in _ALLERGY.finditer(line)]
    names = [re.split(r" (?:and|but|or|which|who|that) ", name)[0].strip() for name in told]
    return [name for name in names if name.split()[:1] and name.split()[0].lower() not in _NO_ALLERGEN]


def _once(lines: Iterable[str]) -> list[str]:
    return [line for line in dict.fromkeys(lines) if line]
