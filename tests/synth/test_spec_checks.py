"""Checks across the fields of a spec, through loading it: which combinations are refused, where, in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from synth.spec_load import load_spec

REMOTE = {"engine": "openai", "model": "m", "base_url": "http://localhost:8000/v1"}
PRICE = {"input": 1, "output": 2}
RELATIVE = "a relative path starts at the spec's folder, or with --set at the current one"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("seeds.jsonl", "t.yaml", "g.gguf", "notes.txt"):
        Path(name).write_text("x")
    Path("folder").mkdir()
    return tmp_path


def findings(**changes: Any) -> list[str]:
    """Load a spec with these top-level keys changed; return its error lines without the file's name and line."""
    spec = {
        "name": "a",
        "seeds": {"source": "seeds.jsonl"},
        "models": {"generator": {"engine": "local"}},
        "produce": {"questions": {}, "answers": {}},
    }
    Path("s.yaml").write_text(json.dumps(spec | changes))
    try:
        load_spec("s.yaml")
    except UserError as error:
        return [line.removeprefix("s.yaml:1: ") for line in str(error).splitlines()]
    return []


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("cc-by-4.0", []),
        ("other", []),
        (None, []),
        ("house rules", []),
        ("CC-BY-4.0", []),
        *((name, []) for name in ("lgpl-3.0", "lgpl-2.1", "mpl-2.0", "epl-2.0", "afl-3.0", "bsd-3-clause-clear")),
        ("cc-by4.0", "did you mean cc-by-4.0?"),
        ("CC-BY4.0", "did you mean cc-by-4.0?"),
        ("apache2.0", "did you mean apache-2.0?"),
    ],
)
def test_the_licence_of_what_is_made(licence: str | None, expected: Any) -> None:
    mend = f"{expected} Write `other` for one without, which synth.publish does not publish"
    wanted = [f"license: is no licence identifier; {mend}"] if expected else []
    assert findings(license=licence) == wanted


QUESTIONS = "cannot be made without questions: add `questions: {per_seed: 2}` under produce"
NOTHING = "produce: nothing to produce: add `questions: {per_seed: 2}` and `answers: {styles: 2}`"
HARD = {"hardest": 0.5}


@pytest.mark.parametrize(
    ("produce", "expected"),
    [
        ({"questions": {}, "answers": {}}, []),
        ({"dialogues": {}}, []),
        ({"questions": {}, "reasoning": HARD}, []),
        ({"questions": {}, "reasoning": {"difficulty_above": 0}}, []),
        ({}, [NOTHING]),
        ({"questions": None, "answers": None}, [NOTHING]),
        ({"questions": {}}, ["produce.questions: questions alone make no rows: add `answers: {styles: 2}`"]),
        ({"answers": {}}, [f"produce.answers: {QUESTIONS}"]),
        ({"answers": {}, "reasoning": HARD}, [f"produce.answers: {QUESTIONS}", f"produce.reasoning: {QUESTIONS}"]),
        (
            {"questions": {}, "reasoning": {}},
            ["produce.reasoning: lacks the rule for complex questions: add `difficulty_above: 8` or `hardest: 0.25`"],
        ),
        (
            {"questions": {}, "reasoning": {"hardest": 0.5, "difficulty_above": 8}},
            ["produce.reasoning: takes one of difficulty_above and hardest: remove the other"],
        ),
    ],
)
def test_produce(produce: dict[str, Any], expected: list[str]) -> None:
    assert findings(produce=produce) == expected


AT = "produce.preferences.from"
OVER = f"{AT}[0]: reasoning_over_answer needs reasoning: add `reasoning: {{hardest: 0.25}}` under produce"
REWARD = f"{AT}[0]: reward compares answers: set `answers: {{styles: 2}}` or more under produce"
OUTCOME = f"{AT}[0]: dialogue_outcome needs dialogues: add `dialogues: {{}}` under produce"
ASKED: dict[str, Any] = {"questions": {}}


@pytest.mark.parametrize(
    ("origins", "others", "expected"),
    [
        (["reward"], {**ASKED, "answers": {}}, []),
        (["reward"], {**ASKED, "answers": {"styles": 1}}, [REWARD]),
        (["reward"], {**ASKED, "reasoning": HARD}, [REWARD]),
        (["reward"], ASKED, [REWARD]),
        (["reasoning_over_answer"], {**ASKED, "reasoning": HARD}, []),
        (["reasoning_over_answer"], {**ASKED, "answers": {}}, [OVER]),
        (["dialogue_outcome"], {"dialogues": {}}, []),
        (["dialogue_outcome"], {**ASKED, "answers": {}}, [OUTCOME]),
        (["dialogue_outcome"], {}, [OUTCOME]),
        (["reward", "reward"], {**ASKED, "answers": {}}, [f"{AT}[1]: reward is listed twice: keep one"]),
    ],
)
def test_preferences(origins: list[str], others: dict[str, Any], expected: list[str]) -> None:
    assert findings(produce={"preferences": {"from": origins}, **others}) == expected


@pytest.mark.parametrize(
    ("models", "produce", "lacking"),
    [
        ({"generator": REMOTE}, {"questions": {}, "answers": {}}, ["generator"]),
        ({"generator": REMOTE | {"price": PRICE}}, {"questions": {}, "answers": {}}, []),
        ({"generator": {"engine": "local"}, "judge": REMOTE}, {"questions": {}, "answers": {}}, ["judge"]),
        ({"generator": {"engine": "local"}, "reasoner": REMOTE}, {"questions": {}, "answers": {}}, []),
        ({"generator": {"engine": "local"}, "reasoner": REMOTE}, {"questions": {}, "reasoning": HARD}, ["reasoner"]),
        (
            {"generator": {"engine": "local"}, "doctor": REMOTE, "patient": REMOTE | {"price": PRICE}},
            {"dialogues": {}},
            ["doctor"],
        ),
    ],
)
def test_a_budget_in_dollars_needs_the_prices_of_models_in_use(
    models: dict[str, Any], produce: dict[str, Any], lacking: list[str]
) -> None:
    assert findings(models=models, produce=produce) == []
    found = findings(models=models, produce=produce, budget={"usd": 1})
    start = "price is missing, and budget.usd needs it: add `price: {input: …, output: …}`"
    assert [line.split(" in US")[0] for line in found] == [f"models.{role}.price: {start}" for role in lacking]


TOO_LOW = "too low for an index of num_perm numbers: set 0.041 or more"
RAISE, OFF = ", or raise num_perm", "; `dedup: null` turns the filter off"


@pytest.mark.parametrize(
    ("dedup", "expected"),
    [
        ({"questions": 0.01, "num_perm": 1024}, []),
        ({"questions": 0.041, "rows": 1.0}, []),
        (None, []),
        ({"questions": 0.01}, [f"filters.dedup.questions: {TOO_LOW}{RAISE}"]),
        ({"rows": 0}, [f"filters.dedup.rows: {TOO_LOW}{OFF}"]),
        ({"questions": 0.0, "rows": 0.0}, [f"filters.dedup.{name}: {TOO_LOW}{OFF}" for name in ("questions", "rows")]),
        (
            {"rows": 0.25, "num_perm": 16},
            [f"filters.dedup.rows: {TOO_LOW.replace('0.041', '0.282')}{RAISE}"],
        ),
    ],
)
def test_thresholds_that_no_index_can_hold(dedup: dict[str, Any], expected: list[str]) -> None:
    assert findings(filters={"dedup": dedup}) == expected


ENDING = (
    "seeds.source: must end in .jsonl, .ndjson, .csv or .tsv (also with .gz, .bz2, .xz or .zst), or in .parquet, "
    "or be hf://owner/name"
)
HUB = "seeds.source: a data set on the Hub is hf://owner/name; a commit goes into seeds.revision"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("seeds.jsonl", []),
        ("folder", []),
        ("hf://owner/name", []),
        ("hf://name", [HUB]),
        ("hf://owner/name@main", [HUB]),
        ("hf://user:pass@host/x/y", [HUB]),
        ("gone.csv.zst", [f"seeds.source: no such file; {RELATIVE}"]),
        ("notes.txt", [ENDING]),
        ("x.parquet.gz", [ENDING]),
        ("https://example.org/x", [ENDING]),
        ("", [ENDING]),
        ("a\0b.csv", [f"seeds.source: no such file; {RELATIVE}"]),
        ("a" * 5000 + ".csv", [f"seeds.source: no such file; {RELATIVE}"]),
    ],
)
def test_the_source(source: str, expected: list[str]) -> None:
    assert findings(seeds={"source": source}) == expected


@pytest.mark.parametrize("packing", ["", ".gz", ".bz2", ".xz", ".zst", ".ZST"])
@pytest.mark.parametrize("kind", [".jsonl", ".ndjson", ".csv", ".tsv"])
def test_kinds_of_source(kind: str, packing: str) -> None:
    Path("x" + kind + packing).write_text("x")
    assert findings(seeds={"source": "x" + kind + packing}) == []


FOLDER = f"this is a folder: name the file; {RELATIVE}"
GONE = f"no such file; {RELATIVE}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"taxonomy": "t.yaml"}, []),
        ({"taxonomy": "gone.yaml"}, [f"taxonomy: {GONE}"]),
        ({"taxonomy": "folder"}, [f"taxonomy: {FOLDER}"]),
        ({"prompts": "folder"}, []),
        ({"prompts": "t.yaml"}, [f"prompts: this is a file: name the folder; {RELATIVE}"]),
        ({"prompts": "gone"}, [f"prompts: no such folder; {RELATIVE}"]),
        ({"produce": {"dialogues": {"personas": "t.yaml"}}}, []),
        ({"produce": {"dialogues": {"personas": "gone.yaml"}}}, [f"produce.dialogues.personas: {GONE}"]),
        ({"models": {"generator": {"engine": "local", "path": "g.gguf"}}}, []),
        ({"models": {"generator": {"engine": "local", "path": "folder"}}}, [f"models.generator.path: {FOLDER}"]),
        (
            {"models": {"generator": {"engine": "local"}, "judge": {"engine": "local", "path": "x.gguf"}}},
            [f"models.judge.path: {GONE}"],
        ),
    ],
)
def test_files(changes: dict[str, Any], expected: list[str]) -> None:
    assert findings(**changes) == expected


NAME = "api_key_env: must be the NAME of an environment variable, such as OPENAI_API_KEY, never the key itself"
USER = "base_url: holds a user name or password: name a key in api_key_env"
QUERY = "base_url: ends in a query (?…) or fragment (#…): remove it"
SECRET = "looks like a secret key, and a spec holds none: set an environment variable and name it in api_key_env"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *(({"api_key_env": name}, []) for name in ("OPENAI_API_KEY", "HF_TOKEN", "key1", "_K", None)),
        *(
            ({"api_key_env": name}, [NAME])
            for name in (
                *("sk-1", "sk_live_1", "hf_abc", "a b", "$KEY", "1KEY", "", "K\n", "schlüssel", "a" * 32),
                *("0123456789abcdef", "gsk_1a2b3c", "AIzaSyA1234567890abcdefghijklmnopqrstu"),
            )
        ),
        ({"base_url": "https://example.org:8443/a/v1/"}, []),
        ({"base_url": "https://me:pw@example.org/v1"}, [USER]),
        ({"base_url": "https://me@example.org/v1"}, [USER]),
        ({"base_url": "https://example.org/v1?key=abc"}, [QUERY]),
        ({"base_url": "https://example.org/v1#abc"}, [QUERY]),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "token": 3}}, []),
        ({"extra_body": {"a": {"api-key": "abc"}}}, [f"extra_body.a.api-key: {SECRET}"]),
        ({"extra_body": {"a": ["hf_0123456789abcdefghij"]}}, [f"extra_body.a[0]: {SECRET}"]),
        ({"extra_body": {"a": "Bearer abc1"}}, [f"extra_body.a: {SECRET}"]),
        ({"model": "sk-0123456789abcdefghij"}, [f"model: {SECRET}"]),
        ({"model": "sk-learn-based-on-departments"}, []),
    ],
)
def test_secrets_and_urls(changes: dict[str, Any], expected: list[str]) -> None:
    models = {"generator": REMOTE | {"price": PRICE}, "judge": REMOTE | changes}
    assert findings(models=models) == [f"models.judge.{line}" for line in expected]
