"""Working-day additions per second, singly and in bulk.

Every figure is the best of several rounds: nothing here waits for a disk, so another process can only make one slower.
"""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
import time
from collections.abc import Callable

import chinese_calendar
import numpy as np

from bench.report import Section, Target
from definitions.calendar import shipped

BUDGET = 22
"""Working days: the limit of the longest of the single-supply cases."""

LOOP = 2_000
_START = "from definitions.calendar import shipped; shipped()"


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest round."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _package_loop(starts: list[int]) -> None:
    """The same addition as a loop over `chinese_calendar.is_workday`, for scale."""
    for start in starts:
        day, left = dt.date.fromordinal(start), BUDGET
        while left:
            day += dt.timedelta(days=1)
            left -= chinese_calendar.is_workday(day)


def section(*, quick: bool) -> Section:
    """Measure."""
    single_many, bulk_many, rounds = (20_000, 1_000_000, 3) if quick else (200_000, 10_000_000, 7)
    calendar = shipped()
    chance = random.Random(20260104)
    first, last = calendar.first_day.toordinal(), calendar.last_day.toordinal() - 100
    dates = [dt.date.fromordinal(chance.randint(first, last)) for _ in range(single_many)]
    ordinals = np.random.default_rng(20260104).integers(first, last, bulk_many)
    days = (ordinals - dt.date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    covered = [chance.randint(first, first + 22 * 365) for _ in range(LOOP)]

    def singly() -> None:
        add = calendar.add
        for day in dates:
            add(day, BUDGET)

    def interpreter(program: str) -> float:
        return _best(lambda: subprocess.run([sys.executable, "-c", program], check=True, capture_output=True), rounds)

    made = Section("Working-day additions", "python -m bench --only calendar")
    made.notes.append(f"{BUDGET} working days added to random days; best of {rounds} rounds")
    made.add("one at a time, each", _best(singly, rounds) / single_many, "seconds", Target(2e-6, below=True))
    for name, starts in (("in bulk, dates (datetime64[D])", days), ("in bulk, ordinals (int64)", ordinals)):
        seconds = _best(lambda starts=starts: calendar.add_many(starts, BUDGET), rounds)  # type: ignore[misc]  # a default binds the loop's value
        made.add(name, bulk_many / seconds, "additions/s", Target(20e6))
    made.add("a loop over chinese_calendar", LOOP / _best(lambda: _package_loop(covered), rounds), "additions/s")
    made.add("import and build, beyond a bare interpreter", interpreter(_START) - interpreter(""), "seconds")
    return made
