"""The shipped working calendar: every day against independent sources, and the vectors of the counting rules."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import chinese_calendar
import numpy as np
import pytest
import yaml
from holidays.utils import country_holidays

from definitions import _calendar_festivals as origin
from definitions.calendar import CalendarRangeError, DayKind, read_notice, shipped
from tests.from_yaml import from_yaml

HERE = Path(__file__).parent
FESTIVALS = Path(origin.__file__).parent / "data" / "calendar" / "festivals.yaml"
CALENDAR = shipped()


def on(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def days(first: str, last: str) -> list[dt.date]:
    return [dt.date.fromordinal(n) for n in range(on(first).toordinal(), on(last).toordinal() + 1)]


# --- every day against other sources ----------------------------------------------------------------------------------


def listed_differences(source: str) -> dict[dt.date, bool]:
    listed = from_yaml(HERE / "data" / "calendar_differences.yaml")[source]
    assert all(entry["reason"].strip() for entry in listed)
    return {entry["day"]: entry["ours"] == "working" for entry in listed}


def test_every_day_2004_to_2026_agrees_with_holidays():
    china = country_holidays("CN", years=range(2003, 2028))
    covered = days("2004-01-01", "2026-12-31")
    assert len(covered) == 23 * 365 + 6  # six leap years
    differing = {
        day: CALENDAR.is_working(day) for day in covered if CALENDAR.is_working(day) != china.is_working_day(day)
    }
    assert differing == listed_differences("holidays")


def test_every_day_2004_to_2026_agrees_with_the_base_package_but_for_listed_repairs():
    differing = {
        day: CALENDAR.is_working(day)
        for day in days("2004-01-01", "2026-12-31")
        if CALENDAR.is_working(day) != chinese_calendar.is_workday(day)
    }
    assert differing == listed_differences("chinese_calendar")


def test_every_provisional_day_2027_to_2099_agrees_with_holidays():
    china = country_holidays("CN", years=range(2026, 2101))
    assert [d for d in days("2027-01-01", "2099-12-31") if CALENDAR.is_working(d) != china.is_working_day(d)] == []


def test_shipped_festivals_are_those_of_the_installed_package():
    written = "".join(f"{line}\n" for line in origin.lines())
    # The version named at its head may differ: only the days bind.
    assert yaml.safe_load(FESTIVALS.read_text(encoding="utf-8"))["years"] == yaml.safe_load(written)["years"]


@pytest.mark.parametrize(
    "notice", read_notice(HERE / "data" / "notices_from_their_texts.yaml"), ids=lambda n: str(n.year)
)
def test_a_year_holds_exactly_what_the_text_of_its_notice_says(notice):
    held = next(other for other in CALENDAR.notices if other.number == notice.number)
    assert (held.year, held.title, held.published_on) == (notice.year, notice.title, notice.published_on)
    assert set(held.makeup_workdays) == set(notice.makeup_workdays)
    on_weekdays = {day for day in held.rest_days if day.weekday() < 5}
    assert on_weekdays == {day for day in notice.rest_days if day.weekday() < 5}
    assert not any(CALENDAR.is_working(day) for day in notice.rest_days)
    assert all(CALENDAR.is_working(day) for day in notice.makeup_workdays)
    assert {CALENDAR.day(day).notice for day in (*notice.rest_days, *notice.makeup_workdays)} == {notice.number}


def test_every_year_2004_to_2026_rests_on_one_notice_and_three_were_changed():
    numbers = [notice.number for notice in CALENDAR.notices]
    assert len(numbers) == len(set(numbers)) == 23 + 3
    assert sorted({notice.year for notice in CALENDAR.notices}) == list(range(2004, 2027))
    assert [notice.year for notice in CALENDAR.notices].count(2015) == 2
    assert all(notice.published_on.year in (notice.year - 1, notice.year) for notice in CALENDAR.notices)


# --- what a single day is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "kind", "name", "notice"),
    [
        ("2015-09-03", DayKind.holiday, "抗战胜利纪念日", "国发明电〔2015〕1号"),  # Thursday
        ("2015-09-06", DayKind.makeup_workday, "抗战胜利纪念日", "国发明电〔2015〕1号"),  # Sunday
        ("2020-01-31", DayKind.holiday, "春节", "国办发明电〔2020〕1号"),  # Friday of the extension
        ("2020-02-01", DayKind.holiday, "春节", "国办发明电〔2020〕1号"),  # was a make-up workday before it
        ("2020-01-24", DayKind.holiday, "春节", "国办发明电〔2019〕16号"),
        ("2019-05-02", DayKind.holiday, "劳动节", "国办发明电〔2019〕3号"),
        ("2019-05-05", DayKind.makeup_workday, "劳动节", "国办发明电〔2019〕3号"),
        ("2018-12-31", DayKind.holiday, "元旦", "国办发明电〔2018〕15号"),  # set by the notice for 2019
        ("2018-12-29", DayKind.makeup_workday, "元旦", "国办发明电〔2018〕15号"),
        ("2005-12-31", DayKind.makeup_workday, "元旦", "国办发明电〔2005〕35号"),
        ("2026-01-04", DayKind.makeup_workday, "元旦", "国办发明电〔2025〕7号"),
        ("2026-01-05", DayKind.workday, None, "国办发明电〔2025〕7号"),  # Monday
        ("2026-01-10", DayKind.weekend, None, "国办发明电〔2025〕7号"),  # Saturday
        ("2026-10-01", DayKind.holiday, "国庆节", "国办发明电〔2025〕7号"),
        ("2027-10-01", DayKind.holiday, "国庆节", None),  # provisional: the statute alone
        ("2028-10-03", DayKind.holiday, "中秋节、国庆节", None),
    ],
)
def test_a_day_has_its_kind_its_festival_and_its_notice(day, kind, name, notice):
    found = CALENDAR.day(on(day))
    assert (found.kind, found.name.zh if found.name else None, found.notice) == (kind, name, notice)
    assert found.weekday == on(day).isoweekday()
    assert found.working == (kind in (DayKind.workday, DayKind.makeup_workday))


def test_a_year_has_every_day_once_and_2026_has_248_working_days():
    year = CALENDAR.year(2026)
    assert [day.date for day in year] == days("2026-01-01", "2026-12-31")
    # 261 Mondays to Fridays, less 19 off (2 + 6 + 1 + 3 + 1 + 1 + 5), and 6 make-up workdays.
    assert sum(day.working for day in year) == 261 - 19 + 6


# --- the vectors of the counting rules (budget, start -> due) ---------------------------------------------------------


def test_monday_start_five_days_end_next_monday():
    assert CALENDAR.add(on("2024-01-08"), 5) == on("2024-01-15")


def test_saturday_start_monday_is_day_one():
    assert CALENDAR.add(on("2024-01-06"), 5) == on("2024-01-12")


def test_friday_evening_start_counts_from_its_own_date():
    assert CALENDAR.add(on("2024-01-05"), 5) == on("2024-01-12")


def test_friday_evening_deemed_received_on_monday_ends_a_working_day_later():
    assert CALENDAR.add(CALENDAR.add(on("2024-01-05"), 1), 5) == on("2024-01-15")


def test_friday_before_spring_festival_skips_the_holiday_and_counts_the_make_up_saturday():
    assert CALENDAR.add(on("2026-02-13"), 5) == on("2026-02-27")


def test_friday_before_spring_festival_fifteen_days_end_on_a_thursday():
    assert CALENDAR.add(on("2026-02-13"), 15) == on("2026-03-12")


def test_sunday_that_is_a_make_up_workday_is_a_start_day_and_not_counted():
    assert CALENDAR.add(on("2026-01-04"), 10) == on("2026-01-16")


def test_wednesday_before_national_day_ends_on_the_make_up_saturday():
    assert CALENDAR.add(on("2026-09-30"), 3) == on("2026-10-10")


def test_tuesday_before_spring_festival_2025_twenty_days_end_on_a_monday():
    assert CALENDAR.add(on("2025-01-21"), 20) == on("2025-02-24")


def test_friday_2020_with_a_make_up_sunday_ends_on_thursday_before_the_festival():
    assert CALENDAR.add(on("2020-01-17"), 5) == on("2020-01-23")


def test_finished_the_same_day_uses_no_working_day():
    assert CALENDAR.count(on("2026-01-05"), on("2026-01-05")) == 0


def test_counting_backwards_uses_no_working_day():
    assert CALENDAR.count(on("2026-01-09"), on("2026-01-05")) == 0


def test_a_rest_day_after_the_due_date_adds_no_working_day():
    friday, saturday = on("2024-01-12"), on("2024-01-13")
    assert CALENDAR.count(on("2024-01-05"), friday) == CALENDAR.count(on("2024-01-05"), saturday) == 5


def test_budget_nought_is_due_on_its_start_even_on_a_sunday():
    assert CALENDAR.add(on("2024-01-07"), 0) == on("2024-01-07")


def test_last_working_day_on_or_before_a_holiday_week():
    assert CALENDAR.last_working_on_or_before(on("2026-10-07")) == on("2026-09-30")
    assert CALENDAR.last_working_on_or_before(on("2026-10-10")) == on("2026-10-10")


# --- the account ------------------------------------------------------------------------------------------------------


def test_the_account_shows_every_day_from_start_to_due_with_its_reason():
    rows = CALENDAR.account(on("2026-09-30"), 3)
    assert [(f"{row.date:%m-%d}", row.reason, row.counted) for row in rows] == [
        ("09-30", "start", None),
        *[(f"10-0{n}", "holiday", None) for n in range(1, 8)],
        ("10-08", "working", 1),
        ("10-09", "working", 2),
        ("10-10", "working", 3),
    ]
    assert rows[-1].kind is DayKind.makeup_workday


def test_the_account_shows_excluded_working_days_as_suspended_and_goes_on_after_them():
    # Monday start; Tuesday to Thursday suspended, the Saturday inside changes nothing.
    rows = CALENDAR.account(
        on("2024-01-08"), 2, excluded={on("2024-01-09"), on("2024-01-10"), on("2024-01-11"), on("2024-01-13")}
    )
    assert [(row.date.day, row.reason, row.counted) for row in rows] == [
        (8, "start", None),
        (9, "suspended", None),
        (10, "suspended", None),
        (11, "suspended", None),
        (12, "working", 1),
        (13, "weekend", None),
        (14, "weekend", None),
        (15, "working", 2),
    ]


def test_an_excluded_start_day_or_a_day_after_the_due_date_changes_nothing():
    assert CALENDAR.add(on("2024-01-08"), 5, excluded=[on("2024-01-08"), on("2024-01-16")]) == on("2024-01-15")


# --- the horizon ------------------------------------------------------------------------------------------------------


def test_the_horizon_is_the_21st_of_december_of_the_last_year_with_a_notice():
    assert CALENDAR.firm_until == on("2026-12-21")
    assert not CALENDAR.day(on("2026-12-21")).provisional
    assert CALENDAR.day(on("2026-12-22")).provisional


def test_a_limit_that_ends_on_the_horizon_is_firm_and_one_day_later_provisional():
    start = on("2026-12-14")  # Monday
    assert CALENDAR.add(start, 5) == on("2026-12-21")
    assert not CALENDAR.provisional_between(start, on("2026-12-21"))
    assert CALENDAR.provisional_between(start, on("2026-12-22"))
    assert [row.provisional for row in CALENDAR.account(start, 6)] == [False] * 8 + [True]


def test_no_day_lies_between_a_date_and_itself():
    assert not CALENDAR.provisional_between(on("2027-01-04"), on("2027-01-04"))
    assert not CALENDAR.provisional_between(on("2027-01-05"), on("2027-01-04"))


def test_beyond_the_horizon_weekends_festivals_and_days_in_lieu_rest():
    # Labour Day 2027 falls on Saturday and Sunday: Monday and Tuesday are given in lieu.
    assert CALENDAR.add(on("2027-04-30"), 1) == on("2027-05-05")
    assert CALENDAR.day(on("2027-05-03")).provisional


# --- the ends of the calendar -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["0001-01-01", "2003-12-31", "2100-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    "ask",
    [
        CALENDAR.is_working,
        CALENDAR.day,
        lambda day: CALENDAR.year(day.year),
        lambda day: CALENDAR.add(day, 0),
        lambda day: CALENDAR.add(day, 1),
        lambda day: CALENDAR.count(day, on("2026-01-05")),
        lambda day: CALENDAR.count(on("2026-01-05"), day),
        lambda day: CALENDAR.provisional_between(on("2026-01-05"), day),
        CALENDAR.last_working_on_or_before,
        lambda day: CALENDAR.account(day, 1),
        lambda day: CALENDAR.add_many(np.array([day], dtype="datetime64[D]"), 1),
        lambda day: CALENDAR.add_many(np.array([day.toordinal()]), 0),
    ],
)
def test_a_date_outside_the_calendar_is_refused_in_both_languages(ask, day):
    with pytest.raises(CalendarRangeError, match=r"超出工作日历.* / .*outside the"):
        ask(on(day))


@pytest.mark.parametrize("n", [1, 10**6, 10**30])
def test_a_limit_that_ends_after_the_calendar_is_refused(n):
    with pytest.raises(CalendarRangeError, match=r"2099-12-31 / "):
        CALENDAR.add(on("2099-12-31"), n)
    with pytest.raises(CalendarRangeError):
        CALENDAR.account(on("2099-12-30"), 1, excluded=[on("2099-12-31")])


def test_the_first_and_the_last_working_day_can_be_reached():
    assert CALENDAR.add(on("2004-01-01"), 1) == on("2004-01-02")
    assert CALENDAR.add(on("2099-12-30"), 1) == on("2099-12-31")  # Wednesday to Thursday
    with pytest.raises(CalendarRangeError, match="始于 2004-01-01"):
        CALENDAR.last_working_on_or_before(on("2004-01-01"))  # a holiday with nothing before it


def test_a_negative_number_of_working_days_is_refused():
    with pytest.raises(ValueError, match="不能为负"):
        CALENDAR.add(on("2026-01-05"), -1)
    with pytest.raises(ValueError, match="不能为负"):
        CALENDAR.add_many(np.array([on("2026-01-05")], dtype="datetime64[D]"), -1)


def test_a_moment_is_not_a_date():
    with pytest.raises(TypeError, match="business zone"):
        CALENDAR.add(dt.datetime(2026, 1, 5, 23, tzinfo=dt.UTC), 1)


# --- in bulk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 22])
def test_add_many_answers_like_add_for_every_start(n):
    starts = days("2004-01-01", "2099-11-20")
    singly = [CALENDAR.add(day, n) for day in starts]
    assert CALENDAR.add_many(np.array(starts, dtype="datetime64[D]"), n).tolist() == singly
    for kind in (np.int64, np.int32, np.uint32):
        ordinals = CALENDAR.add_many(np.array([day.toordinal() for day in starts], dtype=kind), n)
        assert ordinals.dtype == kind
        assert [dt.date.fromordinal(day) for day in ordinals.tolist()] == singly


def test_add_many_takes_the_last_start_whose_limit_still_fits_and_no_later_one():
    last = np.array(["2099-12-30"], dtype="datetime64[D]")
    assert CALENDAR.add_many(last, 1).tolist() == [on("2099-12-31")]
    with pytest.raises(CalendarRangeError):
        CALENDAR.add_many(last, 2)
    with pytest.raises(CalendarRangeError):
        CALENDAR.add_many(last, 10**30)


def test_add_many_takes_an_empty_array_and_refuses_what_is_not_a_date():
    assert CALENDAR.add_many(np.array([], dtype="datetime64[D]"), 5).size == 0
    with pytest.raises(CalendarRangeError):
        CALENDAR.add_many(np.array(["2026-01-05", "NaT"], dtype="datetime64[D]"), 5)
    with pytest.raises(TypeError, match="datetime64"):
        CALENDAR.add_many(np.array(["2026-01-05T10"], dtype="datetime64[h]"), 5)
    with pytest.raises(TypeError, match="float64"):
        CALENDAR.add_many(np.array([1.5]), 5)


# --- start-up ---------------------------------------------------------------------------------------------------------


def test_building_the_calendar_loads_neither_numpy_nor_holidays():
    code = (
        "import sys; from definitions.calendar import shipped; shipped(); print({'numpy', 'holidays'} & {*sys.modules})"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"
    assert shipped() is shipped()
