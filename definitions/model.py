"""The shapes of the law as data: what the loader builds and every other package reads.

Everything here is an immutable value without behaviour, serialisable to canonical JSON, so that a definition can be
published under its content hash and an old case can read the one it was pinned to.  Dates are calendar dates of the
business zone (Asia/Shanghai); limits are working days (工作日).
"""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal, get_args

import msgspec


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=False, gc=False):
    """Base of every value of the book: immutable, strict on decoding. A value that is never changed cannot come to hold
    itself, so the garbage collector need not look for it."""


UserClass = Literal["residential", "lv_zero", "lv_other", "hv_single", "hv_dual"]
StepCode = Literal["acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering"]
USER_CLASSES: Final[tuple[str, ...]] = get_args(UserClass)
STEPS: Final[tuple[str, ...]] = get_args(StepCode)
"""The steps in the order of the longest process, that of high voltage."""
ORG_LEVELS: Final = ("team", "county", "city", "province")
"""The levels of units, from the lowest up."""
NATION: Final = "000000"
"""The code that stands for the whole country where a region is asked for (GB/T 2260)."""


class Text(Frozen, frozen=True):
    """One term in the two languages of the project."""

    zh: str
    en: str


class Clause(Frozen, frozen=True):
    """A citation. `id` is L n (ledger item), I n (indicator), S… (another public text) or D… (a decision of this
    project where the texts are silent). `quote` is the wording relied on; for D it is the reasoning."""

    id: str
    source: str
    item: str
    quote: str


class DocumentForm(Frozen, frozen=True):
    """One acceptable form of a document kind, e.g. an identity card. `aliases` are other spellings met in requests."""

    code: str
    name: Text
    aliases: tuple[str, ...] = ()


class DocumentRule(Frozen, frozen=True):
    """A document kind that may be asked for at a step; one of `forms` is enough. `aliases`: other spellings of the
    kind; no spelling of a kind or form ever means two kinds."""

    kind: str
    name: Text
    forms: tuple[DocumentForm, ...]
    clauses: tuple[str, ...]
    aliases: tuple[str, ...] = ()


class StepRule(Frozen, frozen=True):
    """One step of the path.

    `limit`: working days for one round; None where only the whole process is limited.
    `starts`: what starts its first round: `submission`, `previous_step` (no waiting in between) or `hand_in`
    (the customer hands the step in; until then it waits).
    `required_for`: `all`, or `important_customers` where a regional profile waives it for ordinary ones.
    `waivable`: whether a single case may be waived with a stated basis and four eyes.
    `parts`: the national steps merged into this one (itself only, when not merged).
    """

    code: str
    name: Text
    limit: int | None
    starts: Literal["submission", "previous_step", "hand_in"]
    required_for: Literal["all", "important_customers"]
    waivable: bool
    parts: tuple[str, ...]
    documents: tuple[DocumentRule, ...]
    clauses: tuple[str, ...]


class TotalRule(Frozen, frozen=True):
    """The one total timer. `whole_process`: elapsed from first submission to energised. `step_sum`: the utility's own
    step times added. `deductible`: grounds of suspension that this timer excludes. `rounds`: which rounds a sum counts.
    """

    kind: Literal["whole_process", "step_sum"]
    limit: int
    deductible: tuple[str, ...]
    rounds: Literal["all", "last"]
    clauses: tuple[str, ...]


class CountingRule(Frozen, frozen=True):
    """`rest_day_submission`: `strict` counts from its own date; `deemed` from the next working day's opening.
    `opens`/`closes`: business hours (business zone), used by `deemed` only."""

    rest_day_submission: Literal["strict", "deemed"]
    opens: dt.time
    closes: dt.time
    clauses: tuple[str, ...]


class LateRule(Frozen, frozen=True):
    """A record is late when more than `working_days` (or `by_source[source]`) lie between the event and its record.
    `client_ahead_seconds`: how far a client clock may be ahead."""

    working_days: int
    by_source: dict[str, int]
    client_ahead_seconds: int
    clauses: tuple[str, ...]


class FeeItem(Frozen, frozen=True):
    """One item of the published fee catalogue (收费项目目录清单)."""

    code: str
    name: Text
    aliases: tuple[str, ...]
    clauses: tuple[str, ...]


class ChargeRule(Frozen, frozen=True):
    """`zero_investment`: nothing may be charged up to the site boundary, meter included."""

    zero_investment: bool
    catalogue: tuple[FeeItem, ...]
    clauses: tuple[str, ...]


class NoticeRule(Frozen, frozen=True):
    """A notice the customer must get. `at_step`: the step with which it is due. It never blocks."""

    code: str
    name: Text
    at_step: str
    channels: tuple[str, ...]
    clauses: tuple[str, ...]


class ApprovalRule(Frozen, frozen=True):
    """Limit for the government's approval of the works. `max_kv`: inclusive upper voltage in kV of this row.
    `limit` None: no national limit."""

    voltage: Literal["low", "high"]
    max_kv: float | None
    limit: int | None
    clauses: tuple[str, ...]


class ChainRule(Frozen, frozen=True):
    """When a new application is the same need as an ended one. `window_days`: calendar days after the ending;
    `before_working_days`: working days before it; `capacity_tolerance`: share (0.2 = 20 %)."""

    window_days: int
    before_working_days: int
    capacity_tolerance: float
    clauses: tuple[str, ...]


class PlanValidityRule(Frozen, frozen=True):
    """How many calendar months a delivered supply plan stays valid."""

    months: int
    clauses: tuple[str, ...]


class MilestoneRule(Frozen, frozen=True):
    """An internal milestone of the grid's works: a warning early enough to act, never a legal limit [D-MILESTONES].

    `owner`: the department that acts; `reached_by`: records of other systems that reach it; `implies`: milestones that
    need no more reminding once this one is reached; `always`: no site does without it; `until`: the step with whose end
    it stops; `keeps_plan`: once reached, the supply plan no longer lapses. `budget`: working days from submission;
    None: it is recorded and has no limit.
    """

    code: str
    name: Text
    owner: Text
    reached_by: tuple[str, ...]
    implies: tuple[str, ...]
    always: bool
    until: str
    keeps_plan: bool
    budget: int | None
    clauses: tuple[str, ...]


class ExtraDocumentRule(Frozen, frozen=True):
    """What the closed list says of a kind outside it. `effect`: `forbidden` (never on request), `agent` (allowed when
    an agent applies), `deferral` (a voluntary letter that lets acceptance go on with a document to follow)."""

    kind: str
    name: Text
    effect: Literal["forbidden", "agent", "deferral"]
    clauses: tuple[str, ...]
    aliases: tuple[str, ...] = ()


class Definition(Frozen, frozen=True):
    """Everything that binds one application: resolved for one class, one region and one submission date."""

    hash: str
    version: str
    user_class: str
    name: Text
    region: str
    regions: tuple[str, ...]
    in_force_from: dt.date
    in_force_to: dt.date | None
    steps: tuple[StepRule, ...]
    total: TotalRule
    counting: CountingRule
    late: LateRule
    charges: ChargeRule
    notices: tuple[NoticeRule, ...]
    approvals: tuple[ApprovalRule, ...]
    chain: ChainRule
    plan_validity: PlanValidityRule | None
    extra_documents: tuple[ExtraDocumentRule, ...]
    document_clauses: tuple[str, ...]
    step_clauses: tuple[str, ...]
    clauses: dict[str, Clause]
    last_verified_on: dt.date
    milestones: tuple[MilestoneRule, ...] = ()


class ClassRow(Frozen, frozen=True):
    """One row of the classification table, tried in order. `when` holds required facts: a literal, a list of literals
    (null included), or for `capacity_kw`/`supply_count` an object {at_most|at_least: number}. A row gives a class
    (`then`), asks for a fact (`ask`) or refuses (`refuse`)."""

    when: dict[str, object]
    clauses: tuple[str, ...]
    then: str | None = None
    ask: str | None = None
    refuse: str | None = None


class ClassificationRule(Frozen, frozen=True):
    """The classification table in force on a date in a region, thresholds already put in. `zero_investment_kw` by area
    (urban, rural), in kW; `low_voltage_kw`: the ceiling of low-voltage connection; null: none in force."""

    rows: tuple[ClassRow, ...]
    zero_investment_kw: dict[str, int | None]
    low_voltage_kw: int | None
    clauses: dict[str, Clause]
    zero_investment_sizes: tuple[str, ...] = ()


class LegalLevel(Frozen, frozen=True):
    """A level of the legal order. `endings`: how titles of that level end. `lifts_document_ban`: whether it can carry
    an extra document [L25]; `grounds_refusal`: whether it can carry a final refusal."""

    level: str
    name: Text
    endings: tuple[str, ...]
    not_endings: tuple[str, ...]
    lifts_document_ban: bool
    grounds_refusal: bool


class LegalBasisRule(Frozen, frozen=True):
    """How a stated legal basis is read: its level from the title, and the article it must name. `never`: words that
    disqualify a title wherever they stand, but in the titles under `statutes`. `prefixes`: what may stand before the
    title and is stripped."""

    levels: tuple[LegalLevel, ...]
    article_patterns: tuple[str, ...]
    never: tuple[str, ...]
    clauses: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    statutes: tuple[str, ...] = ()


class CaseSelection(Frozen, frozen=True):
    """Which applications an indicator is about; what is empty or null does not narrow. Submission dates are inclusive;
    `capacity_kw`: at most so many."""

    user_class: tuple[str, ...] = ()
    voltage: Literal["low", "high"] | None = None
    area: Literal["urban", "rural"] | None = None
    enterprise_size: tuple[str, ...] = ()
    capacity_kw: int | None = None
    submitted_from: dt.date | None = None
    submitted_to: dt.date | None = None


class IndicatorRule(Frozen, frozen=True):
    """One indicator of annex 2-2. `finish`: by when the ledger wants it; `content`, `standard`: its words; `ledger`:
    the items it serves; `measure`: how it is judged; `reported_by`: who answers for it. `at_most`: steps, for the
    measure `steps` only; `notice`: which one, for the measure `notice` only."""

    id: str
    finish: str
    content: str
    standard: str | None
    ledger: tuple[str, ...]
    measure: str
    reported_by: Text
    starred: bool = False
    cases: CaseSelection = CaseSelection()
    at_most: int | None = None
    notice: str | None = None

    @property
    def number(self) -> int:
        """Its number in the annex, 1 to 38."""
        return int(self.id[1:])


class ReportRules(Frozen, frozen=True):
    """The regulator's half-yearly tables. `first_half_due` and `whole_year_due`: month and day (`07-15`) by which the
    report is sent; `enterprise_kw`: the capacity up to which an enterprise has a column of its own in annex 3;
    `measures`: what each measure counts."""

    indicators: tuple[IndicatorRule, ...]
    measures: dict[str, Text]
    first_half_due: str
    whole_year_due: str
    enterprise_kw: int


class RoleRule(Frozen, frozen=True):
    """What a role may do. `commands`: commands on an application; `reads`/`administers`: areas of the interface.
    `public`: it is the public pages' own, and nobody is given it."""

    role: str
    name: Text
    commands: tuple[str, ...]
    reads: tuple[str, ...]
    administers: tuple[str, ...]
    public: bool = False


class OverviewRule(Frozen, frozen=True):
    """What a supervisor's overview is counted by [D-OVERVIEW]. `ageing_working_days`: edges in working days since
    submission; `period_days` in natural days; `trend_weeks` in calendar weeks from Monday."""

    ageing_working_days: tuple[int, ...]
    period_days: int
    trend_weeks: int


class Hotline(Frozen, frozen=True):
    """A line that customers may ring, published beside the others [L47]."""

    number: str
    name: Text


class FileType(Frozen, frozen=True):
    """A type of file that may be uploaded. `media`: as its content shows, whatever the file is called; `suffix`: what
    it is called when it is handed out."""

    media: str
    name: str
    suffix: str


class UploadRule(Frozen, frozen=True):
    """What may be uploaded: so many bytes in one file, so many files with one application, of these types."""

    largest_bytes: int
    most_files: int
    types: tuple[FileType, ...]


class PortalRule(Frozen, frozen=True):
    """The customer's public pages. `rates`: how often one network address may knock at each door (`20 per 15 minutes`);
    `draft_hours`: how long an unfinished form is kept; `visit_minutes`: how long one look at an application lasts."""

    hotlines: tuple[Hotline, ...]
    uploads: UploadRule
    rates: dict[str, str]
    draft_hours: int
    visit_minutes: int
    clauses: tuple[str, ...]


class BoardBand(Frozen, frozen=True):
    """A band of the board: applications whose next due date is at most `at_most` working days away (0: today, -1: past;
    None: without end) and not in the band before."""

    code: str
    at_most: int | None
    name: Text
    tone: str


class SignInRule(Frozen, frozen=True):
    """How staff sign in to the pages [D-SIGN-IN]. Within `failure_window` an account may fail `failures_of_account`
    times and an address `failures_from_address` times; a session ends when nothing was asked for `idle`, or after
    `lasts`. `noted_every`: how often it is noted that a session is in use. `password_length` in characters."""

    password_length: int
    failures_of_account: int
    failures_from_address: int
    failure_window: dt.timedelta
    idle: dt.timedelta
    lasts: dt.timedelta
    noted_every: dt.timedelta
