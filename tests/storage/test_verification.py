"""A database that somebody with full rights has tampered with is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import Database, EvidenceRow, FindingEventRow, Flaw, Head, read_checkpoint, verify, write_checkpoint
from tests.storage.samples import MOMENT, case, event, store, unguarded

CASES = ["c1", "c2", "c3"]


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as tx:
        for case_id in CASES:
            store(tx, case_id, events=3)
    return database


def test_an_untouched_database_holds(filled: Database):
    done: list[int] = []
    with filled.read() as tx:
        found = verify(tx, progress=done.append)
    assert found.holds
    assert (found.cases, found.events, found.flaws, found.missing_triggers) == (3, 9, [], [])
    assert done == [1, 2, 3]


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE event SET payload = '{}' WHERE case_id = 'c2' AND case_seq = 2", Flaw("c2", 2, "altered")),
        ("UPDATE event SET hash = prev_hash WHERE case_id = 'c2' AND case_seq = 3", Flaw("c2", 3, "altered")),
        ("UPDATE event SET prev_hash = hash WHERE case_id = 'c2' AND case_seq = 2", Flaw("c2", 2, "link")),
        ("DELETE FROM event WHERE case_id = 'c2' AND case_seq = 1", Flaw("c2", 1, "gap")),
        ("DELETE FROM event WHERE case_id = 'c2' AND case_seq = 3", Flaw("c2", 3, "gap")),
        ("DELETE FROM event WHERE case_id = 'c2'", Flaw("c2", 1, "gap")),
        ("UPDATE event SET case_id = 'c4' WHERE case_id = 'c2' AND case_seq = 3", Flaw("c2", 3, "gap")),
        ("UPDATE application SET version = 2 WHERE id = 'c2'", Flaw("c2", 3, "head")),
        ("UPDATE application SET version = 4 WHERE id = 'c2'", Flaw("c2", 4, "gap")),
        ("UPDATE application SET head_hash = definition_hash WHERE id = 'c2'", Flaw("c2", 3, "head")),
        ("DELETE FROM application WHERE id = 'c2'", Flaw("c2", 0, "orphan")),
    ],
)
def test_the_first_bad_event_of_a_bad_case_is_named(filled: Database, statement, flaw):
    unguarded(filled, statement)
    with filled.read() as tx:
        found = verify(tx)
    assert not found.holds
    assert found.flaws[0] == flaw
    assert {each.case_id for each in found.flaws} <= {"c2", "c4"}
    assert " / " in flaw.text


def test_a_case_that_vanished_without_a_trace_is_known_to_the_checkpoint(filled: Database, tmp_path: Path):
    with filled.read() as tx:
        write_checkpoint(tmp_path / "checkpoint.json", MOMENT, tx.heads)
    checkpoint = read_checkpoint(tmp_path / "checkpoint.json")
    with filled.write() as tx:
        before = tx.case("c1")
        assert before is not None
        head = tx.append_events("c1", 4, before.head_hash, [event()])
        tx.update_case(before._replace(version=4, head_hash=head), before)
        store(tx, "c4")
    with filled.read() as tx:
        assert verify(tx, checkpoint).holds
    unguarded(filled, "DELETE FROM event WHERE case_id = 'c3'", "DELETE FROM application WHERE id = 'c3'")
    with filled.read() as tx:
        assert verify(tx).holds
        assert verify(tx, checkpoint).flaws == [Flaw("c3", 0, "missing")]


def test_a_case_rewritten_as_a_whole_is_known_to_the_checkpoint(filled: Database, tmp_path: Path):
    with filled.read() as tx:
        checkpoint = write_checkpoint(tmp_path / "checkpoint.json", MOMENT, tx.heads)
    unguarded(filled, "DELETE FROM event WHERE case_id = 'c2'", "DELETE FROM application WHERE id = 'c2'")
    with filled.write() as tx:
        store(tx, "c2", events=4)  # a true chain, but another one: its third event is not followed as it was
    with filled.read() as tx:
        assert verify(tx).holds
        assert verify(
            tx, checkpoint
        ).holds  # the first three events are the same: nothing the checkpoint covers changed
    unguarded(filled, "DELETE FROM event WHERE case_id = 'c2'", "DELETE FROM application WHERE id = 'c2'")
    with filled.write() as tx:
        head = tx.append_events("c2", 1, "0" * 64, [event(actor="forger"), *[event()] * 2])
        tx.insert_case(case("c2", version=3, head_hash=head))
    with filled.read() as tx:
        assert verify(tx).holds
        assert verify(tx, checkpoint).flaws == [Flaw("c2", 3, "rewritten")]


RECORD = EvidenceRow("r1", "c1", '{"case_id":"c1"}', "d1", MOMENT, "k1")
SAID = FindingEventRow("s1", "f1", "state", MOMENT, "unit", '{"text":"当日装表"}')
# The forger works the hash out anew, so that the row holds in itself; here any other will do.
FORGED = f"hash = '{'f' * 64}'"


@pytest.mark.parametrize(
    ("table", "statement", "flaw"),
    [
        ("evidence_record", "DELETE FROM evidence_record WHERE id = 'r1'", Flaw("r1", 0, "record_missing")),
        (
            "evidence_record",
            f"UPDATE evidence_record SET received_at = '{MOMENT.replace('10:', '09:')}', {FORGED} WHERE id = 'r1'",
            Flaw("r1", 0, "record_changed"),
        ),
        ("finding_event", "DELETE FROM finding_event WHERE id = 's1'", Flaw("s1", 0, "record_missing")),
        (
            "finding_event",
            f"UPDATE finding_event SET payload = '{{}}', {FORGED} WHERE id = 's1'",
            Flaw("s1", 0, "record_changed"),
        ),
    ],
)
def test_a_row_that_is_only_ever_added_and_vanished_or_changed_is_known_to_the_checkpoint(
    filled: Database, tmp_path: Path, table: str, statement: str, flaw: Flaw
):
    with filled.write() as tx:
        for place in (1, 2):
            tx.add_evidence(RECORD._replace(id=f"r{place}", digest=f"d{place}"))
            tx.append_finding_events([SAID._replace(id=f"s{place}")])
    with filled.read() as tx:
        checkpoint = write_checkpoint(tmp_path / "checkpoint.json", MOMENT, tx.marks)
    assert (checkpoint.cases, checkpoint.records) == (3, 4)
    with filled.write() as tx:
        tx.add_evidence(RECORD._replace(id="r3", digest="d3"))
        tx.append_finding_events([SAID._replace(id="s3")])
    with filled.read() as tx:
        found = verify(tx, read_checkpoint(checkpoint.path))
    assert (found.holds, found.cases, found.events) == (True, 3, 9)
    unguarded(filled, statement, table=table)
    with filled.read() as tx:
        assert verify(tx).holds
        assert verify(tx, checkpoint).flaws == [flaw]


def test_a_checkpoint_of_before_rows_had_a_hash_knows_what_came_in_by_its_digest(filled: Database, tmp_path: Path):
    with filled.write() as tx:
        tx.add_evidence(RECORD)
        tx.append_finding_events([SAID])
    path = tmp_path / "old.json"
    with filled.read() as tx:
        heads = [*tx.heads(), Head("r1", 0, "d1")]
        write_checkpoint(path, MOMENT, lambda: heads)
    path.write_text(path.read_text(encoding="utf-8").replace("checkpoint-3", "checkpoint-2"), encoding="utf-8")
    with filled.read() as tx:
        assert verify(tx, read_checkpoint(path)).holds
    unguarded(filled, "UPDATE evidence_record SET digest = 'd9'", table="evidence_record")
    with filled.read() as tx:
        assert verify(tx, read_checkpoint(path)).flaws == [Flaw("r1", 0, "record_changed")]


def test_guards_that_are_gone_are_reported(filled: Database):
    off = {"sqlite": "DROP TRIGGER event_no_update", "postgresql": "DROP TRIGGER event_append_only ON event"}
    with filled.write() as tx:
        tx._execute(off[filled.dialect], ())
    with filled.read() as tx:
        found = verify(tx)
    assert not found.holds
    assert len(found.missing_triggers) == 1
