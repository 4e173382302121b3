"""Giving a command: its form, what was refused beside it with the clause, and what happened meanwhile.

A form carries the version of the case it was made for and a key of its own: sent twice it acts once, and on a case that
has moved on it does nothing, says what happened meanwhile and keeps what was typed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Answer
from workflow.service.casefile import acting
from workflow.web.area import N_
from workflow.web.areas.cases.file import page
from workflow.web.areas.cases.words import WORDS, term
from workflow.web.language import said
from workflow.web.visit import Form, Staff, Visit, text_of

router = APIRouter()
EXTRA_ROWS = 3
"""Rows for documents outside the list."""


@router.get("/cases/{case_id}/do/{command}")
def ask(visit: Staff, case_id: str, command: str) -> Response:
    """The form of a command."""
    sheet = acting.sheet(visit.service, visit.principal, case_id, command)
    return _form(visit, sheet, {})


def _form(
    visit: Visit,
    sheet: acting.Sheet,
    typed: dict[str, Any],
    *,
    refusal: Any = None,
    faults: tuple[acting.Fault, ...] = (),
    since: list[dict[str, Any]] | None = None,
    status: int = 200,
) -> Response:
    return page(
        visit,
        "act.html",
        "",
        status=status,
        head=sheet.head,
        sheet=sheet,
        command=sheet.act.command,
        typed=typed,
        refusal=refusal,
        faults={one.field.partition(".")[0]: said(one.message, visit.language) for one in faults},
        since=since or [],
        key=secrets.token_urlsafe(16),
        extra_rows=range(1, EXTRA_ROWS + 1),
        longest={"prose": 4000, "text": 500},
        about=WORDS["about"].get(sheet.act.command),
    )


def _seen(version: int | None) -> tuple[int] | None:
    return None if version is None else (version,)


@router.post("/cases/{case_id}/do/{command}")
def give(visit: Staff, case_id: str, command: str, form: Form) -> Response:
    """Give the command. What is refused is told beside the form, which keeps what was typed."""
    sheet = acting.sheet(visit.service, visit.principal, case_id, command)
    typed = typed_of(form)
    try:
        order = acting.command_of(command, _sent(form, sheet), sheet.fields)
    except acting.Faulty as error:
        return _form(visit, sheet, typed, faults=error.faults, status=422)
    version = _whole(text_of(form, "version"))
    once = text_of(form, "once") or None
    answer = visit.service.command(visit.principal, case_id, order, once, _seen(version)).result()
    if answer.refusal is None:
        return visit.go(f"/cases/{case_id}", _done(visit, command, answer))
    since = []
    if answer.refusal.kind == "stale" and version is not None:
        since = acting.since(visit.service, visit.principal, case_id, version)
    sheet = acting.sheet(visit.service, visit.principal, case_id, command)
    status = status_of(answer.refusal)
    return _form(visit, sheet, typed, refusal=answer.refusal, since=since, status=status)


@router.post("/cases/{case_id}/sign")
def sign(visit: Staff, case_id: str, form: Form) -> Response:
    """Sign what somebody else recorded; back to where the button stood."""
    back = "/signatures" if text_of(form, "from") == "queue" else f"/cases/{case_id}"
    try:  # the button says which: without a number it would sign whatever waits alone
        order = acting.command_of("countersign", {"event": _whole(text_of(form, "event")) or 0})
    except acting.Faulty as error:
        return visit.go(back, "; ".join(said(one.message, visit.language) for one in error.faults), "failed")
    key = text_of(form, "once") or None
    seen = _seen(_whole(text_of(form, "version")))
    answer = visit.service.command(visit.principal, case_id, order, key, seen).result()
    if answer.refusal is not None:
        return visit.go(back, said(answer.refusal.detail, visit.language), "failed")
    return visit.go(back, _done(visit, "countersign", answer))


def _done(visit: Visit, command: str, answer: Answer) -> str:
    """What was recorded, and whether it still waits for somebody."""
    events = msgspec.json.decode(answer.body).get("events", [])
    name = term(visit, "command", command)
    if any("proposes" in event["payload"] for event in events):
        return visit.gettext(N_("已登记: %(what)s。由第二人会签后生效。"), what=name)
    if any(event["late"] for event in events):
        return visit.gettext(N_("已登记: %(what)s。此为补录, 已标记, 待第二人会签。"), what=name)
    return visit.gettext(N_("已登记: %(what)s。"), what=name)


def typed_of(form: FormData) -> dict[str, Any]:
    """Everything that was typed, to be shown again."""
    names = [name for name in form if name not in ("csrf", "once", "version")]
    return {name: form.getlist(name) if name.startswith("several.") else str(form.get(name)) for name in names}


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _sent(form: FormData, sheet: acting.Sheet) -> dict[str, Any]:
    """What was sent, field by field, as the command takes it."""
    sent: dict[str, Any] = dict(sheet.fixed)
    for field in sheet.fields:
        text = text_of(form, field.name)
        if field.kind == "papers":
            sent[field.name] = papers_of(form, sheet.papers, asks=sheet.act.command == "request_documents")
        elif field.kind == "evidence":
            ref = text_of(form, f"{field.name}.ref")
            sent[field.name] = {"ref": ref} if ref else None
        elif field.kind == "lines":
            sent[field.name] = [line.strip() for line in text.splitlines() if line.strip()]
        elif field.kind == "several":
            sent[field.name] = [str(one) for one in form.getlist(f"several.{field.name}")]
        elif field.kind == "flag":
            sent[field.name] = bool(text) or None
        elif field.name == "new_value":
            sent[field.name] = acting.corrected(text_of(form, "field"), text) if text else None
        else:
            sent[field.name] = text
    return sent


def papers_of(form: FormData, offered: Iterable[acting.Paper], *, asks: bool = False) -> list[dict[str, Any]]:
    """The documents ticked on the list, and those written below it. `asks`: the utility asks for them."""
    found = []
    for paper in offered:
        if text_of(form, f"paper.{paper.kind}"):
            one: dict[str, Any] = {"kind": paper.kind}
            shape, source = text_of(form, f"form.{paper.kind}"), text_of(form, f"source.{paper.kind}")
            one |= {"form": shape} if shape else {}
            one |= {"source": source} if source and not asks else {}
            found.append(one)
    for row in range(1, EXTRA_ROWS + 1):
        kind = text_of(form, f"extra.{row}.kind")
        if kind:
            basis, volunteered = text_of(form, f"extra.{row}.legal_basis"), text_of(form, f"extra.{row}.volunteered")
            one = {"kind": kind}
            one |= {"legal_basis": basis} if basis else {}
            one |= {"volunteered": True} if volunteered and not asks else {}
            found.append(one)
    return found
