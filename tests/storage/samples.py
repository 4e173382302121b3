"""Rows to store in tests."""

from __future__ import annotations

from typing import Any

from storage import GENESIS, CaseRow, Database, DeadlineRow, NewEvent, Tx
from storage.guards import GUARDS

MOMENT = "2026-01-05T10:00:00.000000+08:00"


def event(payload: str = "{}", **changed: str) -> NewEvent:
    return NewEvent("step_completed", payload, MOMENT, MOMENT, "key:front", "marketing")._replace(**changed)


def case(case_id: str, **changed: Any) -> CaseRow:
    row = CaseRow(
        id=case_id,
        application_no=f"A{case_id}",
        external_id=None,
        org="wuhan",
        region="420102",
        user_class="hv_single",
        state="acceptance.running",
        manager=None,
        project_manager=None,
        premises_id=f"P{case_id}",
        voltage="high",
        capacity_kw=630.5,
        business_type="new",
        channel="hall",
        submitted_at=MOMENT,
        closed_at=None,
        due_on=None,
        total_due_on=None,
        provisional=False,
        definition_hash="d" * 64,
        version=1,
        head_hash=GENESIS,
        predecessor=None,
        snapshot='{"状态":  "受理"}',
    )
    return row._replace(**changed)


def deadline(case_id: str, key: str = "total", **changed: Any) -> DeadlineRow:
    row = DeadlineRow(case_id, key, "total", None, None, 22, "[]", "2026-02-09", False, "running", "c" * 64)
    return row._replace(**changed)


def store(tx: Tx, case_id: str, events: int = 1, **changed: Any) -> CaseRow:
    """An application with a true chain of `events` events."""
    head = tx.append_events(case_id, 1, GENESIS, [event(f'{{"n": {n}}}') for n in range(events)])
    row = case(case_id, version=events, head_hash=head, **changed)
    tx.insert_case(row)
    return row


def unguarded(database: Database, *statements: str, table: str = "event") -> None:
    """What an administrator of the database can do: switch off the guards, change rows, switch them on again."""
    triggers = GUARDS[database.dialect][table]
    with database.write() as tx:
        if database.dialect == "sqlite":
            for name in triggers:
                tx._execute(f"DROP TRIGGER {name}", ())
        else:
            tx._execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL", ())
        for statement in statements:
            tx._execute(statement, ())
        for name, create in triggers.items():
            again = create if database.dialect == "sqlite" else f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
            tx._execute(again, ())
