"""Pages about findings on live applications."""

from __future__ import annotations

from tests.web.site import Office, Page
from workflow.core.events import Principal
from workflow.service import findings

INSPECTOR = Principal("inspector", "inspector")


def worst(office: Office) -> str:
    """A finding that rests on two systems."""
    page = findings.listed(office.service, INSPECTOR, limit=500, status="standing")
    found = max(page["items"], key=lambda one: (len(one["evidence"]["records"]), one["severity"] == "critical"))
    return f"/findings/{found['id']}"


PAGES = [
    Page("findings", "/findings", role="inspector"),
    Page("findings-none", "/findings?rule=D01&status=excluded", role="inspector"),
    Page("findings-unit", "/findings", role="supervisor"),
    Page("finding", worst, role="inspector"),
    Page("finding-rules", "/findings/rules", role="inspector"),
]
