"""Scripted consultations through the real command: a server that plays given dialogues, role by role.

The server is :mod:`synth.fault_server` with replies of ours. Which dialogue and turn a request is about follows from
its ``seed``, which depends on the seed's id, the step and its part alone; each role has a model name of its own, and a
request whose model and turn do not go together is counted as unknown. Where the recipe allows the doctor nothing but a
diagnosis the script's last turn is given at once. Judges give plain good grades, and every other question gets a reply
that is valid for its schema. Nothing is checked here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.plants import Script
from synth.ask import seeded
from synth.fault_options import FaultOptions
from synth.fault_server import FaultServer, serving
from synth.schema_values import value_for

ROLES = ("generator", "doctor", "patient", "judge")
ROLE_OF = {"case": "generator", "doctor": "doctor", "patient": "patient"}
RUN_SEED = 11
REASKS = 1
MAX_TURNS = 16
SPEC = """
name: scripted
seed: {seed}
license: cc-by-4.0
reasks: {reasks}
seeds: {{source: {seeds}}}
models:
{models}
produce:
  dialogues: {{per_seed: 1, max_turns: {turns}}}
filters: {{dedup: null}}
budget: {{requests: 1000000000, tokens: 1000000000000}}
max_failed: 1.0
"""


@dataclass(slots=True)
class Play:
    """The replies for a list of scripts; the seed of script ``n`` is ``seed-000n``."""

    scripts: Sequence[Script]
    unknown: Counter[str] = field(default_factory=Counter)
    """Requests of a scripted role whose turn was not recognised, by model name: there should be none."""
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """Monotonic seconds and ``seed`` of every request."""
    _places: dict[int, tuple[int, str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [("case", 0), *((f"{who}/0/{k}", k) for who in ("doctor", "patient") for k in range(MAX_TURNS + 1))]
        for n in range(len(self.scripts)):
            for reask in range(REASKS + 1):
                for name, k in names:
                    seed = seeded(RUN_SEED, seed_id(n), name, 0, reask).getrandbits(31)
                    self._places[seed] = (n, name.split("/")[0], k)

    def reply(self, body: dict[str, Any]) -> str | None:
        """What the model says to a request; None leaves it to the fault server."""
        number = body.get("seed", -1)
        self.arrivals.append((time.monotonic(), number))
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        properties = schema.get("properties", {})
        role, place = body["model"].removeprefix("scripted-"), self._places.get(number)
        if place is None or role not in ("generator", ROLE_OF[place[1]]):
            self.unknown[role] += role not in ("generator", "judge") or "say" in properties
            return _judged(schema, properties)
        script, step, turn = self.scripts[place[0]], place[1], place[2]
        if step == "case":
            drawn = value_for(schema, Random(place[0]))
            return json.dumps({name: script.card.get(name, value) for name, value in drawn.items()})
        return json.dumps(_doctor(script, turn, properties) if step == "doctor" else _patient(script, turn))


def seed_id(n: int) -> str:
    """Id of the seed that plays script ``n``."""
    return f"seed-{n:04d}"


def _judged(schema: dict[str, Any], properties: dict[str, Any]) -> str | None:
    """Good grades, and yes where that is asked; None for any other question."""
    good = {"quality": 8, "complexity": 6, "relevance": 6, "verdict": "yes"}
    if not properties or not set(properties) & set(good):
        return None
    return json.dumps({name: good.get(name, value) for name, value in value_for(schema, Random(1)).items()})


def _doctor(script: Script, turn: int, properties: dict[str, Any]) -> dict[str, Any]:
    spoken = [line for line in script.lines if line.action != "P"]
    allowed = _actions(properties)
    line = spoken[min(turn, len(spoken)) - 1]
    if allowed and line.action not in allowed:
        line = spoken[-1]
    argument = script.card["diagnosis"] if line.action == "diagnose" else line.argument
    names = [script.card["diagnosis"], *script.card["differential"]][:3]
    return {
        "thought": f"{' or '.join(names[1:] or names)} would also fit; next: {line.action} {argument}.",
        "differential": [{"diagnosis": d, "probability": p} for d, p in zip(names, (0.5, 0.3, 0.2), strict=False)],
        "action": line.action,
        "argument": argument,
        "say": line.text,
    }


def _actions(properties: dict[str, Any]) -> list[str]:
    action = properties.get("action", {})
    return list(action.get("enum", [action["const"]] if "const" in action else []))


def _patient(script: Script, turn: int) -> dict[str, str]:
    """The patient's words after the doctor's turn ``turn``; 0 is the opening."""
    if turn == 0:
        return {"say": script.lines[0].text}
    doctor = [n for n, line in enumerate(script.lines) if line.action != "P"][turn - 1]
    return {"say": script.lines[doctor + 1].text}


def write_inputs(folder: Path, scripts: Sequence[Script], url: str, roles: Sequence[str] = ROLES) -> Path:
    """The seeds and the spec of a run, 64 requests in flight for each of ``roles``; returns the spec's path.

    Roles that are left out fall back to the generator and share its window.
    """
    seeds = folder / "seeds.jsonl"
    with seeds.open("w", encoding="utf-8") as file:
        for n, script in enumerate(scripts):
            text = f"Note {n}: how {script.card['diagnosis']} is found and treated in practice."
            file.write(json.dumps({"id": seed_id(n), "text": text, "license": "cc-by-4.0"}) + "\n")
    model = '  {role}: {{engine: openai, base_url: "{url}", model: scripted-{role}, max_in_flight: 64}}'
    models = "\n".join(model.format(role=role, url=url) for role in roles)
    spec = folder / "spec.yaml"
    text = SPEC.format(seed=RUN_SEED, reasks=REASKS, seeds=seeds, models=models, turns=MAX_TURNS)
    spec.write_text(text, encoding="utf-8")
    return spec


def server(play: Play, latency_ms: float = 0.0) -> Any:
    """A context manager: the server for a play, in a thread."""
    names = tuple(f"scripted-{role}" for role in ROLES)
    return serving(FaultOptions(models=names, latency_ms=latency_ms, reply=play.reply))


def play_all(scripts: Sequence[Script], folder: Path) -> Path:
    """Play the scripts through ``python -m synth.generate``; returns the run folder.

    Raises:
        SystemExit: the command failed, or asked something of a scripted role that no script answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    play, run = Play(scripts), folder / "run"
    running: FaultServer
    with server(play) as running:
        spec = write_inputs(folder, scripts, running.url)
        command = [sys.executable, "-m", "synth.generate", "--spec", str(spec), "--out", str(run)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"synth.generate ended with exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    if play.unknown.total():
        sys.exit(f"requests that no script answers: {dict(play.unknown)}")
    return run
