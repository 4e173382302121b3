"""Receivers over HTTP: registered by an administrator, the secret told once, addresses that reach inside refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.alerting import alert_row, raised, read
from tests.api.conftest import Face
from workflow.api import alert_answers

HOOK = {"name": "营销系统", "kind": "webhook", "url": "https://hooks.example/hook?token=s3cret"}


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAOZHUANG_RECEIVER_NETWORKS", "192.0.2.0/24")
    monkeypatch.setattr("workflow.service.addresses._look_up", lambda *_: ("192.0.2.10",))  # nobody is asked


def add(client: Any, **changes: Any) -> Any:
    return client.post("/api/v1/destinations", json={**HOOK, **changes})


def test_the_secret_of_a_webhook_is_told_once(face: Face) -> None:
    admin = face.as_("admin")
    made = add(admin)
    assert made.status_code == 201, made.text
    alert_answers.NewDestinationShape.model_validate_json(made.content)
    secret = made.json()["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    listed = admin.get("/api/v1/destinations")
    alert_answers.DestinationPage.model_validate_json(listed.content)
    (shown,) = listed.json()["items"]
    assert shown["id"] == made.json()["id"]
    assert (shown["address"], shown["events"]) == ("https://hooks.example/…", ["alert", "order"])
    for hidden in (secret, "s3cret"):
        assert hidden not in listed.text
    assert read(face.service, lambda tx: tx.destination(shown["id"])).url == HOOK["url"]


def test_a_group_robot_has_no_secret_and_its_token_is_not_shown(face: Face) -> None:
    made = add(face.as_("admin"), kind="apprise", url="wecombot://0123456789abcdef", events=["red", "black"])
    assert made.status_code == 201, made.text
    assert (made.json()["secret"], made.json()["address"], made.json()["events"]) == (
        None, "wecombot://…", ["red", "black"],
    )  # fmt: skip


def test_gateways_are_told_nothing_by_themselves(face: Face) -> None:
    admin = face.as_("admin")
    sms = add(admin, kind="customer", url="json://192.0.2.10/sms/{phone}")
    assert (sms.status_code, sms.json()["events"]) == (201, [])
    staff = add(admin, kind="apprise", url="mailto://u:p@192.0.2.10?to={contact}")
    assert (staff.status_code, staff.json()["events"]) == (201, [])
    for made in (sms, staff):
        assert admin.post(f"/api/v1/destinations/{made.json()['id']}/test").status_code == 409


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("webhook", "http://127.0.0.1/"), ("webhook", "http:" + "//169.254.169.254/latest"), ("webhook", "file:///etc/passwd"),
        ("webhook", "http://[::ffff:127.0.0.1]/"), ("webhook", "http://2130706433/"), ("webhook", "https://u:p@hooks.example/"),
        ("webhook", "not an address"), ("apprise", "syslog://"), ("apprise", "file:///tmp/x"), ("apprise", "nonsense://x"),
        ("customer", "json://192.0.2.1/sms"),
    ],
)  # fmt: skip
def test_an_address_that_reaches_inside_is_refused(face: Face, kind: str, url: str) -> None:
    admin = face.as_("admin")
    refused = add(admin, kind=kind, url=url)
    assert (refused.status_code, refused.json()["code"]) == (422, "address-not-allowed")
    assert refused.json()["detail"] != refused.json()["detail_en"]
    assert admin.get("/api/v1/destinations").json()["items"] == []


def test_a_test_message_waits_in_the_outbox(face: Face) -> None:
    admin = face.as_("admin", "WH")
    made = add(admin, org="JA").json()
    queued = admin.post(f"/api/v1/destinations/{made['id']}/test")
    assert queued.status_code == 200, queued.text
    (message,) = admin.get("/api/v1/messages").json()["items"]
    assert (message["id"], message["status"], message["recipient"], message["channel"], message["org"]) == (
        queued.json()["id"], "pending", f"destination:{made['id']}", "webhook", "JA",
    )  # fmt: skip


def test_a_disabled_destination_is_told_nothing(face: Face) -> None:
    admin = face.as_("admin")
    made = add(admin).json()
    first = admin.post(f"/api/v1/destinations/{made['id']}/disable").json()
    assert first["disabled_at"] is not None
    assert admin.post(f"/api/v1/destinations/{made['id']}/disable").json() == first
    assert admin.post(f"/api/v1/destinations/{made['id']}/test").status_code == 409


def test_only_an_administrator_of_the_unit_sends_anything_out_of_the_house(face: Face) -> None:
    assert [add(face.as_(role)).status_code for role in ("front_line", "manager", "supervisor", "inspector")] == [
        403
    ] * 4
    city, other = face.as_("admin", "WH"), face.as_("admin", "YC")
    made = add(city).json()
    assert made["org"] == "WH"
    assert add(city, org="YC").status_code == 403
    assert add(city, org="NOWHERE").json()["code"] == "unknown-org"
    assert other.get("/api/v1/destinations").json()["items"] == []
    for act in ("disable", "test"):
        assert other.post(f"/api/v1/destinations/{made['id']}/{act}").status_code == 404


def test_an_order_is_told_to_the_systems_that_listen(face: Face) -> None:
    admin = face.as_("admin")
    ids = [add(admin, events=events).json()["id"] for events in (["order"], ["red"])]
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    asked = {"content": "c", "reply_by": "2099-01-05"}
    order = admin.post(f"/api/v1/alerts/{alert_id}/orders", json=asked).json()
    (message,) = admin.get("/api/v1/messages").json()["items"]
    assert (message["kind"], message["recipient"]) == ("order", f"destination:{ids[0]}")
    body = read(face.service, lambda tx: tx.message(message["id"])).body
    assert json.loads(body) == {"order_id": order["id"]}
