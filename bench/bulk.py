"""Filling a database in bulk, past the engine: rows by the thousand, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_BATCH = 5_000
_PRAGMAS = (
    # The file is thrown away when filling it is broken off, so nothing has to be durable before the end.
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA cache_size = -524288",
)


@contextmanager
def filling(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to write the rows of a database through; they are there when the block ends."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in order, as many at a time as are written at once."""
    source = iter(items)
    while batch := list(islice(source, _BATCH)):
        yield batch


def into(table: str, fields: Iterable[str]) -> str:
    """The statement that inserts a row of these fields."""
    names = list(fields)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def insert(connection: sqlite3.Connection, table: str, fields: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert the rows."""
    connection.executemany(into(table, fields), rows)
