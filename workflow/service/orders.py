"""Supervision orders (督办单): issued from an alert, answered by a date, closed by who supervises."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import uuid6

from storage import AlertRow, CaseRow, OrderRow, Tx
from workflow.core import times
from workflow.core.commands import Day, Prose, Strict
from workflow.core.events import Principal, folded
from workflow.core.refusals import Refused, refuse
from workflow.core.rungs import course_until, first_look
from workflow.core.times import business_date, write
from workflow.service import access, alerts
from workflow.service.retries import once
from workflow.service.service import MOST_PER_PAGE, Service

AREA = "orders"


class IssueOrder(Strict):
    """What is to be done, and the last day for the answer (Asia/Shanghai)."""

    content: Prose
    reply_by: Day


class AnswerOrder(Strict):
    """What was done."""

    answer: Prose


class CloseOrder(Strict):
    """The end of it. `note`: how the answer is judged."""

    note: Prose | None = None


Tell = Callable[[Tx, OrderRow, AlertRow], None]


def issue(
    service: Service,
    principal: Principal,
    alert_id: str,
    asked: IssueOrder,
    key: str | None = None,
    *,
    tell: Tell,
    another: bool = True,
) -> tuple[dict[str, Any], bool]:
    """Issue an order from an alert, whether it still stands or not; the same `key` gives the same order. `another`:
    also while an order from this alert is not closed. `tell` queues the messages about it in the same transaction. The
    order, and whether it was there before. Raises Refused: `transition-not-allowed` where there is one already."""
    access.check_administers(service.law.roles, principal, AREA)
    now = service.clock.now()
    today = business_date(now)
    if asked.reply_by < today:
        raise refuse("malformed-request", "reply_by: 应不早于今天", "reply_by: must not lie before today")

    def work(tx: Tx) -> tuple[dict[str, Any], bool]:
        alert = alerts.seen(tx, principal, alert_id)

        def make() -> str:
            if not another and _unfinished(tx, principal, alert_id):
                raise refuse(
                    "transition-not-allowed",
                    "这条预警已有未办结的督办单; 确要另发一份, 请勾选后再签发",
                    "An order from this alert is not closed yet; tick the box to issue another one",
                )
            calendar = service.calendars.refresh(tx)
            ladder = service.law.book.ladder(on=today)
            look = first_look(calendar, ladder, course_until(calendar, ladder, "order", asked.reply_by, start=today))
            row = OrderRow(
                id=str(uuid6.uuid7()),
                alert_id=alert.id,
                case_id=alert.case_id,
                org=alert.org,
                issued_by=principal.who,
                issued_at=write(now),
                reply_by=asked.reply_by.isoformat(),
                content=asked.content,
                look_on=None if look is None else look.isoformat(),
            )
            tx.add_order(row)
            tell(tx, row, alert)
            return row.id

        order_id, again = once(tx, principal, key, about=(f"order of {alert_id}", asked), at=write(now), make=make)
        return _told(tx, principal, order_id), again

    return service.transact(work)


def listed(
    service: Service,
    principal: Principal,
    *,
    status: str | None = None,
    org: str | None = None,
    case_id: str | None = None,
    alert_id: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of orders, newest first. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    limit = max(1, min(limit, MOST_PER_PAGE))
    with service.database.read() as tx:
        access.check_narrowing(tx, org)
        rows = tx.list_orders(
            scope=principal.org, org=org, status=status, case_id=case_id, alert_id=alert_id, before=cursor,
            limit=limit + 1,
        )  # fmt: skip
        items = shown(tx, rows[:limit])
    return {
        "items": items,
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }


def one(service: Service, principal: Principal, order_id: str) -> dict[str, Any]:
    """One order. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        return _told(tx, principal, order_id)


def unfinished(service: Service, principal: Principal, alert_id: str) -> list[dict[str, Any]]:
    """The orders from an alert that are not closed, newest first. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        return _unfinished(tx, principal, alert_id)


def _unfinished(tx: Tx, principal: Principal, alert_id: str) -> list[dict[str, Any]]:
    rows = tx.list_orders(scope=principal.org, alert_id=alert_id, limit=MOST_PER_PAGE)
    return shown(tx, [row for row in rows if row.status != "closed"])


def answer(service: Service, principal: Principal, order_id: str, asked: AnswerOrder) -> dict[str, Any]:
    """Answer an open order; the same answer again changes nothing. Raises Refused."""
    access.check_administers(service.law.roles, principal, alerts.AREA)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = _seen(tx, principal, order_id)
        repeated = (row.answer, row.answered_by) == (asked.answer, principal.who)
        if not repeated:
            if not tx.answer_order(order_id, asked.answer, principal.who, at):
                raise _not_now(row, "已答复", "has been answered")
            tx.clear_subject(f"order:{order_id}", at, "met")
        return _told(tx, principal, order_id)

    return service.transact(work)


def close(service: Service, principal: Principal, order_id: str, asked: CloseOrder) -> dict[str, Any]:
    """Close an answered order, by somebody else than who answered it; closing again changes nothing. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = _seen(tx, principal, order_id)
        if row.answered_by is not None and folded(row.answered_by) == folded(principal.who):
            raise refuse(
                "not-permitted",
                "督办单应由答复人以外的人办结",
                "An order is closed by somebody else than who answered it",
            )
        repeated = (row.status, row.closed_by, row.closing_note) == ("closed", principal.who, asked.note)
        if not repeated and not tx.close_order(order_id, asked.note, principal.who, at):
            raise _not_now(row, *(("尚未答复", "has not been answered") if row.status == "open" else _CLOSED))
        return _told(tx, principal, order_id)

    return service.transact(work)


_CLOSED = ("已办结", "has been closed")


def _not_now(row: OrderRow, zh: str, en: str) -> Refused:
    return refuse("transition-not-allowed", f"该督办单{zh}", f"The order {en}", status=row.status)


def _seen(tx: Tx, principal: Principal, order_id: str) -> OrderRow:
    row = tx.order(order_id)
    if row is None or not access.sees(tx, principal, row.org):
        raise refuse("not-found", f"没有找到督办单 {order_id[:64]}", f"There is no supervision order {order_id[:64]}")
    return row


def _told(tx: Tx, principal: Principal, order_id: str) -> dict[str, Any]:
    (told,) = shown(tx, [_seen(tx, principal, order_id)])
    return told


def shown(tx: Tx, rows: list[OrderRow]) -> list[dict[str, Any]]:
    """Orders as the contract shows them, with the numbers of their applications."""
    cases = tx.cases_by_id({row.case_id for row in rows if row.case_id is not None})
    return [_one(row, cases.get(row.case_id or "")) for row in rows]


def _one(row: OrderRow, case: CaseRow | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "alert_id": row.alert_id,
        "case_id": row.case_id,
        "application_no": None if case is None else case.application_no,
        "org": row.org,
        "issued_by": row.issued_by,
        "issued_at": times.read(row.issued_at),
        "reply_by": dt.date.fromisoformat(row.reply_by),
        "content": row.content,
        "answer": row.answer,
        "answered_by": row.answered_by,
        "answered_at": times.read(row.answered_at),
        "closing_note": row.closing_note,
        "closed_by": row.closed_by,
        "closed_at": times.read(row.closed_at),
    }
