"""The queue of what waits for a second signature: who sees what, in which order, and who may sign."""

from __future__ import annotations

from typing import Any

import pytest

from storage import OrgRow
from tests.service.conftest import SUPERVISOR, Desk, refused
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service import signatures
from workflow.service.evidence import rebuild, stored

NORTH, SOUTH = Principal("north", "supervisor", "N"), Principal("south", "supervisor", "S")


def suspended(desk: Desk, case_id: str, notice: str = "通告1号", **more: Any) -> None:
    dates: dict[str, Any] = {"from": "2024-01-09", "to": "2024-01-09"}
    answer = desk.do(case_id, "suspend", reason="force_majeure", notice=notice, **dates, **more)
    assert answer.refusal is None, answer.refusal


def queue(desk: Desk, who: Principal, **more: Any) -> list[tuple[str, int, str]]:
    found = signatures.waiting(desk.service, who, **more)["items"]
    return [(one["case_id"], one["event"], one["kind"]) for one in found]


def two_units(desk: Desk) -> tuple[str, str]:
    desk.service.put_orgs(
        [OrgRow("P", None, "province", "省", None, None)]
        + [OrgRow(code, "P", "county", code, None, None) for code in ("N", "S")]
    )
    first = desk.submit("residential", 1, org="N").case_id
    second = desk.submit("hv_single", 2, org="S").case_id
    assert first is not None
    assert second is not None
    return first, second


def test_each_unit_sees_its_own_and_the_longest_waiting_stands_first(desk: Desk):
    desk.clock.set("2024-01-08")
    first, second = two_units(desk)
    desk.clock.set("2024-01-09 09:00")
    desk.do(second, "complete_step", step="acceptance")
    desk.do(second, "correct", field="case.capacity_kw", new_value=800.0, reason="录错")
    desk.clock.set("2024-01-09 11:00")
    suspended(desk, first)
    assert queue(desk, NORTH) == [(first, 2, "suspend")]
    assert queue(desk, SOUTH) == [(second, 3, "correct")]
    assert queue(desk, SUPERVISOR) == [(second, 3, "correct"), (first, 2, "suspend")]
    assert queue(desk, SUPERVISOR, kind="suspend") == [(first, 2, "suspend")]
    desk.clock.set("2024-01-11")
    (item,) = signatures.waiting(desk.service, SOUTH)["items"]
    assert item["what"].zh == "更正容量: 630 改为 800"
    assert item["reason"].zh == "录错"
    assert item["waiting_working_days"] == 2
    assert item["version"] == 3


def test_pages_follow_one_another_without_loss(desk: Desk):
    desk.clock.set("2024-01-09")
    ids = []
    for number in range(1, 6):
        case_id = desk.submit("residential", number).case_id
        assert case_id is not None
        suspended(desk, case_id)
        ids.append(case_id)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = signatures.waiting(desk.service, SUPERVISOR, cursor=cursor, limit=2)
        assert len(page["items"]) <= 2
        seen += [one["case_id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids
    assert queue(desk, SUPERVISOR, cursor="nonsense") == []


def test_own_records_cannot_be_signed_and_signed_ones_leave_the_queue(desk: Desk):
    desk.clock.set("2024-01-09")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    suspended(desk, case_id, who=Principal("lead", "supervisor"))
    lead, inspector = Principal("lead", "supervisor"), Principal("visitor", "inspector")
    why = {
        who.who: signatures.waiting(desk.service, who)["items"][0]["refusal"] for who in (lead, inspector, SUPERVISOR)
    }
    assert why["lead"].code == "countersign-own-record"
    assert why["visitor"].code == "not-permitted"
    assert why["supervisor"] is None
    assert refused(desk.do(case_id, "countersign", event=2)) is None
    assert queue(desk, SUPERVISOR) == []


@pytest.mark.parametrize("spelt", ["lead ", " LEAD", "Lead", "ｌｅａｄ"])
def test_another_spelling_of_a_name_is_no_second_person(desk: Desk, spelt: str):
    desk.clock.set("2024-01-09")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    suspended(desk, case_id, who=Principal("lead", "manager"))
    same = Principal(spelt, "supervisor")
    assert refused(desk.do(case_id, "countersign", event=2, who=same)) == "countersign-own-record"
    assert signatures.waiting(desk.service, same)["items"][0]["refusal"].code == "countersign-own-record"
    desk.service.create_key("lead", "manager")
    with pytest.raises(Refused, match="'lead'"):
        desk.service.create_key(spelt, "supervisor")
    desk.service.create_key("lead", "supervisor")  # the same person in two roles
    desk.service.create_key("leader", "supervisor")


def test_a_late_record_waits_and_what_is_dropped_at_closing_goes(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential").case_id
    desk.clock.set("2024-01-12")
    desk.do(case_id, "complete_step", step="acceptance", occurred_at="2024-01-09T10:00", reason="系统停机")
    desk.do(case_id, "correct", field="case.capacity_kw", new_value=9.0, reason="录错")
    assert [kind for _, _, kind in queue(desk, SUPERVISOR)] == ["late", "correct"]
    late, _ = signatures.waiting(desk.service, SUPERVISOR)["items"]
    assert (late["what"].zh, late["reason"].zh) == ("业务受理: 办结并书面答复", "系统停机")
    desk.do(case_id, "complete_step", step="metering")
    assert [kind for _, _, kind in queue(desk, SUPERVISOR)] == ["late"]
    assert desk.disagreeing() == []


def test_a_suspension_is_told_with_its_note_and_in_words(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    desk.clock.set("2024-01-12")
    suspended(desk, case_id, note="山路封闭")
    suspended(desk, case_id, occurred_at="2024-01-09T10:00")
    noted, late = signatures.waiting(desk.service, SUPERVISOR)["items"]
    assert "; 山路封闭)" in noted["what"].zh
    assert noted["reason"] is None
    assert late["reason"].zh == "不可抗力"  # the contract's ground stands for the reason of the late record


def test_waivers_of_a_step_that_is_over_leave_the_queue(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("hv_single").case_id
    for step in ("acceptance", "supply_plan"):
        assert refused(desk.do(case_id, "complete_step", step=step)) is None
    for _ in range(3):
        desk.do(case_id, "waive_step", step="design_review", legal_basis="《中华人民共和国电力法》第二十六条")
    assert queue(desk, SUPERVISOR) == [(case_id, event, "waive_step") for event in (4, 5, 6)]
    assert refused(desk.do(case_id, "countersign", event=5)) is None
    assert queue(desk, SUPERVISOR) == []
    assert desk.shown(case_id)["pending_countersign"] == []
    assert desk.disagreeing() == []


def test_what_waits_goes_with_the_case_to_another_unit_and_is_rebuilt_from_the_events(desk: Desk):
    desk.clock.set("2024-01-09")
    first, _ = two_units(desk)
    suspended(desk, first)
    assert refused(desk.do(first, "assign", org="S")) is None
    assert queue(desk, NORTH) == []
    assert queue(desk, SOUTH) == [(first, 2, "suspend")]
    assert desk.disagreeing() == []
    with desk.service.database.write() as tx:
        before = stored(tx, first)
        tx.remove_pending(first, [2])
    assert desk.disagreeing() == [first]
    with desk.service.database.write() as tx:
        rebuild(tx, desk.service.law, desk.service.calendars.refresh(tx), first, desk.clock.now().date())
        assert stored(tx, first) == before
