"""Which times of recording are those of a load is judged over the whole store: live cases are found as a replay of it
finds them, before and after the answer for a month turns."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage import Filter, LoadMonthRow, OrgRow
from tests.imports.conftest import ADMIN
from tests.imports.test_cutover import HIGH, UNTIL_DESIGN
from tests.service.conftest import CLERK, Desk
from tests.service.test_findings_as_replayed import STEPS, Finding, as_told, by_columns
from workflow.alerts import findings
from workflow.alerts.sweep import Run
from workflow.core.events import Principal
from workflow.core.times import business_date
from workflow.replay.intake import load as mapping
from workflow.replay.intake.run import take_in
from workflow.service import live_history, load_times, upkeep
from workflow.service.cutover import import_cases

INSPECTOR = Principal("ins", "inspector")


@pytest.fixture
def store(desk: Any) -> Any:
    """Two units of three sources, in January 2024. Unit `day` works by day; its case 1 has twenty records of one
    minute, of 46 of that source. What unit `night` has is recorded between two and three at night."""
    desk.service.put_orgs([OrgRow(code, None, "county", code, None, None) for code in ("day", "night")])
    for number in range(1, 7):
        desk.clock.set(f"2024-01-08 09:{number:02}")
        case(desk, "day", number)
    desk.clock.set("2024-01-11 15:30")
    accept(desk, "day", 1)  # said of Monday, entered on Thursday
    surveys(desk, 1, 20, "2024-01-12T15:00")
    meter(desk, 2, "2024-01-12T16:00")
    for number in range(11, 15):
        desk.clock.set(f"2024-01-09 02:{number:02}")
        case(desk, "night", number)
    for number in range(11, 15):
        desk.clock.set(f"2024-01-12 02:{number + 20}")
        accept(desk, "night", number)
    desk.clock.set("2024-01-19 02:50")  # from a terminal that may take three working days
    desk.do(desk.ids[14], "complete_step", step="metering", occurred_at="2024-01-12T09:00:00", source="field_terminal",
            reason="补录")  # fmt: skip
    meter(desk, 14, "2024-01-19T02:51")
    return desk


def case(desk: Any, org: str, number: int) -> None:
    desk.__dict__.setdefault("ids", {})[number] = desk.submit("residential", number, org=org).case_id


def accept(desk: Any, org: str, number: int) -> None:
    on = "2024-01-08" if org == "day" else "2024-01-09"
    desk.do(desk.ids[number], "complete_step", step="acceptance", occurred_at=f"{on}T10:00:00", reason="补录")


def surveys(desk: Any, number: int, many: int, recorded_at: str) -> None:
    send(desk, *({"activity": "site_survey", "ref": f"S-{number}-{one}-{recorded_at}", "source": "marketing",
                  "occurred_at": "2024-01-10T10:00:00", "recorded_at": f"{recorded_at}:{one:02}",
                  "case_id": desk.ids[number]} for one in range(many)))  # fmt: skip


def meter(desk: Any, number: int, recorded_at: str) -> None:
    send(desk, {"activity": "meter_installed", "source": "metering", "case_id": desk.ids[number],
                "occurred_at": "2024-01-11T01:00:00", "recorded_at": recorded_at})  # fmt: skip


def send(desk: Desk, *records: dict[str, Any]) -> None:
    assert all(one["accepted"] for one in desk.service.receive_evidence(CLERK, list(records)))


def sweep(desk: Desk) -> None:
    run = Run(desk.service, "hand", threading.Event())
    run.since = run.now
    findings.sweep(run)
    assert not run.faults
    assert not run.cut_short


def live(desk: Any) -> dict[int, set[Finding]]:
    numbers = {case_id: number for number, case_id in desk.ids.items()}
    with desk.service.database.read() as tx:
        return {
            number: {as_told(row) for row in tx.findings_of("", case_id) if row.stands}
            for case_id, number in numbers.items()
        }


def late(desk: Any) -> set[int]:
    """The cases on which D11 stands."""
    return {number for number, found in live(desk).items() if any(one[0] == "D11" for one in found)}


def replayed(desk: Any, folder: Path, *numbers: int) -> dict[int, set[Finding]]:
    """What a replay of the store's own export finds, by the rules that are judged live."""
    named = [desk.ids[number] for number in numbers] or None
    live_history.write(desk.service, INSPECTOR, folder, named)
    taken = take_in(
        cases=folder / "cases.parquet", events=folder / "events.parquet", mapping=mapping("contract"), steps=STEPS,
        out=folder / "in", memory_limit="1GB", progress=lambda *_: None,
    )  # fmt: skip
    assert taken.counts["rejected"]["rows"] == 0
    with desk.service.database.read() as tx:
        days = desk.service.calendars.refresh(tx)
    found = by_columns(
        taken.cases, taken.events, folder / "out", as_of=business_date(desk.clock.now()), book=desk.service.law.book,
        days=days,
    )  # fmt: skip
    judged = set(desk.service.judging.rules.rules)
    return {
        number: {one for one in found[case_id] if one[0] in judged}
        for number, case_id in desk.ids.items()
        if not numbers or number in numbers
    }


def months(desk: Desk) -> dict[tuple[str, str, str], LoadMonthRow]:
    with desk.service.database.read() as tx:
        return {row[:3]: row for org in ("day", "night") for row in tx.load_months(org)}


def recorded_by_day(desk: Desk) -> int:
    return int(sum(json.loads(months(desk)["day", "marketing", "2024-01"].hours).values()))


def test_what_is_found_live_is_what_a_replay_of_the_store_finds(store: Any, tmp_path: Path):
    sweep(store)
    # Six submissions of four records, an acceptance of two, and twenty surveys: 20 of 46 share a minute.
    # Four submissions of four and four acceptances of two, all at two at night; few as they are, the meter and the
    # terminal are loaded where their unit is. The meter of the day is not.
    assert {key for key, row in months(store).items() if row.loaded} == {
        ("night", source, "2024-01") for source in ("marketing", "metering", "field_terminal")
    }
    assert recorded_by_day(store) == 46
    assert late(store) == {1}
    assert live(store) == replayed(store, tmp_path / "before")
    # A file of case 1 alone shows a load where the store does not.
    assert "D11" not in {one[0] for one in replayed(store, tmp_path / "alone", 1)[1]}

    # Twenty more of that minute by day: 40 of 66. Eight by day at night's: 24 of 32 are left for the two hours.
    surveys(store, 2, 20, "2024-01-15T15:00")
    for number, at in ((15, "10:05"), (16, "11:07")):
        store.clock.set(f"2024-01-19 {at}")
        case(store, "night", number)
    sweep(store)
    assert {key for key, row in months(store).items() if row.loaded} == {("day", "marketing", "2024-01")}
    assert late(store) == {11, 12, 13, 14}
    assert live(store) == replayed(store, tmp_path / "after")

    # A case goes to another unit with its six records of that source: there they are 40 of 72, and load times.
    store.clock.set("2024-01-19 12:00")
    store.do(store.ids[11], "assign", org="day")
    sweep(store)
    assert store.shown(store.ids[11])["org"] == "day"
    assert recorded_by_day(store) == 72
    assert late(store) == {12, 13, 14}
    assert live(store) == replayed(store, tmp_path / "moved")


def test_the_sums_can_be_thrown_away_and_are_made_anew(store: Any):
    sweep(store)
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds

    def rows() -> tuple[Any, Any]:
        with store.service.database.read() as tx:
            told = [tx.recorded_months(case_id) for case_id in store.ids.values()]
        return told, {key: row._replace(marks=0, settled=0) for key, row in months(store).items()}

    before = rows()
    for spoilt in (
        "DELETE FROM recorded_month",
        "DELETE FROM load_month",
        "UPDATE load_month SET hours = '{}'",
        "UPDATE load_month SET loaded = NOT loaded",
        "UPDATE recorded_month SET minutes = '{\"600\":1}', month = '2024-03'",
    ):
        with store.service.database.write() as tx:
            tx._query(sa.text(spoilt.replace(":1", "\\:1")))  # a colon begins a parameter
        assert not upkeep.verify(store.service, None, True, lambda *_: None).holds, spoilt
        upkeep.rebuild(store.service, lambda *_: None)
        sweep(store)
        assert rows() == before, spoilt
        assert upkeep.verify(store.service, None, True, lambda *_: None).holds, spoilt
    assert late(store) == {1}
    # So are they by the worker alone, as after the upgrade that brought them.
    with store.service.database.write() as tx:
        for statement in ("DELETE FROM recorded_month", "DELETE FROM load_month", "UPDATE judgement SET rules = ''"):
            tx._query(sa.text(statement))
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds
    store.clock.set("2024-01-19 12:00")
    sweep(store)
    assert rows() == before


def test_what_waits_to_be_judged_is_no_flaw(store: Any):
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds
    sweep(store)
    store.do(store.ids[3], "complete_step", step="acceptance", occurred_at="2024-01-08T10:00:00", reason="补录")
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds
    surveys(store, 2, 3, "2024-01-15T15:00")
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds


def test_a_month_that_turns_is_spread_in_pages(store: Any):
    sweep(store)
    surveys(store, 2, 20, "2024-01-15T15:00")
    # One case more than was judged: its page is the last there is room for.
    run = Run(store.service, "hand", threading.Event(), at_most=1)
    findings.sweep(run)
    assert run.cut_short
    assert late(store) == {1}
    for _ in range(9):
        findings.sweep(Run(store.service, "hand", threading.Event(), at_most=2))
    assert late(store) == set()
    assert all(row.marks == row.settled for row in months(store).values())


def test_many_who_judge_at_once_sum_up_the_same(store: Any):
    def work(number: int) -> None:
        for turn in range(3):
            surveys(store, number, 7, f"2024-01-{16 + turn}T15:00")
            with store.service.database.write() as tx:
                store.service.judging.judge_each(tx, sorted(store.ids.values()))
            for org in ("day", "night"):
                load_times.settle(store.service.database, org, store.service.judging.detectors.gates)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, (2, 3, 11, 12)))  # one who waits for another without end raises Contention
    sweep(store)
    assert all(row.marks == row.settled for row in months(store).values())
    assert recorded_by_day(store) == 46 + 2 * 3 * 7
    assert upkeep.verify(store.service, None, True, lambda *_: None).holds


SUSPENDED: Any = [
    *UNTIL_DESIGN[:1],
    {"command": "suspend", "reason": "force_majeure", "notice": "通告1号", "from": "2026-09-03", "to": "2026-09-04",
     "occurred_at": "2026-09-03T10:00:00", "actor": "张敏"},
    {"command": "countersign", "signs": 2, "occurred_at": "2026-09-03T11:00:00", "actor": "李强"},
    UNTIL_DESIGN[1],
]  # fmt: skip


def bring(desk: Any, folder: Path, *numbers: int) -> None:
    """Applications whose old system suspended them on the day of the notice, imported at one minute of November."""
    desk.clock.set("2026-11-23 10:00")
    path = folder / f"cases-{numbers[0]}.jsonl"
    bodies = [{**HIGH, "org": "day", "external_id": f"OLD-{number}", "premises": {"id": f"P-{number}"},
               "history": SUSPENDED} for number in numbers]  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in bodies), encoding="utf-8")
    assert import_cases(desk.service, ADMIN, path, None, lambda *_: None).imported == len(numbers)
    for number in numbers:
        with desk.service.database.read() as tx:
            (row,) = tx.list_applications(Filter(external_id=f"OLD-{number}"))
        desk.__dict__.setdefault("ids", {})[number] = row.id


def test_a_suspension_brought_over_counts_as_entered_when_it_was_imported_until_that_is_a_load(
    desk: Any, tmp_path: Path
):
    """No batch excuses D16 (gate e): a suspension said of September and entered in November is entered late. Twenty
    records of one minute are a load (gates b and f), and nobody knows when what they tell was entered."""
    desk.service.put_orgs([OrgRow("day", None, "county", "day", None, None)])
    bring(desk, tmp_path, 1)
    sweep(desk)
    assert [(rule, "事后补录" in said) for rule, _, said, _, _ in live(desk)[1]] == [("D16", True)]
    assert live(desk) == replayed(desk, tmp_path / "one")
    bring(desk, tmp_path, 2, 3)
    desk.clock.set("2026-11-23 11:00")
    sweep(desk)
    assert live(desk) == {1: set(), 2: set(), 3: set()} == replayed(desk, tmp_path / "three")
