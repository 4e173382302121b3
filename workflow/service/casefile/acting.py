"""The form of one command on one case: which fields it has, what may be chosen in them, and how it is given.

Fields come from the command's own model, choices from the case and its definition: neither is written down a second
time.  What a form sends is text; `command_of` makes the command of it and tells every fault field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from definitions.model import DocumentRule, Text
from storage import StaffRow
from workflow.core.commands import COMMANDS, Command, Submission
from workflow.core.corrections import FACTS, correctable
from workflow.core.events import Principal
from workflow.core.possible import Possible
from workflow.core.refusals import refuse
from workflow.core.telling import field_name
from workflow.service.casefile.fields import (
    Fault,
    Faulty,
    Field,
    Kind,
    Paper,
    faults_of,
    kind_of,
    literals,
    number,
    plain,
)
from workflow.service.casefile.history import History, history
from workflow.service.casefile.papers import documents
from workflow.service.casefile.reading import Head, Reading, acts, head, read
from workflow.service.service import Service

__all__ = ["Fault", "Faulty", "Field", "Paper", "Sheet", "command_of", "corrected", "sheet", "since"]

MOST_STAFF = 300
RECORDED = ("occurred_at", "reason", "source", "evidence", "batch")
"""Fields that every command may carry: when it really happened, why it is recorded late, what proves it."""


class Sheet(NamedTuple):
    """The form of one command. `fixed`: values that follow from the case; `papers`: the document kinds it offers;
    `recorded`: values as they stand, beside what would correct them."""

    head: Head
    act: Possible
    fixed: dict[str, str]
    fields: tuple[Field, ...]
    papers: tuple[Paper, ...]
    recorded: tuple[tuple[Text, Any], ...] = ()


MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["command"].annotation)[0]: model for model in get_args(get_args(Command)[0])
}


def sheet(service: Service, principal: Principal, case_id: str, name: str) -> Sheet:
    """The form of the command `name`. Raises Refused: `not-found` for what is no command of this role."""
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        state = reading.state
        staff = tx.staff_of(state.org, MOST_STAFF) if name == "assign" and state.org is not None else []
    act = next((one for one in acts(service, principal, reading) if one.command == name), None)
    if act is None:
        raise refuse("not-found", f"没有这项操作 {name[:64]}", f"There is no such act: {name[:64]}")
    fixed = {"step": act.step} if act.step is not None else {}
    papers = _papers(reading, name) if "documents" in MODELS[name].model_fields else ()
    fields = []
    for field, info in sorted(MODELS[name].model_fields.items(), key=lambda pair: pair[0] in RECORDED):
        if field in fixed or field in _LEFT_OUT or _needless(reading, field, papers, required=info.is_required()):
            continue
        made = _field(reading, name, field, info, staff)
        if made.kind == "several" and not made.choices:
            continue
        if made.required and len(made.choices) == 1 and (name, field) not in _CHOICES:
            fixed[made.name] = made.choices[0][0]
        else:
            fields.append(made)
    recorded = tuple((field_name(f, reading.names), value) for f, value in correctable(reading.definition, state))
    return Sheet(head(reading), act, fixed, tuple(fields), papers, recorded if name == "correct" else ())


_LEFT_OUT = ("command", "step", "old_value", "batch", "event")
"""Fields that a form does not ask: they follow from the case, or are for imports."""


def _needless(reading: Reading, field: str, papers: tuple[Paper, ...], *, required: bool) -> bool:
    """Whether a field says nothing here: documents where the step needs none, the reason for a plan where there is
    none."""
    if field == "documents":
        return not required and not papers
    if field == "plan_reason":
        current = next((rule for rule in reading.definition.steps if rule.code == reading.state.current), None)
        return current is None or "supply_plan" not in current.parts or reading.state.facts.voltage != "high"
    return False


def since(service: Service, principal: Principal, case_id: str, version: int) -> list[dict[str, Any]]:
    """What happened to the case after `version`: for whoever looked at an older one. Raises Refused."""
    found: History = history(service, principal, case_id)
    return [event for event in found.events if event["seq"] > version]


def command_of(name: str, sent: Mapping[str, Any], fields: Iterable[Field] = ()) -> Any:
    """The command made of what a form sent. Raises Faulty."""
    typed = {one.name: _TYPED[one.kind] for one in fields if one.kind in _TYPED}
    body = {field: typed.get(field, _same)(value) for field, value in sent.items() if value not in (None, "", [], {})}
    try:
        return COMMANDS.validate_python({"command": name, **body})
    except ValidationError as error:
        raise Faulty(faults_of(error, f"{name}.")) from error


def _same(value: Any) -> Any:
    return value


_TYPED: dict[Kind, Callable[[Any], Any]] = {"number": number}

_FLAGS = {"true": True, "是": True, "yes": True, "false": False, "否": False, "no": False}
_CORRECTED: dict[str, Callable[[Any], Any]] = {
    "capacity_kw": number,
    "voltage_kv": number,
    "supply_count": number,
    "important_customer": lambda value: _FLAGS.get(str(value).lower(), value),
}


def corrected(field: str, value: str) -> Any:
    """The new value of a fact as its kind has it."""
    return _CORRECTED.get(field.removeprefix("case."), _same)(value)


def _field(reading: Reading, command: str, name: str, info: FieldInfo, staff: list[StaffRow]) -> Field:
    annotation, constraints = plain(info)
    required, shown = info.is_required(), info.alias or name
    aside = name in RECORDED and not required
    choices = _CHOICES.get((command, name))
    if choices is not None:
        kind: Kind = "several" if get_origin(annotation) is tuple else "choice"
        return Field(shown, kind, required, choices(reading), aside=aside)
    kind = kind_of(annotation, constraints)
    suggested = tuple((one.id, one.name) for one in staff) if name in _PEOPLE else ()
    if name == "new_value":
        suggested = _WORDS_OF_FACTS
    return Field(shown, kind, required, literals(annotation), suggested, aside)


_PEOPLE = ("manager", "project_manager")
_WORDS_OF_FACTS = tuple((code, name) for name in FACTS for code, _ in literals(plain(Submission.model_fields[name])[0]))
"""What can be meant in a fact of a few words, with the fact: it is written by its code."""


def _named(rules: Iterable[Any]) -> tuple[tuple[str, Text], ...]:
    return tuple((rule.code, rule.name) for rule in rules)


def _milestones(reading: Reading, *, optional: bool = False) -> tuple[tuple[str, Text], ...]:
    return _named(rule for rule in reading.definition.milestones if not (optional and rule.always))


_CHOICES: dict[tuple[str, str], Callable[[Reading], tuple[tuple[str, Text], ...]]] = {
    ("add_charge", "item"): lambda reading: _named(reading.definition.charges.catalogue),
    ("notify", "notice"): lambda reading: _named(reading.definition.notices),
    ("decide_approval", "approval"): lambda reading: tuple(
        (str(one.number), Text(f"{one.number} {one.name}", f"{one.number} {one.name}"))
        for one in reading.state.approvals
        if one.decided_at is None
    ),
    ("reach_milestone", "milestone"): _milestones,
    ("reach_milestone", "not_needed"): lambda reading: _milestones(reading, optional=True),
    ("reach_milestone", "needed"): lambda reading: tuple(
        (code, name)
        for code, name in _milestones(reading, optional=True)
        if (known := reading.state.milestone(code)) is not None and not known.reached
    ),
    ("correct", "field"): lambda reading: tuple(
        (field, field_name(field, reading.names)) for field, _ in correctable(reading.definition, reading.state)
    ),
}
"""What can be meant in a field, from the case and its definition."""


def _papers(reading: Reading, command: str) -> tuple[Paper, ...]:
    """The closed list up to the step in force: what may be asked for, or handed in. What is waited for is expected;
    what is there already may not be asked for again."""
    rules: dict[str, DocumentRule] = {
        document.kind: document for step in reading.definition.steps for document in step.documents
    }
    offered = []
    for step in documents(reading):
        for row in step["documents"]:
            if row["status"] == "missing" or (command != "request_documents" and step["step"] == reading.state.current):
                forms = tuple((form.code, form.name) for form in rules[row["kind"]].forms)
                offered.append(Paper(row["kind"], row["name"], forms, row["status"] == "missing"))
    return tuple(offered)
