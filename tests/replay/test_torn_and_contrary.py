"""Histories that contradict themselves or lack what a rule rests on: columns, the engine's own judgement and the oracle
say the same of them, and what they say is worked out by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from definitions.detectors import load_detectors
from tests.replay.columnar.conftest import case, event, events
from tests.replay.histories import FACTS, History, calendar
from tests.replay.oracle.judge import judge as oracle
from tests.replay.test_three_ways import BOOK, by_columns
from workflow.replay.exact import judge_case
from workflow.replay.exact.rules import CaseRules

AS_OF = dt.date(2024, 12, 31)
RULES = CaseRules(load_detectors(), BOOK)
_UNSAID = dict.fromkeys(("value", "old_value", "new_value", "ref", "batch", "actor", "device", "amount", "party"))


def untimed(case_id: str, line: str) -> dict[str, Any]:
    """What happened, and nobody knows when."""
    return {**event(case_id, line), "occurred_at": None, "occurred_is_date": False}


class Said:
    """What three executions say alike: findings, verdicts, and what could not be judged."""

    def __init__(self, folder: Path, cases: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        facts = [{**one, "row": at} for at, one in enumerate(cases, 1)]
        told = [{**_UNSAID, **one, "row": at} for at, one in enumerate(rows, 1)]
        fired, self.verdicts = by_columns(History(facts, told), folder, AS_OF)
        answer = oracle(facts, told, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
        assert fired == {one for one in answer.fired() if not one[1].startswith("S")}
        assert self.verdicts == {one: (v.verdict, sorted(v.unjudged)) for one, v in answer.verdicts.items()}
        counted = ("used_working_days_filed", "used_working_days_chained", "on_time_filed", "on_time_chained")
        written = {one["case_id"]: one for one in pq.read_table(folder / "out" / "verdicts.parquet").to_pylist()}
        self.used = {}
        for one, verdict in answer.verdicts.items():
            assert [written[one][name] for name in counted] == [getattr(verdict, name) for name in counted], one
            self.used[one] = verdict.used_working_days_filed
        self.fired = {(one, rule): severity for one, rule, severity in fired}
        self.words = {
            (one["case_id"], one["rule"]): (one["explanation"], one["explanation_en"])
            for one in pq.read_table(folder / "out" / "findings.parquet").to_pylist()
        }
        of = {one["case_id"]: [row for row in told if row["case_id"] == one["case_id"]] for one in facts}
        sites = {
            one["case_id"]: (one.get("premises_id"), RULES.site(calendar(), one, of[one["case_id"]])) for one in facts
        }
        for one in facts:
            name = one["case_id"]
            beside = [site for where, site in sites.values() if site and where == one.get("premises_id")]
            alone = RULES.judge(calendar(), one, of[name], AS_OF, beside)
            mine = {(name, rule): severity for (whose, rule), severity in self.fired.items() if whose == name}
            mine = {key: severity for key, severity in mine.items() if key[1] in RULES.rules}
            assert {(name, found.rule): found.severity for found in alone} == mine
            exact = judge_case(BOOK, calendar(), one, of[name], AS_OF)
            assert exact.used_filed == self.used[name]
            limits = {"L01", "L02"}
            assert {*exact.unjudged} & limits == {*self.unjudged(name)} & limits, name

    def unjudged(self, name: str) -> list[str]:
        return self.verdicts[name][1]

    def of(self, name: str, rule: str) -> str:
        """The severity found, `unjudged` or `none`."""
        return self.fired.get((name, rule), "unjudged" if rule in self.unjudged(name) else "none")


@pytest.fixture
def told(tmp_path):
    return lambda cases, rows: Said(tmp_path, cases, rows)


@pytest.mark.parametrize("ended", ["03-05 10:00", "03-07 15:00", "03-20 10:00"])
@pytest.mark.parametrize("user_class", ["residential", "lv_zero"])
def test_a_whole_process_runs_to_energisation_whatever_ending_is_on_record(told, user_class, ended):
    """From Monday 4 March to Thursday the 7th: three working days; the withdrawal of the customer changes nothing."""
    said = told([case("A", user_class)], events("A", user_class, f"application.withdraw {ended} ref=PT-1"))
    assert said.used == {"A": 3}
    assert said.fired == {}
    assert said.verdicts["A"][0] == "clear"


def test_what_is_energised_once_more_was_energised_the_first_time(told):
    said = told([case("A", "residential")], events("A", "residential", "metering.complete 03-20 10:00"))
    assert (said.used, said.fired) == ({"A": 3}, {})


def _home(name: str, *lines: str, **facts: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return (
        case(name, "residential", premises_id="P", customer_id="U", org="O", **facts),
        [event(name, line) for line in lines],
    )


@pytest.mark.parametrize(
    ("energised", "accused"),
    [("metering.complete 03-06 15:00", []), (None, ["D14"]), ("metering.complete 03-15 15:00", ["D14"])],
)
def test_who_had_power_was_not_ended_near_a_limit(told, energised, accused):
    """Three working days of Monday the 4th end on Thursday; written off on the 20th and filed anew on the 25th. With
    power since the 6th, the first case was over in time, and is none of those that were ended before the second."""
    ending = "application.terminate 03-20 16:00 value=other ref=D-1"
    if energised == "metering.complete 03-15 15:00":
        ending = "application.terminate 03-08 16:00 value=other ref=D-1"
    lines = ["application.submit 03-04 09:00", "acceptance.complete 03-04 10:00", ending]
    old, rows = _home("A", *lines, *([energised] if energised else []))
    new, more = _home(
        "B", "application.submit 03-25 09:00", "acceptance.complete 03-25 10:00", "metering.complete 03-26 10:00"
    )
    said = told([old, new], rows + more)
    assert [rule for (name, rule) in said.fired if name == "A" and rule == "D14"] == accused
    if energised == "metering.complete 03-06 15:00":
        assert said.fired == {}


def test_a_plan_begun_nobody_knows_when_is_late_for_nobody(told):
    """Answered on Wednesday the 13th, of three working days: late from acceptance on the 4th, in time if begun on the
    11th."""
    shop = [one for one in events("A", "lv_other") if one["activity"] in ("application", "acceptance")]
    begun = untimed("A", "supply_plan.start 03-12 09:00")
    answered = [event("A", "supply_plan.complete 03-13 10:00")]
    for more in ([], answered, [event("A", "application.terminate 03-08 16:00 value=other ref=D-1")]):
        said = told([case("A", "lv_other")], [*shop, begun, *more])
        assert said.fired == {}
        assert {"L01", "L02"} <= {*said.unjudged("A")}
    assert "D14" in said.unjudged("A")


def test_a_step_begun_again_nobody_knows_when_may_run_too_long(told):
    """Returned on the 6th, and handed in again at a lost time: nobody knows whether three working days are over."""
    shop = [one for one in events("A", "lv_other") if one["activity"] in ("application", "acceptance")]
    back = [event("A", "supply_plan.start 03-05 09:00"), event("A", "supply_plan.return 03-06 10:00 value=x")]
    said = told([case("A", "lv_other")], [*shop, *back, untimed("A", "supply_plan.start 03-12 09:00")])
    assert "L01" in said.unjudged("A")


def test_an_application_that_lost_its_time_convicts_nobody_of_changing_that_of_acceptance(told):
    """Accepted on the 5th, as is said now, on the 7th as was said: a day from the start of acceptance on the 4th, and
    nobody knows how long from the application."""
    change = "correction.changed 03-13 10:00 value=acceptance.complete.occurred_at"
    shop = events(
        "A", "lv_other", "-application.submit", "-acceptance.complete", "acceptance.complete 03-05 10:00", change
    )
    shop[-1] |= {"old_value": "2024-03-07 10:00:00", "new_value": "2024-03-05 10:00:00"}
    said = told([case("A", "lv_other")], [*shop, untimed("A", "application.submit 03-04 09:00")])
    assert "D13" in said.unjudged("A")
    known = told([case("A", "lv_other")], [*shop, event("A", "application.submit 03-04 09:00")])
    assert known.fired["A", "D13"] == "critical"


@pytest.mark.parametrize("region", ["武汉", "4201", "ABCDEF", None])
def test_a_region_that_is_no_code_is_judged_by_national_rules(told, region):
    """Four working days: over the three of the sample city, within the five of the nation."""
    lines = ("-metering.complete", "metering.complete 03-08 10:00", "-first_energy.observed")
    said = told([case("A", "residential", region=region)], events("A", "residential", *lines))
    assert (said.used, said.fired) == ({"A": 4}, {})


def test_a_limit_used_up_and_overrun_on_a_rest_day_is_told_so(told):
    """Three working days of Tuesday 5 March end on Friday; Saturday the 9th uses none, and is late."""
    home = ("application.submit 03-05 09:00", "acceptance.complete 03-05 10:00", "metering.complete 03-09 10:00")
    shop = [
        "application.submit 03-05 09:00", "acceptance.complete 03-05 10:00", "supply_plan.complete 03-09 10:00",
    ]  # fmt: skip
    said = told(
        [case("A", "residential"), case("B", "lv_other")],
        [*(event("A", one) for one in home), *(event("B", one) for one in shop)],
    )
    assert said.used["A"] == 3
    assert "到期日后的休息日(2024-03-09 10:00:00)" in said.words["A", "L02"][0]
    assert "on a rest day after the due date (2024-03-09 10:00:00)" in said.words["A", "L02"][1]
    assert "到期日后的休息日(2024-03-09 10:00:00)" in said.words["B", "L01"][0]


_ENDED = (
    "application.submit 03-04 09:00",
    "acceptance.complete 03-04 10:00",
    "application.terminate 03-08 16:00 value=other ref=D-1",
)
_ANEW = ("application.submit 03-11 09:00", "acceptance.complete 03-11 10:00", "metering.complete 03-13 10:00")


@pytest.mark.parametrize(
    ("facts", "lines", "d14", "d35"),
    [
        ({}, _ANEW, "critical", "medium"),
        ({"capacity_kw": None}, _ANEW, "unjudged", "unjudged"),
        ({"voltage": None}, _ANEW, "unjudged", "unjudged"),
        ({"voltage": None, "capacity_kw": 80.0}, _ANEW, "none", "unjudged"),
        ({"premises_id": None}, _ANEW, "unjudged", "unjudged"),
        ({"premises_id": None, "customer_id": "V"}, _ANEW, "none", "unjudged"),
        ({"capacity_kw": None}, ("application.submit 06-03 09:00",), "none", "unjudged"),
        ({}, (), "unjudged", "unjudged"),
        ({}, ("metering.complete 02-01 10:00",), "none", "unjudged"),
    ],
)
def test_a_case_that_does_not_say_of_what_need_it_is_may_be_the_new_one(told, facts, lines, d14, d35):
    """Ended on Friday 8 March, a day over its limit; another case of the premises was filed on the 11th, or in June."""
    old, rows = _home("A", *_ENDED)
    new, more = _home("B", *lines, **facts)
    said = told([old, new], rows + more)
    assert (said.of("A", "D14"), said.of("B", "D35")) == (d14, d35)


@pytest.mark.parametrize(
    ("facts", "lines", "expected"),
    [
        ({"capacity_kw": None}, _ENDED, "unjudged"),
        ({"voltage": None, "capacity_kw": 80.0}, _ENDED, "none"),
        ({"premises_id": None}, _ENDED, "unjudged"),
        ({"premises_id": None, "customer_id": None}, _ENDED, "none"),
        ({"capacity_kw": None}, (*_ENDED[:2], "application.withdraw 03-08 16:00 source=customer_app ref=P-1"), "none"),
        ({}, (), "unjudged"),
    ],
)
def test_a_case_that_does_not_say_of_what_need_it_was_may_have_been_ended_before(told, facts, lines, expected):
    old, rows = _home("A", *lines, **facts)
    new, more = _home("B", *_ANEW)
    assert told([old, new], rows + more).of("B", "D35") == expected


@pytest.mark.parametrize(
    ("source", "d14", "d35"),
    [
        ("customer_app", "unjudged", "unjudged"),
        ("callcentre", "unjudged", "unjudged"),
        ("marketing", "critical", "medium"),
    ],
)
def test_where_no_termination_carries_a_reference_the_customer_may_have_asked_for_one(told, source, d14, d35):
    """Twenty terminations without any (gate c)."""
    old, rows = _home("A", *_ENDED[:2], f"application.terminate 03-08 16:00 value=other source={source}")
    new, more = _home("B", *_ANEW)
    cases, others = [old, new], rows + more
    for at in range(20):
        cases.append(case(f"C{at}", "residential", org="O"))
        others += [event(f"C{at}", one.removesuffix(" ref=D-1")) for one in _ENDED]
    said = told(cases, others)
    assert (said.of("A", "D14"), said.of("B", "D35")) == (d14, d35)


@pytest.mark.parametrize(
    ("facts", "lines", "expected"),
    [
        ({}, (), "unjudged"),
        ({}, ("metering.complete 02-01 10:00",), "unjudged"),
        ({}, ("application.submit 02-01 10:00",), "none"),
        ({"premises_id": None}, ("application.submit 02-01 10:00",), "unjudged"),
        ({"premises_id": None}, ("application.submit 04-01 10:00",), "high"),
        ({"premises_id": "Q"}, (), "high"),
    ],
)
def test_a_case_beside_an_increase_may_have_been_the_first_of_the_premises(told, facts, lines, expected):
    """D34: nothing is known of what the account held before; whether the premises had a case before is not known where
    one of them has no time, or one of the customer no place."""
    other, rows = _home("A", *lines, **facts)
    grown, more = _home("B", *_ANEW, business_type="increase")
    assert told([other, grown], rows + more).of("B", "D34") == expected


def _changed(*changes: tuple[str, str | None, str | None, str | None]) -> list[dict[str, Any]]:
    """Corrections of 5, 6 … March: a fact, what it was, what it is, and a reference."""
    return [
        {
            **event("A", f"correction.changed 03-0{at} 10:00 value=case.{name}"),
            "old_value": old,
            "new_value": new,
            "ref": ref,
        }
        for at, (name, old, new, ref) in enumerate(changes, 5)
    ]


@pytest.mark.parametrize(
    ("now", "changes", "expected"),
    [
        ("transfer", [("business_type", "new", "transfer", None)], "high"),
        ("transfer", [("business_type", "new", "transfer", "KH-1")], "none"),
        ("transfer", [("business_type", None, "transfer", None)], "unjudged"),
        ("new", [("business_type", "increase", None, None)], "unjudged"),
        ("new", [("business_type", "increase", "new", None)], "none"),
        ("transfer", [("capacity_kw", "50", "300", None)], "none"),
        ("transfer", [("capacity_kw", "50", "300", None), ("business_type", "new", "transfer", "KH-1")], "high"),
        ("transfer", [("capacity_kw", "50", "300", None), ("business_type", None, "transfer", "KH-1")], "unjudged"),
        ("new", [("capacity_kw", "50", "300", None), ("business_type", "transfer", "new", None)], "none"),
        ("new", [("business_type", "transfer", "new", None), ("capacity_kw", "50", "300", None)], "high"),
        (None, [("capacity_kw", "50", "300", None)], "unjudged"),
        (None, [("capacity_kw", "50", "60", None)], "none"),
    ],
)
def test_a_change_is_judged_by_the_kind_of_business_of_its_day(told, now, changes, expected):
    """A small firm of 50 kW has zero investment, one of 300 kW has not; nothing of the ledger applies to a transfer."""
    capacity = 300.0 if any(one[2] == "300" for one in changes) else 60.0
    facts = case("A", "lv_zero", business_type=now, capacity_kw=capacity)
    said = told([facts], [*events("A", "lv_zero"), *_changed(*changes)])
    assert said.of("A", "D33") == expected


def test_a_transfer_made_before_there_were_limits_lengthens_none(told):
    shop = [event("A", line.replace("03-", "2020-03-")) for line in (*_ENDED[:2], "metering.complete 03-06 10:00")]
    change = {**_changed(("business_type", "new", "transfer", None))[0], "occurred_at": dt.datetime(2020, 3, 5, 10)}
    assert told([case("A", "lv_zero", business_type="transfer")], [*shop, change]).of("A", "D33") == "unjudged"


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        ({}, "medium"),
        ({"premises_id": None}, "unjudged"),
        ({"actor": None}, "unjudged"),
        ({"occurred_at": None}, "unjudged"),
        ({"premises_id": None, "occurred_at": dt.datetime(2024, 3, 7, 10, 11)}, "none"),
        ({"actor": None, "occurred_at": dt.datetime(2024, 3, 7, 10, 11)}, "none"),
        ({"actor": "y"}, "none"),
        ({"occurred_at": dt.datetime(2024, 3, 7), "occurred_is_date": True}, "none"),
    ],
)
def test_a_third_visit_that_lacks_something_may_have_been_within_the_ten_minutes(told, third, expected):
    cases, rows = [], []
    for name, minute in (("A", 0), ("B", 4), ("C", 9)):
        more = third if name == "C" else {}
        facts = {"org": "O", **({"premises_id": None} if "premises_id" in more else {})}
        cases.append(case(name, "residential", **facts))
        rows += [one for one in events(name, "residential") if one["activity"] in ("application", "acceptance")]
        visit = {**event(name, f"metering.complete 03-07 10:{minute:02}"), "actor": "x"}
        rows.append(visit | {key: value for key, value in more.items() if key != "premises_id"})
    said = told(cases, rows)
    assert {said.of("A", "D38"), said.of("B", "D38")} == {expected}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("image:ab12", "IMAGE:AB12", "high"),
        ("image：ab12", "image:ab12", "high"),
        ("REC-7", "rec-7", "high"),
        ("file:ab12", "image:ab12", "none"),
        ("image:NOTICE-1", "image:notice-1", "none"),
    ],
)
def test_a_proof_is_the_same_however_it_is_typed(told, one, other, expected):
    cases, rows = [], []
    for name, ref in (("A", one), ("B", other)):
        cases.append(case(name, "residential"))
        rows += [event(name, line) for line in _ENDED[:2]]
        rows.append(event(name, "application.withdraw 03-05 10:00") | {"ref": ref})
    assert {told(cases, rows).of(name, "D37") for name in "AB"} == {expected}
