"""The rules a report speaks of, whether detectors of our law or those of a process that is not ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from definitions.detectors import Detector, Detectors, Statistic
from definitions.model import Text
from definitions.processes import Process, ProcessRule


class Rule(NamedTuple):
    """One rule. `records`: the kinds of record it rests on; `facts`: what it needs beside records."""

    rule: str
    name: Text
    tag: str
    enabled: bool
    thresholds: Mapping[str, Any]
    clauses: tuple[str, ...]
    explanation: Text
    records: tuple[str, ...]
    facts: tuple[Text, ...]


Rules = tuple[Rule, ...]


def of_law(found: Detectors) -> Rules:
    """Those of the detectors."""
    return tuple(
        Rule(
            one.rule, one.name, one.tag, one.enabled, one.thresholds, one.clauses, one.explanation, *_needs(one, found)
        )
        for one in found.rules
    )


def of_process(process: Process) -> Rules:
    """Those of a process; they rest on its file alone, so they name no clause."""
    return tuple(
        Rule(one.rule, one.name, one.tag, one.enabled, one.thresholds, (), one.explanation, _kinds(one), ())
        for one in process.rules
    )


def _kinds(one: ProcessRule) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*one.each, *(kind for fact in one.facts.values() for kind in fact.of)]))


_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def _needs(one: Detector | Statistic, rules: Detectors) -> tuple[tuple[str, ...], tuple[Text, ...]]:
    """Which records a rule rests on, and which facts beside records."""
    if isinstance(one, Statistic):
        return (), ()
    records: dict[str, None] = {}
    facts: dict[str, None] = {}
    waiting, seen = _NAME.findall(one.needs), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        fact = one.facts.get(name) or rules.folded.get(name)
        if fact is not None:
            records.update(dict.fromkeys(fact.of))
        elif name in rules.derived:
            waiting += _NAME.findall(rules.derived[name])
        elif name in rules.supplied:
            facts[name] = None
    return tuple(records), tuple(rules.supplied[name] for name in facts)
