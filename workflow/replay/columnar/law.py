"""Each case under its own law: class, limits and path by submission date, region and facts, joined as tables."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pyarrow as pa

from definitions.book import Book, region_or_nation
from definitions.model import STEPS, ClassificationRule, Definition
from workflow.replay.columnar.engines import EPOCH, Engine, arrow, day_number, quoted
from workflow.replay.lists import papers_of
from workflow.replay.tables import lost_value

_FACTS: Final = ("customer_kind", "voltage", "capacity_kw", "enterprise_size", "supply_count", "area")
_TEXT, _INT, _FLAG = pa.string(), pa.int32(), pa.bool_()


def condition(name: str, wanted: Any, columns: dict[str, str]) -> str:
    """SQL of one condition of a classification row."""
    column = columns[name]
    if name == "hv_request_ref":
        return f"NOT ({column})"
    if isinstance(wanted, dict):
        parts = [f"{column} {'<=' if word == 'at_most' else '>='} {value}" for word, value in wanted.items()]
        return " AND ".join(parts)
    if isinstance(wanted, list | tuple):
        words = ", ".join(quoted(str(word)) for word in wanted if word is not None)
        return f"({column} IN ({words}) OR {column} IS NULL)" if None in wanted else f"{column} IN ({words})"
    return f"{column} IS NULL" if wanted is None else f"{column} = {quoted(str(wanted))}"


def classify(rule: ClassificationRule, columns: dict[str, str], *, strict: bool) -> str:
    """The class by the rows of `rule`, NULL where a missing fact leaves it open. `strict`: a filing that needs the
    customer's written request and lacks it belongs to the class it would have at low voltage; otherwise the request is
    taken to lie elsewhere."""
    rows = []
    for row in rule.rows:
        if not strict and "hv_request_ref" in row.when:
            continue
        when = " AND ".join(f"({condition(name, wanted, columns)})" for name, wanted in row.when.items())
        if row.then is not None:
            then = quoted(row.then)
        elif row.refuse is not None:
            then = classify(rule, {**columns, "voltage": "'low'"}, strict=False)
        else:
            then = "NULL"
        rows.append(f"WHEN {when} THEN {then} WHEN ({when}) IS NULL THEN NULL")
    return f"CASE {' '.join(rows)} END"


def _promised(rule: ClassificationRule, ceiling: float) -> str:
    """SQL branches of a CASE. Where the nation leaves zero investment to the region's promise and no promise is on
    record, a small user filed as `lv_zero` was promised it by the filing; without the facts it is open [D-ZERO-2021]."""
    open_areas = [area for area, value in rule.zero_investment_kw.items() if value is None]
    if not open_areas:
        return ""
    sizes = ", ".join(quoted(str(size)) for size in rule.zero_investment_sizes)
    where = (
        f" AND area IN ({', '.join(map(quoted, open_areas))})" if len(open_areas) < len(rule.zero_investment_kw) else ""
    )
    known = f"enterprise_size IN ({sizes}) AND capacity_kw <= {ceiling}"
    open_ = f"COALESCE(enterprise_size IN ({sizes}), TRUE) AND COALESCE(capacity_kw <= {ceiling}, TRUE)"
    small = f"customer_kind = 'non_residential' AND voltage = 'low'{where}"
    return (
        f"WHEN {small} AND user_class = 'lv_zero' AND {known} THEN 'lv_zero' "
        f"WHEN {small} AND user_class IN ('lv_zero', '') AND {open_} THEN NULL"
    )


class Law:
    """The tables of the law for the regions and days of a history."""

    def __init__(self, engine: Engine, book: Book, first: dt.date, last: dt.date) -> None:
        self.engine, self.book, self.ceiling = engine, book, book.zero_investment_ceiling()
        self.rules: list[ClassificationRule] = []
        self.definitions: dict[str, int] = {}
        self.by_id: list[Definition] = []
        self._regions(first, last)

    def _regions(self, first: dt.date, last: dt.date) -> None:
        groups: dict[Any, int] = {}
        regions: list[Any] = []
        laws: list[Any] = []
        tables: list[Any] = []
        for (region,) in self.engine.rows("SELECT DISTINCT COALESCE(region, '') FROM c ORDER BY 1"):
            code = region_or_nation(region)
            lines = {one: self.book.timeline(one, code) for one in self.book.classes}
            hashes = tuple(item.hash for line in lines.values() for _, _, item in line)
            spans = self._classifications(code, first, last)
            key = (hashes, tuple(spans))
            if key not in groups:
                groups[key] = len(groups)
                for one, line in lines.items():
                    for start, end, item in line:
                        until = day_number(end) if end else 1_000_000
                        laws.append((groups[key], one, day_number(start), until, self._id(item)))
                tables.extend((groups[key], *span) for span in spans)
            regions.append((region, groups[key]))
        engine = self.engine
        engine.put("regions", arrow([("region", _TEXT), ("rg", _INT)], regions))
        kinds = [("rg", _INT), ("class", _TEXT), ("day_from", _INT), ("day_to", _INT), ("def_id", _INT)]
        engine.put("laws", arrow(kinds, laws))
        engine.put("tables", arrow([("rg", _INT), ("day_from", _INT), ("day_to", _INT), ("table_id", _INT)], tables))
        self._put_definitions()

    def _classifications(self, region: str, first: dt.date, last: dt.date) -> list[tuple[int, int, int]]:
        spans: list[tuple[int, int, int]] = []
        day = first
        while day <= last:
            try:
                rule = self.book.classification(on=day, region=region)
            except LookupError:
                day += dt.timedelta(days=1)
                continue
            at = next((i for i, known in enumerate(self.rules) if known is rule), None)
            if at is None:
                at = len(self.rules)
                self.rules.append(rule)
            number = day_number(day)
            if spans and spans[-1][2] == at:
                spans[-1] = (spans[-1][0], number, at)
            else:
                spans.append((number, number, at))
            day += dt.timedelta(days=1)
        return spans

    def _id(self, item: Definition) -> int:
        if item.hash not in self.definitions:
            self.definitions[item.hash] = len(self.by_id)
            self.by_id.append(item)
        return self.definitions[item.hash]

    def _put_definitions(self) -> None:
        columns: list[tuple[str, pa.DataType]] = [
            ("def_id", _INT), ("class", _TEXT), ("total_limit", _INT), ("whole", _FLAG), ("deducts", _FLAG),
            ("zero", _FLAG), ("last_only", _FLAG), ("unusual", _FLAG), ("design_all", _FLAG), ("mid_all", _FLAG),
        ]  # fmt: skip
        for step in STEPS:
            columns += [(f"limit_{step}", _INT), (f"group_{step}", _TEXT), (f"derived_{step}", _FLAG)]
        rows = [_definition_row(at, item) for at, item in enumerate(self.by_id)]
        self.engine.put("defs", arrow(columns, rows))
        steps = [
            (at, STEPS.index(part), STEPS.index(step.code), step.limit, step.starts != "hand_in",
             place)
            for at, item in enumerate(self.by_id)
            for place, step in enumerate(item.steps)
            for part in step.parts
        ]  # fmt: skip
        kinds = [("def_id", _INT), ("step", _INT), ("grp", _INT), ("lim", _INT), ("derived", _FLAG),
                 ("place", _INT)]  # fmt: skip
        self.engine.put("def_steps", arrow(kinds, steps))
        papers = {
            (at, word): (*paper, STEPS.index(item.steps[paper[0]].code))
            for at, item in enumerate(self.by_id)
            for word, paper in papers_of(item).items()
        }
        kinds = [
            ("def_id", _INT),
            ("word", _TEXT),
            ("place", _INT),
            ("kind", _TEXT),
            ("form", _TEXT),
            ("place_step", _INT),
        ]
        self.engine.put("def_papers", arrow(kinds, ((*key, *value) for key, value in sorted(papers.items()))))
        words = {word: value[1] for (_, word), value in sorted(papers.items()) if value[1]}
        self.engine.put("papers", arrow([("word", _TEXT), ("kind", _TEXT)], sorted(words.items())))

    def classes(self, columns: dict[str, str], *, strict: bool, filed: bool = False) -> str:
        """SQL of the class by the table `table_id`. `filed`: a filing may stand for a region's promise."""
        if not self.rules:
            return "CAST(NULL AS VARCHAR)"
        found = ""
        for at, rule in enumerate(self.rules):
            answer = classify(rule, columns, strict=strict)
            # Where both areas give the same class, the area decides nothing.
            town, country = (
                classify(rule, {**columns, "area": quoted(area)}, strict=strict) for area in ("urban", "rural")
            )
            either = f"CASE WHEN {columns['area']} IS NULL AND {town} = {country} THEN {town} END"
            answer = f"COALESCE({answer}, {either})"
            promised = _promised(rule, self.ceiling) if filed else ""
            found += f" WHEN {at} THEN {f'CASE {promised} ELSE {answer} END' if promised else answer}"
        return f"CASE table_id {found} END"

    def make(self, submitted: str, joins: str, asked: str, classes: tuple[str, ...]) -> None:
        """Table `k`: class and law of every case; none where its region could not be read. `submitted`: the moment the
        law is asked for; `asked`: whether the customer asked for high voltage in writing."""
        columns = {name: name for name in _FACTS} | {"hv_request_ref": "asked"}
        named = ", ".join(quoted(one) for one in classes)
        self.engine.make(
            "k0",
            f"""SELECT cid, rg, on_day, asked, user_class, business_type = 'transfer' AS not_governed,
            {self.classes(columns, strict=True, filed=True)} AS class_by_rules,
            {self.classes(columns, strict=False, filed=True)} AS lenient
            FROM (SELECT c.*, regions.rg, tables.table_id, x.on_day, x.asked FROM
                (SELECT c.cid, CASE WHEN (c.lost_values // {lost_value("region")}) % 2 = 0
                    THEN ({submitted}) // {86_400_000_000 * 64} END AS on_day, {asked} AS asked FROM c {joins}) AS x
                JOIN c ON c.cid = x.cid JOIN regions ON regions.region = COALESCE(c.region, '')
                LEFT JOIN tables ON tables.rg = regions.rg AND x.on_day BETWEEN tables.day_from AND tables.day_to) AS y""",
        )
        self.engine.make(
            "k",
            f"""SELECT k0.cid, k0.rg, k0.on_day, k0.not_governed, k0.asked AS high_voltage_asked,
            CASE WHEN NOT k0.not_governed THEN k0.class_by_rules END AS class_by_rules,
            CASE WHEN NOT k0.not_governed THEN COALESCE(k0.lenient, CASE WHEN k0.user_class IN ({named})
                THEN k0.user_class END) END AS law_class,
            l.def_id, f.total_limit AS filed_limit, f.zero AS filed_zero, r.total_limit AS rules_limit,
            r.zero AS rules_zero, COALESCE(l.def_id, fl.def_id) AS path_id
            FROM k0
            LEFT JOIN laws AS l ON l.rg = k0.rg AND l.class = k0.lenient AND NOT k0.not_governed
                AND k0.on_day BETWEEN l.day_from AND l.day_to
            LEFT JOIN laws AS fl ON fl.rg = k0.rg AND fl.class = k0.user_class AND k0.on_day BETWEEN fl.day_from AND fl.day_to
            LEFT JOIN defs AS f ON f.def_id = fl.def_id
            LEFT JOIN laws AS rl ON rl.rg = k0.rg AND rl.class = k0.class_by_rules
                AND k0.on_day BETWEEN rl.day_from AND rl.day_to
            LEFT JOIN defs AS r ON r.def_id = rl.def_id""",
        )


def _definition_row(at: int, item: Definition) -> tuple[Any, ...]:
    steps = {part: step for step in item.steps for part in step.parts}
    usual = all(len(step.parts) == 1 for step in item.steps) and all(
        step.starts == "hand_in" or before is None or before.code == "acceptance"
        for before, step in zip((None, *item.steps), item.steps, strict=False)
    )
    by_all = {code: code in steps and steps[code].required_for == "all" for code in ("design_review", "mid_inspection")}
    row: list[Any] = [
        at, item.user_class, item.total.limit, item.total.kind == "whole_process",
        "force_majeure" in item.total.deductible, item.charges.zero_investment, item.total.rounds == "last", not usual,
        by_all["design_review"], by_all["mid_inspection"],
    ]  # fmt: skip
    for code in STEPS:
        step = steps.get(code)
        alone = step is not None and step.parts == (code,)
        row += [
            step.limit if step is not None and alone else None,
            step.code if step is not None else None,
            step is not None and step.starts != "hand_in",
        ]
    return tuple(row)


def earliest(days: dt.date, margin: int) -> dt.date:
    """A day some days before, not before the epoch of moments."""
    return max(EPOCH, days - dt.timedelta(days=margin))
