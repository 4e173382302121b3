"""The bands of the board: one test per boundary, with dates counted on a paper calendar."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest

from definitions.book import load
from definitions.calendar import shipped
from workflow.core.bands import band_of, left, reaches


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("today", "due", "band", "days"),
    [
        # Friday 27 November: the weekend lies between.
        ("11-27", "11-13", "overdue", -10),
        ("11-27", "11-26", "overdue", -1),
        ("11-27", "11-27", "today", 0),
        ("11-27", "11-30", "next", 1),
        ("11-27", "12-01", "soon", 2),
        ("11-27", "12-02", "soon", 3),
        ("11-27", "12-03", "later", 4),
        ("11-27", "12-31", "later", 24),
        # Saturday: what was due on Friday is over, though no working day has passed since.
        ("11-28", "11-27", "overdue", -1),
        ("11-28", "11-30", "next", 1),
        ("11-28", "12-02", "soon", 3),
        ("11-28", "12-03", "later", 4),
        # The day before National Day: seven days off, and Saturday 10 October is worked.
        ("09-30", "09-29", "overdue", -1),
        ("09-30", "09-30", "today", 0),
        ("09-30", "10-08", "next", 1),
        ("09-30", "10-10", "soon", 3),
        ("09-30", "10-12", "later", 4),
        # Sunday 20 September is worked: it is the next working day after Friday.
        ("09-18", "09-20", "next", 1),
        ("09-18", "09-21", "soon", 2),
    ],
)
def test_a_due_date_lies_in_one_band(today: str, due: str, band: str, days: int):
    reached = reaches(shipped(), day(today), load().bands)
    assert band_of(reached, day(due)).code == band
    assert left(shipped(), day(today), day(due)) == days


def test_bands_follow_each_other_without_gap_or_overlap():
    reached = reaches(shipped(), day("11-27"), load().bands)
    assert [one.band.code for one in reached] == ["overdue", "today", "next", "soon", "later"]
    assert reached[0].first is None
    assert reached[-1].last is None
    for before, after in pairwise(reached):
        assert before.last is not None
        assert after.first == before.last + dt.timedelta(days=1)
