"""Working-day timers: budgets, ledgers of running and suspended time, and the due dates derived from them.

A whole-process total runs from first submission to energised and excludes force majeure; a step sum adds the utility's
own rounds; beside these limits of the law stand the timers that only warn (`inner`).  How days are counted is said in
`counting`.  `timers` depends on the calendar only, `standing` adds a day to look from.
"""

from __future__ import annotations

import datetime as dt
from operator import attrgetter

import msgspec

from definitions.calendar import AccountDay, WorkingCalendar
from definitions.model import Definition, Frozen
from workflow.core.counting import (
    LEGAL,
    ONE_DAY,
    OPEN_ENDED,
    Interval,
    Standing,
    Timer,
    counted_from,
    deductible,
    due_date,
    may_move,
    spans,
    used_days,
)
from workflow.core.inner import inner_timers
from workflow.core.state import Approval, Closing, Round, State, Step
from workflow.core.times import business_date

__all__ = [
    "LEGAL",
    "OPEN_ENDED",
    "Counted",
    "Interval",
    "Standing",
    "Timer",
    "account",
    "close",
    "counted_from",
    "counted_rounds",
    "judge_round",
    "legal",
    "past_due",
    "standing",
    "step_sum",
    "timers",
    "whole_process",
]


def past_due(status: str, due_on: dt.date | None, today: dt.date) -> bool:
    """Whether a limit runs on although its due date is over: also on the rest days right after it, on which no working
    day more is used [policy 5, D-BOARD]."""
    return status == "running" and due_on is not None and due_on < today


def _interval(calendar: WorkingCalendar, definition: Definition, turn: Round) -> Interval:
    start = counted_from(calendar, definition.counting, turn.started_at)
    return Interval(start, None if turn.ended_at is None else business_date(turn.ended_at), turn.used)


def _round_timer(
    calendar: WorkingCalendar, definition: Definition, state: State, step: Step, number: int, *, budget: int
) -> Timer:
    turn, code = step.rounds[number - 1], step.code
    interval = _interval(calendar, definition, turn)
    start, ended = interval.counted_from, interval.end
    suspended = _step_spans(definition, state)
    key = f"step:{code}:{number}"
    if ended is None:
        due = due_date(calendar, start, budget, suspended)
        return Timer(
            key, "step", code, number, budget, (interval,), suspended, due,
            may_move(calendar, start, due), "running" if due else "suspended",
        )  # fmt: skip
    late = turn.due_on is not None and ended > turn.due_on
    # A round that was cut short, by the case's end or by a waiver, has met nothing.
    status = "breached" if late else "cancelled" if turn.outcome in ("ended", "waive") else "met"
    return Timer(
        key, "step", code, number, budget, (interval,), suspended, turn.due_on, turn.provisional, status, turn.used,
    )  # fmt: skip


def _step_spans(definition: Definition, state: State) -> tuple[tuple[dt.date, dt.date], ...]:
    """What the step timers exclude: nothing where the whole process is the limit, and in a step sum only what its own
    clause makes deductible (the ledger makes nothing so)."""
    if not state.suspensions or definition.total.kind != "step_sum":
        return ()
    return spans(deductible(definition, state))


def judge_round(calendar: WorkingCalendar, definition: Definition, state: State, code: str, turn: Round) -> Round:
    """The round, ended, with the due date and the used days it is judged by. Raises ValueError while it runs."""
    limit = _limit(definition, code)
    start, ended = counted_from(calendar, definition.counting, turn.started_at), business_date(turn.ended)
    suspended = _step_spans(definition, state)
    due = None if limit is None else due_date(calendar, start, limit, suspended)
    return msgspec.structs.replace(
        turn,
        budget=limit,
        due_on=due,
        used=used_days(calendar, start, ended, suspended),
        provisional=limit is not None and may_move(calendar, start, due),
    )


def _limit(definition: Definition, code: str) -> int | None:
    for rule in definition.steps:
        if rule.code == code:
            return rule.limit
    return None


def _timers_of_step(calendar: WorkingCalendar, definition: Definition, state: State, step: Step) -> list[Timer]:
    made: list[Timer] = []
    limit = _limit(definition, step.code)
    for number, turn in enumerate(step.rounds, start=1):
        budget = turn.budget if turn.ended_at is not None else limit
        if budget is not None:
            made.append(_round_timer(calendar, definition, state, step, number, budget=budget))
    if limit is not None and step.status in ("pending", "waiting"):
        number = len(step.rounds) + 1
        status = "cancelled" if state.closed else "waiting"
        made.append(Timer(f"step:{step.code}:{number}", "step", step.code, number, limit, (), (), None, False, status))
    return made


def _step_timers(
    calendar: WorkingCalendar, definition: Definition, state: State, before: Counted | None
) -> list[Timer]:
    made: list[Timer] = []
    if before is None or not before.comparable(calendar, state):
        for step in state.steps:
            made += _timers_of_step(calendar, definition, state, step)
        return made
    known, end, many = before.timers, 0, len(before.timers)
    for step, was in zip(state.steps, before.state.steps, strict=True):
        # Those of one step stand together, in the order of the path.
        begin = end
        while end < many and known[end].step == was.code:
            end += 1
        made += known[begin:end] if step is was else _timers_of_step(calendar, definition, state, step)
    return made


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
    last_only = definition.total.rounds == "last"
    rounds = [turn for step in state.steps for turn in (step.rounds[-1:] if last_only else step.rounds)]
    rounds.sort(key=attrgetter("started_at"))
    return rounds


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
        interval = _interval(calendar, definition, turn)
        intervals.append(interval)
        if interval.end is None:
            running = True
        spent = interval.used or 0
        if due is None and (interval.end is None or used + spent > total.limit):
            due = due_date(calendar, interval.counted_from, max(total.limit - used, 0), suspended)
            provisional = may_move(calendar, interval.counted_from, due)
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


class Counted(Frozen, frozen=True):
    """A state with its timers, so that after the next event those of untouched steps need not be counted again."""

    calendar: WorkingCalendar
    state: State
    timers: tuple[Timer, ...]

    def comparable(self, calendar: WorkingCalendar, state: State) -> bool:
        """Whether a step left as it was has the timers it had: nothing else that they are counted from has changed."""
        was = self.state
        return (
            self.calendar is calendar
            and was.definition == state.definition
            and was.suspensions is state.suspensions
            and was.closed_at is state.closed_at
            and len(was.steps) == len(state.steps)
        )

    def stand(self, calendar: WorkingCalendar, state: State) -> bool:
        """Whether all of them are those of `state` too."""
        was = self.state
        return (
            was.steps is state.steps
            and was.approvals is state.approvals
            and was.milestones is state.milestones
            and self.comparable(calendar, state)
        )


def timers(
    calendar: WorkingCalendar, definition: Definition, state: State, before: Counted | None = None
) -> tuple[Timer, ...]:
    """Every timer of the case: rounds of steps in path order, the total, approvals; then those that only warn."""
    if before is not None and before.stand(calendar, state):
        return before.timers
    made = _step_timers(calendar, definition, state, before)
    made.append(_total_timer(calendar, definition, state))
    for approval in state.approvals:
        if approval.budget is not None:
            made.append(_approval_timer(calendar, approval, approval.budget, state))
    made += inner_timers(calendar, definition, state)
    return tuple(made)


def legal(every: tuple[Timer, ...]) -> tuple[Timer, ...]:
    """Those of `every` that are limits of the law."""
    return tuple(timer for timer in every if timer.scope in LEGAL)


def _used_in(calendar: WorkingCalendar, timer: Timer, interval: Interval, today: dt.date) -> int:
    """Working days of `interval` up to `today`; once it has ended, those it was judged by."""
    if interval.used is not None:
        return interval.used
    return used_days(calendar, interval.counted_from, today, timer.suspended)


def standing(calendar: WorkingCalendar, timer: Timer, today: dt.date) -> Standing:
    """How `timer` stands on `today`. A running timer inside a suspended stretch stands suspended; one past its due
    date has negative remaining days. `today` before the start counts nothing. A plan's days are natural ones."""
    if timer.scope == "plan" and timer.status == "running":
        used = max(0, (today - timer.intervals[0].counted_from).days)
    elif timer.status in ("waiting", "running", "suspended"):
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
    start, suspended = interval.counted_from, timer.suspended
    begins = next((first for first, last in suspended if last == OPEN_ENDED), None)
    if begins is not None and timer.due_on is None:
        budget = used_days(calendar, start, max(begins - ONE_DAY, start), suspended)
    until = due_date(calendar, start, budget, suspended) or start
    excluded: set[dt.date] = set()
    for first, last in suspended:
        day = max(first, start)
        while day <= min(last, until):
            excluded.add(day)
            day += ONE_DAY
    return calendar.account(start, budget, excluded)
