"""Whole runs against a real server with scripted replies, and what every such run must hold to."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Entry, Journal
from synth.progress import Progress
from synth.recipes.slots import BYPRODUCTS
from synth.rows import KINDS
from synth.run import Finished, Run, journal_path, stage_path
from synth.seeds import read_seeds
from synth.setup import Setup, prepare
from synth.staging import read_stage
from tests.synth.scripted import MODELS, Asked, Script, score

ALL_ORIGINS = ["reasoning_over_answer", "reward", "dialogue_outcome"]
ANSWERS: dict[str, Any] = {"questions": {}, "answers": {}}
HARD: dict[str, Any] = {"difficulty_above": 8}
REASONING: dict[str, Any] = {"questions": {}, "reasoning": HARD}
BOTH: dict[str, Any] = {"questions": {}, "answers": {}, "reasoning": HARD}
EVERYTHING: dict[str, Any] = {
    "questions": {},
    "answers": {},
    "reasoning": {"hardest": 0.4, "verify": True},
    "dialogues": {"max_turns": 4, "rubric": {"criteria": 2, "written": 1}},
    "preferences": {"from": ALL_ORIGINS},
}


def pairs_from(*origins: str) -> dict[str, Any]:
    return {"preferences": {"from": list(origins)}}


def hard(*topics: str) -> Callable[[Asked], Any]:
    """Questions about these topics are judged more difficult than 8; the first question of each passage is better."""
    return lambda asked: score(8 if "How is" in asked.user else 6, 9 if asked.topic in topics else 8)


def seed_ids(played: Played, kind: str) -> list[str]:
    return [row["seed_id"] for row in played.rows[kind]]


class Quiet(Progress):
    """Keeps what the user would be told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@dataclass
class Played:
    """What a run left."""

    setup: Setup
    finished: Finished
    rows: dict[str, list[dict[str, Any]]]
    rejected: list[dict[str, Any]]
    entries: dict[str, Entry]
    """Of the journals, by key, with their requests."""
    said: list[str]
    hits: int
    """Requests that the server got."""
    replayed: Counter[str] = field(default_factory=Counter)

    def asked(self, step: str, seed_id: str | None = None) -> list[tuple[Entry, str]]:
        """Journalled questions of a step, in order of their names, with all that the model was shown."""
        found = [
            entry
            for entry in self.entries.values()
            if entry.step.partition("/")[0] == step and seed_id in (None, entry.seed_id)
        ]
        found.sort(key=lambda e: (e.seed_id, [(len(p), p) for p in e.step.split("/")], e.sample, e.reask))
        return [(entry, "\n".join(m["content"] for m in entry.request["messages"])) for entry in found]

    def why(self, kind: str, seed_id: str | None = None) -> list[tuple[str, str]]:
        """(step, reason) of everything of this kind that did not make it."""
        return [
            (r["step"], r["reason"]) for r in self.rejected if r["kind"] == kind and seed_id in (None, r["seed_id"])
        ]


async def play(
    folder: Path,
    script: Script,
    produce: Mapping[str, Any],
    topics: Sequence[str] = ("topic-one",),
    *,
    server: Mapping[str, Any] | None = None,
    reward: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Played:
    """Run the spec on one passage for each topic (its seed id, too) in ``folder``, and check what must always hold.

    The same folder again resumes. ``server``: options of the fault server; ``reward``: the spec's reward model;
    ``spec``: top-level keys of the spec.
    """
    folder.mkdir(exist_ok=True)
    seeds = [{"id": t, "text": f"PASSAGEMARK A text on {t}.", "license": "cc0-1.0", "source": "Book"} for t in topics]
    (folder / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in seeds), "utf-8")
    options: dict[str, Any] = {"reply": script, "models": tuple(MODELS.values())} | dict(server or {})
    async with FaultServer(FaultOptions(**options)) as running:
        remote = {"engine": "openai", "base_url": running.url, "retries": 0}
        base = {
            "name": "scripted",
            "seed": 7,
            "license": "cc-by-4.0",
            "seeds": {"source": "seeds.jsonl"},
            "models": {role: remote | {"model": model} for role, model in MODELS.items()}
            | ({"reward": dict(reward)} if reward else {}),
            "produce": dict(produce),
        }
        (folder / "spec.yaml").write_text(json.dumps(base | spec), "utf-8")
        setup = prepare(str(folder / "spec.yaml"), folder / "run")
        progress = Quiet()
        run = Run(setup, progress, shards=list(range(setup.shards)), retry_failed=False)
        finished = await run.execute()
        hits = running.stats()["hits"]
    played = Played(setup, finished, {}, [], await _entries(setup), progress.said, hits, progress.replayed_by)
    if finished.error is None:
        stages = [stage_path(setup.run, shard) for shard in range(setup.shards)]
        found = {
            kind: [row for stage in stages for batch in read_stage(stage, kind) for row in batch.to_pylist()]
            for kind in (*KINDS, "rejected")
        }
        played.rejected = found.pop("rejected")
        played.rows = found
        check(played)
    return played


async def _entries(setup: Setup) -> dict[str, Entry]:
    found = {}
    ids = [seed.id for seed in read_seeds(setup.spec.seeds)]
    for shard in range(setup.shards):
        if not journal_path(setup.run, shard).exists():
            continue
        journal = Journal(journal_path(setup.run, shard))
        for slot in journal.slots(ids):
            entry = journal.get(slot.key)
            assert entry is not None
            found[slot.key] = replace(entry, request=journal.request_of(slot.key) or {})
        await journal.close()
    return found


def check(played: Played) -> None:
    """What holds for every finished run: the identity, reasons, provenance and the shape of each row."""
    planned = played.setup.planned()
    for kind in KINDS:
        lost = Counter(r["status"] for r in played.rejected if r["kind"] == kind)
        assert planned[kind] == len(played.rows[kind]) + lost["rejected"] + lost["failed"], kind
    for rejection in played.rejected:
        assert rejection["step"], rejection
        assert re.fullmatch(r"[a-z_]+", rejection["reason"]), rejection
        assert rejection["kind"] in (*KINDS, *BYPRODUCTS)
    ids = [r["id"] for rows in (*played.rows.values(), played.rejected) for r in rows]
    assert len(set(ids)) == len(ids)
    for kind, rows in played.rows.items():
        for row in rows:
            _check_row(played, kind, row)


def _check_row(played: Played, kind: str, row: dict[str, Any]) -> None:
    calls = [played.entries[key] for key in row["calls"]]
    assert calls
    assert len(set(row["calls"])) == len(row["calls"])
    assert {entry.seed_id for entry in calls} == {row["seed_id"]}
    assert row["tokens_in"] == sum(entry.tokens_in for entry in calls)
    assert row["tokens_out"] == sum(entry.tokens_out for entry in calls)
    assert row["generator"] in {entry.model for entry in calls} - {"judge-1"}
    scores = (row["quality"], row["complexity"], row["relevance"])
    assert (row["judge"], *scores) == (None,) * 4 if "unscored" in row["flags"] else row["judge"] == "judge-1"
    records = {"items": ("medqa/items.jsonl", "mit"), "cases": ("agentclinic/train.jsonl", "mit")}
    origin = records.get(played.setup.spec.seeds.kind, ("Book", "cc0-1.0"))
    assert (row["source"], row["source_license"]) == origin
    assert row["language"] == played.setup.spec.language
    if kind == "preference":
        assert row["prompt"][-1]["role"] == "user"
        assert [len(row["chosen"]), len(row["rejected"])] == [1, 1]
        messages = [*row["prompt"], *row["chosen"]]
        assert [m["role"] for m in row["rejected"]] == ["assistant"]
        assert row["chosen"][0]["content"].strip() != row["rejected"][0]["content"].strip()
    else:
        messages = row["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert all(m["content"].strip() for m in messages)
