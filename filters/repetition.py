"""Texts that loop: the same lines, sentences or words again and again.

Two signs are read. The share of word 4-grams that stood before (:func:`filters.text.repeated_share`) grows when whole
sentences come back; a run is one unit of up to :data:`LONGEST` words that follows itself without anything between ("no
no no no", "de_de_de", "1. 1. 1."), which a text can end in after a good start. Lists of alike lines, such as a table
of lab values, repeat words but not 4-grams and not runs. A refrain in a long honest text stays under the limits.
"""

from __future__ import annotations

from filters.text import repeated_share, words

LONGEST = 12
"""The longest unit, in words, that is looked for in a run."""


def longest_run(text: str) -> tuple[int, str]:
    """The most often a unit follows itself without a gap, and that unit; (1, "") for a text without runs.

    Of equally long runs the one with the shortest unit counts. Time grows with the words times :data:`LONGEST`.
    """
    found = words(text)
    best, unit = 1, ""
    for size in range(1, min(LONGEST, len(found) // 2) + 1):
        same = 0  # how many words in a row equal the word `size` before them
        for place in range(size, len(found)):
            same = same + 1 if found[place] == found[place - size] else 0
            times = same // size + 1
            if same and times > best:
                best, unit = times, " ".join(found[place - size + 1 : place + 1])
    return best, unit


def loops(text: str, share: float = 0.5, run: int = 8) -> str | None:
    """What repeats in a text that loops, for people to read; None for one that does not.

    Args:
        text: any text.
        share: the share of repeated 4-grams above which a text loops, 0 to 1.
        run: how often a unit may follow itself.

    Raises:
        ValueError: a limit is out of range.
    """
    if not 0 <= share <= 1 or run < 1:
        raise ValueError(f"share must lie between 0 and 1 and run be at least 1, got {share} and {run}")
    times, unit = longest_run(text)
    if times > run:
        return f'"{unit[:60]}" {times} times in a row'
    repeated = repeated_share(text)
    return f"{repeated:.2f} of the word 4-grams stood before" if repeated > share else None
