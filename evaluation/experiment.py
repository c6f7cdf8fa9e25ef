"""The whole chain as one command: generate, SFT, DPO, test-time training, evaluate, report.

    make experiment
    python -m evaluation.experiment --out runs/experiment --data DATA

With the embedded SmolLM2-135M, on a laptop. Every step is a command of ours in a process of its own
(:mod:`evaluation.experiment_steps`); what it prints goes to the screen and to ``logs/<step>.log``. All steps are run
every time, and each knows by itself what it has done: after a kill, Ctrl-C or a mended mistake the same command goes
on, and a finished experiment is read through in a few minutes. At the end ``results.md`` and ``results.json`` hold the
table (:mod:`evaluation.experiment_table`), ``evaluation/report.html`` the page with everything.

Benchmarks that are not in the data folder are named and left out. The data folder's ``seeds/*.jsonl`` gives further
passages, those under CC0 or a Creative Commons licence that asks for attribution alone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from evaluation.command import carry_out
from evaluation.experiment_steps import Step, steps
from evaluation.experiment_table import MINUTES, read_minutes, write_results
from evaluation.tasks import PLACES, load_task
from synth.arguments import Parser, whole
from synth.errors import ClinsynthError, UserError
from synth.spec_load import BUILT_IN

TASKS = ("medqa", "medmcqa", "general")
OURS = "general"
"""The one that comes with the package."""
OPEN = ("cc0-1.0", "cc-by-3.0", "cc-by-4.0")
"""Licences of passages taken from the data folder, in lower case."""
OWN = 24
"""Passages of the demo that are used where the data folder has others."""
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore::FutureWarning"}
"""Of the steps, where the user's own says nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser(
        prog="python -m evaluation.experiment",
        description="Generate, fine-tune, adapt, evaluate and report with the embedded model: base, SFT, DPO, TTT.",
        epilog="exit codes: 0 done · 130 interrupted · else that of the step that ended so; the same command goes on",
    )
    data = os.environ.get("CLINSYNTH_DATA")
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/experiment"), help="folder of it all (default: runs/experiment)")
    add(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help="benchmarks, and seeds/ (default: CLINSYNTH_DATA)",
    )
    add("--items", type=whole(1, 100_000), default=200, help="of each benchmark (default: 200)")
    add("--passages", type=whole(2, 100_000), default=64, help="to generate from (default: 64)")
    add("--model", default="packaged", help="what is trained (default: packaged, SmolLM2-135M)")
    add("--spec", default="experiment", help="what is generated, by name or path (default: experiment)")
    add("--encoder", default="minilm", help="that finds neighbours (default: minilm)")
    arguments = parser.parse_args(argv)
    return carry_out(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> str:
    from synth.run_lock import RunLock
    from synth.staging import disk_errors
    from training.run import check_extra

    check_extra()
    given: Path | None = arguments.data
    if given is not None and not given.is_dir():
        raise UserError(f"--data: {given}: no such folder")
    out = arguments.out.resolve()
    with RunLock(out):
        write_seeds(out / "seeds.jsonl", given, arguments.passages)
        tasks = there(given)
        data = (given or out).resolve()
        with disk_errors(out):
            (out / "logs").mkdir(exist_ok=True)
        for step in steps(out, data, tasks, arguments.items, arguments.encoder, arguments.model, arguments.spec):
            run_step(step, out)
        return write_results(out)


def there(data: Path | None) -> list[str]:
    """Return the tasks whose files are there; says of the others, a line each, where they are to be had."""
    found = []
    for task in TASKS:
        try:
            if data is None and task != OURS:
                raise UserError(f"{task}: needs --data or CLINSYNTH_DATA, get it from {PLACES[task].upstream}")
            load_task(task, data or Path())
            found.append(task)
        except UserError as error:
            print(f"{str(error).removeprefix('--tasks: ')}: going on without it", flush=True)
    return found


def write_seeds(path: Path, data: Path | None, count: int) -> None:
    """Write the passages: the demo's, and openly licensed ones of the data folder, drawn by their hashed ids."""
    from hashlib import sha256

    from synth.staging import disk_errors, replace_text

    own = _records(BUILT_IN / "seeds" / "cardiology.jsonl")
    files = sorted((data / "seeds").glob("*.jsonl")) if data else []
    others = [row for file in files for row in _records(file) if str(row.get("license")).lower() in OPEN]
    others = [row for row in others if 60 <= len(str(row.get("text")).split()) <= 250]
    by_name = {str(row.get("id") or row["text"]): row for row in others}
    for row in own:
        by_name.pop(str(row["id"]), None)
    others = [by_name[name] for name in sorted(by_name, key=lambda name: sha256(name.encode()).hexdigest())]
    taken = (own[: max(OWN, count - len(others))] + others)[:count] if others else own[:count]
    with disk_errors(path):
        replace_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in taken))


def _records(path: Path) -> list[dict[str, object]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON lines: {' '.join(str(error).split())[:120]}") from None
    return [row for row in rows if isinstance(row, dict)]


def run_step(step: Step, out: Path) -> None:
    """Run one command to its end; its output goes to the screen and its log, its time to ``minutes.json``.

    Ctrl-C and SIGTERM are handed on to it.

    Raises:
        ClinsynthError: it failed, with its exit code.
        KeyboardInterrupt: it was stopped.
    """
    if step.skip is not None and step.skip.exists():
        print(f"== {step.name}: done", flush=True)
        return
    if step.needs is not None and not any(step.needs.glob("validation-*")):
        print(
            f"== {step.name}: left out: {step.needs} holds no validation rows; more --passages give some", flush=True
        )
        return
    from synth.staging import disk_errors

    print(f"== {step.name}: python -m {step.module}", flush=True)
    began, stopped = time.perf_counter(), False
    process = subprocess.Popen(
        [sys.executable, "-m", step.module, *step.arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=ENVIRONMENT | os.environ, start_new_session=True, preexec_fn=_end_with_us,
    )  # fmt: skip

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        process.send_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert process.stdout is not None
        path = out / "logs" / f"{step.name}.log"
        with disk_errors(path):
            log = path.open("ab", buffering=0)
        with log:
            for line in process.stdout:
                with disk_errors(path):
                    log.write(line)
                sys.stdout.write(line.decode(errors="replace"))
                sys.stdout.flush()
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:  # the screen or the log is gone
            process.terminate()
            process.wait()
    note_time(out, step, time.perf_counter() - began, code == 0)
    if stopped or code == 130:  # a step may end well although it was told to stop
        raise KeyboardInterrupt
    if code:
        error = ClinsynthError(f"{step.name} ended with exit code {code}: see {out / 'logs' / step.name}.log")
        error.exit_code = code if code > 0 else 1
        raise error


def _end_with_us() -> None:
    """Of a child: a driver that is killed outright must not leave a step behind that writes beside its successor."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def note_time(out: Path, step: Step, seconds: float, done: bool) -> None:
    """Add to what a step took; a run that had nothing left to do does not count."""
    from synth.staging import disk_errors, replace_text

    path = out / MINUTES
    known = read_minutes(path) if path.exists() else {}
    before = known.get(step.name, {"seconds": 0.0, "done": None})
    if before["done"] == [*step.arguments]:
        return
    known[step.name] = {"seconds": before["seconds"] + seconds, "done": [*step.arguments] if done else None}
    with disk_errors(path):
        replace_text(path, json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
