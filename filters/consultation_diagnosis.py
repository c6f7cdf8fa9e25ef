"""The hidden diagnosis in the patient's mouth before the doctor has named it.

Names are the diagnosis without its qualifiers, what stands in brackets, the synonyms of :mod:`filters.terms`, and the
everyday and wider names of ``data/everyday_diagnoses.txt`` ("kidney stone" of a ureteric stone). A patient may name
what the card has among the facts a patient knows, and illnesses of relatives, but not as a relative's guess ("my wife
says it's an MI"). Descriptions that amount to the diagnosis ("my thyroid does too little") are not seen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filters.consultation_concepts import concepts
from filters.consultation_record import Evidence, Talk, evidence
from filters.consultation_text import clause_at, of_others, plain
from filters.phrasing import phrases
from filters.terms import canonical, synonyms
from filters.text import normalise

_FILE = Path(__file__).parent / "data" / "everyday_diagnoses.txt"
_QUALIFIERS = frozenset(
    """
    a an the of in and with without due to type grade ii iii iv i 1 2 1. 2. left right sided bilateral inferior
    anterior posterior lateral acute chronic severe mild moderate early late stage stable unstable new onset
    newly diagnosed suspected probable possible likely primary secondary recurrent uncomplicated complicated
    typical atypical classic idiopathic essential community acquired exacerbation episode attack flare advanced
    first decompensated symptomatic underlying untreated uncontrolled paroxysmal persistent disease syndrome
    disorder infection mellitus benign major viral bacterial st-elevation non-st-elevation st-segment-elevation
    st elevation non-st
    """.split()  # noqa: SIM905
)
_NAMES_ALONE = re.compile(
    r"\w*(?:itis|oma|osis|ia|ism|pathy|lepsy|betes|graine|ma)$"
    r"|(?:angina|asthma|stroke|sepsis|lupus|cancer|reflux|stones|gout)$"
)
"""Endings of words that name an illness without the words around them."""
_FURTHER = re.compile(r"\s+(?:due\s+to|secondary\s+to|caused\s+by|with|without|from|in|complicat\w+)\s+|,|;|/|:")
_ACQUIRED = re.compile(r"\b(?:community|hospital|ventilator)-acquired\s+", re.IGNORECASE)
_SUPPOSES = phrases(
    r"""
    says?|said|told|called|shout\w*|suggest\w*|insists?|swears?|thinks?|thought|reckons?|believes?|guess\w*|bets?
    worr\w+|must be|convinced|sure|googled?|diagnos(?:ed|es) (?:me|it|this)|looks? like|sounds? like|afraid|scared
    """
)
"""Before a name, with a relative in the sentence: the relative's guess, or a fear of one's own."""
_MINE = phrases(
    r"""
    i(?:'ve| have)(?: probably| surely| also| now)? (?:got|caught|inherited
    developed)?(?: it| the same| one| that)?(?: too| as well| now)
    i(?:'ve| have) (?:got|caught|inherited|developed) (?:it|the same|one|that)
    i(?: must| might| could)? have (?:it|the same|one)
    inherited (?:it|them|that)|me (?:too|as well|now|next)|now (?:it's )?(?:me|my turn)|same (?:thing|as|here
    story|symptoms)
    (?:just |exactly |much )?(?:like|as) (?:mine|me|this|mum|mom|dad|him|hers?|his|theirs
    my (?:\w+ )?\w+(?:'s)?)(?=\s*[.!,?]*$)
    (?:just|exactly|sounded|sounds|began|started|begins|starts|feels|felt|looks|looked|it's|its|was
    is) (?:\w+ )?like (?:mine|me|this|that|what)
    that's (?:what|it)|this is (?:it|what|one)|what (?:this|it) is|it's (?:that|the same|what)|mine (?:is|was|too)
    (?:i am|i'm) (?:one )?(?:as well|too)|so am i|so do i|so have i|i know it|this one|is this|could (?:this
    it) be|isn't it
    """
)
"""With a relative's illness: the patient claims it too."""
_THEIRS = re.compile(r"\b(?:her|his|their|\w+'s)\s+(?:own\s+|old\s+|bad\s+)?$", re.IGNORECASE)
_ON_OTHERS = re.compile(r"^\s*(?:on|in|of|at|since|after)\s+(?:her|his|their)\b", re.IGNORECASE)
_NOBODY = re.compile(
    r"\b(?:nobody|no one|no-one|none of|never (?:had|been)|neither)\b[^.;]*$|\bno\s+(?:\w+\s+)?$", re.IGNORECASE
)
_GUARD = re.compile(
    r"^[\s-]*(?:tablets?|pills?|medicines?|medication|prophylaxis|vaccin\w+|jabs?|shots?|tests?|prevention|screening"
    r"|check\w*|drugs?|nets?|clinic|society|cream|ward|season|area|belt|risk)\b",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"\b(?:prevent\w*|against|avoid\w*|protect\w* from|exposed to|tested for|screened for)\s+(?:\w+\s+)?$",
    re.IGNORECASE,
)
"""After or before a name: what is taken, done or visited against it, not the illness itself."""
_NO_NAMES = frozenset({"infection", "inflammation", "disease"})
_SHORT_WORDS = ("gout", "flu", "acne", "cold", "bite", "lice", "hypo", "mono", "clot", "sti")


def names_diagnosis(talk: Talk, case: Mapping[str, Any], card: list[tuple[str, str]]) -> list[Evidence]:
    """diagnosis_named_by_patient, once."""
    diagnosis = case.get("diagnosis")
    if not isinstance(diagnosis, str) or not re.search(r"\w", diagnosis):
        return []
    known = " ".join(text for _, text in card if not of_others(text, len(text) // 2))
    patterns = [pattern for name in _spellings(diagnosis) if not _illness(pattern := _pattern(name), known)]
    for turn in talk.turns:
        text = plain(turn.text)
        if turn.speaker == "doctor" and any(pattern.search(text) for pattern in patterns):
            return []
        if turn.speaker != "patient":
            continue
        for sentence in turn.sentences:
            for match in (_illness(pattern, sentence.text) for pattern in patterns):
                if match and _of_self(sentence.text, match.start(), match.end()):
                    return [evidence("diagnosis_named_by_patient", turn.place, sentence.raw, diagnosis)]
    return []


def _illness(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first place where a name means the illness, and not what guards against it ("malaria tablets")."""
    for match in pattern.finditer(text):
        if not _GUARD.match(text[match.end() :]) and not _AGAINST.search(text[: match.start()]):
            return match
    return None


def _of_self(text: str, start: int, end: int) -> bool:
    """Whether an illness is named as the patient's own, by whomever."""
    first, _ = clause_at(text, start)
    before, after = text[first:start], text[end:]
    if _NOBODY.search(before) or _ON_OTHERS.match(after):
        return False
    if not of_others(text, start):
        return True
    if _MINE.search(text[:start] + "\x20" + after):
        return True
    return bool(_SUPPOSES.search(before) and not _THEIRS.search(before))


@functools.lru_cache(maxsize=512)
def _spellings(diagnosis: str) -> frozenset[str]:
    """The diagnosis, its core without qualifiers, what stands in brackets, and all synonyms of these."""
    text = plain(diagnosis)
    bare = re.sub(r"\s*\([^)]*\)", "", text).strip(" .")
    forms = {bare, *re.findall(r"\(([^)]+)\)", text), *_FURTHER.split(bare)[:1]}
    forms |= {core for form in forms for core in _cores(form)}
    names: set[str] = set()
    for form in forms:
        form = normalise(form).strip(" .,-")
        if len(form) > 1 and form not in _QUALIFIERS:
            names |= {form, *synonyms(form), *synonyms(canonical(form))}
    names = {name for name in names if len(name) > 1 and not _symptom_only(name)}
    return frozenset(names | _everyday(text.lower()))


def _cores(form: str) -> set[str]:
    """A name without the qualifiers before and after it, and its one word that names an illness alone."""
    words = _ACQUIRED.sub("", form).split()
    kept = [w for w in words if not _qualifies(w)]
    while words and _qualifies(words[0]):
        words = words[1:]
    while len(words) > 1 and words[-1].lower() == "mellitus":
        words = words[:-1]
    alone = {kept[0]} if len(kept) == 1 and len(kept[0]) > 5 and _NAMES_ALONE.match(kept[0].lower()) else set()
    return {" ".join(words)} | alone


def _qualifies(word: str) -> bool:
    return word.lower().strip(",.-") in _QUALIFIERS


def _symptom_only(name: str) -> bool:
    """Whether a name is also what a patient would say of a symptom ("cough", "dizziness")."""
    whole = any(f.kind == "symptom" and f.end - f.start == len(name) for f in concepts(name))
    return whole or name in _NO_NAMES


def _everyday(diagnosis: str) -> set[str]:
    """What patients call it."""
    words = re.findall(r"[\w'-]+", diagnosis)
    return {
        name
        for sets, names in _groups()
        if any(all(any(word.startswith(stem) for word in words) for stem in stems) for stems in sets)
        for name in names
    }


@functools.cache
def _groups() -> list[tuple[list[list[str]], list[str]]]:
    found = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            left, _, right = line.partition(" = ")
            sets = [part.lower().split() for part in left.split(";")]
            found.append((sets, [name.strip() for name in right.split(";")]))
    return found


_OWNERS = ("my", "the", "his", "her", "your")
_OWNER = r"(?:my|the|his|her|your|a|one)"


@functools.lru_cache(maxsize=2048)
def _pattern(name: str) -> re.Pattern[str]:
    """A name as whole words, plurals too; short abbreviations in capitals only."""
    short = len(name) <= 4 and name.isalpha() and not any(word in name.lower() for word in _SHORT_WORDS)
    words = [word for word in re.split(r"[\s-]+", name) if word]
    form = r"[\s-]+".join(_OWNER if word in _OWNERS else re.escape(word) for word in words)
    if short:
        return re.compile(rf"(?<!\w)(?:{form.upper()}{'' if form.islower() else '|' + form})s?(?!\w)")
    plural = rf"(?:{form}(?:s|es)?|{form[:-1]}ies)" if form.endswith("y") else rf"{form}(?:s|es)?"
    return re.compile(rf"(?<!\w){plural}(?!\w)", re.IGNORECASE)
