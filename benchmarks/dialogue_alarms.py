"""How often the dialogue checks that need no card speak up on dialogues of real or role-played visits.

    python -m benchmarks.dialogue_alarms                       # both corpora, about half a minute
    python -m benchmarks.dialogue_alarms --show role_slip      # twenty findings of a flag, drawn with a fixed seed

Corpora: MTS-Dialog training set (parts of visits, "Doctor:"/"Patient:") and ACI-Bench train ("[doctor]"/"[patient]"),
under the folder that CLINSYNTH_DATA names. There is no card, so flags that need one cannot come. A finding is no false
alarm yet: real doctors repeat questions, know the chart and say their findings aloud; ``--show`` gives twenty to read.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.common import save
from filters.consultation_checks import FLAGS, check_consultation
from tests.data import DATA

SHOWN = 20
_LABEL = re.compile(r"^\s*(?:\[(?P<aci>[\w ]+)\]|(?P<mts>[A-Z][\w ]{2,20}?)\s*:)\s*(?P<text>.*)$")
_NEEDS_CARD = ("diagnosis_named_by_patient", "answer_contradicts_case", "result_without_examination")


def main() -> None:
    """Count, save, or show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", choices=FLAGS)
    show = parser.parse_args().show
    corpora = {
        "mts_dialog": dialogues(DATA / "mts_dialog" / "MTS-Dialog-TrainingSet.csv"),
        "aci_bench": dialogues(DATA / "aci_bench" / "train.csv"),
    }
    if show:
        _show(show, corpora)
        return
    counts, turns, began = {}, 0, time.process_time()
    for name, talks in corpora.items():
        found = Counter(flag for talk in talks for flag in {item["flag"] for item in check_consultation(talk, {})})
        counts[name] = {flag: round(100 * found[flag] / len(talks), 2) for flag in FLAGS if flag not in _NEEDS_CARD}
        turns += sum(map(len, talks))
    seconds = time.process_time() - began
    result: dict[str, Any] = {
        "dialogues": {name: len(talks) for name, talks in corpora.items()},
        "dialogues_with_alarm_per_100": counts,
        "not_applicable_without_card": list(_NEEDS_CARD),
        "ms_per_turn": round(1000 * seconds / turns, 3),
    }
    save("dialogue_alarms", result)


def dialogues(path: Path) -> list[list[dict[str, Any]]]:
    """The dialogues of a corpus as turns; guests count as the side they speak for."""
    with path.open(encoding="utf-8", newline="") as file:
        return [turns(row["dialogue"]) for row in csv.DictReader(file)]


def turns(text: str) -> list[dict[str, Any]]:
    """Turns of labelled lines; a line without a label goes on the turn before it."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        match = _LABEL.match(line)
        if match:
            speaker = (match["aci"] or match["mts"]).lower()
            side = "doctor" if re.search(r"do[ct]{2}or|docotr|clinic", speaker) else "patient"
            found.append({"speaker": side, "text": match["text"].strip()})
        elif found and line.strip():
            found[-1]["text"] += " " + line.strip()
    return found


def _show(flag: str, corpora: dict[str, list[list[dict[str, Any]]]]) -> None:
    hits: dict[str, list[str]] = defaultdict(list)
    for name, talks in corpora.items():
        for number, talk in enumerate(talks):
            for item in check_consultation(talk, {}):
                if item["flag"] == flag:
                    before = talk[item["turn"] - 1]["text"][-120:] if item["turn"] else ""
                    speaker = talk[item["turn"]]["speaker"]
                    place = f"{name}:{number}:{item['turn']} …{before}"
                    hits[name].append(f"{place}\n   {speaker}: {item['text']}  <{item['fact']}>")
    every = [hit for found in hits.values() for hit in found]
    for hit in random.Random(0).sample(every, min(SHOWN, len(every))):
        print(hit)


if __name__ == "__main__":
    main()
