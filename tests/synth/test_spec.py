"""Loading a spec: what is accepted and found, ``--set``, keys pasted into wrong places, the schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from synth import spec_load
from synth.errors import UserError
from synth.spec_load import BUILT_IN, find_spec, load_spec, spec_schema
from synth.spec_models import LocalModel, RemoteModel
from tests.synth.spec_texts import CANARY, GOOD, lines_of, loaded


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with seeds, made the current one."""
    (tmp_path / "seeds.jsonl").write_text('{"text": "x"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_spec_loads_with_its_paths_absolute(home: Path) -> None:
    (home / "sub").mkdir()
    (home / "sub" / "s.yaml").write_text(GOOD.replace("seeds.jsonl", "../seeds.jsonl"))
    found = load_spec("sub/s.yaml")
    assert found.path == Path("sub/s.yaml")
    assert found.spec.seeds.source == str(home / "sub" / ".." / "seeds.jsonl")
    assert isinstance(found.spec.models.generator, LocalModel)
    assert isinstance(found.spec.models.of("judge"), RemoteModel)


def test_a_byte_order_mark_is_passed_over(home: Path) -> None:
    (home / "s.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_spec("s.yaml").spec == loaded(GOOD)


def test_every_path_is_resolved_and_the_home_folder_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    for name in ("t.yaml", "p.yaml", "g.gguf"):
        (home / name).write_text("x")
    (home / "prompts").mkdir()
    text = GOOD.replace("engine: local", "engine: local\n    path: g.gguf").replace("seeds.jsonl", "~/seeds.jsonl")
    text += "prompts: prompts/\ntaxonomy: t.yaml\n"
    spec = loaded(text.replace("  answers:", "  dialogues: {personas: p.yaml}\n  answers:"))
    assert spec.seeds.source == str(home / "seeds.jsonl")
    assert (spec.prompts, spec.taxonomy) == (home / "prompts", home / "t.yaml")
    assert spec.produce.dialogues.personas == home / "p.yaml"
    assert spec.models.generator.path == home / "g.gguf"
    (home / "default").mkdir()
    spec = loaded(GOOD + "prompts: default\n", ["produce.dialogues={personas: default}"])
    assert (spec.prompts, spec.produce.dialogues.personas) == (home / "default", "default")


@pytest.mark.parametrize("source", ["hf://owner/name", "seeds.jsonl"])
def test_hub_sources_stay_as_written(home: Path, source: str) -> None:
    spec = loaded(GOOD.replace("seeds.jsonl", source))
    assert spec.seeds.source == (source if source.startswith("hf://") else str(home / source))


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("language: no", "language", "no"),
        ("license: no", "license", "no"),
        ("license: 2024-01-01", "license", "2024-01-01"),
        ("license: '012'", "license", "012"),
        ("license: on", "license", "on"),
        ("license: 1:30", "license", "1:30"),
        ("license: null", "license", None),
        ("license:", "license", None),
        ("seed: 1_000", "seed", 1000),
        ("seed: 5e6", "seed", 5_000_000),
        ("seed: 0x10", "seed", 16),
        ("seed: -3", "seed", -3),
        ("max_failed: 1", "max_failed", 1.0),
        ("max_failed: 5e-2", "max_failed", 0.05),
    ],
)
def test_yaml_traps(written: str, field: str, value: object) -> None:
    assert getattr(loaded(GOOD + written + "\n"), field) == value
    directive = f"%YAML 1.1\n---\n{GOOD}{written}\n"
    assert field != "language" or loaded(directive).language == "no"


CANARY_PLACES = [
    *("name", "language", "license", "seed", "shard_size", "seeds", "seeds.source", "seeds.text", "seeds.max_tokens"),
    *("models", "models.generator", "models.generator.engine", "models.generator.slots", "models.generator.path"),
    *("models.generator.threads", "models.generator.model", "models.judge.api_key_env", "models.judge.base_url"),
    *("models.judge.model", "models.judge.timeout", "models.judge.price", "models.judge.price.input"),
    *(
        "models.judge.extra_body",
        "models.judge.extra_body.x",
        "models.judge.extra_body.x.y",
        "models.judge.structured",
    ),
    *(
        "produce",
        "produce.answers",
        "produce.preferences.from",
        "produce.reasoning.trace",
        "produce.dialogues.personas",
    ),
    *("filters.dedup", "filters.dedup.ngram", "budget", "budget.usd", "sampling", "sampling.score", "prompts"),
    *("taxonomy", "export", "export.validation", CANARY, f"models.judge.{CANARY}", f"sampling.{CANARY}"),
]


@pytest.mark.parametrize("place", CANARY_PLACES)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(place: str) -> None:
    spec = YAML(typ="safe").load(GOOD)
    inner = spec
    *way, last = place.split(".")
    for part in way:
        inner = inner.setdefault(part, {})
    inner[last] = CANARY
    assert "CANARY" not in "\n".join(lines_of(json.dumps(spec)))
    for value in (
        CANARY,
        f"[{CANARY}]",
        f"{{{CANARY}: 1}}",
        f"*{CANARY}",
        f"!{CANARY} x",
        f'"{CANARY}',
        f"{CANARY}: :",
    ):
        assert "CANARY" not in "\n".join(lines_of(GOOD, [f"{place}={value}"]))


@pytest.mark.parametrize("override", [CANARY, f"={CANARY}", f".a={CANARY}", f"{CANARY}=1", f"{CANARY}.{CANARY}=1"])
def test_overrides_do_not_repeat_keys_either(override: str) -> None:
    assert "CANARY" not in "\n".join(lines_of(GOOD, [override]))


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("budget.requests=7", lambda spec: spec.budget.requests == 7),
        ("budget.requests=null", lambda spec: spec.budget.requests is None),
        ("budget.usd= 1.5", lambda spec: spec.budget.usd is None),
        ("license=no", lambda spec: spec.license == "no"),
        ("license=", lambda spec: spec.license is None),
        ("license=a=b", lambda spec: spec.license == "a=b"),
        ("produce.preferences.from=[reward]", lambda spec: spec.produce.preferences.from_ == ["reward"]),
        ("produce.reasoning.hardest=0.5", lambda spec: spec.produce.reasoning.hardest == 0.5),
        ("filters.dedup=null", lambda spec: spec.filters.dedup is None),
        ("sampling.score.temperature=0", lambda spec: spec.sampling["score"].temperature == 0),
        ("models.judge={engine: local, slots: 2}", lambda spec: spec.models.judge.slots == 2),
        ("models.judge=null", lambda spec: spec.models.of("judge") is spec.models.generator),
        ("models.judge.extra_body.a.b=[1, x]", lambda spec: spec.models.judge.extra_body == {"a": {"b": [1, "x"]}}),
    ],
)
def test_overrides(override: str, check: Callable[[Any], bool]) -> None:
    if override.startswith("budget.usd"):  # a price is needed beside it
        spec = loaded(GOOD, ["models.judge.price={input: 1, output: 2}", override, "budget.usd=null"])
    else:
        spec = loaded(GOOD, [override])
    assert check(spec)


def test_the_last_override_wins_and_heals_the_file() -> None:
    text = GOOD.replace("requests: 10", "requests: .inf").replace("    styles: 2\n", "")
    spec = loaded(text, ["budget.requests=1", "budget.requests=2", "produce.answers.styles=3"])
    assert (spec.budget.requests, spec.produce.answers.styles) == (2, 3)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("budget.request=1", "--set budget.request: unknown key; did you mean 'requests'?"),
        ("budget.requests=x", "--set budget.requests: must be a whole number"),
        ("budget.requests", "--set: write KEY=VALUE, such as --set budget.requests=10"),
        ("budget..x=1", "--set: write KEY=VALUE, such as --set budget.requests=10"),
        ("name.x=1", "--set name.x: name is a single value and has no keys"),
        ("seed=[1", "--set seed: not valid YAML: a bracket is opened here and never closed"),
        ("seed=.nan", "--set seed: must be finite: leave the key out for no limit"),
        ("models.doctor.engine=vllm", "--set models.doctor.model: model is missing: the name as the server knows it"),
        ("models.doctor=", "--set models.doctor: is empty: fill it in, or null to leave it out"),
        ("license=!x y", "--set license: a YAML tag (!name) is not allowed here: remove it"),
    ],
)
def test_mistakes_in_overrides(override: str, expected: str) -> None:
    assert expected in lines_of(GOOD, [override])


def test_an_override_put_aside_is_spoken_of_once() -> None:
    assert lines_of(GOOD, ["name=!x y"]) == ["--set name: a YAML tag (!name) is not allowed here: remove it"]


@pytest.mark.parametrize("key", ["produce.preferences.from.0", "produce.preferences.from[0]", "produce.x[0].y"])
def test_a_list_index_is_refused(key: str) -> None:
    text = GOOD.replace("  answers:", "  preferences: {from: [reward]}\n  answers:")
    assert lines_of(text, [f"{key}=reward"]) == [
        f"--set {key}: a list index is not supported: set the whole list, such as --set a.b=[c, d]"
    ]


def test_paths_from_the_command_line_start_at_the_current_folder(home: Path) -> None:
    (home / "sub").mkdir()
    (home / "sub" / "s.yaml").write_text(GOOD)
    assert load_spec("sub/s.yaml", ["seeds.source=seeds.jsonl"]).spec.seeds.source == str(home / "seeds.jsonl")


def test_find_spec(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = home / "shipped"
    shipped.mkdir()
    for name in ("cardiology", "first"):
        (shipped / f"{name}.yaml").write_text(GOOD)
    monkeypatch.setattr(spec_load, "BUILT_IN", shipped)
    assert find_spec("first") == find_spec("first.yaml") == shipped / "first.yaml"
    (home / "first").mkdir()  # a run folder of that name is not in the way
    assert find_spec("first") == shipped / "first.yaml"
    (home / "first.yaml").write_text(GOOD)
    assert find_spec("first.yaml") == Path("first.yaml")
    for name, message in {
        "cardiolgy": "no such spec file; built-in specs: cardiology, first; did you mean 'cardiology'?",
        "sub/zzz.yaml": "no such spec file; built-in specs: cardiology, first",
        ".": "this is a folder: name the spec file in it",
        "": "this is a folder: name the spec file in it",
    }.items():
        with pytest.raises(UserError) as caught:
            find_spec(name)
        assert str(caught.value) == f"{name}: {message}"


def test_every_built_in_spec_is_valid(home: Path) -> None:
    for path in BUILT_IN.glob("*.yaml"):
        own = path.stem == "verified"  # its exam items are the user's
        assert load_spec(path.stem, ["seeds.source=seeds.jsonl"] if own else []).path == path


def test_the_schema_is_one_and_agrees() -> None:
    schema = spec_schema()
    assert schema["title"] == "clinsynth spec"
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = YAML(typ="safe").load(GOOD)
    assert validator.is_valid(good)
    wrong: tuple[dict[str, Any], ...] = (
        {"zzz": 1},
        {"seed": "x"},
        {"produce": {"preferences": {"from": ["x"]}}},
        {"sampling": {"x": {}}},
    )
    for broken in wrong:
        assert not validator.is_valid(good | broken)
