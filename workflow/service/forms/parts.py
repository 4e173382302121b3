"""What forms are made of, and the parts that several share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from definitions.model import Clause, Definition, StepRule, Text
from workflow.core.documents import clauses_of
from workflow.core.state import Round
from workflow.core.times import business_date
from workflow.service.casefile.reading import Reading
from workflow.service.masking import Person


class Coded(NamedTuple):
    """A value that the faces have a word for."""

    kind: str
    code: str


Value = Text | Coded | str | None
"""None: left blank for the pen."""


class Pair(NamedTuple):
    """A label and its value. `wide`: takes the whole width."""

    label: Text
    value: Value
    wide: bool = False


class Sheet(NamedTuple):
    """A table: its title, the heads of its columns, its rows."""

    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Value, ...], ...]


class Form(NamedTuple):
    """One form, ready to be laid out on A4. `key` names it within the case; `of`: the step and round it is about."""

    key: str
    title: Text
    of: Text | None
    pairs: tuple[Pair, ...]
    sheets: tuple[Sheet, ...] = ()
    sentences: tuple[Text, ...] = ()
    clauses: tuple[Clause, ...] = ()
    signatures: tuple[Text, ...] = ()


CUSTOMER, CLERK, MANAGER = (
    Text("用电人（签章）", "Customer"),
    Text("受理人", "Clerk"),
    Text("客户经理", "Customer manager"),
)
REVIEWER, METERER = Text("审查（检验）人", "Reviewed by"), Text("装接人员", "Fitted by")
HOTLINES = Text(
    "12398 能源监管热线；95598 供电服务热线。对办理时限、资料、收费有异议的，可随时拨打。",
    "Energy regulator 12398; service line 95598: call either about limits, documents or charges.",
)


def cited(definition: Definition, ids: Iterable[str]) -> tuple[Clause, ...]:
    """The published texts among the clauses; what this project decided where they are silent is no ground on paper."""
    return tuple(clause for clause in clauses_of(definition, ids) if not clause.id.startswith("D-"))


def iso_date(value: dt.datetime | dt.date | None) -> str | None:
    """The date in the business zone, of a moment too."""
    if value is None:
        return None
    return (business_date(value) if isinstance(value, dt.datetime) else value).isoformat()


def days(number: int | None) -> Text | None:
    """A number of working days."""
    return None if number is None else Text(f"{number} 个工作日", f"{number} working days")


def capacity(reading: Reading) -> str:
    """The capacity applied for, in kVA at high voltage and in kW otherwise."""
    facts = reading.state.facts
    return f"{facts.capacity_kw:g} {'kVA' if facts.voltage == 'high' else 'kW'}"


def identified(reading: Reading, who: Person) -> tuple[Pair, ...]:
    """What identifies the case on every form."""
    erased = Text("（已依法删除）", "(erased)") if who.erased else None
    return (
        Pair(Text("申请编号", "Application no."), reading.state.application_no),
        Pair(Text("户名", "Customer"), erased or who.name),
        Pair(Text("用户类别", "Class"), reading.definition.name),
        Pair(Text("用户编号", "Customer id"), erased or who.id),
        Pair(Text("用电地址", "Address"), erased or who.address, wide=True),
    )


def voltage(reading: Reading) -> Value:
    """The voltage in kV where it is known, else high or low."""
    facts = reading.state.facts
    return Coded("voltage", facts.voltage) if facts.voltage_kv is None else f"{facts.voltage_kv:g} kV"


def listed(texts: Iterable[Text]) -> Text:
    """The names behind one another; none when there is none."""
    found = list(texts)
    return Text("、".join(t.zh for t in found) or "无", ", ".join(t.en for t in found) or "none")


def any_of(texts: Iterable[Text]) -> Text:
    """The names as alternatives."""
    found = list(texts)
    return Text("；".join(t.zh for t in found), "; ".join(t.en for t in found))


def round_of(rule: StepRule, number: int) -> Text:
    """A step and which time it is."""
    return Text(f"{rule.name.zh}（第 {number} 次）", f"{rule.name.en} (round {number})")


def defects(turn: Round) -> Sheet:
    """The complete list of defects of a round."""
    return Sheet(
        Text("需要整改的问题（全部）", "Defects to be remedied (all of them)"),
        (Text("序号", "No."), Text("问题", "Defect")),
        tuple((str(number), text) for number, text in enumerate(turn.defects, start=1)),
    )
