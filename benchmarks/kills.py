"""What ``kill -9`` costs: at random moments and at every named one, each followed by the same command.

    python -m benchmarks.kills                # about ten minutes

``python -m synth.generate`` runs a spec with every recipe against a server of ``LATENCY_MS``, up to 64 in flight, as
a process of its own. It is killed (``SIGKILL``, its whole process group) after a random share of the time that an
undisturbed run takes, start-up included, and started again until it ends by itself; then a new run folder begins,
until 50 processes were killed while they ran. Each failpoint of :mod:`synth.failpoints` gets a folder too: killed
there, started again. The floor is the undisturbed run: the same questions, the same bytes in ``export/`` and
``rejected/``.

Counted for each kill, when the server has come to rest: whole replies it gave to the process that died, less the
replies in that folder's journals. They were paid for and are gone; they must be no more than what may be in flight,
and the journals must name as many attempts whose end nobody knows.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.common import attempts, data_files, journalled, save, write_seeds
from synth.failpoints import POINTS, VARIABLE
from synth.fault_server import FaultOptions, FaultServer, serving

IN_FLIGHT = 64
LATENCY_MS = 150
OFTEN = ("intent", "reply", "commit")
"""Failpoints that each request passes: there runs die at the first and at the 25th pass, with others in flight. At
every other point one run dies at the first pass, one at the second, and so on until a run does not come so far."""
EXPORTING = ("export", "manifest", "rename", "exported")
"""Failpoints of the export: these folders hold an older export, of the first shard alone, that must make room."""
ELSEWHERE = ("batch",)
"""Failpoints that this spec does not come to: they belong to the Batch API."""
SHARD = 12
GIVE_UP = 300
"""Seconds after which a process that does not end counts as hung."""
SPEC = """
name: kills
seed: 7
license: cc-by-4.0
shard_size: {shard}
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model, max_in_flight: {limit}}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  reasoning: {{hardest: 0.5, trace: sections, verify: true}}
  dialogues: {{per_seed: 1, max_turns: 4}}
  preferences: {{from: [reasoning_over_answer, reward, dialogue_outcome]}}
filters: {{dedup: {{ngram: "word:1", questions: 0.15, rows: 0.4}}}}
export: {{validation: 0.3}}
"""


def agree(body: dict[str, Any]) -> str | None:
    """Every verdict is yes: the server's own are thrown dice and would leave hardly a chain to compare."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return '{"verdict": "yes"}' if list(schema.get("properties", ())) == ["verdict"] else None


OPTIONS = FaultOptions(latency_ms=LATENCY_MS, jitter=0.8, reply=agree)


class Folder:
    """A run folder, and the server that it asks."""

    def __init__(self, path: Path, seeds: Path, server: FaultServer) -> None:
        self.run, self.server = path / "run", server
        self.spec = path / "spec.yaml"
        path.mkdir()
        self.spec.write_text(SPEC.format(seeds=seeds, url=server.url, limit=IN_FLIGHT, shard=SHARD), encoding="utf-8")
        self.before = self.counts()

    def session(self, *options: str, kill_after: float | None = None, failpoint: str = "") -> tuple[int, float]:
        """Run the command until it ends or is killed; its exit code and the seconds it took."""
        command = [sys.executable, "-m", "synth.generate", "--spec", str(self.spec), "--out", str(self.run), *options]
        environment = {**os.environ, **({VARIABLE: failpoint} if failpoint else {})}
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            _, complaints = process.communicate(timeout=GIVE_UP if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if kill_after is None:
                sys.exit(f"{' '.join(command)} did not end within {GIVE_UP} s")
        else:
            if process.returncode not in (0, -signal.SIGKILL):
                sys.exit(f"{' '.join(command)} ended with {process.returncode}: {complaints.decode()[-500:]}")
        return process.returncode, time.monotonic() - began

    def counts(self) -> dict[str, int]:
        """What server and journals have counted so far, the server at rest."""
        while self.server.stats()["in_flight"]:
            time.sleep(0.01)
        seen = self.server.stats()
        ledger = attempts(self.run)
        replies = seen["by_status"].get("200", 0)
        return {"replies": replies, "distinct": seen["distinct"], "hits": seen["hits"], **ledger}

    def cost(self) -> dict[str, int]:
        """What the process that has just ended was sent and did not journal, and what it named as uncertain."""
        now = self.counts()
        gained = {name: now[name] - self.before[name] for name in now}
        self.before = now
        return {
            "hits": gained["hits"],
            "paid_again": gained["replies"] - gained["ok"],
            "uncertain": gained["uncertain"],
        }

    def checked(self, undisturbed: Folder) -> dict[str, Any]:
        """The finished folder beside the undisturbed one."""
        rows, theirs = journalled(self.run), journalled(undisturbed.run)
        slots = Counter(slot[:-1] for slot in rows)
        now = self.counts()
        return {
            "lost": len(theirs.keys() - rows.keys()),
            "not_asked_by_the_undisturbed": len(rows.keys() - theirs.keys()),
            "duplicated": sum(n - 1 for n in rows.values()) + sum(n - 1 for n in slots.values()),
            "same_bytes": data_files(self.run) == data_files(undisturbed.run),
            "paid_again": now["replies"] - now["distinct"],
            "requests_to_undisturbed": now["hits"] / undisturbed.before["hits"],
            "hits_not_in_ledger": now["hits"] - now["ok"] - now["failed"] - now["uncertain"],
        }


def at_random(base: Path, seeds: Path, floor: Folder, span: float, kills: int, rng: random.Random) -> dict[str, Any]:
    """So many kills at random moments, over as many run folders as that takes."""
    killed: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    while len(killed) < kills:
        with serving(OPTIONS) as server:
            folder, code = Folder(base / f"random-{len(ends)}", seeds, server), -signal.SIGKILL
            while code != 0:
                more = len(killed) < kills
                code, lived = folder.session(kill_after=rng.uniform(0, span) if more else None)
                cost = folder.cost()
                if code != 0:
                    killed.append({"folder": len(ends), "lived_s": round(lived, 3), **cost})
            ends.append(folder.checked(floor))
            print(f"{len(killed)} kills, {len(ends)} folders: {ends[-1]}", file=sys.stderr)
    return {"kills": len(killed), "folders": len(ends), "each_kill": killed, **summed(killed, ends)}


def at_failpoints(base: Path, seeds: Path, floor: Folder) -> dict[str, Any]:
    """One folder for each failpoint and pass."""
    killed: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    never: list[str] = []
    for name in (name for name in POINTS if name not in ELSEWHERE):
        for times in (1, 25) if name in OFTEN else itertools.count(1):
            with serving(OPTIONS) as server:
                folder = Folder(base / f"{name}-{times}", seeds, server)
                if name in EXPORTING:
                    folder.session("--limit", str(SHARD))
                    folder.cost()
                code, lived = folder.session(failpoint=f"{name}:{times}")
                cost = folder.cost()
                if code != 0:
                    killed.append({"failpoint": f"{name}:{times}", "lived_s": round(lived, 3), **cost})
                    folder.session()
                    print(f"{name}:{times}", file=sys.stderr)
                ends.append(folder.checked(floor))
            if code == 0:
                never += [name] if times == 1 else []
                break
    return {"kills": len(killed), "never_reached": never, "each_kill": killed, **summed(killed, ends)}


def summed(killed: list[dict[str, Any]], ends: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all kills and folders."""
    costs = [one["paid_again"] for one in killed]
    return {
        "lost": sum(end["lost"] for end in ends),
        "duplicated": sum(end["duplicated"] for end in ends),
        "folders_of_other_bytes": sum(not end["same_bytes"] for end in ends),
        "paid_again": sum(end["paid_again"] for end in ends),
        "requests_to_undisturbed": sum(end["requests_to_undisturbed"] for end in ends) / len(ends),
        "kills_that_cost": sum(cost > 0 for cost in costs),
        "paid_again_per_kill": sum(costs) / max(len(costs), 1),
        "paid_again_most": max(costs, default=0),
        "kills_not_named_in_full": sum(one["paid_again"] > one["uncertain"] for one in killed),
        "hits_not_in_ledger": sum(max(end["hits_not_in_ledger"], 0) for end in ends),
    }


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=60, help=f"more than {SHARD}")
    parser.add_argument("--random-seed", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base, seeds = Path(name), Path(name) / "seeds.jsonl"
        write_seeds(seeds, arguments.seeds)
        with serving(OPTIONS) as server:
            floor = Folder(base / "undisturbed", seeds, server)
            _, span = floor.session()
            end = floor.before = floor.counts()
        rng = random.Random(arguments.random_seed)
        moments = at_random(base, seeds, floor, span, arguments.kills, rng)
        points = at_failpoints(base, seeds, floor)
    results = (moments, points)
    save(
        "kills",
        {
            "in_flight": IN_FLIGHT,
            "undisturbed": {"seconds": span, **end},
            "random": moments,
            "failpoints": points,
            "met": {
                "lost_0": not any(one["lost"] for one in results),
                "duplicated_0": not any(one["duplicated"] for one in results),
                "same_bytes": not any(one["folders_of_other_bytes"] for one in results),
                "paid_again_within_in_flight": all(one["paid_again_most"] <= IN_FLIGHT for one in results),
                "each_named": not any(one["kills_not_named_in_full"] for one in results),
                "every_failpoint": not points["never_reached"],
            },
        },
    )


if __name__ == "__main__":
    main()
