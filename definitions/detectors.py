"""The detectors (规则): what a replay looks for in a finished history, as data with one expression each.

One file per detector under `data/detectors/`: name, tag, severity, thresholds, exemptions, clause, the evidence it
needs, what is flagged, and the sentence that explains a finding.  `facts.yaml` names the facts that an expression may
speak of, `gates.yaml` what must hold before a record is evidence at all, `verdicts.yaml` how findings add up.  A
detector is switched off by `enabled: false`, re-weighted, given other thresholds or added by a file in a folder of
one's own: what that folder holds stands for the shipped file of the same name, the rest is as shipped.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from definitions import _rule_checks as checks
from definitions._expressions import Threshold
from definitions._rule_checks import PLACE
from definitions.book import load
from definitions.model import STEPS, Frozen, Text
from definitions.shapes import (
    INVALID,
    NAME,
    WORD,
    At,
    Bool,
    Citations,
    Date,
    DefinitionError,
    ListOf,
    MapOf,
    Mark,
    OneOf,
    Problem,
    Reader,
    Record,
    Shape,
    Str,
)

__all__ = [
    "PLACE", "Branch", "Detector", "Detectors", "Fact", "Statistic", "Threshold", "check_detectors", "load_detectors",
]  # fmt: skip

SHIPPED: Final = Path(__file__).parent / "data" / "detectors"

Tag = Literal["off_system", "back_filled", "re_run", "over_limit", "other"]
Severity = Literal["critical", "high", "medium", "low"]
TAGS: Final = ("off_system", "back_filled", "re_run", "over_limit", "other")
SEVERITIES: Final = ("critical", "high", "medium", "low")
TAKES: Final = ("first", "last", "count", "first_recorded", "last_recorded", "first_entered", "last_entered", "total")
TESTS: Final = ("binomial", "difference", "share_above")


class Fact(Frozen, frozen=True):
    """A fact folded from the events of a case. `of`: the kinds of event (`metering.complete`); `take`: the first or
    last moment, the number, the first or last moment of recording (`entered`: where it is not a load time), or the
    total amount; `where`: a condition on one event."""

    of: tuple[str, ...]
    take: str
    where: str | None = None


class Branch(Frozen, frozen=True):
    """One degree of a finding; the first that holds speaks. `witness`: the facts that accuse; `against`: what they are
    held against; `witness_if`: which witnesses it rests on, where not on all, as a condition on `this` one;
    `each_enough`: whether any record that a witness is folded from is enough by itself; `explanation`: what it says of
    a case, where that is not what the rule says."""

    severity: Severity
    when: str
    witness: tuple[str, ...]
    against: tuple[str, ...] = ()
    witness_if: str | None = None
    each_enough: bool = False
    explanation: Text | None = None


class Detector(Frozen, frozen=True):
    """One rule over the facts of a case. `applies`: which cases it is about; `needs`: the evidence without which it
    cannot judge; `convicts`: whether it counts towards suspicion; `alone`: whether it may convict without others."""

    rule: str
    name: Text
    tag: Tag
    clauses: tuple[str, ...]
    thresholds: dict[str, Threshold]
    facts: dict[str, Fact]
    applies: str
    needs: str
    branches: tuple[Branch, ...]
    explanation: Text
    convicts: bool
    enabled: bool
    last_verified_on: dt.date

    def sentence(self, branch: Branch) -> Text:
        """What a finding of this branch says."""
        return branch.explanation or self.explanation

    @property
    def sentences(self) -> tuple[Text, ...]:
        """What a finding says, by branch."""
        return tuple(map(self.sentence, self.branches))


class Statistic(Frozen, frozen=True):
    """One rule over organisations. `test` names the statistical test; `unit`: what is compared; `of`: which cases or
    events count; `hits`: which of them are conspicuous."""

    rule: str
    name: Text
    tag: Tag
    severity: Severity
    clauses: tuple[str, ...]
    thresholds: dict[str, Threshold]
    test: str
    explanation: Text
    enabled: bool
    last_verified_on: dt.date


class Detectors(Frozen, frozen=True):
    """Everything a replay judges by. `folded`, `derived`, `supplied`: the facts by name; `gates`, `verdicts`: numbers
    and lists of rules by name."""

    folded: dict[str, Fact]
    derived: dict[str, str]
    supplied: dict[str, Text]
    detectors: tuple[Detector, ...]
    statistics: tuple[Statistic, ...]
    gates: dict[str, Threshold]
    verdicts: dict[str, Threshold]

    @property
    def rules(self) -> tuple[Detector | Statistic, ...]:
        """The rules on cases, then those on organisations."""
        return (*self.detectors, *self.statistics)

    def detector(self, rule: str) -> Detector:
        """The detector with this number. Raises KeyError."""
        return {one.rule: one for one in self.detectors}[rule]


class _Number:
    """A number that is not negative."""

    def read(self, node: yaml.Node, at: At) -> Any:
        value = node.value if isinstance(node, yaml.ScalarNode) else ""
        if not re.fullmatch(r"\d+(\.\d+)?", str(value)):
            return at.refuse(node, f"应为数字, 现为 {value!r}", f"must be a number, found {value!r}")
        return float(value) if "." in value else int(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0}


class _NumberOrWords:
    """A number, or a list of words."""

    words: Final = ListOf(Str())

    def read(self, node: yaml.Node, at: At) -> Any:
        return self.words.read(node, at) if isinstance(node, yaml.SequenceNode) else _Number().read(node, at)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [_Number().schema(), self.words.schema()]}


class _Expression(Str):
    """Text of an expression; its facts are checked once every file is read."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"\S"}


_EXPRESSION: Final = _Expression()
_KIND: Final = Str(r"^[a-z_]+\.[a-z]+$", ("活动.状态", "activity.lifecycle"))
_FACT: Final = Record({"of": ListOf(_KIND, minimum=1), "take": OneOf(TAKES)}, {"where": _EXPRESSION})
_FACTS: Final = MapOf(WORD, _FACT)
_THRESHOLDS: Final = MapOf(WORD, _NumberOrWords())
_BRANCH: Final = Record(
    {"severity": OneOf(SEVERITIES), "when": _EXPRESSION, "witness": ListOf(Str(WORD))},
    {"against": ListOf(Str(WORD)), "witness_if": _EXPRESSION, "each_enough": Bool(), "explanation": NAME},
)
_COMMON: Final[Mapping[str, Shape]] = {
    "name": NAME,
    "tag": OneOf(TAGS),
    "explanation": NAME,
    "clauses": Citations(),
    "last_verified_on": Date(),
}
_DETECTOR: Final = Record(
    {
        **_COMMON,
        "rule": Str(r"^[DL]\d{2}$", ("规则编号", "the number of a rule")),
        "needs": _EXPRESSION,
        "findings": ListOf(_BRANCH, minimum=1),
    },
    {
        "applies": _EXPRESSION,
        "thresholds": _THRESHOLDS,
        "facts": _FACTS,
        "convicts": Bool(),
        "enabled": Bool(),
    },
)
_STATISTIC: Final = Record(
    {
        **_COMMON,
        "rule": Str(r"^S\d{1,2}$", ("规则编号", "the number of a rule")),
        "severity": OneOf(SEVERITIES),
        "test": OneOf(TESTS),
        "thresholds": _THRESHOLDS,
    },
    {"enabled": Bool()},
)
_PAIR: Final = Record({"if": _EXPRESSION, "when": _EXPRESSION, "take": MapOf(WORD, Str())})
_FACTS_FILE: Final = Record(
    {
        "folded": _FACTS,
        "each_step": _FACTS,
        "derived": MapOf(WORD, _EXPRESSION),
        "pairs": ListOf(_PAIR),
        "supplied": MapOf(WORD, NAME),
    },
)
_NUMBERS_FILE: Final = Record(
    {"values": _THRESHOLDS, "clauses": Citations(), "last_verified_on": Date()},
)


def _order(rule: str) -> tuple[int, int]:
    return "DLS".index(rule[0]), int(rule[1:])


def _fact(facts: dict[str, Any]) -> Fact:
    kinds = (one for kind in facts["of"] for one in _kinds(kind))
    return Fact(tuple(kinds), facts["take"], facts.get("where"))


def _kinds(kind: str) -> list[str]:
    """`step.complete` is the completion of any step."""
    activity, lifecycle = kind.split(".")
    return [f"{step}.{lifecycle}" for step in STEPS] if activity == "step" else [kind]


def _folded(common: dict[str, Any]) -> dict[str, Fact]:
    """The shared facts, and those of every step under its name."""
    facts = {name: _fact(one) for name, one in common["folded"].items()}
    for name, one in common["each_step"].items():
        for step in STEPS:
            own = [kind.replace("step.", f"{step}.", 1) for kind in one["of"]]
            facts[f"{step}_{name}"] = _fact({**one, "of": own})
    return facts


def _of_pairs(pairs: list[dict[str, Any]]) -> dict[str, str]:
    """Facts of the first two steps, in their order, of which a condition holds. Which two they are is a fact by itself,
    so that the condition is asked once and not for each thing that is taken of them."""
    facts: dict[str, str] = {}
    for pair in pairs:
        which = f"pair_of_{next(iter(pair['take']))}"
        branches = {which: "", **dict.fromkeys(pair["take"], "")}
        for at, (earlier, later) in enumerate(itertools.combinations(STEPS, 2)):
            branch = {which: f" WHEN {pair['when']} THEN {at}"}
            branch |= {name: f" WHEN {which} = {at} THEN {taken}" for name, taken in pair["take"].items()}
            for name, text in branch.items():
                branches[name] += text.replace("{earlier}", earlier).replace("{later}", later)
        branches[which] = f" WHEN NOT COALESCE({pair['if']}, FALSE) THEN NULL{branches[which]}"
        facts |= {name: f"CASE{text} END" for name, text in branches.items()}
    return facts


def load_detectors(directory: Path | str | None = None) -> Detectors:
    """The shipped detectors, with those of `directory` in the place of the files of the same names; of `gates.yaml` and
    `verdicts.yaml` value by value. The same folder is read once.

    Raises `DefinitionError` naming every fault with file and line: unknown keys, facts or thresholds, an expression
    that is not one, a rule given twice, a clause that is not in the book.
    """
    return _load(Path(directory) if directory else SHIPPED)


def check_detectors(directory: Path | str | None = None) -> tuple[Problem, ...]:
    """Every fault for which `load_detectors` would refuse the folder, read afresh; empty when they are sound."""
    try:
        _load.__wrapped__(Path(directory) if directory else SHIPPED)
    except DefinitionError as error:
        return error.problems
    return ()


_BY_VALUE: Final = ("gates", "verdicts")


def _files(directory: Path, reader: Reader) -> list[Path]:
    """The files to read, in the order of their names; shipped values before one's own."""
    shipped, own = sorted(SHIPPED.glob("*.yaml")), sorted(directory.glob("*.yaml"))
    if not own:
        zh, en = f"文件夹 {directory} 中没有规则文件(*.yaml)", f"the folder {directory} holds no rule (*.yaml)"
        reader.problems.append(Problem(Mark(directory.as_posix(), 1), zh, en))
    if directory == SHIPPED:
        return shipped
    mine = {path.name for path in own}
    kept = [path for path in shipped if path.name not in mine or path.stem in _BY_VALUE]
    return sorted([*kept, *own], key=lambda path: (path.name, path.parent != SHIPPED))


@functools.lru_cache(maxsize=8)
def _load(directory: Path) -> Detectors:
    reader = Reader(directory)
    numbers: dict[str, dict[str, Threshold]] = {}
    common: dict[str, Any] = {"folded": {}, "each_step": {}, "derived": {}, "pairs": [], "supplied": {}}
    rules: dict[str, tuple[Path, dict[str, Any]]] = {}
    shared = SHIPPED / "facts.yaml"
    shipped = {} if directory == SHIPPED else {one.rule: one for one in _load(SHIPPED).rules}
    for path in _files(directory, reader):
        if path.stem in _BY_VALUE:
            facts = reader.read(path, _NUMBERS_FILE)
            values = {} if facts is INVALID else facts.get("values", {})
            before = numbers.get(path.stem, {})
            reader.problems.extend(checks.placed(checks.misfits(values, before, "values", whole=False), reader, path))
            numbers[path.stem] = {**before, **values}
        elif path.stem == "facts":
            facts, shared = reader.read(path, _FACTS_FILE), path
            common = common if facts is INVALID else {**common, **facts}
        else:
            facts = reader.read(path, _STATISTIC if path.stem.startswith("S") else _DETECTOR)
            if facts is INVALID or "rule" not in facts:
                continue
            if path.stem in shipped:
                given, needed = facts.get("thresholds", {}), shipped[path.stem].thresholds
                misfits = checks.misfits(given, needed, "thresholds", whole=True)
                reader.problems.extend(checks.placed(misfits, reader, path))
            if facts["rule"] != path.stem:
                zh, en = (
                    f"文件名 {path.stem} 与规则 {facts['rule']} 不同",
                    f"the file of {facts['rule']} must carry its name",
                )
                reader.problems.extend(checks.placed([checks.Fault(("rule",), zh, en)], reader, path))
            rules[facts["rule"]] = (path, facts)
    clauses = load().clauses
    for cited in reader.citations:
        reader.problems.extend(
            Problem(cited.mark, f"条款 {code} 不存在", f"there is no clause {code}")
            for code in cited.ids
            if code not in clauses
        )
    if reader.problems:
        raise DefinitionError(reader.problems)
    built = _build(common, rules, numbers)
    known, faults = checks.common(built)
    problems = [*checks.placed(faults, reader, shared)]
    for detector in built.detectors:
        of_rule = checks.detector(detector, known, built.gates)
        problems.extend(checks.placed(of_rule, reader, rules[detector.rule][0]))
    queried = {one.rule: one for one in (built if directory == SHIPPED else _load(SHIPPED)).statistics}
    for one in built.statistics:
        of_rule = checks.statistic(one, queried.get(one.rule))
        problems.extend(checks.placed(of_rule, reader, rules[one.rule][0]))
    if problems:
        raise DefinitionError(problems)
    return built


def _build(
    common: dict[str, Any], rules: dict[str, tuple[Path, dict[str, Any]]], numbers: dict[str, dict[str, Threshold]]
) -> Detectors:
    detectors, statistics = [], []
    for rule in sorted(rules, key=_order):
        facts = rules[rule][1]
        shared: dict[str, Any] = {key: facts[key] for key in ("rule", "tag", "clauses", "last_verified_on")}
        texts: dict[str, Any] = {key: Text(**facts[key]) for key in ("name", "explanation")}
        enabled, given = facts.get("enabled", True), facts.get("thresholds", {})
        if rule.startswith("S"):
            statistics.append(
                Statistic(
                    **shared, **texts, severity=facts["severity"], thresholds=given, test=facts["test"], enabled=enabled
                )
            )
            continue
        detectors.append(
            Detector(
                **shared,
                **texts,
                thresholds=given,
                facts={name: _fact(one) for name, one in facts.get("facts", {}).items()},
                applies=facts.get("applies", "TRUE"),
                needs=facts["needs"],
                branches=tuple(
                    Branch(
                        one["severity"],
                        one["when"],
                        one["witness"],
                        one.get("against", ()),
                        one.get("witness_if"),
                        one.get("each_enough", False),
                        Text(**one["explanation"]) if "explanation" in one else None,
                    )
                    for one in facts["findings"]
                ),
                convicts=facts.get("convicts", True),
                enabled=enabled,
            )
        )
    return Detectors(
        folded=_folded(common),
        derived={**common["derived"], **_of_pairs(common["pairs"])},
        supplied={name: Text(**one) for name, one in common["supplied"].items()},
        detectors=tuple(detectors),
        statistics=tuple(statistics),
        gates=numbers["gates"],
        verdicts=numbers["verdicts"],
    )


MOMENT_OR_NONE: Final = {"zh": "无", "en": "none"}
"""What `{name:moment}` says where nobody knows the moment; `{name}` leaves it out."""
