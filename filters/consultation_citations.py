"""What the doctor cites as known: findings nobody told, and results of examinations and tests nobody made.

A citation is a statement, not a question, a plan, a possibility or a general truth. Only clear clinical concepts are
looked for (:mod:`filters.consultation_concepts`), and a concept that any earlier turn of the patient or a result
holds, in other words too, is known; so is what the doctor said and the patient confirmed. A condition may be cited
only as history: "you have asthma" is otherwise the doctor's diagnosis. Advice on when to come back cites nothing.
Circumstances ("you said it began while cycling") are not checked. Results are :mod:`filters.consultation_results`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from filters.consultation_circumstances import untold_circumstance
from filters.consultation_citation_words import (
    ATTRIBUTES,
    BUSY,
    CAME_WITH,
    EXAMINES,
    EXPLAINS,
    GENERAL_FIRST,
    GENERAL_TRUTH,
    HAD,
    HISTORY,
    NAMES_NOTHING,
    NARRATES,
    NOT_CITED,
    NOT_TAKEN,
    OWN,
    PREMISE,
    SAFETY_NET,
    SAYS_TOLD,
    TAKES,
    TO_BE_SEEN,
    TOO_WIDE,
    WOULD,
)
from filters.consultation_claims import advises
from filters.consultation_concepts import Found, concepts, told_with
from filters.consultation_record import Before, Evidence, Talk, Turn, evidence, strings
from filters.consultation_replies import NEUTRAL
from filters.consultation_result_words import CITES, HANDS_ON
from filters.consultation_results import shares_word, unseen_result
from filters.consultation_text import Sentence, clause_at, denied, imagined, of_others, plain
from filters.medicines import find_medicines


def citations(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """invented_finding and result_without_examination.

    Results count as such only where examinations and tests have turns of their own: where a case is played, or a
    result turn stands in the dialogue. In recordings of real visits doctors say aloud what they find, and know the
    patient's record: there only what the doctor says was told just now is looked at.
    """
    with_results = bool(case) or any(turn.speaker == "result" for turn in talk.turns)
    recorded = not with_results and not any(turn.action for turn in talk.turns)
    card, on_card = _on_card(case), "\n".join(_card_texts(case))
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker == "doctor":
            before = talk.before(turn.place)
            with_card = replace(before, known=before.known | card)
            earlier = "\n".join([on_card, *(t.text + " " + t.argument for t in talk.turns[: turn.place])])
            for sentence in turn.sentences:
                says_told = SAYS_TOLD.search(sentence.text) is not None
                if says_told or not recorded:
                    found += _of_sentence(talk, turn, sentence, before if says_told else with_card, with_results)
                if with_results and not sentence.asks and (word := untold_circumstance(turn, sentence.text, earlier)):
                    found.append(evidence("invented_finding", turn.place, sentence.raw, word))
    return found


def _on_card(case: Mapping[str, Any]) -> set[str]:
    """Concepts that hold by the card.

    The doctor never sees it: who cites what it holds has heard it in other words, and has not invented it. What is
    said to have been told must have been told all the same.
    """
    names = {"pregnancy"} if case.get("pregnant") is True else set()
    for text in _card_texts(case):
        for found in concepts(text):
            if not denied(text, found.start, found.end) and not of_others(text, found.start):
                names |= told_with(found.name)
    return names


def _card_texts(case: Mapping[str, Any]) -> list[str]:
    """All sentences of the card, its facts first."""
    facts = case.get("facts")
    texts = [f.get("text") for f in facts if isinstance(f, Mapping)] if isinstance(facts, list | tuple) else []
    lists = ("complaint", "history", "red_flags", "findings", "tests", "medication", "allergies")
    return [plain(text) for text in [*texts, *(t for name in lists for t in strings(case.get(name)))]]


def _of_sentence(talk: Talk, turn: Turn, sentence: Sentence, before: Before, with_results: bool) -> list[Evidence]:
    text = sentence.text
    if sentence.asks and not PREMISE.search(text):
        return []
    if with_results and (name := unseen_result(before, text)) is not None:
        return [evidence("result_without_examination", turn.place, sentence.raw, name)]
    own = " ".join(t.argument for t in talk.turns[: turn.place + 1])
    name = _untold(before, turn, text, own) or _untold_medicine(talk, turn, text)
    return [evidence("invented_finding", turn.place, sentence.raw, name)] if name is not None else []


def _untold(before: Before, turn: Turn, text: str, own: str) -> str | None:
    """The symptom or condition that is cited though nobody told it."""
    if GENERAL_FIRST.match(text) or BUSY.match(text) or (SAFETY_NET.search(text) and not PREMISE.search(text)):
        return None
    for found in concepts(text):
        word = text[found.start : found.end]
        if found.kind not in ("symptom", "condition") or found.name in before.known or word.lower() in NEUTRAL:
            continue
        if not _cited(turn, text, found) or _near_known(text, found, before):
            continue
        history = HISTORY.search(text) or (turn.action == "ask" and OWN.search(text[: found.start]))
        if found.kind == "condition" and (not history or _own_diagnosis(found, word, own)):
            continue
        if not before.worded(word) and not before.discussed(word):
            return word
    return None


def _cited(turn: Turn, text: str, found: Found) -> bool:
    """Whether a concept is stated of the patient, as known."""
    attributed = bool(ATTRIBUTES.search(text))
    if found.name in (TOO_WIDE if attributed else NAMES_NOTHING):
        return False
    if imagined(text, found.start) or denied(text, found.start, found.end) or of_others(text, found.start):
        return False
    start, end = clause_at(text, found.start)
    if NOT_CITED.search(text[start : found.start]) or WOULD.match(text[found.end : end]):
        return False
    if attributed:
        return True
    if advises(text[start:end]) or HANDS_ON.search(text[start:end]) or EXAMINES.search(text[start:end]):
        return False
    return _in_recap(text, found) if turn.action in ("", "ask") else _of_the_patient(text, found, start, end)


def _in_recap(text: str, found: Found) -> bool:
    """Between questions a doctor repeats or explains: a statement of the patient, or a bare one with a time to it."""
    before = text[: found.start]
    if GENERAL_TRUTH.search(text):
        return False
    near = text[max(0, found.start - 60) : found.end + 45]
    return bool(OWN.search(before) or CITES.search(near) or NARRATES.search(text))


def _of_the_patient(text: str, found: Found, start: int, end: int) -> bool:
    """In a closing turn, where all is explained: only what the patient is said to have had, or come with."""
    if EXPLAINS.search(text[start:end]):
        return False
    return bool(HAD.search(text[start : found.start]) or CAME_WITH.match(text[found.end : end]))


def _near_known(text: str, found: Found, before: Before) -> bool:
    """Whether a known pain, or a result that speaks of the same part, makes a concept known."""
    if found.name.endswith(" pain") and any(name.endswith("pain") for name in before.known):
        part = found.name.split()[0]
        if part in ("muscle", "joint", "abdomen") or part in (before.told + before.shown).lower():
            return True
    start, end = clause_at(text, found.start)
    return found.name in TO_BE_SEEN and bool(before.shown) and shares_word(text[start:end], before.shown)


def _own_diagnosis(found: Found, word: str, arguments: str) -> bool:
    """Whether a condition is one that the doctor has put down as a diagnosis or a test's aim."""
    return word.lower() in arguments.lower() or any(found.name == other.name for other in concepts(arguments))


def _untold_medicine(talk: Talk, turn: Turn, text: str) -> str | None:
    """A medicine that the patient is said to take though nobody named it."""
    takes = TAKES.search(text)
    if takes is None or NOT_TAKEN.search(text[: takes.end()]):
        return None
    earlier = [m for t in talk.turns[: turn.place] for m in find_medicines(t.text)]
    known = {m.name for m in earlier}
    classes = {c for m in earlier for c in m.classes}
    for mention in find_medicines(text):
        if mention.start >= takes.start() and mention.name not in known | classes and not mention.classes & known:
            return mention.text
    return None
