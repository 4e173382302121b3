"""The fold: events as compact rows, the gates on what is evidence at all, and one row of facts per case."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sqlglot import exp

from definitions._expressions import MOMENT_UNIT, Threshold, bind, names, parse
from definitions.detectors import Detector, Detectors, Fact
from definitions.model import STEPS
from definitions.records import event_kinds
from workflow.replay.columnar.engines import EPOCH_MICROS, Engine, arrow, listed, quoted
from workflow.replay.references import SEPARATORS, UPLOADS
from workflow.replay.tables import EVENTS, FORETOLD, SOURCE_NUMBERS

HOUR: Final = 3_600_000_000 * MOMENT_UNIT
DAY: Final = 24 * HOUR


KINDS: Final = {name: at for at, name in enumerate(event_kinds(STEPS), start=1)}
"""Every kind of event by number."""
_RARE: Final = (
    *(f"{step}.{life}" for step in STEPS for life in ("return", "waive")), "application.withdraw",
    "application.terminate", "application.refuse", "service_contact.observed", "document.requested",
    "suspension.start", "suspension.end", "correction.changed",
)  # fmt: skip
"""What most cases have none of: these rows stand once more in a table of their own, so that a question about them does
not read all."""


_RARE_NUMBERS: Final = {KINDS[name] for name in _RARE}
HIGH_VOLTAGE: Final = (
    "CASE WHEN voltage IS NOT NULL THEN voltage = 'high' WHEN customer_kind = 'residential' THEN FALSE "
    "WHEN user_class <> '' THEN user_class IN ('hv_single', 'hv_dual') END"
)
"""Whether a case is one of high voltage: as it says, else by its class; NULL where nobody says."""
_TOGETHER: Final = 2
"""Facts about at most so many activities are folded apart from the others."""


# A field may hold several ids: few do, and only those are taken apart.
_IDS: Final = f"';' || regexp_replace(e.ref, {quoted(SEPARATORS)}, ';', 'g') || ';'"
_AMONG_SEVERAL: Final = f"""COALESCE(CASE WHEN strpos(e.ref, e.case_id) > 0 AND strpos({_IDS}, ';' || e.case_id || ';') > 0 THEN TRUE
    WHEN c.case_no <> '' AND strpos(e.ref, c.case_no) > 0 THEN strpos({_IDS}, ';' || c.case_no || ';') > 0 END, FALSE)"""
LOWER_REF: Final = "replace(lower(ref), '：', ':')"
"""SQL of a `ref` in which the same proof reads the same, whoever typed it."""
ONLY_UPLOADS: Final = f"""CASE WHEN ref = '' THEN FALSE
    WHEN {" OR ".join(f"strpos({LOWER_REF}, {quoted(one)}) > 0" for one in UPLOADS)}
    THEN regexp_replace({LOWER_REF}, {quoted(f"({SEPARATORS}|^)({'|'.join(UPLOADS)})[^{SEPARATORS[1:-1]}*")}, '', 'g') = ''
    ELSE FALSE END"""
"""SQL of whether a `ref` names uploads and nothing else."""


def _gate_references(engine: Engine, gates: Mapping[str, Any]) -> None:
    """Gate (c): table `refs_silent` of the kinds of event of which hardly any carries a reference, so that its absence
    says nothing. Among too few to compare, the gate does not gate: an absent reference says what it says."""
    engine.make(
        "refs_silent",
        f"""SELECT k FROM (SELECT k, count(CASE WHEN ref <> '' THEN 1 END) AS shown, count(*) AS n FROM ev GROUP BY k) AS x
        WHERE n >= {gates["comparable"]} AND shown < {gates["ref_share"]} * n""",
    )


def refs_expected(engine: Engine, kind: str) -> bool:
    """Whether an event of this kind without a reference says anything (gate c)."""
    return not engine.rows(f"SELECT k FROM refs_silent WHERE k = {kinds(kind)}")


def kinds(*names: str) -> str:
    """The numbers of kinds of event, as a list of SQL."""
    return ", ".join(str(KINDS[name]) for name in names)


def moment(engine: Engine, time: str, source: str, is_date: str) -> str:
    """SQL of a moment from a naive time, the number of its source and whether only the date is known."""
    return (
        f"(({engine.micros(time)} + {EPOCH_MICROS}) * {MOMENT_UNIT} + 2 * {source} "
        f"+ CASE WHEN {is_date} THEN 1 ELSE 0 END)"
    )


def prepare(engine: Engine, cases: Path, events: Path, as_of: dt.date, *, twice: bool) -> int:
    """Tables `c` (one row per case, `cid` its place in the output), `ev` (one compact row per event) and `rare`. What
    happened, and was recorded, after the day of judgement is left out; returns how much that is. `twice`: of rows that
    say the same the first is taken."""
    engine.read("cases_in", cases)
    engine.read("events_in", events)
    over = f"TIMESTAMP '{as_of + dt.timedelta(days=1)} 00:00:00'"
    later = f"COALESCE(occurred_at >= {over} AND COALESCE(recorded_at >= {over}, TRUE), FALSE) AND activity NOT IN ({listed(FORETOLD)})"
    engine.view("events_known", f"SELECT * FROM events_in WHERE NOT ({later})")
    engine.view("events_once", _once("events_known") if twice else "SELECT * FROM events_known")
    total, numbered, top = engine.rows('SELECT count(*), count("row"), COALESCE(max("row"), 0) FROM cases_in')[0]
    behind = f'{top} + row_number() OVER (PARTITION BY "row" IS NULL ORDER BY case_id)'
    number = '"row"' if numbered == total else f'CASE WHEN "row" IS NULL THEN {behind} ELSE "row" END'
    engine.make(
        "orgs",
        "SELECT CAST(row_number() OVER (ORDER BY org) AS INTEGER) AS org_id, org "
        "FROM (SELECT DISTINCT COALESCE(org, '') AS org FROM cases_in) AS x",
    )
    engine.make(
        "c",
        f"""SELECT {number} AS cid, orgs.org_id, case_id, COALESCE(case_no, '') AS case_no, customer_id, premises_id,
        customer_kind, enterprise_size, capacity_kw, voltage, supply_count, area, region, orgs.org, {HIGH_VOLTAGE} AS hv,
        COALESCE(manager, '') AS manager, COALESCE(contractor, '') AS contractor, COALESCE(user_class, '') AS user_class,
        COALESCE(business_type, '') AS business_type, important_customer AS important, prior_capacity_kw,
        COALESCE(predecessor_case, '') AS predecessor_case, date_diff('day', DATE '1900-01-01', account_opened_on) AS opened_day, COALESCE(rejected_rows, 0) AS rejected_rows,
        COALESCE(lost_values, 0) AS lost_values,
        COALESCE(untold, 0) AS untold
        FROM cases_in JOIN orgs ON orgs.org = COALESCE(cases_in.org, '')""",
    )
    text, number_of = pa.string(), pa.int16()
    numbered_kinds = ([*name.split("."), at] for name, at in KINDS.items())
    engine.put("kinds", arrow([("activity", text), ("lifecycle", text), ("k", number_of)], numbered_kinds))
    engine.put("sources", arrow([("source", text), ("src", number_of)], SOURCE_NUMBERS.items()))
    # A record names its case by the id, which its own row says, or by the number, which few records have to be asked for.
    engine.view("numbers", "SELECT cid, case_no FROM c WHERE case_no <> ''")
    src = "COALESCE(sources.src, 0)"
    engine.make(
        "ev",
        f"""SELECT c.cid, c.org_id, COALESCE(c.hv, FALSE) AS high, COALESCE(NOT c.hv, FALSE) AS low,
        kinds.k, CAST({src} AS SMALLINT) AS src, {moment(engine, "e.occurred_at", src, "e.occurred_is_date")} AS occurred,
        {moment(engine, "e.recorded_at", src, "e.recorded_is_date")} AS recorded,
        COALESCE(e.value, '') AS value, COALESCE(e.ref, '') AS ref, COALESCE(e.batch, '') AS batch,
        COALESCE(e.actor, '') AS actor, COALESCE(e.device, '') AS device, e.amount, e.old_value, e.new_value,
        CASE WHEN e.ref = e.case_id OR numbers.cid IS NOT NULL THEN TRUE
            WHEN regexp_matches(e.ref, {quoted(SEPARATORS)}) THEN {_AMONG_SEVERAL} ELSE FALSE END AS names_case, e."row" AS row_no
        FROM events_once AS e JOIN c ON c.case_id = e.case_id
        JOIN kinds ON kinds.activity = e.activity AND kinds.lifecycle = e.lifecycle
        LEFT JOIN sources ON sources.source = e.source
        LEFT JOIN numbers ON numbers.case_no = e.ref AND numbers.cid = c.cid""",
    )
    rare = ", ".join(map(str, sorted(_RARE_NUMBERS)))
    engine.make("rare", f"SELECT *, {ONLY_UPLOADS} AS only_uploads FROM ev WHERE k IN ({rare})")
    many: int = engine.rows(f"SELECT count(*) FROM events_in WHERE {later}")[0][0]
    return many


def _once(events: str) -> str:
    """SQL of the events without the copies of a row. Two rows that know of dates only may be two events of one day."""
    columns = ", ".join(f'"{column.name}"' for column in EVENTS if column.name != "row")
    clock = " OR ".join(
        f"({at}_at IS NOT NULL AND NOT COALESCE({at}_is_date, FALSE))" for at in ("occurred", "recorded")
    )
    return f"""SELECT {columns}, min("row") AS "row" FROM {events} WHERE {clock} GROUP BY {columns}
        UNION ALL SELECT {columns}, "row" FROM {events} WHERE NOT ({clock})"""


def gate(engine: Engine, gates: Mapping[str, Any]) -> None:
    """Gates (b) and (c): table `loads` of (org, source, month) whose records carry a load time; views `events` and
    `rare_events` with `entered`, and with `ref_expected`."""
    _gate_references(engine, gates)
    low, high = engine.rows(f"SELECT min(recorded) // {DAY}, max(recorded) // {DAY} FROM ev")[0]
    engine.put("months", months(low, high))
    engine.make(
        "by_hour",
        f"""SELECT org_id, src, month, (recorded // {HOUR}) % 24 AS hour, count(*) AS n
        FROM ev JOIN months ON months.day_no = recorded // {DAY} GROUP BY 1, 2, 3, 4""",
    )
    night = f"hour >= {gates['load_from_hour']} OR hour < {gates['load_until_hour']}"
    engine.make(
        "by_month",
        f"""SELECT org_id, src, month, sum(n) AS n, sum(CASE WHEN place <= 2 AND night THEN n ELSE 0 END) AS two
        FROM (SELECT org_id, src, month, n, ({night}) AS night,
            row_number() OVER (PARTITION BY org_id, src, month, ({night}) ORDER BY n DESC, hour) AS place FROM by_hour) AS x
        GROUP BY org_id, src, month""",
    )
    at_least, share = gates["comparable"], gates["load_minute_share"]
    # A month of few records is loaded where the source is, over all months; a source of few where the organisation is.
    for name, key in (("by_source", "org_id, src"), ("by_org", "org_id")):
        engine.make(
            name,
            f"""SELECT {key}, sum(n) AS n, sum(CASE WHEN place <= 2 AND night THEN n ELSE 0 END) AS two
            FROM (SELECT {key}, n, night, row_number() OVER (PARTITION BY {key}, night ORDER BY n DESC, hour) AS place
                FROM (SELECT {key}, hour, ({night}) AS night, sum(n) AS n FROM by_hour GROUP BY {key}, hour) AS x) AS y
            GROUP BY {key}""",
        )
    engine.make(
        "loads",
        f"""SELECT org_id, src, month FROM by_month WHERE n >= {at_least} AND two >= {gates["load_share"]} * n
        UNION SELECT m.org_id, m.src, m.month FROM by_month AS m
        JOIN by_source AS s ON s.org_id = m.org_id AND s.src = m.src JOIN by_org AS o ON o.org_id = m.org_id
        WHERE m.n < {at_least} AND CASE WHEN s.n >= {at_least} THEN s.two >= {gates["load_share"]} * s.n
            ELSE o.n >= {at_least} AND o.two >= {gates["load_share"]} * o.n END""",
    )
    # Half in one minute means half in one hour of the day: only such hours are looked into.
    engine.make(
        "full_hours",
        f"""SELECT h.org_id, h.src, h.month, months.day_no * 24 + h.hour AS hour_no, m.n FROM by_hour AS h
        JOIN by_month AS m ON m.org_id = h.org_id AND m.src = h.src AND m.month = h.month
        JOIN months ON months.month = h.month WHERE m.n >= {at_least} AND h.n >= {share} * m.n""",
    )
    if engine.rows("SELECT count(*) FROM full_hours")[0][0]:
        engine.make(
            "loads_by_minute",
            f"""SELECT DISTINCT org_id, src, month FROM (
            SELECT e.org_id, e.src, f.month, f.n, (e.recorded // {60_000_000 * MOMENT_UNIT}) % 1440 AS minute, count(*) AS hits
            FROM ev AS e JOIN full_hours AS f ON f.org_id = e.org_id AND f.src = e.src AND f.hour_no = e.recorded // {HOUR}
            GROUP BY 1, 2, 3, 4, 5) AS x WHERE hits >= {share} * n""",
        )
        loads = "SELECT * FROM loads UNION SELECT * FROM loads_by_minute"
    else:
        loads = "SELECT * FROM loads"
    engine.make(
        "load_days",
        f"SELECT l.org_id, l.src, months.day_no FROM ({loads}) AS l JOIN months ON months.month = l.month",
    )
    found: int = engine.rows("SELECT count(*) FROM load_days")[0][0]
    silent = ", ".join(str(k) for (k,) in engine.rows("SELECT k FROM refs_silent ORDER BY k"))
    expected = f"k NOT IN ({silent}) AS ref_expected" if silent else "TRUE AS ref_expected"
    for view, table in (("events", "ev"), ("rare_events", "rare")):
        if found:
            engine.view(
                view,
                f"""SELECT e.*, CASE WHEN l.day_no IS NULL THEN e.recorded END AS entered, {expected} FROM {table} AS e
                LEFT JOIN load_days AS l ON l.org_id = e.org_id AND l.src = e.src AND l.day_no = e.recorded // {DAY}""",
            )
        else:
            engine.view(view, f"SELECT *, recorded AS entered, {expected} FROM {table}")


def months(low: int | None, high: int | None) -> pa.Table:
    """The month of every day from `low` to `high` (day numbers)."""
    days = range(low, high + 1) if low is not None and high is not None else range(0)
    start = dt.date(1900, 1, 1)
    rows = ((at, (day := start + dt.timedelta(days=at)).year * 12 + day.month) for at in days)
    return arrow([("day_no", pa.int64()), ("month", pa.int32())], rows)


@dataclass(slots=True)
class Compiled:
    """Facts as columns: the same fact of two rules is folded once.

    A fact costs by the rows that its condition is asked of.  So facts are folded in groups: those about one activity,
    or about few that belong together, read the events of these alone."""

    detectors: Detectors
    columns: dict[tuple[Any, ...], str] = field(default_factory=dict)
    folded: dict[str, tuple[Fact, str]] = field(default_factory=dict)

    def column(self, fact: Fact, thresholds: Mapping[str, Threshold]) -> str:
        """The column of `fact`; it will be folded."""
        where = ""
        if fact.where:
            where = _condition(fact.where, _held(thresholds))
        if "old_value" in where or "new_value" in where:
            common = [one for one in fact.of if KINDS[one] not in _RARE_NUMBERS]
            if common:
                raise ValueError(f"{common[0]} 没有旧值新值 / {common[0]} has no old and new value: {where}")
        key = (frozenset(fact.of), fact.take, where)
        if key not in self.columns:
            name = f"f{len(self.columns)}"
            self.columns[key] = name
            self.folded[name] = (fact, where)
        return self.columns[key]

    def values(self, one: Detector | None) -> dict[str, Threshold]:
        return {**self.detectors.gates, **(one.thresholds if one else {})}

    def expression(self, text: str, one: Detector | None) -> str:
        """`text` as SQL over the wide row, for this rule."""
        own = one.facts if one else {}
        values = self.values(one)
        columns = {}
        for node in parse(text).find_all(exp.Column, bfs=False):
            word = str(node.name)
            if word in own:
                columns[word] = self.column(own[word], values)
            elif word in self.detectors.folded and word not in self.detectors.derived:
                columns[word] = self.column(self.detectors.folded[word], self.detectors.gates)
        return _expression(text, tuple(columns.items()), _held(values))

    def derived(self) -> list[dict[str, str]]:
        """The derived facts as SQL over the wide row, in levels: each speaks of those before it only."""
        levels: list[dict[str, str]] = []
        left = self.detectors.derived
        while left:
            level = {name: text for name, text in left.items() if not names(parse(text)) & set(left)}
            levels.append({name: self.expression(text, None) for name, text in level.items()})
            left = {name: text for name, text in left.items() if name not in level}
        return levels

    def fact(self, name: str, one: Detector | None = None) -> Fact | None:
        """The folded fact of that name, None for any other."""
        return (one.facts if one else {}).get(name) or self.detectors.folded.get(name)

    def fold(self, engine: Engine) -> None:
        """Fold every fact asked for so far, into tables of one row per case."""
        for table, held in self._groups().items():
            numbers = sorted({KINDS[one] for name in held for one in self.folded[name][0].of})
            columns = ",\n".join(f"{self._aggregate(name, len(numbers))} AS {name}" for name in held)
            source = "rare_events" if set(numbers) <= _RARE_NUMBERS else "events"
            asked = f"k IN ({', '.join(map(str, numbers))})"
            if all(_of_untimed(self.folded[name][0].where) for name in held):
                asked += " AND occurred IS NULL"
            engine.make(table, f"SELECT cid, {columns} FROM {source} WHERE {asked} GROUP BY cid")

    def joins(self, columns: Iterable[str] | None = None) -> str:
        """The joins to the case `c` of the tables that hold these columns (default: all)."""
        wanted = set(self.folded if columns is None else columns)
        return " ".join(
            f"LEFT JOIN {table} ON {table}.cid = c.cid" for table, held in self._groups().items() if wanted & set(held)
        )

    def _groups(self) -> dict[str, list[str]]:
        """The facts by the table they are folded into: those of records without a time, which are few; of the rest those
        of few activities with what shares one with them, and the others in one."""
        near: dict[str, frozenset[str]] = {}
        activities = {name: {one.split(".")[0] for one in fact.of} for name, (fact, _) in self.folded.items()}
        for own in activities.values():
            if len(own) <= _TOGETHER:
                together = frozenset(own).union(*(near.get(one, ()) for one in own))
                near.update(dict.fromkeys(together, together))
        groups: dict[frozenset[str], list[str]] = {}
        for name, own in activities.items():
            key = near[min(own)] if len(own) <= _TOGETHER else frozenset[str]()
            if _of_untimed(self.folded[name][0].where):
                key = frozenset({"untimed"})
            groups.setdefault(key, []).append(name)
        return {f"fold{at}": held for at, held in enumerate(groups.values())}

    def shared(self, wanted: Iterable[str]) -> str:
        """Columns of the wide row, called by the names of these shared facts."""
        return ", ".join(
            f"{self.column(self.detectors.folded[name], self.detectors.gates)} AS {name}" for name in wanted
        )

    def wide(self, column: str) -> str:
        """A folded column as the wide row shows it: a number of nothing is nought."""
        return f"COALESCE({column}, 0)" if self.folded[column][0].take == "count" else column

    def _aggregate(self, name: str, kinds_read: int) -> str:
        fact, condition = self.folded[name]
        numbers = [KINDS[one] for one in fact.of]
        asked = [] if len(numbers) == kinds_read else [_one_of(numbers)]
        where = " AND ".join([*asked, *([f"({condition})"] if condition else [])])
        if fact.take == "count":
            return f"CAST(count({f'CASE WHEN {where} THEN 1 END' if where else '*'}) AS INTEGER)"
        column = {"recorded": "recorded", "entered": "entered"}.get(fact.take.partition("_")[2], "occurred")
        value = "amount" if fact.take == "total" else column
        found = f"CASE WHEN {where} THEN {value} END" if where else value
        return f"{'sum' if fact.take == 'total' else 'min' if fact.take.startswith('first') else 'max'}({found})"


# The same rules give the same SQL in every run of a process: spelling them out anew costs more than a small history.
_Held = tuple[tuple[str, type, Threshold], ...]
"""Thresholds by name, as a key: 1 and 1.0 are written otherwise."""


def _held(values: Mapping[str, Threshold]) -> _Held:
    return tuple((name, type(value), value) for name, value in sorted(values.items()))


def _bound(tree: exp.Expr, values: _Held) -> str:
    return bind(tree, {name: value for name, _, value in values}, SOURCE_NUMBERS)


@functools.lru_cache(maxsize=4096)
def _condition(text: str, values: _Held) -> str:
    """What is asked of an event, as SQL."""
    return _bound(parse(text).transform(_spelt), values)


@functools.lru_cache(maxsize=4096)
def _expression(text: str, columns: tuple[tuple[str, str], ...], values: _Held) -> str:
    """`text` as SQL, with these columns in the place of facts."""
    called = dict(columns)

    def name(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name in called:
            return exp.column(called[node.name])
        return node

    return _bound(parse(text).transform(name), values)


def _spelt(node: exp.Expr) -> exp.Expr:
    """What a condition asks of an event and the table of events does not hold as a column."""
    if isinstance(node, exp.Column) and node.name == "only_uploads":
        return exp.var(f"({ONLY_UPLOADS})")
    return node


@functools.cache
def _of_untimed(where: str | None) -> bool:
    """Whether a condition is one on records without a time alone."""
    tree = parse(where or "TRUE")
    parts = tree.flatten() if isinstance(tree, exp.And) else (tree,)
    return any(part.unnest().sql() == "occurred IS NULL" for part in parts)


def _one_of(numbers: list[int]) -> str:
    return f"k IN ({', '.join(map(str, numbers))})" if len(numbers) > 1 else f"k = {numbers[0]}"


def source_of(moment: str) -> str:
    """SQL of the number of a moment's source, nought where it names none."""
    return f"(({moment}) // 2) % 32"


def names_of_sources(column: str) -> str:
    """SQL of the source's name from a moment."""
    cases = " ".join(f"WHEN {n} THEN {quoted(s)}" for s, n in SOURCE_NUMBERS.items())
    return f"CASE {source_of(column)} {cases} ELSE '' END"


def systems(source: str) -> str:
    """SQL of the sources of several records, a bit for each; NULL where one of them names none."""
    return f"CASE WHEN min({source}) > 0 THEN bit_or(CAST(power(2, {source}) AS BIGINT)) END"
