"""The regulator's half-yearly tables over one database: every case is read once, in pages, and none is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from storage import CaseRow, Tx
from workflow.core.events import Event, Principal
from workflow.core.refusals import refuse
from workflow.core.state import State, from_snapshot
from workflow.core.times import business_date
from workflow.reports.period import BadPeriod, Period, parse
from workflow.reports.placing import Case, Window
from workflow.reports.tables import Report, in_the_period, needs_history
from workflow.reports.workbook import workbook
from workflow.service import access
from workflow.service.cases import from_row
from workflow.service.service import Progress, Service
from workflow.service.units import NOBODY, Group, Units

__all__ = ["GROUPINGS", "KINDS", "report", "workbook"]

KINDS: Final = ("indicators", "benefits")
GROUPINGS: Final = ("province", "city", "county", "org", "enterprise")
"""What sub-totals can be made by: the region of the premises, the units next below, or the enterprise of the unit."""

_REPORT_EVERY = 1000


def report(
    service: Service,
    principal: Principal,
    kind: str,
    period: str,
    *,
    org: str | None = None,
    by: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The table `kind` (one of `KINDS`: annex 2, annex 3) of `period` (`2026H1`, `2026`) for the principal's part of
    the organisation, narrowed to the unit `org` and those below it, with sub-totals `by` one of `GROUPINGS`.

    A period that runs is shown as of today. `progress` is told how many cases have been read. Raises Refused:
    `malformed-request` for a period that is not reported or has not begun, `not-permitted`, `unknown-org`.
    """
    access.check_reads(service.law.roles, principal, "reports")
    rules = service.law.book.reports
    asked = _period(service, period)
    with service.database.read() as tx:
        top = principal.org if org is None else access.org_for(tx, principal, org)
        units = Units(tx, top)
        today = service.today
        window = Window(asked, min(asked.last, today), service.calendars.refresh(tx))
        counted = Report(kind, rules, window, grouped=by is not None)
        names: dict[str | None, str | None] = {}
        for number, row in enumerate(tx.cases(), start=1):
            if progress is not None and number % _REPORT_EVERY == 0:
                progress(number, None)
            if units.holds(row.org) and in_the_period(window, row.submitted_at, row.closed_at):
                group = NOBODY if by is None else _GROUPED_BY[by](units, row)
                names[group.key] = group.name
                counted.add(_case(service, tx, row), group.key)
    answer = counted.shown()
    for group_shown in answer.get("groups", ()):
        group_shown["name"] = names[group_shown["key"]]
    return {**answer, "org": top, "by": by}


def _period(service: Service, text: str) -> Period:
    try:
        period = parse(text, service.law.book.reports)
    except BadPeriod as error:
        zh, _, en = str(error).partition(" / ")
        raise refuse("malformed-request", zh, en) from error
    if period.first > service.today:
        raise refuse(
            "malformed-request", f"统计期 {text} 尚未开始", f"The period {text} has not begun; ask for an earlier one"
        )
    return period


def _case(service: Service, tx: Tx, row: CaseRow) -> Case:
    state = from_snapshot(row.snapshot)
    definition = service.law.pinned(tx, row.definition_hash)
    later = None
    if state.closed_at is not None:
        # The same class in the same region, had it been applied for on the day it was energised.
        later = service.law.book.resolve(
            on=business_date(state.closed_at), user_class=state.user_class, region=state.facts.region
        )
    return Case(definition, state, later, _history_of(tx, state) if needs_history(state) else tuple)


def _history_of(tx: Tx, state: State) -> Callable[[], tuple[Event, ...]]:
    return lambda: tuple(from_row(event) for event in tx.events(state.case_id))


_GROUPED_BY: Mapping[str, Callable[[Units, CaseRow], Group]] = {
    "province": lambda _units, row: Group(f"{row.region[:2]}0000", None),
    "city": lambda _units, row: Group(f"{row.region[:4]}00", None),
    "county": lambda _units, row: Group(row.region, None),
    "org": lambda units, row: units.next_below(row.org),
    "enterprise": lambda units, row: units.enterprise(row.org),
}
