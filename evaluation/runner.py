"""Questions to a model, answers to disk: by generation or log-likelihood in this process, or over an endpoint.

Whatever is on disk is not asked again; a batch is on disk before the next begins. A reply that cannot be read, is cut
or refused for its content is an answer without a letter. Any other request without a reply leaves no answer, whether
it failed in passing or the endpoint does not take a setting of it: that says nothing about the model. The command then
ends with a line, and the same command asks again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evaluation.answers import Answer, Answers
from evaluation.extract import extract
from evaluation.generate import Generated, generate
from evaluation.loglik import score
from evaluation.models import Loaded
from evaluation.prompting import FORMS, chat, chat_hash, form_hash, load_template, plain
from evaluation.tasks import Question
from synth.endpoints.base import Endpoint, Outcome, Request
from synth.errors import EndpointRefused, UserError
from synth.spec_models import BatchModel, LocalModel, RemoteModel

REFUSED = "content_filter"
"""The one failure that is the model's answer to this question."""
_KEPT = 16
"""Replies of an endpoint that are put on disk together."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How questions are asked."""

    method: str = "generate"
    """``generate``, ``loglik`` (of the letters) or ``cloze`` (of the options' texts, a byte)."""
    language: str = "English"
    max_new_tokens: int = 2048
    temperature: float = 0.0
    top_p: float = 1.0
    batch_size: int = 8
    """Of a model in this process; an endpoint has its own window."""

    @property
    def prompt_hash(self) -> str:
        """Of the prompt that the method uses."""
        return form_hash(self.method) if self.method in FORMS else chat_hash(load_template(), self.language)

    def about(self) -> dict[str, object]:
        """What has to be the same for a run to go on."""
        shared: dict[str, object] = {"method": self.method, "prompt_hash": self.prompt_hash}
        if self.method != "generate":
            return shared
        sampling = {"temperature": self.temperature, "top_p": self.top_p, "max_new_tokens": self.max_new_tokens}
        return shared | {"language": self.language} | sampling


class Unanswered(EndpointRefused):
    """Some questions of a task have no reply; the endpoint takes others."""


class Ask(NamedTuple):
    """One item, to be asked once."""

    seed: int
    question: Question


Watch = Callable[[int], None]
"""Told after each batch how many more answers are on disk."""


def from_generated(task: str, ask: Ask, got: Generated, model: str, prompt_hash: str) -> Answer:
    """Return the row for what a model wrote."""
    question = ask.question
    letter = None if got.failure else extract(got.text, question.options).letter
    return Answer(
        task=task,
        id=question.id,
        cluster=question.cluster,
        gold=question.gold,
        answer=letter,
        method="generate",
        seed=ask.seed,
        order=list(question.order),
        prompt_hash=prompt_hash,
        model=model,
        truncated=got.truncated,
        text=got.text,
        tokens_in=got.tokens_in,
        tokens_out=got.tokens_out,
        seconds=got.seconds,
        failure=got.failure,
    )


def from_scores(
    task: str,
    ask: Ask,
    scores: Sequence[float],
    model: str,
    *,
    method: str = "loglik",
    tokens_in: int = 0,
    seconds: float = 0.0,
) -> Answer:
    """Return the row for the log-likelihoods of a question's options; of equal ones the first is the answer.

    ``cloze`` divides by the bytes of each option, for a longer text is less likely whatever it says (lm-eval's
    acc_norm divides by characters).
    """
    question = ask.question
    letters = list(question.options)
    by_byte = [one / len(text.encode()) for one, text in zip(scores, FORMS[method][1](question), strict=True)]
    if method == "cloze":
        scores = by_byte
    best = max(range(len(letters)), key=lambda at: scores[at])
    right = letters.index(question.gold)
    return Answer(
        task=task,
        id=question.id,
        cluster=question.cluster,
        gold=question.gold,
        answer=letters[best],
        method=method,
        seed=ask.seed,
        order=list(question.order),
        prompt_hash=form_hash(method),
        model=model,
        scores=list(scores),
        nll_per_byte=-by_byte[right],
        tokens_in=tokens_in,
        seconds=seconds,
    )


def ask_weights(
    loaded: Loaded, name: str, task: str, asks: Sequence[Ask], answers: Answers, settings: Settings, watch: Watch
) -> None:
    """Ask a model in this process, the longest questions first, batch by batch."""
    ordered = sorted(asks, key=lambda ask: (-len(plain(ask.question)), ask.question.id, ask.seed))
    template = load_template()
    for at in range(0, len(ordered), settings.batch_size):
        batch = ordered[at : at + settings.batch_size]
        if settings.method != "generate":
            rows = _score(loaded, name, task, batch, settings.method)
        else:
            got = generate(
                loaded.model,
                loaded.tokenizer,
                [chat(template, ask.question, settings.language) for ask in batch],
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                top_p=settings.top_p,
                seed=batch[0].seed,
            )
            hashed = settings.prompt_hash
            rows = [from_generated(task, ask, one, name, hashed) for ask, one in zip(batch, got, strict=True)]
        answers.add(rows)
        watch(len(rows))


def _score(loaded: Loaded, name: str, task: str, batch: Sequence[Ask], method: str) -> list[Answer]:
    put, ends = FORMS[method]
    prompts = [put(ask.question) for ask in batch]
    options = [ends(ask.question) for ask in batch]
    begin = time.perf_counter()
    scores = score(loaded.model, loaded.tokenizer, prompts, options, batch_size=len(batch))
    share = (time.perf_counter() - begin) / len(batch)
    lengths = [len(ids) for ids in loaded.tokenizer(prompts)["input_ids"]]
    return [
        from_scores(task, ask, of_ask, name, method=method, tokens_in=length, seconds=share)
        for ask, of_ask, length in zip(batch, scores, lengths, strict=True)
    ]


async def ask_endpoint(
    model: LocalModel | RemoteModel,
    name: str,
    task: str,
    asks: Sequence[Ask],
    answers: Answers,
    settings: Settings,
    watch: Watch,
    logs: Path,
) -> None:
    """Ask an endpoint, as many at a time as it takes.

    Raises:
        UserError: an engine that cannot be used here.
        EndpointRefused: it refuses all work; what was answered is on disk.
        Unanswered: some questions have no reply; what was answered is on disk.
    """
    from synth.engines import make_endpoint

    if isinstance(model, BatchModel):
        raise UserError("--model: engine openai-batch answers within a day: name the same model as engine: openai")
    endpoint = make_endpoint(model, "model", logs=logs)
    window = asyncio.Semaphore(endpoint.slots)
    tasks: list[asyncio.Task[Answer | str]] = []
    kept: list[Answer] = []
    lost: list[str] = []
    try:
        await endpoint.start()
        tasks = [asyncio.create_task(_one(endpoint, model, name, task, ask, settings, window)) for ask in asks]
        for done in asyncio.as_completed(tasks):
            answer = await done
            if isinstance(answer, str):
                lost.append(answer)
                continue
            kept.append(answer)
            if len(kept) >= _KEPT:
                answers.add(kept)
                watch(len(kept))
                kept = []
    finally:
        for open_ in tasks:
            open_.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await endpoint.close()
        answers.add(kept)
        watch(len(kept))
    if lost:
        cure = "; a setting that is refused needs another value, and --name" if "bad_request" in lost[0] else ""
        raise Unanswered(f"{task}: {len(lost)} questions have no reply ({lost[0]}); the same command asks them{cure}")


async def _one(
    endpoint: Endpoint,
    model: LocalModel | RemoteModel,
    name: str,
    task: str,
    ask: Ask,
    settings: Settings,
    window: asyncio.Semaphore,
) -> Answer | str:
    """The answer to one question, or why there is none for now."""
    request = Request(
        messages=chat(load_template(), ask.question, settings.language),
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_new_tokens,
        seed=int.from_bytes(hashlib.sha256(f"{ask.seed} {ask.question.id}".encode()).digest()[:4]) >> 1,
        extra=dict(model.extra_body),
    )
    async with window:
        begin = time.perf_counter()
        outcome = await endpoint.complete(request)
    if outcome.failure is not None and outcome.failure.kind != REFUSED:
        return f"{outcome.failure.kind}: {outcome.failure.detail}"[:200]
    got = _generated(outcome, time.perf_counter() - begin)
    return from_generated(task, ask, got, name, settings.prompt_hash)


def _generated(outcome: Outcome, seconds: float) -> Generated:
    reply = outcome.reply
    if reply is None:
        why = outcome.failure
        return Generated("", False, 0, 0, seconds, f"{why.kind}: {why.detail}"[:500] if why else "no reply")
    reasoning = f"<think>{reply.reasoning}</think>\n" if reply.reasoning else ""
    return Generated(
        reasoning + reply.text, reply.finish_reason == "length", reply.tokens_in, reply.tokens_out, seconds
    )
