"""Lists that a rule means and its text does not spell out: papers, work, facts of the class, for every judge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from definitions.model import Definition

ACCEPTED_ON: Final = ("identity", "premises_title")
"""The papers of acceptance; high voltage needs `PROJECT` too."""
PROJECT: Final = "project_approval"
HV_REQUEST: Final = "hv_request"
"""The customer's written request for high voltage, as a document that was received (D26)."""
HANDED_IN: Final = {
    "design_review": ("designer_qualification", "design_documents"),
    "mid_inspection": ("contractor_qualification", "concealed_works_records"),
    "completion_inspection": ("completion_report",),
}
"""What is handed in for a step, and so starts its clock (D30)."""
PAPERS: Final = {"acceptance": (*ACCEPTED_ON, PROJECT), **HANDED_IN}
"""What may be handed in for a step, and again after it was returned (D30)."""
INSPECTIONS: Final = ("mid_inspection", "completion_inspection")
"""The steps that a customer asks for by a request for inspection."""
FIELD_WORK: Final = (
    "site_survey.observed", "material_issued.observed", "meter_issued.observed", "meter_installed.observed",
    "work_ticket.observed", "outage_plan.observed",
)  # fmt: skip
"""The utility's work that other systems observe; a completed or returned step is work too (D16)."""
CLASS_FACTS: Final = ("customer_kind", "voltage", "capacity_kw", "enterprise_size", "supply_count")
"""Facts of a case that decide its class and may be corrected (D33), beside the kind of business."""
NEAR_A_LIMIT: Final = "near_a_limit"
ENTERED_LATE: Final = "entered_late"
WITHOUT_PROOF: Final = "without_proof"
WORK_INSIDE: Final = "work_inside"
OVER_HALF: Final = "over_half"
"""What may be wrong with a suspension (D16), the first of them said."""


SUBMITTED: Final = "application.submit.occurred_at"
WHOLE: Final = (
    SUBMITTED,
    *(
        f"{kind}.occurred_at"
        for kind in ("metering.complete", "application.withdraw", "application.terminate", "application.refuse")
    ),
)
"""The times between which the whole process runs, as a correction names them (D13)."""


def changeable(steps: Iterable[str]) -> dict[str, str]:
    """Each time that a correction may change (D13), by what it calls it: the fact that is there where the record is."""
    times = {SUBMITTED: "submitted"}
    for step in steps:
        times |= {f"{step}.start.occurred_at": f"{step}_start", f"{step}.complete.occurred_at": f"{step}_pass"}
    return times


def papers_of(item: Definition) -> dict[str, tuple[int, str, str]]:
    """Every word that names a document the utility may ask for: the place of its step on the path, its kind, and its
    form ("" where the word names the kind)."""
    found: dict[str, tuple[int, str, str]] = {}
    for extra in item.extra_documents:
        if extra.effect == "agent":
            for word in (extra.kind, extra.name.zh, extra.name.en, *extra.aliases):
                found[word] = (0, extra.kind, "")
    for place, step in enumerate(item.steps):
        for rule in step.documents:
            for form in rule.forms:
                for word in (form.code, form.name.zh, form.name.en, *form.aliases):
                    found.setdefault(word, (place, rule.kind, form.code))
            for word in (rule.kind, rule.name.zh, rule.name.en, *rule.aliases):
                found[word] = (place, rule.kind, "")
    return found
