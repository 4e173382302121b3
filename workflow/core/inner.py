"""Timers that only warn: the internal milestones of the grid's works, and the validity of the supply plan.

They are no limits of the law [D-MILESTONES D-PLAN].  A milestone runs from submission, in working days, force majeure
excluded as for the total; it stops when it is reached or stated not to be needed, when one is reached that implies it,
when the step it belongs to has ended, and when the case closes.  A plan's validity runs in natural months from the
delivery of the reply until works have started or the customer hands in what follows.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from typing import NamedTuple

from definitions.calendar import WorkingCalendar
from definitions.model import Definition, MilestoneRule
from workflow.core.counting import Interval, Timer, counted_from, deductible, due_date, may_move, spans, used_days
from workflow.core.machine import step_with
from workflow.core.state import Milestone, State
from workflow.core.times import business_date


def inner_timers(calendar: WorkingCalendar, definition: Definition, state: State) -> list[Timer]:
    """The timers of the case that only warn: milestones in their order, then the supply plan."""
    made = list(_milestones(calendar, definition, state)) if definition.milestones else []
    plan = plan_timer(definition, state)
    if plan is not None:
        made.append(plan)
    return made


class _Run(NamedTuple):
    """From when the milestones of a case are counted, and the stretches left out."""

    start: dt.date
    suspended: tuple[tuple[dt.date, dt.date], ...]


def _run(calendar: WorkingCalendar, definition: Definition, state: State) -> _Run:
    return _Run(counted_from(calendar, definition.counting, state.submitted_at), spans(deductible(definition, state)))


def _milestones(calendar: WorkingCalendar, definition: Definition, state: State) -> Iterator[Timer]:
    rules = [rule for rule in definition.milestones if rule.budget is not None]
    if not rules:
        return
    run = _run(calendar, definition, state)
    over = {until: _over(definition, state, until) for until in {rule.until for rule in rules}}
    for rule in rules:
        own, ended = state.milestone(rule.code), over[rule.until]
        if own is not None:
            yield _known(run, rule, own)
        elif state.milestones and (implied := _implied(definition, state, rule)):
            yield _unjudged(run, rule, implied)
        elif ended is not None:
            yield _unjudged(run, rule, ended)
        else:
            yield _counting(calendar, rule.code, rule.name.zh, rule.budget or 0, run)


def _over(definition: Definition, state: State, until: str) -> dt.date | None:
    """The date of the end of step `until`, or of the case; None while there is more to come."""
    step = step_with(definition, state, until)
    if step is not None and step.status in ("done", "waived") and step.rounds:
        return business_date(step.rounds[-1].ended)
    return business_date(state.ended) if state.closed else None


def _implied(definition: Definition, state: State, rule: MilestoneRule) -> dt.date | None:
    """The date on which the first milestone that implies `rule` was reached; None when none has been."""
    by = {other.code for other in definition.milestones if rule.code in other.implies}
    return min((business_date(one.at) for one in state.milestones if one.reached and one.code in by), default=None)


def _known(run: _Run, rule: MilestoneRule, own: Milestone) -> Timer:
    on = business_date(own.at)
    if not own.reached:
        return _unjudged(run, rule, on)
    status = "breached" if own.due_on is not None and on > own.due_on else "met"
    return Timer(
        f"milestone:{rule.code}", "milestone", None, None, rule.budget or 0, (Interval(run.start, on, own.used),),
        run.suspended, own.due_on, own.provisional, status, own.used, rule.name.zh,
    )  # fmt: skip


def _unjudged(run: _Run, rule: MilestoneRule, ended: dt.date) -> Timer:
    """Nobody judged it: it names no date that a later calendar could move."""
    return Timer(
        f"milestone:{rule.code}", "milestone", None, None, rule.budget or 0, (Interval(run.start, ended, 0),),
        run.suspended, None, False, "cancelled", 0, rule.name.zh,
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _counting(calendar: WorkingCalendar, code: str, name: str, budget: int, run: _Run) -> Timer:
    """A milestone to come: the same for every case submitted on one day, and asked for at every command."""
    due = due_date(calendar, run.start, budget, run.suspended)
    return Timer(
        f"milestone:{code}", "milestone", None, None, budget, (Interval(run.start, None),), run.suspended, due,
        may_move(calendar, run.start, due), "running" if due else "suspended", None, name,
    )  # fmt: skip


def judge_milestone(
    calendar: WorkingCalendar, definition: Definition, state: State, rule: MilestoneRule, at: dt.datetime
) -> Milestone:
    """The milestone `rule`, reached at `at`, with the due date and the used working days it is judged by."""
    if rule.budget is None:
        return Milestone(rule.code, at)
    run = _run(calendar, definition, state)
    due = due_date(calendar, run.start, rule.budget, run.suspended)
    return Milestone(
        rule.code,
        at,
        budget=rule.budget,
        due_on=due,
        used=used_days(calendar, run.start, business_date(at), run.suspended),
        provisional=may_move(calendar, run.start, due),
    )


def plan_timer(definition: Definition, state: State) -> Timer | None:
    """The validity of the delivered supply plan, its budget in natural days; None without a delivered plan or a rule.
    `met` once it lapses no more, `breached` when that came after its last day."""
    rule = definition.plan_validity
    plan = None if rule is None else step_with(definition, state, "supply_plan")
    if rule is None or plan is None or plan.status != "done" or not plan.rounds:
        return None
    start = business_date(plan.rounds[-1].ended)
    ends = [
        business_date(step.rounds[0].started_at) for step in state.steps[state.steps.index(plan) + 1 :] if step.rounds
    ]
    if state.milestones:
        kept = {one.code for one in definition.milestones if one.keeps_plan}
        ends += [max(start, business_date(one.at)) for one in state.milestones if one.reached and one.code in kept]
    if ends:
        return _plan(start, rule.months, min(ends), kept=True)
    return _plan(start, rule.months, business_date(state.ended) if state.closed else None, kept=False)


def plan_lapsed(definition: Definition, state: State, on: dt.date) -> bool:
    """Whether the delivered supply plan had lapsed by `on`: its last day was over and nothing had kept it."""
    timer = plan_timer(definition, state)
    return timer is not None and timer.status == "running" and timer.due_on is not None and timer.due_on < on


@functools.lru_cache(maxsize=4096)
def _plan(start: dt.date, months: int, ended: dt.date | None, *, kept: bool) -> Timer:
    """The same for every plan delivered on one day, and asked for at every command that follows it."""
    due = months_after(start, months)
    budget = (due - start).days
    if ended is None:
        return Timer("plan", "plan", None, None, budget, (Interval(start, None),), (), due, False, "running")
    status = "cancelled" if not kept else "breached" if ended > due else "met"
    used = (ended - start).days
    return Timer("plan", "plan", None, None, budget, (Interval(start, ended, used),), (), due, False, status, used)


def months_after(day: dt.date, months: int) -> dt.date:
    """The day of the same number `months` later, or the last of a shorter month."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    last = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month, min(day.day, last))
