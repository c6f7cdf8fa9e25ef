"""A model as the doctor against a real server: what is measured, what is refused, and that nothing is asked twice."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.consult import main
from evaluation.consult_files import SUMMARY, TABLE
from evaluation.consultations import holds_alarm, told
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.scripted import Asked, Script, doctor
from tests.synth.test_seed_records import patient

SAID = {"say": "My big toe hurts. I am 41 years old."}


def right(asked: Asked) -> dict[str, Any]:
    """Asks, examines, tests twice, and names gout."""
    plan = [
        doctor("ask", "pain", "Where does it hurt?"),
        doctor("examine", "toe", "Let me see your toe."),
        doctor("test", "uric acid", "I would like a blood test."),
        doctor("test", "MRI", "And a scan."),
    ]
    last = doctor("diagnose", "gout", "This is gout. Come back at once if you get a fever.")
    return plan[asked.turn] if asked.turn < len(plan) and asked.actions != ["diagnose"] else last


def wrong(asked: Asked) -> dict[str, Any]:
    said = doctor("ask", "pain", "Where does it hurt?")
    return said if asked.turn == 0 else doctor("diagnose", "a sprain", "This is a sprain.")


def other_illness(number: int) -> dict[str, Any]:
    return patient(number, "Gout" if number % 2 else "Septic arthritis")


async def consult(
    folder: Path,
    script: Script,
    *options: str,
    rows: int = 3,
    out: str = "out",
    doctor_name: str = "doctor-1",
    case: Callable[[int], dict[str, Any]] = patient,
) -> tuple[int, int]:
    """Exit code, and how many requests the server got."""
    cases = folder / "cases.jsonl"
    cases.write_text("".join(json.dumps(case(n)) + "\n" for n in range(1, rows + 1)), encoding="utf-8")
    names = (doctor_name, "judge-1", "patient-1")
    async with FaultServer(FaultOptions(reply=script, models=names)) as server:
        models = [f"{{engine: openai, base_url: '{server.url}', model: {name}, retries: 0}}" for name in names]
        arguments = ["--model", models[0], "--judge", models[1], "--patient", models[2], "--cases", str(cases)]
        code = await asyncio.to_thread(main, [*arguments, "--out", str(folder / out), *options])
    return code, len(script.served)


def results(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return json.loads((folder / SUMMARY).read_text()), pq.read_table(folder / TABLE).to_pylist()


def counts(summary: Mapping[str, Any], *names: str) -> list[int]:
    return [summary["outcomes"][name] for name in names]


async def test_a_consultation_is_played_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(doctor=right, patient=SAID)
    code, _ = await consult(tmp_path, script)
    assert code == 0
    summary, rows = results(tmp_path / "out")
    assert summary["doctor"] == "doctor-1"
    assert (summary["fixed"]["patient"], summary["fixed"]["judge"]) == ("patient-1", "judge-1")
    assert set(summary["fixed"]["prompts"]) == {"doctor", "patient", "diagnosis", "rubric_judge"}
    assert not summary["self_judged"]
    assert counts(summary, "consultations", "diagnosed", "doctor_unusable", "not_played") == [3, 3, 0, 0]
    accuracy = summary["measures"]["diagnosis_correct"]
    assert (accuracy["value"], accuracy["n"], accuracy["how"]) == (1.0, 3, "wilson")
    assert 0.3 < accuracy["low"] < 0.5
    row = rows[0]
    assert (row["questions"], row["examinations"], row["tests"], row["doctor_turns"]) == (1, 1, 2, 5)
    assert (row["diagnosis"], row["expected"], row["graded_by"]) == ("gout", "Gout", "name")
    assert [turn["text"] for turn in row["turns"] if turn["speaker"] == "result"] == [
        "[Examination: Toe] red and hot",
        "[Test: Uric acid] 9.1 mg/dL",
        "[Test: MRI] Not done; no result available.",
    ]
    assert 0 < row["rubric_score"] < 1
    assert 0 < row["facts_told"] <= row["facts_known"]
    assert "diagnosis_correct" in capsys.readouterr().out


async def test_what_each_role_cost_adds_up(tmp_path: Path) -> None:
    script = Script(doctor=right, patient=SAID)
    await consult(tmp_path, script)
    summary, rows = results(tmp_path / "out")
    for role in ("doctor", "patient", "judge"):
        for name in ("tokens_in", "tokens_out"):
            assert summary["cost"][role][name] == sum(row[f"{role}_{name}"] for row in rows) > 0


async def test_the_same_command_again_asks_nothing_and_says_the_same(tmp_path: Path) -> None:
    await consult(tmp_path, Script(doctor=right, patient=SAID))
    before = (tmp_path / "out" / SUMMARY).read_bytes(), (tmp_path / "out" / TABLE).read_bytes()
    code, asked = await consult(tmp_path, Script(doctor=right, patient=SAID))
    assert (code, asked) == (0, 0)
    assert ((tmp_path / "out" / SUMMARY).read_bytes(), (tmp_path / "out" / TABLE).read_bytes()) == before


async def test_more_cases_ask_only_about_the_new_ones(tmp_path: Path) -> None:
    await consult(tmp_path, Script(doctor=right, patient=SAID), "--limit", "1")
    first = results(tmp_path / "out")[1]
    script = Script(doctor=right, patient=SAID)
    await consult(tmp_path, script)
    rows = results(tmp_path / "out")[1]
    assert rows[:1] == first
    assert len(rows) == 3
    assert script.steps()["doctor"] == 2 * first[0]["doctor_turns"]


async def test_a_model_that_the_server_lacks_stops_the_command_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text("".join(json.dumps(patient(n)) + "\n" for n in range(1, 4)), encoding="utf-8")
    script = Script(doctor=right, patient=SAID)
    async with FaultServer(FaultOptions(reply=script, models=("patient-1",))) as server:
        one = f"{{engine: openai, base_url: '{server.url}', retries: 0, model: "
        arguments = ["--model", one + "nobody}", "--judge", one + "patient-1}", "--cases", str(cases)]
        assert await asyncio.to_thread(main, [*arguments, "--out", str(tmp_path / "out")]) == 4
    assert not script.served
    assert "nobody" in capsys.readouterr().err
    assert not (tmp_path / "out" / SUMMARY).exists()


async def test_the_doctor_never_sees_the_card(tmp_path: Path) -> None:
    script = Script(doctor=wrong, patient=SAID)
    await consult(tmp_path, script)
    seen = [asked.text.lower() for asked in script.served if asked.step == "doctor"]
    assert seen
    assert not any("gout" in text or "9.1" in text for text in seen)


async def test_another_name_goes_to_the_judge(tmp_path: Path) -> None:
    by_judge = Script(doctor=wrong, patient=SAID, diagnosis={"verdict": "yes"})
    await consult(tmp_path, by_judge, out="yes")
    silent = Script(doctor=wrong, patient=SAID, diagnosis="I would rather not say.")
    await consult(tmp_path, silent, out="none")
    summary, rows = results(tmp_path / "yes")
    assert {row["graded_by"] for row in rows} == {"judge"}
    assert summary["measures"]["diagnosis_correct"]["value"] == 1.0
    assert summary["measures"]["diagnosis_by_name"]["value"] == 0.0
    summary, rows = results(tmp_path / "none")
    assert counts(summary, "diagnosed", "diagnosis_ungraded") == [3, 3]
    assert summary["measures"]["diagnosis_correct"] is None
    assert {row["diagnosis_correct"] for row in rows} == {None}


async def test_a_doctor_of_no_use_is_wrong_and_a_patient_of_no_use_is_left_out(tmp_path: Path) -> None:
    await consult(tmp_path, Script(doctor="Sorry, no.", patient=SAID), out="doctor")
    summary, _ = results(tmp_path / "doctor")
    assert counts(summary, "diagnosed", "doctor_unusable", "not_played") == [0, 3, 0]
    assert summary["measures"]["diagnosis_correct"]["value"] == 0.0
    await consult(tmp_path, Script(doctor=right, patient="Hm."), out="patient")
    summary, rows = results(tmp_path / "patient")
    assert counts(summary, "diagnosed", "doctor_unusable", "not_played") == [0, 0, 3]
    assert set(summary["measures"].values()) == {None}
    assert all("patient" in row["why"] for row in rows)


@pytest.mark.parametrize(("verdict", "share"), [("yes", 1.0), ("no", 0.0)])
async def test_a_judge_that_says_yes_to_everything_is_found_out(tmp_path: Path, verdict: str, share: float) -> None:
    script = Script(doctor=right, patient=SAID, diagnosis={"verdict": verdict})
    await consult(tmp_path, script, rows=4, case=other_illness)
    summary, rows = results(tmp_path / "out")
    assert (summary["judge_false_yes"]["value"], summary["judge_false_yes"]["n"]) == (share, 4)
    assert summary["measures"]["diagnosis_correct"]["value"] == (1 + share) / 2
    assert summary["measures"]["diagnosis_by_name"]["value"] == 0.5
    controls = [asked.user for asked in script.served if "This is Gout." in asked.user]
    assert len(controls) == 2
    assert all("Expected: Septic arthritis" in text for text in controls)
    assert summary["cost"]["judge"]["tokens_in"] > sum(row["judge_tokens_in"] for row in rows)


async def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text("".join(json.dumps(other_illness(n)) + "\n" for n in range(1, 5)), encoding="utf-8")
    script = Script(doctor=right, patient=SAID)
    async with FaultServer(FaultOptions(reply=script, models=("judge-1",), latency_ms=30)) as server:
        model = f"{{engine: openai, base_url: '{server.url}', model: judge-1, retries: 0, max_in_flight: 2}}"
        command = ["--model", model, "--cases", str(cases), "--out", str(tmp_path / "out")]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "evaluation.consult", *command)
        while len(script.served) < 12:
            await asyncio.sleep(0.01)
            assert process.returncode is None
        process.kill()
        await process.wait()
        assert await asyncio.to_thread(main, command) == 0
        again = len(script.served)
        assert await asyncio.to_thread(main, [*command[:-1], str(tmp_path / "whole")]) == 0
        whole = len(script.served) - again
    assert whole <= again <= whole + 2
    (_, rows), (_, expected) = results(tmp_path / "out"), results(tmp_path / "whole")
    assert rows == expected


async def test_two_doctors_are_paired_on_the_same_cases(tmp_path: Path) -> None:
    await consult(tmp_path, Script(doctor=wrong, patient=SAID), out="base", doctor_name="base-1", rows=6)
    against = ("--against", str(tmp_path / "base"))
    await consult(tmp_path, Script(doctor=right, patient=SAID), *against, out="tuned", rows=6)
    summary, _ = results(tmp_path / "tuned")
    assert summary["paired"]["doctor"] == "base-1"
    found = summary["paired"]["differences"]["diagnosis_correct"]
    assert (found["value"], found["won"], found["lost"], found["n"]) == (1.0, 6, 0, 6)
    assert found["p"] == 2 / 2**6
    assert summary["paired"]["differences"]["tests"]["value"] == 2.0


async def test_results_under_another_ruler_do_not_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await consult(tmp_path, Script(doctor=wrong, patient=SAID), out="base")
    script = Script(doctor=right, patient=SAID)
    code, asked = await consult(tmp_path, script, "--max-turns", "6", "--against", str(tmp_path / "base"), out="new")
    assert (code, asked) == (2, 0)
    assert "its max_turns was 12, here it is 6" in capsys.readouterr().err


async def test_another_doctors_results_are_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await consult(tmp_path, Script(doctor=wrong, patient=SAID))
    code, asked = await consult(tmp_path, Script(doctor=right, patient=SAID), doctor_name="doctor-2")
    assert (code, asked) == (2, 0)
    assert "holds results of the doctor 'doctor-1'" in capsys.readouterr().err


def weights(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


async def test_doctors_whose_folders_have_the_same_last_name_are_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps(patient(1)) + "\n", encoding="utf-8")
    folders = [weights(tmp_path / name / "final", name.encode()) for name in ("sft", "dpo")]
    script = Script(doctor=right, patient=SAID)
    out = tmp_path / "out"
    async with FaultServer(FaultOptions(reply=script, models=("final", "judge-1"))) as server:
        judge = f"{{engine: openai, base_url: '{server.url}', model: judge-1, retries: 0}}"

        async def code(folder: Path) -> int:
            model = f"{{engine: vllm, base_url: '{server.url}', model: '{folder}', retries: 0}}"
            arguments = ["--model", model, "--judge", judge, "--cases", str(cases), "--out", str(out)]
            return await asyncio.to_thread(main, arguments)

        assert await code(folders[0]) == 0
        asked, first = script.steps()["doctor"], results(out)[0]["doctor"]
        assert first.startswith("final@")
        assert str(tmp_path) not in first
        assert await code(folders[1]) == 2
        assert f"holds results of the doctor {first!r}" in capsys.readouterr().err
        (out / SUMMARY).unlink()  # as if the first had been killed at its end
        assert await code(folders[1]) == 0
        assert script.steps()["doctor"] == 2 * asked
        assert results(out)[0]["doctor"] not in (first, "final")
        (out / SUMMARY).unlink()
        assert await code(folders[0]) == 0
        assert script.steps()["doctor"] == 2 * asked
        assert results(out)[0]["doctor"] == first


async def test_money_is_shown_only_where_a_price_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await consult(tmp_path, Script(doctor=right, patient=SAID), out="free")
    assert "$" not in capsys.readouterr().out
    assert {one["usd"] for one in results(tmp_path / "free")[0]["cost"].values()} == {None}
    cases = tmp_path / "cases.jsonl"
    script = Script(doctor=right, patient=SAID)
    async with FaultServer(FaultOptions(reply=script, models=("doctor-1", "judge-1"))) as server:
        model = f"{{engine: openai, base_url: '{server.url}', model: doctor-1, price: {{input: 1, output: 2}}}}"
        judge = f"{{engine: openai, base_url: '{server.url}', model: judge-1}}"
        arguments = ["--model", model, "--judge", judge, "--cases", str(cases), "--out", str(tmp_path / "paid")]
        assert await asyncio.to_thread(main, arguments) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " tokens in, " in line]
    assert {line.split()[0]: "$" in line for line in lines} == {"doctor": True, "patient": False, "judge": False}
    summary, rows = results(tmp_path / "paid")
    doctor_cost = summary["cost"]["doctor"]
    assert doctor_cost["usd"] == pytest.approx((doctor_cost["tokens_in"] + 2 * doctor_cost["tokens_out"]) / 1e6)
    assert all(row["doctor_usd"] > 0 and row["judge_usd"] is None for row in rows)


@pytest.mark.parametrize("in_the_way", [TABLE, SUMMARY])
async def test_results_that_cannot_be_written_are_one_line_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_the_way: str
) -> None:
    (tmp_path / "out" / in_the_way).mkdir(parents=True)
    code, asked = await consult(tmp_path, Script(doctor=right, patient=SAID))
    assert (code, asked > 0) == (1 if in_the_way == TABLE else 2, in_the_way == TABLE)
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"{tmp_path / 'out'}: ")
    (tmp_path / "out" / in_the_way).rmdir()
    code, asked_again = await consult(tmp_path, Script(doctor=right, patient=SAID))
    assert (code, asked_again > 0) == (0, in_the_way == SUMMARY)


async def test_cases_that_cannot_be_played_are_counted(tmp_path: Path) -> None:
    sexless = patient(1)
    sexless["OSCE_Examination"]["Patient_Actor"]["Demographics"] = "41-year-old student"
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(sexless) + "\n" + json.dumps(patient(9)) + "\n")
    await consult(tmp_path, Script(doctor=right, patient=SAID), "--cases", str(other))
    summary, rows = results(tmp_path / "out")
    assert summary["cases"] == {"read": 2, "unusable": {"no_sex": 1}}
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("nowhere.yaml", "nowhere.yaml: no such file"),
        ("{engine: opena, model: m}", "did you mean 'openai'"),
        ("{engine: openai, model: m, base_url: 'http://x/v1', slotz: 3}", "slotz: unknown key"),
        ("{engine: openai, model: m}", "base_url is missing"),
        ("{engine: [}", "the model:1:"),
        ("{name: x, models: {generator: {engine: local}}, produce: {}}", "this is a whole spec: name a file with the"),
        ("{generator: {engine: local}}", "this is a whole spec: name a file with the"),
        ("{engine: local, models: 3}", "models: unknown key"),
    ],
)
def test_a_model_that_is_none_is_one_line(
    model: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--model", model, "--cases", str(tmp_path / "c.jsonl"), "--out", str(tmp_path / "out")])
    told_user = capsys.readouterr().err
    assert code == 2
    assert complaint in told_user
    assert told_user.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"doctor": "m"}'])
def test_results_that_are_none_are_one_line(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    if content is not None:
        pq.write_table(pa.table({"id": ["a"]}), base / TABLE)
        (base / SUMMARY).write_text(content)
    (tmp_path / "c.jsonl").write_text(json.dumps(patient(1)) + "\n")
    arguments = ["--model", "packaged", "--cases", str(tmp_path / "c.jsonl"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--against", str(base)]) == 2
    assert "evaluation.consult" in capsys.readouterr().err


@pytest.mark.parametrize("there", [False, True])
def test_no_other_results_at_all(there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if there:
        (tmp_path / "nope").mkdir()
    (tmp_path / "c.jsonl").write_text(json.dumps(patient(1)) + "\n")
    arguments = ["--model", "packaged", "--cases", str(tmp_path / "c.jsonl"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--against", str(tmp_path / "nope")]) == 2
    error = capsys.readouterr().err
    assert f"--against: {tmp_path / 'nope'}: " in error
    assert ("no results of evaluation.consult" if there else "no such folder") in error
    assert "Errno" not in error
    assert error.count("\n") == 1


def test_files_without_cases_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "q.jsonl").write_text('{"something": "else"}\n')
    code = main(["--model", "packaged", "--cases", str(tmp_path / "q.jsonl"), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "no known benchmark" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (["My big toe has been hurting since Monday."], ["The big toe hurts."]),
        (["I have no fever."], ["No fever was noted."]),
        (["I feel well."], []),
        ([], []),
    ],
)
def test_a_fact_is_told_when_half_of_its_words_are(heard: list[str], expected: list[str]) -> None:
    assert told(["The big toe hurts.", "No fever was noted.", "Smokes ten cigarettes daily."], heard) == expected


def test_an_alarm_is_there_whatever_the_doctor_says() -> None:
    said = [
        {"speaker": "patient", "text": "I have crushing chest pain that goes down my left arm, and I am sweating."},
        {"speaker": "doctor", "text": "", "action": "diagnose", "argument": "reflux"},
    ]
    case = {"diagnosis": "Stable angina", "red_flags": []}
    for words in ("This is reflux, rest at home.", "Call an ambulance now, you need to go to the hospital."):
        said[1]["text"] = words
        assert holds_alarm(said, case)
    said[0]["text"] = "My nose runs a little."
    assert not holds_alarm(said, case)
