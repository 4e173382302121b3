"""Running statements on one connection inside one transaction; the base of `Tx`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

from storage._statements import Order, statements
from storage.dialects import Backend
from storage.errors import Contention, StorageError


class Link:
    """One connection, seen twice: the driver's cursor for the hot path, and SQLAlchemy's view of the same connection.

    SQLAlchemy is told that the connection commits by itself, so it never begins or ends anything; `Database` does.
    `epoch`: see `Tx.epoch`; `known`: the one in which the schema was found to be the one of this program.
    """

    __slots__ = ("cursor", "driver", "epoch", "known", "sa", "seen")

    def __init__(self, connection: sa.Connection) -> None:
        self.sa = connection
        driver: Any = connection.connection.driver_connection
        self.driver = driver
        self.cursor = driver.cursor()
        self.epoch = object()
        self.known: object = None
        self.seen: object = None
        """What the database said, when the epoch began, of what others had written."""


def rendered(backend: Backend, statement: sa.sql.ClauseElement, parameters: Sequence[str]) -> str:
    """`statement` as plain SQL for the driver's cursor, which takes the values in the order of `parameters`."""
    compiled = statement.compile(dialect=backend.compiler)
    if list(parameters) != list(getattr(compiled, "positiontup", None) or ()):
        raise TypeError(f"{compiled} takes its parameters in another order than {parameters}")
    return str(compiled)


MOST_GATHERED = 4096
"""Rows of a table that a transaction keeps back at most before it sends them."""


class Execution:
    """Statements within one transaction.

    After an error nothing more runs and nothing is committed, unless the error happened inside a `savepoint` and was
    undone with it: half a decision is never stored because somebody caught an exception.

    What many commands write one after the other is gathered and sent table by table: before anything is read or written
    that it may have to do with, at the latest when the transaction ends.  An error in it shows then.
    """

    def __init__(self, backend: Backend, link: Link) -> None:
        self._backend = backend
        self._sql = statements(backend)
        self._link = link
        self._cursor = link.cursor
        self._failure: StorageError | None = None
        self._settings: dict[str, str | None] = {}
        self._epoch: object = None
        self._gathered: dict[Order, list[Sequence[object]]] = {}
        self._changed: set[str] = set()
        """The applications whose rows wait among what is gathered."""
        self._fetching: WeakSet[Any] = WeakSet()

    def _gather(self, order: Order, rows: Sequence[Sequence[object]]) -> None:
        """Rows for a statement, to be sent with those of other commands."""
        if self._failure is not None:
            raise self._failure
        waiting = self._gathered.setdefault(order, [])
        waiting.extend(rows)
        if len(waiting) > MOST_GATHERED:
            self._send()

    def _send(self) -> None:
        """Write what was gathered."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, {}
        self._changed.clear()
        for order in sorted(gathered, key=attrgetter("rank")):
            rows = gathered[order]
            self._execute_many(order.sql, rows)
            if order.each and self._cursor.rowcount != len(rows):
                self._failure = Contention(
                    "该申请已被另一操作更新, 请重试", "the application was changed by somebody else; please try again"
                )
                raise self._failure

    def _execute(self, sql: str, parameters: Sequence[object]) -> Any:
        self._send()
        return self._beside(sql, parameters)

    def _beside(self, sql: str, parameters: Sequence[object]) -> Any:
        """As `_execute`, for rows that have nothing to do with those gathered: these wait on."""
        if self._failure is not None:
            raise self._failure
        try:
            # A plain tuple: of a named one SQLite's driver fetches each value through the interpreter.
            return self._cursor.execute(sql, tuple(parameters))
        except self._backend.driver_error as error:
            raise self._failed(error) from error

    def _execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self._send()
        if len(rows) == 1:
            self._beside(sql, rows[0])
            return
        if self._failure is not None:
            raise self._failure
        try:
            self._cursor.executemany(sql, map(tuple, rows))
        except self._backend.driver_error as error:
            raise self._failed(error) from error

    def _query(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """For everything that is not hot: a statement as SQLAlchemy Core, compiled and cached by it."""
        self._send()
        if self._failure is not None:
            raise self._failure
        try:
            result = self._link.sa.execute(statement)
        except sa.exc.DBAPIError as error:
            raise self._failed(error.orig or error) from error
        if result.cursor is not None:  # there are rows to fetch
            self._fetching.add(result.cursor)
        return result

    @property
    def epoch(self) -> object:
        """What a write transaction has read or written under one epoch is what the database says for as long as it is
        the epoch: nobody else has written since, and nothing was undone. In a database that does not tell whether
        others have written, each transaction is one."""
        if self._epoch is None:
            link, asked = self._link, self._backend.written_by_others
            seen = self._beside(asked, ()).fetchone() if asked else None
            if seen is None or seen != link.seen:
                link.epoch, link.seen = object(), seen
            self._epoch = link.epoch
        return self._epoch

    def _failed(self, error: BaseException) -> StorageError:
        self._failure = self._backend.translate(error)
        return self._failure

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo only what happens inside when it raises, and go on: for one command among many in a transaction.

        The exception is passed on. Savepoints may be nested.
        """
        self._execute("SAVEPOINT part", ())
        try:
            yield
            self._send()
        except BaseException:
            self._gathered.clear()
            self._changed.clear()
            # Some failures (disk full, connection lost) end the whole transaction; then there is nothing to go back to.
            if self._backend.is_usable(self._link.driver) and self._backend.in_transaction(self._link.driver):
                self._failure = None
                self._settings.clear()
                self._epoch, self._link.epoch = None, object()
                self._execute("ROLLBACK TO SAVEPOINT part", ())
                self._execute("RELEASE SAVEPOINT part", ())
            raise
        self._execute("RELEASE SAVEPOINT part", ())

    def end(self) -> None:
        """Refuse everything from now on: the connection goes on to serve other transactions. What is half fetched is
        dropped: SQLite keeps a snapshot while anybody, an error that was logged for one, holds a part of it."""
        self._failure = StorageError("事务已结束", "the transaction has ended")
        for cursor in list(self._fetching):
            cursor.close()

    def check(self) -> None:
        """Write what still waits, and raise the error that keeps this transaction from being committed, if any."""
        self._send()
        if self._failure is not None:
            raise self._failure
