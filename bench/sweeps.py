"""Alerts over a million open applications: a sweep that finds nothing, the hard morning on which 100,000 rungs are
reached at once, and the same million as jobs in a job store of APScheduler.

The bare SQL beside it claims and inserts the very rows the sweep has written, page by page with durable commits,
without working out a rung or a recipient.
"""

from __future__ import annotations

import datetime as dt
import pickle
import resource
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import uuid6
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.util import datetime_to_utc_timestamp

from bench.bulk import batches, filling, insert
from bench.cases import UNITS
from bench.engine import prepared_database
from bench.report import Section, Target, in_rounds
from storage import GENESIS, AlertRow, CaseRow, DeadlineRow, MessageRow, StaffRow
from storage.database import SQLITE_WRITER_PRAGMAS, Database
from workflow.alerts import due
from workflow.alerts.sweep import Pulse, Run, Sweep
from workflow.core.times import BUSINESS_ZONE, write
from workflow.service import Service

MORNING = dt.datetime(2026, 3, 16, 6, tzinfo=BUSINESS_ZONE)
"""A Monday before the offices open: what fell on the weekend comes with it."""

SHARE_DUE = 0.1
"""Share of the applications of which one timer reaches a rung on that morning."""

_IDLE_RUNS = 50
_DUE = Sweep("due", due.run)
_SCHEDULER_SECONDS = 10.0


class _Still:
    def now(self) -> dt.datetime:
        """Always that morning."""
        return MORNING


def fill(path: Path, many: int) -> int:
    """A database of `many` open applications; how many of their timers reach a rung on the morning."""
    prepared_database(path)
    with closing(Database.open(path)) as database, database.write() as tx:
        tx.put_staff([StaffRow("city-0", "市级主管", "city", "supervisor", None, None)])
        for unit in UNITS:
            tx.put_staff([StaffRow(f"{unit}-{n}", f"{unit} {n}", unit, "manager", None, None) for n in (1, 2, 3)])
            tx.put_staff([StaffRow(f"{unit}-0", unit, unit, "supervisor", "json://192.0.2.1/", None)])
    due_now = int(many * SHARE_DUE)
    with filling(path) as connection:
        for batch in batches(_rows(many, due_now)):
            insert(connection, "application", CaseRow._fields, [case for case, _ in batch])
            insert(connection, "deadline", DeadlineRow._fields, [row for _, rows in batch for row in rows])
        connection.execute("ANALYZE")
    return due_now


def _rows(many: int, due_now: int) -> Iterator[tuple[CaseRow, list[DeadlineRow]]]:
    """Applications with their timers: a total each, every second one a step as well. Of the first ones a step limit of
    three or ten working days reaches yellow, orange, red or black on the morning; the others are looked at later."""
    submitted = write(MORNING - dt.timedelta(days=20))
    # Counted from, budget, due date: by hand from the calendar of March 2026, which has no festival.
    reached = (("2026-03-13", 3, "2026-03-18"), ("2026-03-12", 3, "2026-03-17"), ("2026-03-11", 3, "2026-03-16"),
               ("2026-03-10", 3, "2026-03-13"))  # fmt: skip
    for number in range(many):
        unit = UNITS[number % len(UNITS)]
        case_id = f"019c0000-0000-7000-8000-{number:012x}"
        case = CaseRow(
            case_id, f"BZ-{unit}-2026-{number:07d}", None, unit, "420102", "hv_single", "supply_plan.running",
            f"{unit}-{number % 3 + 1}", None, f"P{number}", "high", 630.0, "new", "hall", submitted, None,
            "2026-03-27", "2026-03-27", False, "d" * 64, 1, GENESIS, None, "{}",
        )  # fmt: skip
        ledger = '{"running":[["%s",null]],"suspended":[]}'
        later = (MORNING.date() + dt.timedelta(days=1 + number % 30)).isoformat()
        total = DeadlineRow(
            case_id, "total", "total", None, None, 22, ledger % "2026-02-26", "2026-03-27", False, "running", "c" * 64,
            later,
        )  # fmt: skip
        rows = [total]
        if number < due_now or number % 2:
            start, budget, due_on = reached[number % 4]
            look = MORNING.date().isoformat() if number < due_now else later
            step = DeadlineRow(
                case_id, "step:supply_plan:1", "step", "supply_plan", 1, budget, ledger % start, due_on, False,
                "running", "c" * 64, look,
            )  # fmt: skip
            rows.append(step)
        yield case, rows


def hard_morning(path: Path) -> float:
    """Raise everything that is due by the sweep; rungs per second."""
    with Service.open(path, clock=_Still()) as service:
        run = Run(service, "bench", threading.Event(), at_most=sys.maxsize, seconds=3600.0)
        began = time.perf_counter()
        due.run(run)
        seconds = time.perf_counter() - began
    return run.done / seconds


def bare(path: Path, pages: Sequence[tuple[list[Any], list[Any], list[Any]]]) -> float:
    """Claim and insert the same rows in bare SQL; rungs per second."""
    claims = ", ".join("?" * len(AlertRow._fields))
    queued = ", ".join("?" * len(MessageRow._fields))
    raised = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in SQLITE_WRITER_PRAGMAS:
            connection.execute(pragma)
        began = time.perf_counter()
        for alerts, messages, moved in pages:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "SELECT case_id, key, ledger, due_on FROM deadline WHERE look_on <= ? ORDER BY look_on LIMIT ?",
                (MORNING.date().isoformat(), due.PAGE),
            ).fetchall()
            claimed = connection.executemany(
                f"INSERT INTO alert VALUES ({claims}) ON CONFLICT (subject, key, level, day) DO NOTHING", alerts
            )
            raised += claimed.rowcount
            connection.executemany(f"INSERT INTO message VALUES ({queued}) ON CONFLICT (dedupe) DO NOTHING", messages)
            connection.executemany("UPDATE deadline SET look_on = ? WHERE case_id = ? AND key = ?", moved)
            connection.execute("COMMIT")
        return raised / (time.perf_counter() - began)


def written(path: Path) -> list[tuple[list[Any], list[Any], list[Any]]]:
    """What the sweep wrote to `path`, in pages of as many deadlines as its own."""
    with closing(sqlite3.connect(path)) as connection:
        alerts = connection.execute("SELECT * FROM alert ORDER BY id").fetchall()
        messages: dict[str, list[Any]] = {}
        for row in connection.execute("SELECT * FROM message ORDER BY id"):
            messages.setdefault(row[2], []).append(row)
        looks = {
            (case_id, key): look_on
            for case_id, key, look_on in connection.execute(
                "SELECT d.case_id, d.key, d.look_on FROM deadline d JOIN alert a USING (case_id, key)"
            )
        }
    pages = []
    for at in range(0, len(alerts), due.PAGE):
        page = alerts[at : at + due.PAGE]
        moved = [(looks[row[2], row[5]], row[2], row[5]) for row in page]
        pages.append((page, [one for row in page for one in messages.get(row[0], ())], moved))
    return pages


def idle(path: Path, *, heartbeat: bool) -> float:
    """The median seconds of a sweep that finds nothing; one run in ten seconds also writes a `heartbeat`."""
    taken = []
    with Service.open(path, clock=_Still()) as service:
        pulse = Pulse(service, "bench", threading.Event())
        pulse.beat(_DUE)
        for _ in range(_IDLE_RUNS):
            if heartbeat:
                pulse = Pulse(service, "bench", threading.Event())
            began = time.perf_counter()
            row = pulse.beat(_DUE)
            taken.append(time.perf_counter() - began)
            if row.error or row.looked:
                raise AssertionError(f"the sweep was not idle: {row}")
    return sorted(taken)[len(taken) // 2]


def raise_by_job(case_id: str, key: str) -> None:
    """What a job of the job store would do; here nothing, which flatters it."""
    _fired.append((case_id, key))


_fired: list[tuple[str, str]] = []


def fill_jobs(path: Path, many: int, due_now: int) -> None:
    """`many` one-shot jobs in a job store, of which `due_now` are due."""
    url = f"sqlite:///{path}"
    store = SQLAlchemyJobStore(url=url)
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        job_defaults={"coalesce": True, "misfire_grace_time": None},
        timezone=BUSINESS_ZONE,
    )
    scheduler.start(paused=True)
    template = scheduler.add_job(
        "bench.sweeps:raise_by_job", "date", args=("", ""), id="template", run_date=MORNING + dt.timedelta(days=3650)
    )
    state = template.__getstate__()
    scheduler.remove_job("template")
    scheduler.shutdown()
    past, future = dt.datetime.now(BUSINESS_ZONE) - dt.timedelta(hours=1), MORNING + dt.timedelta(days=3650)
    stamps = [datetime_to_utc_timestamp(moment) for moment in (past, future)]

    def rows() -> Iterator[tuple[str, float, bytes]]:
        for number in range(many):
            id_ = str(uuid6.uuid7())
            at = past if number < due_now else future
            pickled = pickle.dumps({**state, "id": id_, "args": (id_, "total"), "next_run_time": at})
            yield id_, stamps[number >= due_now], pickled

    with filling(path) as connection:
        connection.executemany("INSERT INTO apscheduler_jobs VALUES (?, ?, ?)", rows())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in SQLITE_WRITER_PRAGMAS:
            connection.execute(pragma)


def run_jobs(path: Path, due_now: int) -> tuple[float, float]:
    """Let a scheduler run what is due: seconds until the first job is done, and jobs done per second after it."""
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")},
        job_defaults={"coalesce": True, "misfire_grace_time": None},
        timezone=BUSINESS_ZONE,
    )
    began = time.perf_counter()
    scheduler.start()
    while not _fired:
        time.sleep(0.01)
    first = time.perf_counter() - began
    already, began = len(_fired), time.perf_counter()
    while len(_fired) < due_now and time.perf_counter() - began < _SCHEDULER_SECONDS:
        time.sleep(0.01)
    rate = (len(_fired) - already) / (time.perf_counter() - began)
    scheduler.shutdown(wait=False)
    return first, rate


def _peak() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status")  # what getrusage says is inherited from the process that started this one
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _with_growth(call: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float]:
    before = _peak()
    return call(*arguments), float(_peak() - before)


def apart(call: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What `call` answers in a process of its own, and by how many bytes that process grew."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_growth, call, arguments).result()


def section(folder: Path, *, stored: int, quick: bool) -> Section:
    """Measure all of it."""
    made = Section(f"Alerts over {stored:,} open applications", "python -m bench --only sweeps")
    full = folder / "open.db"
    due_now = fill(full, stored)
    deadlines = stored + (stored + due_now) // 2
    rounds = 1 if quick else 3
    first = folder / "morning.db"
    shutil.copyfile(full, first)
    _, memory = apart(hard_morning, first)
    under = Target(0.02, below=True)
    made.add(f"sweep that finds nothing, {deadlines:,} open deadlines", idle(first, heartbeat=False), "seconds", under)
    made.add("the same when it also writes its heartbeat", idle(first, heartbeat=True), "seconds", under)
    pages = written(first)
    first.unlink()

    def fresh(name: str) -> Path:
        path = folder / name
        for old in folder.glob(f"{name}*"):
            old.unlink()
        shutil.copyfile(full, path)
        return path

    spread = in_rounds(
        {
            "sweep": lambda: hard_morning(fresh("sweep.db")),
            "bare": lambda: bare(fresh("bare.db"), pages),
        },
        rounds,
    )
    raised = sum(len(alerts) for alerts, _, _ in pages)
    messages = sum(len(page) for _, page, _ in pages)
    made.add(f"{raised:,} rungs at once: the sweep", spread["sweep"].median, "rungs/s")
    made.add("the same rows by bare SQL", spread["bare"].median, "rungs/s")
    share = spread["sweep"].median / spread["bare"].median
    made.add("the sweep beside bare SQL", share, "share", Target(1 / 3))
    made.add("more memory while it raised them", memory, "MiB")
    jobs = folder / "jobs.db"
    fill_jobs(jobs, stored, due_now)
    (seconds, rate), bytes_ = apart(run_jobs, jobs, due_now)
    made.add(f"the same as {stored:,} jobs in a job store: until the first one runs", seconds, "seconds")
    made.add("jobs run", rate, "jobs/s")
    made.add("more memory while it looked for them", bytes_, "MiB")
    made.notes += [
        f"{messages:,} messages were queued with the {raised:,} alerts; durable commits of {due.PAGE} deadlines each.",
        f"Over {rounds} rounds the sweep raised {spread['sweep']}, bare SQL {spread['bare']} a second.",
        "The jobs do nothing; the store commits for each of them, and two processes on one store would both run them.",
    ]
    return made
