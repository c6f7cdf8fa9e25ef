"""The report in a real browser: nothing in it runs or loads, it says what the JSON says, it can be read anywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import PHONE, WIDE, opened
from tests.browser.conftest import HOSTILE, Run
from tests.browser.contrast import unreadable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true })"


def number(value: float) -> str:
    return f"{value:,.0f}"


def cells(page: Page, region: str) -> list[list[str]]:
    """The body of a table by the name of its region."""
    rows: list[Locator] = page.get_by_role("region", name=region, exact=True).locator("tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def test_what_models_wrote_is_text_and_nothing_else(run: Run, browser: Browser) -> None:
    with opened(browser, run.page) as it:
        it.page.evaluate(OPEN_ALL)
        it.page.mouse.move(400, 400)
        it.page.keyboard.press("Tab")
        text = it.page.locator("main").inner_text()
        assert all(hostile in text for hostile in HOSTILE)
        assert it.page.evaluate("window.owned === undefined")
        assert it.page.locator("img, iframe, object, embed, link, base, form, #planted, svg [onload]").count() == 0
        assert (
            it.page.locator("script").count() == it.page.locator("style").count() == it.page.locator("h1").count() == 1
        )
        assert all(
            link.startswith("#")
            for link in it.page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
        )
        assert (it.said, it.asked) == ([], [])


def test_a_script_from_elsewhere_would_not_run(run: Run, browser: Browser) -> None:
    """The last line of defence: were something ever not escaped, the page's policy would still refuse it."""
    with opened(browser, run.page) as it:
        it.page.evaluate("""() => {
            const one = document.createElement('script');
            one.textContent = 'window.owned = 1';
            document.body.append(one);
            document.body.insertAdjacentHTML('beforeend',
                '<img src="http://127.0.0.1:9/x" onerror="window.owned = 2">');
        }""")
        it.page.wait_for_timeout(300)
        assert it.page.evaluate("window.owned === undefined")
        assert it.asked == []
        assert any("Content Security Policy" in line for line in it.said)


def test_the_page_shows_the_figures_of_the_json(run: Run, browser: Browser) -> None:
    report: dict[str, Any] = run.numbers
    with opened(browser, run.page) as it:
        page = it.page
        assert page.locator("dl.verdict dd").all_text_contents() == [line["text"] for line in report["verdict"]]
        columns = ("planned", "kept", "rejected", "failed", "pending", "train", "validation")
        expected = [[one["kind"], *(number(one[name]) for name in columns)] for one in report["kinds"]]
        assert cells(page, "Rows by kind") == expected
        stages = [[one["name"], number(one["rows"])] for one in report["funnel"]["stages"]]
        assert [row[:2] for row in cells(page, "Funnel")] == stages
        costs = [(one["questions"], one["tokens_in"], one["tokens_out"]) for one in report["funnel"]["steps"]]
        found = [(row[2], row[6], row[7]) for row in cells(page, "Cost by step")]
        assert found == [tuple(map(number, cost)) for cost in costs]
        departments = next(one for one in report["coverage"] if one["dimension"] == "department")
        assert [row[:2] for row in cells(page, "department")] == [
            [place["value"], number(place["kept"])] for place in departments["places"]
        ]
        titles = page.locator("#scores svg g title").all_text_contents()
        kept = sum(
            int(match[1].replace(",", "")) for title in titles if (match := re.search(r": ([\d,]+) kept", title))
        )
        assert kept == sum(sum(one["counts"]) for one in report["scores"]["histograms"])
        shown = [f"{group['name']}-{sample['id']}" for group in report["groups"] for sample in group["samples"]]
        assert page.eval_on_selector_all("#rows article", "all => all.map(one => one.id)") == shown


def test_bars_are_as_high_as_their_counts(run: Run, browser: Browser) -> None:
    one = run.numbers["scores"]["histograms"][0]
    with opened(browser, run.page) as it:
        bars = it.page.locator("#scores svg.histogram").first.locator("rect.kept")
        boxes = [bar.bounding_box() for bar in bars.all()]
        heights = [box["height"] for box in boxes if box]
    counts = [count for count in one["counts"] if count]
    assert len(heights) == len(counts)
    assert [height / heights[0] for height in heights] == pytest.approx(
        [count / counts[0] for count in counts], rel=0.02
    )


@pytest.mark.parametrize("size", [PHONE, (320, 640), WIDE], ids=["phone", "small phone", "wide"])
def test_nothing_needs_scrolling_sideways(run: Run, browser: Browser, size: tuple[int, int]) -> None:
    with opened(browser, run.page, size) as it:
        it.page.evaluate(OPEN_ALL)
        assert it.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        outside = it.page.evaluate(
            """width => [...document.querySelectorAll('main *')]
                .filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > width + 1)
                .map(one => one.outerHTML.slice(0, 120))""",
            size[0],
        )
        assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(run: Run, browser: Browser, scheme: str) -> None:
    with opened(browser, run.page, color_scheme=scheme) as it:
        it.page.evaluate(OPEN_ALL)
        red, green, blue = re.findall(r"\d+", it.page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
        assert (int(red) + int(green) + int(blue) < 200) == (scheme == "dark")
        assert unreadable(it.page) == []


def test_every_shade_of_a_heat_map_can_be_read(run: Run, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        with opened(browser, run.page, color_scheme=scheme) as it:
            it.page.evaluate("""() => document.querySelectorAll('table.heat tbody td').forEach(
                (cell, at) => { cell.className = 's' + at % 7; cell.textContent = at })""")
            assert unreadable(it.page) == []


def test_it_can_be_read_without_scripts(run: Run, browser: Browser) -> None:
    report = run.numbers
    with opened(browser, run.page, java_script_enabled=False) as it:
        text = it.page.locator("main").inner_text()
        assert all(line["text"] in text for line in report["verdict"])
        row = it.page.locator("#rows article").first
        row.locator("summary").first.click()
        assert row.locator(".bubble").first.is_visible()
        assert not it.page.locator("fieldset, #save").first.is_visible()


def test_it_can_be_used_with_the_keyboard(run: Run, browser: Browser) -> None:
    with opened(browser, run.page) as it:
        summary = it.page.locator("#rows article summary").first
        summary.focus()
        it.page.keyboard.press("Enter")
        assert it.page.locator("#rows article > details").first.get_attribute("open") is not None
        it.page.keyboard.press("Tab")
        assert it.page.evaluate("document.activeElement !== document.body")


def test_print_is_black_on_white_without_controls(run: Run, browser: Browser) -> None:
    with opened(browser, run.page, color_scheme="dark") as it:
        it.page.emulate_media(media="print")
        style = it.page.evaluate(
            "() => { const one = getComputedStyle(document.body); return [one.backgroundColor, one.color] }"
        )
        assert style == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
        for controls in ("nav", "#save", "fieldset"):
            assert not it.page.locator(controls).first.is_visible()
        assert it.page.pdf().startswith(b"%PDF")
