"""Results that the doctor quotes: outcomes of examinations and tests for which no result turn stands before.

A test is known when a result, or the patient, named it under any of its names, or a wider or narrower test of the same
family ("scan" after an MRI, "blood test" after a TSH). What is planned, hoped for or explained in general is no
result. A finding that the list of concepts lacks ("a cobblestone throat") is not seen.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import Found, concepts
from filters.consultation_record import Before
from filters.consultation_text import clause_at, imagined, of_others
from filters.phrasing import either, phrases

CITES = phrases(
    r"""
    you(?:'ve| have)? (?:also |just |already |clearly )?(?:have|had|been|mention\w*|said|told|report\w*|describ\w*)
    you(?:'ve| have)? (?:also |just |already |clearly )?(?:complain\w*|not(?:ed|iced?)|experienc\w*|felt|feel|got|get)
    you(?:'ve| have)? (?:also |just |already )?(?:suffer\w*|take|took|were|started|develop\w*|smok\w*|drink|stated)
    you(?:'ve| have)? (?:also |just |already )?(?:drank|indicated|explained|vomit\w*|cough\w*|los[te]\w*|wake)
    you(?:'ve| have)? (?:also |just |already )?underwent
    you are (?:also )?(?:having|experiencing|taking|feeling|getting|running|on|allergic)
    you're (?:having|experiencing|taking|on|allergic|running|feeling|getting|also|cough\w*|vomit\w*|sweat\w*|bleed\w*)
    you've|your|(?:the|this|that|these|those) (?:\w+ ){0,3}?(?:you|and|together|with)|(?:he|she) (?:has|had)|his|her
    given|since|because|due to|now that|as (?:you|he|she|your|his|her)
    that (?:he|she) (?:\w+ )?(?:complain|report|mention)\w*|combin\w+|along with|together with|as well as|in view of
    with (?:the|your|this|that|such)
    considering|based on|in light of|on top of|plus|associated|consistent|suggests?|points?|fits?|explains?
    history of|known
    """
)
"""Words around a concept that say it is the patient's own."""

_OUTCOME = phrases(
    r"""
    show(?:s|ed|n|ing)?|reveal(?:s|ed)?|confirm(?:s|ed)?|demonstrat\w+|indicat(?:es?|ed)|suggest(?:s|ed)?|point(?:s|ed)
    came (?:back|out)|come back (?:normal|positive|negative|clear|high|low)|comes back|returned|rul(?:ed|es)|tells|told
    found|detect\w*|was|were|is|are|has|have|look(?:s|ed)|appear(?:s|ed)|measured|reading|level|findings?|results?
    normal|abnormal|elevated|raised|high|low|positive|negative|clear|consistent|of \d|at \d|with an?
    hear|heard|see|saw|felt|feel|notice\w*|picked up|grew|grows?|grown|record\w*|regist\w*|turned out|lights? up|lit up
    fell|fallen|rose|risen|dropped|excluded|prove[sd]?|proven|prov(?:es|ed)|tells?|went (?:well|badly)
    (?:did|does)n't (?:show|find|reveal)
    according to
    """
)
_PLANS = phrases(
    r"""
    i(?:'d| would) (?:like|want|recommend|suggest)|i'll|i will|we'll|we will|let's|let (?:me|us)|going to|shall|will
    would|should|must|could|may|might|want to|need(?:s|ed)? (?:to|an?|some|further)|plan\w*|recommend\w*|refer\w*
    order\w*|arrang\w*|schedul\w*|book\w*|request\w*|repeat\w*|perform|send|next step|awaiting|pending|follow-?up
    can (?:do|get|have|check|tell|show|help)|to (?:check|see|confirm|rule|exclude|look|monitor|measure|assess|find|get)
    once (?:we|the|i)|when (?:we|the|i)|after (?:we|the)|before we|until|if|please|keep|aim\w*|target|control\w*
    monitor(?:ing|ed|s)|monitor (?:your|the|it|you)|check(?:ed)? (?:your|the|every|regularly)|without|take your
    medication|tablets?|medicines?
    overdue|due
    not (?:been )?(?:done|available|performed|yet)|no results?|unavailable|wasn't done|was not done
    """
)
_VALUE = either(
    r"""
    \b\d{2,3}\s*/\s*\d{2,3}\b
    \b\d+(?:\.\d+)?\s*(?:%|mmhg|bpm|mmol\S*|mg/dl|g/dl|ng/\S+|degrees|°\s*[cf]|beats)
    """
)
HANDS_ON = phrases(
    r"""
    i (?:can |could )?(?:hear|heard|feel|felt|see|saw|found|noticed|noted|detect\w*|palpat\w*|observed?|measured)
    i (?:can |could )?picked up|my exam\w*|your (?:physical )?exam\w*
    (?:on|from|during) (?:my |the |your |physical )*(?:exam\w*|auscultation|palpation|percussion|inspection)
    when i (?:listen|press|examine|touch|look|check|tapp?|feel|palpate|measure)(?:e?d)?|when i felt
    the (?:physical )?exam\w* (?:shows?|showed|reveal\w*|was|is|find\w*|confirm\w*)
    """
)
"""The doctor's own hands, eyes and ears."""

_OURS = phrases("your|the|these|this|those|results?|his|her")
_BARE = either(r"\b(?:the|your|his|her|this|that|a|first|last|new|latest|\w+ing)\s+$|^\W*$")
"""Before a wide name of a test: nothing that narrows it."""
_MEASURE = phrases(
    r"""
    (?:pressure|level|value|sugar|count|saturation|temperature|pulse|heart rate|score|potassium|sodium|readings?)
    (?:haemo|hemo)globin|oxygen|platelets|cholesterol|creatinine
    """
)
_IS_VALUE = either(
    r"^[^.,;:?!\d]{0,30}\b(?:is|was|are|were|of|at|reads?|to|down to|up to)\s+(?:only |still "
    r"|about )?(\d+(?:\.\d+)?)\b(?! (?:weeks?|days?|months?|years?|hours?|minutes?|o'clock|times))"
)
_VERDICT_FIRST = either(r"^\W*(?:normal|abnormal|raised|elevated|positive|negative)")
_CONDITION_FIRST = either(r"^\W*(?:if|should|once|when|an?\s)\b")
_TOUCHES = either(r"\bexam|\bhear|\blisten|\bpress")
_IMAGES = frozenset({"CT", "MRI", "ultrasound", "echocardiogram", "scan", "angiogram", "mammogram", "X-ray"})
_BLOOD = frozenset(
    {"blood count", "white cells", "CRP", "glucose", "kidney function", "liver function", "electrolytes", "troponin"}
    | {"thyroid function", "lipids", "D-dimer", "BNP", "lipase", "lactate", "ferritin", "PSA", "antibody", "uric acid"}
    | {"coagulation", "CK", "hormones", "blood test", "culture"}
)
_VITAL = frozenset({"blood pressure", "pulse", "temperature", "oxygen saturation", "respiratory rate", "fever"})
FAMILIES = {"scan": _IMAGES, "X-ray": frozenset({"chest X-ray"}), "blood test": _BLOOD, "vital signs": _VITAL}
"""A wide name of a test and the narrower ones of which any makes it known."""


def unseen_result(before: Before, text: str) -> str | None:
    """The examination, test or sign whose outcome a sentence quotes and that nothing before shows."""
    by_hand = HANDS_ON.search(text)
    all_found = concepts(text)
    for found in all_found:
        if found.kind not in ("sign", "test", "exam") and not (by_hand and found.name == "oedema"):
            continue
        word = text[found.start : found.end]
        if found.name in before.seen or found.name in before.heard or before.worded(word):
            continue
        if (FAMILIES.get(found.name, frozenset()) & before.seen and _is_bare(text, found, before)) or (
            found.name == "examination" and before.shown
        ):
            continue
        start, end = clause_at(text, found.start)
        if found.kind == "exam" and _source_known(found, all_found, before, start, end):
            continue
        if found.kind == "sign" and shares_word(text[start:end], before.shown):
            continue
        if _states_result(text, found) and not of_others(text, found.start):
            return word
    value = _unseen_value(before, text)
    if value is not None:
        return value
    if not before.shown and by_hand and _TOUCHES.search(text) and not planned(text, 0, len(text)):
        return "examination"
    return None


def _is_bare(text: str, found: Found, before: Before) -> bool:
    """Whether nothing before a wide name ("scan") narrows it to another test than those shown ("DaT scan")."""
    narrower = re.search(r"([\w-]+)\s+$", text[: found.start])
    if " " in text[found.start : found.end] or narrower is None or _BARE.search(text[: found.start]):
        return True
    return before.worded(narrower[1])


def _source_known(found: Found, others: list[Found], before: Before, start: int, end: int) -> bool:
    """Whether a part of the body stands beside a test that was shown ("the CT shows clots in both lungs")."""
    known = [o for o in others if o.kind == "test" and start <= o.start < end and o.end <= found.start]
    return any(o.name in before.seen for o in known)


def _unseen_value(before: Before, text: str) -> str | None:
    """A measured quantity of the patient with a number that no turn before holds."""
    if not _OURS.search(text):
        return None
    for match in _MEASURE.finditer(text):
        start, end = clause_at(text, match.start())
        value = _IS_VALUE.match(text[match.end() : end])
        if value is None or planned(text, start, end) or imagined(text, match.start()) or of_others(text, start):
            continue
        if not re.search(rf"(?<![\d.]){re.escape(value[1])}(?![\d])", before.told + before.shown):
            return match[0]
    return None


def planned(text: str, start: int, end: int) -> bool:
    """Whether a clause speaks of what is to be done, or holds under a condition."""
    blanked = HANDS_ON.sub(lambda m: " " * len(m[0]), text)  # "when I listened" is no plan
    under_condition = _CONDITION_FIRST.match(text) and not HANDS_ON.match(text)
    return bool(_PLANS.search(blanked[start:end]) or under_condition)


def _states_result(text: str, found: Found) -> bool:
    start, end = clause_at(text, found.start)
    clause = text[start:end]
    if planned(text, start, end) or imagined(text, found.start):
        return False
    if found.kind == "sign":
        return bool(CITES.search(text) or HANDS_ON.search(text) or _OUTCOME.search(clause))
    around = clause[: found.start - start] + " " + clause[found.end - start :]
    if _VALUE.search(clause) or _VERDICT_FIRST.match(around):
        return True
    return bool(_OURS.search(clause) and _OUTCOME.search(around))


def shares_word(clause: str, shown: str) -> bool:
    """Whether a clause and the results have a longer word in common: "ankles" of "strength 4 of 5 in the ankles"."""
    words = {word[:6] for word in re.findall(r"\w{5,}", clause.lower())}
    return bool(words & {word[:6] for word in re.findall(r"\w{5,}", shown.lower())})
