"""Many workers on one database raise each alert once, also when they are killed or the database goes away; one worker
starts, keeps time, and stops when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import structlog

from storage import AlertFilter, Database, MessageFilter, OrgRow, StaffRow
from tests.alerts.office import STAFF, UNITS, Office
from tests.storage.samples import case, deadline
from workflow.alerts import due
from workflow.alerts.sweep import Run, Sweep
from workflow.alerts.worker import Worker
from workflow.service.health import EVERY

ROOT = Path(__file__).parents[2]
MORNING = "2024-01-22 03:00"
LEDGER = '{"running":[["2024-01-08",null]],"suspended":[]}'


def fill(database: Database, many: int) -> None:
    """Deadlines of five working days from 2024-01-08: by the 22nd each has five rungs to raise (11, 12, 15, 16, 22)."""
    with database.write() as tx:
        tx.put_orgs([OrgRow(*unit) for unit in UNITS])
        tx.put_staff([StaffRow(*one) for one in STAFF])
        for number in range(many):
            name = f"c{number:05d}"
            tx.insert_case(case(name, org="T1", region="420000", manager="m1"))
            tx.put_deadline(deadline(name, budget=5, ledger=LEDGER, due_on="2024-01-15", look_on="2024-01-11"))


@contextmanager
def sweepers(url: str, count: int, mode: str = "once") -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.alerts.sweeper", url, MORNING, mode]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    cwd=ROOT,
                )
            )
            for _ in range(count)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            yield processes
        finally:
            for process in processes:
                process.kill()


def assert_each_raised_once(database: Database, many: int) -> None:
    with database.read() as tx:
        alerts = tx.list_alerts(AlertFilter(), limit=100_000)
        messages = tx.list_messages(MessageFilter(), limit=100_000)
        assert tx.oldest_look() == "2024-01-23"
    by_case = Counter(row.case_id for row in alerts)
    assert by_case == {f"c{number:05d}": 5 for number in range(many)}
    assert len({(row.subject, row.key, row.level, row.day) for row in alerts}) == 5 * many
    # m1 five times, the lead four, the county three, the city once.
    assert Counter(row.recipient for row in messages) == {
        "m1": 5 * many, "lead": 4 * many, "county": 3 * many, "city": many,
    }  # fmt: skip
    in_order = sorted((row.id, row.case_id or "", row.day) for row in alerts)
    for name in by_case:
        days = [day for _, case_id, day in in_order if case_id == name]
        assert days == sorted(days)


@pytest.mark.parametrize(("kind", "workers"), [("postgresql", 4), ("sqlite", 2)])
def test_many_workers_raise_each_alert_once(kind: str, workers: int, request: pytest.FixtureRequest):
    url = request.getfixturevalue(f"{kind}_url")
    database = Database.open(url)
    many = 400
    fill(database, many)
    with sweepers(url, workers) as processes:
        told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * workers
    assert sum(int(done) for lines in told for done in lines[::2]) == 5 * many
    assert_each_raised_once(database, many)
    database.close()


def test_threads_that_meet_on_the_same_rows_raise_each_once(office: Office):
    """The same rows, told to be looked at again while another looks: the claim decides, not luck."""
    for number in range(20):
        office.case(number)
    office.clock.set(MORNING)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                with office.service.database.write() as tx:
                    tx.look_again([("2024-01-11", row.case_id, row.key) for row in tx.due_looks("9999-12-31", 5)])
                due.run(Run(office.service, "thread", threading.Event()))
        except BaseException as error:  # noqa: BLE001  # told to the test below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    office.sweep("due")
    assert Counter(row.case_id for row in office.alerts()).most_common() == [
        (row.case_id, 5) for row in office.alerts(level="yellow")
    ]
    assert len(office.messages()) == 20 * 13


def test_workers_killed_at_any_moment_lose_nothing(database: Database, database_url: str):
    many = 300
    fill(database, many)
    for after in (0.02, 0.1, 0.25):
        with sweepers(database_url, 2, "loop") as processes:
            time.sleep(after)
            for process in processes:
                process.send_signal(signal.SIGKILL)
    with sweepers(database_url, 1) as processes:
        processes[0].communicate(timeout=60)
    assert_each_raised_once(database, many)


def test_a_database_that_restarts_under_load_loses_nothing(postgresql, postgresql_url: str):
    many = 1200
    with closing(Database.open(postgresql_url)) as database:
        fill(database, many)
    with sweepers(postgresql_url, 3, "loop") as processes:
        time.sleep(0.3)
        postgresql.crash()
        time.sleep(0.5)
        postgresql.start()
        with closing(Database.open(postgresql_url)) as database:
            until = time.monotonic() + 60
            oldest = ""
            while oldest <= "2024-01-22" and time.monotonic() < until:
                time.sleep(0.1)
                with database.read() as tx:
                    oldest = tx.oldest_look() or ""
            assert [process.poll() for process in processes] == [None] * 3, "the workers lived through it"
            assert_each_raised_once(database, many)
        for process in processes:
            process.kill()
        told = [line for process in processes for line in process.communicate()[0].splitlines()]
    assert [line for line in told if not line.endswith(" -")], "and it was in the middle of their work"


# One worker


def test_once_runs_every_sweep_and_goes_on_where_one_was_cut_short(office: Office, monkeypatch: pytest.MonkeyPatch):
    for number in range(5):
        office.case(number)
    office.clock.set(MORNING)
    monkeypatch.setattr("workflow.alerts.sweep.Run.__init__.__defaults__", (2, 20.0))
    worker = Worker(office.service)
    rows = {row.name: row for row in worker.once()}
    worker.close()
    assert list(rows) == [sweep.name for sweep in worker.sweeps]
    assert set(rows) == set(EVERY)
    assert [row.error for row in rows.values()] == [None] * len(EVERY)
    assert rows["due"].looked >= 5
    assert len({row.case_id for row in office.alerts(level="black") if row.key == "total"}) == 5


def test_a_sweep_that_crashes_or_hangs_keeps_no_other_from_its_time(sqlite_office: Office):
    ran: Counter[str] = Counter()
    release = threading.Event()

    def crash(_: Run) -> None:
        ran["due"] += 1
        raise ZeroDivisionError

    def hang(run: Run) -> None:
        ran["deliver"] += 1
        release.wait(20)

    def count(_: Run) -> None:
        ran["orders"] += 1

    sweeps = [Sweep("due", crash), Sweep("deliver", hang), Sweep("orders", count)]
    worker = Worker(sqlite_office.service, sweeps=sweeps)
    every = dict.fromkeys(EVERY, 1)
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setattr("workflow.alerts.sweep.EVERY", every)
        with worker:
            until = time.monotonic() + 15
            while (ran["orders"] < 3 or ran["due"] < 3) and time.monotonic() < until:
                time.sleep(0.05)
            release.set()
    assert ran["orders"] >= 3
    assert ran["due"] >= 3
    assert ran["deliver"] == 1
    assert "sweep_still_running" in {line["event"] for line in lines}
    assert sqlite_office.heartbeats()["due"].error == "ZeroDivisionError: "
    assert sqlite_office.heartbeats()["orders"].error is None


def test_a_worker_process_starts_works_and_stops_when_told(sqlite_url: str):
    environment = {**os.environ, "BAOZHUANG_DATABASE": sqlite_url}
    command = [sys.executable, "-m", "workflow.cli", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            database = Database.open(sqlite_url)
            until = time.monotonic() + 30
            beats: set[str] = set()
            while beats != set(EVERY) and time.monotonic() < until:
                time.sleep(0.1)
                with database.read() as tx:
                    beats = {row.name for row in tx.sweeps() if row.finished_at is not None}
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert beats == set(EVERY)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[0] == "worker_started"
    assert events[-2:] == ["worker_stopping", "worker_stopped"]
    database.close()


def test_a_worker_beside_ends_with_the_process_it_stands_beside(sqlite_url: str):
    environment = {**os.environ, "BAOZHUANG_DATABASE": sqlite_url}
    # Nobody's parent has this number: the worker finds itself alone at its first look.
    command = [sys.executable, "-m", "workflow.cli", "worker", "--beside", "999999999"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert "worker_orphaned" in done.stderr


def test_serve_runs_a_worker_beside_it_and_ends_it(sqlite_url: str):
    environment = {**os.environ, "BAOZHUANG_DATABASE": sqlite_url}
    command = [sys.executable, "-m", "workflow.cli", "serve", "--port", "0", "--with-worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            database = Database.open(sqlite_url)
            until = time.monotonic() + 30
            beats: set[str] = set()
            while "due" not in beats and time.monotonic() < until:
                time.sleep(0.1)
                with database.read() as tx:
                    beats = {row.name for row in tx.sweeps()}
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=40)
        finally:
            process.kill()
    database.close()
    assert "due" in beats
    assert '"event":"worker_stopped"' in log
