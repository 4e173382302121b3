"""A population of honest cases accuses nobody, and guilt put among them is found."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable

import pytest

from definitions import shipped
from tests.replay.outside.harness import Answers, History, replay
from tests.replay.outside.population import Population

Row = dict[str, str]
Deed = Callable[[Row, list[Row], dt.datetime], list[Row]]
EACH = 8
"""How many cases of each deed."""


def _seen(case: Row, name: str, at: dt.datetime | dt.date, source: str, **more: str) -> Row:
    activity, lifecycle = name.split(".")
    recorded = str(at + dt.timedelta(minutes=5)) if isinstance(at, dt.datetime) else ""
    return {"case_id": case["case_id"], "activity": activity, "lifecycle": lifecycle, "occurred_at": str(at),
            "recorded_at": recorded, "source": source, **more}  # fmt: skip


def _late_entry(case: Row, rows: list[Row], t0: dt.datetime) -> list[Row]:
    """The last step is entered five working days after it happened."""
    done = max((row for row in rows if row["activity"] == "metering"), key=lambda row: row["occurred_at"])
    entered = shipped().add(dt.datetime.fromisoformat(done["occurred_at"]).date(), 5)
    return [{**row, "recorded_at": f"{entered} 10:11:12"} if row is done else row for row in rows]


def _more(name: str, source: str, days: float, *, date: bool = False, case: bool = False, **more: str) -> Deed:
    """Something seen so many days after the first claim."""

    def deed(one: Row, rows: list[Row], t0: dt.datetime) -> list[Row]:
        at = t0 + dt.timedelta(days=days)
        named = {"ref": one["case_id"]} if case else {}
        return [*rows, _seen(one, name, at.date() if date else at, source, **more, **named)]

    return deed


def _instead(activity: str, deed: Deed) -> Deed:
    return lambda one, rows, t0: deed(one, [row for row in rows if row["activity"] != activity], t0)


DEEDS: dict[str, Deed] = {
    "D01": _instead("first_energy", _more("first_energy.observed", "metering", -3)),
    "D02": _instead("meter_installed", _more("meter_installed.observed", "metering", -2)),
    "D04": _more("contract_signed.observed", "contract", -4, case=True),
    "D05": _more("material_issued.observed", "material", -2, case=True),
    "D06": _more("site_survey.observed", "field_terminal", -4),
    "D07": _more("service_contact.observed", "callcentre", -16, value="connection_request"),
    "D11": _late_entry,
    "D19": _more("work_ticket.observed", "dispatch", -2, case=True),
    "D23": _more("document.requested", "marketing", 0.01, value="用电承诺书"),
    "D25": _instead("callback", _more("callback.observed", "callcentre", -16, date=True, value="submitted")),
    "D31": _more("works_started.observed", "archive", -6, date=True),
    "D41": _more("fee_paid.observed", "finance", 1, amount="300"),
}


def _can_be_judged(case: Row, rows: list[Row]) -> bool:
    """A new household, energised, of a station that keeps every system and its times of entry."""
    return (
        case["org"] in ("ORG00", "ORG01", "ORG09", "ORG10", "ORG11")
        and (case["user_class"], case["business_type"]) == ("residential", "new")
        and any(row["activity"] == "metering" for row in rows)
    )


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, dict[str, str]]:
    """1,200 honest cases, of which some were made guilty of one deed each."""
    honest = Population(3, 1200).history
    by_case: dict[str, list[Row]] = {}
    for row in honest.events:
        by_case.setdefault(row["case_id"], []).append(row)
    whole = [case for case in honest.cases if _can_be_judged(case, by_case[case["case_id"]])]
    chosen = random.Random(1).sample(whole, EACH * len(DEEDS))
    guilty: dict[str, str] = {}
    for at, case in enumerate(chosen):
        rule = sorted(DEEDS)[at % len(DEEDS)]
        rows = by_case[case["case_id"]]
        t0 = min(
            dt.datetime.fromisoformat(row["occurred_at"])
            for row in rows
            if row["activity"] in ("application", "acceptance")
        )
        by_case[case["case_id"]] = DEEDS[rule](case, rows, t0)
        guilty[case["case_id"]] = rule
    history = History(honest.cases, [row for rows in by_case.values() for row in rows])
    return replay(tmp_path_factory.mktemp("population"), history, as_of="2025-03-31"), guilty


def test_no_honest_case_has_a_finding(judged):
    answers, guilty = judged
    assert answers.rejected == []
    found = {case: sorted(rules) for case, rules in answers.findings.items() if case not in guilty}
    assert found == {}


def test_every_deed_is_found(judged):
    answers, guilty = judged
    missed = Counter(rule for case, rule in guilty.items() if rule not in answers.findings.get(case, {}))
    assert missed == {}


def test_honest_cases_are_judged(judged):
    """Silence is no innocence: most honest cases are clear, not undecided."""
    answers, guilty = judged
    verdicts = Counter(row["verdict"] for case, row in answers.verdicts.items() if case not in guilty)
    assert verdicts["clear"] > 0.7 * sum(verdicts.values())
    assert set(verdicts) <= {"clear", "cannot_judge", "open"}


def test_a_time_that_nobody_knows_accuses_nobody(tmp_path):
    """Of every honest case one record, whichever, has lost its time: a sentinel date stands in its place (gate a)."""
    honest, rng = Population(11, 600).history, random.Random(11)
    by_case: dict[str, list[Row]] = {}
    for row in honest.events:
        by_case.setdefault(row["case_id"], []).append(row)
    lost = {id(rng.choice(rows)) for rows in by_case.values()}
    sentinels = ("1900-01-01", "1970-01-01 00:00:00", "2099-12-31")
    events = [{**row, "occurred_at": rng.choice(sentinels)} if id(row) in lost else row for row in honest.events]
    answers = replay(tmp_path, History(honest.cases, events), as_of="2025-03-31")
    assert {case: sorted(rules) for case, rules in answers.findings.items()} == {}
