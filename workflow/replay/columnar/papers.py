"""Facts that need a case's rare events side by side: documents, returns, suspensions, requests."""

from __future__ import annotations

from typing import Final

from definitions._expressions import MOMENT_DAY, MOMENT_UNIT, earlier
from definitions.detectors import Detectors
from definitions.model import STEPS
from workflow.replay.columnar.clocks import TOTAL_START, before, day, resting
from workflow.replay.columnar.engines import Engine
from workflow.replay.columnar.fold import KINDS, refs_expected
from workflow.replay.lists import (
    ACCEPTED_ON,
    ENTERED_LATE,
    FIELD_WORK,
    HANDED_IN,
    INSPECTIONS,
    NEAR_A_LIMIT,
    OVER_HALF,
    PAPERS,
    PROJECT,
    WITHOUT_PROOF,
    WORK_INSIDE,
)
from workflow.replay.references import BETWEEN, SEPARATORS

VOLUNTEERED: Final = f"(^|{SEPARATORS})volunteered({SEPARATORS}|$)"
"""A pattern of a `ref` that says, alone or among others, that the customer volunteered a document."""
_LAWFUL: Final = f"{VOLUNTEERED}|(^|{SEPARATORS})law:"
_STEP_ENDED: Final = tuple(f"{step}.{life}" for step in STEPS for life in ("complete", "return"))
_UTILITY_WORK: Final = (*_STEP_ENDED, *FIELD_WORK)


def received(engine: Engine) -> None:
    """Tables `got` (when each kind of paper was first received) and `documents` (when those of acceptance were complete),
    before the facts of a case are known; of which voltage nobody knows, nobody knows which papers it needs."""
    number = KINDS["document.received"]
    kinds = [kind for kinds in PAPERS.values() for kind in kinds]
    columns = ", ".join(f"min(CASE WHEN p.kind = '{one}' THEN e.occurred END) AS got_{one}" for one in kinds)
    engine.make(
        "got",
        f"""SELECT e.cid, e.high, e.low, {columns} FROM ev AS e JOIN papers AS p ON p.word = e.value WHERE e.k = {number}
        GROUP BY e.cid, e.high, e.low""",
    )

    def all_in(kinds: tuple[str, ...]) -> str:
        known = " AND ".join(f"got_{one} IS NOT NULL" for one in kinds)
        return f"CASE WHEN {known} THEN GREATEST({', '.join(f'got_{one}' for one in kinds)}) END"

    engine.make(
        "documents",
        f"""SELECT cid, CASE WHEN high THEN {all_in((*ACCEPTED_ON, PROJECT))} WHEN low THEN {all_in(ACCEPTED_ON)} END
            AS documents_complete FROM got""",
    )


def make(engine: Engine, detectors: Detectors, as_of_day: int, *, tells_business: bool) -> list[str]:
    """The sparse tables, each one row per case that has something; returns their names. `tells_business`: kinds of business
    were handed in."""
    _asks(engine, detectors)
    _outside(engine)
    _returns(engine)
    _late_starts(engine, detectors)
    _flaws(engine, detectors, as_of_day, tells_business=tells_business)
    return ["asks", "held", "outside", "returns", "late_starts", "flaws", "extra_steps"]


def _between(moment: str, low: str, high: str, tolerance: str) -> str:
    """Whether a moment lies between two others, as far as their clocks can tell."""
    return f"(NOT {earlier(moment, low, tolerance)} AND NOT {earlier(high, moment, tolerance)})"


def _asks(engine: Engine, detectors: Detectors) -> None:
    """D07: whether a document was asked for before acceptance, once all were in, and after each contact."""
    requested = KINDS["document.requested"]
    contact = KINDS["service_contact.observed"]
    tolerance = str(detectors.gates["tolerance_minutes"])
    # What was entered afterwards excuses nobody; where nobody says when it was entered, the time told has to do.
    asked = "COALESCE(r.entered, r.occurred)"
    engine.make(
        "asks",
        f"""SELECT r.cid, max(CASE WHEN {_between(asked, "w.documents_complete", "w.t0", tolerance)} THEN 1 ELSE 0 END) = 1
            AS asked_after_documents
        FROM rare_events AS r JOIN w ON w.cid = r.cid WHERE r.k = {requested} GROUP BY r.cid""",
    )
    engine.make(
        "held",
        f"""SELECT x.cid, min(x.occurred) AS held_contact FROM rare AS x JOIN w ON w.cid = x.cid
        LEFT JOIN (SELECT * FROM rare_events WHERE k = {requested}) AS r
        ON r.cid = x.cid AND {_between(asked, "x.occurred", "w.t0", tolerance)}
        WHERE x.k = {contact} AND x.value = 'connection_request' AND r.cid IS NULL GROUP BY x.cid""",
    )


def _outside(engine: Engine) -> None:
    """D23: what was asked for outside the closed list at the step in force, second forms of one kind included."""
    requested = KINDS["document.requested"]
    waived = " ".join(f"WHEN {KINDS[f'{step}.waive']} THEN {at + 1}" for at, step in enumerate(STEPS))
    engine.make(
        "waived_by_then",
        f"""SELECT r.cid, r.row_no, max(CASE v.k {waived} END) AS reached FROM rare AS r
        JOIN rare AS v ON v.cid = r.cid AND v.occurred <= r.occurred WHERE r.k = {requested} GROUP BY r.cid, r.row_no""",
    )
    passed = ", ".join(
        f"CASE WHEN w.{step}_complete < r.occurred THEN {at + 1} ELSE 0 END" for at, step in enumerate(STEPS)
    )
    # What has been begun is in force though nobody says that the step before was passed. Of a row that could not be read
    # nobody knows what it passed.
    begun = ", ".join(f"CASE WHEN w.{step}_start < r.occurred THEN {at} ELSE 0 END" for at, step in enumerate(STEPS))
    unread = f"CASE WHEN w.torn THEN {len(STEPS) - 1} ELSE 0 END"
    # In force is the step behind the last that has been passed, of those that the case takes. Of a customer who may be an
    # important one or not, only what neither may be asked for is outside.
    design, mid, completion = (STEPS.index(step) for step in HANDED_IN)
    engine.make(
        "asked",
        f"""SELECT cid, occurred, row_no, word, def_id, wants_design_review, wants_mid_inspection,
            CASE WHEN reached NOT IN ({design}, {mid}) THEN reached
            WHEN reached = {design} AND wants_design_review THEN {design} WHEN wants_mid_inspection THEN {mid}
            ELSE {completion} END AS reached
        FROM (SELECT r.cid, r.occurred, r.row_no, trim(r.word) AS word, d.def_id, d.design_all OR c.important AS wants_design_review,
            d.mid_all OR c.important AS wants_mid_inspection, GREATEST({passed}, {begun}, {unread}, COALESCE(v.reached, 0)) AS reached
        FROM (SELECT cid, occurred, row_no, unnest(string_split_regex(value, '{BETWEEN}')) AS word FROM rare
            WHERE k = {requested} AND occurred IS NOT NULL AND NOT regexp_matches(ref, '{_LAWFUL}')) AS r
        JOIN w ON w.cid = r.cid JOIN defs AS d ON d.def_id = w.path_id
        JOIN (SELECT TRUE AS important UNION ALL SELECT FALSE AS important) AS c ON c.important = COALESCE(w.important, c.important)
        LEFT JOIN waived_by_then AS v ON v.cid = r.cid AND v.row_no = r.row_no
        WHERE trim(r.word) <> '') AS x""",
    )
    # How far the path has come is counted in national steps; a paper's place in steps of the case's own path.
    engine.make(
        "placed",
        f"""SELECT a.cid, a.occurred, a.row_no, a.word, p.kind, p.form, min(CASE WHEN p.place IS NULL
            OR p.place > COALESCE(s.place, 99) OR NOT (CASE p.place_step WHEN {design} THEN a.wants_design_review
                WHEN {mid} THEN a.wants_mid_inspection ELSE TRUE END) THEN 1 ELSE 0 END) = 1 AS is_outside
        FROM asked AS a LEFT JOIN def_papers AS p ON p.def_id = a.def_id AND p.word = a.word
        LEFT JOIN (SELECT def_id, step, place FROM def_steps) AS s ON s.def_id = a.def_id AND s.step = a.reached
        GROUP BY a.cid, a.occurred, a.row_no, a.word, p.kind, p.form""",
    )
    # The form asked for first is the one that may be; a paper called by its kind or by another name of that form is no
    # second one.
    engine.make(
        "first_forms",
        """SELECT cid, kind, form FROM (SELECT cid, kind, form,
            row_number() OVER (PARTITION BY cid, kind ORDER BY occurred, row_no, word) AS n FROM placed WHERE form <> '') AS x
        WHERE n = 1""",
    )
    engine.make(
        "refused",
        """SELECT p.cid, p.occurred, p.row_no, p.word FROM placed AS p
        LEFT JOIN first_forms AS f ON f.cid = p.cid AND f.kind = p.kind
        WHERE p.is_outside OR (p.form <> '' AND p.form <> f.form)""",
    )
    engine.make(
        "outside",
        """SELECT o.cid, o.outside_document, min(r.word) AS outside_kind
        FROM (SELECT cid, min(occurred) AS outside_document FROM refused GROUP BY cid) AS o
        JOIN refused AS r ON r.cid = o.cid AND r.occurred = o.outside_document GROUP BY o.cid, o.outside_document""",
    )
    extra = [KINDS[f"{step}.{life}"] for step in STEPS[2:5] for life in ("start", "complete", "return")]
    engine.make(
        "extra_steps",
        f"""SELECT cid, min(occurred) AS lv_extra_step FROM ev WHERE low AND k IN ({", ".join(map(str, extra))})
        AND NOT regexp_matches(ref, '{_LAWFUL}') GROUP BY cid""",
    )


def _returns(engine: Engine) -> None:
    """D17: several returns of one step, and whether the later lists stay within the first. The list that answers the
    submission at its very moment names papers that nobody has looked at yet."""
    step = "CASE k " + " ".join(f"WHEN {KINDS[f'{s}.return']} THEN {at}" for at, s in enumerate(STEPS)) + " END"
    numbers = ", ".join(str(KINDS[f"{s}.return"]) for s in STEPS)
    engine.make(
        "lists",
        f"""SELECT cid, step, m, value, row_number() OVER (PARTITION BY cid, step ORDER BY m, value) AS n FROM (
            SELECT DISTINCT r.cid, {step} AS step, r.occurred AS m, r.value FROM rare AS r JOIN w ON w.cid = r.cid
            WHERE r.k IN ({numbers}) AND r.occurred IS NOT NULL
                AND (r.occurred % 2 = 1 OR r.occurred <> COALESCE(w.submitted, -1))) AS x""",
    )
    engine.make(
        "items",
        f"""SELECT cid, step, n, trim(item) AS item FROM (
            SELECT cid, step, n, unnest(string_split_regex(value, '{BETWEEN}')) AS item FROM lists) AS x WHERE trim(item) <> ''""",
    )
    engine.make(
        "growth",
        """SELECT l.cid, l.step, min(CASE WHEN l.n = 2 THEN l.m END) AS second, max(l.n) AS n,
            max(CASE WHEN l.value = '' THEN 1 ELSE 0 END) = 1 AS unread, COALESCE(max(g.grew), 0) = 1 AS grew
        FROM lists AS l LEFT JOIN (SELECT later.cid, later.step, 1 AS grew FROM items AS later
            JOIN lists AS o ON o.cid = later.cid AND o.step = later.step AND o.n = 1 AND o.value <> ''
            LEFT JOIN items AS f ON f.cid = later.cid AND f.step = later.step AND f.n = 1 AND f.item = later.item
            WHERE later.n > 1 AND f.item IS NULL GROUP BY later.cid, later.step) AS g
        ON g.cid = l.cid AND g.step = l.step GROUP BY l.cid, l.step HAVING max(l.n) >= 2""",
    )
    engine.make(
        "returns",
        """SELECT cid, min(CASE WHEN grew OR unread THEN second END) AS second_return,
            min(CASE WHEN grew OR unread THEN 0 ELSE 1 END) = 1 AS returns_excused,
            max(CASE WHEN grew THEN 1 ELSE 0 END) = 1 AS returns_grew
        FROM growth GROUP BY cid""",
    )


def _taken(step: str) -> str:
    """SQL of whether a case takes a step, by the definition it is judged by."""
    kept = f" AND COALESCE(w.wants_{step}, TRUE)" if step in ("design_review", "mid_inspection") else ""
    return f"(w.{step}_waived = 0 AND (w.def_id IS NULL OR (w.group_{step} IS NOT NULL{kept})))"


def _late_starts(engine: Engine, detectors: Detectors) -> None:
    """D30: what should have started a step's clock, and when it was started, where nothing was asked for in between."""
    limit = detectors.detector("D30").thresholds["working_days"]
    tolerance = str(detectors.gates["tolerance_minutes"])
    parts, waits, columns = [], [], []
    for step, kinds in HANDED_IN.items():
        earlier_steps = STEPS[: STEPS.index(step)]
        # The step before is the last that the case takes: not one that was waived, or that its region asks of others.
        before = " ".join(f"WHEN {_taken(one)} THEN w.{one}_pass IS NOT NULL" for one in reversed(earlier_steps))
        passed = f"(CASE {before} END)"
        passes = ", ".join(f"w.{one}_pass" for one in earlier_steps)
        known = " AND ".join(f"got_{kind} IS NOT NULL" for kind in kinds)
        latest = f"GREATEST({', '.join(f'got_{kind}' for kind in kinds)})" if len(kinds) > 1 else f"got_{kinds[0]}"
        # Papers handed in early wait for the step before: nothing could have started.
        parts.append((step, f"CASE WHEN {known} AND {passed} THEN GREATEST({latest}, {passes}) END"))
    for step, ready in [*parts, ("acceptance", "w.documents_complete")]:
        columns.append(f"{ready} AS ready_{step}, w.{step}_start AS began_{step}")
        waits.append((step, f"wd_at({day(f'began_{step}')}) - wd_at({day(f'ready_{step}')}) > {limit}"))
    engine.make(
        "waited",
        f"""SELECT * FROM (SELECT g.cid, {", ".join(columns)} FROM got AS g JOIN w ON w.cid = g.cid) AS x WHERE {" OR ".join(f"({late})" for _, late in waits)}""",
    )
    _handed_in_again(engine)
    starts = ", ".join(str(KINDS[f"{step}.start"]) for step in INSPECTIONS)
    contact = KINDS["service_contact.observed"]
    found = [
        f"SELECT cid, ready_{step} AS ready, began_{step} AS began FROM waited WHERE {late}" for step, late in waits
    ]
    found.append(
        f"""SELECT * FROM (SELECT r.cid, r.occurred AS ready, min(s.occurred) AS began FROM rare AS r
        JOIN (SELECT cid, occurred FROM ev WHERE k IN ({starts})) AS s ON s.cid = r.cid
            AND NOT {earlier("s.occurred", "r.occurred", tolerance)}
        WHERE r.k = {contact} AND r.value = 'inspection_request' GROUP BY r.cid, r.occurred) AS x
        WHERE wd_at({day("began")}) - wd_at({day("ready")}) > {limit}"""
    )
    found.append(
        f"SELECT cid, ready, began FROM handed_again WHERE wd_at({day('began')}) - wd_at({day('ready')}) > {limit}"
    )
    engine.make("ready", " UNION ALL ".join(found))
    returns = ", ".join(str(KINDS[f"{step}.return"]) for step in STEPS)
    engine.make(
        "excuses",
        f"""SELECT cid, occurred FROM rare WHERE k IN ({returns}) UNION ALL
        SELECT r.cid, r.occurred FROM rare AS r LEFT JOIN (SELECT DISTINCT cid, row_no FROM refused) AS o
        ON o.cid = r.cid AND o.row_no = r.row_no
        WHERE r.k = {KINDS["document.requested"]} AND o.cid IS NULL AND NOT regexp_matches(r.ref, '{VOLUNTEERED}')""",
    )
    engine.make(
        "waits",
        f"""SELECT r.cid, r.ready, r.began FROM ready AS r
            LEFT JOIN excuses AS b
            ON b.cid = r.cid AND {_between("b.occurred", "r.ready", "r.began", tolerance)} GROUP BY r.cid, r.ready, r.began
        HAVING count(b.occurred) = 0""",
    )
    engine.make(
        "late_starts", "SELECT cid, min(ready) AS waiting_start, min(began) AS late_start FROM waits GROUP BY cid"
    )


def _handed_in_again(engine: Engine) -> None:
    """Table `handed_again`: after each return of a step, when the last of its papers came again before it was started
    once more, and that start (D30)."""
    numbers = {life: {KINDS[f"{step}.{life}"]: at for at, step in enumerate(PAPERS)} for life in ("return", "start")}
    step = {
        life: f"CASE k {' '.join(f'WHEN {number} THEN {at}' for number, at in of.items())} END"
        for life, of in numbers.items()
    }
    paper = " ".join(f"WHEN '{kind}' THEN {at}" for at, kinds in enumerate(PAPERS.values()) for kind in kinds)
    engine.make(
        "begun_again",
        f"""SELECT b.cid, b.step, b.back, min(s.began) AS began FROM (
            SELECT cid, {step["return"]} AS step, occurred AS back FROM rare WHERE k IN ({", ".join(map(str, numbers["return"]))})) AS b
        JOIN (SELECT cid, {step["start"]} AS step, occurred AS began FROM ev
            WHERE k IN ({", ".join(map(str, numbers["start"]))})) AS s ON s.cid = b.cid AND s.step = b.step AND s.began > b.back
        GROUP BY b.cid, b.step, b.back""",
    )
    engine.make(
        "handed_again",
        f"""SELECT a.cid, max(h.occurred) AS ready, a.began FROM begun_again AS a JOIN (
            SELECT e.cid, CASE p.kind {paper} END AS step, e.occurred FROM ev AS e JOIN papers AS p ON p.word = e.value
            WHERE e.k = {KINDS["document.received"]}) AS h
        ON h.cid = a.cid AND h.step = a.step AND h.occurred > a.back AND h.occurred <= a.began
        GROUP BY a.cid, a.step, a.back, a.began""",
    )


def _flaws(engine: Engine, detectors: Detectors, as_of_day: int, *, tells_business: bool) -> None:
    """D16: what is wrong with a suspension."""
    rule = detectors.detector("D16").thresholds
    work, ended = (", ".join(str(KINDS[name]) for name in names) for names in (_UTILITY_WORK, _STEP_ENDED))
    gates = detectors.gates
    expected = refs_expected(engine, "suspension.start")
    near = rule["near_working_days"]
    whole_end = f"COALESCE({day('w.metering_complete')}, {day('w.ended')}, {as_of_day})"
    tolerance = str(gates["tolerance_minutes"])

    def at(moment: str) -> str:
        return f"({moment} // {MOMENT_UNIT})"

    def ran(*, perhaps: bool = False) -> str:
        until = f"COALESCE(s.finished, {as_of_day} * {MOMENT_DAY})"
        ended = before("s.began", "r.finished", perhaps=perhaps)
        return f"({before('r.began', until, perhaps=perhaps)} AND (r.finished IS NULL OR {ended}))"

    inside = f"{earlier('s.began', 'e.occurred', tolerance)} AND {earlier('e.occurred', 's.finished', tolerance)}"
    # Of a round that nobody knows the start or the end of, nobody can say that it was near its limit, or whether it ran.
    engine.make(
        "susp_rounds",
        f"""SELECT s.cid, s.g, max(CASE WHEN r.lim >= {rule["smallest_budget"]} AND NOT r.torn AND {at("r.began")} <= {at("s.began")}
                AND (r.finished IS NULL OR {at("r.finished")} > {at("s.began")})
                AND ABS(r.lim - (wd_at({day("s.began")}) - wd_at(r.start_day))) <= {near} THEN 1 ELSE 0 END) AS near_step,
            max(CASE WHEN r.torn THEN 0 WHEN {ran()} THEN 2 WHEN {ran(perhaps=True)} THEN 1 ELSE 0 END) AS overlaps,
            max(CASE WHEN r.torn THEN 1 ELSE 0 END) AS torn, max(CASE WHEN r.unknown THEN 1 ELSE 0 END) AS unmeasured
        FROM susp AS s JOIN rounds AS r ON r.cid = s.cid GROUP BY s.cid, s.g""",
    )
    # What an earlier suspension took from the total is not used, nor is the day on which this one opens.
    engine.make(
        "susp_rests",
        f"""SELECT x.cid, x.g, {resting(day("x.began"))} AS off FROM (SELECT s.cid, s.g, s.began, {TOTAL_START} AS start_day
            FROM susp AS s JOIN w ON w.cid = s.cid WHERE w.whole AND w.deducts) AS x
        JOIN fm AS f ON f.cid = x.cid GROUP BY x.cid, x.g""",
    )
    engine.make(
        "susp_work",
        f"""SELECT s.cid, s.g, max(CASE WHEN e.k IN ({ended}) THEN 1 ELSE 0 END) AS step_ended FROM susp AS s JOIN ev AS e ON e.cid = s.cid
        WHERE e.k IN ({work}) AND s.finished IS NOT NULL AND {inside} GROUP BY s.cid, s.g""",
    )
    engine.make("susp_lost_work", f"SELECT DISTINCT cid FROM ev WHERE k IN ({work}) AND occurred IS NULL")
    # Whether the ledger holds at all, nobody knows where nobody says what kind of business it is.
    unsaid = "w.business_type = ''" if tells_business else "FALSE"
    ends = f"LEAST(COALESCE({day('s.finished')}, {whole_end}), {whole_end})"
    flaws = {
        NEAR_A_LIMIT: f"NOT ({unsaid}) AND (COALESCE(r.near_step, 0) = 1 OR w.whole AND w.submitted IS NOT NULL AND w.total_limit >= {rule['smallest_budget']} AND "
        f"ABS(w.total_limit - (wd_at({day('s.began')}) - wd_at({TOTAL_START}) - COALESCE(o.off, 0))) <= {near})",
        ENTERED_LATE: f"wd_at({day('s.recorded')}) - wd_at({day('s.began')}) > {rule['recorded_working_days']}",
        WITHOUT_PROOF: f"s.ground = 'customer' AND s.ref = '' AND {str(expected).upper()}",
        WORK_INSIDE: "k.cid IS NOT NULL",
        OVER_HALF: f"(wd_at({ends}) - wd_at({day('s.began')})) > {rule['share_of_elapsed']} * "
        f"(wd_at({whole_end}) - wd_at({day('w.t0')}))",
    }
    flaw = "CASE " + " ".join(f"WHEN {when} THEN '{name}'" for name, when in flaws.items()) + " END"
    # When a notice of force majeure was acted on nobody knows without the time of entry.
    opened = (
        f"s.recorded IS NULL OR wd_at({day('s.recorded')}) - wd_at({day('s.began')}) <= {rule['notice_working_days']}"
    )
    # Without a class, or a round's start or end, nobody knows the customer's own waiting time, nor where only dates of one
    # day are known: NULL, unless a step that ended inside shows that it ran.
    waiting = (
        "CASE WHEN w.not_governed OR w.whole OR r.overlaps = 2 THEN FALSE "
        "WHEN w.whole IS NULL OR r.torn = 1 OR r.overlaps = 1 THEN "
        f"CASE WHEN k.step_ended = 1 THEN FALSE END WHEN {unsaid} THEN NULL ELSE w.acceptance_completes > 0 END"
    )
    noticed = f"COALESCE(s.ground = '{{}}' AND s.ref <> '' AND ({opened}), FALSE)"
    # Near which limit, beside which work or in how long a time it was opened, or why.
    unknown = (
        f"(w.def_id IS NULL AND NOT w.not_governed) OR ({unsaid}) OR (w.whole AND w.submitted IS NULL) OR r.unmeasured = 1 "
        "OR w.t0 IS NULL OR (COALESCE(w.metering_complete, w.ended) IS NULL AND w.metering_completes + w.endings > 0) "
        "OR l.cid IS NOT NULL OR (s.ground = '' AND s.ref = '')"
    )
    unjudged = f"s.recorded IS NULL OR (s.ground = 'customer' AND s.ref = '' AND NOT {str(expected).upper()})"
    engine.make(
        "flawed",
        f"""SELECT cid, began, CASE WHEN NOT waiting AND NOT perhaps_noticed THEN flaw END AS flaw,
            CASE WHEN waiting THEN FALSE WHEN flaw IS NULL THEN unjudged OR (unknown AND NOT noticed)
                ELSE unjudged OR waiting IS NULL OR perhaps_noticed END AS unjudged
        FROM (SELECT s.cid, s.began, {waiting} AS waiting, {noticed.format("force_majeure")} AS noticed,
            {noticed.format("")} AS perhaps_noticed, CASE WHEN NOT {noticed.format("force_majeure")} THEN {flaw} END AS flaw,
            COALESCE({unjudged}, FALSE) AS unjudged, COALESCE({unknown}, FALSE) AS unknown
        FROM susp AS s JOIN w ON w.cid = s.cid
        LEFT JOIN susp_rounds AS r ON r.cid = s.cid AND r.g = s.g
        LEFT JOIN susp_work AS k ON k.cid = s.cid AND k.g = s.g LEFT JOIN susp_lost_work AS l ON l.cid = s.cid
        LEFT JOIN susp_rests AS o ON o.cid = s.cid AND o.g = s.g) AS x""",
    )
    engine.make(
        "flaws",
        """SELECT x.cid, flawed_suspension, min(CASE WHEN began = flawed_suspension THEN flaw END) AS suspension_flaw,
            max(CASE WHEN unjudged THEN 1 ELSE 0 END) = 1 AS suspension_unjudged
        FROM flawed AS x JOIN (SELECT cid, min(CASE WHEN flaw IS NOT NULL THEN began END) AS flawed_suspension
            FROM flawed GROUP BY cid) AS f ON f.cid = x.cid GROUP BY x.cid, flawed_suspension""",
    )
