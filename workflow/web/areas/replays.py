"""Replays: a history is uploaded or chosen, judged in a process of its own, and read; reviews, samples, papers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.responses import Response

from workflow.service import Refused, StorageError, findings, replays
from workflow.web.area import N_, Area, Link
from workflow.web.areas.findings import download, reviewed, reviewing, rules_of
from workflow.web.language import said
from workflow.web.visit import Form, Id, Staff, Visit, text_of

router = APIRouter()
AREA = Area(
    "replays",
    router,
    order=55,
    links=(Link("/replays", N_("历史回放"), reads="replays"),),
    uploads={"/replays": 2 * replays.LARGEST + (1 << 20)},
)
VERDICTS: Final = ("suspected", "notice", "cannot_judge", "open", "clear")
REFRESH_SECONDS: Final = 5
"""After so long the page of a replay at work asks again by itself; whoever wants it still says so."""
_CHUNK: Final = 1 << 20


@router.get("/replays")
def desk(visit: Staff) -> Response:
    """The replays, and the form that asks for one."""
    return _desk(visit, [])


def _desk(visit: Visit, errors: list[str]) -> Response:
    listed = replays.listed(visit.service, visit.principal, cursor=visit.request.query_params.get("cursor"))
    return visit.page(
        "replays/desk.html", found=listed, errors=errors, mappings=replays.MAPPINGS,
        day=visit.service.today, status=422 if errors else 200,
    )  # fmt: skip


@router.post("/replays")
def ask(visit: Staff, form: Form) -> Response:
    """Ask for a replay and start it."""
    try:
        files = {name: _stored(visit, form.get(name)) for name in ("cases", "events")}
        live = text_of(form, "history") == "live"
        if not live and not any(files.values()):
            return _desk(visit, [visit.gettext(N_("请选择要回放的文件, 或选择本系统的申请。"))])
        asked = replays.Asked(
            text_of(form, "name") or (files["events"] or files["cases"] or (visit.gettext(N_("本系统的申请")), ""))[0],
            dt.date.fromisoformat(text_of(form, "as_of")), text_of(form, "mapping") or "contract",
            None if live else files["cases"], None if live else files["events"],
        )  # fmt: skip
        run_id = replays.ask(visit.service, visit.principal, asked)
        replays.launch(visit.service, visit.principal, run_id)
    except ValueError:
        return _desk(visit, [visit.gettext(N_("请填写判定基准日, 如 2026-01-31。"))])
    except Refused as error:
        return _desk(visit, [said(error.refusal.detail, visit.language)])
    except StorageError as error:
        return _desk(visit, [said(error, visit.language)])
    return visit.go(f"/replays/{run_id}")


def _stored(visit: Visit, sent: Any) -> tuple[str, str] | None:
    if not isinstance(sent, UploadFile) or not sent.filename:
        return None

    def chunks() -> Iterator[bytes]:
        while chunk := sent.file.read(_CHUNK):
            yield chunk

    return replays.store(visit.service, visit.principal, sent.filename, chunks())


@router.get("/replays/{id}")
def one(visit: Staff, run_id: Id) -> Response:
    """How far a replay is; once it is done, what it found."""
    told = replays.one(visit.service, visit.principal, run_id)
    still = bool(visit.request.query_params.get("still"))
    page = visit.page("replays/one.html", **told, verdicts=VERDICTS, still=still)
    if told["run"]["state"] in ("queued", "running") and not still:
        page.headers["Refresh"] = str(REFRESH_SECONDS)
    return page


@router.post("/replays/{id}/again")
def again(visit: Staff, form: Form, run_id: Id) -> Response:
    """Replay the same history as of another date."""
    try:
        fresh = replays.again(visit.service, visit.principal, run_id, dt.date.fromisoformat(text_of(form, "as_of")))
    except ValueError:
        return visit.go(f"/replays/{run_id}", visit.gettext(N_("请填写判定基准日, 如 2026-01-31。")), "failed")
    replays.launch(visit.service, visit.principal, fresh)
    return visit.go(f"/replays/{fresh}")


@router.post("/replays/{id}/start")
def start(visit: Staff, run_id: Id) -> Response:
    """Take a replay up again."""
    replays.launch(visit.service, visit.principal, run_id)
    return visit.go(f"/replays/{run_id}")


@router.post("/replays/{id}/stop")
def stop(visit: Staff, run_id: Id) -> Response:
    """Stop a replay; what is finished stays."""
    replays.stop(visit.service, visit.principal, run_id)
    return visit.go(f"/replays/{run_id}", visit.gettext(N_("已停止, 做完的部分保留, 可接着做。")), "note")


@router.get("/replays/{id}/findings")
def found(visit: Staff, run_id: Id) -> Response:
    """The findings of a replay."""
    asked = visit.asked("rule", "severity", "tag", "org")
    told = replays.found(visit.service, visit.principal, run_id, "findings", offset=_offset(visit), **asked)
    return visit.page("replays/findings.html", **told, asked=asked, rules=rules_of(visit))


@router.get("/replays/{id}/cases")
def cases(visit: Staff, run_id: Id) -> Response:
    """The cases of a replay with their verdicts."""
    asked = visit.asked("verdict", "org", "text")
    told = replays.found(visit.service, visit.principal, run_id, "cases", offset=_offset(visit), **asked)
    return visit.page("replays/cases.html", **told, asked=asked, verdicts=VERDICTS)


@router.get("/replays/{id}/case")
def case(visit: Staff, run_id: Id) -> Response:
    """One case: its records on a line of time, its findings and their reviews."""
    return _case(visit, run_id, visit.request.query_params.get("case", ""))


def _case(
    visit: Visit, run_id: str, case_id: str, typed: dict[str, str] | None = None, failed: str = "", *, rule: str = ""
) -> Response:
    """`typed` and `failed` belong to the review of `rule`."""
    told = replays.case(visit.service, visit.principal, run_id, case_id)
    status = 422 if failed else 200
    forms, empty = reviewing(visit, typed), reviewing(visit)["typed"]
    return visit.page("replays/case.html", status=status, **told, **forms, rule=rule, empty=empty, failed=failed)


@router.post("/replays/{id}/review")
def review(visit: Staff, form: Form, run_id: Id) -> Response:
    """One act of the review of a finding."""
    case_id, rule = text_of(form, "case"), text_of(form, "rule")

    def act(asked: findings.Review) -> None:
        replays.review(visit.service, visit.principal, run_id, case_id=case_id, rule=rule, asked=asked)

    return reviewed(visit, form, text_of(form, "back"), act, partial(_case, visit, run_id, case_id, rule=rule))


@router.get("/replays/{id}/sample")
def sample(visit: Staff, run_id: Id) -> Response:
    """A random sample that anybody can draw again."""
    told = replays.sample(visit.service, visit.principal, run_id, **_drawn(visit))
    return visit.page("replays/sample.html", **told, all_verdicts=VERDICTS)


@router.get("/replays/{id}/sample.{form}")
def sample_papers(visit: Staff, run_id: Id, form: Literal["docx", "xlsx"]) -> Response:
    """The working papers of a sample."""
    drawn = replays.sample(visit.service, visit.principal, run_id, **_drawn(visit))
    ids = [item["case_id"] for item in drawn["items"]][:MOST_PAPERS]
    content = replays.paper(visit.service, visit.principal, run_id, ids, form)
    return download(f"工作底稿-抽样-{drawn['seed']}", form, content)


MOST_PAPERS: Final = 50
"""Cases of a sample whose papers are written into one file."""


@router.get("/replays/{id}/paper.{form}")
def paper(visit: Staff, run_id: Id, form: Literal["docx", "xlsx"]) -> Response:
    """The working paper of one case."""
    case_id = visit.request.query_params.get("case", "")
    content = replays.paper(visit.service, visit.principal, run_id, [case_id], form)
    return download(f"工作底稿-{case_id}", form, content)


def _offset(visit: Visit) -> int:
    stated = visit.request.query_params.get("cursor", "")
    return min(int(stated), 10_000_000) if stated.isdecimal() and len(stated) < 9 else 0


def _drawn(visit: Visit) -> dict[str, Any]:
    given = visit.request.query_params
    chosen = tuple(one for one in given.getlist("verdict") if one in VERDICTS) or VERDICTS
    size = given.get("size", "")
    return {
        "seed": (given.get("seed") or replays.new_seed())[:32],
        "size": int(size) if size.isdecimal() and 0 < len(size) < 5 else 20,
        "verdicts": chosen,
    }
