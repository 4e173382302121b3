"""All rules over one history: fold, law, clocks, what lies beside other cases, then one expression per rule."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from definitions._expressions import MOMENT_DAY
from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.detectors import PLACE, Branch, Detector, Detectors, load_detectors
from workflow.replay.columnar import across, clocks, papers, statistics, verdicts
from workflow.replay.columnar.engines import (
    EPOCH,
    DuckDB,
    Engine,
    Spark,
    day_number,
    present_columns,
    quoted,
)
from workflow.replay.columnar.fold import KINDS, STEPS, Compiled, gate_load_times, kind, prepare
from workflow.replay.columnar.law import Law
from workflow.replay.tables import PRESENT_COLUMNS, USER_CLASSES

Progress = Callable[[str, float], None]

MARGIN: Final = dt.timedelta(days=400)
"""How far before the first and after the last record the calendar is laid out."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Where the results lie, and how many there are. `verdict_counts`: cases by verdict."""

    findings: Path
    verdicts: Path
    cases: int
    events: int
    finding_counts: dict[str, int]
    verdict_counts: dict[str, int]


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
    master: str = "local[2]",
    memory_limit: str = "8GB",
    temp_dir: Path,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Judge the canonical tables `cases` and `events` (see `workflow.replay.tables`) as of `as_of` (business zone).

    Writes `findings.parquet` and `verdicts.parquet` into `out`; the same input gives the same rows in the same order.
    `engine`: `duckdb` (one process, spills to `temp_dir` beyond `memory_limit`) or `spark` (`master`: any master URL).
    `detectors`: the rules, by default the shipped ones.  Raises `ValueError` for another engine.
    """
    rules = detectors or load_detectors()
    temp_dir.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    if engine not in ("duckdb", "spark"):
        raise ValueError(f"没有引擎 {engine}, 可用: duckdb, spark / there is no engine {engine}; use duckdb or spark")
    run: Engine = (
        DuckDB(memory_limit=memory_limit, temp_dir=temp_dir, threads=threads)
        if engine == "duckdb"
        else Spark(master=master, memory_limit=memory_limit, temp_dir=temp_dir)
    )
    say = progress or (lambda _what, _share: None)
    try:
        return _judge(run, rules, cases, events, book, calendar, as_of, out, say)
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
) -> Judged:
    say("读入 / read", 0.0)
    prepare(run, cases, events)
    low, high, count = run.rows(
        "SELECT min(LEAST(occurred, recorded)), max(GREATEST(occurred, recorded)), count(*) FROM ev"
    )[0]
    first = EPOCH + dt.timedelta(days=low // MOMENT_DAY) if low is not None else as_of
    last = EPOCH + dt.timedelta(days=high // MOMENT_DAY) if high is not None else as_of
    earliest, latest = max(first, calendar.first_day), min(max(last, as_of), calendar.last_day)
    run.working_days(calendar, max(earliest - MARGIN, EPOCH), latest + MARGIN)
    say("门槛 / gates", 0.3)
    gate_load_times(run, rules.gates)
    as_of_day = day_number(as_of)

    compiled = Compiled(rules)
    clocks.facts_of(compiled)
    enabled = [one for one in rules.detectors if one.enabled]
    plans = [_Plan(compiled, one) for one in enabled]
    asked = compiled.column(_request_fact(rules), {})
    say("折叠 / fold", 0.35)
    joins = compiled.fold(run)

    say("规则版本 / law", 0.55)
    law = Law(run, book, min(max(first, dt.date(2004, 1, 1)), latest), latest)
    t0 = compiled.column(rules.folded["t0"], rules.gates)
    submitted = compiled.column(rules.folded["submitted"], rules.gates)
    law.make(f"COALESCE({submitted}, {t0})", joins, f"COALESCE({asked}, 0) > 0", USER_CLASSES)
    clocks.make(run, compiled, joins, as_of_day)
    say("单件 / cases", 0.65)
    tables = papers.make(run, rules, law, as_of_day)
    say("跨件 / across cases", 0.75)
    tables += across.make(run, rules, as_of_day)
    across.organisations(run, rules)
    present = present_columns(cases, PRESENT_COLUMNS)
    _wide(run, compiled, joins, tables, present, rules, as_of_day)
    say("判定 / judge", 0.85)
    columns = ", ".join(f"{plan.severity} AS r_{plan.rule}, {plan.unjudged} AS u_{plan.rule}" for plan in plans)
    run.make("judged", f"SELECT cid, {columns} FROM wide")
    any_hit = " + ".join(f"r_{plan.rule}" for plan in plans)
    run.make(
        "hits",
        f"SELECT wide.*, {', '.join(f'j.r_{plan.rule}' for plan in plans)} FROM wide "
        f"JOIN (SELECT * FROM judged WHERE {any_hit} > 0) AS j ON j.cid = wide.cid",
    )
    parts = [plan.findings() for plan in plans]
    run.make("found", " UNION ALL ".join(parts))
    verdicts.evidence(run, plans)
    statistics.make(run, rules, as_of_day)
    say("写出 / write", 0.95)
    counts = verdicts.write(run, plans, rules, out, as_of_day)
    say("完成 / done", 1.0)
    total = run.rows("SELECT count(*) FROM c")[0][0]
    return Judged(out / "findings.parquet", out / "verdicts.parquet", total, count, *counts)


def _request_fact(rules: Detectors):  # type: ignore[no-untyped-def]  # a Fact, built from the thresholds of D26
    from definitions.detectors import Fact  # noqa: PLC0415 - only here

    words = rules.detector("D26").thresholds["request_documents"]
    listed = ", ".join(quoted(str(word)) for word in words)  # type: ignore[union-attr]  # a list, as its file says
    return Fact(("document.received",), "count", f"value IN ({listed})")


def _wide(
    run: Engine,
    compiled: Compiled,
    joins: str,
    tables: list[str],
    present: set[str],
    rules: Detectors,
    as_of_day: int,
) -> None:
    """The view `wide`: everything a rule may speak of, one row per case."""
    folded = ", ".join(f"{compiled.wide(name)} AS {name}" for name in compiled.folded)
    gates = rules.gates
    shown, total = run.rows(
        f"SELECT count(CASE WHEN ref <> '' THEN 1 END), count(*) FROM ev WHERE k = {kind('application.withdraw')}"
    )[0]
    # Among too few to compare, the gate does not gate: an absent reference says what it says.
    expected = total < gates["comparable"] or shown >= gates["ref_share"] * total
    account = {"prior_capacity_kw", "account_opened_on"} <= present
    flags = {
        "has_business_type": "business_type" in present,
        "has_account_columns": account,
        "withdraw_ref_expected": expected,
    }
    constants = ", ".join(f"{str(bool(value)).upper()} AS {name}" for name, value in flags.items())
    yes = (
        "asked_after_contact", "asked_after_documents", "returns_excused", "returns_grew", "same_actor_known", "same_actor_common",
        "one_day_common", "refs_known", "elsewhere_known", "restart_known", "ending_proved", "quick_return", "serial_known",
        "near_known", "near_limit", "suspension_unjudged",
    )  # fmt: skip
    plain = (
        "documents_complete", "outside_document", "outside_kind", "second_return", "waiting_start", "late_start", "improved_after",
        "improved_before", "loosened", "flawed_suspension", "suspension_flaw", "lv_extra_step", "burst", "burst_size", "serial_median",
        "same_actor_step", "same_actor_steps", "earlier_case_of_premises", "restarted_by", "earlier_endings",
        "earlier_ending_case", "shared_ref", "shared_moment", "elsewhere",
    )  # fmt: skip
    org = (
        "contacts", "corrections", "suspensions", "documents", "acceptance", "plan", "completion", "charges", "energy",
    )  # fmt: skip
    on_path = "COALESCE(d.group_{0} IS NOT NULL, FALSE)"
    run.view(
        "wide",
        f"""SELECT c.cid, c.business_type, c.user_class, c.customer_kind, c.prior_capacity_kw, c.opened_day, {constants},
        {as_of_day} AS as_of_day, {folded},
        c.voltage = 'high' OR (c.voltage IS NULL AND c.user_class IN ('hv_single', 'hv_dual')) AS hv,
        COALESCE(c.voltage = 'low', FALSE) AS lv,
        k.class_by_rules, k.law_class, k.not_governed, k.high_voltage_asked, k.filed_limit, k.rules_limit,
        COALESCE(k.filed_zero, FALSE) AS filed_zero, d.zero AS zero_investment, d.total_limit,
        CASE WHEN d.def_id IS NOT NULL THEN {on_path.format("supply_plan")} END AS requires_supply_plan,
        CASE WHEN d.def_id IS NOT NULL THEN {on_path.format("completion_inspection")} END AS requires_completion,
        CASE WHEN d.def_id IS NOT NULL THEN {on_path.format("design_review")} AND (d.design_all OR c.important) END AS requires_design,
        CASE WHEN d.def_id IS NOT NULL THEN {on_path.format("mid_inspection")} AND (d.mid_all OR c.important) END AS requires_mid,
        {", ".join(f"CASE WHEN d.def_id IS NULL THEN '{s}' ELSE d.group_{s} END AS group_{s}" for s in STEPS)},
        clocks.late_round, clocks.late_step, clocks.late_limit, clocks.late_used, clocks.rounds_known, clocks.used,
        clocks.total_late, clocks.total_known, clocks.is_closed, entries.cid IS NOT NULL AS burst_known,
        {", ".join(f"COALESCE({name}, FALSE) AS {name}" for name in yes)},
        {", ".join(plain)},
        {", ".join(f"COALESCE(org_has_{name}, FALSE) AS org_has_{name}" for name in org)},
        COALESCE(no_design_common, FALSE) AS no_design_common, COALESCE(no_mid_common, FALSE) AS no_mid_common
        FROM c {joins} JOIN k ON k.cid = c.cid LEFT JOIN defs AS d ON d.def_id = k.def_id
        JOIN clocks ON clocks.cid = c.cid LEFT JOIN org_facts ON org_facts.org_id = c.org_id
        LEFT JOIN (SELECT DISTINCT cid FROM events WHERE k <= {KINDS["metering.waive"]} AND entered IS NOT NULL AND actor <> '')
            AS entries ON entries.cid = c.cid
        {" ".join(f"LEFT JOIN {name} ON {name}.cid = c.cid" for name in tables)}""",
    )


class _Plan:
    """One rule, ready to run."""

    def __init__(self, compiled: Compiled, one: Detector) -> None:
        self.detector, self.compiled = one, compiled
        self.rule = one.rule
        self.applies = f"COALESCE({compiled.expression(one.applies, one)}, FALSE)"
        branches = " ".join(
            f"WHEN COALESCE({compiled.expression(branch.when, one)}, FALSE) THEN {at}"
            for at, branch in enumerate(one.branches, start=1)
        )
        self.severity = f"CASE WHEN NOT {self.applies} THEN 0 {branches} ELSE 0 END"
        needs = f"COALESCE({compiled.expression(one.needs, one)}, FALSE)"
        self.unjudged = f"CASE WHEN {self.applies} AND NOT {needs} THEN 1 ELSE 0 END"
        self.columns = {name: self._column(name) for name in self._names()}

    def _names(self) -> list[str]:
        one = self.detector
        found = [name for branch in one.branches for name in (*branch.witness, *branch.against)]
        found += [name for text in (one.explanation.zh, one.explanation.en) for name in PLACE.findall(text)]
        return list(dict.fromkeys(found))

    def _column(self, name: str) -> str:
        return self.compiled.expression(name, self.detector)

    def witnesses(self) -> list[str]:
        """Every moment that a finding of this rule may rest on, accusing ones first."""
        names = [name for branch in self.detector.branches for name in branch.witness]
        names += [name for branch in self.detector.branches for name in branch.against]
        return list(dict.fromkeys(names))

    def explanation(self, language: str) -> str:
        """SQL of the sentence that explains a finding."""
        text: str = getattr(self.detector.explanation, language)
        parts, at = [], 0
        for match in PLACE.finditer(text):
            parts.append(quoted(text[at : match.start()]))
            column = self.columns[match[1]]
            shown = f"moment_text({column})" if ":" not in match[0] else f"COALESCE(CAST({column} AS VARCHAR), '')"
            parts.append(shown)
            at = match.end()
        parts.append(quoted(text[at:]))
        return " || ".join(parts)

    def branch(self, at: int) -> Branch:
        return self.detector.branches[at - 1]

    def findings(self) -> str:
        """SQL of the findings of this rule: one row each, with its moments in order of its witnesses."""
        severity = " ".join(
            f"WHEN {at} THEN '{branch.severity}'" for at, branch in enumerate(self.detector.branches, start=1)
        )
        names = self.witnesses()
        if len(names) > verdicts.MOMENTS:
            raise ValueError(f"{self.rule} rests on more than {verdicts.MOMENTS} moments")
        moments = []
        for place in range(verdicts.MOMENTS):
            if place >= len(names):
                moments.append(f"CAST(NULL AS BIGINT) AS m{place}")
                continue
            in_branch = [
                at
                for at, branch in enumerate(self.detector.branches, start=1)
                if names[place] in (*branch.witness, *branch.against)
            ]
            moments.append(
                f"CASE WHEN r_{self.rule} IN ({', '.join(map(str, in_branch))}) THEN {self.columns[names[place]]} END AS m{place}"
            )
        return (
            f"SELECT cid, {quoted(self.rule)} AS rule, r_{self.rule} AS branch, CASE r_{self.rule} {severity} END AS severity, "
            f"{', '.join(moments)}, {self.said()} AS said, {self.explanation('zh')} AS explanation, "
            f"{self.explanation('en')} AS explanation_en FROM hits WHERE r_{self.rule} > 0"
        )

    def said(self) -> str:
        """SQL of what the evidence names beside records, as members of a JSON object."""
        texts = self.detector.explanation
        named = [m[1] for m in PLACE.finditer(texts.zh + texts.en) if ":" in m[0]]
        members = [f"'\"{name}\": ' || {verdicts.json_text(self.columns[name])}" for name in dict.fromkeys(named)]
        return " || ', ' || ".join(members) or "''"


def report(judged: Judged) -> str:
    """The counts as one line of JSON, for machines."""
    return json.dumps({"findings": judged.finding_counts, "verdicts": judged.verdict_counts}, sort_keys=True)
