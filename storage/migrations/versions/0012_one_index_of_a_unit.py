"""One index of open applications by unit serves the board and the overview: every command has one less to move."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OPEN = sa.text("closed_at IS NULL")
COLUMNS = ["org", "due_on", "id", "manager", "state", "submitted_at"]


def upgrade() -> None:
    """Put one in the place of two."""
    op.drop_index("ix_application_open", "application")
    op.drop_index("ix_application_unit", "application")
    op.create_index("ix_application_unit", "application", COLUMNS, sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
