"""Processes that are not ours, as data: their steps, the days they count in, and the rules their records are held to.

One file per process (shipped ones under `data/processes/`).  A rule is one expression of the language of the detectors,
either over one record (`each`) or over facts folded from the records of a case (`facts`).  Nothing of our own law holds
for such a process: what its file does not say is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from definitions import _rule_checks as checks
from definitions._expressions import ExpressionError, Threshold
from definitions._meaning import Meaning, stated
from definitions.detectors import SEVERITIES, TAGS, Severity, Tag, load_detectors
from definitions.model import Frozen, Text
from definitions.records import STEP_LIFECYCLES
from definitions.shapes import (
    INVALID,
    NAME,
    WORD,
    Bool,
    DefinitionError,
    Int,
    ListOf,
    MapOf,
    OneOf,
    Reader,
    Record,
    Str,
)

__all__ = ["Moment", "Process", "ProcessRule", "find_process", "load_process"]

SHIPPED: Final = Path(__file__).parent / "data" / "processes"
RECORD: Final[Mapping[str, Meaning]] = {
    "record": "text", "occurred": "moment", "recorded": "moment", "was": "moment", "now": "moment", "about": "text",
    "ref": "text",
}  # fmt: skip
"""What a rule over one record may speak of. `record`: its kind; `occurred`, `recorded`: moments; of a correction,
`about`: what was changed, `was` and `now`: the moments before and after; `ref`: its reference."""
_COMMON: Final = ("application.submit", "application.withdraw", "application.terminate", "correction.changed")


class Moment(Frozen, frozen=True):
    """The first or last moment of some kinds of record in a case."""

    of: tuple[str, ...]
    take: Literal["first", "last"]


class ProcessRule(Frozen, frozen=True):
    """One rule. `each`: the kinds of record it looks at one by one, beside the `facts` of their case; without, it looks
    at the facts alone. `needs`: the evidence without which it cannot judge; `derived`: expressions named for `when` and
    the explanation; `load`: so many cases or more found with the same kind of record under one reference are the
    loading of a system, which accuses nobody."""

    rule: str
    name: Text
    tag: Tag
    severity: Severity
    each: tuple[str, ...]
    facts: dict[str, Moment]
    derived: dict[str, str]
    thresholds: dict[str, Threshold]
    needs: str
    load: int | None
    when: str
    explanation: Text
    enabled: bool


class Process(Frozen, frozen=True):
    """A process. `days`: what `wdays` counts (`natural`: every day; `weekdays`: Monday to Friday); `closes`: the kinds
    of record that end a case; `steps`: in order."""

    process: str
    name: Text
    origin: str
    days: Literal["natural", "weekdays"]
    steps: tuple[str, ...]
    closes: tuple[str, ...]
    rules: tuple[ProcessRule, ...]


_KINDS: Final = ListOf(Str(r"^[a-z_]+\.[a-z]+$", ("活动.状态", "activity.lifecycle")), minimum=1)
_RULE: Final = Record(
    {
        "rule": Str(r"^P\d{2}$", ("规则编号, 如 P01", "the number of a rule, such as P01")),
        "name": NAME,
        "tag": OneOf(TAGS),
        "severity": OneOf(SEVERITIES),
        "when": Str(),
        "explanation": NAME,
    },
    {
        "each": _KINDS,
        "facts": MapOf(WORD, Record({"of": _KINDS, "take": OneOf(("first", "last"))})),
        "derived": MapOf(WORD, Str()),
        "thresholds": MapOf(WORD, Int()),
        "needs": Str(),
        "load": Int(),
        "enabled": Bool(),
    },
)
_PROCESS: Final = Record(
    {
        "process": Str(WORD),
        "name": NAME,
        "origin": Str(),
        "days": OneOf(("natural", "weekdays")),
        "steps": ListOf(Str(WORD), minimum=1),
        "closes": _KINDS,
        "rules": ListOf(_RULE, minimum=1),
    }
)


def find_process(name: str | Path) -> Path | None:
    """The file of a process: a path, or the name of a shipped one; None when there is none."""
    path = Path(name)
    shipped = SHIPPED / f"{name}.yaml"
    return path if path.is_file() else shipped if path.name == str(name) and shipped.is_file() else None


def load_process(path: Path) -> Process:
    """The process written in `path`. Raises `DefinitionError` naming every fault with file and line."""
    reader = Reader(path.parent)
    facts = reader.read(path, _PROCESS)
    if reader.problems or facts is INVALID:
        raise DefinitionError(reader.problems)
    built = Process(
        process=facts["process"],
        name=Text(**facts["name"]),
        origin=facts["origin"],
        days=facts["days"],
        steps=tuple(facts["steps"]),
        closes=tuple(facts["closes"]),
        rules=tuple(_rule(one) for one in facts["rules"]),
    )
    problems = [*checks.placed(_faults(built), reader, path)]
    if problems:
        raise DefinitionError(problems)
    return built


def _rule(facts: dict[str, Any]) -> ProcessRule:
    return ProcessRule(
        rule=facts["rule"],
        name=Text(**facts["name"]),
        tag=facts["tag"],
        severity=facts["severity"],
        each=tuple(facts.get("each", ())),
        facts={name: Moment(tuple(one["of"]), one["take"]) for name, one in facts.get("facts", {}).items()},
        derived=dict(facts.get("derived", {})),
        thresholds=facts.get("thresholds", {}),
        needs=facts.get("needs", "TRUE"),
        load=facts.get("load"),
        when=facts["when"],
        explanation=Text(**facts["explanation"]),
        enabled=facts.get("enabled", True),
    )


def _faults(built: Process) -> Iterator[checks.Fault]:
    known = {*_COMMON, *(f"{step}.{life}" for step in built.steps for life in STEP_LIFECYCLES)}
    yield from _unheard_of(("closes",), built.closes, known)
    seen: set[str] = set()
    for at, rule in enumerate(built.rules):
        under: checks.Keys = ("rules", at)
        if rule.rule in seen:
            yield checks.Fault((*under, "rule"), f"规则 {rule.rule} 出现两次", f"rule {rule.rule} is given twice")
        seen.add(rule.rule)
        yield from _unheard_of((*under, "each"), rule.each, known)
        for name, fact in rule.facts.items():
            yield from _unheard_of((*under, "facts", name, "of"), fact.of, known)
        for fault in _of_rule(rule):
            yield checks.Fault((*under, *fault.keys), f"{rule.rule}: {fault.zh}", f"{rule.rule}: {fault.en}")


def _unheard_of(keys: checks.Keys, kinds: tuple[str, ...], known: set[str]) -> Iterator[checks.Fault]:
    for kind in kinds:
        if kind not in known:
            yield checks.Fault(keys, f"没有记录种类 {kind}", f"there is no kind of record {kind}")


def _of_rule(rule: ProcessRule) -> Iterator[checks.Fault]:
    if not rule.each and not rule.facts:
        yield checks.Fault((), "缺少 each 或 facts", "give each, or facts")
        return
    if rule.load is not None and not rule.each:
        yield checks.Fault(("load",), "load 只用于 each 的规则", "load is for a rule with each")
    for name in rule.facts:
        if name in {*RECORD, "as_of", "row_no", "case_id", "source"}:
            yield checks.Fault(("facts", name), f"名称 {name} 已用", f"the name {name} is taken")
    facts: dict[str, Meaning] = {**dict.fromkeys((*rule.facts, "as_of"), "moment"), **(RECORD if rule.each else {})}
    given = {**load_detectors().gates, **rule.thresholds}
    for name, text in rule.derived.items():
        try:
            facts[name] = stated(text, "any", facts, given)
        except ExpressionError as error:
            facts[name] = "any"
            yield checks.Fault(("derived", name), error.zh, error.en)
    yield from checks.expression(("needs",), rule.needs, "truth", facts, given)
    yield from checks.expression(("when",), rule.when, "truth", facts, given)
    yield from checks.sentence(("explanation",), rule.explanation, facts)
