"""The standard forms of an application, filled in from its file: what is printed, signed and handed over.

A form is data: pairs, tables, sentences, clauses and places for signatures; whoever prints it only lays it out.  What
the system does not know (the point of connection, the meter) is left blank for the pen.  Dates are of the business zone
(Asia/Shanghai).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from workflow.core import view
from workflow.core.events import Event, Principal
from workflow.core.refusals import refuse
from workflow.service import access
from workflow.service.casefile.reading import Head, Reading, head, read
from workflow.service.cases import from_row
from workflow.service.forms import requests, results
from workflow.service.forms.parts import Coded, Form, Pair, Sheet, Value
from workflow.service.masking import Person, person
from workflow.service.service import Service

__all__ = ["Coded", "Form", "Forms", "Pair", "Sheet", "Value", "filled", "forms", "one"]


class Forms(NamedTuple):
    """The forms that a case has content for, in the order of its course."""

    head: Head
    person: Person
    forms: tuple[Form, ...]


def forms(service: Service, principal: Principal, case_id: str) -> Forms:
    """The forms of a case. Raises Refused."""
    in_full = access.may(service.law.roles, principal, reads="personal")
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        who = person(tx.personal(case_id), in_full=in_full)
        events = [from_row(row) for row in tx.events(case_id)]
    return Forms(head(reading), who, tuple(filled(reading, who, events)))


def one(found: Forms, key: str) -> Form:
    """The form `key`. Raises Refused when the case has none."""
    for form in found.forms:
        if form.key == key:
            return form
    raise refuse("not-found", f"本申请没有表单 {key[:64]}", f"This application has no form {key[:64]}")


def filled(reading: Reading, who: Person, events: Iterable[Event]) -> Iterator[Form]:
    """Every form that the file of the case has content for."""
    yield requests.application(reading, who)
    missing = view.documents(reading.definition, reading.state)["missing"]
    if missing and not reading.state.closed:
        yield requests.told_at_once(reading, who, missing)
    reasons = {e.payload["step"]: e.payload["plan_reason"] for e in events if e.payload.get("plan_reason")}
    rules = {rule.code: rule for rule in reading.definition.steps}
    for step in reading.state.steps:
        rule = rules.get(step.code)
        if rule is None:
            continue
        for number, turn in enumerate(step.rounds, start=1):
            if turn.outcome == "return":
                yield requests.returned(reading, who, rule, number, turn)
            if turn.outcome in ("complete", "return") and set(rule.parts) & set(results.REVIEWED):
                yield results.opinion(reading, who, rule, number, turn)
            if turn.outcome == "complete" and "supply_plan" in rule.parts:
                yield results.plan(reading, who, turn, reasons.get(step.code))
    if reading.state.state == "energised":
        yield results.energised(reading, who)
