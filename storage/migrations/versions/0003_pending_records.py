"""What waits for a second signature, as a queue; filled from the applications as they stand."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the queue, with what was waiting before there was one."""
    table = op.create_table(
        "pending_record",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("event", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("since", TEXT, nullable=False),
        sa.CheckConstraint("event >= 1", name="ck_pending_record_event"),
        sa.CheckConstraint("length(since) = 32", name="ck_pending_record_since"),
        sa.PrimaryKeyConstraint("case_id", "event"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pending_record_org", "pending_record", ["org", "since"])
    link = op.get_bind()
    recorded = sa.text("SELECT recorded_at FROM event WHERE case_id = :case AND case_seq = :seq")
    # A snapshot leaves out what is empty.
    found = link.execute(sa.text("SELECT id, org, snapshot FROM application WHERE snapshot LIKE '%\"pending\":%'"))
    for case_id, org, snapshot in found.all():
        for one in json.loads(snapshot)["pending"]:
            since = link.execute(recorded, {"case": case_id, "seq": one["event"]}).scalar_one()
            values = {"case_id": case_id, "org": org, "since": since}
            link.execute(sa.insert(table).values(**values, **{name: one[name] for name in ("event", "kind", "actor")}))


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
