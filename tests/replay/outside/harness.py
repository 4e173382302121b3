"""Histories told in YAML, put through the command as a stranger would: the columns of the contract, nothing else."""

from __future__ import annotations

import csv
import datetime as dt
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from definitions import shipped
from tests.from_yaml import from_yaml
from workflow.cli import app

HERE = Path(__file__).parent
MONDAY = dt.date(2024, 3, 4)
"""Day of every lawful submission, unless the case says `submitted`."""

CASE_COLUMNS = (
    "case_id", "case_no", "customer_id", "premises_id", "customer_kind", "enterprise_size", "capacity_kw", "voltage",
    "supply_count", "area", "region", "org", "manager", "contractor", "user_class", "business_type",
    "predecessor_case", "channel", "voltage_kv", "important_customer", "prior_capacity_kw", "account_opened_on",
)  # fmt: skip
EVENT_COLUMNS = (
    "case_id", "activity", "lifecycle", "occurred_at", "recorded_at", "actor", "device", "source", "value",
    "old_value", "new_value", "ref", "batch", "amount", "party",
)  # fmt: skip
_SOURCES = {
    "contract_signed": "contract", "fee_paid": "finance", "material_issued": "material", "meter_issued": "material",
    "meter_installed": "metering", "first_energy": "metering", "work_ticket": "dispatch", "outage_plan": "dispatch",
    "service_contact": "callcentre", "callback": "callcentre", "site_survey": "field_terminal",
    "works_started": "archive", "design_dated": "archive", "test_report_dated": "archive",
    "completion_report_dated": "archive", "licence_expires": "archive",
}  # fmt: skip
_LINE = re.compile(r"^(\w+\.\w+)(?: ((?:\d{4}-)?\d\d-\d\d)(?: (\d\d:\d\d\S*))?)?((?: \w+=\S+)*)$")


@dataclass(frozen=True)
class Told:
    """One case of a scenario with what must be said of it."""

    scenario: str
    name: str
    case_id: str
    expect: dict[str, Any]


@dataclass
class History:
    """Rows of both tables, in the columns of the contract, all of them text."""

    cases: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


@cache
def lawful() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = from_yaml(HERE / "lawful.yaml")
    for one in found.values():
        one["events"] = found[one["events"]]["events"] if one["events"] in found else one["events"]
    return found


def _moved(day: str, by: int) -> dt.date:
    year, rest = day.split("-", 1) if day.count("-") == 2 else ("2024", day)
    return dt.date.fromisoformat(f"{year}-{rest}") + dt.timedelta(days=by)


def event(case_id: str, line: str, by: int = 0) -> dict[str, str]:
    """`metering.complete 03-07 15:00 rec=03-08_09:00 value=x`: recorded two minutes later unless it says otherwise;
    `none`: not kept."""
    found = _LINE.match(line.strip())
    if found is None:
        raise ValueError(line)
    name, day, time, rest = found.groups()
    activity, lifecycle = name.split(".")
    more = dict(pair.split("=", 1) for pair in rest.split())
    row = {"case_id": case_id, "activity": activity, "lifecycle": lifecycle, "actor": f"{case_id}-{activity}",
           "source": _SOURCES.get(activity, "marketing")}  # fmt: skip
    if day:
        on = _moved(day, by)
        row["occurred_at"] = f"{on}" if time is None else f"{on} {time}"
        if time and re.fullmatch(r"\d\d:\d\d(:\d\d)?", time):
            row["recorded_at"] = str(dt.datetime.fromisoformat(f"{on} {time}") + dt.timedelta(minutes=2))
        else:
            row["recorded_at"] = f"{on} 17:00:00"
    said = more.pop("rec", None)
    if said is not None:
        day, _, time = said.partition("_")
        row["recorded_at"] = "" if said == "none" else f"{_moved(day, by)} {time}".strip()
    more = {key: "" if value == "none" else value for key, value in more.items()}
    row |= {key: value.replace("_", " ") if key in ("old_value", "new_value") else value for key, value in more.items()}
    row["ref"] = row.get("ref", "").replace("case", case_id) if row.get("ref") == "case" else row.get("ref", "")
    return row


def _lines(one: dict[str, Any], by: int) -> list[tuple[str, int]]:
    """The lines of a case: the lawful ones moved `by` days, and those the scenario adds, which say their own days."""
    base = [] if one.get("bare") else lawful()[one["like"]]["events"].strip().splitlines()
    for dropped in one.get("drop", ()):
        name, _, value = dropped.partition(" ")
        kept = [line for line in base if not (line.split()[0] == name and value in line)]
        assert len(kept) < len(base), f"nothing to drop: {dropped}"
        base = kept
    return [(line, by) for line in base] + [(line, 0) for line in one.get("add", ())]


def read(name: str) -> History:
    """A file of scenarios as one history: every scenario has an organisation, customers and premises of its own."""
    history = History()
    scenarios: list[dict[str, Any]] = from_yaml(HERE / f"{name}.yaml")
    for at, scenario in enumerate(scenarios):
        for one in scenario.get("cases", [scenario]):
            for copy in range(one.get("times", 1)):
                _tell(history, f"{name}{at:03}", scenario, one, copy)
    return history


def _tell(history: History, prefix: str, scenario: dict[str, Any], one: dict[str, Any], copy: int) -> None:
    """Add one case of a scenario. `rising`: each copy is submitted a working day later and numbered in order."""
    ours = f"{prefix}{one.get('id', '')}" + (f"-{copy}" if "times" in one else "")
    facts: dict[str, Any] = {
        "case_no": f"N-{ours}", "customer_id": f"U-{ours}", "premises_id": f"P-{ours}", "org": "O", "region": "420100",
        "manager": f"M-{ours}", "user_class": one["like"], "business_type": "new", "channel": "hall",
        **lawful()[one["like"]]["facts"], **scenario.get("facts", {}), **one.get("facts", {}),
    }  # fmt: skip
    submitted = one.get("submitted", MONDAY)
    if "rising" in one:
        submitted = shipped().add(one["rising"], copy) if copy else one["rising"]
        facts["case_no"] = f"S{copy + 1:04}"
    for key in ("customer_id", "premises_id", "org", "predecessor_case"):
        if facts.get(key) is not None:
            facts[key] = f"{prefix}{facts[key]}" if key == "predecessor_case" else f"{prefix}-{facts[key]}"
    history.cases.append(
        {"case_id": ours, **{key: "" if value is None else str(value) for key, value in facts.items()}}
    )
    history.events += [event(ours, line, by) for line, by in _lines(one, (submitted - MONDAY).days)]
    history.told.append(Told(scenario["name"], f"{scenario['name']} {one.get('id', '')}", ours, one))


def write(
    folder: Path, history: History, *, parquet: bool = False,
    cases: tuple[str, ...] = CASE_COLUMNS, events: tuple[str, ...] = EVENT_COLUMNS,
) -> list[Path]:  # fmt: skip
    """The two files that a stranger would hand in."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, columns, rows in (("cases", cases, history.cases), ("events", events, history.events)):
        if parquet:
            files.append(folder / f"{name}.parquet")
            table = {column: pa.array([row.get(column) or None for row in rows], pa.string()) for column in columns}
            pq.write_table(pa.table(table), files[-1])
        else:
            files.append(folder / f"{name}.csv")
            with files[-1].open("w", encoding="utf-8", newline="") as file:
                sheet = csv.writer(file)
                sheet.writerow(columns)
                sheet.writerows([row.get(column, "") for column in columns] for row in rows)
    return files


def replay(
    folder: Path, history: History, *arguments: str, as_of: str = "2024-12-31", parquet: bool = False,
    cases: tuple[str, ...] = CASE_COLUMNS, events: tuple[str, ...] = EVENT_COLUMNS,
) -> Answers:  # fmt: skip
    files = write(folder, history, parquet=parquet, cases=cases, events=events)
    out = folder / "out"
    answer = CliRunner().invoke(
        app,
        [
            "replay",
            "--cases",
            str(files[0]),
            "--events",
            str(files[1]),
            "--as-of",
            as_of,
            "--out",
            str(out),
            *arguments,
        ],
    )
    assert answer.exit_code == 0, answer.output or repr(answer.exception)
    return Answers(out)


class Answers:
    """The result files of one run."""

    def __init__(self, out: Path) -> None:
        self.findings: dict[str, dict[str, dict[str, Any]]] = {}
        self.statistics: list[dict[str, Any]] = []
        for row in pq.read_table(out / "findings.parquet").to_pylist():
            if row["rule"].startswith("S"):
                self.statistics.append(row)
            else:
                self.findings.setdefault(row["case_id"], {})[row["rule"]] = row
        self.verdicts = {row["case_id"]: row for row in pq.read_table(out / "verdicts.parquet").to_pylist()}
        with (out / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
            self.rejected = list(csv.DictReader(file))

    def said(self, case_id: str) -> dict[str, str]:
        return {rule: row["severity"] for rule, row in self.findings.get(case_id, {}).items()}

    def unjudged(self, case_id: str) -> set[str]:
        return set(filter(None, (self.verdicts[case_id]["unjudged"] or "").split(",")))


def wrong(answers: Answers, told: Told) -> list[str]:
    """What the answer says otherwise than the scenario: every finding is compared, whether its rule is meant or not."""
    expect, verdict = told.expect, answers.verdicts[told.case_id]
    faults = []
    meant, may = expect.get("say", {}), set(expect.get("may", ()))
    said = {rule: severity for rule, severity in answers.said(told.case_id).items() if rule in meant or rule not in may}
    if said != meant:
        faults.append(f"findings {said}, meant {meant}")
    unjudged = answers.unjudged(told.case_id)
    if missing := set(expect.get("unjudged", ())) - unjudged:
        faults.append(f"judged without evidence: {sorted(missing)}")
    if more := set(expect.get("judged", ())) & unjudged:
        faults.append(f"not judged: {sorted(more)}")
    names = {"used": "used_working_days_filed", "chained": "used_working_days_chained", "limit": "limit_working_days",
             "on_time": "on_time_filed", "on_time_chained": "on_time_chained", "verdict": "verdict"}  # fmt: skip
    for short, column in names.items():
        if short in expect and verdict[column] != expect[short]:
            faults.append(f"{column} {verdict[column]}, meant {expect[short]}")
    if "tags" in expect and set(filter(None, (verdict["tags"] or "").split(","))) != set(expect["tags"]):
        faults.append(f"tags {verdict['tags']}, meant {expect['tags']}")
    return faults
