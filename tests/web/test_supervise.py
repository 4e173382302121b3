"""What a supervisor does on the pages: a cause for a breach, an acknowledgement, an order from its issue to its end."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from tests.web.site import Office
from workflow.service import Principal, accounts, alerts, causes, orders, units
from workflow.web.visit import csrf_of


class Person:
    """Somebody at a browser."""

    def __init__(self, office: Office, role: str) -> None:
        self.client: TestClient = office.client(role)
        self._csrf = csrf_of(office.token(role))
        viewer = accounts.session(office.service, office.token(role))
        assert viewer is not None
        self.principal: Principal = viewer.principal

    def send(self, path: str, **fields: str) -> str:
        """Send a form; the page that answers."""
        return self._sent(path, 200, fields)

    def fail(self, path: str, **fields: str) -> str:
        """Send a form that is shown again; the page."""
        return self._sent(path, 422, fields)

    def _sent(self, path: str, status: int, fields: dict[str, str]) -> str:
        answer = self.client.post(path, data={"csrf": self._csrf, **fields})
        assert answer.status_code == status, answer.text
        return answer.text


def flash(page: str) -> tuple[str, str]:
    found = re.search(r'<p class="flash (\w+)" role="status">(.*?)</p>', page)
    assert found is not None, page
    return found[1], found[2]


@pytest.fixture
def supervisor(own_office: Office) -> Person:
    return Person(own_office, "supervisor")


def test_a_breach_gets_its_cause_and_leaves_the_list_of_those_without(own_office: Office, supervisor: Person) -> None:
    first = causes.breaches(own_office.service, supervisor.principal, cause="none")["items"][0]
    page = supervisor.send(
        f"/breaches/{first['case_id']}", key=first["key"], cause="material", back="/breaches?cause=stated"
    )
    assert flash(page) == ("done", "原因已登记。")
    assert first["application_no"] in page
    stated = causes.listed(own_office.service, supervisor.principal, first["case_id"])["items"]
    assert [(one["key"], one["cause"], one["stated_by"]) for one in stated] == [
        (first["key"], "material", supervisor.principal.who)
    ]


def test_a_cause_that_is_not_on_the_list_is_refused_and_nobody_is_sent_elsewhere(
    own_office: Office, supervisor: Person
) -> None:
    first = causes.breaches(own_office.service, supervisor.principal)["items"][0]
    tone, told = flash(
        supervisor.send(f"/breaches/{first['case_id']}", key=first["key"], cause="weather", back="/breaches")
    )
    assert (tone, "weather" in told) == ("failed", True)
    assert causes.listed(own_office.service, supervisor.principal, first["case_id"])["items"] == []
    answer = supervisor.client.post(
        f"/breaches/{first['case_id']}",
        data={"csrf": supervisor._csrf, "key": first["key"], "cause": "utility", "back": "https://elsewhere.example/"},
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/"


def test_an_order_goes_from_its_issue_to_its_end_with_two_people(own_office: Office, supervisor: Person) -> None:
    manager = Person(own_office, "manager")
    alert = next(
        one
        for one in alerts.listed(own_office.service, supervisor.principal, status="standing", limit=200)["items"]
        if one["manager"] == manager.principal.who
    )
    form = supervisor.client.get(f"/supervise/alerts/{alert['id']}/order").text
    key = re.search(r'name="key" value="(.+?)"', form)
    assert key is not None
    fields = {"key": key[1], "content": "今日内联系用户装表送电。", "reply_by": "2026-11-27"}
    for _ in range(2):  # the button pressed twice
        assert flash(supervisor.send(f"/supervise/alerts/{alert['id']}/order", **fields)) == ("done", "督办单已签发。")
    (order,) = orders.listed(own_office.service, supervisor.principal)["items"]
    assert flash(manager.send(f"/orders/{order['id']}/answer", answer="已送电。"))[0] == "done"
    assert "请由有权的人员办理" in manager.fail(f"/orders/{order['id']}/close", note="已办")
    assert flash(supervisor.send(f"/orders/{order['id']}/close", note="属实"))[0] == "done"
    ended = orders.one(own_office.service, supervisor.principal, order["id"])
    assert (ended["status"], ended["answer"], ended["closed_by"]) == ("closed", "已送电。", supervisor.principal.who)


def test_an_order_shows_the_number_of_its_application(own_office: Office, supervisor: Person) -> None:
    alert = alerts.listed(own_office.service, supervisor.principal, status="standing", limit=1)["items"][0]
    supervisor.send(f"/supervise/alerts/{alert['id']}/order", content="今日内送电。", reply_by="2026-11-27")
    (order,) = orders.listed(own_office.service, supervisor.principal)["items"]
    page = supervisor.client.get(f"/orders/{order['id']}").text
    assert f">{alert['application_no']}</a>" in page
    assert f">{alert['case_id']}</a>" not in page


def test_whoever_goes_back_and_sends_again_issues_no_second_order_unawares(
    own_office: Office, supervisor: Person
) -> None:
    """The form is fetched anew, with a key of its own: nothing is kept by the browser."""
    alert = alerts.listed(own_office.service, supervisor.principal, status="standing", limit=1)["items"][0]
    form, fields = f"/supervise/alerts/{alert['id']}/order", {"content": "今日内送电。", "reply_by": "2026-11-27"}

    def key() -> str:
        found = re.search(r'name="key" value="(.+?)"', supervisor.client.get(form).text)
        assert found is not None
        return found[1]

    supervisor.send(form, key=key(), **fields)
    page = supervisor.fail(form, key=key(), **fields)
    assert "未办结的督办单" in page
    (order,) = orders.listed(own_office.service, supervisor.principal)["items"]
    assert f'href="/orders/{order["id"]}"' in page
    assert flash(supervisor.send(form, key=key(), another="1", **fields)) == ("done", "督办单已签发。")
    assert len(orders.listed(own_office.service, supervisor.principal)["items"]) == 2


def test_the_form_of_a_cause_sent_twice_states_it_once(own_office: Office, supervisor: Person) -> None:
    found = re.search(r'action="/breaches/(.+?)".+?name="key" value="(.+?)".+?name="once" value="(.+?)"',
                      supervisor.client.get("/breaches").text, re.DOTALL)  # fmt: skip
    assert found is not None
    case_id, key, once = found.groups()
    for _ in range(2):
        assert flash(supervisor.send(f"/breaches/{case_id}", key=key, once=once, cause="material"))[0] == "done"
    assert len(causes.listed(own_office.service, supervisor.principal, case_id)["items"]) == 1


def test_an_order_without_its_contents_is_not_issued(own_office: Office, supervisor: Person) -> None:
    alert = alerts.listed(own_office.service, supervisor.principal, status="standing", limit=1)["items"][0]
    for reply_by in ("2026-11-27", "2026-11-24", "tomorrow"):
        content = "" if reply_by == "2026-11-27" else "今日内送电。"
        form = f"/supervise/alerts/{alert['id']}/order"
        page = supervisor.fail(form, content=content, reply_by=reply_by, key="the-key")
        assert '<div class="flash failed" role="alert">' in page
        for typed in (f">{content}</textarea>", f'value="{reply_by}"', 'value="the-key"'):
            assert typed in page, typed
    assert orders.listed(own_office.service, supervisor.principal)["items"] == []


def test_an_alert_that_was_passed_on_is_acknowledged(own_office: Office, supervisor: Person) -> None:
    alert = alerts.listed(own_office.service, supervisor.principal, status="open", limit=1)["items"][0]
    with own_office.service.database.write() as tx:
        tx.set_escalations([(1, None, alert["id"])])
    assert str(alert["application_no"]) in supervisor.client.get("/supervise/escalated").text
    assert flash(supervisor.send(f"/supervise/alerts/{alert['id']}/acknowledge"))[0] == "done"
    seen = alerts.one(own_office.service, supervisor.principal, alert["id"])
    assert (seen["status"], seen["acknowledged_by"]) == ("acknowledged", supervisor.principal.who)


def test_the_part_of_another_unit_is_not_shown(own_office: Office, supervisor: Person) -> None:
    assert supervisor.client.get("/supervise?org=YZ").status_code == 403
    assert supervisor.client.get("/supervise?org=nowhere").status_code in (404, 422)


@pytest.mark.parametrize(
    ("role", "path"), [("supervisor", "/breaches"), ("supervisor", "/alerts?whose=all"), ("inspector", "/findings")]
)
def test_people_and_units_are_called_by_their_names(own_office: Office, role: str, path: str) -> None:
    """The demonstration's units carry their codes in the numbers of applications; nowhere else are they told."""
    page = own_office.client(role).get(path).text
    shown = re.findall(r'data-label="(?:客户经理|单位)">(?:<span>)?([^<]*)', page)
    assert len(shown) > 5
    assert [one for one in shown if one.startswith("YZ-")] == []


def test_who_stated_a_cause_is_called_by_name(own_office: Office, supervisor: Person) -> None:
    first = causes.breaches(own_office.service, supervisor.principal, cause="none")["items"][0]
    page = supervisor.send(f"/breaches/{first['case_id']}", key=first["key"], cause="material", back="/breaches")
    with own_office.service.database.read() as tx:
        name = tx.members([supervisor.principal.who])[0].name
    assert f'<span class="quiet">{name} ' in page


def test_a_name_that_no_register_knows_is_told_as_it_is(own_office: Office) -> None:
    rows: list[dict[str, str | None]] = [{"manager": "nobody", "org": "nowhere"}, {"manager": None, "org": None}, {}]
    assert units.called(own_office.service.database, rows) == ({}, {})


def test_an_answer_that_cannot_be_taken_is_shown_again_with_what_was_typed(
    own_office: Office, supervisor: Person
) -> None:
    manager = Person(own_office, "manager")
    alert = next(
        one
        for one in alerts.listed(own_office.service, supervisor.principal, status="standing", limit=200)["items"]
        if one["manager"] == manager.principal.who
    )
    supervisor.send(f"/supervise/alerts/{alert['id']}/order", content="今日内送电。", reply_by="2026-11-27")
    (order,) = orders.listed(own_office.service, supervisor.principal)["items"]
    manager.send(f"/orders/{order['id']}/answer", answer="已送电。")
    page = manager.fail(f"/orders/{order['id']}/answer", answer="另一个窗口里写的答复")
    assert '<div class="flash failed" role="alert">' in page
    assert "另一个窗口里写的答复" in page
    assert orders.one(own_office.service, supervisor.principal, order["id"])["answer"] == "已送电。"
