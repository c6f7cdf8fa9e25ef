from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluation.compare_runs import compare, load_frames, score, settle
from evaluation.shape import Comparison
from synth.errors import UserError
from tests.evaluation.hand_made import answer, pattern, write_run


def compared(folder: Path, task: str = "medqa", found: set[str] | None = None) -> Comparison:
    frames = load_frames(folder)[task]
    one = compare(task, ("sft", "base"), (frames["sft"], frames["base"]), "base", found)
    assert one is not None
    return one


def test_a_score_counts_what_it_says(tmp_path: Path) -> None:
    answers = pattern("medqa", "++-?+--+")
    answers[2] = answer("medqa", "q002", False, truncated=True)
    answers[3] = answer("medqa", "q003", None, failure="refused", text=None)
    write_run(tmp_path, "base", "medqa", answers)
    found = score("base", "medqa", load_frames(tmp_path)["medqa"]["base"], {"q000", "q002", "elsewhere"})
    assert (found.items, found.clusters, found.seeds, found.method) == (8, 8, [0], "generate")
    assert found.accuracy.value == 0.5
    theirs = binomtest(4, 8).proportion_ci(method="wilson")
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((theirs.low, theirs.high))
    assert (found.unparsed, found.truncated, found.failed, found.chance) == (0.125, 0.125, 1, 0.25)
    assert found.clean is not None
    assert (found.clean.items, found.clean.left_out) == (6, 2)
    assert found.clean.accuracy is not None
    assert found.clean.accuracy.value == 0.5
    assert (found.tokens_in, found.tokens_out, found.seconds) == (80, 24, 4.0)
    assert found.nll_per_byte is None


def test_nothing_searched_and_nothing_left_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "+-"))
    frame = load_frames(tmp_path)["medqa"]["base"]
    assert score("base", "medqa", frame, None).clean is None
    clean = score("base", "medqa", frame, {"q000", "q001"}).clean
    assert clean is not None
    assert (clean.items, clean.accuracy) == (0, None)
    whole = score("base", "medqa", frame, set()).clean
    assert whole is not None
    assert (whole.items, whole.left_out) == (2, 0)


def test_pairs_are_items_and_flips_have_their_direction(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", list(reversed(pattern("medqa", "++--?-"))))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "+-++-+"))
    found = compared(tmp_path)
    assert found.won == ["q002", "q003", "q005"]
    assert found.lost == ["q001"]
    assert found.difference.value == pytest.approx(2 / 6)
    assert (found.accuracy_run, found.accuracy_against) == pytest.approx((4 / 6, 2 / 6))
    assert found.p == pytest.approx(binomtest(1, 4).pvalue)


def test_only_items_of_both_are_compared_and_the_rest_is_counted(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "----"))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "++++++")[2:])
    found = compared(tmp_path)
    assert (found.items, found.only_run, found.only_against) == (2, 2, 2)
    assert found.won == ["q002", "q003"]


def test_runs_without_a_common_item_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "----")[:2])
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "++++")[2:])
    frames = load_frames(tmp_path)["medqa"]
    assert compare("medqa", ("sft", "base"), (frames["sft"], frames["base"]), "base", None) is None


def test_another_right_answer_under_one_id_is_refused_in_one_line(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "+"))
    other = answer("medqa", "q000", True)
    object.__setattr__(other, "gold", "D")
    write_run(tmp_path, "sft", "medqa", [other])
    with pytest.raises(UserError, match=r"item q000 has another right answer.*'sft' than in 'base'") as error:
        load_frames(tmp_path)
    assert "\n" not in str(error.value)


def test_seeds_are_averaged_before_items_are_counted(tmp_path: Path) -> None:
    base, sft = [], []
    for seed in (0, 1, 2):
        base += pattern("medqa", "+---", seed=seed)
        sft += pattern("medqa", "++--" if seed else "+---", seed=seed)
    write_run(tmp_path, "base", "medqa", base)
    write_run(tmp_path, "sft", "medqa", sft)
    found = compared(tmp_path)
    assert (found.items, found.won, found.lost) == (4, ["q001"], [])
    assert found.difference.value == pytest.approx(2 / 12)
    assert found.p == 1.0
    one = score("sft", "medqa", load_frames(tmp_path)["medqa"]["sft"], None)
    assert (one.items, one.seeds) == (4, [0, 1, 2])
    assert one.accuracy.value == pytest.approx(5 / 12)
    assert one.accuracy.high - one.accuracy.low > 0.5  # of four items, not of twelve


def test_items_of_one_case_count_once(tmp_path: Path) -> None:
    def clustered(mark: str, task: str) -> None:
        for run, right in (("base", False), ("sft", mark == "+")):
            rows = [answer(task, f"q{n}", right, cluster=f"case{n // 5}") for n in range(10)]
            write_run(tmp_path, run, task, rows)

    clustered("+", "cases")
    found = compared(tmp_path, "cases")
    assert (found.items, found.clusters, len(found.won)) == (10, 2, 10)
    assert found.p == 0.5


def test_difference_on_the_clean_subset(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "--------"))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "++++----"))
    assert compared(tmp_path).clean is None
    clean = compared(tmp_path, found={"q000", "q001", "q002", "q003"}).clean
    assert clean is not None
    assert clean.value == 0
    assert compared(tmp_path, found={f"q00{n}" for n in range(8)}).clean is None


def test_likelihoods_are_paired(tmp_path: Path) -> None:
    for run, shift in (("base", 0.0), ("sft", -0.25)):
        rows = [answer("medqa", f"q{n}", True, method="loglik", nll_per_byte=0.1 * n + shift) for n in range(12)]
        write_run(tmp_path, run, "medqa", rows)
    found = compared(tmp_path).nll_difference
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((-0.25, -0.25, -0.25))


def test_other_prompts_and_cut_replies_are_noted(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "----"))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "++??", prompt_hash="p2", truncated=True))
    notes = compared(tmp_path).notes
    assert notes[0] == "The two were asked with different prompts."
    assert notes[1] == "100% of the replies were cut at the limit of tokens, 0% of those compared with."
    assert notes[2] == "50% of the replies held no letter, 0% of those compared with."


def test_verdicts_follow_the_adjusted_test(tmp_path: Path) -> None:
    for task, marks in (("one", "+" * 7), ("two", "+" * 6), ("three", "-" * 7)):
        write_run(tmp_path, "base", task, pattern(task, "-" * 7 + "-" * 60))
        write_run(tmp_path, "sft", task, pattern(task, marks + "-" * (67 - len(marks))))
    one, three, two = settle([compared(tmp_path, task) for task in ("one", "three", "two")])
    assert (one.p, two.p, three.p) == (2 / 2**7, 2 / 2**6, 1.0)
    assert (one.p_holm, two.p_holm) == (3 * one.p, 2 * two.p)
    assert (one.verdict, two.verdict, three.verdict) == ("better", "unclear", "unclear")  # 0.047, 0.0625
    assert one.sentence.startswith("10.4 points more right answers than base (95 % interval")
    assert "p = 0.047 after Holm's adjustment for 3 tasks" in one.sentence
    assert three.sentence.startswith("No difference could be shown (this comparison could have shown ")


def test_fewer_right_answers_are_called_fewer(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "+" * 30))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "+" * 10 + "-" * 20))
    (found,) = settle([compared(tmp_path)])
    assert found.verdict == "worse"
    assert found.sentence.startswith("66.7 points fewer right answers than base")
    assert found.sentence.endswith("p < 0.001).")


def test_two_items_could_not_have_shown_anything(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "--"))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "++"))
    (found,) = settle([compared(tmp_path)])
    assert (found.verdict, found.smallest_detectable) == ("unclear", None)
    assert found.sentence == "No difference could be shown; so few items could not have shown any."


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_figures_are_those_of_a_recount(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng, folder = random.Random(seed), tmp_path_factory.mktemp("recount")
    marks = {run: "".join(rng.choice("+-?") for _ in range(rng.randint(5, 40))) for run in ("base", "sft")}
    for run, of_run in marks.items():
        write_run(folder, run, "medqa", pattern("medqa", of_run))
    found = compared(folder)
    pairs = list(zip(marks["sft"], marks["base"], strict=False))
    won = sum(after == "+" != before for after, before in pairs)
    lost = sum(before == "+" != after for after, before in pairs)
    assert (found.items, len(found.won), len(found.lost)) == (len(pairs), won, lost)
    assert found.difference.value == pytest.approx((won - lost) / len(pairs))
    assert found.p == pytest.approx(binomtest(won, won + lost).pvalue if won + lost else 1.0)


def test_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no answers; run python -m evaluation\.benchmark"):
        load_frames(tmp_path)
