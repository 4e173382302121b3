"""What is missing accuses nobody: columns, rows that could not be read, steps a table has no column for, references."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from definitions.detectors import SHIPPED, load_detectors
from tests.replay.columnar.conftest import case, event, events, run
from workflow.replay.tables import lost_value

INCREASE: dict[str, Any] = {"business_type": "increase"}


def said(tmp_path, cases, rows, case_id, rule, **more):
    return run(tmp_path / "history", cases, rows, **more).said(case_id, rule)


def one(tmp_path, like, rule, *changes, absent=(), **facts):
    return said(tmp_path, [case("A", like, **facts)], events("A", like, *changes), "A", rule, absent=absent)


COMMITMENT = "document.requested 03-04 09:10 value=commitment_letter"
OLD: dict[str, Any] = {"prior_capacity_kw": 4.0, "account_opened_on": "2010-01-01"}
STOP = "suspension.start 03-06 00:00 value=force_majeure ref=GG1 rec={}"
END = "suspension.end 03-06 23:00"
PAUSE = ("suspension.start 03-11 08:00 value=customer", "suspension.end 03-11 08:30")
OPEN = ("-metering.complete", "-first_energy.observed", "-meter_installed.observed")
ALONE: list[tuple[str, str, tuple[str, ...], dict[str, Any], str]] = [
    # An earlier case of the premises would excuse an increase: without premises nobody can look for one.
    ("D34", "lv_other", (), {**INCREASE, "premises_id": None}, "unjudged"),
    # Nothing of the ledger is for a transfer.
    ("D23", "residential", (COMMITMENT,), {}, "high"),
    ("D23", "residential", (COMMITMENT,), {"business_type": "transfer", **OLD}, "none"),
    # A step that no table has a column for was not skipped. Bit 0: acceptance, 1: supply plan, 4: completion
    # inspection, 6: what the account held before.
    ("D24", "lv_other", ("-supply_plan.complete",), {}, "high"),
    ("D24", "lv_other", ("-supply_plan.complete",), {"untold": 2}, "unjudged"),
    ("D24", "lv_other", ("-supply_plan.complete",), {"untold": 1}, "high"),
    ("D24", "hv_single", ("-completion_inspection.complete",), {"untold": 16}, "unjudged"),
    ("D34", "lv_other", (), {**INCREASE, "untold": 64}, "unjudged"),
    # What the account held before could not be read: nobody knows that it held nothing. The channel is not asked.
    ("D34", "lv_other", (), {**INCREASE, "lost_values": lost_value("prior_capacity_kw")}, "unjudged"),
    ("D34", "lv_other", (), {**INCREASE, "lost_values": lost_value("account_opened_on")}, "unjudged"),
    ("D34", "lv_other", (), {**INCREASE, "lost_values": lost_value("channel")}, "high"),
    ("D02", "residential", (), {"lost_values": lost_value("channel")}, "none"),
    ("D02", "residential", OPEN, {"lost_values": lost_value("channel")}, "unjudged"),
    # Where it is, and so which city's rules hold, could not be read.
    ("D24", "hv_single", ("-design_review.complete", "-design_review.start"), {}, "high"),
    (
        "D24",
        "hv_single",
        ("-design_review.complete", "-design_review.start"),
        {"lost_values": lost_value("region")},
        "unjudged",
    ),
    ("D16", "residential", (STOP.format("03-06_10:00"), END), {}, "none"),
    ("D16", "residential", (STOP.format("none"), END), {}, "unjudged"),
    # Metering waits for the customer until it is handed in: of a date alone nobody knows what lay before it.
    ("D16", "lv_other", ("-metering.start", "metering.start 03-11 09:00", *PAUSE), {}, "none"),
    ("D16", "lv_other", ("-metering.start", "metering.start 03-11", *PAUSE), {}, "unjudged"),
    ("D16", "lv_other", ("-metering.start", "metering.start 03-08", *PAUSE), {}, "high"),
    ("D16", "lv_other", ("-supply_plan.complete", "supply_plan.complete 03-11", *PAUSE), {}, "unjudged"),
    ("D16", "lv_other", ("-supply_plan.complete", "supply_plan.complete 03-12", *PAUSE), {}, "high"),
]
TORN = [
    ("D02", "residential", ("-application.submit", "-acceptance.start", "-acceptance.complete",
                            "acceptance.complete 03-08 10:00"), "critical"),
    ("D24", "residential", ("-acceptance.complete",), "high"),
    ("D29", "residential", ("-metering.complete",), "medium"),
    ("D07", "residential", ("service_contact.observed 02-27 09:00 value=connection_request",), "high"),
    ("D30", "hv_single", ("service_contact.observed 04-15 09:00 value=inspection_request",), "high"),
    ("D43", "lv_other", ("site_survey.observed 03-07 10:00",), "medium"),
    ("L01", "lv_other", OPEN, "high"),
    ("L02", "residential", OPEN, "high"),
]  # fmt: skip
"""A row that could not be read may have been the one that is missing."""
for _rule, _like, _changes, _whole in TORN:
    ALONE += [(_rule, _like, _changes, {}, _whole), (_rule, _like, _changes, {"rejected_rows": 1}, "unjudged")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One history of cases that have nothing to do with each other."""
    cases = [case(f"M{at:02}", like, **facts) for at, (_, like, _, facts, _) in enumerate(ALONE)]
    rows = [row for at, (_, like, changes, _, _) in enumerate(ALONE) for row in events(f"M{at:02}", like, *changes)]
    return run(tmp_path_factory.mktemp("alone"), cases, rows)


@pytest.mark.parametrize("at", range(len(ALONE)), ids=[f"{one[0]} {one[4]} {one[3]}" for one in ALONE])
def test_what_is_missing_in_one_case(alone, at):
    assert alone.said(f"M{at:02}", ALONE[at][0]) == ALONE[at][4]


def test_an_increase_without_the_columns_of_the_account(tmp_path):
    assert one(tmp_path / "a", "lv_other", "D34", **INCREASE) == "high"
    assert one(tmp_path / "b", "lv_other", "D34", absent=["prior_capacity_kw"], **INCREASE) == "unjudged"
    assert one(tmp_path / "c", "lv_other", "D34", absent=["account_opened_on"], **INCREASE) == "unjudged"


@pytest.mark.parametrize(("proved", "answer"), [(3, "unjudged"), (4, "high")])
def test_an_absent_reference_says_something_where_one_in_five_has_one(tmp_path, proved, answer):
    cases = [case(f"A{n:02}", "residential") for n in range(20)]
    rows = []
    for n in range(20):
        ref = f" ref=PT-{n}" if n < proved else ""
        rows += events(f"A{n:02}", "residential", "-metering.complete", f"application.withdraw 03-06 10:00{ref}")
    assert said(tmp_path, cases, rows, "A19", "D15") == answer


@pytest.mark.parametrize("proved", [3, 4])
def test_a_change_of_class_needs_the_reference_however_few_corrections_carry_one(tmp_path, proved):
    """The policy says the gate on references of D15 and D16 alone."""
    cases = [case(f"A{n:02}", "lv_zero", capacity_kw=200.0) for n in range(20)]
    change = "correction.changed 03-05 10:00 value=case.capacity_kw old_value=50 new_value=200"
    rows = []
    for n in range(20):
        rows += events(f"A{n:02}", "lv_zero", change + (f" ref=KH{n}" if n < proved else ""))
    assert said(tmp_path, cases, rows, "A19", "D33") == "high"


@pytest.mark.parametrize(("source", "ref", "answer"), [
    ("marketing", "", "medium"), ("customer_app", "PT-1", "none"), ("customer_app", "image:1", "medium"),
    ("callcentre", "image:1;REC-1", "none"),
])  # fmt: skip
def test_who_withdraws_himself_may_apply_again(tmp_path, source, ref, answer):
    """Monday 4 March withdrawn, Thursday 7 March applied for again: within five working days [D35]."""
    cases = [case("A", "residential"), case("B", "residential", premises_id="P-A", customer_id="U-A")]
    ending = f"application.withdraw 03-04 16:00 source={source}" + (f" ref={ref}" if ref else "")
    rows = [event("A", line) for line in ("application.submit 03-04 09:00", "acceptance.complete 03-04 10:00", ending)]
    rows += [
        event("B", line)
        for line in (
            "application.submit 03-07 09:00", "acceptance.complete 03-07 10:00", "metering.complete 03-08 10:00",
            "meter_installed.observed 03-08 09:00",
        )
    ]  # fmt: skip
    assert said(tmp_path, cases, rows, "B", "D35") == answer


def test_a_clock_that_runs_a_day_ahead_is_not_too_large_a_number(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    text = (SHIPPED / "D11.yaml").read_text(encoding="utf-8")
    (folder / "D11.yaml").write_text(text.replace("ahead_seconds: 120", "ahead_seconds: 86400"), encoding="utf-8")
    late = ("-supply_plan.complete", "supply_plan.complete 03-06 10:00 rec=03-06_09:00")
    rows = events("A", "lv_other", *late)
    assert said(tmp_path / "own", [case("A", "lv_other")], rows, "A", "D11", detectors=load_detectors(folder)) == "none"
    assert said(tmp_path / "shipped", [case("A", "lv_other")], rows, "A", "D11") == "high"


def test_a_sentence_names_what_is_not_on_record(tmp_path):
    late = [
        "-application.submit", "application.submit 03-04 09:00 rec=03-08_09:00", "-acceptance.start",
        "-acceptance.complete", "acceptance.complete 03-04 10:00 rec=03-08_09:00",
    ]  # fmt: skip
    found = run(tmp_path, [case("A", "residential")], events("A", "residential", *late)).findings["A"]["D27"]
    assert "用电(2024-03-07 14:30:00)、签约收费(无)、领料(无)" in found["explanation"]
    assert "contract (none) and material (none)" in found["explanation_en"]


def test_evidence_names_the_record_that_meets_the_rule(tmp_path):
    """Two records of one moment: the one that was entered late is shown, not the other."""
    rows = events("A", "lv_other", "-acceptance.start", "acceptance.start 03-04 09:00",
                  "-application.submit", "application.submit 03-04 09:00 rec=03-08_09:00")  # fmt: skip
    found = run(tmp_path, [case("A", "lv_other")], rows).findings["A"]["D11"]
    assert '"field": "application.submit"' in found["evidence"]


def test_serials_of_one_value_share_their_rank(tmp_path):
    """Twenty-one serials of which five pairs share a day rise with it; the twentieth has but nineteen before it."""
    days = [dt.date(2024, 3, 4) + dt.timedelta(days=n - (n % 2 if n < 10 else 0)) for n in range(21)]
    cases = [case(f"A{n:02}", "residential", org="O", case_no=f"S{n:03}") for n in range(21)]
    rows = [
        event(f"A{n:02}", f"{kind} {day:%m-%d} {hour}:00")
        for n, day in enumerate(days)
        for kind, hour in (("application.submit", "09"), ("acceptance.complete", "10"))
    ]
    assert said(tmp_path, cases, rows, "A20", "D18") == "none"
    assert said(tmp_path / "again", cases, rows, "A19", "D18") == "unjudged"


def test_a_case_that_lost_a_row_is_not_called_open(alone):
    """Its ending may have been in the row."""
    torn = next(at for at, one in enumerate(ALONE) if one[0] == "L02" and one[3] == {"rejected_rows": 1})
    assert alone.verdicts[f"M{torn:02}"]["verdict"] == "cannot_judge"


def test_a_case_that_lost_a_value_is_called_neither_clear_nor_open(tmp_path):
    """A rule that does not need the value judges as if it had never been handed in."""
    cases = [case(one, "residential", lost_values=lost_value("channel") if one > "B" else 0) for one in "ABCDE"]
    late = ("-meter_installed.observed", "meter_installed.observed 02-26 10:00")
    rows = events("A", "residential") + events("C", "residential") + events("D", "residential", *late)
    applied = ("application.submit 05-30 09:00", "acceptance.complete 05-30 10:00")
    rows += [event(one, line) for one in "BE" for line in applied]
    found = run(tmp_path / "history", cases, rows, as_of=dt.date(2024, 5, 31))
    assert [found.verdicts[one]["verdict"] for one in "ACDBE"] == [
        "clear",
        "cannot_judge",
        "suspected",
        "open",
        "cannot_judge",
    ]
    assert found.verdicts["C"]["unjudged"] == found.verdicts["A"]["unjudged"]
