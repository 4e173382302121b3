"""Messages as people see them: the inbox of the person a key belongs to, and what could not be delivered.

A key belongs to the member of the staff whose id is the key's name.  The dead letters are for who keeps the
installation running: each says why it was given up, and can be queued again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import uuid6

from storage import MessageFilter, MessageRow, Tx
from workflow.core import times
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.core.times import write
from workflow.service import access, alerts, orders
from workflow.service.alerts import AREA as ALERTS
from workflow.service.service import MOST_PER_PAGE, Service

AREA = "messages"


def fresh(
    kind: str, recipient: str, channel: str, body: str, at: str, *, dedupe: str, alert_id: str | None = None,
    case_id: str | None = None, org: str | None = None, not_before: str | None = None,
) -> MessageRow:  # fmt: skip
    """A message to be queued at `at`, once by `dedupe`. In an inbox it is delivered by that; others may go out from
    `not_before` on, by default at once."""
    stored = channel == "inbox"
    return MessageRow(
        str(uuid6.uuid7()), kind, alert_id, case_id, org, recipient, channel, body, "sent" if stored else "pending", 0,
        not_before or at, None, None, None, at, at if stored else None, None, None, dedupe,
    )  # fmt: skip


def inbox(
    service: Service, principal: Principal, *, unread: bool | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """A page of the messages delivered to the person this key belongs to, newest first. Raises Refused."""
    access.check_reads(service.law.roles, principal, ALERTS)
    narrowed = MessageFilter(status="sent", channel="inbox", recipient=principal.who, unread=unread)
    return _page(service, narrowed, cursor, limit, partial(_letters, service))


def read(service: Service, principal: Principal, message_id: str) -> dict[str, Any]:
    """Mark a message of the inbox as read; the first time stands. Raises Refused."""
    access.check_reads(service.law.roles, principal, ALERTS)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = tx.message(message_id)
        if row is None or (row.recipient, row.channel, row.status) != (principal.who, "inbox", "sent"):
            raise _not_found(message_id)
        tx.read_message(message_id, at)
        return _letters(service, tx, [row._replace(read_at=row.read_at or at)])[0]

    return service.transact(work)


def listed(
    service: Service, principal: Principal, *, status: str | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """A page of the outbox, newest first; `dead`: what was given up. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    narrowed = MessageFilter(scope=principal.org, status=status)
    return _page(service, narrowed, cursor, limit, lambda _tx, rows: [shown(row) for row in rows])


def retry(service: Service, principal: Principal, message_id: str) -> dict[str, Any]:
    """Queue a dead message again under its old id, with its attempts counted from nothing. Raises Refused:
    `transition-not-allowed` when it is not dead."""
    access.check_administers(service.law.roles, principal, AREA)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = tx.message(message_id)
        if row is None or not access.sees(tx, principal, row.org):
            raise _not_found(message_id)
        if not tx.retry_message(message_id, at):
            raise refuse(
                "transition-not-allowed",
                f"消息状态为 {row.status}, 只有投递失败 (dead) 的才能重发",
                f"The message is {row.status}; only a dead one can be queued again",
                status=row.status,
            )
        return shown(row._replace(status="pending", attempts=0, not_before=at))

    return service.transact(work)


def _not_found(message_id: str) -> Refused:
    return refuse("not-found", f"没有找到消息 {message_id[:64]}", f"There is no message {message_id[:64]}")


Show = Callable[[Tx, list[MessageRow]], list[dict[str, Any]]]


def _page(service: Service, narrowed: MessageFilter, cursor: str | None, limit: int, show: Show) -> dict[str, Any]:
    limit = max(1, min(limit, MOST_PER_PAGE))
    with service.database.read() as tx:
        rows = tx.list_messages(narrowed, before=cursor, limit=limit + 1)
        items = show(tx, rows[:limit])
    return {"items": items, "next": rows[limit - 1].id if len(rows) > limit else None}


def _letters(service: Service, tx: Tx, rows: list[MessageRow]) -> list[dict[str, Any]]:
    """Messages as their reader sees them: with the alert or the order they are about, as it stands now."""
    known = tx.alerts_by_id([row.alert_id for row in rows if row.alert_id is not None])
    about = {one["id"]: one for one in alerts.shown(service, tx, list(known.values()))}
    letters = []
    for row in rows:
        body = msgspec.json.decode(row.body)
        order = tx.order(body["order_id"]) if row.kind == "order" else None
        (told,) = (None,) if order is None else orders.shown(tx, [order])
        letters.append(
            {
                "id": row.id,
                "kind": row.kind,
                "title": body.get("title"),
                "text": body.get("text"),
                "escalated": bool(body.get("escalation")),
                "case_id": row.case_id,
                "alert": about.get(row.alert_id or ""),
                "order": told,
                "sent_at": times.read(row.sent_at),
                "read_at": times.read(row.read_at),
            }
        )
    return letters


def shown(row: MessageRow) -> dict[str, Any]:
    """A message as who runs the installation sees it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "channel": row.channel,
        "recipient": row.recipient,
        "alert_id": row.alert_id,
        "case_id": row.case_id,
        "org": row.org,
        "attempts": row.attempts,
        "not_before": times.read(row.not_before),
        "last_error": row.last_error,
        "created_at": times.read(row.created_at),
        "sent_at": times.read(row.sent_at),
        "proof": None if row.proof is None else msgspec.json.decode(row.proof),
    }
