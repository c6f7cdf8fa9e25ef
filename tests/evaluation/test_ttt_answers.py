"""Answers with test-time training and its controls: real weights of a tiny model, real files, kills at any batch."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.answers import list_runs, read_answers
from evaluation.benchmark import main
from evaluation.contamination import read_contamination
from evaluation.runner import Ask, Settings
from evaluation.tasks import Question, as_shown
from evaluation.ttt_answers import CONTROLS, Bench, answer_task, open_bench, run_of
from filters.readers import Item
from synth.errors import UserError
from tests.evaluation.tiny import write_data
from tests.training.conftest import export, needs_trl, tiny, tokenizer  # noqa: F401  (fixtures)
from training.config import load_config
from training.ttt_config import TttConfig

pytestmark = [pytest.mark.train, needs_trl]

CONFIG = """\
model: {{name: {model}}}
data: {{path: {export}}}
output: {output}
retrieval: {{k: 2}}
steps: 3
trl: {{max_length: 1024, learning_rate: 3.0e-2}}
"""
LORA = "lora={r: 4, lora_dropout: 0.0}"
LOGLIK = Settings(method="loglik", batch_size=4)
WRITING = Settings(max_new_tokens=8, batch_size=4)
ABOUT = {"what": "a tiny model"}
WORDS = re.findall(
    r"\w+",
    """
    carpenter weakness hand ladder reflexes brisk tongue flickers rest girl aunt lake ankles swollen urine dark tea
    eyelids puffy throat farmer tick meadow rash ring knee joint fever pilot cabin ear pressure descent pain dizzy
    nausea singer hoarse voice month smoker cough blood weight nurse needle stick hepatitis vaccine titre low booster
    """,
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny: Path, export: Path) -> Path:  # noqa: F811
    """All weights, three steps. The output is shared: what was retrieved for one test is there for the next."""
    folder = tmp_path_factory.mktemp("config")
    path = folder / "ttt.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=folder / "ttt"), encoding="utf-8")
    return path


def asked(count: int = 6) -> list[Ask]:
    """Questions on the run's own subject, two of them in other words for one case."""
    options = {"A": "Nitrates", "B": "Rest", "C": "An ECG", "D": "Surgery"}
    texts = [f"Case {at // 2}: chest pain {'at rest' if at % 2 else 'on effort'}, what helps?" for at in range(count)]
    return [
        Ask(seed, as_shown(Item(f"exam:{at}", text, options, "ABCD"[at % 4], "", "test", "mit", "exam"), seed))
        for seed in (0, 1)
        for at, text in enumerate(texts)
    ]


def bench(config: Path, out: Path, settings: Settings, *changes: str) -> Bench:
    return open_bench(load_config(TttConfig, str(config), changes), out, "tiny", "tiny", settings)


def by_item(table: pa.Table, *columns: str) -> dict[tuple[str, int], tuple[object, ...]]:
    return {(row["id"], row["seed"]): tuple(row[name] for name in columns) for row in table.to_pylist()}


def scores(out: Path, control: str) -> dict[tuple[str, int], list[float]]:
    return {row: list(found[0]) for row, found in by_item(read_answers(out, run_of("tiny", control), "exam"),  # type: ignore[arg-type,call-overload]
                                                          "scores").items()}  # fmt: skip


@pytest.mark.parametrize("change", ["seed=42", LORA], ids=["full", "lora"])
def test_every_control_answers_every_question(config: Path, tmp_path: Path, change: str) -> None:
    out, asks = tmp_path / "out", asked()
    ours = bench(config, out, LOGLIK, change)
    for control in CONTROLS:
        answer_task(ours, "exam", asks, control, ABOUT)
    assert list_runs(out) == sorted(run_of("tiny", control) for control in CONTROLS)
    plain = scores(out, "none")
    assert len(plain) == len(asks)
    for control in CONTROLS[1:]:
        rows = read_answers(out, run_of("tiny", control), "exam").to_pylist()
        assert {row["control"] for row in rows} == {control}
        assert all(len(row["neighbours"]) == 2 and row["similarity"] is not None for row in rows)
        found = scores(out, control)
        assert found.keys() == plain.keys()
        moved = [row for row in plain if max(abs(a - b) for a, b in zip(plain[row], found[row], strict=True)) > 1e-3]
        assert len(moved) == len(asks)
    trained, shuffled = scores(out, "ttt"), scores(out, "random")
    assert trained != shuffled
    ids = [by_item(read_answers(out, run, "exam"), "neighbours") for run in ("tiny+ttt", "tiny+rag", "tiny+random")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("settings", [LOGLIK, WRITING], ids=["loglik", "generate"])
@pytest.mark.parametrize("change", ["seed=42", LORA], ids=["full", "lora"])
def test_the_order_of_questions_changes_no_answer(
    config: Path, tmp_path: Path, change: str, settings: Settings
) -> None:
    asks = asked(6)
    found = []
    for turn in range(2):
        random.Random(turn).shuffle(asks)
        out = tmp_path / f"out-{turn}"
        ours = bench(config, out, settings, change)
        for at in range(0, len(asks), 5):  # in parts, as a run that is killed again and again
            answer_task(ours, "exam", asks[: at + 5], "ttt", ABOUT)
        table = read_answers(out, "tiny+ttt", "exam")
        found.append(by_item(table, "answer", "text", "neighbours", "tokens_out"))
    assert found[0] == found[1]


def test_each_question_is_answered_by_its_own_adapter(config: Path, tmp_path: Path) -> None:
    """In batches of four adapters as one by one."""
    asks = asked(6)
    texts = []
    for size in (4, 1):
        settings = Settings(max_new_tokens=8, batch_size=size)
        ours = bench(config, tmp_path / str(size), settings, LORA)
        for control in ("none", "ttt"):
            answer_task(ours, "exam", asks, control, ABOUT)  # type: ignore[arg-type]
        texts.append(
            [by_item(read_answers(tmp_path / str(size), run, "exam"), "text") for run in ("tiny", "tiny+ttt")]
        )
    assert texts[0] == texts[1]
    assert texts[0][0] != texts[0][1]


@pytest.mark.parametrize("change", ["seed=42", LORA], ids=["full", "lora"])
def test_nothing_of_a_question_is_left_for_the_next(config: Path, tmp_path: Path, change: str) -> None:
    asks = asked(4)
    ours = bench(config, tmp_path / "out", LOGLIK, change)
    answer_task(ours, "exam", asks, "ttt", ABOUT)
    answer_task(ours, "exam", asks, "none", ABOUT)
    fresh = bench(config, tmp_path / "fresh", LOGLIK, change)
    answer_task(fresh, "exam", asks, "none", ABOUT)
    assert scores(tmp_path / "out", "none") == scores(tmp_path / "fresh", "none")


class Killed(Exception):
    pass


@pytest.mark.parametrize("control", ["none", "ttt"])
@pytest.mark.parametrize("settings", [LOGLIK, WRITING], ids=["loglik", "generate"])
def test_a_kill_between_batches_loses_nothing(config: Path, tmp_path: Path, settings: Settings, control: str) -> None:
    asks = asked(6)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    answer_task(bench(config, whole, settings, LORA), "exam", asks, control, ABOUT)  # type: ignore[arg-type]
    seen: list[int] = []

    def dying(done: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise Killed

    with pytest.raises(Killed):
        answer_task(bench(config, killed, settings, LORA), "exam", asks, control, ABOUT, dying)  # type: ignore[arg-type]
    kept = read_answers(killed, run_of("tiny", control), "exam").num_rows  # type: ignore[arg-type]
    assert kept == sum(seen) < len(asks)
    later: list[int] = []
    answer_task(bench(config, killed, settings, LORA), "exam", asks, control, ABOUT, later.append)  # type: ignore[arg-type]
    assert kept + sum(later) == len(asks)
    tables = [read_answers(out, run_of("tiny", control), "exam") for out in (whole, killed)]  # type: ignore[arg-type]
    columns = ("answer", "text", "neighbours", "correct")
    assert by_item(tables[0], *columns) == by_item(tables[1], *columns)


def test_a_finished_run_loads_no_weights(config: Path, tmp_path: Path) -> None:
    asks = asked(2)
    answer_task(bench(config, tmp_path / "out", LOGLIK), "exam", asks, "ttt", ABOUT)
    again = bench(config, tmp_path / "out", LOGLIK)
    called: list[bool] = []
    watched = Bench(again.loaded, again.ready, lambda: called.append(True) or again.learner(), again.out, again.name,
                    again.model, again.settings)  # fmt: skip
    answer_task(watched, "exam", asks, "ttt", ABOUT)
    assert not called


def test_below_the_floor_the_model_answers_as_it_is(config: Path, tmp_path: Path) -> None:
    asks = asked(4)
    ours = bench(config, tmp_path / "out", LOGLIK, "retrieval.floor=0.999")
    for control in ("none", "ttt", "random"):
        answer_task(ours, "exam", asks, control, ABOUT)  # type: ignore[arg-type]
    rows = read_answers(tmp_path / "out", "tiny+ttt", "exam").to_pylist()
    assert all(row["neighbours"] == [] and row["similarity"] is None for row in rows)
    plain, trained, drawn = (scores(tmp_path / "out", control) for control in ("none", "ttt", "random"))
    for row in plain:
        assert trained[row] == pytest.approx(plain[row], abs=1e-4)
        assert drawn[row] == pytest.approx(plain[row], abs=1e-4)


def test_another_recipe_under_the_same_name_is_refused(config: Path, tmp_path: Path) -> None:
    answer_task(bench(config, tmp_path / "out", LOGLIK), "exam", asked(2), "ttt", ABOUT)
    with pytest.raises(UserError, match="had steps 3, this one has 4"):
        answer_task(bench(config, tmp_path / "out", LOGLIK, "steps=4"), "exam", asked(2), "ttt", ABOUT)


@pytest.mark.parametrize("control", ["none", "rag", "ttt"])
@pytest.mark.parametrize("change", ["model.dtype=bfloat16", "model.attention=eager", "trl.bf16=true"])
def test_a_run_in_other_arithmetic_is_no_partner(config: Path, tmp_path: Path, control: str, change: str) -> None:
    """What was answered in other numbers is refused, and not taken for what the same name answers now."""
    answer_task(bench(config, tmp_path / "out", LOGLIK, LORA), "exam", asked(2), control, ABOUT)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="give this one another --name"):
        answer_task(bench(config, tmp_path / "out", LOGLIK, LORA, change), "exam", asked(2), control, ABOUT)  # type: ignore[arg-type]


def test_a_run_of_the_model_alone_is_the_control_of_ttt_where_the_numbers_are_the_same(
    config: Path,
    tmp_path: Path,
    tiny: Path,  # noqa: F811
) -> None:
    data = write_data(tmp_path / "data", 4)
    command = ["--model", str(tiny), "--name", "tiny", "--tasks", "medqa", "--data", str(data), "--out"]
    ttt = ["--ttt", str(config), "--controls", "ttt", "--set", "retrieval.k=1", "--set"]
    more = ["--max-new-tokens", "4"]
    assert main([*command, str(tmp_path / "out"), *more]) == 0
    alone = read_answers(tmp_path / "out", "tiny", "medqa")
    for change, code in (
        ("model.dtype=bfloat16", 2),
        ("model.template=" + str(other_template(tmp_path)), 2),
        (LORA, 0),
    ):
        assert main([*command, str(tmp_path / "out"), *more, *ttt, change]) == code
        assert read_answers(tmp_path / "out", "tiny", "medqa") == alone
    assert list_runs(tmp_path / "out") == ["tiny", "tiny+ttt"]


def other_template(folder: Path) -> Path:
    """A chat template that renders otherwise than the tiny model's own."""
    path = folder / "other.jinja"
    path.write_text(
        "{% for message in messages %}{{ message['role'] + ': ' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}"
        "{% endgeneration %}{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
        encoding="utf-8",
    )
    return path


def test_test_items_in_the_pool_are_counted_and_left_out_of_the_clean_subset(
    tmp_path: Path,
    tiny: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One item stands in a row of the pool word for word; another one's short question is asked there."""
    data = write_data(tmp_path / "data", 6)
    items = [json.loads(line) for line in (data / "medqa" / "test.jsonl").read_text().splitlines()]
    for at, item in enumerate(items):
        item["question"] = f"{' '.join(WORDS[at * 9 : at * 9 + 9])}, and what is the next step in case {at}?"
    items[4]["question"] = "What helps against scurvy?"
    (data / "medqa" / "test.jsonl").write_text("\n".join(map(json.dumps, items)))
    says = [items[2]["question"] + " " + " ".join(items[2]["options"].values()), "What helps against SCURVY?",
            "How is a sprain bound up, in words?"]  # fmt: skip
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": "As ever."}] for text in says]
    pool = tmp_path / "pool" / "sft"
    pool.mkdir(parents=True)
    pq.write_table(pa.table({"id": ["a", "b", "c"], "messages": rows}), pool / "train-00000-of-00001.parquet")
    path = tmp_path / "ttt.yaml"
    path.write_text(CONFIG.format(model=tiny, export=pool, output=tmp_path / "ttt"), encoding="utf-8")
    out = tmp_path / "out"
    command = ["--model", str(tiny), "--name", "tiny", "--tasks", "medqa", "--data", str(data), "--out", str(out)]
    assert main([*command, "--method", "loglik", "--ttt", str(path), "--set", "data.kinds=[sft]"]) == 0
    assert "medqa: 2 of 6 items stand in the TTT pool" in capsys.readouterr().out
    [(source, found)] = read_contamination(out, "medqa").items()
    assert source.startswith("TTT pool")
    assert [name for name, evidence in found.items() if evidence] == ["medqa:q2", "medqa:q4"]
    assert found["medqa:q4"].startswith("cosine ")
    assert len(found) == 6
    report = json.loads((out / "report.json").read_text())
    assert report["tasks"][0]["found"] == {source: 2}
    for score in report["scores"]:
        assert (score["clean"]["items"], score["clean"]["left_out"]) == (4, 2)
    assert source in (out / "report.html").read_text()


def test_a_prompt_that_leaves_no_room_is_a_failure_of_its_row(config: Path, tmp_path: Path) -> None:
    asks = asked(3)
    long = Question(**{name: getattr(asks[0].question, name) for name in Question.__slots__} | {  # type: ignore[attr-defined]
        "id": "exam:long", "cluster": "exam:long", "question": "Pain, and then more pain. " * 400})  # fmt: skip
    answer_task(bench(config, tmp_path / "out", WRITING, LORA), "exam", [*asks, Ask(0, long)], "ttt", ABOUT)
    rows = {row["id"]: row for row in read_answers(tmp_path / "out", "tiny+ttt", "exam").to_pylist()}
    assert "no room" in rows["exam:long"]["failure"]
    assert all(row["failure"] is None for name, row in rows.items() if name != "exam:long")
