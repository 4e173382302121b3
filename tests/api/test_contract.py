"""The HTTP contract of the design: shapes, status codes, keys, scopes, idempotency, versions."""

from __future__ import annotations

import datetime as dt
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest
from openapi_spec_validator import validate

from tests.api.conftest import RESIDENTIAL, Face
from workflow.service import COMMAND_NAMES

APPLICATION_FIELDS = {
    "id", "application_no", "external_id", "user_class", "state", "version", "submitted_at", "closed_at", "definition",
    "steps", "deadlines", "documents", "manager", "org", "region",
}  # fmt: skip
DEADLINE_FIELDS = {
    "scope", "step", "budget_working_days", "used_working_days", "remaining_working_days", "due_on", "provisional",
    "status",
}  # fmt: skip


def submit(client: Any, **changes: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/applications", json={**RESIDENTIAL, **changes})
    assert answer.status_code == 201, answer.text
    built: dict[str, Any] = answer.json()
    return built


def give(client: Any, case_id: str, headers: dict[str, str] | None = None, **command: Any) -> httpx.Response:
    answer: httpx.Response = client.post(f"/api/v1/applications/{case_id}/commands", json=command, headers=headers)
    return answer


def test_an_application_has_the_contracts_fields(face: Face) -> None:
    client = face.as_("front_line")
    answer = client.post("/api/v1/applications", json=RESIDENTIAL, headers={"Idempotency-Key": "one"})
    shown = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/applications/{shown['id']}"
    assert answer.headers["etag"] == '"1"'
    assert set(shown) >= APPLICATION_FIELDS
    assert all(set(one) >= DEADLINE_FIELDS for one in shown["deadlines"])
    assert (shown["user_class"], shown["state"]) == ("residential", "acceptance.running")
    assert [step["code"] for step in shown["steps"]] == ["acceptance", "metering"]
    assert shown["deadlines"][0]["budget_working_days"] == 5
    assert "name" not in json.dumps(shown["documents"])


def test_a_command_answers_the_application_and_its_events(face: Face) -> None:
    client = face.as_("front_line")
    case_id = submit(client)["id"]
    answer = give(client, case_id, command="complete_step", step="acceptance")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["application"]["state"] == "metering.running"
    (event,) = answer.json()["events"]
    assert (event["type"], event["actor"], event["seq"]) == ("step_completed", "front_line-None", 2)


def test_every_reading_of_a_case(face: Face) -> None:
    client = face.as_("inspector")
    case_id = submit(face.as_("front_line"))["id"]
    for part in ("", "/events", "/deadlines", "/documents", "/explain"):
        assert client.get(f"/api/v1/applications/{case_id}{part}").status_code == 200, part
    first = client.get(f"/api/v1/applications/{case_id}/events").json()["items"][0]
    assert first["prev_hash"] == "0" * 64
    assert len(first["hash"]) == 64
    account = client.get(f"/api/v1/applications/{case_id}/explain").json()["items"][0]
    assert account["days"][-1]["counted"] == 5
    assert "L4" in {clause["id"] for clause in account["clauses"]}


def test_an_unchanged_case_is_not_sent_again(face: Face) -> None:
    client = face.as_("front_line")
    case_id = submit(client)["id"]
    seen = client.get(f"/api/v1/applications/{case_id}")
    again = client.get(f"/api/v1/applications/{case_id}", headers={"If-None-Match": seen.headers["etag"]})
    assert again.status_code == 304


def test_definitions_and_calendar(face: Face) -> None:
    client = face.as_("front_line")
    shown = client.get("/api/v1/definitions/lv_zero", params={"on": "2022-06-01"}).json()
    assert shown["total"]["limit"] == 20
    assert client.get("/api/v1/definitions/lv_zero", params={"on": "2020-06-01"}).json()["code"] == "no-rule-in-force"
    assert client.get("/api/v1/definitions/villa").status_code in (400, 404)
    year = client.get("/api/v1/calendar/2024").json()
    assert {"date": "2024-02-04", "kind": "makeup_workday"}.items() <= next(
        day for day in year["days"] if day["date"] == "2024-02-04"
    ).items()
    assert client.get("/api/v1/calendar/1999").status_code in (400, 404)


def test_an_unlisted_document_is_refused_with_its_clause(face: Face) -> None:
    client = face.as_("front_line")
    documents = [*RESIDENTIAL["documents"], {"kind": "income_proof"}]
    answer = client.post("/api/v1/applications", json={**RESIDENTIAL, "documents": documents})
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["code"] == "document-not-allowed"
    assert "L24" in problem["clause"]
    assert problem["documents"] == ["income_proof"]
    documents[-1] = {"kind": "income_proof", "volunteered": True}
    assert client.post("/api/v1/applications", json={**RESIDENTIAL, "documents": documents}).status_code == 201


@pytest.mark.parametrize(
    ("command", "status", "code"),
    [
        ({"command": "submit_step", "step": "metering"}, 409, "transition-not-allowed"),
        ({"command": "complete_step", "step": "supply_plan"}, 422, "step-not-allowed"),
        ({"command": "complete_step", "step": "acceptance", "occurred_at": "2099-01-05T10:00"}, 422, "time-in-future"),
        ({"command": "request_documents", "documents": [{"kind": "tax_record"}]}, 422, "document-not-allowed"),
        ({"command": "add_charge", "item": "meter", "amount": 200}, 422, "charge-not-allowed"),
        ({"command": "withdraw", "reason": "不办了", "evidence": {"ref": "image:1.png"}}, 422, "evidence-not-accepted"),
        ({"command": "refuse", "legal_basis": "公司规定"}, 422, "legal-basis-needed"),
        ({"command": "countersign"}, 403, "not-permitted"),
    ],
)
def test_what_the_rules_refuse(face: Face, command: dict[str, Any], status: int, code: str) -> None:
    client = face.as_("front_line")
    case_id = submit(client)["id"]
    answer = give(client, case_id, **command)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get(f"/api/v1/applications/{case_id}").json()["version"] == 1


def test_a_late_record_needs_a_reason_and_stays_unsigned_until_countersigned(face: Face) -> None:
    client, supervisor = face.as_("front_line"), face.as_("supervisor")
    late = "2024-01-08T10:00:00+08:00"
    refused = client.post("/api/v1/applications", json={**RESIDENTIAL, "occurred_at": late})
    assert (refused.status_code, refused.json()["code"]) == (422, "late-record-needs-reason")
    shown = submit(client, occurred_at=late, reason="系统停机")
    assert shown["deadlines"][0]["due_on"] == "2024-01-15"
    assert [one["kind"] for one in shown["pending_countersign"]] == ["late"]
    signed = give(supervisor, shown["id"], command="countersign").json()
    assert signed["application"]["pending_countersign"] == []
    events = client.get(f"/api/v1/applications/{shown['id']}/events").json()["items"]
    assert events[0]["late"] is True


def test_no_command_changes_a_closed_case(face: Face) -> None:
    client = face.as_("admin")
    case_id = submit(client)["id"]
    for step in ("acceptance", "metering"):
        assert give(client, case_id, command="complete_step", step=step).status_code == 200
    bodies: dict[str, dict[str, Any]] = {
        "request_documents": {"documents": [{"kind": "identity"}]},
        "register_documents": {"documents": [{"kind": "identity"}]},
        "submit_step": {"step": "metering"},
        "complete_step": {"step": "metering"},
        "return_step": {"step": "metering", "defects": ["缺件"]},
        "waive_step": {"step": "metering", "legal_basis": "x"},
        "assign": {"manager": "m"},
        "suspend": {"reason": "force_majeure", "notice": "n", "from": "2024-01-01"},
        "resume": {},
        "refuse": {"legal_basis": "《电力法》第二十六条"},
        "withdraw": {"reason": "r", "evidence": {"ref": "1"}},
        "terminate": {"reason": "other"},
        "correct": {"field": "capacity_kw", "new_value": 9, "reason": "r"},
        "countersign": {},
        "add_charge": {"item": "x", "amount": 1},
        "add_approval": {},
        "decide_approval": {"decision": "granted"},
        "notify": {"notice": "policy"},
        "reach_milestone": {"milestone": "visit"},
    }
    assert set(bodies) == set(COMMAND_NAMES) - {"rate"}
    for name, body in bodies.items():
        answer = give(client, case_id, command=name, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "transition-not-allowed"), name
    assert client.get(f"/api/v1/applications/{case_id}").json()["version"] == 3


# Keys, roles, scopes


@pytest.mark.parametrize("header", [None, "Bearer nothing", "Basic abc", "Bearer", "Bearer \u00e9"])
def test_no_key_no_answer(face: Face, header: str | None) -> None:
    client = face.as_("front_line")
    headers = [(b"Authorization", header.encode("latin-1"))] if header else []
    del client.headers["Authorization"]
    answer = client.get("/api/v1/applications", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_is_no_key(face: Face) -> None:
    client = face.as_("front_line", name="leaver")
    assert client.get("/api/v1/applications").status_code == 200
    face.service.revoke_key("leaver")
    assert client.get("/api/v1/applications").status_code == 401


def test_an_inspector_may_not_drive(face: Face) -> None:
    answer = face.as_("inspector").post("/api/v1/applications", json=RESIDENTIAL)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


def test_what_a_role_may_not_do_is_told_in_a_sentence(face: Face) -> None:
    client = face.as_("front_line")
    read = client.get("/api/v1/findings").json()
    administered = client.post("/api/v1/feeds", json={"manager": "x"}).json()
    assert read["detail"] == "角色“一线系统”无权查看发现; 请由有权的人员办理"
    assert read["detail_en"] == "The role “Front-line system” may not read findings; ask someone whose role may"
    assert (read["role"], read["area"]) == ("front_line", "findings")
    assert administered["detail"] == "角色“一线系统”无权管理预警; 请由有权的人员办理"
    assert (
        administered["detail_en"]
        == "The role “Front-line system” may not administer alerts; ask someone whose role may"
    )


def test_a_key_sees_its_own_unit_and_below(face: Face) -> None:
    county, city, other = (face.as_("front_line", org) for org in ("JA", "WH", "YC"))
    case_id = submit(county)["id"]
    assert city.get(f"/api/v1/applications/{case_id}").json()["org"] == "JA"
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/commands")):
        body = {"command": "complete_step", "step": "acceptance"} if method == "POST" else None
        assert other.request(method, f"/api/v1/applications/{case_id}{path}", json=body).status_code == 404
    assert [len(c.get("/api/v1/applications").json()["items"]) for c in (county, city, other)] == [1, 1, 0]
    assert other.post("/api/v1/applications", json={**RESIDENTIAL, "org": "JA"}).status_code == 403
    assert city.post("/api/v1/applications", json={**RESIDENTIAL, "org": "NOWHERE"}).json()["code"] == "unknown-org"


def test_nobody_countersigns_his_own_record(face: Face) -> None:
    maker, second = face.as_("supervisor", name="li"), face.as_("supervisor", name="wang")
    case_id = submit(maker)["id"]
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date().isoformat()
    proposal = give(
        maker,
        case_id,
        command="suspend",
        reason="force_majeure",
        notice="防汛一级响应",
        **dict[str, Any]({"from": today}),
    )
    assert proposal.json()["application"]["suspensions"] == []
    own = give(maker, case_id, command="countersign")
    assert (own.status_code, own.json()["code"]) == (403, "countersign-own-record")
    signed = give(second, case_id, command="countersign").json()["application"]
    assert signed["suspensions"][0]["deducted"] is True
    assert signed["deadlines"][0]["status"] == "suspended"
    blocked = give(maker, case_id, command="complete_step", step="acceptance")
    assert blocked.status_code == 409
    assert give(maker, case_id, command="resume").status_code == 200
    assert give(maker, case_id, command="complete_step", step="acceptance").status_code == 200


# Retries and races


def test_the_same_key_gives_the_same_answer_and_changes_nothing(face: Face) -> None:
    client = face.as_("front_line")
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/api/v1/applications", json=RESIDENTIAL, headers=key)
    again = client.post("/api/v1/applications", json=RESIDENTIAL, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    reused = client.post("/api/v1/applications", json={**RESIDENTIAL, "capacity_kw": 9}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")
    case_id = first.json()["id"]
    done = give(client, case_id, {"Idempotency-Key": "k-2"}, command="complete_step", step="acceptance")
    repeated = give(client, case_id, {"Idempotency-Key": "k-2"}, command="complete_step", step="acceptance")
    assert (repeated.status_code, repeated.content) == (200, done.content)
    # Told again as it was then, although the case has moved on since.
    give(client, case_id, command="complete_step", step="metering")
    much_later = give(client, case_id, {"Idempotency-Key": "k-2"}, command="complete_step", step="acceptance")
    assert much_later.content == done.content


def test_a_recorded_attempt_is_recorded_once(face: Face) -> None:
    client = face.as_("front_line")
    body = {
        **RESIDENTIAL, "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 630,
        "voltage": "high", "documents": [*RESIDENTIAL["documents"], {"kind": "project_approval"}],
    }  # fmt: skip
    case_id = client.post("/api/v1/applications", json=body).json()["id"]
    for step in ("acceptance", "supply_plan"):
        give(client, case_id, command="complete_step", step=step)
    key = {"Idempotency-Key": "attempt"}
    first = give(client, case_id, key, command="submit_step", step="design_review")
    again = give(client, case_id, key, command="submit_step", step="design_review")
    assert (first.status_code, first.json()["code"]) == (422, "document-missing")
    assert [one["kind"] for one in first.json()["missing_documents"]] == ["designer_qualification", "design_documents"]
    assert again.json()["code"] == "document-missing"
    types = [event["type"] for event in client.get(f"/api/v1/applications/{case_id}/events").json()["items"]]
    assert types.count("step_submission_attempted") == 1


@pytest.mark.parametrize("stale", ['"7"', 'W/"7"', "7", '"x"', '"-1"'])
def test_a_stale_version_is_refused(face: Face, stale: str) -> None:
    client = face.as_("front_line")
    case_id = submit(client)["id"]
    answer = give(client, case_id, {"If-Match": stale}, command="complete_step", step="acceptance")
    assert answer.status_code == 412
    seen = client.get(f"/api/v1/applications/{case_id}").headers["etag"]
    assert give(client, case_id, {"If-Match": seen}, command="notify", notice="policy").status_code == 200
    assert give(client, case_id, {"If-Match": seen}, command="notify", notice="policy").status_code == 412
    for fresh in ('"2"', "*", '"99", "4"', 'W/"x,y",5'):  # of several one is enough [RFC 9110 §13.1.1]
        assert give(client, case_id, {"If-Match": fresh}, command="notify", notice="policy").status_code == 200


def test_of_two_clients_exactly_one_wins(face: Face) -> None:
    client = face.as_("front_line")
    for _ in range(5):
        case_id = submit(client)["id"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _, c=case_id: give(client, c, command="complete_step", step="acceptance"), range(8))
            )
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        assert client.get(f"/api/v1/applications/{case_id}").json()["version"] == 2


def test_the_same_key_at_the_same_time_is_one_application(face: Face) -> None:
    client = face.as_("front_line")

    def post(_: int) -> httpx.Response:
        return client.post("/api/v1/applications", json=RESIDENTIAL, headers={"Idempotency-Key": "once"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(client.get("/api/v1/applications").json()["items"]) == 1


# Lists, logs, description


def test_lists_are_paged_and_filtered(face: Face) -> None:
    client = face.as_("front_line")
    made = [submit(client, premises={"id": f"P-{n}"}, manager=f"m{n % 2}")["id"] for n in range(5)]
    late = submit(client, premises={"id": "P-9"}, occurred_at="2024-01-08T10:00", reason="补录")["id"]
    first = client.get("/api/v1/applications", params={"limit": 4}).json()
    rest = client.get("/api/v1/applications", params={"limit": 4, "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [late, *reversed(made)]
    assert rest["next"] is None
    overdue = client.get("/api/v1/applications", params={"overdue": "true"}).json()["items"]
    assert [one["id"] for one in overdue] == [late]
    assert len(client.get("/api/v1/applications", params={"overdue": "false"}).json()["items"]) == 5
    assert len(client.get("/api/v1/applications", params={"manager": "m1"}).json()["items"]) == 2
    assert len(client.get("/api/v1/applications", params={"region": "420000"}).json()["items"]) == 6
    assert client.get("/api/v1/applications", params={"state": "energised"}).json()["items"] == []
    due = client.get("/api/v1/applications", params={"due_before": "2024-02-01"}).json()["items"]
    assert [one["id"] for one in due] == [late]


@pytest.mark.parametrize(
    ("parameter", "value", "status", "told"),
    [
        ("state", "foo", 400, "mid_inspection.waiting"),
        ("state", "METERING", 400, "energised"),
        ("state", "metering", 400, "metering.running"),
        ("user_class", "foo", 400, "lv_zero"),
        ("org", "NOPE", 422, "NOPE"),
    ],
)
def test_a_list_narrowed_by_what_does_not_exist_names_the_parameter(face: Face, parameter, value, status, told) -> None:
    for caller in (face.as_("front_line"), face.as_("front_line", "WH")):
        for path in ("/api/v1/applications", "/api/v1/applications.xlsx"):
            answer = caller.get(path, params={parameter: value})
            assert answer.status_code == status
            (fault,) = answer.json()["errors"]
            assert fault["field"] == parameter
            assert (told in fault["message"], told in fault["message_en"]) == (True, True)


def test_a_list_of_a_unit_out_of_sight_is_empty(face: Face) -> None:
    submit(face.as_("front_line"), org="HB")
    found = face.as_("front_line", "WH").get("/api/v1/applications", params={"org": "HB"})
    assert (found.status_code, found.json()["items"]) == (200, [])


def test_logs_hold_ids_but_no_person(
    face: Face, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    client = face.as_("front_line")
    with caplog.at_level(logging.DEBUG):
        case_id = submit(client)["id"]
        give(client, case_id, command="complete_step", step="nonsense 张三丰")
        client.get("/api/v1/applications", params={"manager": "张三丰"})
    captured = capsys.readouterr()
    logged = caplog.text + captured.out + captured.err
    for secret in ("张三丰", "13800001111", "解放路", face.keys["front_line-None"]):
        assert secret not in logged


def test_the_description_is_valid_and_complete(face: Face) -> None:
    client = face.as_("front_line")
    described = client.get("/openapi.json").json()
    validate(described)
    commands = json.dumps(described["components"]["schemas"])
    assert all(f'"{name}"' in commands for name in COMMAND_NAMES)
    assert "bearer" in json.dumps(described["components"]["securitySchemes"]).lower()


def test_the_process_answers_for_itself(face: Face) -> None:
    client = face.as_("front_line")
    del client.headers["Authorization"]
    assert client.get("/healthz").json()["alive"] is True
    assert client.get("/readyz").json()["calendar_firm_until"] == "2026-12-21"
    assert client.get("/metrics").status_code == 200
