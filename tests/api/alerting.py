"""Alerts, messages and staff as the sweeps would leave them, for the faces that show them."""

from __future__ import annotations

import uuid
from itertools import count
from typing import Any

import uuid6

from storage import AlertRow, MessageRow, StaffRow, Tx
from workflow.service import Service

AT = "2026-11-23T09:00:00.000000+08:00"
_days = count(1)


def alert_row(case_id: str | None = None, org: str | None = None, **changes: Any) -> AlertRow:
    """An open yellow alert; each of a day of its own, so that no two are the same rung."""
    day = f"2026-10-{next(_days) % 28 + 1:02d}"
    row = AlertRow(
        id=str(uuid6.uuid7()), subject=case_id or f"report:{uuid.uuid4()}", case_id=case_id, org=org, manager="wang",
        key="total", scope="total" if case_id else "report", step=None, level="yellow", day=day, due_on="2026-11-26",
        remaining=3, status="open", raised_at=AT,
    )  # fmt: skip
    return row._replace(**changes)


def message_row(recipient: str = "wang", **changes: Any) -> MessageRow:
    """A message delivered to an inbox."""
    message_id = str(uuid6.uuid7())
    row = MessageRow(
        id=message_id, kind="alert", alert_id=None, case_id=None, org=None, recipient=recipient, channel="inbox",
        body="{}", status="sent", attempts=1, not_before=AT, claimed_by=None, claimed_until=None, last_error=None,
        created_at=AT, sent_at=AT, read_at=None, proof=None, dedupe=message_id,
    )  # fmt: skip
    return row._replace(**changes)


def write(service: Service, work: Any) -> Any:
    return service.writer.submit((2, ""), work).result(30)


def raised(service: Service, *rows: AlertRow) -> list[str]:
    write(service, lambda tx: tx.raise_alerts(rows))
    return [row.id for row in rows]


def queued(service: Service, *rows: MessageRow) -> list[str]:
    write(service, lambda tx: tx.queue_messages(rows))
    return [row.id for row in rows]


def hired(service: Service, *rows: StaffRow) -> None:
    write(service, lambda tx: tx.put_staff(rows))


def read(service: Service, look: Any) -> Any:
    with service.database.read() as tx:
        return look(tx)


def cleared(service: Service, alert_id: str) -> None:
    def work(tx: Tx) -> None:
        tx.clear_ids([alert_id], AT, "met")

    write(service, work)
