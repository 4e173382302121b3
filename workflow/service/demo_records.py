"""What other systems recorded of the demonstration's applications: most of it as it should be, some of it not.

The last energised applications each get the record of their meter and of the first energy drawn; a few of them get one
that cannot be, so that an inspector finds something to look into.  All of it is invented.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final

from storage import CaseRow

MOST: Final = 18
"""Applications with records; no more than are judged at once."""


def records(rows: Iterable[CaseRow]) -> list[dict[str, Any]]:
    """Rows of the replay contract's events about the last energised new connections among `rows`."""
    energised = [row for row in rows if row.state == "energised" and row.business_type == "new"]
    latest = sorted(energised, key=lambda row: (row.closed_at or "", row.id))[-MOST:]
    return [record for number, row in enumerate(latest) for record in _of(row, number)]


def _of(row: CaseRow, number: int) -> Iterator[dict[str, Any]]:
    applied, finished = dt.datetime.fromisoformat(row.submitted_at), dt.datetime.fromisoformat(row.closed_at or "")
    fitted, drawn = finished - dt.timedelta(minutes=50), finished + dt.timedelta(minutes=5)
    if number % 6 == 1:
        fitted = applied - dt.timedelta(days=3, hours=2)  # the meter was there before anybody had applied
    if number % 6 == 3:
        drawn = applied - dt.timedelta(days=9, hours=1)  # and here electricity was drawn
        yield _record(row, "callback", applied - dt.timedelta(days=12), "callcentre", "submitted")
    if number % 6 == 5:
        yield _record(row, "contract_signed", applied - dt.timedelta(days=4), "contract")
        yield _record(row, "site_survey", applied - dt.timedelta(days=5), "field_terminal")
    yield _record(row, "meter_installed", fitted, "metering")
    yield _record(row, "first_energy", drawn, "metering")


def _record(row: CaseRow, activity: str, at: dt.datetime, source: str, value: str | None = None) -> dict[str, Any]:
    told = {"case_id": row.id, "activity": activity, "occurred_at": at.isoformat(), "source": source}
    return told if value is None else {**told, "value": value}
