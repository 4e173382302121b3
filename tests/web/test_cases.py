"""Applications through their pages, from the form in the hall to energised; and everything the pages refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.web import site
from tests.web.browser import screen
from tests.web.pages.cases import which
from workflow.service import COMMANDS, Principal, Submission
from workflow.service.demo import PROVINCE

CLERK = Principal("营销系统", "front_line", PROVINCE)
HOME = {
    "customer.id": "C-WALK", "customer.name": "何晓岚", "customer.phone": "13800001234", "customer_kind": "residential",
    "premises.id": "P-WALK", "premises.address": "望岚市听潮路7号", "area": "urban", "region": "960102",
    "capacity_kw": "8", "voltage": "low", "channel": "hall",
}  # fmt: skip
PLANT = {
    **HOME, "customer.id": "C-PLANT", "premises.id": "P-PLANT", "customer_kind": "non_residential",
    "enterprise_size": "large", "capacity_kw": "8000", "voltage": "high", "supply_count": "2", "channel": "visit",
}  # fmt: skip
CHOSEN = ("customer_kind", "enterprise_size", "area", "voltage", "supply_count", "channel")


@pytest.fixture
def at(own_office: site.Office) -> Iterator[site.Office]:
    """A site of this test's own, served."""
    with site.served(own_office) as opened:
        yield opened


def text(window: Any) -> str:
    return str(window.locator("main").inner_text())


def press(window: Any, name: str) -> None:
    window.locator("main").get_by_role("button", name=name, exact=True).click()


def take_in(window: Any, facts: dict[str, str], papers: tuple[str, ...]) -> str:
    """Fill the form in, look at what applies, send it; the page of the case."""
    window.goto("/cases/new")
    for name, value in facts.items():
        if name in CHOSEN:
            window.select_option(f"[name='{name}']", value)
        else:
            window.fill(f"[name='{name}']", value)
    press(window, "看适用什么")
    for box in window.locator("[name^='paper.']").all():
        box.set_checked(box.get_attribute("name").removeprefix("paper.") in papers)
    return text(window)


def act(window: Any, case: str, command: str, button: str, **typed: str) -> str:
    """Give a command through its form; what the page then says."""
    window.goto(f"{case}/do/{command}")
    for name, value in typed.items():
        window.fill(f"[name='{name}']", value)
    press(window, button)
    return text(window)


def clean(window: Any) -> None:
    """No violation of axe, no sideways scrolling: also of a form that was refused."""
    found = Axe().run(window)
    assert found.violations_count == 0, found.generate_report()
    assert window.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def case_of(window: Any) -> str:
    found = re.search(r"/cases/[0-9a-f-]{36}", window.url)
    assert found is not None, window.url
    return found[0]


def test_a_residential_case_from_the_hall_to_energised_without_scripts(browser, at):
    with screen(browser, at, "manager", scripts=False, width=390) as window:
        told = take_in(window, HOME, ("identity", "premises_title"))
        assert "将适用: 居民" in told
        assert "5 个工作日" in told
        assert "2026-12-02" in told  # 26, 27, 30 November, 1 and 2 December
        assert window.locator(".applies tbody tr").count() == 2
        press(window, "受理新申请")
        case = case_of(window)
        assert "业务受理 · 办理中" in text(window)
        assert "已登记: 办结环节。" in act(window, case, "complete_step", "办结环节")
        assert "装表接电 · 办理中" in text(window)
        act(window, case, "complete_step", "办结环节")
        assert "已送电" in text(window)
        assert "本件已结束。" in text(window)
        window.goto(f"{case}/forms/energised")
        assert "何晓岚" in text(window)
        assert "规定时限\n5 个工作日" in text(window)
        window.goto(f"{case}/history")
        assert "装表接电: 装表送电, 全部办结" in text(window)
        assert "证据链完好" in text(window)


def test_a_dual_supply_case_with_papers_to_follow_a_return_and_all_its_steps(browser, at):
    with screen(browser, at, "manager", width=390) as window:
        told = take_in(window, PLANT, ("identity", "premises_title"))
        assert "将适用: 高压双电源" in told
        assert "各环节合计: 32 个工作日" in told
        assert window.locator(".applies tbody tr").count() == 6
        clean(window)
        press(window, "受理新申请")
        case = case_of(window)
        assert "业务受理 · 待客户" in text(window)
        window.goto(f"{case}/forms/missing")
        assert "用电工程项目批准文件" in text(window)
        act(window, case, "register_documents", "登记资料")  # what is missing is ticked already
        assert "业务受理 · 办理中" in text(window)
        act(window, case, "complete_step", "办结环节")
        act(window, case, "complete_step", "办结环节", plan_reason="最近公线无余量")
        assert "设计审查 · 待客户" in text(window)
        window.goto(f"{case}/do/submit_step")
        for box in window.locator("[name^='paper.']").all():
            box.uncheck()
        press(window, "用户提交环节")
        assert "资料不齐, 请一次补齐: 设计单位资质证明材料、用电工程设计及说明书" in text(window)
        clean(window)
        for box in window.locator("[name^='paper.']").all():
            box.check()
        press(window, "用户提交环节")
        assert "设计审查 · 办理中" in text(window)
        act(window, case, "return_step", "退回用户", defects="缺接地计算\n图纸未签字")
        assert "缺接地计算" in text(window)
        window.goto(f"{case}/do/suspend")
        window.locator("form.act").evaluate("form => form.noValidate = true")
        press(window, "中止计时")
        assert "起始日" in text(window)
        clean(window)
        act(window, case, "submit_step", "用户提交环节")
        act(window, case, "complete_step", "办结环节")
        for _ in ("mid_inspection", "completion_inspection", "metering"):
            act(window, case, "submit_step", "用户提交环节")
            act(window, case, "complete_step", "办结环节")
        assert "已送电" in text(window)
        window.goto(f"{case}/forms")
        titles = [one.inner_text() for one in window.locator(".form-list a").all()]
        assert titles == [
            "用电申请表", "供电方案答复单", "一次性告知书", "设计审查意见书", "设计审查意见书", "中间检查意见书",
            "竣工检验意见书", "送电单",
        ]  # fmt: skip


def test_a_document_outside_the_list_is_refused_beside_the_form_with_its_clause(browser, at):
    with screen(browser, at, "supervisor", scripts=False) as window:
        case = which("missing")(at)
        window.goto(f"{case}/do/request_documents")
        window.locator("fieldset details summary").click()
        window.fill("[name='extra.1.kind']", "环评批复")
        press(window, "要求提供资料")
        told = text(window)
        assert "不得要求清单外资料: 环评批复" in told
        window.locator("#refused summary").click()
        assert "不得增加申请资料" in text(window)  # the words of L25
        assert window.input_value("[name='extra.1.kind']") == "环评批复"
        window.fill("[name='extra.1.legal_basis']", "《湖北省优化营商环境条例》第三十条")
        press(window, "要求提供资料")
        assert "已登记: 要求提供资料。" in text(window)
        assert "环评批复" in text(window)


def test_a_suspension_takes_effect_once_a_second_person_has_signed_it(browser, at):
    with screen(browser, at, "manager", scripts=False) as window:
        take_in(window, HOME, ("identity", "premises_title"))
        press(window, "受理新申请")
        case = case_of(window)
        dates = {"from": "2026-11-25", "to": "2026-11-27"}
        told = act(window, case, "suspend", "中止计时", notice="望岚市通告21号", **dates)
        assert "由第二人会签后生效" in told
        assert "由您本人登记, 须由第二人会签" in told
        assert "2026-12-02" in told
        window.goto("/signatures?kind=suspend")
        row = window.locator("tbody tr", has_text="望岚市通告21号")
        assert "由您本人登记" in row.inner_text()
        assert row.get_by_role("button").count() == 0
    with screen(browser, at, "supervisor", scripts=False) as window:
        window.goto("/signatures?kind=suspend")
        row = window.locator("tbody tr", has_text="望岚市通告21号")
        row.get_by_role("button", name="会签").click()
        assert "已登记: 会签。" in text(window)
        assert window.locator("tbody tr", has_text="望岚市通告21号").count() == 0
        window.goto(case)
        # 25 to 27 November are left out: 30 November, 1, 2, 3 and 4 December are counted.
        assert "2026-12-04" in text(window)
        assert "计时: 中止, 不计时" in text(window)


def test_a_page_overtaken_by_another_says_so_and_loses_nothing_typed(browser, at):
    case = which("residential")(at)
    with (
        screen(browser, at, "supervisor", scripts=False) as first,
        screen(browser, at, "admin", scripts=False) as second,
    ):
        first.goto(f"{case}/do/withdraw")
        assert "已登记: 指派。" in act(second, case, "assign", "指派", project_manager="YZ-WL-DL-CG-2")
        first.fill("[name=reason]", "装修延期")
        first.fill("[name='evidence.ref']", "REC-20261125-7")
        press(first, "用户撤回")
        told = text(first)
        assert "您打开本页之后, 本件有了新的记录" in told
        assert "指派项目经理: YZ-WL-DL-CG-2" in told
        assert first.input_value("[name=reason]") == "装修延期"
        assert first.input_value("[name='evidence.ref']") == "REC-20261125-7"
        press(first, "用户撤回")
        assert "已撤回" in text(first)


def test_each_form_is_one_sheet_of_a4(browser, at):
    with screen(browser, at, "supervisor") as window:
        for key in ("application", "supply_plan", "opinion-design_review-1", "energised"):
            window.goto(f"{which('hv_dual')(at)}/forms/{key}")
            printed = window.pdf(prefer_css_page_size=True)
            sheets = [
                tuple(round(float(side)) for side in box.split())
                for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", printed)
            ]
            assert sheets == [(0, 0, 595, 842)], key


# Without a browser


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, name
    return unescape(found[1])


def send(client: Any, path: str, html: str, **typed: str) -> Any:
    kept = {name: hidden(html, name) for name in ("csrf", "once", "version") if f'name="{name}"' in html}
    return client.post(path, data={**kept, **typed}, follow_redirects=False)


def test_a_form_sent_twice_acts_once(own_office):
    client, case = own_office.client("supervisor"), which("residential")(own_office)
    path = f"{case}/do/rate"
    html = client.get(path).text
    answers = [send(client, path, html, score="4") for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert client.get(f"{case}/history").text.count("用户评价 4 分") == 1


def test_what_cannot_be_read_is_told_field_by_field_and_kept(own_office):
    client, case = own_office.client("supervisor"), which("residential")(own_office)
    html = client.get(f"{case}/do/suspend").text
    answer = send(client, f"{case}/do/suspend", html, notice="通告<b>1号", **{"from": "下周"})
    assert answer.status_code == 422
    assert "起始日: 应为日期" in answer.text
    assert 'value="通告&lt;b&gt;1号"' in answer.text


def test_who_may_only_look_finds_no_button_and_is_refused(own_office):
    client, case = own_office.client("inspector"), which("residential")(own_office)
    html = client.get(case).text
    assert "您的岗位只能查看。" in html
    assert "/do/" not in html
    assert "按您的岗位, 用户资料部分隐藏。" in html
    assert client.get(f"{case}/do/complete_step").status_code == 404
    assert client.get("/cases/new").status_code == 403
    page = client.get("/signatures").text
    assert "角色“检查人员”无权会签; 请由有权的人员办理" in page
    assert '/sign"' not in page
    signed = send(client, f"{case}/sign", client.get("/password").text, event="1")
    assert signed.status_code == 403


def test_a_case_of_another_unit_does_not_exist(own_office):
    service = own_office.service
    body = {
        "customer": {"id": "C-X"}, "premises": {"id": "P-X"}, "customer_kind": "residential", "capacity_kw": 8.0,
        "voltage": "low", "area": "rural", "region": "960121", "org": "YZ-WL-DL-BP", "channel": "hall",
        "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
    }  # fmt: skip
    case = f"/cases/{service.submit(CLERK, Submission.model_validate(body)).result(30).case_id}"
    manager = own_office.client("manager")  # of another team
    own = manager.get("/password").text
    for below in ("", "/account", "/history", "/dealings", "/forms", "/forms/application", "/do/complete_step"):
        assert manager.get(case + below).status_code == 404, below
    assert send(manager, f"{case}/do/complete_step", own).status_code == 404
    assert send(manager, f"{case}/causes", own, key="total", cause="material").status_code == 404
    contact = {"subject": "enquiry", "by": "phone", "occurred_at": "2026-11-25T09:00"}
    assert send(manager, f"{case}/contacts", own, **contact).status_code == 404
    assert own_office.client("supervisor").get(case).status_code == 200


def test_on_the_saturday_after_its_due_date_a_case_is_overdue_on_every_page(own_office):
    """Whoever finishes it now is late [S-CIVIL-203], although no working day has passed since Friday."""
    body = {
        "customer": {"id": "C-SAT"}, "premises": {"id": "P-SAT"}, "customer_kind": "residential", "capacity_kw": 8.0,
        "voltage": "low", "area": "urban", "region": "960102", "org": "YZ-WL-XT-GY", "channel": "hall",
        "manager": own_office.people["manager"][0], "occurred_at": "2026-11-20T10:00", "reason": "系统停机",
        "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
    }  # fmt: skip
    case = own_office.service.submit(CLERK, Submission.model_validate(body)).result(30).case_id
    own_office.service.clock.moment = site.NOW.replace(day=28)  # 23 to 27 November are the five working days
    client = own_office.client("manager")
    page = client.get(f"/cases/{case}").text
    assert "已超 1 天" in page
    assert "今日到期" not in page
    assert "全过程时限" in page
    with own_office.service.database.read() as tx:
        overdue = sum(1 for row in tx.cases() if row.closed_at is None and (row.due_on or "9") < "2026-11-28")
    counted = client.get("/supervise?org=YZ-WL-XT-GY").text
    listed = client.get("/board?whose=all&band=overdue&org=YZ-WL-XT-GY").text.count('href="/cases/0')
    assert 0 < listed <= overdue
    assert re.search(rf"<b>{listed}</b><span>超期未办结", counted)


def test_each_approval_and_milestone_is_called_by_its_name(own_office):
    client, service = own_office.client("manager"), own_office.service
    case = which("hv_single")(own_office)
    for authority in ("市住建局", "公路局"):
        order = COMMANDS.validate_python({"command": "add_approval", "authority": authority, "voltage": "low"})
        assert service.command(CLERK, case.rpartition("/")[2], order).result(30).refusal is None
    page = client.get(case).text
    for authority in ("市住建局", "公路局"):
        assert f"政府审批 · {authority}" in page
    assert "合计时限" in page


def test_a_late_record_asks_for_its_reason_and_is_marked(own_office):
    client, service = own_office.client("supervisor"), own_office.service
    case = which("missing")(own_office)
    html = client.get(f"{case}/do/notify").text
    long_ago = {"notice": "hotlines", "channel": "sms"}
    submitted = re.search(r'datetime="(\d{4}-\d\d-\d\d)T', client.get(f"{case}/history").text)
    assert submitted is not None
    service.clock.moment = site.NOW.replace(day=site.NOW.day + 5)
    client = own_office.client("supervisor")
    client.cookies.clear()
    own_office._tokens.clear()
    client = own_office.client("supervisor")
    html = client.get(f"{case}/do/notify").text
    when = f"{site.NOW:%Y-%m-%dT%H:%M}"
    refused = send(client, f"{case}/do/notify", html, occurred_at=when, **long_ago)
    assert refused.status_code == 422
    assert "须填写 reason 说明原因" in refused.text
    assert when in refused.text
    taken = send(client, f"{case}/do/notify", refused.text, occurred_at=when, reason="短信平台停机", **long_ago)
    assert taken.status_code == 303
    page = client.get(f"{case}/history").text
    assert "补录, 迟 3 个工作日" in page  # 26, 27 and 30 November
    assert "未会签" in page


@pytest.mark.parametrize("event", ["", "0", "-1", "一", "9" * 20])
def test_a_signature_under_nothing_that_there_is_signs_nothing(own_office, event):
    client, case = own_office.client("supervisor"), which("residential")(own_office)
    answer = send(client, f"{case}/sign", client.get("/password").text, event=event)
    assert (answer.status_code, answer.headers["location"]) == (303, case)
    assert "应不小于 1" in client.get(case).text


def test_a_breach_gets_its_cause_and_a_contact_its_place(own_office):
    client, case = own_office.client("supervisor"), which("overdue")(own_office)
    html = client.get(f"{case}/account").text
    key = hidden(html, "key")
    assert send(client, f"{case}/causes", html, key=key, cause="weather").status_code == 400
    assert send(client, f"{case}/causes", html, key=key, cause="material", note="箱变未到").status_code == 303
    assert "箱变未到" in client.get(f"{case}/account").text
    html = client.get(f"{case}/dealings").text
    said = {"subject": "enquiry", "by": "phone", "note": "问何时送电"}
    late = send(client, f"{case}/contacts", html, occurred_at="2026-11-26T10:00", **said)
    assert late.status_code == 422
    assert "问何时送电" in late.text
    assert send(client, f"{case}/contacts", html, occurred_at="2026-11-25T09:00", **said).status_code == 303
    assert "问何时送电" in client.get(f"{case}/dealings").text


def test_another_class_may_apply_once_a_fact_has_changed(own_office):
    client = own_office.client("supervisor")
    facts = {**HOME, "org": "YZ-WL-XT-WT"}
    seen = send(client, "/cases/new", client.get("/cases/new").text, **facts)
    assert seen.status_code == 200
    mark = hidden(seen.text, "seen")
    changed = {**facts, "customer_kind": "non_residential", "enterprise_size": "large"}
    again = send(client, "/cases/new", seen.text, seen=mark, send="1", **changed)
    assert again.status_code == 200
    assert "将适用: 其他低压非居民" in again.text or "将适用: 未实行“三零”服务的低压非居民" in again.text
    unknown = send(client, "/cases/new", seen.text, **{**facts, "customer_kind": "non_residential"})
    assert unknown.status_code == 422
    assert 'value="望岚市听潮路7号"' in unknown.text
    wrong = send(client, "/cases/new", seen.text, **{**facts, "capacity_kw": "八", "region": "12"})
    assert wrong.status_code == 422
    assert "申请容量 (高压填 kVA):" in wrong.text


def test_commands_the_pages_give_are_those_of_the_command_line():
    """Every command has a word, a hint and a place on the page."""
    from workflow.service import COMMAND_NAMES
    from workflow.web.areas.cases.file import GROUPS
    from workflow.web.areas.cases.words import WORDS

    placed = [command for _, commands in GROUPS for command in commands]
    assert sorted([*placed, "countersign"]) == sorted(COMMAND_NAMES)
    assert set(WORDS["command"]) == set(COMMAND_NAMES)
    assert set(WORDS["about"]) == set(placed)
