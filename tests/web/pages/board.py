"""Pages of the board."""

from tests.web.site import Page

PAGES = [Page("board", "/board")]
