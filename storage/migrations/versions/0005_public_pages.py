"""The customer's public pages: drafts, uploads, tracking codes, complaints, limited areas, counts of requests."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    """A column of text."""
    return sa.Column(name, TEXT, nullable=null)


def moment(table: str, *columns: str) -> list[sa.CheckConstraint]:
    """Moments have a fixed width."""
    return [sa.CheckConstraint(f"length({column}) = 32", name=f"ck_{table}_{column}") for column in columns]


def partial(name: str, table: str, columns: list[str], where: str) -> None:
    """An index over some rows only."""
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "portal_draft",
        text("id"),
        text("token_hash"),
        text("content"),
        text("created_at"),
        text("expires_at"),
        text("case_id", null=True),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_portal_draft_token"),
        *moment("portal_draft", "created_at", "expires_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash", name="uq_portal_draft_token"),
    )
    op.create_index("ix_portal_draft_expires", "portal_draft", ["expires_at"])
    op.create_table(
        "upload",
        text("id"),
        text("draft_id", null=True),
        text("case_id", null=True),
        text("kind"),
        sa.Column("volunteered", sa.Boolean(create_constraint=True, name="ck_upload_volunteered"), nullable=False),
        text("digest"),
        sa.Column("size", sa.Integer(), nullable=False),
        text("media"),
        text("name"),
        text("uploaded_at"),
        sa.CheckConstraint("length(digest) = 64 AND size >= 1", name="ck_upload_digest"),
        sa.CheckConstraint("(draft_id IS NULL) <> (case_id IS NULL)", name="ck_upload_owner"),
        *moment("upload", "uploaded_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_upload_draft", "upload", ["draft_id"])
    op.create_index("ix_upload_case", "upload", ["case_id"])
    op.create_index("ix_upload_digest", "upload", ["digest"])
    op.create_table(
        "download",
        text("id"),
        text("upload_id"),
        text("case_id"),
        text("who"),
        text("at"),
        *moment("download", "at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_download_case", "download", ["case_id"])
    op.create_table(
        "tracking",
        text("case_id"),
        text("code_hash"),
        text("issued_at"),
        text("issued_by"),
        *moment("tracking", "issued_at"),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_table(
        "visit",
        text("token_hash"),
        text("case_id"),
        text("opened_at"),
        text("expires_at"),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_visit_token"),
        *moment("visit", "opened_at", "expires_at"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_visit_case", "visit", ["case_id"])
    op.create_index("ix_visit_expires", "visit", ["expires_at"])
    _complaints()
    op.create_table(
        "limited_area",
        text("region"),
        text("published_on"),
        text("area"),
        sa.Column("spare_kva", sa.Float(), nullable=True),
        text("reason", null=True),
        text("until", null=True),
        text("source"),
        text("imported_at"),
        text("imported_by"),
        sa.CheckConstraint("spare_kva >= 0", name="ck_limited_area_spare"),
        sa.CheckConstraint("length(published_on) = 10", name="ck_limited_area_published_on"),
        sa.CheckConstraint("length(until) = 10", name="ck_limited_area_until"),
        *moment("limited_area", "imported_at"),
        sa.PrimaryKeyConstraint("region", "published_on", "area"),
    )
    op.create_table(
        "rate_count",
        text("key"),
        sa.Column("knocks", sa.Integer(), nullable=False),
        text("expires_at"),
        *moment("rate_count", "expires_at"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_rate_count_expires", "rate_count", ["expires_at"])


def _complaints() -> None:
    op.create_table(
        "complaint",
        text("id"),
        text("case_id"),
        text("answers", null=True),
        text("text"),
        text("by"),
        text("at"),
        sa.CheckConstraint("text <> ''", name="ck_complaint_text"),
        *moment("complaint", "at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_complaint_case", "complaint", ["case_id"])
    partial("ix_complaint_answers", "complaint", ["answers"], "answers IS NOT NULL")
    partial("ix_complaint_made", "complaint", ["id"], "answers IS NULL")
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER complaint_no_{deed} BEFORE {deed.upper()} ON complaint"
                " BEGIN SELECT RAISE(ABORT, 'complaint is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION complaint_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'complaint is append-only' USING ERRCODE = 'restrict_violation'; END $$"
        )
        op.execute(
            "CREATE TRIGGER complaint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON complaint"
            " FOR EACH STATEMENT EXECUTE FUNCTION complaint_append_only()"
        )
