"""Findings of the live store with their reviews, which cases were judged, and alerts about findings."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

REFUSE = "RAISE(ABORT, 'event is append-only')"
TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER finding_event_no_{act} BEFORE {act.upper()} ON finding_event BEGIN SELECT {REFUSE}; END"
        for act in ("update", "delete")
    ],
    "postgresql": [
        (
            "CREATE TRIGGER finding_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON finding_event"
            " FOR EACH STATEMENT EXECUTE FUNCTION event_append_only()"
        ),
        "ALTER TABLE finding_event ENABLE ALWAYS TRIGGER finding_event_append_only",
    ],
}


def among(column: str, *values: str) -> str:
    """One of these values; spelt out, because SQLite builds a table for an IN each time it checks a row."""
    return " OR ".join(f"{column} = '{value}'" for value in values)


SCOPES = among(
    "scope", "step", "total", "approval", "milestone", "plan", "report", "order", "horizon", "finding"
)  # fmt: skip


def upgrade() -> None:
    """Add what is new; nothing that is there changes."""
    if op.get_bind().dialect.name == "sqlite":
        _replace_alert()
    else:
        op.drop_constraint("ck_alert_scope", "alert")
        op.create_check_constraint("ck_alert_scope", "alert", SCOPES)
    op.create_table(
        "finding",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("case_no", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("explanation", TEXT, nullable=False),
        sa.Column("explanation_en", TEXT, nullable=False),
        sa.Column("stands", sa.Boolean(create_constraint=True, name="ck_finding_stands"), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reply_by", TEXT, nullable=True),
        sa.Column("found_at", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.Column("told_at", TEXT, nullable=True),
        sa.CheckConstraint("length(changed_at) = 32", name="ck_finding_changed_at"),
        sa.CheckConstraint("length(found_at) = 32", name="ck_finding_found_at"),
        sa.CheckConstraint("length(reply_by) = 10", name="ck_finding_reply_by"),
        sa.CheckConstraint(among("severity", "critical", "high", "medium", "low"), name="ck_finding_severity"),
        sa.CheckConstraint(
            among("status", "open", "awaiting_statement", "stated", "confirmed", "excluded", "rectified", "rechecked"),
            name="ck_finding_status",
        ),
        sa.CheckConstraint("length(told_at) = 32", name="ck_finding_told_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run", "case_id", "rule", name="uq_finding_subject"),
    )
    op.create_index("ix_finding_run", "finding", ["run", "id"])
    op.create_index("ix_finding_org", "finding", ["org", "id"])
    _partial("ix_finding_untold", "finding", ["id"], "told_at IS NULL AND stands AND run = ''")
    op.create_table(
        "finding_event",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.CheckConstraint("length(at) = 32", name="ck_finding_event_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_finding_event_finding", "finding_event", ["finding_id", "id"])
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_table(
        "judgement",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rules", TEXT, nullable=False),
        sa.Column("judged_at", TEXT, nullable=True),
        sa.Column("look_on", TEXT, nullable=True),
        sa.Column("stale_since", TEXT, nullable=True),
        sa.CheckConstraint("length(judged_at) = 32", name="ck_judgement_judged_at"),
        sa.CheckConstraint("length(look_on) = 10", name="ck_judgement_look_on"),
        sa.CheckConstraint("length(stale_since) = 32", name="ck_judgement_stale_since"),
        sa.PrimaryKeyConstraint("case_id"),
        sqlite_with_rowid=False,
    )
    _partial("ix_judgement_look", "judgement", ["look_on"], "look_on IS NOT NULL")
    _partial("ix_judgement_stale", "judgement", ["case_id"], "stale_since IS NOT NULL")


_ALERT: tuple[tuple[str, bool], ...] = (
    ("id", False), ("subject", False), ("case_id", True), ("org", True), ("manager", True), ("key", False),
    ("scope", False), ("step", True), ("level", False), ("day", False), ("due_on", False), ("remaining", False),
    ("status", False), ("raised_at", False), ("acknowledged_at", True), ("acknowledged_by", True), ("note", True),
    ("snoozed_until", True), ("snooze_reason", True), ("escalate_at", True), ("escalations", False),
    ("cleared_at", True), ("cleared_because", True),
)  # fmt: skip


def _replace_alert() -> None:
    """SQLite changes no constraint of a table that is there: a new one takes its rows over."""
    op.rename_table("alert", "alert_0006")
    for index in ("ix_alert_escalate", "ix_alert_manager", "ix_alert_org", "ix_alert_standing"):
        op.drop_index(index, "alert_0006")
    op.create_table(
        "alert",
        *(
            sa.Column(name, sa.Integer() if name in ("remaining", "escalations") else TEXT, nullable=nullable)
            for name, nullable in _ALERT
        ),
        sa.CheckConstraint("status <> 'acknowledged' OR acknowledged_at IS NOT NULL", name="ck_alert_acknowledged"),
        sa.CheckConstraint("(status = 'cleared') = (cleared_at IS NOT NULL)", name="ck_alert_cleared"),
        *(
            sa.CheckConstraint(f"length({name}) = {length}", name=f"ck_alert_{name}")
            for name, length in (
                ("acknowledged_at", 32), ("cleared_at", 32), ("day", 10), ("due_on", 10), ("escalate_at", 32),
                ("raised_at", 32), ("snoozed_until", 32),
            )
        ),
        sa.CheckConstraint("escalations >= 0", name="ck_alert_escalations"),
        sa.CheckConstraint(among("level", "yellow", "orange", "red", "black"), name="ck_alert_level"),
        sa.CheckConstraint(SCOPES, name="ck_alert_scope"),
        sa.CheckConstraint(among("status", "open", "acknowledged", "cleared"), name="ck_alert_status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject", "key", "level", "day", name="uq_alert_claim"),
        sqlite_with_rowid=False,
    )  # fmt: skip
    before, after = (sa.table(name, *(sa.column(one) for one, _ in _ALERT)) for name in ("alert_0006", "alert"))
    op.execute(after.insert().from_select([one for one, _ in _ALERT], sa.select(*before.c)))
    op.drop_table("alert_0006")
    _partial("ix_alert_escalate", "alert", ["escalate_at"], "status = 'open' AND escalate_at IS NOT NULL")
    op.create_index("ix_alert_manager", "alert", ["manager", "id"])
    op.create_index("ix_alert_org", "alert", ["org", "id"])
    _partial("ix_alert_standing", "alert", ["case_id", "id"], "status <> 'cleared'")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
