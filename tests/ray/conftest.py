"""A Ray cluster of three nodes on this machine, each of one core: real processes, which tests kill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from synth.fault_server import FaultOptions, FaultServer, serving

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Of workers, too, the niceness: Ray gives them 15, and beside other processes they would hardly come to run."""
STORE = 80 * 1024 * 1024
"""Bytes of a node's object store: the least that Ray takes is 75 MB."""


@contextmanager
def three_nodes() -> Iterator[Any]:
    """A cluster; ``cluster.address`` is where it can be reached."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a cluster that no test harms."""
    with three_nodes() as cluster:
        yield cluster.address


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving(FaultOptions(latency_ms=30, jitter=1)) as one:
        yield one
