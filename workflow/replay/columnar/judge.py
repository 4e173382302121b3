"""All rules over one history: fold, law, clocks, what lies beside other cases, then one expression per rule."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from definitions._expressions import MOMENT_DAY
from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.detectors import MOMENT_OR_NONE, PLACE, Detector, Detectors, Fact, load_detectors
from workflow.replay.columnar import across, clocks, papers, statistics, verdicts
from workflow.replay.columnar.engines import (
    EPOCH,
    Engine,
    columns_of,
    day_number,
    listed,
    opened,
    present_columns,
    quoted,
    rows_in,
)
from workflow.replay.columnar.fold import STEPS, Compiled, gate_load_times, kinds, prepare
from workflow.replay.columnar.law import Law
from workflow.replay.reported import Reported
from workflow.replay.tables import PRESENT_COLUMNS, STEP_LIFECYCLES, USER_CLASSES

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
    master: str | None = None,
    memory_limit: str = "8GB",
    temp_dir: Path,
    threads: int | None = None,
    progress: Progress | None = None,
    reported: Iterable[Reported] = (),
) -> Judged:
    """Judge the canonical tables `cases` and `events` (see `workflow.replay.tables`) as of `as_of` (business zone).

    Writes `findings.parquet` and `verdicts.parquet` into `out`; the same input gives the same rows in the same order.
    `engine`: `duckdb` (one process, spills to `temp_dir` beyond `memory_limit`) or `spark` (`master`: any master URL,
    by default `LOCAL`).
    `detectors`: the rules, by default the shipped ones.  `reported`: what organisations reported of themselves (S3).
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
        return _judge(run, rules, cases, events, book, calendar, as_of, out, say, tuple(reported))
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
    needed = clocks.facts_of(compiled)
    plans = [_Plan(compiled, one) for one in rules.detectors if one.enabled]
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
    tables = papers.make(run, rules, law, as_of_day)
    say("跨件 / across cases", 0.75)
    tables += across.make(run, rules, as_of_day)
    across.organisations(run, rules)
    say("判定 / judge", 0.85)
    wide = _Wide(run, rules, t0, derived, tables, present_columns(cases, PRESENT_COLUMNS), as_of_day)
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
    verdicts.evidence(run, found)
    statistics.make(run, rules, as_of_day, reported)
    say("写出 / write", 0.95)
    counts = verdicts.write(run, plans, rules, out, as_of_day)
    say("完成 / done", 1.0)
    total = run.rows("SELECT count(*) FROM c")[0][0]
    return Judged(out / "findings.parquet", out / "verdicts.parquet", total, count, *counts)


def _own_facts(rules: Detectors) -> dict[str, Fact]:
    """What the engine itself folds beside the facts of the rules."""
    words: Any = rules.detector("D26").thresholds["request_documents"]
    posts = across.no_persons(rules)
    steps = tuple(f"{step}.{life}" for step in STEPS for life in STEP_LIFECYCLES)
    return {
        "asked": Fact(("document.received",), "count", f"value IN ({listed(words)})"),
        "entries": Fact(steps, "count", "entered IS NOT NULL AND actor <> ''"),
        "hands": Fact(
            tuple(f"{step}.complete" for step in STEPS), "count", f"actor <> '' AND actor NOT IN ({listed(posts)})"
        ),
        "visits": Fact(
            tuple(f"{step}.complete" for step in across.SITE_STEPS), "count",
            "occurred IS NOT NULL AND (actor <> '' OR device <> '')",
        ),
    }  # fmt: skip


def _facts(run: Engine, compiled: Compiled, own: dict[str, str]) -> None:
    """Table `facts`: one row per case, with what is folded from its events and its law; view `w`: the same by name."""
    # A row that could not be read may have been an earlier trace, unless the application itself is there.
    shared = compiled.detectors.folded
    t0, submitted = (compiled.column(shared[name], compiled.detectors.gates) for name in ("t0", "submitted"))
    seen = {t0: f"CASE WHEN c.rejected_rows = 0 OR {submitted} IS NOT NULL THEN {t0} END"}
    folded = ", ".join(f"{seen.get(name) or compiled.wide(name)} AS {name}" for name in compiled.folded)
    told = ", ".join(f"(c.untold // {1 << at}) % 2 = 0 AS told_{what}" for at, what in enumerate((*STEPS, "account")))
    run.make(
        "facts",
        f"""SELECT c.cid, c.org_id, c.business_type, c.user_class, c.customer_kind, c.prior_capacity_kw, c.opened_day,
        c.important, c.rejected_rows, c.rejected_rows > 0 AS torn, {told}, COALESCE(c.hv, FALSE) AS high, c.hv, COALESCE(NOT c.hv, FALSE) AS lv, k.on_day, k.def_id, k.path_id, k.class_by_rules, k.law_class, k.not_governed,
        k.high_voltage_asked, k.filed_limit, k.rules_limit, COALESCE(k.filed_zero, FALSE) AS filed_zero,
        COALESCE({own["entries"]}, 0) > 0 AS burst_known,
        COALESCE(c.hv, FALSE) AND COALESCE({own["hands"]}, 0) > 0 AS same_actor_known,
        c.premises_id IS NOT NULL AND COALESCE({own["visits"]}, 0) > 0 AS elsewhere_known,
        COALESCE(c.premises_id, '') <> '' AS has_premises,
        c.voltage IS NOT NULL AND c.capacity_kw IS NOT NULL AS need_known, documents.documents_complete, {folded}
        FROM c {compiled.joins()} JOIN k ON k.cid = c.cid LEFT JOIN documents ON documents.cid = c.cid""",
    )
    clocks.view(run, compiled)


_YES: Final = (
    "asked_after_contact", "asked_after_documents", "returns_excused", "returns_grew", "same_actor_common",
    "one_day_common", "refs_known", "ending_proved", "quick_return", "serial_known",
    "near_known", "near_limit", "suspension_unjudged", "changed_lost", "change_unknown",
)  # fmt: skip
_PLAIN: Final = (
    "outside_document", "outside_kind", "second_return", "waiting_start", "late_start", "improved_after",
    "improved_before", "loosened", "flawed_suspension", "suspension_flaw", "lv_extra_step", "burst", "burst_size", "serial_median",
    "same_actor_step", "same_actor_steps", "restarted_by", "earlier_endings",
    "earlier_ending_case", "shared_ref", "shared_moment", "elsewhere",
)  # fmt: skip
_ORG: Final = ("contacts", "corrections", "suspensions", "documents", "charges", "energy")
_TOLD: Final = {
    "acceptance": "acceptance", "plan": "supply_plan", "completion": "completion_inspection", "metering": "metering",
}  # fmt: skip
"""What is missing only where the organisation and the table that tells of the case could have it."""


class _Wide:
    """Everything a rule may speak of, one row per case: the facts, and what the sparse tables say."""

    def __init__(
        self, run: Engine, rules: Detectors, t0: str, derived: list[dict[str, str]], tables: list[str], present: set[str],
        as_of_day: int,
    ) -> None:  # fmt: skip
        self.t0, self.derived, self.tables, gates = t0, derived, tables, rules.gates
        shown, total = run.rows(
            f"SELECT count(CASE WHEN ref <> '' THEN 1 END), count(*) FROM rare WHERE k IN ({kinds('application.withdraw')})"
        )[0]
        flags = {
            "has_business_type": "business_type" in present,
            # Among too few to compare, the gate does not gate: an absent reference says what it says.
            "withdraw_ref_expected": total < gates["comparable"] or shown >= gates["ref_share"] * total,
        }
        self.constants = ", ".join(f"{str(bool(value)).upper()} AS {name}" for name, value in flags.items())
        account = {"prior_capacity_kw", "account_opened_on"} <= present
        self.constants += (
            f", {str(account).upper()} AND b.told_account AS has_account_columns, {as_of_day} AS as_of_day"
        )

    def of(self, some: str | None = None, wanted: Collection[str] | None = None) -> str:
        """SQL of the wide rows, called x, of all cases or of those in the table `some`; of the derived facts those alone
        that `wanted` rests on."""

        def rows(table: str) -> str:
            return f"(SELECT t.* FROM {table} AS t JOIN {some} ON {some}.cid = t.cid)" if some else table

        # The order and the steps are those of the class by the rules, else of the class as filed.
        on_path = "COALESCE(p.group_{0} = '{0}', FALSE)"
        required = {
            "supply_plan": on_path.format("supply_plan"),
            "completion": on_path.format("completion_inspection"),
            "design": f"{on_path.format('design_review')} AND (p.design_all OR b.important)",
            "mid": f"{on_path.format('mid_inspection')} AND (p.mid_all OR b.important)",
        }
        taken = {
            "design_review": "p.group_design_review IS NULL OR p.design_all OR b.important",
            "mid_inspection": "p.group_mid_inspection IS NULL OR p.mid_all OR b.important",
        }
        sql = f"""SELECT b.*, {self.constants}, b.has_premises AND {self.t0} IS NOT NULL AND need_known AS restart_known,
        CASE WHEN b.has_premises AND {self.t0} IS NOT NULL THEN premises.cid IS NOT NULL END AS earlier_case_of_premises, d.zero AS zero_investment, d.total_limit,
        {", ".join(f"CASE WHEN p.def_id IS NOT NULL THEN {on} END AS requires_{what}" for what, on in required.items())},
        {", ".join(f"CASE WHEN p.def_id IS NULL THEN '{s}' WHEN {taken.get(s, 'TRUE')} THEN p.group_{s} END AS group_{s}" for s in STEPS)},
        p.def_id IS NULL OR {" AND ".join(f"({one}) IS NOT NULL" for one in taken.values())} AS path_known,
        clocks.late_round, clocks.late_step, clocks.late_limit, clocks.late_used, clocks.rounds_known, clocks.used,
        clocks.total_late, clocks.total_known, clocks.is_closed,
        {", ".join(f"COALESCE({name}, FALSE) AS {name}" for name in _YES)}, {", ".join(_PLAIN)},
        {", ".join(f"COALESCE(org_has_{name}, FALSE) AS org_has_{name}" for name in _ORG)},
        {", ".join(f"COALESCE(org_has_{name}, FALSE) AND b.told_{step} AS org_has_{name}" for name, step in _TOLD.items())},
        COALESCE(no_design_common, FALSE) OR NOT b.told_design_review AS no_design_common,
        COALESCE(no_mid_common, FALSE) OR NOT b.told_mid_inspection AS no_mid_common
        FROM {rows("facts")} AS b LEFT JOIN defs AS d ON d.def_id = b.def_id LEFT JOIN defs AS p ON p.def_id = b.path_id
        JOIN {rows("clocks")} AS clocks ON clocks.cid = b.cid LEFT JOIN org_facts ON org_facts.org_id = b.org_id
        {" ".join(f"LEFT JOIN {rows(name)} AS {name} ON {name}.cid = b.cid" for name in self.tables)}"""
        for level in self._resting(wanted):
            columns = ", ".join(f"{expression} AS {name}" for name, expression in level.items())
            sql = f"SELECT *, {columns} FROM ({sql}) AS x"
        return f"({sql}) AS x"

    def _resting(self, wanted: Collection[str] | None) -> list[dict[str, str]]:
        if wanted is None:
            return self.derived
        needed, levels = set(wanted), []
        for level in reversed(self.derived):
            kept = {name: text for name, text in level.items() if name in needed}
            needed.update(*(columns_of(text) for text in kept.values()))
            levels.append(kept)
        return [level for level in reversed(levels) if level]


class _Plan:
    """One rule, ready to run."""

    def __init__(self, compiled: Compiled, one: Detector) -> None:
        self.detector, self.compiled = one, compiled
        self.rule = one.rule
        # An unknown condition does not hold: CASE takes it so, and looks no further than it must.
        branches = " ".join(
            f"WHEN {compiled.expression(branch.when, one)} THEN {at}" for at, branch in enumerate(one.branches, start=1)
        )
        applies = compiled.expression(one.applies, one)
        needs = compiled.expression(one.needs, one)
        # What was found was judged, whatever else is missing.
        unjudged = f"CASE WHEN {needs} THEN 0 ELSE {verdicts.UNJUDGED} END"
        self.branch = f"CAST(CASE WHEN {applies} THEN CASE {branches} ELSE {unjudged} END ELSE 0 END AS SMALLINT)"
        self.columns = {name: self._column(name) for name in self._names()}

    def _names(self) -> list[str]:
        one = self.detector
        found = [name for branch in one.branches for name in (*branch.witness, *branch.against)]
        found += [name for text in (one.explanation.zh, one.explanation.en) for name in PLACE.findall(text)]
        return list(dict.fromkeys(found))

    def _column(self, name: str) -> str:
        return self.compiled.expression(name, self.detector)

    def reads(self) -> set[str]:
        """The columns of the wide row that a finding of this rule shows."""
        return set().union(*(columns_of(text) for text in self.columns.values()))

    def witnesses(self) -> list[str]:
        """Every moment that a finding of this rule may rest on, accusing ones first."""
        names = [name for branch in self.detector.branches for name in branch.witness]
        names += [name for branch in self.detector.branches for name in branch.against]
        return list(dict.fromkeys(names))

    def condition(self, name: str) -> str:
        """SQL of what an event must be for the folded fact `name`; TRUE for any other."""
        fact = self.compiled.fact(name, self.detector)
        if fact is None:
            return "TRUE"
        own = self.detector if name in self.detector.facts else None
        return self.compiled.folded[self.compiled.column(fact, self.compiled.values(own))][1] or "TRUE"

    def explanation(self, language: str) -> str:
        """SQL of the sentence that explains a finding."""
        text: str = getattr(self.detector.explanation, language)
        parts, at = [], 0
        for match in PLACE.finditer(text):
            parts.append(quoted(text[at : match.start()]))
            column = self.columns[match[1]]
            shown = f"moment_text({column})" if ":" not in match[0] else f"COALESCE(CAST({column} AS VARCHAR), '')"
            if match[0].endswith(":moment}"):
                none = quoted(MOMENT_OR_NONE[language])
                shown = f"CASE WHEN {column} IS NULL THEN {none} ELSE moment_text({column}) END"
            parts.append(shown)
            at = match.end()
        parts.append(quoted(text[at:]))
        return " || ".join(parts)

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
        named = [m[1] for m in PLACE.finditer(texts.zh + texts.en) if ":" in m[0] and not m[0].endswith(":moment}")]
        members = [f"'\"{name}\": ' || {verdicts.json_text(self.columns[name])}" for name in dict.fromkeys(named)]
        return " || ', ' || ".join(members) or "''"


def report(judged: Judged) -> str:
    """The counts as one line of JSON, for machines."""
    return json.dumps({"findings": judged.finding_counts, "verdicts": judged.verdict_counts}, sort_keys=True)
