"""Working-day additions per second, singly and in bulk: ``python -m bench.calendar_bench``.

Prints figures with the machine and the versions they were measured on; asserts nothing.  Every figure is the best of
several rounds, because another process can only make a round slower.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable

import chinese_calendar
import numpy as np

from definitions.calendar import shipped

SINGLE, BULK, LOOP, ROUNDS, BUDGET = 200_000, 10_000_000, 2_000, 7, 22


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of `ROUNDS` rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def package_loop(starts: list[int]) -> None:
    """The same addition as a loop over `chinese_calendar.is_workday`, for scale."""
    for start in starts:
        day, left = dt.date.fromordinal(start), BUDGET
        while left:
            day += dt.timedelta(days=1)
            left -= chinese_calendar.is_workday(day)


def main() -> None:
    """Measure and print."""
    calendar = shipped()
    chance = random.Random(20260104)
    first, last = calendar.first_day.toordinal(), calendar.last_day.toordinal() - 100
    dates = [dt.date.fromordinal(chance.randint(first, last)) for _ in range(SINGLE)]
    ordinals = np.random.default_rng(20260104).integers(first, last, BULK)
    days = (ordinals - dt.date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    covered = [chance.randint(first, first + 22 * 365) for _ in range(LOOP)]

    def singly() -> None:
        add = calendar.add
        for day in dates:
            add(day, BUDGET)

    single = best(singly) / SINGLE
    bulk_days = BULK / best(lambda: calendar.add_many(days, BUDGET))
    bulk_ordinals = BULK / best(lambda: calendar.add_many(ordinals, BUDGET))
    loop = LOOP / best(lambda: package_loop(covered))
    start_up = best(lambda: subprocess.run([sys.executable, "-c", _START], check=True, capture_output=True))
    bare = best(lambda: subprocess.run([sys.executable, "-c", ""], check=True, capture_output=True))

    print(f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, budget {BUDGET} working days")
    print(f"add, one at a time            {single * 1e9:>10,.0f} ns each, {1 / single:>14,.0f} /s")
    print(f"add_many, datetime64[D]       {bulk_days:>32,.0f} /s")
    print(f"add_many, int64 ordinals      {bulk_ordinals:>32,.0f} /s")
    print(f"loop over chinese_calendar    {loop:>32,.0f} /s")
    print(f"import and build              {(start_up - bare) * 1e3:>10,.0f} ms beyond a bare interpreter")


_START = "from definitions.calendar import shipped; shipped()"

if __name__ == "__main__":
    main()
