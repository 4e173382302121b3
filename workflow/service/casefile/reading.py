"""A case read for one of its pages: the moment, the calendar, the state, and what stands on top of each page."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from definitions.calendar import WorkingCalendar
from definitions.model import Definition, Text
from storage import Tx
from workflow.core.deed import Context
from workflow.core.events import Principal
from workflow.core.possible import Possible, possible
from workflow.core.state import State
from workflow.core.telling import Names, names_of
from workflow.core.times import business_date
from workflow.service import access
from workflow.service.cases import Held
from workflow.service.service import Service


class Reading(NamedTuple):
    """A case as read for a page: the moment, the calendar, the case, and the names of what it speaks of."""

    now: dt.datetime
    calendar: WorkingCalendar
    held: Held
    names: Names

    @property
    def state(self) -> State:
        """The application."""
        return self.held.state

    @property
    def definition(self) -> Definition:
        """The rules it is pinned to."""
        return self.held.definition

    @property
    def today(self) -> dt.date:
        """The date of the reading in the business zone."""
        return business_date(self.now)


class Head(NamedTuple):
    """What stands on top of every page of a case. `clock`: utility, customer, stopped or ended: whose time runs;
    `whole_process`: the total is of the whole process, else it adds the steps up; `authorities`: who decides an
    approval, by the key of its limit."""

    id: str
    application_no: str
    external_id: str | None
    user_class: str
    class_name: Text
    state: str
    version: int
    clock: str
    submitted_at: dt.datetime
    closed_at: dt.datetime | None
    pending: int
    org: str | None
    whole_process: bool
    authorities: dict[str, str]


def read(service: Service, tx: Tx, principal: Principal, case_id: str) -> Reading:
    """The case within a transaction. Raises Refused: `not-permitted`, `not-found` also outside the viewer's unit."""
    access.check_reads(service.law.roles, principal, "applications")
    calendar = service.calendars.refresh(tx)
    held = service.cases.load(tx, principal, case_id)
    return Reading(service.clock.now(), calendar, held, names_of(held.definition))


def head(reading: Reading) -> Head:
    """The head of the case's pages."""
    state = reading.state
    return Head(
        state.case_id,
        state.application_no,
        state.facts.external_id,
        state.user_class,
        reading.definition.name,
        state.state,
        state.version,
        whose_clock(reading),
        state.submitted_at,
        state.closed_at,
        len(state.pending),
        state.org,
        reading.definition.total.kind == "whole_process",
        {f"approval:{one.number}": one.authority for one in state.approvals if one.authority},
    )


def whose_clock(reading: Reading) -> str:
    """Whose time runs: utility, customer, stopped (a deducted suspension) or ended. Where the whole process is limited
    the utility's clock runs while the customer is waited for."""
    state, definition = reading.state, reading.definition
    if state.closed:
        return "ended"
    deducted = definition.total.deductible
    if any(s.ground in deducted and s.in_force(reading.now, reading.today) for s in state.suspensions):
        return "stopped"
    if state.state.endswith(".running") or definition.total.kind == "whole_process":
        return "utility"
    return "customer"


def context(service: Service, principal: Principal, reading: Reading) -> Context:
    """What a decision on the case would be made in, by this principal, now."""
    return Context(service.law, reading.calendar, reading.now, principal)


def acts(service: Service, principal: Principal, reading: Reading) -> tuple[Possible, ...]:
    """Every command the principal's role may give on a case, each with why it cannot be given now."""
    role = service.law.roles.get(principal.role)
    names = () if role is None else role.commands
    return possible(context(service, principal, reading), reading.definition, reading.state, names)
