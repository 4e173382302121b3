"""Alerts, the outbox, supervision orders, causes of breaches, feeds, heartbeats; and where the sweep looks next."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def among(column: str, *values: str) -> str:
    """One of these values; spelt out, because SQLite builds a table for an IN each time it checks a row."""
    return " OR ".join(f"{column} = '{value}'" for value in values)


SCOPES = among("scope", "step", "total", "approval", "milestone", "plan")
LOOK_NOW = "2021-01-01"  # any day gone by


def upgrade() -> None:
    """Add what is new. Running timers of before are to be looked at by the first sweep, which knows the ladder. The two
    indexes on running timers served only looks that the sweeps' own index serves, or that read the whole table."""
    for index in ("ix_deadline_provisional", "ix_deadline_running"):
        op.drop_index(index, "deadline")
    if op.get_bind().dialect.name == "sqlite":
        _replace_deadline()
    else:
        op.add_column("deadline", sa.Column("look_on", TEXT, nullable=True))
        op.drop_constraint("ck_deadline_scope", "deadline")
        op.create_check_constraint("ck_deadline_scope", "deadline", SCOPES)
        op.create_check_constraint("ck_deadline_look_on", "deadline", "length(look_on) = 10")
        op.execute(sa.text("UPDATE deadline SET look_on = :day WHERE status = 'running'").bindparams(day=LOOK_NOW))
    _partial("ix_deadline_look", "deadline", ["look_on"], "look_on IS NOT NULL")
    op.create_table(
        "alert",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("manager", TEXT, nullable=True),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=True),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("due_on", TEXT, nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("raised_at", TEXT, nullable=False),
        sa.Column("acknowledged_at", TEXT, nullable=True),
        sa.Column("acknowledged_by", TEXT, nullable=True),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("snoozed_until", TEXT, nullable=True),
        sa.Column("snooze_reason", TEXT, nullable=True),
        sa.Column("escalate_at", TEXT, nullable=True),
        sa.Column("escalations", sa.Integer(), nullable=False),
        sa.Column("cleared_at", TEXT, nullable=True),
        sa.Column("cleared_because", TEXT, nullable=True),
        sa.CheckConstraint("status <> 'acknowledged' OR acknowledged_at IS NOT NULL", name="ck_alert_acknowledged"),
        sa.CheckConstraint("length(acknowledged_at) = 32", name="ck_alert_acknowledged_at"),
        sa.CheckConstraint("(status = 'cleared') = (cleared_at IS NOT NULL)", name="ck_alert_cleared"),
        sa.CheckConstraint("length(cleared_at) = 32", name="ck_alert_cleared_at"),
        sa.CheckConstraint("length(day) = 10", name="ck_alert_day"),
        sa.CheckConstraint("length(due_on) = 10", name="ck_alert_due_on"),
        sa.CheckConstraint("length(escalate_at) = 32", name="ck_alert_escalate_at"),
        sa.CheckConstraint("escalations >= 0", name="ck_alert_escalations"),
        sa.CheckConstraint(among("level", "yellow", "orange", "red", "black"), name="ck_alert_level"),
        sa.CheckConstraint("length(raised_at) = 32", name="ck_alert_raised_at"),
        sa.CheckConstraint(
            among("scope", "step", "total", "approval", "milestone", "plan", "report", "order", "horizon"),
            name="ck_alert_scope",
        ),
        sa.CheckConstraint("length(snoozed_until) = 32", name="ck_alert_snoozed_until"),
        sa.CheckConstraint(among("status", "open", "acknowledged", "cleared"), name="ck_alert_status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject", "key", "level", "day", name="uq_alert_claim"),
        sqlite_with_rowid=False,
    )
    _partial("ix_alert_escalate", "alert", ["escalate_at"], "status = 'open' AND escalate_at IS NOT NULL")
    op.create_index("ix_alert_manager", "alert", ["manager", "id"])
    op.create_index("ix_alert_org", "alert", ["org", "id"])
    _partial("ix_alert_standing", "alert", ["case_id", "id"], "status <> 'cleared'")
    op.create_table(
        "breach_cause",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("stated_by", TEXT, nullable=False),
        sa.Column("stated_at", TEXT, nullable=False),
        sa.CheckConstraint("length(stated_at) = 32", name="ck_breach_cause_stated_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_breach_cause_case", "breach_cause", ["case_id", "key", "id"])
    op.create_table(
        "destination",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("secret", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("events", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("disabled_at", TEXT, nullable=True),
        sa.CheckConstraint("length(created_at) = 32", name="ck_destination_created_at"),
        sa.CheckConstraint("length(disabled_at) = 32", name="ck_destination_disabled_at"),
        sa.CheckConstraint(among("kind", "webhook", "apprise", "customer"), name="ck_destination_kind"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "feed",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("manager", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("revoked_at", TEXT, nullable=True),
        sa.CheckConstraint("length(created_at) = 32", name="ck_feed_created_at"),
        sa.CheckConstraint("length(revoked_at) = 32", name="ck_feed_revoked_at"),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_feed_token"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash", name="uq_feed_token"),
    )
    op.create_table(
        "message",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=True),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", TEXT, nullable=False),
        sa.Column("claimed_by", TEXT, nullable=True),
        sa.Column("claimed_until", TEXT, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("sent_at", TEXT, nullable=True),
        sa.Column("read_at", TEXT, nullable=True),
        sa.Column("proof", TEXT, nullable=True),
        sa.Column("dedupe", TEXT, nullable=False),
        sa.CheckConstraint("attempts >= 0", name="ck_message_attempts"),
        sa.CheckConstraint(among("channel", "inbox", "apprise", "webhook"), name="ck_message_channel"),
        sa.CheckConstraint("length(claimed_until) = 32", name="ck_message_claimed_until"),
        sa.CheckConstraint("length(created_at) = 32", name="ck_message_created_at"),
        sa.CheckConstraint(
            among("kind", "alert", "digest", "order", "customer_notice", "event"), name="ck_message_kind"
        ),
        sa.CheckConstraint("length(not_before) = 32", name="ck_message_not_before"),
        sa.CheckConstraint("length(read_at) = 32", name="ck_message_read_at"),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="ck_message_sent"),
        sa.CheckConstraint("length(sent_at) = 32", name="ck_message_sent_at"),
        sa.CheckConstraint(among("status", "pending", "sent", "dead", "cancelled"), name="ck_message_status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dedupe", name="uq_message_dedupe"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )
    _partial("ix_message_dead", "message", ["id"], "status = 'dead'")
    _partial("ix_message_pending", "message", ["not_before"], "status = 'pending'")
    op.create_index("ix_message_recipient", "message", ["recipient", "id"])
    op.create_table(
        "supervision_order",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=True),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("issued_by", TEXT, nullable=False),
        sa.Column("issued_at", TEXT, nullable=False),
        sa.Column("reply_by", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("answer", TEXT, nullable=True),
        sa.Column("answered_by", TEXT, nullable=True),
        sa.Column("answered_at", TEXT, nullable=True),
        sa.Column("closing_note", TEXT, nullable=True),
        sa.Column("closed_by", TEXT, nullable=True),
        sa.Column("closed_at", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("look_on", TEXT, nullable=True),
        sa.CheckConstraint("status = 'open' OR answered_at IS NOT NULL", name="ck_supervision_order_answered"),
        sa.CheckConstraint("length(answered_at) = 32", name="ck_supervision_order_answered_at"),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="ck_supervision_order_closed"),
        sa.CheckConstraint("length(closed_at) = 32", name="ck_supervision_order_closed_at"),
        sa.CheckConstraint("length(issued_at) = 32", name="ck_supervision_order_issued_at"),
        sa.CheckConstraint("length(look_on) = 10", name="ck_supervision_order_look_on"),
        sa.CheckConstraint("length(reply_by) = 10", name="ck_supervision_order_reply_by"),
        sa.CheckConstraint(among("status", "open", "answered", "closed"), name="ck_supervision_order_status"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_supervision_order_case", "supervision_order", ["case_id"])
    _partial("ix_supervision_order_look", "supervision_order", ["look_on"], "look_on IS NOT NULL")
    op.create_index("ix_supervision_order_org", "supervision_order", ["org", "id"])
    op.create_table(
        "sweep",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT, nullable=True),
        sa.Column("last_good_at", TEXT, nullable=True),
        sa.Column("looked", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("cut_short", sa.Boolean(create_constraint=True, name="ck_sweep_cut_short"), nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.CheckConstraint("looked >= 0 AND done >= 0", name="ck_sweep_counts"),
        sa.CheckConstraint("length(finished_at) = 32", name="ck_sweep_finished_at"),
        sa.CheckConstraint("length(last_good_at) = 32", name="ck_sweep_last_good_at"),
        sa.CheckConstraint("length(started_at) = 32", name="ck_sweep_started_at"),
        sa.PrimaryKeyConstraint("name"),
    )


def _replace_deadline() -> None:
    """SQLite changes no constraint of a table that is there: a new one takes its rows over."""
    op.rename_table("deadline", "deadline_0001")
    columns: tuple[sa.Column[object], ...] = (
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=True),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("budget", sa.Integer(), nullable=True),
        sa.Column("ledger", TEXT, nullable=False),
        sa.Column("due_on", TEXT, nullable=True),
        sa.Column("provisional", sa.Boolean(create_constraint=True, name="ck_deadline_provisional"), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("calendar_hash", TEXT, nullable=False),
    )
    op.create_table(
        "deadline",
        *columns,
        sa.Column("look_on", TEXT, nullable=True),
        sa.CheckConstraint(SCOPES, name="ck_deadline_scope"),
        sa.CheckConstraint("status <> 'waiting' OR due_on IS NULL", name="ck_deadline_waiting"),
        sa.CheckConstraint(
            among("status", "waiting", "running", "suspended", "met", "breached", "cancelled"),
            name="ck_deadline_status",
        ),
        sa.CheckConstraint("budget >= 0", name="ck_deadline_budget"),
        sa.CheckConstraint("length(due_on) = 10", name="ck_deadline_due_on"),
        sa.CheckConstraint("length(look_on) = 10", name="ck_deadline_look_on"),
        sa.PrimaryKeyConstraint("case_id", "key"),
        sqlite_with_rowid=False,
    )
    before, after = (
        sa.table(name, *map(sa.column, names))
        for name, names in (
            ("deadline_0001", [column.name for column in columns]),
            ("deadline", [*(column.name for column in columns), "look_on"]),
        )
    )
    look_on = sa.case((before.c.status == "running", LOOK_NOW))
    op.execute(after.insert().from_select(list(after.c), sa.select(*before.c, look_on)))
    op.drop_table("deadline_0001")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
