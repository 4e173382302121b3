"""One rule set, three executions: columns, the engine's own machine, and the oracle, on the same labelled histories."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from definitions import load
from definitions.detectors import Detectors, load_detectors
from tests.core.driver import FACTS as CASES_OF
from tests.core.driver import REGIONS
from tests.replay.habits import habits
from tests.replay.histories import FACTS, History, calendar, disturbed, organisations, small_history
from tests.replay.oracle.file import File
from tests.replay.oracle.judge import judge as oracle
from tests.replay.oracle.peers import PAIRS, above, s7, tallies
from tests.replay.oracle.test_oracle import event as record
from workflow.core.chain import predecessor
from workflow.core.state import State
from workflow.replay.columnar.judge import judge as columnar
from workflow.replay.exact import ExactVerdict, judge_case
from workflow.replay.exact.rules import CaseRules
from workflow.replay.tables import CASES, EVENTS, PRESENT_COLUMNS, Column

AS_OF = dt.date(2026, 6, 26)
EXACT = ("D08", "D23", "D26", "D41", "L01", "L02")
BOOK = load(regions=REGIONS)
_TYPES = {
    "text": pa.string(), "number": pa.float64(), "count": pa.int64(), "flag": pa.bool_(), "date": pa.date32(),
    "moment": pa.timestamp("us"),
}  # fmt: skip

Fired = set[tuple[str, str, str]]


def write(path: Path, columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> Path:
    """The rows as intake hands them over."""
    names = [column.name for column in columns if not column.derived]
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
    schema = schema.with_metadata({PRESENT_COLUMNS: json.dumps(names)})
    found = [{column.name: row.get(column.name) for column in columns} for row in rows]
    pq.write_table(pa.Table.from_pylist(found, schema=schema), path)
    return path


def by_columns(
    history: History, folder: Path, as_of: dt.date = AS_OF, rules: Detectors | None = None
) -> tuple[Fired, dict[str, tuple[str, list[str]]]]:
    judged = columnar(
        write(folder / "cases.parquet", CASES, history.cases),
        write(folder / "events.parquet", EVENTS, history.events),
        book=BOOK, calendar=calendar(), as_of=as_of, out=folder / "out", temp_dir=folder / "spill", memory_limit="1GB",
        detectors=rules,
    )  # fmt: skip
    fired = {
        (row["case_id"], row["rule"], row["severity"])
        for row in pq.read_table(judged.findings).to_pylist()
        if not row["rule"].startswith("S")
    }
    return fired, {
        row["case_id"]: (row["verdict"], sorted(filter(None, row["unjudged"].split(","))))
        for row in pq.read_table(judged.verdicts).to_pylist()
    }


@pytest.mark.parametrize("seed", range(6))
def test_columns_machine_and_oracle_agree(seed, tmp_path):
    history = small_history(seed)
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    expected = {one for one in answer.fired() if not one[1].startswith("S")}

    rows = defaultdict(list)
    for event in history.events:
        rows[event["case_id"]].append(event)
    exact = {
        (case["case_id"], found.rule, found.severity)
        for case in history.cases
        for found in judge_case(BOOK, calendar(), case, rows[case["case_id"]], AS_OF).findings
    }
    assert {one for one in exact if one[1] in EXACT} == {one for one in expected if one[1] in EXACT}

    fired, verdicts = by_columns(history, tmp_path)
    assert fired == expected
    assert verdicts == {case: (one.verdict, sorted(one.unjudged)) for case, one in answer.verdicts.items()}


@pytest.mark.parametrize("seed", [*range(12), 47, 54, 59, 68, 70, 76, 78, 103, 126, 131, 141, 189])
def test_columns_and_oracle_agree_where_anything_may_be_wrong(seed, tmp_path):
    """Findings, verdicts and what could not be judged; every third history lies in the sample city, where
    steps are merged or kept for important customers."""
    history = disturbed(seed)
    if seed % 3 == 0:
        for at, case in enumerate(history.cases):
            case["region"] = "420100"
            case["important_customer"] = (None, True, False, False)[at % 4]
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    fired, verdicts = by_columns(history, tmp_path)
    assert fired == {one for one in answer.fired() if not one[1].startswith("S")}
    assert verdicts == {case: (one.verdict, sorted(one.unjudged)) for case, one in answer.verdicts.items()}


@pytest.mark.parametrize("seed", [12, 24])
def test_columns_and_oracle_agree_whatever_system_a_record_comes_from(seed, tmp_path):
    """Every fourth record comes from any other system, or names none: verdicts ask on what systems findings rest."""
    history, rng = disturbed(seed), random.Random(seed)
    for event in history.events:
        if rng.random() < 0.25:
            event["source"] = rng.choice([None, "marketing", "archive", "dispatch", "metering", "material"])
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    fired, verdicts = by_columns(history, tmp_path)
    assert fired == {one for one in answer.fired() if not one[1].startswith("S")}
    assert verdicts == {case: (one.verdict, sorted(one.unjudged)) for case, one in answer.verdicts.items()}


@pytest.mark.parametrize(("seed", "odd"), [(0, {"S2"}), (1, set()), (3, {"S7"}), (4, {"S5"})])
def test_columns_and_oracle_agree_on_organisations(seed, odd, tmp_path):
    """The statistical rules with their correction for many units, on several organisations: a habit of one of them is
    found where its peers could have had it, and where none could, nothing is."""
    history = organisations(seed)
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    assert {rule for _, rule, _ in answer.fired() if rule.startswith("S")} == odd
    by_columns(history, tmp_path)
    found = pq.read_table(tmp_path / "out" / "findings.parquet").to_pylist()
    assert {(row["case_id"] or row["org"], row["rule"], row["severity"]) for row in found} == answer.fired()


@pytest.mark.parametrize("seed", range(4))
def test_columns_and_oracle_count_the_same_of_organisations(seed, tmp_path):
    """What the statistical rules compare, before any test of chance: of each unit its hits and cases, and those of its
    peers, wherever its share lies above theirs."""
    history = habits(seed)
    file = File(history.cases, history.events, calendar(), AS_OF, FACTS)
    expected: Counter[tuple[Any, ...]] = Counter(
        (rule, *tally) for rule, pairs in PAIRS.items() for tally in tallies(pairs(file), 1) if above(tally)
    )
    expected.update(("S7", *counted) for counted in s7(file))
    shipped = load_detectors()
    loosest = {"alpha": 1, "at_least": 1, "share": 0}
    every = tuple(
        msgspec.structs.replace(one, thresholds={key: loosest.get(key, value) for key, value in one.thresholds.items()})
        for one in shipped.statistics
    )
    by_columns(history, tmp_path, rules=msgspec.structs.replace(shipped, statistics=every))
    found: Counter[tuple[Any, ...]] = Counter()
    for row in pq.read_table(tmp_path / "out" / "findings.parquet").to_pylist():
        if row["rule"].startswith("S"):
            said = json.loads(row["evidence"])
            named = ("hits", "of", "peer_hits", "peer_of")
            found[row["rule"], row["org"], *(said[name] for name in named if name in said)] += 1
    assert found == expected


def in_the_city(important: bool, *events: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A dual supply of the sample city, its plan answered on 14 March, and what followed."""
    facts = {**CASES_OF["hv_dual"], "user_class": "hv_dual", "business_type": "new", "region": "420100"}
    begun = (
        record("application", "submit", "2024-03-04 09:00"),
        record("acceptance", "complete", "2024-03-04 10:00"),
        record("supply_plan", "complete", "2024-03-14 10:00"),
    )
    case = {"case_id": "A", "case_no": "A-1", "org": "O", **facts, "important_customer": important}
    return case, [{**one, "case_id": "A", "row": at} for at, one in enumerate((*begun, *events), 1)]


@pytest.mark.parametrize(("important", "waited"), [(False, [("D30", "high")]), (True, [])])
def test_a_step_waits_for_those_that_the_case_takes(important, waited, tmp_path):
    """In the sample city the completion report of an ordinary dual supply, in on 1 April, waits for the plan only;
    the inspection was begun on the 10th."""
    case, rows = in_the_city(
        important,
        record("document", "received", "2024-04-01 09:00", value="completion_report"),
        record("completion_inspection", "start", "2024-04-10 09:00"),
        record("completion_inspection", "complete", "2024-04-10 15:00"),
    )
    alone = CaseRules(load_detectors(), BOOK).judge(calendar(), case, rows, dt.date(2024, 4, 20))
    assert [(one.rule, one.severity) for one in alone if one.rule == "D30"] == waited
    history = History([case], rows)
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    assert [one[1:] for one in answer.fired() if one[1] == "D30"] == waited
    fired, _ = by_columns(history, tmp_path)
    assert [one[1:] for one in fired if one[1] == "D30"] == waited


@pytest.mark.parametrize(("important", "asked"), [(False, []), (True, [("D23", "high")])])
def test_what_may_be_asked_for_follows_the_steps_that_the_case_takes(important, asked, tmp_path):
    """In the sample city a dual supply has no design review and no intermediate inspection unless its customer is
    important: behind the plan the completion report is next."""
    case, rows = in_the_city(
        important,
        record("document", "requested", "2024-03-15 09:00", value="completion_report"),
    )
    exact = judge_case(BOOK, calendar(), case, rows, dt.date(2024, 3, 20)).findings
    assert [(one.rule, one.severity) for one in exact if one.rule == "D23"] == asked
    fired, _ = by_columns(History([case], rows), tmp_path)
    assert [(rule, severity) for _, rule, severity in fired if rule == "D23"] == asked


@pytest.mark.parametrize(("on", "late"), [("2024-01-13", False), ("2024-01-15", True)])
def test_an_open_case_is_overdue_from_the_working_day_after_its_due_date(on, late, tmp_path):
    """All are due on Friday 2024-01-12: five days of a home from the 5th, three of a plan from the 9th, the first round
    or the second. Overdue is who has negative days left (design: an application in an answer): on Monday, not before.
    """
    told = {
        "residential": [
            ("application", "submit", "2024-01-05 09:00"), ("acceptance", "complete", "2024-01-05 10:00"),
        ],
        "lv_other": [("application", "submit", "2024-01-08 09:00"), ("acceptance", "complete", "2024-01-09 10:00")],
        "lv_other again": [
            ("application", "submit", "2024-01-04 09:00"), ("acceptance", "complete", "2024-01-05 10:00"),
            ("supply_plan", "return", "2024-01-08 10:00"), ("supply_plan", "start", "2024-01-09 10:00"),
        ],
    }  # fmt: skip
    cases = [
        {"case_id": name, "case_no": name, "org": "O", "premises_id": name, "business_type": "new",
         **CASES_OF[name.split()[0]]}
        for name in told
    ]  # fmt: skip
    rows = [record(*one, case_id=name) for name, records in told.items() for one in records]
    rows = [{**one, "row": at} for at, one in enumerate(rows, 1)]
    day = dt.date.fromisoformat(on)
    expected = {("residential", "L02"), ("lv_other", "L01"), ("lv_other again", "L01")} if late else set()
    exact = {
        (case["case_id"], found.rule)
        for case in cases
        for found in judge_case(
            BOOK, calendar(), case, [r for r in rows if r["case_id"] == case["case_id"]], day
        ).findings
    }
    assert exact == expected
    assert {
        one[:2] for one in oracle(cases, rows, calendar=calendar(), as_of=day, case_columns=FACTS).fired()
    } == expected
    assert {one[:2] for one in by_columns(History(cases, rows), tmp_path, day)[0]} == expected


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("user_class", ["residential", "lv_other"])
@pytest.mark.parametrize("seed", range(3))
def test_chains_are_counted_alike(user_class, seed, stopped, tmp_path):
    """Two needs of one premises, applied for again and again, ended or energised, `stopped` by force majeure that
    begins before, with or behind an application and may outlast its ending: what is chained to what, and both countings
    of it."""
    history = _again_and_again(user_class, random.Random(seed))
    if stopped:
        _stop(history, random.Random(seed))
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    expected = {
        case: (one.used_working_days_filed, one.used_working_days_chained, one.on_time_chained)
        for case, one in answer.verdicts.items()
    }
    assert any(filed != chained for filed, chained, _ in expected.values())

    exact: dict[str, ExactVerdict] = {}
    closed: list[State] = []
    for case in history.cases:
        rows = [event for event in history.events if event["case_id"] == case["case_id"]]
        state = judge_case(BOOK, calendar(), case, rows, AS_OF).state
        assert state is not None
        rule = BOOK.resolve(on=state.submitted_at.date(), region="420100", user_class=user_class).chain
        links = predecessor(rule, state.facts, state.submitted_at, closed, calendar())
        before = [exact[link.case_id] for link in links]
        judged = exact[state.case_id] = judge_case(BOOK, calendar(), case, rows, AS_OF, before=before)
        closed += [one for one in [judged.state] if one is not None and one.closed]
    assert {case: (one.used_filed, one.used_chained, one.on_time_chained) for case, one in exact.items()} == expected

    by_columns(history, tmp_path)
    names = ("used_working_days_filed", "used_working_days_chained", "on_time_chained")
    told = pq.read_table(tmp_path / "out" / "verdicts.parquet").to_pylist()
    assert {row["case_id"]: tuple(row[name] for name in names) for row in told} == expected


def _again_and_again(user_class: str, rng: random.Random) -> History:
    """Twelve cases in the order of filing, some filed before the one before them has ended."""
    history, filed = History([], []), dt.datetime(2024, 1, 8, 9)
    for at in range(12):
        facts = {**CASES_OF[user_class], "capacity_kw": rng.choice([100, 150]), "user_class": user_class}
        case = {"case_id": f"A{at:02}", "case_no": f"N{at}", "org": "O", "premises_id": "P", "region": "420100"}
        history.cases.append({**dict.fromkeys(FACTS), **case, "business_type": "new", **facts})
        done = filed + dt.timedelta(days=rng.randint(1, 9))
        says = [("application", "submit", filed), ("acceptance", "complete", filed + dt.timedelta(hours=1))]
        if user_class == "lv_other":
            says.append(("supply_plan", "complete", done - dt.timedelta(hours=4)))
        how = rng.choice(["terminate", "withdraw", "complete", None] if at < 11 else ["complete"])
        if user_class == "lv_other" and how == "complete":
            says.append(("metering", "start", done - dt.timedelta(hours=3)))
        if how:
            says.append(("metering" if how == "complete" else "application", how, done))
        for activity, lifecycle, moment in says:
            said = record(activity, lifecycle, f"{moment:%Y-%m-%d %H:%M}")
            if lifecycle == "withdraw":
                said |= {"ref": rng.choice([None, "APP-1"]), "source": "customer_app"}
            history.events.append({**said, "case_id": case["case_id"], "row": len(history.events) + 1})
        filed = (done if how else filed) + dt.timedelta(days=rng.choice([-1, 1, 4, 30]), hours=1)
        filed = max(filed, says[0][2] + dt.timedelta(hours=3))
    return history


def _stop(history: History, rng: random.Random) -> None:
    for event in [one for one in history.events if one["lifecycle"] == "submit"]:
        first = event["occurred_at"].date() + dt.timedelta(days=rng.randint(-2, 4))
        ends = rng.choice([(), (0,), (3,), (8,)])
        for lifecycle, after in (("start", 0), *(("end", days) for days in ends)):
            said = record(
                "suspension", lifecycle, f"{first + dt.timedelta(days=after)}", value="force_majeure", ref="N-1"
            )
            history.events.append({**said, "case_id": event["case_id"], "row": len(history.events) + 1})


def test_a_chain_rests_on_every_day_of_force_majeure_once(tmp_path):
    """Filed on Friday 8 November 2024, refused on the 12th, filed anew that afternoon, energised on the 25th: eleven
    working days, of which the notices of 12 to 15 and of 14 to 18 November, one of each case, take five."""
    home = {"customer_kind": "residential", "voltage": "low", "capacity_kw": 8.0, "premises_id": "P", "area": "urban"}
    facts = {**home, "region": "420000", "user_class": "residential", "business_type": "new", "org": "O"}
    told = {
        "A": [("application", "submit", "2024-11-08 17:00"), ("application", "refuse", "2024-11-12 16:00"),
              ("suspension", "start", "2024-11-12"), ("suspension", "end", "2024-11-15")],
        "B": [("application", "submit", "2024-11-12 17:00"), ("acceptance", "complete", "2024-11-12 17:30"),
              ("suspension", "start", "2024-11-14"), ("suspension", "end", "2024-11-18"),
              ("metering", "complete", "2024-11-25 12:00")],
    }  # fmt: skip
    history = History([{**dict.fromkeys(FACTS), "case_id": one, "case_no": one, **facts} for one in told], [])
    for case, events in told.items():
        for activity, lifecycle, moment in events:
            more = {"value": "force_majeure", "ref": "N-1"} if activity == "suspension" else {}
            said = record(activity, lifecycle, moment, **more)
            history.events.append({**said, "case_id": case, "row": len(history.events) + 1})
    by_columns(history, tmp_path)
    names = ("case_id", "used_working_days_filed", "used_working_days_chained", "on_time_chained")
    rows = pq.read_table(tmp_path / "out" / "verdicts.parquet").to_pylist()
    assert [tuple(row[name] for name in names) for row in rows if row["case_id"] == "B"] == [("B", 6, 6, False)]


@pytest.mark.parametrize("dates", [False, True])
def test_records_of_one_moment_are_told_alike_in_whatever_order(dates, tmp_path):
    """Handed in at the minute of a return, returned at the minute of handing in; some starts are not kept, some kept
    twice, and `dates` keeps no times."""
    rng, history = random.Random(1), History([], [])
    facts = {**CASES_OF["lv_other"], "user_class": "lv_other", "business_type": "new", "region": "420100"}
    for at in range(150):
        case = {"case_id": f"A{at:03}", "case_no": f"N{at}", "org": "O", "premises_id": f"P{at}"}
        history.cases.append({**dict.fromkeys(FACTS), **case, **facts})
        for activity, lifecycle, moment in _turns(rng):
            said = record(activity, lifecycle, f"{moment:%Y-%m-%d}" if dates else f"{moment:%Y-%m-%d %H:%M}")
            history.events.append({**said, "case_id": case["case_id"]})
    rng.shuffle(history.events)
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    expected = {case: (one.used_working_days_filed, one.on_time_filed) for case, one in answer.verdicts.items()}
    late = {one for one in answer.fired() if one[1] in ("L01", "L02")}
    torn = {case: sorted(set(one.unjudged) & {"L01", "L02"}) for case, one in answer.verdicts.items()}
    assert 0 < sum(map(bool, torn.values())) < len(torn) / 2

    rows = defaultdict(list)
    for event in history.events:
        rows[event["case_id"]].append(event)
    exact = [judge_case(BOOK, calendar(), case, rows[case["case_id"]], AS_OF) for case in history.cases]
    assert {one.case_id: (one.used_filed, one.on_time_filed) for one in exact} == expected
    assert {(one.case_id, f.rule, f.severity) for one in exact for f in one.findings if f.rule[0] == "L"} == late
    assert {one.case_id: sorted({*one.unjudged} & {"L01", "L02"}) for one in exact} == torn

    fired, verdicts = by_columns(history, tmp_path)
    told = pq.read_table(tmp_path / "out" / "verdicts.parquet").to_pylist()
    assert {row["case_id"]: (row["used_working_days_filed"], row["on_time_filed"]) for row in told} == expected
    assert {one for one in fired if one[1] in ("L01", "L02")} == late
    assert {case: [rule for rule in unjudged if rule[0] == "L"] for case, (_, unjudged) in verdicts.items()} == torn


def _turns(rng: random.Random) -> list[tuple[str, str, dt.datetime]]:
    """A case of three steps that were returned up to three times, some of it at one minute."""
    now = dt.datetime(2024, 3, 4, 10)
    says = [("application", "submit", now), ("acceptance", "start", now)]
    for step in ("acceptance", "supply_plan", "metering"):
        for turn in range(rng.choice([0, 0, 1, 2, 3]) + 1):
            if (step, turn) != ("acceptance", 0):
                now += dt.timedelta(days=rng.choice([0, 0, 1, 4]) if turn else 0)
                says += [(step, "start", now)] * rng.choices([0, 1, 2], [1, 40, 2])[0]
            if step == "metering" and rng.random() < 0.3:
                return says
            now += dt.timedelta(days=rng.choice([0, 1, 1, 3]), minutes=1 if says[-1][1] != "start" else 0)
            if any(one[:2] == (step, "return") and one[2] == now for one in says):
                now += dt.timedelta(days=1)
            says.append((step, "return", now))
        says[-1] = (step, "complete", now)
    return says


def test_no_order_of_rows_changes_a_finding_or_the_record_it_names(tmp_path):
    """Rows carry no position here, so that every word of the evidence can be compared."""
    history, told = disturbed(3, size=12), []
    for name in ("as made", "turned"):
        folder = tmp_path / name
        folder.mkdir()
        judged = columnar(
            write(folder / "cases.parquet", CASES, history.cases),
            write(folder / "events.parquet", EVENTS, history.events),
            book=BOOK, calendar=calendar(), as_of=AS_OF, out=folder, temp_dir=folder / "spill", memory_limit="1GB",
        )  # fmt: skip
        told.append([pq.read_table(path).to_pylist() for path in (judged.findings, judged.verdicts)])
        history.events.sort(key=lambda event: (event["activity"], event["case_id"]), reverse=True)
    assert told[0] == told[1]


@pytest.mark.parametrize("seed", range(100, 112))
def test_the_labels_of_the_patterns_hold(seed):
    """Every guilty pattern is found, and no innocent is accused, by the oracle."""
    history = small_history(seed)
    answer = oracle(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    fired = defaultdict(set)
    for found in answer.findings:
        if found.case_id is not None:
            fired[found.case_id].add(found.rule)
    for draft in history.drafts:
        assert draft.must <= fired[draft.id], (draft.pattern, draft.id)
        assert fired[draft.id] <= draft.must | draft.may, (draft.pattern, draft.id)
