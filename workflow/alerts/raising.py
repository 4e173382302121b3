"""From rungs to alerts and their messages.

The claim comes first: alerts are inserted, and messages are queued in the same transaction for those that were really
inserted.  An inbox needs no sending, so its messages are there at once; the others wait in the outbox.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import uuid6

from definitions.alerting import DeliveryRule, Ladder
from definitions.calendar import WorkingCalendar
from storage import AlertRow, MessageRow, Tx
from workflow.alerts import hours
from workflow.alerts.policy import opening
from workflow.alerts.recipients import Directory, Receiver
from workflow.core.rungs import Rung
from workflow.core.times import write
from workflow.service.messages import fresh


class Subject(NamedTuple):
    """What an alert is about. `subject`: the case id, or what else stands under a ladder; `named`: role and staff id of
    those whom the case or the order names."""

    subject: str
    case_id: str | None
    org: str | None
    manager: str | None
    key: str
    scope: str
    step: str | None
    due_on: str
    named: tuple[tuple[str, str | None], ...]


class Reached(NamedTuple):
    """A rung that a subject has reached."""

    subject: Subject
    rung: Rung
    ladder: Ladder


class Count(NamedTuple):
    """What was done: alerts `raised` (claimed now, or standing again), and those of them `for_nobody`."""

    raised: int
    for_nobody: int


class Raiser:
    """Raises alerts as of one moment: whoever runs a sweep makes one for it."""

    def __init__(self, calendar: WorkingCalendar, rule: DeliveryRule, directory: Directory, now: dt.datetime) -> None:
        self._calendar = calendar
        self._rule = rule
        self._directory = directory
        self._now = now
        self._at = write(now)
        self._people_from = write(opening(calendar, rule, now))
        self._patience: dict[str, str | None] = {}

    def raise_(self, tx: Tx, reached: Sequence[Reached]) -> Count:
        """Claim the rungs and queue the messages of those that were not claimed before."""
        rows = [self._row(one) for one in reached]
        raised = tx.raise_alerts(rows)
        standing = [*raised.new, *raised.revived]
        if not standing:
            return Count(0, 0)
        of = {(one.subject.subject, one.subject.key, one.rung.level, one.rung.day.isoformat()): one for one in reached}
        messages: list[MessageRow] = []
        for_nobody = 0
        for row in standing:
            one = of[row.subject, row.key, row.level, row.day]
            people = self.people(one.rung.recipients, one.ladder, one.subject.org, one.subject.named)
            for_nobody += not people
            messages += self.messages(row, people)
            messages += self.told_systems(row)
        tx.queue_messages(messages)
        return Count(len(standing), for_nobody)

    def people(
        self, roles: tuple[str, ...], ladder: Ladder, org: str | None, named: tuple[tuple[str, str | None], ...]
    ) -> tuple[str, ...]:
        """The staff ids of everybody in `roles`."""
        return self._directory.people(roles, ladder.recipients, org, named)

    def messages(
        self, row: AlertRow, people: Iterable[str], body: str = "{}", again: str | None = None
    ) -> list[MessageRow]:
        """The messages about an alert to `people`, once each; `again`: for what reason once more."""
        return [self._message(row, way, body, again) for person in people for way in self._directory.ways(person)]

    def told_systems(self, row: AlertRow) -> list[MessageRow]:
        """The messages about an alert to the destinations that listen to its level."""
        return [self._message(row, way, "{}") for way in self._directory.systems(row.org, row.level)]

    def next_role(self, told: Sequence[str], escalations: int = 0) -> str | None:
        """Who is told next when nobody acknowledges: the role of the chain that stands above the highest of `told`, as
        many steps up as there were escalations before; None at its end, and where nobody told stands in it."""
        chain = self._rule.escalation_chain
        highest = max((chain.index(role) for role in told if role in chain), default=len(chain))
        at = highest + 1 + escalations
        return chain[at] if at < len(chain) else None

    def patience(self, level: str) -> str | None:
        """Until when an alert of `level` may stay unacknowledged, from now; the hours run once people can be told."""
        if level not in self._patience:
            wait = self._rule.escalate_after_hours[level]
            at = None if wait is None else hours.after(self._calendar, self._rule, self._now, wait)
            self._patience[level] = None if at is None else write(at)
        return self._patience[level]

    def _row(self, one: Reached) -> AlertRow:
        subject, rung = one.subject, one.rung
        return AlertRow(
            str(uuid6.uuid7()), subject.subject, subject.case_id, subject.org, subject.manager, subject.key,
            subject.scope, subject.step, rung.level, rung.day.isoformat(), subject.due_on, rung.remaining, "open",
            self._at, escalate_at=self.patience(rung.level) if self.next_role(rung.recipients) else None,
        )  # fmt: skip

    def _message(self, row: AlertRow, way: Receiver, body: str, again: str | None = None) -> MessageRow:
        once = f"{row.id}:{way.recipient}:{way.channel}"
        return fresh(
            "alert", way.recipient, way.channel, body, self._at, alert_id=row.id, case_id=row.case_id, org=row.org,
            not_before=self._people_from if way.person else self._at,
            dedupe=once if again is None else f"{once}:{again}",
        )  # fmt: skip
