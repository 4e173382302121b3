"""Corrections: a recorded value was wrong; the old one stays in the history, the new one needs two people.

A fact can be corrected until the case ends; when that changes the class, only until the supply plan is answered (in
two-step classes: until energised), and the submission date stays.  The time of a step event can be corrected within its
neighbours; the rounds it bounds are judged again, the others keep their judgement.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from definitions.calendar import CalendarRangeError
from definitions.model import Definition, StepRule
from workflow.core import timers
from workflow.core.commands import Correct, Moment, Submission
from workflow.core.deed import Deed
from workflow.core.documents import missing_now
from workflow.core.evolve import arrive
from workflow.core.machine import entry, path, step_with
from workflow.core.refusals import Refused, refuse
from workflow.core.state import Facts, Round, State, Step
from workflow.core.submission import classified, definition_for
from workflow.core.times import business_date, write

FACTS = (
    "customer_kind", "enterprise_size", "capacity_kw", "voltage", "supply_count", "area", "business_type", "voltage_kv",
    "important_customer", "hv_request_ref", "external_id",
)  # fmt: skip
"""The facts that can be corrected. The region and the premises are another application."""

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(Annotated[Submission.model_fields[name].annotation, Submission.model_fields[name]])  # type: ignore[arg-type]  # a field's annotation is a type form at run time
    for name in FACTS
}
_MOMENT: TypeAdapter[dt.datetime] = TypeAdapter(Moment)
_TIME_FIELD = re.compile(r"([a-z_]+)\.(start|complete|return)\.occurred_at")
_OUTCOMES = {"complete": "complete", "return": "return"}


def correctable(definition: Definition, state: State) -> tuple[tuple[str, Any], ...]:
    """What can be corrected of the case, each with its recorded value: the facts, then the times of step events that do
    not follow from the rules."""
    found: list[tuple[str, Any]] = [(f"case.{name}", getattr(state.facts, name)) for name in FACTS]
    rules = {rule.code: rule for rule in definition.steps}
    for step in state.steps:
        for lifecycle in ("start", "complete", "return"):
            index = _round_index(step, lifecycle)
            rule = rules.get(step.code)
            if index is None or rule is None or (lifecycle == "start" and _starts_by_itself(rule, index)):
                continue
            turn = step.rounds[index]
            moment = turn.started_at if lifecycle == "start" else turn.ended
            found.append((f"{step.code}.{lifecycle}.occurred_at", moment))
    return tuple(found)


def _starts_by_itself(rule: StepRule, index: int) -> bool:
    """Whether the start of this round follows from the submission or the step before."""
    return index == 0 and rule.starts != "hand_in"


def _not_allowed(zh: str, en: str) -> Exception:
    return refuse("correction-not-allowed", zh, en)


def propose_correction(deed: Deed, command: Correct) -> dict[str, Any]:
    """Check a correction and write it down as a proposal: field, old and new value. Raises Refused."""
    state = deed.open_state
    name = command.field.removeprefix("case.")
    match = _TIME_FIELD.fullmatch(name)
    if match:
        new: Any = write(_moment(command.new_value))
        old: Any = write(_stated_time(state, match[1], match[2]))
    elif name in FACTS:
        new = _fact(name, command.new_value)
        old = getattr(state.facts, name)
    else:
        raise _not_allowed(
            f"「{command.field}」不能更正; 申请时间不变, 可更正 case.<{'|'.join(FACTS)}> 或 "
            "<环节>.<start|complete|return>.occurred_at",
            f"'{command.field}' cannot be corrected; the submission date stays; correct case.<fact> or "
            "<step>.<start|complete|return>.occurred_at",
        )
    if command.old_value is not None and not _same(match is not None, name, command.old_value, old):
        raise _not_allowed(
            f"原值应为 {old}, 请求写的是 {command.old_value}; 请刷新后重试",
            f"The recorded value is {old}, the request says {command.old_value}; read the case again",
        )
    proposal = {"field": name, "old_value": old, "new_value": new}
    take_effect(deed, proposal)
    return proposal


def _same(is_time: bool, name: str, stated: Any, recorded: Any) -> bool:
    return bool((write(_moment(stated)) if is_time else _fact(name, stated)) == recorded)


def _moment(value: object) -> dt.datetime:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError as error:
        raise _not_allowed(f"时间 {value!r} 无效", f"{value!r} is not a valid time") from error


def _fact(name: str, value: object) -> Any:
    try:
        return _ADAPTERS[name].validate_python(value)
    except ValidationError as error:
        raise _not_allowed(f"{name} 的值 {value!r} 无效", f"{value!r} is not a valid {name}") from error


def take_effect(deed: Deed, proposal: dict[str, Any]) -> dict[str, Any]:
    """What the case becomes when the correction takes effect: its steps, and for a fact also the facts, class,
    definition and state. Raises Refused when it cannot (the case may have moved on since it was proposed)."""
    match = _TIME_FIELD.fullmatch(proposal["field"])
    if match:
        return _corrected_time(deed, match[1], match[2], _moment(proposal["new_value"]))
    return _corrected_fact(deed, proposal["field"], proposal["new_value"])


def overtaken(deed: Deed) -> list[int]:
    """The corrections waiting for a signature that can no longer take effect behind what `deed` did: the class may not
    change any more, or the neighbours of a time have moved past it."""
    state = deed.open_state
    waiting = [one for one in state.pending if one.kind == "correct"]
    if state.closed or not waiting:
        return []
    if state.definition != deed.definition.hash:  # the deed was the signature of a change of class
        on = business_date(state.submitted_at)
        deed.definition = definition_for(deed.context, on, state.facts.region, state.user_class)
    return [one.event for one in waiting if _is_overtaken(deed, one.payload)]


def _is_overtaken(deed: Deed, proposal: dict[str, Any]) -> bool:
    try:
        take_effect(deed, proposal)
    except Refused as refused:
        return refused.refusal.code in ("class-change-too-late", "correction-not-allowed")
    except CalendarRangeError:
        return False
    return False


def _corrected_fact(deed: Deed, name: str, value: Any) -> dict[str, Any]:
    state, context = deed.open_state, deed.context
    facts: Facts = msgspec.structs.replace(state.facts, **{name: value})
    on = business_date(state.submitted_at)
    user_class = state.user_class
    if state.overridden_class is None:
        user_class = classified(context, facts, on).user_class
    definition = deed.definition
    if user_class != state.user_class:
        _check_class_may_change(deed)
        definition = definition_for(context, on, facts.region, user_class)
    reached, steps = _on_path(definition, facts, state)
    became = msgspec.structs.replace(state, facts=facts, user_class=user_class, steps=steps, state=reached)
    moved: dict[str, Any] = {}
    if reached == f"{steps[0].code}.waiting" and not missing_now(definition, became, steps[0].code):
        # Nothing the new class needs is missing: the utility's clock starts now, as when the last document comes in.
        reached = f"{steps[0].code}.running"
        became = msgspec.structs.replace(became, steps=arrive(steps, reached, deed.occurred_at))
        moved = {"last_step_at": write(deed.occurred_at)}
    return {
        "facts": msgspec.to_builtins(facts),
        "user_class": user_class,
        "definition": definition.hash,
        "state": reached,
        "steps": _judged_again(deed, definition, became),
        **moved,
    }


def _check_class_may_change(deed: Deed) -> None:
    """A change of class is allowed until supply_plan completes, in two-step classes until metering does."""
    plan = step_with(deed.definition, deed.open_state, "supply_plan")
    if plan is not None and plan.status in ("done", "waived"):
        raise refuse(
            "class-change-too-late",
            "供电方案已答复, 用户类别不能再更改; 需求确有变化的, 请客户撤回后重新申请",
            "The supply plan has been answered; the class can no longer change. If the need itself changed, the "
            "customer withdraws and applies anew",
            deed.clauses(*deed.definition.step_clauses),
        )


def _on_path(definition: Definition, facts: Facts, state: State) -> tuple[str, tuple[Step, ...]]:
    """The state and steps of the case on the path that its corrected facts give it. Steps done stay done; the step in
    force stays if it is the first not done, otherwise that one begins where the step before it ended."""
    rules = path(definition, facts.important_customer)
    known = {step.code: step for step in state.steps}
    steps: list[Step] = []
    reached: str | None = None
    for rule in rules:
        step = known.get(rule.code, Step(rule.code))
        if reached is not None:
            steps.append(Step(rule.code))
        elif step.status in ("done", "waived"):
            steps.append(step)
        elif rule.code == state.current:
            reached = state.state
            steps.append(step)
        else:
            reached = entry(rule)
            steps.append(_entered(rule, step, steps[-1] if steps else None, reached))
    if reached is None:
        raise ValueError("an open case always has a step that is not done")
    return reached, tuple(steps)


def _entered(rule: StepRule, step: Step, before: Step | None, reached: str) -> Step:
    phase = reached.rpartition(".")[2]
    if phase == "waiting" or before is None:
        return Step(rule.code, phase, step.rounds)
    return Step(rule.code, phase, (Round(before.rounds[-1].ended),))


def _judged_again(deed: Deed, definition: Definition, state: State) -> list[Any]:
    """The steps of `state` with the ended rounds judged by `definition` and their corrected times. What the correction
    leaves alone keeps its judgement, whatever calendar has come since."""
    before = deed.open_state
    same_rules = definition.hash == before.definition

    def judged(code: str, turn: Round) -> Round:
        was = before.step(code)
        if turn.ended_at is None or (same_rules and was is not None and turn in was.rounds):
            return turn
        return timers.judge_round(deed.context.calendar, definition, state, code, turn)

    steps = [
        msgspec.structs.replace(step, rounds=tuple(judged(step.code, turn) for turn in step.rounds))
        for step in state.steps
    ]
    built: list[Any] = msgspec.to_builtins(steps)
    return built


def _round_index(step: Step, lifecycle: str) -> int | None:
    for index in range(len(step.rounds) - 1, -1, -1):
        turn = step.rounds[index]
        if lifecycle == "start" or turn.outcome == _OUTCOMES[lifecycle]:
            return index
    return None


def _find(state: State, code: str, lifecycle: str) -> tuple[Step, int]:
    step = state.step(code)
    index = None if step is None else _round_index(step, lifecycle)
    if step is None or index is None:
        raise _not_allowed(
            f"本申请没有 {code}.{lifecycle} 的记录可更正", f"The case has no {code}.{lifecycle} to correct"
        )
    return step, index


def _stated_time(state: State, code: str, lifecycle: str) -> dt.datetime:
    step, index = _find(state, code, lifecycle)
    turn = step.rounds[index]
    return turn.started_at if lifecycle == "start" else turn.ended


def _corrected_time(deed: Deed, code: str, lifecycle: str, moment: dt.datetime) -> dict[str, Any]:
    state, definition = deed.open_state, deed.definition
    step, index = _find(state, code, lifecycle)
    old = _stated_time(state, code, lifecycle)
    rule = next(r for r in definition.steps if r.code == code)
    if lifecycle == "start" and _starts_by_itself(rule, index):
        raise _not_allowed(
            f"{rule.name.zh}的起点由规则确定 (申请或上一环节办结), 请更正那一条记录",
            f"The start of {rule.name.en} follows from the submission or the step before; correct that record",
        )
    if lifecycle == "complete":
        deed.check_not_suspended(moment)
    field = "started_at" if lifecycle == "start" else "ended_at"
    steps = list(state.steps)
    position = steps.index(step)
    steps[position] = _with_time(step, index, field, moment)
    if lifecycle == "complete" and position + 1 < len(steps):
        # A step that starts by itself when this one ends moves with it.
        following = steps[position + 1]
        if following.rounds and following.rounds[0].started_at == old and _follows(definition, following.code):
            steps[position + 1] = _with_time(following, 0, "started_at", moment)
    moments = [state.submitted_at]
    for one in steps:
        for turn in one.rounds:
            moments.append(turn.started_at)
            if turn.ended_at is not None:
                moments.append(turn.ended_at)
    # A waiver of a step that never ran leaves no round, but nothing may move past it either.
    last = max(moments) if old == state.last_step_at else max(*moments, state.last_step_at)
    if moments != sorted(moments) or moment > deed.now or (old != state.last_step_at < moment):
        raise _not_allowed(
            f"更正后的时间 {moment:%Y-%m-%d %H:%M:%S} 与前后环节的时间次序矛盾",
            f"The corrected time {moment:%Y-%m-%d %H:%M:%S} contradicts the order of its neighbours",
        )
    became = msgspec.structs.replace(state, steps=tuple(steps))
    return {
        "steps": _judged_again(deed, definition, became),
        "last_step_at": write(last),
    }


def _follows(definition: Definition, code: str) -> bool:
    return any(rule.code == code and rule.starts == "previous_step" for rule in definition.steps)


def _with_time(step: Step, index: int, field: str, moment: dt.datetime) -> Step:
    rounds = list(step.rounds)
    rounds[index] = msgspec.structs.replace(rounds[index], **{field: moment})
    return msgspec.structs.replace(step, rounds=tuple(rounds))
