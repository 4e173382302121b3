"""A service on a clock that stands, and a printer of workbooks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook

from workflow.core.events import Principal
from workflow.service.demo import SimulatedClock
from workflow.service.service import Service

NOW = dt.datetime.fromisoformat("2026-11-23T10:00:00+08:00")
ADMIN = Principal("local:clerk", "admin")


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture
def service(sqlite_url: str, clock: SimulatedClock) -> Iterator[Service]:
    with Service.open(sqlite_url, clock=clock) as opened:
        yield opened


@pytest.fixture
def workbook(tmp_path: Path):
    def write(name: str, **sheets: list[list[object]]) -> Path:
        book = Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        path = tmp_path / name
        book.save(path)
        book.close()
        return path

    return write
