"""The two canonical tables of a history, `cases` and `events`, as data: what intake writes and the rules read.

Both are Parquet files.  Times are naive and say Asia/Shanghai wall clock; capacities are kW (kVA for high voltage),
voltages kV, amounts yuan.  Every column always exists; the key-value metadata `present_columns` (a JSON list) names
those that the input had at all, so that a rule can tell "this case lacks it" from "nobody handed it in".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from workflow.core.commands import Source

Kind = Literal["text", "number", "count", "flag", "date", "moment"]

SQL_TYPES: Final[Mapping[Kind, str]] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "count": "BIGINT",
    "flag": "BOOLEAN",
    "date": "DATE",
    "moment": "TIMESTAMP",
}

PRESENT_COLUMNS: Final = "present_columns"
"""Key of the Parquet metadata that names the columns the input had."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `required`: a row without it is rejected. `values`: the closed list it may hold. `derived`: made by
    intake, never given by a file."""

    name: str
    kind: Kind = "text"
    required: bool = False
    values: tuple[str, ...] = ()
    derived: bool = False


SOURCES: Final[tuple[str, ...]] = get_args(Source)
SOURCE_NUMBERS: Final = {source: at for at, source in enumerate(SOURCES, start=1)}
"""By what number both executions know a source; 0 is none of them."""
BUSINESS_TYPES: Final = ("new", "increase", "temporary", "transfer", "reconnect", "split", "decrease")

CASES: Final = (
    Column("case_id", required=True),
    Column("case_no"),
    Column("customer_id"),
    Column("premises_id"),
    Column("customer_kind", values=("residential", "non_residential")),
    Column("enterprise_size", values=("micro", "small", "medium", "large")),
    Column("capacity_kw", "number"),
    Column("voltage", values=("low", "high")),
    Column("supply_count", "count"),
    Column("area", values=("urban", "rural")),
    Column("region"),
    Column("org"),
    Column("manager"),
    Column("contractor"),
    Column("user_class"),
    Column("business_type", values=BUSINESS_TYPES),
    Column("predecessor_case"),
    Column("channel", values=("online", "hall", "phone", "visit")),
    Column("voltage_kv", "number"),
    Column("important_customer", "flag"),
    Column("prior_capacity_kw", "number"),
    Column("account_opened_on", "date"),
    Column("rejected_rows", "count", derived=True),
    Column("lost_values", "count", derived=True),
    Column("untold", "count", derived=True),
    Column("row", "count", derived=True),
)
"""One row per case. `user_class`: as filed; one of `USER_CLASSES`, or a class of the mapping's own process.
`rejected_rows`: rows of this case that could not be read, or of whose events a value was lost (0: none), because a
verdict that rests on a torn history must say so.  `lost_values`: the columns of this table whose value could not be
read, as a sum of `lost_value` (NULL, 0: none), because what needs them cannot judge and the rest can.  `untold`: what
the tables that tell of this case have no column for (NULL, 0: nothing), because that it is missing says nothing: 1 for
the completion of the first step, 2, 4 … for those of the next ones, and after the last step for what the account held
before.  `row`: position of the case in the input, from 1 (NULL: the case is known from its events only)."""


def lost_value(*columns: str) -> int:
    """What values of these columns of a case add to `lost_values` when they could not be read."""
    return sum(1 << at for at, column in enumerate(CASES) if column.name in columns)


EVENTS: Final = (
    Column("case_id", required=True),
    Column("activity", required=True),
    Column("lifecycle", required=True),
    Column("occurred_at", "moment", required=True),
    Column("recorded_at", "moment"),
    Column("actor"),
    Column("device"),
    Column("source", values=SOURCES),
    Column("value"),
    Column("old_value"),
    Column("new_value"),
    Column("ref"),
    Column("batch"),
    Column("amount", "number"),
    Column("party"),
    Column("occurred_is_date", "flag", derived=True),
    Column("recorded_is_date", "flag", derived=True),
    Column("row", "count", derived=True),
)
"""One row per event, in no order (`row` is the position in the input, from 1; several events made of one wide row share
it).  A row says what is on record now: a correction is a row of its own, with what it was before.  `occurred_at` is
NULL only where the input said that it happened and that the time is unknown: a sentinel date, or a mapping's `unknown`.
`occurred_is_date`, `recorded_is_date`: only the date is known (the time reads 00:00:00); never NULL.  `old_value` and
`new_value` of a correction of a time read `YYYY-MM-DD HH:MM:SS`, or `YYYY-MM-DD` when only the date was given, so that
a cast to TIMESTAMP reads both."""

FORETOLD: Final = ("outage_plan", "licence_expires")
"""Those of them that speak of a day to come. Nothing else that is told of a live application lies in the future,
but for the 2 minutes that client clocks may be ahead (design, HTTP: commands)."""

VALUES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("suspension", "start"): ("force_majeure", "customer"),
    ("suspension", "end"): ("force_majeure", "customer"),
    ("service_contact", "observed"): (
        "connection_request", "inspection_request", "enquiry", "pre_application", "appointment",
    ),
    ("callback", "observed"): ("submitted", "energised"),
}  # fmt: skip
"""Where `value` is a closed list."""

DATE_SOURCES: Final = ("archive", "contract")
"""Sources whose 00:00:00 is a date without a time even where a mapping says that others work at midnight."""

SENTINELS: Final = tuple(
    dt.date.fromisoformat(day) for day in ("1900-01-01", "1970-01-01", "1980-01-01", "2000-01-01", "2099-12-31")
)
"""Dates that stand for "not known" (gate a); they become NULL and are counted."""
