"""The same need filed again (D14, D34, D35): cases of the same premises, in the order of their first trace, and what those
tell of each other that do not say what place, voltage, capacity or time they are of."""

from __future__ import annotations

from typing import Final

from definitions.detectors import Detectors
from workflow.core.chain import SLACK_KW
from workflow.replay.columnar.clocks import before, day, not_after, resting
from workflow.replay.columnar.engines import Engine, listed
from workflow.replay.columnar.fold import KINDS
from workflow.replay.tables import SOURCE_NUMBERS

_WITHDRAWN: Final = KINDS["application.withdraw"]
_ENDS: Final = ", ".join(str(KINDS[f"application.{end}"]) for end in ("withdraw", "terminate", "refuse"))


def make(engine: Engine, detectors: Detectors) -> list[str]:
    """The tables of one row per case that has something; returns their names."""
    _endings(engine, detectors)
    _sites(engine, detectors)
    _pairs(engine, detectors)
    _doubts(engine, detectors)
    _nears(engine, detectors)
    return ["premises", "dark_premises", "restarts", "perhaps_restarted", "lost_endings", "nears"]


def _endings(engine: Engine, detectors: Detectors) -> None:
    """Table `endings`: how a case was ended, whether the customer asked for it, whether that or anything else explains
    it (`proved`), and whether it may have been asked for and hardly any record of the kind carries a reference that would
    say so (`unsure`, gate c)."""
    d14 = detectors.detector("D14").thresholds
    by_customer = f"src IN ({SOURCE_NUMBERS['customer_app']}, {SOURCE_NUMBERS['callcentre']})"
    # Who asked is not known where a withdrawal names no source: it may have been the customer.
    perhaps = f"({by_customer} OR (src = 0 AND k = {_WITHDRAWN}))"
    shown = "ref <> '' AND NOT only_uploads"
    engine.make(
        "endings",
        f"""SELECT cid, min(occurred) AS ended, max(CASE WHEN ({by_customer} OR k = {_WITHDRAWN}) AND {shown} THEN 1 ELSE 0 END) = 1 AS asked_for,
            max(CASE WHEN ({perhaps} AND {shown}) OR value IN ({listed(d14["lapsed"])})
                OR value IN ({listed(d14["changed"])}) THEN 1 ELSE 0 END) = 1 AS proved,
            max(CASE WHEN value IN ({listed(d14["duplicate"])}) THEN 1 ELSE 0 END) = 1 AS duplicate,
            max(CASE WHEN {perhaps} AND ref = '' AND NOT ref_expected THEN 1 ELSE 0 END) = 1 AS unsure
        FROM rare_events WHERE k IN ({_ENDS}) GROUP BY cid""",
    )


def _unserved() -> str:
    """SQL of whether a case had no power yet when it was ended: the clock of the whole stops with the supply."""
    return f"(w.metering_complete IS NULL OR {before('w.ended', 'w.metering_complete')})"


def _alike(detectors: Detectors, *, perhaps: bool = False) -> str:
    """SQL of whether the case `n` is for the need of the case `o`, by voltage and capacity, or may be (`perhaps`)."""
    tolerance = detectors.detector("D14").thresholds["capacity_tolerance"]
    voltage = "n.voltage = o.voltage"
    capacity = f"ABS(n.capacity_kw - o.capacity_kw) <= {tolerance} * o.capacity_kw + {SLACK_KW}"
    if perhaps:
        voltage, capacity = f"COALESCE({voltage}, TRUE)", f"COALESCE({capacity}, TRUE)"
    return f"n.cid <> o.cid AND {voltage} AND {capacity}"


def _sites(engine: Engine, detectors: Detectors) -> None:
    """Table `sites`: every case that says of what place and time it is; `dim`: those that lack that, or their voltage or
    capacity; `premises`, `dark_premises`: the cases that have an earlier one beside them, or may have."""
    columns = f"""SELECT c.cid, c.case_id, c.premises_id, c.customer_id, c.voltage, c.capacity_kw, c.rejected_rows, w.t0,
        COALESCE(w.submitted, w.t0) AS filed, w.metering_complete AS energised, CASE WHEN {_unserved()} THEN e.ended END AS ended,
        e.cid IS NOT NULL AS is_ended, COALESCE(e.asked_for, FALSE) AS asked_for, COALESCE(e.unsure, FALSE) AS unsure,
        COALESCE(e.proved OR (e.duplicate AND {day("e.ended")} = {day("COALESCE(w.submitted, w.t0)")}), FALSE) AS proved"""
    tables = "FROM c JOIN w ON w.cid = c.cid LEFT JOIN endings AS e ON e.cid = c.cid"
    placed = "COALESCE(c.premises_id, '') <> ''"
    engine.make("sites", f"{columns} {tables} WHERE {placed} AND w.t0 IS NOT NULL")
    # Whatever it is that is on record of a case, its application was made no later.
    engine.make(
        "dim",
        f"""{columns}, s.seen, s.cid IS NULL AND w.t0 IS NULL AS is_blank {tables}
        LEFT JOIN (SELECT e.cid, min(e.occurred) AS seen FROM ev AS e JOIN w ON w.cid = e.cid AND w.t0 IS NULL GROUP BY e.cid) AS s
            ON s.cid = c.cid
        WHERE ({placed} OR COALESCE(c.customer_id, '') <> '')
            AND (NOT {placed} OR c.voltage IS NULL OR c.capacity_kw IS NULL OR w.t0 IS NULL)""",
    )
    engine.make(
        "premises",
        """SELECT s.cid FROM sites AS s JOIN (SELECT premises_id, min(t0) AS earliest FROM sites GROUP BY premises_id
            HAVING count(*) > 1) AS p ON p.premises_id = s.premises_id WHERE s.t0 > p.earliest""",
    )
    earliest = "min(COALESCE(t0, 0)) AS earliest FROM dim WHERE"
    engine.make(
        "dark_premises",
        f"""SELECT s.cid FROM sites AS s JOIN (SELECT premises_id, {earliest} t0 IS NULL AND COALESCE(premises_id, '') <> ''
            GROUP BY premises_id) AS d ON d.premises_id = s.premises_id
        UNION SELECT s.cid FROM sites AS s JOIN (SELECT customer_id, {earliest} COALESCE(premises_id, '') = '' GROUP BY customer_id) AS d
            ON d.customer_id = s.customer_id WHERE d.earliest < s.t0""",
    )


def _pairs(engine: Engine, detectors: Detectors) -> None:
    """Tables `pairs` (an ended case and another of its need), `met` (what was energised behind an ending), and `restarts`:
    who was filed anew (D14), and what was ended before (D35)."""
    quick = detectors.detector("D35").thresholds["quick_working_days"]
    same = f"n.premises_id = o.premises_id AND {_alike(detectors)}"
    engine.make(
        "pairs",
        f"""SELECT o.cid AS old_cid, o.case_id AS old_case, o.ended, o.proved, o.unsure, o.asked_for, o.energised AS old_energised, n.cid AS new_cid,
            n.case_id AS new_case, n.t0, n.filed, o.t0 AS old_t0
        FROM (SELECT * FROM sites WHERE ended IS NOT NULL) AS o JOIN sites AS n ON {same}""",
    )
    # Of the energisations behind an ending the first two are enough: one of them is another case's than the new one.
    engine.make(
        "met",
        f"""SELECT old_cid, cid, energised FROM (SELECT o.cid AS old_cid, n.cid, n.energised,
                row_number() OVER (PARTITION BY o.cid ORDER BY n.energised, n.cid) AS nth
            FROM (SELECT * FROM sites WHERE ended IS NOT NULL) AS o JOIN sites AS n ON {same}
            WHERE n.energised IS NOT NULL AND {not_after("n.energised", "o.ended")} IS NULL) AS x WHERE nth <= 2""",
    )
    engine.make(
        "restarts0",
        f"""SELECT old_cid, new_case, row_number() OVER (PARTITION BY old_cid ORDER BY t0, new_cid) AS n FROM pairs
        WHERE {_filed_anew(detectors, "filed", "ended")}""",
    )
    engine.make(
        "again",
        f"""SELECT new_cid AS cid, count(DISTINCT old_cid) AS earlier_endings, max(old_case) AS earlier_ending_case,
            max(CASE WHEN wd_at({day("filed")}) - wd_at({day("ended")}) <= {quick} THEN 1 ELSE 0 END) = 1 AS quick_return
        FROM pairs WHERE {_ended_lately(detectors, "ended", "filed")} AND NOT (proved OR unsure) GROUP BY new_cid""",
    )
    engine.make(
        "restarts",
        """SELECT s.cid, r.new_case AS restarted_by, s.proved AS ending_proved, s.unsure AS ending_unsure, a.earlier_endings,
            a.earlier_ending_case, a.quick_return
        FROM sites AS s LEFT JOIN (SELECT * FROM restarts0 WHERE n = 1) AS r ON r.old_cid = s.cid
        LEFT JOIN again AS a ON a.cid = s.cid WHERE s.proved OR s.unsure OR r.old_cid IS NOT NULL OR a.cid IS NOT NULL
        UNION ALL SELECT e.cid, CAST(NULL AS VARCHAR), e.proved, e.unsure, CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), CAST(NULL AS BOOLEAN)
        FROM endings AS e LEFT JOIN sites AS s ON s.cid = e.cid WHERE s.cid IS NULL AND (e.proved OR e.unsure)""",
    )


def _filed_anew(detectors: Detectors, filed: str, ended: str) -> str:
    """SQL of whether an application was made between some working days before an ending and some days after it (D14)."""
    d14 = detectors.detector("D14").thresholds
    filed, ended = day(filed), day(ended)
    return (
        f"(({filed} > {ended} AND {filed} - {ended} <= {d14['after_days']}) "
        f"OR ({filed} <= {ended} AND wd_at({ended}) - wd_at({filed}) <= {d14['before_working_days']}))"
    )


def _ended_lately(detectors: Detectors, ended: str, filed: str) -> str:
    """SQL of whether an ending lies in the window before an application (D35)."""
    ended, filed = day(ended), day(filed)
    return f"({filed} >= {ended} AND {filed} - {ended} <= {detectors.detector('D35').thresholds['window_days']})"


def _doubts(engine: Engine, detectors: Detectors) -> None:
    """Tables `perhaps_restarted` and `lost_endings`: the ended cases that may have been filed anew (D14), and those before
    which a case of the need may have been ended (D35), by a case that does not say enough of itself: of no named place it
    may be of any that the same customer has."""
    d14 = detectors.detector("D14").thresholds
    alike = _alike(detectors, perhaps=True)
    nowhere = "COALESCE({0}.premises_id, '') = '' AND {0}.customer_id = {1}.customer_id"

    def beside(taken: str, old: str, new: str, dim: str, where: str) -> str:
        site = "o" if dim == "n" else "n"
        there = ("n.premises_id = o.premises_id", nowhere.format(dim, site))
        return " UNION ".join(
            f"SELECT {taken} FROM ({old}) AS o JOIN ({new}) AS n ON {place} AND {alike} WHERE {where}"
            for place in there
        )

    ended = "SELECT * FROM sites WHERE ended IS NOT NULL"
    long_before = f"{day('n.seen')} <= {day('o.ended')} AND wd_at({day('o.ended')}) - wd_at({day('n.seen')}) > {d14['before_working_days']}"
    filed = f"CASE WHEN n.filed IS NULL THEN NOT COALESCE({long_before}, FALSE) ELSE {_filed_anew(detectors, 'n.filed', 'o.ended')} END"
    engine.make(
        "perhaps_restarted",
        beside("o.cid, TRUE AS restart_lost", ended, "SELECT * FROM dim", "n", filed),
    )
    # Of what was ended, and nobody knows when, or by whose wish; a row that could not be read may have been the ending.
    known = "cid, premises_id, customer_id, voltage, capacity_kw, t0, ended"
    lost = "energised IS NULL AND ended IS NULL AND (rejected_rows > 0 OR is_ended)"
    old = f"""SELECT {known} FROM sites WHERE ({lost}) OR (ended IS NOT NULL AND unsure AND NOT proved)
        UNION SELECT {known} FROM dim WHERE is_blank OR ({lost}) OR (ended IS NOT NULL AND NOT proved)"""
    when = f"CASE WHEN o.ended IS NULL THEN COALESCE({day('o.t0')} <= {day('n.filed')}, TRUE) ELSE {_ended_lately(detectors, 'o.ended', 'n.filed')} END"
    engine.make(
        "lost_endings",
        beside("n.cid, TRUE AS earlier_ending_lost", old, "SELECT * FROM sites", "o", when),
    )


def _nears(engine: Engine, detectors: Detectors) -> None:
    """Table `nears`: whether a case was ended near or past a limit."""
    near = detectors.detector("D14").thresholds["near_working_days"]

    def close(budget: str, used: str) -> str:
        return f"{budget} - ({used}) <= LEAST({near}, {budget} / 2.0)"

    # As the total is counted: what force majeure takes is not used.
    engine.make(
        "rested",
        f"""SELECT x.cid, {resting(day("x.ended"))} AS off FROM (SELECT cid, ended, {day("submitted")} AS start_day FROM w
            WHERE whole AND deducts AND submitted IS NOT NULL AND ended IS NOT NULL AND suspensions_seen > 0) AS x
        JOIN fm AS f ON f.cid = x.cid GROUP BY x.cid""",
    )
    used = f"wd_at({day('w.ended')}) - wd_at({day('w.submitted')}) - COALESCE(o.off, 0)"
    # What a round that nobody can measure would have shown, nobody knows, nor what a lost suspension took from the total.
    engine.make(
        "nears",
        f"""SELECT w.cid, NOT {_unserved()} OR w.def_id IS NOT NULL AND COALESCE(r.unknown, 0) = 0 AND NOT x.in_doubt AND
                CASE WHEN w.whole THEN w.submitted IS NOT NULL ELSE r.cid IS NOT NULL END AS near_known,
            {_unserved()} AND (COALESCE(w.whole AND NOT x.in_doubt AND {close("w.total_limit", used)}, FALSE) OR COALESCE(r.near_step, 0) = 1) AS near_limit
        FROM w JOIN clocks AS x ON x.cid = w.cid LEFT JOIN (SELECT r.cid, max(CASE WHEN r.unknown THEN 1 ELSE 0 END) AS unknown,
            max(CASE WHEN r.lim IS NOT NULL AND r.is_open AND NOT r.torn AND
            {close("r.lim", "wd_at(r.end_day) - wd_at(r.start_day)")} THEN 1 ELSE 0 END) AS near_step
            FROM rounds AS r GROUP BY r.cid) AS r ON r.cid = w.cid LEFT JOIN rested AS o ON o.cid = w.cid
        WHERE w.ended IS NOT NULL""",
    )
