"""Working-day arithmetic against a loop over days that shares nothing with it but the question.

The oracle asks the package `holidays` day by day, so it checks the days and the arithmetic at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from holidays.utils import country_holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from definitions.calendar import shipped

CALENDAR = shipped()
CHINA = country_holidays("CN", years=range(2003, 2101))
DAY = dt.timedelta(days=1)

starts = st.dates(dt.date(2004, 1, 1), dt.date(2099, 6, 30)) | st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31))
budgets = st.integers(0, 40)
suspensions = st.lists(st.tuples(st.integers(-5, 60), st.integers(1, 25)), max_size=3)


def walk(start: dt.date, n: int, excluded: Collection[dt.date] = ()) -> dt.date:
    day = start
    while n:
        day += DAY
        if CHINA.is_working_day(day) and day not in excluded:
            n -= 1
    return day


def spans(start: dt.date, lengths: list[tuple[int, int]]) -> set[dt.date]:
    return {start + DAY * (offset + n) for offset, length in lengths for n in range(length)}


@settings(max_examples=200, deadline=None)
@given(starts, budgets)
def test_add_is_the_nth_working_day_of_a_walk(start, n):
    assert CALENDAR.add(start, n) == walk(start, n)


@settings(max_examples=200, deadline=None)
@given(starts, st.integers(-30, 90))
def test_count_is_the_number_of_working_days_met_on_the_way(start, length):
    end = max(start + DAY * length, dt.date(2004, 1, 1))
    met = sum(CHINA.is_working_day(start + DAY * n) for n in range(1, (end - start).days + 1))
    assert CALENDAR.count(start, end) == met


@settings(max_examples=150, deadline=None)
@given(starts, budgets)
def test_count_undoes_add_and_the_due_date_is_worked(start, n):
    due = CALENDAR.add(start, n)
    assert CALENDAR.count(start, due) == n
    assert n == 0 or CALENDAR.is_working(due)
    assert n == 0 or CALENDAR.last_working_on_or_before(due) == due
    assert CALENDAR.last_working_on_or_before(due + DAY * 3) >= due or n == 0


@settings(max_examples=150, deadline=None)
@given(starts, budgets, suspensions)
def test_excluded_days_push_the_due_date_as_in_a_walk(start, n, lengths):
    excluded = spans(start, lengths) & {dt.date.fromordinal(d) for d in range(731581, 766644)}
    assert CALENDAR.add(start, n, excluded) == walk(start, n, excluded)


@settings(max_examples=100, deadline=None)
@given(starts, budgets, suspensions)
def test_the_account_adds_up(start, n, lengths):
    excluded = spans(start, lengths) & {dt.date.fromordinal(d) for d in range(731581, 766644)}
    rows = CALENDAR.account(start, n, excluded)
    assert [row.date for row in rows] == [start + DAY * i for i in range(len(rows))]
    assert rows[0].reason == "start"
    assert [row.counted for row in rows if row.counted is not None] == list(range(1, n + 1))
    assert rows[-1].date == walk(start, n, excluded)
    for row in rows[1:]:
        worked = CHINA.is_working_day(row.date)
        assert (row.counted is not None) == (worked and row.date not in excluded)
        assert (row.reason == "suspended") == (worked and row.date in excluded)
        assert row.provisional == (row.date > dt.date(2026, 12, 21))
