"""The statements of the hot path: SQLAlchemy Core on the SQLModel tables, rendered once per database.

What comes out is plain SQL with positional parameters for the driver's own cursor; building and compiling a statement
costs more than running it, so it must not happen per command.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.dialects import Backend
from storage.models import Table
from storage.rows import CaseRow, DeadlineRow, EventRow, KeyRow, OrgRow, PersonalRow, Remembered, RoundRow

tables = Table.metadata.tables


class Order(NamedTuple):
    """A statement that rows are gathered for. `rank`: those of a lower one are sent first. `each`: every row must meet
    one that is there, else somebody has changed it meanwhile."""

    sql: str
    rank: int = 0
    each: bool = False


class Statements:
    """SQL by name for one database. Each is rendered when first asked for; parameters are named in the comments."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def _render(self, statement: sa.sql.ClauseElement, parameters: Sequence[str]) -> str:
        compiled = statement.compile(dialect=self._backend.compiler)
        if list(parameters) != list(getattr(compiled, "positiontup", None) or ()):
            raise TypeError(f"{compiled} takes its parameters in another order than {parameters}")
        return str(compiled)

    def _insert(self, table: str, fields: Sequence[str]) -> str:
        return self._render(sa.insert(tables[table]).values({f: sa.bindparam(f) for f in fields}), fields)

    def _upsert(self, table: str, fields: Sequence[str]) -> str:
        target = tables[table]
        keys = [column.name for column in target.primary_key]
        insert = self._backend.insert(target).values({f: sa.bindparam(f) for f in fields})
        rest = {f: insert.excluded[f] for f in fields if f not in keys}
        return self._render(insert.on_conflict_do_update(index_elements=keys, set_=rest), fields)

    def _select(self, table: str, fields: Sequence[str], *keys: str, order: Sequence[str] = ()) -> str:
        return self._render(_select(table, fields, *keys, order=order), keys)

    # A whole row, in the order of its fields.

    @cached_property
    def insert_case(self) -> str:
        return self._insert("application", CaseRow._fields)

    @cached_property
    def insert_event(self) -> Order:
        return Order(self._insert("event", EventRow._fields))

    @cached_property
    def insert_idempotency(self) -> str:
        """Nothing is written where the key holds an answer already."""
        fields = Remembered._fields
        insert = self._backend.insert(tables["idempotency"]).values({f: sa.bindparam(f) for f in fields})
        return self._render(insert.on_conflict_do_nothing(index_elements=["principal", "key"]), fields)

    @cached_property
    def put_round(self) -> Order:
        return Order(self._upsert("step_round", RoundRow._fields))

    @cached_property
    def put_deadline(self) -> Order:
        return Order(self._upsert("deadline", DeadlineRow._fields))

    @cached_property
    def put_personal(self) -> str:
        return self._upsert("personal", PersonalRow._fields)

    # case_id

    @cached_property
    def case(self) -> str:
        return self._select("application", CaseRow._fields, "id")

    @cached_property
    def case_for_update(self) -> str:
        """SQLite has no row locks and renders none: there the write transaction itself is the lock."""
        return self._render(_select("application", CaseRow._fields, "id").with_for_update(), ("id",))

    @cached_property
    def head_for_update(self) -> str:
        return self._render(_select("application", ("head_hash",), "id").with_for_update(), ("id",))

    @cached_property
    def events(self) -> str:
        return self._select("event", EventRow._fields, "case_id", order=["case_seq"])

    @cached_property
    def rounds(self) -> str:
        return self._select("step_round", RoundRow._fields, "case_id", order=["step", "round"])

    @cached_property
    def deadlines(self) -> str:
        return self._select("deadline", DeadlineRow._fields, "case_id", order=["key"])

    @cached_property
    def personal(self) -> str:
        return self._select("personal", PersonalRow._fields, "case_id")

    # case_id, key

    @cached_property
    def delete_deadline(self) -> str:
        deadline = tables["deadline"]
        keys = ("case_id", "key")
        return self._render(sa.delete(deadline).where(*(deadline.c[k] == sa.bindparam(k) for k in keys)), keys)

    # case_id, step, round

    @cached_property
    def delete_round(self) -> str:
        step_round = tables["step_round"]
        keys = ("case_id", "step", "round")
        return self._render(sa.delete(step_round).where(*(step_round.c[k] == sa.bindparam(k) for k in keys)), keys)

    # key

    @cached_property
    def setting(self) -> str:
        return self._select("setting", ("value",), "key")

    # code

    @cached_property
    def org(self) -> str:
        return self._select("org", OrgRow._fields, "code")

    # key_hash

    @cached_property
    def key(self) -> str:
        return self._select("api_key", KeyRow._fields, "key_hash")

    # premises_id, customer_id, address, closed_since

    @cached_property
    def same_need(self) -> str:
        application, personal = tables["application"].c, tables["personal"].c
        ids = sa.union_all(
            sa.select(application.id).where(application.premises_id == sa.bindparam("premises_id")),
            sa.select(personal.case_id).where(
                personal.customer_id == sa.bindparam("customer_id"), personal.address == sa.bindparam("address")
            ),
        )
        recent = sa.or_(application.closed_at.is_(None), application.closed_at >= sa.bindparam("closed_since"))
        wanted = (
            sa.select(*(tables["application"].c[f] for f in CaseRow._fields))
            .where(application.id.in_(ids), recent)
            .order_by(application.id.desc())
        )
        return self._render(wanted, ("premises_id", "customer_id", "address", "closed_since"))

    # principal, key

    @cached_property
    def remembered(self) -> str:
        return self._select("idempotency", Remembered._fields, "principal", "key")

    # org, year

    @cached_property
    def next_serial(self) -> str:
        serial = tables["serial"]
        insert = self._backend.insert(serial).values(
            org=sa.bindparam("org"), year=sa.bindparam("year"), last=sa.literal_column("1")
        )
        raised = insert.on_conflict_do_update(
            index_elements=["org", "year"], set_={"last": serial.c.last + sa.text("1")}
        )
        return self._render(raised.returning(serial.c.last), ("org", "year"))

    # the changed columns (by their places in the row), case_id, and the version they were read at

    @cache  # noqa: B019  # one Statements per database lives as long as the program; few combinations ever occur
    def update_case(self, places: tuple[int, ...]) -> Order:
        application = tables["application"]
        columns = [CaseRow._fields[place] for place in places]
        update = (
            sa.update(application)
            .where(application.c.id == sa.bindparam("the_id"), application.c.version == sa.bindparam("the_version"))
            .values({column: sa.bindparam(column) for column in columns})
        )
        return Order(self._render(update, (*columns, "the_id", "the_version")), each=True)


def _select(table: str, fields: Sequence[str], *keys: str, order: Sequence[str] = ()) -> sa.Select[Any]:
    source = tables[table]
    statement = sa.select(*(source.c[f] for f in fields)).where(*(source.c[k] == sa.bindparam(k) for k in keys))
    return statement.order_by(*(source.c[column] for column in order))


@cache
def statements(backend: Backend) -> Statements:
    """The statements of `backend`, shared by all its connections."""
    return Statements(backend)
