"""Opening a database, and giving out transactions on it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage._execution import Link
from storage._wal import WalKeeper
from storage.dialects import POSTGRESQL, SQLITE, Backend
from storage.errors import Contention, NotMigrated, OutcomeUnknown, StorageError, StorageUnavailable
from storage.transaction import Tx

SCHEMAS = tuple(f"{number:04}" for number in range(1, 18))
"""The revisions of the schema, oldest first; the last is the one this program works on."""

READERS = 15
"""Connections for reading that a process keeps, as they are needed; who comes later waits for one."""

LEAST_ROOM = 1 << 20
"""Bytes free beside a SQLite file below which no more commands should be sent to it."""

_BACKENDS = {
    "sqlite": (SQLITE, "sqlite"),
    "postgresql": (POSTGRESQL, "postgresql+psycopg"),
    "postgresql+psycopg": (POSTGRESQL, "postgresql+psycopg"),
    "postgres": (POSTGRESQL, "postgresql+psycopg"),
}

_SQLITE_PRAGMAS = (
    "PRAGMA synchronous = FULL",  # NORMAL may lose acknowledged commits when the power fails
    "PRAGMA fullfsync = ON",  # the same on macOS; elsewhere without effect
    "PRAGMA recursive_triggers = ON",  # so that REPLACE fires delete triggers
    "PRAGMA cache_size = -32768",  # KiB
)
# The driver sets `busy_timeout` on connecting, hence before the change to WAL, which needs it.
SQLITE_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA wal_autocheckpoint = 16000",  # pages; before that, see `_wal`
    "PRAGMA journal_size_limit = 67108864",
    *_SQLITE_PRAGMAS,
)
SQLITE_READER_PRAGMAS = ("PRAGMA query_only = ON", *_SQLITE_PRAGMAS)


class Database:
    """One database, shared by all threads of a process; opened anew in every process.

    Each thread that writes keeps one connection for it; readers take theirs from a pool.  `file`: where a SQLite
    database lies; None for a server.
    """

    def __init__(self, url: sa.URL, backend: Backend, lock_seconds: float) -> None:
        """Use `Database.open`."""
        self.address = url.render_as_string(hide_password=False)
        self.file = Path(str(url.database)) if backend is SQLITE else None
        self._opened: tuple[int, int] | None = None
        self._backend = backend
        self._lock_seconds = lock_seconds
        self._begin_write = backend.begin_write.format(int(lock_seconds * 1000))
        self._local = threading.local()
        self._writers: dict[threading.Thread, Link] = {}
        self._registry = threading.Lock()
        self._turn = threading.Lock()
        self._writing = _engine(url, lock_seconds, SQLITE_WRITER_PRAGMAS, poolclass=sa.NullPool)
        # None beyond those kept: to open one for a single read takes longer than most reads.
        self._reading = _engine(
            url, lock_seconds, SQLITE_READER_PRAGMAS, poolclass=sa.QueuePool, pool_size=READERS, max_overflow=0,
            pool_timeout=lock_seconds,
        )  # fmt: skip
        self._wal = WalKeeper(self._connected) if backend is SQLITE else None

    @classmethod
    def open(cls, url: str | Path, *, migrate: bool = False, lock_seconds: float = 10.0) -> Database:
        """Open a database: a bare path, `sqlite:///path` or `postgresql://user@host/name` (psycopg 3).

        `migrate`: first create or upgrade the schema (and for SQLite the file and its folder).  `lock_seconds`: how
        long to wait for another writer before Contention.  Raises StorageError on a bad address, StorageUnavailable
        when it cannot be reached or written, NotMigrated when the schema is missing, older or newer than this program.
        """
        address, backend = _address(url)
        if backend is SQLITE:
            _check_file(Path(str(address.database)), create=migrate)
        database = cls(address, backend, lock_seconds)
        try:
            if migrate:
                database.migrate()
            _check_schema(database._schema())
        except BaseException:
            database.close()
            raise
        database._opened = database._found()
        return database

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._backend.name

    def migrate(self) -> None:
        """Bring the schema up to date. Raises NotMigrated when it is newer than this program."""
        from storage.schema import upgrade  # noqa: PLC0415  # see there

        if (found := self._schema()) not in (None, *SCHEMAS):
            _check_schema(found)
        with self._transaction() as link:
            link.sa.begin()  # tells Alembic that it is inside a transaction already; ended by ours
            upgrade(link.sa)

    def schema_is_current(self) -> bool:
        """Whether the schema is the one this program works on."""
        return self._schema() == SCHEMAS[-1]

    def has_room(self) -> bool:
        """Whether a SQLite file can grow where it lies; a server looks after its own disk."""
        try:
            return self.file is None or shutil.disk_usage(self.file.absolute().parent).free >= LEAST_ROOM
        except OSError:  # its folder is gone, or its disk answers no more
            return False

    def close(self) -> None:
        """Close all connections. No thread may be inside a transaction."""
        if self._wal is not None:
            self._wal.close()
        with self._registry:
            for link in self._writers.values():
                link.sa.close()
            self._writers.clear()
        self._local = threading.local()
        self._writing.dispose()
        self._reading.dispose()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that commits when the block ends and is undone when it raises.

        Raises Contention when another writer kept it waiting too long or stood in the way, OutcomeUnknown when the
        connection broke while committing, NotMigrated when the schema has become another one meanwhile, and whatever
        `Tx` raises.  One at a time per thread.
        """
        with self._transaction() as link:
            tx = Tx(self._backend, link)
            try:
                if tx.epoch is not link.known:  # others have written: perhaps a later version of this program
                    _check_schema(tx.revision())
                    link.known = tx.epoch
                yield tx
                tx.check()
            except (self._backend.driver_error, sa.exc.DBAPIError) as error:
                raise self._met_fetching(error) from error
            finally:
                tx.end()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot: everything read inside is as of one moment. Nothing can be written in it."""
        link = self._begun(self._reader, self._backend.begin_read)
        tx = Tx(self._backend, link)
        try:
            yield tx
        except (self._backend.driver_error, sa.exc.DBAPIError) as error:
            raise self._met_fetching(error) from error
        finally:
            clean = False
            try:
                tx.end()
                link.cursor.close()
                if clean := self._backend.is_usable(link.driver):
                    link.sa.close()  # ends the snapshot
            except BaseException:
                clean = False  # out of memory, for one: whoever reads next gets another connection
                raise
            finally:
                if not clean:
                    self._discard(link)

    def _met_fetching(self, error: Exception) -> StorageError:
        """SQLite reads a row when it is fetched: what cannot be read shows there, after the statement was accepted."""
        return self._backend.translate(getattr(error, "orig", None) or error)

    @contextmanager
    def _transaction(self) -> Iterator[Link]:
        if getattr(self._local, "busy", False):
            raise RuntimeError("write() inside write() of the same thread")
        with self._turn_to_write():
            link = self._begun(self._writer, self._begin_write)
            self._local.busy = True
            try:
                yield link
                self._commit(link)
            except BaseException:
                self._roll_back(link)
                raise
            finally:
                self._local.busy = False
                link.sa.rollback()  # closes SQLAlchemy's view of the transaction; the real one has ended above

    def _turn_to_write(self) -> AbstractContextManager[object]:
        """SQLite has one writer at a time: the threads of this process queue here instead of polling the file."""
        if self._backend is not SQLITE:
            return nullcontext()
        if not self._turn.acquire(timeout=self._lock_seconds):
            raise Contention("另一个操作正在写入, 请重试", "another writer is at work; please try again")
        return _Release(self._turn)

    def _begun(self, connect: Callable[[], Link], begin: str) -> Link:
        """A connection on which a transaction has begun; a connection the server has dropped is replaced, once."""
        self._check_in_place()
        for last in (False, True):
            try:
                link = connect()
            except sa.exc.DBAPIError as error:
                raise self._backend.translate(error.orig or error) from error
            except sa.exc.TimeoutError as error:
                raise Contention("读取过多, 请稍后重试", "too many readers at once; please try again") from error
            try:
                link.cursor.execute(begin)
            except self._backend.driver_error as error:
                failure = self._backend.translate(error)
                if isinstance(failure, Contention):
                    self._roll_back(link)  # it may have begun and then waited too long for its turn
                else:
                    self._discard(link)
                if last or not isinstance(failure, StorageUnavailable):
                    raise failure from error
            else:
                return link
        raise AssertionError("unreachable")

    def _reader(self) -> Link:
        return Link(self._reading.connect())

    def _writer(self) -> Link:
        link: Link | None = getattr(self._local, "link", None)
        if link is None:
            link = self._local.link = Link(self._writing.connect())
            with self._registry:
                # Connections of threads that have ended are closed when the next thread comes.
                for thread in [thread for thread in self._writers if not thread.is_alive()]:
                    self._writers.pop(thread).sa.close()
                self._writers[threading.current_thread()] = link
        return link

    def _discard(self, link: Link) -> None:
        if link is getattr(self._local, "link", None):
            self._local.link = None
            with self._registry:
                self._writers.pop(threading.current_thread(), None)
        else:
            # One dropped connection of the pool means the server went away: the others are dead as well.
            self._reading.dispose()
        link.sa.invalidate()
        link.sa.close()

    def _commit(self, link: Link) -> None:
        self._check_in_place()
        try:
            link.cursor.execute("COMMIT")
        except self._backend.driver_error as error:
            if not self._backend.is_usable(link.driver):
                raise OutcomeUnknown(
                    "提交时连接中断, 结果未知; 请用同一幂等键重试",
                    "the connection broke while committing; ask again with the same idempotency key",
                ) from error
            raise self._backend.translate(error) from error
        if self._wal is not None:
            self._wal.note_commit()

    def _roll_back(self, link: Link) -> None:
        link.epoch = object()
        try:
            if self._backend.in_transaction(link.driver):
                link.cursor.execute("ROLLBACK")
        except self._backend.driver_error:
            self._discard(link)  # the transaction ends with its connection

    def _found(self) -> tuple[int, int] | None:
        """Which file lies at our path."""
        try:
            there = None if self.file is None else self.file.stat()
        except OSError:
            return None
        return there and (there.st_dev, there.st_ino)

    def _check_in_place(self) -> None:
        """Connections to a file that was removed or replaced go on in one that has no name any more: what they commit
        is gone with the last of them. A new one would make an empty file, or go on in another than its neighbours."""
        if self._opened is not None and self._found() != self._opened:
            raise StorageUnavailable(
                f"数据库文件 {self.file} 已被移走或替换, 本次操作未保存; 请放回原文件, 或重启服务",
                f"the database file {self.file} was moved or replaced, nothing was saved: put it back, or restart",
            )

    def _connected(self) -> sa.Connection:
        self._check_in_place()
        return self._writing.connect()

    def _schema(self) -> str | None:
        with self.read() as tx:
            return tx.schema()


class _Release(AbstractContextManager["_Release"]):
    """Releases a lock that was acquired with a time limit."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _check_schema(found: str | None) -> None:
    if found == SCHEMAS[-1]:
        return
    if found is None:
        raise NotMigrated(
            "数据库尚未初始化, 请先运行 baozhuang init", "the database is empty: run baozhuang init first"
        )
    if found in SCHEMAS:
        raise NotMigrated(
            f"数据库结构版本 {found} 较旧, 请备份后运行 baozhuang init 升级",
            f"the schema {found} is older than this program: back it up, then run baozhuang init",
        )
    raise NotMigrated(
        f"数据库结构版本 {found} 比本程序新, 请升级程序",
        f"the schema {found} is newer than this program: upgrade the program",
    )


def _address(url: str | Path) -> tuple[sa.URL, Backend]:
    if isinstance(url, Path) or "://" not in url:
        return sa.URL.create("sqlite", database=str(url)), SQLITE
    try:
        address = sa.make_url(url)
        backend, driver = _BACKENDS[address.drivername]
    except (sa.exc.ArgumentError, ValueError, KeyError) as error:
        raise StorageError(
            "数据库地址应为文件路径、sqlite:///路径 或 postgresql://用户@主机/库名",
            "a database is a file path, sqlite:///path or postgresql://user@host/name",
        ) from error
    if backend is SQLITE and (address.database or ":memory:") == ":memory:":
        raise StorageError("SQLite 数据库须是文件", "a SQLite database must be a file")
    return address.set(drivername=driver), backend


def _check_file(path: Path, *, create: bool) -> None:
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable(
                f"无法创建目录 {path.parent}", f"cannot create the folder {path.parent}"
            ) from error
    elif not path.exists():
        raise NotMigrated(
            f"数据库文件 {path} 不存在, 请先运行 baozhuang init", f"no database at {path}: run baozhuang init first"
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
        raise StorageUnavailable(f"无法写入数据库文件 {path}", f"cannot write the database file {path}")


def _engine(url: sa.URL, lock_seconds: float, pragmas: tuple[str, ...], **pool: Any) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10}, **pool)
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": lock_seconds, "check_same_thread": False, "cached_statements": 256},
        **pool,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            for pragma in pragmas:
                cursor.execute(pragma)

    return engine
