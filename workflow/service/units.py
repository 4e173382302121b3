"""The organisation as its supervisors see it: the units next below the top of a part, each with all below it; and what
people and units are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from storage import Database, OrgRow, Tx


class Group(NamedTuple):
    """A unit, an enterprise or a region by which something is counted; `key` None: what belongs to none."""

    key: str | None
    name: str | None


NOBODY: Final = Group(None, None)


class Units:
    """The organisation below `top`; None: all of it, and cases that belong to no unit."""

    def __init__(self, tx: Tx, top: str | None) -> None:
        self._orgs: dict[str, OrgRow] = {unit.code: unit for unit in tx.orgs()}
        self._top = top

    def _above(self, code: str) -> list[str]:
        """The codes from the root down to `code` itself; only itself when it was never imported."""
        unit = self._orgs.get(code)
        return [code] if unit is None else [part for part in unit.path.split("/") if part]

    def holds(self, code: str | None) -> bool:
        """Whether a case of this unit is part of the report."""
        return self._top is None or (code is not None and self._top in self._above(code))

    def next_below(self, code: str | None) -> Group:
        """The unit next below the top that holds `code`, or the top itself."""
        if code is None:
            return NOBODY
        above = self._above(code)
        at = 0 if self._top is None else min(above.index(self._top) + 1, len(above) - 1)
        unit = self._orgs.get(above[at])
        return Group(above[at], unit.name if unit else None)

    def below(self) -> list[Group]:
        """The units next below the top, in the order of their import; for the whole those without a parent."""
        return [Group(unit.code, unit.name) for unit in self._orgs.values() if unit.parent == self._top]

    def name(self, code: str | None) -> str | None:
        """What a unit is called; None when it was never imported."""
        unit = self._orgs.get(code) if code else None
        return unit.name if unit else None

    def path(self, start: str | None) -> tuple[Group, ...]:
        """From `start` (None: the whole) down to the top, both included."""
        above = self._above(self._top) if self._top else []
        shown = above[above.index(start) :] if start in above else [None, *above] if start is None else above
        return tuple(Group(code, self.name(code)) for code in shown)

    def enterprise(self, code: str | None) -> Group:
        """The enterprise named by the unit or, failing that, the nearest one above it."""
        for part in reversed(self._above(code) if code else []):
            unit = self._orgs.get(part)
            if unit is not None and unit.enterprise:
                return Group(unit.enterprise, unit.enterprise)
        return NOBODY


class Called(NamedTuple):
    """What people are called, by id, and units, by code; who is in no register is missing."""

    people: dict[str, str]
    units: dict[str, str]


_PEOPLE: Final = ("manager", "stated_by", "acknowledged_by", "issued_by", "answered_by", "closed_by")


def called(database: Database, rows: Iterable[Mapping[str, Any]]) -> Called:
    """What the people and units are called that `rows` of an answer name. Raises StorageError."""
    named = list(rows)
    codes = {row.get("org") for row in named}
    with database.read() as tx:
        people = tx.members(row.get(field) for row in named for field in _PEOPLE)
        units = {unit.code: unit.name for unit in tx.orgs() if unit.code in codes}
    return Called({one.id: one.name for one in people}, units)
