"""What verification finds beyond the chains: rows that somebody with full rights over the database has changed."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from storage import Damaged, FindingFilter, NoticeRow
from storage.guards import GUARDS
from tests.service.conftest import CLERK, Desk
from tests.service.test_load_times import sweep
from tests.storage.samples import MOMENT, unguarded
from workflow.alerts import due
from workflow.alerts import upkeep as upkeep_sweeps
from workflow.alerts.sweep import Run
from workflow.core.events import Principal
from workflow.service import findings, upkeep
from workflow.service.findings import Review

NOTICE = Path(__file__).parents[1] / "definitions" / "data" / "notice_2027_invented.yaml"
INSPECTOR, UNIT = Principal("ins", "inspector"), Principal("lead", "supervisor")


def sweep_alerts(desk: Desk) -> None:
    """As the worker does at first."""
    for name in (upkeep_sweeps.ladders, due.run):
        run = Run(desk.service, "hand", threading.Event())
        name(run)
        assert not run.faults


def verified(desk: Desk, projections: bool = False) -> upkeep.Verified:
    return upkeep.verify(desk.service, None, projections, lambda *_: None)


def explained(desk: Desk) -> str:
    """A flat whose meter was fitted before the application (D02), which the unit has explained; the finding."""
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("residential").case_id
    desk.do(case_id, "complete_step", step="acceptance")
    meter = {"case_id": case_id, "activity": "meter_installed", "occurred_at": "2024-01-05T15:00", "source": "metering"}
    desk.service.receive_evidence(CLERK, [meter])
    with desk.service.database.read() as tx:
        (row,) = tx.list_findings(FindingFilter())
    asked: list[tuple[Principal, dict[str, Any]]] = [
        (INSPECTOR, {"act": "invite", "reply_by": dt.date(2024, 1, 15)}),
        (UNIT, {"act": "state", "text": "表计为旧表轮换"}),
    ]
    for who, act in asked:
        findings.act(desk.service, who, row.id, Review(**act))
    return row.id


@pytest.fixture
def reviewed(desk: Desk) -> tuple[Desk, str]:
    return desk, explained(desk)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("finding_event", "UPDATE finding_event SET payload = replace(payload, '旧表轮换', '先装后报')"),
        ("finding_event", "UPDATE finding_event SET at = replace(at, '01-08', '01-18') WHERE type = 'state'"),
        ("finding_event", "UPDATE finding_event SET by = 'ins' WHERE type = 'state'"),
        ("finding_event", "DELETE FROM finding_event WHERE type = 'invite'"),
        ("finding_event", "DELETE FROM finding_event WHERE type = 'state'"),
        ("finding_event", "DELETE FROM finding_event"),
        ("finding", "UPDATE finding SET status = 'excluded'"),
        ("finding", "UPDATE finding SET reply_by = '2024-01-09'"),
        ("finding", "UPDATE finding SET severity = 'low'"),
        ("finding", "UPDATE finding SET explanation = '无'"),
        ("finding", "UPDATE finding SET evidence = '{}'"),
        ("finding", "UPDATE finding SET stands = NOT stands"),
        ("finding", "UPDATE finding SET found_at = replace(found_at, '01-08', '01-09')"),
        ("finding", "DELETE FROM finding"),
    ],
)
def test_a_finding_or_a_review_that_was_changed_is_named(reviewed, table, statement):
    desk, finding_id = reviewed
    assert verified(desk).damaged == []
    if table == "finding":
        with desk.service.database.write() as tx:
            tx._execute(statement, ())
    else:
        unguarded(desk.service.database, statement, table=table)
    found = verified(desk)
    assert not found.holds
    (named,) = found.damaged
    assert finding_id in named


def test_that_the_inspectors_were_told_changes_no_finding(reviewed):
    desk, finding_id = reviewed
    with desk.service.database.write() as tx:
        tx.findings_told([finding_id], "2024-01-08T10:00:00.000000+08:00")
    assert verified(desk).holds


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_record SET received_at = replace(received_at, '01-08', '01-05')",
        "UPDATE evidence_record SET received_by = 'nobody'",
    ],
)
def test_a_record_whose_arrival_was_changed_is_named(reviewed, statement):
    desk, _ = reviewed
    unguarded(desk.service.database, statement, table="evidence_record")
    (named,) = verified(desk).damaged
    assert "evidence_record" in named


X, BYTES = "'x'", "x'ff00'"


@pytest.mark.parametrize(
    ("table", "column", "value", "named"),
    [
        # An application by its id, with the event where it shows.
        ("application", "version", X, 2),
        ("application", "version", BYTES, 2),
        ("application", "head_hash", BYTES, 2),
        ("event", "case_seq", X, 1),
        ("event", "payload", BYTES, 1),
        ("event", "recorded_at", BYTES, 1),
        # What has a foreign id is named as SQL names it.
        ("application", "id", BYTES, "X'ff00'"),
        ("event", "case_id", BYTES, "X'ff00'"),
        ("personal", "salt", BYTES, "personal"),
        ("personal", "phone", BYTES, "personal"),
        ("definition", "content", BYTES, "definition"),
        ("calendar_notice", "content", BYTES, "calendar_notice"),
        ("evidence_record", "id", BYTES, "evidence_record"),
        ("evidence_record", "content", BYTES, "evidence_record"),
        ("evidence_record", "received_at", BYTES, "evidence_record"),
        ("finding", "id", BYTES, "finding"),
        ("finding", "evidence", X, "finding"),
        ("finding", "evidence", BYTES, "finding"),
        ("finding", "stands", X, "finding"),
        ("finding_event", "finding_id", BYTES, "finding_event"),
        ("finding_event", "payload", BYTES, "finding_event"),
        ("finding_event", "seq", X, "finding_event"),
        ("step_round", "step", BYTES, "differing"),
        ("step_round", "round", X, "differing"),
        ("deadline", "key", BYTES, "differing"),
        ("deadline", "budget", X, "differing"),
        ("load_month", "hours", X, "differing_months"),
        ("load_month", "marks", X, "differing_months"),
        ("load_month", "source", BYTES, "differing_months"),
        ("recorded_month", "minutes", X, "differing_months"),
    ],
)
def test_a_value_of_a_foreign_type_is_damage_like_any_other(sqlite_desk, table, column, value, named):
    """SQLite keeps what it is given, whatever the column says."""
    desk = sqlite_desk
    explained(desk)
    with desk.service.database.read() as tx:
        case_id = next(tx.heads()).case_id
    content = NOTICE.read_text(encoding="utf-8")
    with desk.service.database.write() as tx:
        tx.put_notice(NoticeRow(sha256(content.encode()).hexdigest(), 2027, content, MOMENT, "k"))
    sweep(desk)
    assert verified(desk, projections=True).holds
    statement = f"UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT min(rowid) FROM {table})"
    if table in ("personal", "step_round", "deadline", "load_month", "recorded_month"):  # these have no rowid
        statement = f"UPDATE {table} SET {column} = {value} WHERE {column} = (SELECT max({column}) FROM {table})"
    connection = sqlite3.connect(desk.service.database.file, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    guards = GUARDS["sqlite"].get(table, {})
    for change in (*(f"DROP TRIGGER {name}" for name in guards), statement, *guards.values()):
        connection.execute(change)
    connection.close()
    found = verified(desk, projections=True)
    if isinstance(named, int):
        assert [(flaw["case_id"], flaw["event"]) for flaw in found.flaws] == [(case_id, named)]
    elif named.startswith("X"):
        assert named in [flaw["case_id"] for flaw in found.flaws]
    elif named.startswith("differing"):
        assert getattr(found, named)
    else:
        assert found.damaged
        assert all(named in row for row in found.damaged)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("load_month", "source", BYTES),
        ("load_month", "month", X),
        ("load_month", "settled", X),
        ("recorded_month", "month", X),
        ("recorded_month", "org", BYTES),
    ],
)
def test_when_records_were_made_is_rebuilt_whatever_stands_there(sqlite_desk, table, column, value):
    desk = sqlite_desk
    explained(desk)
    sweep(desk)
    assert verified(desk, projections=True).holds
    connection = sqlite3.connect(desk.service.database.file, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {column} = (SELECT max({column}) FROM {table})")
    connection.close()
    assert not verified(desk, projections=True).holds
    assert upkeep.rebuild(desk.service, lambda *_: None).cases == 1
    assert verified(desk, projections=True).holds


def test_the_times_of_a_case_that_nobody_filed_are_named_and_decide_nothing(desk):
    explained(desk)
    sweep(desk)
    with desk.service.database.write() as tx:
        (true,) = tx.load_months("")
        columns = "source, month, org, minutes, loaded"
        ghost = f"SELECT 'ghost', {columns} FROM recorded_month"
        tx._execute(f"INSERT INTO recorded_month (case_id, {columns}) {ghost}", ())
    assert verified(desk, projections=True).differing == ["ghost"]
    upkeep.rebuild(desk.service, lambda *_: None)
    assert verified(desk, projections=True).holds
    with desk.service.database.read() as tx:
        assert [row.hours for row in tx.load_months("")] == [true.hours]


def test_no_checkpoint_is_made_of_what_none_can_name(sqlite_desk, tmp_path):
    explained(sqlite_desk)
    connection = sqlite3.connect(sqlite_desk.service.database.file, isolation_level=None)
    connection.execute("UPDATE application SET version = 'x'")
    connection.close()
    with pytest.raises(Damaged, match="baozhuang verify"):
        upkeep.checkpoint(sqlite_desk.service, tmp_path / "mark.json")
    assert list(tmp_path.glob("mark*")) == []


@pytest.mark.parametrize(
    ("look_on", "holds"),
    [
        # Counted from Monday the 8th, due on Monday the 15th: yellow with two days left, on Thursday the 11th.
        ("'2024-01-11'", True),
        ("'2024-01-10'", True),  # too early does no harm
        ("'2024-01-12'", False),
        ("NULL", False),
    ],
)
def test_a_limit_that_the_sweep_would_look_at_too_late_is_named_and_put_right(desk, look_on, holds):
    desk.clock.set("2024-01-08 09:00")
    case_id = desk.submit("residential").case_id
    sweep_alerts(desk)
    statement = f"UPDATE deadline SET look_on = {look_on} WHERE key = 'total'"
    with desk.service.database.write() as tx:
        tx._execute(statement, ())
    found = verified(desk, projections=True)
    assert (found.holds, found.differing) == (holds, [] if holds else [case_id])
    upkeep.rebuild(desk.service, lambda *_: None)
    assert verified(desk, projections=True).holds
    with desk.service.database.read() as tx:
        assert [row.look_on for row in tx.deadlines(case_id) if row.key == "total"] == ["2024-01-11"]
