"""What the customer is told: once, to the number on record, with the proof in the case's history."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from storage import Database, MessageFilter, MessageRow, StaffRow, verify
from tests.alerts.mailroom import Mailroom
from tests.alerts.receivers import Receiver, receiver
from tests.core.driver import shipped_book
from tests.service.conftest import HandClock
from workflow.alerts import customer, digest
from workflow.alerts.sweep import Run
from workflow.core.times import write
from workflow.service import Service


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def office(database: Database) -> Iterator[Mailroom]:
    service = Service(database, shipped_book(), HandClock("2026-01-05T10:00"))
    yield Mailroom(service, service.clock)  # type: ignore[arg-type]  # the clock given above
    service.writer.close()


def sweep(office: Mailroom) -> Run:
    run = Run(office.service, "worker-1", threading.Event())
    customer.sweep(run)
    return run


def gateway(office: Mailroom, web: Receiver, mode: str = "ok", org: str | None = None) -> str:
    return office.destination(f"json://127.0.0.1:{web.port}/{mode}?:to={{phone}}", "customer", org)


def queued(office: Mailroom) -> list[MessageRow]:
    with office.service.database.read() as tx:
        return sorted(tx.list_messages(MessageFilter(kind="customer_notice")), key=lambda row: row.dedupe)


def notices(office: Mailroom, case_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.desk.shown(case_id)["notices"]
    return found


def test_the_customer_gets_each_notice_once_and_the_history_its_proof(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    number = office.desk.shown(case_id)["application_no"]
    for _ in range(3):
        sweep(office)
    assert office.run().sent == 3
    sweep(office)
    assert office.run().looked == 0

    told = [json.loads(one.body) for one in web.received]
    assert {one["to"] for one in told} == {"13800000000"}
    texts = " ".join(one["message"] for one in told)
    hotlines = [one["message"] for one in told if "12398" in one["message"]]
    assert len(hotlines) == 1
    assert "95598" in hotlines[0]  # both lines in one message [L47]
    assert "三省" in texts  # high voltage
    assert number in texts

    shown = office.desk.shown(case_id)
    assert shown["notices_due"] == []
    given = notices(office, case_id)
    assert sorted(one["notice"] for one in given) == ["hotlines", "policy", "progress"]
    assert {one["channel"] for one in given} == {"sms"}
    events = [one for one in office.desk.service.events(_reader(), case_id)["items"] if one["type"] == "notified"]
    assert {one["actor"] for one in events} == {"outbox"}
    by_id = {row.id: row for row in queued(office)}
    for one in given:
        reference, digest_ = one["proof"].split()
        row = by_id[reference.removeprefix("message:")]
        assert json.loads(row.body)["notice"] == one["notice"]
        assert len(digest_.removeprefix("sha256:")) == 64
        # Neither the outbox nor the history holds the number.
        assert "13800000000" not in row.body + (row.proof or "") + (row.last_error or "")
    assert "13800000000" not in json.dumps(events, default=str)
    with office.service.database.read() as tx:
        assert verify(tx).holds


def _reader() -> Any:
    from workflow.core.events import Principal

    return Principal("inspector", "inspector")


def test_zero_investment_classes_read_of_the_three_zeros(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    office.desk.submit("residential", 1, org="JA")
    sweep(office)
    assert any("三零" in row.body for row in queued(office))
    assert not any("三省" in row.body for row in queued(office))


def test_killed_between_sending_and_recording_the_notice_is_in_the_history_once(
    office: Mailroom, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    sweep(office)

    async def lost(*_: object, **__: object) -> None:
        """The worker died here."""

    with monkeypatch.context() as patched:
        patched.setattr(type(office.delivery), "_recorded", lost)
        patched.setattr(type(office.delivery), "_give_back", lambda _: None)
        office.run()
    assert (len(web.received), notices(office, case_id)) == (3, [])
    office.later(seconds=121)  # the lease has run out
    assert office.run().sent == 3
    assert len(web.received) == 6  # at least once to the customer
    assert sorted(one["notice"] for one in notices(office, case_id)) == ["hotlines", "policy", "progress"]


def test_recorded_twice_at_the_same_moment_is_recorded_once(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    sweep(office)
    row, now = queued(office)[0], office.clock.now()
    for status in (200, 201):  # two workers, two answers
        office.write(lambda tx, s=status: customer.record(office.service, tx, row, now, {"status": s}))
    assert len(notices(office, case_id)) == 1
    assert json.loads(office.message(row.id).proof or "") == {"status": 200}


def test_a_notice_given_by_hand_with_proof_is_not_sent_again(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    office.desk.do(case_id, "notify", notice="hotlines", channel="hall", evidence={"ref": "签收单 1"})
    sweep(office)
    assert [json.loads(row.body)["notice"] for row in queued(office)] == ["policy", "progress"]
    office.desk.do(case_id, "notify", notice="policy", channel="hall", evidence={"ref": "签收单 2"})
    office.run()
    assert [row.status for row in queued(office)] == ["cancelled", "sent"]


def test_a_notice_said_to_be_given_without_proof_is_sent_and_proved(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    office.desk.do(case_id, "notify", notice="hotlines", channel="sms")
    sweep(office)
    assert office.run().sent == 3
    assert [one["proof"] is None for one in notices(office, case_id) if one["notice"] == "hotlines"] == [True, False]


def test_without_a_number_a_notice_is_dead_and_still_due(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case(customer={"id": "C9"})
    sweep(office)
    office.run()
    assert {row.status for row in queued(office)} == {"dead"}
    assert "notify" in (queued(office)[0].last_error or "")
    assert len(office.desk.shown(case_id)["notices_due"]) == 3


def test_after_erasure_nobody_is_written_to(office: Mailroom, web: Receiver) -> None:
    gateway(office, web)
    office.later(minutes=1)
    case_id = office.case()
    sweep(office)
    office.write(lambda tx: tx.erase_personal(case_id))
    office.run()
    assert {row.status for row in queued(office)} == {"cancelled"}
    assert web.received == []


def test_applications_from_before_the_gateway_and_brought_in_late_are_left_alone(
    office: Mailroom, web: Receiver
) -> None:
    office.case(1)
    assert sweep(office).looked == 0  # no gateway: nothing to look at
    office.later(minutes=1)
    gateway(office, web, org="JA")
    office.later(days=20)
    office.case(2, occurred_at=write(office.clock.now().replace(day=12)), reason="补录")
    office.desk.submit("hv_single", 3)  # of no unit: the gateway of JA is not theirs
    sweep(office)
    assert queued(office) == []
    office.case(4)
    sweep(office)
    assert len(queued(office)) == 3


def test_many_applications_are_looked_at_in_pages(
    office: Mailroom, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer, "PAGE", 4)
    gateway(office, web)
    office.later(minutes=1)
    for number in range(10):
        office.case(number)
    run = sweep(office)
    assert (run.looked, run.done, len(queued(office))) == (10, 30, 30)
    assert sweep(office).done == 0


# ---- the morning list ------------------------------------------------------------------------------------------------


def morning(office: Mailroom) -> list[MessageRow]:
    run = Run(office.service, "worker-1", threading.Event())
    digest.sweep(run)
    with office.service.database.read() as tx:
        return tx.list_messages(MessageFilter(kind="digest"))


def test_the_morning_list_names_what_is_overdue_due_today_and_next(office: Mailroom) -> None:
    office.service.put_staff(
        [
            StaffRow("wang", "王", "JA", "manager", "json://127.0.0.1/", None),
            StaffRow("li", "李", "JA", "manager", None, None),
            StaffRow("boss", "主管", "WH", "supervisor", None, None),
            StaffRow("clerk", "员", "JA", "front_line", None, None),
        ]
    )
    case_id = office.case(manager="wang")  # acceptance: one working day from Monday the 5th, due Tuesday the 6th
    number = office.desk.shown(case_id)["application_no"]
    expected = {"05": (0, 0, 1), "06": (0, 1, 0), "07": (1, 0, 0), "08": (1, 0, 0)}
    for day, counts in expected.items():
        office.clock.set(f"2026-01-{day}T08:29")
        before = len(morning(office))
        office.clock.set(f"2026-01-{day}T08:30")
        assert len(morning(office)) == len(morning(office)) == before + 3  # inbox and address of wang, inbox of boss
        body = json.loads(next(row.body for row in morning(office) if row.recipient == "wang"))
        assert body["title"] == (
            f"【晨会清单】2026-01-{day}: 已超期 {counts[0]}, 今日到期 {counts[1]}, 下一工作日到期 {counts[2]}"
        )
        assert f"{number}, 截止 2026-01-06" in body["text"]
        assert f"{counts[0]} overdue, {counts[1]} due today, {counts[2]} due on" in body["text"]
        assert "张三" not in body["text"]
    assert {row.recipient for row in morning(office)} == {"wang", "boss"}  # who has nothing gets nothing
    assert "已超 2 个工作日" in json.loads(morning(office)[0].body)["text"]
    before = len(morning(office))
    office.clock.set("2026-01-10T09:00")  # a Saturday
    assert len(morning(office)) == before


def test_the_morning_list_marks_the_date_it_names_not_another(office: Mailroom) -> None:
    """The calendar is firm until 2026-12-21. Acceptance of Wednesday the 9th is due on the 10th, which is firm, though
    the sum of its steps ends in 2027; acceptance of Monday the 21st is due on the 22nd, which is not."""
    office.service.put_staff([StaffRow("wang", "王", "JA", "manager", None, None)])
    for day, following, due in (("09", "10", "2026-12-10, "), ("21", "22", "2026-12-22(暂定), ")):
        office.clock.set(f"2026-12-{day}T10:00")
        number = office.desk.shown(office.case(int(day), manager="wang"))["application_no"]
        office.clock.set(f"2026-12-{following}T09:00")
        assert f"{number}, 截止 {due}" in json.loads(morning(office)[0].body)["text"]


def test_a_list_cut_short_leaves_out_what_is_least_urgent(office: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MOST_COUNTED", 1)
    office.service.put_staff([StaffRow("wang", "王", "JA", "manager", None, None)])
    first = office.desk.shown(office.case(manager="wang"))["application_no"]  # due on Tuesday the 6th
    office.clock.set("2026-01-07T08:00")
    office.case(manager="wang")  # newer, and due on Thursday the 8th
    office.clock.set("2026-01-07T09:00")
    body = json.loads(morning(office)[0].body)
    assert first in body["text"]
    assert "已超期 1+" in body["title"]


def test_a_list_of_yesterday_is_not_sent(office: Mailroom, web: Receiver) -> None:
    office.staff(f"mailto://127.0.0.1:{web.port}/?from=a@example.com&to=b@example.com")
    message = office.queue("wang", "apprise", kind="digest", body='{"title":"t","text":"x","date":"2026-01-04"}')
    office.run()
    assert office.message(message).status == "cancelled"
