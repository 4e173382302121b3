"""From findings to evidence and verdicts, and the two files they go into."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from definitions._expressions import in_order
from definitions.detectors import Detectors
from definitions.model import STEPS
from workflow.replay.columnar.clocks import day, merged, not_after, resting
from workflow.replay.columnar.engines import Engine, arrow, quoted
from workflow.replay.columnar.fold import KINDS, names_of_sources, source_of, systems
from workflow.replay.columnar.plan import MOMENTS, UNJUDGED, Plan

DEPTH: Final = 4
"""How many predecessors of predecessors a chain is followed through; found ones need no following."""


_IMPORTANT: Final = {"design_review": "design_all", "mid_inspection": "mid_all"}
"""The steps that a region may keep for important customers, and the column that says they are asked of all."""
_MASK: Final = 60
"""How many rules one number says "not judged" of."""


class _Grounds(NamedTuple):
    """A table of the pairs of moments of which each is enough for a finding of a rule with that severity: one that
    accuses, and what it is held against, with the kinds of record that they may be of."""

    rule: str
    severity: str
    table: str
    accuses: tuple[str, tuple[int, ...]]
    against: tuple[str, tuple[int, ...]]


_COMPLETES: Final = tuple(KINDS[f"{step}.complete"] for step in STEPS)
_STARTS: Final = tuple(KINDS[f"{step}.start"] for step in STEPS)
_READY: Final = (KINDS["document.received"], KINDS["service_contact.observed"], *_COMPLETES)
_GROUNDS: Final = (
    _Grounds("D08", "high", "inversions", ("early", _COMPLETES), ("passed", _COMPLETES)),
    _Grounds("D08", "medium", "false_starts", ("early", _STARTS), ("passed", _COMPLETES)),
    _Grounds("D30", "high", "waits", ("ready", _READY), ("began", _STARTS)),
)
"""The findings that rest on pairs of records, of which a case may have several."""
_OF_PAIRS: Final = ", ".join(sorted({quoted(one.rule) for one in _GROUNDS}))


def masks(plans: list[Plan]) -> str:
    """SQL of the two numbers that say which rules could not judge a case."""
    if len(plans) > 2 * _MASK:
        raise ValueError(f"规则多于 {2 * _MASK} 条 / more than {2 * _MASK} rules")
    halves = [
        " + ".join(
            f"CASE WHEN r_{plan.rule} = {UNJUDGED} THEN CAST({1 << at} AS BIGINT) ELSE 0 END"
            for at, plan in enumerate(half)
        )
        for half in (plans[:_MASK], plans[_MASK:])
    ]
    return ", ".join(f"CAST({half or '0'} AS BIGINT) AS u{at}" for at, half in enumerate(halves))


def evidence(run: Engine, plans: list[Plan], tolerance: str, *, twice: bool) -> None:
    """Table `picked`: the records behind each finding; `proof`: their JSON. `twice`: rows may stand twice."""
    of_role = [("rule", pa.string()), ("branch", pa.int32()), ("place", pa.int32()), ("accuses", pa.bool_())]
    roles, kinds = [], []
    conditions: dict[str, int] = {"TRUE": 0}
    for plan in plans:
        for place, name in enumerate(plan.witnesses()):
            for at, branch in enumerate(plan.detector.branches, start=1):
                if name in (*branch.witness, *branch.against):
                    roles.append((plan.rule, at, place, name in branch.witness))
            fact = plan.compiled.fact(name, plan.detector)
            recorded = fact is not None and fact.take.endswith(("_recorded", "_entered"))
            numbers = [KINDS[one] for one in fact.of] if fact is not None else sorted(KINDS.values())
            asked = conditions.setdefault(plan.condition(name), len(conditions))
            kinds += [(plan.rule, place, number, nth, recorded, asked) for nth, number in enumerate(numbers)]
    run.put("roles", arrow(of_role, roles))
    run.put(
        "witness_kinds",
        arrow(
            [
                ("rule", pa.string()),
                ("place", pa.int32()),
                ("k", pa.int16()),
                ("nth", pa.int16()),
                ("by_record", pa.bool_()),
                ("asked", pa.int32()),
            ],
            kinds,
        ),
    )
    moments = ", ".join(f"m{place}" for place in range(MOMENTS))
    also = "".join(f" UNION ALL SELECT *, FALSE AS told FROM ({other}) AS x" for plan in plans for other in plan.also())
    run.make("grounds", f"SELECT cid, rule, branch, {moments}, TRUE AS told FROM found{also}")
    picks = " UNION ALL ".join(
        f"SELECT cid, rule, branch, told, {place} AS place, m{place} AS m FROM grounds WHERE m{place} IS NOT NULL"
        for place in range(MOMENTS)
    )
    told = ("recorded", "value", "ref", "batch", "actor", "device", "amount")
    columns = ", ".join(
        ("e.cid", "k", "occurred", "entered", "src", "names_case", "ref_expected", "old_value", "new_value", *told)
    )
    copies = f"{columns}, min(row_no) AS row_no" if twice else f"{columns}, row_no"
    # Two findings that rest on the two copies of a row rest on the same record.
    run.make(
        "seen",
        f"SELECT *, COALESCE(row_no, 0) * 128 + k AS event_id FROM (SELECT {copies} FROM events AS e "
        f"JOIN flagged ON flagged.cid = e.cid{f' GROUP BY {columns}' if twice else ''}) AS x",
    )
    meant = " ".join(f"WHEN {at} THEN ({text})" for text, at in conditions.items() if at)
    meant = f"CASE w.asked {meant} ELSE TRUE END" if meant else "TRUE"
    # Of several records of one moment the first by kind, in the order of the fact, and then by what it says, so that no
    # order of rows matters.
    order = ", ".join(("w.nth", "e.occurred NULLS LAST", *(f"e.{one} NULLS LAST" for one in told), "e.row_no"))
    run.make(
        "picked",
        f"""SELECT cid, rule, branch, told, place, m, accuses, event_id FROM (
        SELECT p.cid, p.rule, p.branch, p.told, p.place, p.m, r.accuses, e.event_id,
            row_number() OVER (PARTITION BY p.cid, p.rule, p.branch, p.place ORDER BY {order}) AS n
        FROM ({picks}) AS p JOIN roles AS r ON r.rule = p.rule AND r.branch = p.branch AND r.place = p.place
        JOIN witness_kinds AS w ON w.rule = p.rule AND w.place = p.place
        JOIN seen AS e ON e.cid = p.cid AND e.k = w.k AND CASE WHEN w.by_record THEN e.recorded ELSE e.occurred END = p.m
        WHERE {meant}) AS x
        WHERE n = 1""",
    )
    # Where each record is enough by itself, a finding rests on any of them, in whichever branch of its weight it stands.
    places: dict[tuple[str, str], set[str]] = {}
    for plan in plans:
        for branch in plan.detector.branches:
            if branch.each_enough:
                found = (str(plan.witnesses().index(name)) for name in branch.witness)
                places.setdefault((plan.rule, branch.severity), set()).update(found)
    enough = " OR ".join(
        f"(f.rule = {quoted(rule)} AND f.severity = '{severity}' AND w.place IN ({', '.join(sorted(at))}))"
        for (rule, severity), at in places.items()
    )
    _inversions(run, tolerance)
    # A finding whose record happened nobody knows when names none, and so shares none.
    run.make(
        "bases",
        f"""SELECT p.cid, p.rule, CAST(CASE WHEN p.told THEN 0 ELSE -p.branch END AS BIGINT) AS base, p.event_id FROM picked AS p
        WHERE p.rule NOT IN ({_OF_PAIRS})
        UNION {" UNION ".join(map(_each_pair, _GROUNDS))}
        UNION SELECT f.cid, f.rule, CAST(0 AS BIGINT), -row_number() OVER (ORDER BY f.cid, f.rule) FROM found AS f
        LEFT JOIN (SELECT DISTINCT cid, rule FROM picked) AS p ON p.cid = f.cid AND p.rule = f.rule WHERE p.cid IS NULL
        {
            f'''UNION SELECT f.cid, f.rule, e.event_id AS base, e.event_id FROM found AS f
            JOIN witness_kinds AS w ON w.rule = f.rule JOIN seen AS e ON e.cid = f.cid AND e.k = w.k
            WHERE ({enough}) AND {meant}'''
            if enough
            else ""
        }""",
    )
    record = (
        '\'{"field": "\' || kinds.activity || \'.\' || kinds.lifecycle || \'", "value": "\' || moment_text(p.m) || '
        f'\'", "source": "\' || {names_of_sources("p.m")} || \'", "row": \' || CAST(p.event_id // 128 AS VARCHAR) || \'}}\''
    )
    run.make(
        "proof",
        f"""SELECT p.cid, p.rule, string_agg({record}, ', ' ORDER BY p.place) AS records FROM picked AS p
        JOIN kinds ON kinds.k = p.event_id % 128 WHERE p.told GROUP BY p.cid, p.rule""",
    )


def _inversions(run: Engine, tolerance: str) -> None:
    """Tables `inversions` and `false_starts`: of the cases found out of order (D08), each completion of a step, or each
    start where no completion is, that came before the last pass of a step ahead of it on the path."""
    places = " ".join(f"WHEN {k} THEN {at}" for kinds in (_COMPLETES, _STARTS) for at, k in enumerate(kinds))
    step = f"CASE e.k {places} END"
    waived = " OR ".join(
        f"(e.k IN ({done}, {begun}) AND w.{s}_waived > 0)"
        for s, done, begun in zip(STEPS, _COMPLETES, _STARTS, strict=True)
    )
    kept = " ".join(
        f"WHEN {STEPS.index(s)} THEN p.{which} OR COALESCE(w.important, FALSE)" for s, which in _IMPORTANT.items()
    )
    taken = f"CASE {step} {kept} ELSE TRUE END"
    starts, completes = (", ".join(map(str, kinds)) for kinds in (_STARTS, _COMPLETES))
    run.make(
        "ordered",
        f"""SELECT e.cid, f.severity, e.k IN ({starts}) AS is_start, e.occurred, COALESCE(d.place, {step}) AS place
        FROM seen AS e JOIN found AS f ON f.cid = e.cid AND f.rule = 'D08' JOIN w ON w.cid = e.cid
        LEFT JOIN defs AS p ON p.def_id = w.path_id LEFT JOIN def_steps AS d ON d.def_id = w.path_id AND d.step = {step}
        WHERE e.k IN ({completes}, {starts}) AND NOT ({waived})
            AND (p.def_id IS NULL OR (d.place IS NOT NULL AND ({taken})))""",
    )
    for table, severity, early in (("inversions", "high", "NOT a.is_start"), ("false_starts", "medium", "a.is_start")):
        run.make(
            table,
            f"""SELECT a.cid, a.occurred AS early, b.passed FROM ordered AS a
            JOIN (SELECT cid, place, max(occurred) AS passed FROM ordered WHERE NOT is_start GROUP BY cid, place) AS b
            ON b.cid = a.cid AND b.place < a.place
            WHERE a.severity = '{severity}' AND {early} AND {in_order("a.occurred", "b.passed", tolerance)}""",
        )


def _each_pair(one: _Grounds) -> str:
    """SQL of the records behind each pair that is enough for its rule."""
    (accuses, of_accused), (against, of_other) = one.accuses, one.against
    return f"""SELECT g.cid, f.rule, g.base, e.event_id FROM (
            SELECT cid, {accuses}, {against}, row_number() OVER (PARTITION BY cid ORDER BY {accuses}, {against}) AS base
            FROM {one.table}) AS g
        JOIN found AS f ON f.cid = g.cid AND f.rule = '{one.rule}' AND f.severity = '{one.severity}'
        JOIN seen AS e ON e.cid = g.cid AND (
            (e.occurred = g.{accuses} AND e.k IN ({", ".join(map(str, of_accused))}))
            OR (e.occurred = g.{against} AND e.k IN ({", ".join(map(str, of_other))})))"""


def _suspected(run: Engine, rules: Detectors) -> None:
    """Table `suspects`: the cases that the findings make suspicious (policy 6)."""
    v = rules.verdicts
    counted = [
        one.rule
        for one in rules.detectors
        if one.convicts
        and one.rule not in v["breaches"]  # type: ignore[operator]  # a list, as its file says
        and (one.tag != "other" or one.rule in v["counted_although_other"])  # type: ignore[operator]  # the same
    ]
    listed = ", ".join(quoted(one) for one in counted)
    leads = ", ".join(quoted(one) for one in counted if one not in v["only_with_others"]) or "''"  # type: ignore[operator]  # the same
    run.make("weighty", f"SELECT cid, rule, severity, rule IN ({leads}) AS leads FROM found WHERE rule IN ({listed})")
    run.make("highs", "SELECT cid, rule, leads FROM weighty WHERE severity = 'high'")
    # Two findings that share a record may both come of one wrong value.
    run.make(
        "stands",
        """SELECT DISTINCT h.cid, h.rule, h.leads, b.base FROM highs AS h JOIN bases AS b ON b.cid = h.cid AND b.rule = h.rule""",
    )
    run.make(
        "sharing",
        """SELECT DISTINCT x.cid, x.rule AS one, x.base AS one_base, y.rule AS other, y.base AS other_base
        FROM bases AS x JOIN bases AS y ON y.cid = x.cid AND y.event_id = x.event_id AND y.rule > x.rule""",
    )
    run.make("apart", _apart(v["high_together"]))  # type: ignore[arg-type]  # a number, as its file says
    _systems(run)
    run.make("chorus", _chorus(v["high_with_medium"], v["medium_together"]))  # type: ignore[arg-type]  # numbers, as their file says
    run.make(
        "suspects",
        f"""SELECT cid FROM weighty WHERE severity = 'critical' AND leads GROUP BY cid HAVING count(*) >= {v["critical_alone"]}
        UNION SELECT cid FROM apart UNION SELECT cid FROM chorus""",
    )


def _apart(many: int) -> str:
    """SQL of the cases with so many high findings of which no two share a record."""
    joined, alone = [], [f"({' OR '.join(f'h{at}.leads' for at in range(many))})"]
    for at in range(1, many):
        joined.append(f"JOIN stands AS h{at} ON h{at}.cid = h0.cid AND h{at}.rule > h{at - 1}.rule")
        for before in range(at):
            joined.append(
                f"LEFT JOIN sharing AS s{before}_{at} ON s{before}_{at}.cid = h0.cid AND s{before}_{at}.one = h{before}.rule "
                f"AND s{before}_{at}.one_base = h{before}.base AND s{before}_{at}.other = h{at}.rule AND s{before}_{at}.other_base = h{at}.base"
            )
            alone.append(f"s{before}_{at}.cid IS NULL")
    return f"SELECT DISTINCT h0.cid FROM stands AS h0 {' '.join(joined)} WHERE {' AND '.join(alone)}"


def _systems(run: Engine) -> None:
    """Table `carried`: the systems on which a weighty finding rests, a row for each way in which it may. A record that
    names no system shows nothing of one."""
    each = f"SELECT b.cid, b.rule, {systems('e.src')} AS systems FROM bases AS b JOIN seen AS e ON e.cid = b.cid"
    ways = (
        f"SELECT cid, rule, {systems(source_of('m'))} AS systems FROM picked WHERE accuses AND rule <> 'D12' GROUP BY cid, rule, branch",
        # A burst needs all its records, not the one that is named.
        "SELECT cid, 'D12' AS rule, burst_systems AS systems FROM bursts",
        *(
            f"SELECT cid, '{one.rule}' AS rule, {systems(source_of(one.accuses[0]))} AS systems FROM {one.table} GROUP BY cid, {one.accuses[0]}"
            for one in _GROUNDS
        ),
        f"{each} AND e.event_id = b.event_id AND b.base > 0 AND b.rule NOT IN ({_OF_PAIRS}) GROUP BY b.cid, b.rule, b.base",
    )
    run.make(
        "carried",
        f"""SELECT DISTINCT w.cid, w.rule, w.severity, w.leads, x.systems FROM weighty AS w
        JOIN ({" UNION ALL ".join(ways)}) AS x ON x.cid = w.cid AND x.rule = w.rule WHERE x.systems IS NOT NULL""",
    )


def _chorus(highs: int, mediums: int) -> str:
    """SQL of the cases with so many high and so many medium findings of which no system carries two."""
    voices = [("high", f"h{at}") for at in range(highs)] + [("medium", f"m{at}") for at in range(mediums)]
    joined, before = [], list[tuple[str, str]]()
    for severity, one in voices:
        apart = [f"{one}.systems & {other}.systems = 0" for _, other in before]
        ordered = [f"{one}.rule > {other}.rule" for kind, other in before if kind == severity]
        conditions = " AND ".join([f"{one}.cid = x.cid", f"{one}.severity = '{severity}'", *apart, *ordered])
        joined.append(f"JOIN carried AS {one} ON {conditions}")
        before.append((severity, one))
    leads = " OR ".join(f"h{at}.leads" for at in range(highs))
    return f"SELECT DISTINCT x.cid FROM (SELECT DISTINCT cid FROM carried) AS x {' '.join(joined)} WHERE {leads}"


def _chains(run: Engine, as_of_day: int) -> None:
    """Table `chains`: with the ended cases of the same need before a case, as it names them, else as they are found
    unless the need was energised since: their used days, and those of the whole process from the first trace, without
    force majeure of any of the cases and proved gaps, to its end and to the day before."""
    window = (
        f"(({day('p.filed')} > {day('p.ended')} AND {day('p.filed')} - {day('p.ended')} <= 365) OR ({day('p.filed')} <= {day('p.ended')} "
        f"AND p.t0 > p.old_t0 AND wd_at({day('p.ended')}) - wd_at({day('p.filed')}) <= 10))"
    )
    run.make(
        "named",
        """SELECT n.cid AS new_cid, o.cid AS old_cid FROM c AS n JOIN c AS o ON o.case_id = n.predecessor_case
        JOIN endings AS e ON e.cid = o.cid JOIN w ON w.cid = o.cid
        WHERE n.predecessor_case <> '' AND o.cid <> n.cid AND e.ended IS NOT NULL AND w.metering_complete IS NULL""",
    )
    run.make(
        "links0",
        f"""SELECT new_cid, old_cid FROM named UNION
        SELECT p.new_cid, p.old_cid FROM pairs AS p LEFT JOIN named AS x ON x.new_cid = p.new_cid
        LEFT JOIN met AS m ON m.old_cid = p.old_cid AND m.cid <> p.new_cid AND {not_after("m.energised", "p.filed")} IS NOT NULL
        WHERE x.new_cid IS NULL AND m.cid IS NULL AND p.old_energised IS NULL AND {window}""",
    )
    for at in range(DEPTH):
        run.make(
            f"links{at + 1}",
            f"""SELECT new_cid, old_cid FROM links{at} UNION SELECT a.new_cid, b.old_cid FROM links{at} AS a
            JOIN links0 AS b ON b.new_cid = a.old_cid WHERE b.old_cid <> a.new_cid""",
        )
    run.make(
        "links",
        f"""SELECT l.new_cid AS cid, o.cid AS old_cid, o.t0 AS old_t0, x.used, e.ended, COALESCE(e.asked_for, FALSE) AS asked_for,
            COALESCE(lead(o.t0) OVER (PARTITION BY l.new_cid ORDER BY o.t0, o.cid), n.t0) AS next_t0
        FROM links{DEPTH} AS l JOIN w AS o ON o.cid = l.old_cid JOIN w AS n ON n.cid = l.new_cid
        JOIN clocks AS x ON x.cid = l.old_cid LEFT JOIN endings AS e ON e.cid = l.old_cid
        WHERE o.t0 IS NOT NULL AND n.t0 IS NOT NULL""",
    )
    run.make(
        "rests",
        merged(f"""SELECT l.cid, f.low, f.high FROM (SELECT cid, old_cid FROM links UNION SELECT cid, cid FROM links) AS l
            JOIN w ON w.cid = l.cid AND w.deducts JOIN fm AS f ON f.cid = l.old_cid
            UNION ALL SELECT cid, {day("ended")} AS low, {day("next_t0")} AS high FROM links WHERE asked_for"""),
    )
    run.make(
        "chained",
        f"""SELECT l.cid, min({day("l.old_t0")}) AS start_day, sum(l.used) AS used_before,
            min(COALESCE({day("w.metering_complete")}, {day("w.ended")}, {as_of_day})) AS end_day
        FROM links AS l JOIN w ON w.cid = l.cid GROUP BY l.cid""",
    )
    run.make(
        "chains",
        f"""SELECT x.cid, x.used_before, wd_at(x.end_day) - wd_at(x.start_day) - COALESCE(o.off, 0) AS used_whole,
            wd_at(x.end_day - 1) - wd_at(x.start_day) - COALESCE(o.before_off, 0) AS used_before_end
        FROM chained AS x LEFT JOIN (SELECT x.cid, {resting("x.end_day")} AS off, {resting("x.end_day - 1")} AS before_off
            FROM chained AS x JOIN rests AS f ON f.cid = x.cid GROUP BY x.cid) AS o ON o.cid = x.cid""",
    )


def write(
    run: Engine, plans: list[Plan], rules: Detectors, out: Path, as_of_day: int, *, tells_business: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """`findings.parquet` and `verdicts.parquet`; returns how many findings by rule and cases by verdict. `tells_business`:
    kinds of business were handed in."""
    _suspected(run, rules)
    _chains(run, as_of_day)
    order = [one.rule for one in rules.detectors] + [one.rule for one in rules.statistics]
    tags = {one.rule: one.tag for one in rules.rules}
    run.put(
        "rule_list",
        arrow(
            [("rule", pa.string()), ("tag", pa.string()), ("place", pa.int32())],
            [(rule, tags[rule], at) for at, rule in enumerate(order)],
        ),
    )
    said = "CASE WHEN f.said <> '' THEN ', ' || f.said ELSE '' END"
    run.view(
        "findings",
        f"""SELECT c.case_id, f.rule, r.tag, f.severity,
            '{{"records": [' || COALESCE(p.records, '') || ']' || {said} || '}}' AS evidence,
            f.explanation, f.explanation_en, CAST(NULL AS VARCHAR) AS org, f.cid, r.place
        FROM found AS f JOIN c ON c.cid = f.cid JOIN rule_list AS r ON r.rule = f.rule
        LEFT JOIN proof AS p ON p.cid = f.cid AND p.rule = f.rule
        UNION ALL
        SELECT CAST(NULL AS VARCHAR), s.rule, r.tag, s.severity, s.evidence, s.explanation, s.explanation_en, s.org,
            CAST(NULL AS BIGINT), r.place FROM statistics AS s JOIN rule_list AS r ON r.rule = s.rule""",
    )
    run.write(
        "SELECT case_id, rule, tag, severity, evidence, explanation, explanation_en, org FROM findings "
        "ORDER BY cid NULLS LAST, place, org, explanation",
        out / "findings.parquet",
    )
    _write_verdicts(run, plans, out, tells_business=tells_business)
    by_rule = dict(run.rows("SELECT rule, count(*) FROM findings GROUP BY rule ORDER BY rule"))
    by_verdict = dict(run.rows("SELECT verdict, count(*) FROM verdict_rows GROUP BY verdict ORDER BY verdict"))
    return by_rule, by_verdict


def _write_verdicts(run: Engine, plans: list[Plan], out: Path, *, tells_business: bool) -> None:
    # Which rules lacked evidence is one number per case, and its words are looked up: there are few different ones.
    words = []
    for u0, u1 in run.rows("SELECT DISTINCT u0, u1 FROM judged ORDER BY u0, u1"):
        named = [plan.rule for at, plan in enumerate(plans) if (u0, u1)[at // _MASK] >> at % _MASK & 1]
        words.append((u0, u1, ",".join(named)))
    run.put("mask_words", arrow([("u0", pa.int64()), ("u1", pa.int64()), ("unjudged", pa.string())], words))
    run.make(
        "tagged",
        """SELECT cid, string_agg(tag, ',' ORDER BY tag) AS tags FROM (SELECT DISTINCT f.cid, r.tag FROM found AS f
        JOIN rule_list AS r ON r.rule = f.rule) AS x GROUP BY cid""",
    )
    asked = {s: f" AND (d.{which} OR COALESCE(w.important, TRUE))" for s, which in _IMPORTANT.items()}
    lacking = " OR ".join(
        f"(d.group_{s} = '{s}' AND w.{s}_complete IS NULL AND w.{s}_waived = 0{asked.get(s, '')})" for s in STEPS
    )
    # Of which class nobody knows, nobody knows what it should have had, however it ended.
    core = f"""(d.def_id IS NOT NULL OR w.not_governed) AND ((w.ended IS NOT NULL AND w.metering_completes = 0) OR (w.metering_complete IS NOT NULL
        AND NOT COALESCE({lacking}, FALSE) AND w.energy_seen + w.meter_seen > 0))"""
    chained = """CASE WHEN h.cid IS NULL OR x.used IS NULL THEN x.used WHEN w.whole THEN h.used_whole
        ELSE x.used + h.used_before END"""
    filed = "CASE WHEN x.used IS NULL OR NOT x.total_known THEN NULL WHEN x.total_late IS NOT NULL THEN FALSE WHEN x.is_closed THEN TRUE END"
    late_chained = f"""CASE WHEN h.cid IS NULL THEN {filed} WHEN chained IS NULL THEN NULL WHEN chained > w.total_limit THEN FALSE
        WHEN w.whole AND h.used_before_end >= w.total_limit THEN FALSE WHEN x.is_closed THEN TRUE END"""
    run.make(
        "verdict_rows",
        f"""SELECT w.cid, c.case_id, COALESCE(w.law_class, NULLIF(w.user_class, '')) AS user_class,
            CASE WHEN sp.cid IS NOT NULL THEN 'suspected' WHEN t.cid IS NOT NULL THEN 'notice'
                WHEN NOT x.is_closed AND w.endings = 0 AND w.metering_completes = 0 AND w.rejected_rows + w.lost_values = 0 THEN 'open'
                WHEN w.t0 IS NOT NULL AND w.rejected_rows + w.lost_values = 0 AND ({core}) THEN 'clear' ELSE 'cannot_judge' END AS verdict,
            COALESCE(t.tags, '') AS tags, mw.unjudged, {"w.business_type <> ''" if tells_business else "TRUE"} AS is_told, CAST(x.used AS INTEGER) AS used_working_days_filed,
            CAST(z.chained AS INTEGER) AS used_working_days_chained, CAST(w.total_limit AS INTEGER) AS limit_working_days,
            {filed} AS on_time_filed, {late_chained.replace("chained >", "z.chained >").replace("chained IS", "z.chained IS")} AS on_time_chained
        FROM w JOIN c ON c.cid = w.cid JOIN clocks AS x ON x.cid = w.cid
        JOIN judged AS m ON m.cid = w.cid JOIN mask_words AS mw ON mw.u0 = m.u0 AND mw.u1 = m.u1
        LEFT JOIN defs AS d ON d.def_id = w.path_id
        LEFT JOIN tagged AS t ON t.cid = w.cid LEFT JOIN suspects AS sp ON sp.cid = w.cid
        LEFT JOIN chains AS h ON h.cid = w.cid
        LEFT JOIN (SELECT w.cid, {chained} AS chained FROM w JOIN clocks AS x ON x.cid = w.cid
            JOIN chains AS h ON h.cid = w.cid) AS z ON z.cid = w.cid""".replace(
            "CAST(z.chained AS INTEGER)", "CAST(CASE WHEN h.cid IS NULL THEN x.used ELSE z.chained END AS INTEGER)"
        ),
    )
    # Nothing of the ledger applies to a transfer, and of what nobody names nobody knows whether it is one.
    counted = ", ".join(
        f"CASE WHEN is_told THEN {one} END AS {one}"
        for one in (
            "used_working_days_filed", "used_working_days_chained", "limit_working_days", "on_time_filed", "on_time_chained",
        )
    )  # fmt: skip
    run.write(
        f"SELECT case_id, user_class, verdict, tags, unjudged, {counted} FROM verdict_rows ORDER BY cid",
        out / "verdicts.parquet",
    )
