"""The board of applications, read a page at a time by indexes; the views people save, and who is away."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import deadline_row
from storage._statements import tables
from storage.dialects import Backend
from storage.rows import AbsenceRow, BoardFilter, BoardKey, BoardRow, DeadlineRow, PersonalRow, SavedViewRow

_application = tables["application"]
_c = _application.c
_deadline = tables["deadline"]
_personal = tables["personal"]
_absence = tables["absence"]
_view = tables["saved_view"]
_org = tables["org"]

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
        statement = _page(self._backend, _shape(narrowed), narrowed.part, None if after is None else after.part)
        if statement is None:
            return []
        values = {**_values(narrowed), "limit": limit}
        if after is not None:
            values.update(after_due=after.due_on, after_id=after.id)
        found = [BoardRow._make(row) for row in self._run(statement, values)]
        return [row._replace(provisional=bool(row.provisional)) for row in sorted(found, key=_place)[:limit]]

    def board_counts(self, narrowed: BoardFilter) -> dict[str | None, int]:
        """How many open applications are due on each date; None: those without one."""
        counted = self._run(_counts(self._backend, _shape(narrowed)), _values(narrowed))
        return {due_on: int(times) for due_on, times in counted if times}

    def _run(self, statement: _Statement, values: dict[str, Any]) -> list[Any]:
        values = {**statement.fixed, **values}
        found: list[Any] = self._execute(statement.sql, [values[name] for name in statement.parameters]).fetchall()
        return found

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


class _Shape(NamedTuple):
    """By what a board is narrowed, without the values: what its statement depends on."""

    fields: frozenset[str]
    managers: int


class _Statement(NamedTuple):
    """Plain SQL for the driver's cursor, the names of its values in their order, and those that never change."""

    sql: str
    parameters: tuple[str, ...]
    fixed: dict[str, Any]


def _shape(narrowed: BoardFilter) -> _Shape:
    given = {name for name, value in narrowed._asdict().items() if value is not None and name != "part"}
    return _Shape(frozenset(given), len(narrowed.managers or ()))


def _values(narrowed: BoardFilter) -> dict[str, Any]:
    values: dict[str, Any] = narrowed._asdict()
    for place, manager in enumerate(narrowed.managers or ()):
        values[f"manager_{place}"] = manager
    if narrowed.step is not None:
        values.update(step_waits=f"{narrowed.step}.waiting", step_runs=f"{narrowed.step}.running")
    if narrowed.number is not None:
        values["number_end"] = narrowed.number[:-1] + chr(ord(narrowed.number[-1]) + 1)
    return values


def _compiled(backend: Backend, statement: sa.sql.ClauseElement) -> _Statement:
    compiled = statement.compile(dialect=backend.compiler)
    return _Statement(str(compiled), tuple(getattr(compiled, "positiontup", None) or ()), dict(compiled.params))


# Building a statement takes longer than running it; there are few shapes, and they come again and again.


@functools.lru_cache(maxsize=256)
def _page(backend: Backend, shape: _Shape, only: int | None, after: int | None) -> _Statement | None:
    wanted = []
    for part, (belongs, order) in _PARTS.items():
        if (after is not None and part < after) or (only is not None and part != only):
            continue
        rows = sa.select(*_ROW).where(belongs, *_narrowing(shape, part)).order_by(*order).limit(sa.bindparam("limit"))
        if part == after:
            rows = rows.where(_following(part))
        wanted.append(sa.select(rows.subquery()))
    return _compiled(backend, sa.union_all(*wanted)) if wanted else None


@functools.lru_cache(maxsize=256)
def _counts(backend: Backend, shape: _Shape) -> _Statement:
    # Part by part, so that each is counted in the index that its page is read from.
    (due, _), (waiting, _) = _PARTS[DUE], _PARTS[WAITING]
    dated = sa.select(_c.due_on, sa.func.count()).where(due, *_narrowing(shape, DUE)).group_by(_c.due_on)
    undated = sa.select(sa.null(), sa.func.count()).where(waiting, *_narrowing(shape, WAITING))
    return _compiled(backend, sa.union_all(dated, undated))


_UNIT = frozenset({"scope", "org"})


def _narrowing(shape: _Shape, part: int) -> list[sa.ColumnElement[bool]]:
    conditions: dict[str, Callable[[], sa.ColumnElement[bool]]] = {
        "managers": lambda: _manager_is(shape.managers, in_unit=part != CLOSED and not shape.fields.isdisjoint(_UNIT)),
        "scope": lambda: _c.org.in_(_units("scope")),
        "org": lambda: _c.org.in_(_units("org")),
        "user_class": lambda: _c.user_class == sa.bindparam("user_class"),
        "step": lambda: _c.state.in_([sa.bindparam("step_waits"), sa.bindparam("step_runs")]),
        "due_from": lambda: _c.due_on >= sa.bindparam("due_from"),
        "due_to": lambda: _c.due_on <= sa.bindparam("due_to"),
        "number": lambda: _c.id.in_(_numbered()),
    }
    return [condition() for name, condition in conditions.items() if name in shape.fields]


def _manager_is(many: int, *, in_unit: bool) -> sa.ColumnElement[bool]:
    # Open ones within a unit are read off the unit's index, which holds their manager: the index of managers, which
    # this keeps from being chosen, leads to the closed ones too, row by row.
    manager = sa.func.coalesce(_c.manager, "") if in_unit else _c.manager
    return manager.in_([sa.bindparam(f"manager_{place}") for place in range(many)])


def _units(name: str) -> sa.CompoundSelect[Any]:
    """The unit of this name and those below it; one that was never imported still is itself. As one list and not as an
    alternative, so that an index on the unit serves."""
    stated = sa.bindparam(name, type_=_org.c.code.type)
    top = sa.select(_org.c.path).where(_org.c.code == stated).scalar_subquery()
    below = sa.alias(_org)
    # "0" follows "/" in the code table: every path that starts with the one of the unit, and nothing else.
    inside = sa.select(below.c.code).where(below.c.path >= top, below.c.path < sa.func.rtrim(top, "/") + "0")
    return sa.union_all(sa.select(stated), inside)


def _numbered() -> sa.CompoundSelect[Any]:
    """The ids of the applications that are called so: by the beginning of the application number, or by the whole
    external number, account or premises."""
    number: sa.BindParameter[str] = sa.bindparam("number")
    return sa.union(
        sa.select(_c.id).where(_c.application_no >= number, _c.application_no < sa.bindparam("number_end")),
        *(sa.select(_c.id).where(column == number) for column in (_c.external_id, _c.premises_id)),
        sa.select(_personal.c.case_id).where(_personal.c.customer_id == number),
    )


def _following(part: int) -> sa.ColumnElement[bool]:
    due: sa.BindParameter[str] = sa.bindparam("after_due")
    id_: sa.BindParameter[str] = sa.bindparam("after_id")
    if part == DUE:
        return sa.tuple_(_c.due_on, _c.id) > sa.tuple_(due, id_)
    return _c.id > id_ if part == WAITING else _c.id < id_


def key_of(row: BoardRow) -> BoardKey:
    """Where a row stands on the board."""
    part = CLOSED if row.closed_at is not None else WAITING if row.due_on is None else DUE
    return BoardKey(part, row.due_on if part == DUE else None, row.id)


def _place(row: BoardRow) -> tuple[int, str, Sequence[int] | str]:
    key = key_of(row)
    return (key.part, key.due_on or "", [-ord(one) for one in row.id] if key.part == CLOSED else row.id)
