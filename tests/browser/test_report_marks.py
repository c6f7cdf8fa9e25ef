"""A reviewer's way: open rows, mark them, save the file, apply it to the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.browser.chromium import opened
from tests.browser.conftest import Run
from tests.runs import finish, start

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COMMENT = 'wrong dose: "5 mg", <b>not</b> 50 – näher prüfen'


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Run:
    shutil.copytree(run.folder, tmp_path / "run")
    return Run(tmp_path / "run", run.spec)


def row_ids(page: Page) -> list[str]:
    """Rows on the page in their order, each once."""
    found: list[str] = page.eval_on_selector_all("fieldset[data-row]", "all => all.map(one => one.dataset.row)")
    return list(dict.fromkeys(found))


def mark(page: Page, row: str, verdict: str, comment: str = "") -> None:
    """Mark a row where it stands first."""
    article = page.locator("#rows article", has=page.locator(f'fieldset[data-row="{row}"]')).first
    if article.locator("> details").get_attribute("open") is None:
        article.locator("> details > summary").click()
    article.get_by_label(verdict, exact=True).check()
    article.get_by_label("Comment on this row").fill(comment)


def save(page: Page, to: Path) -> list[dict[str, Any]]:
    """Press the button and keep what it saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save marks").click()
    assert download.value.suggested_filename == "marks.jsonl"
    download.value.save_as(to)
    return [json.loads(line) for line in to.read_text("utf-8").splitlines()]


def exported(run: Path) -> set[str]:
    """Ids of the rows in the export."""
    return {one for path in run.glob("export/*/*.parquet") for one in pq.read_table(path)["id"].to_pylist()}


def test_marks_are_saved_as_json_lines(run: Run, browser: Browser, tmp_path: Path) -> None:
    with opened(browser, run.page) as it:
        first, second, third = row_ids(it.page)[:3]
        mark(it.page, first, "reject", f"  {COMMENT} ")
        mark(it.page, second, "reject")
        mark(it.page, second, "keep")
        mark(it.page, third, "keep", "fine")
        assert it.page.locator("#marked").text_content() == "3"
        assert sorted(save(it.page, tmp_path / "marks.jsonl"), key=lambda one: one["id"]) == sorted(
            [
                {"id": first, "mark": "reject", "comment": COMMENT},
                {"id": second, "mark": "keep", "comment": ""},
                {"id": third, "mark": "keep", "comment": "fine"},
            ],
            key=lambda one: one["id"],
        )
        assert (it.said, it.asked) == ([], [])


def test_a_row_that_stands_twice_is_marked_as_a_whole(run: Run, browser: Browser, tmp_path: Path) -> None:
    """The page shows a row in several groups; what is marked in one is marked in all, and can be changed in any."""
    with opened(browser, run.page) as it:
        boxes = it.page.eval_on_selector_all("fieldset[data-row]", "all => all.map(one => one.dataset.row)")
        twice = next(row for row in boxes if boxes.count(row) > 1)
        mark(it.page, twice, "reject", COMMENT)
        last = it.page.locator(f'fieldset[data-row="{twice}"]').last
        assert last.locator("input[value=reject]").is_checked()
        assert last.locator("input[type=text]").input_value() == COMMENT
        it.page.locator("#rows article", has=last).last.locator("> details > summary").click()
        last.get_by_label("keep", exact=True).check()
        assert it.page.locator("#marked").text_content() == "1"
        assert save(it.page, tmp_path / "marks.jsonl") == [{"id": twice, "mark": "keep", "comment": COMMENT}]


def test_saved_marks_are_applied_without_asking_anything(copied: Run, browser: Browser, tmp_path: Path) -> None:
    before = exported(copied.folder)
    with opened(browser, copied.page) as it:
        gone = next(row for row in row_ids(it.page) if row in before)
        mark(it.page, gone, "reject", COMMENT)
        save(it.page, tmp_path / "marks.jsonl")
    ran = finish(start("--spec", copied.spec, "--out", copied.folder, "--marks", tmp_path / "marks.jsonl"))
    assert ran.code == 0, ran.err
    assert gone not in exported(copied.folder)
    with opened(browser, copied.page) as it:
        reviewers = it.page.locator("#marks")
        assert "1 rows were marked: 0 to keep, 1 to reject" in reviewers.inner_text()
        assert COMMENT in reviewers.inner_text()
        assert reviewers.locator("b").count() == 0
