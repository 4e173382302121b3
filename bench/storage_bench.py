"""What storage costs over the bare driver: the same rows, the same database settings, the same run.

One command writes one application update, one event, one round, two deadlines and one idempotency row with an answer of
3 KB.  The bare loop is `sqlite3` alone with everything prepared beforehand; the other computes the hash chain and goes
through `Tx`.  The two take turns, so that a busy disk slows both.

    python -m bench.storage_bench [--applications 1000] [--commands 4000] [--postgresql URL]
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from storage import GENESIS, CaseRow, Database, DeadlineRow, NewEvent, Remembered, RoundRow, Tx
from storage.database import SQLITE_WRITER_PRAGMAS

MOMENT = "2026-01-05T10:00:00.000000+08:00"
SNAPSHOT = '{"steps": "' + "x" * 2500 + '"}'
LEDGER = '[["2026-01-05", null]]' + " " * 150
PAYLOAD = '{"step": "supply_plan", "documents": "' + "x" * 250 + '"}'
ANSWER = b"x" * 3000
STATES = ("supply_plan.running", "design_review.waiting")


def application(number: int) -> CaseRow:
    """A stored application."""
    return CaseRow(
        id=f"019b8c00-0000-7000-8000-{number:012d}", application_no=f"A2026{number:08d}", external_id=f"E{number}",
        org=f"org{number % 50}", region="420102", user_class="hv_dual", state=STATES[0], manager=f"m{number % 200}",
        project_manager=None, premises_id=f"P{number}", voltage="high", capacity_kw=630.0, business_type="new",
        channel="online", submitted_at=MOMENT, closed_at=None, due_on="2026-01-19", total_due_on="2026-02-24",
        provisional=False, definition_hash="d" * 64, version=1, head_hash=GENESIS, predecessor=None, snapshot=SNAPSHOT,
    )  # fmt: skip


def advanced(row: CaseRow, head: str) -> CaseRow:
    """The application after one more command: what an engine changes each time."""
    state = STATES[row.version % 2]
    due_on = None if state.endswith("waiting") else "2026-01-19"
    return row._replace(
        version=row.version + 1, head_hash=head, state=state, due_on=due_on, snapshot=SNAPSHOT + " " * (row.version % 2)
    )


def event() -> NewEvent:
    """The event of one command."""
    return NewEvent("step_completed", PAYLOAD, MOMENT, MOMENT, "key:front", "marketing")


def derived(row: CaseRow) -> tuple[RoundRow, list[DeadlineRow]]:
    """Round and deadlines after the command."""
    running = row.due_on is not None
    step = DeadlineRow(
        row.id, "step:supply_plan:1", "step", "supply_plan", 1, 10, LEDGER, "2026-01-19", False,
        "running" if running else "met", "c" * 64,
    )  # fmt: skip
    total = DeadlineRow(row.id, "total", "total", None, None, 32, LEDGER, "2026-02-24", False, "running", "c" * 64)
    return RoundRow(row.id, "supply_plan", 1, MOMENT, None if running else MOMENT, None, 3), [step, total]


def fill(database: Database, count: int) -> list[CaseRow]:
    """Store `count` applications and return them."""
    rows = []
    numbers = iter(range(count))
    while batch := list(islice(numbers, 1000)):
        with database.write() as tx:
            for number in batch:
                row = application(number)
                row = row._replace(head_hash=tx.append_events(row.id, 1, GENESIS, [event()]))
                tx.insert_case(row)
                round_row, deadlines = derived(row)
                tx.put_round(round_row)
                tx.put_deadlines(deadlines)
                rows.append(row)
    return rows


def through_tx(database: Database, rows: list[CaseRow], keys: Iterator[int], commands: int, per_commit: int) -> None:
    """Commands through the hot path, `per_commit` to a transaction."""
    places = cycle(range(len(rows)))
    for _ in range(commands // per_commit):
        with database.write() as tx:
            for place in islice(places, per_commit):
                rows[place] = one(tx, rows[place], next(keys))


def one(tx: Tx, before: CaseRow, key: int) -> CaseRow:
    """The writes of one command."""
    row = advanced(before, tx.append_events(before.id, before.version + 1, before.head_hash, [event()]))
    tx.update_case(row, before)
    round_row, deadlines = derived(row)
    tx.put_round(round_row)
    tx.put_deadlines(deadlines)
    tx.remember(Remembered("front", f"key-{key:012d}", "b" * 64, row.id, 200, ANSWER, MOMENT))
    return row


def bare(path: Path, rows: list[CaseRow], keys: Iterator[int], commands: int, per_commit: int) -> None:
    """The same rows by the driver alone."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    for pragma in SQLITE_WRITER_PRAGMAS:
        connection.execute(pragma)
    places = cycle(range(len(rows)))
    for _ in range(commands // per_commit):
        connection.execute("BEGIN IMMEDIATE")
        for place in islice(places, per_commit):
            row = rows[place] = advanced(rows[place], "e" * 64)
            round_row, deadlines = derived(row)
            connection.execute(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.id, row.version, *event(), "e" * 64, "e" * 64),
            )
            connection.execute(
                "UPDATE application SET state = ?, due_on = ?, version = ?, head_hash = ?, snapshot = ? WHERE id = ?",
                (row.state, row.due_on, row.version, row.head_hash, row.snapshot, row.id),
            )
            connection.execute(
                "INSERT INTO step_round VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, step, round) DO UPDATE SET"
                " started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome,"
                " used_working_days = excluded.used_working_days",
                round_row,
            )
            connection.executemany(
                "INSERT INTO deadline VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, key) DO UPDATE SET"
                " scope = excluded.scope, step = excluded.step, round = excluded.round, budget = excluded.budget,"
                " ledger = excluded.ledger, due_on = excluded.due_on, provisional = excluded.provisional,"
                " status = excluded.status, calendar_hash = excluded.calendar_hash",
                deadlines,
            )
            connection.execute(
                "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
                ("front", f"key-{next(keys):012d}", "b" * 64, row.id, 200, ANSWER, MOMENT),
            )
        connection.execute("COMMIT")
    connection.close()


def rate(work: Callable[[int], None], commands: int) -> float:
    """Commands per second."""
    started = time.perf_counter()
    work(commands)
    return commands / (time.perf_counter() - started)


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--applications", type=int, default=1000)
    arguments.add_argument("--commands", type=int, default=4000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--postgresql", help="address of an empty PostgreSQL database to measure as well")
    asked = arguments.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "bench.db"
        database = Database.open(path, migrate=True)
        rows = fill(database, asked.applications)
        keys = iter(range(1 << 62))
        ways: dict[str, Callable[[int], None]] = {
            "bare sqlite3, 1 a commit": lambda n: bare(path, rows, keys, n, 1),
            "Tx, 1 a commit": lambda n: through_tx(database, rows, keys, n, 1),
            "bare sqlite3, 32 a commit": lambda n: bare(path, rows, keys, n, 32),
            "Tx, 32 a commit": lambda n: through_tx(database, rows, keys, n, 32),
        }
        report(ways, asked.commands, asked.rounds)
        database.close()
    if asked.postgresql:
        database = Database.open(asked.postgresql, migrate=True)
        rows = fill(database, asked.applications)
        ways = {
            "PostgreSQL Tx, 1 a commit": lambda n: through_tx(database, rows, keys, n, 1),
            "PostgreSQL Tx, 32 a commit": lambda n: through_tx(database, rows, keys, n, 32),
        }
        report(ways, asked.commands, asked.rounds)
        database.close()


def report(ways: dict[str, Callable[[int], None]], commands: int, rounds: int) -> None:
    """Run the ways in turn and print the median rate of each, and how it compares with the first."""
    share = max(32, commands // rounds // 32 * 32)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work(64)
    for _ in range(rounds):
        for name, work in ways.items():
            rates[name].append(rate(work, share))
    medians = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:28} {median:8,.0f} commands/s  {median / first:6.0%}")


if __name__ == "__main__":
    main()
