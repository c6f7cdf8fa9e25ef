"""What the doctor cites as known: findings nobody told, and results of examinations and tests nobody made.

A citation is a statement, not a question, a plan, a possibility or a general truth. Only clear clinical concepts are
looked for (:mod:`filters.consultation_concepts`), and a concept that any earlier turn of the patient or a result
holds, in other words too, is known. A condition may be cited only as history: "you have asthma" is otherwise the
doctor's diagnosis.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import Found, concepts
from filters.consultation_record import NEUTRAL, Evidence, Talk, Turn, evidence
from filters.consultation_text import Sentence, clause_at, denied, imagined, of_others
from filters.medicines import find_medicines
from filters.terms import synonyms

_CITES = re.compile(
    r"\b(?:you(?:'ve|\s+have)?\s+(?:also\s+|just\s+|already\s+|clearly\s+)?(?:have|had|been|mention\w*|said|told|report\w*|describ\w*|complain\w*|not(?:ed|iced?)|experienc\w*|felt|feel|got"
    r"|get|suffer\w*|are\s+(?:having|experiencing|taking|feeling|getting|running|on|allergic)|take|took|were|started|developed?|develop\w*|smok\w*|drink|stated|indicated|explained|shared"
    r"|noted|reported|vomit\w*|cough\w*|los[te]\w*|wake|underwent|drank)|you're\s+(?:having|experiencing|taking|on|allergic|running|feeling|getting|also|cough\w*|vomit\w*|sweat\w*|bleed\w*)|you've"
    r"|your|(?:the|this|that|these|those)\s+(?:\w+\s+){0,3}?(?:you|and|together|with)|given|since|because|due\s+to|combin\w+|along\s+with|together\s+with|as\s+well\s+as|in\s+view\s+of"
    r"|with\s+(?:the|your|this|that|such)|considering|based\s+on|in\s+light\s+of|on\s+top\s+of|plus|associated|consistent|suggests?|points?|fits?|explains?|history\s+of|known)\b",
    re.IGNORECASE,
)
_PREMISE = re.compile(
    r"\b(?:since\s+you|given\s+(?:your|that|the)|as\s+you\s+(?:have|had|told|said|mentioned|described)|because\s+you|you\s+(?:mentioned|said|told|described|reported|noted)"
    r"|you've\s+(?:mentioned|said|told|described|reported)|with\s+(?:the|your|that)|now\s+that\s+you|considering\s+your|the\s+[\w\s-]{3,40}\s+you\s+(?:mentioned|described|reported|told|have|had))\b",
    re.IGNORECASE,
)
_HISTORY = re.compile(
    r"\b(?:history\s+of|known|previous\w*|prior|past|since\s+you\s+(?:have|had|are|were|smok\w*|drink)|as\s+you\s+(?:have|are)|given\s+(?:your|that)|you\s+(?:mentioned|said|told|reported)"
    r"|with\s+your|because\s+of\s+your|due\s+to\s+your|you've\s+had|you\s+had|for\s+years|long-?standing|underlying|pre-?existing|considering\s+your|your\s+(?:family|smok\w+|drinking|alcohol|diabetes|pregnancy"
    r"|allerg\w+|surgery|operation|asthma|hypertension|epilepsy|pacemaker|cancer)|years\s+ago|as\s+a\s+(?:smoker|diabetic)|you\s+(?:smoke|smoked|drink)|already\s+have|having\s+had)\b",
    re.IGNORECASE,
)
_OUTCOME = re.compile(
    r"\b(?:show(?:s|ed|n|ing)?|reveal(?:s|ed)?|confirm(?:s|ed)?|demonstrat\w+|indicat(?:es?|ed)|came\s+back|come\s+back\s+(?:normal|positive|negative|clear)|comes\s+back|returned|suggest(?:s|ed)|found|detect\w*|was|were|is|are|has|have"
    r"|look(?:s|ed)|appear(?:s|ed)|normal|abnormal|elevated|raised|high|low|positive|negative|clear|consistent|point(?:s|ed)|rul(?:ed|es)|results?|reading|level|findings?|of\s+\d|at\s+\d|measured|hear|heard|see|saw|felt|feel|notice\w*|picked\s+up|tells|told|with\s+an?)\b",
    re.IGNORECASE,
)
_PLANS = re.compile(
    r"\b(?:i(?:'d|\s+would)\s+(?:like|want|recommend|suggest)|i'll|i\s+will|we'll|we\s+will|let's|let\s+(?:me|us)|going\s+to|shall|need(?:s|ed)?\s+(?:to|an?|some|further)|order\w*|arrang\w*|schedul\w*|book\w*|request\w*|would|want\s+to"
    r"|should|must|plan\w*|recommend\w*|can\s+(?:do|get|have|check|tell|show|help)|could|may|might|will|to\s+(?:check|see|confirm|rule|exclude|look|monitor|measure|assess|find|get)|refer\w*|repeat\w*|perform|next\s+step|send|awaiting|pending|once\s+(?:we|the|i)"
    r"|when\s+(?:we|the|i)|after\s+(?:we|the)|before\s+we|follow-?up|monitor\w*|check(?:ed)?\s+(?:your|the|every|regularly)|until|keep|if|please|not\s+(?:been\s+)?(?:done|available|performed|yet)|no\s+results?|unavailable|wasn't\s+done|was\s+not\s+done|without|take\s+your|aim\w*|target|control\w*"
    r"|medication|tablets?|medicines?)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"\b\d{2,3}\s*/\s*\d{2,3}\b|\b\d+(?:\.\d+)?\s*(?:%|mmhg|bpm|mmol\S*|mg/dl|g/dl|ng/\S+|degrees|\u00b0\s*[cf]|beats)",
    re.IGNORECASE,
)
_HANDS_ON = re.compile(
    r"\b(?:i\s+(?:can\s+|could\s+)?(?:hear|heard|feel|felt|see|saw|found|noticed|noted|detect\w*|palpat\w*|observed?|measured|picked\s+up)|(?:on|from|during)\s+(?:my\s+|the\s+|your\s+|physical\s+)*(?:exam\w*|auscultation|palpation|percussion|inspection)"
    r"|when\s+i\s+(?:listened|pressed|examined|touched|looked|checked|tapped|felt|palpated|measured)|my\s+exam\w*|your\s+(?:physical\s+)?exam\w*|the\s+(?:physical\s+)?exam\w*\s+(?:shows?|showed|reveal\w*|was|is|find\w*|confirm\w*))\b",
    re.IGNORECASE,
)
_GENERIC_TESTS = {"blood test", "scan", "examination", "vital signs", "X-ray", "CT", "ultrasound"}
_NAMES_NOTHING = {"pain", "injury", "stiffness", "discharge", "redness", "travel", "anxiety", "radiating pain", "ill contact", "insomnia", "allergy",
                  "dehydration", "cramps", "memory loss", "low mood", "bleeding", "cold intolerance", "hospitalisation", "surgery", "bloating"}  # fmt: skip
_STEM = 5


def citations(talk: Talk, case_given: bool) -> list[Evidence]:
    """invented_finding and result_without_examination.

    Results count as such only where examinations and tests have turns of their own: where a case is played, or a
    result turn stands in the dialogue. In recordings of real visits doctors say aloud what they find.
    """
    with_results = case_given or any(turn.speaker == "result" for turn in talk.turns)
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker == "doctor":
            for sentence in turn.sentences:
                found += _of_sentence(talk, turn, sentence, with_results)
    return found


def _of_sentence(talk: Talk, turn: Turn, sentence: Sentence, with_results: bool) -> list[Evidence]:
    text = sentence.text
    if sentence.asks and not _PREMISE.search(text):
        return []
    if with_results and (name := _unseen_result(talk, turn, text)) is not None:
        return [evidence("result_without_examination", turn.place, sentence.raw, name)]
    name = _untold(talk, turn, text, with_results) or _untold_medicine(talk, turn, text)
    return [evidence("invented_finding", turn.place, sentence.raw, name)] if name is not None else []


def _unseen_result(talk: Talk, turn: Turn, text: str) -> str | None:
    """The examination, test or sign whose outcome is quoted and that no result turn before shows."""
    shown, told = talk.shown_before(turn.place), talk.told_before(turn.place)
    seen = {f.name for f in _all(shown)}
    heard = {f.name for f in _all(told)}
    for found in concepts(text):
        if found.kind in ("symptom", "condition") and not (_HANDS_ON.search(text) and found.name == "oedema"):
            continue
        if found.name in seen or found.name in heard or _worded(text[found.start : found.end], shown + told):
            continue
        if found.name in _GENERIC_TESTS and shown:
            continue
        if _states_result(text, found) and not of_others(text, found.start):
            return text[found.start : found.end]
    if (
        not shown
        and _HANDS_ON.search(text)
        and not _planned(text, 0, len(text))
        and re.search(r"\bexam|\bhear|\blisten|\bpress", text, re.I)
    ):
        return "examination"
    return None


def _states_result(text: str, found: Found) -> bool:
    start, end = clause_at(text, found.start)
    clause = text[start:end]
    if _planned(text, start, end) or imagined(text, found.start):
        return False
    if found.kind == "sign":
        return bool(_CITES.search(text) or _HANDS_ON.search(text) or _OUTCOME.search(clause))
    ours = re.search(r"\b(?:your|the|these|this|those|results?|his|her)\b", clause, re.IGNORECASE)
    around = clause[: found.start - start] + " " + clause[found.end - start :]
    return bool(
        _VALUE.search(clause)
        or (ours and _OUTCOME.search(around))
        or re.match(r"\W*(?:normal|abnormal|raised|elevated|positive|negative)", around, re.I)
    )


def _planned(text: str, start: int, end: int) -> bool:
    text = _HANDS_ON.sub(lambda m: " " * len(m[0]), text)  # "when I listened" is no plan
    return bool(_PLANS.search(text[start:end])) or bool(
        re.match(r"\W*(?:if|should|once|when|an?\s)\b", text, re.IGNORECASE)
    )


def _untold(talk: Talk, turn: Turn, text: str, with_results: bool) -> str | None:
    """The symptom or condition that is cited though nobody told it."""
    known = talk.known_before(turn.place) | {f.name for f in _all(talk.shown_before(turn.place))}
    before = talk.told_before(turn.place) + talk.shown_before(turn.place)
    own = (turn.argument + " " + " ".join(t.argument for t in talk.turns[: turn.place])).lower()
    for found in concepts(text):
        if (
            found.kind not in ("symptom", "condition")
            or found.name in known
            or found.name in _NAMES_NOTHING
            or text[found.start : found.end].lower() in NEUTRAL
        ):
            continue
        if imagined(text, found.start) or denied(text, found.start, found.end) or of_others(text, found.start):
            continue
        word = text[found.start : found.end]
        if _planned_or_cause(text, found) or not _CITES.search(text[max(0, found.start - 60) : found.end + 45]):
            continue
        if found.kind == "condition" and (not _HISTORY.search(text) or _worded(word, own)):
            continue
        if found.name.endswith(" pain") and any(name.endswith("pain") for name in known):
            if found.name.split()[0] in before or found.name.split()[0] in ("muscle", "joint", "abdomen"):
                continue
        if not _worded(word, before):
            return word
    return None


_CAUSES = re.compile(
    r"\b(?:caus(?:es?|ed|ing)|lead(?:s|ing)?\s+to|result(?:s|ing)?\s+in|condition\s+that|disease\s+that|called|known\s+as|ask\w*|question\w*|discuss|talk|explore|know\s+more|hear\s+more|understand|worr\w+|avoid|stop|quit|cut\s+down|treat\w*|for\s+(?:the\s+)?(?:fever|pain|cough|nausea)|reliev\w*"
    r"|will|ibuprofen|paracetamol|acetaminophen|prescri\w+|give\s+you|medicin\w+|tablets?|syrup|cream|rest|reduce|ease|help\s+(?:with|your|the)|seek|emergency|watch|notice|call|monitor|drink\s+plenty|stay\s+hydrated|fluids)\b",
    re.IGNORECASE,
)


def _planned_or_cause(text: str, found: Found) -> bool:
    start, _ = clause_at(text, found.start)
    return bool(_CAUSES.search(text[start : found.start]))


def _untold_medicine(talk: Talk, turn: Turn, text: str) -> str | None:
    """A medicine that the patient is said to take though nobody named it."""
    takes = re.search(
        r"\b(?:you(?:'re|\s+are)\s+(?:already\s+|currently\s+|now\s+)?(?:on|taking|using)|you\s+(?:already\s+|currently\s+)?(?:take|took|use)|you've\s+been\s+(?:on|taking)|(?:you\s+)?have\s+been\s+taking"
        r"|(?:the|your)\s+(?:\w+\s+)?(?:you\s+(?:take|mentioned|told))|your\s+(?:current|regular|usual|daily)|allerg\w*\s+to|since\s+you\s+take|you\s+mentioned)\s*(.*)",
        text, re.IGNORECASE,
    )  # fmt: skip
    if takes is None or re.search(
        r"\b(?:if|should|until|once|after|while|when|must|can|may|every|twice|will)\b",
        text[: takes.end(1)],
        re.IGNORECASE,
    ):
        return None
    known = {m.name for t in talk.turns[: turn.place] for m in find_medicines(t.text)}
    classes = {c for t in talk.turns[: turn.place] for m in find_medicines(t.text) for c in m.classes}
    for mention in find_medicines(text):
        if mention.start >= takes.start() and mention.name not in known | classes and not mention.classes & known:
            return mention.text
    return None


def _all(text: str) -> list[Found]:
    return [found for line in text.split("\n") if line for found in concepts(line)]


def _worded(phrase: str, before: str) -> bool:
    """Whether all longer words of a phrase, or one of its synonyms, stand in an earlier text, by their stems."""
    before = before.lower()
    stems = [word[:_STEM] for word in re.findall(r"\w+", phrase.lower()) if len(word) > 2] or [phrase.lower()]
    if stems and all(re.search(rf"\b{re.escape(stem)}", before) for stem in stems):
        return True
    return any(re.search(rf"\b{re.escape(other)}\b", before) for other in synonyms(phrase) if len(other) > 1)
