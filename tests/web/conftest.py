"""The demonstration's site: made once for all processes of a test run, copied and served once in each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage._execution import Execution
from tests.web import site


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demonstration, shared by the processes of this run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "demonstration"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "accounts.json").exists():
            site.make_demonstration(folder)
    return folder


@pytest.fixture(scope="session")
def office(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Office]:
    """The site everybody looks at; who changes it uses `own_office`."""
    with site.office(made, tmp_path_factory.mktemp("office")) as opened:
        yield opened


@pytest.fixture
def own_office(made: Path, tmp_path: Path) -> Iterator[site.Office]:
    """A site of this test's own."""
    with site.office(made, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def served(office: site.Office) -> Iterator[site.Office]:
    with site.served(office) as at:
        yield at


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """`with statements() as ran:` lists the SQL statements that were run inside, whoever ran them."""

    def counted(real: Callable[..., Any], ran: list[str]) -> Callable[..., Any]:
        def run(self: Execution, statement: Any, *rest: Any) -> Any:
            ran.append(str(statement))
            return real(self, statement, *rest)

        return run

    @contextmanager
    def counting() -> Iterator[list[str]]:
        ran: list[str] = []
        with monkeypatch.context() as patch:
            for name in ("_execute", "_execute_many", "_query"):
                patch.setattr(Execution, name, counted(getattr(Execution, name), ran))
            yield ran

    return counting
