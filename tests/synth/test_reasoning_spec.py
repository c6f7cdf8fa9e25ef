"""What a spec may ask of long reasoning: checks across its keys, the estimate, the built-in spec for exam items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from synth.errors import UserError
from synth.estimate import estimate
from synth.setup import Setup, prepare
from synth.spec import Spec
from synth.spec_reasoning_checks import check_reasoning
from tests.runs import generate
from tests.synth.factories import make_spec
from tests.synth.items import item

REMOTE = {"engine": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
WEAK = {"generator": REMOTE, "weak": REMOTE}
ITEMS = {"source": "items.jsonl", "kind": "items", "split": "train"}
OVER = {"from": ["verified_over_unverified"]}


def spec_of(reasoning: dict[str, Any], seeds: dict[str, Any], pairs: bool = False, **sections: Any) -> Spec:
    produce: dict[str, Any] = {"reasoning": reasoning} | ({"preferences": OVER} if pairs else {})
    produce |= {} if seeds.get("kind") == "items" else {"questions": {}}
    return make_spec(produce=produce, seeds=seeds, **sections)


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ({}, ""),
        ({"search": {"tries": 0}}, ""),
        ({"difficulty_above": 8}, "produce.reasoning.difficulty_above: is for passages"),
        ({"hardest": 0.5}, "produce.reasoning.hardest: is for passages"),
        ({"agreement": {}}, "produce.reasoning.agreement: is for passages"),
        ({"thinking_tokens": {"min": 9, "max": 8}}, "produce.reasoning.thinking_tokens: min 9 is above max 8"),
    ],
)
def test_what_exam_items_take(reasoning: dict[str, Any], expected: str) -> None:
    found = [f"{'.'.join(map(str, f.loc))}: {f.message}" for f in check_reasoning(spec_of(reasoning, ITEMS, True))]
    assert [one[: len(expected)] for one in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("reasoning", "pairs", "expected"),
    [
        ({"agreement": {"samples": 3}}, False, []),
        ({"verify": True}, True, []),
        ({"search": {}}, False, ["search: needs a gold answer"]),
        ({"pass_rate": {}}, False, ["pass_rate: has no answer to compare with"]),
        ({}, True, ["0: verified_over_unverified compares verified chains"]),
        ({"verify": True, "chains": 1}, True, ["0: verified_over_unverified compares chains"]),
    ],
)
def test_what_passages_take(reasoning: dict[str, Any], pairs: bool, expected: list[str]) -> None:
    spec = spec_of({"hardest": 0.5} | reasoning, {"source": "seeds.jsonl"}, pairs, models=WEAK)
    found = [f"{f.loc[-1]}: {f.message}" for f in check_reasoning(spec)]
    assert [one.startswith(start) for one, start in zip(found, expected, strict=True)] == [True] * len(expected)


def test_a_pass_rate_needs_a_weaker_model_by_name() -> None:
    (found,) = check_reasoning(spec_of({"pass_rate": {}}, ITEMS))
    assert found.loc == ("models",)
    assert "`weak:`" in found.message
    assert list(check_reasoning(spec_of({"pass_rate": {}}, ITEMS, models=WEAK))) == []


@pytest.mark.parametrize("keep", [[0.8, 0.2], [0.5], [-1, 1]])
def test_bounds_of_a_pass_rate_rise(keep: list[float]) -> None:
    with pytest.raises(ValidationError):
        spec_of({"pass_rate": {"keep": keep}}, ITEMS)


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "medqa_train.jsonl"
    path.write_text("".join(json.dumps(item(f"topic-{n}")) + "\n" for n in range(10)), "utf-8")
    return path


def prepared(items: Path, *overrides: str) -> Setup:
    return prepare("verified.yaml", items.parent / "run", [f"seeds.source={items}", *overrides])


def test_the_built_in_spec_counts_what_a_file_would_take(items: Path) -> None:
    ran = generate("--spec", "verified.yaml", "--set", f"seeds.source={items}", "--dry-run")
    assert ran.code == 0, ran.err
    assert "Nothing was sent." in ran.out
    assert "10 reasoning, 20 preference" in ran.out
    setup = prepared(items)
    lines = {line.step: line for line in estimate(setup)}
    assert set(lines) == set(setup.templates)
    assert lines["open_question"].requests == 10
    assert lines["think"].requests == 20
    assert lines["weak_answer"].requests == 40
    assert lines["check_answer"].requests > 60
    assert lines["weak_answer"].model == "gpt-4.1-nano"
    assert all(line.usd for line in lines.values())


def test_more_tries_are_more_requests(items: Path) -> None:
    few, many = (
        {line.step: line.requests for line in estimate(prepared(items, f"produce.reasoning.search.tries={tries}"))}
        for tries in (0, 5)
    )
    assert few["search"] < many["search"]
    assert few["think"] == many["think"]


def test_the_built_in_spec_asks_for_a_file(items: Path) -> None:
    with pytest.raises(UserError, match=r"seeds\.source: no such file"):
        prepare("verified.yaml", items.parent / "run")
