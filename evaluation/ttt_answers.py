"""Answers with test-time training, without it, and by its controls: the last two passes, in this process.

=========  ==============================================================  ==================
control    what a question is answered by                                  run
=========  ==============================================================  ==================
none       the model as it is                                              ``<name>``
ttt        the model adapted to the question's neighbours                  ``<name>+ttt``
random     the model adapted to as many rows drawn from the whole pool     ``<name>+random``
rag        the model as it is, with the neighbours' texts in the prompt    ``<name>+rag``
ttt+rag    both                                                            ``<name>+ttt+rag``
=========  ==============================================================  ==================

All of them ask the same weights in the same types, so that a pair of runs differs in the control alone. Questions are
taken by their neighbours; those that share them share one adaptation. With LoRA a batch holds questions with adapters
of their own (:mod:`training.stacked`), so that generation stays as batched as without; when all weights are trained,
or log-likelihoods are taken, a batch is questions that share their neighbours. A question without a neighbour above
the floor is answered by the model as it is. What is on disk is not asked again, and neither the order of the questions
nor a kill changes an answer, beyond rounding.

Statistics are made elsewhere, from the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluation.answers import Answer, Answers
from evaluation.generate import context_of, render
from evaluation.models import Loaded as Weights
from evaluation.models import chat_form
from evaluation.prompting import chat, load_template, plain
from evaluation.runner import Ask, Settings, Watch, ask_weights
from evaluation.ttt_neighbours import Near, find_neighbours, with_examples
from training.config import Loaded
from training.ttt_config import TttConfig

if TYPE_CHECKING:
    from training.adapt import Learner
    from training.ttt_setup import Ready

Control = Literal["none", "ttt", "random", "rag", "ttt+rag"]
CONTROLS: tuple[Control, ...] = ("none", "ttt", "random", "rag", "ttt+rag")
_TRAINED = ("ttt", "random", "ttt+rag")
_IN_PROMPT = ("rag", "ttt+rag")


@dataclass(frozen=True, slots=True)
class Bench:
    """What stays the same over tasks and controls. The learner is made when something has to be asked."""

    loaded: Loaded[TttConfig]
    ready: Ready
    learner: Callable[[], Learner]
    out: Path
    """The evaluation folder."""
    name: str
    """Of the runs."""
    model: str
    """As answers name it."""
    settings: Settings


def run_of(name: str, control: Control) -> str:
    """Return the name of a control's run."""
    return name if control == "none" else f"{name}+{control}"


def open_bench(loaded: Loaded[TttConfig], out: Path, name: str, model: str, settings: Settings) -> Bench:
    """Check configuration and pool; weights are loaded at the first question that is not on disk.

    Raises:
        UserError: what is wrong with them, a line for each.
    """
    import functools

    from training.adapt import Learner
    from training.ttt_setup import preflight

    ready = preflight(loaded)
    return Bench(loaded, ready, functools.cache(lambda: Learner(loaded, ready)), out, name, model, settings)


def answer_task(
    bench: Bench,
    task: str,
    asks: Sequence[Ask],
    control: Control,
    about: Mapping[str, Any],
    watch: Watch = lambda done: None,
) -> str:
    """Answer every item of a task by one control and return the run's name; what is on disk is left as it is.

    ``about`` is what the run of ``none`` is told to be; a control adds its own.

    Raises:
        UserError: a run or a retrieval of that name was another one, or a file cannot be read.
        NotFinite: a loss is no number.
    """
    config, pool, near = bench.loaded.config, bench.ready.pool, dict[str, Near]()
    if control != "none":
        questions = [ask.question for ask in asks]
        near = find_neighbours(config, pool, task, questions, at_random=control == "random")
    run = run_of(bench.name, control)
    with Answers(bench.out, run, task, {**about, **_about(bench, control)}) as answers:
        left = [ask for ask in asks if (ask.question.id, ask.seed) not in answers.done]
        if not left:
            return run
        if control in _IN_PROMPT:
            left = [Ask(ask.seed, with_examples(pool, ask.question, near[ask.question.id])) for ask in left]
        kept = _Kept(answers, control, near)
        if control in _TRAINED:
            _trained(bench, task, left, near, kept, watch)
        else:
            learner = bench.learner()
            learner.reset()
            weights = Weights(learner.model, learner.tokenizer)
            ask_weights(weights, bench.model, task, left, kept, bench.settings, watch)  # type: ignore[arg-type]
    return run


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where :func:`evaluation.runner.ask_weights` puts its rows: what the control was is added to them."""

    answers: Answers
    control: Control
    near: Mapping[str, Near]

    def add(self, rows: Sequence[Answer], seconds: Mapping[tuple[str, int], float] | None = None) -> None:
        """Put rows on disk; ``seconds`` is what adapting to each took."""
        self.answers.add(self._told(row, (seconds or {}).get((row.id, row.seed), 0.0)) for row in rows)

    def _told(self, row: Answer, seconds: float) -> Answer:
        near = self.near.get(row.id, Near((), None))
        return replace(
            row, control=self.control, neighbours=list(near.ids), similarity=near.similarity,
            seconds=row.seconds + seconds,
        )  # fmt: skip


@dataclass(slots=True)
class _Held:
    """The rows of one batch, held back until the adapters' time is known."""

    rows: list[Answer]

    def add(self, rows: Sequence[Answer]) -> None:
        """Hold them."""
        self.rows += rows


def _trained(
    bench: Bench, task: str, asks: Sequence[Ask], near: Mapping[str, Near], kept: _Kept, watch: Watch
) -> None:
    """Adapt, answer, reset, batch by batch."""
    learner = bench.learner()
    mixed = bench.settings.method == "generate" and _can_be_stacked(bench.ready.lora, learner)
    weights = Weights(learner.model, learner.tokenizer)
    if mixed:  # a batch has to come through the model whole
        long = [ask for ask in asks if not _has_room(bench, learner, ask)]
        asks = [ask for ask in asks if ask not in long]
        ask_weights(weights, bench.model, task, long, kept, bench.settings, watch)  # type: ignore[arg-type]
    for batch in _batches(asks, near, bench.settings.batch_size, mixed):
        # As ask_weights orders it, so that row and adapter go together.
        batch = sorted(batch, key=lambda ask: (-len(plain(ask.question)), ask.question.id, ask.seed))
        sets = [near[ask.question.id].ids for ask in batch]
        held = _Held([])
        with _adapted(learner, sets, mixed) as seconds:
            ask_weights(weights, bench.model, task, batch, held, bench.settings, lambda done: None)  # type: ignore[arg-type]
        shares = {
            (ask.question.id, ask.seed): seconds.get(ids, 0.0) / sets.count(ids)
            for ask, ids in zip(batch, sets, strict=True)
        }
        kept.add(held.rows, shares)
        watch(len(held.rows))
    learner.reset()


def _has_room(bench: Bench, learner: Learner, ask: Ask) -> bool:
    settings = bench.settings
    prompt = render(learner.tokenizer, chat(load_template(), ask.question, settings.language))
    length = len(learner.tokenizer(prompt, add_special_tokens=False)["input_ids"])
    return length + settings.max_new_tokens <= context_of(learner.model)


def _can_be_stacked(lora: Any, learner: Learner) -> bool:
    """Whether all that is trained is A and B of linear layers; biases and whole modules are one for the batch."""
    ours = (".lora_A.default.weight", ".lora_B.default.weight")
    return lora is not None and not lora.use_dora and all(name.endswith(ours) for name in learner.weights())


def _batches(asks: Sequence[Ask], near: Mapping[str, Near], size: int, mixed: bool) -> Iterator[list[Ask]]:
    """Asks with the same neighbours beside each other, in batches; of one set each unless ``mixed``."""
    groups: dict[tuple[str, ...], list[Ask]] = {}
    for ask in sorted(asks, key=lambda ask: (-len(plain(ask.question)), ask.question.id, ask.seed)):
        groups.setdefault(near[ask.question.id].ids, []).append(ask)
    for rest in [iter([ask for group in groups.values() for ask in group])] if mixed else map(iter, groups.values()):
        while batch := list(islice(rest, size)):
            yield batch


@contextmanager
def _adapted(learner: Learner, sets: Sequence[tuple[str, ...]], mixed: bool) -> Iterator[dict[tuple[str, ...], float]]:
    """While it lasts the model answers by these neighbours; gives the seconds that each set took."""
    from training.stacked import stacked

    weights, seconds = {}, {}
    for ids in dict.fromkeys(sets):
        if ids:
            seconds[ids] = learner.adapt(ids).seconds
        else:
            learner.reset()
        if mixed:
            weights[ids] = learner.weights()
    with stacked(learner.model, [weights[ids] for ids in sets]) if mixed else nullcontext():
        yield seconds


def numbers(loaded: Loaded[TttConfig], ready: Ready) -> dict[str, Any]:
    """Return what besides the weights decides what a learner's model computes, where it is not the default."""
    from training.options import model_arguments

    config, arguments = loaded.config, ready.arguments
    said = {
        "dtype": model_arguments(config)["dtype"],
        "autocast": "bfloat16" if arguments.bf16 else "float16" if arguments.fp16 else None,
        "attention": config.model.attention,
        "revision": config.model.revision,
        "quantize": config.quantize,
    }
    return {name: value for name, value in said.items() if value is not None}


def _about(bench: Bench, control: Control) -> dict[str, Any]:
    config, arguments = bench.loaded.config, bench.ready.arguments
    # All of it changes what the model answers; a model asked by itself says the same of itself (evaluation.models).
    alone = numbers(bench.loaded, bench.ready)
    if bench.settings.method == "generate":
        alone["chat_form"] = chat_form(bench.ready.tokenizer)
    if control == "none":
        return alone
    said: dict[str, Any] = {**alone, "control": control, "pool": bench.ready.pool.hash, "k": config.retrieval.k,
                            "retrieval": config.retrieval.model_dump()}  # fmt: skip
    if control in _TRAINED:
        said |= {
            "steps": config.steps,
            "order": config.order,
            "learning_rate": arguments.learning_rate,
            "trl": config.trl,
            "lora": config.lora,
        }
    return said | {"seed": config.seed}
