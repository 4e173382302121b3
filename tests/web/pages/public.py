"""The customer's public pages, and what the staff see of them."""

from __future__ import annotations

import io

from storage import AreaRow
from tests.web.site import Office, Page
from workflow.core.commands import COMMANDS
from workflow.service import Principal
from workflow.service.portal import apply, complaints, tracking, uploads
from workflow.web.areas.apply import DRAFT
from workflow.web.areas.track import LOOK

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n%%EOF\n"
HOME = {
    "name": "张三丰",
    "phone": "13800001111",
    "address": "解放路 1 号 2 栋 301",
    "business_type": "new",
    "account_no": "",
    "customer_kind": "residential",
    "enterprise_size": "",
    "area": "urban",
    "capacity_kw": "8",
    "voltage": "low",
    "supply_count": "1",
}
SHOP = {**HOME, "customer_kind": "non_residential", "enterprise_size": "medium", "capacity_kw": "100"}
HERE = "127.0.0.1"
ROOT = Principal("root", "admin")


def region(office: Office) -> str:
    """A region that the demonstration's units serve."""
    return next(unit.region or "" for unit in apply.regions(office.service) if unit.level == "county")


def draft(office: Office, form: dict[str, str] = HOME) -> str:
    """The token of a new draft with one document."""
    held = apply.begin(office.service, {**form, "region": region(office)}, HERE)
    file = uploads.Incoming("身份证.pdf", io.BytesIO(PDF))
    apply.add_file(office.service, held, "identity", file, volunteered=False, address=HERE)
    return held.token


def _kept(office: Office, name: str, make) -> str:
    if name not in office.kept:
        office.kept[name] = make()
    return office.kept[name]


def unsent(office: Office) -> dict[str, str]:
    return {DRAFT: _kept(office, "unsent", lambda: draft(office))}


def sent(office: Office) -> dict[str, str]:
    def make() -> str:
        token = draft(office)
        held = apply.draft(office.service, token)
        assert held is not None
        assert apply.send(office.service, held) is None
        return token

    return {DRAFT: _kept(office, "sent", make)}


def _case(office: Office, name: str, form: dict[str, str]) -> str:
    def make() -> str:
        token = draft(office, form)
        held = apply.draft(office.service, token)
        assert held is not None
        assert apply.send(office.service, held) is None
        again = apply.draft(office.service, token)
        assert again is not None
        return again.case_id or ""

    return _kept(office, f"case {name}", make)


def look(office: Office, case_id: str) -> str:
    """The token of a look at the application, opened as its customer opens it."""
    with office.service.database.read() as tx:
        row = tx.case(case_id)
    assert row is not None
    code = tracking.reissue(office.service, ROOT, case_id)
    token = tracking.open_look(office.service, row.application_no, code, HERE)
    assert token is not None
    return token


def waiting(office: Office) -> dict[str, str]:
    """A look at an application that waits for a document, with a complaint and its answer."""
    case_id = _case(office, "waiting", SHOP)

    def make() -> str:
        tracking.complain(office.service, case_id, "三天了没有人联系我。", once="1", address=HERE)
        (one,) = complaints.listed(office.service, ROOT, answered=False)["items"][:1]
        complaints.answer(
            office.service, ROOT, one.id, complaints.said("已安排客户经理今天联系您, 给您带来不便请谅解。")
        )
        tracking.complain(office.service, case_id, "还是没有人来。", once="2", address=HERE)
        return look(office, case_id)

    return {LOOK: _kept(office, "waiting", make)}


def over(office: Office) -> dict[str, str]:
    """A look at an application that is over and may be rated."""
    case_id = _case(office, "over", HOME)

    def make() -> str:
        service = office.service
        file = uploads.Incoming("房产证.jpg", io.BytesIO(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"0" * 64))
        tracking.add_file(service, case_id, "premises_title", file, volunteered=False, address=HERE)
        for step in ("acceptance", "metering"):
            command = COMMANDS.validate_python({"command": "complete_step", "step": step})
            assert service.command(ROOT, case_id, command).result(30).refusal is None
        return look(office, case_id)

    return {LOOK: _kept(office, "over", make)}


def limited(office: Office) -> str:
    """The page of limited areas, once there are some."""

    def make() -> str:
        service, place = office.service, region(office)
        rows = [
            AreaRow(place, "2026-10-01", area, spare, reason, until, "某区供电公司网站 2026 年第 3 号",
                    "2026-10-02T09:00:00.000000+08:00", "root")
            for area, spare, reason, until in (
                ("10kV 解放一线", 0.0, "主变重载", "2027-06-30"), ("10kV 解放二线", 1200.0, None, None),
            )
        ]  # fmt: skip
        service.transact(lambda tx: tx.publish_areas(place, "2026-10-01", rows))
        return "/catalogue/areas"

    return _kept(office, "areas", make)


def of_customer(office: Office) -> str:
    waiting(office)
    return f"/customers/{office.kept['case waiting']}"


PAGES = [
    Page("apply", "/apply", role=None),
    Page("apply-typed", "/apply", role=None, cookies=unsent),
    Page("apply-terms", "/apply/terms", role=None, cookies=unsent),
    Page("apply-documents", "/apply/documents", role=None, cookies=unsent),
    Page("apply-confirm", "/apply/confirm", role=None, cookies=unsent),
    Page("apply-done", "/apply/done", role=None, cookies=sent),
    Page("track", "/track", role=None),
    Page("track-waiting", "/track/case", role=None, cookies=waiting),
    Page("track-over", "/track/case", role=None, cookies=over),
    Page("catalogue", "/catalogue", role=None),
    Page("catalogue-before", "/catalogue?on=2020-06-01&region=abc", role=None, status=422),
    Page("catalogue-class", "/catalogue/hv_single", role=None),
    Page("catalogue-zero", "/catalogue/lv_zero?on=2022-05-01", role=None),
    Page("catalogue-differences", "/catalogue/differences?class=lv_zero&on=2021-06-01&to=2024-01-01", role=None),
    Page("catalogue-areas", limited, role=None),
    Page("customers", "/customers", role="supervisor"),
    Page("customers-case", of_customer, role="supervisor"),
]
