"""What the patient must not say: the hidden diagnosis, and what contradicts the card.

A patient may name illnesses that the card has among the facts a patient knows, those of relatives, and whatever the
doctor named before. An answer contradicts when it plainly denies a fact of the card, affirms what the card denies, or
gives another number for the same thing; denials that hold for a time or a place only ("no pain right now") do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_concepts import concepts
from filters.consultation_numbers import ages, counted, durations
from filters.consultation_record import Evidence, Said, Talk, Turn, evidence, strings
from filters.consultation_text import Sentence, asks, denied, of_others, plain
from filters.doses import find_doses
from filters.medicines import find_medicines
from filters.terms import canonical, synonyms
from filters.text import normalise

_QUALIFIERS = frozenset(
    """acute chronic severe mild moderate early late stage stable unstable new onset exacerbation of the suspected probable possible likely primary secondary recurrent uncomplicated
    complicated bilateral left right sided typical atypical classic with without due to type idiopathic essential community acquired newly diagnosed episode attack flare advanced first
    decompensated symptomatic underlying untreated uncontrolled paroxysmal persistent disease syndrome disorder a an and in infection inferior anterior posterior lateral grade ii iii iv i""".split()  # noqa: SIM905
)
_SUPPOSES = re.compile(
    r"\b(?:says?|said|thinks?|thought|told|reckons?|believes?|suggest\w*|worr\w+|must\s+be|convinced)\b", re.IGNORECASE
)
_SAME = 1.3
"""Durations that differ by less than this factor are the same."""
_NONE = re.compile(r"\W*(?:none|no|nil|nothing|unknown|n/?a|null|nkda|not\s+\w+)\b|^\W*$", re.IGNORECASE)
_ALLERGIC = re.compile(r"\ballerg|\breact(?:ed|ion)?s?\s+(?:badly\s+)?to\b|\bintoleran", re.IGNORECASE)
_TAKES = re.compile(
    r"\b(?:i(?:'m|\s+am)\s+(?:currently\s+)?(?:on|taking|using)|i\s+(?:also\s+|just\s+|only\s+)?(?:take|use)\b|i(?:'ve|\s+have)\s+been\s+(?:on|taking)\b)",
    re.IGNORECASE,
)
_REGULAR = re.compile(
    r"\b(?:every\s+(?:day|morning|night|evening)|daily|once\s+a|twice\s+a|regular\w*|for\s+(?:my|years|high|blood)|a\s+day|long-term|prescribed)\b",
    re.IGNORECASE,
)
_NO_MEDICINES = re.compile(
    r"\b(?:(?:do\s+not|don't|not|never|no)\s+(?:currently\s+|regularly\s+|really\s+)?(?:take|taking|on|using|use)\s+(?:any\s+)?(?:\w+\s+){0,2}?(?:medic\w+|meds|drugs|pills|tablets|anything)|no\s+(?:regular\s+)?(?:medic\w+|meds|pills|tablets|drugs))\b",
    re.IGNORECASE,
)
_NO_ALLERGIES = re.compile(
    r"\b(?:no(?:t)?\s+(?:known\s+|drug\s+|any\s+|\w+\s+)?allerg\w*|(?:don't|do\s+not|n't)\s+(?:have|think\s+i\s+have)\s+(?:any\s+)?(?:\w+\s+)?allerg\w*|(?:not|never|n't)\s+(?:been\s+)?allergic\s+to\s+any\w*)",
    re.IGNORECASE,
)


def patient_says(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """diagnosis_named_by_patient and answer_contradicts_case."""
    card = _told_by_card(case)
    found = _names_diagnosis(talk, case, card)
    facts = _facts(card)
    for said in talk.said:
        if said.speaker == "patient" and (fact := _contradicts(said, facts)) is not None:
            found.append(evidence("answer_contradicts_case", said.turn, said.sentence.raw, fact))
    for turn in talk.turns:
        if turn.speaker == "patient":
            found += _numbers(talk, turn, case, card) + _drugs(talk, turn, case, card)
    return found


def _told_by_card(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of all that the patient knows of the card."""
    facts = case.get("facts")
    listed = [f for f in facts if isinstance(f, Mapping)] if isinstance(facts, list | tuple) else []
    told = [
        (str(f.get("id") or f.get("text")), plain(f["text"]))
        for f in listed
        if f.get("known_by", "patient") == "patient" and isinstance(f.get("text"), str)
    ]
    if not told:
        told = [(t, plain(t)) for name in ("complaint", "history", "red_flags") for t in strings(case.get(name))]
    return told


def _names_diagnosis(talk: Talk, case: Mapping[str, Any], card: list[tuple[str, str]]) -> list[Evidence]:
    diagnosis = case.get("diagnosis")
    if not isinstance(diagnosis, str) or not re.search(r"\w", diagnosis):
        return []
    known = " ".join(text for _, text in card if not of_others(text, len(text) // 2))
    names = [name for name in _spellings(diagnosis) if not _holds(known, name)]
    for turn in talk.turns:
        if turn.speaker == "doctor" and any(_holds(turn.text, name) for name in names):
            return []
        if turn.speaker == "patient":
            for sentence in turn.sentences:
                for name in names:
                    place = _holds(sentence.text, name)
                    if place and not (of_others(sentence.text, place.start()) and not _SUPPOSES.search(sentence.text)):
                        return [evidence("diagnosis_named_by_patient", turn.place, sentence.raw, diagnosis)]
    return []


def _spellings(diagnosis: str) -> set[str]:
    """The diagnosis, its core without qualifiers, what stands in brackets, and all synonyms of these."""
    text = plain(diagnosis)
    bare = re.sub(r"\s*\([^)]*\)", "", text).strip(" .")
    forms = {
        bare,
        *re.findall(r"\(([^)]+)\)", text),
        *re.split(r"\s+(?:due\s+to|secondary\s+to|caused\s+by|with|without|from|complicat\w+)\s+|,|;|/|:", bare)[:1],
    }
    for form in list(forms):
        kept = [w for w in form.split() if w.lower().strip(",.-") not in _QUALIFIERS]
        light = re.split(r"\s+", re.sub(r"(?i)\b(?:community|hospital|ventilator)-acquired\s+", "", form))
        while light and light[0].lower().strip(",.-") in _QUALIFIERS:
            light = light[1:]
        forms |= {" ".join(light)}
        if (
            len(kept) == 1
            and len(kept[0]) > 5
            and kept[0]
            .lower()
            .endswith(
                (
                    "itis",
                    "oma",
                    "osis",
                    "ia",
                    "emia",
                    "aemia",
                    "ism",
                    "pathy",
                    "angina",
                    "asthma",
                    "stroke",
                    "lepsy",
                    "betes",
                    "sepsis",
                    "lupus",
                    "cancer",
                    "reflux",
                    "graine",
                    "stones",
                    "ma",
                    "gout",
                )
            )
        ):
            forms.add(kept[0])
    names: set[str] = set()
    for form in forms:
        form = normalise(form).strip(" .,-")
        if len(form) > 1 and form not in _QUALIFIERS:
            names |= {form, *synonyms(form), *synonyms(canonical(form))}
    return {name for name in names if len(name) > 1 and not _symptom_only(name)}


def _symptom_only(name: str) -> bool:
    """Whether a name is also what a patient would say of a symptom ("cough", "dizziness")."""
    found = concepts(name)
    return any(f.kind == "symptom" and f.end - f.start == len(name) for f in found) or name in (
        "infection",
        "inflammation",
        "disease",
    )


def _holds(text: str, name: str) -> re.Match[str] | None:
    """Where a text holds a name as words; short abbreviations in capitals only."""
    short = (
        len(name) <= 4
        and name.isalpha()
        and not any(v in name for v in ("gout", "flu", "acne", "cold", "bite", "lice"))
    )
    form = r"[\s-]+".join(re.escape(w) for w in re.split(r"[\s-]+", name) if w)
    return re.search(
        rf"(?<!\w){form.upper() if short else form}(?:s|es)?(?!\w)", plain(text), 0 if short else re.IGNORECASE
    )


def _facts(card: list[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
    """Concept → (fact, whether the card has it); where it says both, the concept is left out."""
    facts: dict[str, tuple[str, bool]] = {}
    mixed = set()
    for name, text in card:
        for found in concepts(text):
            if found.kind in ("symptom", "condition") and not of_others(text, found.start):
                has = not denied(text, found.start, found.end)
                if found.name in facts and facts[found.name][1] != has:
                    mixed.add(found.name)
                facts.setdefault(found.name, (name, has))
    return {name: fact for name, fact in facts.items() if name not in mixed}


_VAGUE = {
    "pain",
    "allergy",
    "injury",
    "anxiety",
    "redness",
    "discharge",
    "radiating pain",
    "alcohol",
    "surgery",
    "weakness",
    "lump",
    "travel",
    "insomnia",
}


def _contradicts(said: Said, facts: dict[str, tuple[str, bool]]) -> str | None:
    name = said.found.name
    if said.qualified or name not in facts or name == "allergy":
        return None
    fact, has = facts[name]
    if (
        said.status == "denied"
        and has
        and (name not in _VAGUE or name in ("alcohol", "surgery", "weakness", "lump", "travel"))
    ):
        return fact
    return fact if said.status == "told" and not has and name != "pain" else None


def _numbers(talk: Talk, turn: Turn, case: Mapping[str, Any], card: list[tuple[str, str]]) -> list[Evidence]:
    """Another age, duration or count than the card's."""
    asked = talk.turns[turn.place - 1].text if turn.place and talk.turns[turn.place - 1].speaker == "doctor" else ""
    complaint = {f.name for text in strings(case.get("complaint")) for f in concepts(text)}
    found = []
    for sentence in turn.sentences:
        fact = (
            _other_age(sentence, case, asked)
            or _other_duration(sentence.text, asked, complaint, card)
            or _other_count(sentence.text, card)
        )
        if fact is not None:
            found.append(evidence("answer_contradicts_case", turn.place, sentence.raw, fact))
    return found


def _other_age(sentence: Sentence, case: Mapping[str, Any], asked: str) -> str | None:
    age = case.get("age")
    if not isinstance(age, int | float) or isinstance(age, bool):
        return None
    said = [years for _, _, years in ages(sentence.text)]
    if not said and re.search(r"\bhow\s+old\b|\byour\s+age\b", asked, re.IGNORECASE):
        said = [years for _, _, years in ages("I'm " + sentence.text)]
    return f"age {age}" if any(abs(years - age) >= 1 for years in said) else None


def _other_duration(text: str, asked: str, complaint: set[str], card: list[tuple[str, str]]) -> str | None:
    how_long = bool(
        re.search(
            r"\bhow\s+long\b|\bwhen\s+did\b|\bhow\s+many\s+(?:days|weeks|months|years)\b|\bwhen\s+.{0,30}(?:start|begin|notice)",
            asked,
            re.IGNORECASE,
        )
    )
    each = bool(re.search(r"\b(?:last|each|episode|attack|at\s+a\s+time|spell)", asked, re.IGNORECASE))
    for said in durations(text):
        course = (said.course or how_long) and not (each and how_long)
        about = {f.name for f in concepts(text)} or ({f.name for f in concepts(asked)} if asked else set())
        known = [
            (abs_days.days, name)
            for name, fact in card
            for abs_days in durations(fact)
            if (abs_days.course or not re.search(r"\blast|\bat a time|\beach|\bevery", fact)) == course
            and _about(about, {f.name for f in concepts(fact)}, complaint)
        ]
        unlike = [name for days, name in known if max(days, said.days) / max(min(days, said.days), 1e-6) > _SAME]
        if (
            course
            and known
            and len(unlike) == len(known)
            and not re.search(
                r"\b(?:worse|last\s+time|since\s+then|medic|tablet|then|another|now\s+for)\b", text, re.IGNORECASE
            )
        ):
            return unlike[0]
    return None


def _about(said: set[str], fact: set[str], complaint: set[str]) -> bool:
    """Whether a statement and a fact are of the same thing; without a concept both are of the complaint."""
    if said and fact:
        return bool(said & fact)
    return (not said and (not fact or bool(fact & complaint))) or (not fact and bool(said & complaint))


def _other_count(text: str, card: list[tuple[str, str]]) -> str | None:
    said = counted(text)
    for name, fact in card:
        for noun, value in counted(fact).items():
            if (
                noun in said
                and said[noun] != value
                and not of_others(text, len(text) - 1)
                and not re.search(r"\bused to\b|\bquit\b|\bstopped\b", text)
            ):
                return name
    return None


def _drugs(talk: Talk, turn: Turn, case: Mapping[str, Any], card: list[tuple[str, str]]) -> list[Evidence]:
    """Medicines and allergies denied, claimed, or with another dose than the card's."""
    if not case.get("facts") and "medication" not in case and "allergies" not in case:
        return []
    medication = [m for m in strings(case.get("medication")) if not _NONE.match(m)]
    allergies = [a for a in strings(case.get("allergies")) if not _NONE.match(a)]
    before = talk.turns[turn.place - 1] if turn.place and talk.turns[turn.place - 1].speaker == "doctor" else None
    asked = next((s.text for s in reversed(before.sentences) if asks(s.text)), "") if before else ""
    found = []
    for place, sentence in enumerate(turn.sentences):
        question = asked if place == 0 else ""
        fact = (
            _allergy(sentence.text, question, allergies, card)
            or _medicine(sentence.text, question, medication, card)
            or _other_dose(sentence.text, medication, card)
        )
        if fact is not None and not (of_others(sentence.text, 0) and "allerg" not in sentence.text):
            found.append(evidence("answer_contradicts_case", turn.place, sentence.raw, fact))
    return found


def _allergy(text: str, asked: str, allergies: list[str], card: list[tuple[str, str]]) -> str | None:
    said_no = re.match(r"\W*(?:no|none|nope|not\s+that\s+i|nothing)\b", text, re.IGNORECASE) and not re.search(
        r"\b(?:but|except)\b", text
    )
    if allergies:
        asked_one = [m.name for m in find_medicines(asked)]
        asked_all = re.search(r"\ballerg", asked, re.IGNORECASE) and (
            not asked_one or any(_alike(a, asked) for a in allergies)
        )
        if (_NO_ALLERGIES.search(text) and not re.search(r"\b(?:other|else|except|apart|but|besides)\b", text)) or (
            said_no and asked_all and not re.search(r"\bother|\belse|\bbesides", asked)
        ):
            return f"allergic to {allergies[0]}"
        denial = _ALLERGIC.search(text)
        if (
            denial
            and any(_alike(a, text[denial.start() :]) for a in allergies)
            and denied(text, denial.start(), denial.end())
        ):
            return f"allergic to {allergies[0]}"
    claim = re.search(
        r"\b(?:i'm|i\s+am|he's|she's)\s+(?:\w+\s+)?allergic\s+to\s+(.+)|\b(?:i\s+have|i've\s+got)\s+an?\s+(.{3,30}?)\s*allergy|\ballergy\s+to\s+(.+)",
        text,
        re.IGNORECASE,
    )
    if (
        claim
        and not denied(text, claim.start(), claim.end())
        and not asks(text)
        and not of_others(text, claim.start())
        and "anything" not in text
    ):
        what = next(g for g in claim.groups() if g)
        known = " ".join([*allergies, *(t for _, t in card)])
        if not _alike(what, known) and not re.search(r"\b(?:not\s+sure|think|might|maybe)\b", text):
            return f"allergic to {allergies[0]}" if allergies else "no known allergies"
    return None


def _alike(one: str, other: str) -> bool:
    """Whether two texts share a medicine, a class of medicines or a longer stem."""
    first, second = find_medicines(one), find_medicines(other)
    if {m.name for m in first} & {m.name for m in second} or any(
        m.name in n.classes or n.name in m.classes for m in first for n in second
    ):
        return True
    stems = [
        {w[:5] for w in re.findall(r"\w{4,}", t.lower())}
        - {"aller", "known", "react", "medic", "with", "that", "when"}
        for t in (one, other)
    ]
    return bool(stems[0] & stems[1])


def _medicine(text: str, asked: str, medication: list[str], card: list[tuple[str, str]]) -> str | None:
    about_all = re.search(
        r"\b(?:any|regular|what)\s+(?:\w+\s+){0,3}?(?:medic\w+|meds|drugs|tablets|pills)", asked, re.IGNORECASE
    ) and not re.search(
        r"\ballerg|\bother\b|\bpain|\btried|\bfor (?:it|this|the)|\bhelp|\brecreational", asked, re.IGNORECASE
    )
    no = re.match(r"\W*(?:no|none|nope|nothing)\b", text, re.IGNORECASE) and not re.search(
        r"\b(?:but|except|just|only)\b|\d", text
    )
    if medication:
        if (
            _NO_MEDICINES.search(text)
            and not re.search(
                r"\b(?:other|else|except|apart|but|besides|for\s+(?:it|this|the)|over|today|new|pain|street)\b", text
            )
        ) or (no and about_all and not find_medicines(text)):
            return f"takes {medication[0]}"
        for mention in find_medicines(text):
            if (
                denied(text, mention.start, mention.end)
                and _alike(mention.text, " ".join(medication))
                and re.search(r"\b(?:tak(?:e|ing)|on|use|using|been)\b", text)
                and not re.search(
                    r"\b(?:today|yet|this\s+morning|when|always|help\w*|stopped|any\s*more|missed|allerg\w*)\b", text
                )
            ):
                return f"takes {mention.name}"
    elif "medication" in case_keys(card) or any("no medicines" in t for _, t in card):
        takes = _TAKES.search(text)
        if takes and (_REGULAR.search(text)) and not denied(text, takes.start(), takes.end()):
            listed = " ".join(t for _, t in card)
            for mention in find_medicines(text[takes.start() :]):
                if not _alike(mention.text, listed):
                    return "takes no medicines"
    return None


def case_keys(card: list[tuple[str, str]]) -> set[str]:
    """Which lists a card states as facts."""
    return {"medication"} if any(re.match(r"You take", text) for _, text in card) else set()


def _other_dose(text: str, medication: list[str], card: list[tuple[str, str]]) -> str | None:
    known = [d for entry in [*medication, *(t for _, t in card)] for d in find_doses(entry) if d.medicine]
    for dose in find_doses(text):
        same = [d for d in known if d.medicine == dose.medicine and dose.medicine]
        units = [
            d for d in same if _in_mg(d.amount, d.unit) is not None and _in_mg(dose.amount, dose.unit) is not None
        ]
        if units and all(
            _in_mg(d.amount * d.count, d.unit) != _in_mg(dose.amount * dose.count, dose.unit) for d in units
        ):
            return f"takes {units[0].medicine} {units[0].text}"
        often = [d for d in same if d.per_day is not None]
        if dose.per_day is not None and often and all(d.per_day != dose.per_day for d in often):
            return f"takes {often[0].medicine} {often[0].text}"
    return None


def _in_mg(amount: float, unit: str) -> float | None:
    factor = {"g": 1000.0, "mg": 1.0, "microgram": 0.001, "ng": 1e-6, "units": 1e9}.get(unit)
    return round(amount * factor, 6) if factor else None
