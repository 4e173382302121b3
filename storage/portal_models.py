"""The tables of the customer's public pages, stated as those of `storage.models` are."""

from __future__ import annotations

import sqlalchemy as sa

from storage.models import Table, _dates, _flag, _moments, _partial, _text


class PortalDraft(Table, table=True):
    """An application that a customer has not sent yet; the token itself is never stored."""

    __tablename__ = "portal_draft"
    __table_args__ = (
        sa.UniqueConstraint("token_hash", name="uq_portal_draft_token"),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_portal_draft_token"),
        *_moments("portal_draft", "created_at", "expires_at"),
        sa.Index("ix_portal_draft_expires", "expires_at"),
    )
    id: str = _text(primary_key=True)
    token_hash: str = _text()
    content: str = _text()
    created_at: str = _text()
    expires_at: str = _text()
    case_id: str | None = _text()


class Upload(Table, table=True):
    """An uploaded file. Its bytes lie outside the database, under their digest."""

    __tablename__ = "upload"
    __table_args__ = (
        sa.CheckConstraint("length(digest) = 64 AND size >= 1", name="ck_upload_digest"),
        sa.CheckConstraint("(draft_id IS NULL) <> (case_id IS NULL)", name="ck_upload_owner"),
        *_moments("upload", "uploaded_at"),
        sa.Index("ix_upload_draft", "draft_id"),
        sa.Index("ix_upload_case", "case_id"),
        sa.Index("ix_upload_digest", "digest"),
    )
    id: str = _text(primary_key=True)
    draft_id: str | None = _text()
    case_id: str | None = _text()
    kind: str = _text()
    volunteered: bool = _flag("ck_upload_volunteered")
    digest: str = _text()
    size: int
    media: str = _text()
    name: str = _text()
    uploaded_at: str = _text()


class Download(Table, table=True):
    """Which member of the staff was handed which uploaded file, and when."""

    __tablename__ = "download"
    __table_args__ = (*_moments("download", "at"), sa.Index("ix_download_case", "case_id"))
    id: str = _text(primary_key=True)
    upload_id: str = _text()
    case_id: str = _text()
    who: str = _text()
    at: str = _text()


class Tracking(Table, table=True):
    """The code by which a customer follows an application; the code itself is never stored."""

    __tablename__ = "tracking"
    __table_args__ = (*_moments("tracking", "issued_at"),)
    case_id: str = _text(primary_key=True)
    code_hash: str = _text()
    issued_at: str = _text()
    issued_by: str = _text()


class Visit(Table, table=True):
    """One look at an application by its tracking code."""

    __tablename__ = "visit"
    __table_args__ = (
        sa.CheckConstraint("length(token_hash) = 64", name="ck_visit_token"),
        *_moments("visit", "opened_at", "expires_at"),
        sa.Index("ix_visit_case", "case_id"),
        sa.Index("ix_visit_expires", "expires_at"),
    )
    token_hash: str = _text(primary_key=True)
    case_id: str = _text()
    opened_at: str = _text()
    expires_at: str = _text()


class Complaint(Table, table=True):
    """Complaints and the answers to them. Append-only by triggers, like the events."""

    __tablename__ = "complaint"
    __table_args__ = (
        sa.CheckConstraint("text <> ''", name="ck_complaint_text"),
        *_moments("complaint", "at"),
        sa.Index("ix_complaint_case", "case_id"),
        _partial("ix_complaint_answers", "answers", where="answers IS NOT NULL"),
        _partial("ix_complaint_made", "id", where="answers IS NULL"),
    )
    id: str = _text(primary_key=True)
    case_id: str = _text()
    answers: str | None = _text()
    text: str = _text()
    by: str = _text()
    at: str = _text()


class LimitedArea(Table, table=True):
    """The published lists of capacity-limited areas, by region and date [L46]."""

    __tablename__ = "limited_area"
    __table_args__ = (
        sa.CheckConstraint("spare_kva >= 0", name="ck_limited_area_spare"),
        *_dates("limited_area", "published_on", "until"),
        *_moments("limited_area", "imported_at"),
    )
    region: str = _text(primary_key=True)
    published_on: str = _text(primary_key=True)
    area: str = _text(primary_key=True)
    spare_kva: float | None
    reason: str | None = _text()
    until: str | None = _text()
    source: str = _text()
    imported_at: str = _text()
    imported_by: str = _text()


class RateCount(Table, table=True):
    """How often one address has knocked at one door of the public pages, until the count expires."""

    __tablename__ = "rate_count"
    __table_args__ = (*_moments("rate_count", "expires_at"), sa.Index("ix_rate_count_expires", "expires_at"))
    key: str = _text(primary_key=True)
    knocks: int
    expires_at: str = _text()
