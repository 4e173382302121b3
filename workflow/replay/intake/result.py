"""What an intake hands on: the canonical files, what was refused, and the count of every row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Intake:
    """The outcome of reading a history.

    `cases`, `events`: canonical Parquet files (see `workflow.replay.tables`).  `rejected`: CSV, one line for each row
    or value that could not be read.  `conflicts`: CSV, one line for each value of a case, or time of a milestone of
    it, that two rows give differently.  `reconciliation`: JSON, the counts, also held in `counts`; rows read =
    accepted + rejected + ignored + blank for every input, and for each milestone column also + empty.  `steps`: step
    codes of the process, the book's own unless the mapping names others.
    """

    cases: Path
    events: Path
    rejected: Path
    conflicts: Path
    reconciliation: Path
    counts: dict[str, Any]
    steps: tuple[str, ...]
