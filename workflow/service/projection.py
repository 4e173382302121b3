"""From a state to its rows: the application, its rounds, its timers. A pure function of history, rules and calendar,
so that projections can be thrown away and rebuilt identically."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import msgspec

from definitions.alerting import Ladder
from definitions.calendar import WorkingCalendar
from storage import CaseRow, DeadlineRow, PendingRow, RoundRow
from workflow.core.rungs import first_look
from workflow.core.state import Round, State, Step, to_snapshot
from workflow.core.timers import LEGAL, OPEN_ENDED, Timer
from workflow.core.times import write

_encode = msgspec.json.Encoder().encode


def case_row(state: State, timers: tuple[Timer, ...], head_hash: str) -> CaseRow:
    """The application's row. `due_on`: the earliest due date of its running limits."""
    facts = state.facts
    due: dt.date | None = None
    total: dt.date | None = None
    provisional = False
    for timer in timers:
        on = timer.due_on
        if on is None or timer.status != "running" or timer.scope not in LEGAL:
            continue
        due = on if due is None or on < due else due
        total = on if timer.key == "total" else total
        provisional = provisional or timer.provisional
    return CaseRow(
        id=state.case_id,
        application_no=state.application_no,
        external_id=facts.external_id,
        org=state.org,
        region=facts.region,
        user_class=state.user_class,
        state=state.state,
        manager=state.manager,
        project_manager=state.project_manager,
        premises_id=facts.premises_id,
        voltage=facts.voltage,
        capacity_kw=facts.capacity_kw,
        business_type=facts.business_type,
        channel=facts.channel,
        submitted_at=write(state.submitted_at),
        closed_at=None if state.closed_at is None else write(state.closed_at),
        due_on=None if due is None else due.isoformat(),
        total_due_on=None if total is None else total.isoformat(),
        provisional=provisional,
        definition_hash=state.definition,
        version=state.version,
        head_hash=head_hash,
        predecessor=state.chain[-1].case_id if state.chain else None,
        snapshot=to_snapshot(state),
    )


def rounds_of(steps: Iterable[Step]) -> dict[tuple[str, int], Round]:
    """The rounds that have begun, by step and number."""
    return {(step.code, number): turn for step in steps for number, turn in enumerate(step.rounds, start=1)}


def round_row(case_id: str, key: tuple[str, int], turn: Round) -> RoundRow:
    """A round's row."""
    ended = None if turn.ended_at is None else write(turn.ended_at)
    return RoundRow(case_id, *key, write(turn.started_at), ended, turn.outcome, turn.used)


def pending_rows(state: State, recorded: Mapping[int, str]) -> list[PendingRow]:
    """What waits for a second signature, of the events whose time of recording is in `recorded`, by number."""
    return [
        PendingRow(state.case_id, one.event, one.kind, one.actor, state.org, recorded[one.event])
        for one in state.pending
        if one.event in recorded
    ]


def _ledger(timer: Timer) -> str:
    running = [(i.counted_from, i.end) for i in timer.intervals]
    suspended = [(first, None if last == OPEN_ENDED else last) for first, last in timer.suspended]
    return _encode({"running": running, "suspended": suspended}).decode()


def deadline_row(case_id: str, timer: Timer, calendar: WorkingCalendar, ladder: Ladder | None = None) -> DeadlineRow:
    """A timer's row. `ladder`: by which its first look is set; None leaves it without one, as rows are compared."""
    look_on = None if ladder is None else first_look(calendar, ladder, timer)
    return DeadlineRow(
        case_id,
        timer.key,
        timer.scope,
        timer.step,
        timer.round,
        timer.budget,
        _ledger(timer),
        None if timer.due_on is None else timer.due_on.isoformat(),
        timer.provisional,
        timer.status,
        calendar.hash,
        None if look_on is None else look_on.isoformat(),
    )


def begun(timers: tuple[Timer, ...]) -> tuple[Timer, ...]:
    """The timers that have a row: those whose clock has run."""
    return tuple([timer for timer in timers if timer.intervals])


def stands(timer: Timer, now: Timer | None) -> bool:
    """Whether an alert on `timer` is still true of what it has become."""
    return now is not None and now.status == timer.status and now.due_on == timer.due_on


def reached(calendar: WorkingCalendar, ladder: Ladder, timer: Timer, today: dt.date) -> bool:
    """Whether a rung of `timer` had come by `today`, so that alerts may stand on it."""
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
