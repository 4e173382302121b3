"""An office on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage import Database
from tests.alerts.office import HandClock, Office
from tests.core.driver import shipped_book
from workflow.service import Service

MONDAY = "2024-01-08 09:00"


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock(MONDAY)


@pytest.fixture
def office(database: Database, hand_clock: HandClock) -> Iterator[Office]:
    service = Service(database, shipped_book(), hand_clock)
    yield Office(service, hand_clock)
    service.close()


@pytest.fixture
def sqlite_office(sqlite_url: str, hand_clock: HandClock) -> Iterator[Office]:
    service = Service.open(sqlite_url, book=shipped_book(), clock=hand_clock)
    yield Office(service, hand_clock)
    service.close()
