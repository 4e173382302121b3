"""Following an application by its number and code: what the customer is shown, and what the customer may do there.

An unknown number and a wrong code get the same answer after the same work.  A look is held by a token of its own and
ends by itself; personal data are shown masked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec
import uuid6

from definitions.model import Clause, Definition, Text
from storage import TrackingRow, Tx, VisitRow
from workflow.core import view
from workflow.core.commands import DocumentIn, EvidenceRef, Rate, RegisterDocuments, Withdraw
from workflow.core.counting import deductible
from workflow.core.decide import decide
from workflow.core.documents import clauses_of, missing
from workflow.core.events import Principal
from workflow.core.refusals import Refusal, Refused, refuse
from workflow.core.telling import ended_for
from workflow.core.times import write
from workflow.service import access
from workflow.service.cases import Answer, Held, from_row
from workflow.service.portal import apply, codes, complaints, house, rates, uploads
from workflow.service.portal.apply import document
from workflow.service.service import Service

_TOKEN_LENGTH: Final = 43
Once = str
"""What a form carries so that sending it twice does once."""


def open_look(service: Service, number: str, code: str, address: str) -> str | None:
    """The token of a look at the application with this number, when the code is right; else None, whichever of the two
    was wrong. Raises Refused."""
    rates.knock(service, "track", address)
    number = number.strip().upper()[:64]
    with service.database.read() as tx:
        found = tx.tracking(number)
    case_id, tracking = found or ("", None)
    if not codes.fits(code, None if tracking is None else tracking.code_hash):
        return None
    token, moment = secrets.token_urlsafe(32), service.clock.now()
    until = moment + dt.timedelta(minutes=house.rule(service).visit_minutes)
    row = VisitRow(access.hash_of(token), case_id, write(moment), write(until))
    service.transact(lambda tx: tx.add_visit(row))
    return token


def looked_at(service: Service, token: str) -> str | None:
    """The application a look is at; None once it has ended."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        return None
    with service.database.read() as tx:
        row = tx.visit(access.hash_of(token))
    return None if row is None or row.expires_at < house.now(service) else row.case_id


def end_look(service: Service, token: str) -> None:
    """End a look."""
    service.transact(lambda tx: tx.end_visit(access.hash_of(token)))


# ---- what is shown ---------------------------------------------------------------------------------------------------


class Progress(msgspec.Struct, frozen=True):
    """An application as its customer sees it; `application` is the contract's answer, `steps` the path with its waiting
    side, `turn` whose turn it is: `customer`, `utility`, `stopped` while force majeure stops the clock, or `nobody`
    once it has ended; `ended_for`: on what it was refused or terminated."""

    application: dict[str, Any]
    definition: Definition
    turn: str
    deadlines: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    document_clauses: tuple[Clause, ...]
    returned: list[str]
    files: list[dict[str, object]]
    complaints: list[complaints.Complaint]
    person: dict[str, str]
    unit: str
    may: frozenset[str]
    ended_for: Text | None


def progress(service: Service, case_id: str) -> Progress:
    """What the customer sees of an application, as of today."""
    with service.database.read() as tx:
        service.calendars.refresh(tx)
        held = service.cases.load(tx, house.PORTAL, case_id)
        person, files, said = tx.personal(case_id), tx.uploads(case_id=case_id), tx.complaints(case_id)
        unit = None if held.state.org is None else tx.org(held.state.org)
        events = tx.events(case_id) if held.state.state in ("refused", "terminated") else []
    today = service.today
    shown = view.application(held.calendar, held.definition, held.state, today, held.timers)
    names = ("", "", "") if person is None else (person.customer_name, person.phone, person.address)
    return Progress(
        application=shown,
        definition=held.definition,
        turn=_turn(held, service.clock.now(), today),
        deadlines=[one for one in shown["deadlines"] if one["scope"] in ("step", "total")],
        missing=_lacking(held),
        document_clauses=clauses_of(held.definition, held.definition.document_clauses),
        returned=_defects(held),
        files=[uploads.shown(one) for one in files],
        complaints=complaints.threads(said, held.calendar, today),
        person=dict(zip(("name", "phone", "address"), (masked(kind, text) for kind, text in zip(
            ("name", "phone", "address"), names, strict=True)), strict=True)),
        unit="" if unit is None else unit.name,
        may=_may(held),
        ended_for=next(
            (ended_for(one.type, from_row(one).payload) for one in events if one.type == held.state.state), None
        ),
    )  # fmt: skip


def _turn(held: Held, now: dt.datetime, today: dt.date) -> str:
    if held.state.closed:
        return "nobody"
    if held.state.state.endswith(".waiting"):
        return "customer"
    stopped = any(one.in_force(now, today) for one in deductible(held.definition, held.state))
    return "stopped" if stopped else "utility"


def _lacking(held: Held) -> list[dict[str, Any]]:
    current = held.state.current
    forms = {one.kind: [form.name for form in one.forms] for step in held.definition.steps for one in step.documents}
    lacking = [] if current is None else missing(held.definition, held.state, current)
    return [{**one, "forms": forms.get(one["kind"], [])} for one in lacking]


def _defects(held: Held) -> list[str]:
    """The complete written list of what has to be mended, while the step waits for it."""
    current = held.state.current
    step = None if current is None else held.state.step(current)
    if step is None or step.status != "waiting" or not step.rounds:
        return []
    return list(step.rounds[-1].defects)


def _may(held: Held) -> frozenset[str]:
    """What the customer may do now; the rules look again when it is done."""
    if not held.state.closed:
        return frozenset({"upload", "withdraw", "complain"})
    energised = held.state.state == "energised"
    return frozenset({"complain", *(("rate",) if energised and held.state.rating is None else ())})


def masked(kind: str, text: str | None) -> str:
    """A name, telephone number or address of which only so much is shown as its owner needs to know it again."""
    if not text:
        return ""
    if kind == "name":
        return text[0] + "*" * min(len(text) - 1, 8)
    if kind == "phone":
        return f"{text[:3]}****{text[-4:]}" if len(text) >= 11 else f"{text[:2]}****"
    keep = min(6, len(text) // 2)
    return text[:keep] + "*" * min(len(text) - keep, 8)


# ---- what is done ----------------------------------------------------------------------------------------------------


def add_file(
    service: Service, case_id: str, kind: str, file: uploads.Incoming, *, volunteered: bool, address: str
) -> None:
    """A document handed in later: stored, and registered on the application in one transaction with its digest. What
    the rules refuse is not stored at all. Raises Refused."""
    rates.knock(service, "upload", address)
    rule = house.rule(service)
    given = document(kind.strip(), volunteered=volunteered)
    with service.database.read() as tx:
        uploads.room(rule, len(tx.uploads(case_id=case_id)))
        held = service.cases.load(tx, house.PORTAL, case_id)
        _raise(decide(apply.context(service, tx), held.definition, held.state, _registers(given)).refusal)
    taken = uploads.take(service, file)
    digest = taken.stored.digest
    row = uploads.row(taken, kind=given.kind, volunteered=volunteered, at=house.now(service), case=case_id)

    def then(tx: Tx) -> None:
        uploads.room(rule, len(tx.uploads(case_id=case_id)))
        tx.add_upload(row)

    _raise(_do(service, case_id, _registers(given.model_copy(update={"digest": digest})), key=None, then=then))


def _registers(given: DocumentIn) -> RegisterDocuments:
    return RegisterDocuments(command="register_documents", documents=(given,), source="customer_app")


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)


def rate(service: Service, case_id: str, score: int, comment: str, *, once: Once, address: str) -> Refusal | None:
    """Rate the service once it is over [L22]. Raises Refused."""
    rates.knock(service, "act", address)
    said = complaints.said(comment).text if comment else None
    command = Rate(command="rate", score=score, comment=said, source="customer_app")
    return _do(service, case_id, command, key=f"rate:{case_id}:{once}", deed="rate")


def withdraw(service: Service, case_id: str, reason: str, *, once: Once, address: str) -> Refusal | None:
    """The customer takes the application back; the record of this platform proves it. Raises Refused."""
    rates.knock(service, "act", address)
    key = f"withdraw:{case_id}:{once}"
    record = hashlib.sha256(key.encode()).hexdigest()[:24]
    command = Withdraw(
        command="withdraw",
        reason=complaints.said(reason).text,
        evidence=EvidenceRef(ref=f"portal:{record}", source="customer_app"),
        source="customer_app",
    )
    return _do(service, case_id, command, key=key)


def choose_score() -> Refused:
    """The refusal of a rating without a score."""
    return refuse("malformed-request", "请选择 1 到 5 分", "Please choose 1 to 5")


def tick_sure() -> Refused:
    """The refusal of a withdrawal that was not confirmed."""
    return refuse("malformed-request", "撤回后不能恢复, 请勾选确认", "It cannot be undone; please tick to confirm")


def complain(service: Service, case_id: str, text: str, *, once: Once, address: str) -> None:
    """Complain about the handling of the application. Raises Refused."""
    rates.knock(service, "complain", address)
    complaints.make(service, case_id, text, f"complain:{case_id}:{once}")


def _do(
    service: Service,
    case_id: str,
    command: Any,
    *,
    key: str | None,
    deed: str | None = None,
    then: Callable[[Tx], None] = lambda _tx: None,
) -> Refusal | None:
    """Give a command for the customer. `deed`: what these pages allow only now (`Progress.may`), the first time."""
    access.check_command(service.law.roles, house.PORTAL, command.command)

    def work(tx: Tx) -> Answer:
        if deed is not None and (key is None or tx.remembered(house.PORTAL.caller, key) is None):
            service.calendars.refresh(tx)
            if deed not in _may(service.cases.load(tx, house.PORTAL, case_id)):
                raise refuse("transition-not-allowed", "现在不能这样办理", "This cannot be done now")
        answer = service.cases.command(tx, house.PORTAL, case_id, command, key=key, if_match=None)
        if answer.refusal is None and not answer.replayed:
            then(tx)
        return answer

    return service.transact(work, case_id=case_id).refusal


# ---- for the staff ---------------------------------------------------------------------------------------------------


def reissue(service: Service, principal: Principal, case_id: str) -> str:
    """A new tracking code in place of the one before, told once; looks by the old one end. Raises Refused."""
    access.check_administers(service.law.roles, principal, house.AREA)
    code = codes.new()
    row = TrackingRow(case_id, codes.hash_of(code), house.now(service), principal.who)

    def work(tx: Tx) -> None:
        service.cases.load(tx, principal, case_id)
        tx.put_tracking(row)

    service.transact(work)
    return code


def reissue_by_number(service: Service, principal: Principal, number: str) -> str:
    """As `reissue`, by the application's number. Raises Refused."""
    with service.database.read() as tx:
        row = tx.case_by_number(number.strip().upper())
    if row is None:
        raise refuse("not-found", f"没有找到申请 {number[:64]}", f"There is no application {number[:64]}")
    return reissue(service, principal, row.id)


def new_once() -> Once:
    """A mark for one form."""
    return str(uuid6.uuid7())
