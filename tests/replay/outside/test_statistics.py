"""Rules over organisations: one odd among plain ones, by the command and by the oracle; totals that were reported."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from definitions import shipped
from tests.replay.oracle.judge import judge as oracle
from tests.replay.outside.harness import CASE_COLUMNS, History, event, lawful, replay

ODD, PLAIN = "ODD", ("P0", "P1", "P2", "P3")
ALL = {"S1", "S2", "S4", "S5", "S6", "S7", "S8", "S9", "S10"}


def _case(history: History, org: str, number: int, lines: list[str]) -> None:
    case_id = f"{org}-{number:03}"
    history.cases.append(
        {"case_id": case_id, "customer_id": f"U{case_id}", "premises_id": f"P{case_id}", "org": org, "region": "420102",
         "manager": f"{org}-M", "user_class": "lv_other", "business_type": "new",
         "contractor": "自家电力" if org == ODD else ("甲", "乙", "丙")[number % 3],
         **{key: str(value) for key, value in lawful()["lv_other"]["facts"].items()}}
    )  # fmt: skip
    for line in lines:
        row = event(case_id, line, 7 * (number % 3))
        if org != ODD and row["activity"] in ("acceptance", "supply_plan", "metering"):
            row["occurred_at"] += f":{(number * 7 + 11) % 59 + 1:02}"
            row["recorded_at"] = row["occurred_at"][:-3] + ":59"
        row["actor"] = f"{org}-{row['activity']}"
        history.events.append(row)


def odd_among_plain() -> History:
    """Five units of one kind of case; what one of them does the others never do."""
    made = History()
    plain = lawful()["lv_other"]["events"].strip().splitlines()
    odd = [line for line in plain if not line.startswith(("supply_plan", "metering.complete"))] + [
        "supply_plan.start 03-04 10:00 rec=03-07_10:00", "supply_plan.complete 03-07 10:00 rec=03-07_10:03",  # S1 S8
        "metering.complete 03-12 22:30", "document.received 03-04 09:02 value=photo ref=volunteered;SL-7",  # S5 S7
        "site_survey.observed 02-20 09:00 value=planning",  # S10
    ]  # fmt: skip
    ended = [*plain[:7], "application.terminate 03-07 16:00 value=other"]  # S6: three days of six used
    for org in PLAIN:
        for number in range(24):
            _case(made, org, number, ended if number == 0 else plain)
    for number in range(24):
        _case(made, ODD, number, [line for line in odd if number % 2 or not line.startswith("first_energy")])  # S9
    for number in range(24, 40):
        _case(made, ODD, number, ended)
    return made


@pytest.fixture(scope="module")
def history() -> History:
    return odd_among_plain()


def write_reported(path: Path) -> Path:
    """What the units report of themselves, right and wrong."""
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("org", "period", "measure", "value", "user_class"))
        sheet.writerow((ODD, "2024H1", "accepted", 40, ""))
        sheet.writerow((ODD, "2024-03", "energised", 25, "lv_other"))
        sheet.writerow((ODD, "2024Q1", "on_time", 24, ""))
        sheet.writerow((ODD, "2024Q1", "energised", 3, "residential"))
        sheet.writerow((ODD, "2024Q1", "energised", 0, "hv_dual"))
        sheet.writerow(("P0", "2024", "ended", 0, ""))
        sheet.writerow(("NOBODY", "2024", "ended", 7, ""))
    return path


@pytest.fixture(scope="module")
def folder(history, tmp_path_factory):
    where = tmp_path_factory.mktemp("statistics")
    write_reported(where / "reported.csv")
    return where


@pytest.fixture(scope="module")
def answers(history, folder):
    return replay(folder, history, "--reported", str(folder / "reported.csv"))


def test_the_odd_organisation_is_found_and_no_other(answers):
    found = {(one["org"], one["rule"]) for one in answers.statistics if one["rule"] != "S3"}
    assert found == {(ODD, rule) for rule in ALL}
    assert all(one["case_id"] is None for one in answers.statistics)


def test_a_statistic_convicts_nobody(answers):
    assert "suspected" not in {row["verdict"] for row in answers.verdicts.values()}


def test_the_oracle_finds_the_same(answers, folder):
    """The oracle counts case by case and asks scipy's exact test."""
    rows = {name: pq.read_table(folder / "out" / f"{name}.parquet").to_pylist() for name in ("cases", "events")}
    told = oracle(
        rows["cases"], rows["events"], calendar=shipped(), as_of=dt.date(2024, 12, 31), case_columns=CASE_COLUMNS
    )
    expected = {(one.org, one.rule, one.severity) for one in told.findings if one.case_id is None}
    assert {(one["org"], one["rule"], one["severity"]) for one in answers.statistics if one["rule"] != "S3"} == expected


def test_what_was_reported_is_held_against_the_cases(answers):
    """S3: 24 cases of the odd organisation were energised, one of P0 ended; of NOBODY no case was handed in. The
    odd organisation serves no households, and says that three of them got power."""
    found = {(one["org"], json.loads(one["evidence"])["reported"], json.loads(one["evidence"])["recomputed"])
             for one in answers.statistics if one["rule"] == "S3"}  # fmt: skip
    assert found == {(ODD, 25, 24), (ODD, 3, 0), ("P0", 0, 1)}
    assert any("报 25, 重算 24" in one["explanation"] for one in answers.statistics)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("A", "2024H3", "accepted", "1"), "2024H3"),
        (("A", "2024-13", "accepted", "1"), "2024-13"),
        (("A", "2024", "happy", "1"), "happy"),
        (("A", "２０２４", "late", "1"), "２０２４"),
        (("A", "2024", "late", "many"), "many"),
        (("A", "2024", "late", "nan"), "nan"),
        (("A", "2024", "late", "-1"), "-1"),
        (("A", "2024", "late", "1.5"), "1.5"),
        (("", "2024", "late", "1"), "org"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path, row, says):
    from workflow.replay.reported import read

    path = tmp_path / "reported.csv"
    path.write_text("org,period,measure,value\nB,2024,late,3\n" + ",".join(row) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=says) as refused:
        read(path)
    assert "第 3 行" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "lacks the column org, period, measure, value"),
        (b"org;period;measure;value\nB;2024;late;3\n", "lacks the column"),
        ("单位,org,period,measure,value\n甲,B,2024,late,3\n".encode("gb18030"), "is not UTF-8"),
        (b"org,period,measure,value,class\nB,2024,late,3,lv_other\n", "no column class"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, content, says):
    from workflow.replay.reported import read

    path = tmp_path / "reported.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read(path)


def test_thousands_may_be_parted(tmp_path):
    from workflow.replay.reported import read

    path = tmp_path / "reported.csv"
    path.write_text('org,period,measure,value\nB,2024,late,"1,920"\nB,2024,late,80.0\n', encoding="utf-8")
    assert [one.value for one in read(path)] == [1920, 80]
