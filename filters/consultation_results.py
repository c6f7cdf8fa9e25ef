"""Results that the doctor quotes: outcomes of examinations and tests for which no result turn stands before.

Tests are those of the list of concepts and whatever is named as tests are ("laparoscopy", "prick test"). One is known
when a result, or the patient, named it under any of its names, or a wider or narrower test of the same family ("scan"
after an MRI, "blood test" after a TSH), or when what is said of it stands in a result, in words or as a number.
How a result must be said to count is :mod:`filters.consultation_claims`'. An outcome that names no examination ("a
cobblestone throat") is seen only where the doctor's own hands or ears are named.
"""

from __future__ import annotations

import re

from filters.consultation_claims import advises, asserts
from filters.consultation_concepts import Found, concepts
from filters.consultation_record import Before
from filters.consultation_result_words import (
    ANALYTE,
    BARE,
    BY_TOUCH,
    CITES,
    FAMILIES,
    GENERIC,
    HANDS_ON,
    IN_THE_BODY,
    NO_CONTENT,
    NOT_MEASURED,
    ORGAN,
    OWN_TREATMENT,
    PLACE,
    SIGN_STATED,
    THERE_IS,
    UNLISTED,
)
from filters.consultation_text import clause_at, imagined, of_others


def unseen_result(before: Before, text: str) -> str | None:
    """The examination, test or sign whose outcome a sentence quotes and that nothing before shows."""
    found = concepts(text)
    for mention in [*found, *_others(text, found)]:
        start, end = clause_at(text, mention.start)
        if mention.kind not in ("sign", "test", "exam") or of_others(text, mention.start) or advises(text[start:end]):
            continue
        if not _asserted(text, mention, start, end) or OWN_TREATMENT.search(text[start:end]):
            continue
        if not _known(before, text, mention, found, start, end):
            return text[mention.start : mention.end]
    return _by_touch(before, text) or _reading(before, text)


def _others(text: str, listed: list[Found]) -> list[Found]:
    """Tests and examinations that the list of concepts lacks, by the form of their names."""
    taken = [(f.start, f.end) for f in listed if f.kind in ("test", "exam", "sign")]
    kinds = ((UNLISTED, "test"), (ANALYTE, "test"), (ORGAN, "exam"))
    return [
        Found(match.start(), match.end(), match[0].lower(), kind)
        for pattern, kind in kinds
        for match in pattern.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    ]


def _asserted(text: str, mention: Found, start: int, end: int) -> bool:
    """Whether the outcome of what is mentioned is stated of the patient, as found."""
    if imagined(text, mention.start):
        return False
    clause, first, last = text[start:end], mention.start - start, mention.end - start
    if mention.kind == "sign":
        stated = THERE_IS.search(clause[:first]) or SIGN_STATED.match(clause[last:]) or HANDS_ON.search(clause)
        return bool(stated or CITES.search(clause))
    measured = mention.name not in NOT_MEASURED and ANALYTE.search(clause[first:last]) is not None
    return asserts(clause, first, last, measured)


def _known(before: Before, text: str, mention: Found, others: list[Found], start: int, end: int) -> bool:
    """Whether a result or the patient has named the test, or what is said of it."""
    word = text[mention.start : mention.end]
    if mention.name in before.seen or mention.name in before.heard or before.worded(word):
        return True
    if FAMILIES.get(mention.name, frozenset()) & before.seen and _is_bare(text, mention, before):
        return True
    generic = set(word.lower().split()) <= GENERIC
    if _lay_name(word, before):
        return True
    if before.shown and (mention.name == "examination" or (generic and _is_bare(text, mention, before))):
        return True
    if mention.kind in ("exam", "sign") and _source_known(mention, others, before, start, end):
        return True
    clause = text[mention.end : end] if mention.kind == "test" else text[start:end].replace(word, " ")
    clause = PLACE.sub(" ", clause)
    numbers = re.findall(r"\d+(?:[.,]\d+)?", clause)
    if numbers:
        return all(re.search(rf"(?<![\d.]){re.escape(n)}(?!\d)", before.told + before.shown) for n in numbers)
    return shares_word(clause, before.shown)


_NUMBER = (
    r"(?:\d{2,3}|(?:(?:one|two) (?:hundred (?:and )?)?)?(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:one|two) hundred)"
)
_READING = re.compile(
    rf"\b({_NUMBER}) (?:over|on|/) ({_NUMBER})\b(?! (?:years|weeks|days|months|per cent))", re.IGNORECASE
)


def _reading(before: Before, text: str) -> str | None:
    """A blood pressure that is read out ("one sixty over ninety") though no result and no patient gave one."""
    match = _READING.search(text)
    if match is None or imagined(text, match.start()) or of_others(text, match.start()) or advises(text):
        return None
    told = before.told + before.shown
    digits = [number for number in match.groups() if number.isdigit()]
    if "blood pressure" in before.seen | before.heard or (digits and all(number in told for number in digits)):
        return None
    return match[0]


_LAY = re.compile(
    r"(?:(?:quick|rapid|little|simple|first|second|last|other|special|short|small|bedside|dip|finger|heart|baby's|same)\s+)+"
    r"(?P<kind>test|trace|tracing|scan|swab|strip|sample|reading|picture|film)s?$",
    re.IGNORECASE,
)


def _lay_name(word: str, before: Before) -> bool:
    """Whether a test is called by what it is like ("the quick test"): then any shown one may be meant."""
    lay = _LAY.match(word)
    if lay is None:
        return False
    trace = lay["kind"].lower() in ("trace", "tracing")
    return bool(re.search(r"\bCTG|cardiotoco|trace|tracing", before.shown, re.I)) if trace else "[Test" in before.shown


def _is_bare(text: str, found: Found, before: Before) -> bool:
    """Whether nothing before a wide name ("scan") narrows it to another test than those shown ("DaT scan")."""
    narrower = re.search(r"([\w-]+)\s+$", text[: found.start])
    if " " in text[found.start : found.end] or narrower is None or BARE.search(text[: found.start]):
        return True
    return before.worded(narrower[1])


def _source_known(found: Found, others: list[Found], before: Before, start: int, end: int) -> bool:
    """Whether a part of the body stands beside a test that was shown ("the CT shows clots in both lungs")."""
    return any(o.kind == "test" and start <= o.start < end and o.name in before.seen for o in others)


def _by_touch(before: Before, text: str) -> str | None:
    """The words with which the doctor claims to have listened or touched, where no result speaks of that place."""
    for match in BY_TOUCH.finditer(text):
        start, end = clause_at(text, match.start())
        rest = text[match.end() : end]
        if match[0].lower().startswith("i ") and not IN_THE_BODY.search(rest):
            continue
        if imagined(text, match.start()) or advises(text[start:end]) or of_others(text, match.start()):
            continue
        if not (shares_word(rest, before.shown, shortest=4) or ("[Examination" in before.shown and not rest.strip())):
            return match[0]
    return None


def shares_word(clause: str, shown: str, shortest: int = 5) -> bool:
    """Whether a clause and the results have a longer word in common: "ankles" of "strength 4 of 5 in the ankles"."""
    words = {word[:6] for word in re.findall(rf"\w{{{shortest},}}", clause.lower()) if word not in NO_CONTENT}
    return bool(words & {word[:6] for word in re.findall(rf"\w{{{shortest},}}", shown.lower())})
