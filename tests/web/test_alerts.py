"""The inbox of alerts: whose are listed, and what is done about them."""

from __future__ import annotations

import pytest

from workflow.service import Principal, alerts
from workflow.web.visit import csrf_of

CITY = Principal("YZ-WL-0", "supervisor", "YZ-WL")


def first(office) -> dict:
    found = alerts.listed(office.service, CITY, status="open")["items"]
    assert found
    return found[0]


def post(office, role: str, path: str, **fields: str):
    return office.client(role).post(path, data={"csrf": csrf_of(office.token(role)), **fields})


def test_a_manager_finds_the_alerts_of_his_own_and_on_request_of_the_unit(office):
    mine = alerts.listed(office.service, CITY, manager="YZ-WL-XT-GY-1", status="standing")["items"]
    client = office.client("manager")
    page, unit = client.get("/alerts").text, client.get("/alerts?whose=all").text
    for one in mine:
        assert one["application_no"] in page
    everybody = {
        one["id"] for one in alerts.listed(office.service, CITY, org="YZ-WL-XT-GY", status="standing")["items"]
    }
    assert sum(f"/alerts/{id_}/" in unit for id_ in everybody) == len(everybody) > len(mine)


def test_who_acknowledges_is_written_down_and_told(own_office):
    one = first(own_office)
    back = "/alerts?whose=all&status=acknowledged"
    page = post(own_office, "supervisor", f"/alerts/{one['id']}/acknowledge", note="明早去现场", back=back)
    assert str(page.url).endswith(back)
    assert "明早去现场" in page.text
    after = alerts.one(own_office.service, CITY, one["id"])
    assert (after["status"], after["acknowledged_by"]) == ("acknowledged", "YZ-WL-0")


def test_what_is_put_off_rests_until_nine_in_the_morning_of_that_day(own_office):
    one = first(own_office)
    post(own_office, "supervisor", f"/alerts/{one['id']}/snooze", days="2", reason="等物资")
    after = alerts.one(own_office.service, CITY, one["id"])
    assert after["snoozed_until"].isoformat() == "2026-11-27T09:00:00+08:00"
    assert after["snooze_reason"] == "等物资"


@pytest.mark.parametrize(("language", "said"), [("zh", "至少 1 个字符"), ("en", "at least 1 characters")])
def test_putting_off_needs_a_reason(own_office, language, said):
    one = first(own_office)
    page = post(own_office, "supervisor", f"/alerts/{one['id']}/snooze?lang={language}", days="2", reason=" ")
    assert page.status_code == 422
    assert said in page.text
    assert alerts.one(own_office.service, CITY, one["id"])["snoozed_until"] is None


def test_alerts_of_other_units_and_roles_that_only_read(own_office):
    one = next(
        one for one in alerts.listed(own_office.service, CITY, status="open")["items"] if one["org"] != "YZ-WL-XT-GY"
    )
    assert post(own_office, "manager", f"/alerts/{one['id']}/acknowledge").status_code == 404
    assert post(own_office, "inspector", f"/alerts/{one['id']}/acknowledge").status_code == 403
    assert "/acknowledge" not in own_office.client("inspector").get("/alerts").text
