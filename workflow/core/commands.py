"""What can be asked of an application, as validated values.

These models are the one home of each command's fields: the HTTP face, the command line and the importers all build
them, and OpenAPI is generated from them.  Times without an offset are Asia/Shanghai.  Unknown fields are refused.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from definitions.model import UserClass
from workflow.core.times import BUSINESS_ZONE, FIRST_YEAR, LAST_YEAR

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Unicode's categories of blanks, line breaks and marks without a width."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that Unicode counts as letters or symbols and that show nothing."""


def blank(text: str) -> bool:
    """Whether nothing of `text` can be seen: no reason, no proof and no id is written there."""
    return all(one in _FILLERS or unicodedata.category(one) in _UNSEEN for one in text)


def _written(value: str) -> str:
    if CONTROL.search(value):
        raise ValueError("含有控制字符 / contains control characters")
    if blank(value):
        raise ValueError("不能只有空白, 请填写内容 / must not be blank; write something down")
    return value


def _moment(value: object) -> object:
    """Accept only ISO 8601 text or a datetime: a bare number is never guessed to be a time."""
    if isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        raise ValueError("应为 ISO 8601 时间, 如 2026-01-05T10:00:00+08:00 / must be an ISO 8601 time")
    return value


def _in_business_zone(value: dt.datetime) -> dt.datetime:
    _known_year(value)
    if value.tzinfo is None:
        return value.replace(tzinfo=BUSINESS_ZONE)
    return value.astimezone(BUSINESS_ZONE)


def _date(value: object) -> object:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("应为日期, 如 2026-01-05 / must be a date such as 2026-01-05")
    return value


def _known_year(value: dt.date) -> dt.date:
    if not FIRST_YEAR < value.year <= LAST_YEAR:
        raise ValueError(f"年份应在 {FIRST_YEAR + 1}-{LAST_YEAR} / year must be {FIRST_YEAR + 1}-{LAST_YEAR}")
    return value


Moment = Annotated[dt.datetime, BeforeValidator(_moment), AfterValidator(_in_business_zone)]
Day = Annotated[dt.date, BeforeValidator(_date), AfterValidator(_known_year)]
DocumentDay = Annotated[dt.date, BeforeValidator(_date)]
Code = Annotated[str, Field(min_length=1, max_length=64, strict=True), AfterValidator(_written)]
Line = Annotated[str, Field(min_length=1, max_length=500, strict=True), AfterValidator(_written)]
Prose = Annotated[str, Field(min_length=1, max_length=4000, strict=True), AfterValidator(_written)]
Region = Annotated[str, Field(pattern=r"^[1-9]\d{5}$", strict=True)]
Source = Literal[
    "marketing", "metering", "material", "dispatch", "contract", "finance", "callcentre", "customer_app",
    "field_terminal", "archive",
]  # fmt: skip


class Strict(BaseModel):
    """Base: unknown fields are refused and values never silently converted across types."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class DocumentIn(Strict):
    """A document handed in. `legal_basis`: the law or regulation, and its article, that lets an extra one be asked
    for."""

    kind: Code
    form: Line | None = None
    source: Literal["upload", "e_licence", "reuse"] = "upload"
    volunteered: Annotated[bool, Field(strict=True)] = False
    legal_basis: Line | None = None
    digest: Line | None = None
    issued_on: DocumentDay | None = None


class DocumentAsked(Strict):
    """A document the utility asks for."""

    kind: Code
    form: Line | None = None
    legal_basis: Line | None = None


class Customer(Strict):
    """Who applies. Name and phone are personal data and stay outside the evidence chain."""

    id: Code
    name: Line | None = None
    phone: Code | None = None


class Premises(Strict):
    """Where electricity is to be used."""

    id: Code
    address: Line | None = None


class ClassOverride(Strict):
    """A class other than the one the rules give; needs a reason and is itself a finding (D26)."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    user_class: UserClass = Field(alias="class")
    reason: Prose


class Submission(Strict):
    """`POST /applications`: the facts of one application. `capacity_kw` holds kVA for high voltage."""

    external_id: Code | None = None
    customer: Customer
    premises: Premises
    customer_kind: Literal["residential", "non_residential"]
    enterprise_size: Literal["micro", "small", "medium", "large"] | None = None
    capacity_kw: Annotated[float, Field(gt=0, le=10_000_000, strict=True)]
    voltage: Literal["low", "high"]
    supply_count: Annotated[int, Field(ge=1, le=2, strict=True)] = 1
    area: Literal["urban", "rural"]
    region: Region
    org: Code | None = None
    channel: Literal["online", "hall", "phone", "visit"]
    business_type: Literal["new", "increase", "temporary"] = "new"
    voltage_kv: Annotated[float, Field(gt=0, le=1200, strict=True)] | None = None
    important_customer: Annotated[bool, Field(strict=True)] = False
    platform_id: Code | None = None
    manager: Code | None = None
    occurred_at: Moment | None = None
    reason: Prose | None = None
    source: Source | None = None
    hv_request_ref: Line | None = None
    class_override: ClassOverride | None = None
    documents: Annotated[tuple[DocumentIn, ...], Field(max_length=100)] = ()

    @property
    def why_late(self) -> str | None:
        """The explanation given for recording this late."""
        return self.reason


class EvidenceRef(Strict):
    """A record that proves something: its id in the system that holds it."""

    ref: Line
    source: Source | None = None


class _Base(Strict):
    """Fields every command may carry. `reason` is needed when the record is late. `source`: the system or device the
    record comes from (a field terminal may synchronise within three working days)."""

    occurred_at: Moment | None = None
    reason: Prose | None = None
    source: Source | None = None
    evidence: EvidenceRef | None = None
    batch: Code | None = None

    @property
    def why_late(self) -> str | None:
        """The explanation given for recording this late."""
        return self.reason


class RequestDocuments(_Base):
    """The utility asks the customer for documents; the closed list bites here [L24 L25]."""

    command: Literal["request_documents"]
    step: Code | None = None
    documents: Annotated[tuple[DocumentAsked, ...], Field(min_length=1, max_length=100)]


class RegisterDocuments(_Base):
    """Documents handed in by the customer, fetched from the e-licence platform, or re-used."""

    command: Literal["register_documents"]
    step: Code | None = None
    documents: Annotated[tuple[DocumentIn, ...], Field(min_length=1, max_length=100)]


class SubmitStep(_Base):
    """The customer hands a step in; its clock starts."""

    command: Literal["submit_step"]
    step: Code
    documents: Annotated[tuple[DocumentIn, ...], Field(max_length=100)] = ()


class CompleteStep(_Base):
    """The utility's written result of a step; the last step energises. `plan_reason`: why a high-voltage plan does not
    use the nearest existing public line [L30]."""

    command: Literal["complete_step"]
    step: Code
    documents: Annotated[tuple[DocumentIn, ...], Field(max_length=100)] = ()
    plan_reason: Prose | None = None


class ReturnStep(_Base):
    """The step is returned to the customer with one complete written list of defects (一次性告知)."""

    command: Literal["return_step"]
    step: Code
    defects: Annotated[tuple[Line, ...], Field(min_length=1, max_length=200)]


class WaiveStep(_Base):
    """The step is not asked of this case; proposed until countersigned."""

    command: Literal["waive_step"]
    step: Code
    legal_basis: Line


class Assign(_Base):
    """Who looks after the case: customer manager, project manager [L13], or another unit."""

    command: Literal["assign"]
    manager: Code | None = None
    project_manager: Code | None = None
    org: Code | None = None


class Suspend(_Base):
    """Force majeure, the only exclusion the ledger knows; dates inclusive. Proposed until countersigned. `reason` is
    the ground; `note` may say more, above all why it is recorded late."""

    command: Literal["suspend"]
    reason: Literal["force_majeure"]
    notice: Line
    from_: Day = Field(alias="from")
    to: Day | None = None
    note: Prose | None = None

    @property
    def why_late(self) -> str | None:
        """As for every command; the contract gives these a ground for a reason, and a note says more."""
        return self.note or self.reason


class Resume(_Base):
    """The end of an open suspension. `to`: its last day; without it, the day this happened."""

    command: Literal["resume"]
    to: Day | None = None


class Refuse(_Base):
    """The utility's final refusal; needs a legal ground."""

    command: Literal["refuse"]
    legal_basis: Line


class Withdraw(_Base):
    """The customer's own request to end the application, proved by the record of the channel it came through."""

    command: Literal["withdraw"]
    reason: Prose
    evidence: EvidenceRef


class Terminate(_Base):
    """The utility ends the application. `reason` is the ground; `note` may say more, above all
    why it is recorded late."""

    command: Literal["terminate"]
    reason: Literal["lapsed", "duplicate", "other"]
    note: Prose | None = None

    @property
    def why_late(self) -> str | None:
        """As for every command; the contract gives these a ground for a reason, and a note says more."""
        return self.note or self.reason


class Correct(_Base):
    """A recorded value was wrong. `field`: `case.<fact>` or `<step>.<start|complete|return>.occurred_at`; the
    submission's own date stays. Proposed until countersigned."""

    command: Literal["correct"]
    field: Line
    new_value: Any
    old_value: Any = None
    reason: Prose


class Countersign(_Base):
    """A second person's signature on a proposal or a late record. `event`: its number in the case's history; may be
    left out when only one is waiting."""

    command: Literal["countersign"]
    event: Annotated[int, Field(ge=1, le=10_000_000, strict=True)] | None = None


class AddCharge(_Base):
    """Money asked of the customer, by the utility or an affiliate. `amount` in yuan."""

    command: Literal["add_charge"]
    item: Line
    amount: Annotated[float, Field(gt=0, le=1e10, strict=True)]
    collector: Literal["utility", "affiliate"] = "utility"
    beyond_boundary: Annotated[bool, Field(strict=True)] = False


class AddApproval(_Base):
    """A government approval of the works, submitted to the authority when this happened."""

    command: Literal["add_approval"]
    approval: Line = "works"
    authority: Line | None = None
    voltage: Literal["low", "high"] | None = None
    voltage_kv: Annotated[float, Field(gt=0, le=1200, strict=True)] | None = None


class DecideApproval(_Base):
    """The authority's decision."""

    command: Literal["decide_approval"]
    approval: Line | None = None
    decision: Literal["granted", "refused"]


class Notify(_Base):
    """A notice given to the customer; `evidence.ref` is its proof of delivery [L47 L49]."""

    command: Literal["notify"]
    notice: Line
    channel: Literal["wechat", "sms", "app", "phone", "email", "hall", "online"] | None = None


class ReachMilestone(_Base):
    """An internal milestone of the works was reached (it only warns and is no legal limit). `milestone`: its code, or
    the record of another system that reaches it (`works_started`); of several the earliest counts. `not_needed`: those
    that this site does without; `needed`: those taken back from that."""

    command: Literal["reach_milestone"]
    milestone: Code | None = None
    not_needed: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    needed: Annotated[tuple[Code, ...], Field(max_length=20)] = ()


class Rate(_Base):
    """The customer's rating of the service."""

    command: Literal["rate"]
    score: Annotated[int, Field(ge=1, le=5, strict=True)]
    comment: Prose | None = None


Command = Annotated[
    RequestDocuments | RegisterDocuments | SubmitStep | CompleteStep | ReturnStep | WaiveStep | Assign | Suspend
    | Resume | Refuse | Withdraw | Terminate | Correct | Countersign | AddCharge | AddApproval | DecideApproval
    | Notify | ReachMilestone | Rate,
    Field(discriminator="command"),
]  # fmt: skip

COMMANDS: TypeAdapter[Any] = TypeAdapter(Command)
COMMAND_NAMES: tuple[str, ...] = tuple(
    get_args(model.model_fields["command"].annotation)[0] for model in get_args(get_args(Command)[0])
)
