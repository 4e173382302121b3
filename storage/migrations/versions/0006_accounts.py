"""Accounts of the staff, who is signed in, and failed attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _moment(table: str, column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"length({column}) = 32", name=f"ck_{table}_{column}")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "account",
        sa.Column("staff", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=False),
        sa.Column("must_change", sa.Boolean(create_constraint=True, name="ck_account_must_change"), nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.Column("disabled_at", TEXT, nullable=True),
        _moment("account", "created_at"),
        _moment("account", "changed_at"),
        _moment("account", "disabled_at"),
        sa.PrimaryKeyConstraint("staff"),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("staff", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("seen_at", TEXT, nullable=False),
        sa.Column("ends_at", TEXT, nullable=False),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_session_token"),
        _moment("session", "started_at"),
        _moment("session", "seen_at"),
        _moment("session", "ends_at"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_session_staff", "session", ["staff"])
    op.create_index("ix_session_ends", "session", ["ends_at"])
    op.create_table(
        "sign_in_failure",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.CheckConstraint("length(subject) = 64", name="ck_sign_in_failure_subject"),
        _moment("sign_in_failure", "at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sign_in_failure_subject", "sign_in_failure", ["subject", "at"])
    op.create_index("ix_sign_in_failure_at", "sign_in_failure", ["at"])


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
