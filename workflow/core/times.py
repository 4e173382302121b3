"""The business zone, and how moments are written. Named once; nothing here reads a clock."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Protocol

BUSINESS_ZONE = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
"""Asia/Shanghai: UTC+8 without daylight saving since 1992, before every date this project handles."""

FIRST_YEAR, LAST_YEAR = 2004, 2099
"""The years the working calendar reaches; the first is only counted into, never started from."""


class Clock(Protocol):
    """Where `now` comes from; passed in, never read in the core."""

    def now(self) -> dt.datetime: ...


def business_date(moment: dt.datetime) -> dt.date:
    """The calendar date of `moment` in the business zone."""
    # Most moments are in the zone already, and asking is cheaper than converting.
    return moment.date() if moment.tzinfo == BUSINESS_ZONE else moment.astimezone(BUSINESS_ZONE).date()


@lru_cache(maxsize=4096)  # one command writes the same few moments many times
def write(moment: dt.datetime) -> str:
    """Fixed-width ISO 8601 in the business zone, so that text order is time order."""
    local = moment if moment.tzinfo == BUSINESS_ZONE else moment.astimezone(BUSINESS_ZONE)
    return local.isoformat(timespec="microseconds")
