"""The sweeps that watch dates of no application: supervision orders, reports to the regulator, and how far the calendar
and the rules reach.

Reports and horizons are few, so each run computes all of them; the alerts' unique claim keeps them from coming twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from definitions.calendar import WorkingCalendar
from storage import AlertFilter, OrderRow, Tx
from workflow.alerts.raising import Raiser, Reached, Subject
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.core.inner import months_after
from workflow.core.rungs import course_until, next_look, rungs_due
from workflow.core.times import business_date, write

PAGE = 100
REPORT_WATCHED_DAYS = 31
"""So many days after its date a report is still asked about: whether it was sent is not known here [D-REPORT-DATES]."""

_LONG_BEFORE = dt.timedelta(days=366)


# Supervision orders


def orders(run: Run) -> None:
    """Raise the rungs of reply dates that have come near or passed."""
    today = run.today.isoformat()
    with run.service.database.read() as tx:
        if not tx.due_order_looks(today, 1):
            return
    run.begins()
    ladder = run.service.law.book.ladder(on=run.today)
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            calendar, raiser = _means(run, tx)
            rows = tx.due_order_looks(today, limit, lock=True)
            reached: list[Reached] = []
            moved: list[tuple[str | None, str]] = []
            for row in rows:
                reply_by = dt.date.fromisoformat(row.reply_by)
                issued = business_date(dt.datetime.fromisoformat(row.issued_at))
                course = course_until(calendar, ladder, "order", reply_by, start=issued)
                since = dt.date.fromisoformat(row.look_on or today)
                subject = _order_subject(tx, row)
                reached += [
                    Reached(subject, one, ladder) for one in rungs_due(calendar, ladder, course, run.today, since)
                ]
                following = next_look(calendar, ladder, course, run.today)
                moved.append((None if following is None else following.isoformat(), row.id))
            done = raiser.raise_(tx, reached).raised
            tx.move_order_looks(moved)
        run.count(len(rows), done)
        if len(rows) < limit:
            return


def _order_subject(tx: Tx, row: OrderRow) -> Subject:
    case = None if row.case_id is None else tx.case(row.case_id)
    addressee = None if case is None else case.manager
    return Subject(
        f"order:{row.id}", None, row.org, addressee, f"order:{row.reply_by}", "order", None, row.reply_by,
        (("addressee", addressee), ("issuer", row.issued_by)),
    )  # fmt: skip


# Reports to the regulator


def reports(run: Run) -> None:
    """Raise the rungs of the report dates, 15 July and 15 January, for every province."""
    ladder = run.service.law.book.ladder(on=run.today)
    rules = run.service.law.book.reports
    with run.service.database.read() as tx:
        provinces = [org.code for org in tx.orgs() if org.level == "province"]
    periods = list(_periods(run.today, rules.first_half_due, rules.whole_year_due))
    run.count(len(provinces) * len(periods), 0)
    with run.service.database.read() as tx:
        calendar = run.service.calendars.refresh(tx)
    reached: list[Reached] = []
    over: list[str] = []
    for name, ended, due_on in periods:
        for org in provinces:
            subject = f"report:{name}:{org}"
            if run.today > due_on + dt.timedelta(days=REPORT_WATCHED_DAYS):
                over.append(subject)
                continue
            about = Subject(subject, None, org, None, f"report:{name}", "report", None, due_on.isoformat(), ())
            course = course_until(calendar, ladder, "report", due_on, start=ended + dt.timedelta(days=1))
            reached += [Reached(about, one, ladder) for one in rungs_due(calendar, ladder, course, run.today)]
    _settle(run, reached, [(subject, "past", None) for subject in over])


def _periods(today: dt.date, first_half: str, whole_year: str) -> Iterable[tuple[str, dt.date, dt.date]]:
    """The periods that have ended lately: name, last day, and the date of their report."""
    for year in (today.year - 1, today.year):
        yield f"{year}H1", dt.date(year, 6, 30), dt.date.fromisoformat(f"{year}-{first_half}")
        yield f"{year}", dt.date(year, 12, 31), dt.date.fromisoformat(f"{year + 1}-{whole_year}")


# How far calendar and rules reach


def horizon(run: Run) -> None:
    """Raise the rungs of the last day the calendar knows for sure, and of the day by which the rules are to be compared
    with their sources again [D-HORIZON]. What was raised of an earlier such day is cleared when it has moved."""
    book = run.service.law.book
    ladder = book.ladder(on=run.today)
    with run.service.database.read() as tx:
        calendar = run.service.calendars.refresh(tx)
        tops = [org.code for org in tx.orgs() if org.parent is None]
    org = tops[0] if len(tops) == 1 else None
    months = book.delivery(on=run.today).verify_after_months
    ends = {"calendar": calendar.firm_until, "definitions": months_after(book.verified_on, months)}
    run.count(len(ends), 0)
    reached: list[Reached] = []
    for key, due_on in ends.items():
        about = Subject(f"horizon:{key}", None, org, None, f"horizon:{key}", "horizon", None, due_on.isoformat(), ())
        course = course_until(calendar, ladder, "horizon", due_on, start=due_on - _LONG_BEFORE)
        reached += [Reached(about, one, ladder) for one in rungs_due(calendar, ladder, course, run.today)]
    _settle(run, reached, [(f"horizon:{key}", "moved", due_on.isoformat()) for key, due_on in ends.items()])


# In common


def _means(run: Run, tx: Tx) -> tuple[WorkingCalendar, Raiser]:
    calendar = run.service.calendars.refresh(tx)
    rule = run.service.law.book.delivery(on=run.today)
    return calendar, Raiser(calendar, rule, Directory.read(tx), run.now)


def _settle(run: Run, reached: list[Reached], outdated: list[tuple[str, str, str | None]]) -> None:
    """Raise what was reached, and clear what stands of `outdated` subjects (each with why) unless it is about the due
    date given. Nothing is written when there is nothing to do."""
    with run.service.database.read() as tx:
        claimed = {
            (row.subject, row.key, row.level, row.day)
            for subject in {one.subject.subject for one in reached}
            for row in tx.list_alerts(AlertFilter(subject=subject), limit=1000)
            if row.status != "cleared"
        }
        wrong = [
            (row.id, because)
            for subject, because, due_on in outdated
            for row in tx.list_alerts(AlertFilter(subject=subject, status="standing"), limit=1000)
            if row.due_on != due_on
        ]
    fresh = [
        one
        for one in reached
        if (one.subject.subject, one.subject.key, one.rung.level, one.rung.day.isoformat()) not in claimed
    ]
    if not fresh and not wrong:
        return
    run.begins()
    with run.service.database.write() as tx:
        _, raiser = _means(run, tx)
        done = raiser.raise_(tx, fresh).raised
        for because in {because for _, because in wrong}:
            done += tx.clear_ids([id_ for id_, why in wrong if why == because], write(run.now), because)
    run.count(0, done)
