"""What passed between the utility, the customer and the authorities: notices, contacts, charges, approvals."""

from __future__ import annotations

from typing import Any, NamedTuple

from definitions.model import Clause
from workflow.core import view
from workflow.core.documents import clauses_of
from workflow.core.events import Principal
from workflow.core.possible import Possible
from workflow.core.telling import Names
from workflow.service import contacts
from workflow.service.casefile.reading import Head, acts, head, read
from workflow.service.service import Service


class Dealings(NamedTuple):
    """What passed between the utility, the customer and the authorities."""

    head: Head
    shown: dict[str, Any]
    names: Names
    contacts: list[dict[str, Any]]
    cut: bool
    milestones: list[dict[str, Any]]
    plan: dict[str, Any] | None
    charges: Possible | None
    charge_clauses: tuple[Clause, ...]


def dealings(service: Service, principal: Principal, case_id: str) -> Dealings:
    """Notices, contacts, charges, approvals, milestones. Raises Refused."""
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        rows = tx.evidence(case_id)
    state, definition, today = reading.state, reading.definition, reading.today
    log = contacts.shown(rows)
    charges = next((one for one in acts(service, principal, reading) if one.command == "add_charge"), None)
    return Dealings(
        head(reading),
        view.application(reading.calendar, definition, state, today, reading.held.timers),
        reading.names,
        log[: contacts.MOST_SHOWN],
        len(log) > contacts.MOST_SHOWN,
        view.milestones(reading.calendar, definition, state, today),
        view.plan(reading.calendar, definition, state, today),
        charges,
        clauses_of(definition, definition.charges.clauses),
    )
