"""The small tables: keys, orgs, staff, published definitions, notices, evidence, settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from storage._execution import Execution, rendered
from storage._lists import in_org
from storage._statements import tables
from storage.dialects import POSTGRESQL, Backend
from storage.errors import StorageError
from storage.evidence import row_hash
from storage.rows import DefinitionRow, EvidenceRow, KeyRow, NoticeRow, OrgRow, StaffRow

_R = TypeVar("_R", bound=NamedTuple)


class Registers(Execution):
    """Reading and writing the small tables."""

    def add_key(self, row: KeyRow) -> None:
        """Store a new API key. Raises Duplicate when id or secret exist already."""
        self._query(sa.insert(tables["api_key"]).values(row._asdict()))

    def key(self, key_hash: str) -> KeyRow | None:
        """The key with this SHA-256 (hex) of its secret, revoked or not."""
        row = self._beside(self._sql.key, (key_hash,)).fetchone()
        return None if row is None else KeyRow._make(row)

    def keys(self) -> list[KeyRow]:
        """All keys, oldest first."""
        return self._all(KeyRow, "api_key", "created_at", "id")

    def revoke_key(self, key_id: str, revoked_at: str) -> bool:
        """Revoke a key; False when there is none or it was revoked before (the first time stands)."""
        key = tables["api_key"]
        revoke = sa.update(key).where(key.c.id == key_id, key.c.revoked_at.is_(None)).values(revoked_at=revoked_at)
        return self._query(revoke).rowcount == 1

    def hold_registers(self) -> None:
        """Let nobody else change units or staff until this transaction ends, for whoever decides by all of them; they
        are read as before. As the first of a write transaction. Raises Contention when that takes too long."""
        if self._backend is POSTGRESQL:  # the write transaction of SQLite is the lock
            self._execute("LOCK TABLE org, staff IN SHARE ROW EXCLUSIVE MODE", ())

    def put_orgs(self, rows: Iterable[OrgRow]) -> None:
        """Insert or replace orgs, parents and children in any order; `path` is derived for them and all below them.

        Raises StorageError when a parent is unknown or an org would lie below itself.
        """
        orgs = {org.code: org for org in self.orgs()}
        known = dict(orgs)
        orgs.update((row.code, row) for row in rows)
        placed = [org._replace(path=_path(orgs, code)) for code, org in orgs.items()]
        self._put("org", [org for org in placed if known.get(org.code) != org])

    def org(self, code: str) -> OrgRow | None:
        """One org."""
        row = self._beside(self._sql.org, (code,)).fetchone()
        return None if row is None else OrgRow._make(row)

    def orgs(self) -> list[OrgRow]:
        """All orgs, every parent before its children."""
        return self._all(OrgRow, "org", "path")

    def put_staff(self, rows: Iterable[StaffRow]) -> None:
        """Insert or replace staff by id."""
        self._put("staff", list(rows))

    def member(self, staff_id: str) -> StaffRow | None:
        """One person of the staff."""
        return self._first(StaffRow, "staff", id=staff_id)

    def members(self, staff_ids: Iterable[str | None]) -> list[StaffRow]:
        """Those of these people that are known, in one look."""
        c, wanted = tables["staff"].c, {one for one in staff_ids if one is not None}
        if not wanted:
            return []
        rows = self._query(sa.select(*(c[field] for field in StaffRow._fields)).where(c.id.in_(sorted(wanted))))
        return [StaffRow._make(values) for values in rows]

    def units_below(self, top: str | None, limit: int) -> list[OrgRow]:
        """Up to `limit` units: `top` and those below it, or all of them; every parent before its children."""
        c = tables["org"].c
        wanted = sa.select(*(c[field] for field in OrgRow._fields)).order_by(c.path).limit(limit)
        if top is not None:
            wanted = wanted.where(in_org(c.code, top))
        return [OrgRow._make(values) for values in self._query(wanted)]

    def staff_below(self, top: str | None, roles: Sequence[str], limit: int) -> list[StaffRow]:
        """Up to `limit` people of these roles in `top` and the units below it, or in all, by id."""
        c = tables["staff"].c
        wanted = sa.select(*(c[field] for field in StaffRow._fields)).where(c.role.in_(roles))
        if top is not None:
            wanted = wanted.where(in_org(c.org, top))
        return [StaffRow._make(values) for values in self._query(wanted.order_by(c.id).limit(limit))]

    def staff_of(self, org: str, limit: int) -> list[StaffRow]:
        """Up to `limit` people of one unit, by id."""
        c = tables["staff"].c
        wanted = sa.select(*(c[field] for field in StaffRow._fields)).where(c.org == org).order_by(c.id).limit(limit)
        return [StaffRow._make(values) for values in self._query(wanted)]

    def staff(self) -> list[StaffRow]:
        """All staff by id."""
        return self._all(StaffRow, "staff", "id")

    def put_definition(self, row: DefinitionRow) -> None:
        """Publish a definition; one that is there already keeps its date."""
        self._add_if_new("definition", row, "hash")

    def definition(self, content_hash: str) -> DefinitionRow | None:
        """The definition published under this hash."""
        return self._first(DefinitionRow, "definition", hash=content_hash)

    def definitions(self) -> list[DefinitionRow]:
        """All published definitions, oldest first."""
        return self._all(DefinitionRow, "definition", "published_at", "hash")

    def unpublished(self) -> list[tuple[str, str]]:
        """The hashes of definitions that applications are pinned to and that are not published here, each with one such
        application."""
        pinned, there = tables["application"].c, tables["definition"].c
        missing = sa.select(pinned.definition_hash, sa.func.min(pinned.id)).where(
            pinned.definition_hash.not_in(sa.select(there.hash))
        )
        ordered = missing.group_by(pinned.definition_hash).order_by(pinned.definition_hash)
        rows: Sequence[Sequence[Any]] = self._query(ordered).all()
        return [(row[0], row[1]) for row in rows]

    def put_notice(self, row: NoticeRow) -> bool:
        """Store a calendar notice; False when it was there already."""
        return self._add_if_new("calendar_notice", row, "hash")

    def notices(self) -> list[NoticeRow]:
        """All dropped-in notices by year, then by when they came in."""
        return self._all(NoticeRow, "calendar_notice", "year", "imported_at", "hash")

    def add_evidence(self, row: EvidenceRow) -> bool:
        """Store a record of another system; False when one with the same digest is there already."""
        return self._add_if_new("evidence_record", row, "digest", hash=row_hash(row))

    def evidence(self, case_id: str) -> list[EvidenceRow]:
        """The records about one case, in the order they came in."""
        return self._all(EvidenceRow, "evidence_record", "received_at", "id", case_id=case_id)

    def setting(self, key: str) -> str | None:
        """The value of a setting, as it stood when this transaction first asked for it or last set it."""
        if key not in self._settings:
            row = self._beside(self._sql.setting, (key,)).fetchone()
            self._settings[key] = None if row is None else str(row[0])
        return self._settings[key]

    def exclude_writers(self) -> None:
        """Wait until every other write transaction has ended and let none begin until this one ends: for a change that
        whoever writes must know of. Raises Contention when that takes too long."""
        if self._backend.exclude_writers is not None:
            self._execute(self._backend.exclude_writers, ())

    def put_setting(self, key: str, value: str) -> None:
        """Set a setting."""
        self._settings.pop(key, None)
        insert = self._backend.insert(tables["setting"]).values(key=key, value=value)
        self._query(insert.on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value}))

    def _select(self, row: type[_R], table: str, keys: dict[str, str]) -> sa.Select[Any]:
        c = tables[table].c
        return sa.select(*(c[field] for field in row._fields)).where(*(c[key] == value for key, value in keys.items()))

    def _first(self, row: type[_R], table: str, **keys: str) -> _R | None:
        values = self._query(self._select(row, table, keys)).first()
        return None if values is None else row._make(values)

    def _all(self, row: type[_R], table: str, *order: str, **keys: str) -> list[_R]:
        statement = self._select(row, table, keys).order_by(*(tables[table].c[column] for column in order))
        return [row._make(values) for values in self._query(statement)]

    def _put(self, table: str, rows: Sequence[OrgRow | StaffRow]) -> None:
        if rows:
            self._execute_many(_upsert(self._backend, table, rows[0]._fields), rows)

    def _add_if_new(self, table: str, row: DefinitionRow | NoticeRow | EvidenceRow, unique: str, **more: str) -> bool:
        target, values = tables[table], {**row._asdict(), **more}
        insert = self._backend.insert(target).values(values).on_conflict_do_nothing(index_elements=[unique])
        return self._query(insert.returning(target.c[unique])).first() is not None


@cache
def _upsert(backend: Backend, table: str, fields: tuple[str, ...]) -> str:
    target = tables[table]
    keys = [column.name for column in target.primary_key]
    insert = backend.insert(target).values({field: sa.bindparam(field) for field in fields})
    rest = {field: insert.excluded[field] for field in fields if field not in keys}
    return rendered(backend, insert.on_conflict_do_update(index_elements=keys, set_=rest), fields)


def _path(orgs: dict[str, OrgRow], code: str) -> str:
    codes: list[str] = []
    above: str | None = code
    while above is not None:
        if above in codes:
            raise StorageError(f"单位 {code} 的上级形成循环", f"the parents of org {code} go round in a circle")
        if above not in orgs:
            raise StorageError(
                f"单位 {codes[-1]} 的上级 {above} 不存在", f"org {codes[-1]} has an unknown parent {above}"
            )
        codes.append(above)
        above = orgs[above].parent
    return "".join(f"{part}/" for part in reversed(codes))
