"""What goes into a transaction comes out of it, and nothing else; on both databases."""

# ruff: noqa: PT012  # what raises here is the end of the transaction, and what led to it belongs inside

from __future__ import annotations

from contextlib import closing, suppress

import pytest
import sqlalchemy as sa

from storage import (
    AppendOnly,
    CaseRow,
    ComplaintRow,
    Contention,
    Database,
    Duplicate,
    EventRow,
    FindingEventRow,
    PersonalRow,
    Rejected,
    Remembered,
    RoundRow,
    StorageError,
    Tx,
)
from tests.storage.samples import MOMENT, case, deadline, event, store

AWKWARD = '{"b":1, "a": "汉字 😀 \\u0000 \' % ? $1 :x \\\\n",\n\t"z":  1.10}'


def test_an_application_comes_back_as_it_went_in(database: Database):
    full = case(
        "c1", external_id="E1", manager="张三", project_manager="李四", closed_at=MOMENT, state="energised",
        due_on="2026-01-12", total_due_on="2026-02-09", provisional=True, predecessor="c0", snapshot=AWKWARD,
    )  # fmt: skip
    empty = case("c2", org=None)
    with database.write() as tx:
        tx.insert_case(full)
        tx.insert_case(empty)
        assert tx.case("c1", lock=True) == full
    with database.read() as tx:
        for row in (full, empty):
            found = tx.case(row.id)
            assert found == row
            assert [type(value) for value in found] == [type(value) for value in row]
            assert tx.case_by_number(row.application_no) == row
        assert tx.case("c3") is tx.case_by_number("c3") is None


def test_an_update_changes_what_differs_and_keeps_the_rest(database: Database):
    with database.write() as tx:
        before = store(tx, "c1", manager="张三")
    after = before._replace(version=2, state="supply_plan.running", manager=None, due_on="2026-01-19", provisional=True)
    with database.write() as tx:
        tx.update_case(after, before)
        tx.update_case(after, after)
    with database.read() as tx:
        assert tx.case("c1") == after


def test_an_update_of_a_row_somebody_else_changed_is_contention(database: Database):
    with database.write() as tx:
        before = store(tx, "c1")
        tx.update_case(before._replace(version=2), before)
    with pytest.raises(Contention), database.write() as tx:
        tx.update_case(before._replace(version=2, manager="李四"), before)
    with database.read() as tx:
        found = tx.case("c1")
    assert found is not None
    assert (found.version, found.manager) == (2, None)


def test_events_come_back_in_order_and_chained(database: Database):
    events = [event(AWKWARD), event("{}", type="returned"), event("[]", actor="王五")]
    with database.write() as tx:
        head = tx.append_events("c1", 1, "0" * 64, events[:2])
        last = tx.append_events("c1", 3, head, events[2:])
        assert tx.append_events("c1", 4, last, []) == last
    with database.read() as tx:
        found = tx.events("c1")
        assert [row[2:8] for row in found] == [tuple(each) for each in events]
        assert [row.case_seq for row in found] == [1, 2, 3]
        assert [row.prev_hash for row in found] == ["0" * 64, found[0].hash, found[1].hash]
        assert (found[1].hash, found[2].hash) == (head, last)
        assert list(tx.all_events()) == found
        assert tx.events("c2") == []


def test_a_second_event_with_the_same_number_is_a_duplicate(database: Database):
    with database.write() as tx:
        tx.append_events("c1", 1, "0" * 64, [event()])
    with pytest.raises(Duplicate) as caught, database.write() as tx:
        tx.append_events("c1", 1, "0" * 64, [event("{1}")])
    assert caught.value.table == "event"


def test_rounds_and_deadlines_are_replaced_by_key(database: Database):
    first = RoundRow("c1", "acceptance", 1, MOMENT, None, None, None)
    second = RoundRow("c1", "acceptance", 2, None, None, None, None)
    total, step = (
        deadline("c1"),
        deadline("c1", "step:acceptance:1", scope="step", step="acceptance", round=1, budget=1),
    )
    with database.write() as tx:
        tx.put_rounds([second, first])
        tx.put_rounds([])
        tx.put_deadlines([total, step])
        tx.put_deadlines([])
    ended = first._replace(ended_at=MOMENT, outcome="returned", used_working_days=1)
    late = total._replace(status="suspended", provisional=True, due_on="2026-03-02", ledger=AWKWARD, budget=None)
    with database.write() as tx:
        tx.put_round(ended)
        tx.put_deadline(late)
    with database.read() as tx:
        assert tx.rounds("c1") == [ended, second]
        assert tx.deadlines("c1") == [step, late]
        assert [row.provisional for row in tx.deadlines("c1")] == [False, True]
    with database.write() as tx:
        tx.delete_deadlines("c1", ["total", "approval:1"])
        tx.delete_deadlines("c1", [])
        assert tx.deadlines("c1") == [step]
        tx.delete_rounds("c1", [("acceptance", 1), ("acceptance", 3)])
        tx.delete_rounds("c1", [])
        assert tx.rounds("c1") == [second]
        tx.delete_projections("c1")
        assert [*tx.rounds("c1"), *tx.deadlines("c1")] == []


def test_an_answer_is_remembered_per_principal_and_key(database: Database):
    answer = Remembered("k1", "key", "b" * 64, "c1", 200, bytes(range(256)), MOMENT)
    with database.write() as tx:
        assert tx.remember(answer)
        assert tx.remember(answer._replace(principal="k2", case_id=None))
        assert not tx.remember(answer._replace(status=201))
    with database.read() as tx:
        assert tx.remembered("k1", "key") == answer
        assert tx.remembered("k2", "key") == answer._replace(principal="k2", case_id=None)
        assert tx.remembered("k1", "other") is None
    with database.write() as tx:
        assert not tx.remember(answer._replace(status=201))
    with database.read() as tx:
        assert tx.remembered("k1", "key") == answer


def test_serials_count_per_org_and_year_and_leave_no_gap(database: Database):
    with database.write() as tx:
        assert [tx.next_serial("wuhan", 2026), tx.next_serial("wuhan", 2026)] == [1, 2]
        assert [tx.next_serial("wuhan", 2027), tx.next_serial("", 2026)] == [1, 1]
    with pytest.raises(KeyError), database.write() as tx:
        assert tx.next_serial("wuhan", 2026) == 3
        raise KeyError
    with database.write() as tx:
        assert tx.next_serial("wuhan", 2026) == 3


def test_personal_data_can_be_erased_without_a_trace(database: Database):
    person = PersonalRow("c1", "salt", "u1", "张三", "13800000000", "武汉市")
    with database.write() as tx:
        tx.put_personal(person)
        tx.put_personal(person._replace(phone=None))
        tx.put_personal(person._replace(case_id="c2"))
        assert tx.personal("c1") == person._replace(phone=None)
        assert tx.erase_personal("c1")
        assert not tx.erase_personal("c1")
        assert not tx.erase_personal("c3")
    with database.read() as tx:
        assert tx.personal("c1") == PersonalRow("c1", None, None, None, None, None)
        assert tx.personal("c2") == person._replace(case_id="c2")
        assert tx.personal("c3") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "somewhere"},
        {"state": ".running"},
        {"state": "energised"},  # closed without a date
        {"closed_at": MOMENT},  # a date without being closed
        {"user_class": "industrial"},
        {"voltage": "medium"},
        {"submitted_at": "2026-01-05T10:00:00+08:00"},
        {"due_on": "2026-1-5"},
        {"version": 0},
        {"head_hash": ""},
        {"region": None},
    ],
)
def test_the_schema_refuses_what_no_application_can_be(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.insert_case(case("c1", **wrong))
    with database.read() as tx:
        assert tx.case("c1") is None


@pytest.mark.parametrize(
    "wrong", [{"status": "late"}, {"scope": "round"}, {"budget": -1}, {"status": "waiting"}, {"due_on": "soon"}]
)
def test_the_schema_refuses_what_no_deadline_can_be(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.put_deadline(deadline("c1", **wrong))


@pytest.mark.parametrize("wrong", [{"recorded_at": "2026-01-05"}, {"occurred_at": ""}])
def test_the_schema_refuses_events_without_full_times(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.append_events("c1", 1, "0" * 64, [event(**wrong)])


def test_a_duplicate_number_names_the_table(database: Database):
    with pytest.raises(Duplicate) as caught, database.write() as tx:
        tx.insert_case(case("c1"))
        tx.insert_case(case("c2", application_no="Ac1"))
    assert caught.value.table == "application"
    with database.read() as tx:
        assert tx.case("c1") is None


def test_an_error_that_somebody_caught_is_still_not_committed(database: Database):
    with pytest.raises(Duplicate), database.write() as tx:
        store(tx, "c1")
        with pytest.raises(Duplicate):
            tx.insert_case(case("c1"))
        with pytest.raises(Duplicate):
            tx.case("c1")
    with database.read() as tx:
        assert tx.case("c1") is None


def test_a_savepoint_undoes_one_command_among_many(database: Database):
    with database.write() as tx:
        store(tx, "c1")
        with pytest.raises(Duplicate), tx.savepoint():
            store(tx, "c2")
            tx.insert_case(case("c1"))
        with tx.savepoint():
            store(tx, "c3")
            with pytest.raises(KeyError), tx.savepoint():
                store(tx, "c4")
                raise KeyError
        store(tx, "c5")
    with database.read() as tx:
        assert [head.case_id for head in tx.heads()] == ["c1", "c3", "c5"]
        assert [row.case_id for row in tx.all_events()] == ["c1", "c3", "c5"]


def test_an_epoch_lasts_until_somebody_else_writes_or_something_is_undone(sqlite_url: str):
    seen = []

    def look(database: Database) -> None:
        with database.write() as tx:
            seen.append(tx.epoch)
            store(tx, f"c{len(seen)}")
            assert tx.epoch is seen[-1]

    with closing(Database.open(sqlite_url)) as ours, closing(Database.open(sqlite_url)) as theirs:
        look(ours)
        look(ours)
        assert seen[1] is seen[0]
        with theirs.write() as tx:
            store(tx, "d1")
        look(ours)
        assert seen[2] is not seen[1]
        with pytest.raises(KeyError), ours.write() as tx:
            assert tx.epoch is seen[2]
            store(tx, "d2")
            raise KeyError
        look(ours)
        assert seen[3] is not seen[2]
        with ours.write() as tx:
            assert tx.epoch is seen[3]
            with suppress(KeyError), tx.savepoint():
                store(tx, "d3")
                raise KeyError
            assert tx.epoch is not seen[3]


def test_where_a_database_does_not_tell_each_transaction_is_an_epoch(postgresql_url: str):
    with closing(Database.open(postgresql_url, migrate=True)) as database:
        epochs = []
        for _ in range(2):
            with database.write() as tx:
                epochs.append(tx.epoch)
                assert tx.epoch is epochs[-1]
        assert epochs[0] is not epochs[1]


def test_an_exception_undoes_everything(database: Database):
    with pytest.raises(KeyError), database.write() as tx:
        store(tx, "c1")
        tx.put_setting("a", "b")
        raise KeyError
    with database.read() as tx:
        assert tx.case("c1") is None
        assert tx.setting("a") is None


def test_a_reader_sees_one_moment(database: Database):
    with database.write() as tx:
        before = store(tx, "c1")
    with database.read() as reader:
        assert reader.case("c1") == before
        with database.write() as tx:
            store(tx, "c2")
            tx.update_case(before._replace(version=2), before)
        assert reader.case("c1") == before
        assert [head.case_id for head in reader.heads()] == ["c1"]
    with database.read() as reader:
        assert [head.case_id for head in reader.heads()] == ["c1", "c2"]


@pytest.mark.parametrize("ask", ["of the driver", "of SQLAlchemy"])
def test_after_a_read_that_failed_in_the_middle_the_next_one_sees_the_newest(database: Database, ask):
    with database.write() as tx:
        store(tx, "c1")
        store(tx, "c2")
    with pytest.raises(MemoryError) as kept, database.read() as tx:  # `kept` holds the frames, and what they hold
        by_driver = ask == "of the driver"
        ids = "SELECT id FROM application"
        rows = tx._execute(ids, ()) if by_driver else tx._query(sa.text(ids))
        assert rows.fetchone()
        raise MemoryError
    with database.write() as tx:
        store(tx, "c3")
    with database.read() as tx:
        assert tx.case("c3") is not None
    assert kept.value is not None


def test_a_reading_connection_that_does_not_come_clean_serves_nobody_else(database: Database, monkeypatch):
    def out_of_memory(_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError), monkeypatch.context() as broken, database.read() as tx:
        used = tx._link.driver
        broken.setattr(Tx, "end", out_of_memory)
    with database.read() as tx:
        assert tx._link.driver is not used


def test_nothing_can_be_written_in_a_snapshot(database: Database):
    with pytest.raises(StorageError), database.read() as tx:
        tx.insert_case(case("c1"))
    with database.write() as tx:
        assert tx.case("c1") is None


def test_a_transaction_is_of_no_use_after_its_end(database: Database):
    with database.write() as writing:
        store(writing, "c1")
    with database.read() as reading:
        pass
    for tx in (writing, reading):
        with pytest.raises(StorageError, match="ended"):
            tx.case("c1")
        with pytest.raises(StorageError, match="ended"):
            tx.setting("a")


def test_write_inside_write_is_a_mistake_of_the_program(database: Database):
    with database.write() as tx:
        with pytest.raises(RuntimeError), database.write():
            pass
        store(tx, "c1")
    with database.read() as tx:
        assert tx.case("c1") is not None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET payload = '[]' WHERE case_id = 'c1'",
        "UPDATE event SET case_id = 'c2'",
        "DELETE FROM event WHERE case_seq = 2",
    ],
)
def test_events_cannot_be_changed_or_deleted(database: Database, sql):
    with database.write() as tx:
        store(tx, "c1", events=3)
        before = tx.events("c1")
    with pytest.raises(AppendOnly), database.write() as tx:
        tx._execute(sql, ())
    with database.read() as tx:
        assert tx.events("c1") == before
        assert tx.missing_triggers() == []


def values(row: EventRow) -> str:
    return ", ".join(repr(value) for value in row)


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT OR REPLACE INTO event VALUES ({})",
        "REPLACE INTO event VALUES ({})",
        "INSERT INTO event VALUES ({}) ON CONFLICT DO UPDATE SET payload = excluded.payload",
        "UPDATE OR REPLACE event SET case_seq = 1",
    ],
)
def test_events_cannot_be_replaced_on_sqlite(database: Database, sql, recursive):
    with database.write() as tx:
        store(tx, "c1", events=2)
        before = tx.events("c1")
    database._writer().driver.execute(f"PRAGMA recursive_triggers = {recursive}")  # another program may not set it
    with pytest.raises((AppendOnly, Duplicate)), database.write() as tx:
        tx._execute(sql.format(values(before[0]._replace(payload="forged"))), ())
    with database.read() as tx:
        assert tx.events("c1") == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "REPLACE INTO finding_event SELECT id, finding_id, seq, type, at, by, '{}', hash FROM finding_event",
        "REPLACE INTO finding_event SELECT 'e2', finding_id, seq, type, at, by, '{}', hash FROM finding_event",
        "REPLACE INTO complaint SELECT id, case_id, answers, '无', by, at FROM complaint",
    ],
)
def test_reviews_and_complaints_cannot_be_replaced_on_sqlite(database: Database, sql):
    with database.write() as tx:
        tx.append_finding_events([FindingEventRow("e1", "f1", "state", MOMENT, "unit", '{"text":"轮换"}')])
        tx.add_complaint(ComplaintRow("k1", "c1", None, "未按期送电", "customer", MOMENT))
    database._writer().driver.execute("PRAGMA recursive_triggers = OFF")  # another program may not set it
    with pytest.raises(Duplicate), database.write() as tx:
        tx._execute(sql, ())
    with database.read() as tx:
        assert [row.payload for row in tx.finding_events("f1")] == ['{"text":"轮换"}']
        assert [row.text for row in tx.complaints("c1")] == ["未按期送电"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "TRUNCATE event",
        "INSERT INTO event VALUES ({}) ON CONFLICT (case_id, case_seq) DO UPDATE SET payload = excluded.payload",
        "SET LOCAL session_replication_role = replica; DELETE FROM event",
        "MERGE INTO event USING (VALUES (1)) v ON case_seq = 1 WHEN MATCHED THEN DELETE",
    ],
)
def test_events_cannot_be_replaced_on_postgresql(database: Database, sql):
    with database.write() as tx:
        store(tx, "c1", events=2)
        before = tx.events("c1")
    with pytest.raises(AppendOnly), database.write() as tx:
        tx._execute(sql.format(values(before[0]._replace(payload="forged"))), ())
    with database.read() as tx:
        assert tx.events("c1") == before


def test_missing_triggers_are_reported(database: Database):
    drop = {
        "sqlite": ("DROP TRIGGER event_no_replace", "event_no_replace"),
        "postgresql": ("ALTER TABLE event DISABLE TRIGGER event_append_only", "event_append_only"),
    }
    sql, name = drop[database.dialect]
    with database.write() as tx:
        tx._execute(sql, ())
        assert tx.missing_triggers() == [name]


def test_rows_name_the_columns_of_their_tables():
    from storage.models import Table

    for row, table in ((CaseRow, "application"), (EventRow, "event"), (RoundRow, "step_round")):
        assert row._fields == tuple(Table.metadata.tables[table].c.keys())
