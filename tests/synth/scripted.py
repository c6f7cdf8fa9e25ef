"""Whole runs against a real server whose replies are scripted by step, and what every such run must hold to.

A script is a function from a step's request to a reply, so replies depend on the request's body alone, as the run's
replay needs it. Each passage is about a topic of its own (``topic-…``), which the default replies hand on: by it a
script can tell seeds apart in any request.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
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
from synth.steps import STEPS
from synth.templates import Templates

MODELS = {
    "generator": "writer-1",
    "reasoner": "thinker-1",
    "judge": "judge-1",
    "doctor": "doctor-1",
    "patient": "patient-1",
}
ALL_ORIGINS = ["reasoning_over_answer", "reward", "dialogue_outcome"]


@lru_cache(maxsize=1)
def _openings() -> dict[str, str]:
    """How the system message of each step begins, up to its first variable; no two begin alike."""
    templates = Templates()
    openings = {}
    for step in STEPS:
        source = templates.load(STEPS[step].template, STEPS[step].variables).path.read_text("utf-8")
        openings[source.split("{% block system %}")[1].split("{")[0].strip()] = step
    assert len(openings) == len(STEPS)
    assert not any(one != other and other.startswith(one) for one in openings for other in openings)
    return openings


def step_of(messages: Sequence[Mapping[str, str]]) -> str:
    """The step that these messages were rendered for."""
    (step,) = (step for opening, step in _openings().items() if messages[0]["content"].startswith(opening))
    return step


@dataclass(frozen=True)
class Asked:
    """One request as the server got it."""

    body: dict[str, Any]

    @property
    def step(self) -> str:
        return step_of(self.body["messages"])

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def text(self) -> str:
        """Everything that the model is shown."""
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = self.body["response_format"]["json_schema"]["schema"]
        return schema

    @property
    def actions(self) -> list[str]:
        """What is open to the doctor."""
        action = self.schema["properties"]["action"]
        return list(action.get("enum") or [action["const"]])

    @property
    def turn(self) -> int:
        """How often the doctor has spoken."""
        return len(re.findall(r"^Doctor: ", self.user, re.MULTILINE))

    @property
    def topic(self) -> str:
        found = re.search(r"topic-\w+", self.text)
        return found.group() if found else "topic-none"

    @property
    def seed(self) -> int:
        """The sampling seed: differs between samples of the same question."""
        return int(self.body["seed"])


Handler = Callable[[Asked], Any]


def score(quality: int = 6, difficulty: int = 5, relevance: int = 6, details: bool = False) -> dict[str, int | bool]:
    return {
        "quality": quality,
        "difficulty": difficulty,
        "relevance_to_medicine": relevance,
        "mention_specific_details": details,
    }


def grade(quality: int = 7, complexity: int = 5, relevance: int = 6) -> dict[str, int]:
    return {"quality": quality, "complexity": complexity, "relevance": relevance}


def case(topic: str = "topic-none", **changes: Any) -> dict[str, Any]:
    return {
        "subject": "illness",
        "age": 54,
        "sex": "female",
        "complaint": f"I do not feel well since {topic} began.",
        "diagnosis": "Stable angina",
        "differential": ["Reflux disease"],
        "history": ["It began two months ago."],
        "medication": ["ramipril"],
        "allergies": [],
        "findings": ["Blood pressure: 150/90 mmHg"],
        "tests": ["Resting ECG: no changes"],
        "red_flags": [],
    } | changes


def doctor(action: str, argument: str, say: str, *differential: tuple[str, float]) -> dict[str, Any]:
    suspicions = differential or (("Stable angina", 0.5), ("Reflux disease", 0.5))
    return {
        "thought": f"I should {action} about {argument}.",
        "differential": [{"diagnosis": name, "probability": share} for name, share in suspicions],
        "action": action,
        "argument": argument,
        "say": say,
    }


PLAN = (
    doctor("ask", "onset", "When did it begin?"),
    doctor("examine", "blood pressure", "Let me take your blood pressure."),
    doctor("test", "ECG", "I would like to record an ECG."),
)


def consultation(asked: Asked) -> dict[str, Any]:
    """Asks, examines, tests, then names the right diagnosis; a wrong one where it must close at once."""
    if asked.actions == ["diagnose"]:
        return doctor("diagnose", "Reflux disease", "This looks like reflux. Avoid late meals.")
    if asked.turn < len(PLAN):
        return PLAN[asked.turn]
    return doctor("diagnose", "stable angina", "This is stable angina. Call for help if pain comes at rest.")


def _questions(asked: Asked) -> dict[str, list[str]]:
    forms = ("How is {} treated in adults?", "Why does {} come back so often?", "Who is at risk of {} and why?")
    count = asked.schema["properties"]["questions"]["maxItems"]
    return {"questions": [form.format(asked.topic) for form in forms[:count]]}


def _answers(asked: Asked) -> dict[str, list[str]]:
    count = asked.schema["properties"]["answers"]["maxItems"]
    return {"answers": [f"Answer {n} about {asked.topic} says what to do." for n in range(count)]}


DEFAULTS: dict[str, Handler] = {
    "department": lambda asked: {"department": "Cardiology"},
    "questions": _questions,
    "score": lambda asked: score(8 if "How is" in asked.user else 6),
    "answers": _answers,
    "reward": lambda asked: grade(8 if "Answer 1" in asked.user else 6),
    "reasoning": lambda asked: (
        f"<think>\nFirst I weigh {asked.topic} in draft {asked.seed}. Wait, I look again.\n</think>\n\n"
        f"The conclusion about {asked.topic} of draft {asked.seed}."
    ),
    "recover": lambda asked: {"answer": "The same conclusion."},
    "agree": lambda asked: {"verdict": "yes"},
    "case": lambda asked: case(asked.topic),
    "patient": lambda asked: {"say": f"With {asked.topic} I feel the same after {asked.turn} of your turns."},
    "doctor": consultation,
    "diagnosis": lambda asked: {"verdict": "no"},
    "judge_dialogue": lambda asked: grade(7),
    "judge_turn": lambda asked: grade(8 if "stable angina" in asked.user else 4),
}


class Script:
    """The server's ``reply`` hook: a handler by step, the defaults for the rest; remembers what was served."""

    def __init__(self, **handlers: Handler | object) -> None:
        """A handler gives an object (sent as JSON) or a text; anything else is what it always gives."""
        unknown = set(handlers) - set(STEPS)
        assert not unknown, unknown
        self._handlers: dict[str, Any] = DEFAULTS | handlers
        self.served: list[Asked] = []

    def __call__(self, body: dict[str, Any]) -> str:
        asked = Asked(body)
        self.served.append(asked)
        handler = self._handlers[asked.step]
        given = handler(asked) if callable(handler) else handler
        return given if isinstance(given, str) else json.dumps(given)

    def steps(self) -> Counter[str]:
        """How often each step was asked."""
        return Counter(asked.step for asked in self.served)


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
    **spec: Any,
) -> Played:
    """Run the spec on one passage for each topic (its seed id, too) in ``folder``, and check what must always hold.

    The same folder again resumes. ``server``: options of the fault server; ``spec``: top-level keys of the spec.
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
            "models": {role: remote | {"model": model} for role, model in MODELS.items()},
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
    assert (row["source"], row["source_license"]) == ("Book", "cc0-1.0")
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
