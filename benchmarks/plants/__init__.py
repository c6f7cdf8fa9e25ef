"""Consultations with a mistake planted in them, for :mod:`benchmarks.dialogue_flags`; YAML and its loader.

``<set>/bases_*.yaml`` hold clean consultations, ``<set>/plants_*.yaml`` what was changed in one of them, by flag, and
so the turn where the flag is due. They were written from the definitions of the flags, without a look at the rules or
their word lists. The sets share no base; each later one is for a last look only. A mistake in a file is an
AssertionError that names the plant. This does not play anything: that is :mod:`benchmarks.scripted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from filters.consultation_checks import FLAGS

HERE = Path(__file__).parent
SETS = ("first", "second", "third", "fourth", "fifth")
ALIKE = ({"invented_finding", "result_without_examination"},)
"""Flags of which either may be raised where the other is planted: no false alarm, and not found either."""

LONGEST = 5
"""Entries of a list of a card."""

_LINE = re.compile(r"(P|ask|diagnose|examine [^:]+|test [^:]+): (.*)")
_LISTS = ("differential", "history", "medication", "allergies", "findings", "tests", "red_flags")
_PATIENT_LAST = {"diagnosis_named_by_patient", "answer_contradicts_case"}
_KEYS = {"b", "at", "to", "swap", "add", "front", "then", "cut", "card", "also", "due", "due_at"}


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of a script; the results of examinations and tests come from the card."""

    head: str
    """``P``, ``ask``, ``examine lungs``, ``test ECG`` or ``diagnose``."""
    text: str

    @property
    def action(self) -> str:
        """The doctor's action; ``P`` for the patient."""
        return self.head.split()[0]

    @property
    def argument(self) -> str:
        """What is examined or tested; of a question its own last words."""
        if self.action in ("examine", "test"):
            return self.head.split(" ", 1)[1]
        words = re.findall(r"[\w'-]*\w[\w'-]*", self.text)[-8:]
        return " ".join(words) if len(" ".join(words)) > 1 else "more about it"


@dataclass(frozen=True, slots=True)
class Script:
    """One dialogue to be played."""

    id: str
    set: str
    flag: str | None
    """What is planted; None for a clean consultation."""
    card: dict[str, Any]
    lines: tuple[Line, ...]
    due: int | None = None
    """Place in the row's ``turns`` where the flag is due."""
    planted: str = ""
    """The words that were changed."""
    also: frozenset[str] = field(default_factory=frozenset)
    """Flags that may be raised as well."""


def scripts(which: str) -> list[Script]:
    """The clean consultations of a set, then those with a plant."""
    bases = {base["id"]: base for path in sorted((HERE / which).glob("bases_*.yaml")) for base in _read(path)}
    found = [Script(f"{which}-{name}", which, None, _card(base), _lines(base)) for name, base in bases.items()]
    for path in sorted((HERE / which).glob("plants_*.yaml")):
        for flag, entries in _read(path).items():
            assert flag in FLAGS, f"{path.name}: unknown flag {flag}"
            for number, entry in enumerate(entries):
                found.append(_planted(f"{which}-{flag}-{number:02d}", which, flag, entry, bases[entry["b"]]))
    for script in found:
        _check(script)
    return found


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _card(base: dict[str, Any]) -> dict[str, Any]:
    card = {name: base[name] for name in ("age", "sex", "complaint", "diagnosis")}
    card |= {name: _parts(base[name]) for name in _LISTS}
    return {"subject": "illness", **card, "pregnant": base.get("pregnant", False)}


def _parts(text: str) -> list[str]:
    """The entries of a list, five at most, as the recipe asks for; what is more joins the fifth."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return parts if len(parts) <= LONGEST else [*parts[: LONGEST - 1], "; ".join(parts[LONGEST - 1 :])]


def _lines(base: dict[str, Any]) -> tuple[Line, ...]:
    return tuple(_line(text) for text in base["turns"].strip().splitlines())


def _line(text: str) -> Line:
    match = _LINE.fullmatch(text.strip())
    assert match, f"no turn: {text}"
    return Line(match[1], match[2])


def _planted(name: str, which: str, flag: str, entry: dict[str, Any], base: dict[str, Any]) -> Script:
    assert set(entry) <= _KEYS, f"{name}: unknown keys {set(entry) - _KEYS}"
    lines = list(_lines(base))
    place = _place(name, lines, entry["at"])
    lines[place] = Line(lines[place].head, _edited(lines[place].text, entry))
    due, changed = place, str(entry.get("to") or entry.get("swap") or entry.get("add") or entry.get("front") or "")
    if entry.get("then"):
        inserted = [_line(text) for text in entry["then"]]
        lines[place + 1 : place + 1] = inserted
        due = place + 1 + (len(inserted) - 1 if flag in _PATIENT_LAST else 0)
        changed = lines[due].text
    if "due_at" in entry:
        due, changed = _place(name, lines, entry["due_at"]), ""
    card = _card(base)
    card |= {key: _parts(value) if key in _LISTS else value for key, value in entry.get("card", {}).items()}
    also = set(entry.get("also", ())).union(*(group for group in ALIKE if flag in group)) - {flag}
    results = sum(line.action in ("examine", "test") for line in lines[:due])
    text = changed or lines[due].text
    return Script(name, which, flag, card, tuple(lines), due + results, text, frozenset(also))


def _place(name: str, lines: list[Line], fragment: str) -> int:
    places = [n for n, line in enumerate(lines) if fragment in f"{line.head}: {line.text}"]
    assert len(places) == 1, f"{name}: {fragment!r} stands in {len(places)} turns"
    return places[0]


def _edited(text: str, entry: dict[str, Any]) -> str:
    """The words of the turn after the edit."""
    if "to" in entry:
        return str(entry["to"])
    if "swap" in entry:
        return text.replace(entry["at"], entry["swap"])
    if entry.get("cut"):
        return text[: text.index(entry["at"]) + len(entry["at"])]
    return " ".join(part for part in (entry.get("front"), text, entry.get("add")) if part)


def _check(script: Script) -> None:
    """Turns must alternate as the recipe plays them."""
    after: str | None = None
    for line in script.lines:
        wanted = line.action == "P"
        assert wanted == (after in (None, "ask")), f"{script.id}: out of turn: {line.text}"
        assert len(line.text) < 799, f"{script.id}: {len(line.text)} characters: {line.text[:60]}"
        after = line.action
    assert after == "diagnose", f"{script.id}: does not end with a diagnosis"


def all_scripts(sets: tuple[str, ...]) -> Iterator[Script]:
    """The scripts of these sets."""
    for which in sets:
        yield from scripts(which)
