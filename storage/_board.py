"""The board of applications, read a page at a time by indexes; the views people save, and who is away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import deadline_row, in_org, starts_with
from storage._statements import tables
from storage.rows import AbsenceRow, BoardFilter, BoardKey, BoardRow, DeadlineRow, PersonalRow, SavedViewRow

_application = tables["application"]
_c = _application.c
_deadline = tables["deadline"]
_personal = tables["personal"]
_absence = tables["absence"]
_view = tables["saved_view"]

_ROW = [_c[field] for field in BoardRow._fields]
_OPEN = _c.closed_at.is_(None)

DUE, WAITING, CLOSED = 0, 1, 2
"""The parts of the board in their order: with a due date, the earliest first; open without one, the oldest first; and
closed, the newest first."""
_PARTS: dict[int, tuple[sa.ColumnElement[bool], list[sa.ColumnElement[Any]]]] = {
    DUE: (sa.and_(_OPEN, _c.due_on.is_not(None)), [_c.due_on, _c.id]),
    WAITING: (sa.and_(_OPEN, _c.due_on.is_(None)), [_c.id]),
    CLOSED: (_c.closed_at.is_not(None), [_c.id.desc()]),
}


class Boards(Execution):
    """Reading and writing what the board shows."""

    def board(self, narrowed: BoardFilter, *, after: BoardKey | None = None, limit: int = 50) -> list[BoardRow]:
        """Up to `limit` applications in the order of the board, following `after`."""
        first = DUE if after is None else after.part
        wanted = []
        for part, (belongs, order) in _PARTS.items():
            if part < first or (narrowed.part is not None and part != narrowed.part):
                continue
            rows = sa.select(sa.literal(part).label("part"), *_ROW).where(belongs, *_narrowing(narrowed))
            if after is not None and part == first:
                rows = rows.where(_following(after))
            wanted.append(sa.select(rows.order_by(*order).limit(limit).subquery()))
        found: list[BoardRow] = []
        for page in self._query(sa.union_all(*wanted)) if wanted else ():
            row = BoardRow._make(page[1:])
            found.append(row._replace(provisional=bool(row.provisional)))
        # The parts come one after the other; within a part a database may forget the order of a subquery.
        return sorted(found, key=_place)[:limit]

    def board_counts(self, narrowed: BoardFilter) -> dict[str | None, int]:
        """How many open applications are due on each date; None: those without one."""
        counted = sa.select(_c.due_on, sa.func.count().label("times")).where(_OPEN, *_narrowing(narrowed))
        return {row.due_on: int(row.times) for row in self._query(counted.group_by(_c.due_on))}

    def deadlines_of(self, case_ids: Iterable[str]) -> dict[str, list[DeadlineRow]]:
        """The deadlines of several cases that run or are suspended, by case."""
        columns = [_deadline.c[field] for field in DeadlineRow._fields]
        wanted = sa.select(*columns).where(
            _deadline.c.case_id.in_(list(case_ids)), _deadline.c.status.in_(("running", "suspended"))
        )
        found: dict[str, list[DeadlineRow]] = {}
        for row in map(deadline_row, self._query(wanted.order_by(_deadline.c.case_id, _deadline.c.key))):
            found.setdefault(row.case_id, []).append(row)
        return found

    def personal_of(self, case_ids: Iterable[str]) -> dict[str, PersonalRow]:
        """Who several cases are about, by case."""
        columns = [_personal.c[field] for field in PersonalRow._fields]
        rows = map(PersonalRow._make, self._query(sa.select(*columns).where(_personal.c.case_id.in_(list(case_ids)))))
        return {row.case_id: row for row in rows}

    # Views

    def put_view(self, row: SavedViewRow) -> None:
        """Save a view; one of the same name of the same person is replaced."""
        insert = self._backend.insert(_view).values(row._asdict())
        rest = {"query": insert.excluded.query, "created_at": insert.excluded.created_at}
        self._query(insert.on_conflict_do_update(index_elements=["staff", "name"], set_=rest))

    def views(self, staff: str) -> list[SavedViewRow]:
        """The saved views of a person, by name."""
        columns = [_view.c[field] for field in SavedViewRow._fields]
        rows = self._query(sa.select(*columns).where(_view.c.staff == staff).order_by(_view.c.name))
        return [SavedViewRow._make(row) for row in rows]

    def drop_view(self, staff: str, name: str) -> bool:
        """Forget a view; False when there was none."""
        return self._query(sa.delete(_view).where(_view.c.staff == staff, _view.c.name == name)).rowcount == 1

    # Absences

    def add_absence(self, row: AbsenceRow) -> None:
        """Note that somebody is away."""
        self._query(sa.insert(_absence).values(row._asdict()))

    def absences(self, *, staff: str, until: str) -> list[AbsenceRow]:
        """Absences of `staff`, or in which they stand in, that have not ended before the date `until`; earliest
        first."""
        columns = [_absence.c[field] for field in AbsenceRow._fields]
        wanted = sa.select(*columns).where(
            sa.or_(_absence.c.staff == staff, _absence.c.substitute == staff),
            _absence.c.last_day >= until,
            _absence.c.ended_at.is_(None),
        )
        return [AbsenceRow._make(row) for row in self._query(wanted.order_by(_absence.c.first_day, _absence.c.id))]

    def end_absence(self, absence_id: str, staff: str, at: str) -> bool:
        """End an absence of this person early; False when there is none that lasts."""
        ended = sa.update(_absence).where(
            _absence.c.id == absence_id, _absence.c.staff == staff, _absence.c.ended_at.is_(None)
        )
        return self._query(ended.values(ended_at=at)).rowcount == 1


def _narrowing(narrowed: BoardFilter) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = []
    if narrowed.managers is not None:
        one = len(narrowed.managers) == 1
        wanted.append(_c.manager == narrowed.managers[0] if one else _c.manager.in_(narrowed.managers))
    wanted.extend(in_org(_c.org, org) for org in (narrowed.scope, narrowed.org) if org is not None)
    if narrowed.user_class is not None:
        wanted.append(_c.user_class == narrowed.user_class)
    if narrowed.step is not None:
        wanted.append(_c.state.in_((f"{narrowed.step}.waiting", f"{narrowed.step}.running")))
    if narrowed.due_from is not None:
        wanted.append(_c.due_on >= narrowed.due_from)
    if narrowed.due_to is not None:
        wanted.append(_c.due_on <= narrowed.due_to)
    if narrowed.number is not None:
        wanted.append(_c.id.in_(_numbered(narrowed.number)))
    return wanted


def _numbered(number: str) -> sa.CompoundSelect[Any]:
    """The ids of the applications that are called so: by the beginning of the application number, or by the whole
    external number, account or premises."""
    return sa.union(
        sa.select(_c.id).where(starts_with(_c.application_no, number)),
        *(sa.select(_c.id).where(column == number) for column in (_c.external_id, _c.premises_id)),
        sa.select(_personal.c.case_id).where(_personal.c.customer_id == number),
    )


def _following(after: BoardKey) -> sa.ColumnElement[bool]:
    match after.part:
        case 0:
            return sa.or_(_c.due_on > after.due_on, sa.and_(_c.due_on == after.due_on, _c.id > after.id))
        case 1:
            return _c.id > after.id
        case _:
            return _c.id < after.id


def key_of(row: BoardRow) -> BoardKey:
    """Where a row stands on the board."""
    part = CLOSED if row.closed_at is not None else WAITING if row.due_on is None else DUE
    return BoardKey(part, row.due_on if part == DUE else None, row.id)


def _place(row: BoardRow) -> tuple[int, str, Sequence[int] | str]:
    key = key_of(row)
    return (key.part, key.due_on or "", [-ord(one) for one in row.id] if key.part == CLOSED else row.id)
