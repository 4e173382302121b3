"""The business zone, and how moments are written. Named once; nothing here reads a clock."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Protocol

import msgspec

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


_encode = msgspec.json.Encoder().encode  # writes a moment at a twentieth of what `isoformat` takes, a date at a quarter
_SECONDS = len("2026-01-04T10:00:00")
_FIXED = len("2026-01-04T10:00:00.000000+08:00")


@lru_cache(maxsize=4096)  # one command writes the same few moments many times
def write(moment: dt.datetime) -> str:
    """Fixed-width ISO 8601 in the business zone, so that text order is time order."""
    local = moment if moment.tzinfo == BUSINESS_ZONE else moment.astimezone(BUSINESS_ZONE)
    text = _encode(local)[1:-1].decode()
    # Whole seconds come without their fraction.
    return text if len(text) == _FIXED else f"{text[:_SECONDS]}.000000{text[_SECONDS:]}"


def read(text: str | None) -> dt.datetime | None:
    """What `write` wrote; None stays None."""
    return None if text is None else dt.datetime.fromisoformat(text)


def write_date(day: dt.date) -> str:
    """ISO 8601."""
    return _encode(day)[1:-1].decode()
