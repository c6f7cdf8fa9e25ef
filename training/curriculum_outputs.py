"""What a curriculum leaves beside the results of its stages: the last weights in place, the whole in figures.

Figures of the whole are put together from what the stages wrote; nothing is measured here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import forgetting
from training.config import Loaded
from training.run import is_main

if TYPE_CHECKING:
    from training.curriculum import CurriculumConfig, Plan
    from training.lineage import Facts


@dataclass(frozen=True, slots=True)
class Weights:
    """The last stage's weights, for :func:`training.outputs.save` to put where a result is expected."""

    folder: Path
    processing_class: Any

    def is_world_process_zero(self) -> bool:
        """Whether this process writes."""
        return is_main()

    def save_model(self, folder: str) -> None:
        """Put the weights into ``folder``: linked where the disk can, so that they take no room twice."""
        for file in sorted(self.folder.iterdir()) if is_main() else ():
            if file.suffix == ".safetensors":
                _link(file, Path(folder) / file.name)
            elif file.suffix == ".json":
                shutil.copy2(file, folder)


def facts(
    loaded: Loaded[CurriculumConfig], plan: Plan, folders: Sequence[Path], losses: Mapping[str, forgetting.Losses]
) -> Facts:
    """Return what is known of the whole when the last stage has ended; ``folders`` are those of the stages."""
    from training.lineage import Facts, last_metrics, shown_config, shown_name

    rows = {stage.name: {"train": len(stage.own) + len(stage.replayed), "validation": 0} for stage in plan.stages}
    rows["all departments"] = {"train": 0, "validation": sum(plan.held_out.values())}
    notes = [
        f"stage {at} ({stage.name}): {len(stage.own):,} rows of its own, {len(stage.replayed):,} replayed"
        + (f", {stage.missing:,} fewer than asked for" if stage.missing else "")
        for at, stage in enumerate(plan.stages, start=1)
    ]
    for part in plan.ready.prepared.train.values():
        if gone := part.dropped + part.untrainable:
            notes.append(f"{part.kind}: {gone:,} rows dropped: too long, or nothing to train on")
        if part.truncated:
            notes.append(f"{part.kind}: {part.truncated:,} rows longer than max_length were cut")
    ends = [json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in folders]
    history = _history(plan, folders)
    return Facts(
        command="curriculum",
        title=Path(loaded.config.output).name,
        base=shown_name(loaded.config.model.name),
        template=plan.ready.template.name,
        config=shown_config(loaded.config),
        lineage=plan.ready.rows.lineage,
        rows=rows,
        notes=[*notes, *(forgetting.sentences(losses, plan.held_out) if losses else [])],
        metrics=last_metrics(history),
        history=history,
        adapter=False,
        seconds=sum(end["seconds"] for end in ends),
        peak_memory=max(end["peak_memory"] for end in ends),
    )


def write_metrics(
    path: Path,
    history: Sequence[Mapping[str, Any]],
    losses: Mapping[str, forgetting.Losses],
    rows: Mapping[str, int],
) -> None:
    """Write the logs of all stages, steps counted through, and then the losses on departments."""
    from training.metrics import line

    entries = [*history, *forgetting.metric_lines(losses, rows)]
    path.write_text("".join(map(line, entries)), encoding="utf-8")


def _history(plan: Plan, folders: Sequence[Path]) -> list[dict[str, Any]]:
    entries, before = [], 0
    for stage, folder in zip(plan.stages, folders, strict=True):
        log = [json.loads(text) for text in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        entries += [{**entry, "stage": stage.name, "step": entry["step"] + before} for entry in log]
        before += max((entry["step"] for entry in log), default=0)
    return entries


def _link(file: Path, other: Path) -> None:
    try:
        other.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copy2(file, other)
