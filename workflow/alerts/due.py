"""The sweep `due`: deadlines whose day to look has come, and the rungs they have reached.

It works on the rows alone; no case is loaded.  Rows are taken with `SKIP LOCKED` (on SQLite in the one write
transaction), so that any number of workers share them, and the alert's unique claim holds whatever else happens.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from definitions.alerting import Ladder
from definitions.calendar import WorkingCalendar
from storage import Look, Tx
from workflow.alerts.raising import Raiser, Reached, Subject
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.core.rungs import Rung, course_of_row, next_look, rungs_due
from workflow.service.health import FOR_NOBODY_SETTING

PAGE = 500
"""Deadlines in one transaction: on SQLite, commands wait no longer than these take."""


class _Judged(NamedTuple):
    rungs: tuple[Rung, ...]
    look_on: str | None


class Sweeper:
    """What a run knows beside the rows: made once, when there is something to look at."""

    def __init__(self, run: Run, tx: Tx) -> None:
        self._run = run
        self._book = run.service.law.book
        self._directory = Directory.read(tx)
        self._calendar: WorkingCalendar | None = None
        self._raiser: Raiser | None = None
        self._judged: dict[tuple[object, ...], _Judged] = {}
        self.for_nobody = 0

    def page(self, tx: Tx, limit: int) -> int:
        """Look at up to `limit` deadlines, raise what they have reached, and say when to look again; how many."""
        looks = tx.due_looks(self._run.today.isoformat(), limit)
        if not looks:
            return 0
        raiser = self._current(tx)
        reached: list[Reached] = []
        moved: list[tuple[str | None, str, str]] = []
        for look in looks:
            ladder = self._book.ladder(on=self._run.today, region=look.region)
            judged = self._judge(look, ladder)
            moved.append((judged.look_on, look.case_id, look.key))
            if judged.rungs and look.due_on is not None:
                subject = _subject(look, look.due_on)
                reached.extend(Reached(subject, rung, ladder) for rung in judged.rungs)
        count = raiser.raise_(tx, reached)
        tx.move_looks(moved)
        self.for_nobody += count.for_nobody
        self._run.count(len(looks), count.raised)
        return len(looks)

    def _current(self, tx: Tx) -> Raiser:
        """The raiser, by the calendar as this transaction sees it: a notice may arrive while a sweep is at work."""
        calendar = self._run.service.calendars.refresh(tx)
        if self._raiser is None or calendar is not self._calendar:
            rule = self._book.delivery(on=self._run.today)
            self._calendar, self._judged = calendar, {}
            self._raiser = Raiser(calendar, rule, self._directory, self._run.now)
        return self._raiser

    def _judge(self, look: Look, ladder: Ladder) -> _Judged:
        key = (look.scope, look.budget, look.due_on, look.ledger, look.status, look.look_on, id(ladder))
        judged = self._judged.get(key)
        if judged is None:
            try:
                judged = self._judged[key] = self._fresh(look, ladder)
            except Exception as error:  # noqa: BLE001  # one row nobody can judge must not keep the others from it
                self._run.fault(f"{look.case_id} {look.key}", error)
                return _Judged((), (self._run.today + dt.timedelta(days=1)).isoformat())
        return judged

    def _fresh(self, look: Look, ladder: Ladder) -> _Judged:
        calendar, today = self._calendar, self._run.today
        assert calendar is not None  # noqa: S101  # set with the raiser, for the type checker
        course = course_of_row(
            calendar, scope=look.scope, budget=look.budget, due_on=look.due_on, ledger=look.ledger, status=look.status
        )
        rungs = rungs_due(calendar, ladder, course, today, since=dt.date.fromisoformat(look.look_on))
        following = next_look(calendar, ladder, course, today)
        return _Judged(rungs, None if following is None else following.isoformat())


def _subject(look: Look, due_on: str) -> Subject:
    return Subject(
        look.case_id, look.case_id, look.org, look.manager, look.key, look.scope, look.step, due_on,
        (("manager", look.manager),),
    )  # fmt: skip


def run(run: Run) -> None:
    """Raise what has been reached."""
    with run.service.database.read() as tx:
        oldest = tx.oldest_look()
        if oldest is None or oldest > run.today.isoformat():
            return
        sweeper = Sweeper(run, tx)
    run.begins()
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            looked = sweeper.page(tx, limit)
        if looked < limit:
            break
    if run.done:
        _note_for_nobody(run, sweeper.for_nobody)


def _note_for_nobody(run: Run, count: int) -> None:
    with run.service.database.read() as tx:
        noted = int(tx.setting(FOR_NOBODY_SETTING) or 0)
    if noted != count:
        with run.service.database.write() as tx:
            tx.put_setting(FOR_NOBODY_SETTING, str(count))
