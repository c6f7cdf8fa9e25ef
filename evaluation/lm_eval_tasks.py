"""Our items as tasks of lm-eval, for whoever wants the same numbers from the harness that others publish with.

    lm_eval run --model hf --model_args pretrained=DIR --include_path FOLDER --tasks clinsynth_medqa

The files hold what :mod:`evaluation.loglik` scores, prompt for prompt, so both choose the same options. Needs no
lm-eval to write them (the extra ``eval`` has it to run them).
"""

from __future__ import annotations

import json
from pathlib import Path

from evaluation.prompting import plain
from evaluation.tasks import Task

COMMON = Path(__file__).parent / "lm_eval" / "_mcq.yaml"


def export_lm_eval(task: Task, folder: Path) -> str:
    """Write ``<name>.yaml``, ``<name>.jsonl`` and what they share into ``folder``; return the task's name there.

    The YAML names the data by its absolute path: lm-eval takes relative ones from the current folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"clinsynth_{task.name}"
    data = (folder / f"{name}.jsonl").absolute()
    with data.open("w", encoding="utf-8") as file:
        for item in task.items:
            letters = list(item.options)
            row = {"id": item.id, "prompt": plain(item), "letters": letters, "gold": letters.index(item.gold)}
            file.write(json.dumps(row) + "\n")
    (folder / COMMON.name).write_text(COMMON.read_text(encoding="utf-8"), encoding="utf-8")
    settings = {
        "include": COMMON.name,
        "task": name,
        "dataset_kwargs": {"data_files": {"test": str(data)}},
    }
    # JSON is YAML, and quotes paths right.
    lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name
