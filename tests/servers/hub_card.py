"""What the local Hub says of a card's YAML: the checks of the real one that a wrong card of ours could fail."""

from __future__ import annotations

import re
from typing import Any

import yaml

SIZES = re.compile(r"n<1K|1K<n<10K|10K<n<100K|100K<n<1M|1M<n<10M|10M<n<100M|100M<n<1B|n>1B")
TASKS = {"text-generation", "question-answering", "text-classification"}
LICENCES = re.compile(r"apache-2\.0|mit|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-[234]\.[05]|odc-by|gfdl|other|unknown")


def card_errors(card: str, kind: str) -> list[str]:
    """Sentences on what is wrong with the front matter; none when all is well."""
    front = re.match(r"---\r?\n(.*?)\r?\n---", card, re.DOTALL)
    if front is None:
        return []
    try:
        meta = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(meta, dict):
        return ["the front matter is no mapping"]
    return [text for text in (_data_set(meta) if kind == "dataset" else _any(meta)) if text]


def _any(meta: dict[str, Any]) -> list[str]:
    licence = meta.get("license", "mit")
    known = isinstance(licence, str) and LICENCES.fullmatch(licence)
    return ["" if known else f'"license" must be one of the known identifiers, not {licence!r}']


def _data_set(meta: dict[str, Any]) -> list[str]:
    languages = meta.get("language", [])
    return [
        *_any(meta),
        *("" if re.fullmatch(r"[a-z]{2,3}", str(one)) else f'"language": {one!r}' for one in languages),
        *("" if SIZES.fullmatch(one) else f'"size_categories": {one!r}' for one in meta.get("size_categories", [])),
        *("" if one in TASKS else f'"task_categories": {one!r}' for one in meta.get("task_categories", [])),
        *("" if {"config_name", "data_files"} <= {*one} else f'"configs": {one!r}' for one in meta.get("configs", [])),
        *("" if {"features", "splits"} <= {*one} else f'"dataset_info": {one!r}' for one in _infos(meta)),
    ]


def _infos(meta: dict[str, Any]) -> list[dict[str, Any]]:
    found = meta.get("dataset_info", [])
    return found if isinstance(found, list) else [found]
