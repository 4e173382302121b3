"""Facts that corrections tell: a changed time that turned late into on time (D13), a changed fact that loosened the class
(D33)."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from definitions._expressions import MOMENT_MINUTE, MOMENT_UNIT, past_due
from definitions.detectors import Detectors
from definitions.model import STEPS
from workflow.replay.columnar.clocks import day, resting
from workflow.replay.columnar.engines import Engine, arrow, quoted
from workflow.replay.columnar.fold import KINDS
from workflow.replay.columnar.law import Law
from workflow.replay.lists import CLASS_FACTS, SUBMITTED, WHOLE, changeable

CLOSED: Final = "COALESCE(metering_complete, ended)"
"""When the whole process was over."""

_FIELDS: Final = [
    (SUBMITTED, 0, "submit"),
    *(
        (f"{step}.{life}.occurred_at", at, life)
        for at, step in enumerate(STEPS)
        for life in ("start", "complete", "return")
    ),
]
"""The times that a round of a step rests on: the step, and whether the round begins or ends with it."""


def make(engine: Engine, detectors: Detectors, law: Law, *, tells_business: bool) -> list[str]:
    """The sparse tables, each one row per case that has something; returns their names. `tells_business`: kinds of business
    were handed in."""
    _corrections(engine, detectors)
    _loosened(engine, law, tells_business=tells_business)
    return ["improved", "loosened"]


def _instant(moment: str) -> str:
    return f"({moment} // {MOMENT_UNIT})"


def _corrections(engine: Engine, detectors: Detectors) -> None:
    """D13: a changed time that turned late into on time."""
    days = detectors.detector("D13").thresholds["other_record_days"]

    def text(column: str) -> str:
        micros = engine.micros(f"TRY_CAST({column} AS TIMESTAMP)")
        date_only = f"CASE WHEN length({column}) = 10 THEN 1 ELSE 0 END"
        return f"(({micros} + 2208988800000000) * {MOMENT_UNIT} + {date_only})"

    per_step = [f"w.{s}_start, w.{s}_starts, w.{s}_pass, w.limit_{s}, w.derived_{s}" for s in STEPS]
    there = " ".join(f"WHEN '{field}' THEN w.{moment} IS NOT NULL" for field, moment in changeable(STEPS).items())
    several = " ".join(
        f"WHEN {at} THEN w.{step}_starts > 1 OR w.{step}_completes > 1 OR w.{step}_returns > 0"
        for at, step in enumerate(STEPS)
    )
    engine.put("timed_fields", arrow([("field", pa.string()), ("step", pa.int32()), ("life", pa.string())], _FIELDS))
    engine.make(
        "changes",
        f"""SELECT h.*, f.step, f.life, COALESCE(CASE f.step {several} END, FALSE) AS several,
            CASE h.field {there} ELSE TRUE END AS there, w.submitted, w.t0, w.ended, w.metering_complete, w.whole, w.deducts, w.total_limit, x.used, {", ".join(per_step)} FROM (
            SELECT cid, occurred, src, ref, value AS field, {text("old_value")} AS was, {text("new_value")} AS now, row_no
            FROM rare WHERE k = {KINDS["correction.changed"]} AND value LIKE '%.occurred_at' AND occurred IS NOT NULL) AS h
        JOIN w ON w.cid = h.cid JOIN clocks AS x ON x.cid = h.cid LEFT JOIN timed_fields AS f ON f.field = h.field""",
    )
    _spans(engine)
    was, now = (
        (f"CASE WHEN moved_start THEN {day(side)} ELSE {day('began')} END",
         f"CASE WHEN moved_start THEN {day('finished')} ELSE {day(side)} END")
        for side in ("was", "now")
    )  # fmt: skip
    used = "(GREATEST(wd_at({1}) - wd_at({0}), 0))"
    gained = f"{used.format(*was)} - {used.format(*now)}"
    _whole_before_and_after(engine)
    engine.make(
        "bettered",
        f"""SELECT cid, occurred, field, src, ref, now, row_no, finished AS closing FROM spans
        WHERE there AND was IS NOT NULL AND now IS NOT NULL AND (({past_due(*was, "budget")} AND NOT {past_due(*now, "budget")})
            OR (summed AND NOT whole AND budget IS NOT NULL AND used <= total_limit AND used + {gained} > total_limit))
        UNION ALL SELECT c.cid, occurred, field, src, ref, now, c.row_no, {CLOSED} FROM changes AS c
            JOIN wholes AS o ON o.cid = c.cid AND o.row_no = c.row_no WHERE there AND late_was AND NOT late_now""",
    )
    # The record that was corrected, and its system, say nothing for the correction of it.
    engine.make(
        "corrected",
        """SELECT DISTINCT b.cid, b.row_no, e.src FROM bettered AS b
        JOIN kinds ON kinds.activity || '.' || kinds.lifecycle || '.occurred_at' = b.field
        JOIN ev AS e ON e.cid = b.cid AND e.k = kinds.k WHERE b.ref <> ''""",
    )
    # A record whose system nobody names may be another's: whether it backs the correction is not known.
    engine.make(
        "backed",
        f"""SELECT b.cid, b.row_no, max(e.src) > 0 AS surely FROM bettered AS b
        JOIN kinds AS f ON f.activity || '.' || f.lifecycle || '.occurred_at' = b.field
        JOIN ev AS e ON e.cid = b.cid AND e.k <> f.k AND e.k <> {KINDS["correction.changed"]}
            AND (e.src = 0 OR e.src <> b.src)
            AND ABS({_instant("e.occurred")} - {_instant("b.now")}) <= {days} * {1440 * MOMENT_MINUTE}
        LEFT JOIN corrected AS o ON o.cid = b.cid AND o.row_no = b.row_no AND o.src = e.src AND e.src > 0
        WHERE b.ref <> '' AND o.cid IS NULL GROUP BY b.cid, b.row_no""",
    )
    closed = f"{_instant('b.occurred')} >= {_instant('b.closing')}"
    engine.make(
        "improved",
        f"""SELECT l.cid, min(CASE WHEN {closed} THEN b.occurred END) AS improved_after,
            min(CASE WHEN b.closing IS NULL OR NOT {closed} THEN b.occurred END) AS improved_before,
            max(CASE WHEN l.there AND NOT l.unplaced AND u.cid IS NULL THEN 0 ELSE 1 END) = 1 AS changed_lost
        FROM (SELECT h.cid, h.there, (h.several OR COALESCE(h.life = 'return', FALSE))
                AND NOT h.whole AND s.cid IS NULL AS unplaced FROM changes AS h
            LEFT JOIN placed_changes AS s ON s.cid = h.cid AND s.row_no = h.row_no) AS l
        LEFT JOIN (SELECT b.* FROM bettered AS b LEFT JOIN backed ON backed.cid = b.cid AND backed.row_no = b.row_no
            WHERE backed.cid IS NULL) AS b ON b.cid = l.cid
        LEFT JOIN (SELECT DISTINCT cid FROM backed WHERE NOT surely) AS u ON u.cid = l.cid GROUP BY l.cid""",
    )


def _spans(engine: Engine) -> None:
    """Table `spans`: of each changed time the round that it began or ended, with its limit; of several rounds the one
    whose time it now is (`placed_changes`), and none where that cannot be told."""
    begins = f"""CASE h.life WHEN 'submit' THEN {_instant("r.began")} = {_instant("h.submitted")}
        WHEN 'start' THEN {day("r.began")} = {day("h.now")}
            AND (h.step > 0 OR h.submitted IS NULL OR {_instant("r.began")} <> {_instant("h.submitted")})
        ELSE {day("r.finished")} = {day("h.now")} END"""
    nearest = f"CASE WHEN {_instant('CASE WHEN h.life = ' + quoted('start') + ' THEN r.began ELSE r.finished END')} = {_instant('h.now')} THEN 0 ELSE 1 END"
    engine.make(
        "placed_changes",
        f"""SELECT cid, row_no, lim, began, finished FROM (SELECT h.cid, h.row_no, r.lim, r.began, r.finished,
                row_number() OVER (PARTITION BY h.cid, h.row_no ORDER BY {nearest}, r.g DESC) AS n
            FROM changes AS h JOIN rounds AS r ON r.cid = h.cid AND r.grp = h.step
            WHERE h.several AND NOT r.torn AND r.began IS NOT NULL AND (h.step > 0 OR h.t0 IS NOT NULL) AND {begins}) AS x WHERE n = 1""",
    )
    # The plan runs from acceptance where it has no start of its own: what is taken from one is given to the other.
    derived = "derived_supply_plan AND supply_plan_starts = 0"
    parts = ["SELECT cid, row_no, lim AS budget, began, finished, TRUE AS summed, FALSE AS is_plan FROM placed_changes"]
    for at, step in enumerate(STEPS):
        which, summed = f"step = {at} AND NOT several AND life <> 'return'", "TRUE"
        given = f"{step}_start, CASE WHEN derived_{step} AND {step}_starts = 0 THEN acceptance_pass END"
        if step == "acceptance":
            given = "submitted, CASE WHEN t0 IS NOT NULL THEN acceptance_start END"
            which += " AND (life <> 'start' OR submitted IS NULL)"
            summed = f"NOT COALESCE(life = 'complete' AND {derived}, FALSE)"
        parts.append(
            f"""SELECT cid, row_no, limit_{step}, COALESCE({given}), {step}_pass, {summed}, FALSE FROM changes WHERE {which}"""
        )
    parts.append(
        f"""SELECT cid, row_no, limit_supply_plan, acceptance_pass, supply_plan_pass, FALSE, TRUE FROM changes
        WHERE step = 0 AND NOT several AND life = 'complete' AND {derived}"""
    )
    engine.make(
        "spans",
        f"""SELECT h.cid, h.row_no, h.occurred, h.field, h.src, h.ref, h.was, h.now, h.there, h.whole, h.total_limit, h.used,
            s.budget, s.began, s.finished, s.summed, s.is_plan OR h.life IN ('submit', 'start') AS moved_start
        FROM changes AS h JOIN ({" UNION ALL ".join(parts)}) AS s ON s.cid = h.cid AND s.row_no = h.row_no""",
    )


def _whole_before_and_after(engine: Engine) -> None:
    """Table `wholes`: whether the whole process was late by the time that was changed, and whether it is by the new one."""
    spans = []
    for side in ("was", "now"):
        for field in WHOLE:
            start, end = (side, CLOSED) if field == SUBMITTED else ("COALESCE(submitted, t0)", side)
            spans.append(
                f"""SELECT cid, row_no, '{side}' AS side, deducts, total_limit, {day(start)} AS start_day, {day(end)} AS end_day
                FROM changes WHERE whole AND field = '{field}'"""
            )
    engine.make("whole_spans", " UNION ALL ".join(spans))
    engine.make(
        "whole_rests",
        f"""SELECT x.cid, x.row_no, x.side, {resting("x.end_day - 1")} AS off FROM whole_spans AS x
        JOIN fm AS f ON f.cid = x.cid WHERE x.deducts GROUP BY x.cid, x.row_no, x.side""",
    )
    late = past_due("start_day", "end_day", "total_limit + COALESCE(o.off, 0)")
    columns = ", ".join(
        f"max(CASE WHEN x.side = '{side}' AND {late} THEN 1 ELSE 0 END) = 1 AS late_{side}" for side in ("was", "now")
    )
    engine.make(
        "wholes",
        f"""SELECT x.cid, x.row_no, {columns} FROM whole_spans AS x
        LEFT JOIN whole_rests AS o ON o.cid = x.cid AND o.row_no = x.row_no AND o.side = x.side
        WHERE x.start_day IS NOT NULL AND x.end_day IS NOT NULL GROUP BY x.cid, x.row_no HAVING count(DISTINCT x.side) = 2""",
    )


def _loosened(engine: Engine, law: Law, *, tells_business: bool) -> None:
    """D33: a fact of the class changed after acceptance, with a longer limit or zero investment lost. What became a
    transfer has no limit any more; what it was until then had one."""
    number = {"capacity_kw": "DOUBLE", "supply_count": "BIGINT"}
    fields = (*CLASS_FACTS, "area")

    def columns(side: str) -> dict[str, str]:
        return {name: f"{side}_{name}" for name in fields} | {"hv_request_ref": "asked"}

    sides = ", ".join(
        f"CASE WHEN e.value = 'case.{name}' THEN TRY_CAST(e.{side}_value AS {number.get(name, 'VARCHAR')}) ELSE c.{name} END "
        f"AS {side}_{name}"
        for side in ("old", "new")
        for name in fields
    )
    listed = ", ".join(quoted(f"case.{name}") for name in (*CLASS_FACTS, "business_type"))
    asked = "(e.ref <> '' AND NOT e.only_uploads)"
    changed = f"k = {KINDS['correction.changed']}"
    engine.make(
        "kinds_of_business",
        f"""SELECT cid, occurred AS until, old_value AS was, lag(occurred) OVER (PARTITION BY cid ORDER BY occurred) AS since
        FROM rare WHERE {changed} AND value = 'case.business_type' AND occurred IS NOT NULL""",
    )
    told = "c.business_type <> ''" if tells_business else "TRUE"
    engine.make(
        "reclassed",
        f"""SELECT x.cid, x.occurred, x.rg, x.on_day, {law.classes(columns("old"), strict=False)} AS class_was,
            {law.classes(columns("new"), strict=False)} AS class_now,
            x.field = 'case.business_type' AS of_business, x.old_value <> 'transfer' AND x.new_value = 'transfer' AS freed,
            x.table_id IS NOT NULL AS in_force, CASE WHEN x.until IS NOT NULL THEN x.was <> 'transfer' ELSE x.governed_now END AS governed
        FROM (SELECT e.cid, e.occurred, e.value AS field, e.old_value, e.new_value, k.rg, k.on_day, t.table_id, b.until, b.was,
            k.high_voltage_asked AS asked, CASE WHEN {told} THEN c.business_type <> 'transfer' END AS governed_now,
            {sides}
            FROM rare AS e JOIN c ON c.cid = e.cid JOIN k ON k.cid = e.cid JOIN w ON w.cid = e.cid
            LEFT JOIN tables AS t ON t.rg = k.rg AND k.on_day BETWEEN t.day_from AND t.day_to
            LEFT JOIN kinds_of_business AS b ON b.cid = e.cid AND e.occurred < b.until AND e.occurred >= COALESCE(b.since, e.occurred)
            WHERE e.{changed} AND e.value IN ({listed}) AND NOT {asked}
            AND e.occurred > w.acceptance_complete) AS x""",
    )
    engine.make(
        "loosened",
        """SELECT cid, min(CASE WHEN CASE WHEN of_business THEN freed AND in_force ELSE governed AND looser END THEN occurred END) AS loosened,
            max(CASE WHEN CASE WHEN of_business THEN freed IS NULL OR (freed AND NOT in_force)
                ELSE COALESCE(governed, TRUE) AND (looser IS NULL OR (looser AND governed IS NULL)) END THEN 1 ELSE 0 END) = 1 AS change_unknown
        FROM (SELECT r.*, n.total_limit > d.total_limit OR (d.zero AND NOT n.zero) AS looser FROM reclassed AS r
        LEFT JOIN laws AS a ON a.rg = r.rg AND a.class = r.class_was AND r.on_day BETWEEN a.day_from AND a.day_to
        LEFT JOIN laws AS b ON b.rg = r.rg AND b.class = r.class_now AND r.on_day BETWEEN b.day_from AND b.day_to
        LEFT JOIN defs AS d ON d.def_id = a.def_id LEFT JOIN defs AS n ON n.def_id = b.def_id
        ) AS x GROUP BY cid""",
    )
