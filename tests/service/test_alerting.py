"""What the faces show of alerts as time passes: breaches over rest days, feeds over a notice and a suspension."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from ical.calendar_stream import IcsCalendarStream

from tests.api.alerting import alert_row, raised
from tests.core.driver import NOTICE_2027
from tests.service.conftest import SUPERVISOR, Desk, HandClock
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service import alerts, causes, feeds

WANG, ADMIN = Principal("wang", "manager"), Principal("admin", "admin")
FIRST_CAUSE = causes.StateCause(key="total", cause="material")


def token(desk: Desk) -> str:
    return str(feeds.create(desk.service, WANG, feeds.CreateFeed())["token"])


def events(desk: Desk, opened_by: str) -> dict[str, Any]:
    found = feeds.content(desk.service, opened_by)
    assert found is not None
    calendar = IcsCalendarStream.calendar_from_ics(found[0].decode())
    return {str(event.uid): event for event in calendar.events}


def broken(desk: Desk) -> list[tuple[str, str]]:
    return [(one["key"], one["status"]) for one in causes.breaches(desk.service, SUPERVISOR)["items"]]


def test_a_limit_is_broken_once_its_due_date_is_over_and_its_cause_can_be_stated(desk: Desk, clock: HandClock) -> None:
    """Five working days from Friday 2024-01-05 end on Friday the 12th (policy 5). On the weekend after it no working
    day more is used, but whatever ends then ends late: who works knows why, and need not wait for Monday."""
    clock.set("2024-01-05 18:00")
    first, second = (desk.submit("residential", number).case_id for number in (1, 2))
    assert first is not None
    clock.set("2024-01-12 23:59")
    assert broken(desk) == []
    with pytest.raises(Refused, match="transition-not-allowed"):
        causes.state(desk.service, WANG, first, FIRST_CAUSE)
    clock.set("2024-01-13 00:01")
    assert broken(desk) == [("total", "running"), ("total", "running")]
    stated, again = causes.state(desk.service, WANG, first, FIRST_CAUSE)
    assert (stated["cause"], again) == ("material", False)
    clock.set("2024-01-14 11:00")
    desk.do(second, "complete_step", step="acceptance")
    desk.do(second, "complete_step", step="metering")
    assert broken(desk) == [("total", "breached"), ("total", "running")]


def test_a_provisional_date_becomes_firm_under_its_old_name(desk: Desk, clock: HandClock) -> None:
    """Ten working days from 2026-12-21 reach into 2027, for which there is no notice yet."""
    clock.set("2026-12-21")
    case_id = desk.submit("lv_other", manager="wang").case_id
    desk.do(case_id, "complete_step", step="acceptance")
    opened_by = token(desk)
    before = events(desk, opened_by)
    assert len(before) == 2
    assert all(event.summary.startswith("〔暂定〕") for event in before.values())
    assert {str(event.status).rpartition(".")[2] for event in before.values()} == {"TENTATIVE"}
    desk.service.import_notice(ADMIN, NOTICE_2027)
    after = events(desk, opened_by)
    assert set(after) == set(before)
    assert not any(event.summary.startswith("〔暂定〕") for event in after.values())
    assert all(after[uid].sequence > before[uid].sequence for uid in before)
    assert all(after[uid].dtstamp >= before[uid].dtstamp for uid in before)


def test_a_suspended_limit_leaves_the_calendar_and_comes_back_moved(desk: Desk, clock: HandClock) -> None:
    clock.set("2024-01-08")
    case_id = desk.submit("residential", manager="wang").case_id
    opened_by = token(desk)
    ((uid, event),) = events(desk, opened_by).items()
    assert event.dtstart == dt.date(2024, 1, 15)
    clock.set("2024-01-09")
    desk.do(case_id, "suspend", reason="force_majeure", notice="防汛一级响应", **dict[str, Any]({"from": "2024-01-09"}))
    desk.do(case_id, "countersign")
    assert events(desk, opened_by) == {}
    clock.set("2024-01-11")
    desk.do(case_id, "resume", to="2024-01-10")
    ((again, moved),) = events(desk, opened_by).items()
    assert again == uid
    assert moved.dtstart == dt.date(2024, 1, 17)  # the 9th and the 10th are left out
    assert moved.sequence > event.sequence


def test_alarms_ring_when_work_begins_on_the_working_day_before(desk: Desk, clock: HandClock) -> None:
    """The Spring Festival 2024 is from the 10th to the 17th of February; Sunday the 18th is a make-up workday."""
    clock.set("2024-02-05")
    desk.submit("residential", manager="wang")
    (event,) = events(desk, token(desk)).values()
    assert event.dtstart == dt.date(2024, 2, 18)  # the 6th to the 9th, then the make-up Sunday
    # 08:30 on Friday the 9th, nine days before, and 08:30 on the day.
    assert [alarm.trigger for alarm in event.alarm] == [
        dt.timedelta(days=-9, hours=8, minutes=30), dt.timedelta(hours=8, minutes=30),
    ]  # fmt: skip


def test_a_delivered_plan_is_in_the_calendar_in_natural_months(desk: Desk, clock: HandClock) -> None:
    clock.set("2024-01-08")
    case_id = desk.submit("hv_single", manager="wang").case_id
    for step in ("acceptance", "supply_plan"):
        desk.do(case_id, "complete_step", step=step)
    (event,) = (one for uid, one in events(desk, token(desk)).items() if ".plan" in uid)
    assert (event.dtstart, event.summary.partition(" ")[0]) == (dt.date(2025, 1, 8), "供电方案有效期到期")
    assert "工作日" not in event.description


def test_an_alert_of_a_plan_counts_natural_days(desk: Desk) -> None:
    raised(desk.service, alert_row(scope="plan", remaining=30))
    (shown,) = alerts.listed(desk.service, SUPERVISOR)["items"]
    assert (shown["remaining_days"], shown["unit"]) == (30, "natural_days")
