"""A case's rows as the engine's own state: steps with their rounds, suspensions, and how it ended.

Nothing is counted here; due dates, used days and being on time come from `workflow.core.timers`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import Definition, StepRule
from workflow.core import timers
from workflow.core.machine import ENDINGS, ENERGISED
from workflow.core.state import Link, Round, State, Step, Suspension
from workflow.replay.exact.classes import facts_of
from workflow.replay.exact.rows import History, Record, Row
from workflow.replay.references import only_uploads, references

_TURNS = ("start", "complete", "return")


class Reconstruction(NamedTuple):
    """`state`: the case as the engine would hold it. `torn`: steps with a round whose start nothing tells (gate g);
    `missing`: steps of an energised case without any round."""

    state: State
    torn: tuple[str, ...]
    missing: tuple[str, ...]


class _Turns(NamedTuple):
    rounds: tuple[Round, ...]
    torn: bool


def proves_request(record: Record) -> bool:
    """Whether a withdrawal carries a record of the customer's request that is more than an upload."""
    return bool(references(record.ref)) and not only_uploads(record.ref)


def reconstruct(
    calendar: WorkingCalendar,
    definition: Definition,
    case: Row,
    history: History,
    chain: tuple[Link, ...] = (),
) -> Reconstruction:
    """The state that the rows describe, judged as the engine judges. Raises ValueError when nothing claims the case."""
    submitted = history.submission
    if submitted is None:
        raise ValueError("no trace of an application")
    torn, steps, missing = [], [], []
    for position, rule in enumerate(definition.steps):
        turns = _turns(definition, history, position)
        if turns.torn:
            torn.append(rule.code)
        # Of an ordinary customer a step kept for important ones is not missed, and nobody misses one that was waived.
        waived = rule.waivable and bool(history.all(rule.code, "waive"))
        asked = rule.required_for == "all" or case.get("important_customer") is not False
        if asked and not (turns.rounds or turns.torn or waived):
            missing.append(rule.code)
        steps.append(_step(turns.rounds, rule.code))
    closed = history.closed
    last = history.records[-1].at
    facts = facts_of(case)
    state = State(
        case_id=case["case_id"],
        application_no=case.get("case_no") or "",
        version=1,
        state=_standing(steps),
        user_class=definition.user_class,
        definition=definition.hash,
        facts=facts,
        submitted_at=submitted.at,
        last_step_at=last,
        last_recorded_at=last,
        steps=tuple(steps),
        suspensions=_suspensions(history, history.ending or closed),
        chain=chain,
    )
    state = msgspec.structs.replace(state, steps=_judged(calendar, definition, state))
    if closed is not None:
        ending = history.ending
        state = msgspec.structs.replace(
            state,
            state=ENERGISED if ending is None or history.energised is not None else ENDINGS[ending.lifecycle],
            closed_at=closed.at,
            closing=timers.close(calendar, definition, state, closed.at),
            ending_proved=ending is not None and ending.lifecycle == "withdraw" and proves_request(ending),
        )
    energised = history.was_energised and history.ending is None
    return Reconstruction(state, tuple(torn), tuple(missing) if energised else ())


def _turns(definition: Definition, history: History, position: int) -> _Turns:
    """The rounds of a step: every result with the hand-in it answers, and the one that still runs."""
    rule = definition.steps[position]
    starts = history.all(rule.code, "start")
    ends = sorted(
        (r for r in history.all(rule.code) if r.lifecycle in ("complete", "return", "waive")),
        key=lambda r: (r.date, r.only_date, r.at),
    )
    derived = _derived_start(history, rule)
    # Where the clock runs from the submission, the start of the step says nothing of it.
    begun = rule.starts != "submission" and (rule.code, "start") in history.undated
    lost = any((rule.code, result) in history.undated for result in ("complete", "return"))
    rounds: list[Round] = []
    torn, before = False, None
    for number, end in enumerate(ends):
        answered = [start for start in starts if not end.before(start)]
        several = len(answered) > 1
        if number == 0 and derived is not None and not end.before(derived):
            # Acceptance counts from the submission; another step from its own start, where it has one [policy 5].
            answered = [derived, *answered] if rule.starts == "submission" else [*answered, derived]
        began = answered[0] if answered else None
        if began is None:
            # A waiver of a step that never ran leaves no round, nor does a row said twice.
            doubled = before is not None and before.at == end.at
            torn = torn or (end.lifecycle != "waive" and not doubled)
        elif several and lost:
            torn = True  # the result that was lost may have answered the first of the starts
        else:
            rounds.append(Round(began.at, end.at, end.lifecycle))
        # The submission and the start of acceptance that it makes are one.
        twin = next((s for s in starts if began is derived is not None and not derived.before(s)), None)
        starts = [start for start in starts if start is not began and start is not twin and not start.before(end)]
        before = end
    if any(end.lifecycle != "return" for end in ends) or (rule.code, "waive") in history.undated:
        return _Turns(tuple(rounds), torn)
    own = starts[0] if starts else None
    began = own if ends else derived or own if rule.starts == "submission" else own or derived
    if began is None:
        return _Turns(tuple(rounds), torn or begun or (lost and not ends))
    later = {part for step in definition.steps[position + 1 :] for part in step.parts}
    went = {one.activity for one in history.records if one.lifecycle in _TURNS}
    went |= {activity for activity, lifecycle in history.undated if lifecycle in _TURNS}
    if later & went or lost or history.end_lost:
        return _Turns(tuple(rounds), torn=True)  # begun and left behind: nobody says when it ended
    ending = history.ending
    if ending is not None:
        rounds.append(Round(began.at, ending.at, "ended"))
    elif history.energised is None:
        rounds.append(Round(began.at))
    return _Turns(tuple(rounds), torn)


def _derived_start(history: History, rule: StepRule) -> Record | None:
    """What starts a step that has no record of its own start [policy 6, gate g]."""
    if rule.starts == "submission":
        return next(iter(history.all("application", "submit")), None)
    # A start of its own that nobody knows the time of is one.
    if rule.starts == "previous_step" and (rule.code, "start") not in history.undated:
        accepted = history.all("acceptance", "complete")
        return accepted[-1] if accepted else None
    return None


def _step(rounds: tuple[Round, ...], code: str) -> Step:
    if not rounds:
        return Step(code)
    outcome = rounds[-1].outcome
    status = {"complete": "done", "waive": "waived", "return": "waiting", "ended": "ended", None: "running"}[outcome]
    return Step(code, status, rounds)


def _standing(steps: list[Step]) -> str:
    """Where an open case stands: the first step that is not passed."""
    for step in steps:
        if step.status not in ("done", "waived"):
            return f"{step.code}.{'running' if step.status == 'running' else 'waiting'}"
    return f"{steps[-1].code}.waiting"


def _judged(calendar: WorkingCalendar, definition: Definition, state: State) -> tuple[Step, ...]:
    return tuple(
        msgspec.structs.replace(
            step,
            rounds=tuple(
                turn
                if turn.ended_at is None
                else timers.judge_round(calendar, definition, state, step.code, turn)
                for turn in step.rounds
            ),
        )
        for step in state.steps
    )  # fmt: skip


class _Stretch(NamedTuple):
    """A suspension. `first` and `last`: its days, None where nobody says since when or until when."""

    ground: str
    notice: str
    first: dt.date | None
    last: dt.date | None


def _stretches(history: History) -> list[_Stretch]:
    """The suspensions: each start lasts until the next end. An end more, of as many as were started, ends what began
    beside the others; an end of one moment with the one before is said twice."""

    def in_order(one: Record) -> tuple[dt.datetime, bool]:
        is_end = one.lifecycle == "end"
        # An end that is only a date lasts the day.
        return one.at + dt.timedelta(days=1) if is_end and one.only_date else one.at, is_end

    found: list[_Stretch] = []
    running: list[Record] = []
    ended: Record | None = None
    balance, grounds = 0, set[str]()
    for one in sorted(history.all("suspension"), key=in_order):
        if one.lifecycle == "start":
            running.append(one)
            balance += 1
            grounds.add(one.value or "")
            continue
        twice = ended is not None and one.at == ended.at
        if running:
            found += (_Stretch(start.value or "", start.ref or "", start.date, one.date) for start in running)
            balance -= 1
        elif not twice:
            balance -= 1
            since = ended.date if ended is not None and balance >= 0 else None
            found.append(_Stretch(one.value or max(grounds, default=""), one.ref or "", since, one.date))
        running, ended = [], one
    return [*found, *(_Stretch(start.value or "", start.ref or "", start.date, None) for start in running)]


def _suspensions(history: History, closed: Record | None) -> tuple[Suspension, ...]:
    """The suspensions whose days are known; one without an end lasts until the case ends, or to this day, but who was
    energised had work going on again, and nobody says since when."""
    return tuple(
        Suspension(number, one.ground, one.notice, one.first, one.last or (closed.date if closed is not None else None))
        for number, one in enumerate(_stretches(history), start=1)
        if one.first is not None and not _endless(history, one)
    )


def _endless(history: History, one: _Stretch) -> bool:
    energised = history.energised
    return (
        one.last is None
        and history.ending is None
        and energised is not None
        and (one.first is None or one.first <= energised.date)
    )


def suspension_lost(history: History, grounds: Collection[str]) -> bool:
    """Whether a suspension on one of the `grounds` has lost its start, its end though the customer was energised, or
    its ground."""
    return bool(grounds) and (
        ("suspension", "start") in history.undated
        or any(
            not one.ground or (one.ground in grounds and (one.first is None or _endless(history, one)))
            for one in _stretches(history)
        )
    )
