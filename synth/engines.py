"""Which engine plays which role: endpoints made from the spec, one pool each, started when first needed.

Roles whose models are the same share one pool. A run that finds every reply in its journals starts nothing, needs no
key and loads no model.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth.endpoints.base import Endpoint, Leavable
from synth.endpoints.http import HttpEndpoint, http_endpoint
from synth.endpoints.local import LocalEndpoint, model_name
from synth.endpoints.pool import Pool
from synth.endpoints.rewards import ClassifyEndpoint, RewardEndpoint
from synth.spec import Produce, Spec
from synth.spec_models import (
    BatchModel,
    LocalModel,
    LocalReward,
    OpenAIModel,
    Price,
    RemoteModel,
    ServedReward,
    VllmModel,
)

log = logging.getLogger(__name__)


def roles_in_use(produce: Produce) -> tuple[str, ...]:
    """The roles that this spec's recipes ask."""
    roles = ["generator", "judge"]
    roles += ["reasoner"] if produce.reasoning else []
    roles += ["weak"] if produce.reasoning and produce.reasoning.pass_rate else []
    roles += ["doctor", "patient"] if produce.dialogues else []
    return tuple(roles)


def models_in_use(spec: Spec) -> dict[str, LocalModel | RemoteModel | LocalReward]:
    """The model of each role that this spec's recipes ask, the reward model included."""
    models: dict[str, LocalModel | RemoteModel | LocalReward] = {
        role: spec.models.of(role) for role in roles_in_use(spec.produce)
    }
    if spec.models.reward is not None:
        models["reward"] = spec.models.reward
    return models


def declared_model(model: LocalModel | RemoteModel | LocalReward) -> str:
    """The model's name as the journal knows it; never a URL or a path."""
    if isinstance(model, LocalReward):
        return f"{model.name}@{model.revision}" if model.revision else model.name
    return model_name(model) if isinstance(model, LocalModel) else model.name


class Engines:
    """Pools by role."""

    def __init__(
        self,
        spec: Spec,
        on_change: Callable[[], None],
        *,
        logs: Path | None = None,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        self.declared: dict[str, str] = {}
        self.prices: dict[str, Price | None] = {}
        self.extra: dict[str, dict[str, Any]] = {}
        self.pools: dict[str, Pool] = {}
        self.started = False
        self._starting = asyncio.Lock()
        self._failure: Exception | None = None
        self._start: asyncio.Task[None] | None = None
        self._stopped: BaseException | None = None
        by_model: dict[str, Pool] = {}
        for role, model in models_in_use(spec).items():
            self.declared[role] = declared_model(model)
            self.prices[role] = model.price if isinstance(model, RemoteModel) else None
            self.extra[role] = {} if isinstance(model, LocalReward) else dict(model.extra_body)
            same = f"{isinstance(model, ServedReward)} {model.model_dump_json()}"
            if same not in by_model:
                by_model[same] = Pool(role, make_endpoint(model, role, logs=logs, say=say), self._ready, on_change)
            self.pools[role] = by_model[same]

    @property
    def distinct(self) -> list[Pool]:
        """Each pool once."""
        return list({id(pool): pool for pool in self.pools.values()}.values())

    async def _ready(self) -> None:
        """Start all engines, once; a wrong key of the judge shows before the generator is paid.

        A start that failed is not tried again: whoever waited for it gets the same error at once.
        """
        if self.started:
            return
        async with self._starting:
            if self._failure is not None:
                raise self._failure
            if not self.started:
                self._start = asyncio.create_task(self._start_all())
                try:
                    await self._start
                except asyncio.CancelledError:
                    if self._stopped is not None and not _being_cancelled():
                        raise self._stopped from None
                    self._start.cancel()
                    raise
                except Exception as err:
                    self._failure = err
                    raise
                self.started = True

    async def _start_all(self) -> None:
        # What is quick to refuse comes first: a missing key should not show after a model has loaded for minutes.
        for pool in sorted(self.distinct, key=lambda pool: not isinstance(pool.endpoint, HttpEndpoint)):
            await pool.endpoint.start()

    def stop(self, reason: BaseException) -> None:
        """Send nothing more; what is on its way ends as usual."""
        self._stopped = self._stopped or reason
        for pool in self.distinct:
            pool.stop(reason)
            pool.endpoint.stop(reason)
        if self._start is not None and not self.started:
            self._start.cancel()  # a model may take minutes to load

    def let_go(self, reason: BaseException) -> None:
        """Do not wait for replies that take hours: open batches go on without us."""
        for pool in self.distinct:
            if isinstance(pool.endpoint, Leavable):
                pool.endpoint.let_go(reason)

    @property
    def in_flight(self) -> int:
        """Requests open at all endpoints; none before they have started."""
        return sum(pool.in_flight for pool in self.distinct) if self.started else 0

    async def close(self) -> None:
        """Close all engines."""
        for pool in self.distinct:
            await pool.endpoint.close()


def _being_cancelled() -> bool:
    """Whether this very task is asked to end, rather than one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def make_endpoint(
    model: LocalModel | RemoteModel | LocalReward,
    role: str,
    *,
    logs: Path | None = None,
    say: Callable[[str], None] = log.warning,
) -> Endpoint:
    """The endpoint of a model; ``role`` names it in messages, ``logs`` is where servers of ours write."""
    if isinstance(model, LocalModel):
        return LocalEndpoint(model, role)
    if isinstance(model, LocalReward):
        return RewardEndpoint(model)
    if isinstance(model, ServedReward):
        return http_endpoint(model, list(map(str, model.base_url)), role, kind=ClassifyEndpoint, say=say)
    if isinstance(model, BatchModel):
        from synth.endpoints.batch import BatchEndpoint

        return BatchEndpoint(model, role, say)
    if isinstance(model, VllmModel) and model.base_url is None:
        from synth.endpoints.vllm import VllmEndpoint

        return VllmEndpoint(model, role, logs, say=say)
    assert isinstance(model, OpenAIModel | VllmModel)
    return http_endpoint(model, list(map(str, model.base_url or [])), role, say=say)
