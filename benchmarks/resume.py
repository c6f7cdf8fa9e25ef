"""How soon a run with 100,000 replies in its journals goes on, and what memory fresh runs take.

    python -m benchmarks.resume               # about ten minutes

A server in a process of its own answers at once. Three fresh runs of the FineMed recipe give the peak memory of the
command at 1,000, 5,000 and 20,000 seeds; the floor is the smallest. The largest journals more than 100,000 replies.
Copies of its folder are then cut back to what a kill can leave, and the same command is started again. Each figure is
seconds from the start of the process to its first new request at the server:

``last_shard``       the last shard was never begun, all others are staged: what a kill usually leaves behind.
``first_question``   nothing is staged and the first seed is missing: specification, seeds and the journals' totals are
                     read, and the journals begin to answer. This is when resuming starts.
``last_question``    nothing is staged and the last seed is missing: all other replies were answered from the journals.

Target: the first two within 5 s. The third is the whole work of all seeds but the requests, and has none.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.common import fault_server, journalled, journals, reset, run_and_watch, save, stats, write_seeds

TARGET_S = 5.0
TARGET_GROWTH = 1.3
GIVE_UP = 900
SPEC = """
name: resume
license: cc-by-4.0
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
budget: {{requests: 1000000000}}
"""


def command(spec: Path, run: Path, limit: int) -> list[str]:
    """The arguments of ``python -m``: the first seeds of the spec into a folder."""
    return ["synth.generate", "--spec", str(spec), "--out", str(run), "--limit", str(limit)]


def first_request(url: str, arguments: list[str]) -> float:
    """Seconds until the server is asked for the first time; the process is stopped then."""
    reset(url)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not stats(url)["hits"]:
            if process.poll() is not None or time.monotonic() - began > GIVE_UP:
                assert process.stderr is not None
                sys.exit(f"{' '.join(arguments)} sent nothing: {process.stderr.read().decode()[-500:]}")
            time.sleep(0.05)
        return time.monotonic() - began
    finally:
        process.kill()
        process.communicate()


def cut_back(run: Path, moment: str, last_seed: str) -> None:
    """Leave what a kill at that moment would."""
    shutil.rmtree(run / "export")
    shutil.rmtree(run / "rejected")
    last = journals(run)[-1]
    if moment == "last_shard":
        last.unlink()
        shutil.rmtree(run / "staging" / last.stem)
        return
    shutil.rmtree(run / "staging")
    path, seed_id = (journals(run)[0], "seed-000000") if moment == "first_question" else (last, last_seed)
    with closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("DELETE FROM entries WHERE seed_id = ?", (seed_id,))


def resumes(folder: Path, spec: Path, url: str, count: int) -> dict[str, dict[str, float]]:
    """The three moments, each on a copy of the finished run of ``count`` seeds."""
    found = {}
    for moment in ("last_shard", "first_question", "last_question"):
        run = folder / moment
        shutil.copytree(folder / f"run-{count}", run)
        cut_back(run, moment, f"seed-{count - 1:06d}")
        replies = len(journalled(run))
        found[moment] = {"replies": replies, "seconds": first_request(url, command(spec, run, count))}
        shutil.rmtree(run)
    return found


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=3, default=(1000, 5000, 20_000))
    arguments = parser.parse_args()
    few, some, most = arguments.seeds
    fresh: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, fault_server() as url:
        folder = Path(name)
        spec, seeds = folder / "spec.yaml", folder / "seeds.jsonl"
        write_seeds(seeds, most)
        spec.write_text(SPEC.format(seeds=seeds, url=url), encoding="utf-8")
        for count in (few, some, most):
            reset(url)
            figures = run_and_watch(command(spec, folder / f"run-{count}", count))
            fresh.append({"seeds": count, "requests": stats(url)["hits"], **figures})
            print(fresh[-1], file=sys.stderr)
        resumed = resumes(folder, spec, url, most)
    growth = fresh[-1]["peak_rss_mb"] / fresh[0]["peak_rss_mb"]
    save(
        "resume",
        {
            "fresh_runs": fresh,
            "memory_growth": growth,
            "resume": resumed,
            "targets": {"seconds_at_most": TARGET_S, "memory_growth_at_most": TARGET_GROWTH},
            "met": {
                "replies_100_000": all(one["replies"] >= 100_000 for one in resumed.values()),
                "last_shard": resumed["last_shard"]["seconds"] <= TARGET_S,
                "first_question": resumed["first_question"]["seconds"] <= TARGET_S,
                "memory_flat": growth <= TARGET_GROWTH,
            },
        },
    )


if __name__ == "__main__":
    main()
