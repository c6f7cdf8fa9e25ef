"""A run whose models wrote markup and scripts, and a browser to look at its report with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from synth.fault_server import FaultOptions, serving
from synth.prose import pick
from synth.schema_values import compile_schema
from tests.browser.chromium import browsing, installed
from tests.runs import generate, write_spec

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
HOSTILE = (
    "<script>window.owned = 1; alert(1)</script>",
    "</script><script>window.owned = 2</script>",
    "<img src=http://127.0.0.1:9/x onerror='window.owned = 3'>",
    "<a href='javascript:window.owned=4' id=planted>press</a>",
    "</style></details></article></main><h1 id=planted>Owned</h1>",
    '" onmouseover="window.owned=5" autofocus onfocus="window.owned=6',
    "<svg onload='window.owned = 7'><iframe srcdoc='<script>parent.owned = 8</script>'></iframe>",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run with its spec; its server still answers."""

    folder: Path
    spec: Path

    @property
    def page(self) -> Path:
        return self.folder / "report.html"

    @property
    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text("utf-8"))
        return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the browser, and skip it where none is installed."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            if installed() is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on PATH (Debian: apt-get install chromium)"))


def reply(body: dict[str, Any]) -> str | None:
    """What the server would say, with something hostile in each text; the same for equal questions."""
    wanted = body.get("response_format", {})
    if wanted.get("type") != "json_schema":
        return None
    rng = Random(json.dumps(body, sort_keys=True))
    schema = json.loads(json.dumps(wanted["json_schema"]["schema"], sort_keys=True))
    return json.dumps(_spoiled(compile_schema(schema)(rng), rng))


def _spoiled(value: Any, rng: Random) -> Any:
    if isinstance(value, dict):
        return {key: _spoiled(one, rng) for key, one in value.items()}
    if isinstance(value, list):
        return [_spoiled(one, rng) for one in value]
    prose = isinstance(value, str) and value.endswith(".")  # names that a schema lists do not
    return f"{value} {pick(rng, HOSTILE)}" if prose else value


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("browser")
    with serving(FaultOptions(models=("fault-model",), reply=reply)) as server:
        spec = write_spec(folder, server.url, limit=16)
        ran = generate("--spec", spec, "--out", folder / "run")
        assert ran.code == 0, ran.err
        yield Run(folder / "run", spec)


@pytest.fixture(scope="package")
def browser(run: Run) -> Iterator[Browser]:
    """One browser for all tests; the run comes first, for Playwright keeps an event loop of its own in this thread."""
    with browsing() as one:
        yield one
