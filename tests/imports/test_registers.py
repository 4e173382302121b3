"""Org tree, staff and records of other systems: whole or not at all, every fault with its place, again to update."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import OrgRow, StaffRow
from tests.imports.conftest import ADMIN
from workflow.core.commands import Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service.imports import import_evidence, import_orgs, import_staff
from workflow.service.service import Service
from workflow.service.tables import BadFile

ORGS = [
    ["云泽省电力公司机构表"],
    ["编码", "上级", "级别", "名称", "企业", "区域"],
    ["T1", "C1", "班组", "城关供电所", "云泽电力", 960121],
    ["P", None, "省", "云泽省公司", "云泽电力", "960000"],
    ["C1", "P", "县", "东麓县公司", "云泽电力", "960121"],
]


def orgs_of(service: Service) -> dict[str, OrgRow]:
    with service.database.read() as tx:
        return {org.code: org for org in tx.orgs()}


@pytest.mark.parametrize("head", ["区域", "地区", "行政区划代码"])
def test_the_region_of_a_unit_is_read_by_each_of_its_names(service, tmp_path, head):
    path = tmp_path / "orgs.csv"
    path.write_text(f"编码,上级,级别,名称,{head}\nP,,省,云泽省公司,960000\n", encoding="utf-8")
    import_orgs(service, ADMIN, path)
    assert orgs_of(service)["P"].region == "960000"


def test_children_may_come_before_their_parents(service, workbook):
    done = import_orgs(service, ADMIN, workbook("o.xlsx", 机构=ORGS))
    assert (done.rows, done.added, done.changed, done.unchanged) == (3, 3, 0, 0)
    found = orgs_of(service)
    assert (found["T1"].level, found["T1"].path, found["T1"].region) == ("team", "P/C1/T1/", "960121")


def test_importing_again_updates(service, workbook):
    path = workbook("o.xlsx", 机构=ORGS)
    import_orgs(service, ADMIN, path)
    assert import_orgs(service, ADMIN, path).unchanged == 3
    moved = workbook("o2.xlsx", 机构=[ORGS[1], ["T1", "P", "班组", "省客户班", "云泽电力", "960000"]])
    assert (import_orgs(service, ADMIN, moved).changed, orgs_of(service)["T1"].path) == (1, "P/T1/")


def test_every_fault_is_told_with_its_place_and_nothing_is_written(service, workbook):
    rows = [
        ORGS[1],
        ["A", "nowhere", "班组", "甲", None, None],
        ["B", None, "乡", "乙", None, None],
        ["C", "C", "县", "丙", None, "9601"],
        [None, None, "县", "丁", None, None],
        ["F", None, "县", "=A1", None, None],
        ["G", None, "县", "戊", None, None],
        ["G", None, "县", "己", None, None],
    ]
    with pytest.raises(BadFile) as refused:
        import_orgs(service, ADMIN, workbook("o.xlsx", 机构=rows))
    told = str(refused.value)
    for line in (3, 4, 5, 6, 8):
        assert f"o.xlsx [机构]:{line}" in told
    assert orgs_of(service) == {}


def test_unknown_parents_and_circles(service, workbook):
    rows = [
        ORGS[1],
        ["A", "B", "县", "甲", None, None],
        ["B", "A", "县", "乙", None, None],
        ["C", "Z", "县", "丙", None, None],
    ]
    with pytest.raises(BadFile) as refused:
        import_orgs(service, ADMIN, workbook("o.xlsx", 机构=rows))
    assert ":2: " in refused.value.problems[0]
    assert "循环" in refused.value.problems[0]
    assert "Z 不存在" in refused.value.problems[-1]
    assert orgs_of(service) == {}


def test_only_who_administers_orgs_may(service, workbook):
    with pytest.raises(Refused, match="not-permitted"):
        import_orgs(service, Principal("前端", "front_line"), workbook("o.xlsx", 机构=ORGS))


def test_staff_with_chinese_roles_and_a_substitute_by_name(service, workbook, tmp_path):
    import_orgs(service, ADMIN, workbook("o.xlsx", 机构=ORGS))
    path = tmp_path / "s.csv"
    path.write_bytes(
        "姓名,单位,角色,联系方式,替班,工号\n张敏,T1,客户经理,00000000001,李强,007\n李强,T1,supervisor,,,\n".encode(
            "gb18030"
        )
    )
    assert import_staff(service, ADMIN, path).added == 2
    assert import_staff(service, ADMIN, path).unchanged == 2
    with service.database.read() as tx:
        assert {(m.id, m.name, m.role, m.substitute) for m in tx.staff()} == {
            ("007", "张敏", "manager", "李强"),
            ("李强", "李强", "supervisor", None),
        }


def test_staff_faults(service, workbook, tmp_path):
    import_orgs(service, ADMIN, workbook("o.xlsx", 机构=ORGS))
    path = tmp_path / "s.csv"
    path.write_text("name,org,role,substitute\n张敏,T1,manager,无此人\n李强,XX,manager,\n", encoding="utf-8")
    with pytest.raises(BadFile) as refused:
        import_staff(service, ADMIN, path)
    assert ["s.csv:2" in refused.value.problems[0], "s.csv:3" in refused.value.problems[1]] == [True, True]
    path.write_text("name,org,role\n张敏,T1,boss\n,T1,manager\n张敏,C1,manager\n", encoding="utf-8")
    with pytest.raises(BadFile) as refused:
        import_staff(service, ADMIN, path)
    assert len(refused.value.problems) == 3
    with service.database.read() as tx:
        assert tx.staff() == []


def test_a_bad_role_hides_no_other_fault(service, workbook, tmp_path):
    import_orgs(service, ADMIN, workbook("o.xlsx", 机构=ORGS))
    path = tmp_path / "s.csv"
    path.write_text(
        "id,name,org,role,substitute\n"
        "1,张敏,T1,boss,\n"
        "2,李强,XX,manager,无此人\n"
        "3,沈知远,T1,manager,3\n"
        "4,周宁,T1,manager,周宁\n"
        "5,吴岚,T1,manager,1,多一格\n",
        encoding="utf-8",
    )
    with pytest.raises(BadFile) as refused:
        import_staff(service, ADMIN, path)
    told = sorted(refused.value.problems)
    assert [one.split(" / ")[0] for one in told] == [
        "s.csv:2: 角色“boss”应为: " + told[0].split("应为: ")[1].split(" / ")[0],
        "s.csv:3: 没有单位 XX, 请先导入组织机构",
        "s.csv:3: 没有替班人 无此人",
        "s.csv:4: 3 不能替自己的班",
        "s.csv:5: 周宁 不能替自己的班",
        "s.csv:6: 单元格多于表头; 请检查这一行的分隔符",
    ]
    with service.database.read() as tx:
        assert tx.staff() == []


def test_a_unit_never_stands_above_the_one_it_belongs_to(service, workbook):
    rows = [ORGS[1], ["C", None, "县", "甲", None, None], ["P", "C", "省", "乙", None, None]]
    with pytest.raises(BadFile, match=r"o.xlsx \[机构\]:3: P \(省\) 不能归于 C \(县\)"):
        import_orgs(service, ADMIN, workbook("o.xlsx", 机构=rows))
    import_orgs(service, ADMIN, workbook("o.xlsx", 机构=ORGS))
    lowered = [ORGS[1], ["P", None, "班组", "云泽省公司", "云泽电力", "960000"]]  # its county stays where it is
    with pytest.raises(BadFile, match=r"o.xlsx \[机构\]:2: C1 \(县\) 不能归于 P \(班组\)"):
        import_orgs(service, ADMIN, workbook("o.xlsx", 机构=lowered))


def test_a_field_given_twice_in_json_is_no_guess(service, tmp_path):
    path = tmp_path / "o.json"
    path.write_text('[{"code": "P", "level": "province", "name": "甲", "name": "乙"}]', encoding="utf-8")
    with pytest.raises(BadFile, match="字段重复"):
        import_orgs(service, ADMIN, path)
    assert orgs_of(service) == {}


def test_a_field_of_json_holds_one_value(service, tmp_path):
    path = tmp_path / "o.json"
    path.write_text('[{"code": {"a": 1}, "level": "province", "name": ["甲"]}]', encoding="utf-8")
    with pytest.raises(BadFile) as refused:
        import_orgs(service, ADMIN, path)
    assert [line.split(":")[0] for line in refused.value.problems] == ["o.json [1] code", "o.json [1] name"]
    assert orgs_of(service) == {}


def test_columns_that_are_not_ours_are_named(service, workbook, tmp_path):
    """A misspelt head loses its column; whoever imports is told, and a remark of the office's own hinders nothing."""
    rows = [["编码", "级别", "名称", "行政区", "备注"], ["P", "省", "云泽省公司", "960000", "x"]]
    assert import_orgs(service, ADMIN, workbook("o.xlsx", 机构=rows)).ignored == ["行政区", "备注"]
    path = tmp_path / "s.json"
    path.write_text('[{"id": "1", "name": "王", "org": "P", "role": "manager", "phone": "139"}]', encoding="utf-8")
    assert import_staff(service, ADMIN, path).ignored == ["phone"]
    assert import_orgs(service, ADMIN, workbook("o2.xlsx", 机构=[row[:3] for row in rows])).ignored == []


def test_a_row_without_a_code_accuses_no_other(service, workbook):
    rows = [ORGS[1], ["P", None, "省", "云泽省公司", None, None], [None, "P", "县", "丁", None, None]]
    with pytest.raises(BadFile) as refused:
        import_orgs(service, ADMIN, workbook("o.xlsx", 机构=rows))
    assert refused.value.problems == ["o.xlsx [机构]:3: 缺少 编码 (code) / code is missing"]


@pytest.fixture
def case_id(service):
    facts = {
        "customer": {"id": "C"}, "premises": {"id": "P"}, "customer_kind": "residential", "capacity_kw": 8.0,
        "voltage": "low", "area": "urban", "region": "960102", "channel": "online",
    }  # fmt: skip
    return service.submit(ADMIN, Submission.model_validate(facts)).result().case_id


def test_records_are_accepted_one_by_one_and_the_counts_reconcile(service, case_id, workbook):
    head = ["case_id", "activity", "lifecycle", "occurred_at", "source", "amount"]
    rows = [
        [case_id, "meter_installed", "observed", "2026/11/20", "metering", None],
        [case_id, "meter_installed", "observed", "2026/11/20", "metering", None],
        ["nobody", "meter_installed", "observed", "2026/11/20", "metering", None],
        [case_id, "fee_paid", "observed", 45000, "finance", None],
        [case_id, "fee_paid", "observed", "2026/11/20", "finance", "一百"],
        [case_id, "fee_paid", "observed", "2026/11/20", "gossip", 100],
    ]
    path = workbook("e.xlsx", events=[head, *rows])
    done = import_evidence(service, ADMIN, path, lambda *_: None)
    assert (done.records, done.accepted, done.duplicates, len(done.rejected)) == (6, 1, 1, 4)
    assert sorted(one["place"] for one in done.rejected) == [f"e.xlsx [events]:{line}" for line in (4, 5, 6, 7)]
    again = import_evidence(service, ADMIN, path, lambda *_: None)
    assert (again.accepted, again.duplicates) == (0, 2)
    with service.database.read() as tx:
        assert len(tx.evidence(case_id)) == 1


def test_records_as_json_lines(service, case_id, tmp_path):
    path = tmp_path / "e.jsonl"
    good = {"case_id": case_id, "activity": "first_energy", "occurred_at": "2026-11-20T09:00:00"}
    path.write_text(json.dumps({"records": [good, {"x": 1}]}) + "\nnonsense\n", encoding="utf-8")
    done = import_evidence(service, ADMIN, path, lambda *_: None)
    assert (done.records, done.accepted) == (3, 1)
    assert sorted(one["place"] for one in done.rejected) == ["e.jsonl:1.records[2]", "e.jsonl:2"]


def test_a_record_that_goes_on_behind_its_header_is_rejected_by_itself(service, case_id, tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(
        f"case_id,activity,occurred_at\n{case_id},first_energy,2026-11-20\n{case_id},first_energy,2026-11-21,x\n",
        encoding="utf-8",
    )
    done = import_evidence(service, ADMIN, path, lambda *_: None)
    assert (done.accepted, [one["place"] for one in done.rejected]) == (1, ["e.csv:3"])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_imports_at_one_moment_follow_one_another(database_url: str, tmp_path):
    """Each decides by what the one before has written, in whatever order their files have the rows."""
    path = tmp_path / "staff.csv"
    path.write_text("工号,姓名,单位,角色\nA,甲,P,manager\nB,乙,P,manager\n", encoding="utf-8")
    with Service.open(database_url) as service, ThreadPoolExecutor(1) as other:
        with service.database.write() as tx:
            tx.put_orgs([OrgRow("P", None, "province", "云泽省公司", None, None)])
        with service.database.write() as tx:
            tx.hold_registers()
            done = other.submit(import_staff, service, ADMIN, path)
            while not _waits_for_a_table(service):
                assert not done.done(), done.result()
            tx.put_staff(
                [StaffRow("B", "乙", "P", "manager", None, None), StaffRow("A", "甲", "P", "manager", None, None)]
            )
        brought = done.result(30)
    assert (brought.added, brought.changed, brought.unchanged) == (0, 0, 2)


def _waits_for_a_table(service: Service) -> bool:
    with service.database.read() as tx:
        return bool(tx._execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'", ()).fetchone())
