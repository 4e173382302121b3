"""What waits for a second signature, over all applications a principal sees: the supervisor's queue.

A suspension, waiver or correction takes effect once somebody else has signed it, and a late record loses its mark
"unsigned".  Signing itself is the command `countersign`.  Moments are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from definitions.model import NATION, Text
from storage import Waiting
from workflow.core.decide import own_record
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.telling import names_of, proposed, reason_told, told
from workflow.core.times import business_date
from workflow.service import access
from workflow.service.law import Law
from workflow.service.service import MOST_PER_PAGE, Service

KINDS = ("suspend", "waive_step", "correct", "late")


def waiting(
    service: Service, principal: Principal, *, kind: str | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """A page of what waits, longest waiting first: `{"items": […], "next": cursor or None}`. `refusal` of an item: why
    this principal may not sign it. Raises Refused."""
    access.check_reads(service.law.roles, principal, "applications")
    limit = max(1, min(limit, MOST_PER_PAGE))
    today = service.today
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        rows = tx.waiting(principal.org, kind=kind, after=_place(cursor), limit=limit + 1)
    names = _names(service.law, today)
    items = []
    for row in rows[:limit]:
        item = _item(row, names)
        item["waiting_working_days"] = calendar.count(business_date(item["since"]), today)
        item["refusal"] = _may_not_sign(service.law, principal, row)
        items.append(item)
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": items, "next": None if last is None else f"{last.since}~{last.case_id}~{last.event}"}


def _place(cursor: str | None) -> tuple[str, str, int] | None:
    if not cursor:
        return None
    since, _, rest = cursor.partition("~")
    case_id, _, event = rest.rpartition("~")
    return since, case_id, int(event) if event.isascii() and event.isdigit() and len(event) < 10 else 0


def _names(law: Law, today: dt.date) -> dict[str, Text]:
    """The names of steps as they are called today; a region's merged step is told by its code."""
    found: dict[str, Text] = {}
    for user_class in law.book.classes:
        found.update(names_of(law.resolve(on=today, region=NATION, user_class=user_class)))
    return found


def _item(row: Waiting, names: dict[str, Text]) -> dict[str, Any]:
    payload: dict[str, Any] = msgspec.json.decode(row.payload)
    late = payload.get("late")
    what = told(row.type, payload, names) if row.kind == "late" else proposed(row.kind, payload["proposal"], names)
    given = (late or {}).get("reason") or (payload.get("reason") if row.kind != "suspend" else None)
    return {
        "case_id": row.case_id,
        "application_no": row.application_no,
        "user_class": row.user_class,
        "state": row.state,
        "manager": row.manager,
        "org": row.org,
        "version": row.version,
        "event": row.event,
        "kind": row.kind,
        "by": row.actor,
        "since": dt.datetime.fromisoformat(row.since),
        "occurred_at": dt.datetime.fromisoformat(row.occurred_at),
        "what": what,
        "reason": reason_told(given) if given else None,
        "late_working_days": (late or {}).get("working_days"),
    }


def _may_not_sign(law: Law, principal: Principal, row: Waiting) -> Any:
    try:
        access.check_command(law.roles, principal, "countersign")
    except Refused as refused:
        return refused.refusal
    return own_record(row.event, row.actor, principal.who)
