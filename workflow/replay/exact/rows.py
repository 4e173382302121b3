"""The canonical rows of one case, as the exact judge reads them: times in the business zone, dates without a time known
as such, and the few questions every rule asks.

Between two records of one system "before" is strict; where one of them is only a date, dates are compared [policy 6].
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from definitions.model import Frozen
from workflow.core.times import BUSINESS_ZONE, business_date
from workflow.replay.tables import EVENTS, FORETOLD

Row = Mapping[str, Any]


class Record(Frozen, frozen=True):
    """One event row. `at`: when it is said to have happened; `only_date`: the time is unknown."""

    activity: str
    lifecycle: str
    at: dt.datetime
    only_date: bool
    recorded_at: dt.datetime | None
    source: str | None
    value: str | None
    ref: str | None
    amount: float | None
    row: int | None

    @property
    def date(self) -> dt.date:
        """Its calendar date in the business zone."""
        return business_date(self.at)

    def before(self, other: Record) -> bool:
        """Whether it lies strictly before `other`, by date where one of them is only a date."""
        if self.only_date or other.only_date:
            return self.date < other.date
        return self.at < other.at


def zoned(moment: dt.datetime) -> dt.datetime:
    """A naive moment is Asia/Shanghai wall clock."""
    return moment.replace(tzinfo=BUSINESS_ZONE) if moment.tzinfo is None else moment.astimezone(BUSINESS_ZONE)


def known_by(rows: Iterable[Row], as_of: dt.date) -> list[Row]:
    """The rows without copies, and without what happened, and was recorded, after the day of judgement."""

    def later(row: Row) -> bool:
        times = [zoned(at) for at in (row.get("occurred_at"), row.get("recorded_at")) if at is not None]
        over = row.get("occurred_at") is not None and all(business_date(at) > as_of for at in times)
        return over and row["activity"] not in FORETOLD

    return [row for row in once(rows) if not later(row)]


_COLUMNS: Final = tuple(column.name for column in EVENTS if column.name != "row")


def once(rows: Iterable[Row]) -> list[Row]:
    """The rows without the copies of one. Two rows that know of dates only may be two events of one day."""
    found: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        clock = any(
            row.get(f"{what}_at") is not None and not row.get(f"{what}_is_date") for what in ("occurred", "recorded")
        )
        found.setdefault(tuple(row.get(name) for name in _COLUMNS) if clock else number, row)
    return list(found.values())


def records(rows: Iterable[Row]) -> list[Record]:
    """The rows with a known time, oldest first; rows of one moment stay in the order they were given."""
    out = [
        Record(
            activity=row["activity"],
            lifecycle=row["lifecycle"],
            at=zoned(row["occurred_at"]),
            only_date=bool(row.get("occurred_is_date")),
            recorded_at=zoned(row["recorded_at"]) if row.get("recorded_at") is not None else None,
            source=row.get("source"),
            value=row.get("value"),
            ref=row.get("ref"),
            amount=row.get("amount"),
            row=row.get("row"),
        )
        for row in rows
        if row.get("occurred_at") is not None
    ]
    out.sort(key=lambda record: record.at)
    return out


_CLAIMS: Final = (("application", "submit"), ("acceptance", "start"), ("acceptance", "complete"))
_ENDS: Final = (
    ("application", "withdraw"), ("application", "terminate"), ("application", "refuse"), ("metering", "complete"),
)  # fmt: skip


class History:
    """The records of a case, oldest first. `undated`: what happened, and nobody knows when."""

    def __init__(self, rows: Iterable[Row]) -> None:
        given = list(rows)
        self.records = records(given)
        self.undated = frozenset((row["activity"], row["lifecycle"]) for row in given if row.get("occurred_at") is None)

    def all(self, activity: str, lifecycle: str | None = None) -> list[Record]:
        """Every record of the activity, and of the lifecycle where one is named."""
        return [
            one
            for one in self.records
            if one.activity == activity and (lifecycle is None or one.lifecycle == lifecycle)
        ]

    @property
    def claim(self) -> Record | None:
        """The first claimed trace of the case (T0)."""
        return next((one for one in self.records if (one.activity, one.lifecycle) in _CLAIMS), None)

    @property
    def claim_lost(self) -> bool:
        """Whether a trace that nobody knows the time of may have been the first: not where the application has one."""
        return not self.all("application", "submit") and any(one in self.undated for one in _CLAIMS)

    @property
    def submission(self) -> Record | None:
        """The application, else the first trace of its acceptance."""
        submitted = self.all("application", "submit")
        return submitted[0] if submitted else self.claim

    @property
    def ending(self) -> Record | None:
        """The withdrawal, termination or refusal."""
        return next((one for one in self.all("application") if one.lifecycle != "submit"), None)

    @property
    def energised(self) -> Record | None:
        """The first completion of metering: what is completed once more does not take the supply back."""
        return next(iter(self.all("metering", "complete")), None)

    @property
    def was_energised(self) -> bool:
        """Whether anybody says so, at whatever time."""
        return self.energised is not None or ("metering", "complete") in self.undated

    @property
    def end_lost(self) -> bool:
        """Whether it ended, or was energised, and nobody knows when."""
        return self.closed is None and any(one in self.undated for one in _ENDS)

    @property
    def closed(self) -> Record | None:
        """What stops the clock of the whole process: energisation, of whatever else is on record, else the ending; None
        while the case is open [policy 5]."""
        return self.energised or self.ending

    @property
    def charged(self) -> bool:
        """Whether the customer paid a fee that was not returned or merely advanced."""
        return any(
            one.value not in ("prepaid", "refund") and (one.amount is None or one.amount > 0)
            for one in self.all("fee_paid")
        )
