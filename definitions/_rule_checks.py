"""What makes a rule impossible to run although its file has the right shape: a name that is not there, an expression
that comes to something else than it has to, a sentence that cannot be said.  Each fault stands where it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from definitions._expressions import THIS, ExpressionError, Threshold
from definitions._meaning import Meaning, stated
from definitions.model import STEPS, Text
from definitions.records import event_kinds
from definitions.shapes import Mark, Problem, Reader

if TYPE_CHECKING:
    from definitions.detectors import Detector, Detectors, Fact, Statistic

PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]*)(?:\:(?:moment|number|text))?\}")
"""Where an explanation puts in a fact: `{first_energy}` as a moment, `{used:number}` as it is."""
EVENT_COLUMNS: Final[Mapping[str, Meaning]] = {
    "value": "text", "old_value": "text", "new_value": "text", "ref": "text", "batch": "text", "amount": "number",
    "occurred": "moment", "recorded": "moment", "entered": "moment", "names_case": "truth", "only_uploads": "truth",
    "ref_expected": "truth", "src": "number",
}  # fmt: skip
"""What the condition of a folded fact may speak of: one event. `occurred`, `recorded`: moments; `entered`: the moment
of recording where it is an entry time and not a load time (gate b); `names_case`: its reference is, or is among others,
the case's own number; `only_uploads`: it refers to pictures or files that somebody uploaded, and to nothing else;
`ref_expected`: among records of its kind an absent reference says something (gate c). Texts that are missing are empty,
but for `old_value` and `new_value`, which are NULL."""
_KINDS: Final = frozenset(event_kinds(STEPS))
_SAID: Final[Mapping[str, frozenset[str]]] = {
    "binomial": frozenset(("unit", "hits", "of", "peer_hits", "peer_of", "q")),
    "share_above": frozenset(("unit", "hits", "of")),
    "difference": frozenset(("unit", "reported", "recomputed")),
}
"""What the sentence of a statistic may name, by its test."""

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, under which keys of a file."""

    keys: Keys
    zh: str
    en: str


def placed(faults: Iterable[Fault], reader: Reader, path: Path) -> Iterator[Problem]:
    """The faults of one file with their lines."""
    waiting = list(faults)
    node = reader.compose(path) if waiting else None
    for fault in waiting:
        line = _at(node, fault.keys).start_mark.line + 1 if node is not None else 1
        yield Problem(Mark(reader.name(path), line), fault.zh, fault.en)


def _at(node: yaml.Node, keys: Keys) -> yaml.Node:
    """What stands under `keys`, or the nearest that holds it."""
    for key in keys:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            below = node.value[key]
        if below is None:
            break
        node = below
    return node


def expression(
    keys: Keys, text: str | None, wanted: Meaning, known: Mapping[str, Meaning], given: Mapping[str, Threshold]
) -> Iterator[Fault]:
    """What is wrong with an expression, which has to come to `wanted`."""
    if text is None:
        return
    try:
        stated(text, wanted, known, given)
    except ExpressionError as error:
        yield Fault(keys, error.zh, error.en)


def sentence(keys: Keys, said: Text, known: Mapping[str, Meaning]) -> Iterator[Fault]:
    """What is wrong with a sentence: a fact that is not there, or one said as what it is not."""
    for language in ("zh", "en"):
        at, text = (*keys, language), getattr(said, language)
        for place in PLACE.finditer(text):
            name, shown = place[1], place[0]
            if name not in known:
                yield Fault(at, f"没有事实 {name}", f"there is no fact {name}")
            elif not _sayable(shown, known[name]):
                yield Fault(at, f"{shown}: 该事实不能这样写出", f"{shown}: the fact cannot be said so")
        yield from _braces(at, PLACE.sub("", text))


def _sayable(shown: str, meaning: Meaning) -> bool:
    """Whether a fact of this meaning may be put in as `{name}`, `{name:number}` …"""
    if meaning == "any":
        return True
    if shown.endswith(":number}"):
        return meaning == "number"
    return (meaning == "moment") != shown.endswith(":text}")


def _braces(keys: Keys, rest: str) -> Iterator[Fault]:
    if "{" in rest or "}" in rest:
        zh = "花括号只能写成 {事实} {事实:moment} {事实:number} {事实:text}"
        yield Fault(keys, zh, "braces are {fact}, {fact:moment}, {fact:number} or {fact:text}")


def statistic(one: Statistic, shipped: Statistic | None) -> Iterator[Fault]:
    """What is wrong with a rule over organisations. `shipped`: the one whose query it uses."""
    if shipped is None:
        zh = f"没有 {one.rule} 的查询: 统计规则只能改, 不能新加"
        yield Fault(("rule",), zh, f"{one.rule} has no query: a statistical rule may be changed, not added")
        return
    if one.test != shipped.test:
        yield Fault(("test",), f"{one.rule} 的检验是 {shipped.test}", f"the test of {one.rule} is {shipped.test}")
        return
    known = _SAID[one.test]
    for language in ("zh", "en"):
        at, text = ("explanation", language), getattr(one.explanation, language)
        for place in PLACE.finditer(text):
            name = place[1]
            if place[0] != f"{{{name}}}" or name not in known:
                named = ", ".join(sorted(known))
                yield Fault(at, f"没有 {name}(可用: {named})", f"there is no {name} (known: {named})")
        yield from _braces(at, PLACE.sub("", text))


def misfits(
    given: Mapping[str, Threshold], needed: Mapping[str, Threshold], under: str, *, whole: bool
) -> Iterator[Fault]:
    """Thresholds that the program could not use: of another kind or size than the shipped ones allow, and, where the
    file stands in the place of the `whole` shipped one, those that are gone."""
    for name, theirs in needed.items():
        counted = isinstance(theirs, int | float)
        keys = (under, name)
        if name not in given:
            if whole:
                yield Fault(keys, f"缺少界限 {name}", f"the threshold {name} is missing")
            continue
        mine = given[name]
        if isinstance(mine, tuple) == counted:
            zh, en = ("数字", "a number") if counted else ("一列词语", "a list of words")
            yield Fault(keys, f"界限 {name} 应为{zh}", f"the threshold {name} must be {en}")
        elif isinstance(mine, int | float):
            most = 1 if name == "alpha" or name.endswith(("share", "correlation")) else 24 if "_hour" in name else None
            if most is not None and mine > most:
                yield Fault(keys, f"界限 {name} 不能大于 {most}", f"the threshold {name} may not be above {most}")


def folded(fact: Fact) -> Meaning:
    """What a folded fact is."""
    return "number" if fact.take in ("count", "total") else "moment"


def common(built: Detectors) -> tuple[dict[str, Meaning], list[Fault]]:
    """What each fact common to all rules is, and what is wrong with them. Of one the engine supplies nobody says."""
    known: dict[str, Meaning] = dict.fromkeys(built.supplied, "any")
    faults: list[Fault] = []
    for name, fact in built.folded.items():
        known[name] = folded(fact)
        faults.extend(_folding(("folded", name), fact, built.gates))
    for name, text in built.derived.items():
        try:
            known[name] = stated(text, "any", known, built.gates)
        except ExpressionError as error:
            known[name] = "any"
            faults.append(Fault(("derived", name), f"{name}: {error.zh}", f"{name}: {error.en}"))
    return known, faults


def _folding(keys: Keys, fact: Fact, given: Mapping[str, Threshold]) -> Iterator[Fault]:
    for kind in fact.of:
        if kind not in _KINDS:
            yield Fault((*keys, "of"), f"没有记录种类 {kind}", f"there is no kind of record {kind}")
    for fault in expression((*keys, "where"), fact.where, "truth", EVENT_COLUMNS, given):
        yield Fault(fault.keys, f"{keys[-1]}: {fault.zh}", f"{keys[-1]}: {fault.en}")


def detector(one: Detector, shared: Mapping[str, Meaning], gates: Mapping[str, Threshold]) -> Iterator[Fault]:
    """What is wrong with a rule over the facts of a case. `shared`: the facts common to all rules."""
    given = {**gates, **one.thresholds}
    for name, fact in one.facts.items():
        if name in shared:
            yield Fault(("facts", name), f"事实 {name} 已有", f"the fact {name} exists already")
        yield from _folding(("facts", name), fact, given)
    known = {**{name: folded(fact) for name, fact in one.facts.items()}, **shared}
    yield from expression(("applies",), one.applies, "truth", known, given)
    yield from expression(("needs",), one.needs, "truth", known, given)
    sayable: dict[str, Meaning] = {**known, **dict.fromkeys(one.thresholds, "any"), "severity": "text"}
    for at, branch in enumerate(one.branches):
        under: Keys = ("findings", at)
        yield from expression((*under, "when"), branch.when, "truth", known, given)
        yield from expression((*under, "witness_if"), branch.witness_if, "truth", {**known, THIS: "moment"}, given)
        for key, names in (("witness", branch.witness), ("against", branch.against)):
            for name in names:
                if name not in known:
                    yield Fault((*under, key), f"没有事实 {name}", f"there is no fact {name}")
                elif known[name] not in ("moment", "any"):
                    yield Fault((*under, key), f"事实 {name} 不是时刻", f"the fact {name} is no moment")
        if branch.explanation is not None:
            yield from sentence((*under, "explanation"), branch.explanation, sayable)
    yield from sentence(("explanation",), one.explanation, sayable)
