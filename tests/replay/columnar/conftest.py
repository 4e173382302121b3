"""Small histories in words: a lawful case of each class, and the changes that make it guilty or excused."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import definitions
from workflow.replay.columnar import judge
from workflow.replay.tables import CASES, EVENTS, PRESENT_COLUMNS

AS_OF = dt.date(2024, 12, 31)
_TYPES = {
    "text": pa.string(), "number": pa.float64(), "count": pa.int64(), "flag": pa.bool_(), "date": pa.date32(),
    "moment": pa.timestamp("us"),
}  # fmt: skip
_SOURCES = {
    "contract_signed": "contract", "fee_paid": "finance", "material_issued": "material", "meter_issued": "material",
    "meter_installed": "metering", "first_energy": "metering", "work_ticket": "dispatch", "outage_plan": "dispatch",
    "service_contact": "callcentre", "callback": "callcentre", "site_survey": "field_terminal",
    "works_started": "archive",
    "design_dated": "archive", "test_report_dated": "archive", "completion_report_dated": "archive",
    "licence_expires": "archive",
}  # fmt: skip

_FACTS: dict[str, dict[str, Any]] = {
    "residential": {"customer_kind": "residential", "capacity_kw": 8.0, "voltage": "low", "area": "urban"},
    "lv_zero": {
        "customer_kind": "non_residential", "enterprise_size": "micro", "capacity_kw": 50.0, "voltage": "low",
        "area": "urban",
    },
    "lv_other": {
        "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 100.0, "voltage": "low",
        "area": "urban",
    },
    "hv_single": {
        "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 800.0, "voltage": "high",
        "area": "urban",
    },
}  # fmt: skip
# Monday 2024-03-04 is the day of every submission; no festival lies in March 2024.
_TWO_STEPS = """
application.submit 03-04 09:00
acceptance.start 03-04 09:05
acceptance.complete 03-04 10:00
metering.complete 03-07 15:00
meter_installed.observed 03-07 14:00
first_energy.observed 03-07 14:30
"""
_LV_OTHER = """
application.submit 03-04 09:00
acceptance.start 03-04 09:05
acceptance.complete 03-04 10:00
supply_plan.complete 03-06 10:00
metering.start 03-11 09:00
metering.complete 03-12 15:00
meter_installed.observed 03-12 14:00
first_energy.observed 03-12 14:30
"""
_HV = """
application.submit 03-04 09:00
acceptance.start 03-04 09:05
acceptance.complete 03-04 10:00
supply_plan.complete 03-14 10:00
design_review.start 03-20 09:00
design_review.complete 03-21 10:00
mid_inspection.start 04-08 09:00
mid_inspection.complete 04-09 10:00
completion_inspection.start 04-17 09:00
completion_inspection.complete 04-18 10:00
metering.start 04-22 09:00
metering.complete 04-23 15:00
meter_installed.observed 04-23 14:00
first_energy.observed 04-23 16:00
"""
LAWFUL = {"residential": _TWO_STEPS, "lv_zero": _TWO_STEPS, "lv_other": _LV_OTHER, "hv_single": _HV}
_LINE = re.compile(r"^(-?)(\w+\.\w+)(?: (?:(\d{4})-)?(\d\d-\d\d)(?: (\d\d:\d\d(?::\d\d)?))?)?((?: \w+=\S+)*)$")


def event(case_id: str, line: str) -> dict[str, Any]:
    """`metering.complete 03-07 15:00 rec=03-08_09:00 value=x`: without a time of day only the date is known."""
    found = _LINE.match(line.strip())
    assert found, line
    _, name, year, day, time, rest = found.groups()
    activity, lifecycle = name.split(".")
    more = dict(pair.split("=", 1) for pair in rest.split())
    at = dt.datetime.fromisoformat(f"{year or 2024}-{day}T{time or '00:00'}") if day else None
    recorded: dt.datetime | None = at + dt.timedelta(minutes=2) if at and time else None
    if "rec" in more:
        said = more.pop("rec")
        if said == "none":
            recorded = None
        else:
            said = said if re.match(r"\d{4}-", said) else f"2024-{said}"
            recorded = dt.datetime.fromisoformat(said.replace("_", "T"))
    elif at and not time:
        recorded = at + dt.timedelta(hours=10)
    row: dict[str, Any] = {
        "case_id": case_id, "activity": activity, "lifecycle": lifecycle, "occurred_at": at, "recorded_at": recorded,
        "source": _SOURCES.get(activity, "marketing"), "actor": f"{case_id}-{activity}",
        "occurred_is_date": bool(at) and not time,
        "recorded_is_date": False, **more,
    }  # fmt: skip
    if row.get("ref") == "case":
        row["ref"] = case_id
    if "amount" in row:
        row["amount"] = float(row["amount"])
    return row


def case(case_id: str, like: str, **facts: Any) -> dict[str, Any]:
    return {
        "case_id": case_id, "case_no": f"{case_id}-X", "customer_id": f"U-{case_id}", "premises_id": f"P-{case_id}",
        "org": f"O-{case_id}", "region": "420100", "user_class": like, "business_type": "new", "supply_count": 1,
        **_FACTS[like], **facts,
    }  # fmt: skip


def events(case_id: str, like: str, *changes: str) -> list[dict[str, Any]]:
    """The lawful course of `like` with changes: a line adds an event, `-name` drops every event of that name."""
    lines = [line for line in LAWFUL[like].strip().splitlines() if like in LAWFUL]
    for change in changes:
        if change.startswith("-"):
            lines = [line for line in lines if line.split()[0] != change[1:]]
    lines += [change for change in changes if not change.startswith("-")]
    return [event(case_id, line) for line in lines]


def write(folder: Path, cases: list[dict[str, Any]], rows: list[dict[str, Any]], absent: Iterable[str] = ()) -> None:
    for name, columns, given in (("cases", CASES, cases), ("events", EVENTS, rows)):
        arrays = {}
        for column in columns:
            values = [row.get(column.name) for row in given]
            if column.name == "row":
                values = list(range(1, len(given) + 1))
            if column.name == "rejected_rows":
                values = [value or 0 for value in values]
            if column.name == "account_opened_on":
                values = [dt.date.fromisoformat(v) if isinstance(v, str) else v for v in values]
            arrays[column.name] = pa.array(values, _TYPES[column.kind])
        present = [column.name for column in columns if not column.derived and column.name not in set(absent)]
        table = pa.table(arrays).replace_schema_metadata({PRESENT_COLUMNS: json.dumps(present)})
        pq.write_table(table, folder / f"{name}.parquet")


@dataclass
class Result:
    """What the rules said: findings by case, verdicts by case."""

    findings: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    statistics: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    paths: Any = None

    def said(self, case_id: str, rule: str) -> str:
        """The severity found, `unjudged`, or `none`."""
        if found := self.findings.get(case_id, {}).get(rule):
            return str(found["severity"])
        return "unjudged" if rule in self.verdicts[case_id]["unjudged"].split(",") else "none"


def run(
    folder: Path, cases: list[dict[str, Any]], rows: list[dict[str, Any]], absent: Iterable[str] = (), **more: Any
) -> Result:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, cases, rows, absent)
    judged = judge(
        folder / "cases.parquet", folder / "events.parquet", book=definitions.load(), calendar=definitions.shipped(),
        as_of=more.pop("as_of", AS_OF), out=folder / more.pop("into", "out"), temp_dir=folder / "temp", **more,
    )  # fmt: skip
    result = Result(paths=judged)
    for row in pq.read_table(judged.findings).to_pylist():
        if row["case_id"] is None:
            result.statistics.append(row)
        else:
            result.findings.setdefault(row["case_id"], {})[row["rule"]] = row
    result.verdicts = {row["case_id"]: row for row in pq.read_table(judged.verdicts).to_pylist()}
    return result


@pytest.fixture
def history(tmp_path: Path):
    """Judge a history of given cases and events."""
    return lambda cases, rows, **more: run(tmp_path / "history", cases, rows, **more)
