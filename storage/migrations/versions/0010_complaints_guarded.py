"""Complaints stay unchanged also where a replication stream is replayed."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """SQLite knows no such sessions."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE complaint ENABLE ALWAYS TRIGGER complaint_append_only")
