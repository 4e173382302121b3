"""What a transaction gathers before it sends it: nobody can tell, but by the time it takes; on both databases."""

# ruff: noqa: PT012  # what raises here is the end of the transaction, and what led to it belongs inside

from __future__ import annotations

from collections.abc import Sequence

import pytest

from storage import Contention, Database, Duplicate, RoundRow, Tx
from tests.storage.samples import MOMENT, deadline, event, store


def test_what_waits_is_seen_by_whoever_reads_in_the_same_transaction(database: Database):
    with database.write() as tx:
        first = store(tx, "c1")
        head = tx.append_events("c1", 2, first.head_hash, [event(type="assigned")])
        assert [row.type for row in tx.events("c1")][1:] == ["assigned"]
        second = first._replace(version=2, head_hash=head, manager="张三")
        tx.update_case(second, first)
        assert tx.lock_head("c1") == head
        tx.put_rounds([RoundRow("c1", "acceptance", 1, MOMENT, None, None, None)])
        assert len(tx.rounds("c1")) == 1
        tx.put_deadlines([deadline("c1", "total", due_on="2026-01-20")])
        assert [row.due_on for row in tx.deadlines("c1")] == ["2026-01-20"]
        tx.put_deadlines([deadline("c1", "total", due_on="2026-01-21")])
        tx.delete_deadlines("c1", ["total"])
        assert tx.deadlines("c1") == []
        third = second._replace(version=3, manager=None)
        tx.update_case(third, second)
        assert tx.case_by_number(third.application_no) == third


def test_two_changes_of_one_application_keep_their_order_whatever_others_change(database: Database):
    with database.write() as tx:
        one, other = store(tx, "c1"), store(tx, "c2")
    with database.write() as tx:
        tx.update_case(other._replace(version=2, state="supply_plan.waiting"), other)  # c1 changes so later
        named = one._replace(version=2, manager="张三")
        tx.update_case(named, one)
        tx.update_case(named._replace(version=3, state="supply_plan.waiting"), named)
    with database.read() as tx:
        found = tx.case("c1")
    assert found is not None
    assert (found.version, found.manager, found.state) == (3, "张三", "supply_plan.waiting")


def test_one_stale_row_among_many_keeps_all_of_them_out(database: Database):
    with database.write() as tx:
        one, other = store(tx, "c1"), store(tx, "c2")
        tx.update_case(one._replace(version=2, manager="张三"), one)
    with pytest.raises(Contention), database.write() as tx:
        tx.update_case(other._replace(version=2, manager="李四"), other)
        tx.update_case(one._replace(version=2, manager="李四"), one)
    with database.read() as tx:
        assert [getattr(tx.case(name), "manager", None) for name in ("c1", "c2")] == ["张三", None]


def test_what_was_gathered_in_a_part_goes_with_it_and_the_rest_stays(database: Database):
    with database.write() as tx:
        head = store(tx, "c1").head_hash
        tx.put_deadlines([deadline("c1", "total", due_on="2026-01-20")])
        with pytest.raises(KeyError), tx.savepoint():
            tx.append_events("c1", 1, head, [event(type="assigned")])  # it could not be written
            tx.put_deadlines([deadline("c1", "total", due_on="2026-02-20"), deadline("c1", "step:acceptance:1")])
            raise KeyError
        with pytest.raises(Duplicate) as caught, tx.savepoint():
            tx.append_events("c1", 1, "0" * 64, [event(type="assigned")])
        with tx.savepoint():
            tx.put_deadlines([deadline("c1", "step:metering:1")])
    assert caught.value.table == "event"
    with database.read() as tx:
        assert len(tx.events("c1")) == 1
        assert [(row.key, row.due_on) for row in tx.deadlines("c1")] == [
            ("step:metering:1", deadline("c1", "step:metering:1").due_on),
            ("total", "2026-01-20"),
        ]


def test_what_raises_sends_nothing(database: Database):
    with pytest.raises(KeyError), database.write() as tx:
        store(tx, "c1")
        tx.put_deadlines([deadline("c1", "total")])
        raise KeyError
    with database.read() as tx:
        assert (tx.case("c1"), tx.events("c1"), tx.deadlines("c1")) == (None, [], [])


def test_no_more_is_kept_back_than_stated(database: Database, monkeypatch):
    monkeypatch.setattr("storage._execution.MOST_GATHERED", 3)
    rows = [deadline("c1", f"step:acceptance:{number}") for number in range(1, 9)]
    with database.write() as tx:
        store(tx, "c1")
        for row in rows:
            tx.put_deadline(row)
            assert sum(map(len, tx._gathered.values())) <= 4  # with the event of the application
        assert tx.deadlines("c1") == rows


def test_alerts_are_cleared_after_the_deadlines_whoever_came_first(database: Database, monkeypatch):
    sent: list[str] = []
    many = Tx._execute_many

    def spy(tx: Tx, sql: str, rows: Sequence[Sequence[object]]) -> None:
        sent.append(sql.split()[2 if sql.startswith("INSERT") else 1])
        many(tx, sql, rows)

    with database.write() as tx:
        store(tx, "c1")
    monkeypatch.setattr(Tx, "_execute_many", spy)
    with database.write() as tx:
        tx.clear_alerts("c1", ["total"], MOMENT, "met")
        tx.put_deadlines([deadline("c1", "total")])
    assert sent == ["deadline", "alert"]
