"""Facts that are seen only beside other cases: shares of an organisation, bursts, serials, premises, shared proofs."""

from __future__ import annotations

from typing import Any, Final

from definitions._expressions import MOMENT_MINUTE, MOMENT_UNIT, most_alike
from definitions.detectors import Detectors
from definitions.model import STEPS
from workflow.replay.columnar.clocks import day
from workflow.replay.columnar.engines import Engine, listed, quoted
from workflow.replay.columnar.fold import HOUR, KINDS, LOWER_REF, months, systems
from workflow.replay.references import SEPARATORS

_STEP_EVENTS: Final = [KINDS[f"{s}.{life}"] for s in STEPS for life in ("start", "complete", "return", "waive")]
_COMPLETES: Final = [KINDS[f"{s}.complete"] for s in STEPS]
SITE_STEPS: Final = ("mid_inspection", "completion_inspection", "metering")
_SITE: Final = [KINDS[f"{s}.complete"] for s in SITE_STEPS]


def _in(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def make(engine: Engine, detectors: Detectors) -> list[str]:
    """The tables of one row per case that has something; returns their names."""
    _bursts(engine, detectors)
    _serials(engine, detectors)
    _same_actor(engine, detectors)
    _shared(engine, detectors)
    _elsewhere(engine, detectors)
    _one_day(engine, detectors)
    _organisations(engine, detectors)
    return [
        "bursts",
        "serials",
        "same_actor",
        "shared",
        "perhaps_shared",
        "unsigned",
        "elsewheres",
        "one_days",
    ]


def _bursts(engine: Engine, detectors: Detectors) -> None:
    """D12. A burst is any span of an hour; an actor's active hours are the clock hours with a record of a step. The same
    name in two organisations is two actors."""
    rule = detectors.detector("D12").thresholds
    # A date tells no hour.
    out = f"entered % 2 = 0 AND actor <> '' AND actor NOT IN ({listed(rule['service_accounts'])}) AND NOT starts_with(batch, 'outage:') AND NOT starts_with(batch, 'migration:')"
    lag = f"wd_at({day('entered')}) - wd_at({day('occurred')}) > {rule['lag_working_days']}"
    # An hour's span touches two clock hours: who lags in none by half of what makes a burst has none, and is not counted.
    engine.make(
        "laggards",
        f"""SELECT DISTINCT org_id, actor FROM (SELECT org_id, actor FROM events WHERE k IN ({_in(_STEP_EVENTS)}) AND {out}
            AND {day("entered")} - {day("occurred")} > {rule["lag_working_days"]} AND {lag}
            GROUP BY org_id, actor, entered // {HOUR} HAVING 2 * count(*) > {rule["lagging_share"]} * {rule["events"]}) AS x""",
    )
    engine.make(
        "busy",
        f"""SELECT e.org_id, e.actor, e.entered // {HOUR} AS hour, count(*) AS n
        FROM events AS e JOIN laggards AS l ON l.org_id = e.org_id AND l.actor = e.actor
        WHERE e.k IN ({_in(_STEP_EVENTS)}) AND {out.replace("actor ", "e.actor ")} GROUP BY 1, 2, 3""",
    )
    # An hour's span touches two clock hours: only actors with enough in two are looked into.
    engine.make(
        "stirred",
        f"""SELECT b.org_id, b.actor, median(b.n) AS usual FROM busy AS b JOIN (SELECT DISTINCT org_id, actor FROM (
            SELECT org_id, actor, n, hour, lead(n) OVER (PARTITION BY org_id, actor ORDER BY hour) AS next_n,
                lead(hour) OVER (PARTITION BY org_id, actor ORDER BY hour) AS next_hour FROM busy) AS x
            WHERE n + CASE WHEN next_hour = hour + 1 THEN next_n ELSE 0 END >= {rule["events"]}) AS y
        ON y.org_id = b.org_id AND y.actor = b.actor GROUP BY b.org_id, b.actor""",
    )
    span = HOUR // MOMENT_UNIT
    ahead = f"OVER (PARTITION BY org_id, actor ORDER BY t RANGE BETWEEN CURRENT ROW AND {span} FOLLOWING)"
    behind = f"OVER (PARTITION BY org_id, actor ORDER BY t RANGE BETWEEN {span} PRECEDING AND CURRENT ROW)"
    engine.make(
        "bursts",
        f"""SELECT cid, min(occurred) AS burst, max(size) AS burst_size, {systems("src")} AS burst_systems FROM (
            SELECT cid, occurred, src, max(CASE WHEN n >= {rule["events"]} AND n >= {rule["times_median"]} * usual
                AND lagging > {rule["lagging_share"]} * n THEN n END) {behind} AS size FROM (
            SELECT *, count(*) {ahead} AS n, sum(late) {ahead} AS lagging FROM (
                SELECT e.org_id, e.actor, e.cid, e.occurred, e.src, e.entered // {MOMENT_UNIT} AS t, s.usual,
                    CASE WHEN {lag} THEN 1 ELSE 0 END AS late
                FROM events AS e JOIN stirred AS s ON s.org_id = e.org_id AND s.actor = e.actor
                WHERE e.k IN ({_in(_STEP_EVENTS)}) AND {out.replace("actor ", "e.actor ")}) AS a) AS b) AS d
        WHERE size IS NOT NULL GROUP BY cid""",
    )


def _average_rank(column: str) -> str:
    """SQL of Spearman's rank within a series of serials: those of one value share the mean of their places."""
    ranks = [f"rank() OVER (PARTITION BY org_id, prefix ORDER BY {column} {way})" for way in ("", "DESC")]
    return f"({ranks[0]} - {ranks[1]})"


def _serials(engine: Engine, detectors: Detectors) -> None:
    """D18 with gate (d): serials of one organisation and prefix, in their order."""
    rule, gates = detectors.detector("D18").thresholds, detectors.gates
    before = rule["preceding"]
    claims = [KINDS[name] for name in ("application.submit", "acceptance.start", "acceptance.complete")]
    frame = f"PARTITION BY org_id, prefix ORDER BY serial, cid ROWS BETWEEN {before} PRECEDING AND 1 PRECEDING"
    engine.make(
        "exempted",
        f"""SELECT DISTINCT cid FROM ev WHERE k IN ({_in(claims)})
        AND occurred IS NOT NULL AND (starts_with(batch, 'migration:') OR starts_with(batch, 'estate:'))""",
    )
    engine.make(
        "numbered",
        """SELECT cid, org_id, prefix, TRY_CAST(substring(case_no, length(prefix) + 1) AS BIGINT) AS serial, t0
        FROM (SELECT c.cid, c.org_id, c.case_no, rtrim(c.case_no, '0123456789') AS prefix, w.t0
            FROM c JOIN w ON w.cid = c.cid LEFT JOIN exempted AS e ON e.cid = c.cid
            WHERE c.case_no <> '' AND w.t0 IS NOT NULL AND e.cid IS NULL) AS x""",
    )
    engine.make(
        "ranked",
        f"""SELECT *, {_average_rank("serial")} AS rank_serial, {_average_rank("t0")} AS rank_t0
        FROM numbered WHERE serial IS NOT NULL""",
    )
    # Nothing rises where all are equal; the engines have different words for a correlation that there is not.
    engine.make(
        "rising",
        f"""SELECT org_id, prefix FROM ranked GROUP BY org_id, prefix
        HAVING count(*) > {before} AND count(*) >= {gates["comparable"]}
        AND min(rank_serial) < max(rank_serial) AND min(rank_t0) < max(rank_t0)
        AND corr(CAST(rank_serial AS DOUBLE), CAST(rank_t0 AS DOUBLE)) >= {gates["rank_correlation"]}""",
    )
    median = engine.rolling_median("t0", frame)
    engine.make(
        "serials",
        f"""SELECT cid, CASE WHEN n = {before} THEN middle // 2 * 2 END AS serial_median, n = {before} AS serial_known
        FROM (SELECT r.cid, {median} AS middle, count(*) OVER ({frame}) AS n
            FROM ranked AS r JOIN rising AS g ON g.org_id = r.org_id AND g.prefix = r.prefix) AS y
        UNION ALL SELECT cid, CAST(NULL AS BIGINT), TRUE FROM exempted""".replace(
            "PARTITION BY org_id, prefix ORDER BY serial, cid",
            "PARTITION BY r.org_id, r.prefix ORDER BY r.serial, r.cid",
        ),
    )


def no_persons(detectors: Detectors) -> tuple[str, ...]:
    """The actors that D22 leaves out: those who may hold several posts, and service accounts."""
    rule: Any = detectors.detector("D22").thresholds
    return (*rule["all_in_one_posts"], *rule["service_accounts"])


def _same_actor(engine: Engine, detectors: Detectors) -> None:
    """D22: who completed how many steps of a high-voltage case."""
    rule, gates = detectors.detector("D22").thresholds, detectors.gates
    # Distinct steps are counted of those only who completed enough.
    engine.make(
        "hands",
        f"""SELECT cid, org_id, max(n) AS steps, min(m) AS m FROM (
            SELECT e.cid, e.org_id, e.actor, count(DISTINCT e.k) AS n, min(e.occurred) AS m FROM ev AS e
            JOIN (SELECT cid, actor FROM ev WHERE high AND k IN ({_in(_COMPLETES)}) AND actor <> ''
                AND actor NOT IN ({listed(no_persons(detectors))}) GROUP BY cid, actor HAVING count(*) >= {rule["steps"]}) AS x
            ON x.cid = e.cid AND x.actor = e.actor WHERE e.high AND e.k IN ({_in(_COMPLETES)})
            GROUP BY e.cid, e.org_id, e.actor) AS y WHERE n >= {rule["steps"]} GROUP BY cid, org_id""",
    )
    # Steps of which nobody says who did them may be the same actor's.
    persons = f"actor <> '' AND actor NOT IN ({listed(no_persons(detectors))})"
    engine.make(
        "unsigned",
        f"""SELECT cid, TRUE AS same_actor_unsure FROM (SELECT e.cid, e.actor, count(DISTINCT e.k) AS n, max(x.n) AS unsaid
            FROM ev AS e JOIN (SELECT cid, count(DISTINCT k) AS n FROM ev WHERE high AND k IN ({_in(_COMPLETES)}) AND actor = ''
                GROUP BY cid) AS x ON x.cid = e.cid WHERE e.k IN ({_in(_COMPLETES)}) AND ({persons} OR actor = '')
            GROUP BY e.cid, e.actor) AS y
        GROUP BY cid HAVING max(CASE WHEN actor <> '' THEN n + unsaid ELSE n END) >= {rule["steps"]}""",
    )
    engine.make(
        "same_actor",
        f"""SELECT h.cid, h.m AS same_actor_step, h.steps AS same_actor_steps,
            o.n >= {gates["comparable"]} AND o.alike >= {gates["same_actor_share"]} * o.n AS same_actor_common
        FROM hands AS h JOIN (SELECT w.org_id, count(*) AS n, count(h.cid) AS alike
            FROM w LEFT JOIN hands AS h ON h.cid = w.cid WHERE w.high GROUP BY w.org_id) AS o ON o.org_id = h.org_id""",
    )


def _one_day(engine: Engine, detectors: Detectors) -> None:
    """Gate of D10: organisations and months in which many high-voltage cases are finished in a day."""
    rule, gates = detectors.detector("D10").thresholds, detectors.gates
    days = [day(f"{step}_pass") for step in STEPS]
    engine.put("calendar_months", months(36_524, 73_050))  # 2000 to 2099
    engine.make(
        "day_steps",
        f"""SELECT cid, org_id, n, d FROM (SELECT cid, org_id, {most_alike(*days)} AS n, GREATEST({", ".join(days)}) AS d
            FROM w WHERE high) AS x WHERE d IS NOT NULL""",
    )
    engine.make(
        "one_days",
        f"""SELECT cid, TRUE AS one_day_common FROM (
            SELECT s.cid, s.n, count(*) OVER (PARTITION BY s.org_id, m.month) AS of_all,
            sum(CASE WHEN s.n >= {rule["steps"]} THEN 1 ELSE 0 END) OVER (PARTITION BY s.org_id, m.month) AS alike
            FROM day_steps AS s JOIN calendar_months AS m ON m.day_no = s.d) AS x
        WHERE of_all >= {gates["comparable"]} AND alike >= {gates["one_day_share"]} * of_all""",
    )


def _shared(engine: Engine, detectors: Detectors) -> None:
    """D37: one proof in cases of several customers."""
    rule = detectors.detector("D37").thresholds
    prefixes: Any = rule["prefixes"]
    named = " OR ".join(f"strpos({LOWER_REF}, {quoted(one)}) > 0" for one in prefixes) or "FALSE"
    proof = " OR ".join(f"starts_with(proof, {quoted(one)})" for one in prefixes) or "FALSE"
    notices: Any = rule["notices"]
    notice = " OR ".join(f"strpos(upper(proof), {quoted(one)}) > 0" for one in notices) or "FALSE"
    engine.make(
        "proofs",
        f"""SELECT x.cid, x.ref, x.proof, x.occurred, x.batch, c.customer_id FROM (SELECT *, {LOWER_REF} AS proof FROM (
            SELECT cid, unnest(string_split_regex(ref, {quoted(SEPARATORS)})) AS ref, occurred, batch FROM ev
            WHERE ref <> '' AND ({named})) AS y) AS x JOIN c ON c.cid = x.cid WHERE {proof}""",
    )
    # A case without a customer may be another's.
    whose = "COALESCE(CAST(customer_id AS VARCHAR), 'case ' || CAST(cid AS VARCHAR))"
    engine.make(
        "common_proofs",
        f"""SELECT proof, count(DISTINCT customer_id) >= {rule["customers"]} AS surely FROM proofs GROUP BY proof
        HAVING count(DISTINCT {whose}) >= {rule["customers"]}
        AND NOT (count(DISTINCT batch) = 1 AND starts_with(min(batch), 'estate:'))
        AND NOT ({notice})""",
    )
    engine.make(
        "shared",
        """SELECT p.cid, min(p.ref) AS shared_ref, min(p.occurred) AS shared_moment
        FROM proofs AS p JOIN common_proofs AS x ON x.proof = p.proof WHERE x.surely GROUP BY p.cid""",
    )
    engine.make(
        "perhaps_shared",
        """SELECT DISTINCT p.cid, TRUE AS proof_unsure FROM proofs AS p JOIN common_proofs AS x ON x.proof = p.proof
        WHERE NOT x.surely""",
    )


def _elsewhere(engine: Engine, detectors: Detectors) -> None:
    """D38: an actor or a device of an organisation at several premises within minutes; what is done as one batch is
    one place. A visit to a place that is not named may be to one more, one of nobody knows whom may be anybody's of the
    organisation, and one that lost its time may have been at any."""
    rule = detectors.detector("D38").thresholds
    places, span = rule["premises"], f"CAST({rule['minutes']} AS BIGINT) * {MOMENT_MINUTE}"
    engine.make(
        "visits",
        f"""SELECT e.cid, e.org_id, e.actor, e.device, e.occurred, e.occurred // {MOMENT_UNIT} AS t, e.batch <> '' OR c.premises_id IS NOT NULL AS named,
            CASE WHEN e.batch <> '' THEN 'batch ' || e.batch ELSE COALESCE('premises ' || c.premises_id, 'case ' || CAST(e.cid AS VARCHAR)) END AS place
        FROM ev AS e JOIN c ON c.cid = e.cid WHERE e.k IN ({_in(_SITE)}) AND COALESCE(e.occurred % 2, 0) = 0""",
    )
    found = []
    for who in ("actor", "device"):
        signed = f"SELECT cid, org_id, {who} AS who, occurred, t, place, named AND t IS NOT NULL AS surely, TRUE AS is_own FROM visits WHERE {who} <> ''"
        # Only those near whom somebody was are asked about.
        engine.make(
            f"at_{who}", f"SELECT DISTINCT org_id, who, t // ({span}) AS slot FROM ({signed}) AS x WHERE t IS NOT NULL"
        )
        engine.make(
            f"visits_{who}",
            f"""{signed} UNION ALL SELECT DISTINCT v.cid, v.org_id, a.who, v.occurred, v.t, v.place, FALSE, FALSE
            FROM visits AS v CROSS JOIN (SELECT -1 AS d UNION ALL SELECT 0 UNION ALL SELECT 1) AS d
            JOIN at_{who} AS a ON a.org_id = v.org_id AND a.slot = v.t // ({span}) + d.d WHERE v.actor = '' AND v.device = ''""",
        )
        engine.make(
            f"crowds_{who}",
            f"""SELECT DISTINCT org_id, who FROM (SELECT org_id, who, t,
                lead(t, {places} - 1) OVER (PARTITION BY org_id, who ORDER BY t) - t AS gap
            FROM visits_{who}) AS x WHERE gap <= {span} OR t IS NULL""",
        )
        # Windows are few once the actors are: each window starts at one visit and is seen from every visit in it.
        engine.make(
            f"windows_{who}",
            f"""SELECT a.org_id, a.who, a.t, count(DISTINCT CASE WHEN b.surely THEN b.place END) >= {places} AS surely
            FROM (SELECT DISTINCT v.org_id, v.who, v.t FROM visits_{who} AS v
                JOIN crowds_{who} AS x ON x.org_id = v.org_id AND x.who = v.who WHERE v.t IS NOT NULL) AS a
            JOIN visits_{who} AS b ON b.org_id = a.org_id AND b.who = a.who AND COALESCE(b.t >= a.t AND b.t <= a.t + {span}, TRUE)
            GROUP BY a.org_id, a.who, a.t HAVING count(DISTINCT b.place) >= {places}
                AND count(CASE WHEN b.is_own AND b.t IS NOT NULL THEN 1 END) > 0""",
        )
        found.append(
            f"""SELECT v.cid, min(CASE WHEN a.surely AND v.surely THEN v.occurred END) AS elsewhere FROM visits_{who} AS v JOIN windows_{who} AS a
            ON a.org_id = v.org_id AND a.who = v.who AND COALESCE(v.t >= a.t AND v.t <= a.t + {span}, TRUE) GROUP BY v.cid"""
        )
    union = " UNION ALL ".join(found)
    engine.make(
        "elsewheres",
        f"SELECT cid, min(elsewhere) AS elsewhere, TRUE AS elsewhere_unsure FROM ({union}) AS x GROUP BY cid",
    )


LACKED: Final = {"design": "design_review", "mid": "mid_inspection"}
"""The steps of which an organisation may keep no record for most of its cases (D24)."""


def _organisations(engine: Engine, detectors: Detectors) -> None:
    """Tables `org_facts`: what an organisation records at all, and which steps most of its cases lack; `org_lacks`: of how
    many cases that tell of such a step (`of_…`) how many have none (`no_…`)."""
    gates = detectors.gates
    counted = {
        "contacts": ["service_contact.observed"], "corrections": ["correction.changed"], "suspensions": ["suspension.start", "suspension.end"],
        "documents": ["document.requested", "document.received"], "charges": ["fee_paid.observed"],
    }  # fmt: skip
    filed, live = KINDS["metering.complete"], KINDS["first_energy.observed"]
    engine.make("kinds_by_org", "SELECT org_id, k, count(*) AS n FROM ev GROUP BY org_id, k")
    columns = ", ".join(
        f"COALESCE(sum(CASE WHEN k IN ({_in([KINDS[one] for one in kinds])}) THEN n END), 0) > 0 AS org_has_{name}"
        for name, kinds in counted.items()
    )
    columns += (
        f", COALESCE(sum(CASE WHEN k = {filed} THEN n END), 0) > 0 "
        f"OR COALESCE(sum(CASE WHEN k = {live} THEN n END), 0) < {gates['comparable']} AS org_has_metering"
    )
    engine.make("org_has", f"SELECT org_id, {columns} FROM kinds_by_org GROUP BY org_id")
    share, at_least = gates["missing_step_share"], gates["comparable"]

    def lacking(step: str, name: str) -> str:
        missing = f"told_{step} AND {step}_completes + {step}_waived = 0"
        return (
            f"count(CASE WHEN told_{step} THEN 1 END) AS of_{name}, count(CASE WHEN {missing} THEN 1 END) AS no_{name}"
        )

    engine.make(
        "org_lacks",
        f"""SELECT *, {", ".join(f"of_{name} >= {at_least} AND no_{name} > {share} * of_{name} AS no_{name}_common" for name in LACKED)}
        FROM (SELECT org_id, {", ".join(lacking(step, name) for name, step in LACKED.items())}
            FROM w WHERE high AND metering_completes > 0 GROUP BY org_id) AS x""",
    )
    # A step of which enough comparable cases and not one has a record was not handed in, by the organisation or by anybody.
    steps = {"acceptance": "acceptance", "plan": "supply_plan", "completion": "completion_inspection"}
    counts = ", ".join(
        f"sum(CASE WHEN w.group_{step} IS NOT NULL AND w.told_{step} THEN 1 ELSE 0 END) AS n_{name}, "
        f"sum(CASE WHEN w.group_{step} IS NOT NULL AND w.{step}_completes + w.{step}_waived > 0 THEN 1 ELSE 0 END) AS with_{name}"
        for name, step in steps.items()
    )
    engine.make("step_counts", f"SELECT w.org_id, {counts} FROM w WHERE w.metering_completes > 0 GROUP BY w.org_id")
    sums = ", ".join(f"sum(n_{name}) AS n_{name}, sum(with_{name}) AS with_{name}" for name in steps)
    absent = {name: f"{{0}}.n_{name} >= {at_least} AND {{0}}.with_{name} = 0" for name in steps}
    kept = ", ".join(
        f"NOT COALESCE({text.format('s')}, FALSE) AND NOT COALESCE({text.format('f')}, FALSE) AS org_has_{name}"
        for name, text in absent.items()
    )
    engine.make(
        "org_facts",
        f"""SELECT o.*, {kept}, COALESCE(l.no_design_common, FALSE) AS no_design_common, COALESCE(l.no_mid_common, FALSE) AS no_mid_common
        FROM org_has AS o LEFT JOIN org_lacks AS l ON l.org_id = o.org_id LEFT JOIN step_counts AS s ON s.org_id = o.org_id
        CROSS JOIN (SELECT {sums} FROM step_counts) AS f""",
    )


def lacked(engine: Engine) -> list[dict[str, Any]]:
    """For each organisation and step: how many of its energised high-voltage cases lack it, where that is why D24 judges
    none of those that should have it. Asked when the verdicts are there."""
    found = " UNION ALL ".join(
        f"""SELECT o.org, {at} AS place, '{step}' AS step, l.no_{name} AS lacking, l.of_{name} AS of_all
        FROM org_lacks AS l JOIN orgs AS o ON o.org_id = l.org_id WHERE l.no_{name}_common AND l.org_id IN (
            SELECT w.org_id FROM w JOIN verdict_rows AS v ON v.cid = w.cid WHERE w.high AND w.metering_completes > 0
            AND w.told_{step} AND w.{step}_completes + w.{step}_waived = 0
            AND strpos(',' || v.unjudged || ',', ',D24,') > 0)"""
        for at, (name, step) in enumerate(LACKED.items())
    )
    return [
        {"org": org, "rule": "D24", "step": step, "lacking": int(lacking), "of": int(of)}
        for org, _, step, lacking, of in engine.rows(f"SELECT * FROM ({found}) AS x ORDER BY org, place")
    ]
