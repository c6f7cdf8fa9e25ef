"""How many planted mistakes in dialogues are flagged, and how often clean dialogues are.

    python -m benchmarks.dialogue_flags               # all sets, about a minute and a half
    python -m benchmarks.dialogue_flags --set first --misses
    python -m benchmarks.dialogue_flags --overlap     # planted words that stand in filters/data; plays nothing

The dialogues of :mod:`benchmarks.plants` are played through ``python -m synth.generate`` over HTTP, and the
``evidence`` of the rows that come out is compared with what was planted. A plant is found when its flag is raised
within one turn of its place; a dialogue that was rejected for that very reason (a refusal) counts as found, one
rejected for another as missed. A false alarm is a dialogue with a flag that was neither planted in it nor named as
possible there. What the screen for identifying details finds (``phi``) counts as ``identifying_details``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import save
from benchmarks.plants import FLAGS, HERE, SETS, Script, all_scripts
from benchmarks.scripted import play_all, seed_id

NEAR = 1
"""Turns by which the place of a flag may be off."""
SAME = {"phi": "identifying_details"}
"""Flags of other checks that say the same."""
DATA = HERE.parents[1] / "filters" / "data"
SHORTEST_PHRASE = 3
"""Words of a planted phrase that is looked for."""


def outcomes(run: Path) -> dict[str, dict[str, Any]]:
    """By seed id: the evidence of a dialogue's row, its turns, and why it was rejected (None for an exported row)."""
    import pyarrow.parquet as pq

    found: dict[str, dict[str, Any]] = {}
    for path in sorted((run / "export" / "dialogue").glob("*.parquet")):
        for row in pq.read_table(path, columns=["seed_id", "evidence", "turns"]).to_pylist():
            found[row["seed_id"]] = {"evidence": _named(row), "turns": row["turns"], "rejected": None}
    for path in sorted((run / "rejected").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            if row["kind"] == "dialogue":
                lost = {"evidence": _named(row), "turns": [], "rejected": row["reason"]}
                found.setdefault(row["seed_id"], lost)
    return found


def _named(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The evidence of a row under the names of :data:`FLAGS`."""
    return [{**piece, "flag": SAME.get(piece["flag"], piece["flag"])} for piece in row["evidence"] or []]


def is_found(script: Script, outcome: dict[str, Any]) -> bool:
    """Whether the planted flag was raised at its place, or the dialogue rejected for it."""
    if outcome["rejected"] is not None:
        return bool(outcome["rejected"] == script.flag)
    return any(_is_at(piece, script) for piece in outcome["evidence"])


def _is_at(piece: dict[str, Any], script: Script) -> bool:
    place = piece["turn"]
    return piece["flag"] == script.flag and place is not None and abs(place - (script.due or 0)) <= NEAR


def alarms(script: Script, outcome: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first piece of evidence of each flag that does not belong to this dialogue."""
    seen: set[str] = {script.flag or "", *script.also}
    for piece in outcome["evidence"]:
        if piece["flag"] in FLAGS and piece["flag"] not in seen:
            seen.add(piece["flag"])
            yield piece


def table(scripts: list[Script], played: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Counts, recall and precision by flag, and in total."""
    empty = {"planted": 0, "found": 0, "missed": 0, "false_alarms": 0, "false_alarms_on_clean": 0}
    counts = {flag: dict(empty) for flag in (*FLAGS, "total")}
    for n, script in enumerate(scripts):
        outcome = played[seed_id(n)]
        for name in (script.flag, "total") if script.flag else ():
            counts[name]["planted"] += 1
            counts[name]["found" if is_found(script, outcome) else "missed"] += 1
        for piece in alarms(script, outcome):
            for name in (piece["flag"], "total"):
                counts[name]["false_alarms"] += 1
                counts[name]["false_alarms_on_clean"] += script.flag is None
    return {name: {**row, **_rates(row)} for name, row in counts.items()}


def _rates(row: dict[str, int]) -> dict[str, float | None]:
    raised = row["found"] + row["false_alarms"]
    return {
        "recall": round(row["found"] / row["planted"], 3) if row["planted"] else None,
        "precision": round(row["found"] / raised, 3) if raised else None,
    }


def show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    heads = ("planted", "found", "missed", "false", "on clean", "recall", "precision")
    print(f"\n{title}\n{'flag':28}" + "".join(f"{head:>10}" for head in heads))
    for name, row in rows.items():
        cells = [row[key] for key in ("planted", "found", "missed", "false_alarms", "false_alarms_on_clean")]
        cells += [f"{row[key]:.2f}" if row[key] is not None else "-" for key in ("recall", "precision")]
        print(f"{name:28}" + "".join(f"{cell:>10}" for cell in cells))


def show_misses(scripts: list[Script], played: dict[str, dict[str, Any]]) -> None:
    """Print each miss and each false alarm with its words."""
    for n, script in enumerate(scripts):
        outcome = played[seed_id(n)]
        if script.flag and not is_found(script, outcome):
            why = f" (rejected: {outcome['rejected']})" if outcome["rejected"] else ""
            print(f"missed       {script.id}, turn {script.due}{why}: {script.planted}")
        for piece in alarms(script, outcome):
            print(
                f"false alarm  {script.id}, turn {piece['turn']}: {piece['flag']}: {piece['text']} [{piece['fact']}]"
            )


def overlap(scripts: list[Script]) -> dict[str, Any]:
    """Planted invented medicines, and planted phrases, that stand verbatim in a file of ``filters/data``."""
    texts = {path.relative_to(DATA).as_posix(): _text(path) for path in sorted(DATA.rglob("*")) if path.is_file()}
    names = {name for s in scripts if s.flag == "unknown_drug" for name in _new_words(s, scripts)}
    phrases = {part for s in scripts if s.flag for part in _phrases(s.planted)}

    def standing(wanted: set[str]) -> dict[str, list[str]]:
        places = {word: [name for name, text in texts.items() if f" {word} " in text] for word in sorted(wanted)}
        return {word: files for word, files in places.items() if files}

    return {
        "files": sorted(texts),
        "invented_medicines": {"looked_for": sorted(names), "found": standing(names)},
        "phrases": {"looked_for": len(phrases), "found": standing(phrases)},
    }


def _text(path: Path) -> str:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return f" {_plain(raw.decode('utf-8', 'ignore'))} "


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _new_words(script: Script, scripts: list[Script]) -> set[str]:
    """Words of a plant that no clean dialogue holds: the invented names."""
    clean = {word for s in scripts if s.flag is None for line in s.lines for word in _plain(line.text).split()}
    return {word for word in _plain(script.planted).split() if word not in clean and len(word) > 4}


def _phrases(text: str) -> Iterator[str]:
    """The clauses of a plant, as plain words, that are long enough to be no chance."""
    for clause in re.split(r"[.,;:?!]", text):
        plain = _plain(clause)
        if len(plain.split()) >= SHORTEST_PHRASE:
            yield plain


def main() -> None:
    """Play, compare, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, help="all when left out")
    parser.add_argument("--misses", action="store_true", help="print each miss and each false alarm")
    parser.add_argument("--overlap", action="store_true", help="print planted words that stand in filters/data")
    arguments = parser.parse_args()
    sets = (arguments.set,) if arguments.set else SETS
    scripts = list(all_scripts(sets))
    if arguments.overlap:
        print(json.dumps(overlap(scripts), indent=2, ensure_ascii=False))
        return
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for which in sets:
            chosen = [script for script in scripts if script.set == which]
            began = time.monotonic()
            played = outcomes(play_all(chosen, Path(folder) / which))
            seconds = round(time.monotonic() - began, 1)
            rows = table(chosen, played)
            rejected = sum(outcome["rejected"] is not None for outcome in played.values())
            clean = sum(script.flag is None for script in chosen)
            show(f"set {which}: {len(chosen)} dialogues, {clean} of them clean, {rejected} rejected", rows)
            if arguments.misses:
                show_misses(chosen, played)
            dialogues = {"dialogues": len(chosen), "clean": clean, "rejected": rejected, "seconds": seconds}
            result[which] = {**dialogues, "flags": rows}
    save("dialogue_flags" if len(sets) > 1 else f"dialogue_flags_{sets[0]}", result)


if __name__ == "__main__":
    main()
