from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import ClinsynthError, UserError
from synth.export import ExportResult, export_run, in_validation
from synth.rows import KINDS, Rejected
from synth.spec import Spec
from synth.staging import recover_folder, sha256_of
from tests.synth.factories import make_rejected, make_row, make_spec, some_rows, stage_rows

PLENTY = dict.fromkeys(KINDS, 10_000)
SEEDS = [f"s{n}" for n in range(60)]
NO_DEDUP = {"dedup": None}


def export(
    run: Path, stages: list[Path], spec: Spec | None = None, planned: dict[str, int] | None = None
) -> ExportResult:
    run.mkdir(parents=True, exist_ok=True)
    return export_run(run, stages, spec or make_spec(), planned=planned or PLENTY, fingerprint="f1")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def manifest_problems(folder: Path) -> list[str]:
    """Everything in which ``folder`` differs from its manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {file["path"]: file for file in manifest["files"]}
    problems = [f"not listed: {name}" for name in {*tree(folder)} - {*listed, "manifest.json"}]
    for name, file in listed.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"] or sha256_of(path) != file["sha256"]:
            problems.append(f"differs: {name}")
        elif path.suffix == ".parquet" and pq.read_metadata(path).num_rows != file["rows"]:
            problems.append(f"rows: {name}")
    return problems


def test_export_holds_every_row_once_in_order(tmp_path: Path) -> None:
    rows = some_rows(SEEDS)
    stages = [
        stage_rows(tmp_path / "0", {kind: rows[kind][:25] for kind in KINDS}),
        stage_rows(tmp_path / "1", {kind: rows[kind][25:] for kind in KINDS}),
    ]
    result = export(tmp_path / "run", stages, make_spec(export={"validation": 0.3}))
    for kind in KINDS:
        for split in ("train", "validation"):
            expected = [r for r in rows[kind] if in_validation(7, r["seed_id"], 0.3) == (split == "validation")]
            assert read(result.export, f"{kind}/{split}-*.parquet") == expected
            assert result.kept[kind][split] == len(expected) > 0
    assert manifest_problems(result.export) == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["export", "rejected"]
    assert tree(result.rejected_folder) == {}


def test_same_stages_same_bytes(tmp_path: Path) -> None:
    rows = some_rows(SEEDS[:20])
    rows["sft"] += [row | {"id": row["id"][::-1]} for row in rows["sft"]]
    stages = [stage_rows(tmp_path / "0", rows, [make_rejected()])]
    first, _ = export(tmp_path / "a", stages), export(tmp_path / "b", stages)
    before = tree(tmp_path / "a")
    assert first.rejected["sft"] == {"near_duplicate": 20, "refusal": 1}
    assert tree(tmp_path / "b") == before
    export(tmp_path / "a", stages)
    assert tree(tmp_path / "a") == before


def test_shards_do_not_show_in_the_files(tmp_path: Path) -> None:
    rows = some_rows(SEEDS)
    whole = export(tmp_path / "a", [stage_rows(tmp_path / "whole", rows)])
    parts = [
        stage_rows(tmp_path / f"part{at}", {kind: rows[kind][at : at + 7] for kind in KINDS})
        for at in range(0, len(SEEDS), 7)
    ]
    assert tree(export(tmp_path / "b", parts).export) == tree(whole.export)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=()), max_size=6), min_size=1, max_size=12, unique=True),
    st.floats(0, 0.9),
    st.integers(-3, 3),
)
def test_no_seed_is_on_both_sides(seeds: list[str], share: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        rows = {kind: [make_row(kind, s, n) for s in seeds for n in range(2)] for kind in KINDS}
        spec = make_spec(seed=seed, export={"validation": share}, filters=NO_DEDUP)
        result = export(root / "run", [stage_rows(root / "0", rows)], spec)
        sides = {
            split: {row["seed_id"] for row in read(result.export, f"*/{split}-*.parquet")}
            for split in ("train", "validation")
        }
        assert not sides["train"] & sides["validation"]
        assert sides["train"]
        for kind in KINDS:
            assert sum(result.kept[kind].values()) == len(rows[kind])


def test_share_of_validation_is_about_what_was_asked() -> None:
    held_out = sum(in_validation(7, f"seed {n}", 0.2) for n in range(5000))
    assert 900 < held_out < 1100
    assert not any(in_validation(7, f"seed {n}", 0.0) for n in range(100))
    first = [in_validation(1, f"seed {n}", 0.5) for n in range(200)]
    assert first != [in_validation(2, f"seed {n}", 0.5) for n in range(200)]


def test_all_rows_in_validation_become_train(tmp_path: Path) -> None:
    lonely = next(s for s in SEEDS if in_validation(7, s, 0.05))
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", some_rows([lonely]))])
    assert {path.name for path in result.export.glob("*/*")} == {"train-00000-of-00001.parquet"}
    assert all(result.kept[kind] == {"train": 1, "validation": 0} for kind in KINDS)
    assert manifest_problems(result.export) == []
    assert "validation-" not in (result.export / "README.md").read_text()


def test_kind_without_rows_has_no_folder(tmp_path: Path) -> None:
    rows = some_rows(SEEDS[:5]) | {"dialogue": []}
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", rows)])
    assert not (result.export / "dialogue").exists()
    assert result.kept["dialogue"] == {"train": 0, "validation": 0}


def test_files_hold_so_many_rows(tmp_path: Path) -> None:
    rows = {"sft": [make_row("sft", f"s{n}") for n in range(23)]}
    spec = make_spec(export={"validation": 0, "rows_per_file": 10})
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", rows)], spec)
    files = {path.name: pq.read_metadata(path).num_rows for path in (result.export / "sft").iterdir()}
    assert files == {f"train-{at:05d}-of-00003.parquet": n for at, n in enumerate([10, 10, 3])}
    assert read(result.export, "sft/*") == rows["sft"]


def test_parquet_is_as_the_viewer_wants_it(tmp_path: Path) -> None:
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", some_rows(SEEDS[:3]))])
    for path in result.export.glob("*/*.parquet"):
        column = pq.read_metadata(path).row_group(0).column(0)
        assert column.has_offset_index
        assert column.has_column_index
        assert column.compression == "ZSTD"
        pq.read_table(path, page_checksum_verification=True)


def rejected_rows(result: ExportResult, name: str = "curation") -> list[dict[str, Any]]:
    return read(result.rejected_folder, f"{name}.parquet")


def test_near_duplicate_is_dropped_with_evidence(tmp_path: Path) -> None:
    first = make_row("sft", "s1")
    words = first["response"].split()
    copy = make_row("sft", "s2", instruction=first["instruction"], response=" ".join([*words[:-1], "otherwise"]))
    other_kind = make_row("reasoning", "s3", question=first["instruction"], answer=first["response"])
    stages = [stage_rows(tmp_path / "0", {"sft": [first]}), stage_rows(tmp_path / "1", {"sft": [copy]})]
    stages.append(stage_rows(tmp_path / "2", {"reasoning": [other_kind]}))
    result = export(tmp_path / "run", stages)
    assert [row["id"] for row in read(result.export, "sft/*")] == [first["id"]]
    assert sum(result.kept["reasoning"].values()) == 1
    assert result.rejected["sft"] == {"near_duplicate": 1}
    (dropped,) = rejected_rows(result)
    assert (dropped["id"], dropped["kind"], dropped["seed_id"]) == (copy["id"], "sft", "s2")
    assert (dropped["reason"], dropped["step"], dropped["status"]) == ("near_duplicate", "curation", "rejected")
    assert dropped["detail"].startswith("similarity 0.9")
    assert dropped["detail"].endswith(f" to {first['id']}")
    assert [(e["flag"], e["fact"]) for e in dropped["evidence"]] == [("near_duplicate", first["id"])]
    assert json.loads(dropped["payload"]) == copy


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_are_found_in_every_kind(tmp_path: Path, kind: str) -> None:
    row = make_row(kind, "s1")
    twin = row | {"id": "f" * 32, "seed_id": "s2"}
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", {kind: [row, twin]})])
    assert result.rejected[kind] == {"near_duplicate": 1}


def test_without_dedup_duplicates_stay_but_ids_are_unique(tmp_path: Path) -> None:
    row = make_row("sft", "s1")
    rows = [row, row | {"id": "f" * 32}, row]
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", {"sft": rows})], make_spec(filters=NO_DEDUP))
    assert result.rejected["sft"] == {"duplicate_id": 1}
    assert sum(result.kept["sft"].values()) == 2
    assert rejected_rows(result)[0]["evidence"][0]["fact"] == row["id"]


def test_low_scores_are_dropped_and_missing_ones_pass(tmp_path: Path) -> None:
    scores = [(6, 4), (5, 9), (9, 3), (None, None), (1, 1)]
    rows = [make_row("dialogue", f"s{n}", quality=q, complexity=c) for n, (q, c) in enumerate(scores)]
    spec = make_spec(filters={"quality": {"min_quality": 6, "min_complexity": 4}})
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", {"dialogue": rows})], spec)
    assert {row["seed_id"] for row in read(result.export, "dialogue/*")} == {"s0", "s3"}
    assert result.rejected["dialogue"] == {"low_quality": 2, "low_complexity": 1}
    dropped = {row["seed_id"]: row for row in rejected_rows(result)}
    assert dropped["s1"]["detail"] == "quality 5 is below 6"
    assert dropped["s2"]["detail"] == "complexity 3 is below 4"
    assert dropped["s2"]["evidence"] == [
        {"flag": "low_complexity", "turn": None, "text": "3", "fact": "min_complexity"}
    ]


def test_row_dropped_for_quality_is_no_ones_original(tmp_path: Path) -> None:
    poor = make_row("sft", "s1", quality=2)
    good = poor | {"id": "f" * 32, "seed_id": "s2", "quality": 9}
    spec = make_spec(filters={"quality": {"min_quality": 6}})
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", {"sft": [poor, good]})], spec)
    assert [row["id"] for row in read(result.export, "sft/*")] == [good["id"]]


def test_impossible_dedup_settings_are_one_line(tmp_path: Path) -> None:
    spec = make_spec(filters={"dedup": {"rows": 0.0}})
    with pytest.raises(UserError, match=r"filters\.dedup") as error:
        export(tmp_path / "run", [stage_rows(tmp_path / "0", some_rows(["s1"]))], spec)
    assert "\n" not in str(error.value)


def mixed_stages(root: Path) -> list[Path]:
    rows = some_rows(SEEDS[:20])
    low = [make_row("sft", f"low{n}", quality=1) for n in range(3)]
    dropped: list[Rejected] = [
        *[make_rejected(kind, f"r{n}") for kind in KINDS for n in range(2)],
        make_rejected("dialogue", "r9", reason="truncated", status="failed"),
        make_rejected("question", "r9", reason="not_complex"),
        make_rejected("chain", "r9", reason="no_reply", status="failed"),
    ]
    return [
        stage_rows(root / "0", {kind: rows[kind][:8] for kind in KINDS}, dropped[:3]),
        stage_rows(root / "1", {}, dropped[3:]),
        stage_rows(root / "2", {kind: rows[kind][8:] for kind in KINDS} | {"sft": [*rows["sft"][8:], *low]}),
    ]


def test_identity_and_rejected_files(tmp_path: Path) -> None:
    planned = {"sft": 30, "reasoning": 22, "dialogue": 25, "preference": 100}
    spec = make_spec(filters={"quality": {"min_quality": 5}})
    result = export(tmp_path / "run", mixed_stages(tmp_path), spec, planned)
    for kind in KINDS:
        gone = sum(result.rejected[kind].values()) + result.failed[kind]
        assert planned[kind] == sum(result.kept[kind].values()) + gone + result.pending[kind]
    assert result.rejected["sft"] == {"refusal": 2, "low_quality": 3}
    assert result.failed == {"sft": 0, "reasoning": 0, "dialogue": 1, "preference": 0}
    assert result.pending == {"sft": 5, "reasoning": 0, "dialogue": 2, "preference": 78}
    assert result.byproducts == {"question": {"not_complex": 1}, "chain": {"no_reply": 1}}
    names = {path.name: pq.read_metadata(path).num_rows for path in result.rejected_folder.iterdir()}
    assert names == {"00000.parquet": 3, "00001.parquet": 8, "curation.parquet": 3}
    counts = json.loads((result.export / "manifest.json").read_text())["counts"]
    assert counts["sft"] == {
        "planned": 30,
        "kept": result.kept["sft"],
        "rejected": result.rejected["sft"],
        "failed": 0,
        "pending": 5,
    }


def test_more_rows_than_planned_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="dialogue"):
        export(tmp_path / "run", mixed_stages(tmp_path), planned=PLENTY | {"dialogue": 22})
    assert list((tmp_path / "run").iterdir()) == []


def test_manifest_lists_everything_and_holds_no_clock(tmp_path: Path) -> None:
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", some_rows(SEEDS[:4]))])
    text = (result.export / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["name"] == "cardiology"
    assert manifest["fingerprint"] == "f1"
    assert text == json.dumps(manifest, sort_keys=True, indent=2) + "\n"
    assert {file["path"] for file in manifest["files"]} == {*tree(result.export)} - {"manifest.json"}
    assert "README.md" in {file["path"] for file in manifest["files"]}
    for content in tree(result.export).values():
        assert time.strftime("%Y-%m-%d").encode() not in content


def test_empty_data_set(tmp_path: Path) -> None:
    for stages in ([], [stage_rows(tmp_path / "0", {}, [make_rejected("seed")])]):
        result = export(tmp_path / "run", stages, planned={})
        assert sorted(tree(result.export)) == ["README.md", "manifest.json"]
        assert manifest_problems(result.export) == []
        assert "configs:" not in (result.export / "README.md").read_text()


def test_text_that_utf8_cannot_hold(tmp_path: Path) -> None:
    bad = "a\0b\ud800c"
    rows = [
        make_row("sft", f"s{bad}", instruction=bad, source=bad, generator=bad, flags=[bad], quality=q) for q in (9, 1)
    ]
    rows[1]["id"] = "0" * 32
    item = make_rejected(seed_id=bad, reason=bad, payload={bad: [bad]})
    spec = make_spec(filters={"quality": {"min_quality": 5}})
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", {"sft": rows}, [item])], spec)
    assert read(result.export, "sft/*")[0]["instruction"] == "ab\ufffdc"
    assert rejected_rows(result, "00000")[0]["payload"] == '{"ab\ufffdc": ["ab\ufffdc"]}'
    assert json.loads(rejected_rows(result)[0]["payload"])["source"] == "ab\ufffdc"


def test_export_replaces_the_old_one_and_clears_leftovers(tmp_path: Path) -> None:
    run = tmp_path / "run"
    export(run, [stage_rows(tmp_path / "0", some_rows(SEEDS[:4]), [make_rejected()])])
    for name in ("export.tmp-1", "rejected.tmp-1", "export.old-1"):
        (run / name).mkdir()
    (run / "export" / "stray.txt").write_text("not ours")
    result = export(run, [stage_rows(tmp_path / "1", {"sft": [make_row("sft", "s1")]})])
    assert sorted(path.name for path in run.iterdir()) == ["export", "rejected"]
    assert sorted(tree(result.export)) == ["README.md", "manifest.json", "sft/train-00000-of-00001.parquet"]
    assert tree(result.rejected_folder) == {}


def test_damaged_stage_is_refused(tmp_path: Path) -> None:
    stage = stage_rows(tmp_path / "0", some_rows(SEEDS[:4]))
    (stage / "sft.parquet").unlink()
    with pytest.raises(ClinsynthError, match="damaged"):
        export(tmp_path / "run", [stage])
    assert list((tmp_path / "run").iterdir()) == []


def test_run_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    stage = stage_rows(tmp_path / "0", some_rows(SEEDS[:1]))
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ClinsynthError, match="not written") as error:
        export_run(tmp_path / "run", [stage], make_spec(), planned=PLENTY, fingerprint="f1")
    assert "\n" not in str(error.value)


FULL_DISK = """
import resource, sys
from pathlib import Path
from synth.errors import ClinsynthError
from tests.synth.test_export import export
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    export(Path(sys.argv[1]), [Path(sys.argv[2])])
except ClinsynthError as error:
    print(error)
"""


def child(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=root,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_full_disk_is_one_line_and_the_old_export_stays(tmp_path: Path) -> None:
    run = tmp_path / "run"
    export(run, [stage_rows(tmp_path / "0", some_rows(SEEDS[:2]))])
    before = tree(run)
    stage = stage_rows(tmp_path / "1", some_rows([f"t{n}" for n in range(300)]))
    out, err = child(FULL_DISK, run, stage).communicate(timeout=60)
    assert err == ""
    assert out.count("\n") == 1
    assert "free some space" in out
    assert tree(run) == before


EXPORT_FOR_EVER = """
import itertools, sys
from pathlib import Path
from tests.synth.test_export import SMALL_FILES, export
run, *stages = map(Path, sys.argv[1:])
for at in itertools.count():
    export(run, [stages[at % 2]], SMALL_FILES)
    print(at, flush=True)
"""

SMALL_FILES = make_spec(export={"rows_per_file": 10})


def as_recovery_would_see(run: Path) -> dict[str, bytes]:
    """What ``export/`` holds, or would hold once put back, if the process died now."""
    return tree(run / "export") if (run / "export").exists() else tree(next(run.glob("export.old-*")))


def test_kill_leaves_the_old_export_or_the_new_one(tmp_path: Path) -> None:
    run, rng = tmp_path / "run", random.Random(5)
    stages = [stage_rows(tmp_path / name, some_rows([f"{name}{n}" for n in range(40)])) for name in "ab"]
    whole = [tree(export(tmp_path / f"whole{at}", [stage], SMALL_FILES).export) for at, stage in enumerate(stages)]
    for stops in (80, 0):
        process = child(EXPORT_FOR_EVER, run, *stages)
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            for _ in range(stops):  # a stopped process leaves on disk what a killed one would
                time.sleep(rng.uniform(0, 0.02))
                process.send_signal(signal.SIGSTOP)
                os.waitpid(process.pid, os.WUNTRACED)
                assert as_recovery_would_see(run) in whole
                assert all(tree(old) in whole for old in run.glob("export.old-*"))
                process.send_signal(signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.1))
        finally:
            process.kill()
            process.communicate()
        recover_folder(run / "export")
        assert manifest_problems(run / "export") == []
        assert tree(run / "export") in whole
    assert tree(export(run, stages[:1], SMALL_FILES).export) == whole[0]
    assert sorted(path.name for path in run.iterdir()) == ["export", "rejected"]


LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder = sys.argv[1]
seen = {}
for config in get_dataset_config_names(folder):
    loaded = load_dataset(folder, config)
    seen[config] = {split: [loaded[split].num_rows, loaded[split][0]] for split in loaded}
print(json.dumps(seen))
"""


def test_every_config_loads_with_datasets(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    rows = some_rows(SEEDS)
    result = export(tmp_path / "run", [stage_rows(tmp_path / "0", rows)], make_spec(export={"validation": 0.3}))
    home = str(tmp_path / "home")
    process = child(LOAD, result.export, HF_HUB_OFFLINE="1", HF_HOME=home, HF_DATASETS_CACHE=home)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    seen = json.loads(out)
    assert list(seen) == list(KINDS)
    for kind in KINDS:
        assert {split: n for split, (n, _) in seen[kind].items()} == result.kept[kind]
        assert seen[kind]["train"][1] == next(r for r in rows[kind] if not in_validation(7, r["seed_id"], 0.3))
