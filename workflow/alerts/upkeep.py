"""The sweeps over alerts that were raised: `stale` clears what no longer holds, `escalate` tells the next ones,
`ladders` has everything looked at again when the ladders have changed, `leftovers` removes what was never sent."""

from __future__ import annotations

import msgspec

from definitions.alerting import Ladder
from definitions.model import NATION
from storage import AlertRow, MessageRow, Standing, Tx
from workflow.alerts.raising import Raiser
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.core.times import write
from workflow.service.law import LADDERS_SETTING, ladders_hash
from workflow.service.portal import uploads

PAGE = 500

FROM_THE_START = "2021-01-01"
"""Any day gone by: to look from the start of a timer on."""

ENDED = {"met": "met", "breached": "met", "suspended": "suspended", "cancelled": "ended", "waiting": "ended"}
"""Why an alert no longer holds, by the status its timer has now."""


def stale(run: Run) -> None:
    """Clear alerts whose timer no longer stands as they say. Commands clear them in their own transaction; this is the
    second net, for what was changed in another way."""
    after = ("", "")
    while limit := run.room(PAGE):
        with run.service.database.read() as tx:
            page = tx.standings(after, limit)
        wrong = [one for one in page if why(one) is not None]
        if wrong:
            run.begins()
            with run.service.database.write() as tx:
                # Read again under a lock: what was wrong a moment ago may have been put right.
                again = [one for one in tx.standings(after, limit, lock=True) if why(one) is not None]
                run.count(0, _clear(tx, again, write(run.now)))
        run.count(len(page), 0)
        if len(page) < limit:
            return
        after = (page[-1].case_id, page[-1].id)


def ladders(run: Run) -> None:
    """Once the ladders in force have changed, by a new version of the program or a day from which another one holds,
    have every open timer looked at again from its start: what was raised does not come twice [D-LADDER]."""
    digest = ladders_hash(run.service.law.book, run.today)
    with run.service.database.read() as tx:
        known, *at = (tx.setting(LADDERS_SETTING) or "").split(" ")
    if known == digest and not at:
        return
    after = (at[0], at[1]) if known == digest else ("", "")
    run.begins()
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            page = tx.look_at_all(FROM_THE_START, after, limit)
            ended = len(page) < limit
            tx.put_setting(LADDERS_SETTING, digest if ended else " ".join((digest, *page[-1])))
        run.count(len(page), len(page))
        if ended:
            return
        after = page[-1]


def leftovers(run: Run) -> None:
    """Remove forms of the public pages that were never sent, and uploaded files that nobody names [D-PORTAL]."""
    done = uploads.tidy(run.service, run.room)
    run.count(done.looked, done.removed)


def why(one: Standing) -> str | None:
    """Why an alert is to be cleared; None while it holds."""
    if one.status is None:
        return "gone"
    if one.status != "running":
        return ENDED[one.status]
    return None if one.now_due_on == one.due_on else "moved"


def _clear(tx: Tx, wrong: list[Standing], at: str) -> int:
    cleared = 0
    for because in {why(one) for one in wrong}:
        cleared += tx.clear_ids([one.id for one in wrong if why(one) == because], at, str(because))
    # A timer that moved is looked at once more from that day on: its rungs are claimed, so nothing comes twice.
    tx.look_again((one.day, one.case_id, one.key) for one in wrong)
    return cleared


def escalate(run: Run) -> None:
    """Tell the next role of what nobody has acknowledged in time, and on the first occasion the substitutes of those
    who were told [D-ESCALATION]."""
    at = write(run.now)
    with run.service.database.read() as tx:
        if not tx.alerts_to_escalate(at, 1):
            return
        directory = Directory.read(tx)
        calendar = run.service.calendars.refresh(tx)
    run.begins()
    book = run.service.law.book
    raiser = Raiser(calendar, book.delivery(on=run.today), directory, run.now)
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            rows = tx.alerts_to_escalate(at, limit, lock=True)
            cases = tx.cases_by_id({row.case_id for row in rows if row.case_id is not None})
            messages: list[MessageRow] = []
            noted: list[tuple[int, str | None, str]] = []
            for row in rows:
                # By the ladder that it was raised by: a region may have told more people at once.
                case = cases.get(row.case_id or "")
                ladder = book.ladder(on=run.today, region=NATION if case is None else case.region)
                messages += _next_ones(raiser, directory, ladder, row)
                noted.append((*_following(raiser, ladder, row), row.id))
            tx.queue_messages(messages)
            tx.set_escalations(noted)
        run.count(len(rows), len(rows))
        if len(rows) < limit:
            return


def _next_ones(raiser: Raiser, directory: Directory, ladder: Ladder, row: AlertRow) -> list[MessageRow]:
    told = told_at(ladder, row)
    named = (("manager", row.manager),)
    first = raiser.people(told, ladder, row.org, named)
    # One that rested comes back to those who had it.
    back = [] if row.snoozed_until is None else raiser.messages(row, first, again=row.snoozed_until)
    role = _next_role(raiser, ladder, row, row.escalations)
    if role is None:
        return back
    people = raiser.people((role,), ladder, row.org, named)
    if row.escalations == 0:
        people = (*directory.substitutes(first), *people)
    body = msgspec.json.encode({"escalation": row.escalations + 1}).decode()
    # Who has it already is not told again: the outbox holds one message for each person and channel.
    return [*back, *raiser.messages(row, dict.fromkeys(people), body)]


def _next_role(raiser: Raiser, ladder: Ladder, row: AlertRow, escalations: int) -> str | None:
    """Who is told after so many escalations; None where the level or the chain has nobody left."""
    return None if raiser.patience(row.level) is None else raiser.next_role(told_at(ladder, row), escalations)


def _following(raiser: Raiser, ladder: Ladder, row: AlertRow) -> tuple[int, str | None]:
    """How many escalations there were with this one, and when the next is due."""
    if _next_role(raiser, ladder, row, row.escalations) is None:
        return row.escalations, None
    done = row.escalations + 1
    return done, raiser.patience(row.level) if _next_role(raiser, ladder, row, done) else None


def told_at(ladder: Ladder, row: AlertRow) -> tuple[str, ...]:
    """The roles that the rung of an alert went to."""
    bands = [band for band in ladder.of(row.scope).bands if band.level == row.level]
    reached = [band for band in bands if band.left >= row.remaining]
    return (reached[-1] if reached else bands[0]).recipients if bands else ()
