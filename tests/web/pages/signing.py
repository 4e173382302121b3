"""Pages of signing in, and the pages that say no."""

from tests.web.site import Page

PAGES = [
    Page("sign-in", "/sign-in", role=None),
    Page("password", "/password"),
    Page("not-found", "/nowhere", status=404),
]
