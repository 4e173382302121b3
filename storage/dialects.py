"""The two databases, as data: how a transaction begins on each, and what their errors mean."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect

from storage.errors import AppendOnly, Contention, Damaged, Duplicate, Rejected, StorageError, StorageUnavailable

_WRITERS = 0x6261_6F77  # "baow": any number that nobody else locks


@dataclass(frozen=True)
class Backend:
    """One database: `compiler` renders positional statements, `insert` is its INSERT with ON CONFLICT.

    `written_by_others` asks for a number that changes when another connection has committed, and only then (None: there
    is none).  `translate` makes one of our errors of a driver's; `in_transaction` and `is_usable` look at a driver's
    connection.
    """

    name: str
    compiler: Dialect
    insert: Callable[..., Any]
    driver_error: type[Exception]
    begin_write: str
    begin_read: str
    exclude_writers: str | None
    written_by_others: str | None
    translate: Callable[[BaseException], StorageError]
    in_transaction: Callable[[Any], bool]
    is_usable: Callable[[Any], bool]


def _busy() -> Contention:
    return Contention("另一个操作正在写入, 请重试", "another writer is at work; please try again")


def _unavailable(error: BaseException) -> StorageUnavailable:
    reason = str(error).strip().partition("\n")[0]
    return StorageUnavailable(
        f"数据库暂时不可用, 本次操作未保存: {reason}", f"the database is unavailable, nothing was saved: {reason}"
    )


def _broken(error: BaseException) -> StorageError:
    reason = str(error).strip().partition("\n")[0]
    return StorageError(f"数据库出错: {reason}", f"the database failed: {reason}")


def _damaged(_: BaseException) -> Damaged:
    return Damaged("数据库文件已损坏, 请由备份恢复", "the database file is damaged: restore it from a backup")


def _rejected(error: BaseException) -> Rejected:
    reason = str(error).strip().partition("\n")[0]
    return Rejected(f"数据不符合表的约束: {reason}", f"a constraint of the schema refused the row: {reason}")


# The driver binds text and numbers as they are; for a value of any other type it asks the type whether it would rather
# be something else, at the price of two exceptions, unless it is told what becomes of it.
# What is in no dictionary becomes None there, without a call into the interpreter.
sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]  # it is called with one argument only
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(bytes, bytes)

_SQLITE_KINDS: dict[int, Callable[[BaseException], StorageError]] = {
    sqlite3.SQLITE_BUSY: lambda _: _busy(),
    sqlite3.SQLITE_LOCKED: lambda _: _busy(),
    sqlite3.SQLITE_FULL: _unavailable,
    sqlite3.SQLITE_IOERR: _unavailable,
    sqlite3.SQLITE_READONLY: _unavailable,
    sqlite3.SQLITE_CANTOPEN: _unavailable,
    sqlite3.SQLITE_NOMEM: _unavailable,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_CONSTRAINT: _rejected,
    sqlite3.SQLITE_MISMATCH: _rejected,
    sqlite3.SQLITE_TOOBIG: _rejected,
}
_SQLITE_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def _translate_sqlite(error: BaseException) -> StorageError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # of the driver's own
        return _damaged(error) if str(error).startswith("Could not decode to UTF-8") else _broken(error)
    if code in _SQLITE_UNIQUE:
        table = re.search(r"failed: (\w+)\.", str(error))
        return Duplicate(table[1] if table else "?")
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        there = re.fullmatch(r"(\w+) exists", str(error))
        return Duplicate(there[1]) if there else AppendOnly()
    return _SQLITE_KINDS.get(code & 0xFF, _broken)(error)


_POSTGRESQL_KINDS: dict[str, Callable[[BaseException], StorageError]] = {
    # Classes of SQLSTATE by their first two characters, and single states where they differ from their class.
    "08": _unavailable,  # connection
    "25006": _unavailable,  # a standby, or a server set to read only
    "53": _unavailable,  # disk, memory or connections exhausted
    "57": _unavailable,  # shutting down or starting
    "58": _unavailable,  # I/O of the server
    "40": lambda _: _busy(),  # serialisation failure, deadlock
    "55P03": lambda _: _busy(),  # waited too long for a lock
    "22": _rejected,
    "23": _rejected,
}


def _translate_postgresql(error: BaseException) -> StorageError:
    state = getattr(error, "sqlstate", None)
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return (
            _unavailable(error)
            if lost
            else _rejected(error)
            if isinstance(error, psycopg.DataError)
            else _broken(error)
        )
    if state == "23505":
        return Duplicate(getattr(error, "diag").table_name or "?")  # noqa: B009  # only database errors carry it
    if state == "23001":  # restrict_violation, as the guards say
        return AppendOnly()
    kind = _POSTGRESQL_KINDS.get(state) or _POSTGRESQL_KINDS.get(state[:2], _broken)
    return kind(error)


SQLITE = Backend(
    name="sqlite",
    compiler=SQLiteDialect_pysqlite(),
    insert=sqlite.insert,
    driver_error=sqlite3.Error,
    begin_write="BEGIN IMMEDIATE",
    begin_read="BEGIN",
    exclude_writers=None,  # there is one writer at a time
    written_by_others="PRAGMA data_version",
    translate=_translate_sqlite,
    in_transaction=lambda connection: bool(connection.in_transaction),
    is_usable=lambda _: True,
)

POSTGRESQL = Backend(
    name="postgresql",
    compiler=PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    insert=postgresql.insert,
    driver_error=psycopg.Error,
    # An acknowledged commit outlives the server, whatever its configuration says; no lock is waited for without end.
    # The shared lock lets one transaction exclude all other writers when they must agree with what it changes.
    begin_write="BEGIN ISOLATION LEVEL READ COMMITTED;"
    " SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '{}ms';"
    f" SELECT pg_advisory_xact_lock_shared({_WRITERS})",
    begin_read="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    exclude_writers=f"SELECT pg_advisory_xact_lock({_WRITERS})",
    written_by_others=None,
    translate=_translate_postgresql,
    in_transaction=lambda connection: connection.info.transaction_status != TransactionStatus.IDLE,
    is_usable=lambda connection: not connection.closed,
)
