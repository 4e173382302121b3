"""Opening a database: addresses, and what a person is told when it does not work."""

from __future__ import annotations

import os
import pickle
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from storage import Damaged, Database, Duplicate, NotMigrated, StorageError, StorageUnavailable
from storage._wal import WalKeeper


def test_a_bare_path_a_path_object_and_a_url_open_the_same_file(tmp_path: Path):
    path = tmp_path / "数据 100%" / "application.db"
    created = Database.open(path, migrate=True)
    assert created.dialect == "sqlite"
    created.close()
    for address in (path, str(path), f"sqlite:///{path}"):
        database = Database.open(address)
        assert database.schema_is_current()
        database.close()


def test_sqlite_is_durable_and_guarded(durable, sqlite_url: str):
    database = Database.open(sqlite_url, lock_seconds=7)
    with database.write() as tx:
        asked = {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1, "busy_timeout": 7000}
        for pragma, value in asked.items():
            assert tx._execute(f"PRAGMA {pragma}", ()).fetchall() == [(value,)]
    database.close()


def test_postgresql_is_durable_even_where_the_server_is_not(postgresql_url: str):
    Database.open(postgresql_url).close()
    database = Database.open(f"{postgresql_url}&options=-csynchronous_commit%3Doff")
    assert database.dialect == "postgresql"
    with database.read() as tx:
        assert tx._execute("SHOW synchronous_commit", ()).fetchall() == [("off",)]
    with database.write() as tx:
        assert tx._execute("SHOW synchronous_commit", ()).fetchall() == [("on",)]
        assert tx._execute("SHOW lock_timeout", ()).fetchall() == [("10s",)]
    database.close()


@pytest.mark.parametrize("url", ["mysql://host/db", "://", "sqlite://", "sqlite:///:memory:", "postgresql://h:port/x"])
def test_an_address_we_cannot_use_is_refused(url):
    with pytest.raises(StorageError) as caught:
        Database.open(url)
    assert type(caught.value) is StorageError
    assert "SQLite" in caught.value.zh or "postgresql" in caught.value.zh


def test_a_missing_file_is_not_created_by_looking(tmp_path: Path):
    with pytest.raises(NotMigrated, match="baozhuang init"):
        Database.open(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_and_one_without_our_tables_are_not_ours(tmp_path: Path):
    (tmp_path / "empty.db").touch()
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    for name in ("empty.db", "other.db"):
        with pytest.raises(NotMigrated, match="baozhuang init"):
            Database.open(tmp_path / name)


def test_a_file_that_is_no_database(tmp_path: Path):
    path = tmp_path / "letter.db"
    path.write_text("Dear customer, " * 100)
    for migrate in (False, True):
        with pytest.raises(StorageError, match="not a database"):
            Database.open(path, migrate=migrate)


@pytest.mark.parametrize("spoilt", ["text", "page"])
def test_a_damaged_file_is_said_so(sqlite_url: str, spoilt: str):
    database = Database.open(sqlite_url)
    assert database.file is not None
    with database.write() as tx:
        tx.put_setting("kept", "1")
    database.close()
    with closing(sqlite3.connect(database.file)) as connection:
        connection.execute("UPDATE setting SET value = CAST(x'ff' AS TEXT)")  # found on fetching, as it is no UTF-8
        connection.commit()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'setting'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    if spoilt == "page":
        with database.file.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
    database = Database.open(sqlite_url)
    for transaction in (database.read, database.write):
        with pytest.raises(Damaged, match="restore it from a backup"), transaction() as tx:
            tx.setting("kept")
    database.close()


def test_a_folder_in_place_of_a_file(tmp_path: Path):
    with pytest.raises(StorageUnavailable):
        Database.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="folder"):
        Database.open(tmp_path / "file" / "application.db", migrate=True)


def test_a_file_that_may_not_be_written(sqlite_url: str, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(StorageUnavailable, match="cannot write"):
        Database.open(sqlite_url)


def test_nothing_is_acknowledged_in_a_file_that_was_moved_or_replaced(sqlite_url: str, tmp_path: Path):
    database = Database.open(sqlite_url)
    assert database.file is not None
    with database.write() as tx:
        tx.put_setting("kept", "1")
    backup, moved = tmp_path / "backup.db", tmp_path / "moved.db"
    with closing(sqlite3.connect(database.file)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)

    def is_refused() -> None:
        with pytest.raises(StorageUnavailable, match="moved or replaced"), database.write() as tx:
            tx.put_setting("lost", "1")
        with pytest.raises(StorageUnavailable, match="moved or replaced"):
            database.schema_is_current()

    with pytest.raises(StorageUnavailable, match="moved or replaced"), database.write() as tx:  # noqa: PT012  # on commit
        tx.put_setting("lost", "1")
        database.file.rename(moved)
    is_refused()
    assert not database.file.exists()
    backup.rename(database.file)
    is_refused()
    moved.rename(database.file)
    with database.write() as tx:
        assert (tx.setting("kept"), tx.setting("lost")) == ("1", None)
    database.close()


def test_what_carries_the_log_over_makes_no_file(sqlite_url: str):
    database = Database.open(sqlite_url)
    assert database.file is not None
    assert database._wal is not None
    database.file.unlink()
    database._wal.note_commit()
    database.close()
    assert not database.file.exists()


def test_a_server_that_is_not_there():
    with pytest.raises(StorageUnavailable):
        Database.open("postgresql://nobody@127.0.0.1:1/none")


def test_errors_cross_process_borders():
    error = pickle.loads(pickle.dumps(Duplicate("event")))
    assert isinstance(error, Duplicate)
    assert (error.table, str(error), error.zh) == ("event", str(Duplicate("event")), Duplicate("event").zh)


def test_the_log_is_carried_over_beside_the_writer(sqlite_url: str):
    """Far fewer pages than `wal_autocheckpoint`, and the database stays open: only the keeper can have moved them.
    Pages that are free in the file are filled before it grows."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    database = Database.open(sqlite_url)
    before = path.stat().st_size
    with database.write() as tx:
        for number in range(200):
            tx.put_setting(f"key {number}", "x" * 4000)
    until = time.monotonic() + 30
    while path.stat().st_size < before + 150 * 4000 and time.monotonic() < until:
        time.sleep(0.05)
    assert path.stat().st_size >= before + 150 * 4000
    database.close()


def test_a_database_is_closed_at_once_and_leaves_no_thread(sqlite_url: str):
    database = Database.open(sqlite_url)
    with database.write() as tx:
        tx.put_setting("key", "value")
    assert "baozhuang-wal" in [thread.name for thread in threading.enumerate()]
    database.close()
    assert "baozhuang-wal" not in [thread.name for thread in threading.enumerate()]


def test_a_call_to_stop_is_not_lost_between_two_looks(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """The call comes just before the keeper takes note that it has seen the last commit."""
    monkeypatch.setattr("storage._wal._PAUSE", 0.0)
    database = Database.open(sqlite_url)
    keeper = WalKeeper(database._writing.connect)
    seen = keeper._committed.clear

    def stopped_meanwhile() -> None:
        keeper._stopped.set()
        keeper._committed.set()
        seen()

    monkeypatch.setattr(keeper._committed, "clear", stopped_meanwhile)
    keeper.note_commit()
    assert keeper._thread is not None
    keeper._thread.join(30)
    assert not keeper._thread.is_alive()
    database.close()
