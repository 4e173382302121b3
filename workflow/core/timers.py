"""Working-day timers: budgets, ledgers of running and suspended time, and the due dates derived from them.

Counting (policy 5): the start day is not counted (民法典 201); the due date is the last counted working day; used
days are the working days in (start date, end date].  A whole-process total runs from first submission to energised and
excludes force majeure; a step sum adds the utility's own rounds.  All dates are in the business zone; nothing here
reads a clock.  `timers` depends on the calendar only, `standing` adds a day to look from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from definitions.calendar import AccountDay, WorkingCalendar
from definitions.model import CountingRule, Definition, Frozen
from workflow.core.state import Approval, Closing, Round, State, Step, Suspension
from workflow.core.times import BUSINESS_ZONE, business_date

OPEN_ENDED = dt.date.max


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


def spans(suspensions: Iterable[Suspension]) -> tuple[tuple[dt.date, dt.date], ...]:
    """The suspended stretches, merged."""
    return merged((s.from_, s.to or OPEN_ENDED) for s in suspensions)


_ONE_DAY = dt.timedelta(days=1)


def suspended_days(
    calendar: WorkingCalendar, suspended: Sequence[tuple[dt.date, dt.date]], start: dt.date, end: dt.date
) -> int:
    """Working days in (start, end] that lie in a suspended stretch."""
    total = 0
    for first, last in suspended:
        low, high = max(first - _ONE_DAY, start), min(last, end)
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
        low = max(first - _ONE_DAY, start)
        if last > low:
            # What was left of the budget when the suspension began is counted from its last day.
            due = calendar.add(last, calendar.count(low, due))
    return due


def _provisional(calendar: WorkingCalendar, start: dt.date, due: dt.date | None) -> bool:
    return due is None or calendar.provisional_between(start, due)


def _round_timer(
    calendar: WorkingCalendar, definition: Definition, state: State, step: Step, number: int, *, budget: int
) -> Timer:
    turn, code = step.rounds[number - 1], step.code
    start = counted_from(calendar, definition.counting, turn.started_at)
    suspended = _step_spans(definition, state)
    key = f"step:{code}:{number}"
    if turn.ended_at is None:
        due = due_date(calendar, start, budget, suspended)
        return Timer(
            key, "step", code, number, budget, (Interval(start, None),), suspended, due,
            _provisional(calendar, start, due), "running" if due else "suspended",
        )  # fmt: skip
    ended = business_date(turn.ended_at)
    late = turn.due_on is not None and ended > turn.due_on
    # A round that was cut short, by the case's end or by a waiver, has met nothing.
    status = "breached" if late else "cancelled" if turn.outcome in ("ended", "waive") else "met"
    return Timer(
        key, "step", code, number, budget, (Interval(start, ended, turn.used),), suspended, turn.due_on,
        turn.provisional, status, turn.used,
    )  # fmt: skip


def _step_spans(definition: Definition, state: State) -> tuple[tuple[dt.date, dt.date], ...]:
    """What the step timers exclude: nothing where the whole process is the limit, and in a step sum only what its own
    clause makes deductible (the ledger makes nothing so)."""
    return spans(deductible(definition, state)) if definition.total.kind == "step_sum" else ()


def judge_round(calendar: WorkingCalendar, definition: Definition, state: State, code: str, turn: Round) -> Round:
    """The round, ended, with the due date and the used days it is judged by. Raises ValueError while it runs."""
    limit = next((rule.limit for rule in definition.steps if rule.code == code), None)
    start, ended = counted_from(calendar, definition.counting, turn.started_at), business_date(turn.ended)
    suspended = _step_spans(definition, state)
    due = None if limit is None else due_date(calendar, start, limit, suspended)
    return msgspec.structs.replace(
        turn,
        budget=limit,
        due_on=due,
        used=used_days(calendar, start, ended, suspended),
        provisional=limit is not None and _provisional(calendar, start, due),
    )


def _timers_of_step(
    calendar: WorkingCalendar, definition: Definition, state: State, step: Step, limit: int | None
) -> Iterator[Timer]:
    for number, turn in enumerate(step.rounds, start=1):
        budget = turn.budget if turn.ended_at is not None else limit
        if budget is not None:
            yield _round_timer(calendar, definition, state, step, number, budget=budget)
    if limit is not None and step.status in ("pending", "waiting"):
        number = len(step.rounds) + 1
        status = "cancelled" if state.closed else "waiting"
        yield Timer(f"step:{step.code}:{number}", "step", step.code, number, limit, (), (), None, False, status)


def _step_timers(
    calendar: WorkingCalendar, definition: Definition, state: State, before: Before | None
) -> Iterator[Timer]:
    limits = {rule.code: rule.limit for rule in definition.steps}
    known: dict[str, Step] = {}
    kept: dict[str | None, list[Timer]] = {}
    if before is not None and _comparable(before, calendar, state):
        known = {step.code: step for step in before.state.steps}
        for timer in before.timers:
            kept.setdefault(timer.step, []).append(timer)
    for step in state.steps:
        if known.get(step.code) is step:
            yield from kept.get(step.code, ())
        else:
            yield from _timers_of_step(calendar, definition, state, step, limits.get(step.code))


def _comparable(before: Before, calendar: WorkingCalendar, state: State) -> bool:
    """Whether a step left as it was has the timers it had: nothing else that they are counted from has changed."""
    was = before.state
    return (
        before.calendar is calendar
        and was.definition == state.definition
        and was.suspensions is state.suspensions
        and was.closed == state.closed
    )


def whole_process(calendar: WorkingCalendar, definition: Definition, state: State) -> Timer:
    """The total that runs from first submission to energised, force majeure excluded [L4-6 I6 I7 I22 I34]."""
    start = counted_from(calendar, definition.counting, state.submitted_at)
    suspended = spans(deductible(definition, state))
    due = due_date(calendar, start, definition.total.limit, suspended)
    provisional = due is None or calendar.provisional_between(start, due)
    status = "suspended" if due is None else "running"
    return Timer(
        "total", "total", None, None, definition.total.limit, (Interval(start, None),), suspended, due, provisional,
        status,
    )  # fmt: skip


def counted_rounds(definition: Definition, state: State) -> list[Round]:
    """The rounds that a step sum counts, in order of time."""
    rounds = [
        turn for step in state.steps for turn in (step.rounds if definition.total.rounds == "all" else step.rounds[-1:])
    ]
    return sorted(rounds, key=lambda turn: turn.started_at)


def step_sum(calendar: WorkingCalendar, definition: Definition, state: State) -> Timer:
    """The total that adds the utility's own step times [L3 I3 I4 I5]. Its due date is the day on which the sum would
    be used up if the running round went on; while the customer holds the case it has none."""
    total = definition.total
    suspended = _step_spans(definition, state)
    used, provisional = 0, False
    due: dt.date | None = None
    intervals: list[Interval] = []
    running = False
    for turn in counted_rounds(definition, state):
        start = counted_from(calendar, definition.counting, turn.started_at)
        end = None if turn.ended_at is None else business_date(turn.ended_at)
        intervals.append(Interval(start, end, turn.used))
        if end is None:
            running = True
        spent = turn.used or 0
        if due is None and (end is None or used + spent > total.limit):
            due = due_date(calendar, start, max(total.limit - used, 0), suspended)
            provisional = _provisional(calendar, start, due)
        used += spent
    return Timer(
        "total", "total", None, None, total.limit, tuple(intervals), suspended, due if running else None,
        provisional and running, ("running" if due else "suspended") if running else "waiting", used,
    )  # fmt: skip


def _total_timer(calendar: WorkingCalendar, definition: Definition, state: State) -> Timer:
    timer = (whole_process if definition.total.kind == "whole_process" else step_sum)(calendar, definition, state)
    closing = state.closing
    if closing is None:
        return timer
    status = "met" if state.state == "energised" else "cancelled"
    if not closing.on_time:
        status = "breached"
    ended = business_date(state.ended)
    intervals = tuple(Interval(i.counted_from, i.end or ended, i.used) for i in timer.intervals)
    return Timer(
        "total", "total", None, None, definition.total.limit, intervals, timer.suspended, closing.due_on,
        closing.provisional, status, closing.used,
    )  # fmt: skip


def _approval_timer(calendar: WorkingCalendar, approval: Approval, budget: int, state: State) -> Timer:
    start = business_date(approval.started_at)
    ended: dt.date | None = None
    due, provisional, used = approval.due_on, approval.provisional, approval.used
    if approval.decided_at is not None:
        ended = business_date(approval.decided_at)
        status = "breached" if due is not None and ended > due else "met"
    elif state.closed:
        # Nobody judged it: it names no date that a later calendar could move in a closed case.
        ended = business_date(state.ended)
        status, used = "cancelled", calendar.count(start, ended)
    else:
        due = calendar.add(start, budget)
        status, provisional = "running", calendar.provisional_between(start, due)
    return Timer(
        f"approval:{approval.number}", "approval", None, None, budget, (Interval(start, ended, used),), (), due,
        provisional, status, used, approval.name,
    )  # fmt: skip


class Before(NamedTuple):
    """The timers of the state that an event changed, so that those of untouched steps need not be counted again."""

    calendar: WorkingCalendar
    state: State
    timers: tuple[Timer, ...]


def timers(
    calendar: WorkingCalendar, definition: Definition, state: State, before: Before | None = None
) -> tuple[Timer, ...]:
    """Every timer of the case: rounds of steps in path order, the total, approvals."""
    return (
        *_step_timers(calendar, definition, state, before),
        _total_timer(calendar, definition, state),
        *(_approval_timer(calendar, a, a.budget, state) for a in state.approvals if a.budget is not None),
    )


def _used_in(calendar: WorkingCalendar, timer: Timer, interval: Interval, today: dt.date) -> int:
    """Working days of `interval` up to `today`; once it has ended, those it was judged by."""
    if interval.used is not None:
        return interval.used
    return used_days(calendar, interval.counted_from, interval.end or today, timer.suspended)


def standing(calendar: WorkingCalendar, timer: Timer, today: dt.date) -> Standing:
    """How `timer` stands on `today`. A running timer inside a suspended stretch stands suspended; one past its due
    date has negative remaining days. `today` before the start counts nothing."""
    if timer.status in ("waiting", "running", "suspended"):
        used = sum(_used_in(calendar, timer, i, today) for i in timer.intervals)
    else:
        used = timer.used or 0
    status = timer.status
    if status == "running" and any(first <= today <= last for first, last in timer.suspended):
        status = "suspended"
    elif status == "suspended" and not any(first <= today <= last for first, last in timer.suspended):
        status = "running"
    return Standing(used, timer.budget - used, status)


def close(calendar: WorkingCalendar, definition: Definition, state: State, ended_at: dt.datetime) -> Closing:
    """How the total stands when the case ends at `ended_at`; `state` has its last round already ended. A whole process
    is judged by its due date, a step sum by its used days."""
    ended = business_date(ended_at)
    if definition.total.kind == "whole_process":
        timer = whole_process(calendar, definition, state)
        start = timer.intervals[0].counted_from
        used = used_days(calendar, start, ended, timer.suspended)
        on_time = timer.due_on is None or ended <= timer.due_on
        return Closing(timer.due_on, used, on_time, timer.provisional)
    timer = step_sum(calendar, definition, state)
    used = timer.used or 0
    return Closing(None, used, used <= definition.total.limit)


def account(calendar: WorkingCalendar, timer: Timer) -> list[AccountDay]:
    """The day-by-day account of the timer's due date, from the start row of the interval in which its budget runs out
    (the last one, while it has not). Empty before it starts. Days between two intervals belong to the customer and are
    not listed; where an open suspension leaves no due date to name, the account ends with the days counted before it.
    """
    if not timer.intervals:
        return []
    budget = timer.budget
    for interval in timer.intervals[:-1]:
        spent = _used_in(calendar, timer, interval, interval.counted_from)
        if spent > budget:
            break
        budget -= spent
    else:
        interval = timer.intervals[-1]
    start, suspended = interval.counted_from, [(a, b) for a, b in timer.suspended if b > interval.counted_from]
    begins = next((first for first, last in suspended if last == OPEN_ENDED), None)
    if begins is not None and timer.due_on is None:
        budget = used_days(calendar, start, max(begins - _ONE_DAY, start), suspended)
    elif not suspended:
        return calendar.account(start, budget)
    until = begins or due_date(calendar, start, budget, suspended) or start
    excluded: set[dt.date] = set()
    for first, last in suspended:
        day = max(first, start)
        while day <= min(last, until):
            excluded.add(day)
            day += _ONE_DAY
    return calendar.account(start, budget, excluded)
