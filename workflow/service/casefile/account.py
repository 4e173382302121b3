"""怎么算的: how every due date of a case came about, and why limits were broken."""

from __future__ import annotations

from typing import Any, NamedTuple

from definitions.model import Clause, Text
from workflow.core import view
from workflow.core.documents import clauses_of
from workflow.core.events import Principal
from workflow.service.casefile.reading import Head, head, read
from workflow.service.causes import statements
from workflow.service.service import Service


class Account(NamedTuple):
    """怎么算的. `limits`: every due date with its account; `rounds`: those that the total adds up, in their order, none
    where the whole process is limited; `causes`: why limits were broken, as stated. `before` of a limit: the working
    days used before its account begins."""

    head: Head
    limits: list[dict[str, Any]]
    rounds: list[dict[str, Any]]
    counting: tuple[Clause, ...]
    suspensions: list[dict[str, Any]]
    causes: dict[str, list[dict[str, Any]]]
    known_causes: dict[str, Text]


def account(service: Service, principal: Principal, case_id: str) -> Account:
    """怎么算的: the account of every due date. Raises Refused."""
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        rows = tx.causes([case_id])
    state, definition = reading.state, reading.definition
    limits = view.explain(reading.calendar, definition, state, reading.today)
    summed = definition.total.kind == "step_sum"
    rounds = [limit for limit in limits if summed and limit["scope"] == "step" and limit["status"] != "waiting"]
    # What runs now stands first, then the total; within these the course of the case.
    limits.sort(key=lambda one: (one["status"] not in ("running", "suspended"), one["scope"] != "total"))
    titles = {notice.number: notice for notice in reading.calendar.notices}
    for limit in limits:
        limit["step_name"] = reading.names.get(limit["step"]) if limit["step"] else None
        limit["notices"] = [titles[number] for number in limit["notices"] if number in titles]
        counted = [day.counted for day in limit["days"] if day.counted is not None]
        limit["before"] = (
            limit["budget_working_days"] - counted[-1] if summed and limit["key"] == "total" and counted else 0
        )
    known = service.law.book.breach_causes.causes
    stated: dict[str, list[dict[str, Any]]] = {}
    for one in statements(rows, known):
        stated.setdefault(one["key"], []).append(one)
    return Account(
        head(reading),
        limits,
        rounds,
        clauses_of(definition, definition.counting.clauses),
        [
            {"from": s.from_, "to": s.to, "notice": s.notice, "deducted": s.ground in definition.total.deductible}
            for s in state.suspensions
        ],
        stated,
        known,
    )
