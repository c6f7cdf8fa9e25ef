"""The reports of training and evaluation in a real browser: nothing runs or loads, and they can be read anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluation.report import write_report
from tests.browser.chromium import PHONE, WIDE, opened
from tests.browser.conftest import HOSTILE
from tests.browser.contrast import unreadable
from tests.evaluation.hand_made import pattern, write_run
from tests.training.test_report import facts
from training.report import render_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def training(folder: Path) -> Path:
    page = folder / "training_report.html"
    page.write_text(render_report(facts(), [f"first row {text}" for text in HOSTILE]), encoding="utf-8")
    return page


def evaluation(folder: Path) -> Path:
    for run, marks in {"base": "+---+---" * 2, "sft": "++++++--" * 2}.items():
        for task in ("medqa", "general"):
            write_run(folder, run, task, pattern(task, marks, text=" ".join(HOSTILE)))
    return write_report(folder)


@pytest.fixture(scope="module", params=[training, evaluation], ids=["training", "evaluation"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = request.param(tmp_path_factory.mktemp("pages"))
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_it_is_inert_and_readable(page: Path, browser: Browser, size: tuple[int, int], scheme: str) -> None:
    with opened(browser, page, size, color_scheme=scheme) as it:
        it.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert (it.said, it.asked) == ([], [])
        assert it.page.evaluate("window.owned === undefined")
        assert it.page.locator("script, img, iframe, object, link, #planted").count() == 0
        assert it.page.locator("h1").count() == 1
        assert it.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert unreadable(it.page) == []
