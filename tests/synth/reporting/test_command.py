"""The command: exit codes and single lines, unfinished and damaged folders, two runs side by side."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from synth.report import main
from synth.reporting.build import build
from tests.runs import Ran, data_files
from tests.synth.factories import make_row
from tests.synth.reporting.conftest import Export


def run_report(*arguments: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 2
    (line,) = ran.complaints
    assert all(word in line for word in words), line


def test_it_names_the_page(copy: Path) -> None:
    before = data_files(copy)
    ran = run_report(copy)
    assert (ran.code, ran.out, ran.err) == (0, f"{copy / 'report.html'}\n", "")
    assert data_files(copy) == before


def test_the_json_fits_the_printed_schema(finished: Path) -> None:
    printed = run_report("--print-schema")
    assert printed.code == 0
    schema = json.loads(printed.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((finished / "report.json").read_text("utf-8")), schema)
    parts = [schema, *schema["$defs"].values()]
    assert all(part.get("description") for part in parts)


def test_no_run_folder(tmp_path: Path) -> None:
    refused(run_report(tmp_path), str(tmp_path), "not a run folder")
    refused(run_report(tmp_path / "nowhere"), "no such folder")
    refused(run_report(), "name a run folder")


@pytest.mark.parametrize("other", ["", "nowhere"])
def test_the_other_run_must_be_one_as_well(copy: Path, tmp_path: Path, other: str) -> None:
    refused(run_report(copy, tmp_path / other), "folder")


def test_a_run_without_journals(copy: Path) -> None:
    shutil.rmtree(copy / "journal")
    report = build(copy)
    assert report.funnel.requests is report.funnel.usd is None
    assert report.funnel.steps == []
    assert any("journal" in note for note in report.notes)
    assert report.verdict[3].text == "Not known: the journals are not here."
    assert sum(one.kept for one in report.kinds)
    assert all(sample.provenance.usd is None for group in report.groups for sample in group.samples)
    assert run_report(copy).code == 0


def test_nothing_of_prompts_replies_or_other_files_gets_into_the_report(copy: Path) -> None:
    """Of a journal it takes counts, tokens, money and seconds."""
    canary = "sk-canary-of-the-run-folder"
    (copy / ".env").write_text(f"KEY={canary}")
    for path in (copy / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal, journal:
            journal.execute("UPDATE entries SET request = ?", (canary,))
            journal.execute("UPDATE entries SET body = replace(CAST(body AS TEXT), '\"text\":\"', ?)",
                            (f'"text":"{canary} ',))  # fmt: skip
    ran = run_report(copy)
    assert ran.code == 0, ran.err
    for name in ("report.html", "report.json"):
        assert canary not in (copy / name).read_text("utf-8")
    assert build(copy).funnel.times


def test_a_journal_that_is_none_is_left_out_and_named(copy: Path) -> None:
    whole = build(copy).funnel.requests
    (copy / "journal" / "00009.sqlite").write_bytes(b"this is no database" * 100)
    report = build(copy)
    assert report.funnel.requests == whole
    assert any("00009.sqlite" in note for note in report.notes)


def test_a_run_that_has_not_been_exported(copy: Path) -> None:
    shutil.rmtree(copy / "export")
    shutil.rmtree(copy / "rejected")
    report = build(copy)
    assert not report.finished
    assert "not been exported" in report.verdict[0].text
    assert report.funnel.requests
    assert run_report(copy).code == 0


@pytest.mark.parametrize("name", ["export/manifest.json", "spec.lock.yaml"])
def test_a_damaged_file_is_one_line(copy: Path, name: str) -> None:
    (copy / name).write_text("{ damaged")
    refused(run_report(copy), Path(name).name, "damaged")


def test_damaged_parquet_is_one_line(copy: Path) -> None:
    path = next((copy / "export").glob("*/*.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    refused(run_report(copy), path.name, "cannot be read")


def test_a_folder_without_its_spec_still_has_a_report(copy: Path) -> None:
    (copy / "spec.lock.yaml").unlink()
    report = build(copy)
    assert report.name == "trial"
    assert any("spec.lock.yaml" in note for note in report.notes)


def test_two_runs(export: Export) -> None:
    def rows(quality: int, flags: list[str]) -> list[dict[str, object]]:
        return [make_row("sft", f"s{n}", quality=quality, flags=flags) for n in range(4)]

    before = export({"sft": rows(4, ["short"])}, name="before")
    after = export({"sft": rows(8, [])}, name="after")
    comparison = build(after, before).comparison
    assert comparison is not None
    found = {change.name: change for change in comparison.changes}
    assert (found["sft: mean quality"].before, found["sft: mean quality"].after) == (4, 8)
    assert found["sft: mean quality"].verdict == "better"
    assert found["share of kept rows with a flag"].verdict == "better"
    assert found["rows kept"].verdict == "same"
    turned = build(before, after).comparison
    assert turned is not None
    assert {change.name for change in turned.changes if change.verdict == "worse"} >= {
        "sft: mean quality",
        "share of kept rows with a flag",
    }
    assert run_report(after, before).code == 0
    assert "mean quality" in (after / "report.html").read_text("utf-8")
    assert not (before / "report.html").exists()
