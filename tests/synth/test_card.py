from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from synth.card import MEANING, MOST_SOURCES, CardFacts, code, pair_lengths, render_card
from synth.rows import KINDS, SCHEMAS, kept_batch, rejected_batch
from tests.synth.factories import make_rejected, make_row, make_spec

HOSTILE = [
    'a "quoted" name',
    "it's: a - {trap}\n---\nconfigs: []",
    "| pipe | table |\n\n# heading",
    "`tick` ``two`` [link](javascript:alert(1))",
    "<script>alert(1)</script><!-- ",
    "{{ 7 * 7 }}{% for x in y %}",
    "trailing backslash \\",
    "\u202ereversed\u200b",
]


def facts_with(**columns: Any) -> CardFacts:
    facts = CardFacts(fingerprint="f1")
    for kind in KINDS:
        facts.count_kept(kind, kept_batch(kind, [make_row(kind, f"s{n}", **columns) for n in range(4)]))
        facts.kept[kind] = {"train": 3, "validation": 1}
        facts.planned[kind] = 6
        facts.pending[kind] = 2
    return facts


def split_card(card: str) -> tuple[dict[str, Any], str]:
    opening, front, body = card.split("---\n", 2)
    assert opening == ""
    return YAML(typ="safe", pure=True).load(front), body


def cells(body: str, heading: str) -> list[list[str]]:
    """Cells of every table row under a heading, split as GitHub's Markdown splits them."""
    section = body.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_front_matter_names_configs_and_files() -> None:
    meta, _ = split_card(render_card(make_spec(), facts_with()))
    assert meta["license"] == "cc-by-4.0"
    assert meta["language"] == ["en"]
    assert meta["pretty_name"] == "cardiology"
    assert meta["size_categories"] == ["n<1K"]
    assert {"synthetic", "medical"} <= set(meta["tags"])
    assert [config["config_name"] for config in meta["configs"]] == list(KINDS)
    assert [config.get("default") for config in meta["configs"]] == [True, None, None, None]
    assert meta["configs"][0]["data_files"] == [
        {"split": "train", "path": "sft/train-*.parquet"},
        {"split": "validation", "path": "sft/validation-*.parquet"},
    ]


def test_empty_splits_and_kinds_are_left_out() -> None:
    facts = facts_with()
    facts.kept["sft"] = {"train": 0, "validation": 0}
    facts.kept["reasoning"] = {"train": 4, "validation": 0}
    meta, body = split_card(render_card(make_spec(), facts))
    assert [config["config_name"] for config in meta["configs"]] == ["reasoning", "dialogue", "preference"]
    assert meta["configs"][0]["default"] is True
    assert meta["configs"][0]["data_files"] == [{"split": "train", "path": "reasoning/train-*.parquet"}]
    assert "`sft`" not in body.split("## How it was made")[0]


def test_card_without_rows_has_no_configs() -> None:
    meta, body = split_card(render_card(make_spec(license=None), CardFacts(fingerprint="f1")))
    assert "configs" not in meta
    assert "license" not in meta
    assert "No row was kept" in body
    assert "No licence has been chosen" in body


@pytest.mark.parametrize(
    ("rows", "category"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (100_000, "100K<n<1M"), (10**9, "n>1B")],
)
def test_size_category(rows: int, category: str) -> None:
    facts = facts_with()
    for kind in KINDS:
        facts.kept[kind] = {"train": rows if kind == "sft" else 0, "validation": 0}
    assert split_card(render_card(make_spec(), facts))[0]["size_categories"] == [category]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_licence_cannot_break_the_front_matter(hostile: str) -> None:
    meta, _ = split_card(render_card(make_spec(license=hostile), facts_with()))
    assert meta["license"] == hostile
    assert len(meta["configs"]) == 4


def test_norwegian_is_a_language_for_readers_of_yaml_1_1() -> None:
    yaml = pytest.importorskip("yaml")
    card = render_card(make_spec(language="no-NO"), facts_with())
    assert yaml.safe_load(card.split("---\n")[1])["language"] == ["no"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_foreign_text_cannot_bend_the_card(hostile: str) -> None:
    hostile_columns = {"source": hostile, "source_license": hostile, "generator": hostile, "judge": hostile}
    facts = facts_with(**hostile_columns, prompt_hash=hostile, flags=[hostile])
    facts.count_rejected(rejected_batch([make_rejected(reason=hostile)]))
    plain = render_card(make_spec(), facts_with(flags=["x"]))
    card = render_card(make_spec(), facts)
    assert "<script" not in card
    assert "\u202e" not in card
    assert re.findall("^#.*$", card, re.M) == re.findall("^#.*$", plain, re.M)
    _, body = split_card(card)
    source, licence, rows = cells(body, "Seeds")[1]
    assert (source, licence, rows) == (code(hostile), code(hostile), "16")
    assert all(len(row) == 4 for row in cells(body, "Flags"))


@given(st.text(st.characters(exclude_categories=())))
def test_code_span_is_one_cell_on_one_line(text: str) -> None:
    span = code(text)
    assert span == "(none)" or re.fullmatch("`[^`|<>\n]{1,120}`", span)
    span.encode()


def test_card_says_what_was_and_was_not_done() -> None:
    _, body = split_card(render_card(make_spec(), facts_with()))
    flat = " ".join(body.replace(">", " ").split())
    for statement in ("is synthetic", "not medical advice", "not been reviewed by clinicians", "None was run"):
        assert statement in flat
    for kind in KINDS:
        for column in SCHEMAS[kind].names:
            assert f"| `{column}` | {MEANING[column]} |" in body
    assert "`writer-1`" in body
    assert "127.0.0.1" not in body


def test_reasons_flags_and_accounts_are_counted() -> None:
    facts = facts_with(flags=["dose", "dose"])
    dropped = [
        make_rejected(reason="near_duplicate"),
        make_rejected(reason="near_duplicate", seed_id="s1"),
        make_rejected(reason="cut", status="failed"),
        make_rejected("question", reason="near_duplicate"),
        make_rejected("question", reason="no_reply", status="failed"),
    ]
    facts.count_rejected(rejected_batch(dropped))
    assert facts.rejected["sft"] == {"near_duplicate": 2}
    assert facts.failed["sft"] == 1
    assert facts.byproducts == {"question": {"near_duplicate": 1, "no_reply": 1}}
    _, body = split_card(render_card(make_spec(), facts))
    assert ["sft", "`near_duplicate`", "2"] in cells(body, "Filters")
    assert ["question", "`near_duplicate`", "1"] in cells(body, "Filters")
    assert ["`sft`", "6", "4", "2", "1", "2"] in cells(body, "Filters")
    assert ["`sft`", "`dose`", "4", "100.0 %"] in cells(body, "Flags")


def test_many_sources_are_summed_up() -> None:
    facts = CardFacts(fingerprint="f1")
    rows = [make_row("sft", f"s{n}", source=f"source {n:03d}", source_license=None) for n in range(MOST_SOURCES + 5)]
    rows.append(make_row("sft", "s0", 1, source="source 024", source_license=None))
    facts.count_kept("sft", kept_batch("sft", rows))
    facts.kept["sft"] = {"train": len(rows), "validation": 0}
    _, body = split_card(render_card(make_spec(), facts))
    table = cells(body, "Seeds")
    assert table[1] == ["`source 024`", "`unknown`", "2"]
    assert table[2] == ["`source 000`", "`unknown`", "1"]
    assert table[MOST_SOURCES + 1] == ["5 further", "", "5"]
    assert "25 seed passages" in body


def test_card_hangs_on_facts_alone() -> None:
    forwards, backwards = CardFacts(fingerprint="f1"), CardFacts(fingerprint="f1")
    rows = [make_row("sft", f"s{n}", source=f"source {n}", flags=[f"flag {n}"]) for n in range(30)]
    forwards.count_kept("sft", kept_batch("sft", rows))
    backwards.count_kept("sft", kept_batch("sft", rows[::-1]))
    for facts in (forwards, backwards):
        facts.kept["sft"] = {"train": 30, "validation": 0}
    assert render_card(make_spec(), forwards) == render_card(make_spec(), backwards)


def test_the_card_tells_how_questions_were_gated_and_what_was_not_checked() -> None:
    spec = make_spec()
    _, body = split_card(render_card(spec, facts_with()))
    flat = " ".join(body.split())
    assert spec.filters.dedup is not None
    assert f"Questions at least {spec.filters.dedup.questions} similar" in flat
    for limit in ("checks of their structure only", "without a judge's score", "must not be summed up"):
        assert limit in flat


def test_how_long_the_sides_of_pairs_are() -> None:
    facts = facts_with()
    facts.lengths.clear()
    sides = {"reward": [("one two three", "one"), ("one", "two"), ("one two", "one two three")], "a|b": [("a", "")]}
    for origin, pairs in sides.items():
        rows = [
            make_row(
                "preference",
                f"{origin}{n}",
                origin=origin,
                chosen=[{"role": "assistant", "content": chosen}],
                rejected=[{"role": "assistant", "content": rejected}],
            )
            for n, (chosen, rejected) in enumerate(pairs)
        ]
        facts.count_kept("preference", kept_batch("preference", rows))
    assert pair_lengths(facts) == [
        {"origin": "a|b", "rows": 1, "chosen": 1, "rejected": 0, "chosen_longer": 1.0},
        {"origin": "reward", "rows": 3, "chosen": 2, "rejected": 1, "chosen_longer": 0.3333},
    ]
    _, body = split_card(render_card(make_spec(), facts))
    assert [line for line in cells(body, "Filters") if "reward" in line[0]] == [["`reward`", "3", "2", "1", "33 %"]]
    facts.lengths.clear()
    assert "Models learn length" not in render_card(make_spec(), facts)
