"""Names of persons in a text, found by what stands beside them: titles, labels, introductions, relatives, ages.

No dictionary of names is used: a capitalised word is a name because of its context ("Mr. X", "my name is X", "Patient:
X Y", "her son X", "X Y is a 50-year-old", "signed by X"), in any Latin, Greek or Cyrillic spelling, with particles,
hyphens, apostrophes and initials. In transcripts without capitals only abbreviated titles, greetings and "X is a
50-year-old" count. A word found so is a name wherever it stands again in the same text.

Not found: a name without any such context ("Okafor called again"), one word before a verb, names written in scripts
without capitals other than after a label or an introduction. Contexts are English, with titles, labels and
introductions in Spanish, French, German, Italian and Portuguese, and labels in Chinese, Japanese and Russian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.medicines_data import key, lookup
from filters.phi_contexts import (
    AGE,
    CJK_IS,
    CREDENTIAL,
    DEAR,
    GREETING,
    I_AM,
    LOWER_RECORD,
    LOWER_TITLE,
    NAME_IS,
    NAME_LABEL,
    NAME_WORDS,
    OF_DISEASE,
    OF_MEDICINE,
    OF_THING,
    OPENINGS,
    PATIENT_LABEL,
    RECORD,
    RELATIVE,
    ROLE_LABEL,
    ROLE_TITLE,
    TITLE,
    VERB,
    WITH,
)
from filters.phi_lists import PARTICLES, eponyms, function_words, is_term
from filters.phi_words import at_words, near, spots, vocabulary

_L = "[^\\W\\d_]"
_MARKS = "\u0300-\u036f"  # of names in decomposed spelling
_WORD = re.compile(rf"(?:{_L}[{_MARKS}]*)+(?:['\u2019\u02bc-](?:{_L}[{_MARKS}]*)+)*")
_GAP = re.compile(r"[ \u00a0]{1,2}")
_CJK_NAME = re.compile(r"[\u4e00-\u9fff\u3041-\u30ff\uac00-\ud7a3]{2,4}")
_CLOSED = re.compile(r"\s*[,.?!]")
_LAST_WORD = re.compile(rf"(?:^|(?<=[^\w'\u2019-]))(?:{_L}|[{_MARKS}'\u2019.-]){{1,40}}$")
_LAST_LOWER = re.compile(rf"(?:^|(?<=[\s,]))({_L}{{3,20}})$")
_END = re.compile(r"\s*(?:[,.;:!?()|\[\]\n-]|$|\d)")

_MEASURES = frozenset(("scale", "score", "index", "test", "sign", "syndrome", "disease", "criteria", "classification"))
_FORMS = frozenset(("plus", "extra", "advance", "forte", "diskus", "emulgel", "max", "xl", "xr", "sr"))
_AN_AGE = re.compile(
    r"(?:(?<!\d)\d{1,3}|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:-\w{3,5})?)\s{0,3}[- ]?"
    r"(?:years?|yrs?|months?|weeks?|y\.?\s?/?o\b|[MF]\b)"
)
_A_RECORD = re.compile(r"(?i:D\.?O\.?B|MRN|date\s+of\s+birth|\bborn\b)|[(,]\s{0,3}\+?\(?\d\d?[\d .()/-]")

Found = tuple[int, int]


def names(text: str) -> list[Found]:
    """Places ``(start, end)`` of names in ``text``, without titles and labels; sorted, may overlap."""
    found = {*_after(text), *_before(text)}
    return sorted(found | set(_again(text, found)))


def _after(text: str) -> Iterator[Found]:
    """Names that follow their context."""
    for context, least, trust, comma in (
        (TITLE, 1, "strong", False),
        (NAME_IS, 1, "strong", False),
        (NAME_LABEL, 1, "strong", True),
        (ROLE_TITLE, 1, "fair", False),
        (ROLE_LABEL, 1, "weak", True),
        (DEAR, 1, "weak", False),
        (RELATIVE, 1, "weak", False),
        (WITH, 2, "weak", False),
        (I_AM, 2, "weak", False),
    ):
        for match in _contexts(context, text):
            if name := _name_at(text, match.end(), least, trust, comma):
                yield name
    for match in _contexts(PATIENT_LABEL, text):  # in a dialogue the same words open a turn
        if (name := _name_at(text, match.end(), 2, "weak", True)) and _END.match(text, name[1]):
            yield name
    for match in _contexts(GREETING, text):
        name = _name_at(text, match.end(), 1, "weak", False)
        if not name and re.match("[a-z ]{2,14}\\W+$", match[0]) and not match[0].startswith(("how", "nice", "take")):
            name = _lower_name_at(text, match.end(), closed=True)
        if name and _END.match(text, name[1]):
            yield name
    for match in _contexts(LOWER_TITLE, text):
        if name := _lower_name_at(text, match.end(), closed=False):
            yield name
    for match in near(LOWER_RECORD, text, spots(text, ("date", "dob", "mrn", "medical")), 80, 40):
        if not any(map(is_term, match["name"].split())):
            yield match.span("name")
    for match in CJK_IS.finditer(text) if not text.isascii() else ():
        if word := _CJK_NAME.match(text, match.end()):
            yield word.span()


def _contexts(context: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Where a context that comes before a name stands."""
    if context is NAME_LABEL:
        if ":" not in text and "=" not in text:
            return iter(())
        words = {word for word in vocabulary(text) if "name" in word} | NAME_WORDS
        return at_words(context, text, words)
    return at_words(context, text, OPENINGS[context])


def _ends(context: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Where a context that comes after a name stands."""
    if context is AGE:
        return near(AGE, text, (match.start() for match in _AN_AGE.finditer(text)), 120, 60)
    if context is RECORD and not _A_RECORD.search(text):
        return iter(())
    return context.finditer(text)


def _before(text: str) -> Iterator[Found]:
    """Names that stand before what makes them one: an age, a clinical verb, a degree, a date of birth."""
    for context, least in ((AGE, 1), (VERB, 2), (CREDENTIAL, 2), (RECORD, 2)):
        for match in _ends(context, text):
            one = least == 1 and re.match(r"\s+(?:is|was)\s+(?:an?\s|\d)", match[0])
            if name := _name_ending_at(text, match.start(), 1 if one else 2):
                yield name


def _name_at(text: str, at: int, least: int, trust: str, comma: bool) -> Found | None:
    """The name that starts at ``at``: up to five capitalised words, particles and initials between them.

    Args:
        text: where to look.
        at: the first character of the name.
        least: the fewest capitalised words that make a name here.
        trust: of the context: ``strong`` takes any first word but function words, ``fair`` none of the known words,
            ``weak`` neither acronyms nor eponyms.
        comma: whether "Surname, Given" is one name.
    """
    end, count, position = at, 0, at
    while count < 5 and (word := _WORD.match(text, position)):
        whole = re.sub(r"['\u2019]s$", "", word[0])
        after = word.start() + len(whole)
        if _capitalised(whole):
            first = trust == "strong" and not count
            if whole.casefold() in function_words() if first else is_term(whole):
                break
            if trust == "weak" and _acronym(text, whole, word.start()):
                break
            initial = len(whole) == 1
            if initial and not count and text[after : after + 1] not in (".", " "):
                break
            after += initial and text[after : after + 1] == "."
            count += not initial
            end = after
            if after < word.end():  # a possessive closes the name
                break
        elif whole.casefold() not in PARTICLES:
            break
        position = after
        if gap := _GAP.match(text, position):
            position = gap.end()
        elif comma and count and text[position : position + 2] == ", ":
            position, comma = position + 2, False
        else:
            break
    if count < least or (trust == "weak" and _is_eponym(text, at, end)):
        return None
    if trust != "strong" and OF_THING.match(text, end):
        return None
    return at, end


def _is_eponym(text: str, start: int, end: int) -> bool:
    """Whether a name stands for a disease or a method: "Crohn's", "Barthel Index score", "Smith et al", "Mounjaro"."""
    name = text[start:end]
    if name.casefold() in eponyms() or OF_DISEASE.match(text, end) or OF_MEDICINE.match(text, end):
        return True
    words = key(name).split()
    if words[-1] in _FORMS:
        words = words[:-1]
    if not words or words[-1] in _MEASURES:
        return True
    return words != ["allegra"] and any(lookup(joint.join(words)) is not None for joint in ("", " "))


def _lower_name_at(text: str, at: int, closed: bool) -> Found | None:
    """A name in a transcript without capitals: one word, or two where punctuation follows the second."""
    first = _WORD.match(text, at)
    if not first or not first[0][0].islower() or len(first[0]) < 2 or is_term(first[0]):
        return None
    second = _WORD.match(text, first.end() + 1) if text[first.end() : first.end() + 1] == " " else None
    if second and not is_term(second[0]) and _CLOSED.match(text, second.end()):
        return at, second.end()
    return (at, first.end()) if not closed or _CLOSED.match(text, first.end()) else None


def _name_ending_at(text: str, end: int, least: int) -> Found | None:
    """The name whose last word ends at ``end``."""
    start, count, position = end, 0, end
    for _ in range(6):
        head = _LAST_WORD.search(text, max(0, position - 41), position)
        word = head and head[0].rstrip(".")
        if not head or not word or not _WORD.fullmatch(word):
            break
        if len(head[0]) > len(word) and len(word) > 1:  # the end of a sentence before
            break
        if _capitalised(word):
            if is_term(word) or word[-2:] in ("'s", "\u2019s") or _acronym(text, word, head.start()):
                break
            start, count = head.start(), count + (len(word) > 1)
        elif word.casefold() not in PARTICLES:
            break
        position = head.start()
        if not position or text[position - 1] not in " \u00a0":
            break
        position -= 1
    if count >= least and not (count == 1 and text[start:end].casefold() in eponyms()):
        return start, end
    return _lower_name_ending_at(text, end) if least == 1 else None


def _lower_name_ending_at(text: str, end: int) -> Found | None:
    """One word of a transcript without capitals, such as starts in lower case or with a bracket."""
    if text[:200].strip()[:1].isupper():
        return None
    word = _LAST_LOWER.search(text, max(0, end - 21), end)
    return word.span(1) if word and word[1].islower() and not is_term(word[1]) else None


def _again(text: str, found: set[Found]) -> Iterator[Found]:
    """Other places of words that were found to be names, unless a disease is named there."""
    parts = {
        word[0]
        for start, end in found
        for word in _WORD.finditer(text, start, end)
        if len(word[0]) > 2 and word[0].casefold() not in PARTICLES and not is_term(word[0])
    }
    whole = sorted({text[start:end] for start, end in found if end - start > 4}, key=lambda name: (-len(name), name))
    if whole:
        yield from (
            match.span() for match in re.finditer(rf"(?<!\w)(?:{'|'.join(map(re.escape, whole))})(?!\w)", text)
        )
    for word in _WORD.finditer(text) if parts else ():
        name = re.sub(r"['\u2019]s$", "", word[0])
        place = text[max(0, word.start() - 14) : word.start()].endswith("University of ")
        if name in parts and not place and not OF_DISEASE.match(text, word.start() + len(name)):
            yield word.start(), word.start() + len(name)


def _acronym(text: str, word: str, at: int) -> bool:
    """Whether a word is written in capitals ("LVADs") where the text around it is not."""
    return len(word) > 1 and word.removesuffix("s").isupper() and any(map(str.islower, text[max(0, at - 30) : at]))


def _capitalised(word: str) -> bool:
    """Whether a word is written like a name: "Ana", "al-Hashimi", "d'Angelo", "MARÍA"."""
    if word[0].isupper():
        return True
    head, _, tail = word.replace("\u2019", "'").replace("'", "-").partition("-")
    return (head in PARTICLES or head in ("d", "l")) and tail[:1].isupper()
