"""One command, one decision, one transaction.

`Cases` turns a request into work for the writer: inside the transaction it reads the case, lets the core decide,
appends the events to the case's chain and brings the projections up to date.  What tells the answer again is remembered
under the caller's idempotency key in the same transaction.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import BaseModel

from definitions.calendar import WorkingCalendar
from definitions.model import Definition
from storage import GENESIS, CaseRow, Duplicate, EventRow, NewEvent, PersonalRow, Remembered, Tx, personal_digest
from workflow.core import view
from workflow.core.commands import Assign, Submission
from workflow.core.decide import decide, link, recompute
from workflow.core.deed import Context, Decision
from workflow.core.events import Event, Principal
from workflow.core.evolve import replay
from workflow.core.machine import ENERGISED
from workflow.core.refusals import Refusal, Refused, refusal, refuse
from workflow.core.state import State, from_snapshot
from workflow.core.submission import Identity, submit
from workflow.core.timers import Counted, Timer, timers
from workflow.core.times import Clock, business_date, write
from workflow.service import access
from workflow.service.law import Calendars, Law
from workflow.service.projection import (
    begun,
    case_row,
    deadline_row,
    outdated,
    pending_rows,
    rounds_changed,
    timers_changed,
    why_outdated,
)

KEPT_CASES = 4096
_DIGEST = hashlib.sha256()
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, eq=False):
    """What the caller gets. `version`: of the application. `created`: a new application. `replayed`: this key was used
    before and the answer is that of the first time. `body`: the contract's JSON, rendered when it is first read
    (empty for a refusal)."""

    case_id: str | None = None
    version: int | None = None
    refusal: Refusal | None = None
    created: bool = False
    replayed: bool = False
    render: Callable[[], bytes] | None = None
    _body: bytes | None = None

    @property
    def body(self) -> bytes:
        """The answer as JSON, ready to send."""
        if self._body is None:
            self._body = b"" if self.render is None else self.render()
        return self._body


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of an answer: enough to give it again word for word from the case's history. `before` and
    `version` bound the command's own events; `calendar` is the hash of the calendar it was counted by."""

    before: int
    version: int
    calendar: str
    refusal: Refusal | None = None


class Held(Counted, frozen=True):
    """A case as read: its state and timers by the calendar, with the row and the definition they come from. `epoch`: in
    which it was written (`Tx.epoch`); None where it was read only."""

    row: CaseRow
    definition: Definition
    epoch: object = None


_keep = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(Kept).decode


class Cases:
    """Handles submissions and commands. Not for several writers at once: one per process, used by its writer."""

    def __init__(self, law: Law, calendars: Calendars, clock: Clock, new_id: Callable[[], str]) -> None:
        self.law = law
        self.calendars = calendars
        self.clock = clock
        self.new_id = new_id
        self._kept: OrderedDict[str, Held] = OrderedDict()

    # What the writer runs

    def submission(self, tx: Tx, principal: Principal, command: Submission, key: str | None) -> Answer:
        """Decide and store a new application."""
        digest = _digest("", command)
        known = self._remembered(tx, principal, key, digest)
        if known is not None:
            return known
        try:
            org = access.org_for(tx, principal, command.org)
        except Refused as refused:
            return Answer(refusal=refused.refusal)
        context = self.context(tx, principal)
        case_id = self.new_id()
        salt = secrets.token_hex(16)
        customer, address = command.customer, command.premises.address
        identity = Identity(
            case_id,
            lambda: self._number(tx, org, context.now),
            personal_digest(salt, customer.id, customer.name, customer.phone, address),
            org,
        )
        same = self.same_need(tx, command, context)
        ended = [state for state in same if state.closed]
        decision = submit(context, command, identity, ended)
        if decision.refusal is not None:
            return Answer(refusal=decision.refusal)
        held = self._store(tx, context, None, decision)
        # Whether they were ended only to be filed anew can be judged from now on.
        tx.mark_stale((state.case_id for state in ended), write(context.now))
        tx.put_personal(PersonalRow(case_id, salt, customer.id, customer.name, customer.phone, address))
        if not self._remember(tx, context, key, digest, decision, before=0):
            raise Duplicate("idempotency")  # by another process, meanwhile: the writer begins again
        return self._answer(context.calendar, held, decision.events, business_date(context.now))

    def command(
        self,
        tx: Tx,
        principal: Principal,
        case_id: str,
        command: Any,
        *,
        key: str | None,
        if_match: Collection[int] | None,
    ) -> Answer:
        """Decide and store one command on a case."""
        digest = _digest(case_id, command)
        # Locked before the key is looked up: the same request may be under way in another process.
        row = self._locked(tx, case_id)
        # The calendar first: what the case is believed to be before the command is counted by the same one.
        context = self.context(tx, principal)
        try:
            held = self._shown_to(tx, principal, case_id, row)
            decision = self._decided(tx, context, held, command, if_match)
        except Refused as refused:
            known = self._remembered(tx, principal, key, digest)
            return known or Answer(case_id, refusal=refused.refusal)
        if not decision.events:
            known = self._remembered(tx, principal, key, digest)
            return known or Answer(case_id, held.state.version, refusal=decision.refusal)
        # Whether the key was used before is asked by taking it, before anything else is written: deciding costs
        # nothing but time, and hardly a request comes twice.
        if not self._remember(tx, context, key, digest, decision, before=held.state.version):
            known = self._remembered(tx, principal, key, digest)
            if known is None:
                raise Duplicate("idempotency")  # removed again meanwhile: the writer begins again
            return known
        after = self._store(tx, context, held, decision)
        # What is energised is no need that was filed anew.
        if after.state.closed and not held.state.closed and after.state.state != ENERGISED:
            self._link_successors(tx, context, after)
        if decision.refusal is not None:
            return Answer(case_id, after.state.version, refusal=decision.refusal)
        return self._answer(context.calendar, after, decision.events, business_date(context.now))

    def _decided(
        self, tx: Tx, context: Context, held: Held, command: Any, if_match: Collection[int] | None
    ) -> Decision:
        if if_match is not None and held.state.version not in if_match:
            seen = ", ".join(map(str, sorted(if_match)))
            raise refuse(
                "stale-version",
                f"申请已更新到第 {held.state.version} 版, 您看到的是第 {seen} 版; 请刷新后重试",
                f"The application is at version {held.state.version}, you saw {seen}; read it again",
                version=held.state.version,
            )
        if isinstance(command, Assign) and command.org is not None:
            access.org_for(tx, context.principal, command.org)
        return decide(context, held.definition, held.state, command)

    def _answer(
        self, calendar: WorkingCalendar, held: Held, events: Sequence[Event], today: dt.date, *, replayed: bool = False
    ) -> Answer:
        """The contract's answer: the application alone when it was created, else with the command's events."""
        created = events[0].seq == 1

        def render() -> bytes:
            shown = view.application(calendar, held.definition, held.state, today, held.timers)
            return _encode(shown if created else {"application": shown, "events": [event_view(e) for e in events]})

        state = held.state
        return Answer(state.case_id, state.version, render=render, created=created, replayed=replayed)

    # Reading

    def load(self, tx: Tx, principal: Principal, case_id: str, *, lock: bool = False) -> Held:
        """The case, if the principal may see it; a case outside its part of the tree is not found. Raises Refused."""
        return self._shown_to(tx, principal, case_id, tx.case(case_id, lock=lock))

    def _shown_to(self, tx: Tx, principal: Principal, case_id: str, row: CaseRow | None) -> Held:
        if row is None or not access.sees(tx, principal, row.org):
            raise refuse("not-found", f"没有找到申请 {case_id[:64]}", f"There is no application {case_id[:64]}")
        return self.held(tx, row)

    def held(self, tx: Tx, row: CaseRow) -> Held:
        """The state and timers of a row. What is kept in memory is used only while the chain's head is the same."""
        definition = self.law.pinned(tx, row.definition_hash)
        calendar = self.calendars.current()
        kept = self._kept.get(row.id)
        if kept is not None and kept.row.head_hash == row.head_hash and kept.calendar is calendar:
            return kept
        state = from_snapshot(row.snapshot)
        return Held(calendar, state, timers(calendar, definition, state), row, definition)

    def _locked(self, tx: Tx, case_id: str) -> CaseRow | None:
        """The row of a case, locked; the one kept in memory while nobody else has written, or the chain's head is the
        same."""
        kept = self._kept.get(case_id)
        if kept is not None and (kept.epoch is tx.epoch or tx.lock_head(case_id) == kept.row.head_hash):
            return kept.row
        return tx.case(case_id, lock=True)

    # Storing

    def context(self, tx: Tx, principal: Principal) -> Context:
        """What a decision is made in, now, by this principal."""
        return Context(self.law, self.calendars.refresh(tx), self.clock.now(), principal)

    def _number(self, tx: Tx, org: str | None, now: dt.datetime) -> str:
        """The next serial number of the unit and year (detectors read the serial)."""
        year = business_date(now).year
        serial = tx.next_serial(org or "", year)
        return f"BZ-{org}-{year}-{serial:06d}" if org else f"BZ-{year}-{serial:06d}"

    def _store(self, tx: Tx, context: Context, before: Held | None, decision: Decision) -> Held:
        """Append the events and bring the projections up to date."""
        state = decision.reached
        if before is not None and before.state.definition == state.definition:
            definition = before.definition
        else:
            self.law.publish(tx, state.definition, context.now)
            definition = self.law.pinned(tx, state.definition)
        fresh = timers(context.calendar, definition, state, before)
        events = [to_row(event) for event in decision.events]
        if before is None:
            head = tx.append_events(state.case_id, 1, GENESIS, events)
            row = case_row(state, fresh, head)
            tx.insert_case(row)
        else:
            head = tx.append_events(state.case_id, before.state.version + 1, before.row.head_hash, events)
            row = case_row(state, fresh, head)
            tx.update_case(row, before.row)
            if (row.manager, row.org) != (before.row.manager, before.row.org):
                tx.hand_over_alerts(state.case_id, row.manager, row.org)
        self._project(tx, context, before, state, fresh)
        self._project_pending(tx, None if before is None else before.state, state, decision.events)
        held = self._kept[state.case_id] = Held(context.calendar, state, fresh, row, definition, tx.epoch)
        self._kept.move_to_end(state.case_id)
        if len(self._kept) > KEPT_CASES:
            self._kept.popitem(last=False)
        return held

    def _project(self, tx: Tx, context: Context, before: Held | None, state: State, fresh: tuple[Timer, ...]) -> None:
        """Write the rounds and deadlines that changed, and remove those that are no more, with the alerts on them."""
        steps = () if before is None else before.state.steps
        if steps is not state.steps:
            rounds = rounds_changed(state.case_id, state.steps, steps)
            tx.put_rounds(rounds.rows)
            if rounds.gone:
                tx.delete_rounds(state.case_id, rounds.gone)
        changed = timers_changed(fresh, () if before is None else before.timers)
        if changed:
            self._project_timers(tx, context, state, changed)

    def _project_pending(self, tx: Tx, before: State | None, state: State, events: Sequence[Event]) -> None:
        """Write what waits for a second signature since these events, and remove what waits no longer."""
        was = () if before is None else before.pending
        if was is not state.pending:
            gone = [one.event for one in was if one not in state.pending]
            if gone:
                tx.remove_pending(state.case_id, gone)
            tx.add_pending(pending_rows(state, {event.seq: write(event.recorded_at) for event in events}))
        if before is not None and was and before.org != state.org:
            tx.move_pending(state.case_id, state.org)

    def _project_timers(
        self, tx: Tx, context: Context, state: State, changed: Mapping[str, tuple[Timer | None, Timer | None]]
    ) -> None:
        calendar, today = context.calendar, business_date(context.now)
        ladder = self.law.book.ladder(on=today, region=state.facts.region)
        rows, gone = [], []
        for key, (_, now) in changed.items():
            if now is None:
                gone.append(key)
            else:
                rows.append(deadline_row(state.case_id, now, calendar, ladder))
        tx.put_deadlines(rows)
        if gone:
            tx.delete_deadlines(state.case_id, gone)
        # The deadlines first: a sweep that is raising alerts on them ends before we may write.
        for key, (was, now) in changed.items():
            if was is not None and outdated(calendar, ladder, was, now, today):
                tx.clear_alerts(state.case_id, [key], write(context.now), why_outdated(state, now))

    # Chaining

    def same_need(self, tx: Tx, command: Submission, context: Context) -> list[State]:
        """Cases of the same premises, or of the same customer at the same address."""
        since = write(context.now - dt.timedelta(days=LONGEST_LINK_DAYS))
        rows = tx.same_need(command.premises.id, command.customer.id, command.premises.address, since)
        return [from_snapshot(row.snapshot) for row in rows]

    def _link_successors(self, tx: Tx, context: Context, ended: Held) -> None:
        """A case ended after its need was filed anew: link the newer application to it."""
        for row in tx.alike(ended.row, write(context.now)):
            if row.closed_at is not None or row.submitted_at < ended.row.submitted_at:
                continue
            successor = self.held(tx, _existing(tx.case(row.id, lock=True)))
            decision = link(context, successor.definition, successor.state, ended.state)
            if decision is not None:
                self._store(tx, context, successor, decision)

    # A new calendar

    def recount(self, tx: Tx, context: Context, case_id: str, notice: str) -> bool:
        """Recompute the open timers of one case by the current calendar; whether anything changed. The rows say what
        was believed before."""
        row = tx.case(case_id, lock=True)
        if row is None or row.closed_at is not None:
            return False
        held = self.held(tx, row)
        believed = {one.key: one for one in tx.deadlines(case_id)}
        changed: list[dict[str, Any]] = []
        moved: list[str] = []
        for timer in begun(held.timers):
            due = None if timer.due_on is None else timer.due_on.isoformat()
            before = believed.get(timer.key)
            if timer.status not in ("running", "suspended") or before is None:
                continue
            if before.due_on != due:
                moved.append(timer.key)
            if (before.due_on, before.provisional) != (due, timer.provisional):
                changed.append(
                    {
                        "key": timer.key,
                        "due_on": [before.due_on, due],
                        "provisional": [before.provisional, timer.provisional],
                    }
                )
        if not changed:
            return False
        decision = recompute(context, held.definition, held.state, notice, changed)
        self._store(tx, context, held, decision)
        today = business_date(context.now)
        ladder = self.law.book.ladder(on=today, region=held.state.facts.region)
        tx.put_deadlines([deadline_row(case_id, timer, context.calendar, ladder) for timer in begun(held.timers)])
        tx.clear_alerts(case_id, moved, write(context.now), "moved")
        return True

    # Idempotency

    def _remembered(self, tx: Tx, principal: Principal, key: str | None, digest: str) -> Answer | None:
        """The answer given to this key before, told again from the history as it was then."""
        if key is None:
            return None
        row = tx.remembered(principal.caller, key)
        if row is None:
            return None
        if row.body_hash != digest or row.case_id is None:
            return Answer(
                refusal=refusal(
                    "idempotency-key-reused",
                    "这个幂等键已用于另一请求; 新请求请换新键, 重试请发送完全相同的内容",
                    "This idempotency key was used for another request; use a new key, or repeat the same content",
                ),
            )
        kept = _kept(row.answer)
        if kept.refusal is not None:
            return Answer(row.case_id, kept.version, refusal=kept.refusal, replayed=True)
        events = [from_row(event) for event in tx.events(row.case_id)[: kept.version]]
        state = replay(events)
        definition = self.law.pinned(tx, state.definition)
        calendar = self.calendars.known(tx, kept.calendar)
        now = _existing(tx.case(row.case_id))
        held = Held(calendar, state, timers(calendar, definition, state), now, definition)
        today = business_date(dt.datetime.fromisoformat(row.created_at))
        return self._answer(calendar, held, events[kept.before :], today, replayed=True)

    def _remember(
        self,
        tx: Tx,
        context: Context,
        key: str | None,
        digest: str,
        decision: Decision,
        *,
        before: int,
    ) -> bool:
        """Keep what tells the answer again under the key, if there is one; False when it was used before."""
        if key is None:
            return True
        state = decision.reached
        kept = _keep(Kept(before, state.version, context.calendar.hash, decision.refusal))
        status = 201 if before == 0 else 200 if decision.refusal is None else 422
        return tx.remember(
            Remembered(context.principal.caller, key, digest, state.case_id, status, kept, write(context.now))
        )


LONGEST_LINK_DAYS = 3700
"""How far back ended cases are read when a need is applied for again; the definition's own window decides."""


def _existing(row: CaseRow | None) -> CaseRow:
    if row is None:
        raise LookupError("an application that was just read is gone: applications are never deleted")
    return row


def _digest(case_id: str, command: BaseModel) -> str:
    digest = _DIGEST.copy()  # cheaper than a new one
    # What `model_dump_json` asks, without its two dozen arguments.
    digest.update(b"%b\n%b" % (case_id.encode(), command.__pydantic_serializer__.to_json(command)))
    return digest.hexdigest()


def to_row(event: Event) -> NewEvent:
    """An event as storage keeps it: times in fixed-width text, the payload as JSON in the order it was built."""
    return NewEvent(
        event.type,
        _encode(event.payload).decode(),
        write(event.occurred_at),
        write(event.recorded_at),
        event.actor,
        event.source,
    )


def from_row(row: EventRow) -> Event:
    """An event as the core reads it."""
    return Event(
        row.case_seq,
        row.type,
        msgspec.json.decode(row.payload),
        dt.datetime.fromisoformat(row.occurred_at),
        dt.datetime.fromisoformat(row.recorded_at),
        row.actor,
        row.source,
    )


def event_view(event: Event, links: tuple[str, str] | None = None) -> dict[str, Any]:
    """An event as the contract shows it; `links`: previous hash and hash."""
    shown: dict[str, Any] = {
        "seq": event.seq,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "actor": event.actor,
        "source": event.source,
        "late": "late" in event.payload,
        "payload": event.payload,
    }
    if links is not None:
        shown["prev_hash"], shown["hash"] = links
    return shown
