"""What is found on a live case is what a replay of it finds: the case is written as the contract's files, taken in and
judged by the engine of columns; and every case of a labelled history judged alone is judged as by columns."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from definitions import load
from definitions.detectors import load_detectors
from storage import FindingRow
from tests.replay.histories import History, calendar, disturbed, small_history
from tests.replay.test_three_ways import AS_OF, BOOK, write
from tests.service.conftest import CLERK, Desk
from workflow.core.times import business_date
from workflow.replay.columnar.judge import judge as columnar
from workflow.replay.exact.rules import CaseRules
from workflow.replay.intake import load as mapping
from workflow.replay.intake.run import take_in
from workflow.replay.tables import CASES, EVENTS
from workflow.service import live_history

STEPS = ("acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering")
SIDE_BY_SIDE = ("D07", "D13", "D16", "D17", "D30", "D33")
"""Rules that hold a case's rare records against each other."""
Finding = tuple[str, str, str, str, tuple[tuple[str, str, str], ...]]


def by_columns(
    cases: Path, events: Path, out: Path, *, as_of: dt.date, book: Any, days: Any
) -> dict[str, set[Finding]]:
    judged = columnar(
        cases, events, book=book, calendar=days, as_of=as_of, out=out, temp_dir=out / "spill", memory_limit="1GB"
    )
    found: dict[str, set[Finding]] = defaultdict(set)
    for row in pq.read_table(judged.findings).to_pylist():
        found[row["case_id"]].add(
            _told(row["rule"], row["severity"], row["explanation"], row["explanation_en"], json.loads(row["evidence"]))
        )
    return found  # fmt: skip


def _told(rule: str, severity: str, zh: str, en: str, evidence: dict[str, Any]) -> Finding:
    return rule, severity, zh, en, tuple((r["field"], r["value"], r["source"]) for r in evidence["records"])


def as_told(row: FindingRow) -> Finding:
    return _told(row.rule, row.severity, row.explanation, row.explanation_en, json.loads(row.evidence))


def test_the_rules_that_one_case_decides():
    rules = CaseRules(load_detectors(), load()).rules
    assert {"D01", "D02", "D03", "D04", "D08", "D11", "D27", "D28", "D29", "D31", "D41", "L01", "L02"} <= set(rules)
    assert set(SIDE_BY_SIDE) <= set(rules)
    assert {"D14", "D35"} <= set(rules)  # with the cases of the same need beside it
    # Peers, strangers' cases or an organisation's habits decide these.
    assert not {"D10", "D12", "D18", "D22", "D24", "D34", "D37", "D38"} & set(rules)


@pytest.mark.parametrize("seed", [0, 8, 9])
def test_a_case_alone_is_judged_as_by_columns(seed, tmp_path):
    assert compared(small_history(seed), tmp_path).total() > 10


@pytest.mark.parametrize("seed", [3, 4, 7])
def test_records_side_by_side_are_judged_as_by_columns(seed, tmp_path):
    """Papers, returns, corrections, suspensions, late starts, guilty and excused, with whatever goes wrong in files."""
    found = compared(disturbed(seed, 100, rules=SIDE_BY_SIDE), tmp_path)
    assert min(found[rule] for rule in SIDE_BY_SIDE) >= 2


def compared(history: History, folder: Path) -> Counter[str]:
    """Judge every case of the history alone and by columns; answers how many findings of each rule were the same."""
    for case in history.cases:
        # Alone in its organisation, and without what only other cases explain.
        case.update(org=f"O-{case['case_id']}")
        case.pop("prior_capacity_kw", None)
        case.pop("account_opened_on", None)
    rules = CaseRules(load_detectors(), BOOK)
    cases = write(folder / "cases.parquet", CASES, history.cases)
    _without(cases, "prior_capacity_kw", "account_opened_on")
    expected = by_columns(
        cases,
        write(folder / "events.parquet", EVENTS, history.events),
        folder / "out",
        as_of=AS_OF,
        book=BOOK,
        days=calendar(),
    )
    rows = defaultdict(list)
    for event in history.events:
        rows[event["case_id"]].append(event)
    sites = {case["case_id"]: rules.site(calendar(), case, rows[case["case_id"]]) for case in history.cases}
    found: Counter[str] = Counter()
    for case in history.cases:
        beside = [
            site
            for other in history.cases
            if other["premises_id"] == case["premises_id"] and (site := sites[other["case_id"]]) is not None
        ]
        alone = {
            _told(one.rule, one.severity, one.explanation, one.explanation_en, one.evidence)
            for one in rules.judge(calendar(), case, rows[case["case_id"]], AS_OF, beside)
        }
        wanted = {one for one in expected[case["case_id"]] if one[0] in rules.rules}
        assert alone == wanted, case["case_id"]
        found.update(one[0] for one in alone)
    return found


def _without(path: Path, *columns: str) -> None:
    """The file says that its input had not these columns."""
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    present = [one for one in json.loads(metadata[b"present_columns"]) if one not in columns]
    pq.write_table(table.replace_schema_metadata({**metadata, b"present_columns": json.dumps(present).encode()}), path)


def test_a_live_case_replayed_from_its_own_records(sqlite_desk: Desk, tmp_path: Path):
    desk = sqlite_desk
    desk.clock.set("2024-01-08 09:00")
    irregular = desk.submit("hv_single", 1).case_id or ""
    regular = desk.submit("residential", 2).case_id or ""
    desk.clock.set("2024-01-08 09:40")
    desk.do(irregular, "complete_step", step="acceptance")
    desk.clock.set("2024-01-25 10:00")
    # Eleven working days after acceptance, where ten are allowed; and recorded two working days later.
    desk.do(irregular, "complete_step", step="supply_plan", occurred_at="2024-01-23T10:00:00", reason="补录")
    records = [
        (irregular, "contract_signed", "2024-01-03T00:00:00", "contract"),
        (irregular, "meter_installed", "2024-01-05T15:00:00.250000", "metering"),
        (irregular, "works_started", "2024-01-05T08:00:00", "dispatch"),
        (irregular, "site_survey", "2024-01-24T08:00:00", "field_terminal"),
        (irregular, "callback", "2023-12-20T08:00:00", "callcentre"),
        (regular, "meter_installed", "2024-01-09T15:00:00", "metering"),
    ]
    sent = [
        {"case_id": case_id, "activity": activity, "occurred_at": at, "source": source,
         **({"value": "submitted"} if activity == "callback" else {})}
        for case_id, activity, at, source in records
    ]  # fmt: skip
    assert all(one["accepted"] for one in desk.service.receive_evidence(CLERK, sent))
    desk.do(regular, "complete_step", step="acceptance", occurred_at="2024-01-08T10:00:00", reason="补录")
    desk.do(regular, "complete_step", step="metering", occurred_at="2024-01-10T10:00:00", reason="补录")
    with desk.service.database.write() as tx:
        for case_id in (irregular, regular):
            desk.service.judging.judge(tx, case_id)
    live: dict[str, set[Finding]] = defaultdict(set)
    with desk.service.database.read() as tx:
        for case_id in (irregular, regular):
            for row in (one for one in tx.findings_of("", case_id) if one.stands):
                live[case_id].add(as_told(row))
        days = desk.service.calendars.refresh(tx)
    assert {one[0] for one in live[irregular]} >= {"D02", "D04", "D11", "D25", "D31", "D43", "L01"}
    assert {one[0] for one in live[regular]} == {"D11"}

    from workflow.core.events import Principal

    live_history.write(desk.service, Principal("ins", "inspector"), tmp_path, None)
    taken = take_in(
        cases=tmp_path / "cases.parquet", events=tmp_path / "events.parquet", mapping=mapping("contract"), steps=STEPS,
        out=tmp_path / "in", memory_limit="1GB", progress=lambda *_: None,
    )  # fmt: skip
    assert taken.counts["rejected"]["rows"] == 0
    replayed = by_columns(
        taken.cases,
        taken.events,
        tmp_path / "out",
        as_of=business_date(desk.clock.now()),
        book=desk.service.law.book,
        days=days,
    )
    judged_live = set(desk.service.judging.rules.rules)
    for case_id in (irregular, regular):
        assert live[case_id] == {one for one in replayed[case_id] if one[0] in judged_live}
    # The engine's own counting of the finished case is that of the replay.
    verdicts = {row["case_id"]: row for row in pq.read_table(tmp_path / "out" / "verdicts.parquet").to_pylist()}
    total = next(one for one in desk.shown(regular)["deadlines"] if one["scope"] == "total")
    verdict = verdicts[regular]
    assert verdict["used_working_days_filed"] == total["used_working_days"] == 2
    assert verdict["limit_working_days"] == total["budget_working_days"] == 5
    assert verdict["on_time_filed"] is (total["status"] == "met") is True
