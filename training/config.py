"""The configuration of a training run: one YAML file as frozen models, a docstring under each field.

    load_config(SftConfig, "sft", ["model.name=HuggingFaceTB/SmolLM2-135M-Instruct", "trl.max_steps=30"])

A file is found as a path, else among the built-in ones (``training/configs/``). Unknown keys are errors with the
nearest known name. Relative paths in a file of yours start at its folder, those given by ``--set`` and those of the
built-in ones at the current folder.
``trl:`` and ``lora:`` stay plain mappings here: their names and values are checked against the libraries by
:mod:`training.options`, so that reading a configuration imports none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from synth.errors import UserError
from synth.spec_errors import render, unknown
from synth.spec_yaml import Document, Finding, Loc
from training.config_file import read_document, resolve, validate

BUILT_IN = Path(__file__).parent / "configs"
"""Folder of the configurations that come with the package."""

PATHS: list[Loc] = [
    ("output",),
    ("accelerate",),
    ("model", "name"),
    ("model", "template"),
    ("data", "path"),
    ("questions",),
    ("retrieval", "encoder"),
]
"""Keys whose relative paths are made absolute."""


class Strict(BaseModel):
    """Frozen, and unknown keys are errors: the base of everything in a configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
"""A list of texts; one text alone stands for a list of one."""


class Model(Strict):
    """What is trained."""

    name: Annotated[str, Field(min_length=1)]
    """A folder, a Hub repository (owner/name), a .gguf file, or ``packaged``: the small model that the specs'
    ``engine: local`` runs. GGUF weights are converted once, see :mod:`training.convert`."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    template: Annotated[str, Field(min_length=1)] = "auto"
    """``auto``: the template of ours that renders as the model's own; else the name of one of ours, or a .jinja file
    with ``{% generation %}`` markers."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights. ``auto``: float32 when all are trained (a small rate is lost in bfloat16 weights; the
    arithmetic is bfloat16 all the same where the hardware has it); under LoRA bfloat16 where the hardware has it."""
    attention: str | None = None
    """Kernel, such as sdpa, eager or flash_attention_2; null: what transformers takes for this model."""
    trust_remote_code: bool = False
    """Run code that comes with the model. Off, and to be left off for models you have not read."""


class Data(Strict):
    """Which rows."""

    path: Names
    """``export/`` folders, run folders, Parquet files or folders of Parquet files; one, or a list."""
    kinds: Names | None = None
    """Kinds of rows to train on, such as [sft, reasoning]; null: those that fit the command."""
    departments: list[str] | None = None
    """Departments or ``department/subdepartment`` to keep; null: all."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """At most this many training rows of each kind, from the start; null: all. For rehearsals."""
    validation: bool = True
    """Evaluate on the export's validation split, one result for each kind."""


class OverLength(Strict):
    """What happens to rows longer than ``trl.max_length``."""

    action: Literal["refuse", "drop", "truncate"] = "refuse"
    """``refuse``: stop when more than ``share`` are too long, and drop the few otherwise. ``drop`` and ``truncate``
    do so however many there are; a truncated row does not teach the end of its last turn."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of rows that ``refuse`` lets pass."""


class EarlyStop(Strict):
    """Stop when the validation loss no longer falls."""

    patience: Annotated[int, Field(ge=1)] = 3
    """Evaluations without a better loss before the run stops."""
    threshold: Annotated[float, Field(ge=0)] = 0.0
    """How much lower counts as better."""


class RunConfig(Strict):
    """What every training command takes."""

    model: Model
    data: Data
    output: Annotated[str, Field(min_length=1)]
    """Folder for checkpoints, model, card, metrics and report."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Order of rows, dropout, new weights."""
    over_length: OverLength = OverLength()
    early_stop: EarlyStop | None = None
    lora: dict[str, Any] | None = None
    """Options of PEFT's LoraConfig; null: train all weights. ``{}``: LoRA with its defaults of ours."""
    quantize: Literal["4bit"] | None = None
    """``4bit``: QLoRA, frozen weights in 4-bit NF4 through bitsandbytes; needs ``lora``."""
    trl: dict[str, Any] = Field(default_factory=dict)
    """Options of the TRL trainer's configuration."""
    accelerate: str | None = None
    """Configuration of ``accelerate launch`` to start this run with: a file, or one of TRL's by name (fsdp2, zero3,
    multi_gpu, …); null: this process alone."""


class SftConfig(RunConfig):
    """Supervised fine-tuning on ``messages``."""


Config = TypeVar("Config", bound=Strict)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Config]):
    """A valid configuration, and where each key of it stands."""

    config: Config
    path: Path
    document: Document

    def error(self, loc: Loc, message: str) -> UserError:
        """The one-line error about the key ``loc``: ``file:line: dotted.key: message``."""
        return UserError(render([Finding(loc, message)], self.path, self.document))

    def errors(self, findings: Sequence[tuple[Loc, str]]) -> UserError:
        """One error with a line for each ``(loc, message)``."""
        return UserError(render([Finding(loc, message) for loc, message in findings], self.path, self.document))


def load_config(kind: type[Config], name: str, overrides: Sequence[str] = ()) -> Loaded[Config]:
    """Return the configuration that ``name`` means, with ``a.b=value`` overrides applied in order.

    Raises:
        UserError: one line for everything that is wrong, ``file:line: key: what, how to mend it``.
    """
    path = find_config(name)
    document = read_document(path, overrides)
    folder = Path.cwd() if path.parent == BUILT_IN else path.parent
    resolve(document, folder, PATHS)
    return Loaded(validate(kind, document, path), path, document)


def find_config(name: str) -> Path:
    """Return the file that ``name`` means; a UserError names the built-in ones and the nearest."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    built_in = {file.stem: file for file in sorted(BUILT_IN.glob("*.yaml"))}
    if name.removesuffix(".yaml") in built_in:
        return built_in[name.removesuffix(".yaml")]
    if path.is_dir():
        raise UserError(f"{name}: this is a folder: name the configuration file in it")
    raise UserError(f"{name}: no such configuration; built in: {', '.join(built_in)}; {unknown(path.stem, built_in)}")
