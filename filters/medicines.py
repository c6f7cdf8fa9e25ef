"""Which words of a text are medicines, of which classes; what stands in a medicine's place; what must not be given.

A text is read word by word against the names of :mod:`filters.medicines_data`; the longest name wins. Words that are
more often a laboratory value or a nutrient (potassium, glucose, iron, folate) count only beside a word of taking or a
dose. A misspelling of a letter or two is no unknown medicine, but it is no mention either. It knows English names
alone, does not tell whether somebody takes, refuses or is allergic to a medicine, and gives no advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.medicines_data import is_newer_stem, key, lookup, misspelt, names, other_names
from filters.medicines_places import places
from filters.medicines_unsafe import contraindications

__all__ = ["Mention", "candidates", "contraindications", "find_medicines", "is_medicine"]

_WORD = re.compile(r"[^\W_]+")
_GAP = re.compile(r"[ \-\u2010\u2011\u2013/'\u2019+&]{1,3}")
_LABORATORY_WORDS = (
    "glucose dextrose potassium calcium magnesium iron zinc phosphate folate nicotine caffeine dopamine vasopressin"
    " niacin creatine testosterone progesterone estradiol oestradiol menthol vitamin vitamins b12 cobalamin"
    " erythropoietin oxytocin"
)
_LABORATORY = frozenset(_LABORATORY_WORDS.split())
_BEFORE = re.compile(
    r"\b(?:take|takes|taking|took|on|prescribe[ds]?|give|gave|given|giving|start(?:ed|ing)?|oral|iv|intravenous"
    r"|(?:mg|g|ml) of"
    r"|(?:mcg|units) of|some|need)\W+(?:\w+\W+){0,2}$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\W{1,3}(?:\d|tablets?|pills?|supplements?|capsules?|injections?|infusion|patch|patches|gel|replacement|therapy)",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\W{1,3}(?:levels?|is|was|results?|tests?|deficien|count|stores|intake|channel)", re.IGNORECASE
)
_SALT = re.compile(
    r" (?:hydrochloride|hcl|sodium|potassium|sulfate|sulphate|tartrate|succinate|maleate|mesylate|besylate|acetate"
    r"|calcium|citrate|phosphate|xl|xr|sr|er|cr|mr|la|inhaler|tablets?|capsules?|pills?|cream|ointment|drops|spray"
    r"|injections?|patch|patches|gel|\d+|mg|mcg|g|micrograms?)$"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A medicine (or a word in a medicine's place) in a text: ``text[start:end]``."""

    start: int
    end: int
    text: str
    name: str
    """The generic name in lower case ("amoxicillin" for Amoxil); an unknown word is its own name, in lower case."""
    classes: frozenset[str]
    """Classes in lower case plural ("penicillins", "antibiotics"), "groups" with a group's own; empty if unknown."""


def find_medicines(text: str) -> list[Mention]:
    """Every known medicine of the text in order: generic and brand names, and groups ("a statin", "antibiotics")."""
    longest = names().longest
    found: list[Mention] = []
    tokens = list(_WORD.finditer(text))
    lowered = [token.group().lower() for token in tokens]
    at = 0
    while at < len(tokens):
        most = longest.get(lowered[at]) or (longest.get(lowered[at][:-1]) if lowered[at].endswith("s") else None)
        width = _match(text, tokens, lowered, at, most) if most else _new_name(lowered[at])
        if width:
            mention = _mention(text, tokens[at].start(), tokens[at + width - 1].end())
            if mention.text.lower() not in _LABORATORY or _taken(text, mention):
                found.append(mention)
        at += width or 1
    return found


def is_medicine(name: str) -> bool:
    """Whether the whole name is a known medicine, brand or group of medicines, or is built like a newer generic name.

    Salts, forms and strengths behind the name do not count ("Metoprolol succinate XL 50 mg" is metoprolol); a name
    of 7 or more letters may be misspelt by a letter or two.
    """
    words = key(name)
    while True:
        if lookup(words) or words in other_names() or is_newer_stem(words) or misspelt(words):
            return True
        shorter = _SALT.sub("", words)
        if shorter == words:
            return False
        words = shorter


def candidates(text: str) -> list[Mention]:
    """Words in a medicine's place ("take X 50 mg", "prescribe you X", "X tablets") that are no known medicine.

    Made for naming inventions: words of everyday language and of medicine that can stand there are left out, and where
    the place alone is weak evidence the word must look like a name (a capital within the sentence, a drug's ending).
    """
    known = find_medicines(text)
    spans = [(one.start, one.end) for one in known if "groups" not in one.classes]
    found = []
    for start, end in places(text):
        word = text[start:end]
        beside = any(start < stop + 2 and begin < end for begin, stop in spans)  # "tiotropium bromide" is known, too
        if not beside and not is_medicine(word):
            found.append(Mention(start, end, word, word.casefold(), frozenset()))
    return found


def _match(text: str, tokens: list[re.Match[str]], lowered: list[str], at: int, most: int) -> int:
    """How many words from ``at`` on are the longest known name; 0 for none."""
    width = 1
    while width < most and at + width < len(tokens):
        if not _GAP.fullmatch(text, tokens[at + width - 1].end(), tokens[at + width].start()):
            break
        width += 1
    for size in range(width, 0, -1):
        if lookup(" ".join(lowered[at : at + size])):
            return size
    return 0


def _new_name(word: str) -> int:
    return 1 if is_newer_stem(word) else 0


def _mention(text: str, start: int, end: int) -> Mention:
    said = text[start:end]
    entry = lookup(key(said))
    return Mention(start, end, said, entry.name if entry else said.lower(), entry.classes if entry else frozenset())


def _taken(text: str, mention: Mention) -> bool:
    """Whether a word that may be a laboratory value is spoken of as something that is taken."""
    if _MEASURED.match(text, mention.end):
        return False
    before = text[max(0, mention.start - 40) : mention.start]
    return bool(_BEFORE.search(before) or _AFTER.match(text, mention.end))
