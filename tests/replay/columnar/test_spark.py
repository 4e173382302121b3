"""The same rules on Spark as on DuckDB, ours and those of a process that is not ours: every finding and every verdict,
word for word.

The history of ours is one in which every rule finds something: cases in which anything may be wrong, the labelled
scenarios, and units of which one is odd.

One session serves the whole module, on local processes.  Without Java or pyspark the module is skipped and says so;
under CI (`CI=true`) that is a failure.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import shutil
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from definitions.detectors import load_detectors
from definitions.model import STEPS
from definitions.processes import SHIPPED, load_process
from tests.replay.columnar.conftest import event as event_row
from tests.replay.columnar.conftest import write
from tests.replay.histories import calendar, disturbed
from tests.replay.outside.harness import HERE, History, read
from tests.replay.outside.harness import write as write_texts
from tests.replay.outside.test_statistics import odd_among_plain, write_reported
from tests.replay.real.test_interconnection import EXTRACT
from tests.replay.test_three_ways import AS_OF, BOOK
from workflow.replay.columnar.judge import judge
from workflow.replay.columnar.process import judge_process
from workflow.replay.intake import load
from workflow.replay.intake.run import take_in
from workflow.replay.reported import read as read_reported

Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _spark():
    missing = [
        name
        for name, there in (("Java", shutil.which("java")), ("pyspark", importlib.util.find_spec("pyspark")))
        if not there
    ]
    if missing:
        say = f"Spark is not tried: no {' and no '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(say)
        pytest.skip(say)
    # A short run on few rows: the JVM need not compile twice, nor keep a thread for its garbage, nor Spark make classes
    # of expressions; in a small heap, or a small cache of compiled code, half of the time goes into clearing it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m")
        patch.setenv("PYSPARK_SUBMIT_ARGS", "--conf spark.sql.codegen.factoryMode=NO_CODEGEN pyspark-shell")
        yield


def _history(folder: Path) -> tuple[list[Row], list[Row]]:
    """Cases and events: of files as strangers hand them in, taken in, and of a file in which anything may be wrong."""
    told = [read(path.stem) for path in sorted(HERE.glob("*.yaml")) if path.stem != "lawful"]
    told.append(odd_among_plain())
    whole = History([row for one in told for row in one.cases], [row for one in told for row in one.events])
    cases, events = write_texts(folder, whole)
    taken = folder / "taken"
    taken.mkdir()
    take_in(
        cases=cases, events=events, mapping=load("contract"), steps=STEPS, out=taken, memory_limit="1GB",
        progress=lambda *_: None,
    )  # fmt: skip
    wrong = disturbed(3, size=60)
    return (
        wrong.cases + pq.read_table(taken / "cases.parquet").to_pylist(),
        wrong.events + pq.read_table(taken / "events.parquet").to_pylist(),
    )


def test_spark_finds_what_duckdb_finds(tmp_path: Path):
    write(tmp_path, *_history(tmp_path / "texts"))
    reported = read_reported(write_reported(tmp_path / "reported.csv"))
    found, verdicts = {}, {}
    for engine in ("duckdb", "spark"):
        judged = judge(
            tmp_path / "cases.parquet", tmp_path / "events.parquet", book=BOOK, calendar=calendar(), as_of=AS_OF,
            out=tmp_path / engine, temp_dir=tmp_path / "temp", memory_limit="4GB", engine=engine, reported=reported,
        )  # fmt: skip
        found[engine] = pq.read_table(judged.findings).to_pylist()
        verdicts[engine] = pq.read_table(judged.verdicts).to_pylist()
    every = {one.rule for one in load_detectors().rules if one.enabled}
    assert {row["rule"] for row in found["duckdb"]} == every
    assert _apart(found["duckdb"], found["spark"]) == []
    assert _apart(verdicts["duckdb"], verdicts["spark"]) == []


def _receipts(folder: Path) -> None:
    """One application confirmed too early and ended too late, others in order, open, without a deadline, and torn."""
    told = {
        "A": ("application.submit 03-04 09:00", "confirmation.complete 03-03", "closing.complete 03-12 15:00"),
        "B": ("application.submit 03-04 09:00", "confirmation.complete 03-05", "closing.complete 03-11 23:59"),
        "C": ("application.submit 03-04", "confirmation.complete 03-04 08:00 source=archive"),
        "D": ("confirmation.complete 03-05 10:00", "closing.complete 03-06"),
        "E": ("application.submit 03-04 09:00", "confirmation.complete 03-05", 'closing.complete 03-11 value="\\'),
    }
    rows = [event_row(case, line) for case, lines in told.items() for line in lines]
    rows += [event_row(case, "deadline.complete 03-11 source=archive") for case in "ABCE"]
    cases = [{"case_id": case, "row": at, "rejected_rows": int(case == "E")} for at, case in enumerate(told, start=1)]
    write(folder, cases, rows)


def _reports(folder: Path) -> None:
    """The extract of public reports, taken in."""
    take_in(
        cases=None, events=EXTRACT, mapping=load("ercot_snapshots"), out=folder, memory_limit="1GB",
        steps=load_process(SHIPPED / "ercot.yaml").steps, progress=lambda *_: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made", "rules"),
    [("receipt", _receipts, {"P01", "P02"}), ("ercot", _reports, {"P01", "P02", "P03", "P04"})],
)
def test_spark_judges_a_process_that_is_not_ours_as_duckdb_does(tmp_path, name, made, rules):
    made(tmp_path)
    files = {}
    for engine in ("duckdb", "spark"):
        judged = judge_process(
            tmp_path / "cases.parquet", tmp_path / "events.parquet", process=load_process(SHIPPED / f"{name}.yaml"),
            as_of=dt.date(2026, 1, 31), out=tmp_path / engine, temp_dir=tmp_path / "temp", memory_limit="1GB",
            engine=engine,
        )  # fmt: skip
        files[engine] = [pq.read_table(path).to_pylist() for path in (judged.findings, judged.verdicts)]
    assert {row["rule"] for row in files["duckdb"][0]} == rules
    for one, other in zip(files["duckdb"], files["spark"], strict=True):
        assert _apart(one, other) == []


def _apart(one: list[Row], other: list[Row]) -> list[tuple[Row | None, Row | None]]:
    return [pair for pair in zip_longest(one, other) if pair[0] != pair[1]]
