"""The rules for the faces, read only: check a folder, look a definition up, compare two.

Reads the shipped data or a folder it is pointed at; overlays come from a folder, or from the one that the environment
variable BAOZHUANG_REGIONS names. No database. Dates are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Final

from definitions import book as _book
from definitions.book import Book, Change, DefinitionError, NoRuleInForce, Problem, UnknownClass, is_region
from definitions.detectors import check_detectors
from definitions.model import NATION, ApprovalRule, Definition, StepRule
from workflow.core.times import BUSINESS_ZONE, business_date

__all__ = [
    "BAD_QUESTION",
    "NATION",
    "ApprovalRule",
    "Book",
    "Change",
    "Definition",
    "DefinitionError",
    "Problem",
    "StepRule",
    "book",
    "check",
    "compare",
    "definition",
    "is_region",
    "parse_day",
    "today",
]

BAD_QUESTION: Final = (NoRuleInForce, UnknownClass, ValueError)
"""What a question about the rules may be refused with; each says in both languages what to do. `DefinitionError` is one
of them: the data themselves are refused."""


def _regions(regions: Path | str | None) -> Path | str | None:
    return regions or os.environ.get("BAOZHUANG_REGIONS") or None


def book(directory: Path | str | None = None, regions: Path | str | None = None) -> Book:
    """The book with its overlays. Raises `DefinitionError` listing every fault."""
    return _book.load(directory, _regions(regions))


def check(
    directory: Path | str | None = None, regions: Path | str | None = None, detectors: Path | str | None = None
) -> tuple[Problem, ...]:
    """Every fault of the data, with file and line; empty when they are sound. `detectors`: a folder of one's own, as a
    replay takes it; else those of `directory`, where it has some, else the shipped ones."""
    inside = Path(directory) / "detectors" if directory else None
    own = detectors or (inside if inside is not None and inside.is_dir() else None)
    return (*_book.check(directory, _regions(regions)), *check_detectors(own))


def definition(
    user_class: str,
    *,
    on: dt.date,
    region: str = NATION,
    directory: Path | str | None = None,
    regions: Path | str | None = None,
) -> Definition:
    """The definition of `user_class` in `region` for an application submitted on `on`. Raises one of `BAD_QUESTION`."""
    return book(directory, regions).resolve(on=on, user_class=user_class, region=region)


def compare(before: Definition, after: Definition) -> list[Change]:
    """Every difference between two definitions, with the clauses behind both sides."""
    return _book.diff(before, after)


def parse_day(text: str) -> dt.date:
    """A day written YYYY-MM-DD. Raises ValueError."""
    try:
        if len(text) == 10:
            return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"没有 {text} 这一天 / there is no day {text}") from error
    raise ValueError(f"{text!r} 不是日期, 请写成 2026-01-05 / {text!r} is not a date such as 2026-01-05")


def today() -> dt.date:
    """Today in the business zone."""
    return business_date(dt.datetime.now(BUSINESS_ZONE))
