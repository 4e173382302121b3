"""Signing in and out, and changing the password."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Refused, accounts
from workflow.web.area import N_, Area
from workflow.web.kept import ask_to_sign_in, show
from workflow.web.language import said
from workflow.web.visit import SESSION, Form, NotSignedIn, Visit, Visitor, csrf_of, local, text_of

router = APIRouter()
AREA = Area("signing", router, order=0)

START = "/board"
_AT_ONCE = CapacityLimiter(2)
"""Checking a password takes tens of megabytes: more of them wait for their turn."""


@router.get("/")
def start(visit: Visitor) -> Response:
    """The way in."""
    return visit.go(START if visit.viewer else "/sign-in")


@router.get("/sign-in")
def ask(visit: Visitor) -> Response:
    """The form to sign in."""
    if visit.viewer is not None:
        return visit.go(START)
    return ask_to_sign_in(visit, kept="", path=visit.request.query_params.get("next", ""), status=200)


@router.post("/sign-in")
async def sign_in(visit: Visitor, form: Form) -> Response:
    """Sign in; what is wrong is told beside the form, never which part of it. A form that the end of a session held up
    is shown again."""
    name, onward, kept = text_of(form, "name"), text_of(form, "next"), text_of(form, "kept")
    try:
        token = await to_thread.run_sync(
            accounts.sign_in, visit.service, name, str(form.get("password", "")), visit.address, limiter=_AT_ONCE
        )
    except Refused as error:
        told = said(error.refusal.detail, visit.language)
        return ask_to_sign_in(visit, kept=kept, path=onward, name=name, error=told, status=status_of(error.refusal))
    visit.remember(SESSION, token, None)
    if kept:
        visit.viewer, visit.csrf = accounts.session(visit.service, token), csrf_of(token)
        return show(visit, kept, onward)
    return visit.go(local(onward) if onward else START)


@router.post("/sign-out")
def sign_out(visit: Visitor) -> Response:
    """End the session."""
    accounts.sign_out(visit.service, visit.request.cookies.get(SESSION, ""))
    visit.remember(SESSION, "", 0)
    return visit.go("/sign-in", visit.gettext(N_("已退出。")))


@router.get("/password")
def password(visit: Visitor) -> Response:
    """The form to change one's password."""
    return _form(visit, None, 200)


@router.post("/password")
async def change(visit: Visitor, form: Form) -> Response:
    """Change the password; every other session of the account ends."""
    old, new, again = (str(form.get(name, "")) for name in ("old", "new", "again"))
    if new != again:
        return _form(visit, visit.gettext(N_("两次输入的新密码不一致")), 422)
    try:
        token = await to_thread.run_sync(
            accounts.change_password, visit.service, visit.principal, old, new, visit.address, limiter=_AT_ONCE
        )
    except Refused as error:
        return _form(visit, said(error.refusal.detail, visit.language), status_of(error.refusal))
    visit.remember(SESSION, token, None)
    return visit.go(START, visit.gettext(N_("密码已更改, 其他登录已全部退出。")))


def _form(visit: Visit, error: str | None, status: int) -> Response:
    if visit.viewer is None:
        raise NotSignedIn
    shortest = visit.service.law.book.sign_in.password_length
    return visit.page(
        "sign_in/password.html", status=status, error=error, shortest=shortest, forced=visit.viewer.must_change
    )
