"""Hand over what a replay found: every file of the results that the judging itself does not write."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from definitions.model import Clause
from workflow.replay.output import facts, sheets
from workflow.replay.output.facts import Tables
from workflow.replay.output.report import page
from workflow.replay.output.rulebook import Rules

FINDINGS_CSV: Final = "findings.csv"
REPORT: Final = "report.html"
WORKBOOK: Final = "desk.xlsx"
SUMMARY: Final = "summary.json"
FINDINGS_PARTED: Final = "findings"
VERDICTS_PARTED: Final = "verdicts"
BY: Final[Mapping[str, str]] = {"org": "{}org", "region": "{}region", "province": "{}region[1:2] || '0000'"}
"""What the results can be parted by, as SQL over a case."""
RESULTS: Final = (
    "cases.parquet", "events.parquet", "rejected.csv", "conflicts.csv", "reconciliation.json", "findings.parquet",
    "verdicts.parquet", FINDINGS_CSV, SUMMARY, WORKBOOK, REPORT, FINDINGS_PARTED, VERDICTS_PARTED,
)  # fmt: skip
"""Every file of the results, in the order in which the stages leave them."""


class Files(NamedTuple):
    """The tables that the results are made of: canonical ones, the judging's, and what was refused."""

    cases: Path
    events: Path
    findings: Path
    verdicts: Path
    rejected: Path


def hand_over(
    files: Files,
    out: Path,
    *,
    counts: Mapping[str, Any],
    later: int,
    lacked: Sequence[Mapping[str, Any]] = (),
    run: Mapping[str, Any],
    rules: Rules,
    clauses: Mapping[str, Clause],
    as_of: dt.date,
    memory_limit: str = "8GB",
    by: str | None = None,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> None:
    """Write findings.csv, summary.json, desk.xlsx and report.html into `out`. `counts`: those of the intake. `later`:
    records after the day of judgement, which it left out. `lacked`: what the judging says of whole organisations.
    `run`: what the results depend on, as the page shows it.  `by`: one of `BY`, to write findings and verdicts also as
    folders with a part for each of its values.  The same arguments give the same bytes."""
    tables = Tables(
        files.cases, files.events, files.findings, files.verdicts, memory_limit=memory_limit, spill=out / ".spill"
    )
    try:
        progress("汇总 / summary", 0.0)
        gathered = facts.gather(tables, rules, lacked)
        summary = {"run": dict(run), "counts": {**_counts(counts), "after_as_of": later}, **gathered}
        (out / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        progress("发现 / findings", 0.4)
        sheets.findings_csv(tables, out / FINDINGS_CSV)
        if by is not None:
            _part(tables, by, out)
        progress("工作簿 / workbook", 0.5)
        sheets.workbook(tables, summary, files.rejected, out / WORKBOOK, as_of=as_of)
        progress("报告 / report", 0.8)
        (out / REPORT).write_text(page(tables, summary, rules, clauses), encoding="utf-8")
        progress("完成 / done", 1.0)
    finally:
        tables.close()


def _part(tables: Tables, by: str, out: Path) -> None:
    """Findings and verdicts as folders of Parquet, `org=…/part-0.parquet`. A finding of an organisation that has no
    case of its own here goes by the organisation."""
    of_case = BY[by].format("c.")
    of_finding = f"COALESCE({of_case}, f.org)" if by == "org" else of_case
    tables.con.execute("SET threads = 1")  # one file for each part, with the same rows each time
    for name, sql in (
        (
            FINDINGS_PARTED,
            f"SELECT f.*{' EXCLUDE (org)' if by == 'org' else ''}, {of_finding} AS {by} FROM f LEFT JOIN c USING (case_id)",
        ),
        (VERDICTS_PARTED, f"SELECT v.*, {of_case} AS {by} FROM v JOIN c USING (case_id)"),
    ):
        where = str(out / name).replace("'", "''")
        tables.con.execute(
            f"COPY ({sql} ORDER BY {by}, case_id) TO '{where}' "
            f"(FORMAT parquet, PARTITION_BY ({by}), FILENAME_PATTERN 'part-{{i}}')"
        )
    tables.con.execute("RESET threads")


def _counts(counts: Mapping[str, Any]) -> dict[str, int]:
    """The account of the intake in a few numbers. `read`: rows of the inputs; the others count what the rows gave."""
    parts = counts["parts"]
    return {
        "read": sum(one["rows"] for one in counts["inputs"]),
        "accepted": sum(one["accepted"] for one in parts),
        "rejected": counts["rejected"]["rows"],
        "rejected_values": counts["rejected"]["values"],
        "ignored": sum(one["ignored"] for one in parts),
        "sentinel_dates": sum(one["sentinel_dates"] for one in parts),
        "duplicates_kept": counts["events"]["duplicates_kept"],
        "conflicting_values": counts["cases"]["conflicting_values"],
        "cases": counts["cases"]["written"],
        "events": counts["events"]["written"],
    }
