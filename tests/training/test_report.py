"""Report and card show what was logged, escape what is not ours, and hold no script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from training.card import flat, render_card
from training.data_files import Lineage
from training.lineage import Facts
from training.report import plots, render_report

HOSTILE = "<script>alert(1)</script>`|"
HISTORY: list[dict[str, Any]] = [
    {"step": 1, "loss": 2.0, "learning_rate": 1e-5},
    {"step": 2, "loss": float("nan"), "eval_sft_loss": 1.5, "eval_dialogue_loss": 1.7},
    {"step": 3, "loss": 1.0, "learning_rate": 1e-5, "words": "none"},
]


def facts(**changes: Any) -> Facts:
    known: dict[str, Any] = {
        "command": "sft",
        "title": HOSTILE,
        "base": HOSTILE,
        "template": "chatml",
        "config": {"trl": {HOSTILE: HOSTILE, "max_steps": 3}, "lora": None},
        "lineage": Lineage([HOSTILE], [HOSTILE], {HOSTILE: "ab" * 32}, ["cc-by-4.0"], [HOSTILE]),
        "rows": {"sft": {"train": 7, "validation": 2}},
        "notes": ["sft (train): 3 rows longer than max_length were dropped"],
        "metrics": {"eval_loss": 1.25},
        "history": HISTORY,
        "adapter": False,
        "seconds": 90.0,
        "peak_memory": 2**30,
        "versions": {"trl": "1.0"},
        "machine": "CPU",
    }
    return Facts(**{**known, **changes})


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_the_report_escapes_and_loads_nothing() -> None:
    page = render_report(facts(), [f"first row {HOSTILE}"])
    found = Tags()
    found.feed(page)
    assert "script" not in found.tags
    assert not {name for name in found.attributes if name in ("src", "href") or name.startswith("on")}
    assert page.count("&lt;script&gt;") >= 4
    assert "eval_loss" in page
    assert "1.25" in page


def test_curves_are_drawn_where_there_are_numbers() -> None:
    drawn = {plot["title"]: plot for plot in plots(HISTORY)}
    assert set(drawn) == {"Loss", "Learning rate"}
    lines = {line["name"]: line for line in drawn["Loss"]["lines"]}
    assert list(lines) == ["loss", "eval_sft_loss", "eval_dialogue_loss"]
    first, last = [tuple(map(float, point.split(","))) for point in lines["loss"]["points"].split()]
    assert first[0] < last[0]
    assert first[1] < last[1], "a lower loss is further down"
    assert lines["eval_sft_loss"]["single"] is not None
    assert plots([]) == []


def test_a_long_series_is_thinned() -> None:
    (plot,) = plots([{"step": step, "loss": 1 / step} for step in range(1, 5001)])
    assert len(plot["lines"][0]["points"].split()) <= 600


@pytest.mark.parametrize(("adapter", "library"), [(True, "peft"), (False, "transformers")])
def test_the_card_has_lineage_limits_and_no_markup_of_others(adapter: bool, library: str) -> None:
    card = render_card(facts(adapter=adapter))
    assert f"library_name: {library}" in card
    assert "<script>" not in card
    for expected in ("Not for medical use", "ab" * 32, "`cc-by-4.0`", "3 rows longer than max_length were dropped",
                     "| `sft` | 7 | 2 |", "`trl.max_steps` | `3`", "trl 1.0", "| `eval_loss` | 1.25 |"):  # fmt: skip
        assert expected in card
    for row in re.findall(r"^\|.*\|$", card, re.M):
        assert row.count("|") in (3, 4), "no value adds a column"


def test_only_a_hub_name_is_a_base_model() -> None:
    assert "base_model: owner/model" in render_card(facts(base="owner/model"))
    assert "base_model" not in render_card(facts(base="packaged"))


def test_options_are_flat_without_nulls() -> None:
    assert flat({"a": {"b": 1, "c": None}, "d": [1]}) == [("a.b", 1), ("d", [1])]
