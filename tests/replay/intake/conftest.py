"""Takes small histories in and looks at what came out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest

from workflow.replay.intake import Intake, load
from workflow.replay.intake.run import take_in

STEPS = ("acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering")


class Taken:
    """An intake with its files read back."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.counts = intake.counts

    def rows(self, table: str, *columns: str, order: str = "row") -> list[tuple[Any, ...]]:
        listed = ", ".join(f'"{column}"' for column in columns)
        path = getattr(self.intake, table)
        by = order if order == "ALL" else f'"{order}"'
        return duckdb.execute(f"SELECT {listed} FROM '{path}' ORDER BY {by}").fetchall()

    def sheet(self, name: str) -> list[dict[str, str]]:
        with getattr(self.intake, name).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def rejected(self) -> list[tuple[str, str, str, str]]:
        """Row in the file, our column, the text, what was lost."""
        return [(line["row"], line["our_column"], line["value"], line["lost"]) for line in self.sheet("rejected")]


@pytest.fixture
def take(tmp_path):
    """`take(events=…, cases=…, mapping=…)`; text is written to a CSV file first."""

    def taken(
        events: str | bytes | Path | None = None,
        cases: str | bytes | Path | None = None,
        mapping: str | Path = "contract",
    ) -> Taken:
        def file(name: str, given: str | bytes | Path | None) -> Path | None:
            if given is None or isinstance(given, Path):
                return given
            path = tmp_path / f"{name}.csv"
            path.write_bytes(given.encode() if isinstance(given, str) else given)
            return path

        return Taken(
            take_in(
                cases=file("cases", cases), events=file("events", events), mapping=load(mapping, STEPS), steps=STEPS,
                out=tmp_path / "out", threads=1,
            )
        )  # fmt: skip

    return taken


HEAD = "case_id,activity,lifecycle,occurred_at\n"
"""The header of the smallest table of events."""
