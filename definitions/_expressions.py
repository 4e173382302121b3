"""The language in which a detector is written: a small part of SQL over named facts, parsed and checked, never run as
text.

An expression may name only known facts and thresholds (`:name`) and call only the functions listed here.  Functions of
the field (`earlier`, `wdays`, …) are spelt out into plain arithmetic, so that every engine computes the same.  A moment
is one 64-bit number: microseconds since 1900-01-01 (Asia/Shanghai wall clock) times 64, plus twice the number of the
source that recorded it, plus 1 when only the date is known.  The least of two moments is the earlier one, and it still
says where it comes from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MOMENT_UNIT: Final = 64
"""What a microsecond is multiplied by in a moment."""
MOMENT_DAY: Final = 86_400_000_000 * MOMENT_UNIT
MOMENT_MINUTE: Final = 60_000_000
DIALECT: Final = "duckdb"
THIS: Final = "this"
"""What a condition calls the one fact, of several, that it is asked of."""

_ALLOWED: Final = (
    exp.Abs, exp.Add, exp.And, exp.Anonymous, exp.Between, exp.Boolean, exp.Case, exp.Coalesce, exp.Column, exp.Concat,
    exp.EQ, exp.GT, exp.GTE, exp.Greatest, exp.Identifier, exp.If, exp.In, exp.IntDiv, exp.Is, exp.LT, exp.LTE,
    exp.Least, exp.Literal, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.Null, exp.Or, exp.Paren, exp.Placeholder,
    exp.StartsWith, exp.Sub, exp.Tuple,
)  # fmt: skip

Threshold = int | float | tuple[str, ...]


class ExpressionError(ValueError):
    """An expression that is not written in the language; `zh` and `en` say why."""

    def __init__(self, zh: str, en: str) -> None:
        self.zh, self.en = zh, en
        super().__init__(f"{zh} / {en}")


def _day(moment: str) -> str:
    return f"(({moment}) // {MOMENT_DAY})"


def _instant(moment: str) -> str:
    return f"(({moment}) // {MOMENT_UNIT})"


def _span(minutes: str) -> str:
    """Minutes, whole or broken, in microseconds."""
    return f"CAST(({minutes}) * CAST({MOMENT_MINUTE} AS BIGINT) AS BIGINT)"


def _seconds(many: str) -> str:
    """Seconds in microseconds, however many."""
    return f"CAST(({many}) * CAST(1000000 AS BIGINT) AS BIGINT)"


def _source(moment: str) -> str:
    return f"((({moment}) // 2) % 32)"


def _dated(moment: str) -> str:
    return f"(({moment}) % 2 = 1)"


def earlier(a: str, b: str, minutes: str) -> str:
    """Before: by date where one is only a date, to the microsecond within one system, between systems by more than
    their clocks may differ; who names no system may be of another [policy 6]."""
    return _before(a, b, minutes, f"{_source(a)} = {_source(b)} AND {_source(a)} > 0")


def _date_before(a: str, b: str, minutes: str) -> str:
    """On an earlier date, and before: two systems may tell one moment on both sides of a midnight [policy 6]."""
    return f"({_day(a)} < {_day(b)} AND {earlier(a, b, minutes)})"


def in_order(a: str, b: str, minutes: str) -> str:
    """Before, of two steps of the process: they are of one system where none is named."""
    return _before(a, b, minutes, f"{_source(a)} = {_source(b)}")


def _before(a: str, b: str, minutes: str, one_system: str) -> str:
    return (
        f"(CASE WHEN {_dated(a)} OR {_dated(b)} THEN {_day(a)} < {_day(b)} "
        f"WHEN {one_system} THEN {_instant(a)} < {_instant(b)} "
        f"ELSE {_instant(a)} + {_span(minutes)} < {_instant(b)} END)"
    )


def _wdays(a: str, b: str) -> str:
    return f"(wd_at({_day(b)}) - wd_at({_day(a)}))"


def _days_between(a: str, b: str) -> str:
    return f"({_day(b)} - {_day(a)})"


def _within_minutes(a: str, b: str, minutes: str) -> str:
    """NULL where one of them is only a date, which tells no minute."""
    near = f"ABS({_instant(a)} - {_instant(b)}) <= {_span(minutes)}"
    return f"(CASE WHEN NOT {_dated(a)} AND NOT {_dated(b)} THEN {near} END)"


def _more_than_a_day_before(a: str, b: str, days: str) -> str:
    return (
        f"(CASE WHEN {_dated(a)} OR {_dated(b)} THEN {_day(b)} - {_day(a)} > ({days}) "
        f"ELSE {_instant(b)} - {_instant(a)} > ({days}) * {1440 * MOMENT_MINUTE} END)"
    )


def past_due(start: str, end: str, budget: str) -> str:
    """Whether `end` (a day) lies after the last of `budget` working days from `start` (a day) [policy 5]."""
    return f"(({end}) > ({start}) AND wd_at(({end}) - 1) - wd_at({start}) >= ({budget}))"


def most_alike(*values: str) -> str:
    """How many of the values are the same, at most."""
    counts = ("(" + " + ".join(f"CASE WHEN ({a}) = ({b}) THEN 1 ELSE 0 END" for b in values) + ")" for a in values)
    return f"GREATEST({', '.join(counts)})"


def _threes(minutes: str, moments: Sequence[str]) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Any three moments, and whether they lie within so many minutes, none known between them in the order given.
    A date tells no minute."""
    count = len(moments)
    for i in range(count):
        for j in range(i + 1, count):
            for k in range(j + 1, count):
                a, b, c = moments[i], moments[j], moments[k]
                between = [m for at, m in enumerate(moments) if i < at < k and at != j]
                spread = f"GREATEST({a}, {b}, {c}) // {MOMENT_UNIT} - LEAST({a}, {b}, {c}) // {MOMENT_UNIT}"
                known = [f"NOT {_dated(m)}" for m in (a, b, c)] + [f"({m}) IS NULL" for m in between]
                yield (a, b, c), f"({' AND '.join([*known, f'{spread} <= {_span(minutes)}'])})"


def _three_in_a_row(minutes: str, *moments: str) -> str:
    """Whether three moments, with none known between them in the order given, lie within so many minutes."""
    hits = [hit for _, hit in _threes(minutes, moments)]
    many = " + ".join(f"CASE WHEN ({m}) IS NULL THEN 0 ELSE 1 END" for m in moments)
    return f"({many} >= 3 AND ({' OR '.join(hits)}))"


def _one_of_three(one: str, minutes: str, *moments: str) -> str:
    """Whether `one` of the moments is among such three."""
    return f"({' OR '.join([*(hit for three, hit in _threes(minutes, moments) if one in three), 'FALSE'])})"


_MACROS: Final[Mapping[str, tuple[Callable[..., str], int, int]]] = {
    "date_of": (_day, 1, 1),
    "instant": (_instant, 1, 1),
    "dated": (_dated, 1, 1),
    "seconds": (_seconds, 1, 1),
    "source_of": (_source, 1, 1),
    "earlier": (earlier, 2, 2),
    "in_order": (in_order, 2, 2),
    "date_before": (_date_before, 2, 2),
    "wdays": (_wdays, 2, 2),
    "days_between": (_days_between, 2, 2),
    "within_minutes": (_within_minutes, 3, 3),
    "days_before": (_more_than_a_day_before, 3, 3),
    "past_due": (past_due, 3, 3),
    "most_alike": (most_alike, 2, 12),
    "three_in_a_row": (_three_in_a_row, 4, 12),
    "one_of_three": (_one_of_three, 5, 13),
}
_BETWEEN_SYSTEMS: Final = ("earlier", "in_order", "date_before")
_TOLERANCE: Final = "tolerance_minutes"
"""The threshold that those are also given: by how much the clocks of two systems may differ."""
_PRIMITIVES: Final = {"wd_at": 1, "moment_text": 1}


@functools.cache
def parse(text: str) -> exp.Expr:
    """The tree of `text`, to be read, not changed. Raises `ExpressionError` for anything but one expression of the
    language."""
    try:
        tree = sqlglot.parse_one(text, read=DIALECT)
    except SqlglotError as error:
        raise ExpressionError(f"表达式写法不对: {text}", f"not an expression: {text}") from error
    for node in tree.walk():
        if not isinstance(node, _ALLOWED):
            raise ExpressionError(
                f"表达式中不能使用 {type(node).__name__}: {text}", f"{type(node).__name__} may not stand in: {text}"
            )
        if isinstance(node, exp.Column) and len(node.parts) > 1:
            raise ExpressionError(f"事实名不带点: {node.sql()}", f"a fact is named without a dot: {node.sql()}")
        if isinstance(node, exp.Anonymous):
            _check_call(node, text)
        if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest") or node.args.get("field")):
            raise ExpressionError(f"IN 后只能列出值: {text}", f"IN takes a list of values: {text}")
    return tree


def _check_call(node: exp.Anonymous, text: str) -> None:
    name, given = str(node.this).lower(), len(node.expressions)
    if name == "comes_from":
        if not given or not all(isinstance(one, exp.Literal) and one.is_string for one in node.expressions):
            raise ExpressionError(f"comes_from 要写明来源: {text}", f"comes_from takes names of sources: {text}")
        return
    if name in _PRIMITIVES:
        low = high = _PRIMITIVES[name]
    elif name in _MACROS:
        _, low, high = _MACROS[name]
    else:
        known = ", ".join(sorted([*_MACROS, *_PRIMITIVES, "comes_from"]))
        raise ExpressionError(f"没有函数 {name} (可用: {known})", f"there is no function {name} (known: {known})")
    if not low <= given <= high:
        raise ExpressionError(f"{name} 的参数个数不对: {text}", f"{name} takes {low} to {high} arguments: {text}")


def names(tree: exp.Expr) -> set[str]:
    """The facts that `tree` names."""
    return {str(node.name) for node in tree.find_all(exp.Column)}


def about(text: str, name: str) -> str:
    """`text` with the fact `name` where it speaks of `this`."""
    tree = parse(text).copy()
    for node in tree.find_all(exp.Column):
        if node.name == THIS:
            node.replace(exp.column(name))
    return tree.sql(dialect=DIALECT)


def thresholds(tree: exp.Expr) -> set[str]:
    """The thresholds that `tree` names."""
    return {str(node.this) for node in tree.find_all(exp.Placeholder)}


def check(text: str, known: Collection[str], given: Collection[str]) -> exp.Expr:
    """The tree of `text`, whose facts are among `known` and whose thresholds are among `given`. Raises
    `ExpressionError`."""
    tree = parse(text)
    for name in sorted(names(tree) - set(known)):
        raise ExpressionError(f"没有事实 {name}: {text}", f"there is no fact {name}: {text}")
    for name in sorted(thresholds(tree) - set(given)):
        raise ExpressionError(f"没有阈值 :{name}: {text}", f"there is no threshold :{name}: {text}")
    return tree


def _literal(value: Threshold | str) -> exp.Expr:
    if isinstance(value, str):
        return exp.Literal.string(value)
    return exp.Literal.number(str(value))


def bind(tree: exp.Expr, values: Mapping[str, Threshold], sources: Mapping[str, int]) -> str:
    """`tree` as SQL with its functions of the field spelt out and its thresholds put in. `sources`: the number of each
    source in a moment. Raises `ExpressionError` for an unknown source."""
    whole = exp.Paren(this=tree.copy())
    # Inside out: what a function is given is spelt out before the function itself.
    for node in reversed(list(whole.walk(bfs=False))):
        if isinstance(node, exp.In):
            options: list[exp.Expr] = []
            for one in node.expressions:
                value = values.get(str(one.this)) if isinstance(one, exp.Placeholder) else None
                options.extend([_literal(v) for v in value] if isinstance(value, tuple) else [one])
            node.set("expressions", options or [exp.Literal.string("")])
        elif isinstance(node, exp.Placeholder):
            value = values.get(str(node.this))
            if value is not None and not isinstance(value, tuple):
                node.replace(_literal(value))
        elif isinstance(node, exp.Anonymous) and str(node.this).lower() not in _PRIMITIVES:
            # As text: nobody has to read again what stands here.
            node.replace(exp.var(_spelt(node, values, sources)))
    return str(whole.this.sql(dialect=DIALECT, copy=False))


def _spelt(call: exp.Anonymous, values: Mapping[str, Threshold], sources: Mapping[str, int]) -> str:
    name = str(call.this).lower()
    if name == "comes_from":
        words = [str(one.this) for one in call.expressions]
        if unknown := [word for word in words if word not in sources]:
            raise ExpressionError(f"没有来源 {unknown[0]}", f"there is no source {unknown[0]}")
        return f"(src IN ({', '.join(str(sources[word]) for word in words)}))"
    given = [one.sql(dialect=DIALECT, copy=False) for one in call.expressions]
    if name in _BETWEEN_SYSTEMS:
        given.append(str(values[_TOLERANCE]))
    return _MACROS[name][0](*given)
