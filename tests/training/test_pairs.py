"""Pairs before training: what is trained of them, what is dropped, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth.errors import UserError
from synth.rows import SCHEMAS
from tests.training.conftest import needs_trl
from training.config import OverLength
from training.data import Rows
from training.data_files import Lineage
from training.pairs import EMPTY, EQUAL, FILLED, LONG, PreparedPairs, prepare_pairs, report_pairs
from training.templates import Template, choose_template

pytestmark = [pytest.mark.train, needs_trl]

Messages = list[dict[str, str]]


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def pair(chosen: Any = "Yes, often.", rejected: Any = "No.", prompt: Messages | None = None) -> dict[str, Any]:
    sides = [[said("assistant", side)] if isinstance(side, str) else side for side in (chosen, rejected)]
    return {"prompt": prompt or [said("user", "Does it hurt?")], "chosen": sides[0], "rejected": sides[1]}


def rows_of(*pairs: dict[str, Any]) -> Rows:
    named = [{"id": f"row-{at}", **row} for at, row in enumerate(pairs)]
    fields = [SCHEMAS["preference"].field(name) for name in ("id", "prompt", "chosen", "rejected")]
    return Rows({"preference": pa.Table.from_pylist(named, pa.schema(fields))}, {}, Lineage())


def prepared(
    tokenizer: Any, *pairs: dict[str, Any], max_length: int = 512, over: OverLength | None = None
) -> PreparedPairs:
    return prepare_pairs(rows_of(*pairs), tokenizer, choose_template(tokenizer), max_length, over or OverLength())


def test_trained_is_the_last_answer_with_its_end(tokenizer: Any) -> None:
    talk = [said("user", "Hello?"), said("assistant", "Yes."), said("user", "Does it hurt?")]
    (row,) = prepared(tokenizer, pair("<think>\nLong.\n</think>\nOften.", "No.", talk)).train.table.to_pylist()
    prompt, chosen, rejected = (tokenizer.decode(row[f"{side}_ids"]) for side in ("prompt", "chosen", "rejected"))
    assert prompt.endswith("<|im_start|>assistant\n")
    assert prompt.count("<|im_start|>") == 4
    assert chosen == "<think>\nLong.\n</think>\nOften.<|im_end|>\n"
    assert rejected == "No.<|im_end|>\n"


def test_the_ids_are_those_that_trl_makes(tokenizer: Any, export: Path, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    from training.config import Data
    from training.data import load_rows

    rows = load_rows(Data(path=[str(export)]), ("preference",))
    template = choose_template(tokenizer)
    ours = prepare_pairs(rows, tokenizer, template, 4096, OverLength()).train
    theirs = DPOTrainer._prepare_dataset(
        type("Trainer", (), {"_tokenizer": tokenizer})(),
        _dataset(rows.train["preference"]),
        tokenizer,
        DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=4096),
        "train",
    )
    by_id = {row["id"]: row for row in theirs}
    assert ours.table.num_rows >= 8
    for row in ours.table.to_pylist():
        for side in ("prompt_ids", "chosen_ids", "rejected_ids"):
            assert row[side] == by_id[row["id"]][side]


def _dataset(table: pa.Table) -> Any:
    from datasets import Dataset

    return Dataset(table)


def test_what_teaches_nothing_is_dropped_and_counted(tokenizer: Any) -> None:
    found = prepared(tokenizer, pair(), pair("Same.", "Same. "), pair("  ", "No."), pair("Yes.", "")).train
    assert found.table.column("id").to_pylist() == ["row-0"]
    assert found.dropped == {EQUAL: 1, EMPTY: 2}


def test_length_bias_is_measured_in_trained_tokens(tokenizer: Any) -> None:
    found = prepared(tokenizer, pair("Yes. " * 9, "No."), pair("No.", "No. Not at all. " * 3))
    sizes = [[len(row[side]) for side in ("chosen_ids", "rejected_ids")] for row in found.train.table.to_pylist()]
    assert (found.train.chosen, found.train.rejected) == tuple(sum(side) / 2 for side in zip(*sizes, strict=True))
    assert found.train.chosen_longer == 0.5
    lines = "\n".join(report_pairs(found, tokenizer, choose_template(tokenizer)))
    assert "the chosen answer is the longer one in 50% of pairs" in lines
    assert "assistant\n⟦Yes. Yes." in lines


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (pair([said("user", "Does it hurt?"), said("assistant", "Yes.")]), "row row-1: chosen repeats the prompt"),
        (pair("Yes.", [said("user", "Does it hurt?"), said("assistant", "No.")]), "rejected repeats the prompt"),
        (pair([said("assistant", "Yes."), said("user", "Why?")]), "must be one assistant turn, found assistant, user"),
        (pair("Yes.", []), "rejected must be one assistant turn, found none"),
    ],
)
def test_sides_of_another_form_are_refused(tokenizer: Any, row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        prepared(tokenizer, pair(), row)
    assert told in str(error.value)


def test_a_template_that_hides_the_thinking_is_refused(tokenizer: Any) -> None:
    own = choose_template(tokenizer).text
    hides = Template("hides", own.replace("message['content']", "message['content'].split('</think>')[-1]"))
    with pytest.raises(UserError, match=r"hides: preference \(train\) row row-0: chosen: message 1"):
        prepare_pairs(rows_of(pair("<think>\nWhy?\n</think>\nYes.")), tokenizer, hides, 512, OverLength())


@pytest.mark.parametrize(
    ("action", "used", "dropped", "cut"),
    [("drop", 1, {LONG: 2}, 0), ("truncate", 2, {FILLED: 1}, 1)],
)
def test_long_pairs_are_dropped_or_left_to_the_trainer_to_cut(
    tokenizer: Any, action: Any, used: int, dropped: dict[str, int], cut: int
) -> None:
    long_prompt = [said("user", "Why? " * 200)]
    over = OverLength(action=action)
    found = prepared(tokenizer, pair(), pair("Yes. " * 200), pair(prompt=long_prompt), max_length=64, over=over).train
    assert (found.table.num_rows, found.truncated) == (used, cut)
    assert found.dropped == dropped


def test_many_long_pairs_are_refused_and_none_left_too(tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"1 of 2 rows \(50.0%\) are longer"):
        prepared(tokenizer, pair(), pair("Yes. " * 200), max_length=64)
    with pytest.raises(UserError, match="no pair is left to train on: 1 chosen and rejected are equal"):
        prepared(tokenizer, pair("Same.", "Same."))
