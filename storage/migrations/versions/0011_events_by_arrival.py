"""SQLite keeps events in the order they came, and personal data by case: fewer pages to a command.

Nothing changes on PostgreSQL, whose tables are heaps. The rows stay as they are, byte for byte; SQLite can only copy
them to a new table, which takes about as much free space as the events do.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text()
TRIGGERS = {
    "event_no_update": (
        "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END"
    ),
    "event_no_delete": (
        "CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END"
    ),
    "event_no_replace": (
        "CREATE TRIGGER event_no_replace BEFORE INSERT ON event"
        " WHEN EXISTS (SELECT 1 FROM event WHERE case_id = NEW.case_id AND case_seq = NEW.case_seq)"
        " BEGIN SELECT RAISE(ABORT, 'event exists'); END"
    ),
}


def upgrade() -> None:
    """Copy the two tables into their new form, the guards of the events included."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    _replace(
        "event",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("case_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("occurred_at", TEXT, nullable=False),
        sa.Column("recorded_at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("prev_hash", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.CheckConstraint("case_seq >= 1", name="ck_event_seq"),
        sa.CheckConstraint("length(occurred_at) = 32", name="ck_event_occurred_at"),
        sa.CheckConstraint("length(prev_hash) = 64 AND length(hash) = 64", name="ck_event_hash"),
        sa.CheckConstraint("length(recorded_at) = 32", name="ck_event_recorded_at"),
        sa.PrimaryKeyConstraint("case_id", "case_seq"),
    )
    for statement in TRIGGERS.values():
        op.execute(statement)
    op.drop_index("ix_personal_customer", "personal")
    _replace(
        "personal",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("salt", TEXT, nullable=True),
        sa.Column("customer_id", TEXT, nullable=True),
        sa.Column("customer_name", TEXT, nullable=True),
        sa.Column("phone", TEXT, nullable=True),
        sa.Column("address", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("case_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_personal_customer", "personal", ["customer_id"])


def _replace(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> None:
    """A new table takes the rows of the old one over, in the order of its key."""
    op.rename_table(name, f"{name}_0010")
    op.create_table(name, *parts, **options)
    columns = [part.name for part in parts if isinstance(part, sa.Column)]
    old, new = (sa.table(which, *map(sa.column, columns)) for which in (f"{name}_0010", name))
    keys = [old.c[key] for key in columns if key in ("case_id", "case_seq")]
    op.execute(new.insert().from_select(columns, sa.select(*old.c).order_by(*keys)))
    op.drop_table(f"{name}_0010")


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
