"""Runs that the tests of the report share: one made through a server, and folders exported from rows at hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from synth.export import export_run
from synth.fault_server import FaultOptions, serving
from synth.fingerprint import write_lock
from synth.rows import KINDS, Rejected
from synth.spec import Spec
from tests.runs import generate, write_spec
from tests.synth.factories import make_spec, stage_rows

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run through the fault server, with every recipe at work; copy it before changing it."""
    folder = tmp_path_factory.mktemp("reported")
    with serving(FaultOptions(models=("fault-model", "other-model"))) as server:
        ran = generate("--spec", write_spec(folder, server.url), "--out", folder / "run")
    assert ran.code == 0, ran.err
    assert "report" in ran.out
    return folder / "run"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Export rows into a run folder without journals."""

    def make(
        rows: Mapping[str, Sequence[dict[str, Any]]],
        rejected: Sequence[Rejected] = (),
        *,
        spec: Spec | None = None,
        name: str = "run",
        planned: Mapping[str, int] | None = None,
    ) -> Path:
        run, used = tmp_path / name, spec or make_spec(filters={"dedup": None, "phi": None})
        stage = stage_rows(run / "staging" / "00000", rows, rejected)
        plan = planned or {kind: len(rows.get(kind, ())) for kind in KINDS}
        write_lock(
            run / "spec.lock.yaml", used, fingerprint="f" * 64, template_hashes={}, seeds_digest="d", versions={}
        )
        export_run(run, [stage], used, planned=plan, fingerprint="f" * 64)
        return run

    return make
