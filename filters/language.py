"""Which language a text is in, by py3langid (naive Bayes over byte n-grams; offline).

It is the lightest maintained detector that needs nothing but numpy. Short texts mislead every detector, and clinical
ones more than others (drug names, Latin terms), so a text is judged only from :data:`LEAST` letters on, and only
against a language that was expected: see :func:`other_language`. It does not find mixtures; the language of most of a
text counts.
"""

from __future__ import annotations

from functools import cache
from typing import Any

LEAST = 60
"""Letters below which no verdict is given."""

SURE = 0.9
"""The probability from which on another language is believed."""

_ENOUGH = 4000  # characters that are read of a text


def language(text: str) -> tuple[str, float] | None:
    """The likeliest language as a two-letter code (ISO 639-1) and its probability; None for a text too short to say.

    Raises:
        ModuleNotFoundError: the package ``py3langid`` is not installed.
    """
    text = text[:_ENOUGH]
    if sum(map(str.isalpha, text)) < LEAST:
        return None
    code, probability = _identifier().classify(text)
    return str(code), float(probability)


def other_language(text: str, expected: str) -> str | None:
    """Which other language a text is in, with its probability; None where it may be the expected one.

    Args:
        text: any text.
        expected: ISO 639-1; a region is left out of account ("pt-BR" is "pt").

    Raises:
        ValueError: the detector does not know the expected language.
    """
    code = known_language(expected)
    found = language(text)
    if found is None or found[0] == code or found[1] < SURE:
        return None
    return f"{found[0]} with probability {found[1]:.2f}"


def known_language(expected: str) -> str:
    """The two-letter code of a language as it stands in a spec: "pt" of "pt-BR".

    Raises:
        ValueError: the detector does not know the language.
    """
    code = expected.replace("_", "-").partition("-")[0].lower()
    known = _identifier().labels
    if code not in known:
        raise ValueError(
            f'language "{expected}" is not among the {len(known)} that can be told apart; write "en", "de"'
        )
    return code


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
