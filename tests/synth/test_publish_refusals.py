"""What is refused before the first request: licences, stray and changed files, unfinished runs, warnings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import UserError
from synth.publish import main
from synth.publishing.findings import WARNINGS, RowFacts, dropped, read_rows, warnings
from synth.publishing.hub import confirm_public
from synth.publishing.hub_errors import message
from synth.publishing.licences import TERMS, licence_problems
from synth.publishing.package import read_package
from synth.publishing.versions import check_tag
from tests.synth.factories import make_spec
from tests.synth.publishing import CLEAN, REPO, files_of, make_run, rewrite_manifest, rows_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def refused(capsys: pytest.CaptureFixture[str], run: Path, *more: str) -> list[str]:
    """Lines of a refusal; a dry run sees all that a real one does before it sends."""
    assert main([str(run), "--repo", REPO, "--dry-run", *more]) == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("licence", "seed", "says"),
    [
        (None, "cc-by-4.0", "the data set has none"),
        ("", "cc-by-4.0", "the data set has none"),
        ("cc-by-4", "cc-by-4.0", "did you mean cc-by-4.0?"),
        ("other", "cc-by-4.0", "not a licence the Hub knows"),
        ("cc-by-4.0", "", "without a named licence"),
        ("cc-by-4.0", "unknown", "without a named licence"),
        ("cc-by-4.0", "all rights reserved", "not a licence known here"),
        ("cc-by-4.0", "Other: House rules", "under 'Other: House rules', whose terms are not known here: leave"),
        ("cc-by-4.0", "cc-by-sa-4.0", "same licence alone, not cc-by-4.0: set license: cc-by-sa-4.0"),
        ("cc-by-sa-3.0", "cc-by-sa-4.0", "same licence alone"),
        ("cc-by-nc-sa-4.0", "cc-by-sa-4.0", "same licence alone"),
        ("cc-by-4.0", "cc-by-nc-4.0", "forbids commercial use"),
        ("cc-by-sa-4.0", "cc-by-nc-sa-4.0", "same licence alone"),
        ("cc-by-4.0", "cc-by-nd-4.0", "allows no adaptations"),
        ("cc-by-nc-nd-4.0", "cc-by-nc-nd-4.0", "allows no adaptations"),
        ("cc0-1.0", "cc-by-4.0", "asks to name the source"),
    ],
)
def test_licences_that_do_not_go_together(licence: str | None, seed: str, says: str) -> None:
    problems = licence_problems(licence, {seed: 3})
    assert len(problems) == 1
    assert says in problems[0]
    assert "\n" not in problems[0]


@pytest.mark.parametrize(
    ("licence", "seed"),
    [
        ("cc-by-4.0", "cc-by-4.0"),
        ("cc-by-4.0", "CC BY 4.0"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ("cc-by-4.0", "cc0-1.0"),
        ("cc-by-4.0", "public domain"),
        ("cc-by-sa-4.0", "cc-by-sa-3.0"),
        ("cc-by-sa-4.0", "cc-by-4.0"),
        ("cc-by-nc-4.0", "cc-by-nc-3.0"),
        ("cc-by-nc-sa-4.0", "cc-by-nc-4.0"),
        ("mit", "apache-2.0"),
    ],
)
def test_licences_that_go_together(licence: str, seed: str) -> None:
    assert licence_problems(licence, {seed: 3}) == []


@given(st.sampled_from(sorted(TERMS)), st.dictionaries(st.sampled_from(sorted(TERMS)), st.integers(1, 9), max_size=4))
def test_no_term_of_a_seed_gets_lost(licence: str, seeds: dict[str, int]) -> None:
    problems = licence_problems(licence, seeds)
    for seed in seeds:
        theirs, ours = TERMS[seed], TERMS[licence]
        lost = (
            theirs.no_derivatives
            or (theirs.non_commercial and not ours.non_commercial)
            or (theirs.attribution and not ours.attribution)
            or (theirs.share_alike and not ours.share_alike)
        )
        assert not lost or any(f"under {seed}," in line for line in problems)


@given(st.text(max_size=40))
def test_any_text_can_stand_where_a_licence_should(text: str) -> None:
    for line in licence_problems("cc-by-4.0", {text: 1}) + licence_problems(text, {"cc-by-4.0": 1}):
        assert len(line.splitlines()) == 1


def test_licences_are_read_from_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(4)
    rows["dialogue"][1]["source_license"] = "cc-by-nc-4.0"
    rows["sft"][0]["source_license"] = None
    lines = refused(capsys, make_run(tmp_path / "run", rows), *CLEAN)
    assert [line.split(": ", 2)[2] for line in lines] == [
        "1 row from passages without a named licence: add it to the seed file "
        "(the spec's seeds.license says in which field)",
        "1 row from passages under cc-by-nc-4.0, which forbids commercial use, and cc-by-4.0 allows it: "
        "set license: cc-by-nc-4.0, or leave those passages out",
    ]


def test_a_data_set_without_a_licence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, make_run(tmp_path / "run", license=None), *CLEAN)
    assert "license: the data set has none" in line


def test_nothing_to_publish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, make_run(tmp_path / "run", {"sft": []}), *CLEAN)
    assert "no row was kept" in line


def _stray(run: Path) -> str:
    (run / "export" / "journal.sqlite").write_bytes(b"prompts")
    return "journal.sqlite: not named by manifest.json"


def _hidden(run: Path) -> str:
    (run / "export" / "sft" / ".env").write_text("KEY=secret")
    return "sft/.env: not named by manifest.json"


def _changed(run: Path) -> str:
    with (run / "export" / "README.md").open("a") as card:
        card.write("more")
    return "README.md: changed since the run ended"


def _gone(run: Path) -> str:
    next((run / "export" / "sft").glob("*.parquet")).unlink()
    return "named by manifest.json but not there"


def _link(run: Path) -> str:
    card = run / "export" / "README.md"
    os.rename(card, run / "card.md")
    card.symlink_to(run / "card.md")
    return "README.md: links, which are never followed"


def _no_manifest(run: Path) -> str:
    (run / "export" / "manifest.json").unlink()
    return "the run is not finished"


def _torn(run: Path) -> str:
    path = run / "export" / "manifest.json"
    path.write_text(path.read_text()[:100])
    return "manifest.json: damaged"


def _pending(run: Path) -> str:
    counts = json.loads((run / "export" / "manifest.json").read_text())["counts"]
    counts["sft"]["pending"] = 3
    rewrite_manifest(run, counts=counts)
    return "the run is not finished: 3 rows are pending"


def _other_spec(run: Path) -> str:
    rewrite_manifest(run, fingerprint="cd" * 32)
    return "export/ was made before the spec changed"


def _no_lock(run: Path) -> str:
    (run / "spec.lock.yaml").unlink()
    return "no run folder"


@pytest.mark.parametrize(
    "spoil", [_stray, _hidden, _changed, _gone, _link, _no_manifest, _torn, _pending, _other_spec, _no_lock]
)
def test_what_is_not_a_finished_export(run: Path, capsys: pytest.CaptureFixture[str], spoil: Any) -> None:
    says = spoil(run)
    (line,) = refused(capsys, run, *CLEAN)
    assert says in line


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, tmp_path / "nothing")
    assert "no such folder" in line
    assert not (tmp_path / "nothing").exists()


SPOILT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unscored": ({"flags": ["unscored"]}, {}),
    "safety": ({"flags": ["dose_implausible"]}, {}),
    "phi": ({"flags": ["phi"]}, {}),
    "unscreened": ({}, {"filters": {"phi": None}}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_warning_stops_until_it_is_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    columns, sections = SPOILT[name]
    run = make_run(tmp_path / "run", rows_of(6, **columns), **sections)
    (line,) = refused(capsys, run, *CLEAN)
    assert line.startswith(f"{run}: {name}: ")
    assert line.endswith(f"look, then --allow {name}")
    assert main([str(run), "--repo", REPO, "--dry-run", *CLEAN, "--allow", name]) == 0
    assert f"allowed: {name}: " in capsys.readouterr().err


def test_rows_that_a_reviewer_rejected_after_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = rows_of(12)["sft"][3]["id"]
    (run / "marks.jsonl").write_text(json.dumps({"id": row, "mark": "reject", "comment": "wrong dose"}) + "\n")
    (line,) = refused(capsys, run, *CLEAN)
    assert "reviewers: 1 rows that a reviewer rejected" in line


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("failed", {"planned": 10, "kept": {"train": 9}, "rejected": {}, "failed": 1, "pending": 0}),
        ("contamination", {"planned": 10, "kept": {"train": 9}, "rejected": {"contaminated": 1}, "failed": 0}),
    ],
)
def test_warnings_of_the_manifest(run: Path, name: str, counts: dict[str, Any]) -> None:
    package = read_package(run)
    manifest = {"counts": {"sft": counts}}
    found = warnings(package.spec, manifest, dropped(manifest), read_rows(package, run))
    assert set(found) == {name, "not_decontaminated"}


def test_shares_below_the_limits_do_not_warn() -> None:
    facts = RowFacts(rows=Counter(sft=100), unsafe=Counter(sft=2))
    facts.flags["sft"]["unscored"] = 10
    manifest = {"counts": {"sft": {"planned": 100, "failed": 5}}}
    assert set(warnings(make_spec(), manifest, Counter(), facts)) == {"not_decontaminated"}
    facts.unsafe["sft"] += 1
    facts.flags["sft"]["unscored"] += 1
    assert set(warnings(make_spec(), manifest, Counter(), facts)) == {"not_decontaminated", "safety", "unscored"}


def test_an_unknown_warning_is_told_with_the_known_ones(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, run, "--allow", "unscorred")
    assert "did you mean 'unscored'" in line or "unscored" in line
    assert "unscored" in WARNINGS


def test_a_dry_run_lists_every_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--repo", REPO, "--dry-run", *CLEAN]) == 0
    out = capsys.readouterr().out
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert listed == set(files_of(run))
    assert "nothing was sent" in out


@pytest.mark.parametrize("arguments", [["--repo", "name"], ["--repo", "a/b/c"], ["--repo", "/b"], []])
def test_arguments_that_are_no_repository(run: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(run), *arguments])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    ["", "v 1", "v1.", ".v1", "-v1", "v1..2", "v1.lock", "a/.b", "a//b", "/a", "a/", "v~1", "v^", "v:1", "v?", "v*",
     "v[1", "v\\1", "v@{1", "v\n1", "v\x7f", "größe", "v" * 101, "main", "HEAD", "@", "refs/tags/v1", "ab" * 20,
     "1" * 40, "2024112a"],
)  # fmt: skip
def test_tags_that_git_or_the_hub_would_refuse(run: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (line,) = refused(capsys, run, *CLEAN, f"--tag={name}")
    assert line.startswith("--tag ")


@pytest.mark.parametrize("name", ["v1.0", "1.0", "2026-11-22", "20261122", "release/1", "v1.0-rc.1", "a@b", "lock"])
def test_tags_that_are_names_of_versions(run: Path, name: str) -> None:
    assert main([str(run), "--repo", REPO, "--dry-run", *CLEAN, f"--tag={name}"]) == 0


@pytest.mark.skipif(shutil.which("git") is None, reason="Git says which names it takes")
@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab.@{/~-lock\\: ^"), min_size=1, max_size=7))
def test_git_takes_every_tag_that_passes(name: str) -> None:
    try:
        check_tag(name)
    except UserError:
        return
    assert subprocess.run(["git", "check-ref-format", f"refs/tags/{name}"], check=False).returncode == 0


def test_public_is_confirmed_by_the_very_name() -> None:
    confirm_public(REPO, REPO)
    for typed in (None, "owner/other", "", "yes"):
        with pytest.raises(UserError, match="--public"):
            confirm_public(REPO, typed)


def test_a_token_is_in_no_message() -> None:
    error = RuntimeError("Authorization: Bearer abc.def\nfor hf_AbCdEfGhIj refused")
    assert message(error) == "Authorization: Bearer *** for *** refused"
