"""A supervised phase of a longer run as a run of its own: the warm start before DPO, a stage of a curriculum.

A phase has its own output, rows and options, and everything else of the whole. What it checks, resumes and leaves is
:mod:`training.sft`'s affair. An adapter that it trained is merged into the weights, so that the next phase begins with
whole weights and a fresh adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.spec_yaml import Loc
from training.config import Data, Loaded, RunConfig, SftConfig


@dataclass(frozen=True, slots=True)
class Phase(Loaded[SftConfig]):
    """The configuration of a phase. Complaints name the place in the file at which an option was written."""

    place: Loc = ()
    """Where the phase's own keys stand."""

    def error(self, loc: Loc, message: str) -> UserError:
        """See :meth:`training.config.Loaded.error`."""
        return Loaded.error(self, self._written(loc), message)

    def errors(self, findings: Sequence[tuple[Loc, str]]) -> UserError:
        """See :meth:`training.config.Loaded.errors`."""
        return Loaded.errors(self, [(self._written(loc), message) for loc, message in findings])

    def _written(self, loc: Loc) -> Loc:
        inner = (*self.place, *loc)
        around: Any = self.document.value
        for part in inner:
            if not isinstance(around, dict) or part not in around:
                return loc
            around = around[part]
        return inner


def phase(
    whole: Loaded[Any], place: Loc, output: Path, *, data: Data, trl: dict[str, Any], model: str | None = None
) -> Phase:
    """Return the configuration of a phase of ``whole``; ``model`` takes the place of the whole's where it is given."""
    config: RunConfig = whole.config
    own = SftConfig(
        model=config.model if model is None else config.model.model_copy(update={"name": model, "revision": None}),
        data=data,
        output=str(output),
        seed=config.seed,
        over_length=config.over_length,
        early_stop=config.early_stop,
        lora=config.lora,
        quantize=config.quantize,
        trl=trl,
    )
    return Phase(own, whole.path, whole.document, place)


def whole_weights(result: Path, dtype: str) -> str:
    """Return the folder of whole weights of what a phase left: itself, or the adapter merged into its base.

    ``dtype`` is the type of numbers that the phase was trained in. The merged folder stands beside the adapter and is
    made once; with several processes by the first.
    """
    import gc

    import torch
    from accelerate import PartialState

    from training.merge import merge

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the next phase loads weights while the last one's trainer is hardly gone
    if result.name != "adapter":
        return str(result)
    merged = result.parent / "merged"
    with PartialState().main_process_first():
        if not merged.exists():
            merge(result, merged, dtype=dtype)
    return str(merged)
