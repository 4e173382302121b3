"""Replays asked for from the pages."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def among(column: str, *values: str) -> str:
    """One of these values; spelt out, because SQLite builds a table for an IN each time it checks a row."""
    return " OR ".join(f"{column} = '{value}'" for value in values)


def upgrade() -> None:
    """Add what is new; nothing that is there changes."""
    op.create_table(
        "replay_run",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("as_of", TEXT, nullable=False),
        sa.Column("mapping", TEXT, nullable=False),
        sa.Column("cases_file", TEXT, nullable=True),
        sa.Column("cases_name", TEXT, nullable=True),
        sa.Column("events_file", TEXT, nullable=True),
        sa.Column("events_name", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("worker", TEXT, nullable=True),
        sa.Column("beat_at", TEXT, nullable=True),
        sa.Column("finished_at", TEXT, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.CheckConstraint("length(as_of) = 10", name="ck_replay_run_as_of"),
        sa.CheckConstraint("length(beat_at) = 32", name="ck_replay_run_beat_at"),
        sa.CheckConstraint("length(created_at) = 32", name="ck_replay_run_created_at"),
        sa.CheckConstraint("length(finished_at) = 32", name="ck_replay_run_finished_at"),
        sa.CheckConstraint("percent >= 0 AND percent <= 100", name="ck_replay_run_percent"),
        sa.CheckConstraint(
            among("state", "queued", "running", "stopped", "failed", "done"), name="ck_replay_run_state"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_replay_run_org", "replay_run", ["org", "id"])


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
