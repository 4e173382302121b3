"""What a mapping says: how the tables of a foreign system become cases and events, as plain data.

A mapping names columns, codes and milestones; it holds no expression that would reach the engine.
`workflow.replay.intake.mapping_file` reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

READY: Final = Path(__file__).parent.parent / "mappings"
"""Where the mappings lie that come with the project."""


@dataclass(frozen=True, slots=True)
class Value:
    """Where one value comes from. `columns`: names, the first one the table has is read; `joined`: columns read as one
    text with `join` between; `constant`; `first`: the first alternative that gives something; `unknown`: it happened,
    nobody says when.  `codes`: foreign value → ours, `otherwise` for what they lack.  `extract`: the group of this
    pattern.  `below`/`give`: `give` when the number is below.  `optional`: the table may lack the column."""

    columns: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    join: str = "+"
    constant: str | None = None
    codes: Mapping[str, str] | None = None
    otherwise: str = "reject"
    extract: str | None = None
    absolute: bool = False
    scale: float | None = None
    below: float | None = None
    give: str | None = None
    first: tuple[Value, ...] = ()
    unknown: bool = False
    optional: bool = False
    prefix: str = ""

    def __iter__(self) -> Iterator[Value]:
        """The alternatives, or the value itself."""
        yield from self.first or (self,)


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows in which `column` holds one of `values`, matches `pattern`, is `empty`, or else holds any value."""

    column: tuple[str, ...]
    values: tuple[str, ...] = ()
    pattern: str | None = None
    because: tuple[str, str] = ("", "")
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Activity names of a foreign log: name → `activity.lifecycle` or `activity.lifecycle=value`; names to ignore."""

    value: Value
    to: Mapping[str, str]
    ignore: tuple[str, ...] = ()
    otherwise: str = "reject"


@dataclass(frozen=True, slots=True)
class Emitter:
    """What makes one event of a row. With a constant activity an empty time means that nothing happened yet."""

    columns: Mapping[str, Value]
    names: Names | None = None
    when: Condition | None = None

    @property
    def sparse(self) -> bool:
        """Whether a row without a time is no event (a milestone column) instead of a fault."""
        activity = self.columns.get("activity")
        return activity is not None and activity.constant is not None


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header stands: the row that holds all of `find`, looked for in the first `within` rows; it is `rows`
    deep, the names of its rows joined by a blank."""

    find: tuple[str, ...] = ()
    within: int = 40
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Successive reports of the same cases. `by`: the report's date; `key`: the case; `milestones`: column → event.
    `run_within`: days after its date within which a report was made, so that a date in that time is not a future one.
    `within`: the part of the report a row stands in, when the parts do not have the same columns."""

    by: Value
    key: Value
    milestones: Mapping[str, str]
    source: str | None = None
    run_within: int = 0
    within: Value | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the foreign system. `read`: which input it is looked for in; `sheets`: patterns of sheet names;
    `optional`: a workbook in which no sheet is called so is read without it."""

    name: str
    read: str
    sheets: tuple[str, ...] = ()
    hidden: bool = False
    header: Header = Header()
    found: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ignore: tuple[Condition, ...] = ()
    case: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[Emitter, ...] = ()
    snapshots: Snapshots | None = None
    optional: bool = False

    @property
    def milestones(self) -> list[tuple[str, str]]:
        """Activity and lifecycle of what each row of a wide table tells at most once, in a column of its own."""
        told = [
            (activity.constant, lifecycle.constant)
            for emitter in (self.events if self.case else ())
            if emitter.when is None and (activity := emitter.columns.get("activity")) is not None and activity.constant
            if (lifecycle := emitter.columns.get("lifecycle")) is not None and lifecycle.constant
        ]
        return [one for one in told if told.count(one) == 1]


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping as read. `steps`: step codes of a process that is not ours (None: the book's). `offsets`: whether a
    time's offset is converted to Shanghai wall clock or dropped because the wall clock of the place is meant.
    `midnight_is_date`: exactly 00:00:00 is a date without a time, whatever its source (policy §6); false: only of the
    sources that are `DATE_SOURCES`."""

    code: str
    tables: tuple[Table, ...]
    steps: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()
    offsets: str = "convert"
    midnight_is_date: bool = True
    excel_serials: bool = False
    times: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    case_object: str | None = None


def said(event: str) -> dict[str, Value]:
    """`activity.lifecycle=value` as constants."""
    activity, _, rest = event.partition(".")
    lifecycle, _, value = rest.partition("=")
    parts = {"activity": activity, "lifecycle": lifecycle} | ({"value": value} if value else {})
    return {name: Value(constant=text) for name, text in parts.items()}


def untold(table: Table, mapping: MappingFile, steps: tuple[str, ...], given: Collection[str]) -> int:
    """What no column of `table` can show of a case, as `cases.untold` has it; `given`: the columns of a case it fills.
    Nothing is known to be left out where some table gives events by their names, or where the table gives none."""
    emitters = [emitter for one in mapping.tables for emitter in one.events]
    if table.snapshots is not None or not table.events or not all(emitter.sparse for emitter in emitters):
        return 0
    alone = [emitter for one in mapping.tables if not one.case for emitter in one.events]
    told = {
        emitter.columns["activity"].constant
        for emitter in (*table.events, *alone)
        if "lifecycle" in emitter.columns and emitter.columns["lifecycle"].constant in ("complete", "waive")
    }
    account = {"prior_capacity_kw", "account_opened_on"} <= set(given)
    return sum(1 << at for at, known in enumerate([*(step in told for step in steps), account]) if not known)
