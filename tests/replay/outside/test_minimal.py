"""Any column may be missing: what still can be told is told, nothing is made up."""

from __future__ import annotations

import pytest

from tests.replay.outside.harness import CASE_COLUMNS, EVENT_COLUMNS, History, read, replay, wrong
from tests.replay.outside.population import Population


def history(*wanted: str) -> History:
    whole = read("off_system")
    kept = {one.case_id for one in whole.told if one.name.strip() in wanted}
    return History(
        [row for row in whole.cases if row["case_id"] in kept],
        [row for row in whole.events if row["case_id"] in kept],
        [one for one in whole.told if one.case_id in kept],
    )


def test_the_fewest_columns(tmp_path):
    few = history(
        "energised the day before", "fitted the day before", "lv_other all lawful", "increase of an old supply"
    )
    answers = replay(tmp_path, few, cases=("case_id",), events=("case_id", "activity", "lifecycle", "occurred_at"))
    said = {one.name.strip(): (answers.said(one.case_id), answers.verdicts[one.case_id]["verdict"]) for one in few.told}
    assert said["energised the day before"] == ({"D01": "critical"}, "suspected")
    assert said["fitted the day before"] == ({"D02": "critical"}, "suspected")
    assert said["increase of an old supply"][0] == {}  # nobody says that it is new
    assert said["lv_other all lawful"][0] == {}
    for one in few.told:
        assert {"D26", "L01", "L02", "D11", "D27"} <= answers.unjudged(one.case_id)


@pytest.mark.parametrize(("last_year", "said"), [("2023-03-05", "critical"), ("2023-03-04", None)])
def test_what_is_more_than_a_year_old_may_be_the_old_supply(last_year, said, tmp_path):
    """Nobody says what kind of business it is; submitted on 4 March 2024, 365 and 366 days later."""
    few = history("energised the day before", "fitted the day before")
    for row in few.events:
        if row["activity"] in ("first_energy", "meter_installed") and row["occurred_at"].startswith("2024-03-03"):
            row["occurred_at"] = row["occurred_at"].replace("2024-03-03", last_year)
    answers = replay(tmp_path, few, cases=("case_id",), events=("case_id", "activity", "lifecycle", "occurred_at"))
    for one, rule in zip(few.told, ("D01", "D02"), strict=True):
        assert answers.said(one.case_id).get(rule) == said
        assert (rule in answers.unjudged(one.case_id)) == (said is None)


def test_parquet_says_what_csv_says(tmp_path):
    few = history(
        "energised the day before", "residential all lawful", "hv_dual all lawful", "contract before for the case"
    )
    answers = replay(tmp_path, few, parquet=True)
    assert [wrong(answers, one) for one in few.told] == [[]] * 4


@pytest.fixture(scope="module")
def honest() -> History:
    return Population(9, 250).history


@pytest.mark.parametrize("column", ["business_type", "source", "enterprise_size"])
def test_honest_cases_without_a_column(honest, column, tmp_path):
    answers = replay(
        tmp_path, honest, as_of="2025-03-31",
        cases=tuple(name for name in CASE_COLUMNS if name != column),
        events=tuple(name for name in EVENT_COLUMNS if name != column),
    )  # fmt: skip
    assert {case: answers.said(case) for case in answers.findings} == {}
