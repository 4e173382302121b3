"""Alerts as the faces show them and act on them: lists, acknowledging, snoozing.

Raising, clearing and delivering them is for `workflow.alerts`.  A principal finds the alerts of its own unit and those
below; any other does not exist for it.  Moments are shown with their offset (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from storage import AlertFilter, AlertRow, Tx
from workflow.core import times, view
from workflow.core.commands import Line, Moment, Prose, Strict
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.core.times import write
from workflow.service import access
from workflow.service.service import MOST_PER_PAGE, Service

AREA = "alerts"
FINDING = "finding"
"""The scope of alerts about findings."""


class Acknowledge(Strict):
    """Somebody takes care of it. `note`: what will be done."""

    note: Prose | None = None


class Snooze(Strict):
    """Not to be escalated before `until`, and why."""

    until: Moment
    reason: Line


def listed(
    service: Service,
    principal: Principal,
    *,
    status: str | None = None,
    level: str | None = None,
    manager: str | None = None,
    org: str | None = None,
    case_id: str | None = None,
    escalated: bool | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of alerts, newest first: `{"items": […], "next": cursor or None}`. `status`: open, acknowledged, cleared,
    or `standing` for the first two together; `escalated`: only those that were passed on. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    limit = max(1, min(limit, MOST_PER_PAGE))
    narrowed = AlertFilter(
        principal.org, org, status, level, manager, case_id,
        escalated=escalated, but_scope=_hidden(service, principal),
    )  # fmt: skip
    with service.database.read() as tx:
        access.check_narrowing(tx, org)
        rows = tx.list_alerts(narrowed, before=cursor, limit=limit + 1)
        items = shown(service, tx, rows[:limit])
    return {"items": items, "next": rows[limit - 1].id if len(rows) > limit else None}


def one(service: Service, principal: Principal, alert_id: str) -> dict[str, Any]:
    """One alert. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        row = seen(tx, principal, alert_id)
        if row.scope == _hidden(service, principal):
            raise _no_alert(alert_id)
        return shown(service, tx, [row])[0]


def _hidden(service: Service, principal: Principal) -> str | None:
    """The scope of alerts that is not for this role: a unit learns of a finding when its statement is invited."""
    return None if access.may(service.law.roles, principal, administers="findings") else FINDING


def acknowledge(service: Service, principal: Principal, alert_id: str, asked: Acknowledge) -> dict[str, Any]:
    """Acknowledge an alert: it is escalated no further. Who was first stands, so asking again changes nothing. Raises
    Refused: `transition-not-allowed` when it was cleared before anybody did."""
    access.check_administers(service.law.roles, principal, AREA)

    def work(tx: Tx) -> dict[str, Any]:
        row = seen(tx, principal, alert_id, lock=True)
        if row.acknowledged_at is None:
            _check_stands(row)
            tx.acknowledge_alert(alert_id, principal.who, write(service.clock.now()), asked.note)
        return shown(service, tx, [seen(tx, principal, alert_id)])[0]

    return service.transact(work)


def snooze(service: Service, principal: Principal, alert_id: str, asked: Snooze) -> dict[str, Any]:
    """Let an alert rest until a moment: it is not escalated before. The next rung of its timer is an alert of its own
    and comes all the same. Raises Refused: `transition-not-allowed` when it was cleared, `malformed-request` for a
    moment that has passed."""
    access.check_administers(service.law.roles, principal, AREA)
    if asked.until <= service.clock.now():
        raise refuse(
            "malformed-request", "until: 应晚于当前时间", "until: must lie in the future (without an offset: +08:00)"
        )

    def work(tx: Tx) -> dict[str, Any]:
        _check_stands(seen(tx, principal, alert_id, lock=True))
        tx.snooze_alert(alert_id, write(asked.until), asked.reason)
        return shown(service, tx, [seen(tx, principal, alert_id)])[0]

    return service.transact(work)


def milestones(service: Service, principal: Principal, case_id: str) -> dict[str, Any]:
    """The internal milestones of an application and the validity of its supply plan: what warns without being a limit.
    Raises Refused."""
    access.check_reads(service.law.roles, principal, "applications")
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        held = service.cases.load(tx, principal, case_id)
    today = service.today
    return {
        "items": view.milestones(calendar, held.definition, held.state, today),
        "next": None,
        "plan": view.plan(calendar, held.definition, held.state, today),
    }


def seen(tx: Tx, principal: Principal, alert_id: str, *, lock: bool = False) -> AlertRow:
    """The alert, if the principal may see it. Raises Refused `not-found`."""
    row = tx.alert(alert_id, lock=lock)
    if row is None or not access.sees(tx, principal, row.org):
        raise _no_alert(alert_id)
    return row


def _no_alert(alert_id: str) -> Refused:
    return refuse("not-found", f"没有找到预警 {alert_id[:64]}", f"There is no alert {alert_id[:64]}")


def _check_stands(row: AlertRow) -> None:
    if row.status == "cleared":
        raise refuse(
            "transition-not-allowed",
            f"该预警已于 {(row.cleared_at or '')[:16]} 解除, 无须再处理",
            f"The alert was cleared at {(row.cleared_at or '')[:16]}; there is nothing left to do about it",
            cleared_because=row.cleared_because,
        )


def shown(service: Service, tx: Tx, rows: Sequence[AlertRow]) -> list[dict[str, Any]]:
    """Alerts as the contract shows them, with what they say of their applications now."""
    ladder = service.law.book.ladder(on=service.today)
    cases = tx.cases_by_id({row.case_id for row in rows if row.case_id is not None})
    items = []
    for row in rows:
        case = None if row.case_id is None else cases.get(row.case_id)
        items.append(
            {
                "id": row.id,
                "level": row.level,
                "status": row.status,
                "scope": row.scope,
                "key": row.key,
                "step": row.step,
                "subject": row.subject,
                "case_id": row.case_id,
                "application_no": None if case is None else case.application_no,
                "user_class": None if case is None else case.user_class,
                "state": None if case is None else case.state,
                "org": row.org,
                "manager": row.manager,
                "day": dt.date.fromisoformat(row.day),
                "due_on": dt.date.fromisoformat(row.due_on),
                "remaining_days": row.remaining,
                "unit": ladder.of(row.scope).unit,
                "raised_at": times.read(row.raised_at),
                "acknowledged_at": times.read(row.acknowledged_at),
                "acknowledged_by": row.acknowledged_by,
                "note": row.note,
                "snoozed_until": times.read(row.snoozed_until),
                "snooze_reason": row.snooze_reason,
                "escalations": row.escalations,
                "escalate_at": times.read(row.escalate_at),
                "cleared_at": times.read(row.cleared_at),
                "cleared_because": row.cleared_because,
            }
        )
    return items
