"""What the report and the summary say, counted from the tables: set-based, bounded, in a fixed order."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from workflow.replay.output.rulebook import Rule, Rules
from workflow.replay.output.words import ACTIVITIES, VERDICTS, word
from workflow.replay.tables import FORETOLD

WORST: Final = 20
"""How many cases the report shows with both their timelines."""
SHOWN_EVENTS: Final = 60
"""How many events of a case, of each of the two timelines."""
DOTTED: Final = 400
"""How many cases the dotted chart draws, evenly over all."""
DOTS: Final = 12_000
FIRST_ORGS: Final = 30
"""How many organisations stand open on the page; the others, up to `SHOWN_ORGS`, unfold."""
SHOWN_ORGS: Final = 200
SHOWN_FINDINGS: Final = 12
_BITS: Final = 62
BEYOND: Final = 10
"""Working days beyond the limit up to which days are counted singly."""

LAGS: Final = ("before", "hour", "day0", "day1", "day3", "day7", "day30", "later", "unknown")
_LAG: Final = """CASE WHEN occurred_at IS NULL OR recorded_at IS NULL THEN 'unknown'
    WHEN occurred_is_date OR recorded_is_date THEN CASE
        WHEN CAST(recorded_at AS DATE) < CAST(occurred_at AS DATE) THEN 'before'
        WHEN CAST(recorded_at AS DATE) = CAST(occurred_at AS DATE) THEN 'day0' ELSE days END
    WHEN recorded_at < occurred_at THEN 'before' WHEN recorded_at - occurred_at <= INTERVAL 1 HOUR THEN 'hour'
    WHEN CAST(recorded_at AS DATE) = CAST(occurred_at AS DATE) THEN 'day0' ELSE days END"""
_DAYS: Final = """CASE WHEN gap <= 1 THEN 'day1' WHEN gap <= 3 THEN 'day3' WHEN gap <= 7 THEN 'day7'
    WHEN gap <= 30 THEN 'day30' ELSE 'later' END"""

RANK: Final = (
    "CASE v.verdict "
    + " ".join(f"WHEN '{name}' THEN {at}" for at, name in enumerate(VERDICTS))
    + f" ELSE {len(VERDICTS)} END"
)
"""SQL that puts the verdicts in the order in which an inspector reads."""
WEIGHT: Final = "CASE f.severity WHEN 'critical' THEN 1000 WHEN 'high' THEN 100 WHEN 'medium' THEN 10 ELSE 1 END"

Found = list[tuple[Any, ...]]


class Tables:
    """The four tables of a finished judging, under the names c (cases), e (events), f (findings), v (verdicts)."""

    def __init__(
        self, cases: Path, events: Path, findings: Path, verdicts: Path, *, memory_limit: str, spill: Path
    ) -> None:
        self.con = duckdb.connect()
        self.con.execute("SET memory_limit = $limit", {"limit": memory_limit})
        self.con.execute("SET temp_directory = $dir", {"dir": str(spill)})
        self.con.execute("SET TimeZone = 'UTC'")
        for name, path in (("c", cases), ("e", events), ("f", findings), ("v", verdicts)):
            where = str(path).replace("'", "''")
            self.con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{where}')")  # quoted

    def rows(self, sql: str, **given: Any) -> Found:
        """The rows of a small result."""
        return self.con.execute(sql, given or None).fetchall()

    def close(self) -> None:
        self.con.close()


def gather(tables: Tables, rules: Rules, lacked: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The summary: counts only, no row of a case. Every number can be counted again from the tables. `lacked`: what the
    judging says of whole organisations."""
    verdicts: dict[str, int] = dict(tables.rows("SELECT verdict, count(*) FROM v GROUP BY verdict"))
    kinds = _kinds(tables)
    return {
        "verdicts": {name: verdicts.get(name, 0) for name in VERDICTS},
        "organisations": _organisations(tables, lacked),
        "rules": _rules(tables, rules, kinds, sum(verdicts.values())),
        "lags": _lags(tables),
        "days": _days(tables),
        "kinds": kinds,
    }


def _kinds(tables: Tables) -> dict[str, dict[str, int]]:
    """How many records there are of each kind, and in how many cases. Each case's kinds are bits of a number: to count
    distinct cases for every kind would keep the ids of all cases once for each."""
    tables.con.execute(
        f"""CREATE OR REPLACE TEMP TABLE kinds AS SELECT *, n // {_BITS} AS part, CAST(1 AS BIGINT) << (n % {_BITS}) AS bit
        FROM (SELECT activity, lifecycle, count(*) AS events, row_number() OVER (ORDER BY activity, lifecycle) - 1 AS n
            FROM e GROUP BY activity, lifecycle)"""  # our own number
    )
    found = tables.rows(
        """SELECT activity || '.' || lifecycle AS name, any_value(events), sum(cases) FROM kinds JOIN (
            SELECT part, bits, count(*) AS cases FROM (SELECT part, bit_or(bit) AS bits
                FROM e JOIN kinds USING (activity, lifecycle) GROUP BY case_id, part) GROUP BY part, bits) AS seen
        ON seen.part = kinds.part AND seen.bits & kinds.bit > 0 GROUP BY name ORDER BY name"""
    )
    return {name: {"events": events, "cases": int(cases)} for name, events, cases in found}


def _organisations(tables: Tables, lacked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = ", ".join(f"count(*) FILTER (verdict = '{name}')" for name in VERDICTS)
    found = tables.rows(
        f"""WITH j AS (SELECT COALESCE(c.org, '') AS org, v.* FROM v JOIN c ON c.case_id = v.case_id),
        g AS (SELECT COALESCE(f.org, c.org, '') AS org, count(*) AS n FROM f
            LEFT JOIN c ON c.case_id = f.case_id GROUP BY 1)
        SELECT j.org, count(*), {counts}, count(*) FILTER (on_time_filed), count(*) FILTER (NOT on_time_filed),
            count(*) FILTER (NOT on_time_chained), COALESCE(max(g.n), 0)
        FROM j LEFT JOIN g ON g.org = j.org GROUP BY j.org
        ORDER BY count(*) FILTER (verdict = 'suspected') DESC, max(g.n) DESC NULLS LAST, j.org"""  # our own names
    )
    names = ("org", "cases", *VERDICTS, "on_time", "late", "late_chained", "findings")
    unjudged: dict[str, list[dict[str, Any]]] = {}
    for one in lacked:
        said = {key: value for key, value in one.items() if key != "org"}
        unjudged.setdefault(one["org"], []).append({**said, **_lacking(one)})
    return [{**dict(zip(names, row, strict=True)), "cannot_judge_rules": unjudged.get(row[0], [])} for row in found]


def _lacking(one: Mapping[str, Any]) -> dict[str, str]:
    """The sentences that a rule judges no case of an organisation that lacks a step."""
    step, rule, lacking, of = word(ACTIVITIES, one["step"]), one["rule"], one["lacking"], one["of"]
    return {
        "zh": f"该单位 {lacking}/{of} 件已送电的高压申请无{step.zh}, {rule} 对此无法判定",
        "en": f"{lacking} of the unit's {of} energised high-voltage cases have no {step.en}; {rule} cannot judge it",
    }


def _rules(tables: Tables, rules: Rules, kinds: Mapping[str, Any], cases: int) -> list[dict[str, Any]]:
    severities: dict[str, dict[str, int]] = {}
    for rule, severity, many in tables.rows("SELECT rule, severity, count(*) FROM f GROUP BY ALL ORDER BY ALL"):
        severities.setdefault(rule, {})[severity] = many
    hit: dict[str, int] = dict(tables.rows("SELECT rule, count(DISTINCT case_id) FROM f GROUP BY rule"))
    unjudged: Counter[str] = Counter()
    for listed, many in tables.rows("SELECT unjudged, count(*) FROM v GROUP BY unjudged"):
        unjudged.update(dict.fromkeys((rule for rule in (listed or "").split(",") if rule), many))
    return [
        {
            "rule": one.rule, "name": {"zh": one.name.zh, "en": one.name.en}, "tag": one.tag, "enabled": one.enabled,
            "findings": sum(severities.get(one.rule, {}).values()), "by_severity": severities.get(one.rule, {}),
            "cases": hit.get(one.rule, 0), "cannot_judge": unjudged[one.rule], "thresholds": one.thresholds,
            "clauses": list(one.clauses), "needs": _needs(one, kinds, cases),
        }
        for one in rules
    ]  # fmt: skip


def _needs(one: Rule, kinds: Mapping[str, Any], cases: int) -> dict[str, Any]:
    """Which records a rule rests on, with the number of cases that have none, and which facts beside records."""
    lacking = [{"kind": name, "cases_without": cases - kinds.get(name, {"cases": 0})["cases"]} for name in one.records]
    return {"records": lacking, "facts": [{"zh": text.zh, "en": text.en} for text in one.facts]}


_NAMED_DAYS: Final = (*FORETOLD, "callback", "design_dated", "test_report_dated", "completion_report_dated")
"""Records whose time is a day that a paper or a customer names: how much later they were entered is no lag."""


def _lags(tables: Tables) -> dict[str, dict[str, int]]:
    """How long after it is said to have happened each event was recorded, by source. Natural days."""
    found: dict[str, dict[str, int]] = {}
    for source, bucket, many in tables.rows(
        f"""SELECT COALESCE(source, ''), {_LAG} AS lag, count(*) FROM (SELECT *, {_DAYS} AS days FROM (
            SELECT source, occurred_at, recorded_at, occurred_is_date, recorded_is_date, date_diff('day', occurred_at, recorded_at) AS gap FROM e
            WHERE activity NOT IN {_NAMED_DAYS}))
            GROUP BY ALL ORDER BY ALL"""  # our own names
    ):
        found.setdefault(source, dict.fromkeys(LAGS, 0))[bucket] = many
    return found


def _days(tables: Tables) -> list[dict[str, Any]]:
    """Working days used (as filed) of the cases whose keeping of the limit can be said, per class and limit."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for code, limit, used, many in tables.rows(
        f"""SELECT COALESCE(user_class, ''), limit_working_days,
            least(used_working_days_filed, limit_working_days + {BEYOND}), count(*) FROM v WHERE limit_working_days IS NOT NULL AND used_working_days_filed IS NOT NULL
            AND on_time_filed IS NOT NULL GROUP BY ALL ORDER BY ALL"""  # our own names
    ):
        one = found.setdefault((code, limit), {"user_class": code, "limit": limit, "used": {}})
        one["used"][int(used)] = many
    return list(found.values())


def worst(tables: Tables) -> list[dict[str, Any]]:
    """The cases that weigh most, with their findings and their events."""
    ranked = tables.rows(
        f"""SELECT v.case_id, v.verdict, v.user_class, v.used_working_days_filed, v.used_working_days_chained,
            v.limit_working_days, v.unjudged, c.org, c.region, c.capacity_kw, c.voltage
        FROM v JOIN c ON c.case_id = v.case_id JOIN f ON f.case_id = v.case_id
        GROUP BY ALL ORDER BY min({RANK}), sum({WEIGHT}) DESC, v.case_id LIMIT {WORST}"""  # our own names
    )
    names = (
        "case_id",
        "verdict",
        "user_class",
        "used",
        "used_chained",
        "limit",
        "unjudged",
        "org",
        "region",
        "capacity_kw",
        "voltage",
    )
    cases = {row[0]: dict(zip(names, row, strict=True), findings=[], own=[], others=[]) for row in ranked}
    listed = list(cases)
    for case_id, *finding in tables.rows(
        f"""SELECT case_id, rule, tag, severity, evidence, explanation, explanation_en FROM f
        WHERE list_contains($listed, case_id) ORDER BY case_id, {WEIGHT} DESC, rule""",  # our own names
        listed=listed,
    ):
        one = dict(zip(("rule", "tag", "severity", "evidence", "zh", "en"), finding, strict=True))
        one["records"] = json.loads(one.pop("evidence")).get("records", [])
        cases[case_id]["findings"].append(one)
    for case_id, *event in tables.rows(
        """SELECT case_id, activity, lifecycle, occurred_at, recorded_at, occurred_is_date, recorded_is_date, source,
            value, old_value, new_value, ref, "row" FROM e SEMI JOIN (SELECT unnest($listed) AS case_id) USING (case_id)
        ORDER BY case_id, occurred_at NULLS FIRST, recorded_at NULLS FIRST, activity, lifecycle, value, "row" """,
        listed=listed,
    ):
        columns = (
            "activity", "lifecycle", "occurred", "recorded", "occurred_is_date", "recorded_is_date", "source", "value",
            "old", "new", "ref", "row",
        )  # fmt: skip
        told = dict(zip(columns, event, strict=True))
        cases[case_id]["others" if told["lifecycle"] == "observed" else "own"].append(told)
    return list(cases.values())


def dotted(tables: Tables) -> tuple[list[tuple[int, str, str, dt.datetime]], list[bool], int]:
    """Dots (place, activity, lifecycle, moment) of cases chosen evenly by their ids, in the order of their first trace;
    for each of them whether it is suspected; and of how many cases they were chosen."""
    (total,) = tables.rows("SELECT count(*) FROM v")[0]
    tables.con.execute(
        f"""CREATE OR REPLACE TEMP TABLE dots AS SELECT e.case_id, activity, lifecycle, occurred_at, suspected FROM e JOIN (
            SELECT case_id, verdict = 'suspected' AS suspected FROM (
                SELECT case_id, verdict, (row_number() OVER (ORDER BY case_id) - 1) * {DOTTED} AS spread FROM v)
            WHERE spread % greatest({total}, {DOTTED}) < {DOTTED}) AS chosen ON chosen.case_id = e.case_id
        WHERE occurred_at IS NOT NULL AND activity <> 'licence_expires'"""  # our own numbers
    )
    tables.con.execute(
        """CREATE OR REPLACE TEMP TABLE lines AS SELECT case_id, suspected,
            row_number() OVER (ORDER BY COALESCE(min(occurred_at) FILTER (activity IN ('application', 'acceptance')),
                min(occurred_at)), case_id) - 1 AS line FROM dots GROUP BY case_id, suspected"""
    )
    lines = [bool(row[0]) for row in tables.rows("SELECT suspected FROM lines ORDER BY line")]
    dots = tables.rows(
        f"""SELECT line, activity, lifecycle, occurred_at FROM dots JOIN lines USING (case_id)
        ORDER BY ALL LIMIT {DOTS}"""  # our own numbers
    )
    return [(int(line), activity, life, at) for line, activity, life, at in dots], lines, int(total)
