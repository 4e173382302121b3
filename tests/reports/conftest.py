"""A service on a clock set by hand, and a story of a first half of 2026 that can be counted on fingers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from definitions import load
from storage import Database, OrgRow
from workflow.core.commands import COMMANDS, Submission
from workflow.core.events import Principal
from workflow.core.times import BUSINESS_ZONE
from workflow.service.service import Service

ADMIN = Principal("admin", "admin")

PAPERS: dict[str, list[dict[str, Any]]] = {
    "low": [{"kind": "identity"}, {"kind": "premises_title"}],
    "high": [{"kind": "identity"}, {"kind": "premises_title"}, {"kind": "project_approval"}],
    "design_review": [{"kind": "designer_qualification"}, {"kind": "design_documents"}],
    "mid_inspection": [{"kind": "contractor_qualification"}, {"kind": "concealed_works_records"}],
    "completion_inspection": [{"kind": "completion_report"}],
}
_COMMON = {"area": "urban", "region": "420102", "channel": "online"}
_BUSINESS = {**_COMMON, "customer_kind": "non_residential"}
FACTS: dict[str, dict[str, Any]] = {
    "residential": {**_COMMON, "customer_kind": "residential", "capacity_kw": 8.0, "voltage": "low"},
    "lv_zero": {**_BUSINESS, "enterprise_size": "small", "capacity_kw": 100.0, "voltage": "low"},
    "lv_other": {**_BUSINESS, "enterprise_size": "large", "capacity_kw": 100.0, "voltage": "low"},
    "hv_single": {**_BUSINESS, "enterprise_size": "large", "capacity_kw": 630.0, "voltage": "high"},
}


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.moment = dt.datetime(2026, 1, 5, 10, tzinfo=BUSINESS_ZONE)

    def now(self) -> dt.datetime:
        return self.moment

    def set(self, day: str) -> None:
        """Ten in the morning of a day."""
        self.moment = dt.datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=BUSINESS_ZONE)


class Office:
    """Files and drives applications, each command on the day it is given for."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service, self.clock = service, clock
        self._premises = 0

    def today(self, day: str) -> None:
        self.clock.set(day)

    def apply(self, user_class: str, day: str, **more: Any) -> str:
        """A new application with complete papers; its id."""
        self.clock.set(day)
        self._premises += 1
        facts = FACTS[user_class]
        body = {
            "customer": {"id": f"C{self._premises}"}, "premises": {"id": f"P{self._premises}"},
            "documents": PAPERS[facts["voltage"]], **facts, **more,
        }  # fmt: skip
        answer = self.service.submit(ADMIN, Submission.model_validate(body)).result()
        assert answer.refusal is None, answer.refusal
        assert answer.case_id is not None
        return answer.case_id

    def do(self, case: str, day: str, command: str, **fields: Any) -> None:
        self.clock.set(day)
        validated = COMMANDS.validate_python({"command": command, **fields})
        answer = self.service.command(ADMIN, case, validated).result()
        assert answer.refusal is None, answer.refusal

    def energise(self, case: str, day: str, **of_plan: Any) -> None:
        """Everything still to do, on one day. `of_plan` goes with the completed supply plan."""
        while (state := self._state(case)) != "energised":
            step, _, phase = state.rpartition(".")
            if phase == "waiting":
                self.do(case, day, "submit_step", step=step, documents=PAPERS.get(step, []))
            else:
                self.do(case, day, "complete_step", step=step, **(of_plan if step == "supply_plan" else {}))

    def _state(self, case: str) -> str:
        with self.service.database.read() as tx:
            row = tx.case(case)
        assert row is not None
        return row.state


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    clock = Clock()
    service = Service(database, load(), clock)
    yield Office(service, clock)
    service.writer.close()


@pytest.fixture
def first_half(office: Office) -> Office:
    """2026-03-02 is a Monday; no festival in March. 2026-06-19 is one (端午), to Sunday 06-21."""
    on_time = office.apply("residential", "2026-03-02")  # due Mon 03-09
    office.energise(on_time, "2026-03-06")  # 4 days
    late = office.apply("residential", "2026-03-02")
    office.energise(late, "2026-03-10")  # 6 days
    ended = office.apply("residential", "2026-03-02", customer={"id": "CX"}, premises={"id": "PX"})
    office.do(ended, "2026-03-04", "terminate", reason="other")
    again = office.apply("residential", "2026-03-05", customer={"id": "CX"}, premises={"id": "PX"})
    office.energise(again, "2026-03-10")  # as filed 3 days (6, 9, 10); as chained from 03-02: 6
    overdue = office.apply("residential", "2026-06-15")  # due Tue 06-23
    office.apply("residential", "2026-06-23")  # open, due on 06-30 itself: not overdue
    office.apply("residential", "2026-06-29")  # open, one day used
    office.energise(overdue, "2026-07-01")
    before = office.apply("residential", "2025-12-22")
    office.energise(before, "2025-12-24")

    good = office.apply("lv_other", "2026-03-02")
    office.do(good, "2026-03-02", "add_approval")
    office.do(good, "2026-03-03", "complete_step", step="acceptance")  # 1 of 1
    office.do(good, "2026-03-06", "complete_step", step="supply_plan")  # 3 of 3
    office.do(good, "2026-03-09", "decide_approval", decision="granted")  # 5 of 5
    office.do(good, "2026-03-09", "submit_step", step="metering")
    office.do(good, "2026-03-11", "complete_step", step="metering")  # 2 of 2; sum 6 of 6
    slow = office.apply("lv_other", "2026-03-02", channel="hall")
    office.do(slow, "2026-03-02", "complete_step", step="acceptance")
    office.do(slow, "2026-03-06", "complete_step", step="supply_plan")  # 4 of 3, although the sum is only 4
    office.energise(slow, "2026-03-09")

    near = office.apply("hv_single", "2026-03-02")
    office.do(near, "2026-03-02", "add_approval")
    office.do(near, "2026-03-02", "add_approval", approval="35 kV", voltage_kv=35.0)
    office.do(near, "2026-03-16", "decide_approval", approval="works", decision="granted")  # 10 of 10
    office.do(near, "2026-03-20", "decide_approval", approval="35 kV", decision="granted")
    office.do(near, "2026-03-20", "notify", notice="hotlines", channel="wechat")  # nothing proves it
    office.energise(near, "2026-03-20")
    far = office.apply("hv_single", "2026-03-02")
    office.do(far, "2026-03-02", "add_approval")
    office.do(far, "2026-03-17", "decide_approval", decision="granted")  # 11 of 10
    office.energise(far, "2026-03-20", plan_reason="line full")
    waiting = office.apply("hv_single", "2026-06-01")
    office.do(waiting, "2026-06-01", "add_approval")  # still open on 06-30: 20 days used of 10

    told = office.apply("lv_zero", "2026-03-02", channel="hall")
    office.do(told, "2026-03-02", "notify", notice="hotlines", channel="wechat", evidence={"ref": "wx-1"})
    office.do(told, "2026-03-02", "notify", notice="policy", channel="sms", evidence={"ref": "sms-1"})
    office.energise(told, "2026-03-20")  # 14 of 15
    office.today("2026-07-10")
    return office


@pytest.fixture
def items() -> Callable[[dict[str, Any]], dict[int, dict[str, Any]]]:
    return lambda answer: {item["number"]: item for item in answer["items"]}


@pytest.fixture
def tree(office: Office) -> Office:
    """A province with two cities of two enterprises; a county under the first."""
    office.service.put_orgs(
        [
            OrgRow("P", None, "province", "省公司", "国网", "420000"),
            OrgRow("A", "P", "city", "甲市", None, "420100"),
            OrgRow("A1", "A", "county", "甲县", None, "420102"),
            OrgRow("B", "P", "city", "乙市", "地方电力", "420200"),
        ]
    )
    return office
