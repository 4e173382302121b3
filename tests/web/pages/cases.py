"""Pages of one application, over applications of every class and every trouble; and the queue of signatures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from tests.web.site import Office, Page
from workflow.core.state import State
from workflow.core.timers import Timer, legal, standing
from workflow.service import COMMANDS, Principal, Submission
from workflow.service.demo import PROVINCE

Trait = Callable[[State, tuple[Timer, ...], Office], bool]


def _overdue(_state: State, timers: tuple[Timer, ...], office: Office) -> bool:
    calendar, today = office.service.calendars.current(), office.service.clock.now().date()
    running = [t for t in legal(timers) if t.status == "running"]
    return any(standing(calendar, t, today).remaining < 0 for t in running)


def _suspended(state: State, _timers: tuple[Timer, ...], office: Office) -> bool:
    today = office.service.clock.now().date()
    return not state.closed and any(s.from_ <= today <= (s.to or dt.date.max) for s in state.suspensions)


TRAITS: dict[str, Trait] = {
    "residential": lambda state, _, __: not state.closed and state.user_class == "residential",
    "lv_zero": lambda state, _, __: not state.closed and state.user_class == "lv_zero",
    "lv_other": lambda state, _, __: not state.closed and state.user_class == "lv_other",
    "hv_single": lambda state, _, __: (
        not state.closed and state.user_class == "hv_single" and len(state.steps[2].rounds) > 0
    ),
    "hv_dual": lambda state, _, __: state.user_class == "hv_dual" and state.state == "energised",
    "returned": lambda state, _, __: (
        not state.closed
        and any(s.status == "waiting" and s.rounds and s.rounds[-1].outcome == "return" for s in state.steps)
    ),
    "overdue": lambda state, timers, office: not state.closed and _overdue(state, timers, office),
    "suspended": _suspended,
    "missing": lambda state, _, __: state.state == "acceptance.waiting",
    "late": lambda state, _, __: any(p.kind == "late" for p in state.pending),
    "energised": lambda state, _, __: state.state == "energised" and state.user_class == "residential",
    "withdrawn": lambda state, _, __: state.state == "withdrawn",
    "chained": lambda state, _, __: bool(state.chain),
}
"""What makes an application worth looking at."""


def which(trait: str) -> Callable[[Office], str]:
    """The path of the newest application of the demonstration that has this trait."""

    def path(office: Office) -> str:
        service = office.service
        with service.database.read() as tx:
            service.calendars.refresh(tx)
            for row in sorted(tx.cases(), key=lambda row: row.id, reverse=True):
                held = service.cases.held(tx, row)
                if TRAITS[trait](held.state, held.timers, office):
                    return f"/cases/{row.id}"
        raise LookupError(f"the demonstration has no application that is {trait}")

    return path


def provisional(office: Office) -> str:
    """A high-voltage application of two sources accepted today: its plan is due after the last day that a notice
    covers. The demonstration is too early for one; the same keys give the same application."""
    service, clerk = office.service, Principal("营销系统", "front_line", PROVINCE)
    body = {
        "external_id": "PROVISIONAL", "customer": {"id": "C-PROV", "name": "望澄数据中心"},
        "premises": {"id": "P-PROV", "address": "望岚市云帆大道1号"}, "customer_kind": "non_residential",
        "enterprise_size": "large", "capacity_kw": 8000.0, "voltage": "high", "voltage_kv": 10.0, "supply_count": 2,
        "area": "urban", "region": "960102", "org": "YZ-WL-XT-GY", "channel": "hall",
        "documents": [{"kind": kind} for kind in ("identity", "premises_title", "project_approval")],
    }  # fmt: skip
    submitted = service.submit(clerk, Submission.model_validate(body), "page provisional").result(30)
    assert submitted.case_id is not None
    command = COMMANDS.validate_python({"command": "complete_step", "step": "acceptance"})
    service.command(clerk, submitted.case_id, command, "page provisional accepted").result(30)
    return f"/cases/{submitted.case_id}"


def _below(trait: str, below: str) -> Callable[[Office], str]:
    return lambda office: f"{which(trait)(office)}/{below}"


LOOKED_AT = ("lv_other", "hv_dual", "returned", "overdue", "suspended", "missing", "late", "chained")

PAGES = [
    *(Page(f"case-{trait}", which(trait), role="supervisor") for trait in LOOKED_AT),
    Page("case-provisional", provisional, role="supervisor"),
    Page("case-account-provisional", lambda office: f"{provisional(office)}/account", role="supervisor"),
    Page("case-account-overdue", _below("overdue", "account"), role="supervisor"),
    Page("case-history", _below("late", "history"), role="supervisor"),
    Page("case-dealings", _below("hv_dual", "dealings"), role="supervisor"),
    Page("form-application", _below("hv_dual", "forms/application"), role="supervisor"),
    Page("form-missing", _below("missing", "forms/missing"), role="supervisor"),
    Page("form-opinion", _below("hv_dual", "forms/opinion-design_review-1"), role="supervisor"),
    Page("form-energised", _below("hv_dual", "forms/energised"), role="supervisor"),
    Page("act-submit", _below("returned", "do/submit_step"), role="supervisor"),
    Page("act-request", _below("missing", "do/request_documents"), role="supervisor"),
    Page("act-correct", _below("hv_single", "do/correct"), role="supervisor"),
    Page("act-not-now", _below("energised", "do/complete_step"), role="supervisor"),
    Page("new", "/cases/new", role="supervisor"),
    Page("signatures", "/signatures", role="supervisor"),
]
