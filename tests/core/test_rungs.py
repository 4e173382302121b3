"""Rungs against a day-by-day loop over `standing`: every budget, every threshold, rest days, make-up workdays,
suspended stretches, clocks that stop and start again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definitions import load, shipped
from workflow.core.counting import OPEN_ENDED, Interval, Timer, due_date, used_days
from workflow.core.rungs import Course, Rung, course_of, course_of_row, first_look, next_look, rungs_due
from workflow.core.timers import standing

CALENDAR = shipped()
LADDER = load().ladder(on=dt.date(2026, 1, 1))
ONE_DAY = dt.timedelta(days=1)
Stretches = tuple[tuple[dt.date, dt.date], ...]

# The table of policy 7, once more and by hand: level, days left, budgets from and to, who receives it.
MANAGER, TEAM, COUNTY, CITY = "manager", "team_lead", "county", "city"
TABLE = [
    ("yellow", 2, 2, 9, (MANAGER,)),
    ("yellow", 3, 10, 999, (MANAGER,)),
    ("orange", 1, 1, 999, (MANAGER, TEAM)),
    ("red", 0, 1, 999, (MANAGER, TEAM, COUNTY)),
]


def timer(
    budget: int, start: dt.date, suspended: Stretches = (), earlier: tuple[Interval, ...] = (), scope: str = "total"
) -> Timer:
    """A running timer as `workflow.core.timers` makes it."""
    used = sum(interval.used or 0 for interval in earlier)
    due: dt.date | None = due_date(CALENDAR, start, max(budget - used, 0), suspended)
    spent = 0
    for interval in earlier:
        if spent + (interval.used or 0) > budget:
            due = due_date(CALENDAR, interval.counted_from, max(budget - spent, 0), suspended)
            break
        spent += interval.used or 0
    status = "running" if due else "suspended"
    intervals = (*earlier, Interval(start, None))
    return Timer("total", scope, None, None, budget, intervals, suspended, due, False, status)


def row_course(one: Timer) -> Course | None:
    """The course had from the columns of the timer's row, written as the projection writes them."""
    ledger = msgspec.json.encode(
        {
            "running": [(i.counted_from, i.end) for i in one.intervals],
            "suspended": [(a, None if b == OPEN_ENDED else b) for a, b in one.suspended],
        }
    ).decode()
    due = None if one.due_on is None else one.due_on.isoformat()
    return course_of_row(
        CALENDAR, scope=one.scope, budget=one.budget, due_on=due, ledger=ledger, status=one.status
    )  # fmt: skip


def level_of(budget: int, remaining: int) -> tuple[str, tuple[str, ...]] | None:
    """The most urgent level at `remaining`, by the table above."""
    if remaining <= -2:
        return "black", (MANAGER, TEAM, COUNTY, CITY)
    if remaining == -1:
        return "black", (MANAGER, TEAM, COUNTY)
    found = None
    for level, left, low, high, recipients in TABLE:
        if low <= budget <= high and remaining <= left:
            found = level, recipients
    return found


def naive(one: Timer, until: dt.date) -> Iterator[Rung]:
    """Every rung up to `until`, black ones daily, by asking `standing` on every date since the clock last started: a
    rung is new when the days left have become fewer and a threshold was met on the way."""
    before: int | None = None
    day = one.intervals[-1].counted_from
    while day <= until:
        stand = standing(CALENDAR, one, day)
        if stand.status == "running":
            left = stand.remaining
            if before is None:
                found = level_of(one.budget, left)
                if found:
                    yield Rung(found[0], day, left, found[1])
            elif left < before:
                assert left == before - 1, "a day takes one day"
                found = level_of(one.budget, left)
                thresholds = {threshold for _, threshold, low, high, _ in TABLE if low <= one.budget <= high}
                if found and (left in thresholds or left < 0):
                    yield Rung(found[0], day, left, found[1])
            before = left
        day += ONE_DAY


def passed(rungs: list[Rung]) -> tuple[Rung, ...]:
    """What is raised of `rungs` at once: of the black ones the first and the latest."""
    black = [rung for rung in rungs if rung.level == "black"]
    return (*(rung for rung in rungs if rung.level != "black"), *black[:1], *black[1:][-1:])


def held(one: Timer, until: dt.date) -> None:
    """Everything the module says of `one` up to `until` is what the loop says."""
    course = course_of(CALENDAR, one)
    assert course is not None
    assert row_course(one) == course
    start = one.intervals[-1].counted_from
    every = list(naive(one, until))
    first = first_look(CALENDAR, LADDER, one)
    if every:
        assert first == every[0].day
    else:
        assert first is None or first > until
    day = start
    while day <= until:
        suspended = any(a <= day <= b for a, b in one.suspended)
        reached = [] if suspended else [rung for rung in every if rung.day <= day]
        assert rungs_due(CALENDAR, LADDER, course, day) == passed(reached)
        after = next_look(CALENDAR, LADDER, course, day)
        coming = [rung.day for rung in every if rung.day > day]
        if suspended:
            # Looked at again when the stretch is over, or when the first rung comes, if none was reached yet.
            last = next(b for a, b in one.suspended if a <= day <= b)
            if last == OPEN_ENDED:
                assert after is None
            elif [rung for rung in every if rung.day <= day]:
                assert after == last + ONE_DAY
            elif coming:
                assert after == coming[0]
        elif coming:
            assert after == coming[0]
        else:
            assert after is None or after > until
        day += ONE_DAY


def told(one: Timer, today: dt.date) -> list[tuple[str, dt.date, int]]:
    rungs = rungs_due(CALENDAR, LADDER, course_of(CALENDAR, one), today)
    return [(rung.level, rung.day, rung.remaining) for rung in rungs]


def swept(one: Timer, days: list[dt.date]) -> list[tuple[str, dt.date]]:
    """The rungs raised by a sweep that looks on `days` only, with its bookmark and the unique claim."""
    course = course_of(CALENDAR, one)
    look = first_look(CALENDAR, LADDER, one)
    raised: list[tuple[str, dt.date]] = []
    for day in days:
        if look is not None and look <= day:
            for rung in rungs_due(CALENDAR, LADDER, course, day, look):
                if (rung.level, rung.day) not in raised:
                    raised.append((rung.level, rung.day))
            look = next_look(CALENDAR, LADDER, course, day)
    return raised


# Starts around the Spring Festival of 2026 (rest 02-15 to 02-23, worked 02-14 and 02-28) and around ordinary weekends.
STARTS = [
    dt.date(2026, 2, 10), dt.date(2026, 2, 13), dt.date(2026, 2, 14), dt.date(2026, 2, 16), dt.date(2026, 2, 28),
    dt.date(2026, 4, 17), dt.date(2026, 4, 18), dt.date(2026, 4, 19), dt.date(2026, 4, 20),
]  # fmt: skip


@pytest.mark.parametrize("budget", range(1, 41))
def test_every_budget_on_every_kind_of_day(budget: int) -> None:
    for start in STARTS:
        held(timer(budget, start), CALENDAR.add(start, budget + 6))


def test_a_one_day_budget_has_its_orange_on_its_start_day_and_no_yellow() -> None:
    # Friday 2026-04-17: due Monday, overdue on Tuesday.
    one = timer(1, dt.date(2026, 4, 17))
    assert rungs_due(CALENDAR, LADDER, course_of(CALENDAR, one), dt.date(2026, 4, 22)) == (
        Rung("orange", dt.date(2026, 4, 17), 1, (MANAGER, TEAM)),
        Rung("red", dt.date(2026, 4, 20), 0, (MANAGER, TEAM, COUNTY)),
        Rung("black", dt.date(2026, 4, 21), -1, (MANAGER, TEAM, COUNTY)),
        Rung("black", dt.date(2026, 4, 22), -2, (MANAGER, TEAM, COUNTY, CITY)),
    )


@pytest.mark.parametrize(
    ("budget", "yellow"),
    # Monday 2026-03-02 starts; weekends 03-07/08 and 03-14/15. Due: 2 → Wed 04, 9 → Fri 13, 10 → Mon 16.
    [(1, None), (2, dt.date(2026, 3, 2)), (3, dt.date(2026, 3, 3)), (9, dt.date(2026, 3, 11)),
     (10, dt.date(2026, 3, 11)), (11, dt.date(2026, 3, 12))],
)  # fmt: skip
def test_yellow_by_hand(budget: int, yellow: dt.date | None) -> None:
    one = timer(budget, dt.date(2026, 3, 2))
    found = [rung.day for rung in rungs_due(CALENDAR, LADDER, course_of(CALENDAR, one), dt.date(2026, 4, 30))
             if rung.level == "yellow"]  # fmt: skip
    assert found == ([] if yellow is None else [yellow])


def test_after_downtime_the_missed_ones_come_in_order_and_of_black_the_first_and_the_latest() -> None:
    one = timer(5, dt.date(2026, 3, 2))  # due Mon 03-09
    assert swept(one, [dt.date(2026, 3, 20)]) == [
        ("yellow", dt.date(2026, 3, 5)), ("orange", dt.date(2026, 3, 6)), ("red", dt.date(2026, 3, 9)),
        ("black", dt.date(2026, 3, 10)), ("black", dt.date(2026, 3, 20)),
    ]  # fmt: skip
    # Down only from the 12th: those of the 10th and 11th were raised; of those missed the first and the latest come.
    looked = [dt.date(2026, 3, day) for day in (5, 6, 7, 9, 10, 11)] + [dt.date(2026, 3, 20)]
    assert swept(one, looked)[-4:] == [
        ("black", dt.date(2026, 3, 10)), ("black", dt.date(2026, 3, 11)), ("black", dt.date(2026, 3, 12)),
        ("black", dt.date(2026, 3, 20)),
    ]  # fmt: skip


def test_a_rung_missed_before_a_suspension_comes_after_it() -> None:
    """Yellow was reached on the 5th while nobody swept; the sweep first looks inside the suspension."""
    stretch = ((dt.date(2026, 3, 6), dt.date(2026, 3, 11)),)
    one = timer(5, dt.date(2026, 3, 2), stretch)  # due Fri 03-13
    assert swept(one, [dt.date(2026, 3, 8), dt.date(2026, 3, 12)]) == [
        ("yellow", dt.date(2026, 3, 5)), ("orange", dt.date(2026, 3, 12)),
    ]  # fmt: skip


def test_a_clock_that_starts_again_warns_of_what_is_left() -> None:
    """Six days, four used in an earlier round: two left on the new start day are its yellow; with eight used, it is
    overdue by two from the start."""
    earlier = (Interval(dt.date(2026, 3, 2), dt.date(2026, 3, 6), 4),)
    again = timer(6, dt.date(2026, 3, 16), earlier=earlier)
    assert told(again, dt.date(2026, 3, 17)) == [
        ("yellow", dt.date(2026, 3, 16), 2), ("orange", dt.date(2026, 3, 17), 1),
    ]  # fmt: skip
    earlier = (Interval(dt.date(2026, 3, 2), dt.date(2026, 3, 12), 8),)
    over = timer(6, dt.date(2026, 3, 16), earlier=earlier)
    assert told(over, dt.date(2026, 3, 17)) == [
        ("black", dt.date(2026, 3, 16), -2), ("black", dt.date(2026, 3, 17), -3),
    ]  # fmt: skip


def test_a_start_day_inside_a_suspension() -> None:
    """Sunday 2026-03-01 is suspended: on Monday the one day is already counted, so that red comes and no orange."""
    one = timer(1, dt.date(2026, 3, 1), ((dt.date(2026, 3, 1), dt.date(2026, 3, 1)),))
    assert told(one, dt.date(2026, 3, 2)) == [("red", dt.date(2026, 3, 2), 0)]


def test_what_does_not_run_has_no_rungs() -> None:
    for status in ("waiting", "met", "breached", "cancelled"):
        one = msgspec.structs.replace(timer(5, dt.date(2026, 3, 2)), status=status)
        assert course_of(CALENDAR, one) is None
        assert first_look(CALENDAR, LADDER, one) is None
        assert row_course(one) is None
    assert rungs_due(CALENDAR, LADDER, None, dt.date(2026, 3, 20)) == ()
    assert next_look(CALENDAR, LADDER, None, dt.date(2026, 3, 20)) is None


def test_an_open_suspension_raises_nothing_and_is_not_looked_at() -> None:
    one = timer(5, dt.date(2026, 3, 2), ((dt.date(2026, 3, 4), OPEN_ENDED),))
    assert one.due_on is None
    assert first_look(CALENDAR, LADDER, one) is None
    held(one, dt.date(2026, 3, 31))


def test_a_clock_that_was_suspended_from_its_start_warns_on_the_day_after() -> None:
    # Two days left all week and on Saturday the 13th, the first day that is not suspended.
    week = ((dt.date(2024, 1, 8), dt.date(2024, 1, 12)),)
    one = timer(2, dt.date(2024, 1, 8), week)
    saturday = dt.date(2024, 1, 13)
    assert first_look(CALENDAR, LADDER, one) == saturday
    assert rungs_due(CALENDAR, LADDER, course_of(CALENDAR, one), saturday) == (Rung("yellow", saturday, 2, (MANAGER,)),)


def test_what_earlier_rounds_used_is_what_they_were_judged_to_have_used() -> None:
    """The row's due date says it. A first round of 2 working days by the calendar of now that was judged by another to
    have taken 3, of a sum of 6: 3 are left from Monday the 15th, so that it is due on Thursday the 18th."""
    ledger = '{"running": [["2024-01-08", "2024-01-10"], ["2024-01-15", null]], "suspended": []}'
    course = course_of_row(
        CALENDAR, scope="total", budget=6, due_on="2024-01-18", ledger=ledger, status="running"
    )  # fmt: skip
    thursday = dt.date(2024, 1, 18)
    due = rungs_due(CALENDAR, LADDER, course, thursday)
    assert [(rung.level, rung.day.day, rung.remaining) for rung in due] == [
        ("yellow", 16, 2), ("orange", 17, 1), ("red", 18, 0),
    ]  # fmt: skip


def test_a_plan_is_counted_in_natural_days() -> None:
    # 92 days from 2024-01-08: 30 are left after 62, on Sunday 03-10; 10 after 82, on Saturday 03-30.
    plan = Course("plan", 92, 92, dt.date(2024, 1, 8))
    sunday = dt.date(2024, 3, 10)
    assert rungs_due(CALENDAR, LADDER, plan, sunday - ONE_DAY) == ()
    assert rungs_due(CALENDAR, LADDER, plan, sunday) == (Rung("yellow", sunday, 30, (MANAGER,)),)
    assert next_look(CALENDAR, LADDER, plan, sunday) == dt.date(2024, 3, 30)


def test_a_rung_that_comes_every_other_day() -> None:
    # Two working days from Monday 2024-01-08, due on the 10th; two over on Friday the 12th, four on Tuesday the 16th.
    legal = LADDER.of("total")
    bands = tuple(msgspec.structs.replace(band, every=band.every and 2) for band in legal.bands)
    ladder = msgspec.structs.replace(LADDER, rules={"total": msgspec.structs.replace(legal, bands=bands)})
    course = course_of(CALENDAR, timer(2, dt.date(2024, 1, 8)))
    for today, following in ((11, 12), (12, 16), (15, 16), (16, 18)):
        assert next_look(CALENDAR, ladder, course, dt.date(2024, 1, today)) == dt.date(2024, 1, following)


dates = st.dates(dt.date(2025, 9, 20), dt.date(2026, 10, 10))


@st.composite
def stretches(draw: st.DrawFn) -> Stretches:
    found: list[tuple[dt.date, dt.date]] = []
    for start, length in draw(st.lists(st.tuples(dates, st.integers(0, 12)), max_size=3)):
        stretch = (start, start + dt.timedelta(days=length))
        if all(stretch[1] < a or b < stretch[0] for a, b in found):
            found.append(stretch)
    return tuple(sorted(found))


@settings(max_examples=150, deadline=None)
@given(budget=st.integers(1, 40), start=dates, suspended=stretches())
def test_any_suspension(budget: int, start: dt.date, suspended: Stretches) -> None:
    held(timer(budget, start, suspended), start + dt.timedelta(days=2 * budget + 30))


@settings(max_examples=100, deadline=None)
@given(
    budget=st.integers(1, 12),
    start=dates,
    lengths=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3),
)
def test_any_sum_of_rounds(budget: int, start: dt.date, lengths: list[tuple[int, int]]) -> None:
    earlier: list[Interval] = []
    for run, wait in lengths:
        end = start + dt.timedelta(days=run)
        earlier.append(Interval(start, end, used_days(CALENDAR, start, end)))
        start = end + dt.timedelta(days=wait)
    held(timer(budget, start, earlier=tuple(earlier)), start + dt.timedelta(days=25))


@settings(max_examples=100, deadline=None)
@given(budget=st.integers(1, 20), start=dates, suspended=stretches(), data=st.data())
def test_a_sweep_that_looks_when_it_can_misses_nothing_but_repeats(
    budget: int, start: dt.date, suspended: Stretches, data: st.DataObject
) -> None:
    """Whatever days it is up, what it raised is in order, is what the loop knows, and lacks nothing that was reached
    by the last day it looked, repeated black aside."""
    one = timer(budget, start, suspended)
    until = start + dt.timedelta(days=budget + 25)
    offsets = sorted(data.draw(st.sets(st.integers(0, budget + 25), max_size=12)))
    days = [start + dt.timedelta(days=n) for n in offsets]
    raised = swept(one, days)
    every = [(rung.level, rung.day) for rung in naive(one, until)]
    assert [rung for rung in every if rung in raised] == raised
    up = [day for day in days if not any(a <= day <= b for a, b in suspended)]
    if up:
        due = [rung for rung in every if rung[1] <= up[-1]]
        assert [rung for rung in due if rung[0] != "black"] == [rung for rung in raised if rung[0] != "black"]
        black = [rung for rung in due if rung[0] == "black"]
        assert {*black[:1], *black[-1:]} <= set(raised)
