"""The command that sorts rows into clean and contaminated ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.decontaminate import main
from filters.text import normalise

VIGNETTE = (
    "A 31-year-old gardener comes to a walk-in clinic in the second week of a cough, with a fever that rises every "
    "evening. He says it began 4 days after he had cleared out an old barn and has become worse in spite of rest and "
    "plenty of tea. He takes no medicines and has never smoked. Which of these organisms is the likeliest cause?"
)


def run(arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "filters.decontaminate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)


def benchmark(folder: Path, name: str = "test.jsonl", question: str = VIGNETTE) -> Path:
    row = {"question": question, "options": {"A": "Coxiella", "B": "Borrelia"}, "answer_idx": "A"}
    (folder / name).write_text(json.dumps(row) + "\n")
    return folder / name


def test_the_command_sorts_the_rows(tmp_path: Path) -> None:
    against = benchmark(tmp_path)
    rows = {"id": ["a", "b", "c"], "text": ["clean", f"see: {VIGNETTE}", None], "n": [1, 2, 3]}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    done = run([tmp_path / "rows.parquet", "--against", against, "--out", tmp_path / "out"])
    assert done.returncode == 0, done.stderr
    assert "3 rows: 2 kept, 1 flagged" in done.stdout
    kept, flagged = (pq.read_table(tmp_path / "out" / f"{name}.parquet") for name in ("kept", "flagged"))
    assert kept.to_pydict() == {"id": ["a", "c"], "text": ["clean", None], "n": [1, 3]}
    (row,) = flagged.to_pylist()
    assert row["id"] == "b"
    assert (row["benchmark"], row["containment"]) == ("medqa", 1.0)
    assert row["span"] in normalise(row["text"])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["rows"], summary["kept"], summary["flagged"], summary["threshold"]) == (3, 2, 1, 0.2)
    (example,) = summary["benchmarks"]["medqa"].pop("examples")
    assert summary["benchmarks"] == {"medqa": {"items": 1, "items_found": 1, "rows_flagged": 1}}
    assert example == {"item": row["item"], "containment": 1.0, "span": row["span"]}


def test_messages_and_several_columns_are_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"role": "user", "content": VIGNETTE}, {"role": "assistant", "content": "Coxiella."}]
    rows = [{"messages": turns, "more": "x"}, {"messages": turns[1:], "more": VIGNETTE}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = [str(path), "--against", str(benchmark(tmp_path)), "--out", str(tmp_path / "out")]
    assert main(common) == 0
    assert "1 flagged" in capsys.readouterr().out
    assert main([*common, "--text-column", "messages", "--text-column", "more"]) == 0
    assert "2 flagged" in capsys.readouterr().out


def test_items_of_an_excluded_split_are_not_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "exams").mkdir()
    benchmark(tmp_path / "exams", "train.jsonl")
    benchmark(
        tmp_path / "exams",
        "test.jsonl",
        "Which vessel is blocked when a man of sixty has pain in his calf on climbing stairs?",
    )
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": VIGNETTE}) + "\n")
    common = [str(tmp_path / "rows.jsonl"), "--against", str(tmp_path / "exams"), "--out", str(tmp_path / "out")]
    assert main(common) == 0
    assert "1 flagged" in capsys.readouterr().out
    assert main([*common, "--exclude-split", "train"]) == 0
    assert "0 flagged" in capsys.readouterr().out
    assert main([*common, "--exclude-split", "train", "--exclude-split", "test"]) == 2
    assert "no item is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"--threshold": "0"}, "threshold must be above 0"),
        ({"--against": "nowhere.jsonl"}, "nowhere.jsonl: no such file or folder"),
        ({"--text-column": "txet"}, 'did you mean "text"?'),
        ({"IN": "none.parquet"}, "none.parquet: no such file"),
        ({"IN": "taken.jsonl"}, 'there is a column "span", which this command adds'),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], error: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "taken.jsonl").write_text('{"text": "x", "span": 1}\n')
    given = {"IN": "rows.jsonl", "--against": str(benchmark(tmp_path))} | change
    rows = str(tmp_path / given.pop("IN"))
    options = [part for pair in given.items() for part in pair]
    assert main([rows, *options, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom filters.decontaminate import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('pyarrow', 'numpy', 'torch', 'datasets', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--exclude-split" in done.stdout
