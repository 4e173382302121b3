"""An application taken in by the staff: in a hall, on the telephone, on a visit.

What is typed is tried on the engine first, so that class, steps, limits and documents are shown before anything is
sent; sending it decides anew.  Fields, choices and faults come from the submission's own model.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from definitions.calendar import AccountDay
from definitions.model import Clause, StepRule, Text
from storage import OrgRow
from workflow.core import view
from workflow.core.commands import Customer, Premises, Submission
from workflow.core.documents import clauses_of
from workflow.core.events import Principal
from workflow.core.machine import path
from workflow.core.refusals import Refused
from workflow.core.submission import Identity, submit
from workflow.core.times import business_date
from workflow.service import access
from workflow.service.casefile.fields import Faulty, Field, Paper, faults_of, kind_of, literals, number, plain
from workflow.service.service import Service

__all__ = ["FIELDS", "Faulty", "Preview", "check", "fields", "preview", "submission", "units"]

MOST_UNITS = 300
CHANNELS = ("hall", "phone", "visit")
"""How an application reaches the staff; online it comes from the customer."""

FIELDS: tuple[tuple[Text, tuple[str, ...]], ...] = (
    (Text("用户", "Customer"), ("customer.id", "customer.name", "customer.phone", "customer_kind", "enterprise_size")),
    (Text("用电地址", "Premises"), ("premises.id", "premises.address", "area", "region", "org")),
    (
        Text("用电需求", "Need"),
        (
            "business_type",
            "capacity_kw",
            "voltage",
            "supply_count",
            "voltage_kv",
            "important_customer",
            "hv_request_ref",
        ),
    ),
    (
        Text("受理", "Acceptance"),
        ("channel", "manager", "external_id", "platform_id", "occurred_at", "reason"),
    ),
)
"""The fields of the form in their groups; a dot leads into a part of the submission."""

DOCUMENTS = Field("documents", "papers", required=False)
"""The documents handed in with the application: the closed list of its class, known once the class is."""

_PARTS: dict[str, type[BaseModel]] = {"customer": Customer, "premises": Premises}


class Preview(NamedTuple):
    """What the engine would make of the application now. `missing`: documents to follow, all at once; `continues`: the
    number of the ended application for the same need; `due_on`: of the whole process, None where only steps have
    limits."""

    user_class: str
    class_name: Text
    why: tuple[Clause, ...]
    steps: tuple[StepRule, ...]
    total: int
    total_kind: str
    total_clauses: tuple[Clause, ...]
    document_clauses: tuple[Clause, ...]
    papers: tuple[Paper, ...]
    missing: list[dict[str, Any]]
    due_on: dt.date | None
    provisional: bool
    days: list[AccountDay]
    continues: str | None


def fields() -> dict[str, Field]:
    """Every field of the form by its name."""
    return {name: _field(name) for _, names in FIELDS for name in names}


def _field(name: str) -> Field:
    part, _, inner = name.rpartition(".")
    model: type[BaseModel] = _PARTS[part] if part else Submission
    info = model.model_fields[inner]
    annotation, constraints = plain(info)
    kind, choices = kind_of(annotation, constraints), literals(annotation)
    if name == "channel":
        choices = tuple(choice for choice in choices if choice[0] in CHANNELS)
    if name == "supply_count":
        kind, choices = "choice", (("1", Text("单电源", "one")), ("2", Text("双电源", "two, independent")))
    return Field(name, kind, info.is_required(), choices)


def submission(typed: Mapping[str, str], documents: list[dict[str, Any]]) -> Submission:
    """The submission that was typed. Raises Faulty with every fault."""
    body: dict[str, Any] = {"documents": documents}
    for name, field in fields().items():
        text = typed.get(name, "").strip()
        if not text:
            continue
        numeric = field.kind == "number" or name == "supply_count"
        value = number(text) if numeric else True if field.kind == "flag" else text
        value = float(value) if name in ("capacity_kw", "voltage_kv") and isinstance(value, int) else value
        part, _, inner = name.rpartition(".")
        (body.setdefault(part, {}) if part else body)[inner] = value
    for part in _PARTS:
        body.setdefault(part, {})
    try:
        return Submission.model_validate(body)
    except ValidationError as error:
        raise Faulty(faults_of(error)) from error


def check(service: Service, principal: Principal) -> None:
    """Raises Refused when the role may take no application in."""
    access.check_command(service.law.roles, principal, "submit")


def units(service: Service, principal: Principal) -> list[OrgRow]:
    """Up to three hundred units that the principal may take applications in for."""
    with service.database.read() as tx:
        return tx.units_below(principal.org, MOST_UNITS)


def preview(service: Service, principal: Principal, asked: Submission) -> Preview:
    """What the engine would make of `asked` now; nothing is stored. Raises Refused."""
    check(service, principal)
    with service.database.read() as tx:
        org = access.org_for(tx, principal, asked.org)
        doing = service.cases.context(tx, principal)
        ended = [state for state in service.cases.same_need(tx, asked, doing) if state.closed]
        decision = submit(doing, asked, Identity("preview", lambda: "", "", org), ended)
        if decision.refusal is not None:
            raise Refused(decision.refusal)
        state = decision.state
        if state is None:
            raise LookupError("a submission that is taken has a state")
        definition = service.law.resolve(
            on=business_date(state.submitted_at), region=state.facts.region, user_class=state.user_class
        )
    calendar, today = doing.calendar, business_date(doing.now)
    (total,) = [one for one in view.explain(calendar, definition, state, today) if one["key"] == "total"]
    steps = path(definition, state.facts.important_customer)
    whole = definition.total.kind == "whole_process"
    why = decision.events[0].payload["class_clauses"]
    classification = service.law.classification(on=business_date(state.submitted_at), region=state.facts.region)
    return Preview(
        state.user_class,
        definition.name,
        tuple(classification.clauses[one] for one in why if one in classification.clauses),
        steps,
        definition.total.limit,
        definition.total.kind,
        clauses_of(definition, definition.total.clauses),
        clauses_of(definition, definition.document_clauses),
        tuple(
            Paper(document.kind, document.name, tuple((form.code, form.name) for form in document.forms), expected=True)
            for document in steps[0].documents
        ),
        view.documents(definition, state)["missing"],
        total["due_on"] if whole else None,
        total["provisional"] and whole,
        total["days"] if whole else [],
        state.chain[-1].application_no if state.chain else None,
    )
