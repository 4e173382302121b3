"""Notices dropped in by a utility: a new year firms up, a change is newer than what it changes, errors have lines."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from definitions import calendar as calendar_module
from definitions.calendar import (
    DayKind,
    Notice,
    NoticeError,
    NoticeHoliday,
    decode_notice,
    encode_notice,
    read_notice,
    shipped,
)
from definitions.model import Text

FILE = Path(__file__).parent / "data" / "notice_2027_invented.yaml"
SHIPPED = shipped()
(NOTICE,) = read_notice(FILE)


def on(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def change(**fields: object) -> Notice:
    """A change of 2026 that takes Monday 2026-06-22 off and works Sunday 2026-06-28 instead, altered by `fields`."""
    extended = NoticeHoliday(name=Text(zh="端午节", en="Dragon Boat Festival"), days=(on("2026-06-22"),))
    notice = Notice(
        year=2026,
        title="关于调整2026年端午节假期安排的通知",
        number="测试〔2026〕2号",
        published_on=on("2026-05-20"),
        holidays=(extended,),
        makeup_workdays=(on("2026-06-28"),),
        origin="change.yaml:1",
    )
    return msgspec.structs.replace(notice, **fields)


def refusals(*notices: Notice) -> list[str]:
    with pytest.raises(NoticeError) as refused:
        SHIPPED.with_notices(notices)
    return refused.value.problems


def problems(text: str) -> list[str]:
    with pytest.raises(NoticeError) as refused:
        read_notice(text)
    return refused.value.problems


# --- a new year -------------------------------------------------------------------------------------------------------


def test_a_notice_for_2027_moves_the_horizon_by_a_year():
    calendar = SHIPPED.with_notices([NOTICE])
    assert calendar.firm_until == on("2027-12-21")
    assert not calendar.day(on("2026-12-22")).provisional
    assert calendar.day(on("2027-12-22")).provisional
    assert SHIPPED.firm_until == on("2026-12-21")


def test_a_notice_for_2027_sets_late_december_2026():
    calendar = SHIPPED.with_notices([NOTICE])
    assert SHIPPED.is_working(on("2026-12-31"))
    assert not calendar.is_working(on("2026-12-31"))
    assert calendar.day(on("2026-12-26")).kind is DayKind.makeup_workday  # a Saturday
    assert calendar.day(on("2026-12-26")).notice == "测试〔2026〕1号"
    # Friday 12-18, 10 days: 21-25 are 1-5, Sat 26 is 6, 28-30 are 7-9, 31 to 01-03 rest, Mon 2027-01-04 is 10.
    assert calendar.add(on("2026-12-18"), 10) == on("2027-01-04")
    assert SHIPPED.add(on("2026-12-18"), 10) == on(
        "2027-01-04"
    )  # 31 worked instead of 26: the same date by another way
    assert SHIPPED.add(on("2026-12-18"), 6) == on("2026-12-28")
    assert calendar.add(on("2026-12-18"), 6) == on("2026-12-26")


def test_days_in_lieu_that_the_notice_does_not_give_are_worked_again():
    # The statute alone gives Tuesday 2027-05-04 in lieu; so does the notice until the 5th. National Day: 10-08 Friday.
    calendar = SHIPPED.with_notices([NOTICE])
    assert not calendar.is_working(on("2027-05-05"))
    assert SHIPPED.is_working(on("2027-05-05"))
    short = msgspec.structs.replace(
        NOTICE,
        holidays=tuple(
            NoticeHoliday(name=holiday.name, days=holiday.days[:2]) if holiday.name.zh == "劳动节" else holiday
            for holiday in NOTICE.holidays
        ),
    )
    assert SHIPPED.with_notices([short]).is_working(on("2027-05-04"))
    assert not SHIPPED.is_working(on("2027-05-04"))


def test_the_identity_changes_with_a_notice_and_only_with_it():
    calendar = SHIPPED.with_notices([NOTICE])
    assert calendar.hash != SHIPPED.hash
    assert calendar.hash == SHIPPED.with_notices([NOTICE]).hash
    assert SHIPPED.with_notices([]) is SHIPPED
    assert calendar.with_notices([NOTICE]) is calendar
    elsewhere = msgspec.structs.replace(NOTICE, origin="other.yaml:7")
    assert SHIPPED.with_notices([elsewhere, NOTICE]).hash == calendar.hash


def test_the_order_of_dropping_in_makes_no_difference():
    # A change of 2026 made after the notice for 2027 came out, on a day which that notice had set.
    late = change(published_on=on("2026-12-01"), holidays=(), makeup_workdays=(), cancelled=(on("2026-12-26"),))
    together = SHIPPED.with_notices([late, NOTICE])
    one_by_one = SHIPPED.with_notices([NOTICE]).with_notices([late])
    assert together.hash == one_by_one.hash
    assert not together.is_working(on("2026-12-26"))
    assert together.firm_until == on("2027-12-21")
    early = change()
    assert SHIPPED.with_notices([NOTICE]).with_notices([early]).hash == SHIPPED.with_notices([early, NOTICE]).hash


def test_two_years_may_be_dropped_in_together_in_any_order():
    following = msgspec.structs.replace(
        NOTICE,
        year=2028,
        number="测试〔2027〕1号",
        published_on=on("2027-11-10"),
        holidays=tuple(
            NoticeHoliday(name=Text(zh=name, en=name), days=tuple(map(on, days)))
            for name, days in {
                "元旦": ["2028-01-01"],
                "春节": ["2028-01-25", "2028-01-26", "2028-01-27", "2028-01-28"],
                "清明节": ["2028-04-04"],
                "劳动节": ["2028-05-01", "2028-05-02"],
                "端午节": ["2028-05-28"],
                "中秋国庆": ["2028-10-01", "2028-10-02", "2028-10-03"],
            }.items()
        ),
        makeup_workdays=(),
    )
    assert SHIPPED.with_notices([following, NOTICE]).firm_until == on("2028-12-21")
    (problem,) = refusals(following)
    assert "请先导入 2027 年的通知" in problem


def test_a_notice_that_forgets_a_festival_is_refused_unless_it_takes_it_away():
    _new_year, *others = NOTICE.holidays
    forgetful = msgspec.structs.replace(NOTICE, holidays=tuple(others), makeup_workdays=())
    (problem,) = refusals(forgetful)
    assert problem == (
        "notice_2027_invented.yaml:3: 缺少法定节日 元旦 2027-01-01；若通知确已取消，请写入 cancelled / "
        "the festival New Year's Day 2027-01-01 is missing; if the notice takes it away, list it as cancelled"
    )
    taken_away = msgspec.structs.replace(forgetful, cancelled=(on("2027-01-01"),))
    assert SHIPPED.with_notices([taken_away]).is_working(on("2027-01-01"))


# --- a change of a covered year ---------------------------------------------------------------------------------------


def test_a_newer_notice_changes_what_it_mentions_and_nothing_else():
    calendar = SHIPPED.with_notices([change()])
    assert calendar.firm_until == SHIPPED.firm_until
    differing = [day.date for day in SHIPPED.year(2026) if day.working != calendar.is_working(day.date)]
    assert differing == [on("2026-06-22"), on("2026-06-28")]
    assert calendar.day(on("2026-06-22")).notice == "测试〔2026〕2号"
    assert calendar.day(on("2026-06-19")).notice == "国办发明电〔2025〕7号"


def test_a_change_can_turn_a_make_up_workday_into_a_day_off_as_in_2020():
    february = NoticeHoliday(name=Text(zh="春节", en="Spring Festival"), days=(on("2026-02-28"),))
    calendar = SHIPPED.with_notices([change(published_on=on("2026-02-20"), holidays=(february,), makeup_workdays=())])
    assert not calendar.is_working(on("2026-02-28"))


def test_a_change_can_cancel_an_arranged_day():
    calendar = SHIPPED.with_notices(
        [change(holidays=(), makeup_workdays=(), cancelled=(on("2026-10-07"), on("2026-10-10")))]
    )
    assert calendar.day(on("2026-10-07")).kind is DayKind.workday
    assert calendar.day(on("2026-10-10")).kind is DayKind.weekend
    (problem,) = refusals(change(cancelled=(on("2026-06-23"),)))
    assert "2026-06-23 原本没有安排" in problem


def again(**fields: object) -> Notice:
    """The invented notice for 2027 issued again without its days of late December 2026, altered by `fields`."""
    new_year = msgspec.structs.replace(NOTICE.holidays[0], days=(on("2027-01-01"), on("2027-01-02"), on("2027-01-03")))
    worked = tuple(day for day in NOTICE.makeup_workdays if day.year == 2027)
    issued = msgspec.structs.replace(
        NOTICE,
        number="测试〔2026〕3号",
        published_on=on("2026-11-20"),
        holidays=(new_year, *NOTICE.holidays[1:]),
        makeup_workdays=worked,
    )
    return msgspec.structs.replace(issued, **fields)


def test_a_notice_that_gives_the_whole_year_again_stands_in_place_of_the_one_before():
    calendar = SHIPPED.with_notices([NOTICE]).with_notices([again()])
    # Thursday 31 December is worked again, Saturday 26 December a weekend again, Sunday 3 January off.
    assert [calendar.is_working(on(day)) for day in ("2026-12-31", "2026-12-26", "2027-01-03")] == [True, False, False]
    assert [calendar.is_working(on(day)) for day in ("2027-02-20", "2027-02-11")] == [True, False]
    assert calendar.day(on("2027-02-11")).notice == "测试〔2026〕3号"


def test_a_later_change_may_take_away_what_the_year_given_again_left_out_already():
    gone = (on("2026-12-31"), on("2026-12-26"))
    late = msgspec.structs.replace(
        NOTICE, number="测试〔2026〕4号", published_on=on("2026-11-21"), holidays=(), makeup_workdays=(), cancelled=gone
    )
    calendar = SHIPPED.with_notices([NOTICE, again(), late])
    assert [calendar.is_working(day) for day in gone] == [True, False]


def test_a_change_of_some_festivals_of_2027_leaves_the_others_and_late_december():
    new_year = again().holidays[:1]
    calendar = SHIPPED.with_notices([NOTICE, again(holidays=new_year, makeup_workdays=())])
    assert [calendar.is_working(on(day)) for day in ("2026-12-31", "2026-12-26", "2027-01-03")] == [False, True, False]


def test_a_change_of_2026_stays_when_2027_is_given_again():
    late = change(published_on=on("2026-11-15"), holidays=(), makeup_workdays=(on("2026-12-20"),))
    calendar = SHIPPED.with_notices([NOTICE, late, again()])
    assert calendar.is_working(on("2026-12-20"))
    assert not calendar.is_working(on("2026-12-26"))


@pytest.mark.parametrize("published_on", ["2025-11-04", "2025-06-01"])
def test_a_second_notice_for_a_year_must_be_newer(published_on):
    (problem,) = refusals(change(published_on=on(published_on)))
    assert problem.startswith("change.yaml:1: 2026 年已有 国办发明电〔2025〕7号（2025-11-04）")


def test_the_same_number_with_other_content_is_refused():
    (problem,) = refusals(change(number="国办发明电〔2025〕7号"))
    assert "内容不同" in problem
    with pytest.raises(NoticeError, match="内容不同"):
        SHIPPED.with_notices([NOTICE, msgspec.structs.replace(NOTICE, makeup_workdays=())])
    # What the refusal advises can be done: the number says that it is a correction.
    assert SHIPPED.with_notices([NOTICE, again(number=f"{NOTICE.number}（更正）")]).is_working(on("2026-12-31"))


def test_contradictions_are_found_without_a_file_too():
    (problem,) = refusals(change(makeup_workdays=(on("2026-06-24"),)))
    assert problem == (
        "change.yaml:1: 2026-06-24 是星期三，本来就上班，不能写作调休上班日 / "
        "2026-06-24 is a Wednesday: a make-up workday must fall on a weekend"
    )


@pytest.mark.parametrize("year", [1, 2003, 2100, 9999])
def test_a_year_outside_the_calendar_is_refused(year):
    assert refusals(change(year=year))


# --- content addressing -----------------------------------------------------------------------------------------------


def test_a_notice_survives_storage_and_its_hash_ignores_where_it_was_read():
    stored = decode_notice(encode_notice(NOTICE))
    assert stored == msgspec.structs.replace(NOTICE, origin="")
    assert stored.hash == NOTICE.hash
    (reread,) = read_notice(encode_notice(NOTICE).decode())  # what is stored is itself a notice file
    assert reread.hash == NOTICE.hash
    assert msgspec.structs.replace(NOTICE, makeup_workdays=()).hash != NOTICE.hash


@pytest.mark.parametrize("content", [b"", b"[]", b'{"year": "2027"}', b"\xff"])
def test_a_stored_notice_that_is_none_is_refused(content):
    with pytest.raises(NoticeError, match="无法读取"):
        decode_notice(content)


# --- the file ---------------------------------------------------------------------------------------------------------

HEAD = """year: 2027
title: 通知
number: 测试1号
published_on: 2026-11-10
"""


def test_a_file_is_read_as_written():
    assert (NOTICE.year, NOTICE.number, NOTICE.published_on) == (2027, "测试〔2026〕1号", on("2026-11-10"))
    assert NOTICE.origin == "notice_2027_invented.yaml:3"
    assert NOTICE.holidays[0].days == (on("2026-12-31"), on("2027-01-01"), on("2027-01-02"))
    assert NOTICE.holidays[0].name == Text(zh="元旦", en="New Year's Day")
    assert NOTICE.holidays[2].name == Text(zh="清明节", en="Qingming")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("makeup_workdays: [2027-02-17]", "<text>:5: 2027-02-17 是星期三"),
        ("makeup_workdays:\n  - 2027-02-20\n  - 2027-02-20", "<text>:7: 2027-02-20 写了两次"),
        (
            "holidays:\n  - {name: 元旦, days: [2027-01-01]}\n  - {name: 春节, days: [2027-01-01]}",
            "<text>:7: 2027-01-01 写",
        ),
        (
            "holidays: [{name: 元旦, days: [2027-01-02]}]\nmakeup_workdays: [2027-01-02]",
            "<text>:6: 2027-01-02 写了两次",
        ),
        ("makeup_workdays: [2028-02-19]", "<text>:5: 2028-02-19 不属于 2027 年"),
        ("makeup_workdays: [2026-12-20]", "<text>:5: 2026-12-20 不属于 2027 年"),  # a Sunday before 22 December
        ("holidays: [{name: 元旦, days: []}]", "<text>:5: 元旦没有日期"),
        ("holidays: [{name: 元旦}]", "<text>:5: 元旦没有日期"),
        ("holidays: [{name: 圣诞节, days: [2027-12-25]}]", "<text>:5: 不认识的节日“圣诞节”"),
        ("holidays: [{name: 元旦, from: 2027-01-01}]", "<text>:5: from 与 to 须同时写明"),
        ("holidays: [{name: 元旦, from: 2027-01-03, to: 2027-01-01}]", "<text>:5: 2027-01-03 至 2027-01-01 不是合理"),
        ("holidays: [{name: 元旦, from: 2027-01-01, to: 9999-12-31}]", "<text>:5: 2027-01-01 至 9999-12-31 不是合理"),
        ("holidays: [{name: 元旦, days: [2027-01-01], to: 2027-01-02}]", "<text>:5: days 与 from/to 只能写一种"),
        ("holidays: 2027-01-01", "<text>:5: 这里应写成列表"),
        ("holidays: [元旦]", "<text>:5: 这里应写成“键: 值”"),
        ("holidays: [{name: [元旦], days: [2027-01-01]}]", "<text>:5: 这里应写文字"),
        ("makeup_workdays: [2027-02-30]", "<text>:5: “2027-02-30”不是日期"),
        ("makeup_workdays: [20270220]", "<text>:5: “20270220”不是日期"),
        ("makeup_workdays: [2027-W07-6]", "<text>:5: “2027-W07-6”不是日期"),
        ("makeup: [2027-02-20]", "<text>:5: 不认识的键 makeup"),
        ("year: 2027", "<text>:5: 键 year 写了两次"),
    ],
)
def test_a_mistake_is_named_with_its_line_in_both_languages(body, complaint):
    found = problems(HEAD + body)
    assert found[0].startswith(complaint)
    assert all(" / " in problem for problem in found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "<text>:1: 文件是空的"),
        ("year: 2027: 2028", "<text>:1: 不是有效的 YAML"),
        ("[" * 100_000, "<text>:1: 嵌套太深"),
        ("\x00", "<text>:1: 不是有效的 YAML"),
        ("year: 2027\ntitle: 甲", "<text>:1: 缺少 number"),
        (HEAD.replace("2027", "27"), "<text>:1: “27”不是四位数年份"),
        (HEAD.replace("2026-11-10", "2024-11-10"), "<text>:4: 成文日期 2024-11-10 与年度 2027 不符"),
        (HEAD.replace("通知", "''"), "<text>:2: title 不能为空"),
    ],
)
def test_a_broken_head_is_named_with_its_line(text, complaint):
    assert problems(text)[0].startswith(complaint)


def test_every_problem_of_a_file_is_reported_at_once():
    head = "- " + HEAD.replace("\n", "\n  ")
    found = problems(f"{head}makeup_workdays: [2027-02-17, 2027-02-18]\n{head}colour: red\n")
    assert [problem.split(": ")[0] for problem in found] == ["<text>:5", "<text>:5", "<text>:10"]


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    file = tmp_path / "通知.yaml"
    file.write_bytes("title: 国务院办公厅".encode("gbk"))
    with pytest.raises(NoticeError, match=r"通知\.yaml:1: 请用 UTF-8 保存"):
        read_notice(file)


def test_the_example_of_the_format_is_a_notice_that_fits():
    readme = (Path(calendar_module.__file__).parent / "data" / "calendar" / "README.md").read_text(encoding="utf-8")
    example = readme.split("```yaml\n")[1].split("```")[0]
    assert SHIPPED.with_notices(read_notice(example)).firm_until == on("2027-12-21")
