"""What the doctor cites as known: findings nobody told, and results of examinations and tests nobody made.

A citation is a statement, not a question, a plan, a possibility or a general truth. Only clear clinical concepts are
looked for (:mod:`filters.consultation_concepts`), and a concept that any earlier turn of the patient or a result
holds, in other words too, is known; so is what the doctor said and the patient confirmed. A condition may be cited
only as history: "you have asthma" is otherwise the doctor's diagnosis. Advice on when to come back cites nothing.
Circumstances ("you said it began while cycling") are not checked. Results are :mod:`filters.consultation_results`'.
"""

from __future__ import annotations

from filters.consultation_concepts import Found, concepts
from filters.consultation_record import Before, Evidence, Talk, Turn, evidence
from filters.consultation_replies import NEUTRAL
from filters.consultation_results import CITES, shares_word, unseen_result
from filters.consultation_text import Sentence, clause_at, denied, imagined, of_others
from filters.medicines import find_medicines
from filters.phrasing import either, phrases

_ATTRIBUTES = phrases(
    r"""
    you(?:'ve| have)? (?:also |just |already )?(?:mentioned|said|told|described|reported|complained|noted|stated|spoke)
    (?:he|she|they) (?:\w+ )?(?:mention|complain|report|describe)s?|you complain
    (?:your|his|her) (?:past |medical )?history of|(?:since|as|because) (?:you|he|she) (?:have|has|had)
    """
)
"""The doctor says outright that the patient told it."""
_PREMISE = either(
    r"""
    \b(?:since|because) (?:you|he|she|your|his|her)\b
    \bbecause of (?:the|your|his|her|that)\b
    \bgiven (?:your|his|her|that|the)\b
    \bas you (?:have|had|told|said|mentioned|described)\b
    \byou(?:'ve)? (?:mentioned|said|told|described|reported|noted)\b
    \bwith (?:the|your|his|her|that)\b
    \bnow that (?:you|he|she|your|his|her)\b
    \bas (?:you|he|she|your|his|her)\b
    \b(?:you|he|she) (?:complain|told me of|speak of|spoke of)
    \bconsidering (?:your|his|her)\b
    \bthe [\w\s-]{3,40} you (?:mentioned|described|reported|told|have|had)\b
    """
)
_HISTORY = phrases(
    r"""
    history of|known|previous\w*|prior|past|underlying|pre-?existing|long-?standing|for years|years ago|already have
    (?:since|as|because) (?:you|he|she) (?:have|has|had|are|were|is|was|smok\w*|drinks?)|given (?:your|his|her|that)
    you (?:mentioned|said|told|reported)|you've had|you had|(?:with|because of|due to|considering) (?:your|his|her)
    (?:your|his|her) (?:family|smok\w+|drinking|alcohol|diabetes|pregnancy|allerg\w+|surgery|operation|asthma)
    (?:your|his|her) (?:hypertension|epilepsy|pacemaker|cancer)|(?:since|as|because|given that) (?:your|his|her|you)
    (?:your|his|her) (?:\w+ )?transplant|(?:he|she) (?:was|were) born|as a (?:smoker|diabetic)
    you (?:smoke|smoked|drink)|having had
    """
)
_NOT_CITED = phrases(
    r"""
    caus(?:es?|ed|ing)|lead(?:s|ing)? to|result(?:s|ing)? in|(?:condition|disease) that|called|known as
    ask\w*|question\w*|discuss|talk|explore|know more|hear more|understand|worr\w+
    avoid|stop|quit|cut down|treat\w*|for (?:the )?(?:fever|pain|cough|nausea)|reliev\w*|reduce|ease
    help (?:with|your|the)|will|ibuprofen|paracetamol|acetaminophen|prescri\w+|give you|medicin\w+|tablets?|syrup|cream
    rest|seek|emergency|watch|notice|call|monitor|drink plenty|stay hydrated|fluids
    """
)
"""Before a concept: its cause is explained, it is treated, asked about or watched for."""
_SAFETY_NET = phrases(
    r"""
    an? emergency|emergency (?:department|room)|ambulance|(?:go|come|drive|get) (?:straight )?to (?:the |a )?hospital
    come (?:back|in|at once|the same day|straight)|see (?:us|me|a doctor|your doctor) (?:sooner|again|at once)
    at once|straight away|right away|immediately|same day|urgent(?:ly)?|call (?:us|me|999|911|112)|sooner|earlier if
    """
)
_GENERAL_FIRST = either(r"^\W*(?:an?|any|new|some|sudden|if|should|once|when)\s")
_BUSY = either(
    r"""
    ^\W*(?:(?:now|and|so|well)\W+)*i(?:'m| am) (?:\w+ly )?(?:
        taking|putting|checking|measuring|feeling|listening|going|pressing|looking|testing|tapping|shining|pricking
    )\b(?!.*\b(?:because|since|as) you\b)
    """
)
"""The doctor tells what their hands do."""
_TAKES = either(
    r"""
    \byou(?:'re| are) (?:already |currently |now )?(?:on|taking|using)\s*(.*)
    \byou (?:already |currently )?(?:take|took|use)\s*(.*)
    \b(?:you've been (?:on|taking)|have been taking)\s*(.*)
    \b(?:the|your) (?:\w+ )?you (?:take|mentioned|told)\s*(.*)
    \b(?:your (?:current|regular|usual|daily)|allerg\w* to|you mentioned)\s*(.*)
    """
)
_NOT_TAKEN = phrases(r"if|should|until|once|after|while|when|must|can|may|every|twice|will")
_NAMES_NOTHING = frozenset(
    {"pain", "injury", "stiffness", "discharge", "redness", "travel", "anxiety", "radiating pain", "ill contact"}
    | {"insomnia", "allergy", "dehydration", "cramps", "memory loss", "low mood", "bleeding", "cold intolerance"}
    | {"hospitalisation", "surgery", "bloating", "wound", "falls", "poor concentration", "loss of interest"}
    | {"dry skin", "unsteady walking", "urgency"}
)
"""Too wide to be sure that nobody said it in other words; checked only where the doctor says that it was told."""
_TOO_WIDE = frozenset({"pain", "injury", "stiffness", "discharge", "redness", "allergy", "radiating pain", "cramps"})
_TO_BE_SEEN = frozenset(
    {"weakness", "numbness", "oedema", "rash", "pallor", "jaundice", "redness", "lump", "wheeze", "confusion", "wound"}
    | {"bruising", "tremor", "facial droop", "red eye", "swollen joint", "dry skin", "neck stiffness", "stiffness"}
    | {"speech difficulty", "dehydration", "limp", "unsteady walking", "sweating", "fever", "breast lump", "neck lump"}
)
"""Symptoms that an examination shows as well."""


def citations(talk: Talk, case_given: bool) -> list[Evidence]:
    """invented_finding and result_without_examination.

    Results count as such only where examinations and tests have turns of their own: where a case is played, or a
    result turn stands in the dialogue. In recordings of real visits doctors say aloud what they find.
    """
    with_results = case_given or any(turn.speaker == "result" for turn in talk.turns)
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker == "doctor":
            before = talk.before(turn.place)
            for sentence in turn.sentences:
                found += _of_sentence(talk, turn, sentence, before, with_results)
    return found


def _of_sentence(talk: Talk, turn: Turn, sentence: Sentence, before: Before, with_results: bool) -> list[Evidence]:
    text = sentence.text
    if sentence.asks and not _PREMISE.search(text):
        return []
    if with_results and (name := unseen_result(before, text)) is not None:
        return [evidence("result_without_examination", turn.place, sentence.raw, name)]
    own = " ".join(t.argument for t in talk.turns[: turn.place + 1])
    name = _untold(before, text, own) or _untold_medicine(talk, turn, text)
    return [evidence("invented_finding", turn.place, sentence.raw, name)] if name is not None else []


def _untold(before: Before, text: str, own: str) -> str | None:
    """The symptom or condition that is cited though nobody told it."""
    if _GENERAL_FIRST.match(text) or _BUSY.match(text) or (_SAFETY_NET.search(text) and not _PREMISE.search(text)):
        return None
    for found in concepts(text):
        word = text[found.start : found.end]
        if found.kind not in ("symptom", "condition") or found.name in before.known or word.lower() in NEUTRAL:
            continue
        if not _cited(text, found) or _near_known(text, found, before):
            continue
        if found.kind == "condition" and (not _HISTORY.search(text) or _own_diagnosis(found, word, own)):
            continue
        if not before.worded(word) and not before.discussed(word):
            return word
    return None


def _cited(text: str, found: Found) -> bool:
    """Whether a concept is stated of the patient, as known."""
    attributed = bool(_ATTRIBUTES.search(text))
    if found.name in (_TOO_WIDE if attributed else _NAMES_NOTHING):
        return False
    if imagined(text, found.start) or denied(text, found.start, found.end) or of_others(text, found.start):
        return False
    start, _ = clause_at(text, found.start)
    if _NOT_CITED.search(text[start : found.start]):
        return False
    return attributed or bool(CITES.search(text[max(0, found.start - 60) : found.end + 45]))


def _near_known(text: str, found: Found, before: Before) -> bool:
    """Whether a known pain, or a result that speaks of the same part, makes a concept known."""
    if found.name.endswith(" pain") and any(name.endswith("pain") for name in before.known):
        part = found.name.split()[0]
        if part in ("muscle", "joint", "abdomen") or part in (before.told + before.shown).lower():
            return True
    start, end = clause_at(text, found.start)
    return found.name in _TO_BE_SEEN and bool(before.shown) and shares_word(text[start:end], before.shown)


def _own_diagnosis(found: Found, word: str, arguments: str) -> bool:
    """Whether a condition is one that the doctor has put down as a diagnosis or a test's aim."""
    return word.lower() in arguments.lower() or any(found.name == other.name for other in concepts(arguments))


def _untold_medicine(talk: Talk, turn: Turn, text: str) -> str | None:
    """A medicine that the patient is said to take though nobody named it."""
    takes = _TAKES.search(text)
    if takes is None or _NOT_TAKEN.search(text[: takes.end()]):
        return None
    earlier = [m for t in talk.turns[: turn.place] for m in find_medicines(t.text)]
    known = {m.name for m in earlier}
    classes = {c for m in earlier for c in m.classes}
    for mention in find_medicines(text):
        if mention.start >= takes.start() and mention.name not in known | classes and not mention.classes & known:
            return mention.text
    return None
