"""The shapes of what warns and of what was done about it, for OpenAPI."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from workflow.api.answers import Shape

Level = Literal["yellow", "orange", "red", "black"]


class AlertShape(Shape):
    """A rung that was reached. `day`: the date of the rung; `remaining_days`: the days then left, in `unit`, negative
    when overdue; `scope` `milestone`: the utility's own, no legal limit. `application_no`, `user_class` and `state` are
    of the application as it is now; null where the alert is about something else."""

    id: str
    level: Level
    status: Literal["open", "acknowledged", "cleared"]
    scope: Literal["step", "total", "approval", "milestone", "plan", "report", "order", "horizon", "finding"]
    key: str
    step: str | None
    subject: str
    case_id: str | None
    application_no: str | None
    user_class: str | None
    state: str | None
    org: str | None
    manager: str | None
    day: dt.date
    due_on: dt.date
    remaining_days: int
    unit: Literal["working_days", "natural_days"]
    raised_at: dt.datetime
    acknowledged_at: dt.datetime | None
    acknowledged_by: str | None
    note: str | None
    snoozed_until: dt.datetime | None
    snooze_reason: str | None
    escalations: int
    escalate_at: dt.datetime | None = Field(description="When the next role is told, unless somebody acknowledges.")
    cleared_at: dt.datetime | None
    cleared_because: str | None


class AlertPage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[AlertShape]
    next: str | None


class OrderShape(Shape):
    """A supervision order (督办单)."""

    id: str
    status: Literal["open", "answered", "closed"]
    alert_id: str | None
    case_id: str | None
    application_no: str | None
    org: str | None
    issued_by: str
    issued_at: dt.datetime
    reply_by: dt.date
    content: str
    answer: str | None
    answered_by: str | None
    answered_at: dt.datetime | None
    closing_note: str | None
    closed_by: str | None
    closed_at: dt.datetime | None


class OrderPage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[OrderShape]
    next: str | None


class CauseShape(Shape):
    """The cause of a breach as somebody stated it. `counts`: whether it is the latest of its timer."""

    id: str
    case_id: str
    key: str
    cause: str
    name: str
    name_en: str
    note: str | None
    stated_by: str
    stated_at: dt.datetime
    counts: bool


class CausePage(Shape):
    """Every statement, oldest first."""

    items: list[CauseShape]
    next: None


class BreachShape(Shape):
    """A legal limit that was broken: `breached` ended late, `running` and overdue is late now."""

    case_id: str
    application_no: str
    user_class: str
    org: str | None
    manager: str | None
    key: str
    scope: Literal["step", "total", "approval"]
    step: str | None
    round: int | None
    budget_working_days: int | None
    due_on: dt.date
    provisional: bool
    status: Literal["running", "breached"]
    overdue: bool
    cause: CauseShape | None


class BreachPage(Shape):
    """A page, newest application first; `next` is the cursor of the following one."""

    items: list[BreachShape]
    next: str | None


class MilestoneShape(Shape):
    """An internal milestone of the grid's works. It warns early enough to act; `legal_limit` is always false."""

    milestone: str
    name: str
    name_en: str
    owner: str
    owner_en: str
    reached_by: list[str] = Field(description="The records of other systems that reach it.")
    status: Literal["waiting", "reached", "not_needed", "running", "suspended", "met", "breached", "cancelled"]
    reached_at: dt.datetime | None
    budget_working_days: int | None
    used_working_days: int | None
    remaining_working_days: int | None
    due_on: dt.date | None
    provisional: bool
    overdue: bool
    legal_limit: Literal[False]
    clauses: list[str]


class PlanShape(Shape):
    """How long the supply plan is valid, in natural days."""

    delivered_on: dt.date
    valid_until: dt.date | None
    months: int
    remaining_days: int | None
    status: Literal["running", "lapsed", "kept", "cancelled"]
    ended_on: dt.date | None
    clauses: list[str]


class MilestonePage(Shape):
    """All of them in their order, and the supply plan's validity where one has been delivered."""

    items: list[MilestoneShape]
    next: None
    plan: PlanShape | None


class LetterShape(Shape):
    """A message of the inbox, with the alert or the order it is about as it stands now; `title` and `text` of a digest.
    `escalated`: nobody had acknowledged the alert in time."""

    id: str
    kind: Literal["alert", "digest", "order", "customer_notice", "event"]
    title: str | None
    text: str | None
    escalated: bool
    case_id: str | None
    alert: AlertShape | None
    order: OrderShape | None
    sent_at: dt.datetime | None
    read_at: dt.datetime | None


class LetterPage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[LetterShape]
    next: str | None


class MessageShape(Shape):
    """A message of the outbox. `recipient`: a member of the staff, `destination:<id>` or `customer`; `proof`: what the
    receiver answered."""

    id: str
    kind: Literal["alert", "digest", "order", "customer_notice", "event"]
    status: Literal["pending", "sent", "dead", "cancelled"]
    channel: Literal["inbox", "apprise", "webhook"]
    recipient: str
    alert_id: str | None
    case_id: str | None
    org: str | None
    attempts: int
    not_before: dt.datetime
    last_error: str | None
    created_at: dt.datetime
    sent_at: dt.datetime | None
    proof: Any


class MessagePage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[MessageShape]
    next: str | None


class DestinationShape(Shape):
    """A receiver. Of its address only what is no secret."""

    id: str
    name: str
    kind: Literal["webhook", "apprise", "customer"]
    address: str
    org: str | None
    events: list[str]
    created_at: dt.datetime
    created_by: str
    disabled_at: dt.datetime | None


class NewDestinationShape(DestinationShape):
    """A receiver just registered. `secret`: what a webhook's deliveries are signed with; told this once."""

    secret: str | None


class DestinationPage(Shape):
    """All of them, oldest first."""

    items: list[DestinationShape]
    next: None


class FeedShape(Shape):
    """A calendar feed, without its token."""

    id: str
    manager: str
    org: str | None
    created_at: dt.datetime
    created_by: str
    revoked_at: dt.datetime | None


class NewFeedShape(FeedShape):
    """A feed just made. `path`: where it is read, on this host; told this once."""

    token: str
    path: str


class FeedPage(Shape):
    """All of them, oldest first."""

    items: list[FeedShape]
    next: None
