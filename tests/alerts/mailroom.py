"""An outbox with one worker that delivers, for tests: cases, receivers, staff and messages at a call."""

from __future__ import annotations

import datetime as dt
from typing import Any

from storage import AlertRow, DestinationRow, MessageRow, OrgRow, StaffRow
from tests.alerts.receivers import LOOPBACK
from tests.service.conftest import Desk, HandClock
from workflow.alerts.channels.webhook import Limits
from workflow.alerts.deliver import Delivered, Delivery
from workflow.core.times import write
from workflow.service import Service
from workflow.service.addresses import NETWORKS_VARIABLE, Addresses

ALLOWED = Addresses.of_environment({NETWORKS_VARIABLE: LOOPBACK})
QUICK = Limits(connect=1, read=0.5, answer=0.3, total=1.0)
SECRET = "whsec_" + "c2VjcmV0" * 6


class Mailroom:
    """A service with an outbox and one worker that delivers."""

    def __init__(self, service: Service, clock: HandClock) -> None:
        self.service, self.clock = service, clock
        self.desk = Desk(service, clock)
        self.delivery = Delivery(service, "worker-1", addresses=ALLOWED, limits=QUICK, relay_seconds=6.0)
        self._number = 0
        service.put_orgs(
            [
                OrgRow("HB", None, "province", "某省公司", "某电力公司", "420000"),
                OrgRow("WH", "HB", "city", "某市公司", None, "420100"),
                OrgRow("JA", "WH", "county", "某区公司", None, "420102"),
            ]
        )

    def write(self, work: Any) -> Any:
        return self.service.transact(work)

    def case(self, number: int = 1, **more: Any) -> str:
        case_id = self.desk.submit("hv_single", number, org="JA", **more).case_id
        assert case_id is not None
        return case_id

    def destination(self, url: str, kind: str = "webhook", org: str | None = None) -> str:
        self._number += 1
        row = DestinationRow(
            f"d{self._number}", "收端", kind, url, SECRET if kind == "webhook" else None, org, "[]",
            write(self.clock.now()), "admin",
        )  # fmt: skip
        self.write(lambda tx: tx.add_destination(row))
        return row.id

    def staff(self, contact: str | None) -> str:
        self.service.put_staff([StaffRow("wang", "王经理", "JA", "manager", contact, None)])
        return "wang"

    def alert(self, case_id: str, key: str = "step:supply_plan:1", level: str = "red", **more: Any) -> AlertRow:
        self._number += 1
        values: dict[str, Any] = {
            "id": f"a{self._number:05}", "subject": case_id, "case_id": case_id, "org": "JA", "manager": None,
            "key": key, "scope": "step", "step": "supply_plan", "level": level, "day": "2026-01-05",
            "due_on": "2026-01-05", "remaining": 0, "status": "open", "raised_at": write(self.clock.now()), **more,
        }  # fmt: skip
        row = AlertRow(**values)
        self.write(lambda tx: tx.raise_alerts([row]))
        return row

    def queue(self, recipient: str, channel: str = "webhook", alert: AlertRow | None = None, **more: Any) -> str:
        self._number += 1
        now = write(self.clock.now())
        values: dict[str, Any] = {
            "id": f"m{self._number:05}", "kind": "event" if alert is None else "alert",
            "alert_id": None if alert is None else alert.id, "case_id": None if alert is None else alert.case_id,
            "org": "JA", "recipient": recipient, "channel": channel, "body": '{"test":true,"destination":"收端"}',
            "status": "pending", "attempts": 0, "not_before": now, "claimed_by": None, "claimed_until": None,
            "last_error": None, "created_at": now, "sent_at": None, "read_at": None, "proof": None,
            "dedupe": f"x{self._number}", **more,
        }  # fmt: skip
        row = MessageRow(**values)
        self.write(lambda tx: tx.queue_messages([row]))
        return row.id

    def message(self, message_id: str) -> MessageRow:
        with self.service.database.read() as tx:
            row = tx.message(message_id)
        assert row is not None
        return row

    def run(self, **more: Any) -> Delivered:
        return self.delivery.run(**{"seconds": 15.0, **more})

    def later(self, **passed: float) -> None:
        self.clock.moment += dt.timedelta(**passed)
