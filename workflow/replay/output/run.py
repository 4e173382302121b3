"""Hand over what a replay found: every file of the results that the judging itself does not write."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from definitions.book import Book
from definitions.detectors import Detectors
from workflow.replay.output import facts, sheets
from workflow.replay.output.facts import Tables
from workflow.replay.output.report import page

FINDINGS_CSV: Final = "findings.csv"
REPORT: Final = "report.html"
WORKBOOK: Final = "desk.xlsx"
SUMMARY: Final = "summary.json"
RESULTS: Final = (
    "cases.parquet", "events.parquet", "rejected.csv", "conflicts.csv", "reconciliation.json", "findings.parquet",
    "verdicts.parquet", FINDINGS_CSV, SUMMARY, WORKBOOK, REPORT,
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
    run: Mapping[str, Any],
    rules: Detectors,
    book: Book,
    as_of: dt.date,
    memory_limit: str = "8GB",
    desk_rows: int = sheets.DESK_ROWS,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> None:
    """Write findings.csv, summary.json, desk.xlsx and report.html into `out`. `counts`: those of the intake. `run`:
    what the results depend on, as the page shows it.  The same arguments give the same bytes."""
    tables = Tables(
        files.cases, files.events, files.findings, files.verdicts, memory_limit=memory_limit, spill=out / ".spill"
    )
    try:
        progress("汇总 / summary", 0.0)
        summary = {"run": dict(run), "counts": _counts(counts), **facts.gather(tables, rules)}
        (out / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        progress("发现 / findings", 0.4)
        sheets.findings_csv(tables, out / FINDINGS_CSV)
        progress("工作簿 / workbook", 0.5)
        sheets.workbook(tables, summary, files.rejected, out / WORKBOOK, as_of=as_of, most=desk_rows)
        progress("报告 / report", 0.8)
        (out / REPORT).write_text(page(tables, summary, rules, book), encoding="utf-8")
        progress("完成 / done", 1.0)
    finally:
        tables.close()


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
