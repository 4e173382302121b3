"""Alerts, messages and orders to store in tests."""

from __future__ import annotations

from typing import Any

from storage import AlertRow, MessageRow, OrderRow
from tests.storage.samples import MOMENT

LATER = MOMENT.replace("T10", "T11")
LATEST = MOMENT.replace("T10", "T12")


def alert(alert_id: str, case_id: str | None = "c1", **changed: Any) -> AlertRow:
    row = AlertRow(
        id=alert_id,
        subject=case_id or "",
        case_id=case_id,
        org="wuhan",
        manager="w1",
        key="total",
        scope="total",
        step=None,
        level="red",
        day="2026-02-09",
        due_on="2026-02-09",
        remaining=0,
        status="open",
        raised_at=MOMENT,
    )
    return row._replace(**changed)


def message(message_id: str, **changed: Any) -> MessageRow:
    row = MessageRow(
        id=message_id,
        kind="alert",
        alert_id=None,
        case_id="c1",
        org="wuhan",
        recipient="w1",
        channel="apprise",
        body="{}",
        status="pending",
        attempts=0,
        not_before=MOMENT,
        claimed_by=None,
        claimed_until=None,
        last_error=None,
        created_at=MOMENT,
        sent_at=None,
        read_at=None,
        proof=None,
        dedupe=message_id,
    )
    return row._replace(**changed)


def order(order_id: str, **changed: Any) -> OrderRow:
    row = OrderRow(order_id, None, "c1", "wuhan", "w9", MOMENT, "2026-01-09", "三日内答复", look_on="2026-01-08")
    return row._replace(**changed)
