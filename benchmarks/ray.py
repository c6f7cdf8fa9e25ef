"""What a Ray cluster costs and brings: near-duplicates beside one machine, and two nodes that ask beside one.

    python -m benchmarks.ray [--documents 200000] [--seeds 400]

Near-duplicates: the corpus of :mod:`benchmarks.dedup`; wall seconds of ``python -m filters.dedup`` and of
``python -m synth.ray_curation`` on a cluster of one node with all cores, which is up already. Both write the rows that
stay; that they are the same rows is checked. Asking: a run without its export, on clusters whose nodes have one core
each, once against a server that takes 500 ms for a reply (nodes wait), once against one that answers at once (nodes
compute). Server and nodes share the cores of this machine, so on few cores the second case cannot gain.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.common import HERE, fault_server, save, write_seeds
from benchmarks.dedup_corpus import write_corpus

STORE = 600 * 1024 * 1024
IN_FLIGHT = 16
SHARD = 20
SPEC = """
name: nodes
license: cc-by-4.0
shard_size: {shard}
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model, max_in_flight: {limit}}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  dialogues: {{per_seed: 1, max_turns: 4}}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    # Ray gives its workers a niceness of 15: beside other processes they would be measured against those.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    with tempfile.TemporaryDirectory() as folder:
        duplicates = _duplicates(Path(folder), options.documents, options.rounds)
        asking = {
            name: _asking(Path(folder) / name, options.seeds, *server)
            for name, server in {"waiting": ("--latency-ms", "500"), "computing": ()}.items()
        }
    save("ray", {"duplicates": duplicates, "asking": {"seeds": options.seeds, "in_flight": IN_FLIGHT, **asking}})


@contextmanager
def _cluster(nodes: int, cores: int) -> Iterator[str]:
    """A head that does no work, and nodes; yields the address."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 80 * 1024 * 1024, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=cores, object_store_memory=STORE // nodes)
        yield cluster.address
    finally:
        cluster.shutdown()


def _timed(*command: object) -> float:
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=HERE.parent, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{command} ended with {ran.returncode}: {ran.stderr[-2000:]}")
    return time.monotonic() - began


def _duplicates(folder: Path, documents: int, rounds: int) -> dict[str, Any]:
    corpus = folder / "corpus.parquet"
    write_corpus(corpus, documents, None, seed=7)
    alone, nodes = [], []
    with _cluster(1, os.cpu_count() or 1) as address:
        for _ in range(rounds):
            alone.append(_timed("filters.dedup", corpus, "--out", folder / "one"))
            nodes.append(_timed("synth.ray_curation", corpus, "--out", folder / "ray", "--address", address))
    kept = (folder / "one" / "kept.parquet", folder / "ray" / "kept")
    ids = [pq.read_table(path, columns=["id"])["id"].to_pylist() for path in kept]
    return {
        "documents": documents,
        "one_machine_wall_s": alone,
        "ray_wall_s": nodes,
        "times_one_machine": min(nodes) / min(alone),
        "same_rows": ids[0] == ids[1],
        "dropped": documents - len(ids[0]),
    }


def _asking(folder: Path, seeds: int, *server: str) -> dict[str, float]:
    """Seconds of all shards on one node and on two, from the first shard's begin to the last one's end."""
    folder.mkdir()
    write_seeds(folder / "seeds.jsonl", seeds)
    found = {}
    for nodes in (1, 2):
        with fault_server(*server) as url, _cluster(nodes, 1) as address:
            spec = folder / f"spec{nodes}.yaml"
            text = SPEC.format(shard=SHARD, seeds=folder / "seeds.jsonl", url=url, limit=IN_FLIGHT)
            spec.write_text(text, encoding="utf-8")
            found[f"wall_s_of_{nodes}"] = _shards(spec, folder / f"run{nodes}", address)
    return found | {"times_as_fast": found["wall_s_of_1"] / found["wall_s_of_2"]}


def _shards(spec: Path, run: Path, address: str) -> float:
    """Run; the time between the first and the last sign of nodes, which leaves out start-up and export."""
    signs: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            staged = len(list((run / "staging").glob("?????")))
            if not signs and any((run / "ray").glob("*.json")):
                signs.append(time.monotonic())
            if signs and staged != len(signs) - 1:
                signs.extend([time.monotonic()] * (staged - len(signs) + 1))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        _timed("synth.generate", "--spec", spec, "--out", run, "--runner", "ray", "--address", address)
    finally:
        ended.set()
        watcher.join()
    return signs[-1] - signs[0]


if __name__ == "__main__":
    main()
