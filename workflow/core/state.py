"""An application as its history leaves it: the value that `decide` reads and `evolve` returns.

Everything is immutable; times are in the business zone (Asia/Shanghai); used days are working days.  A round that has
ended keeps the due date and the days it was judged by, so that a later calendar never rewrites a past judgement.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from definitions.model import Frozen


class Compact(Frozen, frozen=True, omit_defaults=True):
    """Base of the snapshot's parts: defaults are left out of the stored text."""


class Facts(Compact, frozen=True):
    """The facts a class is computed from and the case is described by. `capacity_kw` holds kVA for high voltage."""

    customer_kind: str
    capacity_kw: float
    voltage: str
    area: str
    region: str
    channel: str
    premises_id: str
    supply_count: int = 1
    enterprise_size: str | None = None
    business_type: str = "new"
    voltage_kv: float | None = None
    important_customer: bool = False
    hv_request_ref: str | None = None
    external_id: str | None = None
    platform_id: str | None = None


class Round(Compact, frozen=True):
    """One turn of a step: the utility's clock from hand-in to written result. `outcome`: complete, return, waive or
    ended (the case ended while it ran). `budget`/`due_on`/`used`/`provisional` are set when the round ends."""

    started_at: dt.datetime
    ended_at: dt.datetime | None = None
    outcome: str | None = None
    budget: int | None = None
    due_on: dt.date | None = None
    used: int | None = None
    provisional: bool = False
    defects: tuple[str, ...] = ()

    @property
    def ended(self) -> dt.datetime:
        """When it ended. Raises ValueError while it runs."""
        if self.ended_at is None:
            raise ValueError("the round still runs")
        return self.ended_at


class Step(Compact, frozen=True):
    """A step of the case's path. `status`: pending, waiting, running, done or waived."""

    code: str
    status: str = "pending"
    rounds: tuple[Round, ...] = ()
    confirmable: bool = False


class Document(Compact, frozen=True):
    """A document provided. `step`: the step in force when it came in."""

    kind: str
    step: str
    received_at: dt.datetime
    form: str | None = None
    source: str = "upload"
    volunteered: bool = False
    legal_basis: str | None = None
    digest: str | None = None
    issued_on: dt.date | None = None


class Asked(Compact, frozen=True):
    """A document lawfully asked for beyond the closed list, with its basis."""

    kind: str
    step: str
    legal_basis: str


class Form(Compact, frozen=True):
    """The form in which a document of a kind was first asked for; another may not be asked for as well [L24 L25]."""

    kind: str
    form: str


class Suspension(Compact, frozen=True):
    """A suspension in effect: whole days, both dates included; `to` None while it lasts. `event` proposed it;
    `resumed_at` is when work went on before its last day was over."""

    event: int
    ground: str
    notice: str
    from_: dt.date = msgspec.field(name="from")
    to: dt.date | None = None
    resumed_at: dt.datetime | None = None

    def in_force(self, moment: dt.datetime, on: dt.date) -> bool:
        """Whether work rests at `moment`, whose date is `on`. The last day counts as suspended, but not what happens on
        it after work has been resumed."""
        if self.resumed_at is not None and moment >= self.resumed_at:
            return False
        return self.from_ <= on and (self.to is None or on <= self.to)


class Pending(Compact, frozen=True):
    """A record waiting for a second signature: a proposal (suspend, waive_step, correct) or a late record."""

    event: int
    kind: str
    actor: str
    payload: dict[str, Any] = msgspec.field(default_factory=dict)


class Approval(Compact, frozen=True):
    """A government approval of the works, beside the steps. `budget` None: no limit is published for it."""

    number: int
    name: str
    started_at: dt.datetime
    budget: int | None = None
    authority: str | None = None
    decided_at: dt.datetime | None = None
    decision: str | None = None
    due_on: dt.date | None = None
    used: int | None = None
    provisional: bool = False


class Charge(Compact, frozen=True):
    """Money asked of the customer, in yuan."""

    item: str
    amount: float
    collector: str
    at: dt.datetime


class Given(Compact, frozen=True):
    """A notice given, with its proof of delivery."""

    notice: str
    at: dt.datetime
    channel: str | None = None
    proof: str | None = None


class Milestone(Compact, frozen=True):
    """What is known of an internal milestone: reached at `at`, or stated then not to be needed. One with a budget keeps
    the due date and the working days it was judged by."""

    code: str
    at: dt.datetime
    reached: bool = True
    budget: int | None = None
    due_on: dt.date | None = None
    used: int | None = None
    provisional: bool = False


class Link(Compact, frozen=True):
    """An earlier application for the same need that was ended. `used`: the utility's working days in it.
    `gap_proved`: the customer's own withdrawal is proved, so the gap after it is the customer's."""

    case_id: str
    application_no: str
    submitted_at: dt.datetime
    ended_at: dt.datetime
    ending: str
    used: int
    gap_proved: bool = False
    suspended: tuple[tuple[dt.date, dt.date], ...] = ()


class Closing(Compact, frozen=True):
    """How the total timer stood when the case closed."""

    due_on: dt.date | None
    used: int
    on_time: bool
    provisional: bool = False


class State(Compact, frozen=True):
    """One application. `state` is the contract's word: `<step>.waiting`, `<step>.running`, `energised`, `withdrawn`,
    `terminated` or `refused`. `version` is the number of its last event."""

    case_id: str
    application_no: str
    version: int
    state: str
    user_class: str
    definition: str
    facts: Facts
    submitted_at: dt.datetime
    last_step_at: dt.datetime
    last_recorded_at: dt.datetime
    steps: tuple[Step, ...]
    org: str | None = None
    manager: str | None = None
    project_manager: str | None = None
    overridden_class: str | None = None
    closed_at: dt.datetime | None = None
    ending_proved: bool = False
    closing: Closing | None = None
    documents: tuple[Document, ...] = ()
    asked: tuple[Asked, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    pending: tuple[Pending, ...] = ()
    approvals: tuple[Approval, ...] = ()
    charges: tuple[Charge, ...] = ()
    notices: tuple[Given, ...] = ()
    chain: tuple[Link, ...] = ()
    rating: int | None = None
    milestones: tuple[Milestone, ...] = ()
    forms: tuple[Form, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the application has ended, by energising or otherwise."""
        return self.closed_at is not None

    @property
    def current(self) -> str | None:
        """The code of the step in force; None once closed."""
        return None if self.closed_at is not None else self.state.rpartition(".")[0]

    @property
    def open_step(self) -> str:
        """The code of the step in force. Raises ValueError once closed."""
        if self.current is None:
            raise ValueError("a closed application has no step in force")
        return self.current

    @property
    def ended(self) -> dt.datetime:
        """When the application ended. Raises ValueError while it is open."""
        if self.closed_at is None:
            raise ValueError("the application has not ended")
        return self.closed_at

    def milestone(self, code: str) -> Milestone | None:
        """What is known of milestone `code`; None when nothing is."""
        return next((one for one in self.milestones if one.code == code), None)

    def step(self, code: str) -> Step | None:
        """The step `code` of the path, or None when the path has no such step."""
        for step in self.steps:
            if step.code == code:
                return step
        return None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)


def to_snapshot(state: State) -> str:
    """The state as JSON text, for the projection row."""
    return _encoder.encode(state).decode()


def from_snapshot(text: str) -> State:
    """The state read back. Raises msgspec.ValidationError when the text is not a state."""
    return _decoder.decode(text)
