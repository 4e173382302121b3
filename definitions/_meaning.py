"""What an expression of the detectors comes to: a moment, a number, a truth or a text.

An engine would compare a moment with a number, or read a number as a truth, without a word, and would stop at a text in
the midst of a run.  So both are faults of the file that says so.  What nobody can tell beforehand (a fact the engine
supplies) is `any` and fits everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from sqlglot import exp

from definitions._expressions import ExpressionError, Threshold, check

__all__ = ["Meaning", "meaning", "stated"]

Meaning = Literal["moment", "number", "truth", "text", "any"]

_WORDS: Final[Mapping[Meaning, str]] = {
    "moment": "时刻", "number": "数字", "truth": "条件", "text": "文字", "any": "任意"
}  # fmt: skip
_ENGLISH: Final[Mapping[Meaning, str]] = {
    "moment": "a moment", "number": "a number", "truth": "a condition", "text": "a text", "any": "anything"
}  # fmt: skip
_CALLS: Final[Mapping[str, tuple[Meaning, tuple[Meaning, ...]]]] = {
    "date_of": ("number", ("moment",)),
    "instant": ("number", ("moment",)),
    "dated": ("truth", ("moment",)),
    "seconds": ("number", ("number",)),
    "source_of": ("number", ("moment",)),
    "earlier": ("truth", ("moment",)),
    "in_order": ("truth", ("moment",)),
    "date_before": ("truth", ("moment",)),
    "wdays": ("number", ("moment",)),
    "days_between": ("number", ("moment",)),
    "within_minutes": ("truth", ("moment", "moment", "number")),
    "days_before": ("truth", ("moment", "moment", "number")),
    "past_due": ("truth", ("number",)),
    "most_alike": ("number", ("any",)),
    "three_in_a_row": ("truth", ("number", "moment")),
    "one_of_three": ("truth", ("moment", "number", "moment")),
    "wd_at": ("number", ("number",)),
    "moment_text": ("text", ("moment",)),
    "comes_from": ("truth", ("text",)),
}
"""What a function gives and takes; the last word stands for every further argument."""
_OPERATORS: Final[Mapping[type[exp.Expr], tuple[Meaning, Meaning]]] = {
    exp.And: ("truth", "truth"),
    exp.Or: ("truth", "truth"),
    exp.Not: ("truth", "truth"),
    exp.Add: ("number", "number"),
    exp.Sub: ("number", "number"),
    exp.Mul: ("number", "number"),
    exp.IntDiv: ("number", "number"),
    exp.Mod: ("number", "number"),
    exp.Neg: ("number", "number"),
    exp.Abs: ("number", "number"),
    exp.Concat: ("text", "text"),
    exp.StartsWith: ("truth", "text"),
}
"""What an operator gives, and what all its operands are."""
_COMPARED: Final = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)


def stated(text: str, wanted: Meaning, known: Mapping[str, Meaning], given: Mapping[str, Threshold]) -> Meaning:
    """What `text` comes to, which has to be `wanted`. `known`: what each fact is; `given`: the thresholds. Raises
    `ExpressionError` for anything but an expression of the language that keeps to what its facts are."""
    try:
        found = meaning(check(text, known, given), known, given)
        return _fits(found, wanted)
    except _MisfitError as error:
        raise ExpressionError(f"{error.zh}: {text}", f"{error.en}: {text}") from None


class _MisfitError(Exception):
    def __init__(self, found: Meaning, wanted: Meaning) -> None:
        self.zh = f"应为{_WORDS[wanted]}, 现为{_WORDS[found]}"
        self.en = f"must be {_ENGLISH[wanted]}, found {_ENGLISH[found]}"
        super().__init__(self.en)


def _fits(found: Meaning, wanted: Meaning) -> Meaning:
    if "any" not in (found, wanted) and found != wanted:
        raise _MisfitError(found, wanted)
    return wanted if found == "any" else found


def meaning(tree: exp.Expr, known: Mapping[str, Meaning], given: Mapping[str, Threshold]) -> Meaning:
    """What a checked expression comes to."""
    return _Reading(known, given).of(tree)


class _Reading:
    """What the parts of one expression are."""

    def __init__(self, known: Mapping[str, Meaning], given: Mapping[str, Threshold]) -> None:
        self.known, self.given = known, given

    def of(self, node: exp.Expr) -> Meaning:
        parts = [part for part in node.iter_expressions() if not isinstance(part, exp.Identifier)]
        if isinstance(node, exp.Is):
            self.of(node.this)
            return "truth"
        if isinstance(node, _COMPARED):
            self._alike(parts)
            return "truth"
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.If):
            return self._alike([self._true(node.this, node.args["true"]), *filter(None, [node.args.get("false")])])
        if isinstance(node, exp.Anonymous):
            gives, takes = _CALLS[str(node.this).lower()]
            self._all(node.expressions, takes)
            return gives
        if type(node) in _OPERATORS:
            gives, taken = _OPERATORS[type(node)]
            self._all(parts, (taken,))
            return gives
        # Brackets, a list, the first of several that is known, the greatest and the least are what their parts are.
        return self._alike(parts) if parts else self._word(node)

    def _word(self, node: exp.Expr) -> Meaning:
        if isinstance(node, exp.Column):
            return self.known[str(node.name)]
        if isinstance(node, exp.Placeholder):
            return "text" if isinstance(self.given[str(node.this)], tuple) else "number"
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else "number"
        return "truth" if isinstance(node, exp.Boolean) else "any"

    def _all(self, nodes: Sequence[exp.Expr], wanted: tuple[Meaning, ...]) -> None:
        for at, node in enumerate(nodes):
            _fits(self.of(node), wanted[min(at, len(wanted) - 1)])

    def _alike(self, nodes: Sequence[exp.Expr]) -> Meaning:
        found: Meaning = "any"
        for node in nodes:
            found = _fits(self.of(node), found)
        return found

    def _true(self, condition: exp.Expr, then: exp.Expr) -> exp.Expr:
        _fits(self.of(condition), "truth")
        return then

    def _case(self, node: exp.Case) -> Meaning:
        branches = node.args["ifs"]
        if node.this is not None:
            self._alike([node.this, *(one.this for one in branches)])
            given = [one.args["true"] for one in branches]
        else:
            given = [self._true(one.this, one.args["true"]) for one in branches]
        return self._alike([*given, *filter(None, [node.args.get("default")])])
