"""Escalation, supervision orders, report dates, horizons, a calendar notice, milestones; heartbeats."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from definitions.book import load
from definitions.calendar import read_notice
from storage import Database, OrderRow, StorageUnavailable
from tests.alerts.office import HandClock, Office
from tests.core.driver import shipped_book
from tests.definitions import overlays
from workflow.alerts import upkeep
from workflow.alerts.sweep import Pulse, Run, Sweep
from workflow.core.events import Principal
from workflow.core.times import write
from workflow.service import Service

ADMIN = Principal("admin", "admin")
NOTICE = Path(__file__).parents[1] / "definitions" / "data" / "notice_2027_invented.yaml"


# Escalation: orange after 8 working hours, red and black after 4, of 08:30 to 17:30; yellow never.


def test_what_nobody_acknowledges_goes_up_role_by_role(office: Office):
    office.case()
    office.sweep("due", "2024-01-12 10:00")  # Friday: yellow of the 11th and orange
    yellow, orange = office.alerts()
    assert (yellow.escalate_at, orange.escalate_at) == (None, "2024-01-15T09:00:00.000000+08:00")
    # Friday 10:00 to 17:30 are 7.5 hours; the last half hour is on Monday.
    office.sweep("escalate", "2024-01-15 08:59")
    assert office.told(orange) == ["m1", "lead"]
    row = office.sweep("escalate", "2024-01-15 09:00")
    assert row.done == 1
    # The substitute of m1, and the role above the team lead.
    assert office.told(orange) == ["m1", "lead", "m2", "county"]
    office.sweep("escalate", "2024-01-15 16:59")
    assert len(office.told(orange)) == 4
    office.sweep("escalate", "2024-01-15 17:00")
    assert office.told(orange) == ["m1", "lead", "m2", "county", "city"]
    found = office.alerts(level="orange")[0]
    assert (found.escalations, found.escalate_at) == (2, None)
    office.sweep("escalate", "2024-02-20 10:00")
    assert len(office.told(orange)) == 5
    assert office.told(yellow) == ["m1"]


def test_what_nobody_acknowledges_goes_up_from_whom_its_region_has_told(
    database: Database, hand_clock: HandClock, tmp_path: Path
):
    """A region whose ladder tells the county at orange already: next is the city, and nobody's hours are spent on
    telling the county once more."""
    national = shipped_book().ladder(on=hand_clock.now().date()).of("total").bands
    bands: list[dict[str, Any]] = [
        {name: value for name, value in msgspec.to_builtins(band).items() if value is not None} for band in national
    ]
    for band in bands:
        band["recipients"] = [*band["recipients"], *(["county"] if band["level"] == "orange" else [])]
    regions = overlays.write(tmp_path, "420100", overlays.nested("ladders.legal.bands", overlays.dated(
        {"2024-01-01": bands}, "420100"
    )))  # fmt: skip
    with Service(database, load(regions=regions), hand_clock) as service:
        office = Office(service, hand_clock)
        office.case(region="420102")
        office.sweep("due", "2024-01-12 10:00")
        (orange,) = office.alerts(level="orange")
        assert office.told(orange) == ["m1", "lead", "county"]
        office.sweep("escalate", "2024-01-15 09:00")
        assert office.told(orange) == ["m1", "lead", "county", "m2", "city"]
        assert office.alerts(level="orange")[0].escalate_at is None


def test_what_nobody_acknowledges_goes_up_page_by_page(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upkeep, "PAGE", 1)
    for number in range(2):
        office.case(number)
    office.sweep("due", "2024-01-12 10:00")
    assert office.sweep("escalate", "2024-01-15 09:00").done == 2
    assert all("county" in office.told(orange) for orange in office.alerts(level="orange"))


def test_what_is_acknowledged_snoozed_or_cleared_goes_nowhere(office: Office):
    for number in range(3):
        office.case(number)
    office.sweep("due", "2024-01-12 10:00")
    first, second, third = office.alerts(level="orange")
    with office.service.database.write() as tx:
        tx.acknowledge_alert(first.id, "key:m1", write(office.clock.now()), None)
        tx.snooze_alert(second.id, "2024-01-16T09:00:00.000000+08:00", "等停电")
    assert third.case_id is not None
    office.do(third.case_id, "complete_step", step="metering")
    assert office.sweep("escalate", "2024-01-15 12:00").done == 0
    assert office.sweep("escalate", "2024-01-16 09:00").done == 1
    assert "county" in office.told(second)


def test_what_was_snoozed_comes_back_to_those_who_had_it(office: Office):
    """A yellow one, too, which is never escalated: once, to the manager, to nobody above."""
    office.case()
    office.sweep("due", "2024-01-11 10:00")
    (yellow,) = office.alerts()
    with office.service.database.write() as tx:
        tx.snooze_alert(yellow.id, "2024-01-12T09:00:00.000000+08:00", "等停电")
    office.sweep("escalate", "2024-01-12 08:59")
    assert office.told(yellow) == ["m1"]
    for at in ("09:00", "09:01", "17:00"):
        office.sweep("escalate", f"2024-01-12 {at}")
        assert office.told(yellow) == ["m1", "m1"]
    (found,) = office.alerts()
    assert (found.escalations, found.escalate_at) == (0, None)


def test_what_was_snoozed_at_the_top_comes_back_to_the_top(office: Office):
    # Due on Monday the 15th: on Wednesday the 17th the second black one, two days over, which the city has too.
    office.case()
    office.sweep("due", "2024-01-17 10:00")
    *_, black = office.alerts(level="black")
    assert (black.day, black.remaining) == ("2024-01-17", -2)
    everybody = ["m1", "lead", "county", "city"]
    assert office.told(black) == everybody
    with office.service.database.write() as tx:
        tx.snooze_alert(black.id, "2024-01-18T09:00:00.000000+08:00", "等停电")
    office.sweep("escalate", "2024-01-18 09:00")
    assert office.told(black) == everybody * 2


def test_a_rung_that_went_to_the_top_of_the_chain_waits_for_nobody(office: Office):
    office.case()
    office.sweep("due", "2024-01-17 10:00")
    assert {row.remaining: row.escalate_at for row in office.alerts(level="black")} == {
        -1: "2024-01-17T14:00:00.000000+08:00",
        -2: None,
    }


# Supervision orders: one working day before, on the day, every working day after.


def test_the_reply_date_of_an_order_is_watched(office: Office):
    case_id = office.case()
    row = OrderRow(
        "o1", None, case_id, "T1", "county", write(office.clock.now()), "2024-01-12", "三日内答复",
        look_on="2024-01-11",
    )  # fmt: skip
    with office.service.database.write() as tx:
        tx.add_order(row)
    for day in ("10", "11", "12", "13", "15", "16"):
        office.sweep("orders", f"2024-01-{day} 09:00")
    assert office.rungs(subject="order:o1") == [
        ("yellow", "2024-01-11", 1), ("red", "2024-01-12", 0), ("black", "2024-01-15", -1), ("black", "2024-01-16", -2),
    ]  # fmt: skip
    assert [office.told(one) for one in office.alerts(subject="order:o1")] == [
        ["m1"], ["m1"], ["m1", "county"], ["m1", "county"],
    ]  # fmt: skip
    with office.service.database.write() as tx:
        assert tx.answer_order("o1", "已安排", "m1", write(office.clock.now()))
        tx.clear_subject("order:o1", write(office.clock.now()), "met")
    assert office.sweep("orders", "2024-01-19 09:00").looked == 0


# Reports: 15 July and 15 January, counted in working days; 10, 3, 0 left, once after.


def test_report_dates_are_watched_for_every_province_and_let_go_a_month_later(office: Office):
    raised: list[list[tuple[str, str, str]]] = []
    for day in ("2024-06-30", "2024-07-01", "2024-07-10", "2024-07-15", "2024-07-16", "2024-07-30"):
        office.sweep("reports", f"{day} 09:00")
        raised.append([(row.subject, row.level, row.day) for row in office.alerts()][sum(map(len, raised)) :])
    name = "report:2024H1:HB"
    assert raised == [
        [], [(name, "yellow", "2024-07-01")], [(name, "orange", "2024-07-10")], [(name, "red", "2024-07-15")],
        [(name, "black", "2024-07-16")], [],
    ]  # fmt: skip
    assert {row.due_on for row in office.alerts()} == {"2024-07-15"}
    assert {tuple(office.told(row)) for row in office.alerts()} == {("province",)}
    office.sweep("reports", "2024-08-16 09:00")
    assert office.rungs(status="standing") == []
    assert {row.cleared_because for row in office.alerts()} == {"past"}


def test_the_year_is_reported_in_january_of_the_next(office: Office):
    office.sweep("reports", "2025-01-15 09:00")
    assert ("report:2024:HB", "red", "2025-01-15", "2025-01-15") in [
        (row.subject, row.level, row.day, row.due_on) for row in office.alerts()
    ]


# Horizons: the shipped calendar is firm until 2026-12-21; 30, 15, 0 days before, every 7 days after.


def test_the_end_of_the_calendar_is_announced_until_a_notice_moves_it(office: Office):
    firm = office.service.calendars.current().firm_until
    assert firm.isoformat() == "2026-12-21"
    for moment in ("2026-11-20", "2026-11-21", "2026-12-06"):
        office.sweep("horizon", f"{moment} 09:00")
    assert office.rungs(subject="horizon:calendar") == [("yellow", "2026-11-21", 30), ("orange", "2026-12-06", 15)]
    alert = office.alerts(subject="horizon:calendar")[0]
    assert (alert.org, alert.due_on, office.told(alert)) == ("HB", "2026-12-21", ["province"])
    office.service.import_notice(ADMIN, NOTICE)
    office.sweep("horizon")
    assert office.rungs(subject="horizon:calendar", status="standing") == []


def test_rules_are_to_be_compared_with_their_sources_every_half_year(office: Office):
    verified = office.service.law.book.verified_on
    assert verified.isoformat() == "2026-11-23"
    office.sweep("horizon", "2027-05-23 09:00")
    assert [row.due_on for row in office.alerts(subject="horizon:definitions")] == ["2027-05-23"] * 3
    assert [row.level for row in office.alerts(subject="horizon:definitions")] == ["yellow", "orange", "red"]


# A calendar notice: five working days after Thursday 2026-12-24 are 25 28 29 30 31; with the invented notice, which
# works on Saturday the 26th and rests on the 31st, they are 25 26 28 29 30.


def test_a_notice_moves_what_is_raised(office: Office):
    office.clock.set("2026-12-24 09:00")
    case_id = office.case()
    office.sweep("due", "2026-12-25 03:00")
    assert office.rungs(case_id=case_id) == []
    assert office.looks(case_id)["total"] == "2026-12-29"
    office.service.import_notice(ADMIN, NOTICE)
    assert office.looks(case_id)["total"] == "2026-12-28"
    office.sweep("due", "2026-12-28 03:00")
    assert office.rungs(case_id=case_id) == [("yellow", "2026-12-28", 2)]


def test_a_notice_clears_what_was_raised_too_early(office: Office):
    """Its rungs by the old calendar: yellow on the 29th, orange on the 30th. Imported on the 29th, the new one has
    had yellow on the 28th, and orange is today."""
    office.clock.set("2026-12-24 09:00")
    case_id = office.case()
    office.sweep("due", "2026-12-29 03:00")
    assert office.rungs(case_id=case_id) == [("yellow", "2026-12-29", 2)]
    office.service.import_notice(ADMIN, NOTICE)
    assert office.rungs(case_id=case_id, status="standing") == []
    office.sweep("due")
    assert office.rungs(case_id=case_id, status="standing") == [
        ("yellow", "2026-12-28", 2),
        ("orange", "2026-12-29", 1),
    ]
    assert read_notice(NOTICE)[0].year == 2027


# Inner milestones of the long limits (15 working days: the visit within three) warn as well, and are no legal limits.


def test_a_milestone_warns_early_and_is_silent_once_it_is_reached(office: Office):
    case_id = office.case(user_class="lv_zero")
    office.sweep("due", "2024-01-10 03:00")
    visit = [row for row in office.alerts() if row.key == "milestone:visit"]
    # Three days from Monday the 8th: 9, 10, 11; yellow with one left.
    assert [(row.scope, row.level, row.day, row.due_on) for row in visit] == [
        ("milestone", "yellow", "2024-01-10", "2024-01-11")
    ]
    office.clock.set("2024-01-10 10:00")
    office.do(case_id, "reach_milestone", milestone="visit")
    assert [row for row in office.alerts(status="standing") if row.key == "milestone:visit"] == []
    office.sweep("due", "2024-01-12 03:00")
    assert [row for row in office.alerts(status="standing") if row.key == "milestone:visit"] == []


def test_a_milestone_that_is_not_reached_goes_up_by_a_ladder_of_its_own(office: Office):
    """Due on Thursday the 11th: yellow the day before to the manager alone, red and the first day over to the team lead
    as well, and from the third working day over, Tuesday the 16th, to the county; once."""
    office.case(user_class="lv_zero")
    for day in ("10", "11", "12", "15", "16", "17"):
        office.sweep("due", f"2024-01-{day} 10:00")
    visit = [row for row in office.alerts() if row.key == "milestone:visit"]
    assert [(row.level, row.day, office.told(row)) for row in visit] == [
        ("yellow", "2024-01-10", ["m1"]),
        ("red", "2024-01-11", ["m1", "lead"]),
        ("black", "2024-01-12", ["m1", "lead"]),
        ("black", "2024-01-16", ["m1", "lead", "county"]),
    ]


# A plan of low voltage lapses three months after its delivery; 30 and 10 natural days before, on the day, once after.


def test_a_plan_that_lapses_is_told_of_in_natural_days(office: Office):
    case_id = office.case(user_class="lv_other")
    office.do(case_id, "complete_step", step="supply_plan")
    for day in ("03-08", "03-09", "03-28", "03-29", "04-07", "04-08", "04-09", "04-10"):
        office.sweep("due", f"2024-{day} 10:00")
    plan = [row for row in office.alerts() if row.key == "plan"]
    assert [(row.level, row.day, row.due_on, office.told(row)) for row in plan] == [
        ("yellow", "2024-03-09", "2024-04-08", ["m1"]),
        ("orange", "2024-03-29", "2024-04-08", ["m1", "lead"]),
        ("red", "2024-04-08", "2024-04-08", ["m1", "lead"]),
        ("black", "2024-04-09", "2024-04-08", ["m1", "lead"]),
    ]


# Heartbeats


def test_a_run_leaves_a_heartbeat(office: Office):
    office.case()
    office.sweep("due", "2024-01-11 03:00")
    beat = office.heartbeats()["due"]
    at = "2024-01-11T03:00:00.000000+08:00"
    assert beat == ("due", "hand", at, at, at, 1, 1, False, None)


def test_a_sweep_that_crashes_is_a_fact_and_stops_no_other(office: Office):
    office.case()
    office.sweep("due", "2024-01-10 03:00")
    good = office.heartbeats()["due"].last_good_at

    def crash(run: Run) -> None:
        run.begins()
        raise ZeroDivisionError("boom")

    office.clock.set("2024-01-11 03:00")
    row = office.pulse.beat(Sweep("due", crash))
    assert row.error == "ZeroDivisionError: boom"
    beat = office.heartbeats()["due"]
    assert (beat.error, beat.last_good_at, beat.finished_at) == (row.error, good, row.finished_at)
    office.sweep("stale")
    office.sweep("due")
    assert office.heartbeats()["due"].error is None
    assert len(office.alerts()) == 1


def test_a_run_that_never_ended_shows_as_begun(office: Office):
    class Killed(BaseException):
        pass

    def killed(run: Run) -> None:
        run.begins()
        raise Killed

    with pytest.raises(Killed):
        office.pulse.beat(Sweep("due", killed))
    beat = office.heartbeats()["due"]
    assert (beat.finished_at, beat.started_at) == (None, "2024-01-08T09:00:00.000000+08:00")


def test_a_database_that_is_away_is_an_error_of_the_run_and_nothing_more(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
):
    def away() -> None:
        raise StorageUnavailable("不可用", "away")

    pulse = Pulse(sqlite_office.service, "hand", threading.Event())
    monkeypatch.setattr(sqlite_office.service.database, "read", away)
    monkeypatch.setattr(sqlite_office.service.database, "write", away)
    from tests.alerts.office import SWEEPS

    for name, run in SWEEPS.items():
        row = pulse.beat(Sweep(name, run))
        assert row.error == "不可用 / away", name


def test_idling_hardly_writes(office: Office, hand_clock: HandClock):
    pulse = Pulse(office.service, "hand", threading.Event())
    nothing = Sweep("due", lambda _: None)
    pulse.beat(nothing)
    hand_clock.set("2024-01-08 09:01")
    pulse.beat(nothing)
    assert office.heartbeats()["due"].finished_at == "2024-01-08T09:00:00.000000+08:00"
