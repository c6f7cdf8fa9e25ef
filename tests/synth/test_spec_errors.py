"""Every line that a mistake in a spec earns, by table and by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.spec_models import LocalModel
from tests.synth.spec_texts import GOOD, lines_of, loaded


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with seeds, made the current one."""
    (tmp_path / "seeds.jsonl").write_text('{"text": "x"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


UNREADABLE: list[tuple[str | bytes, str]] = [
    ("", "1: the file is empty: a spec is a mapping"),
    ("# nothing\n\n", "1: the file is empty: a spec is a mapping"),
    ("- a\n- b\n", "1: this is not a spec: a spec is a mapping"),
    ("just words\n", "1: this is not a spec: a spec is a mapping"),
    ("a: 1\n---\nb: 2\n", "2: not valid YAML: a second document starts here"),
    ("a:\n\tb: 1\n", "2: not valid YAML: a tab stands here: use spaces"),
    ("a: 1\nb: c: d\n", "2: not valid YAML: a ':' where none fits"),
    ("a:\n    b: 1\n  c: 2\n", "3: not valid YAML: this does not fit the lines above"),
    ("a: 1\nb: [1, 2\n", "2: not valid YAML: a bracket is opened here and never closed"),
    ('a: 1\nb: "x\nc: 1\n', "2: not valid YAML: a quote is opened here and never closed"),
    ("a: 1\nb: @x\n", "2: not valid YAML: a value cannot start with this character"),
    ("a: *x\n", "1: not valid YAML: an alias (*name) without its anchor"),
    ('a: "\\q"\n', "1: not valid YAML: an unknown escape"),
    ("a: 1\nb: \x07\n", "2: a control character stands here"),
    (b"a: 1\nb: caf\xe9\n", "2: not UTF-8 text"),
    ("a: 1\n".encode("utf-16"), "1: not UTF-8 text"),
    ("a: &a [*a, *a]\n", "1: nested too deeply, or an alias that contains itself"),
    ("- " * 2000, "1: nested too deeply"),
    (b"#" * 1_000_001, "over 1 MB"),
    (
        "a: &b0 x\n" + "".join(f"x{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 10)}]\n" for i in range(1, 12)),
        "1: over 100,000 values, aliases expanded",
    ),
]


@pytest.mark.parametrize(("text", "start"), UNREADABLE)
def test_what_cannot_be_read_is_one_line(text: str | bytes, start: str) -> None:
    lines = lines_of(text)
    assert len(lines) == 1
    assert lines[0].startswith(start)


# each: what is replaced in GOOD by what (or put at its end), and the whole of the resulting lines
WRONG: list[tuple[str, str, list[str]]] = [
    ("    model: m\n", "", ["7: models.judge.model: model is missing: the name as the server knows it"]),
    (
        "engine: openai\n    model: m\n    base_url: https://example.org/v1",
        "engine: openai\n    model: m",
        ["7: models.judge.base_url: base_url is missing: the server's URL up to and including /v1"],
    ),
    (
        "name: cardiology\n",
        "",
        ["1: name: name is missing: the run folder's name, such as cardiology"],
    ),
    (
        "source: seeds.jsonl",
        "txt: a",
        [
            "2: seeds.source: source is missing: a .jsonl, .parquet or .csv file, or hf://owner/name",
            "3: seeds.txt: unknown key; did you mean 'text'?",
        ],
    ),
    ("per_seed: 2", "per_sed: 2", ["14: produce.questions.per_sed: unknown key; did you mean 'per_seed'?"]),
    ("per_seed: 2", "zzz: 2", ["14: produce.questions.zzz: unknown key; known here: per_seed"]),
    ("engine: local", "engine: local\n    slot: 2", ["7: models.generator.slot: unknown key; did you mean 'slots'?"]),
    ("model: m\n", "model: m\n    retrys: 1\n", ["10: models.judge.retrys: unknown key; did you mean 'retries'?"]),
    (
        "engine: local",
        "{}",
        ["5: models.generator.engine: engine is missing: one of local, openai, vllm, openai-batch"],
    ),
    (
        "engine: local",
        "engine: vlm",
        ["6: models.generator.engine: unknown engine: one of local, openai, vllm, openai-batch; did you mean 'vllm'?"],
    ),
    (
        "engine: local",
        "engine: 7",
        ["6: models.generator.engine: unknown engine: one of local, openai, vllm, openai-batch"],
    ),
    ("engine: local", "local", ["5: models.generator: must be a mapping, such as {key: value}"]),
    ("per_seed: 2", "per_seed: two", ["14: produce.questions.per_seed: must be a whole number"]),
    ("per_seed: 2", "per_seed: '2'", ["14: produce.questions.per_seed: must be a whole number, without quotes"]),
    ("per_seed: 2", "per_seed: true", ["14: produce.questions.per_seed: must be a whole number"]),
    ("per_seed: 2", "per_seed: 2.5", ["14: produce.questions.per_seed: must be a whole number"]),
    ("per_seed: 2", "per_seed:", ["14: produce.questions.per_seed: is empty: give a value, or remove the line"]),
    ("per_seed: 2", "per_seed: 0", ["14: produce.questions.per_seed: must be at least 1"]),
    ("per_seed: 2", "per_seed: 9", ["14: produce.questions.per_seed: must be at most 8"]),
    ("name: cardiology", "name: 12", ["1: name: must be text: put it in quotes"]),
    (
        "name: cardiology",
        "name: a/b",
        ["1: name: must be at most 64 letters, digits, '.', '_' or '-', the first a letter or digit"],
    ),
    (
        "  questions:\n    per_seed: 2",
        "  questions:",
        ["13: produce.questions: is empty: write {} for the defaults, or null to leave it out"],
    ),
    ("", "export: {validation: 1}", ["19: export.validation: must be below 1"]),
    ("", "export: {validation: .nan}", ["19: export.validation: must be finite: leave the key out for no limit"]),
    ("requests: 10", "usd: .inf", ["18: budget.usd: must be finite: leave the key out for no limit"]),
    ("requests: 10", "usd: -1", ["18: budget.usd: must be above 0"]),
    ("requests: 10", "usd: 1e999", ["18: budget.usd: must be finite: leave the key out for no limit"]),
    (
        "",
        "filters: {dedup: false}",
        ["19: filters.dedup: must be a mapping, such as {key: value}, or null to leave it out"],
    ),
    (
        "",
        "filters: {dedup: {ngram: line:3}}",
        ["19: filters.dedup.ngram: must be word:N or char:N with N from 1 to 99, such as word:3"],
    ),
    (
        "",
        "filters:\n  dedup:\n    num_perm: 64\n    rows: 0.01\n",
        ["22: filters.dedup.rows: too low for an index of num_perm numbers: set 0.08 or more, or raise num_perm"],
    ),
    ("", "sampling: {scor: {}}", ["19: sampling.scor: unknown step; did you mean 'score'?"]),
    (
        "",
        "sampling: {score: {temprature: 1}}",
        ["19: sampling.score.temprature: unknown key; did you mean 'temperature'?"],
    ),
    (
        "https://example.org/v1",
        "example.org/v1",
        ["10: models.judge.base_url: must be a URL that starts with http:// or https://"],
    ),
    (
        "https://example.org/v1",
        "ftp://example.org",
        ["10: models.judge.base_url: must be a URL that starts with http:// or https://"],
    ),
    (
        "  answers:",
        "  preferences:\n    from:\n      - reward\n      - rewrd\n  answers:",
        [
            "18: produce.preferences.from[1]: must be 'reasoning_over_answer', 'reward', 'verified_over_unverified' or"
            " 'dialogue_outcome'"
        ],
    ),
    (
        "  answers:",
        "  preferences: {from: reward}\n  answers:",
        ["15: produce.preferences.from: must be a list, such as [a, b]"],
    ),
    (
        "  answers:",
        "  preferences: {from: []}\n  answers:",
        ["15: produce.preferences.from: needs at least one entry"],
    ),
    ("  answers:", "  reasoning: {verify: no}\n  answers:", ["15: produce.reasoning.verify: must be true or false"]),
    (
        "  answers:",
        "  dialogues: {personas: 3}\n  answers:",
        ["15: produce.dialogues.personas: must be text: put it in quotes"],
    ),
    ("budget:\n  requests: 10", "budget: 10", ["17: budget: must be a mapping, such as {key: value}"]),
    ("budget:\n  requests: 10", "budget: false", ["17: budget: must be a mapping, such as {key: value}"]),
    ("", "name: again", ["19: name: duplicate key, first given in line 1: keep one"]),
    ("", "license: !secret x", ["19: license: a YAML tag (!name) is not allowed here: remove it"]),
    ("", "license: !!binary aGk=", ["19: license: a YAML tag (!name) is not allowed here: remove it"]),
    (
        "  answers:",
        "  dialogues: !!python/object:os.system {}\n  answers:",
        ["15: produce.dialogues: a YAML tag (!name) is not allowed here: remove it"],
    ),
    ("", 'license: "\\ud800"', ["19: license: half a character (\\ud800 to \\udfff): write the character itself"]),
    ("", "? [a]\n: 1", ["19: a key must be text, not a list or mapping"]),
    (
        "    engine: local\n",
        "    engine: local\n    <<: {slots: 2}\n",
        ["7: models.generator: merge keys (<<) are not supported: write the keys out"],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_lines_for_mistakes(old: str, new: str, expected: list[str]) -> None:
    text = GOOD.replace(old, new, 1) if old else GOOD + new + "\n"
    assert text != GOOD
    assert lines_of(text) == expected


def test_all_mistakes_at_once_and_by_line() -> None:
    text = GOOD.replace("name: cardiology", "name: a/b").replace("per_seed", "per_sed").replace("model: m", "modle: m")
    text = text.replace("requests: 10", "usd: .inf\n  tokens: many") + "name: x\nlanguage: English\n"
    assert [line.split(":")[:2] for line in lines_of(text, ["reasks=9", "limit"])] == [
        ["1", " name"],
        ["7", " models.judge.model"],
        ["9", " models.judge.modle"],
        ["14", " produce.questions.per_sed"],
        ["18", " budget.usd"],
        ["19", " budget.tokens"],
        ["20", " name"],
        ["21", " language"],
        ["--set", " write KEY=VALUE, such as --set budget.requests=10"],
        ["--set reasks", " must be at most 5"],
    ]


def test_a_place_that_was_put_aside_is_spoken_of_once() -> None:
    assert len(lines_of(GOOD.replace("name: cardiology", "name: !x y"))) == 1
    assert len(lines_of(GOOD.replace("engine: local", "<<: {engine: local}"))) == 1


def test_aliases_share_whole_values() -> None:
    text = GOOD.replace("generator:\n", "generator: &g\n").replace("produce:", "  doctor: *g\nproduce:")
    assert loaded(text).models.doctor == LocalModel(engine="local")
    assert lines_of(text.replace("engine: local", "engine: local\n    slot: 1")) == [
        "7: models.generator.slot: unknown key; did you mean 'slots'?",
        "7: models.doctor.slot: unknown key; did you mean 'slots'?",
    ]


PLACES = ["", "seeds", "models", "models.generator", "models.judge", "produce", "produce.questions", "budget"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    data=st.data(), place=st.sampled_from(PLACES), key=st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,29}", fullmatch=True)
)
def test_an_unknown_key_anywhere_is_reported_with_its_line(data: Any, place: str, key: str) -> None:
    key = "x" + key  # no field begins with an x
    lines = GOOD.splitlines()
    depth = len(place.split(".")) if place else 0
    parent = -1
    for level, part in enumerate(place.split(".") if place else []):
        parent = lines.index("  " * level + part + ":", parent + 1)
    children = [
        number
        for number in range(parent + 1, len(lines))
        if lines[number].startswith("  " * depth)
        and not lines[number].startswith("  " * (depth + 1))
        and all(other.startswith("  " * depth) for other in lines[parent + 1 : number])
    ]
    at = data.draw(st.sampled_from(children))
    lines.insert(at, "  " * depth + key + ": 1")
    found = lines_of("\n".join(lines))
    dotted = f"{place}.{key}" if place else key
    assert [line for line in found if line.startswith(f"{at + 1}: {dotted}: unknown key; ")] == found
    assert len(found) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("abc: -[]{}&*!|>'\"#%@`,?\n\t\\0.~<"), max_size=80) | st.binary(max_size=80)
)
def test_no_text_does_worse_than_an_error_line(text: str | bytes) -> None:
    assert lines_of(text)
    if isinstance(text, str):
        lines_of(GOOD, [f"budget={text}", "zzz=1"])
