"""Following an application by number and code; nothing is told to who has not both."""

from __future__ import annotations

import datetime as dt

import pytest
from argon2.exceptions import VerifyMismatchError

from storage import AppendOnly, OrgRow, StorageError
from tests.service.portal.window import SHOP, Window, incoming
from workflow.core.refusals import Refused
from workflow.service import Principal, Service
from workflow.service.portal import apply, codes, complaints, house, rates, tracking

HERE, ELSEWHERE = "203.0.113.9", "198.51.100.7"
MANAGER, STRANGER = Principal("li", "manager", "JA"), Principal("wu", "manager", "YC")


@pytest.fixture
def strangers(window: Window) -> Window:
    window.service.put_orgs([OrgRow("YC", "HB", "city", "另一市公司", None, "420500")])
    return window


def looked(window: Window, sent: apply.Sent) -> str:
    token = tracking.open_look(window.service, sent.application_no, sent.code or "", HERE)
    assert token is not None
    case_id = tracking.looked_at(window.service, token)
    assert case_id is not None
    return case_id


def test_number_and_code_open_it_however_they_are_typed(window: Window) -> None:
    sent = window.sent()
    code = (sent.code or "").lower().replace("-", " ").replace("0", "o").replace("1", "i")
    assert tracking.open_look(window.service, f" {sent.application_no.lower()} ", code, HERE) is not None


def test_an_unknown_number_and_a_wrong_code_get_the_same_answer_after_the_same_work(
    sqlite_window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sqlite_window.sent()
    codes.fits("warm", None)
    checks: list[str] = []

    def verify(_self: object, code_hash: str, _code: str) -> bool:
        checks.append(code_hash)
        raise VerifyMismatchError

    monkeypatch.setattr(type(codes._hasher), "verify", verify)
    answers = [
        tracking.open_look(sqlite_window.service, number, "AAAAA-AAAAA", HERE)
        for number in (sent.application_no, "BZ-JA-2024-999999", "'; DROP TABLE tracking; --", "")
    ]
    assert answers == [None] * 4
    assert len(checks) == 4
    # All four hashes cost the same: only salt and digest differ.
    assert len({check.split("$")[3] for check in checks}) == 1


def test_only_so_many_knocks_from_one_address_whichever_process_counts(window: Window) -> None:
    sent = window.sent()
    other = Service(window.service.database, window.service.law.book, window.clock)
    try:
        for turn in range(40):
            tracking.open_look((window.service, other)[turn % 2], sent.application_no, "WRONG", HERE)
        with pytest.raises(Refused) as often:
            tracking.open_look(window.service, sent.application_no, sent.code or "", HERE)
        assert 0 < often.value.refusal.extra["wait_seconds"] <= 900
        assert tracking.open_look(window.service, sent.application_no, sent.code or "", ELSEWHERE) is not None
        window.clock.moment += dt.timedelta(minutes=16)
        assert tracking.open_look(other, sent.application_no, sent.code or "", HERE) is not None
    finally:
        other.writer.close()


def test_one_customer_of_ipv6_is_one_address(sqlite_window: Window) -> None:
    sqlite_window.sent()
    for turn in range(40):
        rates.knock(sqlite_window.service, "track", f"2001:db8:1:2::{turn + 1:x}")
    with pytest.raises(Refused):
        rates.knock(sqlite_window.service, "track", "2001:db8:1:2:ffff::1")
    rates.knock(sqlite_window.service, "track", "2001:db8:1:3::1")


def test_no_address_is_kept(sqlite_window: Window) -> None:
    rates.knock(sqlite_window.service, "track", HERE)
    with sqlite_window.service.database.read() as tx:
        from storage._statements import tables

        (row,) = tx._query(tables["rate_count"].select()).all()
    assert HERE not in str(row)


def test_a_look_ends_by_itself_and_by_hand(sqlite_window: Window) -> None:
    sent = sqlite_window.sent()
    token = tracking.open_look(sqlite_window.service, sent.application_no, sent.code or "", HERE) or ""
    assert tracking.looked_at(sqlite_window.service, token)
    sqlite_window.clock.moment += dt.timedelta(minutes=31)
    assert tracking.looked_at(sqlite_window.service, token) is None
    again = tracking.open_look(sqlite_window.service, sent.application_no, sent.code or "", HERE) or ""
    tracking.end_look(sqlite_window.service, again)
    assert tracking.looked_at(sqlite_window.service, again) is None
    assert tracking.looked_at(sqlite_window.service, "x") is None


def test_progress_tells_whose_turn_it_is_and_masks_the_person(window: Window) -> None:
    seen = tracking.progress(window.service, looked(window, window.sent(SHOP)))
    assert seen.turn == "utility"
    assert seen.person == {"name": "张**", "phone": "138****1111", "address": "解放路 1 ********"}
    due = {one["key"]: str(one["due_on"]) for one in seen.deadlines}
    # One working day after Monday 2024-01-08; six until the total's due date.
    assert (due["step:acceptance:1"], due["total"]) == ("2024-01-09", "2024-01-16")
    assert seen.unit == "某区公司"


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("name", "张", "张"),
        ("name", "张三", "张*"),
        ("name", None, ""),
        ("phone", "13800001111", "138****1111"),
        ("phone", "8620012", "86****"),
        ("address", "路1", "路*"),
        ("address", "某市某区解放路 1 号 2 栋 301", "某市某区解放********"),
    ],
)
def test_masks(kind: str, text: str | None, shown: str) -> None:
    assert tracking.masked(kind, text) == shown


def test_documents_that_follow_complete_the_list_and_the_clock_starts(window: Window) -> None:
    case_id = looked(window, window.sent(kinds=("identity",)))
    seen = tracking.progress(window.service, case_id)
    assert (seen.turn, [one["kind"] for one in seen.missing]) == ("customer", ["premises_title"])
    assert {"L24", "L25"} <= {clause.id for clause in seen.document_clauses}
    with pytest.raises(Refused) as refused:
        tracking.add_file(window.service, case_id, "commitment_letter", incoming(), volunteered=False, address=HERE)
    assert refused.value.refusal.code == "document-not-allowed"
    tracking.add_file(
        window.service, case_id, "premises_title", incoming("房产证.pdf"), volunteered=False, address=HERE
    )
    after = tracking.progress(window.service, case_id)
    assert (after.turn, after.missing) == ("utility", [])
    assert [one["kind"] for one in after.files] == ["identity", "premises_title"]
    registered = window.shown(case_id)["documents"][-1]
    assert registered["digest"] == after.files[-1]["digest"]


def test_a_refused_document_leaves_no_file_behind(sqlite_window: Window) -> None:
    case_id = looked(sqlite_window, sqlite_window.sent(kinds=()))
    with pytest.raises(Refused):
        tracking.add_file(
            sqlite_window.service, case_id, "project_approval", incoming(), volunteered=False, address=HERE
        )
    assert tracking.progress(sqlite_window.service, case_id).files == []
    assert not [one for one in house.files(sqlite_window.service).directory.rglob("*") if one.is_file()]


def energise(window: Window, case_id: str) -> None:
    for step in ("acceptance", "metering"):
        assert window.do(case_id, "complete_step", step=step).refusal is None


def test_the_service_is_rated_once_it_is_over(window: Window) -> None:
    case_id = looked(window, window.sent())
    assert "rate" not in tracking.progress(window.service, case_id).may
    energise(window, case_id)
    seen = tracking.progress(window.service, case_id)
    assert seen.turn == "nobody"
    assert seen.may == {"rate", "complain"}
    assert tracking.rate(window.service, case_id, 5, "很快", once="a", address=HERE) is None
    assert tracking.rate(window.service, case_id, 5, "很快", once="a", address=HERE) is None  # the same form again
    seen = tracking.progress(window.service, case_id)
    assert (seen.application["rating"], "rate" in seen.may) == (5, False)
    with pytest.raises(Refused) as refused:
        tracking.rate(window.service, case_id, 1, "", once="b", address=HERE)
    assert refused.value.refusal.code == "transition-not-allowed"
    assert tracking.progress(window.service, case_id).application["rating"] == 5


def test_the_customer_withdraws_and_the_record_of_the_platform_proves_it(window: Window) -> None:
    case_id = looked(window, window.sent())
    for _ in range(2):  # sent twice, done once
        assert tracking.withdraw(window.service, case_id, "暂不需要", once="a", address=HERE) is None
    shown = window.shown(case_id)
    assert shown["state"] == "withdrawn"
    with window.service.database.read() as tx:
        (ended,) = [row for row in tx.events(case_id) if row.type == "withdrawn"]
    assert '"ref":"portal:' in ended.payload.replace(" ", "")
    assert ended.source == "customer_app"


def test_a_new_code_ends_the_old_one_and_its_looks(strangers: Window) -> None:
    sent = strangers.sent()
    case_id = strangers.case_id(sent.application_no)
    token = tracking.open_look(strangers.service, sent.application_no, sent.code or "", HERE) or ""
    with pytest.raises(Refused) as refused:
        tracking.reissue(strangers.service, STRANGER, case_id)
    assert refused.value.refusal.code == "not-found"
    code = tracking.reissue_by_number(strangers.service, MANAGER, sent.application_no)
    assert tracking.looked_at(strangers.service, token) is None
    assert tracking.open_look(strangers.service, sent.application_no, sent.code or "", HERE) is None
    assert tracking.open_look(strangers.service, sent.application_no, code, HERE) is not None


def test_a_case_from_the_hall_is_followed_once_it_has_a_code(sqlite_window: Window) -> None:
    made = sqlite_window.submit("residential", org="JA")
    number = sqlite_window.shown(made.case_id)["application_no"]
    assert tracking.open_look(sqlite_window.service, number, "AAAAA-AAAAA", HERE) is None
    code = tracking.reissue(sqlite_window.service, MANAGER, made.case_id or "")
    assert tracking.open_look(sqlite_window.service, number, code, HERE) is not None


# ---- complaints ------------------------------------------------------------------------------------------------------


def test_a_complaint_is_answered_by_its_unit_and_read_by_its_customer(strangers: Window) -> None:
    window = strangers
    case_id = looked(window, window.sent())
    for _ in range(2):
        tracking.complain(window.service, case_id, "三天没有人联系", once="a", address=HERE)
    window.clock.set("2024-01-11")
    listed = complaints.listed(window.service, MANAGER, answered=False)
    (one,) = listed["items"]
    # Monday to Thursday: three working days.
    assert (one.text, one.waited, one.application_no) == ("三天没有人联系", 3, "BZ-JA-2024-000001")
    assert complaints.listed(window.service, STRANGER)["items"] == []
    with pytest.raises(Refused) as refused:
        complaints.answer(window.service, STRANGER, one.id, complaints.Said(text="不归我管"))
    assert refused.value.refusal.code == "not-found"
    complaints.answer(window.service, MANAGER, one.id, complaints.Said(text="已安排今天上门"))
    window.clock.set("2024-02-01")
    (seen,) = tracking.progress(window.service, case_id).complaints
    assert ([answer.text for answer in seen.answers], seen.waited) == (["已安排今天上门"], 3)
    assert complaints.listed(window.service, MANAGER, answered=False)["items"] == []
    assert len(complaints.listed(window.service, MANAGER, answered=True)["items"]) == 1


def test_an_answer_is_no_complaint_and_is_not_answered(sqlite_window: Window) -> None:
    case_id = looked(sqlite_window, sqlite_window.sent())
    tracking.complain(sqlite_window.service, case_id, "慢", once="a", address=HERE)
    root = Principal("root", "admin")
    (one,) = complaints.listed(sqlite_window.service, root)["items"]
    complaints.answer(sqlite_window.service, root, one.id, complaints.Said(text="好"))
    with sqlite_window.service.database.read() as tx:
        answer = tx.complaints(case_id)[1]
    with pytest.raises(Refused):
        complaints.answer(sqlite_window.service, root, answer.id, complaints.Said(text="再"))


def test_a_complaint_is_never_changed_or_removed(window: Window) -> None:
    case_id = looked(window, window.sent())
    tracking.complain(window.service, case_id, "慢", once="a", address=HERE)
    import sqlalchemy as sa

    for statement in ("UPDATE complaint SET text = '很好'", "DELETE FROM complaint"):
        with pytest.raises(StorageError) as refused, window.service.database.write() as tx:
            tx._query(sa.text(statement))
        assert isinstance(refused.value, AppendOnly) or "append-only" in str(refused.value.__cause__)
    assert [one.text for one in tracking.progress(window.service, case_id).complaints] == ["慢"]


def test_complaining_is_limited(sqlite_window: Window) -> None:
    case_id = looked(sqlite_window, sqlite_window.sent())
    for turn in range(12):
        tracking.complain(sqlite_window.service, case_id, f"{turn}", once=str(turn), address=HERE)
    with pytest.raises(Refused):
        tracking.complain(sqlite_window.service, case_id, "13", once="13", address=HERE)


def test_the_public_role_is_given_to_nobody(sqlite_window: Window) -> None:
    assert house.PORTAL.role == "customer"
    with pytest.raises(Refused):
        sqlite_window.service.create_key("portal", "customer")
