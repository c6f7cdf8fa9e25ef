"""What a driver needs before Ray: connected with its telemetry off, or one line that says why not; Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from synth.engines import models_in_use
from synth.errors import UserError
from synth.spec import Spec
from synth.spec_models import BatchModel, LocalModel, LocalReward, VllmModel


def connect(address: str) -> Any:
    """Ray, connected to the cluster at ``address`` (``auto``: the one of this machine; ``local``: one made for us).

    Raises:
        UserError: it is not installed, or there is no such cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise UserError("--runner ray: Ray is not installed; pip install 'clinsynth[ray]'") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning", include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"--address {address}: no Ray cluster there ({reason}); start one with ray start --head, or pass "
            f"--address local"
        ) from None
    return ray


def refuse_engines(spec: Spec) -> None:
    """Servers of ours and batches belong to one process.

    Raises:
        UserError: the spec has such a model.
    """
    for role, model in models_in_use(spec).items():
        if isinstance(model, BatchModel) or (isinstance(model, VllmModel) and model.base_url is None):
            raise UserError(
                f"models.{role}: --runner ray cannot share engine {model.engine}; start servers on the cluster and "
                f"name them with base_url"
            )


def cores_of_a_task(ray: Any, spec: Spec) -> int:
    """Cores that a shard is given: one, for it only waits; with a model of its own all that the smallest node has.

    So there is one embedded engine a node, and where nodes are unequal as many as fit into a large one.
    """
    if not any(isinstance(model, LocalModel | LocalReward) for model in models_in_use(spec).values()):
        return 1
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    return min((count for count in cores if count), default=1)


@contextmanager
def interrupts(first: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C or SIGTERM calls ``first``; for the second time it raises KeyboardInterrupt."""
    count = 0

    def handle(*_: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        first()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
