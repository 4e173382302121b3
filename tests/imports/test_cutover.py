"""Open applications at cut-over: through the engine, whole or not at all, marked for what they are."""

from __future__ import annotations

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from storage import Database, Filter, OrgRow, StaffRow
from tests.imports.conftest import ADMIN
from workflow.core.commands import Countersign
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.state import State, from_snapshot
from workflow.service.cutover import _Crossing, import_cases
from workflow.service.cutover_files import Case
from workflow.service.demo import fill
from workflow.service.demo_cases import orgs
from workflow.service.service import Service
from workflow.service.tables import BadFile
from workflow.service.takeout import export_cases

HIGH: dict[str, Any] = {
    "external_id": "OLD-1",
    "customer": {"id": "C1", "name": "望岚精密机械有限公司"},
    "premises": {"id": "P1", "address": "望岚市晴川路8号"},
    "customer_kind": "non_residential", "enterprise_size": "medium", "capacity_kw": 1250.0, "voltage": "high",
    "supply_count": 1, "area": "urban", "region": "960102", "channel": "hall",
    "occurred_at": "2026-09-01T09:00:00", "source": "marketing", "actor": "张敏",
    "documents": [{"kind": kind} for kind in ("identity", "premises_title", "project_approval")],
}  # fmt: skip
DESIGN = [{"kind": "designer_qualification"}, {"kind": "design_documents"}]


def step(command: str, code: str, at: str, actor: str = "张敏", **more: object) -> dict[str, Any]:
    return {"command": command, "step": code, "occurred_at": f"2026-{at}:00", "actor": actor, **more}


UNTIL_DESIGN = [
    step("complete_step", "acceptance", "09-01T15:00"),
    step("complete_step", "supply_plan", "09-11T15:00"),
    step("submit_step", "design_review", "09-21T10:00", documents=DESIGN),
    step("complete_step", "design_review", "09-23T10:00", source="field_terminal"),
]
WAIVED = step("waive_step", "mid_inspection", "09-24T10:00", legal_basis="《供电监管办法》第十一条")
SIGNED = {"command": "countersign", "occurred_at": "2026-09-24T11:00:00", "actor": "李强"}
COMPLETION = step("submit_step", "completion_inspection", "10-20T10:00", documents=[{"kind": "completion_report"}])


@pytest.fixture
def bring(service, tmp_path):
    def run(*cases: object, name: str = "旧系统.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
        return import_cases(service, ADMIN, path, None, lambda *_: None)

    return run


def state_of(service, external_id: str) -> State:
    with service.database.read() as tx:
        (row,) = tx.list_applications(Filter(external_id=external_id))
        return from_snapshot(row.snapshot)


def events_of(service, external_id: str):
    return service.events(ADMIN, state_of(service, external_id).case_id)["items"]


def test_a_case_comes_over_with_its_history(service, bring):
    done = bring({**HIGH, "history": UNTIL_DESIGN})
    assert (done.cases, done.imported, done.rows, done.applied) == (1, 1, 4, 4)
    state = state_of(service, "OLD-1")
    assert (state.state, state.user_class) == ("mid_inspection.waiting", "hv_single")
    assert state.submitted_at == dt.datetime.fromisoformat("2026-09-01T09:00:00+08:00")
    # 2026-09-01 (Tue) to 09-11 (Fri): 8 working days; 09-21 (Mon) to 09-23 (Wed): 2.
    assert [turn.used for step_ in state.steps for turn in step_.rounds] == [0, 8, 2]


def test_its_events_say_where_they_come_from(service, bring):
    bring({**HIGH, "history": UNTIL_DESIGN})
    events = events_of(service, "OLD-1")
    assert {event["payload"].get("batch") for event in events} == {"migration:旧系统.jsonl"}
    assert all(event["late"] and event["payload"]["late"]["reason"] for event in events)
    assert {event["actor"] for event in events} == {"local:clerk:张敏"}
    assert [event["source"] for event in events][-1] == "field_terminal"
    assert {event["recorded_at"] for event in events} == {dt.datetime.fromisoformat("2026-11-23T10:00:00+08:00")}


def test_importing_again_adds_nothing(service, bring):
    bring({**HIGH, "history": UNTIL_DESIGN})
    before = events_of(service, "OLD-1")
    done = bring({**HIGH, "history": [*UNTIL_DESIGN, WAIVED]})
    assert (done.imported, done.already, done.applied, done.passed_over, done.rows) == (0, 1, 0, 5, 5)
    assert events_of(service, "OLD-1") == before


def test_two_imports_at_once_bring_each_case_once(monkeypatch, database: Database, database_url: str, tmp_path):
    path = tmp_path / "both.json"
    path.write_text(json.dumps([HIGH]), encoding="utf-8")
    looked, both_looked = _Crossing._is_there, threading.Barrier(2, timeout=1)

    def look(crossing: _Crossing, case: Case) -> bool:
        there = looked(crossing, case)
        with suppress(threading.BrokenBarrierError):  # the other has not looked: it waits for its turn
            both_looked.wait()
        return there

    monkeypatch.setattr(_Crossing, "_is_there", look)
    with Service.open(database_url) as one, Service.open(database_url) as other, ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda service: import_cases(service, ADMIN, path, None, lambda *_: None), [one, other]))
    assert sorted((moved.imported, moved.already) for moved in done) == [(0, 1), (1, 0)]
    with database.read() as tx:
        assert len(list(tx.cases())) == 1


def test_a_proposal_stays_proposed_without_the_second_person(service, bring):
    bring({**HIGH, "history": [*UNTIL_DESIGN, WAIVED]})
    state = state_of(service, "OLD-1")
    assert state.state == "mid_inspection.waiting"
    assert "waive_step" in {pending.kind for pending in state.pending}


def test_a_proposal_takes_effect_when_the_history_carries_the_second_person(service, bring):
    assert bring({**HIGH, "history": [*UNTIL_DESIGN, WAIVED, SIGNED, COMPLETION]}).imported == 1
    assert state_of(service, "OLD-1").state == "completion_inspection.running"


def test_the_same_person_is_no_second_person(service, bring):
    done = bring({**HIGH, "history": [*UNTIL_DESIGN, WAIVED, {**SIGNED, "actor": "张敏"}]})
    assert "countersign-own-record" in done.rejected[0]["reason"]
    assert done.rejected[0]["place"] == "旧系统.jsonl:1 history[6]"


@pytest.mark.parametrize(
    ("who", "signs"),
    [("张敏", False), ("local:clerk", False), ("clerk", False), ("local:张敏", False), ("李强", True), ("敏", True)],
)
def test_whoever_a_record_names_and_whoever_brought_it_over_cannot_sign_it_afterwards(service, bring, who, signs):
    bring({**HIGH, "history": [*UNTIL_DESIGN, WAIVED]})
    case_id = state_of(service, "OLD-1").case_id
    reply = service.command(Principal(who, "supervisor"), case_id, Countersign(command="countersign"))
    refusal = reply.result().refusal
    assert (refusal.code if refusal else None) == (None if signs else "countersign-own-record")


def test_a_countersignature_may_say_which_entry_it_signs(service, bring):
    late_submission = {"command": "countersign", "signs": 0, "occurred_at": "2026-09-24T12:00:00", "actor": "李强"}
    assert bring({**HIGH, "history": [*UNTIL_DESIGN, late_submission]}).imported == 1
    assert 1 not in {pending.event for pending in state_of(service, "OLD-1").pending}
    done = bring({**HIGH, "external_id": "OLD-2", "history": [{**late_submission, "signs": 7}]})
    assert "signs 7" in done.rejected[0]["reason"]


def test_a_case_that_breaks_a_rule_leaves_nothing_behind(service, bring):
    skipped = [*UNTIL_DESIGN[:2], step("complete_step", "metering", "09-30T10:00")]
    broken = {**HIGH, "external_id": "OLD-2", "premises": {"id": "P2"}, "history": skipped}
    third = {**HIGH, "external_id": "OLD-3", "premises": {"id": "P3"}, "history": []}
    done = bring({**HIGH, "history": []}, broken, third)
    assert (done.cases, done.imported, len(done.rejected)) == (3, 2, 1)
    assert done.rejected[0]["external_id"] == "OLD-2"
    assert done.rejected[0]["place"] == "旧系统.jsonl:2 history[3]"
    assert done.rows == done.applied + done.kept + done.passed_over == 3
    numbers = [state_of(service, name).application_no for name in ("OLD-1", "OLD-3")]
    assert numbers == ["BZ-2026-000001", "BZ-2026-000002"]
    with service.database.read() as tx:
        assert {event.case_id for event in tx.all_events()} == {row.id for row in tx.cases()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"external_id": None}, "external_id"),
        ({"occurred_at": None}, "occurred_at"),
        ({"history": [{"command": "assign", "manager": "x"}]}, "occurred_at"),
        ({"history": "none"}, "history"),
        ({"history": [7]}, "history[1]"),
        ({"history": [{"command": "fly", "occurred_at": "2026-09-02T10:00:00"}]}, "没有这个命令"),
        ({"capacity_kw": "1250"}, "capacity_kw"),
        ({"capacity_kw": 1e300}, "capacity_kw"),
        ({"batch": 7, "colour": 1}, "colour"),
        ({"occurred_at": "2019-09-01T09:00:00"}, "no-rule-in-force"),
        ({"occurred_at": "2027-09-01T09:00:00"}, "time-in-future"),
        ({"actor": 7}, "actor"),
        ({"org": "nowhere"}, "unknown-org"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_place(service, bring, change, said):
    body = {key: value for key, value in {**HIGH, **change}.items() if value is not None}
    done = bring(body)
    assert (done.imported, len(done.rejected)) == (0, 1)
    assert said in done.rejected[0]["place"] + done.rejected[0]["reason"]


def test_a_line_that_is_no_json_does_not_spoil_the_others(service, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("{nonsense\n7\n" + json.dumps(HIGH) + "\n", encoding="utf-8")
    done = import_cases(service, ADMIN, path, None, lambda *_: None)
    assert (done.cases, done.imported, len(done.rejected)) == (3, 1, 2)


def test_the_same_case_twice_in_a_file(service, bring):
    done = bring(HIGH, HIGH)
    assert (done.imported, done.rejected[0]["place"]) == (1, "旧系统.jsonl:2")


def test_only_who_administers_applications_may(service, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("", encoding="utf-8")
    with pytest.raises(Refused, match="not-permitted"):
        import_cases(service, Principal("前端", "front_line"), path, None, lambda *_: None)


# ---- tables ----------------------------------------------------------------------------------------------------------

CASES: list[list[Any]] = [
    ["在途工单"],
    [
        "工单编号", "客户编号", "地址编码", "客户类型", "报装容量", "电压", "电源数", "城乡", "行政区划", "渠道",
        "企业规模", "用户类别", "施工单位",
    ],
    ["H1", "C1", "P1", "非居民", "1,250kVA", "高压", 1, "城市", 960102, "营业厅", "中型", "hv_dual", "某施工"],
    ["R1", "C2", "P2", "居民", 8, "低压", None, "农村", 960121, "线上", None, "residential", None],
    ["R2", "C3", "P3", "居民", "=8*1", "低压", None, "农村", 960121, "线上", None, None, None],
    ["T1", "C4", "P4", "居民", 8, "低压", None, "农村", 960121, "传真", None, None, None],
]  # fmt: skip
EVENTS: list[list[Any]] = [
    ["case_id", "activity", "lifecycle", "occurred_at", "actor", "source", "value", "ref", "recorded_at"],
    # Not in order of time, and the documents after the start they belong to.
    ["H1", "supply_plan", "complete", "2026/9/11 15:00", "张敏", "marketing", None, None, None],
    ["H1", "application", "submit", "2026/9/1 9:00", "张敏", "marketing", None, None, "2026/9/1 9:01"],
    ["H1", "document", "received", "2026/9/1 9:00", None, None, "identity", None, None],
    ["H1", "document", "received", "2026/9/1 9:00", None, None, "premises_title", None, None],
    ["H1", "document", "received", "2026/9/1 9:00", None, None, "project_approval", None, None],
    ["H1", "acceptance", "start", "2026/9/1 9:00", "张敏", None, None, None, None],
    ["H1", "acceptance", "complete", "2026/9/1 15:00", "张敏", None, None, None, None],
    ["H1", "design_review", "start", "2026-09-21", "张敏", None, None, None, None],
    ["H1", "document", "received", "2026-09-21", None, None, "designer_qualification", None, None],
    ["H1", "document", "received", "2026-09-21", None, None, "design_documents", None, None],
    ["H1", "design_review", "return", "2026-09-22", "张敏", None, "缺接地计算；缺主接线图", None, None],
    ["H1", "suspension", "start", "2026-09-23", "张敏", None, "customer", "R-1", None],
    ["H1", "works_started", "observed", "2026-09-25", None, "archive", None, None, None],
    ["H1", "correction", "changed", "2026-09-25", None, None, "case.capacity_kw", "A-1", None],
    ["R1", "application", "submit", "2026-11-02 9:00", None, "customer_app", None, None, None],
    ["R1", "document", "received", "2026-11-02 9:00", None, None, "identity", None, None],
    ["R1", "document", "received", "2026-11-03 9:00", None, None, "premises_title", None, None],
    ["R1", "suspension", "start", "2026-11-05 9:00", "张敏", None, "force_majeure", "通告3号", None],
    ["R1", "suspension", "countersign", "2026-11-05 10:00", "李强", None, None, None, None],
    ["R1", "suspension", "end", "2026-11-06 9:00", "张敏", None, "force_majeure", None, None],
    ["R2", "application", "submit", "2026-11-02 9:00", None, None, None, None, None],
    ["T1", "application", "submit", 46000, None, None, None, None, None],
    ["X9", "application", "submit", "2026-11-02 9:00", None, None, None, None, None],
]


def test_tables_of_the_replay_contract(service, workbook):
    path = workbook("切换.xlsx", cases=CASES, events=EVENTS)
    done = import_cases(service, ADMIN, path, None, lambda *_: None)
    assert (done.cases, done.imported, done.already, len(done.rejected)) == (4, 2, 0, 2)
    assert done.rows == done.applied + done.kept + done.passed_over + len(done.orphans) == len(EVENTS) - 1
    high = state_of(service, "H1")
    assert (high.state, high.facts.capacity_kw) == ("design_review.waiting", 1250)
    review = high.step("design_review")
    assert review is not None
    assert review.rounds[0].defects == ("缺接地计算", "缺主接线图")
    # The acceptance start (its clock ran already), the customer's suspension, works started, the correction.
    assert done.kept == 4
    with service.database.read() as tx:
        kept = [json.loads(row.content)["activity"] for row in tx.evidence(high.case_id)]
    assert sorted(kept) == ["acceptance", "correction", "suspension", "works_started"]
    assert done.reclassified == [{"external_id": "H1", "filed": "hv_dual", "by_rules": "hv_single"}]
    assert {"施工单位", "recorded_at"} & set(done.not_carried) == {"recorded_at"}
    assert "contractor" in done.not_carried
    home = state_of(service, "R1")
    assert (home.state, [(s.from_.isoformat(), str(s.to)) for s in home.suspensions]) == (
        "acceptance.running", [("2026-11-05", "2026-11-06")],
    )  # fmt: skip
    assert [(one["external_id"], one["place"]) for one in done.rejected] == [
        ("R2", "切换.xlsx [cases]:5"), ("T1", "切换.xlsx [cases]:6"),
    ]  # fmt: skip
    assert "公式" in done.rejected[0]["reason"]
    assert [one["external_id"] for one in done.orphans] == ["X9"]
    again = import_cases(service, ADMIN, path, None, lambda *_: None)
    assert (again.imported, again.already, len(again.rejected)) == (0, 2, 2)


def test_two_csv_files(service, tmp_path):
    cases, events = tmp_path / "c.csv", tmp_path / "e.csv"
    cases.write_bytes(
        "\n".join(",".join("" if v is None else f'"{v}"' for v in row) for row in CASES[1:4]).encode("gb18030")
    )
    events.write_text("\n".join(",".join(str(v or "") for v in row) for row in EVENTS), encoding="utf-8-sig")
    assert import_cases(service, ADMIN, cases, events, lambda *_: None).imported == 2


@pytest.mark.parametrize(
    ("activity", "lifecycle", "said"),
    [
        ("acceptance", "办结", "lifecycle of acceptance is one of start, complete, return, waive"),
        ("acceptance", "", "acceptance. is not known"),
        ("业务受理", "complete", "step-not-allowed"),
        ("业务受理", "办结", "业务受理.办结 is not known"),
        ("document", "handed_in", "one of requested, received"),
        ("suspension", "begin", "one of start, end"),
        ("first_energy", "complete", "first_energy is one of observed"),
        ("meter_fitted", "observed", "meter_fitted.observed is not known"),
    ],
)
def test_a_row_that_nobody_can_read_is_not_put_aside_as_evidence(service, tmp_path, activity, lifecycle, said):
    cases, events = tmp_path / "c.csv", tmp_path / "e.csv"
    cases.write_text(
        "case_id,customer_id,premises_id,customer_kind,capacity_kw,voltage,area,region,channel\n"
        "OLD-1,C1,P1,residential,8,low,urban,960102,hall\n",
        encoding="utf-8",
    )
    events.write_text(
        "case_id,activity,lifecycle,occurred_at\nOLD-1,application,submit,2026-11-20 9:00\n"
        f"OLD-1,{activity},{lifecycle},2026-11-21 9:00\n",
        encoding="utf-8",
    )
    done = import_cases(service, ADMIN, cases, events, lambda *_: None)
    assert (done.imported, done.kept, len(done.rejected)) == (0, 0, 1)
    assert "e.csv:3" in done.rejected[0]["place"] + done.rejected[0]["reason"]
    assert said in done.rejected[0]["reason"]


def ended(service, tmp_path, *rows: str):
    """What becomes of a flat handed in on Friday the 20th, with `rows` (activity to value) after it."""
    cases, events = tmp_path / "c.csv", tmp_path / "e.csv"
    cases.write_text(
        "case_id,customer_id,premises_id,customer_kind,capacity_kw,voltage,area,region,channel\n"
        "OLD-1,C1,P1,residential,8,low,urban,960102,hall\n",
        encoding="utf-8",
    )
    told = ["case_id,activity,lifecycle,occurred_at,value,ref", "OLD-1,application,submit,2026-11-20 9:00,,", *rows]
    events.write_text("\n".join(told), encoding="utf-8")
    return import_cases(service, ADMIN, cases, events, lambda *_: None)


FORCE_MAJEURE = "OLD-1,suspension,start,2026-11-20 10:00,force_majeure,N-1"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["OLD-1,suspension,end,2026-11-21 9:00,force_majeure,"], "e.csv:3: 不可抗力中止只有结束"),
        (["OLD-1,suspension,end,2026-11-21 9:00,,"], "e.csv:3: 不可抗力中止只有结束"),
        (
            [FORCE_MAJEURE, *("OLD-1,suspension,end,2026-11-21 9:00,force_majeure," for _ in range(2))],
            "e.csv:5: 不可抗力中止只有结束",
        ),
        (
            [
                "OLD-1,suspension,start,2026-11-20 10:00,customer,R-1",
                "OLD-1,suspension,end,2026-11-21 9:00,force_majeure,",
            ],
            "e.csv:4: 不可抗力中止只有结束",
        ),
        (["OLD-1,application,submit,2026-11-21 9:00,,"], "e.csv:3: 第二条 application.submit, 第一条在 e.csv:2"),
    ],
)
def test_an_end_without_a_beginning_and_a_second_submission_leave_the_case_out(service, tmp_path, rows, said):
    done = ended(service, tmp_path, *rows)
    assert (done.imported, done.kept, len(done.rejected)) == (0, 0, 1)
    assert said in done.rejected[0]["reason"]


def test_an_end_that_says_not_of_what_may_be_that_of_a_suspension_of_the_customer(service, tmp_path):
    done = ended(
        service,
        tmp_path,
        "OLD-1,suspension,start,2026-11-20 10:00,customer,R-1",
        "OLD-1,suspension,end,2026-11-21 9:00,,",
    )
    assert (done.imported, done.kept, done.rejected) == (1, 2, [])


def test_a_customer_manager_called_by_name_is_the_one_of_the_staff(service, bring):
    """By the id, by the name, of several of one name the one of the unit; nobody else is warned in their place."""
    with service.database.write() as tx:
        tx.put_orgs([OrgRow(code, None, "team", code, None, None) for code in ("ONE", "TWO")])
        names = {"Y-1": ("王强", "ONE"), "Y-2": ("李梅", "ONE"), "Y-3": ("李梅", "TWO"), "赵敏": ("赵敏", "TWO")}
        tx.put_staff([StaffRow(one, name, org, "manager", None, None) for one, (name, org) in names.items()])
    stated = {"A": "王强", "B": "Y-3", "C": "李梅", "D": "赵敏", "E": "王 强", "F": "李梅"}
    units = {"C": "TWO", "F": "THREE"}
    with service.database.write() as tx:
        tx.put_orgs([OrgRow("THREE", None, "team", "THREE", None, None)])
    to = {"command": "assign", "occurred_at": "2026-09-02T10:00:00", "manager": "王强"}
    done = bring(
        *(
            {**HIGH, "external_id": name, "premises": {"id": name}, "customer": {"id": name}, "manager": manager}
            | {"org": units.get(name, "ONE"), "history": [to] if name == "B" else []}
            for name, manager in stated.items()
        )
    )
    assert (done.imported, done.rejected) == (6, [])
    found = {name: state_of(service, name).manager for name in stated}
    assert found == {"A": "Y-1", "B": "Y-1", "C": "Y-3", "D": "赵敏", "E": "王 强", "F": "李梅"}
    assert done.unknown_managers == {"王 强": 1, "李梅": 1}


def test_cases_without_their_history_are_refused_with_the_way_to_name_it(service, tmp_path):
    cases = tmp_path / "c.csv"
    cases.write_text("case_id,customer_id\nOLD-1,C1\n", encoding="utf-8")
    with pytest.raises(BadFile, match="--events"):
        import_cases(service, ADMIN, cases, None, lambda *_: None)


def test_a_case_whose_row_goes_on_behind_the_header_is_rejected(service, tmp_path):
    cases, events = tmp_path / "c.csv", tmp_path / "e.csv"
    cases.write_text("case_id,customer_id,premises_id\nOLD-1,C1,P1,x\n", encoding="utf-8")
    events.write_text("case_id,activity,occurred_at\nOLD-1,application,2026-11-02 9:00\n", encoding="utf-8")
    done = import_cases(service, ADMIN, cases, events, lambda *_: None)
    (left_out,) = done.rejected
    assert "c.csv:2: 单元格多于表头" in left_out["reason"]


def test_a_table_of_events_alone_is_refused(service, workbook):
    with pytest.raises(BadFile):
        import_cases(service, ADMIN, workbook("e.xlsx", events=EVENTS), None, lambda *_: None)


# ---- out and in again ------------------------------------------------------------------------------------------------


def comparable(state: State, names: dict[str, str]) -> dict[str, Any]:
    """A state without what a migration must change: ids, numbers, times of recording, marks of lateness."""
    shown: dict[str, Any] = msgspec.to_builtins(state)
    for name in ("case_id", "application_no", "version", "last_recorded_at"):
        del shown[name]
    shown["facts"].pop("external_id", None)
    shown["pending"] = [one["kind"] for one in shown.get("pending", ()) if one["kind"] != "late"]
    for suspension in shown.get("suspensions", ()):
        del suspension["event"]
    for link in shown.get("chain", ()):
        link["case_id"] = names[link["case_id"]]
        del link["application_no"]
    return shown


def test_every_case_of_the_demonstration_comes_back_the_same_from_its_own_history(sqlite_url, tmp_path, clock):
    """Hundreds of courses: rounds, waivers, suspensions, charges, approvals, endings, chains."""
    clock.moment = dt.datetime.fromisoformat("2026-11-23T18:00:00+08:00")
    fill(sqlite_url, lambda *_: None, clock.moment)
    path, copy = tmp_path / "all.jsonl", f"sqlite:///{tmp_path}/copy.db"
    with Service.open(sqlite_url, clock=clock) as service, service.database.read() as tx:
        original = {row.external_id: from_snapshot(row.snapshot) for row in tx.cases()}
        out = list(export_cases(service, ADMIN, [state.case_id for state in original.values()]))
    path.write_bytes(b"\n".join(msgspec.json.encode(one) for one in out))
    Database.open(copy, migrate=True).close()
    with Service.open(copy, clock=clock) as service:
        service.put_orgs([OrgRow(*one) for one in orgs()])
        done = import_cases(service, ADMIN, path, None, lambda *_: None)
        assert (done.rejected, done.imported) == ([], len(original))
        with service.database.read() as tx:
            copied = {row.external_id: from_snapshot(row.snapshot) for row in tx.cases()}
    names = {s.case_id: str(name) for states in (original, copied) for name, s in states.items()}
    for name, state in original.items():
        assert comparable(copied[name], names) == comparable(state, names), name


def test_corrections_and_resumptions_come_back_too(service, bring, tmp_path, clock):
    history = [
        *UNTIL_DESIGN[:2],
        {"command": "correct", "field": "case.capacity_kw", "new_value": 1600.0, "reason": "录入有误",
         "occurred_at": "2026-09-12T10:00:00", "actor": "张敏"},
        {"command": "countersign", "signs": 3, "occurred_at": "2026-09-12T11:00:00", "actor": "李强"},
        {"command": "suspend", "reason": "force_majeure", "notice": "通告1号", "from": "2026-09-13", "note": "台风",
         "occurred_at": "2026-09-13T10:00:00", "actor": "张敏"},
        {"command": "countersign", "signs": 5, "occurred_at": "2026-09-13T11:00:00", "actor": "李强"},
        {"command": "resume", "to": "2026-09-15", "occurred_at": "2026-09-15T10:00:00", "actor": "张敏"},
        {"command": "assign", "manager": "M1", "project_manager": "M2", "occurred_at": "2026-09-15T11:00:00"},
    ]  # fmt: skip
    assert bring({**HIGH, "history": history}).rejected == []
    first = state_of(service, "OLD-1")
    assert (first.facts.capacity_kw, str(first.suspensions[0].to)) == (1600, "2026-09-15")
    (out,) = export_cases(service, ADMIN, [first.case_id])
    assert bring({**out, "external_id": "OLD-2", "premises": {"id": "P1"}}, name="zwei.jsonl").rejected == []
    assert comparable(state_of(service, "OLD-2"), {}) == comparable(first, {})


def test_a_record_that_changed_nothing_is_left_out_of_what_is_taken_out(service, bring):
    low = {"enterprise_size": "small", "capacity_kw": 50.0, "voltage": "low", "documents": HIGH["documents"][:2]}
    history = [
        {"command": "reach_milestone", "needed": ["materials"], "occurred_at": "2026-09-02T10:00:00"},
        {"command": "countersign", "signs": 1, "occurred_at": "2026-09-02T11:00:00", "actor": "李强"},
        {"command": "reach_milestone", "not_needed": ["materials"], "occurred_at": "2026-09-03T10:00:00"},
    ]
    assert bring({**HIGH, **low, "history": history}).rejected == []
    first = state_of(service, "OLD-1")
    (out,) = export_cases(service, ADMIN, [first.case_id])
    assert [entry["command"] for entry in out["history"]] == ["reach_milestone"]
    assert bring({**out, "external_id": "OLD-2"}, name="zwei.jsonl").rejected == []
