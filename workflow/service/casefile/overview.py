"""The page a case opens with: where it stands, what may be done next, its course, its documents."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from definitions.model import Text
from storage import AlertRow, OrgRow
from workflow.core import view
from workflow.core.events import Principal
from workflow.core.gantt import Chart, chart
from workflow.core.possible import Possible, may_sign
from workflow.core.refusals import Refusal, Refused
from workflow.core.telling import proposed, told
from workflow.service import access
from workflow.service.casefile.papers import documents, outside_the_list
from workflow.service.casefile.reading import Head, Reading, acts, context, head, read
from workflow.service.cases import from_row
from workflow.service.masking import Person, person
from workflow.service.service import Service


class Overview(NamedTuple):
    """The page a case opens with. `acts`: every command the role may give with why not now; `next_act`: the one that
    moves the case on; `signing`: what waits for a signature with why this viewer may not sign it; `ended`: why it was
    withdrawn, terminated or refused."""

    head: Head
    shown: dict[str, Any]
    person: Person
    unit: OrgRow | None
    staff: dict[str, str]
    chart: Chart
    documents: list[dict[str, Any]]
    extra: dict[str, Any]
    acts: tuple[Possible, ...]
    next_act: str | None
    signing: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    successors: list[dict[str, Any]]
    ended: Text | None


def overview(service: Service, principal: Principal, case_id: str) -> Overview:
    """The page a case opens with. Raises Refused."""
    in_full = access.may(service.law.roles, principal, reads="personal")
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        row, state = reading.held.row, reading.state
        personal = tx.personal(case_id)
        unit = None if state.org is None else tx.org(state.org)
        members = {one.id: one.name for one in tx.members((state.manager, state.project_manager))}
        # The oldest comes first: of each timer the latest rung stands for those before it.
        # None of them outlives an ending without supply, whose event is read in their place.
        ended = state.closed and state.state != "energised"
        standing = [] if ended else tx.standing_of_case(case_id)
        alerts = [_alert(one) for one in {one.key: one for one in standing}.values()]
        successors = tx.successors(row, personal) if state.closed else []
        events = tx.events(case_id) if ended else []
    today, held = reading.today, reading.held
    given = acts(service, principal, reading)
    return Overview(
        head(reading),
        view.application(reading.calendar, held.definition, state, today, held.timers),
        person(personal, in_full=in_full),
        unit,
        members,
        chart(reading.calendar, held.definition, state, held.timers, reading.now),
        documents(reading),
        outside_the_list(reading),
        given,
        _next_act(reading, given),
        signing(service, principal, reading),
        alerts,
        [{"id": one.id, "application_no": one.application_no, "state": one.state} for one in successors],
        next((told(one.type, from_row(one).payload, reading.names) for one in events if one.type == state.state), None),
    )


def _alert(row: AlertRow) -> dict[str, Any]:
    """An alert; `round` of a step's limit is the last part of its key."""
    round_ = int(row.key.rpartition(":")[2]) if row.scope == "step" else None
    return {**row._asdict(), "due_on": dt.date.fromisoformat(row.due_on), "round": round_}


def _next_act(reading: Reading, given: tuple[Possible, ...]) -> str | None:
    """The command that moves the case on: complete what runs; of what waits, take in what is missing or handed in."""
    possible_now = [one.command for one in given if one.refusal is None]
    state = reading.state
    if state.closed:
        return None
    first = state.open_step == reading.definition.steps[0].code
    order = ("complete_step",) if state.state.endswith(".running") else ("submit_step", "register_documents")
    if first and state.state.endswith(".waiting"):
        order = ("register_documents", "submit_step")
    return next((command for command in order if command in possible_now), None)


def signing(service: Service, principal: Principal, reading: Reading) -> list[dict[str, Any]]:
    """What waits for a second signature, with why this principal may not give it (None when he may)."""
    doing, names = context(service, principal, reading), reading.names
    try:
        access.check_command(service.law.roles, principal, "countersign")
        by_role: Refusal | None = None
    except Refused as refused:
        by_role = refused.refusal
    late = Text("补录的记录", "a late record")
    return [
        {
            "event": one.event,
            "kind": one.kind,
            "by": one.actor,
            "what": late if one.kind == "late" else proposed(one.kind, one.payload, names),
            "refusal": by_role or may_sign(doing, reading.definition, reading.state, one.event),
        }
        for one in reading.state.pending
    ]
