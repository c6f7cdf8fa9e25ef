"""Finding the installed Chromium and opening pages in it.

Playwright drives the system's own browser; it downloads none. No page reaches a network: requests other than ``file:``
are refused and noted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = (1280, 900), (360, 740)
"""Widths and heights in CSS pixels."""


@dataclass(slots=True)
class Opened:
    """A page and what it did."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """Addresses that the page wanted to load, its own file aside."""
    said: list[str] = field(default_factory=list)
    """Messages on the console, errors of scripts, dialogues."""


def installed() -> str | None:
    """Path of the system's Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser.

    Raises:
        RuntimeError: none is installed.
    """
    from playwright.sync_api import sync_playwright

    path = installed()
    if path is None:
        raise RuntimeError(f"no browser on PATH ({', '.join(NAMES)}); on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        # a container's root has no user namespaces to build the sandbox from; pages here are our own files
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, file: Path, size: tuple[int, int] = WIDE, **options: Any) -> Iterator[Opened]:
    """Open a file in a window of its own; ``options`` are Playwright's for a context (``color_scheme``, …)."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", accept_downloads=True, **options
    )
    try:
        found = Opened(context.new_page())
        own = file.resolve().as_uri()

        def route(one: Route) -> None:
            if one.request.url.partition("#")[0] == own:
                one.continue_()
            else:
                found.asked.append(one.request.url)
                one.abort()

        context.route("**/*", route)
        found.page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))

        def answer(dialog: Any) -> None:
            found.said.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        found.page.on("dialog", answer)
        found.page.goto(own)
        yield found
    finally:
        context.close()
