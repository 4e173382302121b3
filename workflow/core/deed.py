"""One command being decided: the moment it is said to have happened, its events, and the state they lead to.

`Deed` is where the rules of time live that every command shares: nothing in the future, nothing before the case's last
step event, nothing late without a reason [L15].
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Protocol

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import ClassificationRule, Clause, Definition, LegalBasisRule
from workflow.core.counting import deductible
from workflow.core.documents import clauses_of
from workflow.core.events import Event, Principal
from workflow.core.evolve import evolve
from workflow.core.refusals import Refusal, refuse
from workflow.core.state import State
from workflow.core.times import BUSINESS_ZONE, business_date

DEFAULT_SOURCE = "marketing"


class Rules(Protocol):
    """The book of law, as far as a decision reads it."""

    @property
    def legal_basis(self) -> LegalBasisRule: ...

    def resolve(self, *, on: dt.date, region: str, user_class: str) -> Definition: ...

    def classification(self, *, on: dt.date, region: str) -> ClassificationRule: ...


class Context(msgspec.Struct, frozen=True):
    """What a decision is made in: the law, the calendar, the moment of recording, and who acts."""

    rules: Rules
    calendar: WorkingCalendar
    now: dt.datetime
    principal: Principal


class Decision(msgspec.Struct, frozen=True):
    """What a command led to: its events and the state after them. `refusal` is set when the request was refused (then
    `events` hold at most a recorded attempt)."""

    events: tuple[Event, ...]
    state: State | None
    refusal: Refusal | None = None

    @property
    def reached(self) -> State:
        """The state after its events. Raises ValueError when it led nowhere."""
        if self.state is None:
            raise ValueError("a decision with events has a state")
        return self.state


class Timed(Protocol):
    """The fields of a command that the rules of time read."""

    @property
    def occurred_at(self) -> dt.datetime | None: ...
    @property
    def why_late(self) -> str | None: ...
    @property
    def source(self) -> Any: ...


class Deed:
    """Collects the events of one command. `state` is the state after those collected so far."""

    def __init__(self, context: Context, definition: Definition, state: State | None, command: Timed) -> None:
        self.context = context
        self.definition = definition
        self.state = state
        self.command = command
        self.source: str = command.source or DEFAULT_SOURCE
        self.events: list[Event] = []
        now = context.now.astimezone(BUSINESS_ZONE)
        # A clock set back must not make the record older than the one before it.
        self.now = now if state is None else max(now, state.last_recorded_at)
        self.occurred_at = self._occurred_at()
        self.late = self._late()

    @property
    def open_state(self) -> State:
        """The state, which every command but a submission starts from."""
        if self.state is None:
            raise ValueError("the application does not exist yet")
        return self.state

    def _occurred_at(self) -> dt.datetime:
        last = None if self.state is None else self.state.last_step_at
        stated = self.command.occurred_at
        if stated is None:
            # The step before may carry a client's time that is ahead of ours by the tolerance.
            return self.now if last is None else max(self.now, last)
        moment = stated.astimezone(BUSINESS_ZONE)
        ahead = dt.timedelta(seconds=self.definition.late.client_ahead_seconds)
        if moment > self.context.now + ahead:
            raise refuse(
                "time-in-future",
                f"发生时间 {moment:%Y-%m-%d %H:%M} 晚于当前时间, 不能登记尚未发生的事; 请核对时间后重试",
                f"The time {moment:%Y-%m-%d %H:%M} lies in the future; check it and send again",
                self.clauses(*self.definition.late.clauses),
            )
        return moment

    def check_order(self) -> None:
        """Refuse an event before the case's last step event."""
        last = self.open_state.last_step_at
        if self.occurred_at < last:
            raise refuse(
                "time-before-previous-step",
                f"发生时间 {self.occurred_at:%Y-%m-%d %H:%M:%S} 早于上一环节事件 {last:%Y-%m-%d %H:%M:%S}; 请核对时间, "
                "上一环节有误的请先更正",
                f"The time {self.occurred_at:%Y-%m-%d %H:%M:%S} precedes the last step event at "
                f"{last:%Y-%m-%d %H:%M:%S}; check it, or correct the earlier event first",
                self.clauses(*self.definition.late.clauses),
            )

    def check_not_suspended(self, moment: dt.datetime) -> None:
        """Refuse finishing a step at `moment` while days are being deducted: the work cannot both rest and be done."""
        on = business_date(moment)
        for one in deductible(self.definition, self.open_state):
            if one.in_force(moment, on):
                raise refuse(
                    "suspension-in-force",
                    f"{on} 在不可抗力中止期间 ({one.from_} 至 {one.to or '未定'}, {one.notice}), 不能办结环节; "
                    "请先恢复 (resume), 写明中止的最后一日",
                    f"{on} lies in a deducted suspension ({one.from_} to {one.to or 'open'}, {one.notice}); resume "
                    "first, naming its last day",
                    self.clauses(*self.definition.total.clauses),
                )

    def _late(self) -> dict[str, Any] | None:
        if self.occurred_at >= self.now:
            return None
        rule = self.definition.late
        allowed = rule.by_source.get(self.source, rule.working_days)
        lag = self.context.calendar.count(business_date(self.occurred_at), business_date(self.now))
        if lag <= allowed:
            return None
        if not self.command.why_late:
            raise refuse(
                "late-record-needs-reason",
                f"此事发生在 {lag} 个工作日前, 超过 {allowed} 个工作日的补录须填写 reason 说明原因, 并由第二人会签",
                f"This happened {lag} working days ago; a record later than {allowed} needs `reason`, and a second "
                "person's signature",
                self.clauses(*rule.clauses),
                working_days_late=lag,
            )
        return {"working_days": lag, "reason": self.command.why_late}

    def clauses(self, *ids: str) -> tuple[Clause, ...]:
        """The definition's clauses with these ids."""
        return clauses_of(self.definition, ids)

    def emit(self, type_: str, payload: dict[str, Any]) -> None:
        """Append an event of the acting principal and move the state on. Every event of a late command is marked late
        and names its batch; its reason and evidence are put into the first."""
        principal, command = self.context.principal, self.command
        payload["by"] = {"role": principal.role, "org": principal.org}
        if self.late is not None:
            # One signature covers the whole command: the later events point at the first.
            payload["late"] = {**self.late, "signed_with": self.events[0].seq} if self.events else self.late
        for name in ("batch",) if self.events else ("batch", "reason"):
            value = getattr(command, name, None)
            if value is not None:
                payload.setdefault(name, value)
        if not self.events:
            evidence = getattr(command, "evidence", None)
            if evidence is not None:
                payload["evidence"] = {"ref": evidence.ref, "source": evidence.source}
        event = Event(
            seq=1 if self.state is None else self.state.version + 1,
            type=type_,
            payload=payload,
            occurred_at=self.occurred_at,
            recorded_at=self.now,
            actor=principal.who,
            source=self.source,
        )
        self.events.append(event)
        self.state = evolve(self.state, event)

    def overtake(self, proposals: list[int]) -> None:
        """Write into the last event which proposals (their events) can no longer take effect behind it, so that they
        wait for a signature no longer."""
        last = self.events[-1]
        last.payload["overtaken"] = proposals
        kept = tuple(one for one in self.open_state.pending if one.event not in proposals)
        self.state = msgspec.structs.replace(self.open_state, pending=kept)

    def decision(self, refusal: Refusal | None = None) -> Decision:
        """What was decided."""
        return Decision(tuple(self.events), self.state, refusal)
