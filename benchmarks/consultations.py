"""How full consultations keep an endpoint, and what a turn costs in our own CPU.

    python -m benchmarks.consultations                # 200 dialogues, two to three minutes on a quiet machine
    python -m benchmarks.consultations --dialogues 10

The dialogues of :mod:`benchmarks.plants` are played through ``python -m synth.generate``, all roles through one window
of 64 requests, from a server in a process of its own that answers after 500 ms. A dialogue asks one question at a
time, so there is work for all slots only while 64 dialogues are unfinished. ``busy`` is the slot-time in use as a
share of that for which there was work, from the first request to the end of the last: at no moment do more slots count
than dialogues are left. ``busy_while_full`` is the same until fewer than 64 are left. CPU per turn: user and system
time of the command, less that of the same command on one dialogue, by the turns that models wrote more than in that
one.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import journals, run_and_watch, save
from benchmarks.plants import SETS, Script, all_scripts
from benchmarks.scripted import Play, server, write_inputs

SLOTS = 64
LATENCY = 0.5
"""Seconds."""
STEP = 0.01
"""Seconds between two looks at what is in flight."""
TARGET_BUSY = 0.90
TARGET_CPU_MS = 5.0


def chosen(count: int) -> list[Script]:
    """So many dialogues, the clean ones first; they begin anew when there are too few."""
    known = sorted(all_scripts(SETS), key=lambda script: script.flag is not None)
    return [known[n % len(known)] for n in range(count)]


@contextmanager
def own_server(count: int, log: Path) -> Iterator[str]:
    """The server in a process of its own, whose work is not ours; yields its URL, writes ``log`` at the end."""
    command = [sys.executable, "-m", "benchmarks.consultations", "--serve", str(log), "--dialogues", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve(count: int, log: Path) -> None:
    """Serve until told to end, then write when each request came."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    play = Play(chosen(count))
    with server(play, LATENCY * 1000) as running:
        print(running.url, flush=True)
        stop.wait()
    log.write_text(json.dumps(play.arrivals), encoding="utf-8")


def one_run(folder: Path, count: int) -> dict[str, Any]:
    """Play ``count`` dialogues: the command's figures, the turns that models wrote, and how full the slots were."""
    folder.mkdir()
    scripts, run, log = chosen(count), folder / "run", folder / "arrivals.json"
    with own_server(count, log) as url:
        spec = write_inputs(folder, scripts, url, roles=("generator",))
        figures: dict[str, Any] = run_and_watch(["synth.generate", "--spec", str(spec), "--out", str(run)])
    arrivals = json.loads(log.read_text(encoding="utf-8"))
    asked = asked_by(run)
    turns = sum(step.startswith(("doctor", "patient")) for _, step in asked.values())
    owners = [(when, asked[number][0]) for when, number in arrivals if number in asked]
    return {"dialogues": count, "requests": len(arrivals), "turns": turns, **figures, **slots(owners)}


def asked_by(run: Path) -> dict[int, tuple[str, str]]:
    """By the ``seed`` of each journalled request: the seed's id and the step."""
    found: dict[int, tuple[str, str]] = {}
    for path in journals(run):
        with closing(sqlite3.connect(path)) as journal:
            for seed_id, step, request in journal.execute("SELECT seed_id, step, request FROM entries"):
                found[json.loads(zlib.decompress(request))["seed"]] = (seed_id, step)
    return found


def slots(arrivals: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Shares of slot-time in use, from when each request came and to which dialogue it belongs."""
    last: dict[str, float] = {}
    for when, owner in arrivals:
        last[owner] = max(last.get(owner, 0.0), when + LATENCY)
    starts, ends = sorted(when for when, _ in arrivals), sorted(last.values())
    used = usable = used_full = steps_full = 0.0
    begun = over = answered = 0
    for step in range(int((ends[-1] - starts[0]) / STEP)):
        now = starts[0] + step * STEP
        begun = _passed(starts, begun, now)
        answered = _passed(starts, answered, now - LATENCY)
        over = _passed(ends, over, now)
        room = min(SLOTS, len(ends) - over)
        in_use = min(begun - answered, room)
        used, usable = used + in_use, usable + room
        if room == SLOTS:
            used_full, steps_full = used_full + in_use, steps_full + 1
    return {
        "busy": used / usable,
        "busy_while_full": used_full / steps_full / SLOTS if steps_full else 0.0,
        "seconds_while_full": steps_full * STEP,
        "seconds_of_requests": ends[-1] - starts[0],
    }


def _passed(times: Sequence[float], known: int, now: float) -> int:
    """How many of the sorted ``times`` are not after ``now``; ``known`` are known to be."""
    while known < len(times) and times[known] <= now:
        known += 1
    return known


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=200)
    parser.add_argument("--serve", type=Path, metavar="LOG", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.dialogues, arguments.serve)
        return
    with tempfile.TemporaryDirectory() as name:
        start_up = one_run(Path(name) / "one", 1)
        ours = one_run(Path(name) / "all", arguments.dialogues)
    turns = ours["turns"] - start_up["turns"]
    cpu_ms = 1000 * (ours["cpu_s"] - start_up["cpu_s"]) / turns
    save(
        "consultations",
        {
            "slots": SLOTS,
            "latency_ms": LATENCY * 1000,
            "start_up": start_up,
            "ours": ours,
            "cpu_ms_per_turn": cpu_ms,
            "busy_holds": ours["busy"] >= TARGET_BUSY,
            "cpu_holds": cpu_ms < TARGET_CPU_MS,
        },
    )


if __name__ == "__main__":
    main()
