"""The results of a whole run from the command line: complete, the same bytes each time, harmless, and stoppable."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook, load_workbook
from typer.testing import CliRunner

import definitions
from tests.replay.columnar import conftest as columnar
from tests.replay.histories import COLUMNS, FACTS, small_history
from workflow.cli import app
from workflow.replay.columnar import engines
from workflow.replay.output.report import LARGEST

RESULTS = {
    "findings.parquet", "findings.csv", "verdicts.parquet", "rejected.csv", "report.html", "desk.xlsx", "summary.json",
}  # fmt: skip
IN_PROGRESS = """
工单编号,用户编号,业务子类,状态,正式受理日期,供电方案答复,设计审查,中间检查,竣工检验,接火送电,合同容量
G1,1,高压新装,运行,2025-03-03,2025-03-10,,,,,630
"""
DONE = """
工单号,用户编号,业务子类,受理时间,送电日期,新增容量
G3,3,高压新装,2025-03-03,2025-04-18,630
"""
EVIL = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://x.example","y")'


def write(folder, history):
    columns = ["case_id", *(name for name in COLUMNS if not name.endswith("_is_date"))]
    folder.mkdir(parents=True, exist_ok=True)
    for name, heads, rows in (("cases", FACTS, history.cases), ("events", columns, history.events)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(heads)
            for row in rows:
                cells = {key: "" if row.get(key) is None else str(row[key]) for key in heads}
                if row.get("occurred_is_date"):
                    cells["occurred_at"] = cells["occurred_at"][:10]
                sheet.writerow([cells[key] for key in heads])
    return folder


def arguments(given, out):
    return ["replay", "--cases", str(given / "cases.csv"), "--events", str(given / "events.csv"),
            "--as-of", "2026-11-20", "--out", str(out)]  # fmt: skip


def replay(given, out):
    answer = CliRunner().invoke(app, arguments(given, out))
    assert answer.exit_code == 0, answer.output
    return out


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    history = small_history(7, 60, share=0.9)
    for case in history.cases:
        case["org"] = EVIL if case["org"] == history.cases[0]["org"] else case["org"]
    history.cases[1]["manager"] = FORMULA
    for event in history.events:
        if event["activity"] == "first_energy" and event["value"] is None:
            event["value"] = FORMULA
    return write(tmp_path_factory.mktemp("given"), history)


@pytest.fixture(scope="module")
def out(given, tmp_path_factory):
    return replay(given, tmp_path_factory.mktemp("results"))


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.asked = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.asked += [value for name, value in attrs if name in ("src", "href", "action") or name.startswith("on")]


def test_everything_that_was_promised_is_there(out):
    assert {path.name for path in out.iterdir()} >= RESULTS
    summary = json.loads((out / "summary.json").read_text())
    assert sum(summary["verdicts"].values()) == summary["counts"]["cases"]
    assert sum(one["cases"] for one in summary["organisations"]) == summary["counts"]["cases"]
    with (out / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(one["findings"] for one in summary["rules"]) > 0


def test_the_page_needs_nothing_and_lets_no_markup_through(out):
    text = (out / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert all(asked.startswith("#") for asked in page.asked)  # its own parts
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)" in text
    assert len(text.encode()) < LARGEST


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_telephone_and_a_desk(out, browser, width):
    with browser.new_page(viewport={"width": width, "height": 900}) as window:
        window.goto((out / "report.html").as_uri())
        assert window.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_approves_nothing_and_names_nobody_guilty(out):
    text = (out / "report.html").read_text()
    assert "合规" not in text
    assert "待说明" in text
    assert "“未见异常”是什么意思" in text
    assert len(re.findall(r"SHA-256 [0-9a-f]{64}", text)) == 3  # two inputs and the mapping


def test_the_manifest_names_the_law_of_the_nation_and_the_page_shows_it(out):
    law = definitions.load()
    hashes = sorted({one.hash for code in law.classes for *_, one in law.timeline(code)})
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert json.loads((out / "manifest.json").read_text())["key"]["definitions"] == digest
    assert digest in (out / "report.html").read_text()


def test_no_cell_is_a_formula(out):
    book = load_workbook(out / "desk.xlsx")
    assert len(book.sheetnames) == 5
    for sheet in book:
        assert sheet.freeze_panes
        assert (sheet.page_setup.orientation, sheet.print_title_rows) == ("landscape", "$1:$1")
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_the_desk_reads_the_evidence_in_words(out):
    """The history's meter of D02, say, and the application it came before, each with its system."""
    sheet = load_workbook(out / "desk.xlsx")["发现 findings"]
    head, *rows = sheet.iter_rows(values_only=True)
    place = head.index("证据 evidence")
    told = [row[place] for row in rows if row[0]]
    assert told
    assert not any("{" in one or "records" in one or ".observed" in one for one in told)
    lines = [line for one in told for line in one.splitlines()]
    assert all(re.fullmatch(r"\S.* \S+（\S+）", line) for line in lines), lines


def test_the_same_input_gives_the_same_bytes(given, out, tmp_path):
    again = replay(given, tmp_path / "again")
    for name in sorted(path.name for path in out.iterdir() if path.is_file()):
        assert (again / name).read_bytes() == (out / name).read_bytes(), name


def told(folder):
    """Findings and verdicts in a fixed order, without the evidence: it names rows by their position in the file, and of
    two records of one moment the one that stands first."""
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        findings = sorted([*row[:4], *row[5:]] for row in csv.reader(file))
    return findings, sorted(pq.read_table(folder / "verdicts.parquet").to_pylist(), key=lambda row: row["case_id"])


def test_the_order_of_the_rows_changes_no_finding_and_no_verdict(given, out, tmp_path):
    turned = tmp_path / "turned"
    turned.mkdir()
    for name in ("cases.csv", "events.csv"):
        head, *rows = (given / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (turned / name).write_text(head + "".join(reversed(rows)), encoding="utf-8")
    assert told(replay(turned, tmp_path / "other")) == told(out)


def test_a_folder_that_holds_the_input_is_not_written_into(given):
    before = (given / "events.csv").read_bytes()
    answer = CliRunner().invoke(app, arguments(given, given))
    assert answer.exit_code == 2
    assert (given / "events.csv").read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing_half_written_and_is_taken_up(given, out, tmp_path, number):
    target = tmp_path / "stopped"
    run = subprocess.Popen(
        [sys.executable, "-m", "workflow.cli", *arguments(given, target)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    manifest = target / "manifest.json"
    while run.poll() is None and time.monotonic() < deadline:
        if manifest.exists() and "intake" in json.loads(manifest.read_text(encoding="utf-8"))["stages"]:
            break
        time.sleep(0.005)
    run.send_signal(number)
    run.communicate()
    assert run.returncode == (-number if number == signal.SIGKILL else 130)
    assert not (target / "report.html").exists()
    for path in target.iterdir():
        if path.suffix in (".parquet", ".csv"):
            assert path.read_bytes() == (out / path.name).read_bytes()
    kept = (target / "events.parquet").stat().st_mtime_ns
    replay(given, target)
    assert (target / "events.parquet").stat().st_mtime_ns == kept
    assert (target / "report.html").read_bytes() == (out / "report.html").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_of_a_statement_is_a_stop(given, tmp_path, monkeypatch, number):
    """DuckDB swallows the interrupt and tells an error of its own."""

    def told_otherwise(*_, **__):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("workflow.service.replay.judge", told_otherwise)
    answer = CliRunner().invoke(app, arguments(given, tmp_path / "stopped"))
    assert (answer.exit_code, "stopped; the same command" in answer.output) == (130, True), answer.output


def test_a_history_too_large_for_memory_is_judged_in_a_file_with_the_same_results(given, out, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "BYTES_A_ROW", 10**9)
    there = []
    close = engines.DuckDB.close

    def look_and_close(run):
        there.append(run.file.exists())
        close(run)

    monkeypatch.setattr(engines.DuckDB, "close", look_and_close)
    again = replay(given, tmp_path / "again")
    assert there == [True]
    for name in RESULTS:
        assert (again / name).read_bytes() == (out / name).read_bytes(), name
    assert not list(again.rglob("*.duckdb"))


@pytest.mark.parametrize("stage", ["judge", "hand_over"])
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT list(range) FROM range(9000000)", "--memory"),
        ("COPY (SELECT range FROM range(9000000)) TO '{}'", "disk"),
    ],
)
def test_want_of_memory_or_room_is_told_and_the_run_is_taken_up(given, out, tmp_path, monkeypatch, *, stage, sql, said):
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("no /dev/full here to stand for a full disk")

    def fails(*_, **__):
        connection = duckdb.connect()
        connection.execute("SET memory_limit = '20MB'; SET temp_directory = ''")
        connection.execute(sql.format(full))

    where = "workflow.service.replay.judge" if stage == "judge" else "workflow.service.replay_stages.hand_over"
    target = tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr(where, fails)
        answer = CliRunner().invoke(app, arguments(given, target))
    assert (answer.exit_code, said in answer.output) == (2, True), answer.output
    assert not (target / "report.html").exists()
    replay(given, target)
    assert (target / "report.html").read_bytes() == (out / "report.html").read_bytes()


def test_a_ledger_of_completions_alone_says_why_no_days_are_drawn(tmp_path):
    """The class of a case that no facts tell is not known; its end and the first power of one moment are both drawn."""
    rows = [("application", "submit", "2024-03-04 09:00"), ("metering", "complete", "2024-03-06 10:00"),
            ("first_energy", "observed", "2024-03-06 10:00")]  # fmt: skip
    text = "case_id,activity,lifecycle,occurred_at\n" + "".join(f"A,{','.join(row)}\n" for row in rows)
    (tmp_path / "e.csv").write_text(text, encoding="utf-8")
    given = ["replay", "--events", str(tmp_path / "e.csv"), "--as-of", "2024-12-31", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, given).exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "没有一件能算出已用工作日和时限" in page
    drawn = re.findall(r'<path class="dot (\w+)"', page)
    assert sorted(drawn) == ["end", "seen", "submit"]
    assert drawn[0] == "seen"


def test_what_cannot_be_judged_of_a_whole_unit_is_said_once(tmp_path):
    """Of twenty cases seven are more than 30 %, six are not; 丙局 has its seven among design reviews."""
    cases, rows = [], []
    for org, step, lacking in (
        ("甲局", "mid_inspection", 7),
        ("乙局", "mid_inspection", 6),
        ("丙局", "design_review", 7),
    ):
        for n in range(20):
            cases.append(columnar.case(f"{org}{n:02}", "hv_single", org=org))
            without = (f"-{step}.start", f"-{step}.complete") if n < lacking else ()
            rows += columnar.events(f"{org}{n:02}", "hv_single", *without)
    given = tmp_path / "given"
    given.mkdir()
    columnar.write(given, cases, rows)
    out = tmp_path / "out"
    tables = ["--cases", str(given / "cases.parquet"), "--events", str(given / "events.parquet")]
    answer = CliRunner().invoke(app, ["replay", *tables, "--as-of", "2024-12-31", "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    said = {
        "甲局": ("mid_inspection", "该单位 7/20 件已送电的高压申请无中间检查, D24 对此无法判定",
                 "7 of the unit's 20 energised high-voltage cases have no mid inspection; D24 cannot judge it"),
        "丙局": ("design_review", "该单位 7/20 件已送电的高压申请无设计审查, D24 对此无法判定",
                 "7 of the unit's 20 energised high-voltage cases have no design review; D24 cannot judge it"),
    }  # fmt: skip
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert {one["org"]: one["cannot_judge_rules"] for one in summary["organisations"]} == {
        "乙局": [],
        **{
            org: [{"rule": "D24", "step": step, "lacking": 7, "of": 20, "zh": zh, "en": en}]
            for org, (step, zh, en) in said.items()
        },
    }
    sheet = load_workbook(out / "desk.xlsx")["单位 organisations"]
    told = {row[0]: row[-1] or "" for row in sheet.iter_rows(min_row=2, values_only=True)}
    page = unescape((out / "report.html").read_text(encoding="utf-8"))
    assert told.pop("乙局") == ""
    for org, (_, zh, en) in said.items():
        assert told[org] == f"{zh} / {en}"
        assert page.count(zh) == page.count(en) == 1


def test_sheets_that_no_table_means_are_named(tmp_path):
    """在途(乡镇) has another head, and would have been left out in silence; 已归档 is read by the other table."""
    book = Workbook()
    other = IN_PROGRESS.replace("工单编号", "工单编码")
    for name, lines in (("在途(城区)", IN_PROGRESS), ("在途(乡镇)", other), ("已归档", DONE)):
        sheet = book.create_sheet(name)
        for line in lines.strip().splitlines():
            sheet.append(line.split(","))
    del book["Sheet"]
    book.save(tmp_path / "台账.xlsx")
    answer = CliRunner().invoke(
        app, ["replay", "--cases", str(tmp_path / "台账.xlsx"), "--mapping", "hv_ledger", "--as-of", "2025-06-01",
              "--out", str(tmp_path / "out")],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "台账.xlsx: 没有读取的工作表 / sheets that were not read: 在途(乡镇)\n" in answer.stderr


def test_a_day_that_a_paper_or_a_customer_names_is_no_lag(tmp_path):
    """A licence that expires in years to come was not recorded before it happened."""
    rows = [("application,submit", "2024-03-04 09:00", "2024-03-04 09:30"),
            ("licence_expires,observed", "2027-05-01", "2024-03-20 10:00"),
            ("outage_plan,observed", "2024-04-10 08:00", "2024-03-20 10:00"),
            ("callback,observed", "2024-03-04", "2024-05-06 10:00"),
            ("design_dated,observed", "2024-03-08", "2024-03-28 10:00"),
            ("meter_installed,observed", "2024-03-27 10:00", "2024-03-29 10:00")]  # fmt: skip
    text = "case_id,activity,lifecycle,occurred_at,recorded_at\n" + "".join(f"A,{','.join(row)}\n" for row in rows)
    (tmp_path / "e.csv").write_text(text, encoding="utf-8")
    given = ["replay", "--events", str(tmp_path / "e.csv"), "--as-of", "2024-12-31", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, given).exit_code == 0
    lags = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["lags"][""]
    assert {name: many for name, many in lags.items() if many} == {"hour": 1, "day3": 1}
