"""Make `queue.csv`, the arrivals behind the demonstration's high-voltage applications, from a public queue file.

    python -m workflow.demo.reduce_queue SOURCE.parquet

The rule is told in the README beside the result: requests to connect a plant of known size, every date moved by the
same whole number of weeks, arrivals of 2024 to 2026 kept.  Dates are calendar dates without a zone.
"""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq

SHIFT = dt.timedelta(weeks=104)
"""Whole weeks, so that weekdays stay weekdays; one shift for every date, so that all spacing stays."""

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2026, 12, 31)

COLUMNS = ("position", "requested_on", "net_mw", "county", "state", "withdrawn_on", "operation_on", "status")

TARGET = Path(__file__).with_name("queue.csv")


def _shifted(text: str | None) -> dt.date | None:
    """The moved date; None where the source has none, or the serial number of an unfinished spreadsheet cell."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text) + SHIFT
    except ValueError:
        return None


def reduce(rows: list[Mapping[str, str | None]]) -> Iterator[tuple[object, ...]]:
    """The rows of the demonstration, by date of arrival and then by place in the queue."""
    kept = []
    for row in rows:
        requested, size = _shifted(row["Requested"]), round(float(row["Net MW"] or 0), 3)
        if row["Type"] == "G" and size > 0 and requested and FIRST <= requested <= LAST:
            kept.append((requested, float(row["Position"] or 0), size, row))
    kept.sort(key=lambda entry: entry[:2])
    for requested, position, size, row in kept:
        withdrawn, operation = _shifted(row["W/ D Date"]), _shifted(row["Op Date"])
        yield (
            f"{position:g}",
            requested,
            f"{size:g}",
            row["County"],
            row["State"],
            withdrawn,
            operation,
            row["Project Status"],
        )


def main(source: str) -> None:
    """Read the queue file at `source` and write the reduced copy beside this module."""
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(reduce(pq.read_table(source).to_pylist()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m workflow.demo.reduce_queue SOURCE.parquet")
    main(sys.argv[1])
