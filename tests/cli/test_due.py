"""`baozhuang due` and `baozhuang calendar show` as a clerk or a program calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from workflow.cli import calendar
from workflow.cli.due import due

NOTICE = Path(__file__).parents[1] / "definitions" / "data" / "notice_2027_invented.yaml"


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("due")(due)
    app.add_typer(calendar.app, name="calendar")
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def answer(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_ten_working_days_from_a_make_up_sunday(run):
    found = answer(run("due", "--start", "2026-01-04", "--working-days", "10", "--json"))
    assert (found["due_on"], found["provisional"]) == ("2026-01-16", False)
    days = found["days"]
    assert [day["date"] for day in days] == [f"2026-01-{n:02}" for n in range(4, 17)]
    assert (days[0]["reason"], days[0]["kind"], days[0]["counted"]) == ("start", "makeup_workday", None)
    assert [day["counted"] for day in days if day["counted"]] == list(range(1, 11))
    assert [day["reason"] for day in days[6:8]] == ["weekend", "weekend"]


def test_a_step_of_a_class_by_its_own_limit(run):
    # 10 working days for the supply plan of a single high-voltage supply [I4].
    found = answer(run("due", "--class", "hv_single", "--step", "supply_plan", "--start", "2026-01-04T10:00", "--json"))
    assert found["due_on"] == "2026-01-16"
    assert (found["rule"]["user_class"], found["rule"]["step"], found["rule"]["kind"]) == (
        "hv_single",
        "supply_plan",
        "step",
    )
    assert found["working_days"] == 10
    assert "I4" in [clause["id"] for clause in found["rule"]["clauses"]]


def test_without_a_step_the_limit_of_the_whole(run):
    # Residential 5 (whole process), Monday to Monday; hv_dual 32 (sum of the steps).
    residential = answer(run("due", "--class", "residential", "--start", "2024-01-08", "--json"))
    assert (residential["due_on"], residential["rule"]["kind"]) == ("2024-01-15", "whole_process")
    dual = answer(run("due", "--class", "hv_dual", "--start", "2024-01-08", "--json"))
    assert (dual["working_days"], dual["rule"]["kind"]) == (32, "step_sum")


@pytest.mark.parametrize(("on", "limit"), [("2021-06-01", 25), ("2022-06-01", 20), ("2023-06-01", 15)])
def test_the_submission_date_decides_which_limit_is_in_force(run, on, limit):
    found = answer(run("due", "--class", "lv_zero", "--start", "2024-01-08", "--on", on, "--json"))
    assert (found["working_days"], found["rule"]["on"]) == (limit, on)


def test_friday_evening_strict_and_deemed(run):
    words = ["due", "--class", "residential", "--start", "2024-01-05T18:00", "--json"]
    strict, deemed = answer(run(*words)), answer(run(*words, "--deemed"))
    assert (strict["due_on"], strict["counted_from"], strict["rule"]["counting"]) == (
        "2024-01-12",
        "2024-01-05",
        "strict",
    )
    assert (deemed["due_on"], deemed["counted_from"], deemed["rule"]["counting"]) == (
        "2024-01-15",
        "2024-01-08",
        "deemed",
    )
    assert deemed["start"] == "2024-01-05"


def test_a_time_with_an_offset_is_taken_to_the_business_zone(run):
    # 20:00 on Monday in London is 04:00 on Tuesday 2024-01-09 in Shanghai: five days end on Tuesday 01-16.
    found = answer(run("due", "--start", "2024-01-08T20:00+00:00", "--working-days", "5", "--json"))
    assert (found["start"], found["due_on"]) == ("2024-01-09", "2024-01-16")
    # 09:00 UTC on Friday is 17:00 in Shanghai, before the close of business; 10:00 UTC is after it.
    words = ["due", "--class", "residential", "--deemed", "--json", "--start"]
    assert answer(run(*words, "2024-01-05T09:00Z"))["counted_from"] == "2024-01-05"
    assert answer(run(*words, "2024-01-05T10:00Z"))["counted_from"] == "2024-01-08"


def test_beyond_the_horizon_the_answer_says_so_and_a_notice_firms_it_up(run):
    words = ["due", "--start", "2026-12-18", "--working-days", "6", "--json"]
    assert (answer(run(*words))["due_on"], answer(run(*words))["provisional"]) == ("2026-12-28", True)
    firm = answer(run(*words, "--notices", NOTICE))
    assert (firm["due_on"], firm["provisional"], firm["firm_until"]) == ("2026-12-26", False, "2027-12-21")


def test_in_a_pipe_the_answer_is_plain_lines_with_the_due_date_first(run):
    lines = run("due", "--start", "2026-09-30", "--working-days", "3").stdout.splitlines()
    assert lines[0] == "到期日 / due on: 2026-10-10 星期六 (确定 / firm)"
    assert lines[1] == "2026-09-30\t星期三\t\t起始日, 不计入"
    assert lines[2] == "2026-10-01\t星期四\t\t国庆节; 放假"
    assert lines[-1] == "2026-10-10\t星期六\t3\t国庆节; 调休上班"


def test_a_provisional_answer_names_the_horizon(run):
    said = run("due", "--class", "residential", "--start", "2026-12-15").stdout
    assert "暂定 / provisional" in said
    assert "2026-12-21 之后" in said
    assert "依据 / clause: L4" in said


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--start", "2026-01-04"],
        ["--start", "2026-01-04", "--working-days", "3", "--class", "residential"],
        ["--working-days", "3"],
        ["--start", "2026-01-04", "--working-days", "3", "--step", "metering"],
        ["--start", "2026-01-04", "--working-days", "3", "--deemed"],
        ["--start", "", "--working-days", "3"],
        ["--start", "2026-02-30", "--working-days", "3"],
        ["--start", "2026-W01-1", "--working-days", "3"],
        ["--start", "4 January", "--working-days", "3"],
        ["--start", "2026-01-04T25:00", "--working-days", "3"],
        ["--start", "0001-01-01", "--working-days", "3"],
        ["--start", "0001-01-01T00:00+14:00", "--working-days", "3"],
        ["--start", "9999-12-31T23:59-12:00", "--working-days", "3"],
        ["--start", "9999-12-31", "--working-days", "3"],
        ["--start", "2003-12-31", "--working-days", "3"],
        ["--start", "2026-01-04", "--working-days", "-1"],
        ["--start", "2026-01-04", "--working-days", "1.5"],
        ["--start", "2026-01-04", "--working-days", "NaN"],
        ["--start", "2026-01-04", "--working-days", "٣"],
        ["--start", "2026-01-04", "--working-days", "999999999"],
        ["--start", "2026-01-04", "--working-days", "9" * 400],
        ["--start", "2026-01-04", "--class", "castle"],
        ["--start", "2026-01-04", "--class", "hv_single", "--step", "dance"],
        ["--start", "2026-01-04", "--class", "residential", "--step", "metering"],  # limited as a whole only
        ["--start", "2026-01-04", "--class", "hv_single", "--region", "北京"],
        ["--start", "2026-01-04", "--class", "hv_single", "--on", "yesterday"],
        ["--start", "2026-01-04", "--class", "hv_single", "--on", "2026-01-04T10:00"],
        ["--start", "2020-12-31", "--class", "hv_single"],  # before the first rule
        ["--start", "2026-01-04", "--working-days", "3", "--notices", "no-such-file.yaml"],
        ["--start", "2026-01-04", "--working-days", "3", "--notices", __file__],
    ],
)
def test_a_bad_question_is_a_sentence_in_both_languages_and_status_2(run, words):
    result = run("due", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("错误 / error: ")
    assert " / " in result.stderr.removeprefix("错误 / error: ")
    assert "Traceback" not in result.stderr


def test_calendar_show_lists_the_year_its_notice_and_the_horizon(run):
    lines = run("calendar", "show", "2026").stdout.splitlines()
    assert lines[:3] == [
        "2026 年: 248 个工作日 / working days",
        "通知 / notice: 国办发明电〔2025〕7号 (2025-11-04) 国务院办公厅关于2026年部分节假日安排的通知",
        "暂定 / provisional: 2026-12-21 之后的日期待下一份通知确定 / days after it await the next notice",
    ]
    assert "02-15 星期日 至 02-23 星期一\t9\t放假\t春节\t国办发明电〔2025〕7号" in lines
    assert "02-28 星期六\t1\t调休上班\t春节\t国办发明电〔2025〕7号" in lines


def test_calendar_show_as_json_and_with_a_notice(run):
    plain = answer(run("calendar", "show", "2027", "--json"))
    assert (plain["year"], plain["provisional"], plain["notices"]) == (2027, True, [])
    assert {day["kind"] for day in plain["days"]} == {"holiday"}
    noticed = answer(run("calendar", "show", "2027", "--json", "--notices", NOTICE))
    assert [notice["number"] for notice in noticed["notices"]] == ["测试〔2026〕1号"]
    assert noticed["firm_until"] == "2027-12-21"


def test_a_changed_year_shows_both_notices(run):
    numbers = [notice["number"] for notice in answer(run("calendar", "show", "2020", "--json"))["notices"]]
    assert numbers == ["国办发明电〔2019〕16号", "国办发明电〔2020〕1号"]


@pytest.mark.parametrize("year", ["2003", "2100", "0001", "9999", "abc", "1e3"])
def test_a_year_without_a_calendar_is_refused(run, year):
    result = run("calendar", "show", year)
    assert result.exit_code == 2
    assert result.stderr.startswith("错误 / error: ")


def test_calendar_show_without_a_year_shows_one(run):
    assert "个工作日" in run("calendar", "show").stdout
