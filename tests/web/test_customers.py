"""A customer at the public pages, in a browser without scripts: from the form to the rating; and who means harm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe

from tests.web import site
from tests.web.browser import screen
from tests.web.pages.public import HOME, PDF, ROOT, SHOP, look, region
from workflow.core.commands import COMMANDS
from workflow.service import Principal
from workflow.service.portal import apply, tracking
from workflow.web.areas.apply import DRAFT
from workflow.web.areas.track import LOOK

FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
CHOICES = ("business_type", "area", "customer_kind", "enterprise_size", "voltage")


@pytest.fixture
def at(own_office: site.Office) -> Iterator[site.Office]:
    """A site of this test's own, served."""
    with site.served(own_office) as opened:
        yield opened


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "证件.pdf"
    path.write_bytes(PDF)
    return path


def fill(window, office: site.Office, form: dict[str, str]) -> None:
    window.select_option("[name=region]", region(office))
    for name, value in form.items():
        if name in CHOICES:
            window.select_option(f"[name={name}]", value)
        elif name != "supply_count":
            window.fill(f"[name={name}]", value)


def press(window, text: str) -> None:
    window.get_by_role("button", name=text, exact=True).first.click()


def follow(window, text: str) -> None:
    window.get_by_role("link", name=text, exact=True).first.click()


def main_text(window) -> str:
    return window.locator("main").inner_text()


def do(office: site.Office, number: str, *commands: dict[str, object]) -> None:
    with office.service.database.read() as tx:
        row = tx.case_by_number(number)
    assert row is not None
    for command in commands:
        done = office.service.command(ROOT, row.id, COMMANDS.validate_python(command)).result(30)
        assert done.refusal is None, done.refusal


WALKS = {
    "residential": (HOME, "从申请到送电不超过 5 个工作日", "自申请之日起算", ["acceptance", "metering"]),
    "lv_other": (
        SHOP,
        "供电企业各环节用时合计不超过 6 个工作日",
        "补齐后供电企业开始计时",
        ["acceptance", "supply_plan", "metering"],
    ),
}


@pytest.mark.parametrize("user_class", WALKS)
def test_from_the_form_to_the_rating(browser, at: site.Office, pdf: Path, user_class: str):
    form, limit, counted, steps = WALKS[user_class]
    with screen(browser, at, None, width=390, scripts=False) as window:
        window.goto("/apply")
        fill(window, at, {**form, "phone": "打我电话"})
        press(window, "下一步: 看适用的标准")
        assert "请填写电话号码" in window.locator(".field.wrong").inner_text()
        assert window.input_value("[name=name]") == form["name"]  # nothing typed is lost
        assert window.input_value("[name=phone]") == "打我电话"
        window.fill("[name=phone]", form["phone"])
        press(window, "下一步: 看适用的标准")
        told = main_text(window)
        assert limit in told
        assert "用电人有效身份证件" in told
        assert "12398" in told
        assert "95598" in told
        follow(window, "下一步: 上传资料")
        window.set_input_files("#file-identity", pdf)
        window.locator("form:has(#file-identity) button").click()
        assert "证件.pdf" in main_text(window)
        follow(window, "下一步: 确认提交")
        assert "还缺: 用电地址物权证件" in main_text(window)
        assert counted in main_text(window)
        press(window, "提交申请")
        number, code = window.locator(".ticket dd").all_inner_texts()
        assert re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", code)
        press(window, "完成, 在此设备上不再显示")
        window.goto("/apply/done")
        assert window.url.endswith("/apply")  # the next person at this machine sees nothing
        window.goto("/track")
        window.fill("[name=number]", number.lower())
        window.fill("[name=code]", code.lower())
        press(window, "查询")
        assert "现在等您" in main_text(window)
        assert counted in main_text(window)
        assert "解放路" in main_text(window)
        for personal in ("张三丰", "13800001111", "301"):
            assert personal not in main_text(window)
        window.set_input_files("#file-1", pdf)
        window.locator("form:has(#file-1) button").click()
        assert "供电企业正在办理" in main_text(window)
        for step in steps:
            if step == "metering" and "supply_plan" in steps:
                do(at, number, {"command": "submit_step", "step": step})
            do(at, number, {"command": "complete_step", "step": step})
        window.reload()
        assert "已送电" in main_text(window)
        press(window, "提交评价")
        assert "请选择 1 到 5 分" in main_text(window)
        window.check("[name=score][value='5']")
        window.fill("[name=comment]", "很快")
        press(window, "提交评价")
        assert "您给了 5 分" in main_text(window)
        window.get_by_text("写投诉").click()
        window.fill("[name=text]", "有一天没有人接电话")
        press(window, "提交投诉")
        assert "有一天没有人接电话" in main_text(window)
        press(window, "退出查询")
        window.goto("/track/case")
        assert window.url.endswith("/track")


def test_a_customer_withdraws_only_on_purpose(browser, at: site.Office):
    held = apply.begin(at.service, {**HOME, "region": region(at)}, "127.0.0.1")
    apply.send(at.service, held)
    again = apply.draft(at.service, held.token)
    assert again is not None
    brought = {LOOK: look(at, again.case_id or "")}
    with screen(browser, at, None, width=390, scripts=False, brought=brought) as window:
        window.goto("/track/case")
        window.get_by_text("撤回申请").first.click()
        window.fill("[name=reason]", "不装了")
        press(window, "撤回申请")
        assert "请勾选确认" in main_text(window)
        assert window.input_value("[name=reason]") == "不装了"
        window.check("[name=sure]")
        press(window, "撤回申请")
        assert "已撤回" in main_text(window)


def test_staff_save_a_file_answer_a_complaint_and_issue_a_code(browser, at: site.Office, pdf: Path):
    from tests.web.pages.public import waiting

    waiting(at)
    case_id = at.kept["case waiting"]
    with screen(browser, at, "supervisor", scripts=False) as window:
        window.goto("/customers")
        follow(window, apply_number(at, case_id))
        with window.expect_download() as saved:
            follow(window, "下载")
        assert saved.value.suggested_filename == "身份证.pdf"
        window.reload()
        assert "下载记录 (1)" in main_text(window)
        window.fill("#answer-2", "今天下午上门")
        window.locator("form:has(#answer-2) button").click()
        assert "今天下午上门" in main_text(window)
        press(window, "补发查询码")
        assert re.search(r"新查询码: [0-9A-Z]{5}-[0-9A-Z]{5}", main_text(window))


def apply_number(office: site.Office, case_id: str) -> str:
    with office.service.database.read() as tx:
        row = tx.case(case_id)
    assert row is not None
    return row.application_no


def readable(window) -> None:
    assert window.evaluate(FITS), "it scrolls sideways"
    found = Axe().run(window)
    assert found.violations_count == 0, found.generate_report()


def test_what_is_wrong_can_be_read_by_everybody(browser, at: site.Office, tmp_path: Path):
    page = tmp_path / "x.pdf"
    page.write_bytes(b"<html>")
    held = apply.begin(at.service, {**HOME, "region": region(at)}, "127.0.0.1")
    with screen(browser, at, None, language="en", width=390) as window:
        window.goto("/apply")
        window.select_option("[name=voltage]", "high")
        press(window, "Next: see what applies")
        assert window.locator(".field.wrong").count() >= 4
        readable(window)
        window.goto("/track")
        window.fill("[name=number]", "BZ-1")
        window.fill("[name=code]", "AAAAA")
        press(window, "Look up")
        readable(window)
    with screen(browser, at, None, language="en", width=390, brought={DRAFT: held.token}) as window:
        window.goto("/apply/documents")
        window.set_input_files("#file-identity", page)
        window.locator("form:has(#file-identity) button").click()
        assert "not of a type that is accepted" in main_text(window)
        readable(window)


# ---- who means harm --------------------------------------------------------------------------------------------------


def posting(client, page: str, path: str, data: dict[str, str], **more):
    """Send a form as the page at `page` would."""
    shown = client.get(page)
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', shown.text)
    assert found is not None, shown.text
    return client.post(path, data={"csrf": found[1], **data}, follow_redirects=False, **more)


@pytest.fixture
def drafted(own_office: site.Office):
    """A client that holds a draft."""
    client = own_office.client(None)
    held = apply.begin(own_office.service, {**HOME, "region": region(own_office)}, "testclient")
    client.cookies.set(DRAFT, held.token)
    return client


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("身份证.pdf", b"<html><script>alert(1)</script></html>"),
        ("图.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("身份证.pdf", b"PK\x03\x04" + b"\0" * 64),
        ("身份证.pdf", b""),
        ("大.pdf", PDF.ljust(10 * 1024 * 1024 + 1, b"\0")),
    ],
    ids=["html", "svg", "zip", "empty", "too-large"],
)
def test_what_is_no_document_is_told_beside_its_field(drafted, name: str, content: bytes):
    files = {"file": (name, content, "application/pdf")}
    answer = posting(drafted, "/apply/documents", "/apply/documents", {"kind": "identity"}, files=files)
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert drafted.get("/apply/documents").text.count("移除") == 0


def test_far_too_large_a_body_is_refused_before_it_is_kept(drafted):
    files = {"file": ("大.pdf", PDF.ljust(25 << 20, b"\0"), "application/pdf")}
    answer = posting(drafted, "/apply/documents", "/apply/documents", {"kind": "identity"}, files=files)
    assert answer.status_code == 413


def test_a_kind_that_nobody_may_ask_for_is_refused_with_its_clause(drafted):
    files = {"file": ("承诺书.pdf", PDF, "application/pdf")}
    answer = posting(drafted, "/apply/documents", "/apply/documents", {"kind": "commitment_letter"}, files=files)
    assert answer.status_code == 422
    assert "任务台账第 24 项" in answer.text
    assert "任务台账第 25 项" in answer.text
    volunteered = {"kind": "commitment_letter", "volunteered": "1"}
    assert (
        posting(drafted, "/apply/documents", "/apply/documents", volunteered, files=files).headers["location"]
        == "/apply/documents"
    )


def test_names_with_tricks_are_only_names(drafted):
    files = {"file": ("../../x\u202e<script>.pdf", PDF, "application/pdf")}
    posting(drafted, "/apply/documents", "/apply/documents", {"kind": "identity"}, files=files)
    shown = drafted.get("/apply/documents").text
    assert "xscript.pdf" in shown
    assert "../" not in shown
    assert "<script>." not in shown


def test_pressing_the_button_twice_sends_once(own_office, drafted):
    before = count(own_office)
    for _ in range(3):
        answer = (
            posting(drafted, "/apply/confirm", "/apply/send", {})
            if count(own_office) == before
            else (drafted.post("/apply/send", data={"csrf": csrf(drafted)}, follow_redirects=False))
        )
        assert answer.headers["location"] == "/apply/done"
    assert count(own_office) == before + 1


def csrf(client) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/track").text)
    assert found is not None
    return found[1]


def count(office: site.Office) -> int:
    with office.service.database.read() as tx:
        return len(list(tx.cases()))


def test_an_unknown_number_and_a_wrong_code_look_alike_and_knocking_is_limited(own_office):
    held = apply.begin(own_office.service, {**HOME, "region": region(own_office)}, "x")
    apply.send(own_office.service, held)
    sent = apply.sent(own_office.service, held)
    assert sent is not None
    client = own_office.client(None)
    pages = []
    for number in (sent.application_no, "BZ-XX-2026-999999"):
        answer = posting(client, "/track", "/track", {"number": number, "code": "AAAAA-AAAAA"})
        assert answer.status_code == 422
        pages.append(answer.text.replace(number, ""))
    assert pages[0] == pages[1]
    for _ in range(38):
        posting(client, "/track", "/track", {"number": "x", "code": "y"})
    right = {"number": sent.application_no, "code": sent.code or ""}
    answer = posting(client, "/track", "/track", right)
    assert answer.status_code == 429
    assert LOOK not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(("form", "promised"), [(HOME, True), (SHOP, False)], ids=["residential", "lv_other"])
def test_a_day_of_power_is_promised_only_where_the_whole_process_is_limited(own_office, form, promised):
    """A sum of steps leaves out the customer's own time between them [I3], so nobody can say when power is on."""
    held = apply.begin(own_office.service, {**form, "region": region(own_office)}, "x")
    apply.send(own_office.service, held)
    sent = apply.sent(own_office.service, held)
    assert sent is not None
    papers: dict[str, object] = {
        "command": "register_documents",
        "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
    }
    do(own_office, sent.application_no, papers)
    client = own_office.client(None)
    posting(client, "/track", "/track", {"number": sent.application_no, "code": sent.code or ""})
    page = client.get("/track/case").text
    assert "供电企业正在办理" in page
    assert ("最迟" in page) is promised


def follow_up(office: site.Office) -> tuple[Any, str]:
    """A customer who looks at an application of today with everything in it; and its number."""
    held = apply.begin(office.service, {**HOME, "region": region(office)}, "x")
    apply.send(office.service, held)
    sent = apply.sent(office.service, held)
    assert sent is not None
    papers = [{"kind": "identity"}, {"kind": "premises_title"}]
    do(office, sent.application_no, {"command": "register_documents", "documents": papers})
    client = office.client(None)
    posting(client, "/track", "/track", {"number": sent.application_no, "code": sent.code or ""})
    return client, sent.application_no


def test_a_promise_that_is_over_is_told_as_overdue_on_a_rest_day_too(own_office):
    own_office.service.clock.moment = site.NOW.replace(day=20)  # a Friday: five working days end on Friday the 27th
    _, number = follow_up(own_office)
    own_office.service.clock.moment = site.NOW.replace(day=28)
    with own_office.service.database.read() as tx:
        row = tx.case_by_number(number)
    assert row is not None
    code = tracking.reissue(own_office.service, ROOT, row.id)
    client = own_office.client(None)
    posting(client, "/track", "/track", {"number": number, "code": code})
    page = client.get("/track/case").text
    assert "2026-11-27 周五" in page
    assert "已超期" in page


def test_a_customer_is_told_when_the_clock_stands_still(own_office):
    client, number = follow_up(own_office)
    storm = {"reason": "force_majeure", "notice": "暴雪红色预警", "from": "2026-11-25"}
    do(own_office, number, {"command": "suspend", **storm})
    assert "供电企业正在办理" in client.get("/track/case").text  # only proposed
    with own_office.service.database.read() as tx:
        row = tx.case_by_number(number)
    assert row is not None
    signer = Principal("第二人", "supervisor")
    signed = own_office.service.command(signer, row.id, COMMANDS.validate_python({"command": "countersign"})).result(30)
    assert signed.refusal is None
    page = client.get("/track/case").text
    assert "因不可抗力中止" in page
    assert "供电企业正在办理" not in page
    assert "未定 · 暴雪红色预警" in page


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            {"command": "refuse", "legal_basis": "《电力供应与使用条例》第二十三条"},
            "依据: 《电力供应与使用条例》第二十三条",
        ),
        ({"command": "terminate", "reason": "duplicate", "note": "内部说明"}, "原因: 重复申请"),
    ],
)
def test_a_customer_is_told_on_what_the_application_ended(own_office, command, told):
    client, number = follow_up(own_office)
    do(own_office, number, command)
    page = client.get("/track/case").text
    assert told in page
    assert "内部说明" not in page


def test_nothing_personal_is_cached_or_logged(own_office, drafted):
    lines: list[str] = []

    def told(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
        lines.append(json.dumps(event, default=str, ensure_ascii=False))
        return lines[-1]

    structlog.configure(
        processors=[told], logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False
    )
    try:
        for path in ("/apply", "/apply/terms", "/apply/documents", "/apply/confirm"):
            answer = drafted.get(path)
            assert answer.headers["cache-control"] == "no-store"
        posting(drafted, "/track", "/track", {"number": "BZ-1", "code": "QQQQQ-QQQQQ"})
    finally:
        structlog.reset_defaults()
    assert len(lines) >= 5
    for personal in ("张三丰", "13800001111", "解放路", "QQQQQ"):
        assert personal not in "\n".join(lines)


def test_a_form_that_is_not_ours_changes_nothing(drafted):
    assert drafted.post("/apply/send", data={}, follow_redirects=False).status_code == 403
    headers = {"origin": "https://elsewhere.example"}
    answer = drafted.post("/apply/send", data={"csrf": csrf(drafted)}, headers=headers, follow_redirects=False)
    assert answer.status_code == 403


def test_a_customers_file_is_saved_and_never_shown(own_office):
    from tests.web.pages.public import waiting

    waiting(own_office)
    with own_office.service.database.read() as tx:
        (row,) = tx.uploads(case_id=own_office.kept["case waiting"])
    answer = own_office.client("supervisor").get(f"/customers/files/{row.id}")
    assert answer.content == PDF
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert own_office.client("inspector").get(f"/customers/files/{row.id}").status_code == 403
    assert own_office.client(None).get(f"/customers/files/{row.id}", follow_redirects=False).status_code == 303


def test_public_pages_take_no_look_at_anothers_case(own_office):
    client = own_office.client(None)
    client.cookies.set(LOOK, "x" * 43)
    for path in ("/track/case", "/track/rate", "/track/withdraw", "/track/complain", "/track/documents"):
        method = "GET" if path.endswith("case") else "POST"
        answer = client.request(method, path, data={"csrf": csrf(client)}, follow_redirects=False)
        assert answer.headers["location"] == "/track"
