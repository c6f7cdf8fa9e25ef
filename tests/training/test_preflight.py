"""What the pre-flight counts, drops, cuts and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.errors import UserError
from tests.training.conftest import needs_trl, run_sft
from training.config import OverLength
from training.data import Rows
from training.data_files import Lineage
from training.encode import IGNORED
from training.estimate import packed
from training.lengths import histogram, measure
from training.preflight import Prepared, prepare, report
from training.templates import Template, our_templates

pytestmark = [pytest.mark.train, needs_trl]

CHATML = Template("chatml", our_templates()["chatml"])


def talk(words: int, answer: str = "Rest.") -> dict[str, Any]:
    messages = [{"role": "user", "content": "x " * words}, {"role": "assistant", "content": answer}]
    return {"id": f"{words}-{answer}", "messages": messages}


def prepared(tokenizer: Any, rows: list[dict[str, Any]], max_length: int = 100, **over: Any) -> Prepared:
    table = pa.Table.from_pylist(rows)
    return prepare(Rows({"sft": table}, {}, Lineage()), tokenizer, CHATML, max_length, OverLength(**over))


def test_rows_come_out_as_ids_and_labels_beside_their_names(tokenizer: Any) -> None:
    part = prepared(tokenizer, [talk(3), talk(5)]).train["sft"]
    assert part.table.column_names == ["id", "messages", "input_ids", "labels"]
    for row in part.table.to_pylist():
        trained = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
        assert tokenizer.decode(trained) == "Rest.<|im_end|>"
    assert (part.lengths.rows, part.untrainable, part.dropped, part.truncated) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("over", "kept", "dropped", "truncated"),
    [({"share": 0.5}, 3, 1, 0), ({"action": "drop"}, 3, 1, 0), ({"action": "truncate"}, 4, 0, 1)],
)
def test_long_rows_are_dropped_or_cut_as_asked(
    tokenizer: Any, over: dict[str, Any], kept: int, dropped: int, truncated: int
) -> None:
    rows = [talk(1), talk(2), talk(3), talk(4, "long " * 200)]
    part = prepared(tokenizer, rows, **over).train["sft"]
    assert (part.table.num_rows, part.dropped, part.truncated, part.lengths.over) == (kept, dropped, truncated, 1)
    assert max(len(ids) for ids in part.table.column("input_ids").to_pylist()) <= 100


def test_more_long_rows_than_allowed_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"sft \(train\): 1 of 3 rows \(33\.3%\) are longer than trl\.max_length"):
        prepared(tokenizer, [talk(1), talk(2), talk(500)])


def test_rows_that_teach_nothing_are_dropped_and_counted(tokenizer: Any) -> None:
    silent = {"id": "s", "messages": [{"role": "user", "content": "x"}]}
    part = prepared(tokenizer, [talk(1), silent, talk(2, "  ")]).train["sft"]
    assert (part.table.column("id").to_pylist(), part.untrainable) == (["1-Rest."], 2)
    # cut before the answer begins
    part = prepared(tokenizer, [talk(1), talk(500)], action="truncate").train["sft"]
    assert (part.table.num_rows, part.untrainable, part.truncated) == (1, 1, 0)
    with pytest.raises(UserError, match="no row is left to train on"):
        prepared(tokenizer, [silent])


def test_a_row_that_fails_its_proof_is_named(tokenizer: Any) -> None:
    with pytest.raises(
        UserError, match=r"chatml: sft row 1-a<\|im_end\|>b: message 1: the text itself holds the end-of-turn"
    ):
        prepared(tokenizer, [talk(1), talk(1, "a<|im_end|>b")])


def test_the_report_says_what_it_found(tokenizer: Any) -> None:
    found = prepared(tokenizer, [talk(1), talk(2), talk(30), talk(500)], action="drop")
    text = "\n".join(report(found, tokenizer, CHATML))
    for expected in (
        "template    chatml",
        "end of turn '<|im_end|>', trained in every turn",
        "sft (train): 4 rows",
        "over max_length (100): 1 (25.00%); dropped 1, truncated 0",
        "nothing to train on: 0",
        "⟦Rest.<|im_end|>⟧",
        "proved in every row",
    ):
        assert expected in text


def test_the_histogram_counts_every_row_once() -> None:
    sizes = [1, 15, 16, 100, 100, 4000]
    lines = histogram(sizes, 128)
    counts = [int(line.split()[3]) for line in lines]
    assert sum(counts) == len(sizes)
    assert sum("max_length" in line for line in lines) == 1
    assert measure(sizes, 128).over == 1


@pytest.mark.parametrize(("sizes", "expected"), [([10], 1), ([5, 5], 1), ([6, 5, 5], 2), ([9, 9, 1, 1], 2), ([50], 1)])
def test_packed_sequences_are_counted(sizes: list[int], expected: int) -> None:
    assert packed(sizes, 10) == expected


def test_the_count_is_that_of_the_packing_itself() -> None:
    import random

    from datasets import Dataset
    from trl.data_utils import pack_dataset

    rng = random.Random(0)
    sizes = [rng.randint(1, 300) for _ in range(300)]
    rows = Dataset.from_dict({"input_ids": [[0] * size for size in sizes]})
    assert packed(sizes, 512) == pack_dataset(rows, 512, "bfd").num_rows


def test_the_command_shows_all_and_loads_no_weights(config: Path, tiny: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for path in tiny.iterdir():
        if path.suffix != ".safetensors":
            (model / path.name).write_bytes(path.read_bytes())
    ran = run_sft("--config", config, "--preflight", "--set", f"model.name={model}")
    assert ran.code == 0, ran
    for expected in ("parameters  53,408", "steps       6", "memory      about", "time        about"):
        assert expected in ran.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trl.learning_rat=1", "--set trl.learning_rat: SFTConfig has no such option; did you mean 'learning_rate'?"),
        ("trl.learning_rate=fast", "--set trl.learning_rate: must be a number"),
        ("trl.packing=maybe", "--set trl.packing: must be true or false"),
        ("trl.max_prompt_length=9", "SFTConfig has no such option"),
        ("trl.output_dir=x", "--set trl.output_dir: set output instead"),
        ("trl.push_to_hub=true", "--set trl.push_to_hub: give --push owner/name instead; it is private by default"),
        ("trl.eval_strategy=sometimes", "trl: sometimes is not a valid IntervalStrategy"),
        ("trl.max_length=100000", "--set trl.max_length: the model was made for 1,024 tokens at most"),
        ("trl.eos_token=<|pad|>", "--set trl.eos_token: the template ends turns with '<|im_end|>': remove the line"),
        ("lora={rank: 4}", "lora.rank: LoraConfig has no such option"),
        ("lora={r: big}", "lora.r: must be"),
        ("quantize=4bit", "--set quantize: 4-bit weights cannot be trained themselves: add lora: {}"),
        ("model.template=chatlm", "model.template: no template 'chatlm'; did you mean 'chatml'?"),
        ("model.name=/no/such/model", "model.name: /no/such/model: no tokenizer to be had"),
        ("data.path=/no/such/rows", "/no/such/rows: no such file or folder"),
        ("data.kinds=[preference]", "data.kinds: 'preference' cannot be trained on by this command"),
        ("trl.max_length=64", "are longer than trl.max_length (64;"),
    ],
)  # fmt: skip
def test_mistakes_end_before_the_weights_with_one_line(config: Path, override: str, expected: str) -> None:
    ran = run_sft("--config", config, "--set", override)
    assert ran.code == 2, ran
    assert len(ran.complaints) == 1, ran.err
    assert expected in ran.err


def test_early_stop_needs_validation_rows(config: Path, export: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pq.write_table(pq.read_table(next((export / "sft").glob("train-*"))), rows)
    ran = run_sft(
        "--config", config, "--set", f"data.path={rows}", "--set", "data.kinds=[sft]", "--set", "early_stop={}"
    )
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "early_stop: there are no validation rows to tell by" in ran.err
