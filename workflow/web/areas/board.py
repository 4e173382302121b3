"""The board (待办): a manager's applications, the most urgent first; what is done from it; the morning list."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import uuid6
from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from workflow import http
from workflow.service import Refused, board, board_acts, board_sheet, feeds, refuse
from workflow.web import language
from workflow.web.area import N_, Area, Link
from workflow.web.visit import Form, Staff, Visit, text_of

router = APIRouter()
AREA = Area("board", router, order=10, links=(Link("/board", N_("待办"), reads="applications"),))

_FILTERS = ("whose", "org", "user_class", "step", "band", "number")


def _none_if_blank(value: object) -> object:
    return (value.strip() or None) if isinstance(value, str) else value


_Word = Annotated[Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")] | None, BeforeValidator(_none_if_blank)]


class BoardQuery(BaseModel):
    """The filters of the board as they stand in its address; a blank one is none."""

    model_config = ConfigDict(extra="ignore")

    whose: _Word = None
    org: _Word = None
    user_class: _Word = None
    step: _Word = None
    band: _Word = None
    number: _Word = None
    cursor: _Word = None

    def asked(self, visit: Visit) -> board.Asked:
        """The question; who manages nothing asks for all that is seen."""
        usual = board.MINE if visit.principal.role == "manager" else board.ALL
        return board.Asked(self.whose or usual, self.org, self.user_class, self.step, self.band, self.number)


Filters = Annotated[BoardQuery, Query()]


@router.get("/board")
def show(visit: Staff, query: Filters) -> Response:
    """The board."""
    asked = query.asked(visit)
    found = board.page(visit.service, visit.principal, asked, query.cursor)
    names = visit.service.law.book.names
    filters = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
    return visit.page(
        "board/board.html",
        board=found,
        asked=asked,
        filters=filters,
        query=urlencode(filters),
        classes=[(code, visit.word("user_class", code)) for code in names["user_class"]],
        steps=[(code, visit.word("step", code)) for code in names["step"]],
        may_assign=visit.may(command="assign"),
    )


@router.get("/board.xlsx")
def workbook(visit: Staff, query: Filters) -> Response:
    """The list, as it is filtered, for Excel."""
    return http.workbook("board", board_sheet.sheet(visit.service, visit.principal, query.asked(visit), visit.language))


@router.get("/board/morning")
def morning(visit: Staff, query: Filters) -> Response:
    """The morning list, to be printed."""
    return visit.page("board/morning.html", morning=board.morning(visit.service, visit.principal, query.asked(visit)))


# Views


@router.post("/board/views")
def save_view(visit: Staff, form: Form) -> Response:
    """Keep the filters of the board under a name."""
    name, query = text_of(form, "name"), _only_filters(text_of(form, "query"))
    board_acts.save_view(visit.service, visit.principal, name, query)
    return visit.go(f"/board?{query}", visit.gettext(N_("视图“%(name)s”已保存。"), name=name))


@router.post("/board/views/delete")
def drop_view(visit: Staff, form: Form) -> Response:
    """Forget a view."""
    name = text_of(form, "name")
    board_acts.drop_view(visit.service, visit.principal, name)
    return visit.go("/board", visit.gettext(N_("视图“%(name)s”已删除。"), name=name))


def _only_filters(query: str) -> str:
    return urlencode([(name, value) for name, value in parse_qsl(query) if name in _FILTERS])


# Handing over


@router.get("/board/assign")
def choose(visit: Staff, ids: Annotated[list[str], Query(alias="id")] = []) -> Response:  # noqa: B006  # FastAPI copies it
    """To whom the chosen applications are to be handed over."""
    return visit.page(
        "board/assign.html",
        ids=ids[: board_acts.MOST_AT_ONCE],
        too_many=len(ids) > board_acts.MOST_AT_ONCE,
        most=board_acts.MOST_AT_ONCE,
        people=[(one.id, f"{one.name} ({one.id})") for one in board_acts.colleagues(visit.service, visit.principal)],
        key=str(uuid6.uuid7()),
    )


@router.post("/board/assign")
def hand_over(visit: Staff, form: Form) -> Response:
    """Hand the chosen applications over."""
    ids = [one for one in form.getlist("id") if isinstance(one, str)]
    done = board_acts.hand_over(
        visit.service, visit.principal, ids, text_of(form, "manager"), text_of(form, "key")[:64] or str(uuid6.uuid7())
    )
    told = visit.gettext(N_("已移交 %(count)s 件给 %(name)s。"), count=done.done, name=done.manager.name)
    if not done.refused:
        return visit.go("/board", told)
    said = [f"{number}: {language.said(refusal.detail, visit.language)}" for number, refusal in done.refused]
    return visit.go("/board", "\n".join([told, *said]), "failed")


# Being away


@router.get("/absences")
def away(visit: Staff) -> Response:
    """Who is away, and who stands in."""
    return _away(visit, {"first": "", "last": "", "substitute": ""}, None, 200)


def _away(visit: Visit, values: dict[str, str], error: Refused | None, status: int) -> Response:
    found = board_acts.absences(visit.service, visit.principal)
    told = None if error is None else error.refusal.detail
    return visit.page("board/absences.html", status=status, found=found, values=values, error=told)


@router.post("/absences")
def be_away(visit: Staff, form: Form) -> Response:
    """Note an absence of one's own."""
    values = {name: text_of(form, name) for name in ("first", "last", "substitute")}
    try:
        first, last = (_date(values[name]) for name in ("first", "last"))
        row = board_acts.be_away(visit.service, visit.principal, first, last, values["substitute"])
    except Refused as error:
        return _away(visit, values, error, 422)
    told = N_("%(first)s 至 %(last)s 由 %(name)s 代班。")
    return visit.go("/absences", visit.gettext(told, first=row.first_day, last=row.last_day, name=row.substitute))


@router.post("/absences/{absence_id}/end")
def be_back(visit: Staff, absence_id: str) -> Response:
    """End an absence."""
    board_acts.be_back(visit.service, visit.principal, absence_id)
    return visit.go("/absences", visit.gettext(N_("代班已结束。")))


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise refuse("malformed-request", "请填写日期, 如 2026-01-05", "Fill in the date, such as 2026-01-05") from None


# The calendar


@router.get("/board/calendar")
def calendars(visit: Staff) -> Response:
    """The calendar feeds of one's due dates."""
    return _calendars(visit, None)


def _calendars(visit: Visit, made: dict[str, Any] | None) -> Response:
    found = feeds.listed(visit.service, visit.principal)["items"]
    path = None if made is None else made["path"]
    address = None if path is None else str(visit.request.base_url).rstrip("/") + path
    own = [one for one in found if one["manager"] == visit.principal.who and one["revoked_at"] is None]
    may, gone = visit.may(administers="alerts"), made is not None and path is None
    key = str(uuid6.uuid7())
    return visit.page("board/calendar.html", feeds=own, address=address, gone=gone, may=may, key=key)


@router.post("/board/calendar")
def subscribe(visit: Staff, form: Form) -> Response:
    """A new feed; its address is shown this once, so the answer is the page itself. Loaded again it makes no other."""
    key = text_of(form, "once")[:64] or None
    return _calendars(visit, feeds.create(visit.service, visit.principal, feeds.CreateFeed(), key))


@router.post("/board/calendar/{feed_id}/revoke")
def unsubscribe(visit: Staff, feed_id: str) -> Response:
    """Revoke a feed."""
    feeds.revoke(visit.service, visit.principal, feed_id)
    return visit.go("/board/calendar", visit.gettext(N_("订阅已吊销。")))
