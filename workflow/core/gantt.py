"""The course of an application as bars over the working calendar: pure geometry, for whoever draws it.

Positions are days (with fractions) from the midnight that begins `first`, in the business zone (Asia/Shanghai): a bar
of a round begins and ends at its hour, a suspension covers whole days, a due date is the whole day it names.  Days that
are no plain workdays are told apart, so that a drawing shows why three days took a week.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal

import msgspec

from definitions.calendar import CalendarDay, DayKind, WorkingCalendar
from definitions.model import Definition, Frozen, Text
from workflow.core.counting import ONE_DAY, OPEN_ENDED
from workflow.core.state import State, Step
from workflow.core.timers import Timer, legal, past_due, standing
from workflow.core.times import BUSINESS_ZONE, business_date

MOST_DAYS = 750
"""A drawing covers at most so many days, the last ones: a case that waited for years would be all waiting."""

MARGIN = 2
"""Days left free after the last date that is drawn."""


class Bar(Frozen, frozen=True):
    """A stretch of one lane. `waiting`: on the customer, the utility's clock is off; `running`: the utility's clock is
    on. `ended_at` None: it lasts. `outcome` of a round: complete, return, waive or ended. `late_from`: from where on it
    is past the due date of its lane; None: it is not."""

    kind: Literal["waiting", "running"]
    start: float
    end: float
    started_at: dt.datetime
    ended_at: dt.datetime | None
    round: int | None = None
    outcome: str | None = None
    late_from: float | None = None

    @property
    def late(self) -> bool:
        """Whether it ended after its due date, or runs past it."""
        return self.late_from is not None


class Mark(Frozen, frozen=True):
    """A due date on a lane: the whole day at `at`."""

    at: int
    due_on: dt.date
    provisional: bool
    round: int | None = None


class Lane(Frozen, frozen=True):
    """One row: the total (`total`), a step (`step`) or a government approval (`approval`)."""

    scope: Literal["total", "step", "approval"]
    code: str
    name: Text
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


class Band(Frozen, frozen=True):
    """A suspension across all lanes: whole days. `to` None: it lasts. `deducted`: the total leaves it out."""

    start: int
    end: int
    from_: dt.date
    to: dt.date | None
    notice: str
    deducted: bool


class RestDays(Frozen, frozen=True):
    """Neighbouring days of one kind that are no plain workdays. `makeup_workday` is worked although a weekend."""

    start: int
    days: int
    kind: DayKind
    first: dt.date
    name: Text | None


class Chart(Frozen, frozen=True):
    """The whole drawing: `days` days from `first`. `today` None once the case has closed; `cut`: earlier days are left
    out."""

    first: dt.date
    days: int
    lanes: tuple[Lane, ...]
    bands: tuple[Band, ...]
    rest: tuple[RestDays, ...]
    today: float | None
    cut: bool
    provisional_from: int | None


def chart(
    calendar: WorkingCalendar, definition: Definition, state: State, timers: tuple[Timer, ...], now: dt.datetime
) -> Chart:
    """The course of `state` as of `now`; `timers` are its timers by `calendar`."""
    end = state.closed_at or now
    due = [timer.due_on for timer in legal(timers) if timer.due_on is not None]
    last = max([business_date(end), *due]) + MARGIN * ONE_DAY
    submitted = business_date(state.submitted_at)
    first = max(submitted, last - (MOST_DAYS - 1) * ONE_DAY)
    shown = [calendar.day(first + n * ONE_DAY) for n in range((last - first).days + 1)]
    drawing = _Drawing(definition, state, first, len(shown), end)
    for timer in timers:
        drawing.timers[timer.key] = timer
        today = business_date(now)
        past = past_due(timer.status, timer.due_on, today) or standing(calendar, timer, today).remaining < 0
        if timer.status == "breached" or past:
            drawing.late.add(timer.key)
    steps = tuple(drawing.steps())
    return Chart(
        first,
        len(shown),
        (drawing.total(steps), *steps, *drawing.approvals()),
        tuple(drawing.bands()),
        tuple(_rest(shown)),
        None if state.closed else drawing.at(now),
        first > submitted,
        next((number for number, day in enumerate(shown) if day.provisional), None),
    )


_TOTALS = {
    "whole_process": Text("全过程", "Whole process"),
    "step_sum": Text("各环节合计", "Sum of the steps"),
}


class _Drawing:
    """Where moments and dates of one case lie. `end`: when it closed, or the present."""

    def __init__(self, definition: Definition, state: State, first: dt.date, days: int, end: dt.datetime) -> None:
        self.definition, self.state = definition, state
        self.first, self.days, self.end = first, days, end
        self.timers: dict[str, Timer] = {}
        self.late: set[str] = set()
        self._midnight = dt.datetime.combine(first, dt.time(), BUSINESS_ZONE)

    def at(self, moment: dt.datetime) -> float:
        """The position of a moment, within the drawing."""
        return round(min(max((moment - self._midnight) / ONE_DAY, 0.0), float(self.days)), 4)

    def day(self, day: dt.date) -> int:
        """The position of the midnight that begins `day`, within the drawing."""
        return min(max((day - self.first).days, 0), self.days)

    def total(self, steps: tuple[Lane, ...]) -> Lane:
        """A whole process runs from submission to the end; a sum of steps only while one of them does."""
        kind, start = self.definition.total.kind, self.state.submitted_at
        bars: tuple[Bar, ...] = tuple(sorted((b for lane in steps for b in lane.bars), key=lambda b: b.started_at))
        if kind == "whole_process":
            bars = (self._running(start, self.state.closed_at, "total"),)
        else:  # a step may be late where their sum is not
            bars = tuple(msgspec.structs.replace(bar, late_from=self._late_from("total", bar)) for bar in bars)
        return Lane("total", "total", _TOTALS[kind], bars, self._marks("total"))

    def steps(self) -> Iterator[Lane]:
        """Every step of the path, with its rounds and the waiting before each."""
        names = {rule.code: rule.name for rule in self.definition.steps}
        since = self.state.submitted_at
        for step in self.state.steps:
            bars = tuple(self._bars(step, since))
            since = max([since, *(turn.ended_at for turn in step.rounds if turn.ended_at is not None)])
            keys = [f"step:{step.code}:{number}" for number in range(1, len(step.rounds) + 1)]
            marks = tuple(mark for key in keys for mark in self._marks(key))
            yield Lane("step", step.code, names.get(step.code, Text(step.code, step.code)), bars, marks)

    def approvals(self) -> Iterator[Lane]:
        """The government's approvals, beside the steps."""
        for one in self.state.approvals:
            key = f"approval:{one.number}"
            bar = self._running(one.started_at, one.decided_at or self.state.closed_at, key, outcome=one.decision)
            yield Lane("approval", str(one.number), Text(one.name, one.name), (bar,), self._marks(key))

    def bands(self) -> Iterator[Band]:
        """The suspensions in effect."""
        for one in self.state.suspensions:
            last = business_date(self.end) if one.to is None or one.to == OPEN_ENDED else one.to
            start, stop = self.day(one.from_), self.day(last + ONE_DAY)
            if stop > start:
                deducted = one.ground in self.definition.total.deductible
                yield Band(start, stop, one.from_, one.to, one.notice, deducted)

    def _bars(self, step: Step, since: dt.datetime) -> Iterator[Bar]:
        for number, turn in enumerate(step.rounds, start=1):
            if turn.started_at > since:
                yield self._waiting(since, turn.started_at, number)
            key = f"step:{step.code}:{number}"
            yield self._running(turn.started_at, turn.ended_at, key, round_=number, outcome=turn.outcome)
            since = turn.ended_at or self.end
        if step.status == "waiting":
            yield self._waiting(since, None, len(step.rounds) + 1)

    def _running(
        self,
        start: dt.datetime,
        stop: dt.datetime | None,
        key: str,
        *,
        round_: int | None = None,
        outcome: str | None = None,
    ) -> Bar:
        bar = Bar("running", self.at(start), self.at(stop or self.end), start, stop, round_, outcome)
        return msgspec.structs.replace(bar, late_from=self._late_from(key, bar))

    def _late_from(self, key: str, bar: Bar) -> float | None:
        due = self.timers[key].due_on if key in self.late else None
        if due is None or bar.kind == "waiting":
            return None
        over = float(self.day(due + ONE_DAY))
        return max(over, bar.start) if over < bar.end else None

    def _waiting(self, start: dt.datetime, stop: dt.datetime | None, number: int) -> Bar:
        return Bar("waiting", self.at(start), self.at(stop or self.end), start, stop, number)

    def _marks(self, key: str) -> tuple[Mark, ...]:
        timer = self.timers.get(key)
        if timer is None or timer.due_on is None or timer.due_on < self.first:
            return ()
        return (Mark(self.day(timer.due_on), timer.due_on, timer.provisional, timer.round),)


def _rest(days: Iterable[CalendarDay]) -> Iterator[RestDays]:
    """The days that are no plain workdays, neighbours of one kind together."""
    for (kind, name), group in groupby(enumerate(days), key=lambda pair: (pair[1].kind, pair[1].name)):
        found = list(group)
        if kind is not DayKind.workday:
            yield RestDays(found[0][0], len(found), kind, found[0][1].date, name)
