"""The sweep that judges what waits and tells the inspectors: once each, whoever does it and how often."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from storage import AlertFilter, Database, FindingFilter, FindingRow, MessageFilter, StaffRow
from tests.alerts.office import STAFF, HandClock, Office
from tests.core.driver import shipped_book
from tests.service.conftest import CLERK
from workflow.alerts import findings
from workflow.alerts.sweep import Sweep
from workflow.alerts.worker import run_once
from workflow.core.events import Principal
from workflow.service import Service, alerts

INSPECTORS = [
    StaffRow("watch", "周九", "WH", "inspector", None, None),
    StaffRow("top", "吴十", "HB", "inspector", None, None),
]


@pytest.fixture
def watched(database: Database, hand_clock: HandClock) -> Any:
    service = Service(database, shipped_book(), hand_clock)
    yield Office(service, hand_clock, [*STAFF, *INSPECTORS])
    service.close()


def sweep(office: Office) -> Any:
    row = office.pulse.beat(Sweep("findings", findings.sweep))
    assert row.error is None, row.error
    return row


def send(office: Office, case_id: str, when: str = "2024-01-03T15:00:00", activity: str = "meter_installed") -> None:
    record = {"case_id": case_id, "activity": activity, "occurred_at": when, "source": "metering"}
    assert office.service.receive_evidence(CLERK, [record])[0]["accepted"]


def stored(office: Office) -> list[FindingRow]:
    with office.service.database.read() as tx:
        return tx.list_findings(FindingFilter())


def letters(office: Office) -> list[tuple[str, str]]:
    with office.service.database.read() as tx:
        rows = tx.list_messages(MessageFilter(kind="alert", channel="inbox"))
    return sorted((row.recipient, row.body.split('"')[3][:6]) for row in rows)


def test_every_inspector_above_the_unit_is_told_once(watched: Office):
    case_id = watched.case(1)
    send(watched, case_id)
    for _ in range(3):
        sweep(watched)
    (row,) = stored(watched)
    assert row.rule == "D02"
    assert row.told_at is not None
    assert letters(watched) == [("top", "【检查发现】"), ("watch", "【检查发现】")]
    with watched.service.database.read() as tx:
        (alert,) = tx.list_alerts(AlertFilter())
    assert (alert.subject, alert.scope, alert.level, alert.status) == (f"finding:{row.id}", "finding", "red", "open")
    assert alert.case_id is None


def test_an_application_held_back_is_told_the_same_day(watched: Office):
    case_id = watched.case(1)  # Monday 2024-01-08
    asked = {"case_id": case_id, "activity": "service_contact", "occurred_at": "2023-12-29T10:00:00",
             "source": "callcentre", "value": "connection_request"}  # fmt: skip
    assert watched.service.receive_evidence(CLERK, [asked])[0]["accepted"]
    assert [(row.rule, row.severity, row.stands) for row in stored(watched)] == [("D07", "high", True)]
    sweep(watched)
    with watched.service.database.read() as tx:
        told = [(row.key, row.level, row.status) for row in tx.list_alerts(AlertFilter())]
    assert told == [("D07", "orange", "open")]
    assert letters(watched) == [("top", "【检查发现】"), ("watch", "【检查发现】")]


def test_the_unit_does_not_learn_of_it_from_the_alerts(watched: Office):
    send(watched, watched.case(1))
    sweep(watched)
    assert len(alerts.listed(watched.service, Principal("top", "inspector"))["items"]) == 1
    for role in ("manager", "supervisor", "front_line"):
        assert alerts.listed(watched.service, Principal("x", role))["items"] == []
    with watched.service.database.read() as tx:
        (alert,) = tx.list_alerts(AlertFilter())
    from workflow.service import Refused

    with pytest.raises(Refused):
        alerts.one(watched.service, Principal("x", "supervisor"), alert.id)


def test_what_no_longer_stands_is_cleared_and_can_come_back(watched: Office):
    case_id = watched.case(1)
    watched.clock.set("2024-01-22 09:00")
    send(watched, case_id, "2024-01-09T15:00:00", "first_energy")
    sweep(watched)
    # Told: D29. L02 is an alert of the ladder of limits already, and not told again.
    with watched.service.database.read() as tx:
        told = [(row.key, row.level, row.status) for row in tx.list_alerts(AlertFilter())]
    assert told == [("D29", "yellow", "open")]
    assert {row.rule for row in stored(watched)} == {"D29", "L02"}
    assert all(row.told_at is not None for row in stored(watched))


def ended_and_filed_anew(office: Office, on: str, **ending: Any) -> dict[str, set[tuple[str, str]]]:
    """A case accepted on Monday 2024-01-08, whose limit of five working days is the 15th, ended `on` that day; its need
    is filed anew a day later, at the same address under other premises."""
    old = office.case(1)
    office.clock.set(on)
    assert office.desk.do(old, **ending).refusal is None
    sweep(office)
    office.clock.set("2024-01-16 09:00")
    new = office.case(2, customer={"id": "C1", "name": "张三", "phone": "13800000000"},
                      premises={"id": "P-9", "address": "演示路 1 号"})  # fmt: skip
    sweep(office)
    names = {old: "old", new: "new"}
    found: dict[str, set[tuple[str, str]]] = {"old": set(), "new": set()}
    for row in stored(office):
        found[names[row.case_id]].add((row.rule, row.severity))
    return found


def test_ended_near_the_limit_and_filed_anew(watched: Office):
    found = ended_and_filed_anew(watched, "2024-01-11 16:00", name="terminate", reason="other")  # two of five days left
    assert found["old"] == {("D14", "critical")}
    assert found["new"] == {("D35", "medium")}
    (row,) = [one for one in stored(watched) if one.rule == "D14"]
    assert row.told_at is not None
    assert "application.terminate" in row.evidence
    assert ("watch", "【检查发现】") in letters(watched)


def test_ended_early_and_filed_anew(watched: Office):
    found = ended_and_filed_anew(watched, "2024-01-10 16:00", name="terminate", reason="other")  # three of five left
    assert found == {"old": set(), "new": {("D35", "medium")}}


def test_ended_by_the_customer_and_filed_anew(watched: Office):
    proof = {"ref": "APP-1", "source": "customer_app"}
    found = ended_and_filed_anew(watched, "2024-01-12 16:00", name="withdraw", reason="不办了", evidence=proof)
    assert found == {"old": set(), "new": set()}


def test_a_command_is_judged_by_the_sweep(watched: Office):
    case_id = watched.case(1)
    watched.clock.set("2024-01-15 10:00")
    answer = watched.desk.do(
        case_id, "complete_step", step="metering", occurred_at="2024-01-09T10:00:00", reason="补录"
    )
    assert answer.refusal is None
    assert stored(watched) == []
    sweep(watched)
    assert {row.rule for row in stored(watched)} == {"D11"}
    before = stored(watched)
    sweep(watched)
    assert stored(watched) == before


def completed_late(office: Office, case_id: str) -> None:
    answer = office.desk.do(case_id, "complete_step", step="metering", occurred_at="2024-01-09T10:00:00", reason="补录")
    assert answer.refusal is None


def test_a_worker_that_runs_once_leaves_nothing_whenever_the_last_round_was(watched: Office):
    case_id = watched.case(1)
    watched.clock.set("2024-01-15 10:00")
    sweep(watched)  # a round ends
    watched.clock.set("2024-01-15 10:01")
    completed_late(watched, case_id)
    sweep(watched)
    assert stored(watched) == []  # the next round is for 10:10
    run_once(watched.service)
    assert {row.rule for row in stored(watched)} == {"D11"}


def test_a_round_without_room_to_begin_is_not_taken_for_ended(watched: Office, monkeypatch: pytest.MonkeyPatch):
    case_id = watched.case(1)
    watched.clock.set("2024-01-15 10:00")
    completed_late(watched, case_id)
    with monkeypatch.context() as patch:
        patch.setattr("workflow.alerts.sweep.Run.__init__.__defaults__", (0, 20.0))
        assert sweep(watched).cut_short
    sweep(watched)
    assert {row.rule for row in stored(watched)} == {"D11"}


def test_many_records_at_once_are_judged_by_the_sweep(watched: Office):
    ids = [watched.case(number) for number in range(1, 24)]
    sent = [
        {"case_id": one, "activity": "meter_installed", "occurred_at": "2024-01-03T15:00:00", "source": "metering"}
        for one in ids
    ]
    watched.service.receive_evidence(CLERK, sent)
    assert stored(watched) == []
    sweep(watched)
    assert sorted(row.case_id for row in stored(watched)) == sorted(ids)
    assert len(letters(watched)) == 2 * 23


def test_workers_at_once_find_and_tell_once(database_url: str):
    clock = HandClock("2024-01-08 09:00")
    services = [Service.open(database_url, book=shipped_book(), clock=clock) for _ in range(3)]
    offices = [Office(services[0], clock, [*STAFF, *INSPECTORS])]
    offices += [Office(one, clock, []) for one in services[1:]]
    ids = [offices[0].case(number) for number in range(1, 13)]
    for one in services:
        one.judging.prepare()
    sent = [
        {"case_id": one, "activity": "meter_installed", "occurred_at": "2024-01-03T15:00:00", "source": "metering"}
        for one in ids
    ]
    barrier, faults = threading.Barrier(3), []

    def work(office: Office, records: list[dict[str, Any]]) -> None:
        try:
            barrier.wait()
            office.service.receive_evidence(CLERK, records)
            sweep(office)
        except Exception as error:  # noqa: BLE001  # told by the assertion below
            faults.append(error)

    # The same records from three sides, in different orders.
    threads = [
        threading.Thread(target=work, args=(office, order))
        for office, order in zip(offices, (sent, sent[::-1], sent[6:] + sent[:6]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    for office in offices:
        sweep(office)
    rows = stored(offices[0])
    assert sorted(row.case_id for row in rows) == sorted(ids)
    with services[0].database.read() as tx:
        assert all([event.type for event in tx.finding_events(row.id)] == ["found"] for row in rows)
        assert tx.cases_to_judge("2024-01-08", "", 99) == []
    assert len(letters(offices[0])) == 2 * 12
    for one in services:
        one.close()


def test_two_records_of_one_case_at_once_are_both_judged(database_url: str):
    """Each service sees its own record before it commits; whoever comes second must see both."""
    clock = HandClock("2024-01-08 09:00")
    services = [Service.open(database_url, book=shipped_book(), clock=clock) for _ in range(2)]
    office = Office(services[0], clock)
    for number in range(1, 9):
        case_id = office.case(number)
        barrier = threading.Barrier(2)

        def work(service: Service, activity: str, case_id: str = case_id, barrier: threading.Barrier = barrier) -> None:
            record = {"case_id": case_id, "activity": activity, "occurred_at": "2024-01-03T15:00:00",
                      "source": "metering"}  # fmt: skip
            barrier.wait()
            service.receive_evidence(CLERK, [record])

        threads = [
            threading.Thread(target=work, args=(service, activity))
            for service, activity in zip(services, ("meter_installed", "first_energy"), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with services[0].database.read() as tx:
            assert {row.rule for row in tx.findings_of("", case_id) if row.stands} == {"D01", "D02"}
    for one in services:
        one.close()


def test_a_case_nobody_can_judge_keeps_nobody_from_theirs(watched: Office, monkeypatch, tmp_path: Path):
    first, second = watched.case(1), watched.case(2)
    real = watched.service.judging.rules

    class Broken:
        rules = real.rules

        def judge(self, calendar: Any, case: Any, events: Any, *more: Any, **known: Any) -> Any:
            if case["case_id"] == first:
                raise ValueError("torn")
            return real.judge(calendar, case, events, *more, **known)

    monkeypatch.setattr(watched.service.judging, "_rules", Broken())
    send(watched, first)
    send(watched, second)
    row = watched.pulse.beat(Sweep("findings", findings.sweep))
    assert row.error is not None
    assert "torn" in row.error
    assert [row.case_id for row in stored(watched)] == [second]
    monkeypatch.setattr(watched.service.judging, "_rules", real)
    sweep(watched)
    assert {row.case_id for row in stored(watched)} == {first, second}
