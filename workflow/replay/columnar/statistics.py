"""Rules over organisations (S1 to S10): counts by set-based queries, tests by scipy.

A unit is compared with its peers, itself left out, by a one-sided binomial test; over the units of one rule the false
discovery rate is held by Benjamini and Hochberg's procedure.  A statistic never convicts anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from scipy import stats

from definitions._expressions import MOMENT_MINUTE, MOMENT_UNIT
from definitions.detectors import Detectors, Statistic
from workflow.replay.columnar.clocks import day
from workflow.replay.columnar.engines import Engine, arrow
from workflow.replay.columnar.fold import HOUR, KINDS, SOURCE_NUMBERS, STEPS

Row = tuple[str, str, int, int, int, int]
"""org, unit, hits, of, hits of all, all."""

_COLUMNS: Final = [
    (name, pa.string()) for name in ("rule", "severity", "evidence", "explanation", "explanation_en", "org")
]
_SITE: Final = [KINDS[f"{s}.complete"] for s in ("mid_inspection", "completion_inspection", "metering")]
_STEP: Final = [KINDS[f"{s}.{life}"] for s in STEPS for life in ("start", "complete", "return")]


def make(run: Engine, rules: Detectors, as_of_day: int) -> None:
    """Table `statistics`: the findings over organisations."""
    queries = {
        "S1": _due_date, "S2": _contractors, "S4": _round_times, "S5": _at_rest, "S6": _near, "S7": _volunteered,
        "S8": _instant, "S9": _missing, "S10": _exempt,
    }  # fmt: skip
    found: list[tuple[Any, ...]] = []
    for one in rules.statistics:
        if one.enabled and one.rule in queries:
            rows = list(_with_peers(run, queries[one.rule](run, one, rules)))
            found.extend(_share_above(one, rows) if one.test == "share_above" else _binomial(one, rows))
    run.put("statistics", arrow(_COLUMNS, found))


def _with_peers(run: Engine, sql: str) -> Iterator[Row]:
    """`sql` gives org, unit, family, hits, of; peers are the other units of the family (other orgs, for one unit)."""
    rows = run.rows(sql)
    families: dict[str, list[int]] = {}
    for _, _, family, hits, of in rows:
        total = families.setdefault(family, [0, 0])
        total[0] += int(hits)
        total[1] += int(of)
    for org, unit, family, hits, of in sorted(rows):
        yield org, unit, int(hits), int(of), families[family][0], families[family][1]


def _binomial(one: Statistic, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """Units whose hits are more than chance at their peers' rate."""
    least, alpha = one.thresholds["at_least"], one.thresholds["alpha"]
    tested = [row for row in rows if row[3] >= least and row[5] - row[3] >= least]  # type: ignore[operator]  # numbers
    if not tested:
        return
    hits, of, all_hits, everyone = (np.array([row[at] for row in tested], dtype=np.float64) for at in (2, 3, 4, 5))
    peers = everyone - of
    # A rate of nought among n peers is held to be at most one in n + 1.
    rate = np.maximum(all_hits - hits, peers / (peers + 1)) / peers
    p = stats.binom.sf(hits - 1, of, np.minimum(rate, 1.0))
    q = stats.false_discovery_control(p, method="bh")
    for row, value in zip(tested, q, strict=True):
        if value <= alpha and row[2] * (row[5] - row[3]) > (row[4] - row[2]) * row[3]:
            shown = {
                "unit": row[1], "hits": row[2], "of": row[3], "peer_hits": row[4] - row[2], "peer_of": row[5] - row[3],
                "q": f"{value:.2e}",
            }  # fmt: skip
            yield _finding(one, row[0], shown)


def _share_above(one: Statistic, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    for org, unit, hits, of, _, _ in rows:
        if of >= one.thresholds["at_least"] and hits > one.thresholds["share"] * of:  # type: ignore[operator]  # numbers
            yield _finding(one, org, {"unit": unit, "hits": hits, "of": of})


def _finding(one: Statistic, org: str, shown: dict[str, Any]) -> tuple[Any, ...]:
    evidence = json.dumps({"test": one.test, **shown}, ensure_ascii=False)
    texts = (one.explanation.zh, one.explanation.en)
    return (one.rule, one.severity, evidence, *(text.format(**shown) for text in texts), org)


def _due_date(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S1: energised with exactly the days of the limit used; and high-voltage cases with none used at all."""
    closed = "w.metering_complete IS NOT NULL AND x.used IS NOT NULL AND x.total_known AND w.total_limit IS NOT NULL"
    base = "FROM w JOIN clocks AS x ON x.cid = w.cid JOIN orgs AS o ON o.org_id = w.org_id"
    return f"""SELECT o.org, o.org || ' ' || w.law_class AS unit, w.law_class AS family,
        sum(CASE WHEN x.used = w.total_limit THEN 1 ELSE 0 END) AS hits, count(*) AS n
        {base} WHERE {closed} AND o.org <> '' AND w.law_class IS NOT NULL GROUP BY o.org, w.law_class
        UNION ALL SELECT o.org, o.org || ' day 0', 'day 0', sum(CASE WHEN x.used = 0 THEN 1 ELSE 0 END), count(*)
        {base} WHERE {closed} AND o.org <> '' AND w.high GROUP BY o.org"""


def _contractors(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S2: a contractor's share in an organisation, and with a manager, beside its share in the region without them."""
    licensed = ", ".join("'" + str(x).replace("'", "''") + "'" for x in one.thresholds["sole_licensed"]) or "''"  # type: ignore[union-attr]  # a list
    parts = []
    for who in ("org", "manager"):
        unit = "org" if who == "org" else "org || '/' || manager"
        group = "org" if who == "org" else "org, manager"
        on = "a.org = b.org" + ("" if who == "org" else " AND a.manager = b.manager")
        parts.append(
            f"""SELECT b.org, {unit.replace("org", "b.org").replace("manager", "b.manager")} || ' ' || b.contractor AS unit,
            '{who} ' || b.contractor AS family, b.n AS hits, a.n AS n FROM
            (SELECT {group}, contractor, count(*) AS n FROM c WHERE contractor <> '' AND org <> '' AND {who} <> ''
                AND contractor NOT IN ({licensed}) GROUP BY {group}, contractor) AS b
            JOIN (SELECT {group}, count(*) AS n FROM c WHERE contractor <> '' AND org <> '' AND {who} <> '' GROUP BY {group}) AS a
            ON {on}
            UNION ALL SELECT a.org, '' AS unit, '{who} ' || f.contractor, 0, a.n FROM
            (SELECT {group}, count(*) AS n FROM c WHERE contractor <> '' AND org <> '' AND {who} <> '' GROUP BY {group}) AS a
            CROSS JOIN (SELECT DISTINCT contractor FROM c WHERE contractor <> '') AS f
            LEFT JOIN (SELECT DISTINCT {group}, contractor FROM c) AS b ON {on} AND b.contractor = f.contractor
            WHERE b.contractor IS NULL"""
        )
    return " UNION ALL ".join(parts)


def _round_times(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S4: step times on the hour or half hour, by actor and source, where the source keeps seconds."""
    second = f"(occurred // {MOMENT_UNIT}) % 60000000"
    at_mark = f"CASE WHEN (occurred // {MOMENT_UNIT}) % 1800000000 = 0 THEN 1 ELSE 0 END"
    step = ", ".join(map(str, _STEP))
    share = one.thresholds["sources_without_seconds_share"]
    return f"""SELECT o.org, x.actor || '@' || x.src AS unit, CAST(x.src AS VARCHAR) AS family, x.hits, x.n FROM (
        SELECT org_id, actor, src, sum({at_mark}) AS hits, count(*) AS n FROM ev
        WHERE k IN ({step}) AND occurred % 2 = 0 AND actor <> '' GROUP BY org_id, actor, src) AS x
        JOIN orgs AS o ON o.org_id = x.org_id
        JOIN (SELECT src FROM ev WHERE k IN ({step}) AND occurred % 2 = 0 GROUP BY src
            HAVING sum(CASE WHEN {second} = 0 THEN 1 ELSE 0 END) < {share} * count(*)) AS s ON s.src = x.src"""


def _at_rest(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S5: site steps on rest days or at night, by organisation and by actor."""
    hour = f"(occurred // {HOUR}) % 24"
    rest = f"wd_at({day('occurred')}) = wd_at({day('occurred')} - 1)"
    night = f"occurred % 2 = 0 AND ({hour} >= {one.thresholds['night_from_hour']} OR {hour} < {one.thresholds['night_until_hour']})"
    site = ", ".join(map(str, _SITE))
    run.make(
        "at_rest",
        f"""SELECT o.org, x.actor, x.hits, x.n FROM (
            SELECT org_id, actor, sum(CASE WHEN {rest} OR ({night}) THEN 1 ELSE 0 END) AS hits, count(*) AS n FROM ev
            WHERE k IN ({site}) AND occurred IS NOT NULL AND src <> {SOURCE_NUMBERS["field_terminal"]} GROUP BY org_id, actor) AS x
        JOIN orgs AS o ON o.org_id = x.org_id WHERE o.org <> ''""",
    )
    return """SELECT org, org AS unit, 'org' AS family, sum(hits) AS hits, sum(n) AS n FROM at_rest GROUP BY org
        UNION ALL SELECT org, actor, 'actor', hits, n FROM at_rest WHERE actor <> ''"""


def _near(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S6: share ended among the cases that reached the last days of their limit."""
    return f"""SELECT o.org, o.org AS unit, 'all' AS family,
        sum(CASE WHEN w.endings > 0 THEN 1 ELSE 0 END) AS hits, count(*) AS n
        FROM w JOIN clocks AS x ON x.cid = w.cid JOIN orgs AS o ON o.org_id = w.org_id
        WHERE o.org <> '' AND x.used >= w.total_limit - {one.thresholds["near_working_days"]} GROUP BY o.org"""


def _volunteered(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S7: cases in which one kind of document is said to be volunteered."""
    return f"""SELECT x.org, x.org || ' ' || x.value AS unit, x.value AS family, x.hits, n.n FROM (
        SELECT c.org, e.value, count(DISTINCT e.cid) AS hits FROM ev AS e JOIN c ON c.cid = e.cid
        WHERE e.k = {KINDS["document.received"]} AND e.ref = 'volunteered' AND c.org <> '' GROUP BY c.org, e.value) AS x
        JOIN (SELECT org, count(*) AS n FROM c GROUP BY org) AS n ON n.org = x.org"""


def _instant(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S8: supply plan or design review entered as started and completed within minutes."""
    parts = []
    for step in ("supply_plan", "design_review"):
        start, end = KINDS[f"{step}.start"], KINDS[f"{step}.complete"]
        parts.append(
            f"SELECT cid, min(CASE WHEN k = {start} THEN entered END) AS a, min(CASE WHEN k = {end} THEN entered END) AS b "
            f"FROM events WHERE k IN ({start}, {end}) AND entered % 2 = 0 GROUP BY cid"
        )
    quick = f"ABS(b // {MOMENT_UNIT} - a // {MOMENT_UNIT}) <= {one.thresholds['minutes']} * {MOMENT_MINUTE}"
    return f"""SELECT c.org, c.org AS unit, 'all' AS family, sum(CASE WHEN {quick} THEN 1 ELSE 0 END) AS hits, count(*) AS n
        FROM ({" UNION ALL ".join(parts)}) AS x JOIN c ON c.cid = x.cid
        WHERE a IS NOT NULL AND b IS NOT NULL AND c.org <> '' GROUP BY c.org"""


def _missing(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S9: energised cases without first energy, meter or any time of recording, where the organisation keeps such."""
    # Who has a time of recording of the last step needs no look at the others.
    recorded = """w.metering_recorded IS NOT NULL OR w.cid IN (SELECT DISTINCT ev.cid FROM ev JOIN w ON w.cid = ev.cid
        WHERE ev.recorded IS NOT NULL AND w.metering_completes > 0 AND w.metering_recorded IS NULL)"""
    parts = [
        f"""SELECT org, org || ' {name}' AS unit, '{name}' AS family, n - had AS hits, n FROM (
        SELECT o.org, count(*) AS n, sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS had
        FROM w JOIN orgs AS o ON o.org_id = w.org_id WHERE w.metering_completes > 0 AND o.org <> '' GROUP BY o.org) AS x WHERE had > 0"""
        for name, condition in (
            ("first_energy", "w.energy_seen > 0"), ("meter_installed", "w.meter_seen > 0"), ("recorded_at", recorded),
        )
    ]  # fmt: skip
    return " UNION ALL ".join(parts)


def _exempt(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S10: cases with a value or batch that exempts from a rule."""
    words = sorted(
        {
            str(word)
            for rule in rules.detectors
            for name, value in rule.thresholds.items()
            if name == "exempt" and isinstance(value, tuple)
            for word in value
        }
    )
    listed = ", ".join(f"'{word}'" for word in words)
    prefixes = " OR ".join(f"starts_with(batch, '{one}:')" for one in ("estate", "migration", "outage"))
    return f"""SELECT c.org, c.org AS unit, 'all' AS family, count(h.cid) AS hits, count(*) AS n FROM c
        LEFT JOIN (SELECT DISTINCT cid FROM ev WHERE value IN ({listed}) OR {prefixes}) AS h ON h.cid = c.cid
        WHERE c.org <> '' GROUP BY c.org"""
