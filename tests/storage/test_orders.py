"""Supervision orders, causes of breaches, feeds."""

from __future__ import annotations

import pytest

from storage import CauseRow, Database, FeedRow, Rejected
from tests.storage.alert_samples import LATER, LATEST, order
from tests.storage.samples import MOMENT, deadline, store


def test_an_order_is_answered_then_closed(database: Database):
    with database.write() as tx:
        tx.add_order(order("o1", alert_id="a1"))
        tx.add_order(order("o2", org="elsewhere", case_id=None, look_on=None))
        assert tx.order("o1") == order("o1", alert_id="a1")
        assert tx.order("o9") is None
        assert not tx.close_order("o1", "x", "w9", LATER)
        assert tx.answer_order("o1", "已安排", "w1", LATER)
        assert not tx.answer_order("o1", "又", "w1", LATEST)
        assert tx.close_order("o1", "同意", "w9", LATEST)
        assert not tx.close_order("o1", "同意", "w9", LATEST)
        assert tx.order("o1") == order(
            "o1", alert_id="a1", status="closed", answer="已安排", answered_by="w1", answered_at=LATER,
            closing_note="同意", closed_by="w9", closed_at=LATEST, look_on=None,
        )  # fmt: skip
        assert [row.id for row in tx.list_orders()] == ["o2", "o1"]
        assert [row.id for row in tx.list_orders(before="o2", limit=5)] == ["o1"]
        assert [row.id for row in tx.list_orders(scope="wuhan")] == ["o1"]
        assert [row.id for row in tx.list_orders(status="open")] == ["o2"]
        assert [row.id for row in tx.list_orders(case_id="c1", alert_id="a1")] == ["o1"]
        assert tx.list_orders(scope="wuhan", org="elsewhere") == []


def test_reply_dates_are_looked_at_until_the_answer(database: Database):
    with database.write() as tx:
        for number, look in enumerate(["2026-01-08", "2026-01-07", "2026-01-09", None]):
            tx.add_order(order(f"o{number}", look_on=look))
        assert [row.id for row in tx.due_order_looks("2026-01-08", 9, lock=True)] == ["o1", "o0"]
        assert [row.id for row in tx.due_order_looks("2026-01-08", 1)] == ["o1"]
        tx.move_order_looks([("2026-01-12", "o1")])
        tx.answer_order("o0", "x", "w1", LATER)
        assert tx.due_order_looks("2026-01-08", 9) == []


def test_of_the_stated_causes_all_are_kept(database: Database):
    first = CauseRow("k2", "c1", "total", "utility", None, "w1", MOMENT)
    second = CauseRow("k1", "c1", "total", "material", "电缆未到货", "w2", LATER)
    with database.write() as tx:
        tx.add_cause(second)
        tx.add_cause(first)
        assert tx.causes(["c1"]) == [first, second]
        assert tx.causes(["c2"]) == []


def test_breaches_are_legal_limits_ended_late_or_overdue(database: Database):
    with database.write() as tx:
        for number in range(5):
            store(tx, f"c{number}", org="wuhan" if number else "elsewhere")
        tx.put_deadlines(
            [
                deadline("c0", status="breached"),
                deadline("c1", status="breached", due_on="2026-01-06"),
                deadline("c2", due_on="2026-01-06"),
                deadline("c3", due_on="2026-01-07"),
                deadline("c3", "milestone:visit", scope="milestone", status="breached"),
                deadline("c4", "plan", scope="plan", due_on="2026-01-06"),
                deadline("c4", status="met", due_on="2026-01-06"),
            ]
        )
        tx.add_cause(CauseRow("k1", "c1", "total", "utility", None, "w1", MOMENT))

        def found(**narrowed: object) -> list[str]:
            return [row.case_id for row in tx.breaches("2026-01-07", **narrowed)]  # type: ignore[arg-type]  # options

        assert found() == ["c2", "c1", "c0"]
        assert found(scope="wuhan") == ["c2", "c1"]
        assert found(with_cause=False) == ["c2", "c0"]
        assert found(with_cause=True) == ["c1"]
        assert found(before=("c2", "total"), limit=1) == ["c1"]
        row = tx.breaches("2026-01-07")[0]
        assert (row.application_no, row.key, row.due_on, row.provisional) == ("Ac2", "total", "2026-01-06", False)


def test_feeds_are_found_by_the_hash_of_their_token(database: Database):
    feed = FeedRow("f1", "a" * 64, "w1", "wuhan", MOMENT, "key:a")
    with database.write() as tx:
        tx.add_feed(feed)
        tx.add_feed(feed._replace(id="f2", token_hash="b" * 64, org=None, created_at=LATER))
        assert tx.feed("a" * 64) == feed
        assert tx.feed("c" * 64) is None
        assert [row.id for row in tx.feeds()] == ["f1", "f2"]
        assert [row.id for row in tx.feeds("wuhan")] == ["f1"]
        assert tx.revoke_feed("f1", LATER)
        assert not tx.revoke_feed("f1", LATEST)
        assert tx.feed("a" * 64) == feed._replace(revoked_at=LATER)
    with pytest.raises(Rejected), database.write() as tx:
        tx.add_feed(feed._replace(id="f3", token_hash="short"))


def test_a_feed_shows_what_runs_of_one_manager(database: Database):
    with database.write() as tx:
        store(tx, "c1", manager="w1")
        store(tx, "c2", manager="w1", org="elsewhere")
        store(tx, "c3", manager="w2")
        store(tx, "c4", manager="w1", state="energised", closed_at=MOMENT)
        tx.put_deadlines(
            [
                deadline("c1", due_on="2026-01-09", provisional=True),
                deadline("c1", "plan", scope="plan", due_on="2026-01-07"),
                deadline("c1", "step:acceptance:1", status="met"),
                deadline("c2"),
                deadline("c3"),
                deadline("c4"),
            ]
        )
        found = tx.dated_deadlines("w1")
        assert [(row.case_id, row.key, row.provisional) for row in found] == [
            ("c1", "plan", False),
            ("c1", "total", True),
            ("c2", "total", False),
        ]
        assert [row.case_id for row in tx.dated_deadlines("w1", "wuhan")] == ["c1", "c1"]
        assert [row.key for row in tx.dated_deadlines("w1", limit=1)] == ["plan"]


@pytest.mark.parametrize("wrong", [{"status": "answered"}, {"status": "closed"}, {"status": "x"}, {"reply_by": "x"}])
def test_the_schema_refuses_what_makes_no_sense(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.add_order(order("o1", **wrong))
