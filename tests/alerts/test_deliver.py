"""From the outbox to the receiver: what is sent when, what is recorded, what a failing receiver does to the rest."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from email import message_from_string, policy

import pytest
from standardwebhooks import Webhook

from storage import Database, MessageFilter, Tx
from tests.alerts.mailroom import ALLOWED, QUICK, SECRET, Mailroom
from tests.alerts.receivers import MailServer, Receiver, receiver
from tests.core.driver import shipped_book
from tests.service.conftest import HandClock
from workflow.alerts import deliver
from workflow.alerts.deliver import Delivered, Delivery
from workflow.core.times import write
from workflow.service import Service

MONDAY = "2026-01-05T10:00"  # a working day, in working hours


@pytest.fixture
def clock() -> HandClock:
    return HandClock(MONDAY)


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def mail() -> Iterator[MailServer]:
    one = MailServer()
    yield one
    one.close()


@pytest.fixture
def office(database: Database, clock: HandClock) -> Iterator[Mailroom]:
    service = Service(database, shipped_book(), clock)
    yield Mailroom(service, clock)
    service.writer.close()


# ---- a receiver that takes it ----------------------------------------------------------------------------------------


def test_an_alert_reaches_a_system_as_a_signed_event_without_personal_data(office: Mailroom, web: Receiver) -> None:
    case_id = office.case()
    shown = office.desk.shown(case_id)
    alert = office.alert(case_id, manager="wang")
    # The receiver's clock is today's: the signature's age is checked there, so it is signed in real time.
    message = office.queue(f"destination:{office.destination(f'{web.url}/ok')}", alert=alert)
    assert office.run() == Delivered(1, 1, 0, 0, False)
    (got,) = web.received
    assert (got.id, got.event["id"], got.event["specversion"]) == (message, message, "1.0")
    assert (got.event["type"], got.event["subject"]) == ("cn.baozhuang.alert.raised", case_id)
    assert got.event["data"] == {
        "alert_id": alert.id, "subject": case_id, "case_id": case_id, "org": "JA",
        "application_no": shown["application_no"], "level": "red", "scope": "step", "step": "supply_plan",
        "key": "step:supply_plan:1", "day": "2026-01-05", "due_on": "2026-01-05", "remaining_days": 0,
        "unit": "working_days",
    }  # fmt: skip
    whole = got.body.decode()
    assert all(word not in whole for word in ("张三", "138", "演示路", "wang"))
    signed = Webhook(SECRET).sign(message, office.clock.now().astimezone(dt.UTC), whole)
    assert got.headers["webhook-signature"] == signed
    row = office.message(message)
    assert (row.status, row.attempts, row.claimed_by) == ("sent", 1, None)
    proof = json.loads(row.proof or "")
    assert (proof["status"], proof["gateway"], len(proof["answer_sha256"])) == (200, web.url, 64)


def test_a_person_reads_which_application_whose_clock_how_long_and_what_next(
    office: Mailroom, mail: MailServer
) -> None:
    person = office.staff(f"mailto://127.0.0.1:{mail.port}/?from=a@example.com&to=b@example.com")
    case_id = office.case()
    office.desk.do(case_id, "complete_step", step="acceptance")
    number = office.desk.shown(case_id)["application_no"]
    office.queue(person, "apprise", office.alert(case_id))
    assert office.run().sent == 1
    (text,) = mail.mails
    parsed = message_from_string(text, policy=policy.default)
    told = parsed.get_body(("plain", "html"))
    assert told is not None
    body = told.get_content()
    assert parsed["Subject"] == f"【红色预警】{number} 供电方案答复 今日到期"
    for part in ("截止 2026-01-05 周一", "供电企业办理", "下一步: 书面答复供电方案", "Red alert", "due today", number):
        assert part in body
    assert "张三" not in body


def test_a_telephone_number_goes_through_the_gateway_of_the_unit(
    office: Mailroom, web: Receiver, mail: MailServer
) -> None:
    person = office.staff("li@example.com")
    office.destination(f"mailto://127.0.0.1:{mail.port}/?from=a@example.com&to={{contact}}", "apprise", "WH")
    message = office.queue(person, "apprise")
    assert office.run().sent == 1, office.message(message).last_error
    assert "li@example.com" in mail.mails[0]


def test_nobody_to_reach_is_dead_at_once_and_says_what_to_do(office: Mailroom) -> None:
    message = office.queue(office.staff(None), "apprise")
    assert office.run().failed == 1
    row = office.message(message)
    assert row.status == "dead"
    assert "联系方式" in (row.last_error or "")


# ---- working hours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-01-05T17:30", "2026-01-06T08:30"),  # Monday evening
        ("2026-01-05T08:29", "2026-01-05T08:30"),
        ("2026-01-10T10:00", "2026-01-12T08:30"),  # Saturday
        ("2026-02-17T10:00", "2026-02-24T08:30"),  # Spring Festival of 2026: 15 to 23 February
    ],
)
def test_people_are_told_in_working_hours_systems_at_any(office: Mailroom, web: Receiver, now: str, opens: str) -> None:
    office.clock.set(now)
    case_id = office.case()
    alert = office.alert(case_id)
    person = office.queue(office.staff("mailto://127.0.0.1:1/?from=a@example.com&to=b@example.com"), "apprise", alert)
    system = office.queue(f"destination:{office.destination(f'{web.url}/ok')}", alert=alert)
    office.run()
    assert office.message(system).status == "sent"
    row = office.message(person)
    assert (row.status, row.attempts, row.not_before[:16]) == ("pending", 0, opens)


# ---- receivers that do not take it -----------------------------------------------------------------------------------


def test_a_receiver_that_is_down_for_an_hour_gets_everything_under_the_same_ids(
    office: Mailroom, web: Receiver
) -> None:
    web.mode = "500"
    there = f"destination:{office.destination(f'{web.url}/ok')}"
    ids = {office.queue(there) for _ in range(10)}
    for _ in range(30):  # an hour, every two minutes
        office.run()
        for gateway in office.delivery._gateways.values():
            gateway.until = 0.0  # its rest is real time
        office.later(minutes=2)
    assert {office.message(one).status for one in ids} == {"pending"}
    web.mode = None
    for _ in range(40):
        if not office.run().looked and {office.message(one).status for one in ids} == {"sent"}:
            break
        for gateway in office.delivery._gateways.values():
            gateway.until = 0.0
        office.later(minutes=5)
    assert {office.message(one).status for one in ids} == {"sent"}
    assert set(web.counts()) == ids
    bodies = {one.id: one.body for one in web.received}
    assert all(bodies[one.id] == one.body for one in web.received)  # the same event at every attempt


def test_after_the_last_attempt_a_message_is_dead_and_can_be_queued_again(office: Mailroom, web: Receiver) -> None:
    message = office.queue(f"destination:{office.destination(f'{web.url}/500')}")
    waits = []
    for _ in range(12):
        office.run()
        for gateway in office.delivery._gateways.values():
            gateway.until = 0.0
        row = office.message(message)
        if row.status == "dead":
            break
        waits.append((dt.datetime.fromisoformat(row.not_before) - office.clock.now()).total_seconds())
        office.clock.moment = dt.datetime.fromisoformat(row.not_before)
    # definitions/data/delivery.yaml: eight waits, nine attempts, each wait a fifth shorter or longer at most
    planned = (30, 120, 600, 1800, 3600, 7200, 14400, 28800)
    assert len(web.received) == 9
    assert all(0.79 * plan <= wait <= 1.21 * plan for plan, wait in zip(planned, waits, strict=True))
    assert "500" in (office.message(message).last_error or "")
    web.mode = "200"
    office.run()
    assert len(web.received) == 9  # dead is dead
    office.write(lambda tx: tx.retry_message(message, write(office.clock.now())))
    assert office.run().sent == 1
    assert {one.id for one in web.received} == {message}


def test_a_receiver_that_hangs_holds_up_nobody_else(office: Mailroom, web: Receiver) -> None:
    good = f"destination:{office.destination(f'{web.url}/ok')}"
    with receiver() as bad:
        hanging = f"destination:{office.destination(f'{bad.url}/hang')}"
        slow = [office.queue(hanging) for _ in range(200)]
        quick = [office.queue(good) for _ in range(50)]
        office.run(seconds=20.0)
        assert {office.message(one).status for one in quick} == {"sent"}
        assert {office.message(one).status for one in slow} == {"pending"}
        assert len(bad.received) <= 2 * deliver.SENDS_PER_GATEWAY  # then it was left alone
    untouched = [one for one in slow if office.message(one).attempts == 0]
    assert len(untouched) >= 190  # being left alone costs no attempt


def test_a_redirect_is_not_followed_and_is_said(office: Mailroom, web: Receiver) -> None:
    message = office.queue(f"destination:{office.destination(f'{web.url}/redirect')}")
    office.run()
    assert [one.path for one in web.received] == ["/redirect"]
    assert "不跟随转向" in (office.message(message).last_error or "")


def test_gone_disables_the_destination(office: Mailroom, web: Receiver) -> None:
    destination = office.destination(f"{web.url}/410")
    message = office.queue(f"destination:{destination}")
    office.run()
    assert office.message(message).status == "dead"
    with office.service.database.read() as tx:
        row = tx.destination(destination)
    assert row is not None
    assert row.disabled_at is not None
    assert office.message(office.queue(f"destination:{destination}")).status == "pending"
    office.run()
    assert len(web.received) == 1


def test_a_receiver_may_ask_for_more_patience(office: Mailroom, web: Receiver) -> None:
    message = office.queue(f"destination:{office.destination(f'{web.url}/429')}")
    office.run()
    wait = dt.datetime.fromisoformat(office.message(message).not_before) - office.clock.now()
    assert wait.total_seconds() == pytest.approx(120)  # longer than the first wait of about 30


# ---- what changes meanwhile ------------------------------------------------------------------------------------------


def test_the_message_of_a_cleared_alert_is_not_sent(office: Mailroom, web: Receiver) -> None:
    case_id = office.case()
    alert = office.alert(case_id)
    message = office.queue(f"destination:{office.destination(f'{web.url}/ok')}", alert=alert)
    office.write(lambda tx: tx.clear_alerts(case_id, [alert.key], write(office.clock.now()), "met"))
    office.run()
    assert office.message(message).status == "cancelled"
    assert web.received == []


def test_what_cannot_be_understood_is_dead_and_the_rest_goes_on(office: Mailroom, web: Receiver) -> None:
    there = f"destination:{office.destination(f'{web.url}/ok')}"
    bad, good = office.queue(there, body="{", kind="event"), office.queue(there)
    office.run()
    assert (office.message(bad).status, office.message(good).status) == ("dead", "sent")


def test_told_to_stop_it_finishes_what_is_under_way_and_gives_the_rest_back(office: Mailroom, web: Receiver) -> None:
    web.delay = 0.3
    there = f"destination:{office.destination(f'{web.url}/ok')}"
    ids = [office.queue(there) for _ in range(40)]
    stop = threading.Event()
    threading.Timer(0.45, stop.set).start()
    done = office.run(stop=stop)
    rows = [office.message(one) for one in ids]
    assert {row.claimed_by for row in rows} == {None}
    assert done.sent == sum(row.status == "sent" for row in rows) == len(web.received)
    assert 0 < done.sent < 40
    web.delay = 0.0
    office.later(seconds=10)
    office.run()
    assert web.counts() == dict.fromkeys(ids, 1)


def test_a_lease_that_was_left_behind_runs_out(office: Mailroom, web: Receiver) -> None:
    message = office.queue(f"destination:{office.destination(f'{web.url}/ok')}")

    def take(tx: Tx) -> object:
        now = office.clock.now()
        return tx.lease_messages("dead-worker", write(now), write(now + dt.timedelta(seconds=120)), 10)

    assert office.write(take)
    office.run()
    assert office.message(message).status == "pending"
    office.later(seconds=121)
    office.run()
    assert (office.message(message).status, web.counts()) == ("sent", {message: 1})


def test_two_workers_share_an_outbox(office: Mailroom, web: Receiver) -> None:
    there = f"destination:{office.destination(f'{web.url}/ok')}"
    ids = [office.queue(there) for _ in range(60)]
    other = Delivery(office.service, "worker-2", addresses=ALLOWED, limits=QUICK)
    threads = [threading.Thread(target=one.run) for one in (office.delivery, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    office.later(seconds=10)
    office.run()
    assert web.counts() == dict.fromkeys(ids, 1)
    with office.service.database.read() as tx:
        assert tx.list_messages(MessageFilter(status="pending")) == []
