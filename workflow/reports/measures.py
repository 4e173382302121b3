"""How an indicator is judged: one pure function per measure named in `definitions/data/indicators.yaml`.

A measure looks at one case energised in the period and gives a judgement; None where it finds nothing to judge.
Approvals of the works have an ending of their own and are counted by `approvals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from definitions.model import ApprovalRule, Definition, IndicatorRule
from workflow.core.chain import as_filed_and_chained
from workflow.core.machine import step_with
from workflow.core.state import Approval, State
from workflow.core.timers import close
from workflow.core.times import business_date
from workflow.reports.placing import Case, Window, late, limited


class StepTime(msgspec.Struct, frozen=True):
    """One round of a limited step: working days used, and whether it was on time."""

    step: str
    used: int
    on_time: bool


class Judgement(msgspec.Struct, frozen=True):
    """What one case says for one indicator. `met` None: shown, not judged. `used`: working days; `chained`: met and
    used days counted with the earlier applications of the same need; `since_changed`: whether it is on time by the
    limit in force when it was energised, where that is another. `counts`: further facts, by name."""

    met: bool | None
    used: int | None = None
    limit: int | None = None
    chained: tuple[bool, int] | None = None
    since_changed: bool | None = None
    provisional: bool = False
    steps: tuple[StepTime, ...] = ()
    counts: Mapping[str, int] = {}


def timing(_rule: IndicatorRule, case: Case, window: Window) -> Judgement | None:
    """On time by the definition the case is pinned to [I3-I7 I22 I34]: the whole process by its due date; where steps
    are limited every round by its own and the sum by its used days."""
    state, definition = case.state, case.definition
    if state.closing is None:
        return None
    by_step = definition.total.kind == "step_sum"
    rounds = limited(state)
    steps_met = not by_step or not any(late(turn) for _, turn in rounds)
    counts = {"total_on_time": int(state.closing.on_time), "steps_on_time": int(steps_met)} if by_step else {}
    return Judgement(
        met=state.closing.on_time and steps_met,
        used=state.closing.used,
        limit=definition.total.limit,
        chained=_chained(case, window, steps_met),
        since_changed=_by_later_limit(case, window),
        provisional=state.closing.provisional or any(turn.provisional for _, turn in rounds if by_step),
        steps=tuple(StepTime(code, turn.used or 0, not late(turn)) for code, turn in rounds),
        counts=counts,
    )


def _chained(case: Case, window: Window, steps_met: bool) -> tuple[bool, int] | None:
    both = as_filed_and_chained(window.calendar, case.definition, case.state, window.as_of)
    if both is None:
        return None
    counted = both["as_chained"]
    return bool(counted["on_time"]) and steps_met, counted["used_working_days"]


def _by_later_limit(case: Case, window: Window) -> bool | None:
    """Whether the total is on time by the limit in force on the day of energising; None when that is the same."""
    if case.later.total.limit == case.definition.total.limit:
        return None
    total = msgspec.structs.replace(case.definition.total, limit=case.later.total.limit)
    definition = msgspec.structs.replace(case.definition, total=total)
    return close(window.calendar, definition, case.state, case.state.ended).on_time


def steps(rule: IndicatorRule, case: Case, _window: Window) -> Judgement:
    """The number of steps the case went through, waived ones left out [I8-I10]."""
    taken = sum(step.status == "done" for step in case.state.steps)
    return Judgement(rule.at_most is not None and taken <= rule.at_most, counts={f"steps_{taken}": 1})


def online(_rule: IndicatorRule, case: Case, _window: Window) -> Judgement:
    """The channel of the application [I11]: whether it could be online is no question of one case."""
    return Judgement(None, counts={f"channel_{case.state.facts.channel}": 1})


def documents(_rule: IndicatorRule, case: Case, _window: Window) -> Judgement:
    """No document outside the closed list [I13 I14], unless volunteered or carried by a law [L25]."""
    definition, state = case.definition, case.state
    allowed = {document.kind for step in definition.steps for document in step.documents}
    allowed |= {extra.kind for extra in definition.extra_documents if extra.effect == "agent"}
    lawful = {asked.kind for asked in state.asked}
    outside = [document for document in state.documents if document.kind not in allowed]
    by_law = [document for document in outside if document.legal_basis or document.kind in lawful]
    volunteered = [document for document in outside if document.volunteered and document not in by_law]
    return Judgement(
        len(outside) == len(by_law) + len(volunteered),
        counts={"with_volunteered": int(bool(volunteered)), "asked_by_law": int(bool(by_law or lawful))},
    )


def nearby(_rule: IndicatorRule, case: Case, _window: Window) -> Judgement | None:
    """The plan uses the nearest public line unless the history holds a reason why not [L30 I15]."""
    if (plan := step_with(case.definition, case.state, "supply_plan")) is None or plan.status != "done":
        return None
    reasons = [
        event.payload["plan_reason"]
        for event in case.history
        if event.type == "step_completed" and event.payload["step"] == plan.code and "plan_reason" in event.payload
    ]
    return Judgement(not reasons, counts={"with_reason": int(bool(reasons))})


def zero_investment(_rule: IndicatorRule, case: Case, _window: Window) -> Judgement:
    """Handled with zero investment, and nothing charged [I16 I23 I24 I35]."""
    state, zero = case.state, case.definition.charges.zero_investment
    return Judgement(
        zero and not state.charges, counts={"charged": int(bool(state.charges)), "not_zero_class": int(not zero)}
    )


def notice(rule: IndicatorRule, case: Case, _window: Window) -> Judgement | None:
    """The customer was told with proof of delivery, in a hall also on the spot [I19 I36]; None where no such duty was
    in force."""
    duty = next((one for one in case.definition.notices if one.code == rule.notice), None)
    if duty is None:
        return None
    given = [one for one in case.state.notices if one.notice == rule.notice]
    pushed = any(one.proof and one.channel in duty.channels and one.channel != "hall" for one in given)
    in_hall = "hall" in duty.channels and case.state.facts.channel == "hall"
    told = not in_hall or any(one.channel == "hall" for one in given)
    return Judgement(pushed and told, counts={"without_proof": int(not pushed), "hall_not_told": int(not told)})


MEASURES: Mapping[str, Callable[[IndicatorRule, Case, Window], Judgement | None]] = {
    "timing": timing,
    "steps": steps,
    "online": online,
    "documents": documents,
    "nearby": nearby,
    "zero_investment": zero_investment,
    "notice": notice,
}


class ApprovalStanding(msgspec.Struct, frozen=True):
    """One approval of the works in the period: decided in it (`judgement`), or open on its last day."""

    judgement: Judgement | None
    overdue: bool = False


def approvals(rule: IndicatorRule, case: Case, window: Window) -> Iterator[ApprovalStanding]:
    """The approvals of the rule's voltage that were decided in the period, or were open on the window's day [I1 I2].

    An approval of the ordinary row of its voltage is judged by its due date; others (35 kV and above, or without a
    published limit) are counted as `without_limit`.
    """
    for approval in case.state.approvals:
        row = _row(case, approval)
        started_on = business_date(approval.started_at)
        if started_on > window.as_of or (row.voltage if row else case.state.facts.voltage) != rule.cases.voltage:
            continue
        judged = approval.budget is not None and _ordinary(case.definition, row)
        decided_on = None if approval.decided_at is None else business_date(approval.decided_at)
        if decided_on is not None and decided_on <= window.as_of:
            if not window.period.contains(decided_on):
                continue
            if not judged:
                yield ApprovalStanding(Judgement(None, used=None, counts={"without_limit": 1}))
                continue
            on_time = approval.due_on is None or decided_on <= approval.due_on
            yield ApprovalStanding(Judgement(on_time, approval.used, approval.budget, provisional=approval.provisional))
        elif not _ended(case.state, window):
            used = window.calendar.count(started_on, window.as_of)
            yield ApprovalStanding(None, judged and used > (approval.budget or 0))


def _ended(state: State, window: Window) -> bool:
    return state.closed_at is not None and business_date(state.closed_at) <= window.as_of


def _row(case: Case, approval: Approval) -> ApprovalRule | None:
    """The row of the definition the approval was added under, told by the clauses its event cites."""
    cited = next(
        (
            tuple(event.payload["clauses"])
            for event in case.history
            if event.type == "approval_added" and event.payload["number"] == approval.number
        ),
        None,
    )
    return next((row for row in case.definition.approvals if row.clauses == cited), None)


def _ordinary(definition: Definition, row: ApprovalRule | None) -> bool:
    return row is None or row == next(one for one in definition.approvals if one.voltage == row.voltage)
