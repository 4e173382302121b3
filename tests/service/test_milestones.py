"""What only warns has rows for the sweep and no place among the limits: through the service, on both databases."""

from __future__ import annotations

import datetime as dt

from storage import DeadlineRow
from tests.service.conftest import Desk, refused
from workflow.core.events import Principal
from workflow.service.reports import report

ADMIN = Principal("admin", "admin")


def rows(desk: Desk, case_id: str) -> dict[str, DeadlineRow]:
    with desk.service.database.read() as tx:
        return {row.key: row for row in tx.deadlines(case_id)}


def submitted(desk: Desk, user_class: str, number: int = 1) -> str:
    case_id = desk.submit(user_class, number).case_id
    assert case_id is not None
    return case_id


def test_milestones_have_rows_and_the_case_is_listed_by_its_limit(desk):
    desk.clock.set("2024-01-08")
    case_id = submitted(desk, "lv_zero")
    found = rows(desk, case_id)
    # Working days after Monday 8: visit 3 → 11, total 15 → 29; each is looked at one day (total: three) before.
    named = ("visit", "materials", "outage_plan", "start", "finish")
    assert set(found) == {"total", *(f"milestone:{code}" for code in named)}
    total, visit = found["total"], found["milestone:visit"]
    assert (total.scope, total.due_on, total.look_on) == ("total", "2024-01-29", "2024-01-24")
    assert (visit.scope, visit.due_on, visit.look_on) == ("milestone", "2024-01-11", "2024-01-10")
    with desk.service.database.read() as tx:
        row = tx.case(case_id)
    assert row is not None
    assert (row.due_on, row.total_due_on) == ("2024-01-29", "2024-01-29")
    assert [one["key"] for one in desk.shown(case_id)["deadlines"]] == ["total"]


def test_reaching_a_milestone_changes_its_row_and_no_limit(desk):
    desk.clock.set("2024-01-08")
    case_id = submitted(desk, "lv_zero")
    desk.clock.set("2024-01-10")
    before = rows(desk, case_id)["total"]
    answer = desk.do(case_id, "reach_milestone", milestone="site_survey", not_needed=["finish"], key="m-1")
    assert answer.refusal is None
    found = rows(desk, case_id)
    assert (found["milestone:visit"].status, found["milestone:visit"].look_on) == ("met", None)
    assert (found["milestone:finish"].status, found["milestone:finish"].look_on) == ("cancelled", None)
    assert found["total"] == before
    again = desk.do(case_id, "reach_milestone", milestone="site_survey", not_needed=["finish"], key="m-1")
    assert (again.version, again.replayed) == (answer.version, True)
    assert refused(desk.do(case_id, "reach_milestone", milestone="nothing")) == "milestone-unknown"
    assert desk.disagreeing() == []


def test_a_plan_has_a_row_from_its_delivery(desk):
    desk.clock.set("2024-01-08")
    case_id = submitted(desk, "hv_single")
    assert "plan" not in rows(desk, case_id)
    desk.do(case_id, "complete_step", step="acceptance")
    desk.do(case_id, "complete_step", step="supply_plan")
    plan = rows(desk, case_id)["plan"]
    assert (plan.scope, plan.due_on, plan.budget, plan.status) == ("plan", "2025-01-08", 366, "running")
    assert plan.look_on == "2024-12-09"  # thirty days before
    with desk.service.database.read() as tx:
        row = tx.case(case_id)
    assert row is not None
    assert row.due_on is None, "the customer holds the case: no limit runs"


def test_an_overdue_milestone_makes_no_case_overdue_in_the_reports(desk):
    # After Monday 2026-06-15 fifteen working days end on Tuesday 07-07 (rest 06-19 to 06-21): 16-18 =3, 22-26 =8,
    # 29-07-03 =13. All milestones but the last, day 13, are over on 06-30.
    desk.clock.set("2026-06-15")
    submitted(desk, "lv_zero")
    desk.clock.set("2026-07-03")
    answer = report(desk.service, ADMIN, "indicators", "2026H1")
    [cases] = [item["cases"] for item in answer["items"] if item["number"] == 34]
    assert (cases["open"], cases["overdue"]) == (1, 0)
    assert answer["period"]["as_of"] == dt.date(2026, 6, 30)
