"""A live case, driven through the engine, comes out as replay rows that intake accepts to the last one."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path

import pytest

from workflow.replay import tables
from workflow.replay.from_engine import rows

_SPEC = importlib.util.spec_from_file_location("engine_driver", Path(__file__).parents[2] / "core" / "driver.py")
assert _SPEC is not None
assert _SPEC.loader is not None
driver = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(driver)


def told(case, *names):
    return [tuple(row.get(name) for name in names) for row in rows(case.history).events]


def as_csv(columns, made):
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in columns if not column.derived])
    writer.writeheader()
    writer.writerows(made)
    return text.getvalue()


def test_a_case_says_what_was_recorded_and_intake_takes_it(take):
    case = driver.submitted("hv_single", "2024-01-08 09:00")
    case.do("complete_step", "2024-01-09 10:00", step="acceptance")
    case.do("complete_step", "2024-01-12 10:00", step="supply_plan")
    case.drive("2024-01-15 10:00")
    assert told(case, "activity", "lifecycle", "occurred_at")[:9] == [
        ("application", "submit", "2024-01-08 09:00:00"),
        *[("document", "received", "2024-01-08 09:00:00")] * 3,
        ("acceptance", "start", "2024-01-08 09:00:00"),
        ("acceptance", "complete", "2024-01-09 10:00:00"),
        ("supply_plan", "start", "2024-01-09 10:00:00"),
        ("supply_plan", "complete", "2024-01-12 10:00:00"),
        ("document", "received", "2024-01-15 10:00:00"),  # the design waits for the customer: no clock before
    ]
    made = rows(case.history, customer_id="C1")
    assert made.case["user_class"] == "hv_single"
    assert made.case["capacity_kw"] == 630.0
    taken = take(as_csv(tables.EVENTS, made.events), cases=as_csv(tables.CASES, [made.case]))
    assert taken.rejected == []
    assert taken.counts["events"]["written"] == len(made.events)


def test_a_corrected_time_is_the_one_on_record_and_moves_the_start_that_followed():
    case = driver.submitted("hv_single", "2024-01-08 09:00")
    case.do("complete_step", "2024-01-09 10:00", step="acceptance")
    case.do(
        "correct",
        "2024-01-09 15:00",
        field="acceptance.complete.occurred_at",
        new_value="2024-01-08T16:00:00",
        reason="笔误",
    )
    before = told(case, "activity", "lifecycle", "occurred_at")
    assert ("correction", "changed", "2024-01-09 15:00:00") not in before  # nobody has signed it yet
    case.do("countersign", "2024-01-09 16:00")
    assert told(case, "activity", "lifecycle", "occurred_at", "old_value", "new_value")[-3:] == [
        ("acceptance", "complete", "2024-01-08 16:00:00", None, None),
        ("supply_plan", "start", "2024-01-08 16:00:00", None, None),
        ("correction", "changed", "2024-01-09 15:00:00", "2024-01-09 10:00:00", "2024-01-08 16:00:00"),
    ]


def test_a_suspension_ends_on_the_day_named_when_work_resumed():
    case = driver.submitted("hv_single", "2024-01-08 09:00")
    case.do("complete_step", "2024-01-08 10:00", step="acceptance")
    case.suspend("2024-01-10 10:00", "2024-01-10", "2024-01-19", notice="N7")
    case.do("resume", "2024-01-16 10:00", to="2024-01-15")
    assert [
        row for row in told(case, "activity", "lifecycle", "occurred_at", "value", "ref") if row[0] == "suspension"
    ] == [
        ("suspension", "start", "2024-01-10", "force_majeure", "N7"),
        ("suspension", "end", "2024-01-15", "force_majeure", "N7"),
    ]


def test_an_ending_carries_its_proof():
    case = driver.submitted("residential", "2024-01-08 09:00")
    case.do("withdraw", "2024-01-09 09:00", reason="搬家", evidence={"ref": "APP-1", "source": "customer_app"})
    assert told(case, "activity", "lifecycle", "value", "ref", "source")[-1] == (
        "application", "withdraw", "搬家", "APP-1", "customer_app",
    )  # fmt: skip


def starts(case):
    """The steps' starts and returns as they stand on record."""
    return [
        one for one in told(case, "activity", "lifecycle", "occurred_at", "recorded_at", "value")
        if one[1] in ("start", "return")
    ]  # fmt: skip


@pytest.mark.parametrize(("ended", "reason"), [("2024-04-09", "other"), ("2024-04-10", "lapsed")])
def test_a_plan_has_lapsed_only_when_its_three_months_are_over(ended, reason):
    """Answered on 9 January, valid to 9 April: whoever ends it as lapsed before has ended it for another reason."""
    case = driver.submitted("lv_other", "2024-01-08 09:00")
    case.do("complete_step", "2024-01-09 10:00", step="acceptance")
    case.do("complete_step", "2024-01-09 11:00", step="supply_plan")
    case.do("terminate", ended, reason="lapsed")
    assert told(case, "activity", "lifecycle", "value")[-1] == ("application", "terminate", reason)


def test_an_application_whose_papers_are_missing_is_returned_with_the_list_and_begins_when_they_are_in():
    case = driver.Case()
    case.apply(driver.FACTS["lv_other"], "2024-01-08 09:00", documents=[{"kind": "identity"}])
    case.do("register_documents", "2024-01-15 09:00", documents=[{"kind": "premises_title"}])
    assert starts(case) == [
        ("acceptance", "return", "2024-01-08 09:00:00", "2024-01-08 09:00:00", "premises_title"),
        ("acceptance", "start", "2024-01-15 09:00:00", "2024-01-15 09:00:00", None),
    ]


@pytest.mark.parametrize(
    ("was", "size", "begun", "begins"),
    [("lv_zero", "large", "metering", "supply_plan"), ("lv_other", "small", "supply_plan", "metering")],
)
def test_a_change_of_class_begins_the_step_of_the_new_path_instead_of_the_old(was, size, begun, begins):
    """What comes behind acceptance began when acceptance was passed, and was recorded then."""
    case = driver.submitted(was, "2024-01-08 09:00")
    case.do("complete_step", "2024-01-08 15:00", step="acceptance")
    passed = "2024-01-08 15:00:00"
    assert starts(case)[-1] == (begun, "start", passed, passed, None)
    case.do("correct", "2024-01-10 09:00", field="case.enterprise_size", new_value=size, reason="核实企业规模")
    case.do("countersign", "2024-01-10 10:00")
    assert starts(case)[1:] == [(begins, "start", passed, passed, None)]


def test_a_change_of_class_that_needs_no_more_papers_begins_acceptance():
    """High voltage waits for the approval of the project, low voltage needs none [L24]."""
    case = driver.Case()
    case.apply(driver.FACTS["hv_single"], "2024-01-08 09:00", documents=driver.PAPERS["low"])
    case.do("correct", "2024-01-10 09:00", field="case.voltage", new_value="low", reason="改低压")
    case.do("countersign", "2024-01-10 10:00")
    assert starts(case)[-1] == ("acceptance", "start", "2024-01-10 10:00:00", "2024-01-10 10:00:00", None)
