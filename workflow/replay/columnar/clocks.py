"""The clocks of finished and open cases: rounds of steps, the total, suspensions that count (policy 5).

Most cases have one round of each step; their clocks are columns of the wide row.  Cases with returns, repeated starts,
suspensions, endings or a region's merged steps go through a table of rounds; both ways end in the same columns.
"""

from __future__ import annotations

from typing import Final

from definitions._expressions import MOMENT_DAY, MOMENT_UNIT, past_due
from definitions.model import STEPS
from workflow.replay.columnar.engines import Engine
from workflow.replay.columnar.fold import KINDS, Compiled

NAMES: Final = (
    "t0", "traces_untimed", "submitted", "ended", "endings", "suspensions_seen", "energy_seen", "meter_seen", "contacts_seen",
    "metering_recorded",
    *(f"{step}_{what}" for step in STEPS for what in
      ("start", "complete", "pass", "starts", "completes", "returns", "waived")),
)  # fmt: skip


def day(moment: str) -> str:
    """The day of a moment."""
    return f"(({moment}) // {MOMENT_DAY})"


TOTAL_START: Final = day("COALESCE(submitted, t0)")
"""The day from which the total runs."""


def facts_of(compiled: Compiled) -> list[str]:
    """The columns of the folded facts that the clocks need."""
    return [compiled.column(compiled.detectors.folded[name], compiled.detectors.gates) for name in NAMES]


def view(engine: Engine, compiled: Compiled) -> None:
    """View `w`: the facts of a case by the names that statements use, beside the limits of its definition."""
    engine.view(
        "w",
        f"""SELECT b.*, {compiled.shared(NAMES)}, d.total_limit, d.whole, d.deducts, d.last_only, d.unusual,
        d.design_all OR COALESCE(b.important, TRUE) AS wants_design_review,
        d.mid_all OR COALESCE(b.important, TRUE) AS wants_mid_inspection,
        {", ".join(f"d.limit_{s}, d.group_{s}, d.derived_{s}" for s in STEPS)}
        FROM facts AS b LEFT JOIN defs AS d ON d.def_id = b.def_id""",
    )


def make(engine: Engine, as_of_day: int) -> None:
    """Tables `rounds` (of the special cases), `susp` (suspensions) and `clocks` (one row per case)."""
    repeated = " OR ".join(f"{s}_starts > 1 OR {s}_completes > 1 OR {s}_returns > 0" for s in STEPS)
    engine.make(
        "special",
        f"""SELECT cid, def_id, rejected_rows, {", ".join(NAMES)}, deducts, last_only FROM w
        WHERE def_id IS NOT NULL AND (unusual OR suspensions_seen > 0 OR endings > 0 OR {repeated})""",
    )
    _rounds(engine, as_of_day)
    _suspensions(engine, as_of_day)
    _clocks(engine, as_of_day)


def _closing() -> str:
    """The day the case left the utility's hands, NULL while it is open."""
    return f"COALESCE({day('metering_complete')}, {day('ended')})"


def _rounds(engine: Engine, as_of_day: int) -> None:
    numbers = {
        (KINDS[f"{step}.{life}"]): (at, life)
        for at, step in enumerate(STEPS)
        for life in ("start", "complete", "return")
    }
    step = "CASE k " + " ".join(f"WHEN {n} THEN {at}" for n, (at, _) in numbers.items()) + " END"
    life = "CASE k " + " ".join(f"WHEN {n} THEN '{life}'" for n, (_, life) in numbers.items()) + " END"
    # A merged step has the clock of its own records: between its parts the customer may be at work.
    key = f"CASE WHEN is_end AND m % 2 = 1 THEN m + {MOMENT_DAY - MOMENT_UNIT} ELSE m END"
    engine.make(
        "turns",
        f"""SELECT cid, def_id, grp, lim, derived, place, m, is_end, life, {key} AS sort FROM (
        SELECT s.cid, s.def_id, d.grp, d.lim, d.derived, d.place, e.occurred AS m, e.life, e.life <> 'start' AS is_end
        FROM (SELECT cid, occurred, {step} AS step, {life} AS life FROM ev
            WHERE occurred IS NOT NULL AND k IN ({", ".join(map(str, numbers))})) AS e
        JOIN special AS s ON s.cid = e.cid
        JOIN def_steps AS d ON d.def_id = s.def_id AND d.step = e.step AND d.grp = d.step) AS x
        UNION ALL
        SELECT s.cid, s.def_id, d.grp, d.lim, d.derived, d.place, s.submitted, FALSE, 'submit', s.submitted
        FROM special AS s JOIN def_steps AS d ON d.def_id = s.def_id AND d.step = 0 WHERE s.submitted IS NOT NULL""",
    )
    # A start of the moment of an end is that round's own where none runs, else the next round's. The submission and the
    # start of acceptance that it makes are one. A start that meets an end is left over where another answers that end.
    tied = f"CASE WHEN life = 'start' AND {not_after('met', 'm')} IS NOT NULL THEN m END"
    engine.make(
        "turned",
        f"""SELECT *, COALESCE(max(CASE WHEN asked OR ties <> 1 OR starts > 1 THEN 2 * g + CASE WHEN ties > twin AND (asked
                OR ties > CASE WHEN first_tie = began THEN 1 ELSE 0 END) THEN 1 ELSE 0 END END) OVER (PARTITION BY cid, grp ORDER BY g
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) % 2 = 1 AND ties > 0, FALSE) AS left_over,
            g = max(g) OVER (PARTITION BY cid, grp) AS is_last
        FROM (SELECT cid, def_id, grp, lim, derived, place, g, min(CASE WHEN life = 'start' THEN m END) AS began,
                min(CASE WHEN is_end THEN m END) AS finished, max(CASE WHEN is_end AND life = 'return' THEN 1 ELSE 0 END) AS back,
                count(CASE WHEN life = 'start' THEN 1 END) AS starts, count({tied}) AS ties, min({tied}) AS first_tie, max({tied}) AS spare,
                count(CASE WHEN life = 'submit' THEN 1 END) > 0 AS asked,
                CASE WHEN {not_after("min(CASE WHEN life = 'start' THEN m END)", "min(CASE WHEN life = 'submit' THEN m END)")} IS NOT NULL
                    AND count({tied}) = count(CASE WHEN life = 'start' THEN 1 END)
                    AND count(CASE WHEN life = 'submit' THEN 1 END) > 0 THEN 1 ELSE 0 END AS twin
            FROM (SELECT *, min(CASE WHEN is_end THEN m END) OVER (PARTITION BY cid, grp, g) AS met
                FROM (SELECT *, COALESCE(sum(CASE WHEN is_end THEN 1 ELSE 0 END) OVER (
                    PARTITION BY cid, grp ORDER BY sort // {MOMENT_UNIT}, is_end, life
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS g
                    FROM turns) AS x) AS y
            GROUP BY cid, def_id, grp, lim, derived, place, g) AS z""",
    )
    # A step whose clock starts of itself runs although nothing of it is recorded yet; one that came to a result nobody
    # knows when had a round of which nobody knows how long.
    waived = "CASE {} " + " ".join(f"WHEN {at} THEN s.{step}_waived" for at, step in enumerate(STEPS)) + " END"
    # Of two starts before one result, a result that was lost may have answered the first.
    results = ", ".join(str(number) for number, (_, life) in numbers.items() if life != "start")
    engine.make("undated", f"SELECT DISTINCT cid, {step} AS step FROM ev WHERE occurred IS NULL AND k IN ({results})")
    # A step begun nobody knows when has a start of its own; acceptance runs from the submission all the same.
    starts = ", ".join(str(number) for number, (at, life) in numbers.items() if life == "start" and at > 0)
    engine.make("begun", f"SELECT DISTINCT cid, {step} AS step FROM ev WHERE occurred IS NULL AND k IN ({starts})")
    engine.make("reaches", "SELECT cid, max(place) AS reached FROM turned GROUP BY cid")
    engine.make(
        "passes",
        "SELECT cid, place, max(finished) AS passed FROM turned WHERE back = 0 AND finished IS NOT NULL GROUP BY cid, place",
    )
    engine.make(
        "silent",
        f"""SELECT s.cid, s.def_id, d.grp, d.lim, d.derived, d.place FROM special AS s
        JOIN def_steps AS d ON d.def_id = s.def_id AND d.derived AND d.grp = d.step AND d.place > 0
        JOIN passes AS p ON p.cid = s.cid AND p.place = d.place - 1
        LEFT JOIN (SELECT DISTINCT cid, place FROM turned) AS t ON t.cid = s.cid AND t.place = d.place
        WHERE t.cid IS NULL AND {waived.format("d.step")} = 0
        UNION SELECT s.cid, s.def_id, d.grp, d.lim, d.derived, d.place FROM special AS s
        JOIN def_steps AS d ON d.def_id = s.def_id AND d.grp = d.step
        JOIN (SELECT * FROM undated UNION SELECT * FROM begun) AS u ON u.cid = s.cid AND u.step = d.step
        LEFT JOIN (SELECT DISTINCT cid, place FROM turned) AS t ON t.cid = s.cid AND t.place = d.place WHERE t.cid IS NULL""",
    )
    # A round of acceptance starts with the submission; what starts the first round of another step of itself is the pass
    # of the step before.  Nothing starts after its end.
    submitted = not_after("s.submitted", "r.finished")
    derived = not_after("p.passed", "r.finished")
    open_end = f"CASE WHEN s.endings > 0 THEN {day('s.ended')} WHEN s.metering_completes = 0 THEN {as_of_day} END"
    engine.make(
        "rounds",
        f"""SELECT cid, def_id, grp, lim, place, g, began, finished, start_day,
            COALESCE(CASE WHEN finished IS NOT NULL THEN {day("finished")} END, open_end) AS end_day,
            finished IS NULL AS is_open, began IS NULL OR went_on AS torn,
            lim IS NOT NULL AND (began IS NULL OR went_on) AS unknown
        FROM (SELECT y.*, {day("began")} AS start_day FROM (
            SELECT r.cid, r.def_id, r.grp, r.lim, r.place, r.g, r.finished,
            CASE WHEN r.g > 0 THEN COALESCE(r.spared, r.began)
                WHEN r.place = 0 THEN COALESCE({submitted}, r.began)
                WHEN r.derived AND b.cid IS NULL THEN COALESCE(r.began, {derived}) ELSE r.began END AS began,
            r.previous_end, CASE WHEN r.finished IS NULL THEN {open_end} END AS open_end,
            CASE WHEN r.finished IS NULL THEN s.rejected_rows > 0 OR t.reached > r.place OR (s.endings > 0 AND s.ended IS NULL) OR u.cid IS NOT NULL
                ELSE r.starts > CASE WHEN r.spared IS NULL THEN 1 ELSE 0 END AND (s.rejected_rows > 0 OR u.cid IS NOT NULL) END AS went_on
            FROM (SELECT cid, def_id, grp, lim, derived, place, g, began, finished, starts,
                    lag(finished) OVER (PARTITION BY cid, grp ORDER BY g) AS previous_end,
                    lag(CASE WHEN left_over THEN spare END) OVER (PARTITION BY cid, grp ORDER BY g) AS spared FROM turned UNION ALL
                SELECT cid, def_id, grp, lim, derived, place, g + 1, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), 0, finished, spare
                    FROM turned WHERE left_over AND is_last UNION ALL
                SELECT t.cid, def_id, grp, lim, derived, place, g + 1, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), 0, finished, CAST(NULL AS BIGINT)
                    FROM turned AS t JOIN begun AS b ON b.cid = t.cid AND b.step = t.grp WHERE is_last AND back = 1 AND NOT left_over UNION ALL
                SELECT cid, def_id, grp, lim, derived, place, 0, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
                    0, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT) FROM silent) AS r
            JOIN special AS s ON s.cid = r.cid
            LEFT JOIN passes AS p ON p.cid = r.cid AND p.place = r.place - 1
            LEFT JOIN passes AS own ON own.cid = r.cid AND own.place = r.place
            LEFT JOIN reaches AS t ON t.cid = r.cid
            LEFT JOIN undated AS u ON u.cid = r.cid AND u.step = r.grp
            LEFT JOIN begun AS b ON b.cid = r.cid AND b.step = r.grp
            WHERE r.finished IS NOT NULL OR (own.passed IS NULL AND {waived.format("r.grp")} = 0)) AS y) AS z
        WHERE (finished IS NOT NULL OR open_end IS NOT NULL OR went_on)
            AND NOT (began IS NULL AND g > 0 AND COALESCE(finished // {MOMENT_UNIT} = previous_end // {MOMENT_UNIT}, FALSE))""",
    )


def not_after(began: str, finished: str) -> str:
    """SQL of a start, NULL where it lies behind its end: a date is a whole day."""
    return f"CASE WHEN NOT COALESCE({before(finished, began)}, FALSE) THEN {began} END"


def before(first: str, second: str, *, perhaps: bool = False) -> str:
    """SQL of whether a moment lies before another, or may (`perhaps`): a date is a whole day."""
    days = f"{day(first)} {'<=' if perhaps else '<'} {day(second)}"
    times = f"{first} // {MOMENT_UNIT} < {second} // {MOMENT_UNIT}"
    return f"CASE WHEN {first} % 2 = 1 OR {second} % 2 = 1 THEN {days} ELSE {times} END"


def _suspensions(engine: Engine, as_of_day: int) -> None:
    """Table `susp`: each suspension with its end; `unsure`: cases where force majeure has lost its start, its end
    though the customer was energised, or its name; `fm`: the stretches of force majeure of a case, merged."""
    begin, end = KINDS["suspension.start"], KINDS["suspension.end"]
    # What begins lasts until the next end. An end without a beginning of its own, where no more have ended than began (the
    # balance), ends what began beside the one before it; at the same time as that one it is that one, told twice.
    engine.make(
        "stretches",
        f"""SELECT *, sum(starts - CASE WHEN finished IS NULL OR is_twice THEN 0 ELSE 1 END)
                OVER (PARTITION BY cid ORDER BY g) AS balance,
            COALESCE(NULLIF(ground_ended, ''), max(ground) OVER (PARTITION BY cid ORDER BY g), '') AS ground_ending
        FROM (SELECT *, began IS NULL AND COALESCE(finished // {MOMENT_UNIT} = before // {MOMENT_UNIT}, FALSE) AS is_twice
        FROM (SELECT *, lag(finished) OVER (PARTITION BY cid ORDER BY g) AS before FROM (
        SELECT cid, g, count(CASE WHEN NOT is_end THEN 1 END) AS starts, min(CASE WHEN NOT is_end THEN m END) AS began,
            min(CASE WHEN NOT is_end AND value = 'force_majeure' THEN m END) AS fm_began,
            min(CASE WHEN is_end THEN m END) AS finished, min(CASE WHEN NOT is_end THEN recorded END) AS recorded,
            max(CASE WHEN NOT is_end THEN value END) AS ground, max(CASE WHEN NOT is_end THEN ref END) AS ref,
            max(CASE WHEN is_end THEN value END) AS ground_ended
        FROM (SELECT *, COALESCE(sum(CASE WHEN is_end THEN 1 ELSE 0 END) OVER (
            PARTITION BY cid ORDER BY sort // {MOMENT_UNIT}, is_end, row_no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS g
            FROM (SELECT cid, occurred AS m, entered AS recorded, value, ref, k = {end} AS is_end, row_no,
                CASE WHEN k = {end} AND occurred % 2 = 1 THEN occurred + {MOMENT_DAY - MOMENT_UNIT} ELSE occurred END AS sort
                FROM rare_events WHERE k IN ({begin}, {end}) AND occurred IS NOT NULL) AS y) AS x
        GROUP BY cid, g) AS a) AS b) AS c""",
    )
    engine.make("susp", "SELECT cid, g, began, finished, recorded, ground, ref FROM stretches WHERE began IS NOT NULL")
    # Who was energised had work going on again, and nobody says since when.
    engine.make(
        "endless",
        f"""SELECT x.cid, x.g FROM stretches AS x JOIN special AS s ON s.cid = x.cid
        WHERE x.finished IS NULL AND s.ended IS NULL AND {day("x.fm_began")} <= {day("s.metering_complete")}""",
    )
    engine.make(
        "unsure",
        f"""SELECT cid FROM stretches WHERE began IS NULL AND ground_ending IN ('', 'force_majeure') AND NOT is_twice AND balance < 0
        UNION SELECT cid FROM rare_events WHERE k = {begin} AND (occurred IS NULL OR value = '') UNION SELECT cid FROM endless""",
    )
    engine.make(
        "fm",
        merged(f"""SELECT x.cid, {day("x.fm_began")} - 1 AS low, COALESCE({day("x.finished")}, {day("s.ended")}, 1000000) AS high
            FROM stretches AS x LEFT JOIN endless AS n ON n.cid = x.cid AND n.g = x.g LEFT JOIN special AS s ON s.cid = x.cid
            WHERE x.fm_began IS NOT NULL AND n.cid IS NULL
            UNION ALL SELECT cid, {day("before")} - 1 AS low, {day("finished")} AS high FROM stretches
            WHERE began IS NULL AND ground_ending = 'force_majeure' AND NOT is_twice AND balance >= 0"""),
    )
    end_day = f"COALESCE({_closing()}, {as_of_day})"
    engine.make(
        "deducted",
        f"""SELECT x.cid, {resting("x.end_day")} AS used_off, {resting("x.end_day - 1")} AS before_off
        FROM (SELECT cid, {TOTAL_START} AS start_day, {end_day} AS end_day FROM special WHERE deducts) AS x
        JOIN fm AS f ON f.cid = x.cid GROUP BY x.cid""",
    )


def merged(stretches: str) -> str:
    """SQL of the stretches of days (from the day after `low` to `high`) of each case, those that overlap or meet as
    one."""
    return f"""SELECT cid, island, min(low) AS low, max(high) AS high FROM (
            SELECT *, sum(CASE WHEN low > reach THEN 1 ELSE 0 END) OVER (PARTITION BY cid ORDER BY low, high
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS island FROM (
            SELECT *, COALESCE(max(high) OVER (PARTITION BY cid ORDER BY low, high
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), low) AS reach FROM ({stretches}) AS a
            WHERE high > low) AS b) AS d
        GROUP BY cid, island"""


def resting(last: str) -> str:
    """SQL of the working days up to the day `last` that force majeure takes from the total, for a case `x` that has a
    `start_day`, summed over the rows `f` of table `fm`."""
    high, low = f"LEAST(f.high, {last})", "GREATEST(f.low, x.start_day)"
    return f"sum(CASE WHEN {high} > {low} THEN wd_at({high}) - wd_at({low}) ELSE 0 END)"


def _simple(step: str, as_of_day: int) -> tuple[str, str]:
    """Start and end day of the only round of `step`; the end of an open one is the as-of day."""
    done = f"{step}_complete"
    starts = [f"{step}_start"]
    if step == "acceptance":
        starts.insert(0, "submitted")
    else:
        starts.append(f"CASE WHEN derived_{step} AND NOT {_begun(step)} THEN acceptance_pass END")
    running = f"{step}_completes = 0 AND {step}_waived = 0 AND {_went_on(step)} = 0 AND rejected_rows = 0"
    usable = ", ".join(not_after(one, done) for one in starts)
    return f"COALESCE({usable})", f"COALESCE({day(done)}, CASE WHEN {running} THEN {as_of_day} END)"


def _begun(step: str) -> str:
    """SQL of whether a step was begun, and nobody knows when."""
    return f"({step}_starts > 0 AND {step}_start IS NULL)"


def _went_on(step: str) -> str:
    """SQL of how many records there are of the steps behind `step`."""
    behind = STEPS[STEPS.index(step) + 1 :]
    return f"({' + '.join(f'{one}_starts + {one}_completes + {one}_returns' for one in behind) or '0'})"


def _clocks(engine: Engine, as_of_day: int) -> None:
    bounds, useds, unknowns, lates = [], [], [], []
    for at, step in enumerate(STEPS):
        start, end = _simple(step, as_of_day)
        bounds.append(f"{start} AS s_{step}, {end} AS e_{step}")
        used = f"GREATEST(wd_at(e_{step}) - wd_at({day(f's_{step}')}), 0)"
        useds.append(f"CASE WHEN limit_{step} IS NOT NULL THEN {used} END AS u_{step}")
        # Who used less than the limit is not late: most need no second look into the calendar. What is still open is
        # late when more days are used than there are; the rest days right after the due date use none.
        overdue = past_due(day(f"s_{step}"), f"e_{step}", f"limit_{step}")
        over = f"u_{step} > limit_{step} OR (u_{step} = limit_{step} AND {step}_complete IS NOT NULL AND {overdue})"
        lates.append(f"WHEN {over} THEN {at}")
        # A step begun and left behind without an end on record cannot be measured, nor may a torn one.
        left = f"s_{step} IS NOT NULL AND ({_went_on(step)} > 0 OR rejected_rows > 0)"
        left = f"{step}_waived = 0 AND ({left}{f' OR {_begun(step)}' if at else ''})"
        unknowns.append(
            f"(limit_{step} IS NOT NULL AND CASE WHEN {step}_completes > 0 THEN s_{step} IS NULL OR e_{step} IS NULL "
            f"ELSE {left} END)"
        )

    def of_late(what: str) -> str:
        return "CASE z.late " + " ".join(f"WHEN {at} THEN {what.format(step=s)}" for at, s in enumerate(STEPS)) + " END"

    wanted = {step: f" AND wants_{step}" for step in ("design_review", "mid_inspection")}
    needed = " OR ".join(
        f"(limit_{s} IS NOT NULL AND {s}_completes = 0 AND {s}_waived = 0{wanted.get(s, '')})"
        for s in STEPS
        if s != "metering"
    )
    done = "(finished IS NOT NULL OR s.endings > 0 OR wd_at(end_day) - wd_at(start_day) > lim)"
    late = f"({done} AND {past_due('start_day', 'end_day', 'lim')})"
    engine.make(
        "special_clocks",
        f"""SELECT cid, sum(CASE WHEN lim IS NOT NULL AND began IS NOT NULL AND (NOT last_only OR latest) THEN
                GREATEST(wd_at(end_day) - wd_at(start_day), 0) ELSE 0 END) AS used_steps,
            max(CASE WHEN unknown THEN 1 ELSE 0 END) = 1 AS unknown,
            min(CASE WHEN is_late AND NOT torn THEN place * 1000 + g END) AS late_at FROM (
            SELECT r.*, s.last_only, {late} AS is_late,
            row_number() OVER (PARTITION BY r.cid, r.grp ORDER BY r.g DESC) = 1 AS latest
            FROM rounds AS r JOIN special AS s ON s.cid = r.cid) AS x GROUP BY cid""",
    )
    engine.make(
        "special_late",
        """SELECT r.cid, COALESCE(r.finished, s.ended, r.began) AS late_round, r.grp AS late, r.lim AS late_limit,
            wd_at(r.end_day) - wd_at(r.start_day) AS late_used
        FROM rounds AS r JOIN special_clocks AS x ON x.cid = r.cid AND x.late_at = r.place * 1000 + r.g
        JOIN special AS s ON s.cid = r.cid""",
    )
    end_day = f"COALESCE({_closing()}, {as_of_day})"
    named = " ".join(f"WHEN {at} THEN '{s}'" for at, s in enumerate(STEPS))
    engine.make(
        "clocks",
        f"""SELECT z.cid, COALESCE(sl.late_round, {of_late("COALESCE({step}_complete, s_{step})")}) AS late_round,
            CASE COALESCE(sl.late, z.late) {named} END AS late_step,
            COALESCE(sl.late_limit, {of_late("limit_{step}")}) AS late_limit,
            COALESCE(sl.late_used, {of_late("u_{step}")}) AS late_used,
            not_governed OR (def_id IS NOT NULL AND NOT unknown AND (whole OR t0 IS NOT NULL)) AS rounds_known,
            CASE WHEN whole THEN CASE WHEN submitted IS NOT NULL AND NOT unended AND NOT excusable THEN total_used END WHEN def_id IS NOT NULL AND NOT unmeasured THEN steps_used END AS used,
            CASE WHEN total_broken THEN COALESCE(metering_complete, ended, submitted, t0) END AS total_late,
            def_id IS NOT NULL AND CASE WHEN whole THEN submitted IS NOT NULL AND NOT unended AND NOT excusable ELSE NOT unmeasured END AS total_known,
            in_doubt,
            metering_complete IS NOT NULL OR ended IS NOT NULL AS is_closed
        FROM (SELECT *, CASE WHEN def_id IS NULL THEN NULL WHEN whole THEN broken_whole AND submitted IS NOT NULL AND NOT unended AND NOT excusable
            ELSE NOT unmeasured AND steps_used > total_limit END AS total_broken FROM (SELECT *,
            in_doubt AND broken_whole AS excusable,
            unknown OR unended OR t0 IS NULL OR (metering_completes > 0 AND endings = 0 AND ({needed})) AS unmeasured FROM (
        SELECT y.*, metering_complete IS NULL AND ended IS NULL AND (metering_completes > 0 OR endings > 0 OR rejected_rows > 0)
            OR (whole AND y.end_day < y.start_day) AS unended, CASE WHEN sc.cid IS NULL THEN CASE {" ".join(lates)} END END AS late,
            CASE WHEN sc.cid IS NOT NULL THEN sc.unknown ELSE {" OR ".join(unknowns)} END AS unknown,
            CASE WHEN sc.cid IS NOT NULL THEN sc.used_steps
                ELSE {" + ".join(f"COALESCE(u_{step}, 0)" for step in STEPS)} END AS steps_used,
            COALESCE(whole AND deducts AND (rejected_rows > 0 OR un.cid IS NOT NULL), FALSE) AS in_doubt,
            whole_used - COALESCE(de.used_off, 0) AS total_used,
            whole_used >= total_limit AND y.end_day > y.start_day AND
                wd_at(y.end_day - 1) - wd_at(y.start_day) - COALESCE(de.before_off, 0) >= total_limit AND
                ({_closing()} IS NOT NULL OR whole_used - COALESCE(de.used_off, 0) > total_limit) AS broken_whole
        FROM (SELECT *, {", ".join(useds)}, GREATEST(wd_at(end_day) - wd_at(start_day), 0) AS whole_used
            FROM (SELECT *, {", ".join(bounds)}, {TOTAL_START} AS start_day, {end_day} AS end_day FROM w) AS x) AS y
        LEFT JOIN special_clocks AS sc ON sc.cid = y.cid LEFT JOIN deducted AS de ON de.cid = y.cid
        LEFT JOIN unsure AS un ON un.cid = y.cid) AS u) AS v) AS z
        LEFT JOIN special_late AS sl ON sl.cid = z.cid""",
    )
