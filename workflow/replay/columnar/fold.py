"""The fold: events as compact rows, the gates on what is evidence at all, and one row of facts per case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sqlglot import exp

from definitions._expressions import DIALECT, MOMENT_UNIT, Threshold, bind, parse
from definitions.detectors import Detector, Detectors, Fact
from workflow.replay.columnar.engines import EPOCH_MICROS, Engine, arrow, quoted
from workflow.replay.tables import OBSERVED, SOURCES, STEP_LIFECYCLES, lifecycles

STEPS: Final = (
    "acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering",
)  # fmt: skip
SOURCE_NUMBERS: Final = {source: at for at, source in enumerate(SOURCES, start=1)}
HOUR: Final = 3_600_000_000 * MOMENT_UNIT
DAY: Final = 24 * HOUR
_STEP_AND_APPLICATION: Final = [f"{step}.{life}" for step in STEPS for life in STEP_LIFECYCLES]


def _kinds() -> dict[str, int]:
    """Every kind of event by number: the steps and the application first, then what other systems observe."""
    known = lifecycles(STEPS)
    order = [*STEPS, "application", *OBSERVED, "document", "suspension", "correction"]
    names = [f"{activity}.{life}" for activity in order for life in known[activity]]
    return {name: at for at, name in enumerate(names, start=1)}


KINDS: Final = _kinds()
_FIRST_OBSERVED: Final = KINDS[f"{OBSERVED[0]}.observed"]
_FIRST_PAPER: Final = KINDS["document.requested"]


def kind(name: str) -> int:
    """The number of a kind of event."""
    return KINDS[name]


def _group(number: int) -> int:
    return 0 if number < _FIRST_OBSERVED else 1 if number < _FIRST_PAPER else 2


_GROUP_FILTER: Final = (
    f"k < {_FIRST_OBSERVED}", f"k >= {_FIRST_OBSERVED} AND k < {_FIRST_PAPER}", f"k >= {_FIRST_PAPER}",
)  # fmt: skip


def moment(engine: Engine, time: str, source: str, is_date: str) -> str:
    """SQL of a moment from a naive time, the number of its source and whether only the date is known."""
    return (
        f"(({engine.micros(time)} + {EPOCH_MICROS}) * {MOMENT_UNIT} + 2 * {source} "
        f"+ CASE WHEN {is_date} THEN 1 ELSE 0 END)"
    )


def prepare(engine: Engine, cases: Path, events: Path) -> None:
    """Tables `c` (one row per case, `cid` its place in the output) and `ev` (one compact row per event)."""
    engine.read("cases_in", cases)
    engine.read("events_in", events)
    total, ids, numbered, rows, top = engine.rows(
        'SELECT count(*), count(DISTINCT case_id), count("row"), count(DISTINCT "row"), COALESCE(max("row"), 0) FROM cases_in'
    )[0]
    attributes = (
        "case_id, COALESCE(case_no, '') AS case_no, customer_id, premises_id, customer_kind, enterprise_size, capacity_kw, "
        "voltage, supply_count, area, region, COALESCE(org, '') AS org, COALESCE(manager, '') AS manager, "
        "COALESCE(contractor, '') AS contractor, COALESCE(user_class, '') AS user_class, "
        "COALESCE(business_type, '') AS business_type, COALESCE(important_customer, FALSE) AS important, "
        "prior_capacity_kw, date_diff('day', DATE '1900-01-01', account_opened_on) AS opened_day, "
        "COALESCE(predecessor_case, '') AS predecessor_case, COALESCE(rejected_rows, 0) AS rejected_rows"
    )
    if ids == total and rows == numbered:
        last = f'SELECT {top} + row_number() OVER (ORDER BY case_id) AS cid, {attributes} FROM cases_in WHERE "row" IS NULL'
        first = f'SELECT "row" AS cid, {attributes} FROM cases_in WHERE "row" IS NOT NULL'
        sql = f"{first} UNION ALL {last}" if numbered < total else first
    else:
        first = 'SELECT *, row_number() OVER (PARTITION BY case_id ORDER BY "row") AS copy FROM cases_in'
        sql = f'SELECT row_number() OVER (ORDER BY "row", case_id) AS cid, {attributes} FROM ({first}) AS x WHERE copy = 1'
    engine.make("c0", sql)
    engine.make(
        "orgs", "SELECT row_number() OVER (ORDER BY org) AS org_id, org FROM (SELECT DISTINCT org FROM c0) AS x"
    )
    engine.make("c", "SELECT c0.*, orgs.org_id FROM c0 JOIN orgs ON orgs.org = c0.org")
    number = [("activity", pa.string()), ("lifecycle", pa.string()), ("k", pa.int16())]
    engine.put("kinds", arrow(number, ([*name.split("."), at] for name, at in KINDS.items())))
    src = "CASE e.source " + " ".join(f"WHEN '{s}' THEN {n}" for s, n in SOURCE_NUMBERS.items()) + " ELSE 0 END"
    engine.make(
        "ev",
        f"""SELECT c.cid, c.org_id, kinds.k, CAST({src} AS SMALLINT) AS src,
            {moment(engine, "e.occurred_at", f"({src})", "e.occurred_is_date")} AS occurred,
            {moment(engine, "e.recorded_at", f"({src})", "e.recorded_is_date")} AS recorded,
            COALESCE(e.value, '') AS value, COALESCE(e.ref, '') AS ref, COALESCE(e.batch, '') AS batch,
            COALESCE(e.actor, '') AS actor, COALESCE(e.device, '') AS device, e.amount, e.old_value, e.new_value,
            COALESCE(e.ref <> '' AND (e.ref = c.case_id OR e.ref = c.case_no), FALSE) AS names_case, e."row" AS row_no
            FROM events_in AS e JOIN c ON c.case_id = e.case_id
            JOIN kinds ON kinds.activity = e.activity AND kinds.lifecycle = e.lifecycle""",
    )


def gate_load_times(engine: Engine, gates: Mapping[str, Any]) -> int:
    """Gate (b): table `loads` of (org, source, month) whose records carry a load time; view `events` with `entered`.
    Returns how many there are."""
    low, high = engine.rows(f"SELECT min(recorded) // {DAY}, max(recorded) // {DAY} FROM ev")[0]
    engine.put("months", _months(low, high))
    engine.make(
        "hours",
        f"SELECT org_id, src, recorded // {DAY} AS day_no, (recorded // {HOUR}) % 24 AS hour, count(*) AS n "
        "FROM ev WHERE recorded IS NOT NULL GROUP BY 1, 2, 3, 4",
    )
    engine.make(
        "by_hour",
        "SELECT org_id, src, month, hour, sum(n) AS n FROM hours JOIN months ON months.day_no = hours.day_no "
        "GROUP BY org_id, src, month, hour",
    )
    night = f"hour >= {gates['load_from_hour']} OR hour < {gates['load_until_hour']}"
    engine.make(
        "by_month",
        f"""SELECT org_id, src, month, sum(n) AS n, sum(CASE WHEN place <= 2 AND night THEN n ELSE 0 END) AS two
        FROM (SELECT org_id, src, month, n, ({night}) AS night,
            row_number() OVER (PARTITION BY org_id, src, month, ({night}) ORDER BY n DESC, hour) AS place FROM by_hour) AS x
        GROUP BY org_id, src, month""",
    )
    at_least = gates["comparable"]
    # Half in one minute means half in one day: only such days are looked into.
    engine.make(
        "full_days",
        f"""SELECT h.org_id, h.src, h.day_no, m.month, m.n FROM
        (SELECT org_id, src, day_no, sum(n) AS n FROM hours GROUP BY org_id, src, day_no) AS h
        JOIN months ON months.day_no = h.day_no
        JOIN by_month AS m ON m.org_id = h.org_id AND m.src = h.src AND m.month = months.month
        WHERE m.n >= {at_least} AND h.n >= {gates["load_minute_share"]} * m.n""",
    )
    engine.make(
        "loads",
        f"""SELECT org_id, src, month FROM by_month WHERE n >= {at_least} AND two >= {gates["load_share"]} * n
        UNION SELECT org_id, src, month FROM (
            SELECT e.org_id, e.src, f.month, f.n, e.recorded // {60_000_000 * MOMENT_UNIT} AS minute, count(*) AS hits
            FROM ev AS e JOIN full_days AS f
            ON f.org_id = e.org_id AND f.src = e.src AND f.day_no = e.recorded // {DAY}
            GROUP BY 1, 2, 3, 4, 5) AS x WHERE hits >= {gates["load_minute_share"]} * n""",
    )
    found: int = engine.rows("SELECT count(*) FROM loads")[0][0]
    if found:
        engine.make(
            "load_days",
            "SELECT loads.org_id, loads.src, months.day_no FROM loads JOIN months ON months.month = loads.month",
        )
        engine.view(
            "events",
            f"""SELECT ev.*, CASE WHEN l.day_no IS NULL THEN recorded END AS entered FROM ev LEFT JOIN load_days AS l
            ON l.org_id = ev.org_id AND l.src = ev.src AND l.day_no = ev.recorded // {DAY}""",
        )
    else:
        engine.view("events", "SELECT *, recorded AS entered FROM ev")
    return found


def _months(low: int | None, high: int | None) -> pa.Table:
    days = range(low, high + 1) if low is not None and high is not None else range(0)
    start = dt.date(1900, 1, 1)
    rows = ((at, (day := start + dt.timedelta(days=at)).year * 12 + day.month) for at in days)
    return arrow([("day_no", pa.int64()), ("month", pa.int32())], rows)


@dataclass(slots=True)
class Compiled:
    """Facts as columns: the same fact of two rules is folded once."""

    detectors: Detectors
    columns: dict[tuple[Any, ...], str] = field(default_factory=dict)
    folded: dict[str, tuple[Fact, Mapping[str, Threshold]]] = field(default_factory=dict)

    def column(self, fact: Fact, thresholds: Mapping[str, Threshold]) -> str:
        key = (fact.of, fact.take, fact.where, tuple(sorted(thresholds.items())) if fact.where else ())
        if key not in self.columns:
            name = f"f{len(self.columns)}"
            self.columns[key] = name
            self.folded[name] = (fact, thresholds)
        return self.columns[key]

    def values(self, one: Detector | None) -> dict[str, Threshold]:
        return {**self.detectors.gates, **(one.thresholds if one else {})}

    def expression(self, text: str, one: Detector | None) -> str:
        """`text` as SQL over the wide row, for this rule."""
        own = one.facts if one else {}
        values = self.values(one)

        def name(node: exp.Expr) -> Any:
            if not isinstance(node, exp.Column):
                return node
            word = str(node.name)
            if word in own:
                return exp.column(self.column(own[word], values))
            if word in self.detectors.derived:
                return exp.paren(parse(self.detectors.derived[word]).transform(name))
            if word in self.detectors.folded:
                return exp.column(self.column(self.detectors.folded[word], self.detectors.gates))
            return node

        return str(bind(parse(text).transform(name), values, SOURCE_NUMBERS).sql(dialect=DIALECT))

    def fact(self, name: str, one: Detector | None = None) -> Fact | None:
        """The folded fact of that name, None for any other."""
        return (one.facts if one else {}).get(name) or self.detectors.folded.get(name)

    def fold(self, engine: Engine) -> str:
        """Fold every fact asked for so far; returns the joins of the tables to the case `c`."""
        groups: dict[int, list[str]] = {}
        for name, (fact, thresholds) in self.folded.items():
            numbers = [KINDS[one] for one in fact.of]
            where = f"k IN ({', '.join(map(str, numbers))})" if len(numbers) > 1 else f"k = {numbers[0]}"
            if fact.where:
                where += f" AND ({bind(parse(fact.where), thresholds, SOURCE_NUMBERS).sql(dialect=DIALECT)})"
            places = {_group(number) for number in numbers}
            if len(places) > 1:
                raise ValueError(f"a fact is folded from one group of events: {fact.of}")
            groups.setdefault(places.pop(), []).append(f"{_aggregate(fact.take, where)} AS {name}")
        for group, columns in sorted(groups.items()):
            listed = ",\n".join(columns)
            engine.make(f"fold{group}", f"SELECT cid, {listed} FROM events WHERE {_GROUP_FILTER[group]} GROUP BY cid")
        return " ".join(f"LEFT JOIN fold{group} ON fold{group}.cid = c.cid" for group in sorted(groups))

    def select(self, names: Iterable[str]) -> str:
        """Columns of the wide row by the names of shared facts."""
        return ", ".join(
            f"{self.wide(self.column(self.detectors.folded[name], self.detectors.gates))} AS {name}" for name in names
        )

    def wide(self, column: str) -> str:
        """A folded column as the wide row shows it: a number of nothing is nought."""
        return f"COALESCE({column}, 0)" if self.folded[column][0].take == "count" else column


def _aggregate(take: str, where: str) -> str:
    column = {"recorded": "recorded", "entered": "entered"}.get(take.partition("_")[2], "occurred")
    if take == "count":
        return f"count(CASE WHEN {where} THEN 1 END)"
    if take == "total":
        return f"sum(CASE WHEN {where} THEN amount END)"
    return f"{'min' if take.startswith('first') else 'max'}(CASE WHEN {where} THEN {column} END)"


def names_of_sources(column: str) -> str:
    """SQL of the source's name from a moment."""
    cases = " ".join(f"WHEN {n} THEN {quoted(s)}" for s, n in SOURCE_NUMBERS.items())
    return f"CASE (({column}) // 2) % 32 {cases} ELSE '' END"
