from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import UserError
from synth.seeds import Seed, plan_seeds, read_seeds
from synth.spec import SeedsSpec
from synth.tokens import estimate_tokens
from tests.data import DATA, needs_data

ROWS = [
    {"id": "a", "text": "Fever of “unknown” origin,\nsaid twice.", "license": "cc-by-4.0", "source": "NIH"},
    {"id": "b", "text": "头痛三天。", "license": "mit", "source": "PubMedQA"},
    {"id": "c", "text": 'One line\u2028two\x85three "quoted"', "license": "cc0-1.0", "source": "StatPearls"},
]
SEEDS = [
    Seed(index, row["id"], row["text"], source=row["source"], license=row["license"]) for index, row in enumerate(ROWS)
]


def json_lines(rows: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def csv_bytes(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


def source(tmp_path: Path, data: bytes, name: str = "seeds.jsonl", **fields: Any) -> SeedsSpec:
    path = tmp_path / name
    path.write_bytes(data)
    return SeedsSpec(source=str(path), **fields)


def bad_of(spec: SeedsSpec) -> list[tuple[int, str | None, str]]:
    return [(bad.line, bad.id, bad.reason) for bad in plan_seeds(spec).bad]


def refusal(spec: SeedsSpec) -> str:
    with pytest.raises(UserError) as caught:
        plan_seeds(spec)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("ending", [".jsonl", ".ndjson", ".csv", ".tsv"])
def test_text_formats_and_compressions_read_the_same_seeds(tmp_path: Path, ending: str, packing: str) -> None:
    plain = {".csv": csv_bytes(ROWS), ".tsv": csv_bytes(ROWS, "\t")}.get(ending, json_lines(ROWS))
    spec = source(tmp_path, PACKERS[packing](plain), f"seeds{ending}{packing}")
    plan = plan_seeds(spec)
    assert list(read_seeds(spec)) == SEEDS
    assert (plan.count, plan.bad, plan.tokens) == (3, [], sum(estimate_tokens(row["text"]) for row in ROWS))
    assert plan.digest == plan_seeds(source(tmp_path, json_lines(ROWS), "same.jsonl")).digest


def test_parquet_files_and_folders_of_them_read_the_same_seeds(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "seeds.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), folder / "part-0.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS[2:]), folder / "part-1.parquet")
    (folder / "_SUCCESS").touch()
    for spec in (SeedsSpec(source=str(tmp_path / "seeds.parquet")), SeedsSpec(source=str(folder))):
        assert list(read_seeds(spec)) == SEEDS
        assert plan_seeds(spec).count == 3


def test_a_local_folder_goes_through_the_hub_reader(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the library datasets is not installed")
    folder = tmp_path / "clinic"
    folder.mkdir()
    rows = [{**row, "unused": 1} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    pq.write_table(pa.Table.from_pylist(rows[:1]), folder / "test.parquet")
    spec = SeedsSpec(source=f"hf://{folder}")
    assert list(read_seeds(spec)) == SEEDS
    assert plan_seeds(spec.model_copy(update={"split": "test"})).count == 1
    assert {seed.source for seed in read_seeds(spec.model_copy(update={"origin": None}))} == {"clinic"}
    assert "did you mean `text`" in refusal(spec.model_copy(update={"text": "texts"}))
    assert "nosplit" in refusal(spec.model_copy(update={"split": "nosplit"}))


def test_the_hub_is_refused_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the library datasets is not installed")
    code = "import sys; from synth.seeds import *; from synth.spec import *; plan_seeds(SeedsSpec(source=sys.argv[1]))"
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code, "hf://no/such"], env=offline, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("synth.errors.UserError: seeds.source: hf://no/such: ")
    assert "neither hf://owner/name" in refusal(SeedsSpec(source="hf://a/b/c"))
    assert "neither hf://owner/name" in refusal(SeedsSpec(source="hf://"))


def test_the_hub_without_its_library_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['datasets'] = None\n"
        "from synth.seeds import *; from synth.spec import *; plan_seeds(SeedsSpec(source='hf://a/b'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install datasets" in done.stderr.splitlines()[-1]


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_any_texts_come_back_from_jsonl(texts: list[str]) -> None:
    kept = [clean for text in texts if (clean := text.replace("\0", "").strip())]
    with tempfile.TemporaryDirectory() as folder:
        spec = source(
            Path(folder),
            json_lines({"id": number, "text": text} for number, text in enumerate(texts)),
            max_tokens=10**6,
        )
        if kept:
            assert [seed.text for seed in read_seeds(spec)] == kept
            assert plan_seeds(spec).count + plan_seeds(spec).bad_count == len(texts)
        else:
            assert "empty_text" in refusal(spec)


def test_bad_lines_are_data_with_their_line_numbers(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"id": "ok1", "text": "fine"}\r',
        b"",
        b"{broken",
        b"[1, 2]",
        b'{"id": "e", "text": " \\u0000\\n "}',
        b'{"id": "n", "text": null}',
        b'{"id": "m"}',
        b'{"text": "no id"}',
        b'{"id": "", "text": "no id"}',
        b'{"id": "w", "text": ["list"]}',
        b'{"id": 1.5, "text": "float id"}',
        b'{"id": true, "text": "bool id"}',
        b'{"id": "l", "text": "caf\xe9"}',
        b"   \t",
        b'{"id": 7, "text": "whole number"}',
        b"[" * 100_000,
        b'{"id": "cut", "text": "no end',
    ]
    spec = source(tmp_path, b"\n".join(lines))
    assert [(seed.index, seed.id, seed.text) for seed in read_seeds(spec)] == [
        (0, "ok1", "fine"),
        (1, "7", "whole number"),
    ]
    assert bad_of(spec) == [
        (3, None, "bad_json"),
        (4, None, "bad_json"),
        (5, "e", "empty_text"),
        (6, "n", "empty_text"),
        (7, "m", "empty_text"),
        (8, None, "missing_id"),
        (9, None, "missing_id"),
        (10, "w", "wrong_type"),
        (11, None, "wrong_type"),
        (12, None, "wrong_type"),
        (13, None, "bad_encoding"),
        (16, None, "bad_json"),
        (17, None, "bad_json"),
    ]
    plan = plan_seeds(spec)
    assert max(len(bad.payload) for bad in plan.bad) == 2000
    assert json.loads(plan.bad[2].payload) == {"id": "e", "text": " \0\n "}
    few = plan_seeds(spec, max_bad=2)
    assert (few.bad, few.bad_count, few.digest) == (plan.bad[:2], 13, plan.digest)


def test_a_line_over_the_limit_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    long = b'{"id": "long", "text": "' + b"x" * (64 << 20) + b'"}\n'
    spec = source(tmp_path, zstd(long + json_lines(ROWS)), "seeds.jsonl.zst")
    assert bad_of(spec) == [(1, None, "bad_json")]
    assert list(read_seeds(spec)) == SEEDS


def test_what_cannot_be_stored_is_replaced(tmp_path: Path) -> None:
    row = rb'{"id": "i\ud800", "text": "\ud83d\ude00 a\u0000b \udfff", "license": "l\u0000", "source": "\ud800s"}'
    [seed] = read_seeds(source(tmp_path, row))
    assert seed == Seed(0, "i\ufffd", "😀 ab \ufffd", source="\ufffds", license="l")
    bad = plan_seeds(source(tmp_path, rb'{"id": "x\ud800", "text": "\u0000"}' + b"\n" + row)).bad[0]
    assert bad.id == "x\ufffd"
    assert bad.payload.encode()


def test_a_csv_record_has_the_line_where_it_starts(tmp_path: Path) -> None:
    data = (
        b'\xef\xbb\xbfid, text\r\na,"two\r\nlines"\r\n\r\n'  # record in lines 2-3, blank line 4
        b"b,one,too many\r\n"  # 5
        b'c,"three\r\n\r\nlines"\r\n'  # 6-8
        b"d\r\n"  # 9
        b"e,caf\xe9\r\n"  # 10
        b'f,"a"b\r\n'  # 11
        b"g,\r\n"  # 12
        b"a b,last"  # 13
    )
    spec = source(tmp_path, data, "seeds.csv")
    assert [(seed.id, seed.text) for seed in read_seeds(spec)] == [
        ("a", "two\r\nlines"),
        ("c", "three\r\n\r\nlines"),
        ("a b", "last"),
    ]
    assert bad_of(spec) == [
        (5, None, "bad_csv"),
        (9, None, "bad_csv"),
        (10, None, "bad_encoding"),
        (11, None, "bad_csv"),
        (12, "g", "empty_text"),
    ]


def test_a_csv_with_an_open_quote_is_refused_not_swallowed(tmp_path: Path) -> None:
    message = refusal(source(tmp_path, b'id,text\na,fine\nb,"open\nc,swallowed\n', "seeds.csv"))
    assert "seeds.csv:3: a quote that opens in this record is never closed" in message


def test_csv_fields_may_be_longer_than_the_default_limit(tmp_path: Path) -> None:
    spec = source(tmp_path, b"id,text\na," + b"word " * 100_000, "seeds.csv", max_tokens=10**6)
    assert [len(seed.text) for seed in read_seeds(spec)] == [499_999]


def test_wrong_utf8_in_parquet_is_a_bad_row(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0\6\0\0\0"), pa.py_buffer(b"ok\xff\xfeok")
    table = pa.table({"id": ["a", "b", "c"], "text": pa.StringArray.from_buffers(3, offsets, data)})
    pq.write_table(table, tmp_path / "seeds.parquet")
    spec = SeedsSpec(source=str(tmp_path / "seeds.parquet"))
    assert [seed.id for seed in read_seeds(spec)] == ["a", "c"]
    assert bad_of(spec) == [(2, None, "bad_encoding")]


def test_rows_of_a_parquet_folder_are_counted_through(tmp_path: Path) -> None:
    for part in range(2):
        rows = [{"id": f"{part}{row}", "text": "x" if row else ""} for row in range(300)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{part}.parquet", row_group_size=200)
    spec = SeedsSpec(source=str(tmp_path))
    assert bad_of(spec) == [(1, "00", "empty_text"), (301, "10", "empty_text")]
    assert len(list(read_seeds(spec))) == 598


def test_ids_that_stand_twice_are_refused_with_both_lines(tmp_path: Path) -> None:
    rows = [{"id": number % 15, "text": "x"} for number in range(40)]
    message = refusal(source(tmp_path, b"\n" + json_lines(rows)))
    assert "`0` (lines 2, 17), `1` (lines 3, 18)" in message
    assert message.count("(lines ") == 10
    thrice = json_lines([{"id": "a", "text": text} for text in "xyz"])
    assert "`a` (lines 1, 2, 3);" in refusal(source(tmp_path, thrice))
    mixed = json_lines([{"id": 1, "text": "x"}, {"id": "1 ", "text": "y"}])
    assert "`1` (lines 1, 2)" in refusal(source(tmp_path, mixed))


def test_an_id_on_a_bad_row_may_be_used_again(tmp_path: Path) -> None:
    spec = source(tmp_path, json_lines([{"id": "a", "text": ""}, {"id": "a", "text": "x"}]))
    assert [seed.id for seed in read_seeds(spec)] == ["a"]
    assert plan_seeds(spec).bad_count == 1


def test_derived_ids_come_from_the_whole_text_and_equal_texts_are_refused(tmp_path: Path) -> None:
    long = "word " * 300
    rows = [{"text": "same"}, {"text": long + "A"}, {"text": " same\n"}, {"text": long + "B"}]
    spec = source(tmp_path, json_lines(rows), id=None, max_tokens=32)
    seeds = list(read_seeds(spec))
    assert seeds[0].id == hashlib.sha256(b"same").hexdigest()[:16]
    assert [seed.index for seed in seeds] == [0, 1, 2]
    assert seeds[1].text == seeds[2].text
    assert seeds[1].id != seeds[2].id
    assert bad_of(spec) == [(3, seeds[0].id, "duplicate_text")]
    assert [seed.id for seed in read_seeds(spec.model_copy(update={"max_tokens": 6000}))] == [
        seed.id for seed in seeds
    ]


def test_slices_are_cut_from_the_accepted_seeds(tmp_path: Path) -> None:
    rows = [{"id": number, "text": "x" if number % 3 else ""} for number in range(30)]
    spec = source(tmp_path, json_lines(rows))
    whole = list(read_seeds(spec))
    assert [seed.index for seed in whole] == list(range(20))
    for size in (1, 7, 20, 50):
        assert [seed for start in range(0, 20, size) for seed in read_seeds(spec, start, start + size)] == whole
    assert list(read_seeds(spec, 5)) == whole[5:]
    assert list(read_seeds(spec, 3, 3)) == list(read_seeds(spec, 20, 30)) == []
    with pytest.raises(ValueError, match="no slice"):
        list(read_seeds(spec, 5, 3))


def test_the_limit_counts_accepted_seeds_and_stops_reading(tmp_path: Path) -> None:
    rows = json_lines([{"id": 0, "text": ""}, {"id": 1, "text": "x"}, {"id": 2, "text": "y"}, {"id": 1, "text": "z"}])
    spec = source(tmp_path, rows, limit=2)
    plan = plan_seeds(spec)
    assert (plan.count, plan.bad_count) == (2, 1)
    assert [seed.id for seed in read_seeds(spec)] == ["1", "2"]
    assert [seed.id for seed in read_seeds(spec, 1, 9)] == ["2"]


def test_the_digest_covers_all_that_comes_out_of_a_run(tmp_path: Path) -> None:
    row = {"id": "a", "text": "Angina.", "source": "book", "license": "cc0-1.0"}
    texts = [
        [row],
        [row | {"source": "leaflet"}],
        [row | {"license": "cc-by-4.0"}],
        [row, {"id": "b"}],
        [{"id": "b"}, row],
        [row, {"id": "b", "text": 7}],
    ]
    digests = []
    for rows in texts:
        path = tmp_path / "seeds.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        digests.append(plan_seeds(SeedsSpec(source=str(path), origin="source", license="license")).digest)
    assert len(set(digests)) == len(digests)


def test_long_texts_are_cut_and_the_plan_counts_what_is_left(tmp_path: Path) -> None:
    text = "He took 2.5 mg of it. " * 100
    spec = source(tmp_path, json_lines([{"id": 1, "text": text}]), max_tokens=50)
    [seed] = read_seeds(spec)
    assert text.startswith(seed.text)
    assert seed.text.endswith("of it.")
    assert plan_seeds(spec).tokens == estimate_tokens(seed.text) <= 50


def test_the_digest_tells_ids_texts_and_their_borders_apart(tmp_path: Path) -> None:
    def digest(*rows: tuple[str, str]) -> str:
        return plan_seeds(source(tmp_path, json_lines({"id": key, "text": text} for key, text in rows))).digest

    one = digest(("a", "bc"), ("d", "e"))
    others = [
        digest(("ab", "c"), ("d", "e")),
        digest(("d", "e"), ("a", "bc")),
        digest(("a", "bc")),
        digest(("a", "b")),
    ]
    assert len({one, *others}) == 5
    assert one == digest(("a", " bc "), ("d", "e"))


@pytest.mark.parametrize(
    ("row", "origin", "licence"),
    [
        ({}, "seeds.jsonl", "unknown"),
        ({"license": None, "source": ""}, "seeds.jsonl", "unknown"),
        ({"license": ["mit"], "source": 3}, "seeds.jsonl", "unknown"),
        ({"license": " mit ", "source": "https://x.org"}, "https://x.org", "mit"),
    ],
)
def test_origin_and_licence_of_a_row(tmp_path: Path, row: dict[str, Any], origin: str, licence: str) -> None:
    [seed] = read_seeds(source(tmp_path, json_lines([{"id": 1, "text": "x", **row}])))
    assert (seed.source, seed.license) == (origin, licence)


def test_other_field_names_and_fields_not_wanted(tmp_path: Path) -> None:
    row = {"key": 5, "body": "x", "text": "no", "rights": "mit", "url": "u"}
    fields = {"id": "key", "text": "body", "license": "rights", "origin": "url"}
    assert list(read_seeds(source(tmp_path, json_lines([row]), **fields))) == [Seed(0, "5", "x", "u", "mit")]
    spec = source(tmp_path, json_lines([row]), text="body", id="key", license=None, origin=None)
    assert list(read_seeds(spec)) == [Seed(0, "5", "x", "seeds.jsonl", "unknown")]


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    source(tmp_path, json_lines(ROWS), "cardiology.jsonl")
    missing = tmp_path / "cardiolgy.jsonl"
    message = refusal(SeedsSpec(source=str(missing)))
    assert message == f"seeds.source: no such file: {missing}; did you mean cardiology.jsonl?"
    assert refusal(SeedsSpec(source="no/such/folder/x.csv")) == "seeds.source: no such file: no/such/folder/x.csv"


@pytest.mark.parametrize("name", ["seeds.txt", "seeds.json", "seeds", "seeds.parquet.gz", "seeds.gz"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot tell the format" in refusal(source(tmp_path, json_lines(ROWS), name))


def test_a_folder_without_parquet_is_refused(tmp_path: Path) -> None:
    source(tmp_path, json_lines(ROWS))
    assert "without .parquet files" in refusal(SeedsSpec(source=str(tmp_path)))


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": "texte"}, "seeds.text: {name} has no field `texte`; its fields: id, text, license, source; did you"),
        ({"id": "uid"}, "seeds.id: {name} has no field `uid`; its fields: id, text, license, source; did you mean"),
        ({"text": "passage"}, "name one of them in seeds.text"),
        ({"id": "nothing"}, "or set `id: null`"),
    ],
)
def test_a_field_that_is_not_there_is_refused(
    tmp_path: Path, ending: str, fields: dict[str, str], expected: str
) -> None:
    path = tmp_path / f"seeds{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_bytes(json_lines(ROWS) if ending == ".jsonl" else csv_bytes(ROWS))
    message = refusal(SeedsSpec(source=str(path), **fields))
    assert expected.format(name=path if ending == ".jsonl" else path.name) in message


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("rights", "no row of {path} has a field `rights`; name the field that holds the licence of each row"),
        ("cc-by4.0", "has a field `cc-by4.0`; it names a field: write `license: cc-by-4.0` into the rows"),
        ("mit", "has a field `mit`; it names a field: write `license: mit` into the rows"),
    ],
)
def test_a_licence_field_that_no_row_has_is_refused(tmp_path: Path, ending: str, field: str, expected: str) -> None:
    path = tmp_path / f"seeds{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_bytes(json_lines(ROWS))
    assert expected.format(path=path) in refusal(SeedsSpec(source=str(path), license=field))
    assert plan_seeds(SeedsSpec(source=str(path), license=field, limit=2)).licences == {"unknown": 2}
    assert plan_seeds(SeedsSpec(source=str(path), license=None)).licences == {"unknown": 3}


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"", "seeds.jsonl", "it holds no rows"),
        (b"id,text\n", "seeds.csv", "it holds no rows"),
        (b"", "seeds.csv", "it holds no rows"),
        (json_lines(ROWS).decode().encode("utf-16"), "seeds.jsonl", "looks like UTF-16"),
        (json_lines([{"id": 1, "text": "x"}]).decode().encode("utf-16-le"), "seeds.jsonl", "looks like UTF-16"),
        (gzip.compress(json_lines(ROWS)), "seeds.jsonl", "it is compressed or Parquet"),
        (json.dumps(ROWS).encode(), "seeds.jsonl", "looks like one JSON array"),
        (json.dumps(ROWS[0], indent=2).encode(), "seeds.jsonl", "looks like indented JSON"),
        (
            b'{"id": 1, "text": ""}\n{"id": 2, "text": 3}',
            "seeds.jsonl",
            "(1 empty_text, 1 wrong_type); line 1: empty_",
        ),
        (csv_bytes(ROWS).decode().encode("utf-16"), "seeds.csv", "looks like UTF-16"),
        ("id,text,été\n".encode("latin-1"), "seeds.csv", "seeds.csv:1: no header can be read: not UTF-8"),
        (b"id,text,text\n", "seeds.csv", "two columns of the same name"),
        (b"not a table", "seeds.parquet", "cannot be read as Parquet"),
        (gzip.compress(json_lines(ROWS))[:-20], "seeds.jsonl.gz", "is it damaged?"),
        (bz2.compress(json_lines(ROWS))[:-20], "seeds.jsonl.bz2", "is it damaged?"),
        (lzma.compress(json_lines(ROWS))[:-40], "seeds.jsonl.xz", "is it damaged?"),
        (zstd(json_lines(ROWS))[:-20], "seeds.jsonl.zst", "is it damaged?"),
        (json_lines(ROWS), "seeds.jsonl.gz", "seeds.jsonl.gz:1: cannot be read from here"),
        (json_lines(ROWS), "seeds.jsonl.bz2", "is it damaged?"),
        (json_lines(ROWS), "seeds.jsonl.xz", "is it damaged?"),
        (json_lines(ROWS), "seeds.jsonl.zst", "is it damaged?"),
    ],
)
def test_a_source_without_usable_seeds_is_refused_with_a_hint(
    tmp_path: Path, data: bytes, name: str, expected: str
) -> None:
    assert expected in refusal(source(tmp_path, data, name))


_PEAK = """
import re, sys
from pathlib import Path
from synth.seeds import plan_seeds, read_seeds
from synth.spec import SeedsSpec
peak = lambda: int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) // 1024
small, large = (SeedsSpec(source=source) for source in sys.argv[1:])
plan_seeds(small)
before = peak()
assert plan_seeds(large).count == 20000
assert next(read_seeds(large, 19999)).index == 19999
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
@pytest.mark.parametrize("ending", [".csv", ".jsonl.zst", ".parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str) -> None:
    sentence = "Words of no weight are written here. "
    for name, count in (("small", 1), ("large", 20000)):
        rows = [{"id": str(number), "text": f"{number} " + sentence * 56} for number in range(count)]
        path = tmp_path / f"{name}{ending}"
        if ending == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path, compression="none", use_dictionary=False)
        else:
            plain = csv_bytes(rows) if ending == ".csv" else json_lines(rows)
            path.write_bytes(PACKERS["." + ending.split(".")[2] if ending.count(".") > 1 else ""](plain))
    paths = [str(tmp_path / f"{name}{ending}") for name in ("small", "large")]
    # Arrow's own allocator keeps what was freed; the system's shows what is needed.
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *paths],
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 25, "MiB, for a file of 40"


@pytest.mark.data
@needs_data
def test_the_real_passages_are_all_seeds() -> None:
    named = SeedsSpec(source=str(DATA / "seeds" / "seed_passages.jsonl"))
    # Five published ids stand for fifteen different passages; the other 1,885 are unique.
    assert "`medquad:1_CancerGov_QA:0000013_2-2` (lines 50, 81, 84, 119)" in refusal(named)
    spec = named.model_copy(update={"id": None})
    plan = plan_seeds(spec)
    assert (plan.count, plan.bad) == (1900, [])
    seeds = list(read_seeds(spec, 100, 200))
    assert [seed.index for seed in seeds] == list(range(100, 200))
    assert all(seed.license != "unknown" for seed in seeds)
    short = spec.model_copy(update={"max_tokens": 100})
    cut = [(seed.text, estimate_tokens(seed.text)) for seed in read_seeds(short)]
    assert max(tokens for _, tokens in cut) <= 100
    assert sum(text[-1] in ".?!)" for text, _ in cut) > 0.75 * len(cut)
