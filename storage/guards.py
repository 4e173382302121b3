"""Triggers that let rows be added and neither changed nor removed: part of the schema and of its comparison.

Whoever administers the database can switch them off; what he does then is for `verify` to find.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from storage import portal_models  # noqa: F401  # their tables join the others
from storage.models import Table


def _unchanged(table: str, says: str) -> dict[str, str]:
    return {
        f"{table}_no_{act}": f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{says} is append-only'); END"
        for act in ("update", "delete")
    }


def _unreplaced(table: str, same: str, then: str) -> dict[str, str]:
    # INSERT OR REPLACE deletes without firing delete triggers on a connection without recursive_triggers.
    name = f"{table}_no_replace"
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  # our own names
    return {name: f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN {there} BEGIN SELECT {then}; END"}


def _standing(table: str, function: str) -> str:
    name = f"{table}_append_only"
    return (
        f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}();"
        # Also for sessions that replay a replication stream.
        f" ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
    )


def _raising(function: str, message: str) -> str:
    return (
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION {message} USING ERRCODE = 'restrict_violation'; END $$; "
    )


GUARDS: Final[dict[str, dict[str, dict[str, str]]]] = {
    "sqlite": {
        "event": {
            **_unchanged("event", "event"),
            **_unreplaced("event", "case_id = NEW.case_id AND case_seq = NEW.case_seq", "RAISE(ABORT, 'event exists')"),
        },
        "finding_event": {
            **_unchanged("finding_event", "event"),
            **_unreplaced(
                "finding_event",
                "id = NEW.id OR (finding_id = NEW.finding_id AND seq = NEW.seq)",
                "RAISE(ABORT, 'finding_event exists')",
            ),
        },
        "complaint": {
            **_unchanged("complaint", "complaint"),
            **_unreplaced("complaint", "id = NEW.id", "RAISE(ABORT, 'complaint exists')"),
        },
        # What is handed in again is passed over.
        "definition": {
            **_unchanged("definition", "definition"),
            **_unreplaced("definition", "hash = NEW.hash", "RAISE(IGNORE)"),
        },
        "calendar_notice": {
            **_unchanged("calendar_notice", "calendar_notice"),
            **_unreplaced("calendar_notice", "hash = NEW.hash", "RAISE(IGNORE)"),
        },
        "evidence_record": {
            **_unchanged("evidence_record", "evidence_record"),
            **_unreplaced(
                "evidence_record",
                "id = NEW.id OR digest = NEW.digest",
                "CASE WHEN EXISTS (SELECT 1 FROM evidence_record WHERE digest = NEW.digest) THEN RAISE(IGNORE)"
                " ELSE RAISE(ABORT, 'evidence_record exists') END",
            ),
        },
    },
    "postgresql": {
        "event": {
            "event_append_only": _raising("event_append_only", "'event is append-only'")
            + _standing("event", "event_append_only")
        },
        "finding_event": {"finding_event_append_only": _standing("finding_event", "event_append_only")},
        "complaint": {
            "complaint_append_only": _raising("complaint_append_only", "'complaint is append-only'")
            + _standing("complaint", "complaint_append_only")
        },
        "definition": {
            "definition_append_only": _raising("append_only", "'what is kept here stays as it is'")
            + _standing("definition", "append_only")
        },
        "calendar_notice": {"calendar_notice_append_only": _standing("calendar_notice", "append_only")},
        "evidence_record": {"evidence_record_append_only": _standing("evidence_record", "append_only")},
    },
}
"""The statements that make them, by database, table and name."""
_TABLES: Final = ", ".join(f"'{table}'" for table in GUARDS["sqlite"])
INSTALLED: Final = {
    "sqlite": f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({_TABLES})",  # noqa: S608  # ours
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgenabled = 'A'"  # noqa: S608  # our own names
    f" AND tgrelid IN (SELECT to_regclass(name) FROM unnest(ARRAY[{_TABLES}]) AS name)",
}
"""The query that names those in place and switched on, by database."""


def guards(dialect: str) -> list[str]:
    """The names of all that a database of this kind must have."""
    return [name for named in GUARDS[dialect].values() for name in named]


for _dialect, _tables in GUARDS.items():
    for _table, _named in _tables.items():
        for _statement in _named.values():
            _ddl = sa.DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
            sa.event.listen(Table.metadata.tables[_table], "after_create", _ddl)
