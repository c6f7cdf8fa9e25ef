"""Texts made storable, and as the filters compare them: normalised, cut into words, measured for repetition.

A word is a run of ``\\w`` characters with the combining marks that follow them, so vowel signs stay with their letter.
Han, kana, Thai, Lao, Burmese and Khmer are written without spaces: there each character, with its marks, is a word.
Emoji, punctuation and symbols belong to no word. There is no stemming, no list of stop words, no word segmentation by
dictionary, and invisible format characters (a soft hyphen, a zero-width space) are not taken out: they end a word.
"""

from __future__ import annotations

import functools
import re
import unicodedata

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"  # Japanese: iteration marks, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_LAST_MARK = 0x1EFFF  # beyond it only variation selectors, which change no word

# Latin, Greek, Cyrillic, Armenian, punctuation and symbols: no unspaced script and no combining mark, so that
# plain "\w+", which is much faster, cuts a text of these alone into the same words.
_PLAIN = re.compile("[\0-\u02ff\u0370-\u0482\u048a-\u0590\u2000-\u20cf\u2100-\u2bff]*")
_PLAIN_WORD = re.compile(r"\w+")
_PLAIN_GAP = re.compile(r"[^\w\0-\x7f]")


def storable(text: str) -> str:
    """The text without what UTF-8 cannot hold or databases cut texts at; any other text comes back as it is.

    NUL is removed, two surrogates that form a pair become the character meant, a lone surrogate becomes U+FFFD.
    Idempotent: what was stored and read again need not be changed again.
    """
    text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def normalise(text: str) -> str:
    """The form in which two texts count as exact copies: NFKC, lower case, each run of white space one space.

    Idempotent. Accents, punctuation and the difference of ``ß`` and ``ss`` remain.
    """
    if text.isascii():  # and so its own NFKC
        return " ".join(text.lower().split())
    # Lower-casing can bring forth a pair that has a composed form ("J\u030c" gives "\u01f0"), hence NFKC twice.
    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return " ".join(lowered.split())


def words(text: str) -> list[str]:
    """The words of the normalised text in order, by the rule at the top of this module."""
    text = normalise(text)
    return (_PLAIN_WORD if _PLAIN.fullmatch(text) else _any_word()).findall(text)


def spaced_words(text: str) -> str:
    """A text of the same words in which ASCII alone parts them: every character beyond ASCII stands inside a word.

    Characters of ASCII that belong to no word may remain. What cuts words by bytes (:mod:`filters.word_hashes`) need
    then know no other script.
    """
    text = normalise(text)
    return _PLAIN_GAP.sub(" ", text) if _PLAIN.fullmatch(text) else " ".join(_any_word().findall(text))


def repeated_share(text: str, n: int = 4) -> float:
    """The share of word n-grams that stood earlier in the same text: near 1 for a model that loops, 0.0 to 1.0.

    A text with fewer than ``n + 1`` words has nothing to repeat: 0.0. The measure grows with the length of honest
    texts, too, and where characters count as words four of them recur by nature: choose the limit by looking at data.

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    found = words(text)
    grams = list(zip(*(found[start:] for start in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@functools.cache
def _any_word() -> re.Pattern[str]:
    """Both kinds of words. ``re`` knows no class of combining marks, so they are spelt out (once, when needed)."""
    marks = "".join(char for char in map(chr, range(_LAST_MARK + 1)) if unicodedata.category(char)[0] == "M")
    letter = rf"[^\W{_UNSPACED}]"
    return re.compile(rf"{letter}+(?:[{marks}]+{letter}*)*|(?=\w)[{_UNSPACED}][{marks}]*")
