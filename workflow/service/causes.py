"""Why limits were broken: a cause from a fixed list for each breach, stated by whoever works on the case.

A cause belongs to a legal limit that ended late or whose due date is over, rest days after it included: whatever ends
then ends late [policy 5, D-BOARD, D-CAUSES].  Statements are never changed: stating it again
appends, and the latest counts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import uuid6

from definitions.model import Text
from storage import CauseRow, Dated, Tx
from workflow.core import times, view
from workflow.core.commands import Code, Line, Strict
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.timers import past_due
from workflow.core.times import write
from workflow.service import access
from workflow.service.alerts import AREA
from workflow.service.retries import once
from workflow.service.service import MOST_PER_PAGE, Service


class StateCause(Strict):
    """The cause of the breach of the timer `key` of an application: utility, material, outage_plan, government or
    customer."""

    key: Code
    cause: Code
    note: Line | None = None


def state(
    service: Service, principal: Principal, case_id: str, asked: StateCause, key: str | None = None
) -> tuple[dict[str, Any], bool]:
    """State the cause of a breach. The statement, and whether it was there before under the same `key`. Raises Refused:
    `transition-not-allowed` while the limit is kept, `malformed-request` for a cause that is not on the list."""
    access.check_administers(service.law.roles, principal, AREA)
    known = service.law.book.breach_causes.causes
    if asked.cause not in known:
        raise refuse(
            "malformed-request",
            f"cause: 没有原因 {asked.cause}; 可用: {'、'.join(f'{code} {name.zh}' for code, name in known.items())}",
            f"cause: there is no cause {asked.cause}; use one of {', '.join(known)}",
        )
    at = write(service.clock.now())

    def work(tx: Tx) -> tuple[dict[str, Any], bool]:
        _check_breached(service, tx, principal, case_id, asked.key)

        def make() -> str:
            row = CauseRow(str(uuid6.uuid7()), case_id, asked.key, asked.cause, asked.note, principal.who, at)
            tx.add_cause(row)
            return row.id

        cause_id, again = once(tx, principal, key, about=(f"cause of {case_id}", asked), at=at, make=make)
        rows = tx.causes([case_id])
        return next(one for one in statements(rows, known) if one["id"] == cause_id), again

    return service.transact(work, case_id=case_id)


def _check_breached(service: Service, tx: Tx, principal: Principal, case_id: str, key: str) -> None:
    """Raises Refused unless the timer is one of the case's legal limits and is broken."""
    calendar = service.calendars.refresh(tx)
    held = service.cases.load(tx, principal, case_id)
    today = service.today
    timers = {one["key"]: one for one in view.deadlines(calendar, held.definition, held.state, today, held.timers)}
    if key not in timers:
        raise refuse(
            "malformed-request",
            f"key: 该申请没有时限 {key}; 现有: {'、'.join(timers)}",
            f"key: the application has no limit {key}; it has {', '.join(timers)}",
        )
    one = timers[key]
    if one["status"] != "breached" and not one["overdue"] and not past_due(one["status"], one["due_on"], today):
        raise refuse(
            "transition-not-allowed",
            f"时限 {key} 没有超期, 无须说明原因",
            f"The limit {key} is not broken; there is no cause to state",
            status=one["status"],
        )


def listed(service: Service, principal: Principal, case_id: str) -> dict[str, Any]:
    """Every statement about a case, oldest first; `counts` marks the one that counts for its timer. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        service.calendars.refresh(tx)
        service.cases.load(tx, principal, case_id)
        rows = tx.causes([case_id])
    return {"items": statements(rows, service.law.book.breach_causes.causes), "next": None}


def breaches(
    service: Service,
    principal: Principal,
    *,
    cause: str | None = None,
    org: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of legal limits that were broken, of open and closed applications, newest application first. `cause`:
    `none` leaves those that nobody has stated a cause for, `stated` the others. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    limit = max(1, min(limit, MOST_PER_PAGE))
    known = service.law.book.breach_causes.causes
    with service.database.read() as tx:
        access.check_narrowing(tx, org)
        today = service.today
        rows = tx.breaches(
            today.isoformat(),
            scope=principal.org,
            org=org,
            with_cause=None if cause is None else cause == "stated",
            before=None if cursor is None else _after(cursor),
            limit=limit + 1,
        )
        stated = statements(tx.causes({row.case_id for row in rows[:limit]}), known)
    counting = {(one["case_id"], one["key"]): one for one in stated if one["counts"]}
    items = [_breach(row, counting.get((row.case_id, row.key))) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": items, "next": None if last is None else f"{last.case_id}~{last.key}"}


def _after(cursor: str) -> tuple[str, str]:
    case_id, _, key = cursor.partition("~")
    return case_id, key


def _breach(row: Dated, cause: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "case_id": row.case_id,
        "application_no": row.application_no,
        "user_class": row.user_class,
        "org": row.org,
        "manager": row.manager,
        "key": row.key,
        "scope": row.scope,
        "step": row.step,
        "round": row.round,
        "budget_working_days": row.budget,
        "due_on": dt.date.fromisoformat(row.due_on),
        "provisional": row.provisional,
        "status": row.status,
        "overdue": row.status == "running",
        "cause": cause,
    }


def statements(rows: list[CauseRow], known: dict[str, Text]) -> list[dict[str, Any]]:
    """Stated causes as they are shown; `counts` marks the one that counts for its timer."""
    last = {(row.case_id, row.key): row.id for row in rows}
    return [
        {
            "id": row.id,
            "case_id": row.case_id,
            "key": row.key,
            "cause": row.cause,
            "name": known[row.cause].zh if row.cause in known else row.cause,
            "name_en": known[row.cause].en if row.cause in known else row.cause,
            "note": row.note,
            "stated_by": row.stated_by,
            "stated_at": times.read(row.stated_at),
            "counts": last[row.case_id, row.key] == row.id,
        }
        for row in rows
    ]
