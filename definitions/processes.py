"""Processes that are not ours, as data: their steps, the days they count in, and the rules their records are held to.

One file per process (shipped ones under `data/processes/`).  A rule is one expression of the language of the detectors,
either over one record (`each`) or over facts folded from the records of a case (`facts`).  Nothing of our own law holds
for such a process: what its file does not say is not judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from definitions._expressions import ExpressionError, Threshold, check
from definitions._shapes import (
    INVALID,
    Bool,
    DefinitionError,
    Int,
    ListOf,
    MapOf,
    Mark,
    OneOf,
    Problem,
    Reader,
    Record,
    Str,
)
from definitions.detectors import PLACE, SEVERITIES, TAGS, Severity, Tag
from definitions.model import Frozen, Text

__all__ = ["Moment", "Process", "ProcessRule", "find_process", "load_process"]

SHIPPED: Final = Path(__file__).parent / "data" / "processes"
RECORD: Final = ("record", "occurred", "recorded", "was", "now", "about", "ref")
"""What a rule over one record may speak of. `record`: its kind; `occurred`, `recorded`: moments; of a correction,
`about`: what was changed, `was` and `now`: the moments before and after; `ref`: its reference."""
_COMMON: Final = ("application.submit", "application.withdraw", "application.terminate", "correction.changed")
_LIVES: Final = ("start", "complete", "return", "waive")


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
    """A process. `days`: what counts as a working day (`natural`: every day; `weekdays`: Monday to Friday); `closes`:
    the kinds of record that end a case; `steps`: in order."""

    process: str
    name: Text
    origin: str
    days: Literal["natural", "weekdays"]
    steps: tuple[str, ...]
    closes: tuple[str, ...]
    rules: tuple[ProcessRule, ...]


_WORD: Final = r"^[a-z][a-z0-9_]*$"
_NAME: Final = Record({"zh": Str(), "en": Str()})
_KINDS: Final = ListOf(Str(r"^[a-z_]+\.[a-z]+$", ("活动.状态", "activity.lifecycle")), minimum=1)
_RULE: Final = Record(
    {
        "rule": Str(r"^P\d{2}$", ("规则编号, 如 P01", "the number of a rule, such as P01")),
        "name": _NAME,
        "tag": OneOf(TAGS),
        "severity": OneOf(SEVERITIES),
        "when": Str(),
        "explanation": _NAME,
    },
    {
        "each": _KINDS,
        "facts": MapOf(_WORD, Record({"of": _KINDS, "take": OneOf(("first", "last"))})),
        "derived": MapOf(_WORD, Str()),
        "thresholds": MapOf(_WORD, Int()),
        "needs": Str(),
        "load": Int(),
        "enabled": Bool(),
    },
)
_PROCESS: Final = Record(
    {
        "process": Str(_WORD),
        "name": _NAME,
        "origin": Str(),
        "days": OneOf(("natural", "weekdays")),
        "steps": ListOf(Str(_WORD), minimum=1),
        "closes": _KINDS,
        "rules": ListOf(_RULE, minimum=1),
    }
)


def schema() -> dict[str, Any]:
    """The JSON Schema of a process file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "baozhuang definitions: process"}
    return {**head, **_PROCESS.schema()}


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
    mark = Mark(path.name, 1)
    problems = [Problem(mark, zh, en) for zh, en in _faults(built)]
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


def _faults(built: Process) -> list[tuple[str, str]]:
    known = {*_COMMON, *(f"{step}.{life}" for step in built.steps for life in _LIVES)}
    named = [*built.closes, *(kind for rule in built.rules for kind in rule.each)]
    named += [kind for rule in built.rules for fact in rule.facts.values() for kind in fact.of]
    found = [(f"没有记录种类 {kind}", f"there is no kind of record {kind}") for kind in sorted({*named} - known)]
    rules = [rule.rule for rule in built.rules]
    found += [
        (f"规则 {one} 出现两次", f"rule {one} is given twice") for one in sorted({*rules}) if rules.count(one) > 1
    ]
    for rule in built.rules:
        if not rule.each and not rule.facts:
            found.append((f"{rule.rule}: 缺少 each 或 facts", f"{rule.rule}: give each, or facts"))
            continue
        names = {*(RECORD if rule.each else ()), *rule.facts, "as_of"}
        taken = sorted({*rule.facts} & {*RECORD, "as_of", "row_no", "case_id", "source"})
        found += [(f"{rule.rule}: 名称 {one} 已用", f"{rule.rule}: the name {one} is taken") for one in taken]
        given = {*rule.thresholds, "tolerance_minutes"}
        for name, text in [*rule.derived.items(), ("", rule.needs), ("", rule.when)]:
            try:
                check(text, names, given)
            except ExpressionError as error:
                found.append((f"{rule.rule}: {error.zh}", f"{rule.rule}: {error.en}"))
            names |= {name} - {""}
        places = set(PLACE.findall(rule.explanation.zh + rule.explanation.en))
        found += [
            (f"{rule.rule}: 没有事实 {one}", f"{rule.rule}: there is no fact {one}") for one in sorted(places - names)
        ]
    return found
