from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.dedup import main

ASTHMA = "The patient with asthma takes one puff of salbutamol before sport and feels no wheezing afterwards at all."
ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": ASTHMA, "score": 1, "extra": [1]},
    {"id": "b", "text": "Migraine.", "score": 2, "extra": None},
    {"id": "c", "text": ASTHMA + " Good.", "score": 3, "extra": [2, 3]},
    {"id": None, "text": None, "score": None, "extra": []},
    {"id": "e", "text": ASTHMA.upper(), "score": 2, "extra": [4]},
    {"id": "f", "text": "migraine. ", "score": 9, "extra": None},
]


def write(folder: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    path = folder / "in.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def read(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    tables = [pq.read_table(folder / name).to_pylist() for name in ("kept.parquet", "dropped.parquet")]
    return tables[0], tables[1], json.loads((folder / "summary.json").read_text())


def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write(tmp_path)), "--out", str(tmp_path / "out")]) == 0
    kept, dropped, summary = read(tmp_path / "out")
    assert kept == ROWS[:2]
    assert [{key: row[key] for key in ROWS[0]} for row in dropped] == ROWS[2:]
    assert [(row["reason"], row["duplicate_of"], row["cluster"]) for row in dropped] == [
        ("near_duplicate", "a", 0),
        ("no_text", None, None),
        ("exact_duplicate", "a", 0),
        ("exact_duplicate", "b", 1),
    ]
    assert [row["similarity"] for row in dropped] == [14 / 15, None, 1.0, 1.0]
    assert (summary["rows"], summary["kept"]) == (6, 2)
    assert summary["dropped"] == {"exact_duplicate": 2, "near_duplicate": 1, "no_text": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dropped.parquet", "index.json", "index.parquet", "kept.parquet", "summary.json",
    ]  # fmt: skip
    assert "6 rows, 2 kept; dropped: 2 exact_duplicate" in capsys.readouterr().out


def test_the_row_with_the_highest_score_stays(tmp_path: Path) -> None:
    assert main([str(write(tmp_path)), "--out", str(tmp_path / "out"), "--score-column", "score"]) == 0
    kept, dropped, _ = read(tmp_path / "out")
    assert [row["id"] for row in kept] == ["c", "f"]
    assert [row["duplicate_of"] for row in dropped] == ["c", "f", None, "c"]


def test_against_what_was_kept_before(tmp_path: Path) -> None:
    source, first, second = str(write(tmp_path)), str(tmp_path / "1"), str(tmp_path / "2")
    assert main([source, "--out", first]) == 0
    more = tmp_path / "more.csv"
    more.write_text(f'text\n"{ASTHMA}"\nGout.\n"MIGRAINE."\nGout.\n')
    assert main([str(more), "--out", second, "--against", first]) == 0
    kept, dropped, summary = read(tmp_path / "2")
    assert kept == [{"text": "Gout."}]
    assert [row["duplicate_of"] for row in dropped] == ["a", "b", f"{more}:2"]
    assert summary["against"] == first
    assert pq.read_table(tmp_path / "2" / "index.parquet")["id"].to_pylist() == ["a", "b", f"{more}:2"]
    assert main([str(more), source, "--out", second, "--against", second]) == 0
    kept, _, summary = read(tmp_path / "2")
    assert (kept, summary["kept"]) == ([], 0)


def test_components_presets_and_messages(tmp_path: Path) -> None:
    chain = ["1 2 3 4 5 6", "3 4 5 6 7 8", "5 6 7 8 9 10"]
    rows = [{"id": n, "messages": [{"role": "user", "content": text}]} for n, text in enumerate(chain)]
    source, out = str(write(tmp_path, rows)), tmp_path / "out"
    rule = ["--ngram", "word:1", "--threshold", "0.5"]
    assert main([source, "--out", str(out), *rule]) == 0
    assert [row["id"] for row in read(out)[0]] == [0, 2]
    assert main([source, "--out", str(out), *rule, "--components", "--text-column", "messages"]) == 0
    kept, dropped, _ = read(out)
    assert ([row["id"] for row in kept], [row["similarity"] for row in dropped]) == ([0], [0.5, 0.2])
    assert main([source, "--out", str(out), "--preset", "questions"]) == 0
    assert (read(out)[2]["made"]["ngram"], read(out)[2]["made"]["threshold"]) == ("word:3", 0.7)
    assert main([source, "--out", str(out), "--preset", "questions", "--threshold", "0.9"]) == 0
    assert (read(out)[2]["made"]["ngram"], read(out)[2]["made"]["threshold"]) == ("word:3", 0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text-column", "txt"], 'no column "txt"; did you mean "text"? there is id, text, score, extra'),
        (["--text-column", "score"], 'column "score" holds int64, neither texts nor messages'),
        (["--score-column", "scores"], 'no column "scores"; did you mean "score"?'),
        (["--score-column", "text"], 'column "text" holds what is no number'),
        (["--ngram", "words:5"], 'ngram "words:5" is unknown'),
        (["--threshold", "1.5"], "threshold must be above 0 and at most 1, got 1.5"),
        (["--against", "nowhere"], "nowhere: no index in it"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path)), "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"text": ["a"], "cluster": [1]}), 'column "cluster" is one that this command writes: rename it'),
        (pa.table({"text": ["a"], "id": [[1]]}), 'column "id" holds list'),
    ],
)
def test_columns_that_stand_in_the_way(
    table: pa.Table, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    assert main([str(tmp_path / "a.parquet"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_an_empty_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert main([str(tmp_path / "a.parquet"), "--out", str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out")[2]["rows"] == 0
    assert main([str(tmp_path / "a.parquet"), "--out", str(tmp_path / "2"), "--against", str(tmp_path / "out")]) == 0


def test_help_imports_nothing_heavy_and_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    heavy = "('numpy', 'pyarrow', 'datasketch', 'scipy')"
    code = (
        "import sys; from filters.dedup import main\ntry: main(['--help'])\n"
        f"finally: print([m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--text-column" in out
    assert out.endswith("[]\n")
    command = [sys.executable, "-m", "filters.dedup", str(tmp_path / "no.parquet"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"filters.dedup: {tmp_path}/no.parquet: no such file\n")
