"""Rules over organisations (S1 to S10): counts by set-based queries, tests by scipy.

A unit (an organisation, or one of its people) is compared with its peers, the whole organisation left out, by a
one-sided binomial test; over the units of one rule the false discovery rate is held by Benjamini and Hochberg's
procedure.  A statistic never convicts anybody.
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
from definitions.model import STEPS
from workflow.replay.columnar.clocks import day
from workflow.replay.columnar.engines import Engine, arrow, day_number, quoted
from workflow.replay.columnar.fold import HOUR, KINDS
from workflow.replay.columnar.papers import VOLUNTEERED
from workflow.replay.reported import Reported
from workflow.replay.tables import SOURCE_NUMBERS

Row = tuple[str, str, int, int, int, int]
"""org, unit, hits, of, hits of the peers, peers."""

REGION: Final = "@"
"""Stands between the name of a family and a region (GB/T 2260): the peers are those of the region, where they are too
few those of the city, of the province, and then everybody."""

_COLUMNS: Final = [
    (name, pa.string()) for name in ("rule", "severity", "evidence", "explanation", "explanation_en", "org")
]
_SITE: Final = [KINDS[f"{s}.complete"] for s in ("mid_inspection", "completion_inspection", "metering")]
_STEP: Final = [KINDS[f"{s}.{life}"] for s in STEPS for life in ("start", "complete", "return")]


def make(run: Engine, rules: Detectors, reported: Iterable[Reported] = ()) -> None:
    """Table `statistics`: the findings over organisations. `reported`: what they told about themselves (S3)."""
    queries = {
        "S1": _due_date, "S2": _contractors, "S4": _round_times, "S5": _at_rest, "S6": _near, "S7": _volunteered,
        "S8": _instant, "S9": _missing, "S10": _exempt,
    }  # fmt: skip
    found: list[tuple[Any, ...]] = []
    for one in rules.statistics:
        if not one.enabled:
            continue
        if one.test == "difference":
            found.extend(_difference(run, one, list(reported)))
        elif one.rule in queries:
            rows = run.rows(queries[one.rule](run, one, rules))
            found.extend(
                _share_above(one, rows) if one.test == "share_above" else _binomial(one, _with_peers(one, rows))
            )
    run.put("statistics", arrow(_COLUMNS, found))


def _families(family: str) -> list[str]:
    """The family, and the wider ones that stand in for it."""
    name, mark, region = family.partition(REGION)
    return list(dict.fromkeys(f"{name}{mark}{region[:size]}" for size in (6, 4, 2, 0))) if mark else [family]


def _with_peers(one: Statistic, rows: list[tuple[Any, ...]]) -> Iterator[Row]:
    """`rows`: org, unit, family, hits, of. The units that have enough peers in other organisations."""
    least: Any = one.thresholds["at_least"]
    everyone: dict[str, list[int]] = {}
    own: dict[tuple[str, str], list[int]] = {}
    for org, _, family, hits, of in rows:
        for wider in _families(family):
            for total in (everyone.setdefault(wider, [0, 0]), own.setdefault((wider, org), [0, 0])):
                total[0] += int(hits)
                total[1] += int(of)
    for org, unit, family, hits, of in sorted(rows):
        for wider in _families(family):
            all_hits, all_of = everyone[wider]
            org_hits, org_of = own[wider, org]
            if all_of - org_of >= least:
                yield org, unit, int(hits), int(of), all_hits - org_hits, all_of - org_of
                break


def _binomial(one: Statistic, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """Units whose hits are more than chance at their peers' rate."""
    least, alpha = one.thresholds["at_least"], one.thresholds["alpha"]
    tested = [row for row in rows if row[3] >= least]  # type: ignore[operator]  # numbers
    if not tested:
        return
    hits, of, peer_hits, peers = (np.array([row[at] for row in tested], dtype=np.float64) for at in (2, 3, 4, 5))
    # A rate of nought among n peers is held to be at most one in n + 1.
    rate = np.maximum(peer_hits, peers / (peers + 1)) / peers
    p = stats.binom.sf(hits - 1, of, np.minimum(rate, 1.0))
    q = stats.false_discovery_control(p, method="bh")
    for row, value in zip(tested, q, strict=True):
        if value <= alpha and row[2] * row[5] > row[4] * row[3]:
            shown = {
                "unit": row[1], "hits": row[2], "of": row[3], "peer_hits": row[4], "peer_of": row[5], "q": f"{value:.2e}",
            }  # fmt: skip
            yield _finding(one, row[0], shown)


def _difference(run: Engine, one: Statistic, reported: list[Reported]) -> Iterator[tuple[Any, ...]]:
    """S3: what an organisation reported of a period, beside what its own cases say. That it has none of a class is
    known only where the class of each of its cases is."""
    if not reported:
        return
    columns = [
        ("n", pa.int64()),
        ("org", pa.string()),
        ("user_class", pa.string()),
        ("low", pa.int64()),
        ("high", pa.int64()),
    ]
    rows = [(n, x.org, x.user_class or "", day_number(x.first), day_number(x.last)) for n, x in enumerate(reported)]
    run.put("reported", arrow(columns, rows))
    done, ended = day("w.metering_complete"), day("w.ended")
    submitted = day("COALESCE(w.submitted, w.t0)")
    counts = {
        "accepted": submitted,
        "energised": done,
        "on_time": f"CASE WHEN x.total_known AND x.total_late IS NULL THEN {done} END",
        "late": f"CASE WHEN x.total_late IS NOT NULL THEN {done} END",
        "ended": f"CASE WHEN w.metering_complete IS NULL THEN {ended} END",
    }
    of_class = "(r.user_class = '' OR r.user_class = w.law_class)"
    sums = ", ".join(
        f"sum(CASE WHEN {moment} BETWEEN r.low AND r.high AND {of_class} THEN 1 ELSE 0 END) AS {name}"
        for name, moment in counts.items()
    )
    found = run.rows(
        f"""SELECT r.n, {sums} FROM reported AS r JOIN orgs AS o ON o.org = r.org JOIN w ON w.org_id = o.org_id
        JOIN clocks AS x ON x.cid = w.cid GROUP BY r.n HAVING sum(CASE WHEN {of_class} THEN 1 ELSE 0 END) > 0
            OR sum(CASE WHEN w.law_class IS NULL AND NOT COALESCE(w.not_governed, FALSE) THEN 1 ELSE 0 END) = 0 ORDER BY r.n"""
    )
    tolerance: Any = one.thresholds["tolerance"]
    for n, *recomputed in found:
        said = reported[n]
        value = dict(zip(counts, recomputed, strict=True))[said.measure]
        if abs(value - said.value) > tolerance:
            unit = " ".join(filter(None, (said.org, said.period, said.measure, said.user_class)))
            yield _finding(one, said.org, {"unit": unit, "reported": said.value, "recomputed": int(value)})


def _share_above(one: Statistic, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for org, unit, _, hits, of in sorted(rows):
        if of >= one.thresholds["at_least"] and hits > one.thresholds["share"] * of:
            yield _finding(one, org, {"unit": unit, "hits": int(hits), "of": int(of)})


def _finding(one: Statistic, org: str, shown: dict[str, Any]) -> tuple[Any, ...]:
    evidence = json.dumps({"test": one.test, **shown}, ensure_ascii=False)
    texts = (one.explanation.zh, one.explanation.en)
    return (one.rule, one.severity, evidence, *(text.format(**shown) for text in texts), org)


def _due_date(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S1: the whole process or a step finished exactly on its due date; a high-voltage step finished on its first day.
    Steps of one round only: a returned one tells nothing of a habit."""
    parts = [
        """SELECT o.org, o.org || ' ' || w.law_class AS unit, w.law_class || ' ' || CAST(w.total_limit AS VARCHAR) AS family,
        sum(CASE WHEN x.used = w.total_limit AND x.total_late IS NULL THEN 1 ELSE 0 END) AS hits, count(*) AS n
        FROM w JOIN clocks AS x ON x.cid = w.cid JOIN orgs AS o ON o.org_id = w.org_id
        WHERE w.whole AND w.metering_complete IS NOT NULL AND x.total_known AND o.org <> '' GROUP BY 1, 2, 3"""
    ]
    looks = []
    for step in STEPS[1:]:
        start = (
            f"COALESCE(w.{step}_start, CASE WHEN w.derived_{step} AND w.{step}_starts = 0 THEN w.acceptance_pass END)"
        )
        begun, done = day(start), day(f"w.{step}_complete")
        once = f"w.limit_{step} >= 2 AND w.{step}_completes = 1 AND w.{step}_starts <= 1 AND w.{step}_returns = 0"
        days = f"wd_at({done}) - wd_at({begun})"
        on_due = f"{days} = w.limit_{step} AND wd_at({done}) > wd_at({done} - 1)"
        shares = ", ".join(
            f"count(CASE WHEN {which} AND {hit} THEN 1 END) AS hits{at}, count(CASE WHEN {which} THEN 1 END) AS n{at}"
            for at, (hit, which) in enumerate(((on_due, "TRUE"), (f"{done} = {begun}", "w.high")))
        )
        looks.append(
            f"""SELECT o.org, '{step}' AS step, CAST(w.limit_{step} AS VARCHAR) AS lim, {shares} FROM w JOIN orgs AS o ON o.org_id = w.org_id
            WHERE {once} AND {start} IS NOT NULL AND w.{step}_complete IS NOT NULL AND o.org <> '' GROUP BY 1, 2, 3"""
        )
    # Both shares of a step are counted at one look.
    run.make("dues", " UNION ALL ".join(looks))
    for at, name in enumerate(("", " day 0")):
        text = f"step || '{name}"
        parts.append(
            f"SELECT org, org || ' ' || {text}' AS unit, {text} ' || lim AS family, hits{at} AS hits, n{at} AS n FROM dues WHERE n{at} > 0"
        )
    return " UNION ALL ".join(parts)


def _contractors(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S2: a contractor's share in an organisation, and with a manager, beside its share in the region without them."""
    licensed: Any = one.thresholds["sole_licensed"]
    words = ", ".join(quoted(str(word)) for word in licensed) or "''"
    run.make(
        "contracts",
        """SELECT org, manager, COALESCE(region, '') AS region, contractor, count(*) AS n FROM c
        WHERE contractor <> '' AND org <> '' GROUP BY 1, 2, 3, 4""",
    )
    parts = []
    for who, unit, group in (
        ("org", "b.org", "org, region"),
        ("manager", "b.org || '/' || b.manager", "org, region, manager"),
    ):
        on = " AND ".join(f"a.{key} = b.{key}" for key in group.split(", "))
        parts.append(
            f"""SELECT b.org, {unit} || ' ' || f.contractor AS unit, '{who} ' || f.contractor || '{REGION}' || b.region AS family,
            COALESCE(a.n, 0) AS hits, b.n FROM
            (SELECT {group}, sum(n) AS n FROM contracts WHERE {who} <> '' GROUP BY {group}) AS b
            CROSS JOIN (SELECT DISTINCT contractor FROM contracts WHERE contractor NOT IN ({words})) AS f
            LEFT JOIN (SELECT {group}, contractor, sum(n) AS n FROM contracts GROUP BY {group}, contractor) AS a
            ON {on} AND a.contractor = f.contractor"""
        )
    return " UNION ALL ".join(parts)


def _round_times(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S4: step times on the hour or half hour, by actor and source, where the source keeps seconds."""
    second = f"(occurred // {MOMENT_UNIT}) % 60000000"
    at_mark = f"CASE WHEN (occurred // {MOMENT_UNIT}) % 1800000000 = 0 THEN 1 ELSE 0 END"
    step = ", ".join(map(str, _STEP))
    share = one.thresholds["sources_without_seconds_share"]
    return f"""SELECT o.org, x.actor || ' ' || x.src AS unit, CAST(x.src AS VARCHAR) || '{REGION}' || COALESCE(p.region, '') AS family,
        x.hits, x.n FROM (
        SELECT org_id, actor, src, sum({at_mark}) AS hits, count(*) AS n FROM ev
        WHERE k IN ({step}) AND occurred % 2 = 0 AND actor <> '' GROUP BY org_id, actor, src) AS x
        JOIN orgs AS o ON o.org_id = x.org_id
        JOIN (SELECT org_id, min(region) AS region FROM c GROUP BY org_id) AS p ON p.org_id = x.org_id
        JOIN (SELECT src FROM ev WHERE k IN ({step}) AND occurred % 2 = 0 GROUP BY src
            HAVING sum(CASE WHEN {second} = 0 THEN 1 ELSE 0 END) < {share} * count(*)) AS s ON s.src = x.src WHERE o.org <> ''"""


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
        WHERE o.org <> '' AND (w.metering_complete IS NOT NULL OR w.endings > 0)
            AND x.used >= w.total_limit - LEAST({one.thresholds["near_working_days"]}, w.total_limit / 2.0) GROUP BY o.org"""


def _volunteered(run: Engine, one: Statistic, rules: Detectors) -> str:
    """S7: cases in which one kind of document is said to be volunteered."""
    return f"""SELECT x.org, x.org || ' ' || x.value AS unit, x.value AS family, x.hits, n.n FROM (
        SELECT c.org, e.value, count(DISTINCT e.cid) AS hits FROM ev AS e JOIN c ON c.cid = e.cid
        WHERE e.k = {KINDS["document.received"]} AND regexp_matches(e.ref, '{VOLUNTEERED}')
            AND e.value <> '' AND c.org <> '' GROUP BY c.org, e.value) AS x
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
    quick = (
        f"ABS(b // {MOMENT_UNIT} - a // {MOMENT_UNIT}) <= CAST({one.thresholds['minutes']} AS BIGINT) * {MOMENT_MINUTE}"
    )
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
