"""What is taken over as it lies is what the long way would make of it: the same rows, values, faults and counts."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.replay.intake.conftest import STEPS
from workflow.replay.intake import compile as compiling
from workflow.replay.intake import load, writing
from workflow.replay.intake.run import take_in

TIMES = [
    dt.datetime(2026, 1, 5, 10, 0, 0, 5), dt.datetime(2026, 1, 5), dt.datetime(1900, 1, 1), dt.datetime(1948, 12, 31),
    dt.datetime(1949, 1, 1), dt.datetime(2099, 12, 31, 9), dt.datetime(2099, 12, 30, 23), dt.datetime(2100, 1, 1), None,
]  # fmt: skip
DATES = [one and one.date() for one in TIMES]
WRITTEN = [
    "2026-01-05 10:00:00", "2026-01-05T10:00:00.25", "2026-01-05", "2026/1/5", "2026-02-30", "20260105", "", " ",
    "2000-01-01", "1890-05-05", "NULL", "gestern", "2026-01-05 00:00:00", None,
]  # fmt: skip
TEXTS = [
    "A",
    "",
    " A",
    "A ",
    "A\t",
    "\x1a",
    "　A",
    "NULL",
    "None",
    "null ",
    "户号一",
    "é" * 9,
    "A" * 100_001,
    "2.40301E+13",
    "2.40301E+1",
    "4e+019",
    None,
]
NUMBERS = ["5", "-5", "1.25", "1,000", "630kVA", "１", "1e3", "nan", "0x1", "", None]
KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "timestamp": (pa.timestamp("us"), TIMES),
    "nanoseconds": (pa.timestamp("ns"), TIMES),
    "zone": (pa.timestamp("us", "UTC"), TIMES),
    "date": (pa.date32(), DATES),
    "text": (pa.string(), WRITTEN),
}
PAIRS = [
    ("metering", "complete", None), ("callback", "observed", "submitted"), ("suspension", "start", "force_majeure"),
    ("correction", "changed", "metering.complete.occurred_at"), ("correction", "changed", "case.org"),
    ("first_energy", "observed", None),
]  # fmt: skip
EVENTS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "case_id": (pa.string(), ["C1", *TEXTS]),
    "activity": (pa.string(), ["x", "", " metering", "supply_plan", None]),
    "lifecycle": (pa.string(), ["complete", "start", "observed", "changed", "nonsense", "", None]),
    "source": (pa.string(), ["marketing", "archive", "contract", "radio", "", None]),
    "value": (pa.string(), ["energised", "customer", *TEXTS]),
    "old_value": (pa.string(), ["2026-01-05", "2026/1/5 8:00", *TEXTS]),
    "ref": (pa.string(), TEXTS),
    "party": (pa.string(), ["A", "A\x00B", None]),
    "actor": (pa.int64(), [1, -7, None]),
    "amount": (pa.float64(), [1.5, -0.0, float("nan"), float("inf"), None]),
}
CASES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "case_id": (pa.string(), ["C1", "C2", *TEXTS]),
    "customer_kind": (pa.string(), ["residential", "non_residential", "Residential", "", None]),
    "user_class": (pa.string(), ["hv_dual", "居民", None]),
    "capacity_kw": (pa.string(), NUMBERS),
    "supply_count": (pa.float64(), [1.0, 2.5, 1e16, float("nan"), None]),
    "important_customer": (pa.string(), ["true", "否", "Y", "maybe", "", None]),
    "account_opened_on": (pa.date32(), DATES),
    "org": (pa.string(), TEXTS),
}


def table(columns: dict[str, tuple[pa.DataType, list[Any]]], sound: list[dict[str, Any]]) -> pa.Table:
    """Each sound row, then each odd value alone in a sound row, then two at a time."""
    chosen = random.Random(7)
    rows = list(sound)
    odd = [(name, value) for name, (_, pool) in columns.items() for value in pool]
    rows += [chosen.choice(sound) | {name: value} for name, value in odd for _ in range(2)]
    rows += [chosen.choice(sound) | dict(chosen.sample(odd, 2)) for _ in range(200)]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kind) for name, (kind, _) in columns.items()]))


def taken(folder: Path, name: str) -> tuple[Any, ...]:
    """Everything an intake leaves."""
    intake = take_in(
        cases=folder / "cases.parquet", events=folder / "events.parquet", mapping=load("contract"), steps=STEPS,
        out=folder / name, threads=1,
    )  # fmt: skip
    rows = [
        duckdb.execute(f"SELECT * FROM '{path}' ORDER BY \"row\" NULLS LAST, case_id").fetchall()
        for path in (intake.events, intake.cases)
    ]
    return *rows, intake.rejected.read_bytes(), intake.conflicts.read_bytes(), intake.counts


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_way_gives_what_the_long_way_gives(kind, tmp_path, monkeypatch):
    columns = EVENTS | dict.fromkeys(("occurred_at", "recorded_at"), KINDS[kind])
    first = KINDS[kind][1][0]
    sound = [
        {"case_id": "C1", "activity": activity, "lifecycle": life, "value": value, "occurred_at": first}
        for activity, life, value in PAIRS
    ]
    for role, made in (("events", table(columns, sound)), ("cases", table(CASES, [{"case_id": "C1"}]))):
        pq.write_table(
            made,
            tmp_path / f"{role}.parquet",
            row_group_size=50,
            use_dictionary=["activity", "lifecycle", "ref", "org"],
        )
    short = taken(tmp_path, "short")
    monkeypatch.setattr(compiling, "plain_table", lambda *_, **__: None)
    for one, other in zip(short, taken(tmp_path, "long"), strict=True):
        assert one == other


def test_files_of_a_folder_may_keep_a_column_in_a_dictionary_or_not(tmp_path, monkeypatch):
    columns = EVENTS | dict.fromkeys(("occurred_at", "recorded_at"), KINDS["timestamp"])
    sound = [{"case_id": "C1", "activity": "metering", "lifecycle": "complete", "occurred_at": TIMES[0]}]
    whole = table(columns, sound)
    for year, kept in ((2025, ["case_id", "ref"]), (2026, ["activity", "value"]), (2027, False)):
        part = tmp_path / "events.parquet" / f"year={year}"
        part.mkdir(parents=True)
        pq.write_table(whole, part / "part.parquet", use_dictionary=kept)
    pq.write_table(table(CASES, [{"case_id": "C1"}]), tmp_path / "cases.parquet")
    short = taken(tmp_path, "short")
    monkeypatch.setattr(compiling, "plain_table", lambda *_, **__: None)
    for one, other in zip(short, taken(tmp_path, "long"), strict=True):
        assert one == other


def test_a_sound_table_never_goes_the_long_way(take, tmp_path, monkeypatch):
    events = pa.table(
        {
            "case_id": ["C1", "C1"], "activity": ["metering", "first_energy"], "lifecycle": ["complete", "observed"],
            "occurred_at": [dt.datetime(2026, 1, 5, 10), None], "source": ["marketing", "metering"],
            "value": ["", "NULL"],
        }
    )  # fmt: skip
    path = tmp_path / "given.parquet"
    looked: list[int] = []
    count = writing._count

    def counted(connection: Any, part: Any) -> Any:
        looked.append(part.raw.rows if part else 0)
        return count(connection, part)

    monkeypatch.setattr(writing, "_count", counted)
    pq.write_table(events.slice(0, 1), path)
    assert take(events=path).counts["events"]["written"] == 1
    assert looked == [0]
    pq.write_table(events, path)
    assert take(events=path).rejected == [("2", "occurred_at", "", "row")]
