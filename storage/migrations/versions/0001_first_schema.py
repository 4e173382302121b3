"""The first schema: applications, their events and what is derived from them, and the small tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def among(column: str, *values: str) -> str:
    """One of these values; spelt out, because SQLite builds a table for an IN each time it checks a row."""
    return " OR ".join(f"{column} = '{value}'" for value in values)


CLOSED = among("state", "energised", "withdrawn", "terminated", "refused")
TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
        "CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
        (
            "CREATE TRIGGER event_no_replace BEFORE INSERT ON event"
            " WHEN EXISTS (SELECT 1 FROM event WHERE case_id = NEW.case_id AND case_seq = NEW.case_seq)"
            " BEGIN SELECT RAISE(ABORT, 'event exists'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION event_append_only() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'event is append-only' USING ERRCODE = 'restrict_violation'; END $$"
        ),
        (
            "CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event"
            " FOR EACH STATEMENT EXECUTE FUNCTION event_append_only()"
        ),
        "ALTER TABLE event ENABLE ALWAYS TRIGGER event_append_only",
    ),
}


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "api_key",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("key_hash", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("revoked_at", TEXT, nullable=True),
        sa.CheckConstraint("length(created_at) = 32", name="ck_api_key_created_at"),
        sa.CheckConstraint("length(key_hash) = 64", name="ck_api_key_hash"),
        sa.CheckConstraint("length(revoked_at) = 32", name="ck_api_key_revoked_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_hash"),
    )
    op.create_table(
        "application",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("application_no", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=True),
        sa.Column("org", TEXT, nullable=True),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("user_class", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("manager", TEXT, nullable=True),
        sa.Column("project_manager", TEXT, nullable=True),
        sa.Column("premises_id", TEXT, nullable=False),
        sa.Column("voltage", TEXT, nullable=False),
        sa.Column("capacity_kw", sa.Float(), nullable=False),
        sa.Column("business_type", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("submitted_at", TEXT, nullable=False),
        sa.Column("closed_at", TEXT, nullable=True),
        sa.Column("due_on", TEXT, nullable=True),
        sa.Column("total_due_on", TEXT, nullable=True),
        sa.Column("provisional", sa.Boolean(create_constraint=True, name="ck_application_provisional"), nullable=False),
        sa.Column("definition_hash", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("head_hash", TEXT, nullable=False),
        sa.Column("predecessor", TEXT, nullable=True),
        sa.Column("snapshot", TEXT, nullable=False),
        sa.CheckConstraint(
            f"(closed_at IS NOT NULL) = ({CLOSED})",
            name="ck_application_closed",
        ),
        sa.CheckConstraint(
            f"{CLOSED} OR state LIKE '_%.waiting' OR state LIKE '_%.running'",
            name="ck_application_state",
        ),
        sa.CheckConstraint(
            among("user_class", "residential", "lv_zero", "lv_other", "hv_single", "hv_dual"),
            name="ck_application_user_class",
        ),
        sa.CheckConstraint(among("voltage", "low", "high"), name="ck_application_voltage"),
        sa.CheckConstraint("length(closed_at) = 32", name="ck_application_closed_at"),
        sa.CheckConstraint("length(due_on) = 10", name="ck_application_due_on"),
        sa.CheckConstraint("length(submitted_at) = 32", name="ck_application_submitted_at"),
        sa.CheckConstraint("length(total_due_on) = 10", name="ck_application_total_due_on"),
        sa.CheckConstraint("version >= 1 AND length(head_hash) = 64", name="ck_application_head"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("application_no", name="uq_application_no"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_application_due",
        "application",
        ["due_on"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_application_external", "application", ["external_id"])
    op.create_index("ix_application_manager", "application", ["manager", "id"])
    op.create_index("ix_application_org", "application", ["org", "id"])
    op.create_index("ix_application_premises", "application", ["premises_id"])
    op.create_table(
        "calendar_notice",
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("imported_at", TEXT, nullable=False),
        sa.Column("imported_by", TEXT, nullable=False),
        sa.CheckConstraint("length(imported_at) = 32", name="ck_calendar_notice_imported_at"),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "deadline",
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
        sa.CheckConstraint(among("scope", "step", "total", "approval"), name="ck_deadline_scope"),
        sa.CheckConstraint("status <> 'waiting' OR due_on IS NULL", name="ck_deadline_waiting"),
        sa.CheckConstraint(
            among("status", "waiting", "running", "suspended", "met", "breached", "cancelled"),
            name="ck_deadline_status",
        ),
        sa.CheckConstraint("budget >= 0", name="ck_deadline_budget"),
        sa.CheckConstraint("length(due_on) = 10", name="ck_deadline_due_on"),
        sa.PrimaryKeyConstraint("case_id", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_deadline_provisional",
        "deadline",
        ["provisional"],
        sqlite_where=sa.text("provisional AND status IN ('running', 'suspended')"),
        postgresql_where=sa.text("provisional AND status IN ('running', 'suspended')"),
    )
    op.create_index(
        "ix_deadline_running",
        "deadline",
        ["due_on"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "definition",
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("published_at", TEXT, nullable=False),
        sa.CheckConstraint("length(published_at) = 32", name="ck_definition_published_at"),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "event",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("case_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("occurred_at", TEXT, nullable=False),
        sa.Column("recorded_at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("prev_hash", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.CheckConstraint("case_seq >= 1", name="ck_event_seq"),
        sa.CheckConstraint("length(occurred_at) = 32", name="ck_event_occurred_at"),
        sa.CheckConstraint("length(prev_hash) = 64 AND length(hash) = 64", name="ck_event_hash"),
        sa.CheckConstraint("length(recorded_at) = 32", name="ck_event_recorded_at"),
        sa.PrimaryKeyConstraint("case_id", "case_seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence_record",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("received_at", TEXT, nullable=False),
        sa.Column("received_by", TEXT, nullable=False),
        sa.CheckConstraint("length(received_at) = 32", name="ck_evidence_record_received_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="uq_evidence_record_digest"),
    )
    op.create_index("ix_evidence_record_case", "evidence_record", ["case_id"])
    op.create_table(
        "idempotency",
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("body_hash", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.CheckConstraint("length(created_at) = 32", name="ck_idempotency_created_at"),
        sa.PrimaryKeyConstraint("principal", "key"),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"])
    op.create_table(
        "org",
        sa.Column("code", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("enterprise", TEXT, nullable=True),
        sa.Column("region", TEXT, nullable=True),
        sa.Column("path", TEXT, nullable=False),
        sa.CheckConstraint("code <> '' AND code NOT LIKE '%/%'", name="ck_org_code"),
        sa.CheckConstraint(among("level", "team", "county", "city", "province"), name="ck_org_level"),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_index("ix_org_path", "org", ["path"])
    op.create_table(
        "personal",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("salt", TEXT, nullable=True),
        sa.Column("customer_id", TEXT, nullable=True),
        sa.Column("customer_name", TEXT, nullable=True),
        sa.Column("phone", TEXT, nullable=True),
        sa.Column("address", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("ix_personal_customer", "personal", ["customer_id"])
    op.create_table(
        "serial",
        sa.Column("org", TEXT, nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("org", "year"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "setting",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "staff",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("contact", TEXT, nullable=True),
        sa.Column("substitute", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_staff_org", "staff", ["org"])
    op.create_table(
        "step_round",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", TEXT, nullable=True),
        sa.Column("ended_at", TEXT, nullable=True),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("used_working_days", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(ended_at) = 32", name="ck_step_round_ended_at"),
        sa.CheckConstraint("length(started_at) = 32", name="ck_step_round_started_at"),
        sa.CheckConstraint("round >= 1", name="ck_step_round_round"),
        sa.CheckConstraint("used_working_days >= 0", name="ck_step_round_used"),
        sa.PrimaryKeyConstraint("case_id", "step", "round"),
        sqlite_with_rowid=False,
    )
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
