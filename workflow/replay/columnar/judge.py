"""All rules over one history: fold, law, clocks, what lies beside other cases, then one expression per rule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from definitions._expressions import MOMENT_DAY
from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.detectors import Detectors, Fact, load_detectors
from definitions.model import STEPS, USER_CLASSES
from definitions.records import STEP_LIFECYCLES
from workflow.replay.columnar import across, clocks, corrections, needs, papers, statistics, verdicts
from workflow.replay.columnar.engines import (
    EPOCH,
    Engine,
    day_number,
    listed,
    opened,
    present_columns,
    rows_in,
)
from workflow.replay.columnar.fold import Compiled, gate, prepare
from workflow.replay.columnar.law import Law
from workflow.replay.columnar.plan import Plan
from workflow.replay.columnar.wide import Wide
from workflow.replay.reported import Reported
from workflow.replay.tables import PRESENT_COLUMNS, lost_value

Progress = Callable[[str, float], None]

MARGIN: Final = dt.timedelta(days=400)
"""How far before the first and after the last record the calendar is laid out."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Where the results lie, and how many there are. `verdict_counts`: cases by verdict; `later`: records of after the
    day of judgement, which it leaves out; `lacked`: what is said once of an organisation of whose cases too many lack a
    step: `org`, `rule`, `step`, and that `lacking` cases of `of` do."""

    findings: Path
    verdicts: Path
    cases: int
    events: int
    finding_counts: dict[str, int]
    verdict_counts: dict[str, int]
    later: int = 0
    lacked: list[dict[str, Any]] = field(default_factory=list)


def judge(
    cases: Path,
    events: Path,
    *,
    book: Book,
    calendar: WorkingCalendar,
    as_of: dt.date,
    out: Path,
    detectors: Detectors | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    memory_limit: str = "8GB",
    temp_dir: Path,
    threads: int | None = None,
    progress: Progress | None = None,
    reported: Iterable[Reported] = (),
    twice: bool = True,
) -> Judged:
    """Judge the canonical tables `cases` and `events` (see `workflow.replay.tables`) as of `as_of` (business zone).

    Writes `findings.parquet` and `verdicts.parquet` into `out`; the same input gives the same rows in the same order.
    `engine`: `duckdb` (one process, spills to `temp_dir` beyond `memory_limit`) or `spark` (`master`: any master URL,
    by default `LOCAL`).
    `detectors`: the rules, by default the shipped ones.  `reported`: what organisations reported of themselves (S3).
    `twice`: some events may say exactly what another one says; False spares the search for them.
    Raises `ValueError` for another engine, and for a master of another.
    """
    rules = detectors or load_detectors()
    temp_dir.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    run = opened(
        engine, master=master, memory_limit=memory_limit, temp_dir=temp_dir, threads=threads, rows=rows_in(events)
    )
    say = progress or (lambda _what, _share: None)
    try:
        return _judge(run, rules, cases, events, book, calendar, as_of, out, say, tuple(reported), twice)
    finally:
        run.close()


def _judge(
    run: Engine,
    rules: Detectors,
    cases: Path,
    events: Path,
    book: Book,
    calendar: WorkingCalendar,
    as_of: dt.date,
    out: Path,
    say: Progress,
    reported: tuple[Reported, ...],
    twice: bool,
) -> Judged:
    say("读入 / read", 0.0)
    later = prepare(run, cases, events, as_of, twice=twice)
    low, high = run.rows("SELECT min(LEAST(occurred, recorded)), max(GREATEST(occurred, recorded)) FROM ev")[0]
    count = run.rows("SELECT count(*) FROM events_in")[0][0] - later
    first = EPOCH + dt.timedelta(days=low // MOMENT_DAY) if low is not None else as_of
    last = EPOCH + dt.timedelta(days=high // MOMENT_DAY) if high is not None else as_of
    earliest, latest = max(first, calendar.first_day), min(max(last, as_of), calendar.last_day)
    run.working_days(calendar, max(earliest - MARGIN, EPOCH), latest + MARGIN)
    say("门槛 / gates", 0.3)
    gate(run, rules.gates)
    as_of_day = day_number(as_of)

    compiled = Compiled(rules)
    needed = clocks.facts_of(compiled)
    plans = [Plan(compiled, one) for one in rules.detectors if one.enabled]
    own = {name: compiled.column(fact, {}) for name, fact in _own_facts(rules).items()}
    derived = compiled.derived()
    say("折叠 / fold", 0.35)
    compiled.fold(run)

    say("规则版本 / law", 0.55)
    law = Law(run, book, min(max(first, dt.date(2004, 1, 1)), latest), latest)
    t0, submitted = (needed[clocks.NAMES.index(name)] for name in ("t0", "submitted"))
    joins = compiled.joins((t0, submitted, own["asked"]))
    law.make(f"COALESCE({submitted}, {t0})", joins, f"COALESCE({own['asked']}, 0) > 0", USER_CLASSES)
    papers.received(run)
    _facts(run, compiled, own)
    clocks.make(run, as_of_day)
    say("单件 / cases", 0.65)
    present = present_columns(cases, PRESENT_COLUMNS)
    tells = "business_type" in present
    tables = [
        *papers.make(run, rules, as_of_day, tells_business=tells),
        *corrections.make(run, rules, law, tells_business=tells),
    ]
    say("跨件 / across cases", 0.75)
    tables += across.make(run, rules) + needs.make(run, rules)
    say("判定 / judge", 0.85)
    wide = Wide(run, t0, derived, tables, present, as_of_day)
    columns = ", ".join(f"{plan.branch} AS r_{plan.rule}" for plan in plans)
    run.make("judged", f"SELECT *, {verdicts.masks(plans)} FROM (SELECT cid, {columns} FROM {wide.of()}) AS x")
    many = ", ".join(f"count(CASE WHEN r_{plan.rule} > 0 THEN 1 END)" for plan in plans)
    hits = run.rows(f"SELECT {many} FROM judged")[0]
    found = [plan for plan, hit in zip(plans, hits, strict=True) if hit] or plans[:1]
    # What only a finding needs (evidence, words) is computed of the cases that have one, from their rows alone.
    run.make(
        "flagged",
        f"SELECT * FROM judged WHERE {' OR '.join(f'r_{plan.rule} > 0' for plan in found)}",
    )
    wanted = sorted({"cid"}.union(*(plan.reads() for plan in found)))
    run.make(
        "hits",
        f"SELECT {', '.join(f'x.{name}' for name in wanted)}, {', '.join(f'j.r_{plan.rule}' for plan in plans)} "
        f"FROM {wide.of('flagged', wanted)} "
        "JOIN flagged AS j ON j.cid = x.cid",
    )
    run.make("found", " UNION ALL ".join(plan.findings() for plan in found))
    verdicts.evidence(run, found, str(rules.gates["tolerance_minutes"]), twice=twice)
    statistics.make(run, rules, reported)
    say("写出 / write", 0.95)
    counts = verdicts.write(run, plans, rules, out, as_of_day, tells_business=tells)
    say("完成 / done", 1.0)
    total = run.rows("SELECT count(*) FROM c")[0][0]
    lacked = across.lacked(run)
    return Judged(out / "findings.parquet", out / "verdicts.parquet", total, count, *counts, later, lacked)


def _own_facts(rules: Detectors) -> dict[str, Fact]:
    """What the engine itself folds beside the facts of the rules."""
    words: Any = rules.detector("D26").thresholds["request_documents"]
    posts = across.no_persons(rules)
    steps = tuple(f"{step}.{life}" for step in STEPS for life in STEP_LIFECYCLES)
    return {
        "asked": Fact(("document.received",), "count", f"value IN ({listed(words)})"),
        "entries": Fact(steps, "count", "NOT dated(entered) AND actor <> ''"),
        "hands": Fact(
            tuple(f"{step}.complete" for step in STEPS), "count", f"actor <> '' AND actor NOT IN ({listed(posts)})"
        ),
        "visits": Fact(
            tuple(f"{step}.complete" for step in across.SITE_STEPS), "count",
            "occurred IS NOT NULL AND (actor <> '' OR device <> '')",
        ),
    }  # fmt: skip


def _facts(run: Engine, compiled: Compiled, own: dict[str, str]) -> None:
    """Table `facts`: one row per case, with what is folded from its events and its law; view `w`: the same beside
    the limits of its definition."""
    # A row that could not be read, or a trace whose time nobody knows, may have been the first, unless the application
    # itself is there.
    shared = compiled.detectors.folded
    t0, submitted, untimed = (
        compiled.column(shared[name], compiled.detectors.gates) for name in ("t0", "submitted", "traces_untimed")
    )
    seen = {
        t0: f"CASE WHEN {submitted} IS NOT NULL OR (c.rejected_rows = 0 AND {compiled.wide(untimed)} = 0) THEN {t0} END"
    }
    folded = ", ".join(f"{seen.get(name) or compiled.wide(name)} AS {name}" for name in compiled.folded)
    told = ", ".join(f"(c.untold // {1 << at}) % 2 = 0 AS told_{what}" for at, what in enumerate(STEPS))
    unsaid = " + ".join(
        f"(c.lost_values // {lost_value(name)}) % 2" for name in ("prior_capacity_kw", "account_opened_on")
    )
    told += f", (c.untold // {1 << len(STEPS)}) % 2 + {unsaid} = 0 AS told_account"
    run.make(
        "facts",
        f"""SELECT c.cid, c.org_id, c.business_type, c.user_class, c.customer_kind, c.prior_capacity_kw, c.opened_day,
        c.important, c.rejected_rows, c.lost_values, c.rejected_rows > 0 AS torn, {told}, COALESCE(c.hv, FALSE) AS high, c.hv, k.on_day, k.def_id, k.path_id, k.class_by_rules, k.law_class, k.not_governed,
        k.high_voltage_asked, k.filed_limit, k.rules_limit, k.rules_zero AS zero_investment, COALESCE(k.filed_zero, FALSE) AS filed_zero,
        COALESCE({own["entries"]}, 0) > 0 AS burst_known,
        COALESCE(c.hv, FALSE) AND COALESCE({own["hands"]}, 0) > 0 AS same_actor_known,
        c.premises_id IS NOT NULL AND COALESCE({own["visits"]}, 0) > 0 AS elsewhere_known,
        COALESCE(c.premises_id, '') <> '' AS has_premises,
        c.voltage IS NOT NULL AND c.capacity_kw IS NOT NULL AS need_known, documents.documents_complete, {folded}
        FROM c {compiled.joins()} JOIN k ON k.cid = c.cid LEFT JOIN documents ON documents.cid = c.cid""",
    )
    clocks.view(run, compiled)
