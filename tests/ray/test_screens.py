"""Curation with rows screened on a cluster writes the bytes of curation on one machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from synth.export import export_run
from synth.rows import KINDS
from synth.screens import Screens
from tests.ray.conftest import STORE
from tests.runs import data_files
from tests.synth.factories import make_row, make_spec, stage_rows

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

VIGNETTE = (
    "A 57-year-old man comes to the clinic with three weeks of pain behind the breastbone when he climbs stairs; "
    "it goes away after a few minutes of rest and he has smoked a pack a day since he was twenty. "
    "What is the next best step?"
)
PERSON = "My name is Adaeze Okonkwo, born 3 March 1961, call me at +1 415 555 0134."
REFUSAL = "I'm sorry, but I can't help with that request."


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, object_store_memory=STORE, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "medqa_test.jsonl"
    options = {"A": "Exercise testing", "B": "Aspirin", "C": "Angiography", "D": "Rest"}
    item = {"question": VIGNETTE, "options": options, "answer": "Rest", "answer_idx": "D", "meta_info": "step1"}
    path.write_text(json.dumps(item) + "\n", encoding="utf-8")
    return path


def said(kind: str, text: str, number: int, **changes: Any) -> dict[str, Any]:
    row = make_row(kind, number=number, **changes)
    speech = {"role": "assistant", "content": text}
    return row | ({"chosen": [speech]} if kind == "preference" else {"messages": [*row["messages"][:-1], speech]})


def stages_of(folder: Path) -> list[Path]:
    """Three shards; some ids come twice, with other texts: one is harmless where it comes first, one is not."""
    stages = []
    for shard in range(3):
        rows = {}
        for kind in KINDS:
            texts = ["Rest helps.", REFUSAL, f"See: {VIGNETTE} Rest.", PERSON, "Rest and aspirin help."]
            own = [said(kind, text, 10 * shard + n, quality=5 + n) for n, text in enumerate(texts)]
            again = [said(kind, text, number) for number, text in ((0, PERSON), (1, "Fine."), (3, REFUSAL))]
            twin = own[4] | {"id": f"{kind}-twin-{shard}", "quality": 10}
            rows[kind] = [*own, twin, *again] if shard else [*own, twin]
        stages.append(stage_rows(folder / f"{shard:05d}", rows))
    return stages


@pytest.mark.parametrize("mode", ["report", "mask", "drop"])
@pytest.mark.parametrize("quotas", [{}, {"department": {"Cardiology": 4}}])
def test_the_same_files(ray: Any, tmp_path: Path, benchmark: Path, mode: str, quotas: dict[str, Any]) -> None:
    from synth.ray_screens import screened_on

    against = {"against": [str(benchmark)]}
    filters = {"rules": {}, "decontaminate": against, "phi": {"mode": mode}, "quotas": quotas, "dedup": {"rows": 0.9}}
    spec = make_spec(filters=filters)
    stages = stages_of(tmp_path / "staging")
    planned = dict.fromkeys(KINDS, 24)
    for name in ("one", "ray"):
        (tmp_path / name).mkdir()
    alone = export_run(tmp_path / "one", stages, spec, planned=planned, fingerprint="f")
    screens = Screens(spec.filters, "en")
    # Nodes have the benchmarks from the driver.
    benchmark.unlink()
    known = screened_on(ray, screens, stages)
    found = export_run(tmp_path / "ray", stages, spec, planned=planned, fingerprint="f", screens=known)
    reasons = {"refusal", "contaminated", "near_duplicate", "duplicate_id"}
    reasons |= ({"over_quota"} if quotas else set()) | ({"phi"} if mode == "drop" else set())
    assert set(alone.rejected["sft"]) >= reasons
    assert found.rejected == alone.rejected
    assert data_files(tmp_path / "ray") == data_files(tmp_path / "one")


def test_a_node_without_the_shard_says_so(ray: Any, tmp_path: Path) -> None:
    from synth.ray_screens import screened_on

    screens = Screens(make_spec().filters, "en")
    with pytest.raises(UserError, match="sees another disk under this path"):
        screened_on(ray, screens, [*stages_of(tmp_path), tmp_path / "00007"])


def test_a_row_that_no_node_has_seen_is_screened_where_it_is(tmp_path: Path) -> None:
    from synth.ray_screens import Screened, screened
    from synth.setup import code_digest, versions

    for mode in ("drop", "mask"):
        screens = Screens(make_spec(filters={"phi": {"mode": mode}}).filters, "en")
        stage = stage_rows(tmp_path / mode, {"sft": [said("sft", PERSON, 1)]})
        verdicts = screened(screens, str(stage), (code_digest(), versions()))
        assert isinstance(verdicts, dict)
        other = said("sft", f"{PERSON} Rest.", 1)
        known = Screened(screens, verdicts)
        assert known.drops("sft", [other]) == screens.drops("sft", [other])
        assert known.marked("sft", other) == screens.marked("sft", other)
        assert (known.drops("sft", [other]) != [None]) == (mode == "drop")
        assert (known.marked("sft", other) != other) == (mode == "mask")


def test_another_image_is_told(tmp_path: Path) -> None:
    from synth.ray_screens import screened

    error = screened(Screens(make_spec().filters, "en"), str(tmp_path), ("another", {}))
    assert isinstance(error, UserError)
    assert "other code or packages than the driver" in str(error)
