"""Annex 2 over a story counted by hand (see `first_half`)."""

from __future__ import annotations

import datetime as dt

import pytest

from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service.reports import report

ADMIN = Principal("admin", "admin")


@pytest.fixture
def figures(first_half, items):
    return items(report(first_half.service, ADMIN, "indicators", "2026H1"))


def test_whole_process_with_open_overdue_and_ended_beside_it(figures):
    residential = figures[6]
    assert residential["cases"] == {
        "energised": 3, "open": 3, "withdrawn": 0, "terminated": 1, "refused": 0, "overdue": 1,
        "open_with_late_round": 0, "chained": 1,
    }  # fmt: skip
    assert (residential["judged"], residential["met"], residential["rate"]) == (3, 2, 0.6667)
    assert residential["average_used_working_days"] == 4.33  # (4 + 6 + 3) / 3
    assert residential["limits_working_days"] == [5]


def test_a_restart_is_on_time_as_filed_and_late_as_chained(figures):
    assert figures[6]["as_chained"] == {
        "continued_cases": 1, "met": 1, "rate": 0.3333, "average_used_working_days": 5.33,  # (4 + 6 + 6) / 3
    }  # fmt: skip


def test_a_late_step_is_not_made_good_by_the_sum(figures):
    other = figures[3]
    assert (other["judged"], other["met"], other["average_used_working_days"]) == (2, 1, 5.0)
    assert other["counts"] == {"steps_on_time": 1, "total_on_time": 2}
    assert [(s["step"], s["rounds"], s["on_time"], s["average_used_working_days"]) for s in other["steps"]] == [
        ("acceptance", 2, 2, 0.5), ("supply_plan", 2, 1, 3.5), ("metering", 2, 2, 1.0),
    ]  # fmt: skip


def test_three_indicators_share_the_zero_investment_class_by_submission_date(figures):
    assert [(figures[n]["judged"], figures[n]["met"]) for n in (7, 22, 34)] == [(0, None), (0, None), (1, 1)]
    assert figures[34]["average_used_working_days"] == 14.0
    assert figures[7]["rate"] is None


def test_approvals_by_voltage_with_those_without_a_limit_apart(figures):
    low, high = figures[1], figures[2]
    assert (low["judged"], low["met"], low["average_used_working_days"]) == (1, 1, 5.0)
    assert (high["judged"], high["met"], high["average_used_working_days"]) == (2, 1, 10.5)
    assert (high["shown_only"], high["counts"]) == (1, {"without_limit": 1})
    assert (high["cases"]["open"], high["cases"]["overdue"]) == (1, 1)


def test_steps_channels_documents_plans_charges(figures):
    assert [figures[n]["counts"] for n in (8, 9, 10)] == [{"steps_2": 3}, {"steps_2": 1}, {"steps_3": 2}]
    assert [figures[n]["met"] for n in (8, 9, 10)] == [3, 1, 2]
    assert figures[11]["counts"] == {"channel_hall": 2, "channel_online": 6}
    assert (figures[11]["met"], figures[11]["shown_only"]) == (None, 8)
    assert (figures[13]["met"], figures[14]["met"]) == (6, 2)
    assert (figures[15]["judged"], figures[15]["met"]) == (2, 1)
    assert [(figures[n]["judged"], figures[n]["met"]) for n in (16, 23, 24, 35)] == [(3, 3), (1, 1), (0, None), (1, 1)]


def test_notices_need_proof_and_in_a_hall_the_spot(figures):
    assert (figures[19]["judged"], figures[19]["met"]) == (8, 1)
    assert (figures[36]["judged"], figures[36]["met"]) == (8, 0)
    assert figures[36]["counts"] == {"hall_not_told": 2, "without_proof": 7}


def test_what_applications_do_not_tell_is_left_open_and_names_who_reports_it(figures):
    reported = {n for n, item in figures.items() if item["measure"] == "reported"}
    assert reported == {12, 17, 18, 20, 21, 25, 26, 27, 28, 29, 30, 31, 32, 33, 37, 38}
    for number in reported:
        item = figures[number]
        assert (item["cases"], item["judged"], item["met"], item["rate"]) == (None, None, None, None)
    assert figures[21]["reported_by"] == "省级价格主管部门"


def test_a_case_belongs_to_the_period_of_its_ending(first_half, items):
    service = first_half.service
    whole = items(report(service, ADMIN, "indicators", "2025"))[6]
    assert (whole["judged"], whole["cases"]["open"]) == (1, 0)
    running = report(service, ADMIN, "indicators", "2026")  # today is 07-10: the one of 07-01 counts too
    assert (items(running)[6]["judged"], items(running)[6]["met"]) == (4, 2)
    assert (running["period"]["ended"], running["period"]["as_of"]) == (False, dt.date(2026, 7, 10))
    assert running["period"]["report_due_on"] == dt.date(2027, 1, 15)


def test_a_finished_period_says_when_it_is_due(first_half):
    period = report(first_half.service, ADMIN, "indicators", "2026H1")["period"]
    assert (period["ended"], period["as_of"], period["report_due_on"]) == (
        True, dt.date(2026, 6, 30), dt.date(2026, 7, 15),
    )  # fmt: skip


def test_a_limit_that_changed_meanwhile_is_shown_both_ways(office, items):
    """Submitted under 20 working days, energised under 15; from Mon 2022-12-26 to Wed 2023-01-18 are 16."""
    case = office.apply("lv_zero", "2022-12-26")
    office.energise(case, "2023-01-18")
    office.today("2023-07-03")
    figures = items(report(office.service, ADMIN, "indicators", "2023H1"))
    assert (figures[22]["judged"], figures[22]["met"], figures[22]["limits_working_days"]) == (1, 1, [20])
    assert figures[22]["by_limit_when_energised"] == {"cases": 1, "met": 0}
    assert figures[34]["judged"] == 0


def test_zero_investment_is_not_met_where_the_class_was_overridden(office, items):
    case = office.apply("lv_zero", "2026-03-02", class_override={"class": "lv_other", "reason": "asked by the manager"})
    office.energise(case, "2026-03-02")
    office.today("2026-07-10")
    figures = items(report(office.service, ADMIN, "indicators", "2026H1"))
    assert (figures[35]["judged"], figures[35]["met"], figures[35]["counts"]["not_zero_class"]) == (1, 0, 1)


def test_a_key_sees_its_own_part_and_asks_for_less(tree, items):
    for org, region in (("A", "420102"), ("A1", "420102"), ("B", "420202")):
        tree.energise(tree.apply("residential", "2026-03-02", org=org, region=region), "2026-03-03")
    tree.energise(tree.apply("residential", "2026-03-02"), "2026-03-03")  # of no unit
    tree.today("2026-07-10")

    def judged(org_of_key: str | None, org: str | None = None) -> int:
        principal = Principal("someone", "inspector", org_of_key)
        answer = report(tree.service, principal, "indicators", "2026H1", org=org)
        number: int = items(answer)[6]["judged"]
        return number

    assert [judged(None), judged("P"), judged("A"), judged("A1"), judged("B")] == [4, 3, 2, 1, 1]
    assert (judged(None, org="A"), judged("P", org="A1")) == (2, 1)
    for org_of_key, org, code in (("A", "B", "not-permitted"), (None, "Z", "unknown-org")):
        with pytest.raises(Refused) as refused:
            judged(org_of_key, org=org)
        assert refused.value.refusal.code == code


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("province", {"420000": 3}),
        ("city", {"420100": 2, "420200": 1}),
        ("county", {"420102": 2, "420202": 1}),
        ("org", {"A": 2, "B": 1}),
        ("enterprise", {"国网": 2, "地方电力": 1}),
    ],
)
def test_sub_totals(tree, items, by, groups):
    for org, region in (("A", "420102"), ("A1", "420102"), ("B", "420202")):
        tree.energise(tree.apply("residential", "2026-03-02", org=org, region=region), "2026-03-03")
    tree.today("2026-07-10")
    answer = report(tree.service, Principal("someone", "inspector", "P"), "indicators", "2026H1", by=by)
    assert {group["key"]: items(group)[6]["judged"] for group in answer["groups"]} == groups
    if by == "org":
        assert [group["name"] for group in answer["groups"]] == ["甲市", "乙市"]


@pytest.mark.parametrize("period", ["2026H2", "2026H3", "26", "", "２０２６", "2026-06", "2020", "2099", "2027"])
def test_a_period_that_is_not_reported_is_refused(office, period):
    office.today("2026-07-10")
    with pytest.raises(Refused) as refused:
        report(office.service, ADMIN, "indicators", period)
    assert refused.value.refusal.code == "malformed-request"


def test_reading_reports_is_a_matter_of_role(office):
    with pytest.raises(Refused) as refused:
        report(office.service, Principal("hall", "front_line"), "indicators", "2026H1")
    assert refused.value.refusal.code == "not-permitted"
