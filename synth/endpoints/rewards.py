"""Reward models as endpoints: a conversation in, one number out, told as a reply whose text is ``{"reward": number}``.

Two engines: a model inside this process (:mod:`filters.reward`), and one behind vLLM's ``POST /classify``, which takes
messages, renders them by the model's own chat template and, asked for no activation, gives the classifier's raw
output. Everything else (key, list of models, tries, waits) is that of any HTTP endpoint. Sampling and ``max_tokens``
of a request mean nothing here. What a number means is the model's affair; this module compares nothing.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from filters.text import storable
from synth.endpoints.base import UNRECORDED, Attempt, Ledger, Outcome, Reply, Request
from synth.endpoints.bodies import BadBody, error_message
from synth.endpoints.http import HttpEndpoint
from synth.endpoints.server import Server
from synth.errors import EndpointRefused, UserError
from synth.spec_models import LocalReward
from synth.tokens import estimate_tokens

if TYPE_CHECKING:
    from filters.reward import RewardModel

BATCH = 8
"""Conversations that the embedded model scores at once."""


class ClassifyServer(Server):
    """One vLLM server that serves a classifier."""

    def __init__(self, url: str, model: str, role: str, slots: int) -> None:
        super().__init__(url, model, role, slots)
        self.address = f"{self.url.removesuffix('/v1')}/classify"  # no part of OpenAI's API, hence not below /v1

    def read(self, raw: bytes, request: Request) -> Reply:
        """The only output of the first (and only) item; more than one is no reward model and stops the run."""
        return parse_classes(raw, request, self.host)


class ClassifyEndpoint(HttpEndpoint):
    """One reward model behind one URL or several."""

    server_kind = ClassifyServer

    def body(self, request: Request) -> dict[str, Any]:
        """Body of ``POST /classify``."""
        return {"model": self.model, "messages": request.messages, "use_activation": False, **request.extra}


def parse_classes(raw: bytes, request: Request, host: str) -> Reply:
    """Read the body of a ``/classify`` response.

    Raises:
        BadBody: it is no such body.
        EndpointRefused: the model has several outputs, so none of them is a reward.
    """
    try:
        body = json.loads(raw.decode("utf-8"))
        outputs = body["data"][0]["probs"]
        numbers = [float(output) for output in outputs]
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        said = error_message(raw)[0]
        raise BadBody(f"no classes in the response{f': {said}' if said else ''}") from None
    if len(numbers) != 1:
        raise EndpointRefused(f"models.reward: the model at {host} has {len(numbers)} outputs; a reward model has one")
    usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    counted = usage.get("prompt_tokens")
    if type(counted) is not int or not 0 <= counted < 1 << 31:
        counted = None
    tokens = sum(estimate_tokens(message["content"]) for message in request.messages) if counted is None else counted
    served = body.get("model")
    name = storable(served) if isinstance(served, str) and served else "unknown"
    return _reply(numbers[0], tokens, name, estimated=counted is None)


def _reply(reward: float, tokens: int, model: str, *, estimated: bool = False) -> Reply:
    text = json.dumps({"reward": reward})
    return Reply(text, None, "stop", tokens, 0, model, usage_estimated=estimated)


class RewardEndpoint:
    """A reward model inside this process: loaded by :meth:`start`, one batch at a time in a thread of its own."""

    def __init__(self, model: LocalReward) -> None:
        self.model = model
        self.slots = 2 * BATCH  # one batch is scored while the next one gathers
        self._scorer: RewardModel | None = None
        self._waiting: list[tuple[list[dict[str, str]], asyncio.Future[tuple[float, int]]]] = []
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the model.

        Raises:
            UserError: torch is missing, or this is no reward model.
        """
        self._scorer = await asyncio.to_thread(_load, self.model)

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Score one conversation, together with those that wait beside it."""
        await ledger.begin()
        scored: asyncio.Future[tuple[float, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((request.messages, scored))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        reward, tokens = await scored
        reply, attempt = _reply(reward, tokens, self.model.name), Attempt("ok")
        ledger.end(attempt, reply)
        return Outcome(reply, None, [attempt])

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # those that ask in the same moment share the batch
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                results = await asyncio.to_thread(self._score, [messages for messages, _ in batch])
            except Exception as err:  # out of memory and the like: the next conversation would fare no better
                reason = " ".join(str(err).split())[:200] or type(err).__name__
                for _, scored in batch:
                    if not scored.done():
                        scored.set_exception(EndpointRefused(f"models.reward: {self.model.name} failed: {reason}"))
                continue
            for (_, scored), result in zip(batch, results, strict=True):
                if not scored.done():
                    scored.set_result(result)

    def _score(self, conversations: list[list[dict[str, str]]]) -> list[tuple[float, int]]:
        if self._scorer is None:
            raise RuntimeError("start() comes before complete()")
        rewards = self._scorer.score(conversations)
        return [(reward, self._scorer.tokens(one)) for reward, one in zip(rewards, conversations, strict=True)]

    def stop(self, reason: BaseException) -> None:
        """Nothing to do: what was given to it is scored in a moment, and the pool gives it no more."""

    async def close(self) -> None:
        """Wait for the batch that is scored, then free the model."""
        if self._working is not None:
            await self._working
        self._scorer = None


def _load(model: LocalReward) -> RewardModel:
    from filters.reward import RewardModel

    try:
        return RewardModel(model.model, BATCH, model.device, revision=model.revision)
    except ImportError:
        raise UserError("models.reward: needs `pip install 'clinsynth[train]'`") from None
    except Exception as err:  # the loaders raise many types; each means the same to the user
        reason = " ".join(str(err).split())[:200]
        raise UserError(f"models.reward: cannot load {model.name}: {reason}") from None
