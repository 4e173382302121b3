"""What the sweep `due` raises, when, for whom; and what a command leaves standing.

A residential application submitted on Monday 2024-01-08 has five working days: 9, 10, 11, 12, 15.  So yellow (two left)
falls on Thursday the 11th, orange on the 12th, red on Monday the 15th, black on the 16th and every working day after.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from storage import DestinationRow, StaffRow
from tests.alerts.office import STAFF, Office
from workflow.alerts import due, upkeep
from workflow.alerts.sweep import Run

YELLOW, ORANGE, RED = ("yellow", "2024-01-11", 2), ("orange", "2024-01-12", 1), ("red", "2024-01-15", 0)
BLACK = ("black", "2024-01-16", -1)


def test_a_timer_climbs_its_ladder_day_by_day(office: Office):
    case_id = office.case()
    assert office.looks(case_id)["total"] == "2024-01-11"
    raised: list[list[tuple[str, str, int]]] = []
    for day in ("10", "11", "11", "12", "13", "14", "15", "16", "17", "20"):
        before = len(office.alerts())
        office.sweep("due", f"2024-01-{day} 03:00")
        raised.append(office.rungs()[before:])
    assert raised == [
        [], [YELLOW], [], [ORANGE], [], [], [RED], [BLACK], [("black", "2024-01-17", -2)],
        # The 18th and 19th were missed: of the daily ones the first and the latest come after.
        [("black", "2024-01-18", -3), ("black", "2024-01-19", -4)],
    ]  # fmt: skip
    rows = office.alerts()
    assert {(row.subject, row.case_id, row.key, row.scope, row.org, row.manager, row.due_on) for row in rows} == {
        (case_id, case_id, "total", "total", "T1", "m1", "2024-01-15")
    }
    assert [office.told(row) for row in rows[:5]] == [
        ["m1"], ["m1", "lead"], ["m1", "lead", "county"], ["m1", "lead", "county"], ["m1", "lead", "county", "city"],
    ]  # fmt: skip
    assert office.looks(case_id)["total"] == "2024-01-22"
    assert office.desk.disagreeing() == []


def test_after_downtime_passed_rungs_come_in_order_each_with_its_own_day(office: Office):
    office.case()
    row = office.sweep("due", "2024-01-22 03:00")
    assert office.rungs() == [YELLOW, ORANGE, RED, BLACK, ("black", "2024-01-22", -5)]
    assert (row.looked, row.done) == (1, 5)
    office.sweep("due", "2024-01-22 04:00")
    assert len(office.alerts()) == 5


def test_a_clock_that_jumps_back_raises_nothing_twice(office: Office):
    office.case()
    office.sweep("due", "2024-01-15 03:00")
    assert office.rungs() == [YELLOW, ORANGE, RED]
    for moment in ("2024-01-11 03:00", "2024-01-09 03:00", "2024-01-15 09:00"):
        office.sweep("due", moment)
    assert office.rungs() == [YELLOW, ORANGE, RED]
    assert len(office.messages()) == 6
    office.sweep("due", "2024-01-16 03:00")
    assert office.rungs() == [YELLOW, ORANGE, RED, BLACK]


def test_looking_again_from_the_start_raises_nothing_twice(office: Office):
    case_id = office.case()
    office.sweep("due", "2024-01-15 03:00")
    with office.service.database.write() as tx:
        tx.move_looks([("2021-01-01", case_id, "total")])  # as a rebuild or a migration leaves it
    office.sweep("due")
    assert office.rungs() == [YELLOW, ORANGE, RED]
    assert len(office.messages()) == 6
    assert office.looks(case_id)["total"] == "2024-01-16"


@pytest.mark.parametrize(
    ("command", "because"),
    [
        ({"name": "complete_step", "step": "metering"}, "met"),
        ({"name": "withdraw", "reason": "不办了", "evidence": {"ref": "R1", "source": "callcentre"}}, "withdrawn"),
        ({"name": "terminate", "reason": "duplicate"}, "terminated"),
        ({"name": "refuse", "legal_basis": "law:电力法第25条"}, "refused"),
    ],
)
def test_an_end_leaves_no_alert(office: Office, command: dict[str, Any], because: str):
    case_id = office.case()
    office.sweep("due", "2024-01-12 03:00")
    assert office.rungs(status="standing") == [YELLOW, ORANGE]
    office.clock.set("2024-01-12 10:00")
    office.do(case_id, **command)
    assert office.rungs(status="standing") == []
    assert {row.cleared_because for row in office.alerts()} == {because}
    assert set(office.looks(case_id).values()) == {None}
    office.sweep("due", "2024-02-20 03:00")
    assert office.rungs() == [YELLOW, ORANGE]


def test_a_suspended_timer_says_nothing_and_goes_on_from_what_was_left(office: Office):
    case_id = office.case()
    office.sweep("due", "2024-01-11 03:00")
    assert office.rungs(status="standing") == [YELLOW]
    office.clock.set("2024-01-12 10:00")
    office.do(case_id, "suspend", reason="force_majeure", notice="N1", **{"from": "2024-01-12"})
    office.do(case_id, "countersign")
    assert office.rungs(status="standing") == []
    assert office.alerts()[0].cleared_because == "suspended"
    office.sweep("due", "2024-01-17 03:00")
    assert office.rungs(status="standing") == []
    office.clock.set("2024-01-18 10:00")
    office.do(case_id, "resume", to="2024-01-17")
    office.sweep("due")
    # Two were left on the 11th; the 18th is the next counted day: one left, and the 19th is the last.
    assert ("orange", "2024-01-18", 1) in office.rungs(status="standing")
    assert {row.due_on for row in office.alerts(status="standing")} == {"2024-01-19"}
    assert not [row for row in office.alerts() if row.level in ("red", "black")]
    office.sweep("due", "2024-01-19 03:00")
    assert ("red", "2024-01-19", 0) in office.rungs(status="standing")
    # The yellow of before holds again, and nobody was told of it twice.
    assert [row.recipient for row in office.messages() if row.alert_id == office.alerts()[0].id] == ["m1"]


@pytest.mark.parametrize("page", [1, 500])
def test_work_by_hand_on_rows_is_caught_by_the_second_net(office: Office, monkeypatch: pytest.MonkeyPatch, page: int):
    monkeypatch.setattr(upkeep, "PAGE", page)
    moved, gone = office.case(1), office.case(2)
    office.sweep("due", "2024-01-12 03:00")
    with office.service.database.write() as tx:
        tx._query(sa.text("UPDATE deadline SET due_on = '2024-01-19' WHERE case_id = :it").bindparams(it=moved))
        tx._query(sa.text("DELETE FROM deadline WHERE case_id = :it").bindparams(it=gone))
    row = office.sweep("stale")
    assert (row.looked, row.done) == (4, 4)
    assert office.rungs(status="standing") == []
    assert {(alert.case_id, alert.cleared_because) for alert in office.alerts()} == {(moved, "moved"), (gone, "gone")}
    assert office.sweep("stale").done == 0


def test_the_second_net_loses_no_alert_that_still_holds(office: Office):
    case_id = office.case()
    office.sweep("due", "2024-01-12 03:00")
    with office.service.database.write() as tx:
        tx._query(sa.text("UPDATE alert SET due_on = '2024-01-14'"))
    office.sweep("stale")
    assert office.rungs(status="standing") == []
    office.sweep("due")
    assert office.rungs(status="standing") == [YELLOW, ORANGE]
    assert {row.due_on for row in office.alerts()} == {"2024-01-15"}
    assert office.sweep("stale").done == 0
    assert [row.recipient for row in office.messages()] == ["m1", "m1", "lead"]
    assert office.looks(case_id)["total"] == "2024-01-15"


def test_alerts_are_computed_at_any_hour_and_sent_to_people_in_working_hours(office: Office):
    office.service.put_staff([StaffRow("m1", "张三", "T1", "manager", "mailto://m1@example.org", None)])
    with office.service.database.write() as tx:
        for number, (kind, events) in enumerate(
            (("webhook", "[]"), ("webhook", '["black"]'), ("apprise", '["alert"]'), ("customer", "[]"))
        ):
            tx.add_destination(
                DestinationRow(
                    f"d{number}", "x", kind, "https://x/", None, "JA", events, "2024-01-08T09:00:00.000000+08:00", "a"
                )
            )
        tx.add_destination(
            DestinationRow(
                "d9", "x", "webhook", "https://x/", None, "XX", "[]", "2024-01-08T09:00:00.000000+08:00", "a"
            )
        )
    office.case()
    office.sweep("due", "2024-01-13 12:00")  # a Saturday
    at, opening = "2024-01-13T12:00:00.000000+08:00", "2024-01-15T08:30:00.000000+08:00"
    yellow = office.alerts()[0]
    assert [
        (row.recipient, row.channel, row.status, row.not_before) for row in office.messages(alert_id=yellow.id)
    ] == [
        ("m1", "inbox", "sent", at),
        ("m1", "apprise", "pending", opening),
        ("destination:d0", "webhook", "pending", at),
        ("destination:d2", "apprise", "pending", opening),
    ]


def test_who_is_not_there_is_replaced_by_the_next_level_up(office: Office):
    office.case(1, manager="left")
    office.case(2, manager=None)
    office.case(3, org="JA")
    office.case(4, org="HB", manager=None)
    office.sweep("due", "2024-01-11 03:00")
    told = {row.case_id: office.told(row) for row in office.alerts()}
    assert list(told.values()) == [["lead"], ["lead"], ["m1"], ["province"]]


def test_when_there_is_nobody_at_all_that_is_told(office: Office):
    office.service.put_orgs([])
    with office.service.database.write() as tx:
        tx._query(sa.text("DELETE FROM staff"))
    office.case()
    office.sweep("due", "2024-01-11 03:00")
    assert office.rungs() == [YELLOW]
    assert office.messages() == []
    with office.service.database.read() as tx:
        assert tx.setting("alerts_for_nobody") == "1"
    office.service.put_staff(STAFF)
    office.sweep("due", "2024-01-12 03:00")
    with office.service.database.read() as tx:
        assert tx.setting("alerts_for_nobody") == "0"


def test_a_sweep_is_bounded_and_says_that_it_was_cut_short(office: Office):
    for number in range(7):
        office.case(number)
    run = office.bounded("due", "2024-01-11 03:00", at_most=3)
    assert (run.looked, run.done, run.cut_short) == (3, 3, True)
    run = office.bounded("due", at_most=3)
    assert (run.looked, run.done, run.cut_short) == (3, 3, True)
    run = office.bounded("due", at_most=3)
    assert (run.looked, run.done, run.cut_short) == (1, 1, False)
    assert len(office.alerts()) == 7
    run = office.bounded("due", "2024-01-12 03:00", seconds=0.0)
    assert (run.looked, run.cut_short) == (0, True)


def test_a_sweep_that_is_told_to_stop_stops_between_two_pages(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(due, "PAGE", 2)
    for number in range(5):
        office.case(number)
    office.clock.set("2024-01-11 03:00")
    stop = threading.Event()
    run = Run(office.service, "hand", stop)
    count = run.count

    def counted(looked: int, done: int) -> None:
        count(looked, done)
        stop.set()

    monkeypatch.setattr(run, "count", counted)
    due.run(run)
    assert (run.looked, run.cut_short) == (2, True)


def test_one_row_that_cannot_be_judged_keeps_no_other_from_it(office: Office):
    bad, good = office.case(1), office.case(2)
    with office.service.database.write() as tx:
        tx._query(sa.text("UPDATE deadline SET ledger = 'x' WHERE case_id = :it").bindparams(it=bad))
    office.clock.set("2024-01-11 03:00")
    run = office.bounded("due", at_most=100)
    assert [row.case_id for row in office.alerts()] == [good]
    assert len(run.faults) == 1
    assert run.faults[0].startswith(bad)
    assert office.looks(bad)["total"] == "2024-01-12"


def test_what_stands_goes_with_the_application_to_another_manager_and_unit(office: Office):
    case_id = office.case()
    office.sweep("due", "2024-01-12 03:00")
    office.do(case_id, "assign", manager="m2", org="JA")
    assert office.alerts(manager="m1") == []
    assert [(row.level, row.org) for row in office.alerts(manager="m2")] == [("yellow", "JA"), ("orange", "JA")]


def test_a_stricter_ladder_reaches_timers_that_run(office: Office, monkeypatch: pytest.MonkeyPatch):
    # The new yellow comes at four days left, on Tuesday the 9th; the timer's bookmark stands at the 11th.
    case_id = office.case()
    office.sweep("ladders", "2024-01-10 03:00")
    office.sweep("due")
    assert (office.rungs(), office.looks(case_id)["total"]) == ([], "2024-01-11")
    assert office.sweep("ladders").looked == 0
    book = office.service.law.book
    old = book.ladder(on=office.clock.now().date())
    legal = old.of("total")
    yellow = msgspec.structs.replace(legal.bands[1], left=4)
    stricter = msgspec.structs.replace(legal, bands=(legal.bands[0], yellow, *legal.bands[2:]))
    new = msgspec.structs.replace(old, rules={**old.rules, "total": stricter, "step": stricter, "approval": stricter})
    monkeypatch.setattr(type(book), "ladder", lambda self, *, on, region="000000": new)
    assert office.sweep("ladders").looked > 0
    office.sweep("due")
    assert office.rungs() == [("yellow", "2024-01-09", 4)]
    assert office.sweep("ladders").looked == 0


def test_a_look_at_everything_that_is_cut_short_goes_on_where_it_stopped(office: Office):
    cases = sorted(office.case(number) for number in range(3))
    start = "2021-01-01"  # any day gone by: every rung of a timer is looked at again

    def looked_at() -> list[str]:
        return [one for one in cases if office.looks(one)["total"] == start]

    office.bounded("ladders", "2024-01-08 10:00", at_most=1)
    assert looked_at() == cases[:1]
    with office.service.database.write() as tx:  # the sweep `due` has been there meanwhile
        tx.move_looks([("2024-01-11", cases[0], "total")])
    assert office.sweep("ladders").looked == 2
    assert looked_at() == cases[1:]
    assert office.sweep("ladders").looked == 0
