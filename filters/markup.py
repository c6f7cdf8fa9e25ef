"""Damage in Markdown and LaTeX: what was opened and never closed.

Read are code fences, tables (a row with another number of cells than the row of dashes above it), ``$$``, ``\\(``,
``\\[``, ``\\begin{}`` and braces inside of formulas. Code is left alone: nothing inside fences or between backticks
counts. Single dollar signs are money as often as formulas and are not counted. It does not parse: what it finds is
damage, what it does not find may still render badly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)(`+)(?!`)[^\n]{1,400}?(?<!`)\1(?!`)")
_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*$")
_CELL = re.compile(r"(?<!\\)\|")
_BEGIN_END = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}")
_DELIMITER = re.compile(r"(?<!\\)\\([()\[\]])")
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\\\((.+?)\\\)|(?<!\\)\\\[(.+?)\\\]", re.DOTALL)
_BRACE = re.compile(r"(?<!\\)[{}]")


def damaged_markdown(text: str) -> str | None:
    """What is broken in a text's Markdown: an open fence or a ragged table; None where nothing is."""
    prose, open_fence = _outside_code(text)
    return open_fence or _ragged_table(prose)


def damaged_latex(text: str) -> str | None:
    """What is broken in a text's LaTeX: an unbalanced delimiter, environment or brace; None where nothing is."""
    prose, _ = _outside_code(text)
    if prose.count("$$") % 2:
        return "$$ without its partner"
    return _unbalanced_delimiter(prose) or _unbalanced_environment(prose) or _unbalanced_brace(prose)


def _outside_code(text: str) -> tuple[str, str | None]:
    """The text without code, and what is wrong with its fences."""
    pieces, at, opened = [], 0, None
    for match in _FENCE.finditer(text):
        fence = match["fence"]
        if opened is None:
            if fence[0] == "`" and "`" in match["info"]:  # code between backticks on one line
                continue
            pieces.append(text[at : match.start()])
            opened = match
        elif fence[0] == opened["fence"][0] and len(fence) >= len(opened["fence"]) and not match["info"].strip():
            opened, at = None, match.end()
    if opened is not None:
        return "".join(pieces), f"code fence {opened[0].strip()[:30]} is never closed"
    return _INLINE.sub("", "".join([*pieces, text[at:]])), None


def _ragged_table(text: str) -> str | None:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if number == 0 or "|" not in line or not _RULE.match(line) or "|" not in lines[number - 1]:
            continue
        wanted = _cells(line)
        rows = [lines[number - 1], *_table_rows(lines[number + 1 :])]
        for row in rows:
            if _cells(row) != wanted:
                return f"table row with {_cells(row)} cells under {wanted} columns: {row.strip()[:60]}"
    return None


def _table_rows(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if "|" not in line:
            return
        yield line


def _cells(row: str) -> int:
    return len(_CELL.split(row.strip().removeprefix("|").removesuffix("|")))


def _unbalanced_delimiter(text: str) -> str | None:
    opened = ""
    for match in _DELIMITER.finditer(text):
        sign = match[1]
        if sign in "([":
            if opened:
                return f"\\{opened} is opened again before it is closed"
            opened = sign
        elif not opened or opened + sign not in ("()", "[]"):
            return f"\\{sign} closes nothing"
        else:
            opened = ""
    return f"\\{opened} is never closed" if opened else None


def _unbalanced_environment(text: str) -> str | None:
    opened: list[str] = []
    for match in _BEGIN_END.finditer(text):
        if match[1] == "begin":
            opened.append(match[2])
        elif not opened or opened.pop() != match[2]:
            return f"\\end{{{match[2]}}} closes nothing"
    return f"\\begin{{{opened[-1]}}} is never closed" if opened else None


def _unbalanced_brace(text: str) -> str | None:
    for match in _FORMULA.finditer(text):
        depth = 0
        for brace in _BRACE.findall(match[0]):
            depth += 1 if brace == "{" else -1
            if depth < 0:
                break
        if depth:
            return f"braces do not balance in {' '.join(match[0].split())[:60]}"
    return None
