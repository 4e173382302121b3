"""Lists and streams over all cases: what boards, sweeps, checkpoints and rebuilding read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from storage._execution import Execution
from storage._statements import tables
from storage.errors import Damaged
from storage.evidence import BY_DIGEST, CHECKPOINT_FORMAT, row_hash
from storage.rows import (
    CaseRow,
    DeadlineRow,
    EventRow,
    EvidenceRow,
    Filter,
    FindingEventRow,
    FindingRow,
    Head,
    PersonalRow,
)

_application = tables["application"]
_event = tables["event"]
_deadline = tables["deadline"]
_evidence = tables["evidence_record"]
_finding = tables["finding"]
_course = tables["finding_event"]
_org = tables["org"]
_personal = tables["personal"]

_CASE = [_application.c[field] for field in CaseRow._fields]
_DEADLINE = [_deadline.c[field] for field in DeadlineRow._fields]
_EVENT = [_event.c[field] for field in EventRow._fields]
_PERSONAL = [_personal.c[field] for field in PersonalRow._fields]
_EVIDENCE = [_evidence.c[field] for field in EvidenceRow._fields]
# As it is stored: whatever is not zero would be read as yes.
_STANDS = sa.type_coerce(_finding.c.stands, sa.Integer)
_FINDING = [_STANDS if field == "stands" else _finding.c[field] for field in FindingRow._fields]
_COURSE = [_course.c[field] for field in ("finding_id", "seq", "id", "type", "at", "by", "payload", "hash")]

_CASE_FLAG = CaseRow._fields.index("provisional")
_DEADLINE_FLAG = DeadlineRow._fields.index("provisional")

PAGE = 1000
"""Rows fetched at a time by the streams."""


def case_row(values: Sequence[Any]) -> CaseRow:
    """The row of an application; SQLite knows no booleans."""
    return CaseRow._make((*values[:_CASE_FLAG], bool(values[_CASE_FLAG]), *values[_CASE_FLAG + 1 :]))


def deadline_row(values: Sequence[Any]) -> DeadlineRow:
    """The row of a deadline; SQLite knows no booleans."""
    flag = bool(values[_DEADLINE_FLAG])
    return DeadlineRow._make((*values[:_DEADLINE_FLAG], flag, *values[_DEADLINE_FLAG + 1 :]))


def starts_with(column: sa.ColumnElement[Any], prefix: str) -> sa.ColumnElement[bool]:
    """Whether `column` starts with `prefix`, as a range, which an index of either database can serve."""
    if not prefix:
        return sa.true()
    return sa.and_(column >= prefix, column < prefix[:-1] + chr(ord(prefix[-1]) + 1))


def in_region(column: sa.ColumnElement[Any], region: str) -> sa.ColumnElement[bool]:
    """Whether `column` lies in the GB/T 2260 `region`: trailing pairs of zeros stand for everything below."""
    prefix = region
    while prefix.endswith("00"):
        prefix = prefix[:-2]
    return starts_with(column, prefix)


def in_org(column: sa.ColumnElement[Any], org: str) -> sa.ColumnElement[bool]:
    """Whether `column` names `org` or one below it; an org that was never imported still names itself."""
    below = sa.alias(_org)
    top = sa.select(_org.c.path).where(_org.c.code == org).scalar_subquery()
    # "0" follows "/" in the code table: every path that starts with the one of `org`, and nothing else.
    inside = sa.select(below.c.code).where(below.c.path >= top, below.c.path < sa.func.rtrim(top, "/") + "0")
    return sa.or_(column == org, column.in_(inside))


_OPEN = _application.c.closed_at.is_(None)
_NARROWING: dict[str, Callable[[str], sa.ColumnElement[bool]]] = {
    "scope": lambda org: in_org(_application.c.org, org),
    "org": lambda org: in_org(_application.c.org, org),
    "region": lambda region: in_region(_application.c.region, region),
    "state": lambda state: _application.c.state == state,
    "user_class": lambda user_class: _application.c.user_class == user_class,
    "manager": lambda manager: _application.c.manager == manager,
    "external_id": lambda external_id: _application.c.external_id == external_id,
    "due_before": lambda date: sa.and_(_OPEN, _application.c.due_on < date),
    "overdue_before": lambda date: sa.and_(_OPEN, _application.c.due_on < date),
    "not_overdue_from": lambda date: sa.or_(
        sa.not_(_OPEN), _application.c.due_on.is_(None), _application.c.due_on >= date
    ),
}


def _narrowed(narrowed: Filter) -> sa.Select[Any]:
    wanted = {field: value for field, value in narrowed._asdict().items() if value is not None}
    return sa.select(*_CASE).where(*(_NARROWING[field](value) for field, value in wanted.items()))


def by_id(row: Sequence[Any]) -> tuple[bool, Any]:
    """Where a row stands whose first value is its id: SQLite puts what is no text, which somebody wrote there by hand,
    behind all text."""
    return not isinstance(row[0], str), row[0]


class Lists(Execution):
    """Reading many cases."""

    def list_applications(self, narrowed: Filter, *, before: str | None = None, limit: int = 50) -> list[CaseRow]:
        """Up to `limit` applications, newest first; `before` is the id of the last one of the page before."""
        statement = _narrowed(narrowed).order_by(_application.c.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_application.c.id < before)
        return [case_row(row) for row in self._query(statement)]

    def most_urgent(self, narrowed: Filter, limit: int) -> list[CaseRow]:
        """Up to `limit` applications, the earliest due date first: what must not be missing from a list cut short."""
        c = _application.c
        return [
            case_row(row) for row in self._query(_narrowed(narrowed).order_by(c.due_on, c.application_no).limit(limit))
        ]

    def cases_by_id(self, ids: Iterable[str]) -> dict[str, CaseRow]:
        """Applications by id, those there are."""
        rows = map(case_row, self._query(sa.select(*_CASE).where(_application.c.id.in_(list(ids)))))
        return {row.id: row for row in rows}

    def deadlines_to_recount(
        self, due_after: str, *, after: tuple[str, str] = ("", ""), limit: int = 500
    ) -> list[DeadlineRow]:
        """Running and suspended deadlines that another calendar may move: provisional ones, and those due after the
        date `due_after`. One page in the order of (case_id, key), following `after`; take each page in its own
        transaction, so that recounting a province does not keep everybody else waiting."""
        c = _deadline.c
        statement = (
            sa.select(*_DEADLINE)
            .where(
                c.status.in_(("running", "suspended")),
                c.scope != "plan",  # counts natural days
                sa.or_(c.provisional, c.due_on > due_after),
                sa.tuple_(c.case_id, c.key) > after,
            )
            .order_by(c.case_id, c.key)
            .limit(limit)
        )
        return [deadline_row(row) for row in self._query(statement)]

    def cases(self, after: str = "") -> Iterator[CaseRow]:
        """Every application by id, following `after`, a page at a time."""
        return map(case_row, self._in_order(_CASE, after))

    def heads(self) -> Iterator[Head]:
        """The head of every application by id, as its row states it."""
        c = _application.c
        return map(Head._make, self._in_order([c.id, c.version, c.head_hash]))

    def all_events(self) -> Iterator[EventRow]:
        """Every event by case and sequence number."""
        return map(EventRow._make, self._in_order(_EVENT, "", 0))

    def people(self) -> Iterator[tuple[str, str, bool, PersonalRow | None]]:
        """Of every application by id: the payload of its first event, whether it has ended, and who it is about (None
        when that row is gone)."""
        case, event = _application.c, _event.c
        first = _application.join(_event, sa.and_(event.case_id == case.id, event.case_seq == 1))
        source = first.outerjoin(_personal, _personal.c.case_id == case.id)
        for row in self._in_order([case.id, event.payload, case.closed_at, *_PERSONAL], source=source):
            yield row[0], row[1], row[2] is not None, None if row[3] is None else PersonalRow._make(row[3:])

    def all_evidence(self) -> Iterator[tuple[EvidenceRow, bool]]:
        """Every record of another system by id, and whether it is the one that its hash is of."""
        for *row, kept in self._in_order([*_EVIDENCE, _evidence.c.hash]):
            yield EvidenceRow._make(row), row_hash(row) == kept

    def all_findings(self) -> Iterator[tuple[str, FindingRow | None, list[FindingEventRow], bool]]:
        """Every finding by id: how it stands (None when that row is gone), its history, and whether nothing is missing
        there and every entry is the one that its hash is of."""
        streams = (self._in_order(_FINDING), self._in_order(_COURSE, "", 0))
        for (_, id_), found in groupby(heapq.merge(*streams, key=by_id), key=by_id):
            row: FindingRow | None = None
            events: list[FindingEventRow] = []
            whole = True
            for part in found:
                if len(part) == len(_FINDING):
                    row = FindingRow._make(part)
                    continue
                _, seq, event_id, *told, kept = part
                events.append(FindingEventRow(event_id, id_, *told))
                whole = whole and seq == len(events) and row_hash((event_id, id_, seq, *told)) == kept
            yield id_, row, events, whole

    def records(self, as_in: str = CHECKPOINT_FORMAT) -> Iterator[Head]:
        """Every row that is only ever added (records of other systems, entries in the history of findings) by id as a
        checkpoint of this format holds it: `seq` 0 and its hash."""
        of_others, of_findings = _evidence.c, _course.c
        if as_in == BY_DIGEST:
            return (Head(id_, 0, digest) for id_, digest in self._in_order([of_others.id, of_others.digest]))
        kinds = (self._in_order([c.id, c.hash]) for c in (of_others, of_findings))
        return (Head(id_, 0, hash_) for id_, hash_ in heapq.merge(*kinds, key=by_id))

    def marks(self) -> Iterator[Head]:
        """What a checkpoint is made of, by id: the head of every application and every row that is only ever added.
        Raises Damaged at one that no checkpoint can name."""
        for head in heapq.merge(self.heads(), self.records(), key=by_id):
            if tuple(map(type, head)) != (str, int, str):
                raise Damaged(
                    "有的行不是本程序写入的, 不能写检查点; 请运行 baozhuang verify",
                    "a row was not written by this program, so no checkpoint can be made: run baozhuang verify",
                )
            yield head

    def _in_order(
        self, columns: Sequence[sa.ColumnElement[Any]], *after: object, source: sa.FromClause | None = None
    ) -> Iterator[Sequence[Any]]:
        """These columns of every row by the first of them, its id, or by as many as `after` has values, following
        those; a page at a time. `source`: the join they come from, where it is not one table."""
        after = after or ("",)
        keys, asked = columns[: len(after)], sa.select(*columns).order_by(*columns[: len(after)]).limit(PAGE)
        if source is not None:
            asked = asked.select_from(source)
        while True:
            page: Sequence[Any] = self._query(asked.where(sa.tuple_(*keys) > after)).all()
            yield from page
            if len(page) < PAGE:
                return
            after = tuple(page[-1][: len(after)])
