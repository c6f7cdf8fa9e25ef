"""Asking: template → messages → journal → endpoint → checked value.

The journal answers whatever it has been asked before, under a key of all that decides the reply: seed id, step,
sample number, re-ask number, declared model, messages, sampling and schema. Never the URL, the price or the code that
parses. A reply that does not fit is asked for again with the error shown; what still does not fit is an
:class:`AskRejected`, what the endpoint could not answer an :class:`AskFailed`: both are data of their row.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, FiniteFloat

from synth.budget import Spending, cost
from synth.endpoints.base import Reply, Request
from synth.endpoints.pool import Pool, Priority
from synth.errors import ClinsynthError
from synth.failpoints import failpoint
from synth.journal import Entry, Journal
from synth.ledger import QuestionLedger
from synth.replies import BadReply, json_schema, parse
from synth.spec import Spec
from synth.spec_models import Price
from synth.steps import GRADED, REWARD_STEP, STEPS, VOTE_TEMPERATURE, Step
from synth.templates import Template

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One journalled reply that went into a row."""

    key: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked reply: a pydantic model or text, and what it cost."""

    value: Any
    reply: Reply
    calls: tuple[Call, ...]
    flags: tuple[str, ...] = ()
    votes: tuple[Any, ...] = ()
    """The values of all samples, where several were asked and ``value`` is what they come to."""


class Rewarded(BaseModel):
    """What a reward model says."""

    reward: FiniteFloat


class AskRejected(Exception):
    """The model's replies were of no use: refused, cut, or never of the right shape."""

    def __init__(self, step: str, reason: str, detail: str, text: str, calls: tuple[Call, ...]) -> None:
        super().__init__(f"{step}: {reason}: {detail}")
        self.step, self.reason, self.detail, self.text, self.calls = step, reason, detail, text, calls


class AskFailed(Exception):
    """The endpoint gave no reply after all tries."""

    def __init__(self, step: str, kind: str, detail: str) -> None:
        super().__init__(f"{step}: {kind}: {detail}")
        self.step, self.kind, self.detail = step, kind, detail


class NotAnswered(Exception):
    """Replay only: the journal has no reply and nothing may be sent."""


class Watcher(Protocol):
    """Sees every question and answer, for progress and the closing summary."""

    def sent(self, step: str) -> None:
        """One question goes to an endpoint (or waits for its turn there)."""
        ...

    def asked(self, step: str, outcome: str, reply: Reply | None, usd: float, *, replayed: bool) -> None:
        """One question has its final outcome."""
        ...


@dataclass(slots=True)
class Desk:
    """All that asking needs and that is the same for the whole run."""

    spec: Spec
    templates: dict[str, Template]
    """By step."""
    pools: dict[str, Pool]
    """By role."""
    declared: dict[str, str]
    """Declared model by role: part of the journal key."""
    prices: dict[str, Price | None]
    extra: dict[str, dict[str, Any]]
    """Further keys of the request body by role, from the spec."""
    spending: Spending
    watcher: Watcher
    steps: Mapping[str, Step] = field(default_factory=lambda: STEPS)
    """What can be asked; the recipes' questions unless somebody has questions of their own."""
    retry_failed: bool = False
    replay_only: bool = False
    missed: list[tuple[str, str, int, int, str]] = field(default_factory=list)
    """Replay only: (seed id, step, sample, re-ask, role) of each question without a reply."""
    used: set[str] = field(default_factory=set)
    """Replay only: keys of the replies that were used."""


class Asker:
    """Asks on behalf of one seed."""

    def __init__(self, desk: Desk, journal: Journal, seed_id: str, priority: Priority) -> None:
        self.desk = desk
        self.journal = journal
        self.seed_id = seed_id
        self.priority = priority

    async def ask(
        self, step: str, reply: type[BaseModel] | None, /, *, part: str = "", sample: int = 0, **variables: object
    ) -> Answer:
        """Put the question ``step`` to its role.

        Args:
            step: key of the desk's steps.
            reply: pydantic model of the reply; None for plain text.
            part: which of several questions of this step ("0", "turn-3", …).
            sample: number of this sample, where the same question is asked several times.
            variables: of the template, besides ``language``.

        Raises:
            AskRejected: no usable reply after the spec's ``reasks``.
            AskFailed: the endpoint failed for good.
        """
        desk, spec = self.desk, self.desk.spec
        messages = first = desk.templates[step].render(language=spec.language, **variables)
        schema = json_schema(reply) if reply is not None else None
        name = f"{step}/{part}" if part else step
        calls: tuple[Call, ...] = ()
        flags: tuple[str, ...] = ()
        for reask in range(spec.reasks + 1):
            entry = await self._entry(
                step, name, sample, reask, self._request(step, name, sample, reask, messages, schema)
            )
            if entry.reply is None:
                raise AskFailed(name, entry.outcome, entry.attempts[-1].get("detail", "") if entry.attempts else "")
            got = Reply(**entry.reply)
            calls += (Call(entry.key, entry.tokens_in, entry.tokens_out),)
            flags += ("usage_estimated",) if got.usage_estimated else ()
            try:
                parsed = parse(got, reply)
                flags += ("repaired",) if parsed.repaired else ()
                return Answer(parsed.value, got, calls, flags)
            except BadReply as err:
                bad = err
            if bad.final:
                break
            messages = _with_error(first, bad)
        raise AskRejected(name, bad.reason, bad.detail, got.text, calls)

    def _request(
        self,
        step: str,
        name: str,
        sample: int,
        reask: int,
        messages: list[dict[str, str]],
        schema: dict[str, Any] | None,
    ) -> Request:
        defaults, chosen = self.desk.steps[step], self.desk.spec.sampling.get(step)
        temperature, top_p, max_tokens = (
            (chosen.temperature, chosen.top_p, chosen.max_tokens) if chosen else (None, None, None)
        )
        usual = defaults.temperature
        if step in GRADED and self.desk.spec.filters.quality.votes > 1:
            usual = max(usual, VOTE_TEMPERATURE)
        return Request(
            messages=messages,
            temperature=usual if temperature is None else temperature,
            top_p=defaults.top_p if top_p is None else top_p,
            max_tokens=defaults.max_tokens if max_tokens is None else max_tokens,
            seed=seeded(self.desk.spec.seed, self.seed_id, name, sample, reask).getrandbits(31),
            schema=schema,
            extra=self.desk.extra[defaults.role],
        )

    async def reward(self, part: str, conversation: list[dict[str, str]]) -> Answer:
        """Ask the reward model once what the last message of a conversation is worth (:class:`Rewarded`).

        Raises:
            AskRejected: its reply is no finite number.
            AskFailed: the endpoint failed for good.
        """
        name = f"{REWARD_STEP}/{part}"
        request = Request(
            conversation, temperature=0.0, top_p=1.0, max_tokens=1, seed=0, extra=self.desk.extra["reward"]
        )
        entry = await self._entry(REWARD_STEP, name, 0, 0, request)
        if entry.reply is None:
            raise AskFailed(name, entry.outcome, entry.attempts[-1].get("detail", "") if entry.attempts else "")
        got = Reply(**entry.reply)
        calls = (Call(entry.key, entry.tokens_in, entry.tokens_out),)
        try:
            value = parse(got, Rewarded).value
        except BadReply as err:  # it would say the same again
            raise AskRejected(name, err.reason, err.detail, got.text, calls) from None
        return Answer(value, got, calls, ("usage_estimated",) if got.usage_estimated else ())

    async def _entry(self, step: str, name: str, sample: int, reask: int, request: Request) -> Entry:
        desk = self.desk
        role = "reward" if step == REWARD_STEP else desk.steps[step].role
        asked = _as_json(request)
        key = _key([self.seed_id, name, sample, reask, desk.declared[role]], asked)
        entry = self.journal.get(key)
        if entry is not None and not (desk.retry_failed and entry.reply is None):
            reply = Reply(**entry.reply) if entry.reply is not None else None
            if desk.replay_only:
                desk.used.add(key)
            desk.watcher.asked(step, entry.outcome, reply, entry.usd, replayed=True)
            return entry
        if desk.replay_only:
            desk.missed.append((self.seed_id, name, sample, reask, role))
            raise NotAnswered(name)
        desk.watcher.sent(step)
        price = desk.prices[role]
        ledger = QuestionLedger(
            self.journal, desk.spending, price, request,
            key=key, seed_id=self.seed_id, step=name, sample=sample, reask=reask,
        )  # fmt: skip
        try:
            outcome = await desk.pools[role].complete(self.priority, request, ledger)
        except BaseException:
            ledger.abandon()
            raise
        reply = outcome.reply
        entry = Entry(
            key=key,
            seed_id=self.seed_id,
            step=name,
            sample=sample,
            reask=reask,
            role=role,
            model=desk.declared[role],
            request=_as_dict(request),
            outcome="ok" if outcome.failure is None else outcome.failure.kind,
            reply=_as_dict(reply) if reply is not None else None,
            tokens_in=reply.tokens_in if reply else 0,
            tokens_out=reply.tokens_out if reply else 0,
            usd=cost(price, reply.tokens_in, reply.tokens_out) if reply else 0.0,
            attempts=[attempt.as_dict() for attempt in outcome.attempts],
        )
        # Awaited before this seed goes on: a kill costs at most what was in flight.
        await self.journal.put(entry, ledger.ended, asked)
        failpoint("commit")
        desk.watcher.asked(step, entry.outcome, reply, entry.usd, replayed=False)
        return entry

    def rng(self, step: str) -> random.Random:
        """Random numbers for a choice of ours at ``step``; the same in every run of this spec."""
        return seeded(self.desk.spec.seed, self.seed_id, step)


def seeded(*parts: object) -> random.Random:
    """A random generator that depends on ``parts`` alone."""
    digest = hashlib.sha256(json.dumps([str(p) for p in parts]).encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))


def journal_key(seed_id: str, step: str, sample: int, reask: int, model: str, request: Request) -> str:
    """Sha256 (hex) of everything that decides a reply."""
    return _key([seed_id, step, sample, reask, model], _as_json(request))


def _key(place: list[Any], request: str) -> str:
    return hashlib.sha256(f"{_json(place)[:-1]},{request}]".encode("utf-8", "replace")).hexdigest()


def _as_json(request: Request) -> str:
    return _json(_as_dict(request))


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def _as_dict(value: Request | Reply) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _with_error(messages: list[dict[str, str]], bad: BadReply) -> list[dict[str, str]]:
    """The same question with what was wrong about the last reply.

    The reply itself is not shown again: it costs its tokens once more, and weak models repeat what they are shown. The
    note joins the last user message, for many chat templates refuse two user messages in a row.
    """
    note = f"Your last reply could not be used: {bad.detail}. Answer again."
    return [*messages[:-1], {"role": "user", "content": f"{messages[-1]['content']}\n\n{note}"}]


async def together(*questions: Awaitable[T]) -> list[T]:
    """Await all, then raise the first error in the order given (not in the order of time), else return the results.

    What ends the whole run (a budget, a full disk, an interrupt) goes before what is data of one row: a row that is
    settled as failed while others of its questions were never asked would come out otherwise when the run goes on.
    Unlike ``asyncio.gather`` it lets the others finish, so that what was paid for is journalled. An error that was
    returned, not raised, is a result like any other.
    """
    results = await asyncio.gather(*map(_boxed, questions), return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise min(errors, key=lambda error: not isinstance(error, ClinsynthError))  # the first of the lesser key
    return [result[0] for result in results]  # type: ignore[index]


async def _boxed(question: Awaitable[T]) -> tuple[T]:
    return (await question,)
