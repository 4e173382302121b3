"""The same rows by `sqlite3` alone: what any program that writes them durably has to pay.

All is prepared beforehand: the statements, the values, the hashes.  What is left is a transaction per command, with the
one read that no correct program can do without, the row of the case, and the number a new application draws.  Rules,
timers, hashes and permissions, and looking up whether a key was used before, cost it nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.bulk import into
from bench.recording import Written
from storage import CaseRow, Database, DeadlineRow, EventRow, NewEvent, PersonalRow, Remembered, RoundRow
from storage.database import SQLITE_WRITER_PRAGMAS

_READ = f"SELECT {', '.join(CaseRow._fields)} FROM application WHERE id = ?"
_SERIAL = (
    "INSERT INTO serial (org, year, last) VALUES (?, ?, 1)"
    " ON CONFLICT (org, year) DO UPDATE SET last = last + 1 RETURNING last"
)


class Statement(NamedTuple):
    """SQL with the rows it is run for."""

    sql: str
    rows: Sequence[Sequence[Any]]


class Prepared(NamedTuple):
    """One command: the case to read, then what to write. `serial`: the org and year to draw a number of."""

    case_id: str
    serial: tuple[str, int] | None
    statements: list[Statement]


def _put(table: str, fields: Sequence[str], keys: Sequence[str]) -> str:
    rest = ", ".join(f"{name} = excluded.{name}" for name in fields if name not in keys)
    return into(table, fields) + f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {rest}"


_CASE = into("application", CaseRow._fields)
_EVENT = into("event", EventRow._fields)
_ROUND = _put("step_round", RoundRow._fields, ("case_id", "step", "round"))
_DEADLINE = _put("deadline", DeadlineRow._fields, ("case_id", "key"))
_REMEMBERED = into("idempotency", Remembered._fields)
_PERSONAL = into("personal", PersonalRow._fields)


def prepare(commands: Iterable[Written]) -> list[Prepared]:
    """Turn recorded commands into statements."""
    return [_prepared(one) for one in commands]


def _prepared(one: Written) -> Prepared:
    found = [
        Statement(_EVENT, one.events),
        _of_case(one),
        Statement(_ROUND, one.rounds),
        Statement(_DEADLINE, one.deadlines),
        Statement(_PERSONAL, [one.personal] if one.personal else []),
        Statement(_REMEMBERED, [one.remembered]),
    ]
    serial = None if one.before else (one.row.org or "", int(one.row.submitted_at[:4]))
    # Plain tuples: of a named one the driver fetches each value through the interpreter.
    plain = [Statement(sql, [tuple(row) for row in rows]) for sql, rows in found if rows]
    return Prepared(one.row.id, serial, plain)


def _of_case(one: Written) -> Statement:
    if one.before is None:
        return Statement(_CASE, [one.row])
    pairs = zip(CaseRow._fields, one.before, one.row, strict=True)
    changed = {field: new for field, old, new in pairs if old != new}
    columns = ", ".join(f"{field} = ?" for field in changed)
    values = (*changed.values(), one.row.id, one.before.version)
    return Statement(f"UPDATE application SET {columns} WHERE id = ? AND version = ?", [values])


class Bare:
    """A database of our schema, with our settings, written by the driver alone."""

    def __init__(self, path: Path) -> None:
        Database.open(path, migrate=True).close()
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
        for pragma in SQLITE_WRITER_PRAGMAS:
            self._connection.execute(pragma)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def run(self, commands: Sequence[Prepared], per_commit: int = 1) -> float:
        """Write the commands, `per_commit` to a transaction; commands per second."""
        cursor = self._connection.cursor()
        began = time.perf_counter()
        for first in range(0, len(commands), per_commit):
            cursor.execute("BEGIN IMMEDIATE")
            for command in commands[first : first + per_commit]:
                cursor.execute(_READ, (command.case_id,)).fetchone()
                if command.serial is not None:
                    cursor.execute(_SERIAL, command.serial).fetchall()
                for sql, rows in command.statements:
                    if len(rows) == 1:
                        cursor.execute(sql, rows[0])
                    else:
                        cursor.executemany(sql, rows)
            cursor.execute("COMMIT")
        return len(commands) / (time.perf_counter() - began)


class ThroughStorage:
    """The same rows through `storage`, chain included: what of the engine's cost is storage."""

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, migrate=True)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def run(self, commands: Sequence[Written], per_commit: int = 1) -> float:
        """Write the commands, `per_commit` to a transaction; commands per second."""
        began = time.perf_counter()
        for first in range(0, len(commands), per_commit):
            with self._database.write() as tx:
                for one in commands[first : first + per_commit]:
                    tx.case(one.row.id, lock=True)
                    new = [NewEvent(*event[2:8]) for event in one.events]
                    tx.append_events(one.row.id, one.events[0].case_seq, one.events[0].prev_hash, new)
                    if one.before is None:
                        tx.next_serial(one.row.org or "", int(one.row.submitted_at[:4]))
                        tx.insert_case(one.row)
                    else:
                        tx.update_case(one.row, one.before)
                    tx.put_rounds(one.rounds)
                    tx.put_deadlines(one.deadlines)
                    if one.personal is not None:
                        tx.put_personal(one.personal)
                    tx.remember(one.remembered)
        return len(commands) / (time.perf_counter() - began)
