"""Dialogues from stored cases, played for real, and what the data set says of its patients' traits."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from synth.export import export_run
from synth.recipes.personas import load_personas
from synth.run import stage_path
from tests.synth.played import Played, play
from tests.synth.scripted import Asked, Script, case
from tests.synth.test_seed_records import patient

CASES = {"source": "train.jsonl", "kind": "cases", "split": "train"}
ALONE: dict[str, Any] = {"dialogues": {}}


async def played_cases(folder: Path, script: Script, rows: list[dict[str, Any]], **spec: Any) -> Played:
    folder.mkdir(exist_ok=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return await play(folder, script, ALONE, seeds=CASES, **spec)


async def test_a_stored_case_is_played_without_asking_for_a_card(tmp_path: Path) -> None:
    script = Script()
    played = await played_cases(tmp_path, script, [patient(1), patient(2)])
    assert script.steps().get("case") is None
    assert len(played.rows["dialogue"]) == 2
    card = json.loads(played.rows["dialogue"][0]["case"])
    assert (card["age"], card["sex"], card["diagnosis"], card["complaint"]) == (41, "male", "Gout", "Pain")
    assert card["findings"] == ["Toe: red and hot"]
    for _, shown in played.asked("patient"):
        assert "My big toe hurts." in shown
        assert "Gout" not in shown
        assert "9.1 mg/dL" not in shown


async def test_resuming_a_run_on_cases_asks_nothing_again(tmp_path: Path) -> None:
    first = await played_cases(tmp_path, Script(), [patient(1)])
    again = await played_cases(tmp_path, Script(), [patient(1)])
    assert again.rows == first.rows
    assert again.hits == 0


async def test_a_case_that_gives_no_card_is_rejected_with_the_reason(tmp_path: Path) -> None:
    sexless = patient(1)
    sexless["OSCE_Examination"]["Patient_Actor"]["Demographics"] = "41-year-old student"
    told = patient(2)
    told["OSCE_Examination"]["Patient_Actor"]["History"] = "I have gout in my toe."
    script = Script()
    played = await played_cases(tmp_path, script, [sexless, told])
    assert sorted(played.why("dialogue")) == [("case", "bad_case"), ("case", "no_sex")]
    assert "patient" not in script.steps()


async def test_a_parent_speaks_for_a_child_under_twelve(tmp_path: Path) -> None:
    ages = {"topic-a": 11, "topic-b": 12, "topic-c": 0}
    script = Script(case=lambda asked: case(asked.topic, age=ages[asked.topic], medication=[], history=["It itches."]))
    played = await play(tmp_path, script, ALONE, list(ages))
    manners = {row["seed_id"]: json.loads(row["persona"])["manner"] for row in played.rows["dialogue"]}
    for topic, age in ages.items():
        shown = [text for _, text in played.asked("patient", topic)]
        assert shown
        assert all(("mother or father of the patient" in text) is (age < 12) for text in shown)
        assert ("parent" in manners[topic]) is (age < 12)


async def test_the_data_set_tells_which_traits_were_wanted_drawn_and_kept(tmp_path: Path) -> None:
    topics = [f"topic-{letter}" for letter in "abcdef"]

    def silent(asked: Asked) -> dict[str, Any]:
        assert asked.topic != "topic-f", "this one's patient never answers"
        return {"say": "I do not feel well."}

    cards = {"topic-a": case("topic-a", subject="other")}
    script = Script(case=lambda asked: cards.get(asked.topic) or case(asked.topic), patient=silent)
    played = await play(tmp_path, script, ALONE, topics, filters={"dedup": None}, max_failed=1.0)
    spec, run = played.setup.spec, played.setup.run
    result = export_run(run, [stage_path(run, 0)], spec, planned=played.setup.planned(), fingerprint="f")
    manifest = json.loads((result.export / "manifest.json").read_text())
    kept: Counter[tuple[str, str]] = Counter()
    for row in played.rows["dialogue"]:
        kept.update(json.loads(row["persona"]).items())
    coverage = manifest["personas"]
    count = len(played.rows["dialogue"])
    assert count == 4
    for trait, values in load_personas().traits.items():
        lines = [line for line in coverage if line["trait"].split()[0] == trait]
        assert {line["value"]: line["kept"] for line in lines} == {value: kept[trait, value] for value in values}
        assert (
            sum(line["drawn"] for line in lines) == count + 1
        )  # the silent one was drawn, the card of no case was not
        assert abs(sum(line["share"] for line in lines) - len({line["trait"] for line in lines})) < 0.01
    readme = (result.export / "README.md").read_text()
    assert "| expected | drawn | kept |" in readme
    assert "`manner 18-69`" in readme
