"""Which times of recording in the live store are those of a load (gate b), over all cases of a unit [policy 6].

Commands write nothing of this.  Whoever judges a case keeps when its records were made and marks the months that this
changes; the sweep `findings` sums the marked months up, and judges anew the cases of a month whose answer is another.
Months are of Asia/Shanghai.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from storage import Database, LoadMonthRow, RecordedMonthRow, Tx, UnitMonth
from workflow.replay.exact import load_times
from workflow.replay.exact.load_times import Month, Times

_AS_NUMBERS: Final = dict[int, int]


def rows(
    case_id: str, org: str, minutes: Mapping[Month, Counter[int]], loaded: Iterable[Month] = ()
) -> list[RecordedMonthRow]:
    """When the records of a case were made, as it is kept, by source and month; it was judged with `loaded`."""
    said = frozenset(loaded)
    return [
        RecordedMonthRow(case_id, *month, org, _written(of), month in said) for month, of in sorted(minutes.items())
    ]


def keep(
    tx: Tx, case_id: str, org: str, minutes: Mapping[Month, Counter[int]], loaded: Iterable[Month]
) -> list[UnitMonth]:
    """Keep when the records of a case were made. Answers the months to be marked, which are to be the last that a
    transaction locks."""
    return tx.put_recorded_months(case_id, rows(case_id, org, minutes, loaded))


def settle(database: Database, org: str, gates: Mapping[str, Any]) -> None:
    """Sum the marked months of a unit up and answer for all of them. The records are read before anything is locked; a
    month that changed meanwhile, or of which a case is judged by another answer, stays marked."""
    with database.read() as tx:
        before = {_month(row): row for row in tx.load_months(org)}
        fresh = {month: _summed(tx, org, month) for month, row in before.items() if row.marks > row.settled}
    with database.write() as tx:
        there = {_month(row): row for row in tx.load_months(org, lock=True)}
        fresh = {
            month: of for month, of in fresh.items() if month in there and there[month].marks == before[month].marks
        }
        known = {month: fresh[month] if month in fresh else _read(row) for month, row in there.items()}
        answers = load_times.loaded(known, gates)
        for month, row in there.items():
            if not known[month].hours and month in fresh:
                tx.delete_load_month(UnitMonth(org, *month))
                continue
            new = row._replace(
                hours=_written(known[month].hours), fullest=known[month].fullest, loaded=month in answers
            )
            if new.loaded != row.loaded:
                new = new._replace(marks=new.marks + 1)
            elif month in fresh and not tx.any_judged_otherwise(new):
                new = new._replace(settled=new.marks)
            if new != row:
                tx.put_load_month(new)


def differing(tx: Tx, gates: Mapping[str, Any]) -> Iterator[str]:
    """The months, as `unit source month`, that do not hold what is kept of the cases; those that are marked are still
    to be summed up. `unit ? ?`: there are rows of the unit that cannot be read."""
    for org in tx.units_of_months():
        try:
            yield from _differing(tx, org, gates)
        except (TypeError, msgspec.MsgspecError):  # what somebody wrote there is no text, number or sum
            yield f"{org} ? ?"


def _differing(tx: Tx, org: str, gates: Mapping[str, Any]) -> Iterator[str]:
    rows = {_month(row): row for row in tx.load_months(org)}
    marked = any(row.marks > row.settled for row in rows.values())
    answers = load_times.loaded({month: _read(row) for month, row in rows.items()}, gates)
    for one in tx.unit_months(org):
        month = (one.source, one.month)
        row = rows.get(month)
        holds = (
            row is not None
            and (row.marks > row.settled or _read(row) == _summed(tx, org, month))
            and (marked or row.loaded == (month in answers))
        )
        if not holds:
            yield " ".join(one)


def _summed(tx: Tx, org: str, month: Month) -> Times:
    whole: Counter[int] = Counter()
    for text in tx.minutes_of(UnitMonth(org, *month)):
        whole.update(msgspec.json.decode(text, type=_AS_NUMBERS))
    return load_times.times(whole)


def _read(row: LoadMonthRow) -> Times:
    return Times(Counter(msgspec.json.decode(row.hours, type=_AS_NUMBERS)), row.fullest)


def _written(numbers: Mapping[int, int]) -> str:
    return msgspec.json.encode(dict(sorted(numbers.items()))).decode()


def _month(row: LoadMonthRow) -> Month:
    return row.source, row.month
