"""An office on a database: units, staff, applications, and a worker whose sweeps are run by hand."""

from __future__ import annotations

import threading
from typing import Any

from storage import AlertFilter, AlertRow, MessageFilter, MessageRow, OrgRow, StaffRow, SweepRow
from tests.service.conftest import CLERK, Desk, HandClock
from workflow.alerts import dates, due, upkeep
from workflow.alerts.sweep import Pulse, Run, Sweep
from workflow.service import Service

UNITS = [
    OrgRow("HB", None, "province", "某省公司", "某电力公司", "420000"),
    OrgRow("WH", "HB", "city", "某市公司", None, "420100"),
    OrgRow("JA", "WH", "county", "某区公司", None, "420102"),
    OrgRow("T1", "JA", "team", "某供电所", None, "420102"),
]
STAFF = [
    StaffRow("m1", "张三", "T1", "manager", None, "m2"),
    StaffRow("m2", "李四", "T1", "manager", None, None),
    StaffRow("lead", "王五", "T1", "supervisor", None, None),
    StaffRow("county", "赵六", "JA", "supervisor", None, None),
    StaffRow("city", "钱七", "WH", "supervisor", None, None),
    StaffRow("province", "孙八", "HB", "supervisor", None, None),
]
SWEEPS = {
    "due": due.run,
    "stale": upkeep.stale,
    "ladders": upkeep.ladders,
    "escalate": upkeep.escalate,
    "orders": dates.orders,
    "reports": dates.reports,
    "horizon": dates.horizon,
}


class Office:
    """A service with its staff. `clock` stands still until it is set."""

    def __init__(self, service: Service, clock: HandClock, staff: list[StaffRow] | None = None) -> None:
        self.service, self.clock = service, clock
        self.desk = Desk(service, clock)
        self.pulse = Pulse(service, "hand", threading.Event())
        service.put_orgs(UNITS)
        if staff is None or staff:
            service.put_staff(STAFF if staff is None else staff)

    def case(self, number: int = 1, user_class: str = "residential", **more: Any) -> str:
        """An accepted application of team T1 whose manager is m1, its acceptance done."""
        more = {"org": "T1", "manager": "m1", **more}
        case_id = self.desk.submit(user_class, number, **more).case_id
        assert case_id is not None
        self.desk.do(case_id, "complete_step", step="acceptance")
        return case_id

    def bounded(self, name: str, on: str | None = None, **bounds: Any) -> Run:
        """Run one sweep within bounds, without a heartbeat."""
        if on is not None:
            self.clock.set(on)
        run = Run(self.service, "hand", threading.Event(), **bounds)
        SWEEPS[name](run)
        return run

    def sweep(self, name: str, on: str | None = None) -> SweepRow:
        """Run one sweep, with its heartbeat."""
        if on is not None:
            self.clock.set(on)
        row = self.pulse.beat(Sweep(name, SWEEPS[name]))
        assert row.error is None, row
        return row

    def alerts(self, **narrowed: Any) -> list[AlertRow]:
        """The alerts there are, in the order they were raised."""
        with self.service.database.read() as tx:
            return tx.list_alerts(AlertFilter(**narrowed), limit=1000)[::-1]

    def rungs(self, **narrowed: Any) -> list[tuple[str, str, int]]:
        """Level, day and days left of the alerts there are, in the order they were raised."""
        return [(row.level, row.day, row.remaining) for row in self.alerts(**narrowed)]

    def messages(self, **narrowed: Any) -> list[MessageRow]:
        """The messages there are, in the order they were queued."""
        with self.service.database.read() as tx:
            return tx.list_messages(MessageFilter(**narrowed), limit=1000)[::-1]

    def told(self, alert: AlertRow) -> list[str]:
        """Who was told of an alert, by any channel, in order."""
        return [row.recipient for row in self.messages(alert_id=alert.id)]

    def heartbeats(self) -> dict[str, SweepRow]:
        """The heartbeats by name."""
        with self.service.database.read() as tx:
            return {row.name: row for row in tx.sweeps()}

    def looks(self, case_id: str) -> dict[str, str | None]:
        """Where the sweep looks next, by timer."""
        with self.service.database.read() as tx:
            return {row.key: row.look_on for row in tx.deadlines(case_id)}

    def do(self, case_id: str, name: str, **fields: Any) -> None:
        """A command that is not refused."""
        answer = self.desk.do(case_id, name, **fields)
        assert answer.refusal is None, answer.refusal


__all__ = ["CLERK", "STAFF", "SWEEPS", "UNITS", "HandClock", "Office"]
