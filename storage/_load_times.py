"""When the records of live cases were made, and which months of a unit carry the times of a load (gate b)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from storage._execution import Execution
from storage._statements import tables
from storage.rows import LoadMonthRow, RecordedMonthRow

_case = tables["application"]
_recorded = tables["recorded_month"]
_month = tables["load_month"]
_r, _m = _recorded.c, _month.c

_RECORDED = [_r[field] for field in RecordedMonthRow._fields]
_MONTH = [_m[field] for field in LoadMonthRow._fields]
_MARKED: Final = _m.marks > _m.settled
_AT_A_TIME: Final = 1000


class UnitMonth(NamedTuple):
    """A month of one source of a unit."""

    org: str
    source: str
    month: str


class LoadTimes(Execution):
    """Reading and writing the two tables."""

    # Of a case

    def recorded_months(self, case_id: str) -> list[RecordedMonthRow]:
        """What is kept of one case, by source and month."""
        wanted = sa.select(*_RECORDED).where(_r.case_id == case_id).order_by(_r.source, _r.month)
        return [_of_case(row) for row in self._query(wanted)]

    def put_recorded_months(self, case_id: str, rows: Iterable[RecordedMonthRow]) -> list[UnitMonth]:
        """Keep these of a case and no others; the months that were changed, as they were and as they are, but for what
        can be none."""
        old, new = set(self.recorded_months(case_id)), set(rows)
        for row in old - new:
            same = (_r.case_id == case_id, _r.source == row.source, _r.month == row.month)
            self._query(sa.delete(_recorded).where(*same))
        for row in new - old:
            self._query(sa.insert(_recorded).values(row._asdict()))
        changed = (UnitMonth(row.org, row.source, row.month) for row in old ^ new)
        return [one for one in changed if _can_be(one)]

    def unowned_months(self) -> list[str]:
        """The ids under which something is kept of a case that is not there."""
        owned = sa.exists().where(_case.c.id == _r.case_id)
        return [row[0] for row in self._query(sa.select(_r.case_id).distinct().where(~owned).order_by(_r.case_id))]

    # Of a unit

    def loaded_months(self, org: str) -> set[tuple[str, str]]:
        """The sources and months of a unit whose records carry the time of a load."""
        rows: Sequence[Any] = self._query(sa.select(_m.source, _m.month).where(_m.org == org, _m.loaded)).all()
        return {(row[0], row[1]) for row in rows}

    def mark_months(self, months: Iterable[UnitMonth]) -> None:
        """Have months summed anew, in the order of their keys, so that none deadlock: nothing else is to be locked
        after it in a transaction."""
        for one in sorted(set(months)):
            new = self._backend.insert(_month).values(
                **one._asdict(), hours="{}", fullest=0, loaded=False, marks=1, settled=0
            )
            again = {"marks": _m.marks + 1}
            self._query(new.on_conflict_do_update(index_elements=["org", "source", "month"], set_=again))

    def unit_months(self, org: str) -> list[UnitMonth]:
        """The months of a unit that are kept here, or that a case has records of."""
        there = sa.select(_m.org, _m.source, _m.month).where(_m.org == org)
        told = sa.select(_r.org, _r.source, _r.month).where(_r.org == org)
        return [UnitMonth._make(row) for row in self._query(sa.union(there, told).order_by("source", "month"))]

    def units_of_months(self) -> list[str]:
        """The units that either table knows."""
        return [str(row[0]) for row in self._query(sa.union(sa.select(_m.org), sa.select(_r.org)).order_by("org"))]

    def units_marked(self) -> list[str]:
        """The units some month of which is marked."""
        return [str(row[0]) for row in self._query(sa.select(_m.org).distinct().where(_MARKED).order_by(_m.org))]

    def load_months(self, org: str, *, lock: bool = False) -> list[LoadMonthRow]:
        """The months of a unit, by source and month. `lock` as of `Tx.case`."""
        wanted = sa.select(*_MONTH).where(_m.org == org).order_by(_m.source, _m.month)
        return [_of_unit(row) for row in self._query(wanted.with_for_update() if lock else wanted)]

    def minutes_of(self, one: UnitMonth) -> Iterator[str]:
        """`minutes` of every case of a month, in no order."""
        wanted = sa.select(_r.minutes).where(_r.org == one.org, _r.source == one.source, _r.month == one.month)
        for page in self._query(wanted).partitions(_AT_A_TIME):
            yield from (row[0] for row in page)

    def put_load_month(self, row: LoadMonthRow) -> None:
        """Store a month as it stands now."""
        same = (_m.org == row.org, _m.source == row.source, _m.month == row.month)
        self._query(sa.update(_month).where(*same).values(row._asdict()))

    def delete_load_month(self, one: UnitMonth) -> None:
        """Remove a month of which no case has records any more."""
        self._query(sa.delete(_month).where(_m.org == one.org, _m.source == one.source, _m.month == one.month))

    def drop_broken_months(self) -> None:
        """Remove the months that nothing of ours has written: SQLite keeps what it is given, whatever the column says.
        `unit_months` still tells of those that a case has records of."""
        for row in self._query(sa.select(*_MONTH)).all():
            one = LoadMonthRow._make(row)
            month = UnitMonth(one.org, one.source, one.month)
            counts = (one.fullest, one.marks, one.settled)
            if not (_can_be(month) and all(type(count) is int for count in counts) and one.marks >= one.settled):
                self.delete_load_month(month)

    def any_judged_otherwise(self, row: LoadMonthRow) -> bool:
        """Whether a case was judged by another answer than a month has."""
        same = (_r.org == row.org, _r.source == row.source, _r.month == row.month)
        wanted = sa.select(_r.case_id).where(*same, _r.loaded == sa.literal(not row.loaded)).limit(1)
        return self._query(wanted).first() is not None

    def judged_otherwise(self, after: str, limit: int) -> list[str]:
        """Up to `limit` cases by id following `after` that were judged by another answer than a marked month of theirs
        has."""
        same = sa.and_(_r.org == _m.org, _r.source == _m.source, _r.month == _m.month, _r.loaded == sa.not_(_m.loaded))
        wanted = sa.select(_r.case_id).distinct().select_from(_month.join(_recorded, same))
        rows = self._query(wanted.where(_MARKED, _r.case_id > after).order_by(_r.case_id).limit(limit))
        return [str(row[0]) for row in rows]


def _can_be(one: UnitMonth) -> bool:
    return all(isinstance(value, str) for value in one) and len(one.month) == 7


def _of_case(values: Any) -> RecordedMonthRow:
    """SQLite knows no booleans."""
    return RecordedMonthRow._make((*values[:-1], bool(values[-1])))


def _of_unit(values: Any) -> LoadMonthRow:
    row = LoadMonthRow._make(values)
    return row._replace(loaded=bool(row.loaded))
