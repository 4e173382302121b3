"""Broken files cost what is broken and no more: every row is accounted for, and a case that lost one says so."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

import definitions
from tests.replay.intake.conftest import STEPS
from workflow.replay.columnar import judge
from workflow.replay.intake import BadHistory, Intake, load
from workflow.replay.intake.run import take_in

HEAD = "case_id,activity,lifecycle,occurred_at,source,value"
SOUND = [
    f"户{number},{activity},{life},2026-01-0{number} 10:00:00,marketing,"
    for number in range(1, 7)
    for activity, life in (("application", "submit"), ("acceptance", "complete"), ("metering", "complete"))
]
BREAKS: dict[str, Callable[[str], str]] = {
    "a column more": lambda row: row + ",x",
    "cut short": lambda row: ",".join(row.split(",")[:3]),
    "a quotation mark": lambda row: row.replace(",marketing", ',"marketing'),
    "no date": lambda row: row.replace("2026-01-", "一月"),
    "no such day": lambda row: row.replace("2026-01-", "2026-13-"),
    "no such activity": lambda row: row.replace(",a", ",xa").replace(",m", ",xm", 1),
    "a source of no list": lambda row: row.replace("marketing", "radio"),
}
LOSES_A_VALUE = {"a source of no list"}


def taken(folder: Path, content: bytes) -> Intake:
    path = folder / "events.csv"
    path.write_bytes(content)
    return take_in(cases=None, events=path, mapping=load("contract"), steps=STEPS, out=folder / "out", threads=1)


def accounted(intake: Intake) -> int:
    """How many rows were rejected; fails when a row is in no count, or the counts are not those of the files."""
    (told,) = intake.counts["inputs"]
    (part,) = intake.counts["parts"]
    states = ("accepted", "rejected", "ignored", "other", "empty", "blank")
    assert told["rows"] == told["torn"] + sum(part[state] for state in states)
    with intake.rejected.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["lost"] == "row"]
    assert len({line["row"] for line in lines}) == part["rejected"] + told["torn"] == intake.counts["rejected"]["rows"]
    assert duckdb.execute(f"SELECT count(*) FROM '{intake.events}'").fetchall() == [(part["accepted"],)]
    return part["rejected"] + int(told["torn"])


@settings(max_examples=12, deadline=None)
@given(
    breaks=st.dictionaries(st.integers(0, len(SOUND) - 1), st.sampled_from(sorted(BREAKS)), max_size=5),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_broken_row_is_told_and_its_case_says_so(breaks, encoding, end):
    rows = [BREAKS[breaks[at]](row) if at in breaks else row for at, row in enumerate(SOUND)]
    with TemporaryDirectory() as name:
        intake = taken(Path(name), end.join([HEAD, *rows, ""]).encode(encoding))
        assert accounted(intake) == sum(what not in LOSES_A_VALUE for what in breaks.values())
        torn = dict(duckdb.execute(f"SELECT case_id, rejected_rows FROM '{intake.cases}'").fetchall())
    expected: dict[str, int] = {}
    for at in breaks:
        case = SOUND[at].split(",")[0]
        expected[case] = expected.get(case, 0) + 1
    # A case none of whose rows could be used is in rejected.csv only: there is nothing to judge.
    assert {case: many for case, many in torn.items() if many} == {c: n for c, n in expected.items() if c in torn}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_becomes_of_a_file_it_is_read_to_the_last_row_or_refused(data):
    content = bytearray(
        "\n".join([HEAD, *SOUND, ""]).encode(data.draw(st.sampled_from(["utf-8", "gb18030", "utf-16"])))
    )
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[at] = byte
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    with TemporaryDirectory() as name:
        try:
            intake = taken(Path(name), bytes(content))
        except BadHistory as error:
            said = str(error)
        else:
            said = f"{accounted(intake)} / "
    assert " / " in said


def parquet(path: Path) -> bytes:
    many = 2_000
    pq.write_table(
        pa.table(
            {
                "case_id": [f"C{at}" for at in range(many)], "activity": ["metering"] * many,
                "lifecycle": ["complete"] * many, "occurred_at": [dt.datetime(2026, 1, 5)] * many,
            }
        ),
        path, compression="snappy",
    )  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize("spoilt", ["cut", "pages", "text"])
def test_a_damaged_parquet_is_refused_in_a_sentence(take, tmp_path, spoilt):
    path = tmp_path / "given.parquet"
    content = parquet(path)
    if spoilt == "text":
        name = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
        table = {"case_id": name, "activity": ["metering"], "lifecycle": ["complete"], "occurred_at": ["2026-01-05"]}
        pq.write_table(pa.table(table), path)
    else:
        path.write_bytes(
            content[: len(content) // 2] if spoilt == "cut" else content[:100] + b"\x55" * 900 + content[1000:]
        )
    with pytest.raises(BadHistory, match=r"given\.parquet.* / "):
        take(events=path)


def test_a_table_without_rows_and_a_wrong_bound_are_refused(take, tmp_path):
    with pytest.raises(BadHistory, match="没有数据行"):
        take(events=HEAD + "\n")
    with pytest.raises(BadHistory, match="8GB"):
        take_in(
            cases=None,
            events=tmp_path / "events.csv",
            mapping=load("contract"),
            steps=STEPS,
            out=tmp_path / "o",
            memory_limit="viel",
        )


def test_partition_columns_are_text(take, tmp_path):
    folder = tmp_path / "cases"
    for region in ("0101", "__HIVE_DEFAULT_PARTITION__"):
        (folder / f"region={region}").mkdir(parents=True)
        pq.write_table(pa.table({"case_id": [region[:4]]}), folder / f"region={region}" / "part.parquet")
    found = take(cases=folder, events=f"{HEAD}\n0101,metering,complete,2026-01-05,,\n")
    assert sorted(found.rows("cases", "case_id", "region"), key=str) == [("0101", "0101"), ("__HI", None)]


@pytest.mark.parametrize("mark", ["\ufeff{}", "{}\u200b", "\u3000{}", "{} "])
def test_marks_that_nobody_sees_make_no_other_case(tmp_path, mark):
    """A byte order mark where two files were joined, a zero-width blank pasted with a number."""
    lines = [HEAD, *SOUND]
    lines[5] = lines[5].replace("户2", mark.format("户2"), 1)
    intake = taken(tmp_path, "\n".join(lines).encode())
    assert accounted(intake) == 0
    assert intake.counts["cases"]["written"] == 6


def test_a_decimal_is_the_number_it_says(tmp_path):
    """The same id as DECIMAL(20,2) and as a whole number is one case."""
    rows = {"case_id": ["7", "7"], "activity": ["application", "metering"], "lifecycle": ["submit", "complete"],
            "occurred_at": ["2026-01-05 10:00:00", "2026-01-06 10:00:00"]}  # fmt: skip
    table = pa.table(rows)
    ids = {name: table["case_id"].cast(kind) for name, kind in (("c", pa.decimal128(20, 2)), ("e", pa.int32()))}
    pq.write_table(pa.table({"case_id": ids["c"][:1]}), tmp_path / "cases.parquet")
    pq.write_table(table.set_column(0, "case_id", ids["e"]), tmp_path / "events.parquet")
    intake = take_in(
        cases=tmp_path / "cases.parquet", events=tmp_path / "events.parquet", mapping=load("contract"), steps=STEPS,
        out=tmp_path / "out", threads=1,
    )  # fmt: skip
    assert pq.read_table(intake.cases)["case_id"].to_pylist() == ["7"]


DOUBLED = ["case_id", "activity", "lifecycle", "occurred_at", "note", "note"]
ONE = ["A", "application", "submit", "2026-01-05", "x", "y"]


def sheet(folder: Path, form: str, head: list[str], *rows: list[str]) -> Path:
    """The same few cells as a file of this form."""
    path = folder / f"events.{form}"
    if form == "csv":
        path.write_text("\n".join(",".join(row) for row in (head, *rows)), encoding="utf-8")
    elif form == "xlsx":
        book = Workbook()
        for row in (head, *rows):
            book.active.append(row)
        book.save(path)
    else:
        cells = [pa.array(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.Table.from_arrays(cells, names=head), path)
    return path


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize("again", ["occurred_at", "Occurred_At", "ｏccurred_at", " occurred_at　"])
def test_a_column_that_is_used_and_stands_twice_is_refused(take, tmp_path, form, again):
    file = sheet(tmp_path, form, [*DOUBLED[:4], again, "note"], [*ONE[:4], "2026-01-06", "y"])
    with pytest.raises(BadHistory, match=r"列名 occurred_at 出现不止一次.* stands there more than once"):
        take(events=file)


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
def test_columns_of_one_name_that_nobody_uses_are_harmless(take, tmp_path, form):
    found = take(events=sheet(tmp_path, form, DOUBLED, ONE))
    assert found.rows("events", "case_id", "occurred_at") == [("A", dt.datetime(2026, 1, 5))]


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize(("which", "day"), [(1, 5), (2, 6)])
@pytest.mark.parametrize("again", ["时间", "时 间"])
def test_a_mapping_says_which_of_two_columns_is_meant(take, tmp_path, *, form, which, day, again):
    head = ["编号", "时间", again]
    mapping = tmp_path / "own.yaml"
    mapping.write_text(
        f"""mapping: own
name: {{zh: 自有, en: own}}
tables:
  - name: orders
    read: any
    events: [{{case_id: 编号, event: application.submit, occurred_at: 时间 ({which})}}]
""",
        encoding="utf-8",
    )
    file = sheet(tmp_path, form, head, ["A", "2026-01-05", "2026-01-06"])
    found = take(events=file, mapping=mapping)
    assert found.rows("events", "case_id", "occurred_at") == [("A", dt.datetime(2026, 1, day))]


EVENT = {
    "case_id": "C1", "activity": "first_energy", "lifecycle": "observed", "occurred_at": "2026-01-05 10:00",
    "recorded_at": "2026-01-05 10:05", "actor": "li", "source": "metering", "value": "temporary_supply", "ref": "R-1",
    "batch": "estate:1", "amount": "5",
}  # fmt: skip


def events_with(path, column, cell):
    """A workbook of two events; in the second, `column` holds `cell`."""
    book = Workbook()
    book.active.append(list(EVENT))
    book.active.append(list(EVENT.values()))
    book.active.append(list({**EVENT, "case_id": "C2", column: cell}.values()))
    book.save(path)
    return path


@pytest.mark.parametrize("cell", ["=A1", "#N/A", 123456789012345678])
@pytest.mark.parametrize("column", ["source", "value", "ref", "batch"])
def test_an_event_is_not_taken_without_what_may_excuse_it(take, tmp_path, column, cell):
    taken = take(events_with(tmp_path / "e.xlsx", column, cell))
    assert taken.rows("events", "case_id") == [("C1",)]
    assert [(row, ours, lost) for row, ours, _, lost in taken.rejected] == [("3", column, "row")]


@pytest.mark.parametrize(("column", "cell"), [("actor", "=A1"), ("amount", "=A1"), ("source", "unknown_system")])
def test_an_event_is_taken_without_what_excuses_nothing(take, tmp_path, column, cell):
    taken = take(events_with(tmp_path / "e.xlsx", column, cell))
    assert taken.rows("events", "case_id", column)[1] == ("C2", None)
    assert [(row, ours, lost) for row, ours, _, lost in taken.rejected] == [("3", column, "value")]


def test_a_code_of_the_mapping_that_says_nothing_known_may_be_an_excuse(take, tmp_path):
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        """mapping: m
name: {zh: 表, en: t}
tables:
  - name: t
    read: events
    events:
      - case_id: id
        event: first_energy.observed
        occurred_at: at
        value: {column: use, codes: {临时: temporary_supply}}
""",
        encoding="utf-8",
    )
    taken = take("id,at,use\nC1,2026-01-05,临时\nC2,2026-01-05,临電\n", mapping=mapping)
    assert taken.rows("events", "case_id", "value") == [("C1", "temporary_supply")]
    assert taken.rejected == [("3", "value", "临電", "row")]


CASE = "case_id,customer_kind,capacity_kw,voltage,area,region,business_type\nC1,residential,8,low,urban,420100,new\n"
OWN = [
    ("application", "submit", "2025-03-03 09:00", None), ("acceptance", "complete", "2025-03-03 15:00", None),
    ("meter_installed", "observed", "2025-03-05 10:00", None), ("metering", "complete", "2025-03-05 11:00", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "rules"), [("temporary_supply", set()), ("=A1", set()), (None, {"D01"})])
def test_power_before_the_application_convicts_only_where_nothing_may_excuse_it(take, tmp_path, value, rules):
    book = Workbook()
    book.active.append(["case_id", "activity", "lifecycle", "occurred_at", "value"])
    for row in [*OWN, ("first_energy", "observed", "2025-02-20 10:00", value)]:
        book.active.append(["C1", *row])
    book.save(tmp_path / "e.xlsx")
    taken = take(tmp_path / "e.xlsx", cases=CASE)
    done = judge(
        taken.intake.cases, taken.intake.events, book=definitions.load(), calendar=definitions.shipped(),
        as_of=dt.date(2025, 5, 30), out=tmp_path / "judged", temp_dir=tmp_path / "judged" / "temp",
    )  # fmt: skip
    assert {rule for (rule,) in duckdb.execute(f"SELECT rule FROM '{done.findings}'").fetchall()} & {"D01"} == rules
    ((verdict,),) = duckdb.execute(f"SELECT verdict FROM '{done.verdicts}'").fetchall()
    assert verdict == {"temporary_supply": "clear", "=A1": "cannot_judge", None: "suspected"}[value]


CONDITIONS = """mapping: m
name: {zh: 表, en: t}
tables:
  - name: t
    read: any
    case: {case_id: 单号}
    events:
      - {case_id: 单号, event: application.submit, occurred_at: 申请}
      - {case_id: 单号, event: metering.complete, occurred_at: 送电, when: {column: 状态, values: [归档]}}
"""


@pytest.mark.parametrize("condition", ["values: [作废]", "pattern: '^(作废|.*A1)$'"])
@pytest.mark.parametrize("ignores", [False, True])
def test_a_row_whose_condition_cannot_be_read_is_rejected_with_the_cell(take, tmp_path, ignores, condition):
    """B's order may be finished, or void: nobody can say. It passed for an open one, and nothing said so."""
    mapping, path = tmp_path / "m.yaml", tmp_path / "o.xlsx"
    ignore = f"ignore: [{{column: 状态, {condition}, because: {{zh: 作废, en: void}}}}]\n    case:"
    mapping.write_text(CONDITIONS.replace("case:", ignore, 1) if ignores else CONDITIONS, encoding="utf-8")
    book = Workbook()
    book.active.append(["单号", "申请", "送电", "状态"])
    for case, state in (("A", "归档"), ("B", "=A1"), ("C", "在途")):
        book.active.append([case, "2025-03-03", "2025-03-05", state])
    book.save(path)
    taken = take(cases=path, mapping=mapping)
    lost = {(row, line["column"], line["case_id"]) for line in taken.sheet("rejected") for row in [line["row"]]}
    assert lost == {("3", "状态", "B")}
    assert {(part["rejected"], part["other"]) for part in taken.counts["parts"][2:]} == {(1, 1)}
    kept = [("A", 0), ("C", 0)] if ignores else [("A", 0), ("B", 1), ("C", 0)]
    assert taken.rows("cases", "case_id", "rejected_rows") == kept
    assert [row for row in taken.rows("events", "case_id", "activity") if row[1] == "metering"] == [("A", "metering")]


def test_nothing_is_made_of_the_text_of_a_cell_that_cannot_be_read(take, tmp_path):
    mapping, path = tmp_path / "m.yaml", tmp_path / "o.xlsx"
    mapping.write_text(
        """mapping: m
name: {zh: 表, en: t}
tables:
  - name: t
    read: any
    case:
      case_id: 单号
      capacity_kw: {column: 容量, extract: '(\\d+)'}
      org: {column: 区, prefix: X-}
      premises_id: {columns: [单号, 区]}
    events:
      - {case_id: 单号, names: {column: 活动, to: {装表: metering.complete}, otherwise: ignore}, occurred_at: 时间}
""",
        encoding="utf-8",
    )
    book = Workbook()
    for row in (["单号", "区", "活动", "时间", "容量"], ["1", "甲", "装表", "2025-03-05", "约800kW"],
                ["2", "=B2", "=C2", "2025-03-05", "=M5*2"], ["3", "甲", "别的", "2025-03-05", "8"]):  # fmt: skip
        book.active.append(row)
    book.save(path)
    taken = take(cases=path, mapping=mapping)
    assert taken.rows("cases", "case_id", "capacity_kw", "org", "premises_id") == [
        ("1", 800, "X-甲", "1+甲"), ("2", None, None, None), ("3", 8, "X-甲", "3+甲"),
    ]  # fmt: skip
    assert {line["column"] for line in taken.sheet("rejected")} >= {"容量", "区", "单号 / 区", "活动"}
    part = taken.counts["parts"][1]
    assert (part["accepted"], part["rejected"], part["ignored"]) == (1, 1, 1)
