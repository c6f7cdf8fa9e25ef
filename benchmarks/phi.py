"""How much of what is planted the PHI screen finds, and how often it fires on real text.

    python -m benchmarks.phi --alarms alarms.tsv            # about two minutes

Recall: 300 notes from templates, filled with names, dates, addresses and numbers of :mod:`benchmarks.phi_lists`; a
plant is found when every letter and digit of it lies in a span, of whatever kind. The first and the later templates
were known when the rules got their shape, so recall on them says how well the rules take unseen names and forms in
known contexts; the share of names planted without any context ("bare") is reported on its own. The unseen templates
were written after the rules and say what to expect of new kinds of texts.

Real texts: every span found in passages, dialogues, notes and questions, counted by source and kind, and with
``--alarms`` written out in context. These counts are no false alarms yet: role-played doctors and patients have names
and dates of visits, and passages the phone numbers of institutions. Which are false is for people to read.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import phi_lists as lists
from benchmarks.common import save
from benchmarks.phi_templates import LATER_TEMPLATES, TEMPLATES, UNSEEN_TEMPLATES
from filters.phi import find
from tests.data import DATA

NOTES = 300
_SLOT = re.compile(r"\{(\w+)\}")

_DISEASES = [
    "Crohn's disease",
    "Parkinson's disease",
    "Graves' disease",
    "Hodgkin lymphoma",
    "Wilson disease",
    "Addison's disease",
    "Sjögren syndrome",
]
_DRUGS = [
    "Metoprolol 25 mg twice daily",
    "Coumadin 5 mg",
    "Lisinopril 10/12.5 mg",
    "Augmentin 875/125 mg",
    "insulin glargine 12 units",
]
_RELATIVES = ["his wife", "her husband", "his daughter", "her son", "his brother", "her sister"]


@dataclass(frozen=True)
class Plant:
    start: int
    end: int
    kind: str
    group: str


def note(rng: random.Random, templates: list[str]) -> tuple[str, list[Plant]]:
    """One note and what is planted in it."""
    culture = rng.choice(list(lists.NAMES))
    first, last = rng.choice(lists.NAMES[culture])
    pieces: list[str] = []
    plants: list[Plant] = []
    length = 0

    def put(text: str, kind: str = "", group: str = "") -> None:
        nonlocal length
        if kind:
            plants.append(Plant(length, length + len(text), kind, group))
        pieces.append(text)
        length += len(text)

    def grouped(kind: str, table: dict[str, list[str]]) -> None:
        group = rng.choice(list(table))
        put(rng.choice(table[group]), kind, group)

    def labelled() -> None:
        group = rng.choice(list(lists.IDS))
        value = rng.choice(lists.IDS[group])
        number = re.search(r"(?:(?<=[ #])|^)(?=\S*\d)\S.*$", value)
        assert number is not None
        put(value[: number.start()])
        put(number[0], "id", group)

    def other(form: str) -> None:
        group = rng.choice(list(lists.NAMES))
        given, family = rng.choice(lists.NAMES[group])
        bare = form.startswith("bare")
        put(
            {"full": f"{given} {family}", "first": given, "bare": f"{given} {family}"}.get(form, family),
            "bare name" if bare else "name",
            group,
        )

    fill: dict[str, Callable[[], None]] = {
        "full": lambda: put(f"{first} {last}", "name", culture),
        "comma": lambda: put(f"{last}, {first}", "name", culture),
        "first": lambda: put(first, "name", culture),
        "last": lambda: put(last, "name", culture),
        "last1": lambda: put(last, "name", culture),
        "again": lambda: put(last, "name", culture),
        "full2": lambda: other("full"),
        "full3": lambda: other("full"),
        "first2": lambda: other("first"),
        "last2": lambda: other("last"),
        "last3": lambda: other("last"),
        "bare": lambda: other("bare"),
        "barelast": lambda: other("barelast"),
        "birth": lambda: grouped("date", lists.BIRTHS),
        "date": lambda: grouped("date", lists.DATES),
        "address": lambda: grouped("address", lists.ADDRESSES),
        "phone": lambda: grouped("phone", lists.PHONES),
        "email": lambda: put(rng.choice(lists.EMAILS), "email", "e-mail"),
        "url": lambda: put(rng.choice(lists.URLS), "url", "URL"),
        "id": labelled,
        "age": lambda: put(rng.choice(lists.AGES), "age", "over 89"),
        "title": lambda: put(rng.choice(["Mr.", "Mrs.", "Ms.", "Mr", "Ms"])),
        "sex": lambda: put(rng.choice(["man", "woman"])),
        "pron": lambda: put(rng.choice(["him", "her"])),
        "relative": lambda: put(rng.choice(_RELATIVES)),
        "relative1": lambda: put(rng.choice(["her son", "his wife", "her daughter", "his brother"])),
        "disease": lambda: put(rng.choice(_DISEASES)),
        "drug": lambda: put(rng.choice(_DRUGS)),
    }
    template, at = rng.choice(templates), 0
    for slot in _SLOT.finditer(template):
        put(template[at : slot.start()])
        fill[slot[1]]()
        at = slot.end()
    put(template[at:])
    return "".join(pieces), plants


def recall(count: int, seed: int, templates: list[str]) -> dict[str, Any]:
    """Found among planted, by kind, form and culture; spans that touch no plant."""
    rng = random.Random(seed)
    planted: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    missed: dict[str, list[str]] = defaultdict(list)
    wrong: list[str] = []
    for _ in range(count):
        text, plants = note(rng, templates)
        spans = find(text)
        covered = {at for span in spans for at in range(span.start, span.end)}
        for plant in plants:
            planted[plant.kind, plant.group] += 1
            # An age is its number: "91" of "91-year-old".
            wanted = {at for at in range(plant.start, plant.end) if text[at].isalnum()}
            if plant.kind == "age":
                wanted = {plant.start}
            if wanted <= covered:
                found[plant.kind, plant.group] += 1
            else:
                missed[plant.kind].append(_context(text, plant.start, plant.end))
        touched = {at for plant in plants for at in range(plant.start, plant.end)}
        wrong += [
            _context(text, span.start, span.end) for span in spans if not touched & set(range(span.start, span.end))
        ]
    kinds = sorted({kind for kind, _ in planted})
    with_context = [key for key in planted if key[0] != "bare name"]
    return {
        "notes": count,
        "planted": planted.total(),
        "recall": found.total() / planted.total(),
        "recall_without_bare_names": sum(found[key] for key in with_context)
        / sum(planted[key] for key in with_context),
        "by_kind": {kind: _rate(found, planted, [key for key in planted if key[0] == kind]) for kind in kinds},
        "by_group": {f"{kind}: {group}": _rate(found, planted, [(kind, group)]) for kind, group in sorted(planted)},
        "spans_that_touch_no_plant": len(wrong),
        "wrong": sorted(set(wrong))[:20],
        "missed": {kind: texts[:12] for kind, texts in sorted(missed.items())},
    }


def _rate(found: Counter[tuple[str, str]], planted: Counter[tuple[str, str]], keys: list[tuple[str, str]]) -> str:
    hits, all_ = sum(found[key] for key in keys), sum(planted[key] for key in keys)
    return f"{hits}/{all_} = {hits / all_:.3f}"


def real_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Source and text of every real passage, dialogue, note and question."""
    csv.field_size_limit(10**9)
    for line in (folder / "seeds" / "seed_passages.jsonl").open(encoding="utf-8"):
        yield "passages", json.loads(line)["text"]
    for name in ("train.csv", "valid.csv"):
        with (folder / "aci_bench" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield "aci_bench dialogues", row["dialogue"]
                yield "aci_bench notes", row["note"]
    for name in ("MTS-Dialog-TrainingSet.csv", "MTS-Dialog-ValidationSet.csv"):
        with (folder / "mts_dialog" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield "mts_dialog dialogues", row["dialogue"]
                yield "mts_dialog notes", row["section_text"]
    for line in (folder / "medqa_us_4opt" / "test.jsonl").open(encoding="utf-8"):
        yield "medqa questions", json.loads(line)["question"]
    for line in (folder / "medmcqa" / "dev.json").open(encoding="utf-8"):
        row = json.loads(line)
        yield "medmcqa questions", f"{row['question']} {row.get('exp') or ''}"


def alarms(folder: Path, out: Path | None) -> dict[str, Any]:
    """Spans found in real texts, by source and kind."""
    texts: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    spans: dict[str, Counter[str]] = defaultdict(Counter)
    lines: list[str] = []
    characters, began = 0, time.process_time()
    for source, text in real_texts(folder):
        texts[source] += 1
        characters += len(text)
        found = find(text)
        hit[source] += bool(found)
        for span in found:
            spans[source][span.kind] += 1
            lines.append(f"{source}\t{span.kind}\t{_context(text, span.start, span.end)}")
    if out is not None:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    seconds = time.process_time() - began
    return {
        "by_source": {
            source: {
                "texts": texts[source],
                "texts_with_a_span_per_100": round(100 * hit[source] / texts[source], 2),
                "spans_per_100_texts": {kind: round(100 * n / texts[source], 2) for kind, n in spans[source].items()},
                "spans": dict(spans[source]),
            }
            for source in texts
        },
        "cpu_us_per_kilobyte": round(seconds / characters * 1e9),
    }


def _context(text: str, start: int, end: int) -> str:
    return " ".join(f"{text[max(0, start - 60) : start]}<<{text[start:end]}>>{text[end : end + 60]}".split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alarms", type=Path, help="write every span found in real texts to this file, in context")
    parser.add_argument("--notes", type=int, default=NOTES)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    result: dict[str, Any] = {
        "planted": recall(args.notes, args.seed, TEMPLATES),
        "planted_later": recall(args.notes, args.seed, LATER_TEMPLATES),
        "planted_unseen": recall(args.notes, args.seed, UNSEEN_TEMPLATES),
    }
    if DATA.is_dir():
        result["real"] = alarms(DATA, args.alarms)
    save("phi", result)


if __name__ == "__main__":
    main()
