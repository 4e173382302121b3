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
    """What three executions say alike: findings, verdicts, and what could not be judged. `gated`: rules that the rest
    of a file holds back, which is unknown to who sees one case."""

    def __init__(
        self, folder: Path, cases: list[dict[str, Any]], rows: list[dict[str, Any]], *, gated: tuple[str, ...] = ()
    ) -> None:
        facts = [{**one, "row": at} for at, one in enumerate(cases, 1)]
        told = [{**_UNSAID, **one, "row": at} for at, one in enumerate(rows, 1)]
        fired, self.verdicts = by_columns(History(facts, told), folder, AS_OF)
        answer = oracle(facts, told, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
        assert fired == {one for one in answer.fired() if not one[1].startswith("S")}
        assert self.verdicts == {one: (v.verdict, sorted(v.unjudged)) for one, v in answer.verdicts.items()}
        counted = ("used_working_days_filed", "used_working_days_chained", "on_time_filed", "on_time_chained")
        written = {one["case_id"]: one for one in pq.read_table(folder / "out" / "verdicts.parquet").to_pylist()}
        self.used = {}
        for name, verdict in answer.verdicts.items():
            assert [written[name][what] for what in counted] == [getattr(verdict, what) for what in counted], name
            self.used[name] = verdict.used_working_days_filed
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
            mine = {key: severity for key, severity in mine.items() if key[1] in RULES.rules and key[1] not in gated}
            assert {(name, one.rule): one.severity for one in alone if one.rule not in gated} == mine
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
    return lambda cases, rows, **more: Said(tmp_path, cases, rows, **more)


def test_a_whole_process_runs_to_energisation_whatever_ending_is_on_record(told):
    """From Monday 4 March to Thursday the 7th: three working days; neither a withdrawal of the customer nor a second
    completion changes that."""
    endings = [f"application.withdraw {day} ref=PT-1" for day in ("03-05 10:00", "03-07 15:00", "03-20 10:00")]
    cases, rows = [], []
    for at, more in enumerate((*endings, "metering.complete 03-20 10:00")):
        for like in ("residential", "lv_zero"):
            cases.append(case(f"{like}{at}", like))
            rows += events(f"{like}{at}", like, more)
    said = told(cases, rows)
    assert set(said.used.values()) == {3}
    assert said.fired == {}
    assert {word for word, _ in said.verdicts.values()} == {"clear"}


def _home(at: object, which: str, *lines: str, **facts: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A home of the premises and the customer number `at`."""
    name = f"{which}{at}"
    own = {"premises_id": f"P{at}", "customer_id": f"U{at}", "org": "O", **facts}
    return case(name, "residential", **own), [event(name, line) for line in lines]


def _beside(told: Any, *pairs: tuple[Any, Any]) -> Said:
    """Pairs of cases, A and B of each number, in one history."""
    both = [
        _home(at, which, *lines, **facts)
        for at, pair in enumerate(pairs)
        for which, (facts, lines) in zip("AB", pair, strict=True)
    ]
    said: Said = told([one for one, _ in both], [row for _, rows in both for row in rows])
    return said


_FILED = ("application.submit 03-04 09:00", "acceptance.complete 03-04 10:00")
_ENDED = (*_FILED, "application.terminate 03-08 16:00 value=other ref=D-1")
_ANEW = ("application.submit 03-11 09:00", "acceptance.complete 03-11 10:00", "metering.complete 03-13 10:00")


def test_who_had_power_was_not_ended_near_a_limit(told):
    """Three working days of Monday the 4th end on Thursday. With power since the 6th, the case written off on the 20th
    was over in time, and is none of those that were ended before the next; what was energised under its number after it
    was ended on the 8th excuses nothing."""
    written_off = (*_FILED, "application.terminate 03-20 16:00 value=other ref=D-1")
    later = ("application.submit 03-25 09:00", "acceptance.complete 03-25 10:00", "metering.complete 03-26 10:00")
    said = _beside(
        told,
        (({}, (*written_off, "metering.complete 03-06 15:00")), ({}, later)),
        (({}, written_off), ({}, later)),
        (({}, (*_ENDED, "metering.complete 03-15 15:00")), ({}, later)),
    )
    assert {name for name, rule in said.fired if rule == "D14"} == {"A1", "A2"}
    assert {name for name, rule in said.fired if rule == "D35"} == {"B1"}


def test_a_step_begun_nobody_knows_when_is_late_for_nobody(told):
    """Answered on Wednesday the 13th, of three working days: late from acceptance on the 4th, in time if begun on the
    11th. Of a plan returned and handed in again at a lost time nobody knows whether three days are over."""
    lost, back = (
        "supply_plan.start 03-12 09:00",
        ("supply_plan.start 03-05 09:00", "supply_plan.return 03-06 10:00 value=x"),
    )
    told_of = {
        "open": [], "done": ["supply_plan.complete 03-13 10:00"], "again": back,
        "ended": ["application.terminate 03-08 16:00 value=other ref=D-1"],
    }  # fmt: skip
    cases, rows = [case(name, "lv_other") for name in told_of], []
    for name, lines in told_of.items():
        rows += [event(name, line) for line in (*_FILED, *lines)] + [untimed(name, lost)]
    said = told(cases, rows)
    assert said.fired == {}
    assert all({"L01", "L02"} <= {*said.unjudged(name)} for name in told_of)
    assert "D14" in said.unjudged("ended")


def test_an_application_that_lost_its_time_convicts_nobody_of_changing_that_of_acceptance(told):
    """Accepted on the 5th, as is said now, on the 7th as was said: a day from the start of acceptance on the 4th, and
    nobody knows how long from the application."""
    change = "correction.changed 03-13 10:00 value=acceptance.complete.occurred_at"
    lines = ("-application.submit", "-acceptance.complete", "acceptance.complete 03-05 10:00", change)
    rows = []
    for name, submit in (("lost", untimed), ("known", event)):
        rows += [*events(name, "lv_other", *lines), submit(name, "application.submit 03-04 09:00")]
        rows[-2] |= {"old_value": "2024-03-07 10:00:00", "new_value": "2024-03-05 10:00:00"}
    said = told([case("lost", "lv_other"), case("known", "lv_other")], rows)
    assert (said.of("lost", "D13"), said.of("known", "D13")) == ("unjudged", "critical")


def test_a_region_that_is_no_code_is_judged_by_national_rules(told):
    """Four working days: over the three of the sample city, within the five of the nation. Of a region that was changed
    the row says what it is."""
    lines = ("-metering.complete", "metering.complete 03-08 10:00", "-first_energy.observed")
    regions = ["武汉", "4201", "ABCDEF", None, "430100", "420100"]
    rows = [row for at in range(len(regions)) for row in events(f"A{at}", "residential", *lines)]
    for name, was, now in (("A4", "420100", "430100"), ("A5", "430100", "420100")):
        rows.append(
            event(name, "correction.changed 03-05 10:00 value=case.region") | {"old_value": was, "new_value": now}
        )
    said = told([case(f"A{at}", "residential", region=region) for at, region in enumerate(regions)], rows)
    assert set(said.used.values()) == {4}
    assert said.fired == {("A5", "L02"): "high"}


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


def test_a_case_that_does_not_say_of_what_need_it_is_may_be_the_new_one(told):
    """Ended on Friday 8 March, a day over its limit; another case of the premises was filed on the 11th, or in June."""
    beside = [
        ({}, _ANEW, "critical", "medium"),
        ({"capacity_kw": None}, _ANEW, "unjudged", "unjudged"),
        ({"voltage": None}, _ANEW, "unjudged", "unjudged"),
        ({"voltage": None, "capacity_kw": 80.0}, _ANEW, "none", "unjudged"),
        ({"premises_id": None}, _ANEW, "unjudged", "unjudged"),
        ({"premises_id": None, "customer_id": "V"}, _ANEW, "none", "unjudged"),
        ({"capacity_kw": None}, ("application.submit 06-03 09:00",), "none", "unjudged"),
        ({}, (), "unjudged", "unjudged"),
        ({}, ("metering.complete 02-01 10:00",), "none", "unjudged"),
    ]
    said = _beside(told, *((({}, _ENDED), (facts, lines)) for facts, lines, *_ in beside))
    assert [(said.of(f"A{at}", "D14"), said.of(f"B{at}", "D35")) for at in range(len(beside))] == [
        (d14, d35) for *_, d14, d35 in beside
    ]


def test_a_case_that_does_not_say_of_what_need_it_was_may_have_been_ended_before(told):
    asked = (*_FILED, "application.withdraw 03-08 16:00 source=customer_app ref=P-1")
    beside = [
        ({"capacity_kw": None}, _ENDED, "unjudged"),
        ({"voltage": None, "capacity_kw": 80.0}, _ENDED, "none"),
        ({"premises_id": None}, _ENDED, "unjudged"),
        ({"premises_id": None, "customer_id": None}, _ENDED, "none"),
        ({"capacity_kw": None}, asked, "none"),
        ({}, (), "unjudged"),
    ]
    said = _beside(told, *(((facts, lines), ({}, _ANEW)) for facts, lines, _ in beside))
    assert [said.of(f"B{at}", "D35") for at in range(len(beside))] == [expected for *_, expected in beside]


def test_where_no_termination_carries_a_reference_the_customer_may_have_asked_for_one(told):
    """Of more than twenty (gate c)."""
    lines = {source: (*_FILED, f"application.terminate 03-08 16:00 value=other source={source}") for source in
             ("customer_app", "callcentre", "marketing")}  # fmt: skip
    both = [one for at, source in enumerate(lines) for one in (_home(at, "A", *lines[source]), _home(at, "B", *_ANEW))]
    both += [_home(at, "A", *lines["marketing"]) for at in range(3, 23)]
    said = told([one for one, _ in both], [row for _, rows in both for row in rows], gated=("D14", "D35"))
    assert [(said.of(f"A{at}", "D14"), said.of(f"B{at}", "D35")) for at in range(3)] == [
        ("unjudged", "unjudged"), ("unjudged", "unjudged"), ("critical", "medium"),
    ]  # fmt: skip


def test_a_case_beside_an_increase_may_have_been_the_first_of_the_premises(told):
    """D34: nothing is known of what the account held before; whether the premises had a case before is not known where
    one of them has no time, or one of the customer no place."""
    beside = [
        ({}, (), "unjudged"),
        ({}, ("metering.complete 02-01 10:00",), "unjudged"),
        ({}, ("application.submit 02-01 10:00",), "none"),
        ({"premises_id": None}, ("application.submit 02-01 10:00",), "unjudged"),
        ({"premises_id": None}, ("application.submit 04-01 10:00",), "high"),
        ({"premises_id": "Q"}, (), "high"),
    ]
    grown = {"business_type": "increase"}
    said = _beside(told, *(((facts, lines), (grown, _ANEW)) for facts, lines, _ in beside))
    assert [said.of(f"B{at}", "D34") for at in range(len(beside))] == [expected for *_, expected in beside]


def _changed(name: str, *changes: tuple[str, str | None, str | None, str | None]) -> list[dict[str, Any]]:
    """Corrections of 5, 6 … March: a fact, what it was, what it is, and a reference."""
    return [
        {
            **event(name, f"correction.changed 03-0{at} 10:00 value=case.{fact}"),
            "old_value": old,
            "new_value": new,
            "ref": ref,
        }
        for at, (fact, old, new, ref) in enumerate(changes, 5)
    ]


def test_a_change_is_judged_by_the_kind_of_business_of_its_day(told):
    """A small firm of 50 kW has zero investment, one of 300 kW has not; nothing of the ledger applies to a transfer,
    and before 2021 there were no limits."""
    grew: tuple[str, str | None, str | None, str | None] = ("capacity_kw", "50", "300", None)
    judged: list[tuple[str | None, list[tuple[str, str | None, str | None, str | None]], str]] = [
        ("transfer", [("business_type", "new", "transfer", None)], "high"),
        ("transfer", [("business_type", "new", "transfer", "KH-1")], "none"),
        ("transfer", [("business_type", None, "transfer", None)], "unjudged"),
        ("new", [("business_type", "increase", None, None)], "unjudged"),
        ("new", [("business_type", "increase", "new", None)], "none"),
        ("transfer", [grew], "none"),
        ("transfer", [grew, ("business_type", "new", "transfer", "KH-1")], "high"),
        ("transfer", [grew, ("business_type", None, "transfer", "KH-1")], "unjudged"),
        ("new", [grew, ("business_type", "transfer", "new", None)], "none"),
        ("new", [("business_type", "transfer", "new", None), grew], "high"),
        (None, [grew], "unjudged"),
        (None, [("capacity_kw", "50", "60", None)], "none"),
    ]
    cases, rows = [], []
    for at, (now, changes, _) in enumerate(judged):
        cases.append(case(f"A{at}", "lv_zero", business_type=now, capacity_kw=300.0 if grew in changes else 60.0))
        rows += [*events(f"A{at}", "lv_zero"), *_changed(f"A{at}", *changes)]
    cases.append(case("old", "lv_zero", business_type="transfer"))
    rows += [event("old", line.replace(" 03-", " 2020-03-")) for line in (*_FILED, "metering.complete 03-06 10:00")]
    change = _changed("old", ("business_type", "new", "transfer", None))[0]
    rows.append(change | {"occurred_at": dt.datetime(2020, 3, 5, 10)})
    said = told(cases, rows)
    assert [said.of(f"A{at}", "D33") for at in range(len(judged))] == [expected for *_, expected in judged]
    assert said.of("old", "D33") == "unjudged"


def test_a_third_visit_that_lacks_something_may_have_been_within_the_ten_minutes(told):
    late = dt.datetime(2024, 3, 7, 10, 11)
    thirds: list[tuple[dict[str, Any], str]] = [
        ({}, "medium"),
        ({"premises_id": None}, "unjudged"),
        ({"actor": None}, "unjudged"),
        ({"occurred_at": None}, "unjudged"),
        ({"premises_id": None, "occurred_at": late}, "none"),
        ({"actor": None, "occurred_at": late}, "none"),
        ({"actor": "y"}, "none"),
        ({"fourth": True}, "medium"),
        ({"occurred_at": dt.datetime(2024, 3, 7), "occurred_is_date": True}, "none"),
    ]
    cases, rows = [], []
    for at, (third, _) in enumerate(thirds):
        for which, minute in (("A", 0), ("B", 4), ("C", 9)):
            name, more = f"{which}{at}", third if which == "C" else {}
            nowhere = {"premises_id": None} if "premises_id" in more else {}
            cases.append(case(name, "residential", **{"org": f"O{at}", **nowhere}))
            rows += [event(name, line) for line in _FILED]
            visit = {**event(name, f"metering.complete 03-07 10:{minute:02}"), "actor": "x"}
            rows.append(visit | {key: value for key, value in more.items() if key not in ("premises_id", "fourth")})
            if "fourth" in more:  # of that actor, too, and nobody knows when: it may have been one of them
                cases.append(case("D", "residential", org=f"O{at}"))
                rows += [event("D", line) for line in (*_FILED, "metering.complete 03-07 12:00")]
                rows.append({**untimed("D", "mid_inspection.complete 03-07 10:05"), "actor": "x"})
    said = told(cases, rows)
    assert [{said.of(f"{one}{at}", "D38") for one in "AB"} for at in range(len(thirds))] == [
        {expected} for _, expected in thirds
    ]
    assert said.of("D", "D38") == "unjudged"


def test_a_proof_is_the_same_however_it_is_typed(told):
    typed = [
        ("image:ab12", "IMAGE:AB12", "high"),
        ("image：cd12", "image:cd12", "high"),
        ("REC-7", "rec-7", "high"),
        ("file:ef12", "image:ef12", "none"),
        ("image:NOTICE-1", "image:notice-1", "none"),
    ]
    cases, rows = [], []
    for at, (*both, _) in enumerate(typed):
        for which, ref in zip("AB", both, strict=True):
            cases.append(case(f"{which}{at}", "residential"))
            rows += [event(f"{which}{at}", line) for line in _FILED]
            rows.append(event(f"{which}{at}", "application.withdraw 03-05 10:00") | {"ref": ref})
    said = told(cases, rows)
    assert [{said.of(f"{which}{at}", "D37") for which in "AB"} for at in range(len(typed))] == [
        {expected} for *_, expected in typed
    ]


def test_a_finding_may_rest_on_any_of_its_grounds(told):
    """One high and two medium findings of three systems: a plan entered late (marketing), works begun before the design
    was passed (archive), and papers older than what they follow (D20). The design is of the archive, too; a report of
    the terminal is not."""
    changes = (
        "-supply_plan.complete", "supply_plan.complete 03-14 10:00 rec=03-19_10:00", "works_started.observed 03-18",
        "design_dated.observed 03-12",
    )  # fmt: skip
    rows = events("two", "hv_single", *changes, "test_report_dated.observed 03-18")
    rows += events("three", "hv_single", *changes, "test_report_dated.observed 03-18 source=field_terminal")
    said = told([case(one, "hv_single", region="420200") for one in ("two", "three")], rows)
    assert {rule for _, rule in said.fired} == {"D11", "D20", "D31"}
    assert (said.verdicts["two"][0], said.verdicts["three"][0]) == ("notice", "suspected")
