"""The account of an intake: every row of every input, and what became of it, added up and checked."""

from __future__ import annotations

from typing import Any

from workflow.replay.intake.compile import STATES, Part
from workflow.replay.intake.raw import Raw


class Unreconciled(AssertionError):
    """Rows were lost or counted twice: a fault of the program, never of a file."""


class Ledger:
    """Collects the counts while a history is read."""

    def __init__(self) -> None:
        self._raws: dict[tuple[str, str, str], Raw] = {}
        self._parts: list[dict[str, Any]] = []
        self._left: list[dict[str, Any]] = []
        self._reports: list[dict[str, Any]] = []
        self._columns: dict[tuple[str, str, str], set[str]] = {}

    def read(self, raw: Raw) -> None:
        """A table that was read; once, however many of the mapping's tables it serves."""
        self._raws.setdefault((raw.role, raw.file, raw.sheet), raw)

    def left(self, file: str, table: str, sheets: list[str]) -> None:
        """Sheets of a workbook that a table of the mapping does not mean."""
        self._left.append({"file": file, "table": table, "sheets": sheets})

    def reports(self, table: str, rows: int, kept: int, cases: int, events: int) -> None:
        """What successive reports came to."""
        self._reports.append(
            {
                "table": table,
                "report_rows": rows,
                "ignored": rows - kept,
                "superseded_by_a_later_report": kept - cases,
                "rows_of_the_last_report_of_a_case": cases,
                "milestones_and_changes": events,
            }
        )

    @property
    def torn(self) -> list[Raw]:
        """Tables with rows that could not be taken apart."""
        return [raw for raw in self._raws.values() if raw.torn]

    def part(self, part: Part, states: dict[str, int], why: dict[int, int], sentinels: int, first_row: int) -> None:
        """What became of the rows of one part. Raises Unreconciled when they do not add up."""
        if sum(states.values()) != part.raw.rows:
            raise Unreconciled(f"{part.name}: {part.raw.rows} rows were read, {states} were told of")
        self._columns.setdefault((part.raw.role, part.raw.file, part.raw.sheet), set()).update(part.reads)
        because = [
            {"zh": condition.because[0], "en": condition.because[1], "rows": why.get(index, 0)}
            for index, condition in enumerate(part.table.ignore)
        ]
        if by_name := why.get(len(part.table.ignore)):
            because.append({"zh": "对照表忽略的活动名称", "en": "activity names the mapping ignores", "rows": by_name})
        self._parts.append(
            {
                "gives": "cases" if part.is_case else "events",
                "part": part.name,
                "file": part.raw.file,
                "sheet": part.raw.sheet,
                "first_row": first_row,
                "read": part.raw.rows,
                **{state: states.get(state, 0) for state in STATES},
                "ignored_because": because,
                "sentinel_dates": sentinels,
            }
        )

    def close(self, **totals: Any) -> dict[str, Any]:
        """The whole account. Raises Unreconciled when what was written is not what was accepted."""
        accepted = {
            gives: sum(part["accepted"] for part in self._parts if part["gives"] == gives)
            for gives in ("cases", "events")
        }
        rejected = sum(part["rejected"] for part in self._parts) + sum(len(raw.torn) for raw in self._raws.values())
        cases, events = totals["cases"], totals["events"]
        written = cases["written"] - cases["known_from_events_only"] + cases["merged_rows"]
        for what, said, found in (
            ("case rows", accepted["cases"], written),
            ("events", accepted["events"], events["written"]),
            ("rejected rows", rejected, totals["rejected"]["rows"]),
        ):
            if said != found:
                raise Unreconciled(f"{what}: {said} were counted, {found} were written")
        inputs = [
            {
                "file": raw.file, "sheet": raw.sheet, "as": raw.role, "rows": raw.rows + len(raw.torn),
                "taken_apart": raw.rows, "torn": len(raw.torn),
                "columns_left": [one for one in raw.columns if one[0] != "#" and one not in self._columns.get(key, ())],
            }
            for key, raw in self._raws.items()
        ]  # fmt: skip
        return {
            "inputs": inputs, "sheets_left": self._left, "reports": self._reports, "parts": self._parts, **totals,
        }  # fmt: skip
