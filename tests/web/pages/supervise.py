"""Pages of the supervisor."""

from tests.web.site import Office, Page
from workflow.alerts import issuing
from workflow.service import Principal, accounts, alerts, orders


def _supervisor(office: Office) -> Principal:
    viewer = accounts.session(office.service, office.token("supervisor"))
    assert viewer is not None
    return viewer.principal


def _alert(office: Office) -> str:
    found = alerts.listed(office.service, _supervisor(office), status="standing", limit=1)
    return str(found["items"][0]["id"])


def _order(office: Office) -> str:
    asked = orders.IssueOrder.model_validate({"content": "今日内联系用户装表送电。", "reply_by": "2026-11-27"})
    issued, _ = issuing.issue(office.service, _supervisor(office), _alert(office), asked, "one-order")
    return f"/orders/{issued['id']}"


PAGES = [
    Page("overview", "/supervise", role="supervisor"),
    Page("overview-of-a-team", "/supervise"),
    Page("escalated", "/supervise/escalated", role="supervisor"),
    Page("order-form", lambda office: f"/supervise/alerts/{_alert(office)}/order", role="supervisor"),
    Page("order", _order, role="supervisor"),
    Page("orders", "/orders", role="supervisor"),
    Page("breaches", "/breaches", role="supervisor"),
    Page("alert-health", "/supervise/health", role="supervisor"),
]
