"""From a state to its rows: the application, its rounds, its timers. A pure function of history, rules and calendar,
so that projections can be thrown away and rebuilt identically."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from definitions.alerting import Ladder
from definitions.calendar import WorkingCalendar
from storage import CaseRow, DeadlineRow, PendingRow, RoundRow
from workflow.core.rungs import RUNNING, first_look
from workflow.core.state import Round, State, Step, to_snapshot
from workflow.core.timers import LEGAL, OPEN_ENDED, Timer
from workflow.core.times import write, write_date

_encode = msgspec.json.Encoder().encode


def case_row(state: State, timers: tuple[Timer, ...], head_hash: str) -> CaseRow:
    """The application's row. `due_on`: the earliest due date of its running limits; `provisional`: whether that is."""
    facts = state.facts
    due: dt.date | None = None
    total: dt.date | None = None
    provisional = False
    for timer in timers:
        on = timer.due_on
        if on is None or timer.status != "running" or timer.scope not in LEGAL:
            continue
        if due is None or on < due:
            due, provisional = on, timer.provisional
        total = on if timer.key == "total" else total
    # In the order of the fields: to name each of them takes thrice as long.
    return CaseRow(
        state.case_id,
        state.application_no,
        facts.external_id,
        state.org,
        facts.region,
        state.user_class,
        state.state,
        state.manager,
        state.project_manager,
        facts.premises_id,
        facts.voltage,
        facts.capacity_kw,
        facts.business_type,
        facts.channel,
        write(state.submitted_at),
        None if state.closed_at is None else write(state.closed_at),
        None if due is None else write_date(due),
        None if total is None else write_date(total),
        provisional,
        state.definition,
        state.version,
        head_hash,
        state.chain[-1].case_id if state.chain else None,
        to_snapshot(state),
    )


class Rounds(NamedTuple):
    """Rows of rounds to write, and the rounds, by step and number, that are no more."""

    rows: list[RoundRow]
    gone: list[tuple[str, int]]


def rounds_changed(case_id: str, steps: Iterable[Step], before: Iterable[Step]) -> Rounds:
    """The rounds that have begun and are not what they were `before`."""
    known = {step.code: step for step in before}
    changed = Rounds([], [])
    for step in steps:
        was = known.pop(step.code, None)
        if was is step:
            continue
        old = () if was is None else was.rounds
        for number, turn in enumerate(step.rounds, start=1):
            if number > len(old) or (turn is not old[number - 1] and turn != old[number - 1]):
                changed.rows.append(_round_row(case_id, step.code, number, turn))
        changed.gone.extend((step.code, number) for number in range(len(step.rounds) + 1, len(old) + 1))
    for left in known.values():
        changed.gone.extend((left.code, number) for number in range(1, len(left.rounds) + 1))
    return changed


def _round_row(case_id: str, code: str, number: int, turn: Round) -> RoundRow:
    ended = None if turn.ended_at is None else write(turn.ended_at)
    return RoundRow(case_id, code, number, write(turn.started_at), ended, turn.outcome, turn.used)


def pending_rows(state: State, recorded: Mapping[int, str]) -> list[PendingRow]:
    """What waits for a second signature, of the events whose time of recording is in `recorded`, by number."""
    return [
        PendingRow(state.case_id, one.event, one.kind, one.actor, state.org, recorded[one.event])
        for one in state.pending
        if one.event in recorded
    ]


def _ledger(timer: Timer) -> str:
    running = [(i.counted_from, i.end) for i in timer.intervals]
    suspended = timer.suspended and [(first, None if last == OPEN_ENDED else last) for first, last in timer.suspended]
    return _encode({"running": running, "suspended": suspended}).decode()


def deadline_row(case_id: str, timer: Timer, calendar: WorkingCalendar, ladder: Ladder | None = None) -> DeadlineRow:
    """A timer's row. `ladder`: by which its first look is set; None leaves it without one, as rows are compared."""
    due_on = timer.due_on
    look_on = None if ladder is None or timer.status not in RUNNING else first_look(calendar, ladder, timer)
    return DeadlineRow(
        case_id,
        timer.key,
        timer.scope,
        timer.step,
        timer.round,
        timer.budget,
        _ledger(timer),
        None if due_on is None else write_date(due_on),
        timer.provisional,
        timer.status,
        calendar.hash,
        None if look_on is None else write_date(look_on),
    )


def begun(timers: tuple[Timer, ...]) -> list[Timer]:
    """The timers that have a row: those whose clock has run."""
    return [timer for timer in timers if timer.intervals]


def timers_changed(
    timers: tuple[Timer, ...], before: tuple[Timer, ...]
) -> dict[str, tuple[Timer | None, Timer | None]]:
    """The timers that have a row and are not what they were, by key: as they were `before` and as they are; None: no
    row then."""
    was = {timer.key: timer for timer in before if timer.intervals}
    changed: dict[str, tuple[Timer | None, Timer | None]] = {}
    for timer in timers:
        if timer.intervals:
            old = was.pop(timer.key, None)
            # The timers of untouched steps are the same objects as before.
            if old is not timer and old != timer:
                changed[timer.key] = (old, timer)
    for key, old in was.items():
        changed[key] = (old, None)
    return changed


def outdated(calendar: WorkingCalendar, ladder: Ladder, timer: Timer, now: Timer | None, today: dt.date) -> bool:
    """Whether alerts may stand on `timer`, some rung of which had come by `today`, that are no longer true of what it
    has become."""
    if now is not None and now.status == timer.status and now.due_on == timer.due_on:
        return False
    first = first_look(calendar, ladder, timer)
    return first is not None and first <= today


def why_outdated(state: State, now: Timer | None) -> str:
    """Why alerts on a timer are cleared: how the case ended, else how the timer stands now; `moved` where it runs on to
    another date, `removed` where it is no more."""
    if state.closed and state.state != "energised":
        return state.state
    if now is None:
        return "removed"
    return "moved" if now.status == "running" else now.status
