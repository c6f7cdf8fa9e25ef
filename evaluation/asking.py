"""Asking models for an evaluation as a spec's run asks them: the same endpoints, re-asks, prices and journal.

A folder of results holds ``journal/00000.sqlite``; whatever was answered there is not asked again, so the same command
goes on where it was stopped. A model is named as under ``models.generator`` in a spec: a YAML file that holds one, the
same inline (``{engine: openai, …}``), a folder of weights (a vLLM of ours serves it), a GGUF file, or ``packaged`` for
the small model that comes with the extra ``local``.

What it does not do: stage rows, or keep budgets.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from synth.ask import Asker, Desk
from synth.budget import Spending
from synth.engines import Engines, declared_model
from synth.errors import RunInterrupted, UserError
from synth.journal import Journal
from synth.progress import Progress
from synth.spec import Budget, Spec
from synth.spec_errors import dotted, validation_findings
from synth.spec_models import LocalModel, RemoteModel, VllmModel, is_folder
from synth.spec_yaml import YamlProblem, parse, read_text
from synth.steps import Step
from synth.templates import Template, Templates

T = TypeVar("T")
AnyModel = LocalModel | RemoteModel
Work: TypeAlias = tuple[str, Callable[[Asker], Awaitable[T]]]
"""A name, under which the questions are journalled as a spec's are under a seed id, and what to do with an asker."""
PACKAGED = "packaged"

_AROUND = {"name": "model", "seeds": {"source": "none"}, "produce": {}}
"""What a spec needs beside its models, to check one by the spec's own rules."""


def read_model(given: str) -> AnyModel:
    """Return the model that an option names.

    Raises:
        UserError: no such file, no YAML, or no valid model, one line a mistake.
    """
    if given == PACKAGED:
        return LocalModel(engine="local")
    if Path(given).is_dir():
        return VllmModel(engine="vllm", model=str(Path(given).resolve()))
    if given.endswith(".gguf") and Path(given).is_file():
        return LocalModel(engine="local", path=Path(given).resolve())
    inline = given.lstrip().startswith("{")
    where, folder = ("the model", Path.cwd()) if inline else (given, Path(given).resolve().parent)
    if not inline and not Path(given).is_file():
        raise UserError(
            f"{given}: no such file; name a YAML file with a model as under models.generator in a spec, a folder of "
            f"weights or a GGUF file, or write '{{engine: openai, model: NAME, base_url: URL}}' or {PACKAGED}"
        )
    try:
        document = parse(given if inline else read_text(Path(given)))
    except YamlProblem as problem:
        raise UserError(f"{where}:{problem.line}: {problem.message}") from None
    if not isinstance(document.value, dict):
        raise UserError(f"{where}: this is no model: write its keys, such as engine, model and base_url")
    if "engine" not in document.value and document.value.keys() & {"models", "generator"}:
        raise UserError(f"{where}: this is a whole spec: name a file with the keys of one of its models alone")
    raw = _AROUND | {"models": {"generator": {k: _placed(k, v, folder) for k, v in document.value.items()}}}
    try:
        return Spec.model_validate_json(json.dumps(raw), strict=True).models.generator
    except ValidationError as error:
        found = validation_findings(error, raw)
    raise UserError("\n".join(f"{where}: {_complaint(dotted(one.loc[2:]), one.message)}" for one in found))


def _complaint(key: str, message: str) -> str:
    """Some messages name their key themselves."""
    return message if message.startswith(f"{key} ") else f"{key}: {message}"


def model_id(model: AnyModel) -> str:
    """The model's name as journal and results know it.

    Weights on this machine carry a hash of them behind it: folders of different models are often called alike.
    """
    from evaluation.models import weights_id

    if isinstance(model, LocalModel):
        place = str(model.path) if model.path else ""
    else:
        place = os.path.expanduser(model.model) if is_folder(model.model) else ""
    found = weights_id(place) if place else None
    return f"{declared_model(model)}@{found}" if found else declared_model(model)


def _placed(key: str, value: object, folder: Path) -> object:
    """A path of a file made absolute."""
    is_path = isinstance(value, str) and (key in ("path", "python") or (key == "model" and is_folder(value)))
    return os.path.join(folder, os.path.expanduser(str(value))) if is_path else value


def load_templates(steps: Mapping[str, Step]) -> dict[str, Template]:
    """The templates of some steps, by step."""
    ours = Templates()
    return {name: ours.load(step.template, step.variables) for name, step in steps.items()}


def journal_file(folder: Path) -> Path:
    """Where the journal of a folder of results lies."""
    return folder / "journal" / "00000.sqlite"


async def ask_all(
    spec: Spec,
    steps: Mapping[str, Step],
    templates: dict[str, Template],
    folder: Path,
    work: Sequence[Work[T]],
    progress: Progress,
    *,
    requests: int,
) -> list[T]:
    """Do all of ``work`` at once, each with an asker of its own; the results come in the same order.

    Args:
        spec: names the models by role, and re-asks and language.
        steps: what may be asked; ``templates`` holds theirs.
        folder: where the journal lies.
        work: what to do; of equal names the first is done, and its result is that of all of them.
        progress: shows how it goes, with ``requests`` as the number to expect.

    Raises:
        ClinsynthError: an endpoint refuses all work, the disk is full; what was answered is in the journal.
    """
    engines = Engines(spec, lambda: None, logs=folder / "logs", say=progress.say)
    journal = Journal(journal_file(folder))
    declared = {role: model_id(spec.models.of(role)) for role in engines.declared}
    desk = Desk(
        spec=spec, templates=templates, pools=engines.pools, declared=declared, prices=engines.prices,
        extra=engines.extra, spending=Spending(Budget()), watcher=progress, steps=steps,
    )  # fmt: skip
    progress.begin(engines, desk.spending, len({name for name, _ in work}), requests)
    shown = asyncio.create_task(progress.show())

    async def done(at: int, name: str, task: Callable[[Asker], Awaitable[T]]) -> T:
        result = await task(Asker(desk, journal, name, (0, at)))
        progress.seed_done()
        return result

    tasks: dict[str, asyncio.Task[T]] = {}
    for at, (name, task) in enumerate(work):
        if name not in tasks:
            tasks[name] = asyncio.create_task(done(at, name, task))
    try:
        await _ended(list(tasks.values()), engines)
        return [tasks[name].result() for name, _ in work]
    finally:
        shown.cancel()
        for open_ in tasks.values():
            open_.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await engines.close()
        await journal.close()


async def _ended(tasks: Sequence[asyncio.Task[T]], engines: Engines) -> None:
    """Wait for all; raise the first error in time, after what was in flight has arrived."""
    if not tasks:
        return
    ended, open_ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    failed = next((task for task in ended if task.exception() is not None), None)
    if failed is None:
        return
    engines.stop(RunInterrupted("the evaluation was stopped"))
    if open_:
        await asyncio.wait(open_)
    error = failed.exception()
    assert error is not None
    raise error
