"""The public pages' service on each database, with units that receive."""

from __future__ import annotations

import pytest

from tests.service.conftest import Desk
from tests.service.portal.window import UNITS, Window


@pytest.fixture
def window(desk: Desk) -> Window:
    desk.service.put_orgs(UNITS)
    return Window(desk.service, desk.clock)


@pytest.fixture
def sqlite_window(sqlite_desk: Desk) -> Window:
    sqlite_desk.service.put_orgs(UNITS)
    return Window(sqlite_desk.service, sqlite_desk.clock)
