"""Gate (b): whether a time of recording says when a record was entered, or only when it was loaded [policy 6].

It is asked of one organisation, for each of its sources and months; the engine of columns asks the same of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from workflow.replay.exact.rows import Row, once
from workflow.replay.tables import SOURCES

_SOURCES: Final = frozenset(SOURCES)

Month = tuple[str, str]
"""A source, empty where a record names none, and a month (`YYYY-MM`) of recording, Asia/Shanghai."""


class Times(NamedTuple):
    """When the records of one source and month were made: how many in each hour of the day, and in the fullest minute
    of the day."""

    hours: Counter[int]
    fullest: int


def month_of(row: Row) -> Month | None:
    """The source and month of an event row; None where nobody knows when it was recorded."""
    at = row.get("recorded_at")
    if at is None:
        return None
    source = row.get("source")
    return source if source in _SOURCES else "", f"{at:%Y-%m}"


def minutes(rows: Iterable[Row]) -> dict[Month, Counter[int]]:
    """How many of a case's rows were recorded in each minute of the day, by source and month; a copy counts once."""
    found: dict[Month, Counter[int]] = {}
    for row in once(rows):
        if (month := month_of(row)) is not None:
            at = row["recorded_at"]
            found.setdefault(month, Counter())[at.hour * 60 + at.minute] += 1
    return found


def times(of_minutes: Mapping[int, int]) -> Times:
    """The same by hours."""
    hours: Counter[int] = Counter()
    for minute, many in of_minutes.items():
        hours[minute // 60] += many
    return Times(hours, max(of_minutes.values(), default=0))


def loaded(months: Mapping[Month, Times], gates: Mapping[str, Any]) -> frozenset[Month]:
    """Those of all the months of an organisation whose times are load times. A month of few records is loaded where its
    source is, over all months; a source of few where the organisation is."""
    sources: dict[str, Counter[int]] = {}
    whole: Counter[int] = Counter()
    for (source, _), one in months.items():
        sources.setdefault(source, Counter()).update(one.hours)
        whole.update(one.hours)
    few = gates["comparable"]
    found = set()
    for month, one in months.items():
        many = one.hours.total()
        if many >= few:
            is_loaded = _at_night(one.hours, gates) or one.fullest >= gates["load_minute_share"] * many
        else:
            of_source = sources[month[0]]
            wider = of_source if of_source.total() >= few else whole
            is_loaded = wider.total() >= few and _at_night(wider, gates)
        if is_loaded:
            found.add(month)
    return frozenset(found)


def _at_night(hours: Counter[int], gates: Mapping[str, Any]) -> bool:
    """Whether two clock hours of the night hold most of the times of recording."""
    of_night = Counter({hour: n for hour, n in hours.items() if _is_night(hour, gates)})
    return bool(sum(many for _, many in of_night.most_common(2)) >= gates["load_share"] * hours.total())


def _is_night(hour: int, gates: Mapping[str, Any]) -> bool:
    return bool(hour >= gates["load_from_hour"] or hour < gates["load_until_hour"])
