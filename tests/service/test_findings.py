"""Findings on live cases: judged when a record arrives, once, and as a replay of the same case judges them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from storage import FindingFilter, FindingRow
from tests.service.conftest import CLERK, Desk
from workflow.core.events import Principal

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


@pytest.mark.parametrize("when", ["2024-01-08T08:00:00", "2024-01-08T10:00:00", "2024-01-10T10:00:00"])
def test_a_meter_fitted_that_day_or_later_is_no_finding(desk: Desk, home: str, when: str):
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
    desk.service.receive_evidence(CLERK, [{**meter(home, "2024-01-10T15:00:00"), "activity": "first_energy"}])
    desk.clock.set("2024-01-22 09:00")  # eight working days after first energy, and no completion
    judge(desk, home)
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
    energy = {**meter(home, "2024-01-09T15:00:00"), "activity": "first_energy"}
    desk.service.receive_evidence(CLERK, [energy])
    # Working days after Tuesday the 9th: 10 11 12 15 16, then Wednesday the 17th. Due on Monday the 15th: the 16th.
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-15", "", 9) == []
        assert tx.cases_to_judge("2024-01-16", "", 9) == [home]
    desk.clock.set("2024-01-16 09:00")
    judge(desk, home)
    with desk.service.database.read() as tx:
        assert tx.cases_to_judge("2024-01-16", "", 9) == []
        assert tx.cases_to_judge("2024-01-17", "", 9) == [home]


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
