"""Workbooks, logs, reports: each format as offices and systems keep it, small samples made here."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import sqlite3

import duckdb
import openpyxl
import pytest

from workflow.replay.intake import BadHistory, load, ready
from workflow.replay.mappings.__main__ import FILE, text


@pytest.mark.parametrize("name", ready())
def test_ready_mappings_are_sound(name):
    assert load(name).code == name


def test_the_schema_is_the_loaders():
    assert FILE.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    typo: 1", r"m\.yaml:\d+: .*unknown key typo"),
        (
            "    events: [{case_id: a, event: metering.dance, occurred_at: b}]\nsteps: [metering]",
            "no event metering.dance",
        ),
        ("    case: {case_id: a, voltage: {constant: medium}}", r"m\.yaml:6: .*low \| high"),
        ("    case: {org: a}", "lacks case_id"),
        ("    case: {case_id: {column: a, constant: b}}", "exactly one"),
        ("    events: [{case_id: a, event: meter.complete, occurred_at: b}]", r"m\.yaml:6: .*no event meter.complete"),
        (
            "    events: [{case_id: a, event: metering.dance=x, occurred_at: b}]",
            r"m\.yaml:6: .*no event metering.dance",
        ),
        ("    case: {case_id: a}\ntimes: ['%d/%m/%Y', '%d/%m']", r"m\.yaml:7: .*'%d/%m' .*年、月、日"),
        ("    case: {case_id: a}\ntimes: ['%Q']", r"m\.yaml:7: .*%Q"),
        ("    case: {case_id: a, capacity_kw: {column: b, scale: 0}}", r"m\.yaml:6: .*must not be 0"),
        ("    case: {case_id: {column: a, extract: '(?=A)(.+)'}}", r"m\.yaml:6: .*extract"),  # RE2 looks not ahead
        ("    ignore: [{column: a, pattern: '(?!A)', because: {zh: 一, en: b}}]", r"m\.yaml:6: .*pattern"),
    ],
)
def test_a_faulty_mapping_is_told_with_its_line(tmp_path, line, said):
    path = tmp_path / "m.yaml"
    path.write_text(
        f"mapping: m\nname: {{zh: 表, en: t}}\ntables:\n  - name: t\n    read: any\n{line}\n", encoding="utf-8"
    )
    with pytest.raises(BadHistory, match=said):
        load(path, ("metering",))


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%b %d, %Y %I:%M:%S %p", "%-d.%-m.%y", "%Y-%m-%d %H:%M:%S %Z"])
def test_a_form_of_times_that_tells_the_day_is_taken(tmp_path, form):
    path = tmp_path / "m.yaml"
    path.write_text(
        f"mapping: m\nname: {{zh: 表, en: t}}\ntimes: ['{form}']\n"
        "tables: [{name: t, read: any, case: {case_id: a}}]\n", encoding="utf-8",
    )  # fmt: skip
    assert load(path).times == (form,)


def ledger(path):
    """A workbook in the shape of a high-voltage ledger: titles, header in row 4, dates in every form, two sheets."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "在途"
    head = [
        "序号", "工单编号", "用户编号", "业务子类", "状态", "区局", "正式受理日期", "供电方案答复", "设计审查",
        "中间检查", "竣工检验", "接火送电", "增减容量(kVA)", "是否临时", "客户经理",
    ]  # fmt: skip
    for row in (["台账"], ["单位：千伏安"], [], head):
        sheet.append(row)
    sheet.merge_cells("A1:O1")
    day = dt.datetime(2025, 3, 3)
    sheet.append(
        [
            1,
            "G1",
            1001,
            "高压新装",
            "运行",
            "城区",
            day,
            "2025-03-10",
            "2025/3/20",
            "2025.04.01",
            45762,
            "",
            "630kVA",
            "否",
            "甲",
        ]
    )
    sheet.append([2, "G2", "2", "高压增容", "作废", "城区", day, None, None, None, None, None, "1,000", "否", "甲"])
    sheet.append([3, "G3", "3", "高压减容", "终止", "城区", day, None, None, None, None, None, -315, "否", "乙"])
    sheet.append(
        [4, "G4", "4", "高压新装", "运行", "城区", "下周", None, None, None, None, None, "=500+500", "是", "乙"]
    )
    done = book.create_sheet("已归档")
    for row in (["已归档"], ["工单号", "用户编号", "业务子类", "区局", "受理时间", "送电日期", "新增容量"]):
        done.append(row)
    done.append(["G1", "1001", "高压新装", "城区", dt.datetime(2025, 3, 4), "2025-05-06", 630])
    done.append(["合计", None, None, None, None, None, 630])
    book.create_sheet("口径").sheet_state = "hidden"
    book.save(path)
    return path


def test_a_ledger_is_read_to_the_last_row(take, tmp_path):
    taken = take(cases=ledger(tmp_path / "台账.xlsx"), mapping="hv_ledger")
    assert taken.rows("cases", "case_id", "customer_id", "capacity_kw", "business_type") == [
        ("G1", "1001", 630, "new"), ("G3", "3", 315, "decrease"), ("G4", "4", None, "temporary"),
    ]  # fmt: skip
    dated = taken.rows("events", "case_id", "occurred_is_date", "activity", "lifecycle", "occurred_at")
    # What lies in one cell may be written in any order.
    assert sorted((row[2:] for row in dated if row[:2] == ("G1", True)), key=lambda one: (one[2], one[0])) == [
        ("application", "submit", dt.datetime(2025, 3, 3)),
        ("application", "submit", dt.datetime(2025, 3, 4)),  # the other sheet says another day: both stay
        ("supply_plan", "complete", dt.datetime(2025, 3, 10)),
        ("design_review", "complete", dt.datetime(2025, 3, 20)),
        ("mid_inspection", "complete", dt.datetime(2025, 4, 1)),
        ("completion_inspection", "complete", dt.datetime(2025, 4, 15)),  # Excel's day number 45762
        ("first_energy", "observed", dt.datetime(2025, 5, 6)),  # 送电日期 says both
        ("metering", "complete", dt.datetime(2025, 5, 6)),
    ]
    ended = [row for row in taken.rows("events", "case_id", "lifecycle", "occurred_at") if row[1] == "terminate"]
    assert ended == [("G3", "terminate", None)]  # ended, nobody says when
    assert {(line["sheet"], line["row"], line["our_column"], line["lost"]) for line in taken.sheet("rejected")} == {
        ("在途", "8", "capacity_kw", "value"),  # a formula without its value
        ("在途", "8", "occurred_at", "row"),
    }
    part = taken.counts["parts"][0]
    assert (part["read"], part["accepted"], part["ignored"], part["ignored_because"][0]["rows"]) == (4, 3, 1, 1)
    totals = next(part for part in taken.counts["parts"] if part["part"] == "energised: case")
    because = [one for one in totals["ignored_because"] if one["rows"]]
    assert (totals["read"], totals["accepted"], because) == (
        2, 1, [{"zh": "合计行", "en": "a line of totals", "rows": 1}],
    )  # fmt: skip
    assert ("口径" in taken.counts["sheets_left"][0]["sheets"]) is True


@pytest.mark.parametrize(("without", "kept"), [("在途", ["G1"]), ("已归档", ["G1", "G3", "G4"])])
def test_a_ledger_of_one_sheet_is_read_with_what_it_has(take, tmp_path, without, kept):
    path = ledger(tmp_path / "台账.xlsx")
    book = openpyxl.load_workbook(path)
    book.remove(book[without])
    book.save(path)
    taken = take(cases=path, mapping="hv_ledger")
    assert [row[0] for row in taken.rows("cases", "case_id")] == kept


def test_a_ledger_of_no_such_sheet_or_of_one_without_its_columns_is_refused(take, tmp_path):
    path = ledger(tmp_path / "台账.xlsx")
    book = openpyxl.load_workbook(path)
    book["已归档"].delete_rows(2)
    book.save(path)
    with pytest.raises(BadHistory, match="工单号"):
        take(cases=path, mapping="hv_ledger")
    book.remove(book["已归档"])
    book["在途"].title = "其他"
    book.save(path)
    with pytest.raises(BadHistory, match="in_progress"):
        take(cases=path, mapping="hv_ledger")


def test_a_damaged_workbook_is_refused(take, tmp_path):
    path = ledger(tmp_path / "x.xlsx")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"PK\x03\x04" + b"x" * 100, b"not a workbook", b""):
        path.write_bytes(content)
        with pytest.raises(BadHistory):
            take(cases=path, mapping="hv_ledger")


XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
<global scope="event"><date key="time:timestamp" value="1970-01-01T00:00:00+00:00"/></global>
<trace><string key="concept:name" value="C1"/><string key="org" value="X"/>
<event><string key="concept:name" value="metering"/><string key="lifecycle:transition" value="complete"/>
<date key="time:timestamp" value="2026-01-05T10:00:00.000+08:00"/><string key="org:resource" value="li"/></event>
<event><string key="concept:name" value="dancing"/>
<date key="time:timestamp" value="2026-01-05T10:00:00+08:00"/></event>
</trace></log>"""


def test_a_log_is_read_plain_and_packed(take, tmp_path):
    plain, packed = tmp_path / "a.xes", tmp_path / "a.xes.gz"
    plain.write_text(XES, encoding="utf-8")
    packed.write_bytes(gzip.compress(XES.encode()))
    for path in (plain, packed):
        taken = take(path, mapping="xes")
        assert taken.rows("events", "case_id", "activity", "occurred_at", "actor") == [
            ("C1", "metering", dt.datetime(2026, 1, 5, 10), "li")
        ]
        assert taken.rows("cases", "case_id", "org", "rejected_rows") == [("C1", "X", 1)]
        assert {line["value"] for line in taken.sheet("rejected")} >= {"dancing"}


@pytest.mark.parametrize("encoding", ["gbk", "GB2312", "gb18030", "utf-16", "iso-8859-1"])
def test_a_log_is_read_in_the_encoding_it_declares(take, tmp_path, encoding):
    path = tmp_path / "a.xes"
    name = "Müller" if encoding == "iso-8859-1" else "张三"
    said = XES.replace('encoding="UTF-8"', f"encoding='{encoding}'").replace('value="li"', f'value="{name}"')
    path.write_bytes(said.encode(encoding))
    assert take(path, mapping="xes").rows("events", "case_id", "actor") == [("C1", name)]


@pytest.mark.parametrize("declared", ["gb2312", "shift_jis", "klingon"])
def test_a_log_that_is_not_in_the_encoding_it_declares_is_refused_by_name(take, tmp_path, declared):
    path = tmp_path / "a.xes"
    # A lone byte that no Chinese encoding has.
    said = XES.replace('encoding="UTF-8"', f'encoding="{declared}"').encode().replace(b'value="li"', b'value="\xff"')
    path.write_bytes(said)
    with pytest.raises(BadHistory, match=r"a\.xes: .*encoding"):
        take(path, mapping="xes")


OURS = """<log xes.version="1.0" xmlns="http://www.xes-standard.org/">{}</log>"""
TRACE = """<trace>{}<string key="business_type" value="new"/>
<event>{}<string key="activity" value="application"/><string key="lifecycle" value="submit"/>
<date key="occurred_at" value="2026-01-05T09:00:00+08:00"/></event>
<event><string key="activity" value="metering"/><string key="lifecycle" value="complete"/>
<date key="occurred_at" value="2026-01-05T10:00:00+08:00"/></event></trace>"""
CASE_ID, NAME = '<string key="case_id" value="{}"/>', '<string key="concept:name" value="{}"/>'


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("trace", "event"),
    [
        (CASE_ID.format("A1"), ""), (CASE_ID.format("A1"), CASE_ID.format("A1")), (NAME.format("A1"), ""),
        (NAME.format("A1"), CASE_ID.format("B9")), (CASE_ID.format("A1") + NAME.format("T1"), ""),
        (NAME.format("T1") + CASE_ID.format("A1"), CASE_ID.format("T1")),
    ],
)  # fmt: skip
def test_the_case_of_a_log_is_the_contracts_case_id_else_the_name_of_the_trace(take, tmp_path, trace, event, packed):
    content = OURS.format(TRACE.format(trace, event)).encode()
    path = tmp_path / ("a.xes.gz" if packed else "a.xes")
    path.write_bytes(gzip.compress(content) if packed else content)
    taken = take(path, mapping="xes")
    assert taken.rows("cases", "case_id", "business_type", "rejected_rows") == [("A1", "new", 0)]
    assert taken.rows("events", "case_id", "activity") == [("A1", "application"), ("A1", "metering")]


def test_traces_of_one_log_may_be_called_either_way(take, tmp_path):
    path = tmp_path / "a.xes"
    mixed = TRACE.format(CASE_ID.format("A1") + NAME.format("T1"), "") + TRACE.format(NAME.format("A2"), "")
    path.write_text(OURS.format(mixed), encoding="utf-8")
    taken = take(path, mapping="xes")
    assert taken.rows("cases", "case_id") == [("A1",), ("A2",)]
    assert [row[0] for row in taken.rows("events", "case_id")] == ["A1", "A1", "A2", "A2"]


def test_where_a_trace_is_called_nothing_its_events_say_the_case(take, tmp_path):
    path = tmp_path / "a.xes"
    path.write_text(OURS.format(TRACE.format("", CASE_ID.format("A1"))), encoding="utf-8")
    taken = take(path, mapping="xes")
    assert taken.rows("events", "case_id", "activity") == [("A1", "application")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (XES[:-40], "cut short"),
        (XES.replace("<log", '<!DOCTYPE l [<!ENTITY a "b">]><log'), "entity"),
        (XES.replace("<log ", "<lag ").replace("</log>", "</lag>"), "root"),
    ],
)
def test_a_dangerous_or_torn_log_is_refused(take, tmp_path, content, said):
    path = tmp_path / "a.xes"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadHistory, match=said):
        take(path, mapping="xes")


OCEL_MAPPING = """
mapping: o
name: {zh: 对象日志, en: object log}
case_object: Order
tables:
  - name: orders
    read: cases
    case: {case_id: id, org: station, capacity_kw: kw}
  - name: events
    read: events
    events:
      - {case_id: case, names: {column: type, to: {Meter: meter_installed.observed}}, occurred_at: time}
  - name: changes
    read: changes
    events:
      - case_id: case
        event: correction.changed
        occurred_at: time
        value: {column: attribute, codes: {kw: case.capacity_kw}}
        old_value: old
        new_value: new
"""
ZERO = "1970-01-01T00:00:00Z"
OCEL = {
    "objectTypes": [], "eventTypes": [],
    "objects": [
        {"id": "O1", "type": "Order", "attributes": [
            {"name": "station", "time": ZERO, "value": "S"}, {"name": "kw", "time": ZERO, "value": 100},
            {"name": "kw", "time": "2026-01-06T00:00:00Z", "value": 160}]},
        {"id": "M1", "type": "Meter"},
    ],
    "events": [
        {"id": "e1", "type": "Meter", "time": "2026-01-05T02:00:00Z", "relationships": [
            {"objectId": "O1", "qualifier": "order"}, {"objectId": "M1", "qualifier": "meter"}]},
        {"id": "e2", "type": "Meter", "time": "2026-01-05T02:00:00Z", "relationships": [
            {"objectId": "M1", "qualifier": "meter"}]},
    ],
}  # fmt: skip


def ocel_xml(path):
    path.write_text(
        f"""<log><object-types/><event-types/><objects>
<object id="O1" type="Order"><attributes><attribute name="station" time="{ZERO}">S</attribute>
<attribute name="kw" time="{ZERO}">100</attribute>
<attribute name="kw" time="2026-01-06T00:00:00Z">160</attribute></attributes></object>
<object id="M1" type="Meter"/></objects><events>
<event id="e1" type="Meter" time="2026-01-05T02:00:00Z"><objects><relationship object-id="O1" qualifier="order"/>
<relationship object-id="M1" qualifier="meter"/></objects></event>
<event id="e2" type="Meter" time="2026-01-05T02:00:00Z">
<objects><relationship object-id="M1" qualifier="meter"/></objects></event>
</events></log>""",
        encoding="utf-8",
    )


def ocel_sqlite(path):
    file = sqlite3.connect(path)
    file.executescript(f"""
CREATE TABLE object_map_type (ocel_type, ocel_type_map);
INSERT INTO object_map_type VALUES ('Order', 'Order'), ('Meter', 'Meter');
CREATE TABLE event_map_type (ocel_type, ocel_type_map); INSERT INTO event_map_type VALUES ('Meter', 'Meter');
CREATE TABLE object (ocel_id, ocel_type); INSERT INTO object VALUES ('O1', 'Order'), ('M1', 'Meter');
CREATE TABLE object_Order (ocel_id, ocel_time, station, kw, ocel_changed_field);
INSERT INTO object_Order VALUES ('O1', '{ZERO}', 'S', 100, NULL), ('O1', '2026-01-06T00:00:00Z', NULL, 160, 'kw');
CREATE TABLE object_Meter (ocel_id, ocel_time, ocel_changed_field);
CREATE TABLE event (ocel_id, ocel_type); INSERT INTO event VALUES ('e1', 'Meter'), ('e2', 'Meter');
CREATE TABLE event_Meter (ocel_id, ocel_time);
INSERT INTO event_Meter VALUES ('e1', '2026-01-05T02:00:00Z'), ('e2', '2026-01-05T02:00:00Z');
CREATE TABLE event_object (ocel_event_id, ocel_object_id, ocel_qualifier);
INSERT INTO event_object VALUES ('e1', 'O1', 'order'), ('e1', 'M1', 'meter'), ('e2', 'M1', 'meter');
""")
    file.close()


@pytest.mark.parametrize("kind", ["json", "xml", "sqlite"])
def test_an_object_log_is_the_same_in_all_three_forms(take, tmp_path, kind):
    mapping = tmp_path / "o.yaml"
    mapping.write_text(OCEL_MAPPING, encoding="utf-8")
    path = tmp_path / f"log.{kind}"
    if kind == "json":
        path.write_text(json.dumps(OCEL), encoding="utf-8")
    else:
        (ocel_xml if kind == "xml" else ocel_sqlite)(path)
    taken = take(path, mapping=mapping)
    assert taken.rows("cases", "case_id", "org", "capacity_kw") == [("O1", "S", 100)]
    assert taken.rows("events", "activity", "occurred_at", "value", "old_value", "new_value") == [
        ("meter_installed", dt.datetime(2026, 1, 5, 10), None, None, None),
        ("correction", dt.datetime(2026, 1, 6, 8), "case.capacity_kw", "100", "160"),
    ]
    assert [line["reason_en"] for line in taken.sheet("rejected")] == ["a required value is empty"]  # e2 is of no case


REPORTS = """
mapping: r
name: {zh: 月报, en: reports}
midnight_is_date: true
steps: [agreement, study]
tables:
  - name: projects
    read: any
    case: {case_id: id, capacity_kw: {column: mw, scale: 1000}}
    snapshots:
      by: report
      key: id
      source: archive
      run_within: 15
      milestones: {Signed: agreement.complete, Study: study.complete}
"""


def test_events_beside_successive_reports_are_refused_where_they_stand(tmp_path):
    """They were left out without a word."""
    path = tmp_path / "r.yaml"
    text = REPORTS.replace(
        "    snapshots:",
        "    events:\n      - {case_id: id, event: study.start, occurred_at: Announced}\n    snapshots:",
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadHistory, match=r"r\.yaml:10: .*name them milestones"):
        load(path)


def test_successive_reports_prove_when_a_date_was_entered(take, tmp_path):
    mapping = tmp_path / "r.yaml"
    mapping.write_text(REPORTS, encoding="utf-8")
    said = [
        # A: empty in January, in February a date of the year before: entered after 31 January.  B: filled when first
        # seen: nothing is known.  C: filled within the month: it may have been entered the same day.  D: rewritten in
        # March.  E: 1 June stands in the report of February: a plan, not a fact.  `Study` is not in February's report
        # at all.
        ("2025-01-31", "A", "", "2024-01-01"), ("2025-01-31", "B", "2024-06-01", ""), ("2025-01-31", "C", "", ""),
        ("2025-01-31", "D", "2024-06-01", ""), ("2025-01-31", "E", "", ""),
        ("2025-02-28", "A", "2024-03-05", ""), ("2025-02-28", "B", "2024-06-01", ""),
        ("2025-02-28", "C", "2025-02-10", ""), ("2025-02-28", "D", "2024-06-01", ""),
        ("2025-02-28", "E", "2025-06-01", ""),
        ("2025-03-31", "A", "2024-03-05", "2024-01-01"), ("2025-03-31", "D", "2024-05-01", "1900-01-01"),
    ]  # fmt: skip
    lines = "".join(f"{report},{case},{signed},{study},1\n" for report, case, signed, study in said)
    taken = take(cases="report,id,Signed,Study,mw\n" + lines, mapping=mapping)
    columns = ("case_id", "activity", "occurred_at", "recorded_at", "old_value", "new_value")
    found = taken.rows("events", *columns, order="ALL")

    def day(*parts):
        return dt.datetime(*parts)

    assert found == [
        ("A", "agreement", day(2024, 3, 5), day(2025, 1, 31), None, None),
        ("A", "study", day(2024, 1, 1), None, None, None),
        ("B", "agreement", day(2024, 6, 1), None, None, None),
        ("C", "agreement", day(2025, 2, 10), day(2025, 2, 10), None, None),
        ("D", "agreement", day(2024, 5, 1), None, None, None),
        ("D", "correction", day(2025, 3, 31), day(2025, 3, 31), "2024-06-01", "2024-05-01"),
        ("E", "agreement", day(2025, 6, 1), day(2025, 2, 28), None, None),
    ]
    assert taken.counts["reports"][0]["report_rows"] == 12
    assert taken.counts["reports"][0]["superseded_by_a_later_report"] == 7
    assert len(taken.rows("cases", "case_id")) == 5


def test_parquet_folders_are_read_in_place(take, tmp_path):
    home = tmp_path / "events"
    for year in (2025, 2026):
        (home / f"year={year}").mkdir(parents=True)
        duckdb.execute(
            f"COPY (SELECT 'C{year}' AS case_id, 'metering' AS activity, 'complete' AS lifecycle, "
            f"TIMESTAMP '{year}-01-05 10:00' AS occurred_at, TIMESTAMPTZ '{year}-01-05 03:00+00' AS recorded_at, "
            f"12.0::DOUBLE AS amount, 7 AS actor) TO '{home / f'year={year}' / 'part.parquet'}'"
        )
    taken = take(home)
    assert taken.rows("events", "case_id", "recorded_at", "amount", "actor", "row") == [
        ("C2025", dt.datetime(2025, 1, 5, 11), 12.0, "7", 1), ("C2026", dt.datetime(2026, 1, 5, 11), 12.0, "7", 2),
    ]  # fmt: skip
    part = home / "year=2026" / "part.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(BadHistory, match=r"part\.parquet"):
        take(home)


def parts_of(home, **parts):
    """A folder of Parquet, a file for each of `parts`: what it has beside the columns that an event needs."""
    for name, more in parts.items():
        path = home / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        duckdb.execute(
            f"COPY (SELECT 'C{name[-1]}' AS case_id, 'metering' AS activity, 'complete' AS lifecycle, "
            f"TIMESTAMP '2026-01-05 10:00' AS occurred_at{more}) TO '{path}.parquet'"
        )
    return home


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_part_may_lack_a_column_that_another_has(take, tmp_path, first):
    more = {"a": ", 'li' AS actor", "b": ""}
    home = parts_of(tmp_path / "events", part_1=more[first], part_2=more["ab".replace(first, "")])
    assert sorted(take(home).rows("events", "case_id", "actor")) == sorted(
        [("C1", "li" if first == "a" else None), ("C2", None if first == "a" else "li")], key=str
    )


def test_what_a_writer_of_parquet_leaves_behind_is_no_data(take, tmp_path):
    home = parts_of(tmp_path / "events", part_1="", _temporary__0__part_2="")
    for name in ("_SUCCESS", ".part_1.parquet.crc"):
        (home / name).write_bytes(b"x")
    assert take(home).rows("events", "case_id") == [("C1",)]


@pytest.mark.parametrize("kind", ["a file", "a linked folder"])
def test_a_folder_of_parquet_of_which_a_part_would_not_be_read_is_refused(take, tmp_path, kind):
    home = parts_of(tmp_path / "events", part_1="")
    if kind == "a file":
        (home / "more.csv").write_text("case_id,activity,occurred_at\nC2,metering,2026-01-05\n", encoding="utf-8")
    else:
        (home / "more").symlink_to(parts_of(tmp_path / "other", part_2=""))
    with pytest.raises(BadHistory, match=r"more.*would not be read"):
        take(home)


def test_a_folder_with_folders_is_refused_unless_it_is_parquet(take, tmp_path):
    home = tmp_path / "events"
    (home / "2025").mkdir(parents=True)
    for path in (home / "a.csv", home / "2025" / "b.csv"):
        path.write_text("case_id,activity,lifecycle,occurred_at\nC1,metering,complete,2026-01-05\n", encoding="utf-8")
    with pytest.raises(BadHistory, match=r"2025.*would not be read"):
        take(home)
