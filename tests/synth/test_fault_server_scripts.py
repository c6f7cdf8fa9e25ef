"""Scripts, faults by body, and mistakes in either."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import UserError
from synth.fault_args import load_script
from synth.fault_kinds import CONTENT, ERRORS
from synth.fault_replies import fault_of
from synth.fault_server import FaultOptions, FaultServer, main
from synth.fault_stats import canonical_hash
from tests.synth.fault_client import all_of, asking, send

# Scripts


async def test_a_script_is_played_in_order_of_arrival_and_then_all_is_normal() -> None:
    script = ("500", None, "429-none", "reset", None, "no-model")
    seen = await all_of(FaultOptions(script=script), [asking(f"{i}") for i in range(9)])
    assert [status for status, _ in seen] == ["500", "200", "429", "broken", "200", "404", "200", "200", "200"]


async def test_a_request_that_is_refused_anyway_uses_its_entry_up() -> None:
    seen = await all_of(FaultOptions(script=("500", "503", "504")), [asking("a"), b"{", asking("b")])
    assert [status for status, _ in seen] == ["500", "400", "504"]


async def test_after_the_script_the_error_rate_rules_with_the_same_draws() -> None:
    bodies = [asking(f"{i}") for i in range(30)]
    rate = {"error_rate": 0.5, "errors": ("500", "503"), "seed": 5}
    drawn = await all_of(FaultOptions(**rate), bodies)  # type: ignore[arg-type]
    scripted = await all_of(FaultOptions(script=(None,) * 10, **rate), bodies)  # type: ignore[arg-type]
    assert {status for status, _ in scripted[:10]} == {"200"}
    assert scripted[10:] == drawn[10:]
    assert {status for status, _ in drawn} == {"200", "500", "503"}


@given(st.lists(st.none() | st.sampled_from(ERRORS), max_size=20), st.booleans())
def test_scripts_are_read_as_a_list_or_by_line(tmp_path_factory: Any, script: list[str | None], by_line: bool) -> None:
    path = tmp_path_factory.mktemp("script") / "script.json"
    path.write_text("\n".join(map(json.dumps, script)) + "\n\n" if by_line else json.dumps(script, indent=1))
    assert load_script(str(path)) == tuple(script)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"500"\n"resset"\n', r"script.jsonl:2: unknown 'resset'; did you mean 'reset'\?"),
        ('["500", null, "hangs"]', r"script.jsonl, entry 3: unknown 'hangs'; did you mean 'hang'\?"),
        ("429\n\n418", r"script.jsonl:3: unknown '418'; did you mean '4\d\d'\?"),
        ("reset\n", r"script.jsonl:1: not JSON .*with quotes"),
        ('["500",', r"script.jsonl: not JSON"),
        ("true", r"script.jsonl:1: true is neither"),
        ('{"fault": "500"}', r'script.jsonl:1: {"fault": "500"} is neither'),
    ],
)
def test_mistakes_in_a_script_name_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_script(str(path))
    assert main(["--script", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [str(caught.value)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--script", "nowhere.jsonl"], "--script nowhere.jsonl: No such file or directory"),
        (
            ["--content-faults", "refusl"],
            "--content-faults: unknown 'refusl'; did you mean 'refusal'? --help lists all",
        ),
        (["--content-faults", "reset"], "--content-faults: unknown 'reset'; did you mean"),
        (["--content-fault-rate", "0.1"], "--content-fault-rate needs --content-faults"),
        (["--content-fault-rate", "1.5"], "--content-fault-rate: 1.5 is not between 0 and 1"),
        (["--outage", "soon"], "--outage: 'soon' is not START:SECONDS"),
        (["--outage", "5"], "--outage: '5' is not START:SECONDS"),
        (["--outage", "5:0"], "--outage: START must not be negative"),
        (["--outage", "nan:1"], "--outage: START must not be negative"),
        (["--hit-log", "nowhere/hits.jsonl"], "--hit-log nowhere/hits.jsonl: No such file or directory"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)


def test_a_script_of_options_is_checked_too() -> None:
    with pytest.raises(UserError, match="--script, entry 2: unknown 'rest'; did you mean 'reset'"):
        FaultOptions(script=(None, "rest"))


# Faults by body


async def test_content_faults_hang_on_the_body_alone() -> None:
    bodies = [asking(f"case {i}") for i in range(200)]
    faults = tuple(name for name in CONTENT if name != "combining")  # which takes a second
    first = await all_of(FaultOptions(content_faults=faults, content_fault_rate=0.5), bodies)
    turned = FaultOptions(content_faults=faults, content_fault_rate=0.5, seed=9, latency_ms=0.1, script=("500",) * 3)
    again = await all_of(turned, list(reversed(bodies)))
    assert again[3:] == list(reversed(first))[3:]
    plain = await all_of(FaultOptions(), bodies)
    assert 70 < sum(one != other for one, other in zip(first, plain, strict=True)) < 130


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_the_share_of_bodies_is_as_asked_and_every_fault_gets_some(rate: float) -> None:
    options = FaultOptions(content_faults=("nul", "parts", "deep"), content_fault_rate=rate)
    seen = Counter(fault_of(canonical_hash(asking(f"case {i}")), options) for i in range(2000))
    assert seen[""] == pytest.approx(2000 * (1 - rate), abs=80)
    assert all(seen[name] == pytest.approx(2000 * rate / 3, abs=80) for name in ("nul", "parts", "deep"))


async def test_a_fault_on_the_way_carries_the_reply_that_the_body_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.fault_delivery.STEP", 0.0)
    options = FaultOptions(content_faults=("wrong-model",), content_fault_rate=1.0, script=("blank-drip", None, "nul"))
    seen = [json.loads(body) for _, body in await all_of(options, [asking("case")] * 3)]
    assert seen[0] == seen[1]
    assert [reply["model"] for reply in seen] == ["another-model", "another-model", "fault-model"]
    assert "\0" in seen[2]["choices"][0]["message"]["content"]


async def test_stats_count_faults_of_both_kinds_by_name() -> None:
    options = FaultOptions(script=("429-none", "reset", "parts"), content_faults=("string",), content_fault_rate=1.0)
    async with FaultServer(options) as server, aiohttp.ClientSession() as session:
        for i in range(5):
            await send(session, server, asking(f"{i}"))
        stats = server.stats()
    assert stats["by_status"] == {"429": 1, "reset": 1, "200": 1, "string": 2}
    assert stats["by_fault"] == {"429-none": 1, "reset": 1, "parts": 1, "string": 2}
    assert (stats["hits"], stats["distinct"]) == (5, 1)
