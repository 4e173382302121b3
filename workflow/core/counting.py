"""Counting in working days: the shapes of timers, and the arithmetic of budgets and suspended stretches.

Counting (policy 5): the start day is not counted (民法典 201); the due date is the last counted working day; used
days are the working days in (start date, end date].  All dates are in the business zone; nothing here reads a clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from definitions.calendar import WorkingCalendar
from definitions.model import CountingRule, Definition, Frozen
from workflow.core.state import State, Suspension
from workflow.core.times import BUSINESS_ZONE, business_date

OPEN_ENDED = dt.date.max


LEGAL = ("step", "total", "approval")
"""The scopes of timers that are limits of the law. The others (`milestone`, `plan`) only warn, and are never listed,
counted or explained as limits."""


class Interval(Frozen, frozen=True):
    """One running stretch of a timer's ledger. `counted_from`: the date not counted, from which days are counted;
    `end` None while it runs. `used`: the days it was judged to have taken when it ended."""

    counted_from: dt.date
    end: dt.date | None
    used: int | None = None


class Timer(Frozen, frozen=True):
    """A budget in working days and its ledger. `key` identifies it within the case. `due_on` is None while it waits or
    while an open suspension leaves no date to name. `status`: waiting, running, suspended, or once it stopped met,
    breached or cancelled."""

    key: str
    scope: str
    step: str | None
    round: int | None
    budget: int
    intervals: tuple[Interval, ...]
    suspended: tuple[tuple[dt.date, dt.date], ...]
    due_on: dt.date | None
    provisional: bool
    status: str
    used: int | None = None
    name: str | None = None


class Standing(Frozen, frozen=True):
    """How a timer stands on a day: used and remaining working days, and its status in the contract's words."""

    used: int
    remaining: int
    status: str


def counted_from(calendar: WorkingCalendar, counting: CountingRule, moment: dt.datetime) -> dt.date:
    """The start day of a clock that starts at `moment`: that date itself (strict), or the next working day when it
    falls on a rest day or after closing and the practice is `deemed`. Raises CalendarRangeError outside the calendar.
    """
    day = business_date(moment)
    if counting.rest_day_submission == "strict":
        return day
    local = moment.astimezone(BUSINESS_ZONE).time()
    if calendar.is_working(day) and local < counting.closes:
        return day
    return calendar.add(day, 1)


def deductible(definition: Definition, state: State) -> tuple[Suspension, ...]:
    """The suspensions in effect that the total timer excludes; none for a step sum unless its clause says so."""
    if not state.suspensions:
        return ()
    return tuple(s for s in state.suspensions if s.ground in definition.total.deductible)


def merged(stretches: Iterable[tuple[dt.date, dt.date]]) -> tuple[tuple[dt.date, dt.date], ...]:
    """The stretches of days, both ends included, merged so that no day is deducted twice."""
    out: list[tuple[dt.date, dt.date]] = []
    for first, last in sorted(stretches):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def spans(suspensions: Sequence[Suspension]) -> tuple[tuple[dt.date, dt.date], ...]:
    """The suspended stretches, merged."""
    if not suspensions:
        return ()
    return merged((s.from_, s.to or OPEN_ENDED) for s in suspensions)


ONE_DAY = dt.timedelta(days=1)


def suspended_days(
    calendar: WorkingCalendar, suspended: Sequence[tuple[dt.date, dt.date]], start: dt.date, end: dt.date
) -> int:
    """Working days in (start, end] that lie in a suspended stretch."""
    total = 0
    for first, last in suspended:
        low, high = max(first - ONE_DAY, start), min(last, end)
        if high > low:
            total += calendar.count(low, high)
    return total


def used_days(
    calendar: WorkingCalendar, start: dt.date, end: dt.date, suspended: Sequence[tuple[dt.date, dt.date]] = ()
) -> int:
    """Working days in (start, end], suspended ones left out."""
    return calendar.count(start, end) - suspended_days(calendar, suspended, start, end)


def due_date(
    calendar: WorkingCalendar, start: dt.date, budget: int, suspended: Sequence[tuple[dt.date, dt.date]] = ()
) -> dt.date | None:
    """The last counted working day of `budget` days from `start`, suspended days left out; None when an open
    suspension swallows the rest of the budget."""
    if budget <= 0:
        return start
    due = calendar.add(start, budget)
    for first, last in suspended:
        if first > due:
            break
        if last == OPEN_ENDED:
            return None
        low = max(first - ONE_DAY, start)
        if last > low:
            # What was left of the budget when the suspension began is counted from its last day.
            due = calendar.add(last, calendar.count(low, due))
    return due


def may_move(calendar: WorkingCalendar, start: dt.date, due: dt.date | None) -> bool:
    """Whether a later notice may still move `due`, counted from `start`."""
    return due is None or calendar.provisional_between(start, due)
