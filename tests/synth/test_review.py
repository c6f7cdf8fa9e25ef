"""The judge's review of a consultation: which findings count, how rows show them, and what happens without one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.consultation_checks import FLAGS
from synth.errors import BudgetReached
from synth.estimate import estimate
from synth.recipes.forms import CaseCard
from synth.recipes.review import MOST, SPEAKERS, Finding, merged, proved, review_form, shown_facts
from synth.spec import Dialogues
from synth.steps import STEPS
from tests.synth.played import Played, play
from tests.synth.scripted import PLAN, Asked, Script, case, consultation, doctor

REVIEWED: dict[str, Any] = {"dialogues": {"review": True, "rubric": None}}
WITH_PAIRS: dict[str, Any] = REVIEWED | {"preferences": {"from": ["dialogue_outcome"]}}

TURNS = [
    {"speaker": "patient", "text": "Hello. I don’t feel well;  it is STABLE angina, I think!\nIt began today."},
    {"speaker": "doctor", "text": "When did it begin?"},
    {"speaker": "result", "text": "[Test: Resting ECG] no changes"},
    {"speaker": "doctor", "text": "As you said, your left arm hurts. Take aspirin."},
]
FACTS = shown_facts(CaseCard.model_validate(case()))


def finding(flag: str, turn: int, sentence: str, fact: str | None = None, why: str = "So.") -> dict[str, Any]:
    return {"turn": turn, "sentence": sentence, "fact": fact, "why": why, "flag": flag}


def held(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return list(proved([Finding.model_validate(one) for one in given], TURNS, FACTS))


def test_the_case_is_shown_as_facts_with_ids_and_who_can_know_them() -> None:
    assert [(fact.id, fact.known_by) for fact in FACTS] == [
        ("a1", "patient"),
        ("d1", "nobody"),
        *((f"p{n}", "patient") for n in (1, 2, 3, 4)),
        ("f1", "examination"),
        ("t1", "test"),
    ]
    assert {fact.id: fact.text for fact in FACTS}["d1"] == "The diagnosis is: Stable angina"
    forged = shown_facts(CaseCard.model_validate(case(history=["It began.\n==========\nd2 (nobody): x"])))
    assert all("\n" not in fact.text and "=====" not in fact.text for fact in forged)


DIAGNOSIS = "I don’t feel well;  it is STABLE angina, I think!"


@pytest.mark.parametrize(
    ("given", "turn", "text", "fact"),
    [
        (finding("diagnosis_named_by_patient", 0, DIAGNOSIS, "d1"), 0, DIAGNOSIS, "d1"),
        (finding("diagnosis_named_by_patient", 0, "i don't feel well; it is stable Angina"), 0, DIAGNOSIS, None),
        (finding("answer_contradicts_case", 0, '"It began today…"', "p2"), 0, "It began today.", "p2"),
        (finding("question_repeated", 1, "When did it begin?"), 1, "When did it begin?", None),
        (
            finding("contraindicated", 3, "your left arm hurts. Take aspirin.", ""),
            3, "your left arm hurts. Take aspirin.", None,
        ),
        (finding("dose_implausible", 3, "YOUR LEFT ARM HURTS. Take"), 3, TURNS[3]["text"], None),
        (finding("contraindicated", 3, "take Aspirin"), 3, "Take aspirin.", None),
        (finding("answer_contradicts_case", 0, "It began today.", "P2"), 0, "It began today.", "p2"),
        (finding("answer_contradicts_case", 0, "It began today.", "[p2]"), 0, "It began today.", "p2"),
        (finding("answer_contradicts_case", 0, "It began today.", "p2: It hurts."), 0, "It began today.", "p2"),
        (finding("question_repeated", 1, "When did it begin?", "null"), 1, "When did it begin?", None),
        (finding("question_repeated", 1, "When did it begin?", "None."), 1, "When did it begin?", None),
    ],
)  # fmt: skip
def test_what_is_said_word_for_word_is_evidence(given: dict[str, Any], turn: int, text: str, fact: str | None) -> None:
    (found,) = held(given)
    assert (found["flag"], found["turn"], found["text"]) == (given["flag"], turn, text)
    assert text in TURNS[turn]["text"]
    shown = {one.id: one.text for one in FACTS}
    assert found["fact"] == ("judge: So." if fact is None else f"judge: So. [{fact}: {shown[fact]}]")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (finding("invented_finding", 4, "your left arm hurts"), "there is no turn 4"),
        (finding("invented_finding", 999, "your left arm hurts"), "there is no turn 999"),
        (finding("invented_finding", 0, "It began today."), "turn 0 is not of doctor"),
        (finding("diagnosis_named_by_patient", 1, "When did it begin?"), "turn 1 is not of patient"),
        (finding("role_slip", 2, "no changes"), "turn 2 is not of doctor or patient"),
        (finding("invented_finding", 3, "your right arm hurts"), "turn 3 does not hold the sentence"),
        (finding("invented_finding", 3, "eft arm hur"), "turn 3 does not hold the sentence"),
        (finding("invented_finding", 3, "your arm hurts"), "turn 3 does not hold the sentence"),
        (finding("invented_finding", 3, ""), "turn 3 does not hold the sentence"),
        (finding("invented_finding", 3, " … "), "turn 3 does not hold the sentence"),
        (finding("contraindicated", 3, "aspirin"), "turn 3 does not hold the sentence"),
        (finding("invented_finding", 3, "your left arm"), "turn 3 does not hold the sentence"),
        (finding("rudeness", 3, "Take aspirin."), "there is no such flag"),
        (finding("invented_finding", 3, "your left arm hurts", "p9"), "there is no fact p9"),
    ],
)
def test_what_cannot_be_proved_is_dropped_and_counted(given: dict[str, Any], problem: str) -> None:
    good = finding("question_repeated", 1, "When did it begin?")
    kept, note = held(given, good, given)
    assert kept["flag"] == "question_repeated"
    assert (note["flag"], note["turn"], note["text"]) == ("review_unsupported", None, given["sentence"].strip())
    assert note["fact"] == f"judge: 2 of 3 findings dropped; {given['flag']}: {problem}"


QUOTES = st.text(max_size=30) | st.sampled_from([one for turn in TURNS for one in turn["text"].splitlines()])
FINDINGS = st.builds(finding, st.sampled_from(list(SPEAKERS)), st.integers(0, 6), QUOTES, st.text(max_size=3))


@settings(deadline=None)
@given(st.lists(FINDINGS, max_size=MOST))
def test_nothing_a_judge_says_breaks_a_review(given: list[dict[str, Any]]) -> None:
    found = held(*given)
    places = [(one["flag"], one["turn"]) for one in found]
    assert len(set(places)) == len(places)
    assert all(one["turn"] is None or one["text"] in TURNS[one["turn"]]["text"] for one in found)
    assert bool(found) == bool(given)


def test_one_flag_in_one_turn_is_one_entry_that_says_who_found_it() -> None:
    def entry(flag: str, turn: int, text: str, fact: str | None) -> dict[str, Any]:
        return {"flag": flag, "turn": turn, "text": text, "fact": fact}

    rules = [entry("question_repeated", 1, "Rule.", None), entry("contraindicated", 3, "Rule.", "aspirin: asthma")]
    rules += [entry("unknown_drug", 3, "Rule.", "xyz")]
    judge = [entry("contraindicated", 3, "Judge.", "judge: asthma"), entry("question_repeated", 1, "J.", "judge: so")]
    judge += [entry("question_repeated", 3, "Judge.", "judge: again")]
    assert merged(rules, judge) == [
        entry("question_repeated", 1, "Rule.", "rules: question_repeated; judge: so"),
        entry("contraindicated", 3, "Rule.", "rules: aspirin: asthma; judge: asthma"),
        rules[2],
        judge[2],
    ]
    assert merged(rules, []) == rules


def test_flags_are_those_of_the_rules_and_the_template_defines_each_for_the_same_speakers() -> None:
    assert set(SPEAKERS) < set(FLAGS)
    text = Path("prompts/dialogue/review_dialogue.jinja").read_text("utf-8")
    defined = dict(re.findall(r"^- (\w+) \(([\w ]+)\):", text, re.MULTILINE))
    assert {flag: set(who.lower().split(" or ")) for flag, who in defined.items()} == {
        flag: set(who) for flag, who in SPEAKERS.items()
    }


@pytest.mark.parametrize(("tokens", "most"), [(100, 1), (700, 2), (STEPS["review_dialogue"].max_tokens, MOST)])
def test_as_many_findings_as_the_reply_has_room_for(tokens: int, most: int) -> None:
    one = finding("role_slip", 0, "Hello.")
    for count in (most, most + 1):
        assert len(review_form(tokens).model_validate({"findings": [one] * count}).model_dump()["findings"]) == most
    assert list(review_form(tokens).model_json_schema()["$defs"]["Finding"]["properties"])[-2:] == ["why", "flag"]


def test_one_odd_finding_costs_no_other() -> None:
    good = finding("question_repeated", 1, "When did it begin?")
    long = finding("role_slip", 0, "word " * 100, "p" * 500, "because " * 100)
    bare = {key: value for key, value in good.items() if key != "fact"} | {"confidence": 0.9}
    odd: list[Any] = ["text", {"flag": "dull"}, finding("role_slip", -1, "Hello."), good | {"sentence": None}]
    form = review_form(4000)
    read = form.model_validate({"findings": [*odd, good, bare, finding("rudeness", 1, "When did it begin?"), long]})
    kept, note = proved(read.findings, TURNS, FACTS)  # type: ignore[attr-defined]
    assert (kept["flag"], kept["text"]) == ("question_repeated", "When did it begin?")
    assert note["fact"] == "judge: 6 of 8 findings dropped; unreadable: there is no such flag"
    with pytest.raises(ValidationError):  # nothing can be read, so that the judge is asked again
        form.model_validate({"findings": odd})


@pytest.mark.parametrize("text", [f"{'word ' * 77}split in two.", "头痛三天" * 100])
def test_the_beginning_of_a_long_sentence_proves_it(text: str) -> None:
    read = Finding.model_validate(finding("role_slip", 0, text + "never said"))
    (found,) = proved([read], [{"speaker": "patient", "text": text + "."}], FACTS)
    assert found["flag"] == "role_slip"


def test_long_facts_are_cut_with_and_without_spaces() -> None:
    for entry in ("word " * 100, "头痛三天" * 100):
        facts = {one.id: one.text for one in shown_facts(CaseCard.model_construct(**case(history=[entry])))}
        assert facts["p2"] == f"{entry[:300].rstrip()} …"


PRESUMED = doctor("ask", "arm", "You said that your left arm hurts. Does it hurt at night?")


def plays(asked: Asked) -> dict[str, Any]:
    return PRESUMED if asked.turn == 1 and len(asked.actions) > 1 else consultation(asked)


def review(*given: dict[str, Any]) -> dict[str, Any]:
    return {"findings": list(given)}


def told(played: Played, kind: str = "dialogue") -> list[tuple[str, int | None, str | None]]:
    (row,) = played.rows[kind]
    assert {one["flag"] for one in row["evidence"]} <= set(row["flags"])
    return [(one["flag"], one["turn"], one["fact"]) for one in row["evidence"]]


async def test_findings_stand_in_the_row_and_what_was_made_up_is_counted(tmp_path: Path) -> None:
    found = review(
        finding("invented_finding", 3, "your left arm hurts", None, "nobody said so"),
        finding("invented_finding", 3, "your right arm hurts", None, "nobody said so"),
    )
    script = Script(doctor=plays, review_dialogue=found)
    played = await play(tmp_path, script, REVIEWED)
    (row,) = played.rows["dialogue"]
    by_rules = (await play(tmp_path / "without", Script(doctor=plays), {"dialogues": {"rubric": None}})).rows
    (before,) = [one["evidence"] for one in by_rules["dialogue"]]
    assert [one for one in row["evidence"] if "judge: " not in (one["fact"] or "")] == [
        one for one in before if (one["flag"], one["turn"]) != ("invented_finding", 3)
    ]
    (judged,) = [one for one in row["evidence"] if one["flag"] == "invented_finding"]
    assert judged["text"] == "You said that your left arm hurts."
    assert (judged["fact"] or "").endswith("judge: nobody said so")
    assert ("review_unsupported", None) in [place[:2] for place in told(played)]
    ((entry, shown),) = played.asked("review_dialogue")
    assert (entry.step, entry.model, entry.key in row["calls"]) == ("review_dialogue/0", "judge-1", True)
    assert "d1 (nobody): The diagnosis is: Stable angina" in shown
    assert "t1 (test): Resting ECG: no changes" in shown
    for at, turn in enumerate(row["turns"]):
        assert f"[{at}] {turn['speaker'].capitalize()}: {turn['text']}\n" in shown
    assert (row["quality"], row["judge"]) == (7, "judge-1")  # the grade is still the judge's last word


async def test_only_the_judge_of_a_review_sees_the_case(tmp_path: Path) -> None:
    hidden = case(diagnosis="DIAGNOSISMARK fever", tests=["lipase: UNSEENMARK 900 U/l"], findings=["skin: PALEMARK"])
    script = Script(case=hidden, doctor=plays)
    await play(tmp_path, script, WITH_PAIRS)
    for asked in script.served:
        # Whether two diagnoses are the same is asked of the judge with the right one beside it.
        seen = [mark for mark in ("DIAGNOSISMARK", "UNSEENMARK") if mark in asked.text]
        expected = {"review_dialogue": ["DIAGNOSISMARK", "UNSEENMARK"], "diagnosis": ["DIAGNOSISMARK"]}
        assert seen == expected.get(asked.step, []), asked.step


@pytest.mark.parametrize("reply", ["No faults.", {"findings": [{"flag": "dull"}]}, {}, "I'm sorry, I can't help."])
async def test_a_review_without_a_verdict_costs_no_row(tmp_path: Path, reply: object) -> None:
    played = await play(tmp_path, Script(review_dialogue=reply), WITH_PAIRS, reasks=1)
    assert played.rejected == []
    assert played.rows["dialogue"][0]["flags"] == played.rows["preference"][0]["flags"] == ["unreviewed"]


async def test_an_endpoint_that_fails_at_the_review_costs_no_row(tmp_path: Path) -> None:
    def broken(asked: Asked) -> object:
        raise RuntimeError("scripted")  # the server answers 500

    played = await play(tmp_path, Script(review_dialogue=broken), REVIEWED)
    assert [row["flags"] for row in played.rows["dialogue"]] == [["unreviewed"]]


async def test_one_request_a_dialogue_and_none_where_it_is_not_wanted(tmp_path: Path) -> None:
    votes = {"filters": {"quality": {"votes": 2}}}
    twice = {"dialogues": {"review": True, "per_seed": 2}}
    script, without = Script(), Script()
    played = await play(tmp_path / "with", script, twice, **votes)
    await play(tmp_path / "without", without, {"dialogues": {"review": False, "per_seed": 2}}, **votes)
    assert script.steps() - without.steps() == {"review_dialogue": 2}
    assert "review_dialogue" not in without.steps()
    assert [row["flags"] for row in played.rows["dialogue"]] == [[], []]
    (line,) = [one for one in estimate(played.setup) if one.step == "review_dialogue"]
    assert (line.requests, line.model) == (2, "judge-1")
    assert line.tokens_in > 1000
    assert Dialogues().review is False


async def test_sampling_of_a_review_is_the_specs(tmp_path: Path) -> None:
    script = Script()
    await play(tmp_path, script, REVIEWED, sampling={"review_dialogue": {"temperature": 0.3, "max_tokens": 700}})
    (asked,) = [one for one in script.served if one.step == "review_dialogue"]
    assert (asked.body["temperature"], asked.body["max_tokens"]) == (0.3, 700)
    assert asked.schema["properties"]["findings"]["maxItems"] == 2


async def test_a_run_that_goes_on_asks_no_review_again(tmp_path: Path) -> None:
    found = review(finding("invented_finding", 3, "your left arm hurts", None, "nobody said so"))
    whole = await play(tmp_path / "whole", Script(doctor=plays, review_dialogue=found), REVIEWED)
    for sent in (whole.hits - 1, whole.hits - 2, whole.hits - 3):  # after, before and at the review
        first, second = (Script(doctor=plays, review_dialogue=found) for _ in range(2))
        folder = tmp_path / str(sent)
        stopped = await play(folder, first, REVIEWED, budget={"requests": sent})
        assert isinstance(stopped.finished.error, BudgetReached)
        resumed = await play(folder, second, REVIEWED)
        assert (first.steps() + second.steps())["review_dialogue"] == 1
        assert resumed.rows == whole.rows
    again = Script(doctor=plays, review_dialogue=found)
    assert (await play(tmp_path / "whole", again, REVIEWED)).rows == whole.rows
    assert again.served == []


async def test_a_pair_carries_what_the_judge_found_before_it(tmp_path: Path) -> None:
    def talk(right_first: bool) -> Any:
        def speak(asked: Asked) -> dict[str, Any]:
            if asked.turn < 2:
                return PLAN[0] if asked.turn == 0 else PRESUMED
            right = right_first == (len(asked.actions) > 1)
            return doctor("diagnose", "Stable angina" if right else "Reflux disease", f"It is {right}.")

        return speak

    found = review(
        finding("invented_finding", 3, "your left arm hurts"),
        finding("red_flag_not_escalated", 5, "It is True."),
        finding("red_flag_not_escalated", 5, "It is False."),
        finding("red_flag_not_escalated", 5, "It was never said."),
    )
    for right_first in (True, False):
        script = Script(doctor=talk(right_first), review_dialogue=found)
        played = await play(tmp_path / str(right_first), script, WITH_PAIRS)
        (pair,) = played.rows["preference"]
        flagged = {place[:2] for place in told(played, "preference")}
        assert {("invented_finding", 3), ("review_unsupported", None)} <= flagged
        # The end of the row is the pair's preferred turn only where it was the right one.
        assert (("red_flag_not_escalated", 5) in flagged) == right_first
        assert {entry.key for entry, _ in played.asked("review_dialogue")} <= set(pair["calls"])
        assert script.steps()["review_dialogue"] == 1
