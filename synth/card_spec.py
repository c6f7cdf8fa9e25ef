"""What the card shows of the spec: the parts that decide what rows are, one line of JSON each.

Folders of the machine are shown by their last names, servers, keys and budgets not at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.spec import Spec
from synth.spec_models import is_folder

SHOWN = ("seed", "language", "produce", "filters", "sampling", "reasks", "export")
"""Keys of the spec."""


def spec_lines(spec: Spec) -> list[str]:
    """Return ``key: {…}`` lines that are valid YAML and hold no line break of the spec's."""
    values = spec.model_dump(by_alias=True, include=set(SHOWN), exclude_none=True)
    return [f"{key}: {json.dumps(_named(values[key]), ensure_ascii=True)}" for key in SHOWN if key in values]


def _named(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str):
        return Path(value).name if is_folder(value) else value
    if isinstance(value, dict):
        return {str(key): _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, (list, tuple)) else value
