"""Benchmark readers on the published files."""

from __future__ import annotations

from collections import Counter

import pytest

from filters.readers import BenchmarkError, read_benchmark, read_cases, read_items
from tests.data import DATA, needs_data

pytestmark = [pytest.mark.data, needs_data]


@pytest.mark.parametrize(
    ("folder", "counts", "licence"),
    [
        ("medqa_us_4opt", {("medqa", "test"): 700}, "mit"),
        ("medmcqa", {("medmcqa", "validation"): 2000}, "mit"),
        ("pubmedqa", {("pubmedqa", "test"): 150, ("pubmedqa", "train"): 500}, "mit"),
        ("mmlu_pro_health", {("mmlu_pro", "test"): 200}, "apache-2.0"),
        ("medsss_eval", {("mmlu", "unknown"): 1561}, "mit"),
        ("mediq", {("mediq", "validation"): 800}, "cc-by-4.0"),
    ],
)
def test_items_of_every_benchmark(folder: str, counts: dict[tuple[str, str], int], licence: str) -> None:
    items = list(read_items(DATA / folder))
    assert Counter((item.benchmark, item.split) for item in items) == counts
    assert {item.licence for item in items} == {licence}
    assert len({item.id for item in items}) == len(items)
    assert all(item.answer in item.options and len(item.answer) == 1 for item in items)
    assert all(text.strip() for item in items for text in (item.question, *item.options.values()))


def test_answers_are_the_published_ones() -> None:
    first = next(read_items(DATA / "medqa_us_4opt"))
    assert first.options[first.answer] == "Cholesterol embolization"
    letters = Counter(item.answer for item in read_items(DATA / "medmcqa"))
    assert letters == {"A": 666, "B": 547, "C": 414, "D": 373}


def test_cases() -> None:
    mediq, agentclinic = list(read_cases(DATA / "mediq")), list(read_cases(DATA / "agentclinic"))
    assert (len(mediq), len(agentclinic)) == (798, 107)  # two records of MEDIQ are about no patient
    assert all(case.item and case.facts and case.demographics for case in mediq)
    assert all(case.diagnosis and case.examination and case.facts for case in agentclinic)
    assert len({case.id for case in agentclinic}) == 107
    assert not any(fact[0].isdigit() and ". " in fact[:4] for case in mediq for fact in case.facts)


def test_passages_are_no_benchmark() -> None:
    with pytest.raises(BenchmarkError, match=r"seed_passages.jsonl:1: no known benchmark"):
        list(read_benchmark(DATA / "seeds"))
