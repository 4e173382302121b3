"""Tables as they really come: titles above headers, encodings, merged cells, formulas, files that are none."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import pytest
from openpyxl import Workbook

from workflow.service.tables import (
    BadFile,
    BadValue,
    Table,
    Uncomputed,
    as_flag,
    as_moment,
    as_number,
    as_text,
    read_json,
    read_tables,
)

COLUMNS = {"code": ("编码",), "name": ("名称", "单位名称"), "region": ("区域",)}


def read(path: Path) -> list[Table]:
    return read_tables(path, COLUMNS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_in_any_encoding_that_offices_use(tmp_path, encoding):
    path = tmp_path / "o.csv"
    path.write_bytes("编码,名称\nA,望岚供电所\n".encode(encoding))
    (table,) = read(path)
    assert [(row.place, row.values) for row in table.rows] == [("o.csv:2", {"code": "A", "name": "望岚供电所"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path, delimiter):
    path = tmp_path / "o.csv"
    path.write_text(delimiter.join(["编码", "名称"]) + "\n" + delimiter.join(["A", "甲"]) + "\n", encoding="utf-8")
    assert read(path)[0].rows[0].values == {"code": "A", "name": "甲"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("title", ["组织机构表", "组织机构表(2026年,全省)"])
def test_a_title_above_the_header_does_not_say_what_parts_the_cells(tmp_path, title, delimiter):
    path = tmp_path / "o.csv"
    lines = [[title], [], ["编码", "名称", "区域"], ["A", "甲", "420100"]]
    path.write_text("".join(delimiter.join(line) + "\n" for line in lines), encoding="utf-8")
    assert read(path)[0].rows[0].values == {"code": "A", "name": "甲", "region": "420100"}


def test_where_there_is_no_header_the_columns_are_told_in_both_languages(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("甲,乙\n1,2\n", encoding="utf-8")
    with pytest.raises(BadFile, match="code 编码, name 名称, region 区域"):
        read(path)


def test_titles_above_the_header_and_rows_after_it_keep_their_line(workbook):
    path = workbook(
        "o.xlsx",
        表=[["组织机构"], ["单位:个"], [], ["序号", "编码*", " 单位\n名称 "], [1, "A", "甲"], [], [2, "B", "乙"]],
    )
    (table,) = read(path)
    assert table.unknown == ("序号",)
    assert [(row.place, row.values["code"]) for row in table.rows] == [("o.xlsx [表]:5", "A"), ("o.xlsx [表]:7", "B")]


def test_a_merged_header_of_two_rows(tmp_path):
    """编码 stands merged over both rows; 单位 is a group title over 名称 and 区域."""
    book = Workbook()
    sheet = book.active
    for cell, value in {
        "A1": "机构台账",
        "A2": "编码",
        "B2": "单位",
        "B3": "名称",
        "C3": "区域",
        "A4": "A",
        "B4": "甲",
        "C4": "960100",
    }.items():
        sheet[cell] = value
    sheet.merge_cells("A1:C1")
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:C2")
    book.save(tmp_path / "m.xlsx")
    (table,) = read(tmp_path / "m.xlsx")
    assert [row.values for row in table.rows] == [{"code": "A", "name": "甲", "region": "960100"}]


def test_every_sheet_with_a_header_is_read_and_others_are_passed_over(workbook):
    path = workbook(
        "o.xlsx", 甲=[["编码", "名称"], ["A", "a"]], 口径=[["说明"], ["本表"]], 乙=[["名称", "编码"], ["b", "B"]]
    )
    assert [(table.name, table.rows[0].values["code"]) for table in read(path)] == [
        ("o.xlsx [甲]", "A"),
        ("o.xlsx [乙]", "B"),
    ]


def test_a_hidden_sheet_is_not_read_and_is_named_where_nothing_else_is(tmp_path):
    book = Workbook()
    book.active.append(["编码", "名称"])
    book.active.append(["A", "望岚供电所"])
    draft = book.create_sheet("草稿")
    draft.append(["编码", "名称"])
    draft.append(["B", "旧名"])
    draft.sheet_state = "hidden"
    book.save(tmp_path / "o.xlsx")
    assert [row.values["code"] for table in read(tmp_path / "o.xlsx") for row in table.rows] == ["A"]
    book.active.delete_rows(1, 2)
    book.save(tmp_path / "o.xlsx")
    with pytest.raises(BadFile) as refused:
        read(tmp_path / "o.xlsx")
    assert "hidden sheets were not read: 草稿" in refused.value.problems[1]


def test_a_formula_without_its_value_is_told_apart_from_an_empty_cell(workbook):
    path = workbook("o.xlsx", 表=[["编码", "名称"], ["A", "=CONCAT(A2,1)"], ["B", None]])
    first, second = read(path)[0].rows
    assert first.values["name"] == Uncomputed("=CONCAT(A2,1)")
    assert "name" not in second.values
    with pytest.raises(BadValue, match="公式"):
        as_text(first.values["name"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("blank.csv", b"\n\n,,\n"),
        ("no_header.csv", "甲,乙\n1,2\n".encode()),
        ("binary.csv", bytes(range(256))),
        ("nul.csv", b"a\x00b,c\n"),
        ("quote.csv", '编码,名称\n"A,甲\n'.encode()),
        ("empty.xlsx", b""),
        ("not.xlsx", b"PK\x03\x04 but no archive"),
        ("text.xlsx", "编码,名称\nA,甲\n".encode()),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("password.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadFile, match=name) as refused:
        read(path)
    assert " / " in str(refused.value)


def test_a_zip_that_is_no_workbook(tmp_path):
    import zipfile

    path = tmp_path / "z.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(BadFile):
        read(path)


def test_a_column_given_twice_is_refused(workbook):
    with pytest.raises(BadFile, match="name"):
        read(workbook("o.xlsx", 表=[["编码", "名称", "单位名称"], ["A", "甲", "乙"]]))


def test_json_lines_keep_their_places_and_a_bad_line_does_not_spoil_the_others(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1}\n\n{"a": NaN}\n' + "[" * 100_000 + '\n{"a": 2}\n', encoding="utf-8")
    found = read_json(path)
    assert [place for place, _ in found] == ["r.jsonl:1", "r.jsonl:3", "r.jsonl:4", "r.jsonl:5"]
    assert [isinstance(one, BadValue) for _, one in found] == [False, True, True, False]


def test_a_json_file_is_one_object_or_a_list(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('[{"a": 1}, {"a": 2}]', encoding="utf-8")
    assert [one for _, one in read_json(path)] == [{"a": 1}, {"a": 2}]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BadFile):
        read_json(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  望岚 ", "望岚"), (1001.0, "1001"), (1001, "1001"), (8.5, "8.5"), ("　", None), (None, None), (True, "true"),
        (dt.date(2026, 1, 2), "2026-01-02"),
    ],
)  # fmt: skip
def test_text(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    "value",
    [4201020000000000001, 4.201020000000001e17, "2.40301E+13", "2e+11", math.inf, math.nan, "#REF!", Uncomputed("=A1")],
)
def test_text_that_lost_what_it_said(value):
    """Sixteen digits are more than a spreadsheet number holds."""
    with pytest.raises(BadValue):
        as_text(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("1,000", 1000), ("630kVA", 630), ("630 千伏安", 630), (" 8.5 ", 8.5), (-315, -315), ("1e3", 1000), ("", None)],
)
def test_numbers(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize("value", ["630以上", "1,00", "一百", "1e999", 10**400, math.nan, True, "0x10", "١٢", "--1"])
def test_what_is_no_number(value):
    with pytest.raises(BadValue):
        as_number(value)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026/1/2", "2026-01-02T00:00:00"),
        ("2026-01-02", "2026-01-02T00:00:00"),
        ("2026.01.02", "2026-01-02T00:00:00"),
        ("2026年1月2日", "2026-01-02T00:00:00"),
        ("2026/1/2 9:05", "2026-01-02T09:05:00"),
        ("2026-01-02T09:05:07+08:00", "2026-01-02T09:05:07+08:00"),
        (dt.datetime.fromisoformat("2026-01-02T09:00"), "2026-01-02T09:00:00"),
        (dt.date(2026, 1, 2), "2026-01-02T00:00:00"),
        (None, None),
    ],
)
def test_moments(value, moment):
    assert as_moment(value) == moment


@pytest.mark.parametrize(
    "value", [45000, 45000.5, "45000", "2026-02-30", "2026/1", "1月2日", "2026-01-02 25:00", "2026-01-02 上午"]
)
def test_what_is_no_moment(value):
    with pytest.raises(BadValue):
        as_moment(value)


def test_flags():
    assert [as_flag(value) for value in ("是", "否", 1, 0, True, "", "Y")] == [
        True,
        False,
        True,
        False,
        True,
        None,
        True,
    ]
    with pytest.raises(BadValue):
        as_flag("也许")
