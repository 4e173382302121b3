"""The same six-step case in other engines, made durable after every step, so that our figures stand beside theirs.

Each module offers `run(cases)` and runs alone as `python -m bench.competitors.<module> [cases]`.  The ground is level:
SQLite in a fresh file with `synchronous=FULL`, one caller, steps that do nothing but name themselves; start-up,
migrations and some warm-up cases, as many as ours, are outside the measured time.  Where a choice would favour one
side, both figures are printed.  The packages come from `requirements/bench.txt` and are needed nowhere else.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

WARM = 32
"""Cases before the clock starts."""


@dataclass(frozen=True)
class Result:
    """What one run measured: durable steps, the seconds of wall time they took, and the versions they ran on."""

    steps: int
    seconds: float
    versions: dict[str, str]

    @property
    def rate(self) -> float:
        """Durable steps per second."""
        return self.steps / self.seconds


def durable(file: Path) -> sqlite3.Connection:
    """A connection in autocommit to `file`, which keeps its write-ahead log for whoever opens it next."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of `packages`, and of SQLite."""
    return {package: version(package) for package in packages} | {"sqlite": sqlite3.sqlite_version}


def main(runs: dict[str, Callable[[int], Result]]) -> None:
    """Run a module's comparisons from the command line and print their figures."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for name, run in runs.items():
        result = run(cases)
        stand = ", ".join(f"{package} {number}" for package, number in result.versions.items())
        print(f"{name}: {result.rate:,.0f} durable steps/s ({result.steps:,} in {result.seconds:.2f} s; {stand})")
