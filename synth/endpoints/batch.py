"""The Batch API as an endpoint: questions gather into rounds, each round goes out as a batch, half the price.

A round leaves when nothing new has been asked for a moment: all open seeds then wait for us. Its replies open the next
questions, and so on; several batches may be open at once. A failed request joins a later round, ``retries`` times.

Nothing is sent twice, whatever happens to the process: batches carry a tag, requests the journal key as their
custom_id, and a new process reads what stands in earlier batches before it sends anything. Their replies, ready or
still to come, are taken as they are; they were paid for then, so the ledger hears nothing of them. To that end the
files stay at the service until it deletes them. Two runs that ask the very same questions share replies.

``timeout`` holds for moving a file, ``max_outage`` for a silent service; ``deadline`` has no meaning here.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from synth.endpoints.base import UNRECORDED, Attempt, Ledger, Outcome, Request
from synth.endpoints.batch_lines import Ids, input_line, write_input
from synth.endpoints.batch_sent import Question, Reading, Sent, earlier_batches, temporary
from synth.endpoints.batch_service import ENDPOINT, BatchService, Missing
from synth.endpoints.bodies import request_body
from synth.endpoints.keys import Key
from synth.endpoints.server import Server
from synth.errors import ClinsynthError, EndpointRefused, RunInterrupted
from synth.failpoints import failpoint
from synth.spec_models import BatchModel

log = logging.getLogger(__name__)

QUIET = 2.0
"""Seconds without a new question after which a round leaves."""
LONGEST_GATHERING = 120.0
"""Seconds after which it leaves in any case: another engine's replies may bring single questions for hours."""
MOST_REQUESTS = 50_000
LONGEST_QUEUE = 2 * 86_400.0
"""Seconds to wait for room in a service's queue of tokens; a batch takes a day at most."""


class BatchEndpoint:
    """One model behind one Batch API."""

    def __init__(self, model: BatchModel, role: str, say: Callable[[str], None] = log.warning) -> None:
        """Make an endpoint; ``role`` names it in messages, ``say`` tells people what they should know."""
        self.model = model
        self.role = role
        self.slots = model.max_in_flight
        self._url = str(model.base_url).rstrip("/")
        self._say: Callable[[str], None] = lambda text: say(f"{role}: {text}")
        self._waiting: list[Question] = []
        """For the next round."""
        self._news = asyncio.Event()
        self._unanswered: dict[str, Question] = {}
        """By custom_id."""
        self._sent: list[Sent] = []
        """Batches that are waited for."""
        self._earlier: list[Sent] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: BaseException | None = None
        self._held: BaseException | None = None
        """Nothing more is sent, but replies still arrive."""
        self._most = MOST_REQUESTS
        self._one_by_one = False
        """The service's queue of tokens was full once."""
        self._full_since: float | None = None
        """When it was found full; None since it has taken a batch."""
        self._started = False

    async def start(self) -> None:
        """Check the key and the model, which costs nothing.

        Raises:
            UserError: the environment variable for the key is not set, or nothing listens at the URL.
            EndpointRefused: the key is refused or the service has no such model.
        """
        variable = self.model.api_key_env
        key = Key.from_environment(self.role, variable) if variable else Key()
        server = Server(self._url, self.model.name, self.role, 1)
        async with aiohttp.ClientSession() as session:
            server.key, server.session = key, session
            await server.check()
        self._folder = tempfile.TemporaryDirectory(prefix="clinsynth-batch-")
        self._service = BatchService(
            self._url,
            key,
            role=self.role,
            # Not the role: the same model may play another one the next time, and its replies stay the same.
            tag=hashlib.sha256(f"batch 1\n{self.model.name}".encode()).hexdigest(),
            timeout=self.model.timeout,
            max_outage=self.model.max_outage,
        )
        self._started = True
        self._run(self._rounds())

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Put a request into the next round and wait for its reply, a day if need be."""
        if not self._started:
            raise RuntimeError("start() comes before complete()")
        if (stopped := self._stopped or self._held) is not None:
            raise stopped
        name = ledger.key or uuid.uuid4().hex
        if name in self._unanswered:
            raise ValueError(f"{name} was asked and is not answered yet")
        self._unanswered[name] = question = Question(name, request, ledger, asyncio.get_running_loop().create_future())
        self._ask([question])
        try:
            return await question.answer
        finally:
            del self._unanswered[name]

    def stop(self, reason: BaseException) -> None:
        """Send nothing more; replies of open batches still arrive."""
        self._held = self._held or reason
        for question in [question for question in self._unanswered.values() if not question.begun]:
            if not question.answer.done():
                question.answer.set_exception(reason)
        self._waiting.clear()

    def let_go(self, reason: BaseException | None = None) -> None:
        """Send nothing more and let go of all that wait: they get ``reason``. Open batches go on without us."""
        if self._stopped is not None:
            return
        self._stopped = reason or RunInterrupted("interrupted")
        going_on = [sent for sent in self._sent if not sent.ended and sent.batch.status != "failed"]
        if going_on:
            names = ", ".join(sent.batch.id for sent in going_on[:3]) + (", …" if len(going_on) > 3 else "")
            count = sum(len(sent.waiting) for sent in going_on)
            self._say(
                f"{count} requests are in open batches ({names}), which go on and are paid for; "
                f"the same command takes up their replies"
            )
        for question in self._unanswered.values():
            if not question.answer.done():
                question.answer.set_exception(self._stopped)
        self._waiting.clear()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def close(self) -> None:
        """Stop, close the connections and remove temporary files."""
        self.let_go()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._started:
            await self._service.close()
            self._folder.cleanup()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Work beside the questions; what goes wrong there goes to all of them."""

        async def guarded() -> None:
            try:
                await work
            except OSError as err:  # the temporary folder: full, or gone
                reason = f"models.{self.role}: cannot write the batch's file: {err.strerror or err}"
                self.let_go(ClinsynthError(f"{reason}; free some space and run the same command again"))
            except Exception as err:
                self.let_go(err)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ask(self, questions: list[Question]) -> None:
        if self._held is not None:
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(self._held)
            return
        self._waiting += questions
        self._news.set()

    async def _rounds(self) -> None:
        while True:
            await self._gather()
            questions = [question for question in self._waiting if not question.answer.done()]
            self._waiting = []
            await self._send_all(await self._begun(await self._not_sent_before(questions)))

    async def _gather(self) -> None:
        """Wait until a round is complete."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        deadline = time.monotonic() + LONGEST_GATHERING
        while len(self._waiting) < min(self.slots, MOST_REQUESTS) and time.monotonic() < deadline:
            self._news.clear()
            try:
                async with asyncio.timeout(QUIET):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _not_sent_before(self, questions: list[Question]) -> list[Question]:
        """Answer what stands in batches of earlier processes, or let it wait for them; return the others."""
        if self._earlier is None:
            self._earlier = await earlier_batches(self._service, Path(self._folder.name))
        for sent in self._earlier:
            wanted = {q.custom_id: q for q in questions if sent.batch.id not in q.seen and q.custom_id in sent.ids}
            if not wanted:
                continue
            questions = [question for question in questions if question.custom_id not in wanted]
            if sent.ended:
                # What failed there is asked again, as after any restart.
                await Reading(sent, wanted).read(self._service, Path(self._folder.name), self._say)
                questions += wanted.values()
            else:
                sent.waiting |= wanted
                self._watch(sent)
        return questions

    async def _begun(self, questions: list[Question]) -> list[Question]:
        """Those that the budget covers, their intents on disk."""
        new = [question for question in questions if not question.begun]
        # All at once: they share the journal's commits.
        ends = await asyncio.gather(*(question.ledger.begin() for question in new), return_exceptions=True)
        for question, end in zip(new, ends, strict=True):
            if end is None:
                question.begun = True
            elif not question.answer.done():
                question.answer.set_exception(end)
        failpoint("intent")
        return [question for question in questions if question.begun]

    async def _send_all(self, questions: list[Question]) -> None:
        rest = sorted(questions, key=lambda question: question.custom_id)
        while rest:
            with temporary(Path(self._folder.name), "input") as path:
                count, sha256 = await asyncio.to_thread(write_input, path, map(self._line, rest[: self._most]))
                batch = await self._service.submit(path, count, sha256)
            failpoint("batch")
            portion, rest = rest[:count], rest[count:]
            sent = Sent(batch, Ids(q.custom_id for q in portion), {q.custom_id: q for q in portion})
            self._say(f"the batch {batch.id} of {count} requests is on its way")
            self._watch(sent)
            if self._one_by_one:
                # There was no room once: one after the other, until there is none again.
                await sent.validated.wait()
                if sent.batch.status == "failed":
                    self._run(self._ask_later(rest))
                    return

    def _line(self, question: Question) -> bytes:
        model = self.model
        send_seed = model.send_seed is not False
        body = request_body(question.request, model.name, structured=model.structured, send_seed=send_seed)
        return input_line(question.custom_id, ENDPOINT, body)

    def _watch(self, sent: Sent) -> None:
        if not sent.watched:
            sent.watched = True
            self._sent.append(sent)
            self._run(self._follow(sent))

    async def _follow(self, sent: Sent) -> None:
        """Look at a batch until it has ended, then hand over what came of it."""
        while not sent.ended:
            try:
                sent.batch = await self._service.retrieve(sent.batch.id)
            except Missing:
                raise EndpointRefused(f"models.{self.role}: the service has lost the batch {sent.batch.id}") from None
            if sent.batch.status == "failed":
                sent.validated.set()
                self._not_accepted(sent)
                return
            if sent.batch.status != "validating" and not sent.validated.is_set():
                sent.validated.set()
                self._full_since, self._most = None, min(MOST_REQUESTS, 2 * self._most)
            if not sent.ended:
                await asyncio.sleep(self.model.poll)
        await self._settle(sent)
        self._sent.remove(sent)
        sent.watched = False

    def _not_accepted(self, sent: Sent) -> None:
        """The service has looked at the input file and done nothing of it."""
        errors = (sent.batch.errors.data if sent.batch.errors else None) or []
        code, message = (errors[0].code or "", errors[0].message or "") if errors else ("", "no reason given")
        if code != "token_limit_exceeded" and "enqueued token" not in message.lower():
            why = f"{message or code} (batch {sent.batch.id})"
            raise EndpointRefused(f"models.{self.role}: the service does not take the batch: {why}")
        now = time.monotonic()
        self._one_by_one, self._full_since = True, self._full_since or now
        if now - self._full_since > LONGEST_QUEUE:
            raise EndpointRefused(f"models.{self.role}: no room in the service's queue for two days: {message}")
        self._sent.remove(sent)
        if not self._sent:
            # No other batch of ours fills the queue, so this one alone may be too much for it.
            self._most = max(1, len(sent.waiting) // 2)
        self._say(f"the service's queue is full, waiting for room ({message})")
        for question in sent.waiting.values():
            question.seen.add(sent.batch.id)
        self._run(self._ask_later(list(sent.waiting.values())))

    async def _ask_later(self, questions: list[Question]) -> None:
        """Put questions that found no room into a later round; they have cost nothing."""
        await asyncio.sleep(self.model.poll)
        self._ask(questions)

    async def _settle(self, sent: Sent) -> None:
        """Hand over the replies of a batch that has ended, and ask the rest again or let it fail."""
        reading = Reading(sent, sent.waiting)
        await reading.read(self._service, Path(self._folder.name), self._say)
        left = reading.left()
        if refusal := reading.refusal():
            for question in sent.waiting.values():
                question.end(Attempt("refused", 0, refusal))
            raise EndpointRefused(f"models.{self.role}: {refusal}")
        for name, verdict in left.items():
            question = sent.waiting.pop(name)
            question.end(verdict.attempt)
            if verdict.again and len(question.attempts) <= self.model.retries:
                self._ask([question])
            else:
                question.settle(None)
