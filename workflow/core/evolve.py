"""What each event does to an application: `evolve(state, event) -> state`, and nothing else.

Replaying a case's events through `evolve` gives its state; everything an event needs (the state reached, the due date
a round was judged by) is in its payload, so old histories replay the same whatever rules come later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from workflow.core.events import Event
from workflow.core.state import (
    Approval,
    Asked,
    Charge,
    Closing,
    Document,
    Facts,
    Form,
    Given,
    Link,
    Milestone,
    Pending,
    Round,
    State,
    Step,
    Suspension,
)
from workflow.core.times import BUSINESS_ZONE

replace = msgspec.structs.replace


def evolve(state: State | None, event: Event) -> State:
    """The state after `event`. `state` is None for the first event of a case. Raises KeyError for an unknown type and
    ValueError when the event does not follow `state`."""
    if state is None:
        if event.type != "application_submitted" or event.seq != 1:
            raise ValueError(f"a history starts with application_submitted, not {event.type}")
        fresh = _submitted(event)
    else:
        if event.seq != state.version + 1:
            raise ValueError(f"event {event.seq} does not follow version {state.version}")
        fresh = replace(_EFFECTS[event.type](state, event), version=event.seq, last_recorded_at=event.recorded_at)
        fresh = _with_objects(fresh, event)
    return _note_late(fresh, event)


def replay(events: Iterable[Event]) -> State:
    """The state a whole history leaves. Raises ValueError for an empty history."""
    state: State | None = None
    for event in events:
        state = evolve(state, event)
    if state is None:
        raise ValueError("no events")
    return state


def _note_late(state: State, event: Event) -> State:
    """A late record stays marked unsigned until a second person signs it; a proposal already waits for one."""
    late = event.payload.get("late")
    if late is None or "signed_with" in late or any(p.event == event.seq for p in state.pending):
        return state
    return replace(state, pending=(*state.pending, Pending(event.seq, "late", event.actor)))


def _with_objects(state: State, event: Event) -> State:
    """Without the waivers that have nothing left to waive: their step is over, or not on the path any more. And without
    the corrections that `event` overtook, as the rules of its time found and its payload says."""
    if not state.pending:
        return state
    ahead = {step.code for step in state.steps if step.status not in ("done", "waived")}
    overtaken = event.payload.get("overtaken", ())
    pending = tuple(
        p for p in state.pending if p.event not in overtaken and (p.kind != "waive_step" or p.payload["step"] in ahead)
    )
    return state if pending == state.pending else replace(state, pending=pending)


def _many(values: Iterable[Any], kind: Any) -> Any:
    return tuple(msgspec.convert(value, kind) for value in values)


def _submitted(event: Event) -> State:
    payload = event.payload
    steps = arrive(tuple(Step(code) for code in payload["path"]), payload["state"], event.occurred_at)
    return State(
        case_id=payload["case_id"],
        application_no=payload["application_no"],
        version=1,
        state=payload["state"],
        user_class=payload["user_class"],
        definition=payload["definition"],
        facts=msgspec.convert(payload["facts"], Facts),
        submitted_at=event.occurred_at,
        last_step_at=event.occurred_at,
        last_recorded_at=event.recorded_at,
        steps=steps,
        org=payload.get("org"),
        manager=payload.get("manager"),
        overridden_class=(payload.get("class_override") or {}).get("rules_give"),
        documents=_many(payload["documents"], Document),
        chain=_many(payload.get("chain", ()), Link),
    )


def arrive(steps: tuple[Step, ...], state: str, at: dt.datetime) -> tuple[Step, ...]:
    """The steps when the case arrives in `state` (`<step>.waiting|running`) at `at`: a running step opens a round."""
    code, _, phase = state.rpartition(".")

    def there(step: Step) -> Step:
        rounds = (*step.rounds, Round(at)) if phase == "running" else step.rounds
        return replace(step, status=phase, rounds=rounds)

    return change(steps, code, there)


def change(steps: tuple[Step, ...], code: str, how: Callable[[Step], Step]) -> tuple[Step, ...]:
    """`steps` with the one called `code` changed."""
    return tuple([how(step) if step.code == code else step for step in steps])


def _ended_round(payload: dict[str, Any]) -> Round | None:
    turn = payload.get("round")
    return None if turn is None else msgspec.convert(turn, Round)


def _leave(steps: tuple[Step, ...], payload: dict[str, Any], status: str) -> tuple[Step, ...]:
    """The step of `payload` left with `status`; its running round, if any, becomes the judged one in the payload."""
    turn = _ended_round(payload)

    def left(step: Step) -> Step:
        rounds = step.rounds if turn is None else (*step.rounds[:-1], turn)
        return replace(step, status=status, rounds=rounds, confirmable=False)

    return change(steps, payload["step"], left)


def _move_on(state: State, event: Event, steps: tuple[Step, ...]) -> State:
    """The case in the state the payload names: the next step, or closed with the total judged."""
    reached = event.payload["state"]
    closing = event.payload.get("closing")
    if closing is None:
        return replace(
            state, state=reached, steps=arrive(steps, reached, event.occurred_at), last_step_at=event.occurred_at
        )
    return replace(
        state,
        state=reached,
        steps=steps,
        last_step_at=event.occurred_at,
        closed_at=event.occurred_at,
        closing=msgspec.convert(closing, Closing),
        pending=tuple(p for p in state.pending if p.kind == "late"),
    )


def _step_submitted(state: State, event: Event) -> State:
    payload = event.payload
    if payload.get("confirms"):
        return replace(state, steps=change(state.steps, payload["step"], lambda step: replace(step, confirmable=False)))
    steps = arrive(state.steps, payload["state"], event.occurred_at)
    if payload.get("automatic"):
        steps = change(steps, payload["step"], lambda step: replace(step, confirmable=True))
    return replace(state, state=payload["state"], steps=steps, last_step_at=event.occurred_at)


def _step_completed(state: State, event: Event) -> State:
    return _move_on(state, event, _leave(state.steps, event.payload, "done"))


def _step_returned(state: State, event: Event) -> State:
    steps = _leave(state.steps, event.payload, "waiting")
    return replace(state, state=event.payload["state"], steps=steps, last_step_at=event.occurred_at)


def _ended(state: State, event: Event) -> State:
    ended = replace(state, ending_proved=bool(event.payload.get("proved")))
    return _move_on(ended, event, _leave(state.steps, event.payload, "ended"))


def _documents_registered(state: State, event: Event) -> State:
    return replace(state, documents=(*state.documents, *_many(event.payload["documents"], Document)))


def _documents_requested(state: State, event: Event) -> State:
    forms = _many(event.payload.get("forms", ()), Form)
    return replace(state, asked=(*state.asked, *_many(event.payload["lawful"], Asked)), forms=(*state.forms, *forms))


def _unchanged(state: State, _event: Event) -> State:
    return state


def _assigned(state: State, event: Event) -> State:
    return replace(state, **event.payload["to"])


def _proposed(state: State, event: Event) -> State:
    kind = event.payload["proposes"]
    return replace(state, pending=(*state.pending, Pending(event.seq, kind, event.actor, event.payload["proposal"])))


def _countersigned(state: State, event: Event) -> State:
    payload = event.payload
    # Histories of before may hold the signature of a proposal that falls away now; its event says what it did.
    signed = next((p for p in state.pending if p.event == payload["event"]), None)
    pending = tuple(p for p in state.pending if p is not signed and not _says_the_same(p, signed))
    return _TAKES_EFFECT[payload["kind"]](replace(state, pending=pending), event, signed)


def _says_the_same(one: Pending, signed: Pending | None) -> bool:
    """Whether `one` proposes the correction once more that takes effect with `signed`."""
    return signed is not None and signed.kind == one.kind == "correct" and signed.payload == one.payload


def suspension_of(proposed: Pending) -> Suspension:
    """The suspension that takes effect when `proposed` is countersigned."""
    given = proposed.payload
    return Suspension(
        proposed.event,
        given["ground"],
        given["notice"],
        dt.date.fromisoformat(given["from"]),
        dt.date.fromisoformat(given["to"]) if given.get("to") else None,
    )


def _suspension_takes_effect(state: State, event: Event, signed: Pending | None) -> State:
    if signed is None:
        raise ValueError(f"event {event.payload['event']} proposes no suspension")
    return replace(state, suspensions=(*state.suspensions, suspension_of(signed)))


def _waiver_takes_effect(state: State, event: Event, _signed: Pending | None) -> State:
    return _move_on(state, event, _leave(state.steps, event.payload, "waived"))


def _correction_takes_effect(state: State, event: Event, _signed: Pending | None) -> State:
    became = event.payload["became"]
    changes: dict[str, Any] = {"steps": _many(became["steps"], Step)}
    if "facts" in became:
        changes |= {
            "facts": msgspec.convert(became["facts"], Facts),
            "user_class": became["user_class"],
            "definition": became["definition"],
            "state": became["state"],
        }
    if "last_step_at" in became:
        changes["last_step_at"] = dt.datetime.fromisoformat(became["last_step_at"]).astimezone(BUSINESS_ZONE)
    return replace(state, **changes)


def _late_signed(state: State, _event: Event, _signed: Pending | None) -> State:
    return state


_TAKES_EFFECT: dict[str, Callable[[State, Event, Pending | None], State]] = {
    "suspend": _suspension_takes_effect,
    "waive_step": _waiver_takes_effect,
    "correct": _correction_takes_effect,
    "late": _late_signed,
}


def _resumed(state: State, event: Event) -> State:
    to = dt.date.fromisoformat(event.payload["to"])
    which = event.payload["suspension"]
    return replace(
        state,
        suspensions=tuple(
            replace(s, to=to, resumed_at=event.occurred_at) if s.event == which else s for s in state.suspensions
        ),
    )


def _charge_added(state: State, event: Event) -> State:
    p = event.payload
    return replace(state, charges=(*state.charges, Charge(p["item"], p["amount"], p["collector"], event.occurred_at)))


def _approval_added(state: State, event: Event) -> State:
    p = event.payload
    approval = Approval(p["number"], p["name"], event.occurred_at, p["budget"], p.get("authority"))
    return replace(state, approvals=(*state.approvals, approval))


def _approval_decided(state: State, event: Event) -> State:
    decided = msgspec.convert(event.payload["approval"], Approval)
    return replace(state, approvals=tuple(decided if a.number == decided.number else a for a in state.approvals))


def _milestone_reached(state: State, event: Event) -> State:
    if event.payload.get("again"):
        return state
    return _with_milestones(state, (msgspec.convert(event.payload["milestone"], Milestone),))


def _milestones_needed(state: State, event: Event) -> State:
    """Milestones stated not to be needed, or needed after all."""
    needed = set(event.payload["needed"])
    state = replace(state, milestones=tuple(one for one in state.milestones if one.code not in needed))
    unneeded = (Milestone(code, event.occurred_at, reached=False) for code in event.payload["not_needed"])
    return _with_milestones(state, tuple(unneeded))


def _with_milestones(state: State, known: tuple[Milestone, ...]) -> State:
    codes = {one.code for one in known}
    return replace(state, milestones=(*(one for one in state.milestones if one.code not in codes), *known))


def _notified(state: State, event: Event) -> State:
    p = event.payload
    given = Given(p["notice"], event.occurred_at, p.get("channel"), p.get("proof"))
    return replace(state, notices=(*state.notices, given))


def _rated(state: State, event: Event) -> State:
    return replace(state, rating=event.payload["score"])


def _linked(state: State, event: Event) -> State:
    return replace(state, chain=_many(event.payload["chain"], Link))


_EFFECTS: dict[str, Callable[[State, Event], State]] = {
    "documents_registered": _documents_registered,
    "documents_requested": _documents_requested,
    "step_submission_attempted": _unchanged,
    "step_submitted": _step_submitted,
    "step_completed": _step_completed,
    "step_returned": _step_returned,
    "step_waiver_proposed": _proposed,
    "suspension_proposed": _proposed,
    "correction_proposed": _proposed,
    "countersigned": _countersigned,
    "resumed": _resumed,
    "assigned": _assigned,
    "withdrawn": _ended,
    "terminated": _ended,
    "refused": _ended,
    "charge_added": _charge_added,
    "approval_added": _approval_added,
    "approval_decided": _approval_decided,
    "milestone_reached": _milestone_reached,
    "milestones_needed": _milestones_needed,
    "notified": _notified,
    "rated": _rated,
    "application_linked": _linked,
    "deadlines_recomputed": _unchanged,
}
