"""The model card: lineage, options, figures and limits, as the Hub reads it. Foreign text is shown as code spans."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from ruamel.yaml import YAML

from synth.card import code
from training.lineage import Facts

TEMPLATE = Path(__file__).parent / "pages" / "model_card.md.jinja"
GIB = 2**30


def render_card(facts: Facts) -> str:
    """Return ``README.md`` of the model or adapter."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    lineage = facts.lineage
    fingerprints = [*map(code, lineage.fingerprints), *[""] * len(lineage.names)]
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        front_matter=_front_matter(facts),
        title=code(facts.title),
        what="An adapter (LoRA)" if facts.adapter else "A fine-tuned copy",
        base=code(facts.base),
        command=facts.command,
        template=code(facts.template),
        sets=list(zip(map(code, lineage.names), fingerprints, strict=False)),
        rows=facts.rows,
        notes=facts.notes,
        generators=", ".join(map(code, lineage.generators)) or "not named",
        licences=", ".join(map(code, lineage.licenses)) or "not named",
        files=[(code(name), sha256) for name, sha256 in sorted(lineage.files.items())],
        metrics=[(code(name), f"{value:.6g}") for name, value in sorted(facts.metrics.items())],
        machine=facts.machine,
        duration=f"{facts.seconds / 60:.1f} minutes",
        memory=f"{facts.peak_memory / GIB:.1f} GiB",
        options=[(code(name), code(str(value))) for name, value in flat(facts.config)],
        versions=", ".join(f"{name} {version}" for name, version in facts.versions.items()),
    )


def flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return nested options as ``a.b`` and value, nulls left out."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += flat(value, f"{before}{name}.")
        elif value is not None:
            found.append((before + name, value))
    return found


def _front_matter(facts: Facts) -> str:
    meta: dict[str, Any] = {
        "library_name": "peft" if facts.adapter else "transformers",
        "pipeline_tag": "text-classification" if facts.command == "reward" else "text-generation",
        "tags": ["medical", "synthetic", "clinsynth", "trl", facts.command],
    }
    if re.fullmatch(r"[\w.-]+/[\w.-]+", facts.base):
        meta["base_model"] = facts.base
    out = io.StringIO()
    YAML().dump(meta, out)
    return out.getvalue().rstrip("\n")
