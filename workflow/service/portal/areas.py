"""Capacity-limited areas (容量受限地区) [L46]: lists that a region publishes, each with its date and source.

A list replaces nothing: the newest one published by a day is what is shown for that day, and the same list brought in
again changes nothing but what was wrong in it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from storage import AreaRow, Tx
from workflow.core.events import Principal
from workflow.service import access
from workflow.service.portal import house
from workflow.service.service import Progress, Service
from workflow.service.tables import (
    BadFile,
    BadValue,
    Row,
    Vocabulary,
    as_moment,
    as_number,
    as_text,
    is_json,
    read_json,
    read_tables,
)

AREA = "areas"
MOST_SHOWN = 500
COLUMNS: Vocabulary = {
    "region": ("行政区划", "行政区划代码", "区划代码", "地区"),
    "published_on": ("公布日期", "发布日期"),
    "area": ("受限区域", "区域", "受限地区", "线路或台区", "变电站"),
    "spare_kva": ("剩余容量", "可开放容量", "可开放容量(kVA)"),
    "reason": ("受限原因", "原因"),
    "until": ("预计解除日期", "预计解除", "解除日期"),
    "source": ("公布渠道", "来源", "依据"),
}


class Published(msgspec.Struct, frozen=True):
    """What an import did: lists (a region and a date each), rows, and rows that stood there before."""

    lists: int
    rows: int
    replaced: int


def import_areas(service: Service, principal: Principal, path: Path, progress: Progress = lambda *_: None) -> Published:
    """Bring published lists in from CSV, XLSX or JSON, whole or not at all. A row whose area is empty says that the
    region has none. Raises BadFile with every fault by its place, Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    at, problems = house.now(service), []
    lists: dict[tuple[str, str], dict[str, AreaRow]] = defaultdict(dict)
    for row in _rows(path):
        try:
            one = _area(row, at, principal.who)
        except BadValue as error:
            problems.append(f"{row.place}: {error}")
            continue
        there = lists[one.region, one.published_on]
        if one.area in there:
            problems.append(f"{row.place}: {one.area} 重复 / is there twice")
        there[one.area] = one
    problems += [
        f"{region} {day}: 既写“无”又列有区域 / says there are none and lists some"
        for (region, day), rows in lists.items()
        if "" in rows and len(rows) > 1
    ]
    if problems or not lists:
        raise BadFile(problems or ["文件里没有数据行 / the file has no rows"])

    def work(tx: Tx) -> Published:
        replaced = sum(tx.publish_areas(*which, list(rows.values())) for which, rows in lists.items())
        return Published(len(lists), sum(map(len, lists.values())), replaced)

    done = service.transact(work)
    progress(done.rows, done.rows)
    return done


def _rows(path: Path) -> list[Row]:
    if not is_json(path):
        return [row for table in read_tables(path, COLUMNS) for row in table.rows]
    rows = []
    for place, one in read_json(path):
        if not isinstance(one, dict):
            raise BadFile([f"{place}: {one if isinstance(one, BadValue) else '应为对象 / must be an object'}"])
        rows.append(Row(place, one))
    return rows


def _area(row: Row, at: str, who: str) -> AreaRow:
    values = row.values
    region, source = as_text(values.get("region")), as_text(values.get("source"))
    if region is None or len(region) != 6 or not region.isdecimal():
        raise BadValue("region: 应为六位行政区划代码 / must be a six-digit GB/T 2260 code")
    if source is None:
        raise BadValue("source: 请写明在哪里公布 / say where it was published")
    published = _day(values.get("published_on"), "published_on")
    if published is None:
        raise BadValue("published_on: 必填 / is required")
    spare = as_number(values.get("spare_kva"))
    if spare is not None and spare < 0:
        raise BadValue("spare_kva: 应不小于 0 / must not be negative")
    area = as_text(values.get("area")) or ""
    return AreaRow(
        region, published, "" if area in ("无", "none") else area, spare, as_text(values.get("reason")),
        _day(values.get("until"), "until"), source, at, who,
    )  # fmt: skip


def _day(value: Any, name: str) -> str | None:
    try:
        moment = as_moment(value)
    except BadValue as error:
        raise BadValue(f"{name}: {error}") from error
    return None if moment is None else moment[:10]


class Limited(msgspec.Struct, frozen=True):
    """A limited area as it is shown. `spare_kva`: what is left for new connections; None: not stated."""

    region: str
    area: str
    spare_kva: float | None
    reason: str | None
    until: dt.date | None
    published_on: dt.date
    source: str


def published(service: Service, *, on: dt.date, region: str | None = None) -> list[Limited]:
    """The newest lists published by `on`: of `region` and what stands above it, else of every region. A region that
    said it has none has one row without an area."""
    wanted = None if region is None else list(dict.fromkeys((region, f"{region[:4]}00", f"{region[:2]}0000")))
    with service.database.read() as tx:
        rows = tx.areas(on.isoformat(), wanted, MOST_SHOWN)
    return [
        Limited(
            row.region, row.area, row.spare_kva, row.reason,
            None if row.until is None else dt.date.fromisoformat(row.until),
            dt.date.fromisoformat(row.published_on), row.source,
        )
        for row in rows
    ]  # fmt: skip
