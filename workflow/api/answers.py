"""The shapes of the answers, for OpenAPI. The service writes them; a test holds it to what is said here.

Times carry their offset (+08:00), dates are dates of the business zone (Asia/Shanghai), limits are working days.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """Base: what is listed is all there is."""

    model_config = ConfigDict(extra="forbid")


class DefinitionRef(Shape):
    """The definition a case is pinned to."""

    version: str
    hash: str


class RoundShape(Shape):
    """One turn of a step."""

    round: int
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: Literal["complete", "return", "waive", "ended"] | None
    used_working_days: int | None
    defects: list[str]


class StepShape(Shape):
    """One step of the path, with its latest round."""

    code: str
    name: str
    name_en: str
    status: str
    round: int
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    rounds: list[RoundShape]


class DeadlineShape(Shape):
    """One timer as of today. *breached*: ended late; *overdue*: running with negative remaining days."""

    scope: Literal["step", "total", "approval"]
    step: str | None
    round: int | None
    key: str
    name: str | None = Field(description="Of a government approval.")
    budget_working_days: int
    used_working_days: int
    remaining_working_days: int
    due_on: dt.date | None = Field(description="None while the timer waits.")
    provisional: bool = Field(description="暂定: the date may change when a State Council notice arrives.")
    status: Literal["waiting", "running", "suspended", "met", "breached", "cancelled"]
    overdue: bool


class ProvidedDocument(Shape):
    """A document handed in, fetched or re-used."""

    kind: str
    step: str
    form: str | None
    source: str
    volunteered: bool
    legal_basis: str | None
    digest: str | None
    issued_on: dt.date | None
    received_at: dt.datetime


class ApplicationShape(BaseModel):
    """An application. Members listed here are the contract; more may be present."""

    model_config = ConfigDict(extra="allow")

    id: str
    application_no: str
    external_id: str | None
    user_class: Literal["residential", "lv_zero", "lv_other", "hv_single", "hv_dual"]
    state: str = Field(description="`<step>.waiting`, `<step>.running`, energised, withdrawn, terminated or refused")
    version: int
    submitted_at: dt.datetime
    closed_at: dt.datetime | None
    definition: DefinitionRef
    steps: list[StepShape]
    deadlines: list[DeadlineShape]
    documents: list[ProvidedDocument]
    missing_documents: list[dict[str, Any]] = Field(description="The complete one-time list (一次性告知).")
    manager: str | None
    project_manager: str | None
    org: str | None
    region: str


class EventShape(BaseModel):
    """One entry of a case's history. `occurred_at`: when it is said to have happened; `recorded_at`: when the system
    learned of it; `prev_hash` and `hash` link the chain and are given by `/events`."""

    model_config = ConfigDict(extra="allow")

    seq: int
    type: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    actor: str
    source: str
    late: bool
    payload: dict[str, Any]
    prev_hash: str = ""
    hash: str = ""


class CommandDone(Shape):
    """What a command did."""

    application: ApplicationShape
    events: list[EventShape]


class ApplicationPage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[ApplicationShape]
    next: str | None


class EventPage(Shape):
    """The whole history."""

    items: list[EventShape]
    next: None


class DeadlinePage(Shape):
    """Every timer."""

    items: list[DeadlineShape]
    next: None


class ClauseShape(Shape):
    """A citation: the clause's id, its source, its item there, and the words relied on."""

    id: str
    source: str
    item: str
    quote: str


class AccountDayShape(Shape):
    """One row of a day-by-day account. `counted`: the running count; None when the day is not counted."""

    date: dt.date
    weekday: int = Field(ge=1, le=7)
    kind: str
    name: dict[str, str] | None
    notice: str | None
    provisional: bool
    counted: int | None
    reason: Literal["start", "working", "weekend", "holiday", "suspended"]


class ExplainedDeadline(DeadlineShape):
    """A timer with the account of its due date, the clauses of its limit and of the way it is counted."""

    clauses: list[ClauseShape]
    counting: list[ClauseShape]
    days: list[AccountDayShape]
    notices: list[str]


class ExplainedPage(Shape):
    """怎么算的: every due date, day by day."""

    items: list[ExplainedDeadline]
    next: None


class DocumentsShape(Shape):
    """The closed list of each step, what was provided, what is missing, what a law let the utility ask for besides."""

    allowed: list[dict[str, Any]]
    provided: list[ProvidedDocument]
    missing: list[dict[str, Any]]
    asked_by_law: list[dict[str, Any]]


class DefinitionShape(BaseModel):
    """A definition: the path, limits, documents, charges and notices of one class, with clauses."""

    model_config = ConfigDict(extra="allow")

    user_class: str
    version: str
    hash: str


class YearShape(BaseModel):
    """A year of the working calendar: its notices, and the days that are neither plain workdays nor weekends."""

    model_config = ConfigDict(extra="allow")

    year: int
    working_days: int
    provisional: bool
    firm_until: dt.date


class RecordAnswer(Shape):
    """Whether a record was kept, and why not. `duplicate`: it had been delivered before."""

    accepted: bool
    duplicate: bool = False
    reason: str = ""


class EvidenceAnswer(Shape):
    """One answer for each record, in their order."""

    items: list[RecordAnswer]
    next: None
    accepted: int
    rejected: int


class HealthShape(Shape):
    """What the process says of itself. `queued`: commands that wait for the writer; `calendar_firm_until`: due dates
    beyond it are provisional."""

    alive: Literal[True]
    writer: bool
    queued: int
    calendar_firm_until: dt.date


class SweepShape(Shape):
    """How one of the worker's sweeps is doing. `lag_seconds`: since it last ended well, null before it ever has."""

    lag_seconds: int | None
    late: bool
    cut_short: bool
    failing: bool


class AlertsHealthShape(Shape):
    """How the alerts are doing, by which nothing becomes unready. `concerns`: what somebody should look at."""

    sweeps: dict[str, SweepShape]
    ever_ran: bool
    looks_behind_days: int
    oldest_unsent_seconds: int
    dead: int
    for_nobody: int
    calendar_days_left: int
    concerns: list[str]


class ReadyShape(Shape):
    """That commands are taken now, with the facts that say so; those of a 503 stand under `checks`. `room`: on the disk
    of the database."""

    ready: Literal[True]
    writer: bool
    queued: int
    calendar_firm_until: dt.date
    database: Literal["sqlite", "postgresql"]
    room: bool
    schema_: bool = Field(alias="schema")
    alerts: AlertsHealthShape


class FieldFault(Shape):
    """One field that could not be read."""

    field: str
    message: str
    message_en: str


class Problem(BaseModel):
    """RFC 9457 problem details. `detail` is Chinese, `detail_en` English, `title` both; `clause` cites the rule relied
    on; `instance` is the request's id. Further members by `code`, such as `missing_documents`, `allowed`, `errors`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern="^urn:baozhuang:problem:")
    title: str
    status: int
    detail: str
    detail_en: str
    code: str
    clause: str | None
    clauses: list[ClauseShape]
    instance: str
    errors: list[FieldFault] | None = None
