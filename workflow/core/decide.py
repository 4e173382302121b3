"""`decide(context, definition, state, command) -> Decision`: the one place where an application's rules say yes or no.

Pure: no clock, no I/O.  Order comes from the machine (`machine.py`), reasons and clauses from here.  A refusal leaves
the case as it was, except for a recorded attempt to hand in a step without its documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec

from definitions.calendar import CalendarRangeError
from definitions.model import Definition, StepRule, Text
from workflow.core import chain, commands, timers
from workflow.core.corrections import overtaken, propose_correction, take_effect
from workflow.core.deed import Context, Decision, Deed
from workflow.core.documents import (
    check_asked,
    kind_and_form,
    missing,
    missing_now,
    received,
    refuse_missing,
    steps_until,
)
from workflow.core.events import folded
from workflow.core.evolve import suspension_of
from workflow.core.inner import plan_lapsed
from workflow.core.legal import grounds_refusal
from workflow.core.machine import ENDINGS, ENERGISED, fire, machine_for, path
from workflow.core.milestones import reach_milestone
from workflow.core.refusals import Refusal, Refused, refusal, refuse
from workflow.core.state import Asked, Pending, Round, State, Suspension
from workflow.core.submission import out_of_range
from workflow.core.telling import names_of, stands
from workflow.core.times import business_date

AFTER_CLOSING = ("countersign", "rate")
"""What may still be recorded of a closed case; neither changes its course, its steps or its timers."""


def decide(context: Context, definition: Definition, state: State, command: Any) -> Decision:
    """Decide one command on one application. `command` is one of `commands.Command`."""
    try:
        if state.closed and command.command not in AFTER_CLOSING:
            ended = stands(state.state, {})
            raise _not_now(
                f"申请已结束 ({ended.zh}), 只能登记评价或会签补录",
                f"The application has ended ({ended.en}); it takes a rating or the signature of a late record only",
            )
        deed = Deed(context, definition, state, command)
        deed.check_order()
        refusal = _HANDLERS[type(command)](deed, command)
        if deed.events and (gone := overtaken(deed)):
            deed.overtake(gone)
        return deed.decision(refusal)
    except Refused as refused:
        return Decision((), state, refused.refusal)
    except CalendarRangeError as error:
        return Decision((), state, out_of_range(error))


def _not_now(zh: str, en: str) -> Refused:
    return refuse("transition-not-allowed", zh, en)


def _rule(deed: Deed, code: str) -> StepRule:
    """The rule of step `code`, which must be on the path and due now."""
    state, definition = deed.open_state, deed.definition
    steps = path(definition, state.facts.important_customer)
    for rule in steps:
        if rule.code == code:
            break
    else:
        names = "、".join(step.name.zh for step in steps)
        raise refuse(
            "step-not-allowed",
            f"{definition.name.zh}没有环节 {code}; 本类只有: {names}",
            f"{definition.name.en} has no step {code}; its steps are: {', '.join(step.code for step in steps)}",
            deed.clauses(*definition.step_clauses),
        )
    if state.current != code:
        now = stands(state.state, names_of(definition))
        raise _not_now(
            f"现在办到{now.zh}, 不能办理{rule.name.zh}",
            f"The application is at {now.en}; {rule.name.en} is not due now",
        )
    return rule


_ACTS = {
    "submit_step": Text("再收用户提交", "handed in"),
    "complete_step": Text("办结", "completed"),
    "return_step": Text("退回", "returned"),
    "waive_step": Text("免办", "waived"),
}
"""What the machine's triggers do to a step."""


def _fire(deed: Deed, trigger: str) -> str:
    """The state the machine allows; refused with where the case stands otherwise."""
    state = deed.open_state
    machine = machine_for(deed.definition, state.facts.important_customer)
    reached = fire(machine, trigger, state.state)
    if reached is None:
        now, act = stands(state.state, names_of(deed.definition)), _ACTS.get(trigger, Text(trigger, trigger))
        raise _not_now(f"现在办到{now.zh}, 不能{act.zh}", f"The application is at {now.en}; it cannot be {act.en} now")
    return reached


def _end_round(deed: Deed, code: str, outcome: str, defects: tuple[str, ...] = ()) -> Round | None:
    """The running round of `code`, ended now and judged; None when none runs."""
    state = deed.open_state
    step = state.step(code)
    if step is None or not step.rounds or step.rounds[-1].ended_at is not None:
        return None
    turn = msgspec.structs.replace(step.rounds[-1], ended_at=deed.occurred_at, outcome=outcome, defects=defects)
    return timers.judge_round(deed.context.calendar, deed.definition, state, code, turn)


def _closing(deed: Deed, code: str, turn: Round | None) -> dict[str, Any]:
    """The total as judged when the case ends now, its last round being `turn`."""
    state = deed.open_state
    if turn is not None:
        steps = tuple(
            msgspec.structs.replace(s, rounds=(*s.rounds[:-1], turn)) if s.code == code else s for s in state.steps
        )
        state = msgspec.structs.replace(state, steps=steps)
    closing = timers.close(deed.context.calendar, deed.definition, state, deed.occurred_at)
    built: dict[str, Any] = msgspec.to_builtins(closing)
    return built


def _register(deed: Deed, rule: StepRule, given: tuple[commands.DocumentIn, ...]) -> None:
    state = deed.open_state
    taken = received(
        deed.definition,
        deed.context.rules.legal_basis,
        steps_until(deed.definition, state, rule.code),
        given,
        deed.occurred_at,
        asked=[asked.kind for asked in state.asked],
    )
    deed.emit("documents_registered", {"step": rule.code, "documents": msgspec.to_builtins(taken)})


def _current_rule(deed: Deed, stated: str | None) -> StepRule:
    return _rule(deed, stated or deed.open_state.open_step)


def _request_documents(deed: Deed, command: commands.RequestDocuments) -> None:
    rule = _current_rule(deed, command.step)
    lawful, forms = check_asked(
        deed.definition, deed.context.rules.legal_basis, deed.open_state, rule, command.documents
    )
    basis = {kind_and_form(deed.definition, one.kind)[0]: one.legal_basis or "" for one in command.documents}
    deed.emit(
        "documents_requested",
        {
            "step": rule.code,
            "documents": [document.model_dump(exclude_none=True) for document in command.documents],
            "lawful": [msgspec.to_builtins(Asked(kind, rule.code, basis[kind])) for kind in lawful],
            **({"forms": msgspec.to_builtins(forms)} if forms else {}),
        },
    )


def _register_documents(deed: Deed, command: commands.RegisterDocuments) -> None:
    rule = _current_rule(deed, command.step)
    _register(deed, rule, command.documents)
    state = deed.open_state
    if state.state == f"{deed.definition.steps[0].code}.waiting" and not missing_now(deed.definition, state, rule.code):
        # The list is complete: the utility's clock starts now and nobody can delay it (D30).
        reached = _fire(deed, "submit_step")
        deed.emit("step_submitted", {"step": rule.code, "state": reached, "automatic": True})


def _submit_step(deed: Deed, command: commands.SubmitStep) -> Any:
    rule = _rule(deed, command.step)
    step = deed.open_state.step(rule.code)
    if step is not None and step.status == "running" and step.confirmable and not command.documents:
        deed.emit("step_submitted", {"step": rule.code, "confirms": True})
        return None
    reached = _fire(deed, "submit_step")
    if command.documents:
        _register(deed, rule, command.documents)
    lacking = missing_now(deed.definition, deed.open_state, rule.code)
    if lacking:
        deed.emit(
            "step_submission_attempted",
            {"step": rule.code, "missing_documents": [one["kind"] for one in lacking]},
        )
        return refuse_missing(deed.definition, rule.code, lacking)
    deed.emit("step_submitted", {"step": rule.code, "state": reached})
    return None


def _complete_step(deed: Deed, command: commands.CompleteStep) -> None:
    rule = _rule(deed, command.step)
    reached = _fire(deed, "complete_step")
    deed.check_not_suspended(deed.occurred_at)
    if command.documents:
        _register(deed, rule, command.documents)
    state = deed.open_state
    lacking = (missing if reached == ENERGISED else missing_now)(deed.definition, state, rule.code)
    if lacking:
        raise Refused(refuse_missing(deed.definition, rule.code, lacking))
    turn = _end_round(deed, rule.code, "complete")
    payload: dict[str, Any] = {"step": rule.code, "state": reached, "round": msgspec.to_builtins(turn)}
    if command.plan_reason is not None:
        payload["plan_reason"] = command.plan_reason
    if reached == ENERGISED:
        payload["closing"] = _closing(deed, rule.code, turn)
    deed.emit("step_completed", payload)


def _return_step(deed: Deed, command: commands.ReturnStep) -> None:
    rule = _rule(deed, command.step)
    reached = _fire(deed, "return_step")
    turn = _end_round(deed, rule.code, "return", tuple(command.defects))
    deed.emit(
        "step_returned",
        {"step": rule.code, "state": reached, "round": msgspec.to_builtins(turn), "defects": list(command.defects)},
    )


def _propose(deed: Deed, type_: str, kind: str, proposal: dict[str, Any]) -> None:
    deed.emit(type_, {"proposes": kind, "proposal": proposal})


def _waive_step(deed: Deed, command: commands.WaiveStep) -> None:
    rule = _rule(deed, command.step)
    if not rule.waivable:
        raise refuse(
            "step-not-allowed",
            f"{rule.name.zh}不得豁免",
            f"{rule.name.en} may not be waived",
            deed.clauses(*rule.clauses),
        )
    _fire(deed, "waive_step")
    _propose(deed, "step_waiver_proposed", "waive_step", {"step": rule.code, "legal_basis": command.legal_basis})


def _assign(deed: Deed, command: commands.Assign) -> None:
    to = {
        name: value for name in ("manager", "project_manager", "org") if (value := getattr(command, name)) is not None
    }
    if not to:
        raise refuse(
            "malformed-request", "请指明 manager、project_manager 或 org", "Name a manager, project_manager or org"
        )
    before = {name: getattr(deed.open_state, name) for name in to}
    deed.emit("assigned", {"to": to, "before": before})


def _suspend(deed: Deed, command: commands.Suspend) -> None:
    today = business_date(deed.now)
    if command.from_ > today:
        raise refuse(
            "time-in-future",
            f"中止起始日 {command.from_} 在未来; 请在事件发生后登记",
            f"The suspension would begin on {command.from_}, in the future; record it once it has begun",
            deed.clauses(*deed.definition.late.clauses),
        )
    if command.to is not None and command.to < command.from_:
        raise refuse(
            "suspension-not-allowed",
            f"中止结束日 {command.to} 早于起始日 {command.from_}",
            f"The suspension would end on {command.to}, before it begins on {command.from_}",
        )
    suspension = Suspension(deed.open_state.version + 1, command.reason, command.notice, command.from_, command.to)
    _check_due_dates(deed, suspension)
    deductible = command.reason in deed.definition.total.deductible
    _propose(
        deed,
        "suspension_proposed",
        "suspend",
        {
            "ground": command.reason,
            "notice": command.notice,
            "from": command.from_.isoformat(),
            "to": command.to.isoformat() if command.to else None,
            "deductible": deductible,
            **({"note": command.note} if command.note else {}),
        },
    )


def _check_due_dates(deed: Deed, suspension: Suspension) -> None:
    """Raises CalendarRangeError when the suspension would push a due date beyond the calendar."""
    state = deed.open_state
    suspended = msgspec.structs.replace(state, suspensions=(*state.suspensions, suspension))
    timers.timers(deed.context.calendar, deed.definition, suspended)


def _resume(deed: Deed, command: commands.Resume) -> None:
    today, on = business_date(deed.now), business_date(deed.occurred_at)
    open_ones = [s for s in deed.open_state.suspensions if s.to is None or s.to >= on]
    if not open_ones:
        raise _not_now("没有正在生效的中止可以恢复", "No suspension is in force that could be resumed")
    suspension = open_ones[-1]
    to = command.to or on
    if to > today:
        raise refuse("time-in-future", f"恢复日 {to} 在未来", f"The last suspended day {to} lies in the future")
    if to < suspension.from_:
        raise refuse(
            "suspension-not-allowed",
            f"恢复日 {to} 早于中止起始日 {suspension.from_}",
            f"The last suspended day {to} precedes the first, {suspension.from_}",
        )
    if to > on:
        # One person may give days back to the customer; taking more away, or both working and resting, needs a second.
        raise refuse(
            "suspension-not-allowed",
            f"恢复发生在 {on}, 中止的最后一日不能晚到 {to}; 请核对日期, 需要继续中止的另行登记并由第二人会签",
            f"Work resumed on {on}, so the last suspended day cannot be as late as {to}; check the dates, and record "
            "what goes on as another suspension with a second signature",
        )
    deed.emit("resumed", {"suspension": suspension.event, "to": to.isoformat()})


def _end(deed: Deed, trigger: str, payload: dict[str, Any]) -> None:
    code = deed.open_state.open_step
    reached = _fire(deed, trigger)
    turn = _end_round(deed, code, "ended")
    deed.emit(
        ENDINGS[trigger],
        {
            "step": code,
            "state": reached,
            "round": None if turn is None else msgspec.to_builtins(turn),
            "closing": _closing(deed, code, turn),
            **payload,
        },
    )


def _refuse_application(deed: Deed, command: commands.Refuse) -> None:
    if not grounds_refusal(deed.context.rules.legal_basis, command.legal_basis):
        raise refuse(
            "legal-basis-needed",
            f"拒绝报装须有法定依据, 请写明法律、法规或规章名称和条款; 「{command.legal_basis}」不是",
            f"A final refusal needs a law, regulation or departmental rule and its article; "
            f"'{command.legal_basis}' is none",
            deed.clauses(*deed.definition.document_clauses),
        )
    _end(deed, "refuse", {"legal_basis": command.legal_basis})


_UPLOADED = re.compile(r"(image|file):|.*\.(jpe?g|png|gif|bmp|webp|heic|tiff?)$", re.DOTALL)
"""What a picture or a file that somebody uploaded is called by: it proves nothing [policy 6]. Of any width: a Chinese
keyboard types full-width letters and colons."""


def _withdraw(deed: Deed, command: commands.Withdraw) -> None:
    if _UPLOADED.match(unicodedata.normalize("NFKC", command.evidence.ref).strip().lower()):
        raise refuse(
            "evidence-not-accepted",
            "截图和上传文件不能证明客户撤回; 请填写平台记录号或录音号",
            "A screenshot or an uploaded file proves no withdrawal; give the platform record or recording id",
            deed.clauses("L15"),
        )
    _end(deed, "withdraw", {"proved": True})


def _terminate(deed: Deed, command: commands.Terminate) -> None:
    ending: dict[str, Any] = {"note": command.note} if command.note else {}
    if command.reason == "lapsed" and not plan_lapsed(
        deed.definition, deed.open_state, business_date(deed.occurred_at)
    ):
        ending["still_valid"] = True
    _end(deed, "terminate", ending)


def _correct(deed: Deed, command: commands.Correct) -> None:
    proposal = propose_correction(deed, command)
    _propose(deed, "correction_proposed", "correct", proposal)


def _to_sign(deed: Deed, command: commands.Countersign) -> Pending:
    """The record to countersign: the one named, else the only proposal waiting, else the only late record."""
    waiting = deed.open_state.pending
    if command.event is not None:
        found = next((p for p in waiting if p.event == command.event), None)
        if found is None:
            raise _not_now(
                f"第 {command.event} 号记录不在等待会签", f"Event {command.event} is not waiting for a signature"
            )
        return found
    candidates = [p for p in waiting if p.kind != "late"] or list(waiting)
    if not candidates:
        raise _not_now("没有等待会签的记录", "Nothing is waiting for a signature")
    if len(candidates) > 1:
        numbers = [p.event for p in candidates]
        which = ", ".join(str(number) for number in numbers)
        raise refuse(
            "say-which",
            f"有多条记录等待会签 ({which}), 请用 event 指明一条",
            f"Several records are waiting ({which}); name one in `event`",
            events=numbers,
        )
    return candidates[0]


def own_record(event: int, actor: str, who: str) -> Refusal | None:
    """Why `who` may not sign the record `event` made by `actor`: four eyes are two people. None when he may.

    A record that came over is its importer's and that of the person it names (`importer:person`); who works on the
    machine itself (`local:person`) is the person whom a key of that name belongs to."""
    made, signs = (folded(name).removeprefix("local:") for name in (actor, who))
    if signs != made and not made.startswith(f"{signs}:") and not made.endswith(f":{signs}"):
        return None
    return refusal(
        "countersign-own-record",
        f"第 {event} 号记录由您本人登记, 须由第二人会签",
        f"Event {event} is your own record; a second person must sign it",
    )


def _countersign(deed: Deed, command: commands.Countersign) -> None:
    pending = _to_sign(deed, command)
    own = own_record(pending.event, pending.actor, deed.context.principal.who)
    if own is not None:
        raise Refused(own)
    payload: dict[str, Any] = {"event": pending.event, "kind": pending.kind}
    if pending.kind == "waive_step":
        code = pending.payload["step"]
        _rule(deed, code)
        payload |= {"step": code, "state": _fire(deed, "waive_step")}
        turn = _end_round(deed, code, "waive")
        payload["round"] = None if turn is None else msgspec.to_builtins(turn)
    elif pending.kind == "correct":
        payload["became"] = take_effect(deed, pending.payload)
    elif pending.kind == "suspend":
        _check_due_dates(deed, suspension_of(pending))
    deed.emit("countersigned", payload)


def _add_charge(deed: Deed, command: commands.AddCharge) -> None:
    charges = deed.definition.charges
    item = next((i for i in charges.catalogue if command.item in (i.code, i.name.zh, i.name.en, *i.aliases)), None)
    if charges.zero_investment and not command.beyond_boundary:
        raise refuse(
            "charge-not-allowed",
            f"{deed.definition.name.zh}办电零投资: 用户红线以内 (含计量装置) 不得收取「{command.item}」",
            f"Zero investment for {deed.definition.name.en}: nothing may be charged up to the site boundary, meter "
            f"included; '{command.item}' is refused",
            deed.clauses(*charges.clauses),
        )
    if item is None:
        listed = "、".join(i.name.zh for i in charges.catalogue) or "无"
        listed_en = ", ".join(i.code for i in charges.catalogue) or "empty"
        raise refuse(
            "charge-not-allowed",
            f"「{command.item}」不在公布的收费项目目录内 (目录: {listed}); 供电企业及其关联企业均不得收取",
            f"'{command.item}' is not in the published fee catalogue ({listed_en}); neither the utility nor an "
            "affiliate may charge it",
            deed.clauses(*charges.clauses),
        )
    deed.emit(
        "charge_added",
        {
            "item": item.code,
            "amount": command.amount,
            "collector": command.collector,
            "beyond_boundary": command.beyond_boundary,
        },
    )


def _add_approval(deed: Deed, command: commands.AddApproval) -> None:
    facts = deed.open_state.facts
    voltage = command.voltage or facts.voltage
    kv = command.voltage_kv if command.voltage_kv is not None else facts.voltage_kv
    rows = [r for r in deed.definition.approvals if r.voltage == voltage]
    # Where the voltage in kV is not stated, the ordinary row applies: high-voltage customers are served at 10 or 20 kV.
    row = next((r for r in rows if r.max_kv is None or kv is None or kv <= r.max_kv), None)
    deed.emit(
        "approval_added",
        {
            "number": len(deed.open_state.approvals) + 1,
            "name": command.approval,
            "authority": command.authority,
            "voltage": voltage,
            "voltage_kv": kv,
            "budget": None if row is None else row.limit,
            "clauses": [] if row is None else list(row.clauses),
        },
    )


def _decide_approval(deed: Deed, command: commands.DecideApproval) -> None:
    named = [a for a in deed.open_state.approvals if command.approval in (None, a.name, str(a.number))]
    waiting = [a for a in named if a.decided_at is None]
    if not waiting and command.approval is not None:
        raise _not_now(
            f"审批「{command.approval}」{'已有批复' if named else '没有登记过送审'}, 不能登记批复",
            f"The approval '{command.approval}' {'has its decision already' if named else 'was never asked for'}",
        )
    if not waiting:
        raise _not_now("没有等待批复的审批事项", "No approval is waiting for a decision")
    if len(waiting) > 1:
        names = [f"{a.number} {a.name}" for a in waiting]
        raise refuse(
            "say-which",
            f"有多项审批等待批复 ({'、'.join(names)}), 请用 approval 指明一项",
            f"Several approvals are waiting ({', '.join(names)}); name one in `approval`",
        )
    approval = waiting[0]
    if deed.occurred_at < approval.started_at:
        raise refuse(
            "time-before-previous-step",
            "批复时间早于送审时间",
            "The decision would precede the submission to the authority",
        )
    calendar = deed.context.calendar
    start, ended = business_date(approval.started_at), business_date(deed.occurred_at)
    due = None if approval.budget is None else calendar.add(start, approval.budget)
    decided = msgspec.structs.replace(
        approval,
        decided_at=deed.occurred_at,
        decision=command.decision,
        due_on=due,
        used=calendar.count(start, ended),
        provisional=due is not None and calendar.provisional_between(start, due),
    )
    deed.emit("approval_decided", {"approval": msgspec.to_builtins(decided)})


def _notify(deed: Deed, command: commands.Notify) -> None:
    proof = command.evidence.ref if command.evidence else None
    deed.emit("notified", {"notice": command.notice, "channel": command.channel, "proof": proof})


def _rate(deed: Deed, command: commands.Rate) -> None:
    payload: dict[str, Any] = {"score": command.score}
    if command.comment is not None:
        payload["comment"] = command.comment
    deed.emit("rated", payload)


_HANDLERS: dict[type, Callable[[Deed, Any], Any]] = {
    commands.RequestDocuments: _request_documents,
    commands.RegisterDocuments: _register_documents,
    commands.SubmitStep: _submit_step,
    commands.CompleteStep: _complete_step,
    commands.ReturnStep: _return_step,
    commands.WaiveStep: _waive_step,
    commands.Assign: _assign,
    commands.Suspend: _suspend,
    commands.Resume: _resume,
    commands.Refuse: _refuse_application,
    commands.Withdraw: _withdraw,
    commands.Terminate: _terminate,
    commands.Correct: _correct,
    commands.Countersign: _countersign,
    commands.AddCharge: _add_charge,
    commands.AddApproval: _add_approval,
    commands.DecideApproval: _decide_approval,
    commands.Notify: _notify,
    commands.ReachMilestone: reach_milestone,
    commands.Rate: _rate,
}


class Note(msgspec.Struct, frozen=True):
    """An entry the system makes of itself: no command, no reason needed."""

    occurred_at: None = None
    why_late: None = None
    source: None = None


def recompute(
    context: Context, definition: Definition, state: State, notice: str, changed: list[dict[str, Any]]
) -> Decision:
    """The entry that a new calendar notice moved due dates of this case (`changed`: key, before, after)."""
    deed = Deed(context, definition, state, Note())
    deed.emit("deadlines_recomputed", {"notice": notice, "changed": changed})
    return deed.decision()


def link(context: Context, definition: Definition, state: State, ended: State) -> Decision | None:
    """Link the open case `state` to `ended`, which ended after it was filed; None when they are not the same need or
    are linked already."""
    if any(one.case_id == ended.case_id for one in state.chain) or not chain.same_need(
        definition.chain, state.facts, ended, state.submitted_at, context.calendar
    ):
        return None
    deed = Deed(context, definition, state, Note())
    links = chain.joined((*ended.chain, chain.link_of(ended)), state.chain)
    deed.emit("application_linked", {"chain": msgspec.to_builtins(links)})
    return deed.decision()
