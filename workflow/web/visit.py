"""One request for a page: who asks, in which language, with which proof that the form is ours; and the answers.

A page's function takes a `Visitor` (anybody) or a `Staff` visit (somebody signed in) and returns `visit.page(…)` after
a GET and `visit.go(…)` after a POST.  Forms are checked before the function runs (`checked_form`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from anyio import to_thread
from fastapi import Depends, Path, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from workflow.service import Principal, Refused, Service, access, accounts, past_due, refuse, units
from workflow.web.language import LANGUAGES, Language, translations
from workflow.web.rendering import render
from workflow.web.words import word

SESSION, VISITOR, LANGUAGE, FLASH = "baozhuang_session", "baozhuang_visitor", "baozhuang_lang", "baozhuang_flash"
CSRF_FIELD = "csrf"
_TOKEN_LENGTH = 43
_YEAR = 365 * 24 * 3600
_MOST_FILES, _MOST_FIELDS = 50, 2000
_LONGEST_FLASH = 1500

Tone = Literal["done", "note", "failed"]


class NotSignedIn(Exception):
    """The page is for the staff, and nobody is signed in."""


class Expired(Exception):
    """A form of ours whose session, or whose visitor's cookie, is over."""


class MustChange(Exception):
    """The password has to be changed before anything else."""


@dataclass
class Visit:
    """One request. `viewer` is None when nobody is signed in; `csrf` goes into every form."""

    request: Request
    language: Language
    viewer: accounts.SignedIn | None
    csrf: str
    flashes: list[tuple[Tone, str]]
    _cookies: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        """The open service."""
        service: Service = self.request.app.state.service
        return service

    @property
    def principal(self) -> Principal:
        """Who is signed in. Raises NotSignedIn."""
        if self.viewer is None:
            raise NotSignedIn
        return self.viewer.principal

    @property
    def address(self) -> str:
        """The network address the request came from; empty when the server does not know it."""
        return self.request.client.host if self.request.client else ""

    def may(self, *, reads: str = "", administers: str = "", command: str = "") -> bool:
        """Whether the viewer's role may do all of this: what buttons and links depend on. The service checks again."""
        return self.viewer is not None and access.may(
            self.service.law.roles, self.viewer.principal, reads=reads, administers=administers, command=command
        )

    def gettext(self, message: str, **values: Any) -> str:
        """The message in the language of this visit, its `%(name)s` filled in."""
        text = translations(self.language).gettext(message)
        return text % values if values else text

    def word(self, kind: str, code: str | None) -> str:
        """What a code is called in the language of this visit."""
        return word(self.service, self.language, kind, code)

    def late(self, limit: Mapping[str, Any]) -> bool:
        """Whether a limit of an answer ended late or is past its due date: also on the rest days right after it, when
        no working day is over yet and `overdue` still says no."""
        past = past_due(limit["status"], limit["due_on"], self.service.today)
        return past or limit["status"] == "breached" or bool(limit["overdue"])

    def in_words(self, sentence: str) -> str:
        """A sentence of the rules with the codes of steps and classes by their names."""
        names = self.service.law.book.names
        for kind in ("step", "user_class"):
            for code in names[kind]:
                sentence = re.sub(rf"(?<![\w.]){code}(?![\w.])", self.word(kind, code), sentence, flags=re.ASCII)
        return sentence

    def called(self, rows: Iterable[Mapping[str, Any]]) -> units.Called:
        """What the people and units are called that these rows of an answer name."""
        return units.called(self.service.database, rows)

    @property
    def navigation(self) -> list[tuple[str, str, bool]]:
        """Path and text of the places this viewer may go to, and whether this is the one."""
        here = self.request.url.path
        return [
            (link.path, self.gettext(link.text), here == link.path or here.startswith(f"{link.path}/"))
            for area in self.request.app.state.areas
            for link in area.links
            if self.may(reads=link.reads)
        ]

    def asked(self, *names: str) -> dict[str, str]:
        """The parameters of the address of these names that say something, at most 120 characters of each."""
        given = self.request.query_params
        return {name: given[name][:120] for name in names if given.get(name)}

    def here(self, **changes: object) -> str:
        """The address of this page with some of its query changed; None or "" leaves a parameter out."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name not in changes]
        added = [(name, str(value)) for name, value in changes.items() if value not in (None, "")]
        query = urlencode(kept + added)
        return quote(self.request.url.path) + (f"?{query}" if query else "")

    # Answers

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """The page that `template` makes of `values`."""
        if self.viewer is None and VISITOR not in self.request.cookies:
            self.remember(VISITOR, self.request.state.visitor, None)
        html = render(self.language, template, {"visit": self, "word": self.word, **values})
        if self.flashes:
            self._cookies[FLASH] = ("", 0)
        return self._dressed(HTMLResponse(html, status))

    def go(self, path: str, flash: str | None = None, tone: Tone = "done") -> Response:
        """To another page of ours after a POST, which then shows `flash`, a text of this visit's language."""
        if flash is not None:
            told = msgspec.json.encode([(tone, flash[:_LONGEST_FLASH])])
            self._cookies[FLASH] = (base64.urlsafe_b64encode(told).decode(), 60)
        return self._dressed(RedirectResponse(local(path), 303))

    def remember(self, name: str, value: str, seconds: int | None) -> None:
        """Set a cookie with the answer; `seconds` None: until the browser is closed, 0: forget it."""
        self._cookies[name] = (value, seconds)

    def _dressed(self, response: Response) -> Response:
        for name, (value, seconds) in self._cookies.items():
            response.set_cookie(
                name, value, max_age=seconds, httponly=True, samesite="lax", secure=self.request.url.scheme == "https"
            )
        return response


def local(path: str) -> str:
    """`path` when it is an address on this site, else the start page: nobody is sent elsewhere."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain and not parts.netloc and not parts.scheme else "/"


async def visit_of(request: Request) -> Visit:
    """The visit of a request, made once."""
    known: Visit | None = getattr(request.state, "visit", None)
    if known is not None:
        return known
    token, viewer = request.cookies.get(SESSION, ""), None
    if len(token) == _TOKEN_LENGTH and token.isascii():
        viewer = await to_thread.run_sync(accounts.session, request.app.state.service, token)
    if viewer is not None:
        request.state.who = viewer.principal.who
    visitor = request.cookies.get(VISITOR, "")
    if len(visitor) != _TOKEN_LENGTH or not visitor.isascii():
        visitor = secrets.token_urlsafe(32)
    request.state.visitor = visitor
    asked = request.query_params.get("lang")
    stated = asked if asked in LANGUAGES else request.cookies.get(LANGUAGE)
    language: Language = "en" if stated == "en" else "zh"
    visit = Visit(request, language, viewer, csrf_of(token if viewer else visitor), _flashes(request))
    if asked in LANGUAGES:
        visit.remember(LANGUAGE, language, _YEAR)
    request.state.visit = visit
    return visit


def csrf_of(token: str) -> str:
    """What a form carries to prove that it is ours: derived from a cookie nobody else can read."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _flashes(request: Request) -> list[tuple[Tone, str]]:
    try:
        told = base64.urlsafe_b64decode(request.cookies.get(FLASH, ""))
        return msgspec.json.decode(told, type=list[tuple[Tone, str]]) if told else []
    except (ValueError, msgspec.MsgspecError):
        return []


async def checked_form(request: Request) -> AsyncIterator[None]:
    """Refuse a POST that does not come from a form of ours; close the files that came with it once it has been
    answered. Raises Refused."""
    if request.method in ("GET", "HEAD"):
        yield
        return
    try:
        await _check(request)
        yield
    finally:
        await request.close()


async def _check(request: Request) -> None:
    visit = await visit_of(request)
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    request.state.sent = form = await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    shown = form.get(CSRF_FIELD)
    if elsewhere or not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), visit.csrf.encode()):
        if origin is not None and not elsewhere:  # the browser says that the page was ours
            raise Expired
        raise form_expired()


def form_expired() -> Refused:
    """The refusal of a form that proves nothing."""
    return refuse(
        "form-expired",
        "页面已过期或不是本系统的表单, 未作任何更改; 请返回、刷新页面后重新提交",
        "The form has expired or is not ours, and nothing was changed; go back, reload the page and send it again",
    )


async def _form(request: Request) -> FormData:
    return await request.form()  # parsed by `checked_form`


async def _staff(visit: Visitor) -> Visit:
    if visit.viewer is None:
        raise NotSignedIn
    if visit.viewer.must_change:
        raise MustChange
    return visit


Visitor = Annotated[Visit, Depends(visit_of)]
"""Anybody's visit."""
Staff = Annotated[Visit, Depends(_staff)]
"""The visit of somebody who is signed in; others are sent to sign in."""
Form = Annotated[FormData, Depends(_form)]
"""What was sent with a POST."""
Id = Annotated[str, Path(alias="id", max_length=64)]
"""Which one, in the path."""


def text_of(form: FormData | Mapping[str, Any], name: str) -> str:
    """A field of a form without the blanks around it; empty when it is missing or a file."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""
