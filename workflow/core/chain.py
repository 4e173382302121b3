"""The same need applied for again: linking applications, and counting them "as filed" and "as chained".

Ending a case and filing it anew must not restart the clock [L15].  As chained, a whole process runs from the first
application to the last energisation less the customer's proved gaps; a step sum adds the used days of every case.  A
need that was energised is met: what ended before that is no part of the next one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any, Final

from definitions.calendar import WorkingCalendar
from definitions.model import ChainRule, Definition
from workflow.core.counting import counted_from, due_date, merged, spans, used_days
from workflow.core.machine import ENDINGS, ENERGISED
from workflow.core.state import Facts, Link, State
from workflow.core.timers import standing, timers
from workflow.core.times import business_date

SLACK_KW: Final = 1e-9
"""What binary fractions may lose: 7 kW and 8.4 kW are a fifth of 7 apart, and are computed as a little more."""


def same_need(
    rule: ChainRule, facts: Facts, ended: State, submitted_at: dt.datetime, calendar: WorkingCalendar
) -> bool:
    """Whether an application with `facts` submitted at `submitted_at` is the need of the case `ended`, which the caller
    found by premises, or by customer and address: same voltage, capacity within the tolerance, filed between some
    working days before the ending and some days after it."""
    if ended.closed_at is None or ended.state not in ENDINGS.values() or not _alike(rule, ended.facts, facts):
        return False
    ended_on, submitted_on = business_date(ended.closed_at), business_date(submitted_at)
    if submitted_on <= ended_on:
        return calendar.count(submitted_on, ended_on) <= rule.before_working_days
    return (submitted_on - ended_on).days <= rule.window_days


def _alike(rule: ChainRule, before: Facts, after: Facts) -> bool:
    """The same voltage, and a capacity within the tolerance of the earlier one."""
    apart = abs(before.capacity_kw - after.capacity_kw)
    return before.voltage == after.voltage and apart <= rule.capacity_tolerance * before.capacity_kw + SLACK_KW


def _met(rule: ChainRule, ended: State, submitted_at: dt.datetime, candidates: Iterable[State]) -> bool:
    """Whether the need of the case `ended` was energised behind that ending and before `submitted_at`."""
    return ended.closed_at is not None and any(
        one.state == ENERGISED
        and one.closed_at is not None
        and ended.closed_at < one.closed_at <= submitted_at
        and _alike(rule, ended.facts, one.facts)
        for one in candidates
    )


def link_of(ended: State) -> Link:
    """The ended case, as its successor keeps it."""
    if ended.closing is None:
        raise ValueError("only an ended application has a successor")
    suspended = tuple((s.from_, s.to or business_date(ended.ended)) for s in ended.suspensions)
    return Link(
        ended.case_id,
        ended.application_no,
        ended.submitted_at,
        ended.ended,
        ended.state,
        ended.closing.used,
        ended.ending_proved,
        suspended,
    )


def predecessor(
    rule: ChainRule, facts: Facts, submitted_at: dt.datetime, candidates: Collection[State], calendar: WorkingCalendar
) -> tuple[Link, ...]:
    """The chain of the new application: the latest ended case of the same need, unless that was met since, behind that
    one's own chain. Empty when there is none. `candidates`: closed cases, those energised among them."""
    ended = [
        c
        for c in candidates
        if same_need(rule, facts, c, submitted_at, calendar) and not _met(rule, c, submitted_at, candidates)
    ]
    if not ended:
        return ()
    last = max(ended, key=lambda state: (state.closed_at, state.case_id))
    return (*last.chain, link_of(last))


def joined(one: Iterable[Link], other: Iterable[Link]) -> tuple[Link, ...]:
    """Two chains of one need as one, in the order of filing: what stands in both is counted once."""
    links = {link.case_id: link for link in (*other, *one)}
    return tuple(sorted(links.values(), key=lambda link: (link.submitted_at, link.case_id)))


def _links(state: State) -> list[dict[str, Any]]:
    return [
        {
            "id": link.case_id,
            "application_no": link.application_no,
            "submitted_at": link.submitted_at,
            "ended_at": link.ended_at,
            "ending": link.ending,
            "used_working_days": link.used,
            "gap_proved": link.gap_proved,
        }
        for link in state.chain
    ]


def as_filed_and_chained(
    calendar: WorkingCalendar, definition: Definition, state: State, today: dt.date
) -> dict[str, Any] | None:
    """Both countings of a case that continues an earlier one, as of `today`; None when it continues none."""
    if not state.chain:
        return None
    total = next(timer for timer in timers(calendar, definition, state) if timer.key == "total")
    stand = standing(calendar, total, today)
    limit = definition.total.limit
    end = business_date(state.closed_at) if state.closed_at else today
    filed_on_time = None
    if state.closing is not None:
        filed_on_time = state.closing.on_time
    elif stand.remaining < 0:
        filed_on_time = False
    due: dt.date | None
    if definition.total.kind == "step_sum":
        used = stand.used + sum(link.used for link in state.chain)
        due, on_time = None, used <= limit
    else:
        start = counted_from(calendar, definition.counting, state.chain[0].submitted_at)
        excluded = _excluded(definition, state)
        used = used_days(calendar, start, end, excluded)
        due = due_date(calendar, start, limit, excluded)
        on_time = due is None or end <= due
    return {
        "predecessors": _links(state),
        "as_filed": {
            "submitted_at": state.submitted_at,
            "used_working_days": stand.used,
            "limit_working_days": limit,
            "due_on": total.due_on,
            "on_time": filed_on_time,
        },
        "as_chained": {
            "submitted_at": state.chain[0].submitted_at,
            "used_working_days": used,
            "limit_working_days": limit,
            "due_on": due,
            "on_time": on_time if state.closed or not on_time else None,
        },
    }


def _excluded(definition: Definition, state: State) -> tuple[tuple[dt.date, dt.date], ...]:
    """What the chained whole process leaves out: force majeure of every case, and the gap after an ending that the
    customer is proved to have asked for (the days after it up to the day of the next application)."""
    stretches = list(spans([s for s in state.suspensions if s.ground in definition.total.deductible]))
    nexts = [link.submitted_at for link in state.chain[1:]] + [state.submitted_at]
    for link, following in zip(state.chain, nexts, strict=True):
        if definition.total.deductible:
            stretches.extend(link.suspended)
        ended_on, resumed_on = business_date(link.ended_at), business_date(following)
        if link.gap_proved and resumed_on > ended_on:
            stretches.append((ended_on + dt.timedelta(days=1), resumed_on))
    return merged(stretches)
