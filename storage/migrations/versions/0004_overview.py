"""Indexes that a supervisor's overview is counted from without reading the applications themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = (
    ("application", "open", ["org", "manager", "state", "due_on", "submitted_at"], "closed_at IS NULL"),
    ("application", "closed", ["closed_at", "org", "state", "submitted_at", "id"], "closed_at IS NOT NULL"),
    ("deadline", "breached", ["case_id", "scope", "step", "due_on"], "status = 'breached'"),
)


def upgrade() -> None:
    """Add the indexes; nothing stored changes."""
    for table, name, columns, where in INDEXES:
        op.create_index(
            f"ix_{table}_{name}", table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
