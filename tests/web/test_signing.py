"""Signing in through the pages: forms that are not ours change nothing, and nobody is sent elsewhere."""

from __future__ import annotations

import re
from html import unescape

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from tests.web.pages.cases import which
from workflow.service import Principal, accounts
from workflow.web import areas
from workflow.web.visit import SESSION, csrf_of, local

POSTS = sorted(
    {
        route.path
        for area in areas.every()
        for route in area.router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    }
)


def csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', html)
    assert found is not None
    return found[1]


def sign_in(office, client, **changed: str):
    name, password = office.people["manager"]
    fields = {"csrf": csrf(client.get("/sign-in").text), "name": name, "password": password, **changed}
    return client.post("/sign-in", data=fields, follow_redirects=False)


def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(own_office):
    client = own_office.client(None)
    answer = client.get("/board?band=today", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fboard%3Fband%3Dtoday")
    answer = sign_in(own_office, client, next="/board?band=today")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board?band=today")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION}=")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert client.get("/board").status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://example.com/", "//example.com/", "/\\example.com", "javascript:1", "board", "/a\nb"]
)
def test_nobody_is_sent_elsewhere(own_office, elsewhere):
    assert local(elsewhere) == "/"
    assert sign_in(own_office, own_office.client(None), next=elsewhere).headers["location"] == "/"


def test_a_wrong_password_is_told_beside_the_form_with_the_name_kept(own_office):
    answer = sign_in(own_office, own_office.client(None), password="wrong")
    assert answer.status_code == 403
    assert "工号或密码不正确" in answer.text
    assert f'value="{own_office.people["manager"][0]}"' in answer.text
    assert SESSION not in answer.headers.get("set-cookie", "")


def test_too_many_attempts_are_told_as_such(own_office):
    client = own_office.client(None)
    codes = [sign_in(own_office, client, password="wrong").status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]


def test_a_token_from_before_signing_in_is_worth_nothing_after(own_office):
    client = own_office.client(None)
    before = csrf(client.get("/sign-in").text)
    sign_in(own_office, client)
    assert client.post("/sign-out", data={"csrf": before}).status_code == 403
    assert client.get("/board", follow_redirects=False).status_code == 200


def test_signing_out_ends_the_session_everywhere(own_office):
    client, token = own_office.client("manager"), own_office.token("manager")
    assert client.post("/sign-out", data={"csrf": csrf_of(token)}, follow_redirects=False).status_code == 303
    assert accounts.session(own_office.service, token) is None


def test_a_new_password_comes_before_everything_else(own_office):
    staff = own_office.people["manager"][0]
    made = accounts.reset(own_office.service, Principal("root", "admin"), staff)
    own_office.people["manager"] = (staff, made["password"])
    client = own_office.client("manager")
    answer = client.get("/board")
    assert answer.url.path == "/password"
    fields = {"csrf": csrf(answer.text), "old": made["password"], "new": "a sentence of mine", "again": "another one"}
    assert "不一致" in client.post("/password", data=fields).text
    fields["again"] = fields["new"]
    answer = client.post("/password", data=fields)
    assert answer.url.path == "/board"
    assert "密码已更改" in answer.text


@pytest.mark.parametrize("path", POSTS)
def test_a_form_that_is_not_ours_is_refused(office, path):
    client = office.client("supervisor")
    there = re.sub(r"\{\w+\}", "x", path)
    assert client.post(there, data={}).status_code == 403
    token = csrf_of(office.token("supervisor"))
    foreign = client.post(there, data={"csrf": token}, headers={"Origin": "https://example.com"})
    assert foreign.status_code == 403
    assert accounts.session(office.service, office.token("supervisor")) is not None


def test_answers_say_what_a_browser_may_do(office):
    headers = office.client("manager").get("/board").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"]


def test_style_sheets_are_kept_for_ever_under_their_digest(office):
    client = office.client(None)
    address = re.search(r'href="(/static/site\.[0-9a-f]+\.css)"', client.get("/sign-in").text)
    assert address is not None
    answer = client.get(address[1])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get(address[1], headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/static/site.0000000000000000.css").status_code == 404
    assert client.get("/static/../visit.py").status_code == 404


def test_what_is_too_large_is_not_read(office):
    answer = office.client(None).post("/sign-in", data={"name": "x" * 300_000})
    assert answer.status_code == 413
    assert "内容过大" in answer.text


def test_the_interface_is_asked_as_before(office):
    client = office.client("manager")
    assert client.get("/api/v1/applications").status_code == 401  # a session is no key
    assert client.get("/api/nothing").headers["content-type"] == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    assert client.get("/nothing").headers["content-type"].startswith("text/html")


def test_a_fault_of_the_program_shows_a_page_without_particulars(own_office, monkeypatch):
    from workflow.service import board

    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the machinery")

    monkeypatch.setattr(board, "page", broken)
    answer = own_office.client("manager").get("/board")
    assert answer.status_code == 500
    assert "系统出错" in answer.text
    assert "secret" not in answer.text


HOME = {"Origin": "http://testserver"}


def held_up(office, case: str) -> tuple[TestClient, dict[str, str]]:
    """A browser with the form of a termination open, whose session then ends; and what its user has typed."""
    client = office.client("manager")
    page = client.get(f"{case}/do/terminate").text
    hidden = dict(
        re.findall(r'type="hidden" name="(once|version|csrf)" value="([^"]*)"', page.split('class="panel act"')[1])
    )
    accounts.sign_out(office.service, office.token("manager"))
    return client, {**hidden, "reason": "other", "note": "客户要求改期, <另行>再办"}


def kept_in(html: str) -> str:
    found = re.search(r'name="kept" value="([^"]*)"', html)
    assert found is not None
    return unescape(found[1])


def open_case(office) -> str:
    return which("hv_single")(office)


def test_what_was_typed_outlives_the_session_and_acts_once(own_office):
    case = open_case(own_office)
    client, typed = held_up(own_office, case)
    answer = client.post(f"{case}/do/terminate", data=typed, headers=HOME)
    assert answer.status_code == 403
    assert "登录后可继续提交" in answer.text
    kept = kept_in(answer.text)
    name, password = own_office.people["manager"]
    again = {"csrf": csrf(answer.text), "next": f"{case}/do/terminate", "kept": kept, "name": name}
    answer = client.post("/sign-in", data={**again, "password": "wrong"}, headers=HOME)
    assert kept_in(answer.text) == kept
    answer = client.post("/sign-in", data={**again, "csrf": csrf(answer.text), "password": password}, headers=HOME)
    assert answer.status_code == 200
    assert "客户要求改期, &lt;另行&gt;再办" in answer.text
    form = answer.text.split('class="panel"')[1]
    fields = {one: unescape(value) for one, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)}
    assert {**fields, "csrf": ""} == {**typed, "csrf": ""}
    assert f'action="{case}/do/terminate"' in answer.text
    for _ in range(2):  # pressed twice, it acts once
        answer = client.post(f"{case}/do/terminate", data=fields, headers=HOME)
        assert "终止申请: 其他; 客户要求改期, &lt;另行&gt;再办" in answer.text
    with own_office.service.database.read() as tx:
        assert [one.type for one in tx.events(case.rpartition("/")[2])].count("terminated") == 1


def test_a_form_of_an_earlier_session_is_shown_again_to_whoever_signed_in_meanwhile(own_office):
    case = open_case(own_office)
    client, typed = held_up(own_office, case)
    own_office._tokens.clear()
    client.cookies.set(SESSION, own_office.token("manager"))  # in another tab
    answer = client.post(f"{case}/do/terminate", data=typed, headers=HOME)
    assert answer.status_code == 403
    assert "继续提交" in answer.text
    assert "客户要求改期" in answer.text


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://example.com"}])
def test_a_form_that_the_browser_does_not_call_ours_is_not_kept(own_office, headers):
    case = open_case(own_office)
    client, typed = held_up(own_office, case)
    answer = client.post(f"{case}/do/terminate", data=typed, headers=headers)
    assert answer.status_code == 403
    assert "表单已过期" in answer.text
    assert "客户要求改期" not in answer.text


def test_no_password_is_given_back(own_office):
    client = own_office.client("manager")
    typed = {"csrf": "x", "old": "old secret", "new": "new secret", "again": "new secret"}
    answer = client.post("/password", data=typed, headers=HOME)
    assert answer.status_code == 403
    assert "secret" not in answer.text
