"""When the records of live cases were made, by unit, source and month; every case is judged anew to count it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the two tables; the worker fills them."""
    op.create_table(
        "recorded_month",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("minutes", TEXT, nullable=False),
        sa.Column("loaded", sa.Boolean(create_constraint=True, name="ck_recorded_month_loaded"), nullable=False),
        sa.CheckConstraint("length(month) = 7", name="ck_recorded_month_month"),
        sa.PrimaryKeyConstraint("case_id", "source", "month"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recorded_month_org", "recorded_month", ["org", "source", "month", "loaded", "case_id"])
    op.create_table(
        "load_month",
        sa.Column("org", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("hours", TEXT, nullable=False),
        sa.Column("fullest", sa.Integer(), nullable=False),
        sa.Column("loaded", sa.Boolean(create_constraint=True, name="ck_load_month_loaded"), nullable=False),
        sa.Column("marks", sa.Integer(), nullable=False),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.CheckConstraint("fullest >= 0 AND marks >= settled", name="ck_load_month_counts"),
        sa.CheckConstraint("length(month) = 7", name="ck_load_month_month"),
        sa.PrimaryKeyConstraint("org", "source", "month"),
        sqlite_with_rowid=False,
    )
    marked = sa.text("marks > settled")
    op.create_index("ix_load_month_marked", "load_month", ["org"], sqlite_where=marked, postgresql_where=marked)
    op.execute("UPDATE judgement SET rules = ''")


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
