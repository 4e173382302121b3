"""Applying online (网上申请): what is to be built, what applies to it, the documents, and sending it [L8 L22 L24 L46].

Nobody signs in. What was typed is kept under the token of one cookie until it is sent or expires.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Refused
from workflow.service.portal import apply, areas, form, house, uploads
from workflow.web.area import N_, Area
from workflow.web.language import said
from workflow.web.visit import Form, Visit, Visitor, text_of

router = APIRouter(prefix="/apply")
LARGEST_BODY: Final = 24 << 20
"""Bytes of one form with its file; how large the file itself may be is in `portal.yaml`."""
AREA = Area("apply", router, order=90, uploads={"/apply/documents": LARGEST_BODY})

DRAFT: Final = "baozhuang_draft"

STEPS: Final = (
    ("/apply", N_("填写信息")),
    ("/apply/terms", N_("看清标准")),
    ("/apply/documents", N_("上传资料")),
    ("/apply/confirm", N_("确认提交")),
)
LABELS: Final = {
    "name": N_("用电人姓名或单位名称"),
    "phone": N_("联系电话"),
    "region": N_("所在地区"),
    "address": N_("用电地址"),
    "business_type": N_("办理什么"),
    "account_no": N_("原用电户号"),
    "customer_kind": N_("谁来用电"),
    "enterprise_size": N_("企业规模"),
    "area": N_("城市还是农村"),
    "capacity_kw": N_("申请容量"),
    "voltage": N_("供电电压"),
    "supply_count": N_("电源数"),
    "important_customer": N_("重要电力用户"),
    "hv_request": N_("书面要求高压供电"),
}
WORDS: Final = {
    "new": N_("新装用电"),
    "increase": N_("增加容量"),
    "temporary": N_("临时用电"),
    "residential": N_("居民家庭"),
    "non_residential": N_("企业、商户或其他单位"),
    "micro": N_("微型企业或个体工商户"),
    "small": N_("小型企业"),
    "medium": N_("中型企业"),
    "large": N_("大型企业"),
    "urban": N_("城市"),
    "rural": N_("农村"),
    "low": N_("低压 (220 / 380 伏)"),
    "high": N_("高压 (10 千伏及以上)"),
    "1": N_("一路电源"),
    "2": N_("两路独立电源"),
}


def _held(visit: Visit) -> apply.Draft | None:
    return apply.draft(visit.service, visit.request.cookies.get(DRAFT, ""))


def _choices(visit: Visit, name: str) -> list[tuple[str, str]]:
    return [(code, visit.gettext(WORDS[code])) for code in form.CHOICES[name] if code]


def _page(visit: Visit, template: str, step: str, *, status: int = 200, **values: Any) -> Response:
    return visit.page(
        template, status=status, steps=STEPS, step=step, rule=house.rule(visit.service), labels=LABELS, words=WORDS,
        **values,
    )  # fmt: skip


def _refused(visit: Visit, error: Refused) -> dict[str, Any]:
    return {"told": said(error.refusal.detail, visit.language), "clauses": error.refusal.clauses}


# ---- what is to be built ---------------------------------------------------------------------------------------------


@router.get("")
def ask(visit: Visitor) -> Response:
    """The form, with what was typed into it."""
    held = _held(visit)
    if held is not None and held.case_id is not None:
        return visit.go("/apply/done")
    return _form(visit, {} if held is None else held.fields, {})


def _form(visit: Visit, fields: dict[str, str], faults: form.Faults) -> Response:
    return _page(
        visit,
        "apply/form.html",
        "/apply",
        status=422 if faults else 200,
        fields={name: fields.get(name, "") for name in form.FIELDS},
        faults={name: said(faults.get(name), visit.language) for name in (*form.FIELDS, "form")},
        choices={name: _choices(visit, name) for name in form.CHOICES},
        regions=[(unit.region, f"{unit.name} ({unit.region})") for unit in apply.regions(visit.service)],
    )


@router.post("")
def fill(visit: Visitor, sent: Form) -> Response:
    """Keep what was typed, and go on when nothing is wrong with it."""
    held = _held(visit)
    if held is None or held.case_id is not None:
        held = apply.begin(visit.service, sent, visit.address)
        visit.remember(DRAFT, held.token, house.rule(visit.service).draft_hours * 3600)
    else:
        held = apply.fill(visit.service, held, sent, visit.address)
    faults = apply.faults(visit.service, held)
    return _form(visit, held.fields, faults) if faults else visit.go("/apply/terms")


@router.post("/discard")
def discard(visit: Visitor) -> Response:
    """Forget the draft in this browser; what was typed is removed."""
    held = _held(visit)
    if held is not None and held.case_id is None:
        apply.discard(visit.service, held)
    visit.remember(DRAFT, "", 0)
    return visit.go("/apply", visit.gettext(N_("已清除。")))


# ---- what applies ----------------------------------------------------------------------------------------------------


@router.get("/terms")
def terms(visit: Visitor) -> Response:
    """The class, its steps, limits, documents and charges, before anything is sent."""
    held = _held(visit)
    if held is None or apply.faults(visit.service, held):
        return visit.go("/apply")
    applies = apply.applies(visit.service, held)
    limited = [
        one for one in areas.published(visit.service, on=visit.service.today, region=held.fields["region"]) if one.area
    ]
    return _page(visit, "apply/terms.html", "/apply/terms", applies=applies, fields=held.fields, limited=limited)


# ---- documents -------------------------------------------------------------------------------------------------------


@router.get("/documents")
def documents(visit: Visitor) -> Response:
    """The closed list of the first step, and the files there are."""
    held = _held(visit)
    if held is None or apply.faults(visit.service, held):
        return visit.go("/apply")
    return _documents(visit, held)


def _documents(visit: Visit, held: apply.Draft, error: Refused | None = None, kind: str = "") -> Response:
    applies = apply.applies(visit.service, held)
    listed = applies.definition.steps[0].documents
    part = kind if kind in ("volunteered", *(one.kind for one in listed)) else "elsewhere"
    return _page(
        visit,
        "apply/documents.html",
        "/apply/documents",
        status=200 if error is None else status_of(error.refusal),
        applies=applies,
        listed=listed,
        files=apply.files(visit.service, held),
        fault=None if error is None else {"part": part, **_refused(visit, error)},
    )


def incoming(sent: FormData) -> uploads.Incoming:
    """The file of a form; one that was not chosen is an empty one. Raises Refused for it."""
    file = sent.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise uploads.none_chosen()
    return uploads.Incoming(file.filename, file.file)


@router.post("/documents")
def upload(visit: Visitor, sent: Form) -> Response:
    """Take one document in; what is wrong with it is told beside it."""
    held = _held(visit)
    if held is None:
        return visit.go("/apply")
    kind, volunteered = text_of(sent, "kind"), text_of(sent, "volunteered") != ""
    try:
        apply.add_file(visit.service, held, kind, incoming(sent), volunteered=volunteered, address=visit.address)
    except Refused as error:
        return _documents(visit, held, error, "volunteered" if volunteered else kind)
    return visit.go("/apply/documents", visit.gettext(N_("已上传。")))


@router.post("/documents/{upload_id}/remove")
def remove(visit: Visitor, upload_id: str) -> Response:
    """Take a document out again."""
    held = _held(visit)
    if held is not None:
        apply.remove_file(visit.service, held, upload_id)
    return visit.go("/apply/documents")


# ---- sending ---------------------------------------------------------------------------------------------------------


@router.get("/confirm")
def confirm(visit: Visitor) -> Response:
    """Everything once more, before it is sent."""
    held = _held(visit)
    if held is None or apply.faults(visit.service, held):
        return visit.go("/apply")
    return _confirm(visit, held)


def _confirm(visit: Visit, held: apply.Draft, error: Refused | None = None) -> Response:
    applies = apply.applies(visit.service, held)
    files = apply.files(visit.service, held)
    there = {one.kind for one in files}
    return _page(
        visit,
        "apply/confirm.html",
        "/apply/confirm",
        status=200 if error is None else status_of(error.refusal),
        applies=applies,
        fields=held.fields,
        files=files,
        place=next((unit.name for unit in apply.regions(visit.service) if unit.region == held.fields["region"]), ""),
        lacking=[one for one in applies.definition.steps[0].documents if one.kind not in there],
        fault=None if error is None else _refused(visit, error),
    )


@router.post("/send")
def send(visit: Visitor) -> Response:
    """Send it: once, however often the button is pressed."""
    held = _held(visit)
    if held is None:
        return visit.go("/apply")
    if held.case_id is None and apply.faults(visit.service, held):
        return visit.go("/apply")
    refusal = apply.send(visit.service, held)
    return visit.go("/apply/done") if refusal is None else _confirm(visit, held, Refused(refusal))


@router.get("/done")
def done(visit: Visitor) -> Response:
    """The number, the code, and what is still lacking."""
    held = _held(visit)
    sent = None if held is None else apply.sent(visit.service, held)
    if sent is None:
        return visit.go("/apply")
    return _page(visit, "apply/done.html", "", sent=sent)


@router.post("/again")
def again(visit: Visitor) -> Response:
    """Begin another application in this browser."""
    visit.remember(DRAFT, "", 0)
    return visit.go("/apply")
