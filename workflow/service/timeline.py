"""One case's records on one line of time: its own events above, what other systems recorded below, and between them the
pairs that disagree.  Places are in pixels; days stand side by side whatever lies between them, which is said instead.

Pure: rows of a history (see `workflow.replay.exact.typed`) and the findings on it in, a drawing out; its words are
Chinese and English.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from definitions.model import Text
from definitions.records import OBSERVED
from workflow.replay.exact.language import moment, moment_text
from workflow.replay.output.words import SOURCES, kind, word

MOST_DAYS: Final = 40
"""Days that are drawn; of a longer history those that findings name, and the first ones."""
COLUMN, BOX_WIDTH, BOX_HEIGHT, GAP, EDGE, AXIS = 180, 168, 42, 6, 10, 34
DATE_WIDTH, SIGN_WIDTH = 84, 36


class Mark(NamedTuple):
    """A record, or several alike, in its box. `accused`: a finding rests on it."""

    x: int
    y: int
    what: Text
    time: str
    source: Text
    value: str
    many: int
    accused: bool


class Day(NamedTuple):
    """A column. `after`: natural days since the column before; None for the first."""

    x: int
    date: dt.date
    after: int | None


class Join(NamedTuple):
    """A pair that disagrees, by the middles of their boxes, and the rule that says so; `x`, `y`: the middle of its
    sign."""

    x1: int
    y1: int
    x2: int
    y2: int
    rule: str

    @property
    def x(self) -> int:
        """Half the way, but beside the date that stands at the left of a column."""
        column, within = divmod((self.x1 + self.x2) // 2 - EDGE, COLUMN)
        return EDGE + column * COLUMN + min(max(within, DATE_WIDTH + SIGN_WIDTH // 2), COLUMN - SIGN_WIDTH // 2)

    @property
    def y(self) -> int:
        """On the line, at `x`."""
        if self.x1 == self.x2:
            return (self.y1 + self.y2) // 2
        return self.y1 + (self.y2 - self.y1) * (self.x - self.x1) // (self.x2 - self.x1)


class Drawing(NamedTuple):
    """The whole. `axis`: height of the line of days; `left_out`: days that are not drawn; `undated`: records without a
    known time."""

    width: int
    height: int
    axis: int
    days: tuple[Day, ...]
    own: tuple[Mark, ...]
    others: tuple[Mark, ...]
    joins: tuple[Join, ...]
    left_out: int
    undated: int


class _Record(NamedTuple):
    kind: str
    key: str
    at: dt.datetime
    only_date: bool
    source: str
    value: str
    many: int


def records(rows: Iterable[Mapping[str, Any]]) -> list[_Record]:
    """The records with a known time, oldest first, those that say the same as one."""
    found: dict[tuple[str, str, str, str], _Record] = {}
    for row in rows:
        if row.get("occurred_at") is None:
            continue
        name = f"{row['activity']}.{row['lifecycle']}"
        at, only_date = row["occurred_at"], bool(row.get("occurred_is_date"))
        source = row.get("source") or ""
        key = moment_text(moment(at, source, only_date))
        said = str(row.get("value") or "")
        before = found.get((name, key, source, "" if name.startswith("document.") else said))
        if before is None:
            found[name, key, source, "" if name.startswith("document.") else said] = _Record(
                name, key, at, only_date, source, said, 1
            )
        else:
            merged = before._replace(many=before.many + 1, value="")
            found[name, key, source, "" if name.startswith("document.") else said] = merged
    return sorted(found.values(), key=lambda one: (one.at.date(), one.at, one.kind))


def drawing(rows: Sequence[Mapping[str, Any]], findings: Iterable[Mapping[str, Any]]) -> Drawing:
    """The records of a case, with what `findings` (`rule`, `evidence`) rest on."""
    found = records(rows)
    named = [(one["rule"], one["evidence"].get("records", [])) for one in findings]
    accused = {(record["field"], record["value"], record["source"]) for _, group in named for record in group}
    dates = sorted({one.at.date() for one in found})
    wanted = {one.at.date() for one in found if (one.kind, one.key, one.source) in accused}
    for date in dates:
        if len(wanted) >= MOST_DAYS:
            break
        wanted.add(date)
    shown = [date for date in dates if date in wanted]
    places = {date: EDGE + at * COLUMN for at, date in enumerate(shown)}
    days = tuple(
        Day(places[date], date, None if at == 0 else (date - shown[at - 1]).days) for at, date in enumerate(shown)
    )
    lanes: dict[tuple[bool, dt.date], list[_Record]] = {}
    for one in found:
        if one.at.date() in places:
            lanes.setdefault((_own(one), one.at.date()), []).append(one)
    above = max((len(lane) for (own, _), lane in lanes.items() if own), default=0)
    below = max((len(lane) for (own, _), lane in lanes.items() if not own), default=0)
    axis = EDGE + above * (BOX_HEIGHT + GAP) + GAP
    own: list[Mark] = []
    others: list[Mark] = []
    where: dict[tuple[str, str, str], Mark] = {}
    for (is_own, date), lane in lanes.items():
        # What a finding rests on stands nearest to the line of days, then what happened first.
        lane.sort(key=lambda one: ((one.kind, one.key, one.source) not in accused, one.at, one.kind))
        for at, one in enumerate(lane):
            step = BOX_HEIGHT + GAP
            y = axis - (at + 1) * step if is_own else axis + AXIS + GAP + at * step
            mark = Mark(
                places[date], y, kind(one.kind), "" if one.only_date else f"{one.at:%H:%M}",
                word(SOURCES, one.source or None), one.value, one.many, (one.kind, one.key, one.source) in accused,
            )  # fmt: skip
            (own if is_own else others).append(mark)
            where[one.kind, one.key, one.source] = mark
    return Drawing(
        max(len(shown), 1) * COLUMN + EDGE, axis + AXIS + 2 * GAP + below * (BOX_HEIGHT + GAP) + EDGE, axis, days,
        tuple(own), tuple(others), tuple(_joins(named, where, axis)), len(dates) - len(shown),
        sum(1 for row in rows if row.get("occurred_at") is None),
    )  # fmt: skip


def _own(one: _Record) -> bool:
    return one.kind.partition(".")[0] not in OBSERVED


def _joins(
    named: Iterable[tuple[str, list[Mapping[str, str]]]], where: Mapping[tuple[str, str, str], Mark], axis: int
) -> list[Join]:
    joins = []
    for rule, group in named:
        marks = [where[key] for one in group if (key := (one["field"], one["value"], one["source"])) in where]
        if len(marks) > 1 and marks[0] is not marks[-1]:
            first, last = marks[0], marks[-1]
            half = BOX_WIDTH // 2
            sides = {mark.y > axis for mark in (first, last)}
            if len(sides) == 1:  # along the line of days, under or over all boxes
                y = axis + AXIS + GAP // 2 if sides == {True} else axis - GAP // 2
                joins.append(Join(first.x + half, y, last.x + half, y, rule))
                continue
            y1, y2 = (
                (first.y + BOX_HEIGHT, last.y) if first.y < last.y else (first.y, last.y + BOX_HEIGHT)
            )  # from the sides that face each other
            joins.append(Join(first.x + half, y1, last.x + half, y2, rule))
    return joins
