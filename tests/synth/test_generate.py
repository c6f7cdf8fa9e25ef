"""The command from end to end, against a real server: mistakes, exit codes, options, resuming, changed specs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from synth.errors import UserError
from synth.fault_server import FaultOptions, FaultServer, serving
from synth.progress import Progress
from synth.run import Finished, Run
from synth.setup import prepare
from tests.runs import (
    PER_SEED,
    ROOT,
    SEEDS,
    Ran,
    asked,
    data_files,
    finish,
    funnel,
    generate,
    hits,
    rows_on_disk,
    start,
    steps,
    wait_until,
    write_spec,
)

MODELS = ("fault-model", "other-model")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with serving(FaultOptions(models=MODELS)) as one:
        yield one


@pytest.fixture
def spec(server: FaultServer, tmp_path: Path) -> Path:
    return write_spec(tmp_path, server.url)


@pytest.fixture(scope="module")
def finished(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of the spec; copy it before changing it."""
    folder = tmp_path_factory.mktemp("finished")
    ran = generate("--spec", write_spec(folder, server.url), "--out", folder / "run")
    assert ran.code == 0, ran.err
    return folder / "run"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


# Mistakes: exit code 2, one line each, nothing sent


def refused(ran: Ran, *patterns: str) -> None:
    """Exit code 2, and on standard error a line for each pattern and no other."""
    assert ran.code == 2, ran
    assert len(ran.complaints) == len(patterns), ran.err
    for line, pattern in zip(ran.complaints, patterns, strict=True):
        assert re.search(pattern, line), f"{line!r} does not match {pattern!r}"
    assert "Traceback" not in ran.err + ran.out
    assert ran.out == ""


@pytest.fixture
def untouched(server: FaultServer) -> Iterator[None]:
    """The test sends no request."""
    before = hits(server)
    yield
    assert hits(server) == before


@pytest.mark.usefixtures("untouched")
def test_a_folder_that_is_somebody_elses_is_left_alone(spec: Path) -> None:
    out = spec.parent / "theirs"
    (out / "export").mkdir(parents=True)
    (out / "export" / "mine.txt").write_text("mine")
    refused(generate("--spec", spec, "--out", out), "holds export and is no run folder of ours")
    assert (out / "export" / "mine.txt").read_text() == "mine"
    assert [path.name for path in out.iterdir()] == ["export"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("old", "new", "patterns"),
    [
        ("shard_size:", "shard_sise:", [r"spec\.yaml:4: shard_sise: .*did you mean 'shard_size'"]),
        ("shard_size: 4", "shard_size: four", [r"spec\.yaml:4: shard_size: must be a whole number"]),
        ("shard_size: 4", "shard_size: 0", [r"spec\.yaml:4: shard_size: must be at least 1"]),
        ("seed: 7", "name: twice", [r"spec\.yaml:2: name: duplicate key"]),
        ("seeds:\n", "seeds\n", [r"spec\.yaml:\d: not valid YAML"]),
        ("name: trial\n", "", [r"spec\.yaml:1: name: "]),
        ("engine: openai", "engine: opnai", [r"spec\.yaml:10: models\.generator\.engine: .*'openai'"]),
        ("questions: {per_seed: 2}", "questions: {per_sed: 2}", [r"spec\.yaml:15: .*per_sed: .*'per_seed'"]),
        ("cardiology.jsonl", "nowhere.jsonl", [r"spec\.yaml:6: seeds\.source: no such file"]),
        ("seed: 7", "seed: 7\nprompts: nowhere", [r"spec\.yaml:3: prompts: no such folder"]),
        (
            "max_in_flight: 64\nproduce:",
            "max_in_flight: 0\nprodce:",
            [r"spec\.yaml:1: produce: ", r"spec\.yaml:13: .*max_in_flight: ", r"spec\.yaml:14: prodce: .*'produce'"],
        ),
    ],
    ids=[
        "unknown-key", "wrong-type", "out-of-range", "duplicate-key", "no-yaml", "missing-key", "unknown-engine",
        "nested-unknown-key", "no-seeds-file", "no-prompts-folder", "three-at-once",
    ],
)  # fmt: skip
def test_a_mistake_in_the_spec(spec: Path, old: str, new: str, patterns: list[str]) -> None:
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new, 1))
    refused(generate("--spec", spec, "--out", spec.parent / "run"), *patterns)
    assert not (spec.parent / "run").exists()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("lines", "pattern"),
    [
        ("", r"seeds\.jsonl: it holds no rows"),
        ("\n\n", r"no usable seed in .*seeds\.jsonl"),
        ('{"id": "a", "text": ""}\n', r"no usable seed .*1 empty_text.*line 1"),
        ('{"id": "a", "body": "x"}\n', r"seeds\.text: .*'?body"),
        ('{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n{"id": "a", "text": "z"}\n', r"`a` \(lines 1, 3\)"),
    ],
    ids=["empty-file", "blank-lines", "empty-text", "no-such-field", "duplicate-ids"],
)
def test_a_mistake_in_the_seeds(server: FaultServer, tmp_path: Path, lines: str, pattern: str) -> None:
    (tmp_path / "seeds.jsonl").write_text(lines)
    spec = write_spec(tmp_path, server.url, source=tmp_path / "seeds.jsonl")
    refused(generate("--spec", spec, "--out", tmp_path / "run"), pattern)
    assert not (tmp_path / "run").exists()


def block(text: str) -> str:
    return f"{{% block user %}}\n{text}\n{{% endblock %}}\n"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("name", "text", "pattern"),
    [
        ("questions", block("{{ pasage }}"), r"questions\.jinja:2: unknown variable 'pasage'.*did you mean 'passage'"),
        ("qestions", block("{{ passage }}"), r"finemed/qestions.*did you mean 'finemed/questions'"),
        ("questions", block("{{ passage "), r"questions\.jinja:\d: "),
        ("questions", "Write {{ count }} questions.", r"questions\.jinja:1: "),
        ("questions", block("{{ passage.__class__.__mro__ }}"), r"questions\.jinja:2: the attribute '__\w+__'"),
        ("questions", block("{{ passage.format(count) }}"), r"questions\.jinja:2: a call is not allowed"),
        ("questions", block("{{ passage|attr('__class__') }}"), r"questions\.jinja:2: the filter 'attr'"),
        ("questions", block("{{ cycler.__init__.__globals__.os }}"), r"questions\.jinja:2: "),
        ("questions", block("{% include '/etc/passwd' %}"), r"questions\.jinja:2: {% include %} is not allowed"),
        ("questions", block("{{ 'x' * 10**9 }}"), r"questions\.jinja:2: arithmetic is not allowed"),
    ],
    ids=[
        "unknown-variable", "unknown-template", "syntax", "no-block", "dunder", "call", "attr", "globals", "include",
        "bomb",
    ],
)  # fmt: skip
def test_a_mistake_in_a_template(spec: Path, name: str, text: str, pattern: str) -> None:
    mine = spec.parent / "mine" / "finemed"
    mine.mkdir(parents=True)
    (mine / f"{name}.jinja").write_text(text)
    refused(generate("--spec", spec, "--out", spec.parent / "run", "--set", f"prompts={mine.parent}"), pattern)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", ["doctor", "patient", "judge_turn", "rubric_judge"])
def test_a_wrong_field_in_a_template(spec: Path, name: str) -> None:
    mine = spec.parent / "mine" / "dialogue"
    mine.mkdir(parents=True)
    ours = (ROOT / "prompts" / "dialogue" / f"{name}.jinja").read_text()
    (mine / f"{name}.jinja").write_text(ours.replace("turn.speaker", "turn.speakr"))
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--set", f"prompts={mine.parent}")
    refused(ran, rf"{name}\.jinja:\d+: .*speakr")


@pytest.mark.usefixtures("untouched")
def test_a_template_that_links_out_of_its_folder(spec: Path) -> None:
    mine = spec.parent / "mine" / "finemed"
    mine.mkdir(parents=True)
    (mine / "questions.jinja").symlink_to("/etc/passwd")
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--set", f"prompts={mine.parent}")
    refused(ran, r"questions\.jinja: ")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("at", ["run", "run/journal", "run/journal/00000.sqlite", "run/spec.lock.yaml", "."])
def test_an_output_that_cannot_be_written(spec: Path, at: str) -> None:
    out = spec.parent / "run"
    if at == ".":
        out = Path("/proc/no-such-folder")
    elif at == "run/spec.lock.yaml":
        (spec.parent / at).mkdir(parents=True)
    else:
        (spec.parent / at).parent.mkdir(parents=True, exist_ok=True)
        (spec.parent / at).write_text("something else, and rather long for a file that is in the way " * 20)
    refused(generate("--spec", spec, "--out", out), re.escape(str(out)))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["--spec", "cardiologi.yaml"], r"cardiologi\.yaml: no such spec file.*did you mean 'cardiology'"),
        (["--spec", "."], r"\.: this is a folder"),
        (["--spec", "SPEC", "--set", "shard_size"], r"--set: write KEY=VALUE"),
        (["--spec", "SPEC", "--set", "shard_sise=3"], r"--set shard_sise: .*did you mean 'shard_size'"),
        (["--spec", "SPEC", "--set", "shard_size=many"], r"--set shard_size: must be a whole number"),
        (["--spec", "SPEC", "--set", "shard_size.x=3"], r"--set shard_size\.x: "),
        (["--spec", "SPEC", "--set", "budget={"], r"--set budget: not valid YAML"),
        (["--spec", "SPEC", "--shard", "0/2"], r"--shard 0/2: expected i/n"),
        (["--spec", "SPEC", "--shard", "3/2"], r"--shard 3/2: expected i/n"),
        (["--spec", "SPEC", "--shard", "1"], r"--shard 1: expected i/n"),
        (["--spec", "SPEC", "--shard", "1/two"], r"--shard 1/two: expected i/n"),
        (["--spec", "SPEC", "--shard", "-1/2"], r"--shard -1/2: expected i/n|--shard: expected one argument"),
        (["--spec", "SPEC", "--shard", "3/2", "--dry-run"], r"--shard 3/2: expected i/n"),
        (["--spec", "SPEC", "--limit", "0"], r"--limit: must be 1 or more"),
        (["--spec", "SPEC", "--limit", "-3"], r"--limit: must be 1 or more"),
        (["--spec", "SPEC", "--limit", "few"], r"--limit: invalid int value: 'few'"),
        (["--spec", "SPEC", "--runner", "slurm"], r"--runner: invalid choice: 'slurm'"),
        (["--spec", "SPEC", "--address", "auto"], r"--address: is that of a Ray cluster; add --runner ray"),
        (["--spec", "SPEC", "--limt", "3"], r"unrecognized arguments: --limt"),
        ([], r"--spec is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_the_arguments(spec: Path, arguments: list[str], pattern: str) -> None:
    given = [str(spec) if argument == "SPEC" else argument for argument in arguments]
    refused(generate(*given, "--out", spec.parent / "run"), pattern)
    assert not (spec.parent / "run").exists()


@pytest.mark.usefixtures("untouched")
def test_a_mistake_as_a_process(spec: Path) -> None:
    refused(finish(start("--spec", spec, "--set", "shard_sise=3")), r"^--set shard_sise: ")


# Endpoints that refuse


def with_key(folder: Path, server: FaultServer) -> Path:
    spec = write_spec(folder, server.url)
    spec.write_text(spec.read_text().replace("model: fault", "api_key_env: TRIAL_KEY\n    model: fault"))
    return spec


def test_a_wrong_key_ends_with_4_and_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FaultOptions(api_key="right")) as guarded:
        spec = with_key(tmp_path, guarded)
        monkeypatch.setenv("TRIAL_KEY", "sk-CANARY-0123456789")
        ran = generate("--spec", spec, "--out", tmp_path / "run")
        assert ran.code == 4, ran
        assert "refuses the key in TRIAL_KEY (HTTP 401" in ran.complaints[-2]
        assert hits(guarded) == 0
        monkeypatch.setenv("TRIAL_KEY", "right")
        assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(b"CANARY" in data for data in [*written, ran.out.encode(), ran.err.encode()])


def test_a_key_that_is_not_set(tmp_path: Path, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAL_KEY", raising=False)
    before = hits(server)
    spec = with_key(tmp_path, server)
    refused(generate("--spec", spec, "--out", tmp_path / "run"), r"api_key_env: .*TRIAL_KEY is not set")
    assert hits(server) == before


def test_nothing_listens(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "http://127.0.0.1:9/v1")
    refused(generate("--spec", spec, "--out", tmp_path / "run"), r"base_url: no answer from 127\.0\.0\.1:9")


@pytest.mark.usefixtures("untouched")
def test_a_model_that_the_server_has_not(spec: Path) -> None:
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--set", "models.generator.model=falt-model")
    assert ran.code == 4
    assert "did you mean 'fault-model'?" in ran.err


def test_a_key_that_is_revoked_on_the_way_ends_with_4_and_the_run_can_go_on(tmp_path: Path, finished: Path) -> None:
    with serving(FaultOptions(errors=("401",), error_rate=0.05, latency_ms=5, seed=3)) as revoking:
        ran = generate("--spec", write_spec(tmp_path, revoking.url), "--out", tmp_path / "run")
        assert ran.code == 4, ran
        assert ran.complaints[-1].startswith(f"{len(asked(tmp_path / 'run'))} replies of this try")
    with serving() as healthy:
        assert generate("--spec", write_spec(tmp_path, healthy.url), "--out", tmp_path / "run").code == 0
    assert data_files(tmp_path / "run") == data_files(finished)


# Budget and failures


@pytest.mark.parametrize(("name", "most"), [("requests", 40), ("tokens", 40_000), ("usd", 0.05)])
def test_a_budget_ends_with_3_and_a_larger_one_goes_on(tmp_path: Path, finished: Path, name: str, most: float) -> None:
    with serving(FaultOptions(latency_ms=5)) as server:
        spec = write_spec(tmp_path, server.url)
        # The price is part of the lock but asks nothing, so the bytes stay comparable.
        common = ("--spec", spec, "--out", tmp_path / "run", "--set", "models.generator.price={input: 1, output: 2}")
        ran = generate(*common, "--set", f"budget.{name}={most}")
        assert ran.code == 3, ran
        assert f"budget.{name}: " in ran.err
        assert "Traceback" not in ran.err
        assert "--limit" not in ran.err, "a cut shard has other hardest questions: that would cost"
        assert hits(server) > 0
        assert spent(tmp_path / "run", name) <= most
        assert not (tmp_path / "run" / "export").exists()
        again = generate(*common, "--set", f"budget.{name}={most * 10_000}")
        assert again.code == 0, again
        assert hits(server) == server.stats()["distinct"], "a reply was paid for twice"
    assert data_files(tmp_path / "run") == data_files(finished)


def spent(run: Path, what: str) -> float:
    column = {"requests": "requests", "tokens": "tokens_in + tokens_out", "usd": "usd"}[what]
    total = 0.0
    for path in (run / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal:
            total += journal.execute(f"SELECT TOTAL({column}) FROM entries").fetchone()[0]
    return total


def test_failed_rows_end_with_5_stay_failed_and_are_asked_again_on_request(tmp_path: Path, finished: Path) -> None:
    with serving(FaultOptions(errors=("400",), error_rate=0.15, latency_ms=5)) as failing:
        common = ("--spec", write_spec(tmp_path, failing.url), "--out", tmp_path / "run")
        ran = generate(*common)
        assert ran.code == 5, ran
        assert "more than max_failed allows (5%)" in ran.complaints[-1]
        failed = check_funnel(ran, tmp_path / "run", seeds=8)
        assert failed > 0
        before, sent = data_files(tmp_path / "run"), hits(failing)
        shutil.rmtree(tmp_path / "run" / "staging")
        assert generate(*common).code == 5
        assert hits(failing) == sent
        assert data_files(tmp_path / "run") == before
        assert generate(*common, "--set", "max_failed=1").code == 0
    with serving() as healthy:
        write_spec(tmp_path, healthy.url)
        ran = generate(*common, "--retry-failed")
        assert (ran.code, "may be chosen otherwise" in ran.err) == (0, True), ran
        retried = hits(healthy)
        assert 0 < retried < len(asked(finished))
        assert generate(*common, "--retry-failed").code == 0
        assert hits(healthy) == retried
    assert asked(tmp_path / "run").keys() >= asked(finished).keys()
    assert data_files(tmp_path / "run") == data_files(finished)


def test_a_retry_that_is_stopped_does_not_leave_the_old_rows_for_an_export(tmp_path: Path) -> None:
    with serving(FaultOptions(errors=("400",), error_rate=0.15)) as failing:
        common = ("--spec", write_spec(tmp_path, failing.url), "--out", tmp_path / "run")
        assert generate(*common).code == 5
        before, sent = data_files(tmp_path / "run"), hits(failing)
        assert generate(*common, "--retry-failed", "--set", "budget.requests=1").code == 3
        assert not (tmp_path / "run" / "staging" / "00000").exists()
        assert generate(*common).code == 5
        assert (hits(failing), data_files(tmp_path / "run")) == (sent, before)


def test_retry_failed_asks_again_for_what_only_left_a_column_open(tmp_path: Path, finished: Path) -> None:
    """A passage whose department could not be had is exported as ``unknown``; it failed nevertheless."""

    def no_departments(body: dict[str, Any]) -> str | None:
        if "department" in body.get("response_format", {}).get("json_schema", {})["schema"]["properties"]:
            raise RuntimeError("this server knows no departments")
        return None

    with serving(FaultOptions(reply=no_departments)) as half:
        common = ("--spec", write_spec(tmp_path, half.url), "--out", tmp_path / "run")
        assert generate(*common, "--set", "models.generator.retries=0").code == 0
        assert data_files(tmp_path / "run") != data_files(finished)
    with serving() as healthy:
        write_spec(tmp_path, healthy.url)
        assert generate(*common, "--retry-failed").code == 0
        assert hits(healthy) == steps(finished)["department"]
    assert data_files(tmp_path / "run") == data_files(finished)


# What is printed


def check_funnel(ran: Ran, run: Path, seeds: int) -> int:
    """The identity holds, in what is printed and what is on disk; returns the number of failed rows."""
    table = funnel(ran.out)
    assert {kind: counts["planned"] for kind, counts in table.items()} == {k: n * seeds for k, n in PER_SEED.items()}
    for counts in table.values():
        planned = counts.pop("planned")
        assert planned == sum(counts.values())
        assert counts["pending"] == 0
    assert {kind: counts["kept"] for kind, counts in table.items()} == rows_on_disk(run)
    manifest = json.loads((run / "export" / "manifest.json").read_text())["counts"]
    for kind, counts in table.items():
        assert sum(manifest[kind]["kept"].values()) == counts["kept"]
        assert sum(manifest[kind]["rejected"].values()) == counts["rejected"]
        assert manifest[kind]["failed"] == counts["failed"]
    return sum(counts["failed"] for counts in table.values())


def test_planned_is_kept_and_rejected_and_failed_and_pending(copy: Path, spec: Path) -> None:
    ran = generate("--spec", spec, "--out", copy)
    assert ran.code == 0
    assert check_funnel(ran, copy, seeds=8) == 0
    for kind, rows in rows_on_disk(copy).items():
        assert (f"— {kind} —" in ran.out) == (rows > 0)


@pytest.mark.usefixtures("finished", "untouched")
def test_the_second_call_sends_nothing_and_leaves_the_same_bytes(copy: Path, spec: Path) -> None:
    before = data_files(copy)
    ran = generate("--spec", spec, "--out", copy)
    assert ran.code == 0
    assert "0 requests sent" in ran.out
    assert data_files(copy) == before


@pytest.mark.usefixtures("untouched")
def test_a_dry_run_sends_nothing_and_prints_numbers(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAL_KEY", raising=False)
    text = spec.read_text().replace("model: fault", "api_key_env: TRIAL_KEY\n    model: fault")
    spec.write_text(text.replace("max_in_flight: 64", "price: {input: 100, output: 200}"))
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert not (spec.parent / "run").exists()
    rows = [line.replace(",", "").split() for line in ran.out.split("\n\n")[0].splitlines()[1:]]
    *each, total = [[float(n) for n in row[-5:]] for row in rows]
    assert rows[-1][0] == "sum"
    for column, summed in enumerate(total):
        assert summed == pytest.approx(sum(row[column] for row in each), abs=0.51 * len(each))
        assert summed > 0
    named = {row[0]: float(row[2]) for row in rows[:-1]}
    assert (named["questions"], named["score"], named["case"]) == (8, 16, 8)
    assert "8 sft, 8 reasoning, 8 dialogue, 24 preference" in ran.out
    assert "Nothing was sent." in ran.out


def test_the_schema_is_a_json_schema_that_takes_the_built_in_spec() -> None:
    ran = generate("--print-schema")
    assert (ran.code, ran.err) == (0, "")
    schema = json.loads(ran.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    built_in = YAML(typ="safe").load((ROOT / "synth" / "specs" / "cardiology.yaml").read_text())
    assert check.is_valid(built_in)
    assert not check.is_valid(built_in | {"shard_sise": 3})
    assert not check.is_valid({k: v for k, v in built_in.items() if k != "models"})


# Parts of a run


def test_a_limit_is_the_first_seeds_and_the_rest_can_follow(tmp_path: Path, finished: Path) -> None:
    with serving() as server:
        common = ("--spec", write_spec(tmp_path, server.url), "--out", tmp_path / "run")
        ran = generate(*common, "--limit", 3)
        assert ran.code == 0, ran
        check_funnel(ran, tmp_path / "run", seeds=3)
        assert generate(*common).code == 0
        assert hits(server) == server.stats()["distinct"]
    assert data_files(tmp_path / "run") == data_files(finished)


def test_two_halves_at_the_same_time_and_an_export_are_one_run(tmp_path: Path, finished: Path) -> None:
    with serving(FaultOptions(latency_ms=5, jitter=1)) as server:
        common = ("--spec", write_spec(tmp_path, server.url), "--out", tmp_path / "run")
        halves = [start(*common, "--shard", part) for part in ("1/2", "2/2")]
        for ended in [finish(half) for half in halves]:
            assert ended.code == 0, ended
            assert re.search(r"--shard [12]/2: its 1 of 2 shards are staged, [12] of all parts so far", ended.out)
        assert "2 of all parts so far" in generate(*common, "--shard", "1/2").out
        assert not (tmp_path / "run" / "export").exists()
        sent = hits(server)
        assert sent == server.stats()["distinct"]
        assert generate(*common).code == 0
        assert hits(server) == sent
    assert data_files(tmp_path / "run") == data_files(finished)


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path, server: FaultServer) -> None:
    with serving(FaultOptions(latency_ms=60_000)) as slow:
        common = ("--spec", write_spec(tmp_path, slow.url), "--out", tmp_path / "run")
        first = start(*common)
        try:
            # The first two questions of each seed of the two open shards: more is not sent before an answer.
            assert wait_until(lambda: hits(slow) == 16, first), finish(first)
            refused(generate(*common), rf"in use by pid {first.pid} on ")
            refused(generate(*common, "--shard", "1/2"), rf"in use by pid {first.pid} on ")
            assert hits(slow) == 16
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate()
    assert generate("--spec", write_spec(tmp_path, server.url), "--out", tmp_path / "run").code == 0


def test_a_shard_is_worked_on_by_one_process(tmp_path: Path) -> None:
    with serving(FaultOptions(latency_ms=60_000)) as slow:
        common = ("--spec", write_spec(tmp_path, slow.url), "--out", tmp_path / "run")
        first = start(*common, "--shard", "1/2")
        try:
            assert wait_until(lambda: hits(slow) == 8, first), finish(first)
            refused(generate(*common, "--shard", "1/1"), rf"00000\.lock: in use by pid {first.pid} on ")
            assert hits(slow) == 8
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate()


@pytest.mark.parametrize(("left", "pattern"), [(5, "seeds changed while the run"), (None, "no such file")])
def test_seeds_that_change_under_a_run_end_it(spec: Path, left: int | None, pattern: str) -> None:
    """Replies that were paid for until then are kept, and nobody waits for a seed that does not come."""
    lines = SEEDS.read_text().splitlines(keepends=True)[:8]
    source = spec.parent / "seeds.jsonl"
    source.write_text("".join(lines))
    slowly = "models.generator.max_in_flight=1"  # some seeds are answered before the last ones are opened
    setup = prepare(str(spec), spec.parent / "run", [f"seeds.source={source}", slowly])
    if left is None:
        source.unlink()
    else:
        source.write_text("".join(lines[:left]))
    run = Run(setup, Progress(quiet=True), shards=[0, 1], retry_failed=False)

    async def execute() -> Finished:
        async with asyncio.timeout(30):
            return await run.execute()

    finished = asyncio.run(execute())
    assert isinstance(finished.error, UserError)
    assert pattern in str(finished.error)
    assert bool(asked(spec.parent / "run")) == (left is not None)
    # The locks are free again.
    source.write_text("".join(lines))
    assert generate("--spec", spec, "--out", spec.parent / "run", "--set", f"seeds.source={source}").code == 0


def test_bad_seeds_are_told_but_not_all_of_them(spec: Path) -> None:
    source = spec.parent / "seeds.jsonl"
    source.write_text("{}\n" * 7 + SEEDS.read_text())
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--limit", 1, "--set", f"seeds.source={source}")
    assert ran.code == 0, ran
    assert ran.err.count("seed rejected: ") == 5
    assert "and 2 more seeds rejected; rejected/ lists them" in ran.err


@pytest.mark.parametrize(
    ("licence", "warning"),
    [
        ("cc-by4.0", "3 seeds under 'cc-by4.0', a licence not known here: did you mean cc-by-4.0?"),
        (
            "House rules",
            "3 seeds under 'House rules', a licence not known here: write `other: House rules`, whose rows",
        ),
        ("other: House rules", None),
        ("CC BY 4.0", None),
        ("unknown", None),
    ],
)
def test_licences_of_seeds_that_nobody_knows_are_told(spec: Path, licence: str, warning: str | None) -> None:
    source = spec.parent / "seeds.jsonl"
    rows = [json.loads(line) | {"license": licence} for line in SEEDS.read_text().splitlines()]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows[:3]))
    ran = generate("--spec", spec, "--out", spec.parent / "run", "--set", f"seeds.source={source}")
    assert ran.code == 0, ran
    assert (warning in ran.err) if warning else ("licence" not in ran.err)


# A changed spec


@pytest.mark.usefixtures("untouched")
def test_a_change_is_noticed_without_the_lock_too(copy: Path, spec: Path) -> None:
    (copy / "spec.lock.yaml").unlink()
    ran = generate("--spec", spec, "--out", copy, "--set", "sampling.score.temperature=0.1")
    refused(ran, r"made with another spec: .* score")
    assert not (copy / "spec.lock.yaml").exists()


@pytest.mark.usefixtures("untouched")
def test_a_change_over_a_damaged_journal_is_refused(copy: Path, spec: Path) -> None:
    """What cannot be read could not be counted, and would be asked again unannounced."""
    shard = copy / "journal" / "00001.sqlite"
    shard.write_bytes(b"no database" * 1000)
    ran = generate("--spec", spec, "--out", copy, "--set", "sampling.score.temperature=0.1")
    refused(ran, r"00001\.sqlite: ")


def other_template(folder: Path) -> str:
    ours = (ROOT / "prompts" / "dialogue" / "doctor.jinja").read_text()
    mine = folder / "mine" / "dialogue" / "doctor.jinja"
    mine.parent.mkdir(parents=True)
    mine.write_text(ours.replace("{% block user %}", "{% block user %}Go. "))
    return f"prompts={folder / 'mine'}"


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        ("sampling.score.temperature=0.1", {"score": "score/%"}),
        ("template", {"doctor": "doctor/0/1"}),
        ("models.generator.model=other-model", {"questions": "questions", "case": "case"}),
    ],
)
def test_what_a_change_asks_again_is_said_first_and_then_just_that_is_asked(
    copy: Path, spec: Path, server: FaultServer, change: str, counted: dict[str, str]
) -> None:
    change = other_template(spec.parent) if change == "template" else change
    common = ("--spec", spec, "--set", change, "--set", "models.generator.price={input: 1, output: 2}")
    before, old, sent = data_files(copy), asked(copy), hits(server)
    ran = generate(*common, "--out", copy)
    refused(ran, r"run: made with another spec: .*; pass --accept-changes to do so, or .*--out$")
    numbers = {step: places(old, pattern) for step, pattern in counted.items()}
    for step, number in numbers.items():
        assert re.search(rf"\b{number} {step}\b", ran.err), (ran.err, numbers)
    assert f": {sum(numbers.values())} answered questions have changed" in ran.err
    assert re.search(r"took [\d,]+ tokens, \$\d", ran.err)
    assert (hits(server), data_files(copy)) == (sent, before)

    assert generate(*common, "--out", spec.parent / "fresh").code == 0
    new, sent = asked(spec.parent / "fresh"), hits(server)
    assert generate(*common, "--out", copy, "--accept-changes").code == 0
    assert hits(server) - sent == len(new.keys() - old.keys())
    assert asked(copy).keys() == old.keys() | new.keys()
    assert data_files(copy) == data_files(spec.parent / "fresh") != before

    # ... and back again: the old replies are still there, and nothing is asked.
    sent = hits(server)
    assert generate("--spec", spec, "--out", copy).code == 0
    assert (hits(server), data_files(copy)) == (sent, before)


def places(journal: dict[str, str], pattern: str) -> int:
    """Questions asked of a step, each counted once however often it was asked again for a bad reply."""
    name = re.compile(re.escape(pattern).replace("%", ".*"))
    return sum(bool(name.fullmatch(step)) for step in journal.values())


def test_price_load_and_address_ask_nothing(copy: Path, spec: Path) -> None:
    before = data_files(copy)
    shutil.rmtree(copy / "staging")
    with serving() as elsewhere:
        write_spec(spec.parent, elsewhere.url)
        changes = ("price={input: 1, output: 2}", "max_in_flight=3", "timeout=9", "retries=0", "structured=none")
        overrides = [part for change in changes for part in ("--set", f"models.generator.{change}")]
        ran = generate("--spec", spec, "--out", copy, "--set", "budget.usd=0.000001", *overrides)
        assert ran.code == 0, ran
        assert hits(elsewhere) == 0
    assert data_files(copy) == before


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("accept", [[], ["--accept-changes"]], ids=["", "accepted"])
def test_another_shard_size_is_refused(copy: Path, spec: Path, accept: list[str]) -> None:
    before = data_files(copy)
    ran = generate("--spec", spec, "--out", copy, "--set", "shard_size=3", *accept)
    refused(ran, r"shard_size: .*was made with 4 .*go back to 4, or .*--out$")
    assert data_files(copy) == before
