"""The exact judge on cases worked by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from definitions import load
from definitions.detectors import SHIPPED, load_detectors
from tests.replay.histories import calendar
from tests.replay.oracle.test_oracle import HOME, event, home
from workflow.replay.exact import ExactVerdict, judge_case
from workflow.replay.exact.rules import CaseRules

SHOP: dict[str, Any] = {**HOME, "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 100.0,
        "area": "urban", "user_class": "lv_other"}  # fmt: skip


def judged(
    events: list[dict[str, Any]], on: str = "2024-06-28", before: tuple[Any, ...] = (), **facts: Any
) -> ExactVerdict:
    row = {**HOME, **facts}
    return judge_case(load(), calendar(), row, events, dt.date.fromisoformat(on), before=before)


def rules(verdict: ExactVerdict) -> set[tuple[str, str]]:
    return {(one.rule, one.severity) for one in verdict.findings}


def test_an_open_case_is_overdue_the_working_day_after_its_due_date():
    # Submitted Monday 2024-01-08: due on the 15th; the 20th and 21st are a weekend.
    waiting = home("2024-01-15 09:00")[:-1]
    assert rules(judged(waiting, "2024-01-15")) == set()
    assert rules(judged(waiting, "2024-01-16")) == {("L02", "high")}
    verdict = judged(waiting, "2024-01-15")
    assert (verdict.used_filed, verdict.limit, verdict.due_on) == (5, 5, dt.date(2024, 1, 15))
    assert verdict.on_time_filed is None


def shop(plan: str, meter_started: str) -> list[dict[str, Any]]:
    return [
        event("application", "submit", "2024-01-08 09:00"),
        event("acceptance", "complete", "2024-01-08 10:00"),
        event("supply_plan", "complete", plan),
        event("metering", "start", meter_started),
        event("metering", "complete", "2024-01-16 15:00"),
    ]


def test_order_by_date_where_only_dates_are_known():
    # Metering begun and planned on one date: nothing is out of order.
    assert rules(judged(shop("2024-01-11", "2024-01-11"), **SHOP)) == {("L01", "high")}  # metering 12 15 16: 3 of 2
    done = shop("2024-01-16", "2024-01-15 09:00")
    assert ("D08", "medium") in rules(
        judged(done, **SHOP)
    )  # begun the day before; finished on the same date, not before it
    assert ("D08", "high") in rules(judged(shop("2024-01-17", "2024-01-15 09:00"), **SHOP))


def test_what_the_engine_would_have_refused():
    skipped = [one for one in shop("2024-01-11 10:00", "2024-01-15 09:00") if one["activity"] != "supply_plan"]
    assert rules(judged(skipped, **SHOP)) == {("D24", "high")}
    asked = event("document", "requested", "2024-01-08 09:05", value="用电承诺书")
    assert rules(judged(home("2024-01-10 09:00", asked))) == {("D23", "high")}
    under_a_law = {**asked, "ref": "law:《某某条例》第三条"}
    assert rules(judged(home("2024-01-10 09:00", under_a_law))) == set()
    fee = event("fee_paid", "observed", "2024-01-10 09:00", amount=200.0, source="finance")
    assert rules(judged(home("2024-01-10 09:00", fee))) == {("D41", "high")}


def test_one_request_may_list_several_documents_and_name_a_form_in_several_ways():
    def said(*values: str) -> set[tuple[str, str]]:
        asked = [event("document", "requested", f"2024-01-08 09:0{at}", value=one) for at, one in enumerate(values, 5)]
        return rules(judged(home("2024-01-10 09:00", *asked)))

    assert said("身份证、不动产权证") == set()
    assert said("身份证", "居民身份证", "有效身份证件") == set()
    assert said("身份证；用电承诺书") == {("D23", "high")}
    assert said("身份证", "户口簿") == {("D23", "high")}  # a second form


def test_the_class_comes_from_the_facts_and_is_never_assumed():
    late = home("2024-01-24 09:00")
    assert rules(judged(late, user_class="lv_zero")) == {("D26", "medium"), ("L02", "high")}
    unknown = judged(late, **{**SHOP, "enterprise_size": None})
    assert unknown.user_class is None
    assert {"D26", "L01", "L02"} <= set(unknown.unjudged)
    # Before 2021 there is no rule, and none is guessed.
    old = [{**one, "occurred_at": one["occurred_at"].replace(year=2020)} for one in late]
    assert judged(old).findings == ()


def test_ended_and_filed_again_is_counted_from_the_first():
    # First: Monday the 8th to Friday the 12th, 4 days. Second: 15th to 18th, 3. From the first: 9-12 and 15-18 are 8.
    ended = [*home("2024-01-12 09:00")[:-1], event("application", "terminate", "2024-01-12 16:00", value="other")]
    first = judged(ended)
    again = [{**one, "occurred_at": one["occurred_at"] + dt.timedelta(days=7)} for one in home("2024-01-11 09:00")]
    second = judged(again, before=(first,))
    assert (first.used_filed, second.used_filed, second.on_time_filed) == (4, 3, True)
    assert (second.used_chained, second.on_time_chained) == (8, False)


def test_a_rule_that_rests_on_what_a_whole_file_shows_is_left_to_the_file(tmp_path):
    shipped = load_detectors()
    text = (SHIPPED / "D09.yaml").read_text(encoding="utf-8")
    line = next(one for one in text.splitlines() if "witness_if:" in one)
    (tmp_path / "D09.yaml").write_text(text.replace(line, '    witness_if: "burst IS NULL"'), encoding="utf-8")
    assert "D09" in CaseRules(shipped, load()).rules
    assert "D09" not in CaseRules(load_detectors(tmp_path), load()).rules


def test_a_month_of_few_records_is_loaded_where_its_source_is():
    """Seven records of March and fourteen of April, all entered in the hour behind 19:00: no time of entry (gate b). By
    day the plan of Friday 29 March, entered on Tuesday, is late."""

    def said(hour: int) -> set[str]:
        told = shop("2024-03-29 09:00", "2024-04-01 09:00")
        for one in (told[0], told[1], told[4]):  # of January, eighty days later
            one["occurred_at"] += dt.timedelta(days=80)
        told += [event("document", "received", "2024-03-28 09:00", value=f"m{at}") for at in range(4)]
        told += [event("document", "received", "2024-04-01 09:00", value=f"a{at}") for at in range(12)]
        for at, one in enumerate(told):
            on = dt.datetime(2024, 4, 2) if one["activity"] == "supply_plan" else one["occurred_at"]
            one["recorded_at"] = on.replace(hour=hour, minute=at)
        found = CaseRules(load_detectors(), load()).judge(calendar(), {**HOME, **SHOP}, told, dt.date(2024, 6, 28))
        return {one.rule for one in found}

    assert "D11" in said(15)
    assert "D11" not in said(19)
