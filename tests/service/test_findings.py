"""Findings on live cases: judged when a record arrives, once, and as a replay of the same case judges them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from storage import FindingFilter, FindingRow
from tests.core.driver import PAPERS
from tests.service.conftest import CLERK, Desk
from workflow.core.events import Principal
from workflow.core.times import write
from workflow.replay.exact.typed import event_rows
from workflow.service.evidence import evidence_row
from workflow.service.judging import history

INSPECTOR = Principal("ins", "inspector")


def found(desk: Desk, **narrowed: Any) -> list[FindingRow]:
    with desk.service.database.read() as tx:
        return tx.list_findings(FindingFilter(**narrowed))[::-1]


def rules(desk: Desk) -> list[tuple[str, str, bool]]:
    return [(row.rule, row.severity, row.stands) for row in found(desk)]


def meter(case_id: str, when: str, **more: Any) -> dict[str, Any]:
    return {"case_id": case_id, "activity": "meter_installed", "occurred_at": when, "source": "metering", **more}


@pytest.fixture
def home(desk: Desk) -> str:
    """A flat applied for on Monday 2024-01-08 at nine."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    return case_id


def test_a_meter_fitted_before_the_application_is_found_when_its_record_arrives(desk: Desk, home: str):
    (answer,) = desk.service.receive_evidence(CLERK, [meter(home, "2024-01-05T15:00:00+08:00")])
    assert answer["accepted"]
    (row,) = found(desk)
    assert (row.rule, row.tag, row.severity, row.stands, row.status) == ("D02", "off_system", "critical", True, "open")
    assert row.explanation == "装表 2024-01-05 15:00:00 早于最早受理痕迹 2024-01-08 09:00:00"
    assert json.loads(row.evidence)["records"] == [
        {"field": "meter_installed.observed", "value": "2024-01-05 15:00:00", "source": "metering"},
        {"field": "application.submit", "value": "2024-01-08 09:00:00", "source": "marketing"},
    ]


def test_a_record_may_call_its_application_by_the_number(desk: Desk, home: str):
    number = desk.shown(home)["application_no"]
    when = "2024-01-05T15:00:00+08:00"
    answers = [desk.service.receive_evidence(CLERK, [meter(called, when)])[0] for called in (number, home, "BZ-2024-9")]
    assert [(one["accepted"], one.get("duplicate")) for one in answers] == [(True, False), (True, True), (False, None)]
    assert rules(desk) == [("D02", "critical", True)]


@pytest.mark.parametrize(
    ("activity", "when", "accepted"),
    [
        ("meter_installed", "2024-01-08T09:02:00", True),
        ("meter_installed", "2024-01-08T01:02:00+00:00", True),
        ("meter_installed", "2024-01-08T09:02:01", False),
        ("meter_installed", "2030-11-20T00:00:00", False),
        ("callback", "2024-01-09T00:00:00", False),
        ("document", "2024-01-09T00:00:00", False),
        ("licence_expires", "2030-11-20T00:00:00", True),
        ("outage_plan", "2024-02-01T08:00:00", True),
    ],
)
def test_what_has_not_happened_yet_is_rejected_unless_it_speaks_of_a_day_to_come(desk, home, activity, when, accepted):
    """It is nine o'clock on 2024-01-08."""
    values = {"callback": "energised", "document": "identity"}
    more = {"lifecycle": "received"} if activity == "document" else {}
    record = {"case_id": home, "activity": activity, "occurred_at": when, "value": values.get(activity), **more}
    (answer,) = desk.service.receive_evidence(CLERK, [record])
    assert answer["accepted"] is accepted
    assert accepted or "lies in the future" in answer["reason"]
    with desk.service.database.read() as tx:
        assert len(tx.evidence(home)) == accepted


@pytest.mark.parametrize("when", ["2024-01-08T08:00:00", "2024-01-08T10:00:00", "2024-01-10T10:00:00"])
def test_a_meter_fitted_that_day_or_later_is_no_finding(desk: Desk, home: str, when: str):
    desk.clock.set("2024-01-10 12:00")
    desk.service.receive_evidence(CLERK, [meter(home, when)])
    assert rules(desk) == []


def test_the_same_record_again_finds_nothing_new(desk: Desk, home: str):
    record = meter(home, "2024-01-05T15:00:00")
    for _ in range(3):
        desk.service.receive_evidence(CLERK, [record])
    desk.service.receive_evidence(CLERK, [record, record])
    assert rules(desk) == [("D02", "critical", True)]
    with desk.service.database.read() as tx:
        assert [event.type for event in tx.finding_events(found(desk)[0].id)] == ["found"]


def test_a_ground_that_is_gone_leaves_a_finding_that_no_longer_stands(desk: Desk, home: str):
    desk.clock.set("2024-01-22 09:00")
    desk.service.receive_evidence(CLERK, [{**meter(home, "2024-01-10T15:00:00"), "activity": "first_energy"}])
    judge(desk, home)  # eight working days after first energy, and no completion
    assert rules(desk) == [("D29", "medium", True), ("L02", "high", True)]
    desk.do(home, "complete_step", step="acceptance", occurred_at="2024-01-08T10:00:00", reason="补录")
    desk.do(home, "complete_step", step="metering", occurred_at="2024-01-10T16:00:00", reason="补录")
    judge(desk, home)
    told = {rule: stands for rule, _, stands in rules(desk)}
    assert told["L02"] is False  # on the record it was done in time …
    assert told["D11"] is True  # … and entered twelve days late
    assert told["D29"] is True
    with desk.service.database.read() as tx:
        lapsed = next(row for row in found(desk) if row.rule == "L02")
        assert [event.type for event in tx.finding_events(lapsed.id)] == ["found", "lapsed"]


def judge(desk: Desk, case_id: str) -> None:
    with desk.service.database.write() as tx:
        desk.service.judging.judge(tx, case_id)


def test_many_cases_at_once_are_left_to_the_worker(desk: Desk):
    desk.clock.set("2024-01-08 09:00")
    ids = [desk.submit("residential", number).case_id or "" for number in range(1, 23)]
    answers = desk.service.receive_evidence(CLERK, [meter(one, "2024-01-05T15:00:00") for one in ids])
    assert all(one["accepted"] for one in answers)
    assert rules(desk) == []
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-08", "", 100) == sorted(ids)
        assert tx.cases_to_judge("2024-01-08", "", 5) == sorted(ids)[:5]


def test_the_sixth_working_day_after_first_energy_is_looked_at(desk: Desk, home: str):
    desk.clock.set("2024-01-09 16:00")
    energy = {**meter(home, "2024-01-09T15:00:00"), "activity": "first_energy"}
    desk.service.receive_evidence(CLERK, [energy])
    judge(desk, home)
    # Working days after Tuesday the 9th: 10 11 12 15 16, then Wednesday the 17th. Due on Monday the 15th: the 16th.
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-15", "", 9) == []
        assert tx.cases_to_judge("2024-01-16", "", 9) == [home]
    desk.clock.set("2024-01-16 09:00")
    judge(desk, home)
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-16", "", 9) == []
        assert tx.cases_to_judge("2024-01-17", "", 9) == [home]


def test_a_limit_that_ends_before_the_weekend_is_found_broken_on_monday(desk: Desk):
    """Applied for on Friday the 5th: five days end on Friday 2024-01-12. Judged on the Saturday nothing is overdue yet,
    and nobody touches the case again."""
    desk.clock.set("2024-01-05 10:00")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    desk.clock.set("2024-01-13 09:00")
    judge(desk, case_id)
    assert rules(desk) == []
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-14", "", 9) == []
        assert tx.cases_to_judge("2024-01-15", "", 9) == [case_id]
    desk.clock.set("2024-01-15 09:00")
    judge(desk, case_id)
    assert rules(desk) == [("L02", "high", True)]


def test_the_sum_is_looked_at_when_it_ends_though_a_step_was_late_before(desk: Desk):
    """Submitted and accepted on Monday the 8th: the plan's three days end on Thursday the 11th, the sum's six on
    Tuesday the 16th."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_other").case_id
    assert case_id is not None
    desk.do(case_id, "complete_step", step="acceptance")
    desk.clock.set("2024-01-12 09:00")
    judge(desk, case_id)
    assert rules(desk) == [("L01", "high", True)]
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-16", "", 9) == []
        assert tx.cases_to_judge("2024-01-17", "", 9) == [case_id]
    desk.clock.set("2024-01-17 09:00")
    judge(desk, case_id)
    assert rules(desk) == [("L01", "high", True), ("L02", "high", True)]


def test_the_history_of_a_finding_is_never_changed(desk: Desk, home: str):
    import sqlalchemy as sa

    from storage import AppendOnly

    desk.service.receive_evidence(CLERK, [meter(home, "2024-01-05T15:00:00")])
    for statement in ("UPDATE finding_event SET type = 'lapsed'", "DELETE FROM finding_event"):
        with pytest.raises(AppendOnly), desk.service.database.write() as tx:
            tx._query(sa.text(statement))
    with desk.service.database.read() as tx:
        assert tx.missing_triggers() == []


def test_dates_are_of_the_business_zone(desk: Desk, home: str):
    # 2024-01-07T16:30Z is half past midnight of the 8th in Shanghai: the day of the application, not the day before.
    desk.service.receive_evidence(CLERK, [meter(home, "2024-01-07T16:30:00Z")])
    assert rules(desk) == []
    desk.service.receive_evidence(CLERK, [meter(home, "2024-01-07T15:30:00Z")])
    assert rules(desk) == [("D02", "critical", True)]
    assert dt.date.fromisoformat(found(desk)[0].found_at[:10]) == dt.date(2024, 1, 8)


# ---- records side by side --------------------------------------------------------------------------------------------


def step(desk: Desk, case_id: str, when: str, name: str, **fields: Any) -> None:
    desk.clock.set(when)
    answer = desk.do(case_id, name, **fields)
    assert answer.refusal is None, answer.refusal


def standing(desk: Desk, case_id: str) -> dict[str, FindingRow]:
    judge(desk, case_id)
    return {row.rule: row for row in found(desk) if row.stands}


def send(desk: Desk, case_id: str, activity: str, when: str, **more: Any) -> None:
    record = {"case_id": case_id, "activity": activity, "occurred_at": when, **more}
    (answer,) = desk.service.receive_evidence(CLERK, [record])
    assert answer["accepted"], answer


def asked_for(desk: Desk, case_id: str, when: str, **more: Any) -> None:
    send(desk, case_id, "service_contact", when, value="connection_request", source="callcentre", **more)


def test_an_application_held_back(desk: Desk, home: str):
    asked_for(desk, home, "2024-01-05T10:00:00")  # Friday, a working day before
    assert rules(desk) == []
    asked_for(desk, home, "2023-12-29T10:00:00")  # five working days before: 2 3 4 5 8 January
    (row,) = found(desk)
    assert (row.rule, row.severity) == ("D07", "high")
    assert [(one["field"], one["value"]) for one in json.loads(row.evidence)["records"]] == [
        ("service_contact.observed", "2023-12-29 10:00:00"),
        ("application.submit", "2024-01-08 09:00:00"),
    ]


@pytest.mark.parametrize(("recorded", "excused"), [("2024-01-02T11:00:00", True), ("2024-01-08T10:00:00", False)])
def test_papers_asked_for_in_between_excuse_when_they_were_entered_in_between(desk, home, recorded, excused):
    asked_for(desk, home, "2023-12-29T10:00:00")
    send(desk, home, "document", "2024-01-02T10:00:00", lifecycle="requested", value="identity", recorded_at=recorded,
         source="marketing")  # fmt: skip
    assert ("D07" in standing(desk, home)) is not excused


@pytest.fixture
def shop(desk: Desk) -> str:
    """A low-voltage application accepted on Monday 2024-01-08, whose plan was due on the third working day, the 11th,
    and was given on the 12th."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_other").case_id or ""
    step(desk, case_id, "2024-01-08 09:30", "complete_step", step="acceptance")
    step(desk, case_id, "2024-01-12 10:00", "complete_step", step="supply_plan")
    return case_id


def test_the_time_in_which_the_customer_brings_missing_papers_is_the_customers(desk: Desk):
    """Acceptance, plan and metering within 1 + 3 + 2 working days of the utility; the title came a week later."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_other", documents=[{"kind": "identity"}]).case_id or ""
    step(desk, case_id, "2024-01-15 09:00", "register_documents", documents=[{"kind": "premises_title"}])
    step(desk, case_id, "2024-01-16 09:00", "complete_step", step="acceptance")
    step(desk, case_id, "2024-01-19 09:00", "complete_step", step="supply_plan")
    assert standing(desk, case_id) == {}
    step(desk, case_id, "2024-01-22 09:00", "submit_step", step="metering")
    step(desk, case_id, "2024-01-25 09:00", "complete_step", step="metering")
    assert set(standing(desk, case_id)) == {"L01", "L02"}  # three of two working days, seven of six


def test_a_change_of_class_leaves_no_clock_of_the_old_path_behind(desk: Desk):
    """A plan that the old class did not have is given in time, and the customer takes weeks until metering."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_zero").case_id or ""
    step(desk, case_id, "2024-01-08 15:00", "complete_step", step="acceptance")
    step(desk, case_id, "2024-01-09 09:00", "correct", field="case.enterprise_size", new_value="large",
         reason="核实规模", evidence={"ref": "KH-7", "source": "customer_app"})  # fmt: skip
    step(desk, case_id, "2024-01-09 10:00", "countersign")
    step(desk, case_id, "2024-01-11 09:00", "complete_step", step="supply_plan")
    step(desk, case_id, "2024-02-05 09:00", "submit_step", step="metering")
    step(desk, case_id, "2024-02-06 09:00", "complete_step", step="metering")
    assert standing(desk, case_id) == {}


def correct_the_plan(desk: Desk, case_id: str, to: str) -> None:
    step(desk, case_id, "2024-01-15 10:00", "correct", field="supply_plan.complete.occurred_at", new_value=to,
         reason="录错")  # fmt: skip
    step(desk, case_id, "2024-01-15 11:00", "countersign")


def test_a_correction_that_turned_late_into_on_time(desk: Desk, shop: str):
    assert set(standing(desk, shop)) == {"L01"}
    correct_the_plan(desk, shop, "2024-01-11T10:00:00+08:00")
    assert {rule: row.severity for rule, row in standing(desk, shop).items()} == {"D13": "critical"}
    # The marketing system's own records say nothing for its correction; another system's does.
    send(desk, shop, "site_survey", "2024-01-11T09:00:00", source="marketing")
    assert set(standing(desk, shop)) == {"D13"}
    send(desk, shop, "contract_signed", "2024-01-11T15:00:00", source="contract")
    assert standing(desk, shop) == {}


def test_a_correction_that_changes_no_verdict(desk: Desk, shop: str):
    correct_the_plan(desk, shop, "2024-01-12T09:00:00+08:00")
    assert set(standing(desk, shop)) == {"L01"}


@pytest.mark.parametrize(("entered", "flawed"), [("2024-01-10 09:00", False), ("2024-01-11 09:00", True)])
def test_a_suspension_entered_long_after_it_began(desk: Desk, home: str, entered: str, flawed: bool):
    """A notice of force majeure excuses what is opened within a working day of the start, the 9th."""
    dates: dict[str, Any] = {"from": "2024-01-09", "to": "2024-01-10"}
    step(desk, home, entered, "suspend", reason="force_majeure", notice="防汛一级响应", note="补录", **dates)
    step(desk, home, entered, "countersign")
    rows = standing(desk, home)
    assert ("D16" in rows) is flawed
    if flawed:
        assert rows["D16"].explanation == "中止(2024-01-09)不当: 事后补录"
        assert rows["D16"].explanation_en == "The suspension of 2024-01-09 is flawed: entered after the fact"


def held(case_id: str, life: str, when: str, value: str, recorded: str, **more: Any) -> dict[str, Any]:
    return {"case_id": case_id, "activity": "suspension", "lifecycle": life, "occurred_at": when, "value": value,
            "recorded_at": recorded, "source": "marketing", **more}  # fmt: skip


def judged_with(desk: Desk, case_id: str, rows: list[dict[str, Any]], on: str) -> dict[str, str]:
    """What the rules find on a case as of a day, and how they explain it, with rows as a history from elsewhere has
    them; the engine itself suspends for force majeure alone."""
    judging = desk.service.judging
    with desk.service.database.read() as tx:
        told, calendar = history(tx, case_id), desk.service.calendars.refresh(tx)
    events = event_rows([*told.events, *rows], judging.steps)
    found_ = judging.rules.judge(calendar, told.case, events, dt.date.fromisoformat(on))
    return {one.rule: one.explanation for one in found_}


def test_a_suspension_that_is_to_go_on_has_not_yet_taken_half_of_the_time(desk: Desk):
    """Applied for on Monday the 8th, suspended from Wednesday the 17th with proof: on Thursday one working day of
    eight is gone, whatever end is foreseen; on the 29th eight of fifteen are."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_zero").case_id or ""
    rows = [
        held(case_id, life, when, "customer", "2024-01-17T10:05:00", ref="KH-1")
        for life, when in (("start", "2024-01-17T10:00:00"), ("end", "2024-02-20T10:00:00"))
    ]
    assert "D16" not in judged_with(desk, case_id, rows, "2024-01-18")
    assert judged_with(desk, case_id, rows, "2024-01-29")["D16"] == "中止(2024-01-17 10:00:00)不当: 中止占去过半时间"


def test_what_is_said_is_wrong_with_the_suspension_that_is_named(desk: Desk, home: str):
    """The first lacks the customer's proof, the second was entered late."""
    rows = [
        held(home, life, f"2024-01-{when}T{hour}:00:00", value, f"2024-01-{recorded}T18:30:00")
        for when, value, recorded in (("09", "customer", "09"), ("10", "force_majeure", "15"))
        for life, hour in (("start", "09"), ("end", "18"))
    ]
    assert judged_with(desk, home, rows, "2024-01-15")["D16"] == "中止(2024-01-09 09:00:00)不当: 以客户原因中止而无凭证"


@pytest.mark.parametrize(
    ("second", "severity"), [(["缺接地计算", "图纸未签字"], "high"), (["缺接地计算"], None)], ids=["grown", "within"]
)
def test_returned_again(desk: Desk, second: list[str], severity: str | None):
    case_id = designed(desk, "2024-03-11 09:00")
    step(desk, case_id, "2024-03-11 15:00", "return_step", step="design_review", defects=["缺接地计算"])
    step(desk, case_id, "2024-03-12 09:00", "submit_step", step="design_review")
    step(desk, case_id, "2024-03-12 15:00", "return_step", step="design_review", defects=second)
    row = standing(desk, case_id).get("D17")
    assert (row and row.severity) == severity


@pytest.mark.parametrize(
    ("second", "severity"), [(["复印件不清"], "high"), (None, None)], ids=["returned twice", "returned once"]
)
def test_the_list_of_what_is_missing_at_the_submission_is_no_return_of_a_paper(desk: Desk, second, severity):
    """Nobody has looked at any paper yet: the first one returned is a first return."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_other", documents=[{"kind": "identity"}]).case_id or ""
    step(desk, case_id, "2024-01-09 09:00", "register_documents", documents=[{"kind": "premises_title"}])
    step(desk, case_id, "2024-01-09 15:00", "return_step", step="acceptance", defects=["缺印章"])
    if second:
        step(desk, case_id, "2024-01-10 09:00", "submit_step", step="acceptance")
        step(desk, case_id, "2024-01-10 15:00", "return_step", step="acceptance", defects=second)
    row = standing(desk, case_id).get("D17")
    assert (row and row.severity) == severity


def designed(desk: Desk, handed_in: str) -> str:
    """A high-voltage application whose plan was given on Thursday 2024-03-07 and whose design is handed in."""
    desk.clock.set("2024-03-04 10:00")
    case_id = desk.submit("hv_single").case_id or ""
    step(desk, case_id, "2024-03-04 15:00", "complete_step", step="acceptance")
    step(desk, case_id, "2024-03-07 15:00", "complete_step", step="supply_plan")
    step(desk, case_id, handed_in, "submit_step", step="design_review", documents=list(PAPERS["design_review"]))
    return case_id


@pytest.mark.parametrize(("came", "late"), [("2024-03-11T09:00:00", True), ("2024-03-12T09:00:00", False)])
def test_a_design_that_lay_before_its_clock_was_started(desk: Desk, came: str, late: bool):
    """The clock was started on Wednesday the 13th."""
    case_id = designed(desk, "2024-03-13 09:00")
    for paper in PAPERS["design_review"]:
        send(desk, case_id, "document", came, lifecycle="received", value=paper["kind"], source="archive")
    assert ("D30" in standing(desk, case_id)) is late


@pytest.mark.parametrize(("asked", "late"), [("design_documents", False), ("commitment_letter", True)])
def test_only_what_may_be_asked_for_explains_a_late_clock(desk: Desk, asked: str, late: bool):
    case_id = designed(desk, "2024-03-13 09:00")
    for paper in PAPERS["design_review"]:
        send(desk, case_id, "document", "2024-03-11T09:00:00", lifecycle="received", value=paper["kind"])
    send(desk, case_id, "document", "2024-03-12T09:00:00", lifecycle="requested", value=asked, source="marketing")
    assert ("D30" in standing(desk, case_id)) is late


@pytest.mark.parametrize(("proof", "accused"), [({}, True), ({"ref": "KH-7", "source": "customer_app"}, False)])
def test_a_capacity_changed_after_acceptance(desk: Desk, proof: dict[str, str], accused: bool):
    """Above 160 kW a small business is no longer one of zero investment [L9]. The second signature is no wish of the
    customer."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("lv_zero").case_id or ""
    step(desk, case_id, "2024-01-08 09:30", "complete_step", step="acceptance")
    step(desk, case_id, "2024-01-09 10:00", "correct", field="case.capacity_kw", new_value=200, reason="核实容量",
         **({"evidence": proof} if proof else {}))  # fmt: skip
    step(desk, case_id, "2024-01-09 11:00", "countersign")
    assert ("D33" in standing(desk, case_id)) is accused


@pytest.mark.parametrize(
    ("activity", "lifecycle", "value"),
    [
        ("application", "submit", None), ("application", "terminate", "changed_need"), ("acceptance", "complete", None),
        ("suspension", "start", "force_majeure"), ("correction", "changed", "case.capacity_kw"),
        ("meter_instaled", "observed", None), ("meter_installed", "start", None), ("document", "observed", None),
        ("service_contact", "observed", "hello"),
    ],
)  # fmt: skip
def test_a_record_from_elsewhere_does_not_make_the_course_of_an_application(desk, home, activity, lifecycle, value):
    """Else whoever may send records excuses what was found: an application said to have come before the meter."""
    desk.service.receive_evidence(CLERK, [meter(home, "2024-01-05T15:00:00")])
    record = {"case_id": home, "activity": activity, "lifecycle": lifecycle, "occurred_at": "2024-01-02T10:00:00",
              "source": "marketing", **({"value": value} if value else {})}  # fmt: skip
    (answer,) = desk.service.receive_evidence(CLERK, [record])
    assert not answer["accepted"]
    assert activity in answer["reason"]
    assert rules(desk) == [("D02", "critical", True)]


def test_what_was_kept_before_is_left_out_too(desk: Desk, home: str):
    forged = {"case_id": home, "activity": "application", "lifecycle": "submit", "occurred_at": "2024-01-02T10:00:00"}
    with desk.service.database.write() as tx:
        tx.add_evidence(evidence_row("e1", home, forged, write(desk.clock.now()), "x"))
    desk.service.receive_evidence(CLERK, [meter(home, "2024-01-05T15:00:00")])
    assert rules(desk) == [("D02", "critical", True)]


@pytest.mark.parametrize(("on", "excused"), [("2024-06-07", False), ("2024-06-08", True)])
def test_a_plan_said_to_have_lapsed_while_it_was_valid_excuses_no_ending(desk: Desk, on: str, excused: bool):
    """A low-voltage plan of 2024-03-07 is valid for three months, to 2024-06-07."""
    desk.clock.set("2024-03-04 09:00")
    case_id = desk.submit("lv_other").case_id or ""
    step(desk, case_id, "2024-03-04 09:30", "complete_step", step="acceptance")
    step(desk, case_id, "2024-03-07 10:00", "complete_step", step="supply_plan")
    step(desk, case_id, f"{on} 10:00", "terminate", reason="lapsed")
    with desk.service.database.read() as tx:
        (ending,) = (row for row in history(tx, case_id).events if row["lifecycle"] == "terminate")
    assert ending["value"] == ("lapsed" if excused else "other")
