"""The pages over the demonstration, on a day that does not move: what tests and screenshots look at.

`PAGES` of every module in `tests/web/pages` are the pages of the site.
"""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvicorn
from starlette.testclient import TestClient

import tests.web.pages
from storage import Database
from workflow.alerts import worker
from workflow.server import Site
from workflow.service import BUSINESS_ZONE, Service, accounts
from workflow.service.demo import SimulatedClock, fill
from workflow.web.visit import SESSION

NOW = dt.datetime(2026, 11, 25, 10, 0, tzinfo=BUSINESS_ZONE)
"""A Wednesday morning."""


@dataclass(frozen=True)
class Page:
    """A page of the site: under which name it is told, where it is, as which role it is looked at (None: nobody is
    signed in), and what it answers. `cookies`: what else the browser brings."""

    name: str
    path: str | Callable[[Office], str]
    role: str | None = "manager"
    status: int = 200
    cookies: Callable[[Office], dict[str, str]] = lambda _: {}


def pages() -> list[Page]:
    """Every page of every area."""
    names = sorted(module.name for module in pkgutil.iter_modules(tests.web.pages.__path__))
    return [page for name in names for page in importlib.import_module(f"tests.web.pages.{name}").PAGES]


def make_demonstration(folder: Path) -> None:
    """The demonstration's database in `folder`, with its alerts raised, and the passwords beside it."""
    path = folder / "demo.db"
    Database.open(path, migrate=True).close()
    filled = fill(path, lambda *_: None, NOW)
    with Service.open(path, clock=SimulatedClock(NOW)) as service:
        worker.run_once(service)
    (folder / "accounts.json").write_bytes(msgspec.json.encode(filled.accounts))


@dataclass
class Office:
    """The site over a copy of the demonstration, and people signed in to it by role. `kept`: what pages that need
    something of their own have made here, by name."""

    service: Service
    people: dict[str, tuple[str, str]]
    url: str = ""
    kept: dict[str, str] = field(default_factory=dict)
    site: Site = field(init=False)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.site = Site(self.service)

    def token(self, role: str) -> str:
        """The session of the demonstration's account of this role."""
        if role not in self._tokens:
            self._tokens[role] = accounts.sign_in(self.service, *self.people[role], "127.0.0.1")
        return self._tokens[role]

    def client(self, role: str | None = "manager") -> TestClient:
        """A browser without a screen, signed in."""
        client = TestClient(self.site, raise_server_exceptions=False)
        if role is not None:
            client.cookies.set(SESSION, self.token(role))
        return client

    def path(self, page: Page) -> str:
        """Where a page is."""
        return page.path if isinstance(page.path, str) else page.path(self)


@contextmanager
def office(made: Path, folder: Path) -> Iterator[Office]:
    """The office over a copy in `folder` of what `make_demonstration` made."""
    shutil.copyfile(made / "demo.db", folder / "demo.db")
    people = {
        one["role"]: (one["staff"], one["password"])
        for one in msgspec.json.decode((made / "accounts.json").read_bytes())
    }
    with Service.open(folder / "demo.db", clock=SimulatedClock(NOW)) as service:
        yield Office(service, people)


@contextmanager
def served(office: Office) -> Iterator[Office]:
    """The office's site at an address of this machine."""
    server = uvicorn.Server(uvicorn.Config(office.site, port=0, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    office.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield office
    finally:
        server.should_exit = True
        thread.join()
