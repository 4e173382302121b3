"""The sweeps over alerts that were raised: `stale` clears what no longer holds, `escalate` tells the next ones."""

from __future__ import annotations

import msgspec

from definitions.alerting import Ladder
from storage import AlertRow, MessageRow, Standing, Tx
from workflow.alerts.raising import Raiser
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.core.times import write

PAGE = 500

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
    ladder = book.ladder(on=run.today)
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            rows = tx.alerts_to_escalate(at, limit, lock=True)
            messages: list[MessageRow] = []
            for row in rows:
                messages += _next_ones(raiser, directory, ladder, row)
            tx.queue_messages(messages)
            tx.set_escalations([(row.escalations + 1, _following(raiser, ladder, row), row.id) for row in rows])
        run.count(len(rows), len(rows))
        if len(rows) < limit:
            return


def _next_ones(raiser: Raiser, directory: Directory, ladder: Ladder, row: AlertRow) -> list[MessageRow]:
    told = told_at(ladder, row)
    named = (("manager", row.manager),)
    role = raiser.next_role(told, row.escalations)
    people = () if role is None else raiser.people((role,), ladder, row.org, named)
    if row.escalations == 0:
        people = (*directory.substitutes(raiser.people(told, ladder, row.org, named)), *people)
    body = msgspec.json.encode({"escalation": row.escalations + 1}).decode()
    # Who has it already is not told again: the outbox holds one message for each person and channel.
    return raiser.messages(row, dict.fromkeys(people), body)


def _following(raiser: Raiser, ladder: Ladder, row: AlertRow) -> str | None:
    more = raiser.next_role(told_at(ladder, row), row.escalations + 1)
    return None if more is None else raiser.patience(row.level)


def told_at(ladder: Ladder, row: AlertRow) -> tuple[str, ...]:
    """The roles that the rung of an alert went to."""
    bands = [band for band in ladder.of(row.scope).bands if band.level == row.level]
    reached = [band for band in bands if band.left >= row.remaining]
    return (reached[-1] if reached else bands[0]).recipients if bands else ()
