"""The rows as plain tuples: what goes in and comes out of a transaction.

Moments are text in the business zone (Asia/Shanghai), fixed width: `2026-01-05T10:00:00.000000+08:00`; dates are
`YYYY-MM-DD`; JSON is text and comes back byte for byte.  Text order is therefore time order.
"""

from __future__ import annotations

from typing import NamedTuple


class CaseRow(NamedTuple):
    """One application as it stands: the projection of its events.

    `version` is the `case_seq` of its last event and `head_hash` that event's hash.  `due_on` is the earliest due date
    of the running timers (None when none runs); `snapshot` is the engine's state as JSON, free of personal data.
    """

    id: str
    application_no: str
    external_id: str | None
    org: str | None
    region: str
    user_class: str
    state: str
    manager: str | None
    project_manager: str | None
    premises_id: str
    voltage: str
    capacity_kw: float
    business_type: str
    channel: str
    submitted_at: str
    closed_at: str | None
    due_on: str | None
    total_due_on: str | None
    provisional: bool
    definition_hash: str
    version: int
    head_hash: str
    predecessor: str | None
    snapshot: str


class NewEvent(NamedTuple):
    """An event about to be appended; sequence number and hashes are given when it joins its chain."""

    type: str
    payload: str
    occurred_at: str
    recorded_at: str
    actor: str
    source: str


class EventRow(NamedTuple):
    """One link of a case's chain. `occurred_at`: when it is said to have happened; `recorded_at`: when it was learned.

    Both in the business zone."""

    case_id: str
    case_seq: int
    type: str
    payload: str
    occurred_at: str
    recorded_at: str
    actor: str
    source: str
    prev_hash: str
    hash: str


class Head(NamedTuple):
    """The last link of one case's chain."""

    case_id: str
    seq: int
    hash: str


class PersonalRow(NamedTuple):
    """Who a case is about, kept outside the chain. After erasure everything but the case id is None."""

    case_id: str
    salt: str | None
    customer_id: str | None
    customer_name: str | None
    phone: str | None
    address: str | None


class RoundRow(NamedTuple):
    """One round of one step."""

    case_id: str
    step: str
    round: int
    started_at: str | None
    ended_at: str | None
    outcome: str | None
    used_working_days: int | None


class DeadlineRow(NamedTuple):
    """One timer: a budget in working days and a ledger of intervals, from which `due_on` is derived.

    `key` is `total`, `step:design_review:2` or `approval:1`; `status` is waiting, running, suspended, met, breached or
    cancelled; `calendar_hash` says by which calendar `due_on` was counted.  `look_on` is the next date on which the
    sweep has to look at it (None: never); the sweep moves it, so it is left out when projections are compared.
    """

    case_id: str
    key: str
    scope: str
    step: str | None
    round: int | None
    budget: int | None
    ledger: str
    due_on: str | None
    provisional: bool
    status: str
    calendar_hash: str
    look_on: str | None = None


class PendingRow(NamedTuple):
    """A record that waits for a second signature. `event` is its `case_seq`, `kind` suspend, waive_step, correct or
    late; `since` is when it was recorded, `org` the unit the application belongs to now."""

    case_id: str
    event: int
    kind: str
    actor: str
    org: str | None
    since: str


class Waiting(NamedTuple):
    """A record that waits for a second signature, with its event and what a queue says of its application."""

    case_id: str
    event: int
    kind: str
    actor: str
    org: str | None
    since: str
    application_no: str
    user_class: str
    state: str
    manager: str | None
    version: int
    occurred_at: str
    type: str
    payload: str


class Remembered(NamedTuple):
    """The answer given to one idempotency key of one principal. `status` is the HTTP status of `answer`."""

    principal: str
    key: str
    body_hash: str
    case_id: str | None
    status: int
    answer: bytes
    created_at: str


class KeyRow(NamedTuple):
    """An API key; only the SHA-256 (hex) of its 256-bit random secret is kept."""

    id: str
    name: str
    key_hash: str
    role: str
    org: str | None
    created_at: str
    revoked_at: str | None


class OrgRow(NamedTuple):
    """A unit of the utility. `level`: team, county, city or province; `path`: `province/city/county/`, derived."""

    code: str
    parent: str | None
    level: str
    name: str
    enterprise: str | None
    region: str | None
    path: str = ""


class StaffRow(NamedTuple):
    """A person who receives work and alerts; `substitute` is the id of who stands in."""

    id: str
    name: str
    org: str
    role: str
    contact: str | None
    substitute: str | None


class AccountRow(NamedTuple):
    """Who may sign in: the account of a member of the staff. `changed_at`: when the password was last set."""

    staff: str
    password_hash: str
    must_change: bool
    created_at: str
    created_by: str
    changed_at: str
    disabled_at: str | None = None


class SessionRow(NamedTuple):
    """Somebody who is signed in; only the SHA-256 (hex) of the token is kept. `seen_at`: when it was last noted that it
    is in use; `ends_at`: it ends then at the latest."""

    token_hash: str
    staff: str
    started_at: str
    seen_at: str
    ends_at: str


class FailureRow(NamedTuple):
    """An attempt to sign in; `subject` is the SHA-256 (hex) of whose or from where."""

    id: str
    subject: str
    at: str


class DefinitionRow(NamedTuple):
    """A published definition under its content hash."""

    hash: str
    content: str
    published_at: str


class NoticeRow(NamedTuple):
    """A calendar notice that was dropped in, under its content hash."""

    hash: str
    year: int
    content: str
    imported_at: str
    imported_by: str


class EvidenceRow(NamedTuple):
    """A record of another system, kept for replay; `digest` makes a second delivery of it harmless. A hash over all of
    it is stored beside it."""

    id: str
    case_id: str | None
    content: str
    digest: str
    received_at: str
    received_by: str


class Filter(NamedTuple):
    """What a list of applications is narrowed to; None does not narrow.

    `scope` and `org` each mean that org and every one below: `scope` is what the viewer may see, `org` what was asked
    for.  `region` is a GB/T 2260 code and covers what lies in it (420000 covers 42xxxx, 420100 covers 4201xx).
    `due_before` and `overdue_before` are dates, exclusive, and leave only open applications; `not_overdue_from` leaves
    out what `overdue_before` of the same date would show.
    """

    scope: str | None = None
    org: str | None = None
    region: str | None = None
    state: str | None = None
    user_class: str | None = None
    manager: str | None = None
    external_id: str | None = None
    due_before: str | None = None
    overdue_before: str | None = None
    not_overdue_from: str | None = None


class Look(NamedTuple):
    """A deadline whose `look_on` has come, with what its alerts say of the application it belongs to."""

    case_id: str
    key: str
    scope: str
    step: str | None
    budget: int | None
    ledger: str
    due_on: str | None
    status: str
    look_on: str
    org: str | None
    region: str
    manager: str | None
    application_no: str


class AlertRow(NamedTuple):
    """A rung that was reached: once per `subject`, `key`, `level` and `day`.

    `subject` is the case id, or what else stands under a ladder (`report:2026H1:<org>`, `order:<id>`,
    `horizon:calendar`); `day` is the date of the rung, `remaining` the days left on it.  `status` is open, acknowledged
    or cleared; `escalate_at` is when the next ones are told if nobody has acknowledged.
    """

    id: str
    subject: str
    case_id: str | None
    org: str | None
    manager: str | None
    key: str
    scope: str
    step: str | None
    level: str
    day: str
    due_on: str
    remaining: int
    status: str
    raised_at: str
    acknowledged_at: str | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    snoozed_until: str | None = None
    snooze_reason: str | None = None
    escalate_at: str | None = None
    escalations: int = 0
    cleared_at: str | None = None
    cleared_because: str | None = None


class AlertFilter(NamedTuple):
    """What a list of alerts is narrowed to; None does not narrow. `scope` and `org` as in `Filter`.

    `status` is one of an alert's, or `standing` for open and acknowledged together; `escalated`: passed on at least
    once, or never; `but_scope` leaves a scope out.
    """

    scope: str | None = None
    org: str | None = None
    status: str | None = None
    level: str | None = None
    manager: str | None = None
    case_id: str | None = None
    subject: str | None = None
    escalated: bool | None = None
    but_scope: str | None = None


class MessageRow(NamedTuple):
    """One message of the outbox. `id` is the delivery id, the same at every attempt; by `dedupe` it is queued once.

    `recipient` is a staff id, `destination:<id>` or `customer`; `body` is JSON without personal data; `proof` is JSON.
    While a worker holds the lease, `claimed_by` and `claimed_until` say who and how long.
    """

    id: str
    kind: str
    alert_id: str | None
    case_id: str | None
    org: str | None
    recipient: str
    channel: str
    body: str
    status: str
    attempts: int
    not_before: str
    claimed_by: str | None
    claimed_until: str | None
    last_error: str | None
    created_at: str
    sent_at: str | None
    read_at: str | None
    proof: str | None
    dedupe: str


class MessageFilter(NamedTuple):
    """What a list of messages is narrowed to; None does not narrow. `scope` as in `Filter`; `unread`: of an inbox."""

    scope: str | None = None
    status: str | None = None
    kind: str | None = None
    recipient: str | None = None
    channel: str | None = None
    alert_id: str | None = None
    unread: bool | None = None


class DestinationRow(NamedTuple):
    """Where messages go that are for no single person. `kind` is webhook, apprise or customer; `events` a JSON list."""

    id: str
    name: str
    kind: str
    url: str
    secret: str | None
    org: str | None
    events: str
    created_at: str
    created_by: str
    disabled_at: str | None = None


class FeedRow(NamedTuple):
    """A calendar feed; only the SHA-256 (hex) of its token is kept."""

    id: str
    token_hash: str
    manager: str
    org: str | None
    created_at: str
    created_by: str
    revoked_at: str | None = None


class OrderRow(NamedTuple):
    """A supervision order (督办单). `status` is open, answered or closed; `look_on` as of a deadline."""

    id: str
    alert_id: str | None
    case_id: str | None
    org: str | None
    issued_by: str
    issued_at: str
    reply_by: str
    content: str
    answer: str | None = None
    answered_by: str | None = None
    answered_at: str | None = None
    closing_note: str | None = None
    closed_by: str | None = None
    closed_at: str | None = None
    status: str = "open"
    look_on: str | None = None


class CauseRow(NamedTuple):
    """Why the limit of the timer `key` was broken, as somebody stated it."""

    id: str
    case_id: str
    key: str
    cause: str
    note: str | None
    stated_by: str
    stated_at: str


class SweepRow(NamedTuple):
    """The heartbeat of a sweep. While `finished_at` is None it runs, or was killed. `error`: of the last run."""

    name: str
    worker: str
    started_at: str
    finished_at: str | None
    last_good_at: str | None
    looked: int
    done: int
    cut_short: bool
    error: str | None


class Dated(NamedTuple):
    """A deadline that names a date, with what a calendar or a list of breaches says of its application."""

    case_id: str
    application_no: str
    org: str | None
    manager: str | None
    user_class: str
    version: int
    key: str
    scope: str
    step: str | None
    round: int | None
    budget: int | None
    due_on: str
    provisional: bool
    status: str


class DraftRow(NamedTuple):
    """An application that has not been sent yet; only the SHA-256 (hex) of its token is kept. `content`: the fields as
    typed, JSON; `case_id`: what it became."""

    id: str
    token_hash: str
    content: str
    created_at: str
    expires_at: str
    case_id: str | None = None


class UploadRow(NamedTuple):
    """An uploaded file: its bytes lie in the file store under `digest` (SHA-256, hex). `name`: what its owner called
    it; `media`: the type its content shows."""

    id: str
    draft_id: str | None
    case_id: str | None
    kind: str
    volunteered: bool
    digest: str
    size: int
    media: str
    name: str
    uploaded_at: str


class TrackingRow(NamedTuple):
    """The tracking code of an application; only its argon2 hash is kept."""

    case_id: str
    code_hash: str
    issued_at: str
    issued_by: str


class VisitRow(NamedTuple):
    """One look at an application by its tracking code; only the SHA-256 (hex) of its token is kept."""

    token_hash: str
    case_id: str
    opened_at: str
    expires_at: str


class ComplaintRow(NamedTuple):
    """A complaint about an application, or an answer to one (`answers`: the complaint's id). Never changed."""

    id: str
    case_id: str
    answers: str | None
    text: str
    by: str
    at: str


class AreaRow(NamedTuple):
    """A capacity-limited area on a region's published list [L46]. `spare_kva`: what is left for new connections there;
    `until`: when it is expected to end; `source`: where it was published. An empty `area` says that the region has
    none."""

    region: str
    published_on: str
    area: str
    spare_kva: float | None
    reason: str | None
    until: str | None
    source: str
    imported_at: str
    imported_by: str


class FindingRow(NamedTuple):
    """What a rule says of a case as it stands. `run` is empty on the live store, else the replay it came from;
    `evidence` is JSON; `status` is where its review stands; `stands`: its ground is still there; `told_at`: when the
    inspectors were told."""

    id: str
    run: str
    case_id: str
    case_no: str | None
    org: str | None
    rule: str
    tag: str
    severity: str
    evidence: str
    explanation: str
    explanation_en: str
    stands: bool
    status: str
    reply_by: str | None
    found_at: str
    changed_at: str
    told_at: str | None = None


class FindingEventRow(NamedTuple):
    """What happened to a finding. `payload` is JSON. It is stored with its number among the events of the finding and a
    hash over all of it."""

    id: str
    finding_id: str
    type: str
    at: str
    by: str
    payload: str


class FindingFilter(NamedTuple):
    """What a list of findings is narrowed to; None does not narrow. `scope` as in `Filter`; `status` is one of a
    review's, or `standing`, `lapsed`; `reviewed`: only those whose review has begun."""

    run: str | None = ""
    scope: str | None = None
    org: str | None = None
    case_id: str | None = None
    rule: str | None = None
    severity: str | None = None
    status: str | None = None
    reviewed: bool | None = None


class JudgementRow(NamedTuple):
    """As of which version and by which rules (a digest) a case was judged; `look_on`: when time alone may change it;
    `stale_since`: a record has come in that was not judged yet."""

    case_id: str
    version: int
    rules: str
    judged_at: str | None
    look_on: str | None
    stale_since: str | None


class RecordedMonthRow(NamedTuple):
    """When the records of a case of one source ('' for none) and month (`YYYY-MM`) were made: `minutes`, a JSON object
    of how many there are by minute of the day. `org` is the unit of the case ('' for none); `loaded`: whether the case
    was judged as though these were times of a load."""

    case_id: str
    source: str
    month: str
    org: str
    minutes: str
    loaded: bool


class LoadMonthRow(NamedTuple):
    """Whether the records of a unit, source and month carry the time of a load. `hours`: a JSON object of how many
    there are by hour of the day; `fullest`: how many in the fullest minute of the day. `marks` grows with whatever
    changes them, and is `settled` once they are summed up and every case is judged accordingly."""

    org: str
    source: str
    month: str
    hours: str
    fullest: int
    loaded: bool
    marks: int
    settled: int


class BoardFilter(NamedTuple):
    """Which applications a board shows; None: whatever it is. `scope`: the part of the organisation that is seen at
    all; `managers`: of any of these; `due_from`, `due_to`: dates, both included; `part`: 0 with a due date, 1 open
    without one, 2 closed; `number`: the beginning of an application number, or a whole external number, account or
    premises."""

    scope: str | None = None
    managers: tuple[str, ...] | None = None
    org: str | None = None
    user_class: str | None = None
    step: str | None = None
    due_from: str | None = None
    due_to: str | None = None
    part: int | None = None
    number: str | None = None


class BoardKey(NamedTuple):
    """Where a row stands on the board: its part (see BoardFilter), its due date in the first, its id."""

    part: int
    due_on: str | None
    id: str


class BoardRow(NamedTuple):
    """An application as a board lists it: a part of its row, without the state."""

    id: str
    application_no: str
    external_id: str | None
    org: str | None
    user_class: str
    state: str
    manager: str | None
    business_type: str
    capacity_kw: float
    submitted_at: str
    closed_at: str | None
    due_on: str | None
    total_due_on: str | None
    provisional: bool


class SavedViewRow(NamedTuple):
    """A view of the board that a person keeps: the query of its address."""

    staff: str
    name: str
    query: str
    created_at: str


class AbsenceRow(NamedTuple):
    """Somebody is away, and who stands in; dates, both included. `ended_at`: called off or ended early."""

    id: str
    staff: str
    substitute: str
    first_day: str
    last_day: str
    created_at: str
    created_by: str
    ended_at: str | None = None


class ReplayRunRow(NamedTuple):
    """A replay asked for from the pages. `cases_file`, `events_file`: digests in the file store (both None: the live
    store itself) with the names they came under; `state` is queued, running, stopped, failed or done; while it runs,
    `worker` says who does it and `beat_at` when it was last heard of; `percent` of its present stage."""

    id: str
    name: str
    org: str | None
    created_by: str
    created_at: str
    as_of: str
    mapping: str
    cases_file: str | None
    cases_name: str | None
    events_file: str | None
    events_name: str | None
    state: str = "queued"
    stage: str = ""
    percent: int = 0
    worker: str | None = None
    beat_at: str | None = None
    finished_at: str | None = None
    error: str | None = None
