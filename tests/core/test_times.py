"""Moments and dates as they are written: in the business zone, of one width, so that text order is time order."""

from __future__ import annotations

import datetime as dt

import pytest

from workflow.core.times import BUSINESS_ZONE, write, write_date

WEST = dt.timezone(dt.timedelta(hours=-5, minutes=-30))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (dt.datetime(2026, 1, 4, 10, tzinfo=BUSINESS_ZONE), "2026-01-04T10:00:00.000000+08:00"),
        (dt.datetime(2026, 1, 4, 10, 0, 0, 7, BUSINESS_ZONE), "2026-01-04T10:00:00.000007+08:00"),
        (dt.datetime(2026, 1, 4, 23, 59, 59, 999_999, BUSINESS_ZONE), "2026-01-04T23:59:59.999999+08:00"),
        (dt.datetime(2026, 1, 3, 16, tzinfo=dt.UTC), "2026-01-04T00:00:00.000000+08:00"),
        (dt.datetime(2025, 12, 31, 10, 30, tzinfo=WEST), "2026-01-01T00:00:00.000000+08:00"),
        (dt.datetime(9, 1, 4, 10, tzinfo=BUSINESS_ZONE), "0009-01-04T10:00:00.000000+08:00"),
    ],
)
def test_a_moment_is_written_in_one_width(moment: dt.datetime, text: str):
    assert write(moment) == text
    assert dt.datetime.fromisoformat(text) == moment


def test_a_date_is_written_as_iso_8601():
    assert [write_date(dt.date(2026, 1, 4)), write_date(dt.date(9, 11, 30))] == ["2026-01-04", "0009-11-30"]
