"""Messages are queued once, leased to one worker at a time, and end sent, dead or cancelled."""

from __future__ import annotations

import pytest

from storage import Database, DestinationRow, MessageFilter, Rejected
from tests.storage.alert_samples import LATER, LATEST, alert, message
from tests.storage.samples import MOMENT


def test_a_message_is_queued_once_by_its_dedupe(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m1"), message("m2")])
        tx.queue_messages([message("m3", dedupe="m1", body="[]"), message("m4")])
        tx.queue_messages([])
        assert [row.id for row in tx.list_messages(MessageFilter())] == ["m4", "m2", "m1"]
        assert tx.message("m1") == tx.message_by_dedupe("m1") == message("m1")
        assert tx.message("m3") is tx.message_by_dedupe("zz") is None


def test_a_cancelled_message_goes_out_after_all_when_it_is_queued_again(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m1")])
        assert tx.cancel_messages(["m1", "zz"]) == 1
        assert tx.cancel_messages([]) == 0
        tx.queue_messages([message("m9", dedupe="m1", not_before=LATER)])
        assert tx.message("m1") == message("m1", not_before=LATER)
        tx.message_sent("m1", LATER, None)
        tx.queue_messages([message("m9", dedupe="m1", not_before=LATEST)])
        found = tx.message("m1")
        assert found is not None
        assert (found.status, found.not_before) == ("sent", LATER)


def test_a_lease_is_one_workers_until_it_runs_out(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m3", not_before=LATER), message("m2"), message("m1"), message("m4")])
        taken = tx.lease_messages("a", MOMENT, LATER, 2)
        assert taken == [message(name, claimed_by="a", claimed_until=LATER) for name in ("m1", "m2")]
        assert [row.id for row in tx.lease_messages("b", MOMENT, LATER, 9)] == ["m4"]
        assert tx.lease_messages("c", MOMENT, LATER, 9) == []
        assert [row.id for row in tx.lease_messages("c", LATER, LATEST, 9)] == ["m1", "m2", "m4", "m3"]


def test_two_workers_lease_different_messages_at_once(postgresql_url: str):
    first, second = Database.open(postgresql_url), Database.open(postgresql_url)
    with first.write() as tx:
        tx.queue_messages([message(f"m{n}") for n in range(5)])
    with first.write() as one, second.write() as two:
        taken = [[row.id for row in tx.lease_messages(name, MOMENT, LATER, 3)] for tx, name in ((one, "a"), (two, "b"))]
    assert taken == [["m0", "m1", "m2"], ["m3", "m4"]]
    for each in (first, second):
        each.close()


def test_messages_of_cleared_alerts_are_cancelled_instead_of_taken(database: Database):
    with database.write() as tx:
        tx.raise_alerts([alert("a1"), alert("a2", "c2")])
        tx.queue_messages([message("m1", alert_id="a1"), message("m2", alert_id="a2"), message("m3", alert_id="gone")])
        tx.clear_alerts("c1", ["total"], LATER, "met")
        assert [row.id for row in tx.lease_messages("w", MOMENT, LATER, 9)] == ["m2", "m3"]
        cancelled = tx.message("m1")
        assert cancelled is not None
        assert cancelled.status == "cancelled"


def test_an_attempt_that_failed_is_made_again_later_or_never(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m1")])
        tx.lease_messages("w", MOMENT, LATER, 9)
        assert not tx.message_failed("m1", "other", "500", LATER)
        assert tx.message_failed("m1", "w", "500", LATER)
        assert tx.message("m1") == message("m1", attempts=1, last_error="500", not_before=LATER)
        assert tx.lease_messages("w", MOMENT, LATER, 9) == []
        tx.lease_messages("w", LATER, LATEST, 9)
        assert tx.message_failed("m1", "w", "hung", None)
        assert tx.message("m1") == message("m1", attempts=2, last_error="hung", not_before=LATER, status="dead")
        assert [row.id for row in tx.list_messages(MessageFilter(status="dead"))] == ["m1"]
        assert (tx.pending_count(), tx.dead_count()) == (0, 1)
        assert tx.lease_messages("w", LATEST, LATEST, 9) == []
        assert tx.retry_message("m1", LATEST)
        assert not tx.retry_message("m1", LATEST)
        assert tx.message("m1") == message("m1", attempts=0, last_error="hung", not_before=LATEST)


def test_what_was_sent_is_sent_whoever_holds_the_lease(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m1")])
        tx.lease_messages("w", MOMENT, LATER, 9)
        tx.lease_messages("v", LATER, LATEST, 9)
        assert tx.message_sent("m1", LATER, '{"status": 204}')
        assert not tx.message_sent("m1", LATEST, None)
        assert not tx.message_failed("m1", "v", "500", LATEST)
        assert not tx.retry_message("m1", LATEST)
        assert tx.message("m1") == message("m1", status="sent", sent_at=LATER, proof='{"status": 204}', attempts=1)


def test_a_worker_that_stops_gives_its_leases_back(database: Database):
    with database.write() as tx:
        tx.queue_messages([message("m1"), message("m2"), message("m3")])
        tx.lease_messages("w", MOMENT, LATEST, 2)
        tx.lease_messages("v", MOMENT, LATEST, 2)
        assert tx.postpone_messages(["m1", "m3"], "w", LATER) == 1
        assert tx.postpone_messages([], "w", LATER) == 0
        assert tx.release_messages("w") == 1
        assert [row.id for row in tx.lease_messages("u", MOMENT, LATEST, 9)] == ["m2"]
        assert [row.id for row in tx.lease_messages("u", LATER, LATEST, 9)] == ["m1"]


def test_how_long_the_oldest_has_been_waiting(database: Database):
    with database.write() as tx:
        assert tx.oldest_unsent(LATEST) is None
        tx.queue_messages([message("m1", not_before=LATER), message("m2", not_before=LATEST)])
        assert tx.oldest_unsent(MOMENT) is None
        assert tx.oldest_unsent(LATEST) == LATER
        tx.message_sent("m1", LATEST, None)
        assert tx.oldest_unsent(LATEST) == LATEST


def test_an_inbox_is_a_list_of_ones_own_messages(database: Database):
    with database.write() as tx:
        tx.queue_messages(
            [message(f"m{n}", recipient=f"w{n % 2}", channel="inbox", dedupe=f"a{n}:w:inbox") for n in range(4)]
        )
        assert tx.read_message("m1", LATER)
        assert not tx.read_message("m1", LATEST)
        assert [row.id for row in tx.list_messages(MessageFilter(recipient="w1", channel="inbox"))] == ["m3", "m1"]
        assert [row.id for row in tx.list_messages(MessageFilter(recipient="w1", unread=True))] == ["m3"]
        assert [row.id for row in tx.list_messages(MessageFilter(recipient="w1", unread=False))] == ["m1"]
        assert [row.id for row in tx.list_messages(MessageFilter(alert_id="a2"))] == ["m2"]
        assert [row.id for row in tx.list_messages(MessageFilter(scope="wuhan"), before="m2", limit=1)] == ["m1"]
        assert tx.list_messages(MessageFilter(scope="elsewhere")) == []


def test_destinations(database: Database):
    row = DestinationRow(
        "d1", "营销系统", "webhook", "https://x/hook", "whsec_x", "wuhan", '["alert"]', MOMENT, "key:a"
    )
    with database.write() as tx:
        tx.add_destination(row)
        tx.add_destination(row._replace(id="d2", org=None, created_at=LATER))
        assert tx.destination("d1") == row
        assert tx.destination("d9") is None
        assert [one.id for one in tx.destinations()] == ["d1", "d2"]
        assert [one.id for one in tx.destinations("wuhan")] == ["d1"]
        assert tx.disable_destination("d1", LATER)
        assert not tx.disable_destination("d1", LATEST)
        assert tx.destination("d1") == row._replace(disabled_at=LATER)
    with pytest.raises(Rejected), database.write() as tx:
        tx.add_destination(row._replace(id="d3", kind="pigeon"))


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "x"}, {"channel": "x"}, {"status": "x"}, {"status": "sent"}, {"attempts": -1}, {"not_before": "x"}],
)
def test_the_schema_refuses_what_makes_no_sense(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.queue_messages([message("m1", **wrong)])
