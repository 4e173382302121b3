"""Where a case stands in a period: by its ending when it has one, as it was on the period's last day when it has not.

A rate over finished cases alone hides the slow open ones, so those open at the end stand beside it, the overdue apart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import CaseSelection, Definition
from workflow.core.events import Event
from workflow.core.state import Round, State, Step
from workflow.core.timers import standing, timers
from workflow.core.times import business_date
from workflow.reports.period import Period

Place = Literal["energised", "open", "withdrawn", "terminated", "refused"]
PLACES: tuple[Place, ...] = ("energised", "open", "withdrawn", "terminated", "refused")


class Window(msgspec.Struct, frozen=True):
    """What is reported: the period, the day it is looked at from (its last, or today while it runs), the calendar."""

    period: Period
    as_of: dt.date
    calendar: WorkingCalendar


class Case:
    """One application as the tables read it. `later`: the definition its class would have had on the day it was
    energised. `history`: its events, read only by measures that need more than the state holds."""

    def __init__(
        self,
        definition: Definition,
        state: State,
        later: Definition | None = None,
        history: Callable[[], tuple[Event, ...]] = tuple,
    ) -> None:
        self.definition = definition
        self.state = state
        self.later = later or definition
        self._history = history

    @cached_property
    def history(self) -> tuple[Event, ...]:
        """The events of the case, read when first asked for."""
        return self._history()


def place(window: Window, state: State) -> Place | None:
    """Where the case stands in the period; None when it was filed after it or ended before it."""
    if business_date(state.submitted_at) > window.as_of:
        return None
    if state.closed_at is None or business_date(state.closed_at) > window.as_of:
        return "open"
    if not window.period.contains(business_date(state.closed_at)):
        return None
    return next(where for where in PLACES if where == state.state)


def selected(cases: CaseSelection, state: State) -> bool:
    """Whether an indicator is about this case."""
    facts, submitted_on = state.facts, business_date(state.submitted_at)
    return (
        (not cases.user_class or state.user_class in cases.user_class)
        and (cases.voltage is None or facts.voltage == cases.voltage)
        and (cases.area is None or facts.area == cases.area)
        and (not cases.enterprise_size or facts.enterprise_size in cases.enterprise_size)
        and (cases.capacity_kw is None or facts.capacity_kw <= cases.capacity_kw)
        and (cases.submitted_from is None or cases.submitted_from <= submitted_on)
        and (cases.submitted_to is None or submitted_on <= cases.submitted_to)
    )


def _round_on(turn: Round, day: dt.date) -> Round:
    return turn if turn.ended_at is None or business_date(turn.ended_at) <= day else Round(turn.started_at)


def _step_on(step: Step, day: dt.date) -> Step:
    rounds = tuple(_round_on(turn, day) for turn in step.rounds if business_date(turn.started_at) <= day)
    if rounds == step.rounds:
        return step
    status = "pending" if not rounds else "running" if rounds[-1].ended_at is None else "waiting"
    return msgspec.structs.replace(step, rounds=rounds, status=status)


def on_day(state: State, day: dt.date) -> State:
    """The case as it stood at the end of `day`, told from what is known of it now: what began later is left out, what
    ended later still runs. For counting timers; the word `state` stays as it is."""
    steps = tuple(_step_on(step, day) for step in state.steps)
    return msgspec.structs.replace(state, steps=steps, closed_at=None, closing=None)


def late(turn: Round) -> bool:
    """Whether an ended round ended after its due date."""
    return turn.due_on is not None and business_date(turn.ended) > turn.due_on


def limited(state: State) -> list[tuple[str, Round]]:
    """The ended rounds that had a limit of their own, with their step."""
    return [
        (step.code, turn)
        for step in state.steps
        for turn in step.rounds
        if turn.budget is not None and turn.ended_at is not None
    ]


class Openness(msgspec.Struct, frozen=True):
    """An open case on the last day: a timer of it runs with negative remaining days; a finished round was late."""

    overdue: bool
    late_round: bool


def openness(window: Window, case: Case) -> Openness:
    """How an open case stands on the window's day. Approvals, which are the government's, are left out."""
    state = on_day(case.state, window.as_of)
    running = [
        standing(window.calendar, timer, window.as_of)
        for timer in timers(window.calendar, case.definition, state)
        if timer.scope in ("step", "total") and timer.intervals
    ]
    return Openness(
        overdue=any(stand.status == "running" and stand.remaining < 0 for stand in running),
        late_round=any(late(turn) for _, turn in limited(state)),
    )
