"""Records of other systems and the history of findings carry a hash of each row, arrival and order included.

What the rows say stays as it is; they are copied to new tables, which takes about as much free space as they do.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby, islice

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

Sealing = Callable[[Iterable[Sequence[str | None]]], Iterator[Sequence[object]]]
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RECORD = ("id", "case_id", "content", "digest", "received_at", "received_by")
EVENT = ("finding_id", "id", "type", "at", "by", "payload")
SAME = {
    "evidence_record": "id = NEW.id OR digest = NEW.digest",
    "finding_event": "id = NEW.id OR (finding_id = NEW.finding_id AND seq = NEW.seq)",
    "complaint": "id = NEW.id",
}
"""Which row is there already, by table."""
DELIVERED = "EXISTS (SELECT 1 FROM evidence_record WHERE digest = NEW.digest)"
THEN = {
    "evidence_record": f"CASE WHEN {DELIVERED} THEN RAISE(IGNORE) ELSE RAISE(ABORT, 'evidence_record exists') END",
    "finding_event": "RAISE(ABORT, 'finding_event exists')",
    "complaint": "RAISE(ABORT, 'complaint exists')",
}


def upgrade() -> None:
    """Seal what is there, and set the guards up anew."""
    _replace(
        "evidence_record",
        RECORD,
        _records,
        sa.Column("id", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("received_at", TEXT, nullable=False),
        sa.Column("received_by", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.CheckConstraint("length(received_at) = 32", name="ck_evidence_record_received_at"),
        sa.CheckConstraint("length(hash) = 64", name="ck_evidence_record_hash"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="uq_evidence_record_digest"),
    )
    op.create_index("ix_evidence_record_case", "evidence_record", ["case_id"])
    _replace(
        "finding_event",
        EVENT,
        _events,
        sa.Column("id", TEXT, nullable=False),
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.CheckConstraint("length(at) = 32", name="ck_finding_event_at"),
        sa.CheckConstraint("seq >= 1 AND length(hash) = 64", name="ck_finding_event_seq"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("finding_id", "seq", name="uq_finding_event_seq"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, function in (("evidence_record", "append_only"), ("finding_event", "event_append_only")):
            name = f"{table}_append_only"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        return
    for table, says in (("evidence_record", "evidence_record"), ("finding_event", "event")):
        for act in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{says} is append-only'); END"
            )
    for table, same in SAME.items():
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  # our own names
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} BEGIN SELECT {THEN[table]}; END"
        )


def _records(rows: Iterable[Sequence[str | None]]) -> Iterator[Sequence[object]]:
    for row in rows:
        yield *row, _hash(row)


def _events(rows: Iterable[Sequence[str | None]]) -> Iterator[Sequence[object]]:
    for finding_id, entries in groupby(rows, key=lambda row: row[0]):
        for seq, (_, id_, *told) in enumerate(entries, 1):
            row = (id_, finding_id, str(seq), *told)
            yield id_, finding_id, seq, *told, _hash(row)


def _hash(row: Sequence[str | None]) -> str:
    texts = [None if value is None else value.encode() for value in row]
    fields = b"".join(b"-" if text is None else b"%d:%s," % (len(text), text) for text in texts)
    return sha256(b"baozhuang row 1\0" + fields).hexdigest()


def _replace(table: str, columns: Sequence[str], sealed: Sealing, *parts: sa.schema.SchemaItem) -> None:
    """A new table takes the rows of the old one over, each with its hash."""
    connection, old = op.get_bind(), f"{table}_0016"
    names = ", ".join(columns)
    op.execute(f"CREATE TABLE {old} AS SELECT {names} FROM {table}")  # noqa: S608  # our own names
    op.drop_table(table)
    new = op.create_table(table, *parts)
    there = sa.text(f"SELECT {names} FROM {old} ORDER BY 1, 2")  # noqa: S608  # our own names
    rows = sealed(connection.execute(there, execution_options={"yield_per": 1000}))
    while page := [dict(zip(new.c.keys(), row, strict=True)) for row in islice(rows, 1000)]:
        connection.execute(new.insert(), page)
    op.drop_table(old)


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
