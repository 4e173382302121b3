"""The live store as a history: its cases as the two files of the replay contract, so that they can be replayed.

What the engine recorded and the records of other systems about it; times are of the business zone (Asia/Shanghai).
Written as Parquet, whose text no spreadsheet takes for a formula: `cases.parquet` and `events.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from storage import Tx
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.replay.exact.typed import wall_clock
from workflow.replay.tables import CASES, EVENTS, Column
from workflow.service import access
from workflow.service.judging import history
from workflow.service.service import Service

FILES: Final = ("cases.parquet", "events.parquet")
PAGE: Final = 1000
"""Cases held in memory at a time."""
_MOMENTS: Final = ("occurred_at", "recorded_at")


class Written(NamedTuple):
    """How many cases and events were written."""

    cases: int
    events: int


def write(service: Service, principal: Principal, folder: Path, ids: Iterable[str] | None) -> Written:
    """Write the history of the applications named, else of every one the principal sees, into `folder`. Raises Refused
    for one that is not there, OSError."""
    access.check_reads(service.law.roles, principal, "evidence")
    folder.mkdir(parents=True, exist_ok=True)
    count = Written(0, 0)
    with (
        service.database.read() as tx,
        pq.ParquetWriter(folder / FILES[0], _schema(CASES)) as of_cases,
        pq.ParquetWriter(folder / FILES[1], _schema(EVENTS)) as of_events,
    ):
        wanted = _wanted(tx, principal, ids)
        while page := [history(tx, case_id) for case_id in islice(wanted, PAGE)]:
            events = [_plain(row) for one in page for row in one.events]
            of_cases.write_table(_table(CASES, [one.case for one in page]))
            of_events.write_table(_table(EVENTS, events))
            count = Written(count.cases + len(page), count.events + len(events))
    return count


NOT_KEPT: Final = ("prior_capacity_kw", "account_opened_on", "contractor")
"""Facts of a case that are not kept here. A column that is there and empty would say that a case lacks them (D34)."""


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    kept = (column.name for column in columns if not column.derived and column.name not in NOT_KEPT)
    return pa.schema([(name, pa.string()) for name in kept])


def _table(columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> pa.Table:
    schema = _schema(columns)
    told = [{name: None if row.get(name) is None else str(row[name]) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(told, schema=schema)


def _wanted(tx: Tx, principal: Principal, ids: Iterable[str] | None) -> Iterator[str]:
    if ids is None:
        seen: dict[str | None, bool] = {}
        for row in tx.cases():
            if row.org not in seen:
                seen[row.org] = access.sees(tx, principal, row.org)
            if seen[row.org]:
                yield row.id
        return
    for case_id in ids:
        found = tx.case(case_id)
        if found is None or not access.sees(tx, principal, found.org):
            raise refuse("not-found", f"没有找到申请 {case_id[:64]}", f"There is no application {case_id[:64]}")
        yield case_id


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Moments as wall clock of the business zone, which is what a table means without an offset."""
    return {**row, **{name: wall_clock(row[name]) for name in _MOMENTS if row.get(name)}}
