"""The file of a case, read: overview, account, history, dealings, forms; and what is written beside the commands: a
contact, the cause of a breach."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Refused, causes, contacts, forms, refuse
from workflow.service.casefile.account import account
from workflow.service.casefile.dealings import dealings
from workflow.service.casefile.history import history
from workflow.service.casefile.overview import Overview, overview
from workflow.service.reading import asked
from workflow.service.tables import BadFile
from workflow.web.area import N_
from workflow.web.areas.cases.drawing import draw
from workflow.web.areas.cases.words import field_label, term
from workflow.web.language import said
from workflow.web.visit import Form, Staff, Visit, text_of

router = APIRouter()

GROUPS = (
    (N_("办理环节"), ("submit_step", "complete_step", "return_step", "waive_step")),
    (N_("资料"), ("request_documents", "register_documents")),
    (N_("计时"), ("suspend", "resume")),
    (N_("往来"), ("notify", "add_charge", "add_approval", "decide_approval", "reach_milestone", "rate")),
    (N_("人员和更正"), ("assign", "correct")),
    (N_("结束申请"), ("withdraw", "terminate", "refuse")),
)
"""The commands as they are laid out; signing has its own place."""


def page(visit: Visit, template: str, tab: str, /, *, status: int = 200, **values: Any) -> Response:
    """A page of the case area."""
    named = {"term": partial(term, visit), "label": partial(field_label, visit)}
    return visit.page(f"cases/{template}", status=status, tab=tab, **named, **values)


@router.get("/cases/{case_id}")
def show(visit: Staff, case_id: str) -> Response:
    """Where the case stands and what may be done."""
    found = overview(visit.service, visit.principal, case_id)
    return page(
        visit,
        "overview.html",
        "",
        head=found.head,
        found=found,
        drawing=draw(found.chart),
        groups=_groups(visit, found),
        barred=[one for one in found.acts if one.refusal is not None and one.command != "countersign"],
        limits=_foremost(found),
        key=secrets.token_urlsafe(16),
    )


def _groups(visit: Visit, found: Overview) -> list[tuple[str, list[str]]]:
    """What may be done now, in groups; the next act stands apart."""
    now = {one.command for one in found.acts if one.refusal is None} - {found.next_act}
    groups = [(visit.gettext(title), [one for one in commands if one in now]) for title, commands in GROUPS]
    return [(title, commands) for title, commands in groups if commands]


def _foremost(found: Overview) -> list[dict[str, Any]]:
    """The limits that count now: the running round of the step in force, the total, undecided approvals."""
    live = ("running", "suspended")
    shown = [one for one in found.shown["deadlines"] if one["status"] in live or one["scope"] == "total"]
    return sorted(shown, key=lambda one: (one["scope"] != "step", one["scope"] != "total"))


@router.get("/cases/{case_id}/account")
def explain(visit: Staff, case_id: str) -> Response:
    """怎么算的."""
    return _account(visit, case_id, {}, None, 200)


def _account(visit: Visit, case_id: str, typed: dict[str, str], refusal: Any, status: int) -> Response:
    found = account(visit.service, visit.principal, case_id)
    values = {"typed": typed, "refusal": refusal, "key": secrets.token_urlsafe(16)}
    return page(visit, "account.html", "account", status=status, head=found.head, found=found, **values)


@router.post("/cases/{case_id}/causes")
def state_cause(visit: Staff, case_id: str, form: Form) -> Response:
    """Why a limit was broken."""
    typed = {name: text_of(form, name) for name in ("key", "cause", "note")}
    try:
        stated = _asked(causes.StateCause, typed)
        causes.state(visit.service, visit.principal, case_id, stated, text_of(form, "once") or None)
    except Refused as error:
        return _account(visit, case_id, typed, error.refusal, _beside(error))
    return visit.go(f"/cases/{case_id}/account", visit.gettext(N_("已登记超时限原因。")))


@router.get("/cases/{case_id}/history")
def past(visit: Staff, case_id: str) -> Response:
    """Every event with both times and its hash."""
    asked_before = visit.request.query_params.get("before", "")
    before = int(asked_before) if asked_before.isascii() and asked_before.isdigit() and len(asked_before) < 10 else None
    found = history(visit.service, visit.principal, case_id, before=before)
    return page(visit, "history.html", "history", head=found.head, found=found)


@router.get("/cases/{case_id}/dealings")
def between(visit: Staff, case_id: str) -> Response:
    """Notices, contacts, charges, approvals, milestones."""
    return _dealings(visit, case_id, {}, None, 200)


def _dealings(visit: Visit, case_id: str, typed: dict[str, str], refusal: Any, status: int) -> Response:
    found = dealings(visit.service, visit.principal, case_id)
    return page(
        visit,
        "dealings.html",
        "dealings",
        status=status,
        head=found.head,
        found=found,
        typed=typed,
        refusal=refusal,
        key=secrets.token_urlsafe(16),
        subjects=contacts.SUBJECTS,
        ways=contacts.WAYS,
    )


@router.post("/cases/{case_id}/contacts")
def write_contact(visit: Staff, case_id: str, form: Form) -> Response:
    """What was said with the customer."""
    typed = {name: text_of(form, name) for name in ("subject", "by", "occurred_at", "ref", "note")}
    try:
        said_ = _asked(contacts.RecordContact, typed)
        contacts.record(visit.service, visit.principal, case_id, said_, text_of(form, "once") or None)
    except Refused as error:
        return _dealings(visit, case_id, typed, error.refusal, _beside(error))
    return visit.go(f"/cases/{case_id}/dealings", visit.gettext(N_("已记入联系记录。")))


def _asked(model: type[BaseModel], typed: dict[str, str]) -> Any:
    """What was typed as the request it makes. Raises Refused with every fault."""
    try:
        return asked(model, {name: value or None for name, value in typed.items()})
    except BadFile as error:
        told = [problem.partition(" / ") for problem in error.problems]
        zh, en = "; ".join(one[0] for one in told), "; ".join(one[2] for one in told)
        raise refuse("malformed-request", zh, en) from error


def _beside(error: Refused) -> int:
    """The status of a refusal that is shown beside the form; one that hides the case is passed on."""
    if error.refusal.kind in ("unknown", "forbidden"):
        raise error
    return status_of(error.refusal)


@router.get("/cases/{case_id}/forms")
def list_forms(visit: Staff, case_id: str) -> Response:
    """The forms to print."""
    found = forms.forms(visit.service, visit.principal, case_id)
    return page(visit, "forms.html", "forms", head=found.head, found=found)


@router.get("/cases/{case_id}/forms/{key}")
def print_form(visit: Staff, case_id: str, key: str) -> Response:
    """One form, laid out for A4."""
    found = forms.forms(visit.service, visit.principal, case_id)
    form = forms.one(found, key)
    printed_at = visit.service.clock.now()
    said_ = said(form.title, visit.language)
    return page(
        visit, "form.html", "forms", head=found.head, form=form, masked=found.person.masked, printed_at=printed_at,
        title_of=said_,
    )  # fmt: skip
