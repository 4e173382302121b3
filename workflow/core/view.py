"""An application as it is shown: the contract's answer, and the accounts behind it. Pure; times in Asia/Shanghai."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from definitions.calendar import WorkingCalendar
from definitions.model import Definition, MilestoneRule
from workflow.core.chain import as_filed_and_chained
from workflow.core.documents import clauses_of, missing
from workflow.core.inner import inner_timers, plan_lapsed, plan_timer
from workflow.core.machine import path
from workflow.core.state import Milestone, State
from workflow.core.timers import Timer, account, legal, standing, timers


def application(
    calendar: WorkingCalendar,
    definition: Definition,
    state: State,
    today: dt.date,
    known: tuple[Timer, ...] | None = None,
) -> dict[str, Any]:
    """The application as other systems read it (design: Contracts). `known`: its timers, when already computed."""
    facts, current = state.facts, state.current
    return {
        "id": state.case_id,
        "application_no": state.application_no,
        "external_id": facts.external_id,
        "user_class": state.user_class,
        "state": state.state,
        "version": state.version,
        "submitted_at": state.submitted_at,
        "closed_at": state.closed_at,
        "definition": {"version": definition.version, "hash": definition.hash},
        "steps": steps(definition, state),
        "deadlines": deadlines(calendar, definition, state, today, known),
        "documents": _provided(state),
        "missing_documents": [] if current is None else missing(definition, state, current),
        "manager": state.manager,
        "project_manager": state.project_manager,
        "org": state.org,
        "region": facts.region,
        "business_type": facts.business_type,
        "capacity_kw": facts.capacity_kw,
        "voltage": facts.voltage,
        "supply_count": facts.supply_count,
        "class_override": None if state.overridden_class is None else {"rules_give": state.overridden_class},
        "suspensions": [
            {"event": s.event, "ground": s.ground, "notice": s.notice, "from": s.from_, "to": s.to,
             "deducted": s.ground in definition.total.deductible}
            for s in state.suspensions
        ],
        "pending_countersign": [{"event": p.event, "kind": p.kind, "by": p.actor} for p in state.pending],
        "approvals": [
            {"number": a.number, "name": a.name, "authority": a.authority, "started_at": a.started_at,
             "decided_at": a.decided_at, "decision": a.decision, "budget_working_days": a.budget}
            for a in state.approvals
        ],
        "charges": [
            {"item": c.item, "amount": c.amount, "collector": c.collector, "at": c.at} for c in state.charges
        ],
        "notices": [
            {"notice": n.notice, "at": n.at, "channel": n.channel, "proof": n.proof} for n in state.notices
        ],
        "notices_due": _notices_due(definition, state),
        "supply_plan_valid_until": plan_valid_until(definition, state),
        "rating": state.rating,
        "chain": as_filed_and_chained(calendar, definition, state, today),
    }  # fmt: skip


def steps(definition: Definition, state: State) -> list[dict[str, Any]]:
    """The steps of the path with their latest round."""
    names = {rule.code: rule.name for rule in definition.steps}
    shown = []
    for step in state.steps:
        first = step.rounds[0] if step.rounds else None
        last = step.rounds[-1] if step.rounds else None
        name = names.get(step.code)
        shown.append(
            {
                "code": step.code,
                "name": name.zh if name else step.code,
                "name_en": name.en if name else step.code,
                "status": step.status,
                "round": len(step.rounds) + (step.status == "waiting"),
                "started_at": first.started_at if first else None,
                "ended_at": last.ended_at if last and step.status in ("done", "waived", "ended") else None,
                "rounds": [
                    {"round": number, "started_at": turn.started_at, "ended_at": turn.ended_at,
                     "outcome": turn.outcome, "used_working_days": turn.used, "defects": list(turn.defects)}
                    for number, turn in enumerate(step.rounds, start=1)
                ],
            }
        )  # fmt: skip
    return shown


def deadline(calendar: WorkingCalendar, timer: Timer, today: dt.date) -> dict[str, Any]:
    """One timer as the contract shows it, as of `today`."""
    stand = standing(calendar, timer, today)
    return {
        "scope": timer.scope,
        "step": timer.step,
        "round": timer.round,
        "key": timer.key,
        "name": timer.name,
        "budget_working_days": timer.budget,
        "used_working_days": stand.used,
        "remaining_working_days": stand.remaining,
        "due_on": timer.due_on,
        "provisional": timer.provisional,
        "status": stand.status,
        "overdue": stand.status == "running" and stand.remaining < 0,
    }


def deadlines(
    calendar: WorkingCalendar,
    definition: Definition,
    state: State,
    today: dt.date,
    known: tuple[Timer, ...] | None = None,
) -> list[dict[str, Any]]:
    """Every limit of the law as of `today`; what only warns is in `milestones` and `plan`."""
    every = timers(calendar, definition, state) if known is None else known
    return [deadline(calendar, timer, today) for timer in legal(every)]


def milestones(calendar: WorkingCalendar, definition: Definition, state: State, today: dt.date) -> list[dict[str, Any]]:
    """The internal milestones as of `today`, in their order: none of them is a legal limit [D-MILESTONES]. `status`:
    running, suspended, met, breached or cancelled (a later one was reached, or the case has ended) where the class has
    budgets for them; reached or waiting where it has none; not_needed."""
    running = {timer.key: timer for timer in inner_timers(calendar, definition, state)}
    return [
        _milestone(calendar, rule, state.milestone(rule.code), running.get(f"milestone:{rule.code}"), today)
        for rule in definition.milestones
    ]


def _milestone(
    calendar: WorkingCalendar, rule: MilestoneRule, known: Milestone | None, timer: Timer | None, today: dt.date
) -> dict[str, Any]:
    stand = None if timer is None else standing(calendar, timer, today)
    status = stand.status if stand is not None else "waiting" if known is None else "reached"
    if known is not None and not known.reached:
        status = "not_needed"
    counted = stand if status in ("running", "suspended", "met", "breached") else None
    return {
        "milestone": rule.code,
        "name": rule.name.zh,
        "name_en": rule.name.en,
        "owner": rule.owner.zh,
        "owner_en": rule.owner.en,
        "reached_by": list(rule.reached_by),
        "status": status,
        "reached_at": known.at if known is not None and known.reached else None,
        "budget_working_days": rule.budget,
        "used_working_days": None if counted is None else counted.used,
        "remaining_working_days": None if counted is None else counted.remaining,
        "due_on": None if timer is None else timer.due_on,
        "provisional": timer is not None and timer.provisional,
        "overdue": status == "running" and counted is not None and counted.remaining < 0,
        "legal_limit": False,
        "clauses": list(rule.clauses),
    }


def plan(calendar: WorkingCalendar, definition: Definition, state: State, today: dt.date) -> dict[str, Any] | None:
    """The validity of the delivered supply plan as of `today`, in natural days; None without a delivered plan or a
    rule. `status`: running, `lapsed`, `kept` (works have started or the customer has handed in what follows) or
    `cancelled`."""
    timer = plan_timer(definition, state)
    if timer is None or definition.plan_validity is None:
        return None
    stand = standing(calendar, timer, today)
    running = timer.status == "running"
    status = timer.status if timer.status == "cancelled" else "kept"
    return {
        "delivered_on": timer.intervals[0].counted_from,
        "valid_until": timer.due_on,
        "months": definition.plan_validity.months,
        "remaining_days": stand.remaining if running else None,
        "status": ("lapsed" if plan_lapsed(definition, state, today) else "running") if running else status,
        "ended_on": timer.intervals[0].end,
        "clauses": list(definition.plan_validity.clauses),
    }


def documents(definition: Definition, state: State) -> dict[str, Any]:
    """The closed list of each step, what was provided, what is missing, and what was lawfully asked for besides."""
    current = state.current
    return {
        "allowed": [
            {
                "step": rule.code,
                "name": rule.name.zh,
                "documents": [
                    {
                        "kind": document.kind,
                        "name": document.name.zh,
                        "name_en": document.name.en,
                        "forms": [{"code": f.code, "name": f.name.zh, "name_en": f.name.en} for f in document.forms],
                    }
                    for document in rule.documents
                ],
                "clauses": [clause.id for clause in clauses_of(definition, definition.document_clauses)],
            }
            for rule in path(definition, state.facts.important_customer)
        ],
        "provided": _provided(state),
        "missing": [] if current is None else missing(definition, state, current),
        "asked_by_law": [{"kind": a.kind, "step": a.step, "legal_basis": a.legal_basis} for a in state.asked],
    }


def _provided(state: State) -> list[dict[str, Any]]:
    return [
        {
            "kind": d.kind,
            "step": d.step,
            "form": d.form,
            "source": d.source,
            "volunteered": d.volunteered,
            "legal_basis": d.legal_basis,
            "digest": d.digest,
            "issued_on": d.issued_on,
            "received_at": d.received_at,
        }
        for d in state.documents
    ]


def explain(calendar: WorkingCalendar, definition: Definition, state: State, today: dt.date) -> list[dict[str, Any]]:
    """怎么算的: the day-by-day account of every due date, with the clause of its limit and the notices it rests on."""
    by_code = {rule.code: rule for rule in definition.steps}
    approvals = {row.limit: row.clauses for row in definition.approvals}
    accounts = []
    for timer in legal(timers(calendar, definition, state)):
        if timer.scope == "step" and timer.step in by_code:
            ids: Iterable[str] = by_code[timer.step].clauses
        elif timer.scope == "total":
            ids = definition.total.clauses
        else:
            ids = approvals.get(timer.budget, ())
        days = account(calendar, timer)
        cited = {day.notice for day in days if day.notice}
        accounts.append(
            {
                **deadline(calendar, timer, today),
                "clauses": clauses_of(definition, ids),
                "counting": clauses_of(definition, definition.counting.clauses),
                "days": days,
                "notices": sorted(cited),
            }
        )
    return accounts


def _notices_due(definition: Definition, state: State) -> list[dict[str, Any]]:
    given = {n.notice for n in state.notices}
    reached = {step.code for step in state.steps if step.status != "pending"}
    return [
        {"notice": rule.code, "name": rule.name.zh, "name_en": rule.name.en, "clauses": list(rule.clauses)}
        for rule in definition.notices
        if rule.at_step in reached and rule.code not in given
    ]


def plan_valid_until(definition: Definition, state: State) -> dt.date | None:
    """The last day of the supply plan's validity; None without a delivered plan or a rule, once works have started or
    what follows has been handed in (design; a low-voltage case: metering), or when the case has closed."""
    timer = plan_timer(definition, state)
    return timer.due_on if timer is not None and timer.status == "running" else None
