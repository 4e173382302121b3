"""What holds for every page: its language, its statements, no violation of axe, no sideways scrolling, no script."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe

from tests.api.conftest import broken_off
from tests.web.browser import screen
from tests.web.site import Page, pages

MOST_STATEMENTS = 10
PAGES = [pytest.param(page, id=page.name) for page in pages()]
REQUEST_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def looking(office, page: Page):
    """A browser without a screen that brings what the page needs."""
    client = office.client(page.role)
    for name, value in page.cookies(office).items():
        client.cookies.set(name, value)
    return client


def heading(html: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", html, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("page", PAGES)
def test_it_is_there_in_both_languages(office, page: Page):
    client = looking(office, page)
    headings = []
    for language, tag in (("zh", "zh-CN"), ("en", "en")):
        client.cookies.set("baozhuang_lang", language)
        answer = client.get(office.path(page), follow_redirects=False)
        assert answer.status_code == page.status, answer.text
        assert f'<html lang="{tag}">' in answer.text
        headings.append(heading(answer.text))
    assert all(headings)


@pytest.mark.parametrize("page", PAGES)
def test_its_head_comes_without_its_body(office, page: Page):
    answer = looking(office, page).head(office.path(page), follow_redirects=False)
    assert (answer.status_code, answer.content) == (page.status, b"")
    assert int(answer.headers["content-length"]) > 0


def test_what_a_page_does_not_take_names_what_it_does(office):
    answer = office.client(None).put("/sign-in")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("page", PAGES)
def test_it_asks_the_database_little(office, statements, page: Page):
    client, path = looking(office, page), office.path(page)
    client.get(path)  # what is read once and kept
    with statements() as ran:
        client.get(path)
    assert len(ran) <= MOST_STATEMENTS, ran


BETWEEN = (768, 820, 1024, 1280)
"""Widths of windows between a telephone's and a desk's."""


@pytest.mark.parametrize(("language", "width"), [("zh", 1440), ("en", 390)])
@pytest.mark.parametrize("page", PAGES)
def test_it_can_be_read_by_everybody(browser, served, page: Page, language: str, width: int):
    faults: list[str] = []
    with screen(browser, served, page.role, language=language, width=width, brought=page.cookies(served)) as window:
        window.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        window.on("pageerror", lambda error: faults.append(str(error)))
        answer = window.goto(served.path(page))
        assert answer is not None
        assert answer.status == page.status
        for other in (*BETWEEN, width):
            window.set_viewport_size({"width": other, "height": 900})
            assert window.evaluate(FITS), f"it scrolls sideways at {other}"
        found = Axe().run(window)
        assert found.violations_count == 0, found.generate_report()
    expected = 0 if page.status < 400 else 1  # the browser itself tells of an answer that says no
    assert len(faults) == expected, faults


@pytest.mark.parametrize("page", PAGES)
def test_it_needs_no_script(browser, served, page: Page):
    told = []
    for scripts in (True, False):
        with screen(browser, served, page.role, width=390, scripts=scripts, brought=page.cookies(served)) as window:
            window.goto(served.path(page))
            told.append(REQUEST_ID.sub("", window.locator("main").inner_text()))
    assert told[0] == told[1] != ""


def test_a_browser_that_breaks_off_is_no_fault_of_the_program(office):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with structlog.testing.capture_logs() as lines:
        # In a thread of its own: a browser's driver leaves a running loop behind in this one.
        with ThreadPoolExecutor(1) as alone:
            answered = alone.submit(asyncio.run, broken_off(office.site, "/sign-in", headers)).result()
        assert answered == [499]
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]
