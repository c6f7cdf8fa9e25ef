"""Patterns that are lists of wordings, written so that they can be read: one line after the other, blanks as they are.

In what these functions are given, a line break stands for "or" (but after ``(?:`` and before ``)``) and a blank for
any run of white space; everything else is a regular expression that ignores case. A blank that must be one (in
brackets) is written ``\\x20``.
"""

from __future__ import annotations

import re


def phrases(wordings: str) -> re.Pattern[str]:
    """A pattern that finds any of the wordings as whole words."""
    return re.compile(rf"\b(?:{_joined(wordings)})\b", re.IGNORECASE)


def either(wordings: str) -> re.Pattern[str]:
    """A pattern that finds any of the wordings, within words too."""
    return re.compile(_joined(wordings), re.IGNORECASE)


def _joined(wordings: str) -> str:
    joined = ""
    for line in (line.strip() for line in wordings.strip().splitlines()):
        joined += line if not joined or joined.endswith("(?:") or line.startswith(")") else f"|{line}"
    return joined.replace(" ", r"\s+")
