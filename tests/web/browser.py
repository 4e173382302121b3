"""A real Chromium for the pages: one per process, a fresh context for every look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.web.site import Office
from workflow.web.visit import LANGUAGE, SESSION

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Screen

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (390, 1440)
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser. Raises FileNotFoundError when it is not installed."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        raise FileNotFoundError(f"no browser at {CHROMIUM}: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def screen(
    browser: Browser,
    office: Office,
    role: str | None,
    *,
    language: str = "zh",
    width: int = 1440,
    scripts: bool = True,
    brought: dict[str, str] | None = None,
) -> Iterator[Screen]:
    """A window of this width in which somebody of this role is signed in and which has the `brought` cookies."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, java_script_enabled=scripts, base_url=office.url
    )
    session = {} if role is None else {SESSION: office.token(role)}
    cookies = {LANGUAGE: language, **session, **(brought or {})}
    context.add_cookies([{"name": name, "value": value, "url": office.url} for name, value in cookies.items()])
    try:
        context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        yield context.new_page()
    finally:
        context.close()
