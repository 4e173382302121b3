"""The closed document lists of a case, and what lies outside them [L24 L25]."""

from __future__ import annotations

from typing import Any

from definitions.model import Text
from workflow.core import view
from workflow.core.documents import clauses_of
from workflow.core.machine import path
from workflow.core.state import Document
from workflow.core.telling import Names
from workflow.service.casefile.reading import Reading


def documents(reading: Reading) -> list[dict[str, Any]]:
    """The closed list step by step: what it allows, and of each kind whether it is provided, missing now, not yet due,
    or excused because its step was waived."""
    state, definition, names = reading.state, reading.definition, reading.names
    current = state.current
    lacking = set() if current is None else {one["kind"] for one in view.documents(definition, state)["missing"]}
    statuses = {step.code: step.status for step in state.steps}
    listed = []
    for rule in path(definition, state.facts.important_customer):
        rows = []
        for document in rule.documents:
            provided = [_provided(one, names) for one in state.documents if one.kind == document.kind]
            status = "provided" if provided else "missing" if document.kind in lacking else "later"
            if status == "later" and (state.closed or statuses.get(rule.code) == "waived"):
                status = "excused"
            rows.append(
                {
                    "kind": document.kind,
                    "name": document.name,
                    "forms": [form.name for form in document.forms],
                    "status": status,
                    "provided": provided,
                }
            )
        listed.append(
            {"step": rule.code, "name": rule.name, "status": statuses.get(rule.code, "pending"), "documents": rows}
        )
    return listed


def outside_the_list(reading: Reading) -> dict[str, Any]:
    """What lies outside the closed list: volunteered or carried by a law, asked for by a law; what may never be asked
    for, and the clauses of the ban [L24 L25]."""
    state, definition, names = reading.state, reading.definition, reading.names
    listed = {document.kind for rule in definition.steps for document in rule.documents}
    return {
        "provided": [_provided(one, names) for one in state.documents if one.kind not in listed],
        "asked": [
            {"name": names.get(one.kind, Text(one.kind, one.kind)), "step": one.step, "legal_basis": one.legal_basis}
            for one in state.asked
        ],
        "forbidden": [
            {"name": extra.name, "clauses": clauses_of(definition, extra.clauses)}
            for extra in definition.extra_documents
            if extra.effect == "forbidden"
        ],
        "clauses": clauses_of(definition, definition.document_clauses),
        "step_clauses": clauses_of(definition, definition.step_clauses),
    }


def _provided(document: Document, names: Names) -> dict[str, Any]:
    return {
        "name": names.get(document.kind, Text(document.kind, document.kind)),
        "form": document.form,
        "source": document.source,
        "volunteered": document.volunteered,
        "legal_basis": document.legal_basis,
        "digest": document.digest,
        "issued_on": document.issued_on,
        "received_at": document.received_at,
    }
