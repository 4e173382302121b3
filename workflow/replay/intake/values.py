"""How a foreign value becomes one of ours, as DuckDB SQL: the value, whether it is a date only, and what is wrong.

The macros are ours and take columns; nothing of a mapping reaches them but as a quoted literal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from workflow.replay.intake.faults import LONGEST_CELL
from workflow.replay.intake.raw import literal
from workflow.replay.tables import SENTINELS, Kind

_TIMES: Final = (
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s　]+(\d{1,2})[:：时](\d{1,2})(?:[:：分](\d{1,2})(?:\.(\d{1,9}))?秒?|分)?\s*(Z|[+-]\d{2}:?\d{2})?)?$"
)
_COMPACT: Final = r"^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2}))?$"
_UNITS: Final = "kva|kw|千伏安|千瓦|kv|千伏|元"
_NUMBER: Final = rf"^([+-]?(?:\d{{1,3}}(?:[,，]\d{{3}})+|\d+)(?:\.\d+)?(?:e[+-]?\d{{1,3}})?)\s*(?:{_UNITS})?$"
SHORTENED: Final = r"^\d(?:\.\d+)?[Ee]\+\d{2,3}$"
"""A code of which a spreadsheet wrote down the first digits only: `2.40301E+13` in a CSV file stands for every code of
14 digits that begins so."""
YES: Final = ("是", "true", "1", "y", "yes", "√")
NO: Final = ("否", "false", "0", "n", "no", "×")
_WIDE: Final = "０１２３４５６７８９：／－．＋", "0123456789:/-.+"
"""What a Chinese keyboard types in full width, and how dates and numbers are read. A code is not read but compared:
whoever typed two of different widths may have meant two, so codes stay as they are."""
_SPACE: Final = " \t\r\n　\xa0\ufeff\u200b"


class Reading(NamedTuple):
    """How times are read, from the mapping: formats of its own, Excel day numbers, offsets converted or dropped."""

    times: tuple[str, ...] = ()
    excel_serials: bool = False
    offsets: str = "convert"
    missing: tuple[str, ...] = ()


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(map(literal, values))


def among(text: str, values: Iterable[str]) -> str:
    """SQL of whether a text is one of some; false for NULL. (`IN` and `list_contains` would be planned as a join for
    each list, which costs more than everything else together.)"""
    return f"(TRY_CAST({text} AS ENUM ({', '.join(map(literal, dict.fromkeys(values)))})) IS NOT NULL)"


def macros(reading: Reading) -> list[str]:
    """The statements that define what the expressions below use, on one connection."""
    ways = [
        (
            r"WHEN regexp_full_match(t, '\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?') "
            "THEN {'time': try_cast(t AS TIMESTAMP), 'day': false}"
        ),
        r"WHEN regexp_full_match(t, '\d{4}-\d\d-\d\d') THEN {'time': try_cast(t AS TIMESTAMP), 'day': true}",
        f"WHEN regexp_matches(t, {literal(_TIMES)}) THEN {_taken_apart(reading.offsets)}",
        (
            f"WHEN regexp_matches(t, {literal(_COMPACT)}) THEN "
            "bz_closed(t[9:10], try_cast(concat(t[1:4], '-', t[5:6], '-', t[7:8], ' ', "
            "coalesce(nullif(t[9:10], ''), '00'), ':', coalesce(nullif(t[11:12], ''), '00'), ':', "
            "coalesce(nullif(t[13:14], ''), '00')) AS TIMESTAMP), length(t) = 8)"
        ),
    ]
    if reading.excel_serials:
        ways.append(
            r"WHEN regexp_full_match(t, '\d{5}(\.\d+)?') AND CAST(t AS DOUBLE) BETWEEN 18264 AND 73050 THEN "
            "{'time': TIMESTAMP '1899-12-30' + to_seconds(round(CAST(t AS DOUBLE) * 86400)), "
            "'day': NOT contains(t, '.')}"
        )
    if reading.times:
        own = f"try_strptime(t, [{_listed(reading.times)}])"
        ways.append(f"WHEN {own} IS NOT NULL THEN {{'time': {own}, 'day': CAST({own} AS TIME) = TIME '00:00:00'}}")
    number = f"replace(replace(regexp_extract(lower(t), {literal(_NUMBER)}, 1), ',', ''), '，', '')"
    blanks = ("", *reading.missing)
    longest = max((len(text.encode()) for text in reading.missing), default=0)
    trimmed = f"trim(x, {literal(_SPACE)})"
    # Trimming is slow and hardly ever needed, so it is done where a cheap look at both ends says so.
    ends = " OR ".join(f"suffix(x, {literal(one)})" for one in _SPACE)
    begins = "x < '!' OR " + " OR ".join(f"prefix(x, {literal(one)})" for one in _SPACE if one > "~")
    cleaned = f"CASE WHEN {among(trimmed, blanks)} THEN NULL ELSE {trimmed} END"
    blank = f"(strlen(x) <= {longest} AND {among('x', blanks)})" if longest else "x = ''"
    bodies = {
        "bz_text(x)": f"CASE WHEN {begins} OR {ends} OR {blank} THEN {cleaned} ELSE x END",
        "bz_plain(x)": f"CASE WHEN x < '!' OR suffix(x, ' ') OR {blank} THEN {cleaned} ELSE x END",
        "bz_bad(t)": "starts_with(t, chr(26))",
        "bz_code(t)": "split_part(t, chr(26), 2)",
        "bz_mark(code, t)": "concat(chr(26), code, chr(26), t)",
        "bz_shown(t)": "CASE WHEN bz_bad(t) THEN split_part(t, chr(26), 3) ELSE replace(left(t, 200), chr(0), '␀') END",
        "bz_odd(t)": f"CASE WHEN strlen(t) > {LONGEST_CELL} AND length(t) > {LONGEST_CELL} THEN 'long' "
        "WHEN contains(t, chr(0)) THEN 'nul' END",
        # 24:00 closes its own day: the midnight it falls on would be read as the date of the next one.
        "bz_closed(h, x, dated)": "CASE WHEN h = '24' AND CAST(x AS TIME) = TIME '00:00:00' "
        "THEN {'time': x - INTERVAL 1 DAY, 'day': true} ELSE {'time': x, 'day': dated} END",
        "bz_narrow(t)": f"CASE WHEN strlen(t) = length(t) THEN t ELSE translate(t, {_listed(_WIDE)}) END",
        "bz_time(t)": f"CASE {' '.join(ways)} ELSE CAST(NULL AS STRUCT(time TIMESTAMP, day BOOLEAN)) END",
        "bz_moment(t)": "bz_time(bz_narrow(t))",
        "bz_digits(t)": f"try_cast({number} AS DOUBLE)",
        "bz_number(t)": "bz_digits(bz_narrow(t))",
        "bz_flag(t)": f"CASE WHEN {among('lower(t)', YES)} THEN true WHEN {among('lower(t)', NO)} THEN false END",
        "bz_sentinel(x)": f"({' OR '.join(f'CAST(x AS DATE) = DATE {literal(day)}' for day in SENTINELS)})",
        "bz_year(x)": "NOT bz_sentinel(x) AND (NOT isfinite(x) OR year(x) NOT BETWEEN 1949 AND 2099)",
        "bz_written(m)": "CASE WHEN m.day THEN strftime(m.time, '%Y-%m-%d') "
        "ELSE strftime(m.time, '%Y-%m-%d %H:%M:%S') END",
    }
    return [f"CREATE OR REPLACE TEMP MACRO {name} AS {body}" for name, body in bodies.items()]


def _taken_apart(offsets: str) -> str:
    """A time in one of the usual forms, by its parts; an offset is turned into Shanghai wall clock, or dropped."""
    moment = (
        "try_cast(concat(p.y, '-', lpad(p.m, 2, '0'), '-', lpad(p.d, 2, '0'), ' ', lpad(p.h, 2, '0'), ':', "
        "lpad(p.i, 2, '0'), ':', lpad(p.s, 2, '0'), '.', rpad(left(p.f, 6), 6, '0')) AS TIMESTAMP)"
    )
    minutes = (
        "CASE WHEN p.z = 'Z' THEN 0 ELSE (CASE WHEN p.z[1] = '-' THEN -1 ELSE 1 END) * "
        "(CAST(p.z[2:3] AS INT) * 60 + CAST(right(p.z, 2) AS INT)) END"
    )
    if offsets == "convert":
        moment = f"CASE WHEN p.z = '' THEN {moment} ELSE {moment} + to_minutes(480 - ({minutes})) END"
    parts = f"regexp_extract(t, {literal(_TIMES)}, ['y', 'm', 'd', 'h', 'i', 's', 'f', 'z'])"
    return f"list_transform([{parts}], lambda p: bz_closed(p.h, {moment}, p.h = ''))[1]"


class Typed(NamedTuple):
    """SQL of one value: of `value`, of `fault` (a code, or NULL), of `day` (date only), of `sentinel`. Where `parsed`
    is set the others read its result as the column `MOMENT`, so that a time is taken apart once."""

    value: str
    fault: str = "NULL"
    day: str = "false"
    sentinel: str = "false"
    parsed: str = ""


MOMENT: Final = '"#moment"'
"""Name under which the others of a `Typed` read what `parsed` gives; the caller may replace it."""


_WHOLE: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
_BROKEN: Final = ("FLOAT", "DOUBLE")


def as_text(x: str, kind: str, lies: bool = False) -> str:
    """SQL of a raw column as text, whatever its type; a number is written without needless decimals. `lies`: it is read
    from Parquet, where text is seldom padded with more than blanks, and is looked at less closely."""
    if kind == "VARCHAR":
        return f"bz_plain({x})" if lies else f"bz_text({x})"
    if kind in _BROKEN:
        return (
            f"CASE WHEN NOT isfinite({x}) THEN NULL WHEN abs({x}) >= 9007199254740992 THEN "
            f"bz_mark('digits', CAST({x} AS VARCHAR)) WHEN {x} = trunc({x}) THEN CAST(CAST({x} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({x} AS VARCHAR) END"
        )
    if kind.startswith("DECIMAL"):
        whole = f"regexp_replace(CAST({x} AS VARCHAR), '\\.?0+$', '')"
        return f"CASE WHEN contains(CAST({x} AS VARCHAR), '.') THEN {whole} ELSE CAST({x} AS VARCHAR) END"
    if kind == "BLOB":
        return f"bz_text(try(decode({x})))"
    return f"CAST({x} AS VARCHAR)"


def typed(kind: Kind, x: str, given: str, spooled: bool) -> Typed:
    """How the column `x`, which holds `given` (VARCHAR: text made ready), becomes a value of `kind`. `spooled`: it may
    hold the marks of cells that could not be read."""
    if given == "VARCHAR":
        found = _of_text(kind, x)
        marked = f"WHEN bz_bad({x}) THEN bz_code({x}) " if spooled else ""
        odd = f"bz_odd({x})"
        fault = f"CASE {marked}WHEN {odd} IS NOT NULL THEN {odd} ELSE {found.fault} END"
        # Whatever is wrong with it, a faulty value is no value.
        guard = f"bz_bad({x}) OR {odd} IS NOT NULL" if spooled else f"{odd} IS NOT NULL"
        value = f"CASE WHEN {guard} THEN NULL ELSE {found.value} END" if kind == "text" else found.value
        return found._replace(value=value, fault=fault)
    return _of_type(kind, x, given)


def _of_text(kind: Kind, x: str) -> Typed:
    if kind == "text":
        short = f"contains({x}, '+') AND regexp_matches({x}, {literal(SHORTENED)})"
        return Typed(f"CASE WHEN {short} THEN NULL ELSE {x} END", f"CASE WHEN {short} THEN 'digits' END")
    if kind in ("moment", "date"):
        return _of_moment(kind, f"bz_moment({x})", x)
    if kind == "flag":
        return Typed(f"bz_flag({x})", f"CASE WHEN {x} IS NOT NULL AND bz_flag({x}) IS NULL THEN 'flag' END")
    fault = f"WHEN {x} IS NOT NULL AND (bz_number({x}) IS NULL OR NOT isfinite(bz_number({x}))) THEN 'number'"
    return _of_number(kind, f"bz_number({x})", fault)


def _of_type(kind: Kind, x: str, given: str) -> Typed:
    if kind == "text":
        text = as_text(x, given)
        if given in _BROKEN:
            return Typed(
                f"CASE WHEN bz_bad({text}) THEN NULL ELSE {text} END",
                f"CASE WHEN bz_bad({text}) THEN bz_code({text}) END",
            )
        return Typed(text)
    if kind in ("moment", "date"):
        if given == "DATE":
            return _of_moment(kind, f"{{'time': CAST({x} AS TIMESTAMP), 'day': {x} IS NOT NULL}}", x)
        if given.startswith("TIMESTAMP"):
            zoned = (
                f"timezone('Asia/Shanghai', {x})" if given == "TIMESTAMP WITH TIME ZONE" else f"CAST({x} AS TIMESTAMP)"
            )
            return _of_moment(kind, f"{{'time': {zoned}, 'day': false}}", x)
    if kind == "flag" and given == "BOOLEAN":
        return Typed(x)
    if kind in ("number", "count") and (given in _WHOLE or given in _BROKEN or given.startswith("DECIMAL")):
        number = f"CASE WHEN isnan(CAST({x} AS DOUBLE)) THEN NULL ELSE CAST({x} AS DOUBLE) END"
        return _of_number(kind, number, f"WHEN isinf(CAST({x} AS DOUBLE)) THEN 'number'")
    text = as_text(x, given)
    return _of_text(kind, text)


def _of_number(kind: Kind, number: str, fault: str) -> Typed:
    finite = f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "number":
        return Typed(finite, f"CASE {fault} END")
    whole = f"try_cast({finite} AS BIGINT)"
    broken = f"WHEN {number} IS NOT NULL AND (abs({number}) > 9e15 OR {number} <> trunc({number})) THEN 'count'"
    return Typed(
        f"CASE WHEN abs({number}) <= 9e15 AND {number} = trunc({number}) THEN {whole} END", f"CASE {fault} {broken} END"
    )


def _of_moment(kind: Kind, parsed: str, x: str) -> Typed:
    time = f"{MOMENT}.time"
    fault = f"CASE WHEN {x} IS NOT NULL AND {time} IS NULL THEN 'moment' WHEN bz_year({time}) THEN 'year' END"
    value = f"CASE WHEN bz_sentinel({time}) OR bz_year({time}) THEN NULL ELSE {time} END"
    return Typed(
        f"CAST({value} AS DATE)" if kind == "date" else value,
        fault,
        f"coalesce({MOMENT}.day, false)",
        f"coalesce(bz_sentinel({time}), false)",
        parsed,
    )
