"""The kinds of record that a history is told in, `activity.lifecycle` (design: replay input)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OBSERVED: Final = (
    "service_contact", "site_survey", "works_started", "contract_signed", "fee_paid", "material_issued", "meter_issued",
    "meter_installed", "first_energy", "work_ticket", "outage_plan", "design_dated", "test_report_dated",
    "completion_report_dated", "licence_expires", "callback",
)  # fmt: skip
"""Records of other systems; their lifecycle is `observed`."""

STEP_LIFECYCLES: Final = ("start", "complete", "return", "waive")

LIFECYCLES: Final[Mapping[str, tuple[str, ...]]] = {
    "application": ("submit", "withdraw", "terminate", "refuse"),
    "document": ("requested", "received"),
    "suspension": ("start", "end"),
    "correction": ("changed",),
    **dict.fromkeys(OBSERVED, ("observed",)),
}
"""What may be said of each activity that is not a step."""


def lifecycles(steps: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Every activity with what may be said of it, for a process with these steps."""
    return {**LIFECYCLES, **dict.fromkeys(steps, STEP_LIFECYCLES)}


def event_kinds(steps: tuple[str, ...]) -> list[str]:
    """Every kind of event, `activity.lifecycle`, in the order in which records of one moment are told: the steps and
    the application, then what other systems observe, then papers, suspensions and corrections."""
    known = lifecycles(steps)
    order = [*steps, "application", *OBSERVED, "document", "suspension", "correction"]
    return [f"{activity}.{life}" for activity in order for life in known[activity]]
