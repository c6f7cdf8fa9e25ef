"""A good spec as text, and what a changed one earns; relative names lie in the current folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from synth.spec_load import load_spec

GOOD = """\
name: cardiology
seeds:
  source: seeds.jsonl
models:
  generator:
    engine: local
  judge:
    engine: openai
    model: m
    base_url: https://example.org/v1
    api_key_env: SOME_KEY
produce:
  questions:
    per_seed: 2
  answers:
    styles: 2
budget:
  requests: 10
"""
CANARY = "sk-CANARY0123456789abcdefCANARY"


def lines_of(text: str | bytes, overrides: Sequence[str] = ()) -> list[str]:
    """The error lines for a spec of this text, without the file's name."""
    Path("s.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        load_spec("s.yaml", overrides)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(("s.yaml:", "--set")) for line in lines)
    return [line.removeprefix("s.yaml:").lstrip() for line in lines]


def loaded(text: str, overrides: Sequence[str] = ()) -> Any:
    Path("s.yaml").write_text(text)
    return load_spec("s.yaml", overrides).spec
