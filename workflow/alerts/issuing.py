"""Issuing a supervision order: stored, and told to whom it is addressed and to the systems that listen, in one
transaction."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from storage import AlertRow, MessageRow, OrderRow, Tx
from workflow.alerts.policy import opening
from workflow.alerts.recipients import Directory, Receiver
from workflow.core.events import Principal
from workflow.core.times import business_date, write
from workflow.service import orders
from workflow.service.messages import fresh
from workflow.service.orders import IssueOrder
from workflow.service.service import Service

ADDRESSEE = "addressee"


def issue(
    service: Service,
    principal: Principal,
    alert_id: str,
    asked: IssueOrder,
    key: str | None = None,
    *,
    another: bool = True,
) -> tuple[dict[str, Any], bool]:
    """As `orders.issue`; the addressee, who is the customer manager of the alert or, failing that, the supervisors
    above, finds it in the inbox at once and is sent to in working hours."""
    return orders.issue(service, principal, alert_id, asked, key, tell=partial(_tell, service), another=another)


def _tell(service: Service, tx: Tx, order: OrderRow, alert: AlertRow) -> None:
    now = service.clock.now()
    today = business_date(now)
    ladder = service.law.book.ladder(on=today)
    directory = Directory.read(tx)
    people = directory.people((ADDRESSEE,), ladder.recipients, order.org, ((ADDRESSEE, alert.manager),))
    ways = [way for person in people for way in directory.ways(person)]
    at = write(now)
    people_from = write(opening(service.calendars.refresh(tx), service.law.book.delivery(on=today), now))
    tx.queue_messages(
        [_message(order, way, at, people_from) for way in (*ways, *directory.systems(order.org, "order"))]
    )


def _message(order: OrderRow, way: Receiver, at: str, people_from: str) -> MessageRow:
    # Of the order alone: it stands when the alert it came from has been cleared.
    return fresh(
        "order", way.recipient, way.channel, msgspec.json.encode({"order_id": order.id}).decode(), at,
        case_id=order.case_id, org=order.org, not_before=people_from if way.person else at,
        dedupe=f"{order.id}:{way.recipient}:{way.channel}",
    )  # fmt: skip
