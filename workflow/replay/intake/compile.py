"""A foreign table and its mapping, made into SQL whose every row says what became of it.

`Part.sql` keeps every row of the raw table: our columns, `#state` (accepted, rejected, ignored, other, empty, blank),
`#why` (which `ignore` of the mapping), `#faults` (what was wrong, column by column) and `#at`.  Nothing is filtered
before it is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from definitions.model import USER_CLASSES
from definitions.records import OBSERVED, lifecycles
from workflow.replay import tables
from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.mapping import Condition, Emitter, MappingFile, Names, Table, Value, untold
from workflow.replay.intake.plain import Plain, plain_table
from workflow.replay.intake.raw import AT, ROW, Raw, identifier, label, literal, numbered
from workflow.replay.intake.values import MOMENT, Typed, among, as_text, typed

STATES = ("accepted", "rejected", "ignored", "other", "empty", "blank")
"""What can become of a row: `other` was not meant by this event's `when`, `empty` has not reached this milestone."""

_EXCUSING: Mapping[str, tuple[str, ...]] = {
    "source": ("value", "code", "pattern"), "value": ("value",), "ref": ("value",), "batch": ("value",),
}  # fmt: skip
"""Columns of an event that may say why it is no finding → what may be wrong with one and the event is taken without it:
it was read, and is nothing that excuses.  An event is not held against anybody when what excuses it may stand in a cell
that cannot be read (policy §6, gates: never guilty)."""

_UNDECIDED = (
    """CASE WHEN "#unread" IS NOT NULL THEN {'ours': '', 'theirs': "#unread".theirs, """
    """'text': bz_shown("#unread".text), 'code': bz_code("#unread".text)} END"""
)
"""SQL of the fault of a row of which a condition cannot be decided."""


@dataclass(frozen=True, slots=True)
class Part:
    """One way in which a raw table gives rows of one of ours. `name`: for the counts; `present`: which of our columns
    it can fill; `reads`: the columns of the raw table that it looks at; `plain`: how rows without a doubt are taken
    over in one pass, where that can be; `over`: the same of other rows of the table, those set aside."""

    name: str
    raw: Raw
    table: Table
    target: tuple[tables.Column, ...]
    sql: str
    present: frozenset[str]
    reads: frozenset[str]
    plain: Plain | None
    over: Callable[[Raw], Part]

    @property
    def is_case(self) -> bool:
        """Whether it gives cases, not events."""
        return self.target is tables.CASES

    @property
    def selected(self) -> str:
        """Our columns, but for the position, which needs to know what came before."""
        return ", ".join(
            identifier(column.name)
            for column in self.target
            if column.name not in ("row", "rejected_rows", "lost_values")
        )


def parts(raw: Raw, table: Table, mapping: MappingFile, steps: tuple[str, ...]) -> Iterator[Part]:
    """What `table` makes of `raw`: its cases, and each of its events. Raises BadHistory for missing columns."""
    if table.case:
        yield part(raw, table, mapping, steps, target=tables.CASES, emitter=Emitter(table.case), name="case")
    for number, emitter in enumerate(table.events, start=1):
        yield part(raw, table, mapping, steps, target=tables.EVENTS, emitter=emitter, name=f"event {number}")


class Columns:
    """The raw table's columns as a mapping names them; collects those that are not there, or more than once."""

    def __init__(self, raw: Raw, table: Table) -> None:
        self.raw = raw
        self.table = table
        self.missing: list[tuple[str, ...]] = []
        self.several: list[str] = []
        self.read: set[str] = set()
        self._by_label: dict[str, list[str]] = {}
        for name in raw.columns:
            self._by_label.setdefault(label(name), []).append(name)
        for alike in [names for names in self._by_label.values() if len(names) > 1]:
            for count, name in enumerate(alike, start=1):
                self._by_label.setdefault(label(numbered(name, count)), [name])

    def refuse_missing(self) -> None:
        """Raise BadHistory when a column that was asked for is not there, or stands there more than once: which of
        them is meant is not for us to guess."""
        place = self.raw.place
        there = ", ".join(name for name in self.raw.columns if not name.startswith("#"))
        lacking = [
            f"{place}: 缺少列 {' 或 '.join(names)} (现有: {there}) / "
            f"column {' or '.join(names)} is missing (there are: {there})"
            for names in dict.fromkeys(self.missing)
        ]
        doubled = [
            f"{place}: 列名 {name} 出现不止一次, 无法确定用哪一列 (空格、大小写、全角半角不作区别); "
            f"请删去或改名多余的列, 或在对照表中写明用 {numbered(name, 1)} 还是 {numbered(name, 2)} / "
            f"the column {name} stands there more than once (blanks, case and width make no difference); delete or "
            f"rename the others, or write in the mapping whether {numbered(name, 1)} or {numbered(name, 2)} is meant"
            for name in dict.fromkeys(self.several)
        ]
        if lacking or doubled:
            raise BadHistory(*lacking, *doubled)

    def find(self, names: tuple[str, ...], optional: bool = False) -> tuple[str, str] | None:
        """SQL and type of the first of `names` that is there: a column, or what was looked up in the file."""
        for name in names:
            if name in self.raw.found:
                found = self.raw.found[name]
                return ("NULL" if found is None else literal(found)), "VARCHAR"
            there = self._by_label.get(label(name), [])
            if len(there) == 1:
                self.read.add(there[0])
                return identifier(there[0]), self.raw.columns[there[0]]
            if there or label(numbered(name, 2)) in self._by_label:
                self.several.append(name)
                return "NULL", "VARCHAR"
        if not optional:
            self.missing.append(names)
        return None

    def text(self, names: tuple[str, ...], optional: bool = False) -> str:
        """SQL of a column as text; NULL when it is not there."""
        found = self.find(names, optional)
        return "CAST(NULL AS VARCHAR)" if found is None else as_text(*found, self.raw.lies)

    def holds(self, condition: Condition) -> str:
        """SQL of whether a row meets the condition; never NULL."""
        text = self.text(condition.column)
        if condition.values:
            return f"coalesce({among(text, condition.values)}, false)"
        if condition.pattern:
            return f"coalesce(NOT bz_bad({text}) AND regexp_matches({text}, {literal(condition.pattern)}), false)"
        return f"{text} IS NULL" if condition.empty else f"{text} IS NOT NULL"

    def unread(self, condition: Condition) -> str:
        """SQL of whether nobody can say if a row meets the condition, because the cell that decides cannot be read."""
        told = condition.values or condition.pattern
        return f"coalesce(bz_bad({self.text(condition.column)}), false)" if told else "false"

    def text_of(self, value: Value) -> str:
        """SQL of a value as text."""
        return _as_ready(*self.value(value))

    def value(self, value: Value) -> tuple[str, str]:
        """SQL and type of a value before it is read as ours."""
        if value.first:
            return f"coalesce({', '.join(self._text(one) for one in value)})", "VARCHAR"
        plain = not (value.codes or value.extract or value.give or value.prefix or value.joined or value.constant)
        if plain and value.columns and (found := self.find(value.columns, value.optional)) is not None:
            return (as_text(*found, self.raw.lies), "VARCHAR") if found[1] in ("VARCHAR", "BLOB") else found
        return self._text(value), "VARCHAR"

    def _text(self, value: Value) -> str:
        if value.unknown:
            return "CAST(NULL AS VARCHAR)"
        if value.constant is not None:
            return literal(value.constant)
        if value.joined:
            each = [self.text((name,)) for name in value.joined]
            bad = " ".join(f"WHEN bz_bad({one}) THEN {one}" for one in each)
            text = f"CASE {bad} ELSE concat_ws({literal(value.join)}, {', '.join(each)}) END"
        else:
            text = self.text(value.columns, value.optional)
        if value.extract:
            found = f"nullif(regexp_extract({text}, {literal(value.extract)}, 1), '')"
            found = f"CASE WHEN bz_bad({text}) THEN {text} ELSE coalesce({found}, bz_mark('pattern', {text})) END"
            text = f"CASE WHEN {text} IS NOT NULL THEN {found} END"
        if value.give is not None:
            return f"CASE WHEN bz_number({text}) < {value.below!r} THEN {literal(value.give)} END"
        if value.codes is not None:
            text = _coded(text, value.codes, value.otherwise)
        return (
            f"CASE WHEN bz_bad({text}) THEN {text} ELSE {literal(value.prefix)} || {text} END" if value.prefix else text
        )


def _coded(text: str, codes: Mapping[str, str], otherwise: str) -> str:
    cases = " ".join(f"WHEN {literal(code)} THEN {literal(ours)}" for code, ours in codes.items())
    rest = {"reject": f"bz_mark('code', {text})", "keep": text, "empty": "NULL"}[otherwise]
    return f"CASE WHEN {text} IS NULL OR bz_bad({text}) THEN {text} ELSE CASE {text} {cases} ELSE {rest} END END"


def _named(columns: Columns, names: Names) -> tuple[dict[str, str], str]:
    """SQL of activity, lifecycle and value by an activity's foreign name, and of whether it is to be ignored."""
    text = columns.value(names.value)[0]
    event = _coded(text, names.to, "reject" if names.otherwise == "reject" else "empty").replace("'code'", "'name'")
    ignored = " OR ".join(f"{text} GLOB {literal(pattern)}" for pattern in names.ignore) or "false"
    if names.otherwise == "ignore":
        ignored = f"({ignored}) OR ({text} IS NOT NULL AND NOT bz_bad({text}) AND NOT {among(text, names.to)})"
    pattern = literal(r"^([a-z_]+)\.([a-z_]+)(?:=(.*))?$")
    said = {}
    for group, (name, marked) in enumerate((("activity", event), ("lifecycle", "NULL"), ("value", "NULL")), start=1):
        found = f"nullif(regexp_extract({event}, {pattern}, {group}), '')"
        said[name] = f"CASE WHEN bz_bad({event}) THEN {marked} ELSE {found} END"
    return said, f"coalesce({ignored}, false)"


def part(
    raw: Raw, table: Table, mapping: MappingFile, steps: tuple[str, ...], *,
    target: tuple[tables.Column, ...], emitter: Emitter, name: str,
) -> Part:  # fmt: skip
    """One way in which `raw` gives rows of `target`. Raises BadHistory for columns that are missing."""
    columns = Columns(raw, table)
    given = {column: columns.value(value) for column, value in emitter.columns.items()}
    ignored = [columns.holds(condition) for condition in table.ignore]
    if emitter.names:
        named, skipped = _named(columns, emitter.names)
        own = given.get("value")
        if own is not None:
            named["value"] = f"coalesce({named['value']}, {_as_ready(*own)})"
        given |= {column: (text, "VARCHAR") for column, text in named.items()}
        ignored.append(skipped)
    if target is tables.EVENTS:
        given["lifecycle"] = (_lifecycle(given), "VARCHAR")
    when, deciding = "true", list(table.ignore)
    if emitter.when:
        when = f"CASE WHEN {columns.unread(emitter.when)} THEN NULL ELSE {columns.holds(emitter.when)} END"
        deciding.append(emitter.when)
    cells = [(columns.unread(one), literal(" / ".join(one.column)), columns.text(one.column)) for one in deciding]
    unread = " ".join(f"WHEN {bad} THEN {{'theirs': {theirs}, 'text': {text}}}" for bad, theirs, text in cells)
    unread = f"CASE {unread} END" if unread else "CAST(NULL AS STRUCT(theirs VARCHAR, text VARCHAR))"
    why = " ".join(f"WHEN {condition} THEN {index}" for index, condition in enumerate(ignored))
    first = ", ".join(f"{text} AS {identifier('t_' + column)}" for column, (text, _) in given.items())
    files = '"#file"' if raw.lies else "0"
    # Stage by stage, so that each value is worked out once.
    taken = (
        f'SELECT {identifier(AT)}, {identifier(ROW)}, {files} AS "#file", {when} AS "#when", {unread} AS "#unread", '  # noqa: S608  # quoted
        f'{f"CASE {why} END" if why else "CAST(NULL AS INTEGER)"} AS "#why", {first} FROM ({raw.sql})'
    )
    plan = _Plan(target, emitter, given, table=table, mapping=mapping, steps=steps, spooled=not raw.lies)
    columns.refuse_missing()
    present = frozenset(
        column for column, value in emitter.columns.items() if not all(_absent(columns, one) for one in value)
    ) | ({"activity", "lifecycle"} if target is tables.EVENTS else set())
    again = partial(part, table=table, mapping=mapping, steps=steps, target=target, emitter=emitter, name=name)
    untouched = plain_table(raw, table, mapping, steps, target=target, emitter=emitter)
    return Part(
        f"{table.name}: {name}", raw, table, target, plan.sql(taken), present, frozenset(columns.read), untouched, again
    )


def _as_ready(x: str, kind: str) -> str:
    """A value as text; what is text already has been made ready."""
    return x if kind == "VARCHAR" else as_text(x, kind)


def _absent(columns: Columns, value: Value) -> bool:
    return bool(value.columns) and columns.find(value.columns, optional=True) is None


def _lifecycle(given: Mapping[str, tuple[str, str]]) -> str:
    """The lifecycle, which goes without saying for records of other systems and for corrections."""
    activity = _as_ready(*given["activity"])
    own = _as_ready(*given["lifecycle"]) if "lifecycle" in given else "NULL"
    observed = among(activity, OBSERVED)
    implied = f"CASE WHEN {observed} THEN 'observed' WHEN {activity} = 'correction' THEN 'changed' END"
    return f"coalesce({own}, {implied})"


class _Plan:
    """How the columns of one part are typed, checked and judged, as SQL over the columns `t_…`."""

    def __init__(
        self, target: tuple[tables.Column, ...], emitter: Emitter, given: Mapping[str, tuple[str, str]], *,
        table: Table, mapping: MappingFile, steps: tuple[str, ...], spooled: bool,
    ) -> None:  # fmt: skip
        self.target = target
        self.table = table
        self.emitter = emitter
        self.given = given
        self.mapping = mapping
        self.steps = steps
        # A mapping's own marks (an unknown code) stand in any table; those of torn cells only in a spooled one.
        self.marks = spooled or any(
            one.codes or one.extract or emitter.names for value in emitter.columns.values() for one in value
        )
        self.typed = {column.name: self._typed(column) for column in target if column.name in given}
        flags = [identifier(f"s_{name}") for name, one in self.typed.items() if one.sentinel != "false"]
        self.sentinels = " + ".join(f"CAST({flag} AS INTEGER)" for flag in flags) or "0"
        self.faulty = " OR ".join(f"{identifier('f_' + name)} IS NOT NULL" for name in self._checked()) or "false"

    def _typed(self, column: tables.Column) -> Typed:
        x = identifier(f"t_{column.name}")
        found = typed(column.kind, x, self.given[column.name][1], self.marks)
        value = self.emitter.columns.get(column.name)
        if value is not None and (value.absolute or value.scale is not None):
            scaled = f"abs({found.value})" if value.absolute else found.value
            found = found._replace(value=f"{scaled} * {value.scale!r}" if value.scale is not None else scaled)
        values = column.values
        if column.name == "user_class":
            values = (*USER_CLASSES, *self.mapping.classes)
        if values:
            outside = f"({x} IS NOT NULL AND NOT {among(x, values)})"
            found = found._replace(
                value=f"CASE WHEN {among(x, values)} THEN {x} END",
                fault=f"coalesce({found.fault}, CASE WHEN {outside} THEN 'value' END)",
            )
        return found

    def _checked(self) -> list[str]:
        return [name for name, one in self.typed.items() if one.fault != "NULL"]

    def sql(self, taken: str) -> str:
        """The whole SELECT: typed, then checked against each other, then judged."""
        made = ["#at", "#row", "#file", "#when", "#unread", "#why"]
        parsed = {name: one.parsed for name, one in self.typed.items() if one.parsed}
        if parsed:
            added = ", ".join(f"{sql} AS {identifier('m_' + name)}" for name, sql in parsed.items())
            taken = f"SELECT *, {added} FROM ({taken})"  # noqa: S608  # quoted
        second = [identifier(name) for name in made] + [identifier(f"t_{name}") for name in self.given]
        for name, plain in self.typed.items():
            one = Typed(*(part.replace(MOMENT, identifier(f"m_{name}")) for part in plain))
            second += [f"{one.value} AS {identifier('v_' + name)}", f"{one.fault} AS {identifier('f_' + name)}"]
            if one.sentinel != "false":
                second.append(f"{one.sentinel} AS {identifier('s_' + name)}")
            if name in ("occurred_at", "recorded_at"):
                second.append(f"{one.day} AS {identifier('d_' + name)}")
        values = f"SELECT {', '.join(second)} FROM ({taken})"  # noqa: S608  # quoted
        if self.target is tables.EVENTS:
            values = self._together(values)
        third = [
            f"{self._final(column)} AS {identifier(column.name)}" for column in self.target if column.name != "row"
        ]
        third += [f'{self._state()} AS "#state"', f'{self._faults()} AS "#faults"', f'{self.faulty} AS "#faulty"']
        third += [f'{self.sentinels} AS "#sentinels"', *map(identifier, ("#at", "#row", "#file", "#why"))]
        return f"SELECT {', '.join(third)} FROM ({values})"  # noqa: S608  # quoted

    def _together(self, values: str) -> str:
        """Checks between the columns of an event: the pair of activity and lifecycle, closed values, times in
        corrections."""
        allowed = [f"{activity}.{lifecycle}" for activity, many in lifecycles(self.steps).items() for lifecycle in many]
        pair = "v_activity || '.' || v_lifecycle"
        outside = (
            f"{pair} IS NOT NULL AND NOT {among(pair, allowed)} OR v_activity IS NOT NULL AND v_lifecycle IS NULL "
            f"AND NOT {among('v_activity', lifecycles(self.steps))}"
        )
        parsed: dict[str, str] = {}
        changes = {
            "f_activity": f"coalesce(f_activity, CASE WHEN {outside} THEN 'activity' END)",
        }
        if "value" in self.typed:
            wrong = " OR ".join(
                f"({pair} = {literal(f'{activity}.{lifecycle}')} AND v_value IS NOT NULL "
                f"AND NOT {among('v_value', many)})"
                for (activity, lifecycle), many in tables.VALUES.items()
            )
            changes["v_value"] = f"CASE WHEN {wrong} THEN NULL ELSE v_value END"
            changes["f_value"] = f"coalesce(f_value, CASE WHEN {wrong} THEN 'value' END)"
            timed = "v_activity = 'correction' AND ends_with(v_value, '.occurred_at')"
            for name in ("old_value", "new_value"):
                if name in self.typed:
                    read = identifier(f"m_{name}")
                    parsed[f"m_{name}"] = f"CASE WHEN {timed} THEN bz_moment(v_{name}) END"
                    changes[f"v_{name}"] = f"CASE WHEN {timed} THEN bz_written({read}) ELSE v_{name} END"
                    bad = f"{timed} AND v_{name} IS NOT NULL AND {read}.time IS NULL"
                    changes[f"f_{name}"] = f"coalesce(f_{name}, CASE WHEN {bad} THEN 'moment' END)"
        if parsed:
            added = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in parsed.items())
            values = f"SELECT *, {added} FROM ({values})"  # noqa: S608  # quoted
        listed = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in changes.items())
        return f"SELECT * REPLACE ({listed}) FROM ({values})"  # noqa: S608  # quoted

    def _final(self, column: tables.Column) -> str:
        if column.name in ("occurred_is_date", "recorded_is_date"):
            moment = column.name.replace("_is_date", "_at")
            if moment not in self.typed:
                return "false"
            midnight = f"CAST(v_{moment} AS TIME) = TIME '00:00:00'"
            if not self.mapping.midnight_is_date:
                midnight += f" AND {among('v_source', tables.DATE_SOURCES)}" if "source" in self.typed else " AND false"
            return f"coalesce(d_{moment} OR ({midnight}), false)"
        if column.name in ("rejected_rows", "lost_values"):
            return "CAST(0 AS BIGINT)"
        if column.name == "untold":
            return f"CAST({untold(self.table, self.mapping, self.steps, self.typed)} AS BIGINT)"
        if column.name not in self.typed:
            return f"CAST(NULL AS {tables.SQL_TYPES[column.kind]})"
        return f"CAST({identifier('v_' + column.name)} AS {tables.SQL_TYPES[column.kind]})"

    def _required(self) -> list[str]:
        """Our columns without which a row is nothing, unless the mapping says that it is not known."""
        unknown = {name for name, value in self.emitter.columns.items() if value.unknown}
        return [column.name for column in self.target if column.required and column.name not in unknown]

    def _lacks(self, name: str) -> str:
        if name not in self.typed:
            return "true"
        lacks = f"{identifier('v_' + name)} IS NULL"
        return f"({lacks} AND NOT s_{name})" if self.typed[name].sentinel != "false" else lacks

    def _state(self) -> str:
        lost = " OR ".join(['"#unread" IS NOT NULL', *(self._lacks(name) for name in self._required())])
        if self.target is tables.EVENTS:
            lost += " OR f_activity IS NOT NULL"
            for name, harmless in _EXCUSING.items():
                if name in self._checked():
                    lost += f" OR (f_{name} IS NOT NULL AND NOT {among(f'f_{name}', harmless)})"
        from_file = [
            identifier(f"t_{name}")
            for name, value in self.emitter.columns.items()
            if any(one.columns or one.joined for one in value)
        ]
        blank = " AND ".join(f"{name} IS NULL" for name in from_file) or "false"
        empty = "WHEN t_occurred_at IS NULL THEN 'empty'" if self._may_be_empty() else ""
        return (
            f"CASE WHEN \"#why\" IS NOT NULL THEN 'ignored' WHEN NOT \"#when\" THEN 'other' WHEN {lost} THEN "
            f"CASE WHEN {blank} THEN 'blank' {empty} ELSE 'rejected' END ELSE 'accepted' END"
        )

    def _may_be_empty(self) -> bool:
        return self.emitter.sparse and not self.emitter.columns["occurred_at"].unknown

    def _faults(self) -> str:
        """A list of what is wrong with the row: our column, the file's column, the text, the code."""
        found = [_UNDECIDED]
        for column in self.target:
            name = column.name
            if name not in self.typed:
                continue
            value = self.emitter.columns.get(name)
            theirs = next(
                (" / ".join(one.columns or one.joined) for one in value or () if one.columns or one.joined), name
            )
            if self.emitter.names and name == "activity":
                theirs = " + ".join(self.emitter.names.value.columns or self.emitter.names.value.joined)
            missing = f"WHEN {self._lacks(name)} THEN 'missing'" if name in self._required() else ""
            code = f"CASE WHEN f_{name} IS NOT NULL THEN f_{name} {missing} END"
            shown = f"bz_shown(CAST({identifier('t_' + name)} AS VARCHAR))"
            found.append(
                f"CASE WHEN {code} IS NOT NULL THEN {{'ours': {literal(name)}, 'theirs': {literal(theirs)}, "
                f"'text': {shown}, 'code': {code}}} END"
            )
        return f"list_filter([{', '.join(found)}], lambda fault: fault IS NOT NULL)"
