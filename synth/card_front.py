"""The part of the data set card that the Hub reads: YAML with licence, languages, configs, and the columns' types.

The types are said so that every loader gives all rows the same ones, empty lists and columns of nulls included. All
text is quoted: readers of YAML 1.1 take an unquoted ``no`` (Norwegian) for false and ``1e3`` for a number.

Nothing is written for people here (:mod:`synth.card`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from synth.licence_names import is_licence
from synth.publishing.licences import identifier
from synth.rows import KINDS, SCHEMAS
from synth.spec import Spec

Kept = Mapping[str, Mapping[str, int]]
"""Rows by kind and split."""


def front_matter(spec: Spec, kept: Kept) -> str:
    """Return the YAML between the dashes, without them."""
    kinds = [kind for kind in KINDS if any(kept[kind].values())]
    named = spec.license
    named = identifier(named) if named and is_licence(named) else named  # the Hub knows its own spelling alone
    meta: dict[str, Any] = {"license": named} if named else {}
    meta |= {
        "language": [spec.language.split("-")[0]],
        "pretty_name": spec.name,
        "size_categories": [_size_category(sum(sum(splits.values()) for splits in kept.values()))],
        "task_categories": ["text-generation"] + (["question-answering"] if {"sft", "reasoning"} & {*kinds} else []),
        "tags": ["synthetic", "medical", "clinsynth", *kinds],
    }
    if kinds:
        meta["configs"] = [_config(kind, kept[kind], default=kind == kinds[0]) for kind in kinds]
        meta["dataset_info"] = [_info(kind, kept[kind]) for kind in kinds]
    yaml = YAML()
    yaml.width = 2**20
    out = io.StringIO()
    yaml.dump(_quoted(meta), out)
    return out.getvalue().rstrip("\n")


def _config(kind: str, splits: Mapping[str, int], *, default: bool) -> dict[str, Any]:
    files = [{"split": split, "path": f"{kind}/{split}-*.parquet"} for split, rows in splits.items() if rows]
    return {"config_name": kind, **({"default": True} if default else {}), "data_files": files}


def _info(kind: str, splits: Mapping[str, int]) -> dict[str, Any]:
    return {
        "config_name": kind,
        "features": [_feature(column.name, column.type) for column in SCHEMAS[kind]],
        "splits": [{"name": split, "num_examples": rows} for split, rows in splits.items() if rows],
    }


def _feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    """A column as the library ``datasets`` writes it: ``dtype`` of a value, ``list`` of values or of named fields."""
    if not pa.types.is_list(kind):
        return {"name": name, "dtype": _dtype(kind)}
    inner = kind.value_type
    if not pa.types.is_struct(inner):
        return {"name": name, "list": _dtype(inner)}
    return {"name": name, "list": [_feature(inner.field(at).name, inner.field(at).type) for at in range(len(inner))]}


def _dtype(kind: pa.DataType) -> str:
    return "float64" if pa.types.is_float64(kind) else str(kind)


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    return [_quoted(item) for item in value] if isinstance(value, list) else value


def _size_category(rows: int) -> str:
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    for at, bound in enumerate(bounds):
        if rows < 10 ** (at + 3):
            return f"n<{bound}" if at == 0 else f"{bounds[at - 1]}<n<{bound}"
    return "n>1B"
