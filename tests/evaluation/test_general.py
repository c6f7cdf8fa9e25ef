from __future__ import annotations

from collections import Counter
from pathlib import Path

from evaluation.tasks import load_task


def test_general_is_there_without_a_data_folder(tmp_path: Path) -> None:
    task = load_task("general", tmp_path, seed=0)
    assert len(task.items) == 140
    assert task.licence == "apache-2.0"
    assert {item.id.partition(":")[0] for item in task.items} == {"general"}


def test_general_gives_nothing_away_by_place_or_length(tmp_path: Path) -> None:
    items = load_task("general", tmp_path).items
    assert Counter(item.gold for item in items) == dict.fromkeys("ABCD", 35)
    for extreme in (max, min):
        alone = 0
        for item in items:
            lengths = {letter: len(text) for letter, text in item.options.items()}
            end = extreme(lengths.values())
            alone += [letter for letter, length in lengths.items() if length == end] == [item.gold]
        assert alone / len(items) < 0.25  # choosing the longest, or the shortest, is no better than guessing


def test_general_asks_nothing_twice_and_offers_four_different_options(tmp_path: Path) -> None:
    items = load_task("general", tmp_path).items
    assert len({(item.question, *sorted(item.options.values())) for item in items}) == len(items)
    for item in items:
        assert len({text.casefold() if item.subject != "format" else text for text in item.options.values()}) == 4
        assert list(item.options) == list("ABCD")


def test_general_asks_for_every_ability(tmp_path: Path) -> None:
    subjects = Counter(item.subject for item in load_task("general", tmp_path).items)
    assert set(subjects) == {"arithmetic", "logic", "reading", "grammar", "geography", "science", "format"}
    assert min(subjects.values()) >= 15
