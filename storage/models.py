"""The tables, as SQLModel classes: the one place where columns, checks and indexes are stated.

The classes describe; reading and writing goes through statements compiled from their tables (`storage.statements`).
Text compares by code point on both databases (collation "C" on PostgreSQL), so that ranges over ids, dates, regions
and org paths mean the same on both.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT_LENGTH = len("2026-01-05T10:00:00.000000+08:00")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    """Spelt out, because SQLite builds a table for an IN each time it checks a row: half the cost of writing one."""
    return " OR ".join(f"{column} = {value!r}" for value in values)


_CLOSED = _one_of("state", ("energised", "withdrawn", "terminated", "refused"))
USER_CLASSES = ("residential", "lv_zero", "lv_other", "hv_single", "hv_dual")
DEADLINE_STATUSES = ("waiting", "running", "suspended", "met", "breached", "cancelled")
DEADLINE_SCOPES = ("step", "total", "approval", "milestone", "plan")
ALERT_SCOPES = (*DEADLINE_SCOPES, "report", "order", "horizon", "finding")
LEVELS = ("yellow", "orange", "red", "black")
ALERT_STATUSES = ("open", "acknowledged", "cleared")
MESSAGE_STATUSES = ("pending", "sent", "dead", "cancelled")
MESSAGE_KINDS = ("alert", "digest", "order", "customer_notice", "event")
CHANNELS = ("inbox", "apprise", "webhook")
ORG_LEVELS = ("team", "county", "city", "province")
SEVERITIES = ("critical", "high", "medium", "low")
REVIEWS = ("open", "awaiting_statement", "stated", "confirmed", "excluded", "rectified", "rechecked")


def _text(**options: Any) -> Any:
    return Field(sa_type=TEXT, **options)


def _flag(name: str) -> Any:
    boolean = sa.Boolean(create_constraint=True, name=name)
    return Field(sa_type=boolean)


def _among(column: str, values: tuple[str, ...], name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(_one_of(column, values), name=name)


def _moments(table: str, *columns: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(f"length({column}) = {MOMENT_LENGTH}", name=f"ck_{table}_{column}") for column in columns
    ]


def _dates(table: str, *columns: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"length({column}) = 10", name=f"ck_{table}_{column}") for column in columns]


def _month(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint("length(month) = 7", name=f"ck_{table}_month")


def _partial(name: str, *columns: str, where: str) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


class Table(SQLModel):
    """Base of every table; its metadata holds ours and nothing else."""

    metadata = sa.MetaData()


class Application(Table, table=True):
    """An application as it stands: the projection of its events."""

    __tablename__ = "application"
    __table_args__ = (
        sa.UniqueConstraint("application_no", name="uq_application_no"),
        _among("user_class", USER_CLASSES, "ck_application_user_class"),
        sa.CheckConstraint(
            f"{_CLOSED} OR state LIKE '_%.waiting' OR state LIKE '_%.running'", name="ck_application_state"
        ),
        sa.CheckConstraint(f"(closed_at IS NOT NULL) = ({_CLOSED})", name="ck_application_closed"),
        sa.CheckConstraint("version >= 1 AND length(head_hash) = 64", name="ck_application_head"),
        _among("voltage", ("low", "high"), "ck_application_voltage"),
        *_moments("application", "submitted_at", "closed_at"),
        *_dates("application", "due_on", "total_due_on"),
        # The id rides along so that a page of one org or one manager is read in order, without a sort.
        sa.Index("ix_application_org", "org", "id"),
        sa.Index("ix_application_manager", "manager", "id"),
        sa.Index("ix_application_premises", "premises_id"),
        sa.Index("ix_application_external", "external_id"),
        # The board of a unit, and of a manager in it: open applications by due date. It holds what the overview of a
        # supervisor counts besides, which is read from here alone.
        _partial(
            "ix_application_unit", "org", "due_on", "id", "manager", "state", "submitted_at", where="closed_at IS NULL"
        ),
        sa.Index(
            "ix_application_due",
            "due_on",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        _partial(
            "ix_application_closed", "closed_at", "org", "state", "submitted_at", "id", where="closed_at IS NOT NULL"
        ),
        {"postgresql_with": {"fillfactor": 70}},  # room on the page for the next version of a row updated all the time
    )
    id: str = _text(primary_key=True)
    application_no: str = _text()
    external_id: str | None = _text()
    org: str | None = _text()
    region: str = _text()
    user_class: str = _text()
    state: str = _text()
    manager: str | None = _text()
    project_manager: str | None = _text()
    premises_id: str = _text()
    voltage: str = _text()
    capacity_kw: float
    business_type: str = _text()
    channel: str = _text()
    submitted_at: str = _text()
    closed_at: str | None = _text()
    due_on: str | None = _text()
    total_due_on: str | None = _text()
    provisional: bool = _flag("ck_application_provisional")
    definition_hash: str = _text()
    version: int
    head_hash: str = _text()
    predecessor: str | None = _text()
    snapshot: str = _text()


class Event(Table, table=True):
    """One link of a chain. Append-only by triggers (`guards`).

    SQLite keeps it in the order of arrival, beside an index by its key: a new event goes to the end, with the others of
    its commit. By its key each would go to a page of its own, and rows as long as these make such a tree very deep.
    """

    __tablename__ = "event"
    __table_args__ = (
        sa.CheckConstraint("case_seq >= 1", name="ck_event_seq"),
        sa.CheckConstraint("length(prev_hash) = 64 AND length(hash) = 64", name="ck_event_hash"),
        *_moments("event", "occurred_at", "recorded_at"),
    )
    case_id: str = _text(primary_key=True)
    case_seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    type: str = _text()
    payload: str = _text()
    occurred_at: str = _text()
    recorded_at: str = _text()
    actor: str = _text()
    source: str = _text()
    prev_hash: str = _text()
    hash: str = _text()


class Personal(Table, table=True):
    """Who a case is about: outside the chain, so that it can be erased."""

    __tablename__ = "personal"
    __table_args__ = (sa.Index("ix_personal_customer", "customer_id"), {"sqlite_with_rowid": False})
    case_id: str = _text(primary_key=True)
    salt: str | None = _text()
    customer_id: str | None = _text()
    customer_name: str | None = _text()
    phone: str | None = _text()
    address: str | None = _text()


class StepRound(Table, table=True):
    """One round of one step."""

    __tablename__ = "step_round"
    __table_args__ = (
        sa.CheckConstraint("round >= 1", name="ck_step_round_round"),
        sa.CheckConstraint("used_working_days >= 0", name="ck_step_round_used"),
        *_moments("step_round", "started_at", "ended_at"),
        {"sqlite_with_rowid": False},
    )
    case_id: str = _text(primary_key=True)
    step: str = _text(primary_key=True)
    round: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    started_at: str | None = _text()
    ended_at: str | None = _text()
    outcome: str | None = _text()
    used_working_days: int | None


class Deadline(Table, table=True):
    """One timer: a budget and a ledger of intervals; `due_on` is derived from them and kept for the index. `look_on` is
    where the sweep goes on, and no part of the history."""

    __tablename__ = "deadline"
    __table_args__ = (
        _among("scope", DEADLINE_SCOPES, "ck_deadline_scope"),
        _among("status", DEADLINE_STATUSES, "ck_deadline_status"),
        sa.CheckConstraint("budget >= 0", name="ck_deadline_budget"),
        sa.CheckConstraint("status <> 'waiting' OR due_on IS NULL", name="ck_deadline_waiting"),
        *_dates("deadline", "due_on", "look_on"),
        _partial("ix_deadline_look", "look_on", where="look_on IS NOT NULL"),
        _partial("ix_deadline_breached", "case_id", "scope", "step", "due_on", where="status = 'breached'"),
        {"sqlite_with_rowid": False},
    )
    case_id: str = _text(primary_key=True)
    key: str = _text(primary_key=True)
    scope: str = _text()
    step: str | None = _text()
    round: int | None
    budget: int | None
    ledger: str = _text()
    due_on: str | None = _text()
    provisional: bool = _flag("ck_deadline_provisional")
    status: str = _text()
    calendar_hash: str = _text()
    look_on: str | None = _text()


class PendingRecord(Table, table=True):
    """A record that waits for a second signature: what a supervisor's queue reads, in the order it came in."""

    __tablename__ = "pending_record"
    __table_args__ = (
        sa.CheckConstraint("event >= 1", name="ck_pending_record_event"),
        *_moments("pending_record", "since"),
        sa.Index("ix_pending_record_org", "org", "since"),
        {"sqlite_with_rowid": False},
    )
    case_id: str = _text(primary_key=True)
    event: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = _text()
    actor: str = _text()
    org: str | None = _text()
    since: str = _text()


class Idempotency(Table, table=True):
    """Answers already given, so that a repeated request changes nothing."""

    __tablename__ = "idempotency"
    __table_args__ = (*_moments("idempotency", "created_at"),)
    principal: str = _text(primary_key=True)
    key: str = _text(primary_key=True)
    body_hash: str = _text()
    case_id: str | None = _text()
    status: int
    answer: bytes
    created_at: str = _text()


class ApiKey(Table, table=True):
    """Who may call; the secret itself is never stored."""

    __tablename__ = "api_key"
    __table_args__ = (
        sa.UniqueConstraint("key_hash", name="uq_api_key_hash"),
        sa.CheckConstraint("length(key_hash) = 64", name="ck_api_key_hash"),
        *_moments("api_key", "created_at", "revoked_at"),
    )
    id: str = _text(primary_key=True)
    name: str = _text()
    key_hash: str = _text()
    role: str = _text()
    org: str | None = _text()
    created_at: str = _text()
    revoked_at: str | None = _text()


class Org(Table, table=True):
    """A unit of the utility; `path` is derived from the parents."""

    __tablename__ = "org"
    __table_args__ = (
        _among("level", ORG_LEVELS, "ck_org_level"),
        sa.CheckConstraint("code <> '' AND code NOT LIKE '%/%'", name="ck_org_code"),
        sa.Index("ix_org_path", "path"),
    )
    code: str = _text(primary_key=True)
    parent: str | None = _text()
    level: str = _text()
    name: str = _text()
    enterprise: str | None = _text()
    region: str | None = _text()
    path: str = _text()


class Staff(Table, table=True):
    """A person who receives work and alerts."""

    __tablename__ = "staff"
    __table_args__ = (sa.Index("ix_staff_org", "org"),)
    id: str = _text(primary_key=True)
    name: str = _text()
    org: str = _text()
    role: str = _text()
    contact: str | None = _text()
    substitute: str | None = _text()


class Account(Table, table=True):
    """A member of the staff who may sign in; role and unit are those of the staff. Only a hash of the password."""

    __tablename__ = "account"
    __table_args__ = (*_moments("account", "created_at", "changed_at", "disabled_at"),)
    staff: str = _text(primary_key=True)
    password_hash: str = _text()
    must_change: bool = _flag("ck_account_must_change")
    created_at: str = _text()
    created_by: str = _text()
    changed_at: str = _text()
    disabled_at: str | None = _text()


class Session(Table, table=True):
    """Somebody who is signed in; the token itself is never stored. A session that ends is deleted."""

    __tablename__ = "session"
    __table_args__ = (
        sa.CheckConstraint("length(token_hash) = 64", name="ck_session_token"),
        *_moments("session", "started_at", "seen_at", "ends_at"),
        sa.Index("ix_session_staff", "staff"),
        sa.Index("ix_session_ends", "ends_at"),
    )
    token_hash: str = _text(primary_key=True)
    staff: str = _text()
    started_at: str = _text()
    seen_at: str = _text()
    ends_at: str = _text()


class SignInFailure(Table, table=True):
    """An attempt to sign in that failed, or has not succeeded yet, by the digest of the account or address."""

    __tablename__ = "sign_in_failure"
    __table_args__ = (
        sa.CheckConstraint("length(subject) = 64", name="ck_sign_in_failure_subject"),
        *_moments("sign_in_failure", "at"),
        sa.Index("ix_sign_in_failure_subject", "subject", "at"),
        sa.Index("ix_sign_in_failure_at", "at"),
    )
    id: str = _text(primary_key=True)
    subject: str = _text()
    at: str = _text()


class SavedView(Table, table=True):
    """A view of the board that a person keeps."""

    __tablename__ = "saved_view"
    __table_args__ = (*_moments("saved_view", "created_at"),)
    staff: str = _text(primary_key=True)
    name: str = _text(primary_key=True)
    query: str = _text()
    created_at: str = _text()


class Absence(Table, table=True):
    """Somebody is away, and who stands in."""

    __tablename__ = "absence"
    __table_args__ = (
        sa.CheckConstraint("first_day <= last_day", name="ck_absence_days"),
        sa.CheckConstraint("staff <> substitute", name="ck_absence_substitute"),
        *_dates("absence", "first_day", "last_day"),
        *_moments("absence", "created_at", "ended_at"),
        sa.Index("ix_absence_staff", "staff", "last_day"),
        sa.Index("ix_absence_substitute", "substitute", "last_day"),
    )
    id: str = _text(primary_key=True)
    staff: str = _text()
    substitute: str = _text()
    first_day: str = _text()
    last_day: str = _text()
    created_at: str = _text()
    created_by: str = _text()
    ended_at: str | None = _text()


class Serial(Table, table=True):
    """The last application number given out, per org and year."""

    __tablename__ = "serial"
    __table_args__ = ({"sqlite_with_rowid": False},)
    org: str = _text(primary_key=True)
    year: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    last: int


class Definition(Table, table=True):
    """Published definitions under their content hash."""

    __tablename__ = "definition"
    __table_args__ = (*_moments("definition", "published_at"),)
    hash: str = _text(primary_key=True)
    content: str = _text()
    published_at: str = _text()


class CalendarNotice(Table, table=True):
    """Calendar notices dropped in after the release, under their content hash."""

    __tablename__ = "calendar_notice"
    __table_args__ = (*_moments("calendar_notice", "imported_at"),)
    hash: str = _text(primary_key=True)
    year: int
    content: str = _text()
    imported_at: str = _text()
    imported_by: str = _text()


class EvidenceRecord(Table, table=True):
    """Records of other systems, kept for replay; `hash` is over the whole row. Append-only by triggers."""

    __tablename__ = "evidence_record"
    __table_args__ = (
        sa.UniqueConstraint("digest", name="uq_evidence_record_digest"),
        sa.CheckConstraint("length(hash) = 64", name="ck_evidence_record_hash"),
        *_moments("evidence_record", "received_at"),
        sa.Index("ix_evidence_record_case", "case_id"),
    )
    id: str = _text(primary_key=True)
    case_id: str | None = _text()
    content: str = _text()
    digest: str = _text()
    received_at: str = _text()
    received_by: str = _text()
    hash: str = _text()


class Setting(Table, table=True):
    """What this installation knows about itself."""

    __tablename__ = "setting"
    key: str = _text(primary_key=True)
    value: str = _text()


class Alert(Table, table=True):
    """A rung that was reached. The unique claim is what makes many workers raise it once."""

    __tablename__ = "alert"
    __table_args__ = (
        sa.UniqueConstraint("subject", "key", "level", "day", name="uq_alert_claim"),
        _among("scope", ALERT_SCOPES, "ck_alert_scope"),
        _among("level", LEVELS, "ck_alert_level"),
        _among("status", ALERT_STATUSES, "ck_alert_status"),
        sa.CheckConstraint("(status = 'cleared') = (cleared_at IS NOT NULL)", name="ck_alert_cleared"),
        sa.CheckConstraint("status <> 'acknowledged' OR acknowledged_at IS NOT NULL", name="ck_alert_acknowledged"),
        sa.CheckConstraint("escalations >= 0", name="ck_alert_escalations"),
        *_dates("alert", "day", "due_on"),
        *_moments("alert", "raised_at", "acknowledged_at", "snoozed_until", "escalate_at", "cleared_at"),
        sa.Index("ix_alert_org", "org", "id"),
        sa.Index("ix_alert_manager", "manager", "id"),
        _partial("ix_alert_standing", "case_id", "id", where="status <> 'cleared'"),
        _partial("ix_alert_escalate", "escalate_at", where="status = 'open' AND escalate_at IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )
    id: str = _text(primary_key=True)
    subject: str = _text()
    case_id: str | None = _text()
    org: str | None = _text()
    manager: str | None = _text()
    key: str = _text()
    scope: str = _text()
    step: str | None = _text()
    level: str = _text()
    day: str = _text()
    due_on: str = _text()
    remaining: int
    status: str = _text()
    raised_at: str = _text()
    acknowledged_at: str | None = _text()
    acknowledged_by: str | None = _text()
    note: str | None = _text()
    snoozed_until: str | None = _text()
    snooze_reason: str | None = _text()
    escalate_at: str | None = _text()
    escalations: int
    cleared_at: str | None = _text()
    cleared_because: str | None = _text()


class Message(Table, table=True):
    """The outbox: what is to be told to whom. The address is looked up when it is sent, and never stands here."""

    __tablename__ = "message"
    __table_args__ = (
        sa.UniqueConstraint("dedupe", name="uq_message_dedupe"),
        _among("kind", MESSAGE_KINDS, "ck_message_kind"),
        _among("channel", CHANNELS, "ck_message_channel"),
        _among("status", MESSAGE_STATUSES, "ck_message_status"),
        sa.CheckConstraint("attempts >= 0", name="ck_message_attempts"),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="ck_message_sent"),
        *_moments("message", "not_before", "claimed_until", "created_at", "sent_at", "read_at"),
        _partial("ix_message_pending", "not_before", where="status = 'pending'"),
        _partial("ix_message_dead", "id", where="status = 'dead'"),
        sa.Index("ix_message_recipient", "recipient", "id"),
        {"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 80}},
    )
    id: str = _text(primary_key=True)
    kind: str = _text()
    alert_id: str | None = _text()
    case_id: str | None = _text()
    org: str | None = _text()
    recipient: str = _text()
    channel: str = _text()
    body: str = _text()
    status: str = _text()
    attempts: int
    not_before: str = _text()
    claimed_by: str | None = _text()
    claimed_until: str | None = _text()
    last_error: str | None = _text()
    created_at: str = _text()
    sent_at: str | None = _text()
    read_at: str | None = _text()
    proof: str | None = _text()
    dedupe: str = _text()


class Destination(Table, table=True):
    """Where messages go that are for no single person: a front-line system, a group, the gateway to customers."""

    __tablename__ = "destination"
    __table_args__ = (
        _among("kind", ("webhook", "apprise", "customer"), "ck_destination_kind"),
        *_moments("destination", "created_at", "disabled_at"),
    )
    id: str = _text(primary_key=True)
    name: str = _text()
    kind: str = _text()
    url: str = _text()
    secret: str | None = _text()
    org: str | None = _text()
    events: str = _text()
    created_at: str = _text()
    created_by: str = _text()
    disabled_at: str | None = _text()


class Feed(Table, table=True):
    """A calendar feed of one manager; the token itself is never stored."""

    __tablename__ = "feed"
    __table_args__ = (
        sa.UniqueConstraint("token_hash", name="uq_feed_token"),
        sa.CheckConstraint("length(token_hash) = 64", name="ck_feed_token"),
        *_moments("feed", "created_at", "revoked_at"),
    )
    id: str = _text(primary_key=True)
    token_hash: str = _text()
    manager: str = _text()
    org: str | None = _text()
    created_at: str = _text()
    created_by: str = _text()
    revoked_at: str | None = _text()


class SupervisionOrder(Table, table=True):
    """督办单: an order to act, with a date by which it is to be answered."""

    __tablename__ = "supervision_order"
    __table_args__ = (
        _among("status", ("open", "answered", "closed"), "ck_supervision_order_status"),
        sa.CheckConstraint("status = 'open' OR answered_at IS NOT NULL", name="ck_supervision_order_answered"),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="ck_supervision_order_closed"),
        *_dates("supervision_order", "reply_by", "look_on"),
        *_moments("supervision_order", "issued_at", "answered_at", "closed_at"),
        sa.Index("ix_supervision_order_org", "org", "id"),
        sa.Index("ix_supervision_order_case", "case_id"),
        _partial("ix_supervision_order_look", "look_on", where="look_on IS NOT NULL"),
    )
    id: str = _text(primary_key=True)
    alert_id: str | None = _text()
    case_id: str | None = _text()
    org: str | None = _text()
    issued_by: str = _text()
    issued_at: str = _text()
    reply_by: str = _text()
    content: str = _text()
    answer: str | None = _text()
    answered_by: str | None = _text()
    answered_at: str | None = _text()
    closing_note: str | None = _text()
    closed_by: str | None = _text()
    closed_at: str | None = _text()
    status: str = _text()
    look_on: str | None = _text()


class BreachCause(Table, table=True):
    """Why a limit was broken, as stated; the latest statement counts and the earlier ones stay."""

    __tablename__ = "breach_cause"
    __table_args__ = (
        *_moments("breach_cause", "stated_at"),
        sa.Index("ix_breach_cause_case", "case_id", "key", "id"),
    )
    id: str = _text(primary_key=True)
    case_id: str = _text()
    key: str = _text()
    cause: str = _text()
    note: str | None = _text()
    stated_by: str = _text()
    stated_at: str = _text()


class Sweep(Table, table=True):
    """The heartbeat of a sweep: one row each, whichever worker ran it last."""

    __tablename__ = "sweep"
    __table_args__ = (
        sa.CheckConstraint("looked >= 0 AND done >= 0", name="ck_sweep_counts"),
        *_moments("sweep", "started_at", "finished_at", "last_good_at"),
    )
    name: str = _text(primary_key=True)
    worker: str = _text()
    started_at: str = _text()
    finished_at: str | None = _text()
    last_good_at: str | None = _text()
    looked: int
    done: int
    cut_short: bool = _flag("ck_sweep_cut_short")
    error: str | None = _text()


class Finding(Table, table=True):
    """What a rule says of a case, and how far its review is: the projection of its events. `run` is empty for a finding
    of the live store."""

    __tablename__ = "finding"
    __table_args__ = (
        sa.UniqueConstraint("run", "case_id", "rule", name="uq_finding_subject"),
        _among("severity", SEVERITIES, "ck_finding_severity"),
        _among("status", REVIEWS, "ck_finding_status"),
        *_dates("finding", "reply_by"),
        *_moments("finding", "found_at", "changed_at", "told_at"),
        sa.Index("ix_finding_run", "run", "id"),
        sa.Index("ix_finding_org", "org", "id"),
        _partial("ix_finding_untold", "id", where="told_at IS NULL AND stands AND run = ''"),
    )
    id: str = _text(primary_key=True)
    run: str = _text()
    case_id: str = _text()
    case_no: str | None = _text()
    org: str | None = _text()
    rule: str = _text()
    tag: str = _text()
    severity: str = _text()
    evidence: str = _text()
    explanation: str = _text()
    explanation_en: str = _text()
    stands: bool = _flag("ck_finding_stands")
    status: str = _text()
    reply_by: str | None = _text()
    found_at: str = _text()
    changed_at: str = _text()
    told_at: str | None = _text()


class FindingEvent(Table, table=True):
    """What happened to a finding, from its ground to its review; `seq` counts from 1 for each finding, `hash` is over
    the whole row. Append-only by triggers."""

    __tablename__ = "finding_event"
    __table_args__ = (
        sa.UniqueConstraint("finding_id", "seq", name="uq_finding_event_seq"),
        sa.CheckConstraint("seq >= 1 AND length(hash) = 64", name="ck_finding_event_seq"),
        *_moments("finding_event", "at"),
    )
    id: str = _text(primary_key=True)
    finding_id: str = _text()
    seq: int
    type: str = _text()
    at: str = _text()
    by: str = _text()
    payload: str = _text()
    hash: str = _text()


class Judgement(Table, table=True):
    """As of which version, by which rules a live case was judged last, and when to look at it again."""

    __tablename__ = "judgement"
    __table_args__ = (
        *_dates("judgement", "look_on"),
        *_moments("judgement", "judged_at", "stale_since"),
        _partial("ix_judgement_stale", "case_id", where="stale_since IS NOT NULL"),
        _partial("ix_judgement_look", "look_on", where="look_on IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )
    case_id: str = _text(primary_key=True)
    version: int
    rules: str = _text()
    judged_at: str | None = _text()
    look_on: str | None = _text()
    stale_since: str | None = _text()


class RecordedMonth(Table, table=True):
    """When the records of a live case of one source and month were made, and how they were judged."""

    __tablename__ = "recorded_month"
    __table_args__ = (
        _month("recorded_month"),
        sa.Index("ix_recorded_month_org", "org", "source", "month", "loaded", "case_id"),
        {"sqlite_with_rowid": False},
    )
    case_id: str = _text(primary_key=True)
    source: str = _text(primary_key=True)
    month: str = _text(primary_key=True)
    org: str = _text()
    minutes: str = _text()
    loaded: bool = _flag("ck_recorded_month_loaded")


class LoadMonth(Table, table=True):
    """Whether the records of a unit, a source and a month carry the time of a load; summed over `recorded_month`."""

    __tablename__ = "load_month"
    __table_args__ = (
        _month("load_month"),
        sa.CheckConstraint("fullest >= 0 AND marks >= settled", name="ck_load_month_counts"),
        _partial("ix_load_month_marked", "org", where="marks > settled"),
        {"sqlite_with_rowid": False},
    )
    org: str = _text(primary_key=True)
    source: str = _text(primary_key=True)
    month: str = _text(primary_key=True)
    hours: str = _text()
    fullest: int
    loaded: bool = _flag("ck_load_month_loaded")
    marks: int
    settled: int


REPLAY_STATES = ("queued", "running", "stopped", "failed", "done")


class ReplayRun(Table, table=True):
    """A replay that was asked for from the pages: what of, as of when, how far it is. Its results lie in files."""

    __tablename__ = "replay_run"
    __table_args__ = (
        _among("state", REPLAY_STATES, "ck_replay_run_state"),
        sa.CheckConstraint("percent >= 0 AND percent <= 100", name="ck_replay_run_percent"),
        *_dates("replay_run", "as_of"),
        *_moments("replay_run", "created_at", "beat_at", "finished_at"),
        sa.Index("ix_replay_run_org", "org", "id"),
    )
    id: str = _text(primary_key=True)
    name: str = _text()
    org: str | None = _text()
    created_by: str = _text()
    created_at: str = _text()
    as_of: str = _text()
    mapping: str = _text()
    cases_file: str | None = _text()
    cases_name: str | None = _text()
    events_file: str | None = _text()
    events_name: str | None = _text()
    state: str = _text()
    stage: str = _text()
    percent: int
    worker: str | None = _text()
    beat_at: str | None = _text()
    finished_at: str | None = _text()
    error: str | None = _text()
