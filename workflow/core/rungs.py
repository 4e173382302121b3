"""Rungs: when a timer warns, at which level and whom [policy 7, D-LADDER]. Pure; dates of the business zone.

A *rung* is reached on the first date, rest days included, on which the remaining days of the running stretch are at
or below its threshold; the start day counts, a suspended day never does.  When a clock starts again with less left than
some thresholds, only the most urgent of those stands, on its start day.  Everything is computed from a `Course`, had
from a timer or from the bare values of its row alike, so that a sweep loads no case.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from definitions.alerting import Band, Ladder, LadderRule
from definitions.calendar import WorkingCalendar
from definitions.model import Frozen
from workflow.core.counting import ONE_DAY, OPEN_ENDED, Timer, due_date, used_days

RUNNING = ("running", "suspended")
_MEMORY = 1 << 14


class Rung(NamedTuple):
    """One warning: its level, the date it belongs to, the days then remaining (negative: overdue), and the roles that
    receive it."""

    level: str
    day: dt.date
    remaining: int
    recipients: tuple[str, ...]


class Course(Frozen, frozen=True):
    """What the rungs of a running timer are computed from. `budget`: its days (working days, or natural ones where its
    ladder counts those), None for a date that has none; `left`:
    the days left on `start`, which is the counted-from date of the running stretch; `suspended`: stretches of days left
    out, both ends included, in order."""

    scope: str
    budget: int | None
    left: int
    start: dt.date
    suspended: tuple[tuple[dt.date, dt.date], ...] = ()

    def rests(self, day: dt.date) -> dt.date | None:
        """The last day of the suspended stretch that `day` lies in; None when it lies in none."""
        return next((last for first, last in self.suspended if first <= day <= last), None)


class _Ledger(msgspec.Struct):
    """The ledger column of a deadline's row."""

    running: tuple[tuple[dt.date, dt.date | None], ...]
    suspended: tuple[tuple[dt.date, dt.date | None], ...]


_ledger = msgspec.json.Decoder(_Ledger)


def course_of(calendar: WorkingCalendar, timer: Timer) -> Course | None:
    """The course of `timer`; None when its clock does not run, so that it has no rungs to come."""
    if timer.status not in RUNNING:
        return None
    intervals = timer.intervals
    course = Course(timer.scope, timer.budget, timer.budget, intervals[-1].counted_from, timer.suspended)
    if len(intervals) == 1:
        return course
    return _less(calendar, course, timer.due_on, [(i.counted_from, i.end) for i in intervals[:-1]])


def course_of_row(
    calendar: WorkingCalendar, *, scope: str, budget: int | None, due_on: str | None, ledger: str, status: str
) -> Course | None:
    """The course of a deadline's row, from its columns as they are stored; None when its clock does not run. Raises
    msgspec.ValidationError for a ledger that is none."""
    return _course_of_row(calendar, scope, budget, due_on, ledger) if status in RUNNING else None


@functools.lru_cache(maxsize=_MEMORY)
def _course_of_row(
    calendar: WorkingCalendar, scope: str, budget: int | None, due_on: str | None, ledger: str
) -> Course:
    read = _ledger.decode(ledger)
    suspended = tuple((first, last or OPEN_ENDED) for first, last in read.suspended)
    *earlier, (start, _) = read.running
    course = Course(scope, budget, budget or 0, start, suspended)
    due = None if due_on is None else dt.date.fromisoformat(due_on)
    return _less(calendar, course, due, earlier) if earlier else course


def course_until(calendar: WorkingCalendar, ladder: Ladder, scope: str, due_on: dt.date, *, start: dt.date) -> Course:
    """The course of a bare date: a report, an order's reply, the calendar's horizon. `start`: from when it is watched;
    a bare date has every rung, those passed before `start` standing as one on it."""
    left = (
        calendar.count(start, due_on) - calendar.count(due_on, start)
        if ladder.of(scope).unit == "working_days"
        else (due_on - start).days
    )
    return Course(scope, None, left, start)


def _less(
    calendar: WorkingCalendar,
    course: Course,
    due: dt.date | None,
    earlier: Sequence[tuple[dt.date, dt.date | None]],
) -> Course:
    """`course` with the days left that stretches before it have not used. A due date in the running stretch says how
    many, by the days the earlier ones were judged by; a budget used up before it is counted out."""
    if due is not None and due >= course.start:
        left = used_days(calendar, course.start, due, course.suspended)
    else:
        left = course.left - sum(used_days(calendar, first, last or first, course.suspended) for first, last in earlier)
    return Course(course.scope, course.budget, left, course.start, course.suspended)


class _Track:
    """One course on its ladder. Rungs stand at numbers of days left, which only fall: at the thresholds of the bands
    below what is left on the day it begins (the start day, or the first after a suspended stretch that it lies in), and
    on that day itself where some threshold is met already. `begins` None: an open suspension comes first."""

    __slots__ = ("bands", "begins", "calendar", "course", "left", "natural", "on_start")

    def __init__(self, calendar: WorkingCalendar, rule: LadderRule, course: Course) -> None:
        self.calendar, self.course = calendar, course
        self.natural = rule.unit == "natural_days"
        self.begins: dt.date | None = course.start
        while self.begins is not None and (last := course.rests(self.begins)):
            self.begins = None if last == OPEN_ENDED else last + ONE_DAY
        self.left = course.left if self.begins in (course.start, None) else self.left_on(self.begins)
        self.bands = tuple(band for band in rule.bands if band.holds(course.budget))
        # Bands come with most days left first, so the last one met is the most urgent.
        self.on_start = next((band for band in reversed(self.bands) if band.left >= self.left), None)

    def left_on(self, day: dt.date) -> int:
        """Days left on `day`, which is not before the start."""
        course = self.course
        if self.natural:
            return course.left - (day - course.start).days
        return course.left - used_days(self.calendar, course.start, day, course.suspended)

    def day_of(self, left: int) -> dt.date | None:
        """The first date, not suspended, on which `left` days remain; None when an open suspension comes before it."""
        course = self.course
        if left >= self.left:
            return self.begins
        if self.natural:
            return course.start + dt.timedelta(days=course.left - left)
        return due_date(self.calendar, course.start, course.left - left, course.suspended)

    def between(self, above: int | None, left: int | None) -> Iterator[tuple[int, Band]]:
        """The rungs that come after `above` days were left (None: from the start) and until `left` are, most days
        first; of a band that comes again and again the first and the latest. `left` None: no end, the first only."""
        if above is None and self.on_start is not None and (left is None or self.left >= left):
            yield self.left, self.on_start
        most = (self.left if above is None else min(above, self.left)) - 1
        for band in self.bands:
            first = band.left
            if first > most:
                if band.every is None:
                    continue
                first -= -((most - first) // band.every) * band.every
            if left is None or first >= left:
                yield first, band
                if left is not None and band.every is not None and first - band.every >= left:
                    yield first - (first - left) // band.every * band.every, band


def rungs_due(
    calendar: WorkingCalendar, ladder: Ladder, course: Course | None, today: dt.date, since: dt.date | None = None
) -> tuple[Rung, ...]:
    """The rungs that have been reached by `today`, in order, each with its own day: yellow, orange, red, and of the
    black ones passed the first and the latest. None while the timer stands suspended or before it starts.

    `since`: the date looked from (a row's `look_on`), so that what was raised before it does not come again; None: from
    the start. After a suspended stretch everything reached is given again, for the claim to sort out. Raises
    `CalendarRangeError` outside the calendar.
    """
    return () if course is None else _rungs_due(calendar, ladder, course, today, since)


@functools.lru_cache(maxsize=_MEMORY)
def _rungs_due(
    calendar: WorkingCalendar, ladder: Ladder, course: Course, today: dt.date, since: dt.date | None
) -> tuple[Rung, ...]:
    if today < course.start or course.rests(today):
        return ()
    track = _Track(calendar, ladder.of(course.scope), course)
    above = None
    if since is not None and since > course.start and not course.rests(since - ONE_DAY):
        above = track.left_on(since - ONE_DAY)
    passed = list(track.between(above, track.left_on(today)))
    overdue = [rung for rung in passed if rung[1].level == "black"]
    return tuple(
        Rung(band.level, day, left, band.recipients)
        for left, band in (*(rung for rung in passed if rung[1].level != "black"), *overdue[:1], *overdue[1:][-1:])
        if (day := track.day_of(left)) is not None
    )


def first_look(calendar: WorkingCalendar, ladder: Ladder, timer: Timer | Course) -> dt.date | None:
    """The day of the first rung of `timer`; None when it has none to come: its clock does not run, or an open
    suspension stands before it. Raises `CalendarRangeError` outside the calendar."""
    course = timer if isinstance(timer, Course) else course_of(calendar, timer)
    return None if course is None else _first_look(calendar, ladder, course)


@functools.lru_cache(maxsize=_MEMORY)
def _first_look(calendar: WorkingCalendar, ladder: Ladder, course: Course) -> dt.date | None:
    return _next(_Track(calendar, ladder.of(course.scope), course), None)


def next_look(calendar: WorkingCalendar, ladder: Ladder, course: Course | None, today: dt.date) -> dt.date | None:
    """The next date after `today` on which there is a rung to raise, when those of `today` have been: the day of the
    next rung, or the day after the suspended stretch that `today` lies in. None when nothing will come."""
    return None if course is None else _next_look(calendar, ladder, course, today)


@functools.lru_cache(maxsize=_MEMORY)
def _next_look(calendar: WorkingCalendar, ladder: Ladder, course: Course, today: dt.date) -> dt.date | None:
    track = _Track(calendar, ladder.of(course.scope), course)
    if today < course.start:
        return _next(track, None)
    left = track.left_on(today)
    last = course.rests(today)
    if last is None:
        return _next(track, left)
    if last == OPEN_ENDED:
        return None
    # What was reached before or in the stretch is raised when it ends.
    return last + ONE_DAY if any(track.between(None, left)) else _next(track, None)


def _next(track: _Track, above: int | None) -> dt.date | None:
    days = [left for left, _ in track.between(above, None)]
    return track.day_of(max(days)) if days else None
