"""Carrying SQLite's write-ahead log over into the database file, beside the writer instead of in its commits.

SQLite does it inside the commit that fills the log: that caller, and with shared commits every caller, waits for some
thousand pages and two more flushes.  Done on a connection of its own it runs while the writer goes on.  What the writer
adds meanwhile is left for the next time; should the log outgrow that, the writer's own limit still holds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

import sqlalchemy as sa

from storage.errors import StorageUnavailable

_PAUSE = 0.25
"""Seconds from a commit until the log is carried over: in that time pages written again and again become one."""


class WalKeeper:
    """The thread that does it, for one open database. `connect` gives it its connection."""

    def __init__(self, connect: Callable[[], sa.Connection]) -> None:
        self._connect = connect
        self._committed = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def note_commit(self) -> None:
        """Something was committed. The first time the thread is started."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="baozhuang-wal", daemon=True)
            self._thread.start()
        self._committed.set()

    def close(self) -> None:
        """Stop, and wait until a carry-over at work has ended."""
        self._stopped.set()
        self._committed.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            with self._connect() as connection:
                cursor = connection.connection.cursor()
                while self._committed.wait() and not self._stopped.wait(_PAUSE):
                    self._committed.clear()
                    if self._stopped.is_set():
                        return  # what was cleared may have been the call to stop
                    cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (sqlite3.Error, sa.exc.DBAPIError, StorageUnavailable):
            # A full or vanished disk. Nothing is lost: the log keeps every commit, the writer says what is wrong at its
            # next one, and after `wal_autocheckpoint` pages it carries the log over itself.
            return
