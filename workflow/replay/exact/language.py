"""An expression of a detector, worked out over the facts of one case: the same text that the engines run as SQL.

NULL is None and behaves as in SQL: what is compared with it is unknown, NOT of unknown is unknown, and only what is
true counts as true.
"""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlglot
from sqlglot import exp

from definitions._expressions import DIALECT, MOMENT_UNIT, Threshold, bind, parse
from workflow.replay.tables import SOURCE_NUMBERS, SOURCES

EPOCH: Final = dt.datetime(1900, 1, 1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)

Facts = Mapping[str, Any]
Worked = Callable[[int | None], int | None]
"""Working days up to and including a day, given as days since 1900-01-01; None outside the calendar."""
Compiled = Callable[[Facts, Worked], Any]


def moment(at: dt.datetime | None, source: str | None, only_date: bool) -> int | None:
    """A moment as the language has it, from a naive time (Asia/Shanghai)."""
    if at is None:
        return None
    number = SOURCE_NUMBERS.get(source or "", 0)
    return ((at - EPOCH) // _MICROSECOND) * MOMENT_UNIT + 2 * number + only_date


def time_of(value: int) -> dt.datetime:
    """The naive time of a moment."""
    return EPOCH + dt.timedelta(microseconds=value // MOMENT_UNIT)


def source_of(value: int) -> str:
    """The source that recorded a moment; empty when nobody says."""
    number = value // 2 % 32
    return SOURCES[number - 1] if 0 < number <= len(SOURCES) else ""


def moment_text(value: int | None) -> str:
    """A moment as people read it; a date where only the date is known."""
    if value is None:
        return ""
    return time_of(value).strftime("%Y-%m-%d" if value % 2 else "%Y-%m-%d %H:%M:%S")


def compiled(text: str, values: Mapping[str, Threshold]) -> Compiled:
    """`text` ready to be worked out, its thresholds put in. Raises `ExpressionError` for what is no expression."""
    return _compiled(text, tuple(sorted(values.items())))


@functools.lru_cache(maxsize=4096)
def _compiled(text: str, values: tuple[tuple[str, Threshold], ...]) -> Compiled:
    return _node(sqlglot.parse_one(bind(parse(text), dict(values), SOURCE_NUMBERS), read=DIALECT))


def _known(work: Callable[..., Any], *parts: Compiled) -> Compiled:
    """What is unknown as soon as a part is."""

    def run(facts: Facts, worked: Worked) -> Any:
        found = []
        for part in parts:
            value = part(facts, worked)
            if value is None:
                return None
            found.append(value)
        return work(*found)

    return run


def _and(node: exp.And) -> Compiled:
    left, right = _node(node.left), _node(node.right)

    def run(facts: Facts, worked: Worked) -> Any:
        first = left(facts, worked)
        if first is not None and not first:
            return False
        second = right(facts, worked)
        if second is not None and not second:
            return False
        return None if first is None or second is None else True

    return run


def _or(node: exp.Or) -> Compiled:
    left, right = _node(node.left), _node(node.right)

    def run(facts: Facts, worked: Worked) -> Any:
        first = left(facts, worked)
        if first:
            return True
        second = right(facts, worked)
        if second:
            return True
        return None if first is None or second is None else False

    return run


def _is(node: exp.Is) -> Compiled:
    part, wanted = _node(node.this), node.expression
    if isinstance(wanted, exp.Null):
        return lambda facts, worked: part(facts, worked) is None
    value = bool(wanted.this)
    return lambda facts, worked: part(facts, worked) is value


def _in(node: exp.In) -> Compiled:
    part, options = _node(node.this), [_node(one) for one in node.expressions]

    def run(facts: Facts, worked: Worked) -> Any:
        value = part(facts, worked)
        if value is None:
            return None
        found = [option(facts, worked) for option in options]
        return True if value in found else None if None in found else False

    return run


def _case(node: exp.Case) -> Compiled:
    ways = [(_node(way.this), _node(way.args["true"])) for way in node.args["ifs"]]
    rest = _node(node.args["default"]) if node.args.get("default") is not None else lambda _facts, _worked: None

    def run(facts: Facts, worked: Worked) -> Any:
        for when, then in ways:
            if when(facts, worked):
                return then(facts, worked)
        return rest(facts, worked)

    return run


def _coalesce(node: exp.Coalesce) -> Compiled:
    parts = [_node(node.this), *(_node(one) for one in node.expressions)]

    def run(facts: Facts, worked: Worked) -> Any:
        return next((value for part in parts if (value := part(facts, worked)) is not None), None)

    return run


def _extreme(pick: Callable[..., Any]) -> Callable[[Any], Compiled]:
    """The greatest or least of those that are known."""

    def build(node: Any) -> Compiled:
        parts = [_node(node.this), *(_node(one) for one in node.expressions)]

        def run(facts: Facts, worked: Worked) -> Any:
            return pick((v for part in parts if (v := part(facts, worked)) is not None), default=None)

        return run

    return build


def _concat(node: exp.Concat) -> Compiled:
    parts = [_node(one) for one in node.expressions]
    return lambda facts, worked: "".join(str(v) for part in parts if (v := part(facts, worked)) is not None)


def _call(node: exp.Anonymous) -> Compiled:
    part = _node(node.expressions[0])
    if str(node.this).lower() == "moment_text":
        return lambda facts, worked: moment_text(part(facts, worked))
    return lambda facts, worked: worked(part(facts, worked))


def _literal(node: exp.Literal) -> Compiled:
    text = str(node.this)
    value: Any = text if node.is_string else float(text) if "." in text else int(text)
    return lambda _facts, _worked: value


def _column(node: exp.Column) -> Compiled:
    name = str(node.name)
    return lambda facts, _worked: facts[name]


def _two(work: Callable[[Any, Any], Any]) -> Callable[[Any], Compiled]:
    return lambda node: _known(work, _node(node.this), _node(node.expression))


def _cast(node: exp.Cast) -> Compiled:
    """Whole numbers have no bound here, so a wider one is the same; the language knows no other type to turn into."""
    if not node.to.is_type("bigint"):
        raise TypeError(f"{node.sql()} turns into what no rule needs")
    return _node(node.this)


_BUILD: Final[Mapping[type[exp.Expr], Callable[[Any], Compiled]]] = {
    exp.Abs: lambda node: _known(abs, _node(node.this)),
    exp.Add: _two(operator.add),
    exp.And: _and,
    exp.Anonymous: _call,
    exp.Between: lambda node: _known(
        lambda value, low, high: low <= value <= high,
        _node(node.this), _node(node.args["low"]), _node(node.args["high"]),
    ),
    exp.Boolean: lambda node: lambda _facts, _worked: bool(node.this),
    exp.Case: _case,
    exp.Cast: _cast,
    exp.Coalesce: _coalesce,
    exp.Column: _column,
    exp.Concat: _concat,
    exp.EQ: _two(operator.eq),
    exp.GT: _two(operator.gt),
    exp.GTE: _two(operator.ge),
    exp.Greatest: _extreme(max),
    exp.In: _in,
    exp.IntDiv: _two(operator.floordiv),
    exp.Is: _is,
    exp.LT: _two(operator.lt),
    exp.LTE: _two(operator.le),
    exp.Least: _extreme(min),
    exp.Literal: _literal,
    exp.Mod: _two(operator.mod),
    exp.Mul: _two(operator.mul),
    exp.NEQ: _two(operator.ne),
    exp.Neg: lambda node: _known(operator.neg, _node(node.this)),
    exp.Not: lambda node: _known(operator.not_, _node(node.this)),
    exp.Null: lambda _node: lambda _facts, _worked: None,
    exp.Or: _or,
    exp.Paren: lambda node: _node(node.this),
    exp.StartsWith: _two(str.startswith),
    exp.Sub: _two(operator.sub),
}  # fmt: skip
"""What the language allows, by what it means."""


def _node(node: exp.Expr) -> Compiled:
    return _BUILD[type(node)](node)
