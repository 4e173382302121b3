"""`python -m tests.web.screenshots [NAME…]`: every page, or those whose names begin so, drawn into `var/screenshots`,
in both languages and two widths, from top to bottom."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.web.browser import WIDTHS, chromium, screen
from tests.web.site import make_demonstration, office, pages, served

TARGET = Path("var/screenshots")


def main(beginnings: tuple[str, ...]) -> None:
    """Draw the pages."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = [page for page in pages() if not beginnings or page.name.startswith(beginnings)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copy").mkdir()
        make_demonstration(folder)
        with office(folder, folder / "copy") as opened, served(opened) as at, chromium() as browser:
            for page in wanted:
                for language in ("zh", "en"):
                    for width in WIDTHS:
                        with screen(
                            browser, at, page.role, language=language, width=width, brought=page.cookies(at)
                        ) as window:
                            window.goto(at.path(page))
                            window.screenshot(path=TARGET / f"{page.name}.{language}.{width}.png", full_page=True)
    sys.stdout.write(f"{4 * len(wanted)} 张图 / pictures: {TARGET}\n")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
