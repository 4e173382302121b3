"""The ready mappings of office workbooks: which column says what, and what the rules make of it."""

from __future__ import annotations

import datetime as dt

import duckdb
from openpyxl import Workbook

import definitions
from workflow.replay.columnar import judge

ORDERS = """低压业扩明细（导出所有）,,,,,,,,,,,
申请编号,用户编号,供电电压,供电单位,业务类型,报装容量,申请时间,联合勘查时间,物资到货时间,停电计划确认时间,工程开工时间,装表送电时间
A,1,交流220V,甲所,101,10,2025-03-24 09:00,2025-03-24,2025-03-25 09:00,2025-03-25 10:00,2025-03-25 11:00,2025-03-26 15:00
B,2,交流220V,甲所,101,10,2025-03-24 09:00,2025-03-24,2025-03-25 09:00,,2025-03-25 11:00,2025-03-21 09:00
C,3,交流220V,甲所,101,10,2025-03-24 09:00,2025-03-24,2025-03-21 09:00,2025-03-25 10:00,2025-03-25 11:00,2025-03-26 15:00
D,4,交流220V,甲所,101,10,2025-03-24 09:00,2025-03-24,2025-03-25 09:00,2025-03-20 10:00,2025-03-25 11:00,2025-03-26 15:00
E,5,交流220V,甲所,101,10,2025-03-24 09:00,2025-03-24,,,,
"""
IN_PROGRESS = """
工单编号,用户编号,业务子类,状态,区局,正式受理日期,供电方案答复,设计审查,中间检查,竣工检验,接火送电,合同容量
G1,1,高压新装,归档,城区,2025-03-03,2025-03-10,2025-03-20,2025-04-01,2025-04-15,2025-02-28,630
G2,2,高压新装,运行,城区,2025-03-03,2025-03-10,2025-03-20,2025-04-01,2025-04-15,2025-04-18,630
"""
DONE = """
工单号,用户编号,业务子类,区局,受理时间,送电日期,新增容量
G3,3,高压新装,城区,2025-03-03,2025-02-27,630
G4,4,高压新装,城区,2025-03-03,2025-04-18,630
"""


def found(taken, out):
    """The rules that fired, by case."""
    done = judge(
        taken.intake.cases, taken.intake.events, book=definitions.load(), calendar=definitions.shipped(),
        as_of=dt.date(2025, 5, 30), out=out, temp_dir=out / "temp",
    )  # fmt: skip
    rules: dict[str, set[str]] = {}
    for case, rule in duckdb.execute(f"SELECT case_id, rule FROM '{done.findings}'").fetchall():
        rules.setdefault(case, set()).add(rule)
    return rules


def test_fitting_the_meter_and_the_first_current_are_one_cell_of_the_list(take):
    taken = take(cases=ORDERS, mapping="lv_milestones")
    told = taken.rows("events", "case_id", "activity", "lifecycle", "occurred_at", "source", order="ALL")
    moment = dt.datetime(2025, 3, 26, 15)
    assert [row[1:] for row in told if row[0] == "A" and row[3] == moment] == [
        ("first_energy", "observed", moment, "marketing"),
        ("meter_installed", "observed", moment, "marketing"),
        ("metering", "complete", moment, "marketing"),
    ]
    plans = taken.rows("events", "case_id", "activity", "occurred_at", "ref", "source", order="ALL")
    assert [(case, at, ref, who) for case, what, at, ref, who in plans if what == "outage_plan"] == [
        ("A", dt.datetime(2025, 3, 25, 10), "A", "dispatch"), ("C", dt.datetime(2025, 3, 25, 10), "C", "dispatch"),
        ("D", dt.datetime(2025, 3, 20, 10), "D", "dispatch"),
    ]  # fmt: skip


def test_what_a_milestone_list_shows_is_found_and_no_more(take, tmp_path):
    """B: fitted and supplied before applying; C: material drawn; D: an outage planned for it; E is open and late."""
    assert found(take(cases=ORDERS, mapping="lv_milestones"), tmp_path / "judged") == {
        "B": {"D01", "D02"}, "C": {"D05"}, "D": {"D19"}, "E": {"L02"},
    }  # fmt: skip


def test_a_list_without_outage_plans_is_read(take):
    rows = [line.split(",") for line in ORDERS.splitlines()]
    taken = take(cases="\n".join(",".join(row[:9] + row[10:]) for row in rows) + "\n", mapping="lv_milestones")
    assert len(taken.rows("events", "case_id")) == 4 * 7 + 2


def test_what_stands_below_the_orders_is_no_order(take):
    """Totals, notes, signatures and the header once more passed for orders in progress. What else has no number of an
    order in its place is rejected, and told: nobody knows which order is meant."""
    below = {
        "小计": "合计行", "合计：": "合计行", "总　计": "合计行", "本页小计": "合计行", "共计 5 户": "合计行",
        "注：数据截至2025年3月31日": "表尾的说明或签名", "制表人：张三": "表尾的说明或签名", "申请编号": "重复的表头",
    }  # fmt: skip
    rows = "".join(f"{text},,,,,50,,,,,,\n" for text in (*below, "同上"))
    taken = take(cases=ORDERS + rows, mapping="lv_milestones")
    assert [case for (case,) in taken.rows("cases", "case_id")] == ["A", "B", "C", "D", "E"]
    because = {one["zh"]: one["rows"] for one in taken.counts["parts"][0]["ignored_because"]}
    assert because == {"合计行": 5, "表尾的说明或签名": 2, "重复的表头": 1}
    assert taken.rejected == [("16", "case_id", "同上", "row")]


def test_an_order_that_two_rows_date_differently_is_told(take):
    """Which of the two dates is right nobody can say; a clerk has to look, and learns where. A date and a time on it
    are no contradiction."""
    again = "B,2,交流220V,甲所,101,10,2025-03-24,2025-03-24,2025-03-25 09:00,,2025-03-25 11:00,2025-04-30 09:00\n"
    taken = take(cases=ORDERS + again, mapping="lv_milestones")
    told = ("2025-03-21 09:00:00", "2", "2025-04-30 09:00:00", "6")
    assert [tuple(line.values()) for line in taken.sheet("conflicts")] == [
        ("B", f"{what}.occurred_at", *told)
        for what in ("first_energy.observed", "meter_installed.observed", "metering.complete")
    ]
    assert taken.counts["cases"]["conflicting_values"] == 3


def test_a_void_or_ended_order_is_known_however_it_is_said(take, tmp_path):
    book = Workbook()
    book.active.title = "在途"
    head, order, _ = IN_PROGRESS.strip().splitlines()
    book.active.append(head.split(","))
    for at, state in enumerate(("作废（重复）", "已作废", "已终止", "取消", "中止", "运行")):
        book.active.append([f"G{at}" if one == "G1" else state if one == "归档" else one for one in order.split(",")])
    book.create_sheet("已归档").append(DONE.split(maxsplit=1)[0].split(","))
    book.save(tmp_path / "台账.xlsx")
    taken = take(cases=tmp_path / "台账.xlsx", mapping="hv_ledger")
    assert [case for (case,) in taken.rows("cases", "case_id")] == ["G2", "G3", "G4", "G5"]
    ended = taken.rows("events", "case_id", "lifecycle", order="ALL")
    assert [case for case, lifecycle in ended if lifecycle == "terminate"] == ["G2", "G3"]


def test_supply_before_acceptance_is_found_in_a_ledger(take, tmp_path):
    """G1 and G3 were connected and supplied days before they were accepted, G1 also before it was inspected."""
    book = Workbook()
    for sheet, text in ((book.active, IN_PROGRESS), (book.create_sheet("已归档"), DONE)):
        for line in text.strip().splitlines():
            sheet.append(line.split(","))
    book.active.title = "在途"
    book.save(tmp_path / "台账.xlsx")
    taken = take(cases=tmp_path / "台账.xlsx", mapping="hv_ledger")
    told = taken.rows("events", "case_id", "activity", "occurred_at", "occurred_is_date", order="ALL")
    assert [row for row in told if row[1] == "first_energy"] == [
        (case, "first_energy", day, True)
        for case, day in (
            ("G1", dt.datetime(2025, 2, 28)), ("G2", dt.datetime(2025, 4, 18)), ("G3", dt.datetime(2025, 2, 27)),
            ("G4", dt.datetime(2025, 4, 18)),
        )
    ]  # fmt: skip
    assert "meter_installed" not in {activity for _, activity, _, _ in told}
    assert {case: rules & {"D01", "D02", "D03"} for case, rules in found(taken, tmp_path / "judged").items()} == {
        "G1": {"D01", "D03"}, "G3": {"D01"},
    }  # fmt: skip
