"""The command: a picture of the top of a page, as the README shows it.

    python -m tests.browser.picture datasets_out/cardiology/report.html docs/images/report.png
    python -m tests.browser.picture PAGE OUT --phone --dark --whole --open

Needs a Chromium on PATH. Writes PNG at the screen's own resolution.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.browser.chromium import PHONE, WIDE, browsing, opened


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.picture", description="Take a picture of a page.")
    parser.add_argument("page", type=Path, metavar="PAGE", help="an HTML file, for example a run's report.html")
    parser.add_argument("out", type=Path, metavar="OUT", help="the PNG to write")
    parser.add_argument("--phone", action="store_true", help="as narrow as a phone")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--whole", action="store_true", help="the whole page, not what a window shows")
    parser.add_argument("--open", action="store_true", help="with everything that can be opened open")
    parser.add_argument("--height", type=int, default=WIDE[1], help="of the window in pixels (%(default)s)")
    given = parser.parse_args(argv)
    size = PHONE if given.phone else (WIDE[0], given.height)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with (
        browsing() as browser,
        opened(browser, given.page, size, color_scheme="dark" if given.dark else "light") as it,
    ):
        if given.open:
            it.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        it.page.screenshot(path=given.out, full_page=given.whole)
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
