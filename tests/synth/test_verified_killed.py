"""A run on exam items that is killed: the same bytes in the end, and no answered question asked again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from synth.fault_server import FaultOptions, serving
from tests.runs import asked, data_files, finish, generate, hits, start, wait_until
from tests.synth.items import item
from tests.synth.scripted import MODELS, Asked, Script, thinks


def mixed() -> Script:
    """One in two items needs a search, and one in four is never solved."""

    def search(asked: Asked) -> str:
        return thinks(asked, "Digoxin." if asked.topic[-1] in "15" else "Furosemide.")

    return Script(
        think=lambda asked: thinks(asked, "Digoxin." if asked.topic[-1] in "0246" else "Furosemide."), search=search
    )


def write_spec(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "items.jsonl").write_text("".join(json.dumps(item(f"topic-{n}")) + "\n" for n in range(8)), "utf-8")
    remote = {"engine": "openai", "base_url": url, "max_in_flight": 4}
    spec = {
        "name": "killed",
        "license": "cc-by-4.0",
        "shard_size": 4,
        "seeds": {"source": "items.jsonl", "kind": "items", "split": "train"},
        "models": {role: remote | {"model": MODELS[role]} for role in ("generator", "reasoner", "judge", "weak")},
        "produce": {
            "reasoning": {"chains": 1, "verify": True, "pass_rate": {"samples": 2}},
            "preferences": {"from": ["reasoning_over_answer", "verified_over_unverified"]},
        },
        "filters": {"dedup": None},
    }
    (folder / "spec.yaml").write_text(json.dumps(spec), "utf-8")
    return folder / "spec.yaml"


def test_a_killed_run_ends_with_the_same_bytes_and_asks_nothing_twice(tmp_path: Path) -> None:
    options: dict[str, Any] = {"models": tuple(MODELS.values()), "latency_ms": 5.0}
    with serving(FaultOptions(reply=mixed(), **options)) as server:
        ran = generate("--spec", write_spec(tmp_path / "whole", server.url), "--out", tmp_path / "whole" / "run")
        assert ran.code == 0, ran.err
        whole = hits(server)
    with serving(FaultOptions(reply=mixed(), **options)) as server:
        common = ("--spec", write_spec(tmp_path / "killed", server.url), "--out", tmp_path / "killed" / "run")
        process = start(*common)
        assert wait_until(lambda: hits(server) > whole // 2, process), finish(process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        answered = set(asked(tmp_path / "killed" / "run"))
        before = hits(server)
        assert 0 < len(answered) < whole
        ran = generate(*common)
        assert ran.code == 0, ran.err
        assert hits(server) - before == whole - len(answered)  # what was in flight, and the rest
    assert data_files(tmp_path / "killed" / "run") == data_files(tmp_path / "whole" / "run")
    assert set(asked(tmp_path / "killed" / "run")) == set(asked(tmp_path / "whole" / "run"))
