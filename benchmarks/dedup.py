"""What removing near-duplicates costs and misses, beside datasketch, rensa, gaoya and datatrove.

    python -m benchmarks.dedup --peers DIR      # DIR/bin/python has datasketch, xxhash, rensa, gaoya, datatrove, spacy
    python -m benchmarks.dedup --documents 1000000 --name dedup_million

The corpus (:mod:`benchmarks.dedup_corpus`) takes its words from the folder that CLINSYNTH_DATA names, else from the
demo's passages. Every system reads the same Parquet file and writes the rows that stay. Its CPU time (user and system)
is that of the whole command, less that of the same command on ten documents: imports and start-up. Systems take turns;
the median counts. Truth is an exact join of all pairs, made once and kept with the corpus in the folder for temporary
files. Each command has one core, since threads that share one with others take more CPU time for the same work.
Above 100,000 documents there is neither truth nor a peer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import HERE, save
from benchmarks.dedup_corpus import true_pairs, write_corpus
from filters.minhash import Permutations
from filters.sketches import sketch

NGRAM, THRESHOLD, SEED = 5, 0.8, 7
SMALL = 10
SAMPLE = 5000  # documents for what takes several milliseconds each
WITH_TRUTH = 100_000
PEERS = {"datasketch_bulk": None, "rensa_dedup": None, "gaoya_index": None, "datatrove_steps": SAMPLE}


def main() -> None:
    options = _options()
    data = Path(os.environ["CLINSYNTH_DATA"]) if "CLINSYNTH_DATA" in os.environ else None
    folder = Path(tempfile.gettempdir()) / "clinsynth-dedup"
    folder.mkdir(exist_ok=True)
    corpus = _corpus(folder, options.documents, data)
    systems: dict[str, tuple[list[str], int | None]] = {"clinsynth": ([sys.executable, "-m", "filters.dedup"], None)}
    if options.peers and options.documents <= WITH_TRUTH:
        python = str(options.peers / "bin" / "python")
        systems |= {name: ([python, "-m", f"benchmarks.peers.{name}"], most) for name, most in PEERS.items()}
    figures: dict[str, Any] = {name: {"runs": []} for name in systems}
    for _ in range(options.rounds):
        for name, (command, most) in systems.items():
            figures[name]["runs"].append(_cost(folder, corpus, name, command, most))
    for name, found in figures.items():
        runs = found.pop("runs")
        found["documents"] = min(options.documents, systems[name][1] or options.documents)
        for key in runs[0]:
            found[key] = round(statistics.median(run[key] for run in runs), 2)
        found["cpu_us_of_each_run"] = [round(run["cpu_us_per_document"], 1) for run in runs]
        found["times_our_cpu"] = round(found["cpu_us_per_document"] / figures["clinsynth"]["cpu_us_per_document"], 2)
    result = {
        "documents": options.documents,
        "mean_bytes": round(_bytes(corpus) / options.documents),
        "words_from": "dialogues under CLINSYNTH_DATA" if data else "the demo's passages",
        "systems": figures,
    }
    if options.documents <= WITH_TRUTH:
        truth = _truth(corpus)
        result["true_pairs"] = len(truth[0])
        for name in systems:
            if systems[name][1] is None:
                figures[name] |= _accuracy(corpus, _target(folder, name), truth)
    save(options.name, result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU, memory, precision and recall of filters.dedup and its peers.")
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="a virtual environment with the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="dedup", help="of the file under results/")
    return parser.parse_args()


def _corpus(folder: Path, documents: int, data: Path | None) -> Path:
    path = folder / f"{documents}-{SEED}-{'data' if data else 'demo'}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        write_corpus(unfinished, documents, data, SEED)
        unfinished.rename(path)
    return path


def _first(corpus: Path, documents: int) -> Path:
    """The first documents of the corpus as a file of their own."""
    path = corpus.with_name(f"{corpus.stem}-first-{documents}.parquet")
    if not path.exists():
        pq.write_table(pq.read_table(corpus).slice(0, documents), path)
    return path


def _target(folder: Path, name: str) -> Path:
    return folder / f"out-{name}"


def _kept(target: Path) -> Path:
    """Where a system wrote the rows that stay: ours into a folder, datatrove into its own file in one."""
    return next(iter(sorted(target.glob("*.parquet"), key=lambda path: path.name != "kept.parquet")), target)


def _cost(folder: Path, corpus: Path, name: str, command: list[str], most: int | None) -> dict[str, float]:
    """Run a system on the corpus and on ten documents."""
    target = _target(folder, name)
    full = _first(corpus, most) if most else corpus
    if target.is_dir():
        shutil.rmtree(target)
    nothing = _run([*command, *_arguments(command, _first(corpus, SMALL), target.with_name(f"{target.name}-small"))])
    run = _run([*command, *_arguments(command, full, target)])
    documents = pq.ParquetFile(full).metadata.num_rows
    cpu = run["cpu_s"] - nothing["cpu_s"]
    return {
        "cpu_us_per_document": 1e6 * cpu / documents,
        "start_up_cpu_s": nothing["cpu_s"],
        "wall_s": run["wall_s"],
        "peak_rss_mb": run["peak_rss_mb"],
    }


def _arguments(command: list[str], source: Path, target: Path) -> list[str]:
    if command[2] != "filters.dedup":
        return [str(source), str(target)]
    return [str(source), "--out", str(target), "--ngram", f"word:{NGRAM}", "--threshold", str(THRESHOLD)]


def _run(command: list[str]) -> dict[str, float]:
    """CPU time and peak memory of a command, its children included."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, cwd=HERE.parent)
        os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
        peak = 0.0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, _peak_mb(process.pid))
            time.sleep(0.02)
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {log.read()[-2000:]}")
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.monotonic() - began,
        "peak_rss_mb": peak,
    }


def _peak_mb(pid: int) -> float:
    """The peak of a running process. (What wait4 says is at least the peak of the process that started it.)"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)


def _truth(corpus: Path) -> tuple[np.ndarray, np.ndarray]:
    path = corpus.with_suffix(".truth.npz")
    if not path.exists():
        first, second, _ = true_pairs(pq.read_table(corpus)["text"].to_pylist(), NGRAM, THRESHOLD)
        np.savez(path, first=first, second=second)
    with np.load(path) as found:
        return found["first"], found["second"]


def _accuracy(corpus: Path, target: Path, truth: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """How the rows that stay agree with the truth, and for ours the pairs that it names."""
    first, second = truth
    ids = pq.read_table(_kept(target), columns=["id"])["id"].cast(pa.int64()).to_numpy()
    kept = np.zeros(pq.ParquetFile(corpus).metadata.num_rows, dtype=bool)
    kept[ids] = True
    partners = np.zeros(len(kept), dtype=bool)
    partners[first] = partners[second] = True
    found = {
        "dropped": int((~kept).sum()),
        "dropped_that_repeat_a_document": round(float(partners[~kept].mean()), 4),
        "pairs_not_both_kept": round(1 - float((kept[first] & kept[second]).mean()), 5),
    }
    if (target / "dropped.parquet").exists():
        dropped = pq.read_table(target / "dropped.parquet", columns=["id", "duplicate_of"]).to_pylist()
        named = {tuple(sorted((int(row["id"]), int(row["duplicate_of"])))) for row in dropped}
        true = set(zip(first.tolist(), second.tolist(), strict=True))
        found |= {"pair_precision": round(len(named & true) / len(named), 5), "pair_recall": _compared(target, truth)}
    return found


def _compared(target: Path, truth: tuple[np.ndarray, np.ndarray]) -> float:
    """The share of true pairs that share a bucket, under the bands that the command took."""
    made = json.loads((target / "summary.json").read_text())["made"]
    corpus = Path(json.loads((target / "summary.json").read_text())["files"][0])
    permutations = Permutations(made["num_perm"], made["seed"])
    signatures = sketch(pq.read_table(corpus)["text"], made["ngram"], permutations).signatures
    first, second = truth
    bands, rows = made["bands"]
    agree = (signatures[first] == signatures[second])[:, : bands * rows].reshape(-1, bands, rows)
    return round(float(agree.all(axis=2).any(axis=1).mean()), 5)


def _bytes(corpus: Path) -> int:
    return sum(
        int(pc.sum(pc.binary_length(batch.column("text"))).as_py())
        for batch in pq.ParquetFile(corpus).iter_batches(columns=["text"])
    )


if __name__ == "__main__":
    main()
