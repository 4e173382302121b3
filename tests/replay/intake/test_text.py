"""CSV as it comes: encodings, delimiters, torn rows; nothing is lost without a word."""

from __future__ import annotations

import datetime as dt
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.replay.intake import BadHistory
from workflow.replay.intake.delimited import _records

HEAD = "case_id,activity,lifecycle,occurred_at,actor\n"
GOOD = HEAD + "C1,application,submit,2026-01-05 09:00:00,张三\nC1,metering,complete,2026/1/8 16:30,李四\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_encoding_changes_nothing(take, encoding, end):
    taken = take(GOOD.replace("\n", end).encode(encoding))
    assert taken.rows("events", "case_id", "activity", "occurred_at", "actor") == [
        ("C1", "application", dt.datetime(2026, 1, 5, 9), "张三"),
        ("C1", "metering", dt.datetime(2026, 1, 8, 16, 30), "李四"),
    ]
    assert taken.rejected == []


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_read_off_the_header(take, delimiter):
    assert len(take(GOOD.replace(",", delimiter)).rows("events", "case_id")) == 2


def test_a_torn_row_is_given_back_and_its_neighbours_stay(take):
    lines = [
        "C1,application,submit,2026-01-05 09:00,a",
        "C2,application,submit,2026-01-05 09:00",  # 3: too short
        "C3,application,submit,2026-01-05 09:00,a,b",  # 4: too long
        'C4,application,submit,2026-01-05 09:00,"never closed',  # 5
        "C5,application,submit,2026-01-05 09:00,a",
        'C6,application,submit,2026-01-05 09:00,"two\nlines"',
    ]
    taken = take(HEAD + "\n".join(lines) + "\n")
    assert [row[0] for row in taken.rows("events", "case_id")] == ["C1", "C5", "C6"]
    assert [(line["row"], line["reason_en"]) for line in taken.sheet("rejected")] == [
        ("3", "this row has fewer columns than the header"),
        ("4", "this row has more columns than the header"),
        ("5", "a quotation mark is not closed; only this line is given back"),
    ]
    assert taken.counts["inputs"][0]["rows"] == 6
    assert taken.counts["inputs"][0]["columns_left"] == []
    assert taken.counts["rejected"] == {"rows": 3, "values": 0}


def test_a_line_of_broken_bytes_costs_that_line(take):
    text = (
        GOOD.encode() + b"C2,metering,complete,2026-01-09 10:00,\xff\xfe\xfd\n" + b"C3,metering,complete,2026-01-09,x\n"
    )
    taken = take(text)
    assert [row[0] for row in taken.rows("events", "case_id")] == ["C1", "C1", "C3"]
    assert [line["row"] for line in taken.sheet("rejected")] == ["4"]


def test_a_nul_and_a_huge_cell_are_told(take):
    text = (
        GOOD + "C2,metering,complete,2026-01-09 10:00,a\0b\nC3,metering,complete,2026-01-09 10:00," + "x" * 10_000_000
    )
    taken = take(text)
    assert [row[0] for row in taken.rows("events", "case_id")] == ["C1", "C1"]
    assert [line["reason_en"] for line in taken.sheet("rejected")] == [
        "contains a NUL character", "a cell of more than 100,000 characters",
    ]  # fmt: skip


def test_a_packed_file_is_unpacked_and_a_cut_one_refused(take, tmp_path):
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    assert len(take(path).rows("events", "case_id")) == 2
    path.write_bytes(gzip.compress(GOOD.encode() * 50)[:-12])
    with pytest.raises(BadHistory, match="cut short"):
        take(path)


def test_a_bomb_is_refused(take, tmp_path):
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(HEAD.encode() + b"C1,metering,complete,2026-01-09 10:00,x\n" * 4_000_000))
    with pytest.raises(BadHistory, match="200"):
        take(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b,c\n1,2,3\n", b"\0" * 100])
def test_a_file_that_is_no_history_is_refused(take, content):
    with pytest.raises(BadHistory):
        take(content)


def test_a_missing_column_is_named(take):
    with pytest.raises(BadHistory, match="occurred_at"):
        take("case_id,activity,lifecycle\nC1,metering,complete\n")


def test_a_folder_and_no_file_are_refused(take, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadHistory, match="empty"):
        take(tmp_path / "empty")
    with pytest.raises(BadHistory, match="no such file"):
        take(tmp_path / "none.csv")


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8), min_size=2, max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_csv_writes_is_read_as_written(tmp_path_factory, cells):
    """The reader of torn files is held to the standard library's own writer."""
    import csv

    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(cells)
    assert [(row, fault) for _, row, _, fault in _records(path, "utf-8", ",")] == [(row, "") for row in cells]


def test_a_row_of_other_delimiters_is_a_row_and_one_without_content_is_counted_as_blank(take):
    torn = "C8,metering\n"  # sends the file to the reader of torn files
    taken = take(GOOD + torn + ";,|,;,|,;\n,,,,\n,,\n\n")
    assert {line["row"] for line in taken.sheet("rejected")} == {"4", "5"}
    part = taken.counts["parts"][0]
    assert (part["read"], part["accepted"], part["rejected"], part["blank"]) == (5, 2, 1, 2)


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_names_in_quotation_marks_do_not_hide_the_header(take, delimiter):
    text = GOOD.replace(",", f'"{delimiter}"').replace("\n", '"\n"').removesuffix('"')
    assert len(take('"' + text).rows("events", "case_id")) == 2


def test_a_name_that_runs_over_two_lines_is_one_column(take):
    taken = take(GOOD.replace("actor", '"actor\n"'))
    assert [row[0] for row in taken.rows("events", "actor")] == ["张三", "李四"]
