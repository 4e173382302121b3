"""The board of one customer manager with 2,000 applications among a million stored ones: how long a page takes.

The rows are projections of the size that real ones have, written in bulk; a page reads nothing else.  The server is a
process of its own; its one client asks for one page after the other over a connection that is kept.
"""

from __future__ import annotations

import datetime as dt
import http.client
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.bulk import batches, filling, insert
from bench.cases import CLASSES
from bench.engine import prepared_database
from bench.over_http import served
from bench.report import Section, Target
from storage import GENESIS, CaseRow, DeadlineRow, OrgRow, PersonalRow, StaffRow
from workflow.core.times import BUSINESS_ZONE, business_date, write
from workflow.service import Principal, Service, accounts
from workflow.service.board import PER_PAGE

MINE = 2_000
"""Applications of the manager who looks."""
OPEN = 0.4
TEAMS = 500
WHO, TEAM = "bench", "T0"
PASSWORD = "a sentence to measure by"
_SNAPSHOT = "x" * 2_400
"""As long as a snapshot usually is."""
_PAGES = (
    ("the board", "/board"),
    ("the board, English", "/board?lang=en"),
    ("one band", "/board?band=overdue"),
    ("filtered by class and step", "/board?user_class=hv_dual&step=metering"),
    ("finished ones", "/board?band=closed"),
    ("all of the unit", "/board?whose=all"),
    ("found by application number", "/board?number=BZ-T0-2026-0000500"),
    ("found by account", "/board?number=C1000"),
    ("the morning list", "/board/morning"),
)


def fill(path: Path, stored: int) -> None:
    """A database of `stored` applications of which `MINE` are the manager's."""
    prepared_database(path)
    with Service.open(path) as service:
        service.put_orgs(
            [OrgRow("P", None, "province", "省公司", None, None)]
            + [OrgRow(f"T{n}", "P", "team", f"第 {n} 供电所", None, None) for n in range(TEAMS)]
        )
        service.put_staff([StaffRow(WHO, "测量员", TEAM, "manager", None, None)])
        accounts.create(service, Principal("bench", "admin"), WHO, PASSWORD, must_change=False)
    with filling(path) as connection:
        for batch in batches(_rows(stored)):
            insert(connection, "application", CaseRow._fields, [one[0] for one in batch])
            insert(connection, "personal", PersonalRow._fields, [one[1] for one in batch])
            insert(connection, "deadline", DeadlineRow._fields, [row for one in batch for row in one[2]])


def _rows(stored: int) -> Iterator[tuple[CaseRow, PersonalRow, list[DeadlineRow]]]:
    """Applications in the order they came, the manager's spread evenly among them."""
    chance = random.Random(20261126)
    now = dt.datetime.now(BUSINESS_ZONE)
    mine = max(1, stored // MINE)
    for number in range(stored):
        own = number % mine == 0
        team = 0 if own else chance.randrange(TEAMS)
        case_id = f"019c{number // 65536:04x}-{number % 65536:04x}-7000-8000-{number:012x}"
        user_class = CLASSES[number % 5]
        submitted = now - dt.timedelta(days=(stored - number) * 300 / stored)
        is_open = chance.random() < OPEN
        runs = is_open and chance.random() < 0.6
        due = business_date(now) + dt.timedelta(days=chance.randrange(-10, 30)) if runs else None
        row = CaseRow(
            id=case_id,
            application_no=f"BZ-T{team}-2026-{number:07d}",
            external_id=f"X{number}",
            org=f"T{team}",
            region="960102",
            user_class=user_class,
            state=("metering.running" if runs else "metering.waiting") if is_open else "energised",
            manager=WHO if own else f"T{team}-{chance.randrange(3)}",
            project_manager=None,
            premises_id=f"P{number}",
            voltage="high" if user_class.startswith("hv") else "low",
            capacity_kw=630.0,
            business_type="new",
            channel="online",
            submitted_at=write(submitted),
            closed_at=None if is_open else write(submitted + dt.timedelta(days=9)),
            due_on=None if due is None else due.isoformat(),
            total_due_on=None if due is None else due.isoformat(),
            provisional=False,
            definition_hash="d" * 64,
            version=12,
            head_hash=GENESIS,
            predecessor=None,
            snapshot=_SNAPSHOT,
        )
        person = PersonalRow(case_id, "salt", f"C{number}", "某某科技有限公司", "000", "某路 1 号")
        yield row, person, [_deadline(case_id, key, due) for key in ("step:metering:1", "total")] if due else []


def _deadline(case_id: str, key: str, due: dt.date) -> DeadlineRow:
    step = key.startswith("step")
    ledger = f'{{"running":[["{due - dt.timedelta(days=10)}",null]],"suspended":[]}}'
    return DeadlineRow(
        case_id, key, "step" if step else "total", "metering" if step else None, 1 if step else None, 7, ledger,
        due.isoformat(), False, "running", "c" * 64,
    )  # fmt: skip


def section(folder: Path, *, stored: int, quick: bool) -> Section:
    """Measure."""
    made = Section(
        f"The board: {MINE:,} applications of the viewer among {stored:,}",
        f"python -m bench --only board --stored {stored}",
    )
    path = folder / "board.db"
    began = time.perf_counter()
    fill(path, stored)
    made.add("filling, rows of projections in bulk", time.perf_counter() - began, "seconds")
    with Service.open(path) as service:
        token = accounts.sign_in(service, WHO, PASSWORD, "127.0.0.1")
    times = 20 if quick else 200
    with served(path) as (port, server):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for name, address in _PAGES:
            for _ in range(10):
                _ask(connection, address, token)
            before = psutil.Process(server.pid).cpu_times()
            taken = sorted(_ask(connection, address, token) for _ in range(times))
            after = psutil.Process(server.pid).cpu_times()
            spent = (after.user + after.system - before.user - before.system) / times
            made.add(f"{name}, p50", taken[times // 2], "seconds")
            made.add(f"{name}, p95", taken[times * 95 // 100], "seconds", Target(0.1, below=True))
            made.add(f"{name}, processor time of the server", spent, "seconds")
        connection.close()
    made.notes.append(f"{times} times each after 10 to warm up; {PER_PAGE} lines a page, as whole HTML pages")
    return made


def _ask(connection: http.client.HTTPConnection, address: str, token: str) -> float:
    """Seconds until the page was there. Raises RuntimeError when it was none."""
    began = time.perf_counter()
    connection.request("GET", address, headers={"Cookie": f"baozhuang_session={token}; baozhuang_lang=zh"})
    answer = connection.getresponse()
    answer.read()
    taken = time.perf_counter() - began
    if answer.status != 200:
        raise RuntimeError(f"{address}: {answer.status}")
    return taken
