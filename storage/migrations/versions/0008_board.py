"""The board: its indexes, saved views, and who is away."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OPEN = sa.text("closed_at IS NULL")


def _length(table: str, column: str, length: int) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"length({column}) = {length}", name=f"ck_{table}_{column}")


def upgrade() -> None:
    """Add them."""
    for name, column in (("ix_application_board", "manager"), ("ix_application_unit", "org")):
        op.create_index(name, "application", [column, "due_on", "id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "saved_view",
        sa.Column("staff", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        _length("saved_view", "created_at", 32),
        sa.PrimaryKeyConstraint("staff", "name"),
    )
    op.create_table(
        "absence",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("staff", TEXT, nullable=False),
        sa.Column("substitute", TEXT, nullable=False),
        sa.Column("first_day", TEXT, nullable=False),
        sa.Column("last_day", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.CheckConstraint("first_day <= last_day", name="ck_absence_days"),
        sa.CheckConstraint("staff <> substitute", name="ck_absence_substitute"),
        _length("absence", "first_day", 10),
        _length("absence", "last_day", 10),
        _length("absence", "created_at", 32),
        _length("absence", "ended_at", 32),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_absence_staff", "absence", ["staff", "last_day"])
    op.create_index("ix_absence_substitute", "absence", ["substitute", "last_day"])


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
