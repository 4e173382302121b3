"""Applying online: a draft is filled in, shown what applies to it, given its documents, and sent once.

A draft is held by a token that only its browser knows.  Sending it twice gives the one application it became; the
tracking code is derived from the token, so that it is shown again to that browser and is nowhere stored.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import uuid6

from definitions.calendar import CalendarRangeError
from definitions.model import Clause, Definition, Text
from storage import DraftRow, OrgRow, TrackingRow, Tx, UploadRow
from workflow.core.commands import DocumentIn, Submission
from workflow.core.deed import Context
from workflow.core.documents import clauses_of, kind_and_form, missing, received
from workflow.core.machine import path
from workflow.core.refusals import Refusal, Refused, refuse
from workflow.core.submission import classified, definition_for, facts_of
from workflow.core.times import business_date, write
from workflow.service import access
from workflow.service.portal import codes, form, house, rates, uploads
from workflow.service.service import Service

_TOKEN_LENGTH: Final = 43


class Draft(NamedTuple):
    """An unfinished application. `case_id`: what it became once it was sent."""

    id: str
    token: str
    fields: dict[str, str]
    case_id: str | None


class Applies(NamedTuple):
    """What applies to what was typed, if it is sent today. `finish_by`: the due date of a whole-process limit, and
    whether it is provisional; None where each step is limited."""

    definition: Definition
    why: tuple[Clause, ...]
    document_clauses: tuple[Clause, ...]
    unit: OrgRow
    finish_by: tuple[dt.date, bool] | None


class Sent(NamedTuple):
    """The application a draft became. `code`: None when another has been issued since. `missing`: documents to follow,
    all at once."""

    application_no: str
    code: str | None
    missing: list[dict[str, Any]]


def begin(service: Service, fields: Mapping[str, Any], address: str) -> Draft:
    """A new draft with what was typed. Raises Refused."""
    rates.knock(service, "apply", address)
    token = secrets.token_urlsafe(32)
    moment = service.clock.now()
    hours = house.rule(service).draft_hours
    kept = form.typed(fields)
    ends = write(moment + dt.timedelta(hours=hours))
    row = DraftRow(str(uuid6.uuid7()), access.hash_of(token), _write(kept), write(moment), ends)

    def work(tx: Tx) -> list[str]:
        _, dropped = tx.drop_drafts(write(moment), 20)
        tx.add_draft(row)
        return dropped

    dropped = service.transact(work)
    if dropped:
        uploads.drop_unclaimed(service, dropped)
    return Draft(row.id, token, kept, None)


def _write(fields: Mapping[str, str]) -> str:
    return msgspec.json.encode(fields).decode()


def draft(service: Service, token: str) -> Draft | None:
    """The draft held by `token`; None when there is none or it has expired."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        return None
    with service.database.read() as tx:
        row = tx.draft(access.hash_of(token))
    if row is None or row.expires_at < house.now(service):
        return None
    return Draft(row.id, token, msgspec.json.decode(row.content, type=dict[str, str]), row.case_id)


def fill(service: Service, held: Draft, fields: Mapping[str, Any], address: str) -> Draft:
    """The draft with what was typed now. Raises Refused when it has been sent already."""
    rates.knock(service, "apply", address)
    kept = form.typed(fields)
    if not service.transact(lambda tx: tx.fill_draft(held.id, _write(kept))):
        raise refuse(
            "transition-not-allowed",
            "这份申请已经提交, 不能再改; 更正请联系客户经理",
            "This application has been sent and cannot be changed here; ask your customer manager to correct it",
        )
    return held._replace(fields=kept)


def discard(service: Service, held: Draft) -> None:
    """Forget an unsent draft with its files."""
    dropped = service.transact(lambda tx: tx.drop_draft(held.id))
    uploads.drop_unclaimed(service, dropped)


def regions(service: Service) -> list[OrgRow]:
    """The regions one may apply from, each by the unit that receives there."""
    with service.database.read() as tx:
        return house.served_regions(tx)


def faults(service: Service, held: Draft) -> form.Faults:
    """What is wrong with what was typed, by field; empty when it may go on. A fact that decides the class and is
    lacking is asked for beside its field."""
    found = form.read(held.fields, house.secret(service), held.id)
    if found.body is None:
        return found.faults
    try:
        applies(service, held)
    except Refused as refused:
        refusal = refused.refusal
        field = {"fact-needed": refusal.extra.get("fact"), "hv-needs-customer-request": "hv_request"}.get(refusal.code)
        if refusal.code == "region-not-served":
            field = "region"
        return {field if field in form.FIELDS else "form": _sentence(field, refusal)}
    return {}


_ASKED: Final = {
    "enterprise_size": Text(
        "请选择企业规模: 它决定适用哪类办理时限和收费, 不能推定",
        "Please state the size of the enterprise: it decides the limits and charges and is never assumed",
    ),
}


def _sentence(field: str | None, refusal: Refusal) -> Text:
    return _ASKED.get(field or "", refusal.detail) if refusal.code == "fact-needed" else refusal.detail


def _submission(service: Service, held: Draft, files: list[UploadRow], org: str | None) -> Submission:
    found = form.read(held.fields, house.secret(service), held.id)
    if found.body is None:
        raise refuse(
            "malformed-request", "申请信息不完整, 请返回第一步补齐", "The form is incomplete; go back to the first step"
        )
    documents = [{"kind": one.kind, "volunteered": one.volunteered, "digest": one.digest} for one in files]
    return Submission.model_validate({**found.body, "org": org, "documents": documents})


def context(service: Service, tx: Tx) -> Context:
    """What a decision for a customer is made in."""
    return Context(service.law, service.calendars.refresh(tx), service.clock.now(), house.PORTAL)


def applies(service: Service, held: Draft) -> Applies:
    """What applies to the draft if it is sent today. Raises Refused."""
    submission = _submission(service, held, [], None)
    with service.database.read() as tx:
        now = context(service, tx)
        unit = house.receiver(tx, submission.region)
    if unit is None:
        raise refuse(
            "region-not-served",
            "本平台暂不受理该地区的网上申请, 请拨打 95598 或到供电营业厅办理",
            "Applications from this region are not received here; ring 95598 or go to a service hall",
        )
    today = business_date(now.now)
    facts = facts_of(submission)
    by_rules = classified(now, facts, today)
    definition = definition_for(now, today, facts.region, by_rules.user_class)
    return Applies(
        msgspec.structs.replace(definition, steps=path(definition, facts.important_customer)),
        by_rules.clauses,
        clauses_of(definition, definition.document_clauses),
        unit,
        _finish_by(now, definition, today),
    )


def _finish_by(context: Context, definition: Definition, today: dt.date) -> tuple[dt.date, bool] | None:
    if definition.total.kind != "whole_process":
        return None
    try:
        due = context.calendar.add(today, definition.total.limit)
    except CalendarRangeError:
        return None
    return due, context.calendar.provisional_between(today, due)


# ---- documents -------------------------------------------------------------------------------------------------------


def files(service: Service, held: Draft) -> list[UploadRow]:
    """The files of the draft, oldest first."""
    with service.database.read() as tx:
        return tx.uploads(draft_id=held.id)


def add_file(
    service: Service, held: Draft, kind: str, file: uploads.Incoming, *, volunteered: bool, address: str
) -> None:
    """Take a document in. Raises Refused: `document-not-allowed` for a kind that is neither on the closed list of the
    first step nor volunteered [L24 L25], `file-not-allowed` for the file itself, `too-many-attempts`."""
    rates.knock(service, "upload", address)
    definition = applies(service, held).definition
    kind = kind_and_form(definition, kind.strip())[0]
    given = document(kind, volunteered=volunteered)
    received(definition, service.law.legal_basis, definition.steps[:1], [given], service.clock.now())
    rule = house.rule(service)
    uploads.room(rule, len(files(service, held)))
    taken = uploads.take(service, file)
    row = uploads.row(taken, kind=given.kind, volunteered=volunteered, at=house.now(service), draft=held.id)

    def work(tx: Tx) -> None:
        now = tx.draft(access.hash_of(held.token))
        if now is None or now.case_id is not None:
            raise refuse("transition-not-allowed", "这份申请已经提交", "This application has been sent already")
        uploads.room(rule, len(tx.uploads(draft_id=held.id)))
        tx.add_upload(row)

    service.transact(work)


def document(kind: str, *, volunteered: bool) -> DocumentIn:
    """A document as a command carries it. Raises Refused for a kind that is no name."""
    if not 0 < len(kind) <= 64 or not kind.isprintable():
        raise refuse("malformed-request", "请选择资料种类", "Choose what kind of document this is")
    return DocumentIn(kind=kind, volunteered=volunteered)


def remove_file(service: Service, held: Draft, upload_id: str) -> None:
    """Take a file out of the draft again; one that is not there is no matter."""
    digest = service.transact(lambda tx: tx.remove_upload(upload_id, held.id))
    if digest is not None:
        uploads.drop_unclaimed(service, [digest])


# ---- sending ---------------------------------------------------------------------------------------------------------


def send(service: Service, held: Draft) -> Refusal | None:
    """Send the draft: once, however often it is asked. The refusal, or None when it is an application now."""
    if held.case_id is not None:
        return None
    access.check_command(service.law.roles, house.PORTAL, "submit")
    try:
        unit = applies(service, held).unit
    except Refused as refused:
        return refused.refusal
    code = codes.of_draft(held.token)
    code_hash = codes.hash_of(code)

    def work(tx: Tx) -> Refusal | None:
        now = tx.draft(access.hash_of(held.token))
        if now is None or now.case_id is not None:
            return None
        submission = _submission(service, held, tx.uploads(draft_id=held.id), unit.code)
        answer = service.cases.submission(tx, house.PORTAL, submission, f"draft:{held.id}")
        if answer.refusal is None and answer.case_id is not None:
            tx.put_tracking(TrackingRow(answer.case_id, code_hash, house.now(service), house.PORTAL.who))
            tx.send_draft(held.id, answer.case_id)
        return answer.refusal

    return service.writer.submit((1, unit.code), work).result()


def sent(service: Service, held: Draft) -> Sent | None:
    """The application the draft became; None while it is unsent."""
    again = draft(service, held.token)
    if again is None or again.case_id is None:
        return None
    with service.database.read() as tx:
        service.calendars.refresh(tx)
        case = service.cases.load(tx, house.PORTAL, again.case_id)
        tracking = tx.tracking_of(again.case_id)
    code = codes.of_draft(held.token)
    current = tracking is not None and codes.fits(code, tracking.code_hash)
    waiting = case.state.state.endswith(".waiting")
    lacking = missing(case.definition, case.state, case.state.open_step) if waiting else []
    return Sent(case.state.application_no, code if current else None, lacking)
