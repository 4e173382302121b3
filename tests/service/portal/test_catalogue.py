"""The published catalogue says what the rules say, on any date in any region, and nothing that is not published."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.service.portal.window import Window
from workflow.core.refusals import Refused
from workflow.service.portal import catalogue

NATION = catalogue.NATION


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def told(window: Window, user_class: str, *sides: tuple[str, str]) -> list[tuple[str, str, str]]:
    before, after = (catalogue.one(window.service, user_class, day(on), region) for on, region in sides)
    assert before is not None
    assert after is not None
    return [(one.what.zh, one.before.zh, one.after.zh) for one in catalogue.changes(before, after)]


@pytest.mark.parametrize(("on", "limit"), [("2021-12-31", 25), ("2022-01-01", 20), ("2023-01-01", 15)])
def test_the_limit_of_the_day(sqlite_window: Window, on: str, limit: int) -> None:
    found = catalogue.one(sqlite_window.service, "lv_zero", day(on), NATION)
    assert found is not None
    assert found.total.limit == limit


def test_every_class_in_the_order_people_know(sqlite_window: Window) -> None:
    found = catalogue.every(sqlite_window.service, day("2026-01-01"), NATION)
    assert [one.user_class for one in found] == ["residential", "lv_zero", "lv_other", "hv_single", "hv_dual"]
    assert catalogue.every(sqlite_window.service, day("2020-12-31"), NATION) == []
    with pytest.raises(Refused):
        catalogue.one(sqlite_window.service, "industrial", day("2026-01-01"), NATION)


def test_two_dates_differ_in_what_is_published_only(sqlite_window: Window) -> None:
    # The milestones moved as well; they are no limit and stay inside the house [D-MILESTONES].
    assert told(sqlite_window, "lv_zero", ("2021-06-01", NATION), ("2024-01-01", NATION)) == [
        ("总时限 · 时限(工作日)", "25", "15"),
        ("告知 · “三零”“三省”服务政策", "无", "“三零”“三省”服务政策"),
    ]


def test_two_regions_differ_in_words(sqlite_window: Window) -> None:
    found = told(sqlite_window, "residential", ("2024-06-01", NATION), ("2024-06-01", "420100"))
    assert found == [("总时限 · 时限(工作日)", "5", "3")]
    merged = told(sqlite_window, "hv_single", ("2024-06-01", NATION), ("2024-06-01", "420100"))
    assert ("环节 · 设计审查", "设计审查", "无") in merged
    assert ("环节 · 外线施工及接电 · 时限(工作日)", "3", "8") in merged
    assert ("环节 · 外线施工及接电 · 资料 · 工程竣工报告（含竣工图纸）", "无", "工程竣工报告（含竣工图纸）") in merged
    assert not [one for one in merged if one[0].isascii()]


def test_both_sides_name_their_clauses(sqlite_window: Window) -> None:
    before, after = (
        catalogue.one(sqlite_window.service, "lv_zero", day(on), NATION) for on in ("2021-06-01", "2024-01-01")
    )
    assert before is not None
    assert after is not None
    limit = catalogue.changes(before, after)[0]
    assert "L4" in [clause.id for clause in limit.clauses_before]
    assert "L6" in [clause.id for clause in limit.clauses_after]


def test_regions_are_those_with_rules_and_those_served(sqlite_window: Window) -> None:
    known = catalogue.regions(sqlite_window.service)
    assert list(known) == [NATION, "420000", "420100", "420102"]
    assert known["420100"].en == "Sample City"
