"""Rows of the contract as text, made ready for the judges of one case: what intake does for a file, for a single case.

Times without an offset are Asia/Shanghai.  A row that intake would refuse is left out here too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from definitions.records import OBSERVED, lifecycles
from workflow.core.times import BUSINESS_ZONE
from workflow.replay.tables import SENTINELS, SOURCES, VALUES

_KNOWN: Final = {"observed": OBSERVED, "changed": ("correction",)}


def event_rows(rows: Iterable[Mapping[str, Any]], steps: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The events of a case as the judges read them, in the order given; `row` is the position, from 1."""
    allowed = lifecycles(steps)
    for number, row in enumerate(rows, start=1):
        activity = row["activity"]
        lifecycle = row.get("lifecycle") or next((life for life, of in _KNOWN.items() if activity in of), None)
        occurred, is_date = _moment(row["occurred_at"])
        if lifecycle not in allowed.get(activity, ()):
            continue
        recorded, recorded_is_date = _moment(row.get("recorded_at"))
        value = row.get("value")
        if value not in VALUES.get((activity, lifecycle), (value,)):
            value = None
        yield {
            **row,
            "lifecycle": lifecycle,
            "occurred_at": occurred,
            "occurred_is_date": is_date,
            "recorded_at": recorded,
            "recorded_is_date": recorded_is_date,
            "source": row.get("source") if row.get("source") in SOURCES else None,
            "value": value,
            **{name: _changed(row, name) for name in ("old_value", "new_value")},
            "row": number,
        }


def wall_clock(text: str) -> str:
    """A moment of a row as wall clock of the business zone, to the microsecond; a date stays a date."""
    if len(text) == 10:
        return text
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is not None:
        at = at.astimezone(BUSINESS_ZONE).replace(tzinfo=None)
    return at.isoformat(sep=" ")


def _changed(row: Mapping[str, Any], name: str) -> str | None:
    """What a correction says; a time as intake writes it, None for one that cannot be read."""
    text: str | None = row.get(name)
    if text is None or row["activity"] != "correction" or not (row.get("value") or "").endswith(".occurred_at"):
        return text
    try:
        return wall_clock(text)
    except ValueError:
        return None


def _moment(text: str | None) -> tuple[dt.datetime | None, bool]:
    """A naive time, and whether only its date is known; None for a date that stands for "not known"."""
    if text is None:
        return None, False
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is not None:
        at = at.astimezone(BUSINESS_ZONE).replace(tzinfo=None)
    is_date = len(text) == 10 or at.time() == dt.time.min  # exactly midnight is a date, whatever its source
    return (None, is_date) if at.date() in SENTINELS else (at, is_date)
