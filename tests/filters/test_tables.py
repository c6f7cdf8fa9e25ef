from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters import table_lines
from filters.tables import Table, TableError, texts

ROWS: list[dict[str, Any]] = [
    {"id": "007", "text": "one, two\n\u2028three"},
    {"id": "8", "text": ""},
    {"id": "9", "text": 'say "aah"'},
]


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv_bytes(separator: str) -> bytes:
    cells = [separator.join('"' + row[key].replace('"', '""') + '"' for key in ("id", "text")) for row in ROWS]
    return "\n".join([separator.join(["id", "text"]), *cells, ""]).encode("utf-8-sig")


def zst(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def rows(table: Table) -> list[dict[str, Any]]:
    return [row for batch in table.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", jsonl(ROWS)),
        ("a.JSONL", b"\xef\xbb\xbf" + jsonl(ROWS).replace(b"\n", b"\r\n\r\n")),
        ("a.ndjson.gz", gzip.compress(jsonl(ROWS))),
        ("a.jsonl.bz2", bz2.compress(jsonl(ROWS))),
        ("a.jsonl.zst", zst(jsonl(ROWS))),
        ("a.csv", csv_bytes(",")),
        ("a.tsv.gz", gzip.compress(csv_bytes("\t"))),
    ],
)
def test_rows_come_as_they_stand_in_batches_of_any_size(
    name: str, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(data)
    for limit in (1, 2, 8192):
        monkeypatch.setattr(table_lines, "BATCH_ROWS", limit)
        table = Table([tmp_path / name])
        assert rows(table) == rows(table) == ROWS
        assert [row for batch in table.batches(["text"]) for row in batch.to_pylist()] == [
            {"text": row["text"]} for row in ROWS
        ]


def test_files_of_all_kinds_are_one_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["p", None], "n": pa.array([1, 2], pa.int32())}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_bytes(
        jsonl([{"n": None}, {"text": "q", "n": 1.5, "m": [{"k": 1}]}, {"m": [{"l": 2}]}])
    )
    (tmp_path / "c.csv").write_text("text\nr\n")
    table = Table([tmp_path / name for name in ("a.parquet", "b.jsonl", "c.csv")])
    assert table.schema.field("n").type == pa.float64()
    found = rows(table)
    assert [row["text"] for row in found] == ["p", None, None, "q", None, "r"]
    assert [row["n"] for row in found] == [1.0, 2.0, None, 1.5, None, None]
    assert [row["m"] for row in found][3:5] == [[{"k": 1, "l": None}], [{"k": None, "l": 2}]]
    assert sum(batch.num_rows for batch in table.batches(["m"])) == 6


def test_half_a_surrogate_pair_anywhere(tmp_path: Path) -> None:
    lone = {"text": "a\ud83d", "m": [{"k": "\udfff", "n": None}], "\ud83dx": 1}
    (tmp_path / "a.jsonl").write_bytes(jsonl([lone, {"text": "b\0"}]))
    assert rows(Table([tmp_path / "a.jsonl"])) == [
        {"text": "a\ufffd", "m": [{"k": "\ufffd", "n": None}], "\ufffdx": 1},
        {"text": "b", "m": None, "\ufffdx": None},
    ]


def test_a_document_of_ten_megabytes(tmp_path: Path) -> None:
    long = "word " * 2_000_000
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"text": long}, {"text": "short"}, {"text": long}]))
    (tmp_path / "b.csv").write_text(f'text\n"{long}\n"\nshort\n')
    pq.write_table(pa.table({"text": [long, "short"]}), tmp_path / "c.parquet")
    table = Table([tmp_path / "a.jsonl", tmp_path / "b.csv", tmp_path / "c.parquet"])
    found = [len(text.as_py()) for batch in table.batches(["text"]) for text in texts(batch, "text")]
    assert found == [len(long), 5, len(long), len(long) + 1, 5, len(long), 5]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
@pytest.mark.parametrize("start", [0, 2])
def test_texts_of_messages(kind: Any, start: int) -> None:
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    values = [
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}],
        [],
        None,
        [{"role": "user", "content": None}, None, {"role": "user", "content": "x"}],
    ]
    batch = pa.record_batch({"messages": pa.array(values, kind(message))}).slice(start)
    assert texts(batch, "messages").to_pylist() == ["hi\nyes", "", None, "\n\nx"][start:]


def test_texts_of_every_kind_of_text() -> None:
    values = ["a", None, "b"]
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        batch = pa.record_batch({"t": pa.array(values, pa.string()).cast(kind)})
        assert texts(batch, "t").equals(pa.array(values, pa.large_string()))
    assert texts(pa.record_batch({"t": pa.nulls(2)}), "t").to_pylist() == [None, None]
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    with pytest.raises(TableError, match='column "t" holds bytes that are not UTF-8'):
        texts(pa.record_batch({"t": broken}), "t")


@pytest.mark.parametrize(
    ("columns", "asked", "chosen"),
    [
        ({"text": ["a"], "messages": ["b"]}, None, "text"),
        ({"messages": [[{"content": "b"}]], "n": [1]}, None, "messages"),
        ({"text": ["a"], "note": ["b"]}, "note", "note"),
        ({"note": ["b"]}, None, 'no column "text"; did you mean "note"\\? there is note'),
        ({"text": ["a"], "title": ["b"]}, "tilte", 'no column "tilte"; did you mean "title"\\? there is text, title'),
        ({"n": [1]}, "text", 'no column "text"; there is n'),
        ({"n": [1]}, "n", 'column "n" holds int64, neither texts nor messages'),
        ({"m": [[{"content": [{"text": "b"}]}]]}, "m", 'column "m" holds list<.*neither texts nor messages'),
    ],
)
def test_which_column_holds_the_texts(columns: dict[str, Any], asked: str | None, chosen: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = Table([tmp_path / "a.parquet"])
    if chosen in columns:
        assert table.text_column(asked) == chosen
    else:
        with pytest.raises(TableError, match=chosen):
            table.text_column(asked)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.jsonl",
            b'{"a": 1}\n{"a": "x"}\n',
            r'a.jsonl: in the 2 rows from line 1 on, column "a" holds values of diff',
        ),
        ("a.jsonl", b"{}\n\n[1]\n", "a.jsonl:3: not an object but list"),
        ("a.jsonl", b'{"a"\n', "a.jsonl:1: not JSON: "),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "a.jsonl:2: not UTF-8 at byte 8 of the line"),
        ("a.jsonl", b'{"a": ' + b"9" * 40 + b"}\n", 'column "a" holds'),
        ("a.jsonl", b"[" * 100_000, "a.jsonl:1: not JSON"),
        ("a.jsonl.gz", b"no", "a.jsonl.gz:1: cannot be read from here: .*is it damaged"),
        ("a.jsonl.gz", gzip.compress(jsonl(ROWS))[:-9], "a.jsonl.gz:.*is it damaged"),
        ("a.jsonl.zst", b"no", "a.jsonl.zst:1: cannot be read"),
        ("a.csv", b"a,b\n1\n", "a.csv:2: 1 cells under 2 columns"),
        ("a.csv", b'a,b\n1,"\n\n', "a.csv:2: not CSV: .*is a quote never closed"),
        ("a.csv", b"a,a\n", "a.csv:1: two columns of the same name"),
        ("a.parquet", b"no", "a.parquet: cannot be read as Parquet"),
        ("a.txt", b"", "a.txt: cannot tell the format; use .parquet"),
        ("a.parquet.gz", b"", "a.parquet.gz: cannot tell the format"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TableError, match=message) as caught:
        rows(Table([tmp_path / name]))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").touch()
    with pytest.raises(TableError, match=r"dta.jsonl: no such file; did you mean data.jsonl\?"):
        Table([tmp_path / "dta.jsonl"])
    with pytest.raises(TableError, match="a folder; name the files in it"):
        Table([tmp_path])


def test_types_that_do_not_go_together(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_bytes(jsonl([{"id": "x"}]))
    with pytest.raises(TableError, match=r'b.jsonl: .* column "id" holds string here and int64 in .*a.parquet;'):
        Table([tmp_path / "a.parquet", tmp_path / "b.jsonl"])


def test_whole_numbers_among_broken_ones_lose_no_digit(tmp_path: Path) -> None:
    """An id too large for a broken number is an error that says where, whichever file comes first."""
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"id": 1.5}]))
    (tmp_path / "b.jsonl").write_bytes(jsonl([{"id": 2**53 + 1}]))
    pq.write_table(pa.table({"id": [2**53 + 1]}), tmp_path / "c.parquet")
    for name in ("b.jsonl", "c.parquet"):
        for order in ([tmp_path / "a.jsonl", tmp_path / name], [tmp_path / name, tmp_path / "a.jsonl"]):
            with pytest.raises(TableError, match=rf'{name}: .*column "id" .*make them one type') as raised:
                list(Table(order).batches())
            assert "\n" not in str(raised.value)
    assert Table([tmp_path / "b.jsonl", tmp_path / "c.parquet"]).schema.field("id").type == pa.int64()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("index", [pa.int8(), pa.int32()])
def test_a_dictionary_in_one_file_and_plain_text_in_another(tmp_path: Path, swapped: bool, index: pa.DataType) -> None:
    some = pa.array(["x", "y", "x", None]).cast(pa.dictionary(index, pa.string()))
    pq.write_table(pa.table({"text": some}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["z"]}), tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").write_bytes(jsonl([{"text": "w"}]))
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "c.jsonl"]
    table = Table(paths[::-1] if swapped else paths)
    found = [text for batch in table.batches() for text in texts(batch, table.text_column()).to_pylist()]
    assert sorted(found, key=str) == sorted(["x", "y", "x", None, "z", "w"], key=str)
    alone = Table(paths[:1])
    assert [text for batch in alone.batches() for text in texts(batch, "text").to_pylist()] == ["x", "y", "x", None]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_file_without_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert rows(Table([tmp_path / name])) == []
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "b.parquet")
    assert rows(Table([tmp_path / name, tmp_path / "b.parquet"])) == [{"text": "a"}]


def test_json_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text('{"text": "\\u0041", "x": ' + "[" * 900 + "]" * 900 + "}\n", encoding="utf-8")
    with pytest.raises(TableError, match=r"deep\.jsonl:1: not JSON"):
        list(Table([path]).batches())
