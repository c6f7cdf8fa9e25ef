"""Words the PHI screen knows: what a name never is, eponyms, titles, particles of names.

Lists of words lie in ``data/*.txt``, one or more words a line, ``#`` for comments. None of them holds given names or
surnames to look for: names are found by their context, so that no culture's names are known better than another's.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"

_PARTICLES = (
    "abd abu al ap as ben bin bint da dal das de degli dei del della delos den der di do dos du e el ibn la las le lo"
    " los op san st ten ter und van vom von y zu zum zur"
)
PARTICLES = frozenset(_PARTICLES.split())
"""Lower-case words inside names ("van der Berg", "bin Rashid"); counted only where a capitalised word follows."""

SUFFIXES = ("ology", "itis", "osis", "emia", "tion", "sion", "ment", "ness", "ectomy", "pathy", "therapy", "scopy")
"""Ends of words that are terms and hardly ever names; asked only where the context is weak."""


@cache
def not_names() -> frozenset[str]:
    """Case-folded words that are no name even where one could stand."""
    return _words("not_names.txt") | function_words()


@cache
def function_words() -> frozenset[str]:
    """Case-folded words that are no name even after a title."""
    return _words("function_words.txt")


@cache
def eponyms() -> frozenset[str]:
    """Case-folded names that stand for diseases, signs, tests and devices."""
    return _words("eponyms.txt")


def is_term(word: str) -> bool:
    """Whether a word is known not to be a person's name, or ends like a medical term."""
    folded = word.casefold().replace("\u2019", "'").removesuffix("'s")
    return folded in not_names() or (len(folded) > 6 and folded.endswith(SUFFIXES))


def _words(name: str) -> frozenset[str]:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
