"""Published lists of capacity-limited areas: dated, sourced, whole or not at all."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.service.portal.window import Window
from workflow.core.refusals import Refused
from workflow.service import Principal
from workflow.service.portal import areas
from workflow.service.tables import BadFile

ROOT = Principal("root", "admin")
LIST = """容量受限地区公示
行政区划代码,公布日期,受限区域,可开放容量,受限原因,预计解除日期,公布渠道
420102,2024-01-01,10kV 解放一线,0,主变重载,2024-06-30,某区公司网站 2024 年第 1 号
420102,2024/1/1,10kV 解放二线,"1,200",,,某区公司网站 2024 年第 1 号
420100,2024-01-01,无,,,,某市公司网站
"""


def brought(window: Window, tmp_path: Path, text: str) -> areas.Published:
    file = tmp_path / "areas.csv"
    file.write_text(text, encoding="utf-8")
    return areas.import_areas(window.service, ROOT, file)


def shown(window: Window, on: str, region: str | None = None) -> list[tuple[str, str, float | None]]:
    found = areas.published(window.service, on=dt.date.fromisoformat(on), region=region)
    return [(one.region, one.area, one.spare_kva) for one in found]


def test_the_newest_list_published_by_the_day_is_shown(window: Window, tmp_path: Path) -> None:
    assert brought(window, tmp_path, LIST) == areas.Published(2, 3, 0)
    brought(
        window, tmp_path, LIST.split("\n")[1] + "\n420102,2024-03-01,10kV 解放二线,800,,,某区公司网站 2024 年第 2 号\n"
    )
    january = [("420102", "10kV 解放一线", 0), ("420102", "10kV 解放二线", 1200)]
    assert shown(window, "2023-12-31") == []
    assert sorted(shown(window, "2024-02-29")) == [("420100", "", None), *january]
    assert sorted(shown(window, "2024-03-01")) == [("420100", "", None), ("420102", "10kV 解放二线", 800)]
    assert sorted(shown(window, "2024-02-29", "420102")) == [("420100", "", None), *january]
    assert shown(window, "2024-02-29", "420500") == []


def test_the_same_list_again_changes_nothing(sqlite_window: Window, tmp_path: Path) -> None:
    brought(sqlite_window, tmp_path, LIST)
    assert brought(sqlite_window, tmp_path, LIST) == areas.Published(2, 3, 3)
    assert len(shown(sqlite_window, "2024-01-02")) == 3


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("4201,2024-01-01,线,,,,网站", "region"),
        ("420102,,线,,,,网站", "published_on"),
        ("420102,2024-02-30,线,,,,网站", "published_on"),
        ("420102,2024-01-01,线,-1,,,网站", "spare_kva"),
        ("420102,2024-01-01,线,,,,", "source"),
        ("420102,2024-01-01,10kV 解放一线,,,,网站", "重复"),
        ("420102,2024-01-01,无,,,,网站", "无"),
    ],
)
def test_one_fault_and_nothing_comes_in(sqlite_window: Window, tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(BadFile, match=says):
        brought(sqlite_window, tmp_path, f"{LIST}{row}\n")
    assert shown(sqlite_window, "2024-12-31") == []


def test_only_who_may_publishes(sqlite_window: Window, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        areas.import_areas(sqlite_window.service, Principal("li", "manager"), tmp_path / "areas.csv")
