"""A process that is not ours, judged by its own definition file alone: no class, limit or gate of our law holds for it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final, NamedTuple

from definitions._expressions import bind, parse
from definitions.detectors import PLACE, load_detectors
from definitions.processes import Process, ProcessRule
from workflow.replay.columnar.engines import EPOCH, Engine, day_number, json_text, opened, quoted, rows_in
from workflow.replay.columnar.fold import moment, names_of_sources
from workflow.replay.columnar.judge import MARGIN, Judged, Progress
from workflow.replay.tables import SOURCE_NUMBERS

_MOMENTS: Final = ("occurred", "recorded", "was", "now")


class _Days(NamedTuple):
    """A calendar without feasts: every day, or Monday to Friday."""

    first_day: dt.date
    last_day: dt.date
    weekdays: bool

    def is_working(self, day: dt.date) -> bool:
        return not self.weekdays or day.weekday() < 5


def judge_process(
    cases: Path,
    events: Path,
    *,
    process: Process,
    as_of: dt.date,
    out: Path,
    engine: str = "duckdb",
    master: str | None = None,
    memory_limit: str = "8GB",
    temp_dir: Path,
    progress: Progress | None = None,
) -> Judged:
    """Judge the canonical tables by the rules of `process` as of `as_of`, and write findings and verdicts as `judge` does.

    A finding is one record, or one case for rules over facts.  A case is a notice when anything was found, open until a
    closing record, `cannot_judge` when a rule lacked its evidence, otherwise clear; nobody is suspected under a law that
    is not ours.  Raises `ValueError` for another engine or a master of another."""
    temp_dir.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    run = opened(engine, master=master, memory_limit=memory_limit, temp_dir=temp_dir, rows=rows_in(events))
    say = progress or (lambda _what, _share: None)
    try:
        say("读入 / read", 0.0)
        _prepare(run, cases, events, process, as_of)
        say("判定 / judge", 0.4)
        rules = [_Rule(one, as_of) for one in process.rules if one.enabled]
        for rule in rules:
            rule.make(run)
        say("写出 / write", 0.9)
        return _write(run, process, rules, out)
    finally:
        run.close()


def _prepare(run: Engine, cases: Path, events: Path, process: Process, as_of: dt.date) -> None:
    """Tables `c` (cases) and `recs` (records with their moments)."""
    run.read("cases_in", cases)
    run.read("events_in", events)
    run.make("c", 'SELECT case_id, COALESCE(min("row"), 0) AS place, min(user_class) AS user_class, '
             'max(COALESCE(rejected_rows, 0) + COALESCE(lost_values, 0)) AS torn FROM cases_in GROUP BY case_id')  # fmt: skip
    source = "CASE source " + " ".join(f"WHEN '{s}' THEN {n}" for s, n in SOURCE_NUMBERS.items()) + " ELSE 0 END"

    def changed(column: str) -> str:
        return moment(run, f"TRY_CAST({column} AS TIMESTAMP)", f"({source})", f"length({column}) <= 10")

    run.make(
        "recs",
        f"""SELECT case_id, activity || '.' || lifecycle AS record, "row" AS row_no, source,
            {moment(run, "occurred_at", f"({source})", "occurred_is_date")} AS occurred,
            {moment(run, "recorded_at", f"({source})", "recorded_is_date OR hour(recorded_at) * 60 + minute(recorded_at) = 0")} AS recorded,
            {changed("old_value")} AS was, {changed("new_value")} AS now, COALESCE(value, '') AS about,
            COALESCE(ref, '') AS ref FROM events_in""",
    )  # fmt: skip
    low, high = run.rows(f"SELECT min(LEAST(occurred, recorded)) // {64 * 86_400_000_000}, max(GREATEST(occurred, recorded)) // {64 * 86_400_000_000} FROM recs")[0]  # fmt: skip
    first = max((EPOCH if low is None else EPOCH + dt.timedelta(days=low)) - MARGIN, EPOCH) if low else EPOCH
    last = max(as_of, EPOCH + dt.timedelta(days=high or 0)) + MARGIN
    run.working_days(_Days(first, last, process.days == "weekdays"), first, last)  # type: ignore[arg-type]  # all it asks of a calendar


def _listed(kinds: tuple[str, ...]) -> str:
    return ", ".join(quoted(kind) for kind in kinds)


class _Rule:
    """One rule, ready to run."""

    def __init__(self, one: ProcessRule, as_of: dt.date) -> None:
        self.one, self.rule = one, one.rule
        self.as_of = f"{day_number(as_of)} * {64 * 86_400_000_000} + 1"
        self.values: dict[str, Any] = {**load_detectors().gates, **one.thresholds}

    def sql(self, text: str) -> str:
        """`text` with its derived names spelt out."""

        def name(node: Any) -> Any:
            word = str(node.name) if node.key == "column" else ""
            if word in self.one.derived:
                return parse(f"({self.one.derived[word]})").transform(name)
            return parse(f"({self.as_of})").copy() if word == "as_of" else node

        return bind(parse(text).transform(name), self.values, SOURCE_NUMBERS)

    def said(self, text: str) -> str:
        """SQL of the sentence."""
        parts, at = [], 0
        for match in PLACE.finditer(text):
            parts.append(quoted(text[at : match.start()]))
            column = self.sql(match[1])
            parts.append(f"COALESCE(CAST({column} AS VARCHAR), '')" if ":" in match[0] else f"moment_text({column})")
            at = match.end()
        return " || ".join([*parts, quoted(text[at:])])

    def make(self, run: Engine) -> None:
        """Tables `f_<rule>` (findings) and `u_<rule>` (cases it cannot judge)."""
        if self.one.facts:
            self._fold(run)
        (self._by_record if self.one.each else self._by_case)(run)

    def _fold(self, run: Engine) -> None:
        folds = ", ".join(
            f"{'min' if fact.take == 'first' else 'max'}(CASE WHEN record IN ({_listed(fact.of)}) THEN occurred END) AS {name}"
            for name, fact in self.one.facts.items()
        )
        run.make(f"w_{self.rule}", f"SELECT case_id, {folds} FROM recs GROUP BY case_id")

    def _texts(self) -> str:
        return f"{self.said(self.one.explanation.zh)} AS explanation, {self.said(self.one.explanation.en)} AS explanation_en"

    def _by_record(self, run: Engine) -> None:
        kinds = _listed(self.one.each)
        facts = "".join(f", w.{name}" for name in self.one.facts)
        join = f"JOIN w_{self.rule} AS w ON w.case_id = r.case_id" if facts else ""
        run.view(f"r_{self.rule}", f"SELECT r.*{facts} FROM recs AS r {join} WHERE r.record IN ({kinds})")
        shown = [f'", "{name}": "\' || moment_text({name}) || \'' for name in _MOMENTS[1:]]
        json = (
            "'{\"field\": \"' || record || '\", \"value\": \"' || moment_text(occurred) || '" + "".join(shown)
            + "\", \"about\": ' || " + json_text("about") + " || ', \"ref\": ' || " + json_text("ref")
            + " || ', \"source\": ' || " + json_text("source") + " || ', \"row\": ' || CAST(row_no AS VARCHAR) || '}'"
        )  # fmt: skip
        run.make(
            f"h_{self.rule}",
            f"""SELECT case_id, record, about, ref, row_no, {json} AS records, {self._texts()} FROM r_{self.rule}
            WHERE COALESCE({self.sql(self.one.when)}, FALSE)""",
        )
        load = f"cases >= {self.one.load}" if self.one.load else "FALSE"
        run.make(
            f"l_{self.rule}",
            f"""SELECT h.*, {load} AS loaded FROM h_{self.rule} AS h JOIN (SELECT record, about, ref,
            count(DISTINCT case_id) AS cases FROM h_{self.rule} GROUP BY record, about, ref) AS g
            ON g.record = h.record AND g.about = h.about AND g.ref = h.ref""",
        )
        run.make(
            f"f_{self.rule}",
            f"SELECT case_id, row_no, records, explanation, explanation_en FROM l_{self.rule} WHERE NOT loaded",
        )
        run.make(
            f"u_{self.rule}",
            f"""SELECT DISTINCT case_id FROM r_{self.rule} WHERE NOT COALESCE({self.sql(self.one.needs)}, FALSE)
            UNION SELECT case_id FROM l_{self.rule} WHERE loaded""",
        )

    def _by_case(self, run: Engine) -> None:
        joins, shown = [], []
        for at, (name, fact) in enumerate(self.one.facts.items()):
            joins.append(
                f"LEFT JOIN (SELECT case_id, occurred, min(record) AS record, min(row_no) AS row_no FROM recs WHERE record IN "
                f"({_listed(fact.of)}) GROUP BY case_id, occurred) AS p{at} ON p{at}.case_id = w.case_id AND p{at}.occurred = w.{name}"
            )
            shown.append(
                f'\'{{"field": "\' || COALESCE(p{at}.record, \'\') || \'", "value": "\' || moment_text(w.{name}) || \'", "source": "\' || '
                f"{names_of_sources(f'w.{name}')} || '\", \"row\": ' || COALESCE(CAST(p{at}.row_no AS VARCHAR), 'null') || '}}'"
            )
        run.make(
            f"f_{self.rule}",
            f"""SELECT w.case_id, p0.row_no, {" || ', ' || ".join(shown)} AS records, {self._texts()} FROM w_{self.rule} AS w
            {" ".join(joins)} WHERE COALESCE({self.sql(self.one.when)}, FALSE)""",
        )
        run.make(
            f"u_{self.rule}",
            f"SELECT case_id FROM w_{self.rule} WHERE NOT COALESCE({self.sql(self.one.needs)}, FALSE)",
        )


def _write(run: Engine, process: Process, rules: list[_Rule], out: Path) -> Judged:
    numbered = list(enumerate(rules))
    found = " UNION ALL ".join(
        f"SELECT case_id, {at} AS place, {quoted(r.rule)} AS rule, '{r.one.tag}' AS tag, '{r.one.severity}' AS severity, row_no, "
        f"records, explanation, explanation_en FROM f_{r.rule}" for at, r in numbered
    )  # fmt: skip
    run.make("found", found)
    lacking = " UNION ALL ".join(f"SELECT case_id, {quoted(r.rule)} AS rule FROM u_{r.rule}" for r in rules)
    run.make(
        "lacking",
        f"SELECT case_id, string_agg(rule, ',' ORDER BY rule) AS unjudged FROM ({lacking}) AS x GROUP BY case_id",
    )
    run.make(
        "tagged",
        "SELECT case_id, string_agg(tag, ',' ORDER BY tag) AS tags FROM (SELECT DISTINCT case_id, tag FROM found) AS x GROUP BY case_id",
    )
    closes = ", ".join(quoted(kind) for kind in process.closes)
    run.make("ended", f"SELECT DISTINCT case_id FROM recs WHERE record IN ({closes})")
    run.write(
        "SELECT f.case_id, rule, tag, severity, '{\"records\": [' || records || ']}' AS evidence, explanation, explanation_en, "
        "CAST(NULL AS VARCHAR) AS org FROM found AS f JOIN c ON c.case_id = f.case_id "
        "ORDER BY c.place, f.case_id, f.place, row_no, explanation",
        out / "findings.parquet",
    )
    run.make(
        "verdict_rows",
        """SELECT c.case_id, c.place, c.user_class, CASE WHEN t.case_id IS NOT NULL THEN 'notice' WHEN e.case_id IS NULL THEN 'open'
            WHEN u.case_id IS NOT NULL OR c.torn > 0 THEN 'cannot_judge' ELSE 'clear' END AS verdict,
            COALESCE(t.tags, '') AS tags, COALESCE(u.unjudged, '') AS unjudged
        FROM c LEFT JOIN tagged AS t ON t.case_id = c.case_id LEFT JOIN lacking AS u ON u.case_id = c.case_id
        LEFT JOIN ended AS e ON e.case_id = c.case_id""",
    )
    run.write(
        "SELECT case_id, user_class, verdict, tags, unjudged, CAST(NULL AS INTEGER) AS used_working_days_filed, "
        "CAST(NULL AS INTEGER) AS used_working_days_chained, CAST(NULL AS INTEGER) AS limit_working_days, "
        "CAST(NULL AS BOOLEAN) AS on_time_filed, CAST(NULL AS BOOLEAN) AS on_time_chained FROM verdict_rows ORDER BY place, case_id",
        out / "verdicts.parquet",
    )
    by_rule = dict(run.rows("SELECT rule, count(*) FROM found GROUP BY rule ORDER BY rule"))
    by_verdict = dict(run.rows("SELECT verdict, count(*) FROM verdict_rows GROUP BY verdict ORDER BY verdict"))
    cases, events = run.rows("SELECT (SELECT count(*) FROM c), (SELECT count(*) FROM recs)")[0]
    return Judged(out / "findings.parquet", out / "verdicts.parquet", cases, events, by_rule, by_verdict)
