"""Four workers, killed at random moments, against receivers that take it, fail, hang, redirect and come late: no alert
missing, none raised twice, every message delivered at least once under one id."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from storage import GENESIS, CaseRow, Database, DeadlineRow, DestinationRow, MessageRow, OrgRow
from tests.alerts.chaos_worker import MORNING
from tests.alerts.receivers import LOOPBACK, Receiver, receiver
from workflow.core.times import write
from workflow.service.addresses import NETWORKS_VARIABLE

WORKERS = 4
KILLS = 8
LONGEST_SECONDS = 300

# A supply plan of three working days; by hand from March 2026, which has no festival. Counted from, due, and the rungs
# passed by Monday 16 March: two days left, one, none, and one over.
COURSES = (
    ("2026-03-13", "2026-03-18", (("yellow", "2026-03-16"),)),
    ("2026-03-12", "2026-03-17", (("yellow", "2026-03-13"), ("orange", "2026-03-16"))),
    ("2026-03-11", "2026-03-16", (("yellow", "2026-03-12"), ("orange", "2026-03-13"), ("red", "2026-03-16"))),
    (
        "2026-03-10",
        "2026-03-13",
        (("yellow", "2026-03-11"), ("orange", "2026-03-12"), ("red", "2026-03-13"), ("black", "2026-03-16")),
    ),
)
KEY = "step:supply_plan:1"


def case_id(number: int) -> str:
    return f"019c0000-0000-7000-8000-{number:012x}"


def unit(number: int) -> str:
    """One application in twenty belongs to the unit whose systems listen, four in a row, so that all courses do."""
    return "JA" if number // 4 % 20 == 0 else "YC"


def fill(database: Database, many: int, receivers: dict[str, tuple[str, str]]) -> None:
    """`many` applications with one deadline each, and destinations: (address, level told of) by name."""
    with database.write() as tx:
        tx.put_orgs(
            [
                OrgRow("HB", None, "province", "某省公司", None, None),
                OrgRow("JA", "HB", "city", "某市公司", None, None),
                OrgRow("YC", "HB", "city", "另一市公司", None, None),
            ]
        )
        for name, (url, events) in receivers.items():
            row = DestinationRow(name, name, "webhook", url, None, "JA", f'["{events}"]', write(MORNING), "admin")
            tx.add_destination(row)
    for first in range(0, many, 1000):
        with database.write() as tx:
            deadlines = []
            for number in range(first, min(many, first + 1000)):
                start, due_on, rungs = COURSES[number % 4]
                tx.insert_case(
                    CaseRow(
                        case_id(number), f"BZ-{number:06}", None, unit(number), "420102", "hv_single",
                        "supply_plan.running", None, None, f"P{number}", "high", 630.0, "new", "hall", write(MORNING),
                        None, due_on, None, False, "d" * 64, 1, GENESIS, None, "{}",
                    )
                )  # fmt: skip
                ledger = f'{{"running":[["{start}",null]],"suspended":[]}}'
                deadlines.append(
                    DeadlineRow(
                        case_id(number), KEY, "step", "supply_plan", 1, 3, ledger, due_on, False, "running", "c" * 64,
                        rungs[0][1],
                    )
                )  # fmt: skip
            tx.put_deadlines(deadlines)


class Herd:
    """The workers. Whoever is killed is replaced."""

    def __init__(self, url: str) -> None:
        self._command = [sys.executable, "-m", "tests.alerts.chaos_worker", url, str(time.time())]
        self._workers = [self._start() for _ in range(WORKERS)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            env={**os.environ, NETWORKS_VARIABLE: LOOPBACK},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill_one(self, chance: random.Random) -> None:
        at = chance.randrange(WORKERS)
        self._workers[at].send_signal(signal.SIGKILL)
        self._workers[at].wait()
        self._workers[at] = self._start()

    def stop(self) -> list[int]:
        """Ask them to stop; how each ended."""
        for one in self._workers:
            one.terminate()
        return [one.wait(60) for one in self._workers]

    def end(self) -> None:
        for one in self._workers:
            if one.poll() is None:
                one.kill()
                one.wait()


@pytest.fixture
def web() -> Iterator[dict[str, Receiver]]:
    with receiver() as good, receiver() as flaky, receiver() as late, receiver() as bad:
        yield {"good": good, "flaky": flaky, "late": late, "bad": bad}


def test_four_workers_killed_at_random_lose_nothing_and_raise_nothing_twice(
    database: Database, database_url: str, web: dict[str, Receiver]
) -> None:
    many = 10_000 if database.dialect == "postgresql" else 2_000
    chance = random.Random(20260316)
    wanted = ("good", "flaky", "late")
    fill(
        database,
        many,
        {
            "good": (f"{web['good'].url}/ok", "alert"),
            "flaky": (f"{web['flaky'].url}/ok", "red"),
            "late": (f"{web['late'].url}/ok", "black"),
            "hanging": (f"{web['bad'].url}/hang", "black"),
            "redirecting": (f"{web['bad'].url}/redirect", "black"),
        },
    )
    web["late"].mode = "500"
    herd = Herd(database_url)
    try:
        kills, began, next_kill = 0, time.monotonic(), 0.0
        while time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(0.1)
            web["flaky"].mode = chance.choice(("500", "200", "200"))
            alerts, waiting = progress(database, wanted)
            if alerts and kills < KILLS and time.monotonic() >= next_kill:
                herd.kill_one(chance)
                kills, next_kill = kills + 1, time.monotonic() + chance.uniform(0.2, 0.6)
            if kills == KILLS:
                web["late"].mode = None
            if kills == KILLS and alerts == many * 10 // 4 and not waiting:
                break
        ended = herd.stop()
    finally:
        herd.end()
    assert ended == [0] * WORKERS  # those that live finish cleanly
    assert kills == KILLS

    stored = all_messages(database)
    claims = Counter(all_alerts(database))
    expected = {(case_id(number), *rung) for number in range(many) for rung in COURSES[number % 4][2]}
    assert set(claims) == expected  # none missing, none invented
    assert max(claims.values()) == 1  # none twice

    heard = [number for number in range(many) if unit(number) == "JA"]
    levels = {"good": {"yellow", "orange", "red", "black"}, "flaky": {"red"}, "late": {"black"}}
    for name in wanted:
        of = {message.id: message for message in stored if message.recipient == f"destination:{name}"}
        rungs = {
            (case_id(number), level, day)
            for number in heard
            for level, day in COURSES[number % 4][2]
            if level in levels[name]
        }
        assert len(of) == len(rungs)
        assert {message.status for message in of.values()} == {"sent"}
        taken = {one.id: one for one in web[name].received}
        assert set(taken) == set(of)  # every message arrived, and nothing that was not queued
        told = Counter((one.event["data"]["case_id"], one.event["data"]["level"], one.event["data"]["day"])
                       for one in taken.values())  # fmt: skip
        assert set(told) == rungs
        assert max(told.values()) == 1  # one alert is one delivery id, however often it was sent
        changed = [(one.body, taken[one.id].body) for one in web[name].received if one.body != taken[one.id].body]
        assert changed == []
    assert {message.status for message in stored if message.recipient == "destination:redirecting"} <= {
        "pending",
        "dead",
    }
    assert {message.status for message in stored if message.recipient == "destination:hanging"} <= {"pending", "dead"}


def progress(database: Database, wanted: tuple[str, ...]) -> tuple[int, int]:
    """Alerts raised, and messages to the receivers that matter which have not been sent."""
    with database.read() as tx:
        alerts = sum(tx.standing_by_level().values())
        sql = "SELECT recipient, count(*) FROM message WHERE status <> 'sent' GROUP BY recipient"
        unsent = dict(tx._execute(sql, ()).fetchall())
    waiting = sum(unsent.get(f"destination:{name}", 0) for name in wanted)
    return alerts, waiting


def all_alerts(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as tx:
        return [tuple(row) for row in tx._execute("SELECT subject, level, day FROM alert", ()).fetchall()]


def all_messages(database: Database) -> list[MessageRow]:
    with database.read() as tx:
        rows = tx._execute(f"SELECT {', '.join(MessageRow._fields)} FROM message", ()).fetchall()
    return [MessageRow._make(row) for row in rows]
