"""One endpoint from the first connection to the last probe: what is asked in which order, and where it ends early."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from synth.doctor_advice import advise
from synth.doctor_finding import Finding
from synth.doctor_wire import Wire
from synth.endpoints.base import Endpoint
from synth.endpoints.local import LocalEndpoint
from synth.endpoints.server import Server
from synth.endpoints.vllm import VllmEndpoint
from synth.engines import declared_model, make_endpoint, roles_in_use
from synth.errors import ClinsynthError, UserError
from synth.probes import PATIENCE, PAUSE, Most, Prober, most, thinking
from synth.spec import Spec
from synth.spec_models import BatchModel, LocalModel, RemoteModel

LIST_SECONDS = 30.0
"""A list of models or a tokenizer route that takes longer is taken for absent."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of the table: a model at one URL, or an engine that we start."""

    roles: list[str]
    model: LocalModel | RemoteModel
    """As it is probed: one URL, no retries."""
    url: str | None

    @property
    def place(self) -> str:
        """Host and port, or that we start it."""
        return urlsplit(self.url).netloc if self.url else "started here"

    def most(self) -> Most:
        """Upper bounds of what probing it sends."""
        if isinstance(self.model, BatchModel):
            return Most(0, 0, 0.0)
        slots = make_endpoint(self.model, self.roles[0]).slots
        price = self.model.price if isinstance(self.model, RemoteModel) else None
        return most(slots, self.model.extra_body, price)


def candidates(spec: Spec) -> list[Candidate]:
    """What is to be probed: each model of the roles in use, at each of its URLs."""
    by_model: dict[str, tuple[list[str], LocalModel | RemoteModel]] = {}
    for role in roles_in_use(spec.produce):
        model = spec.models.of(role)
        by_model.setdefault(model.model_dump_json(), ([], model))[0].append(role)
    return [Candidate(roles, _probed(model, url), url) for roles, model in by_model.values() for url in _urls(model)]


def _urls(model: LocalModel | RemoteModel) -> list[str | None]:
    given: Any = getattr(model, "base_url", None)
    if given is None:
        return [None]
    return [str(url).rstrip("/") for url in (given if isinstance(given, list) else [given])]


def _probed(model: LocalModel | RemoteModel, url: str | None, **changes: Any) -> LocalModel | RemoteModel:
    if isinstance(model, LocalModel):
        return model
    given: Any = getattr(model, "base_url", None)
    if isinstance(given, list):
        changes["base_url"] = [one for one in given if str(one).rstrip("/") == url][:1]
    # Failures under load are the finding; trying again would hide them.
    return model.model_copy(update={"structured": "json_schema", "retries": 0, "max_outage": 60.0, **changes})


async def examine(candidate: Candidate, spec: Spec, declared: LocalModel | RemoteModel) -> Finding:
    """Probe one candidate; whatever goes wrong is a problem of the finding, never an exception.

    ``declared`` is its model as the spec has it, for the advice.
    """
    finding = Finding(candidate.roles, candidate.model.engine, declared_model(candidate.model), candidate.url)
    try:
        await _probe(candidate, finding, declared)
    except ClinsynthError as err:
        finding.problems.append(str(err).splitlines()[0])
    advise(finding, spec, declared)
    return finding


async def _probe(candidate: Candidate, finding: Finding, declared: LocalModel | RemoteModel) -> None:
    model, role = candidate.model, candidate.roles[0]
    prober = Prober(finding, model.extra_body)
    if candidate.url is not None and isinstance(model, RemoteModel):
        async with Wire(candidate.url, model.name, _key(model, role, finding), PATIENCE) as wire:
            if not await _look(wire, finding, role, model) or isinstance(model, BatchModel):
                return
            await _raw(wire, prober)
        await _ask(candidate, prober, declared)
        return
    async with _opened(model, role) as endpoint:
        finding.reachable = finding.model_there = True
        server = _server(endpoint)
        if server is None:
            await prober.thinks(endpoint)
        else:
            async with Wire(server.url, declared_model(model), server.key.value or "", PATIENCE) as wire:
                listed = await wire.models(LIST_SECONDS)
                finding.tokenizer, context = await wire.tokenizer(LIST_SECONDS)
                finding.max_context = context or listed.max_context
                await _raw(wire, prober)
        await _ask(candidate, prober, declared, endpoint)


def _server(endpoint: Endpoint) -> Server | None:
    """The (first) server behind an engine that we started; it has a URL and a key of its own."""
    servers = endpoint.servers if isinstance(endpoint, LocalEndpoint | VllmEndpoint) else []
    return servers[0] if servers else None


def _key(model: RemoteModel, role: str, finding: Finding) -> str:
    """The key's value; what is wrong with it is told by the endpoint when it starts."""
    if not model.api_key_env:
        return ""
    key = os.environ.get(model.api_key_env, "").strip()
    if not key or not (key.isascii() and key.isprintable()):
        finding.key = False
        what = "holds what no key can hold" if key else "is not set"
        raise UserError(f"models.{role}.api_key_env: the environment variable {model.api_key_env} {what}; export it")
    return key


async def _look(wire: Wire, finding: Finding, role: str, model: RemoteModel) -> bool:
    """Ask for the list of models and the tokenizer route; False where going on is pointless."""
    listed = await wire.models(LIST_SECONDS)
    host, status = urlsplit(wire.url).netloc, listed.answer.status
    finding.reachable = status != 0
    if status == 0:
        finding.problems.append(
            f"models.{role}.base_url: no answer from {host} ({listed.answer.problem}); is the server running?"
        )
    elif status in (401, 403):
        finding.key = False
        finding.problems.append(f"models.{role}: {host} refuses {_said_key(model)} (HTTP {status})")
    elif 300 <= status < 400:
        finding.problems.append(f"models.{role}.base_url: {host} redirects (HTTP {status}); give the final URL")
    elif listed.names and model.name not in listed.names:
        finding.model_there = False
        near = difflib.get_close_matches(model.name, listed.names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(listed.names[:8])}"
        finding.problems.append(f"models.{role}.model: {host} has no model {model.model!r}; {hint}")
    if finding.problems:
        return False
    if status == 200 and model.api_key_env:
        finding.key = True
    finding.model_there = True if listed.names else None
    finding.max_context = listed.max_context
    if not isinstance(model, BatchModel):
        finding.tokenizer, context = await wire.tokenizer(LIST_SECONDS)
        finding.max_context = context or finding.max_context
    return True


def _said_key(model: RemoteModel) -> str:
    return (
        f"the key in {model.api_key_env}" if model.api_key_env else "requests without a key (api_key_env is not set)"
    )


async def _raw(wire: Wire, prober: Prober) -> None:
    """Reasoning field and logprobs; what refuses the request for good shows with the endpoint's own requests."""
    asked, finding = thinking(prober.extra), prober.finding
    body = {"messages": asked.messages, "max_tokens": asked.max_tokens, "temperature": 1.0, "top_p": 1.0}
    body |= {**asked.extra, "logprobs": True}
    while True:
        finding.requests += 1
        status, shape = await wire.chat(body)
        if shape is not None:
            finding.reasoning = shape.reasoning
            finding.logprobs = shape.logprobs if "logprobs" in body else False
            finding.tokens_in += shape.tokens_in
            finding.tokens_out += shape.tokens_out
            return
        if status == 404:
            finding.model_there = False
        if status in (401, 403):
            finding.key = False
        if status in (401, 402, 403, 404) or not prober.spend_spare():
            return
        if status in (400, 422):
            if "logprobs" not in body:
                return
            del body["logprobs"]
        else:
            await asyncio.sleep(PAUSE)


async def _ask(
    candidate: Candidate, prober: Prober, declared: LocalModel | RemoteModel, running: Endpoint | None = None
) -> None:
    """All questions that go through the endpoint itself; ``running`` is one that was started already."""
    finding, model, role = prober.finding, candidate.model, candidate.roles[0]
    if isinstance(declared, RemoteModel) and declared.send_seed is False:
        finding.seed = "not sent"

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Endpoint]:
        if running is not None:
            yield running
        else:
            async with _opened(_probed(model, candidate.url, **changes), role) as endpoint:
                yield endpoint

    seeds: dict[str, Any] = {}
    async with opened() as endpoint:
        failure = await prober.alone(endpoint)
    if failure is not None and failure.kind == "bad_request" and running is None and prober.spend_spare():
        async with opened(send_seed=False) as endpoint:
            if await prober.alone(endpoint) is None:
                failure, finding.seed, seeds = None, "refused", {"send_seed": False}
    if failure is not None:
        finding.problems.append(f"models.{role}: a short request fails: {' '.join(failure.detail.split())}")
        return
    if isinstance(model, RemoteModel) and model.api_key_env:
        finding.key = True
    async with opened(**seeds) as endpoint:
        await prober.schema(endpoint)
    wanted = declared.structured if isinstance(declared, RemoteModel) else "json_schema"
    if running is None and (finding.json_schema is False or wanted == "json_object"):
        async with opened(**seeds, structured="json_object") as endpoint:
            await prober.object(endpoint)
    async with opened(**seeds) as endpoint:
        slots = endpoint.slots
    await prober.load(slots, lambda: opened(**seeds))


@asynccontextmanager
async def _opened(model: LocalModel | RemoteModel, role: str) -> AsyncIterator[Endpoint]:
    endpoint = make_endpoint(model, role)
    try:
        await endpoint.start()
        yield endpoint
    finally:
        await endpoint.close()
