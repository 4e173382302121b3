"""One command, one decision, one transaction: through the service, on both databases."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from storage import OrgRow, verify
from tests.core.driver import NOTICE_2027, PAPERS
from tests.service.conftest import CLERK, SUPERVISOR, Desk, due, refused
from workflow.core.events import Principal
from workflow.service import COMMANDS, Refused
from workflow.service.evidence import rebuild, rebuilt, stored


def a_bit_of_everything(desk: Desk) -> list[str]:
    """Cases of every class with rounds, waivers, suspensions, corrections, approvals, endings and a link."""
    clock, ids = desk.clock, []

    def case(user_class: str, number: int, **more: Any) -> str:
        answer = desk.submit(user_class, number, **more)
        assert answer.refusal is None
        assert answer.case_id is not None
        ids.append(answer.case_id)
        return answer.case_id

    def done(case_id: str, name: str, **fields: Any) -> None:
        answer = desk.do(case_id, name, **fields)
        assert answer.refusal is None, answer.refusal

    clock.set("2024-01-08")
    home, shop, office = case("residential", 1), case("lv_zero", 2), case("lv_other", 3)
    plant, hospital = case("hv_single", 4), case("hv_dual", 5)
    waiting = case("residential", 6, documents=[{"kind": "identity"}])
    clock.set("2024-01-09")
    for one in (home, shop, office, plant, hospital):
        done(one, "complete_step", step="acceptance")
    done(home, "suspend", reason="force_majeure", notice="N1", **{"from": "2024-01-09", "to": "2024-01-10"})
    done(home, "countersign")
    done(shop, "correct", field="case.enterprise_size", new_value="large", reason="录错")
    done(shop, "countersign")
    assert refused(desk.do(waiting, "submit_step", step="acceptance")) == "document-missing"
    clock.set("2024-01-12")
    done(plant, "complete_step", step="supply_plan")
    done(plant, "waive_step", step="design_review", legal_basis="《供电监管办法》第十一条")
    done(plant, "countersign")
    done(plant, "add_approval", approval="规划许可")
    done(hospital, "complete_step", step="supply_plan")
    done(hospital, "submit_step", step="design_review", documents=list(PAPERS["design_review"]))
    clock.set("2024-01-15")
    done(hospital, "return_step", step="design_review", defects=["缺接地计算"])
    done(hospital, "suspend", reason="force_majeure", notice="N2", **{"from": "2024-01-15"})
    done(hospital, "countersign")
    done(office, "complete_step", step="supply_plan")
    done(office, "terminate", reason="duplicate")
    done(plant, "withdraw", reason="项目取消", evidence={"ref": "APP-1", "source": "customer_app"})
    clock.set("2024-01-16")
    case("lv_other", 3)
    done(home, "complete_step", step="metering")
    done(home, "rate", score=5)
    done(shop, "assign", manager="李四")
    return ids


def test_a_notice_that_nobody_owes_is_kept_and_meets_none_that_is_owed(desk: Desk):
    """A unit tells its customers more than it must, and no notice blocks (design, `notify`)."""
    case_id = desk.submit("residential").case_id
    for notice in ("plan_reply", "hotlines"):
        assert desk.do(case_id, "notify", notice=notice, channel="sms").refusal is None
    shown = desk.shown(case_id)
    assert [one["notice"] for one in shown["notices"]] == ["plan_reply", "hotlines"]
    assert "hotlines" not in [one["notice"] for one in shown["notices_due"]]
    assert "policy" in [one["notice"] for one in shown["notices_due"]]


def test_rows_are_what_the_events_give_and_can_be_made_again(desk: Desk):
    ids = a_bit_of_everything(desk)
    assert desk.disagreeing() == []
    with desk.service.database.read() as tx:
        assert verify(tx).holds
        calendar = desk.service.calendars.refresh(tx)
        before = {case_id: stored(tx, case_id) for case_id in ids}
        today = desk.clock.now().date()
        assert before == {case_id: rebuilt(tx, desk.service.law, calendar, case_id, today) for case_id in ids}
        assert all(rows["application"] and rows["rounds"] for case_id, rows in before.items() if case_id != ids[5])
    with desk.service.database.write() as tx:
        for case_id in ids:
            tx.delete_projections(case_id)
    assert set(desk.disagreeing()) >= set(ids[:5])
    with desk.service.database.write() as tx:
        for case_id in ids:
            rebuild(tx, desk.service.law, calendar, case_id, today)
    with desk.service.database.read() as tx:
        assert {case_id: stored(tx, case_id) for case_id in ids} == before


def test_the_numbers_are_serial_and_the_need_is_linked(desk: Desk):
    ids = a_bit_of_everything(desk)
    numbers = [desk.shown(case_id)["application_no"] for case_id in ids]
    assert numbers == [f"BZ-2024-{n:06}" for n in range(1, 8)]
    again = desk.shown(ids[-1])
    assert [one["id"] for one in again["chain"]["predecessors"]] == [ids[2]]
    assert [one["id"] for one in desk.shown(ids[2])["successors"]] == [ids[-1]]


def test_a_need_filed_three_times_counts_each_ended_case_once(desk: Desk):
    """The first is withdrawn after two working days (acceptance 8 to 9 January, plan 9 to 10), the second after one;
    both others continue the first, and the last also the second. On the 11th it has used one itself: 2 + 1 + 1."""
    first = desk.submit("lv_other").case_id
    desk.clock.set("2024-01-09")
    desk.do(first, "complete_step", step="acceptance")
    desk.clock.set("2024-01-10")
    desk.do(first, "withdraw", reason="另有安排", evidence={"ref": "APP-1", "source": "customer_app"})
    second, third = (desk.submit("lv_other").case_id for _ in range(2))
    desk.clock.set("2024-01-11")
    desk.do(second, "withdraw", reason="另有安排", evidence={"ref": "APP-2", "source": "customer_app"})
    chain = desk.shown(third)["chain"]
    assert [one["id"] for one in chain["predecessors"]] == [first, second]
    assert chain["as_chained"]["used_working_days"] == 4


# ---- the same key ----------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_answer_and_changes_nothing(desk: Desk):
    first = desk.submit("residential", key="k1")
    desk.clock.set("2024-01-09")
    done = desk.do(first.case_id, "complete_step", step="acceptance", key="k2")
    desk.clock.set("2024-01-12")
    desk.do(first.case_id, "complete_step", step="metering")

    again = desk.submit("residential", key="k1")
    assert (again.body, again.case_id, again.version) == (first.body, first.case_id, 1)
    assert (again.replayed, first.replayed, again.created) == (True, False, True)
    once_more = desk.do(first.case_id, "complete_step", step="acceptance", key="k2")
    assert (once_more.body, once_more.version, once_more.replayed) == (done.body, 2, True)
    assert json.loads(once_more.body)["application"]["state"] == "metering.running"
    assert desk.shown(first.case_id)["version"] == 3


def test_the_same_key_with_another_body_or_for_another_case_is_refused(desk: Desk):
    first = desk.submit("residential", key="k1")
    other = desk.submit("residential", 2)
    assert refused(desk.submit("residential", 3, key="k1")) == "idempotency-key-reused"
    desk.do(first.case_id, "notify", notice="hotlines", key="k2")
    assert refused(desk.do(first.case_id, "notify", notice="policy", key="k2")) == "idempotency-key-reused"
    assert refused(desk.do(other.case_id, "notify", notice="hotlines", key="k2")) == "idempotency-key-reused"
    assert desk.shown(first.case_id)["version"] == 2
    assert desk.shown(other.case_id)["version"] == 1


def test_a_key_belongs_to_who_used_it(desk: Desk):
    first = desk.submit("residential", key="k1")
    second = desk.submit("residential", key="k1", who=SUPERVISOR)
    assert second.case_id != first.case_id
    assert not second.replayed


def test_of_one_name_in_two_units_neither_is_answered_what_the_other_was(desk: Desk):
    desk.service.put_orgs([OrgRow(code, None, "county", code, None, None) for code in ("A", "B")])
    here, there = (Principal("hall", "front_line", code) for code in ("A", "B"))
    first = desk.submit("residential", key="1", who=here)
    second = desk.submit("residential", key="1", who=there)
    assert (second.case_id != first.case_id, second.replayed) == (True, False)
    desk.do(first.case_id, "notify", notice="hotlines", key="2", who=here)
    assert refused(desk.do(first.case_id, "notify", notice="hotlines", key="2", who=there)) == "not-found"


def test_a_recorded_attempt_is_remembered_too(desk: Desk):
    case_id = desk.submit("residential", documents=[]).case_id
    first = desk.do(case_id, "submit_step", step="acceptance", key="k")
    assert refused(first) == "document-missing"
    desk.do(case_id, "register_documents", documents=list(PAPERS["low"]))
    version = desk.shown(case_id)["version"]
    again = desk.do(case_id, "submit_step", step="acceptance", key="k")
    assert (again.refusal, again.replayed) == (first.refusal, True)
    assert desk.shown(case_id)["version"] == version


def test_a_refusal_that_recorded_nothing_leaves_the_key_free(desk: Desk):
    case_id = desk.submit("residential", documents=[]).case_id
    assert refused(desk.do(case_id, "complete_step", step="acceptance", key="k")) == "transition-not-allowed"
    desk.do(case_id, "register_documents", documents=list(PAPERS["low"]))
    taken = desk.do(case_id, "complete_step", step="acceptance", key="k")
    assert (taken.refusal, taken.replayed) == (None, False)


# ---- who saw what ----------------------------------------------------------------------------------------------------


def test_if_match_refuses_who_saw_an_older_version(desk: Desk):
    case_id = desk.submit("residential").case_id
    assert desk.do(case_id, "notify", notice="hotlines", if_match=1).version == 2
    stale = desk.do(case_id, "notify", notice="policy", if_match=1)
    assert refused(stale) == "stale-version"
    assert stale.refusal is not None
    assert stale.refusal.extra["version"] == 2
    assert desk.shown(case_id)["version"] == 2


def test_everybody_sees_their_own_part_of_the_tree(desk: Desk):
    units = [("S", None, "province"), ("S1", "S", "county"), ("S1A", "S1", "team"), ("S2", "S", "county")]
    rows = [OrgRow(code, parent, level, code, None, None, "") for code, parent, level in units]
    desk.service.put_orgs(rows)
    county, team = Principal("a", "supervisor", "S1"), Principal("b", "front_line", "S1A")
    other, all_ = Principal("c", "front_line", "S2"), Principal("d", "inspector")

    case_id = desk.submit("residential", who=team).case_id
    assert desk.shown(case_id, team)["org"] == "S1A"
    assert desk.shown(case_id, county)["application_no"] == "BZ-S1A-2024-000001"
    assert desk.shown(case_id, all_)["id"] == case_id
    with pytest.raises(Refused) as error:
        desk.shown(case_id, other)
    assert error.value.refusal.code == "not-found"
    assert refused(desk.do(case_id, "notify", notice="hotlines", who=other)) == "not-found"
    assert refused(desk.submit("residential", 2, who=team, org="S2")) == "not-permitted"
    assert refused(desk.submit("residential", 2, who=team, org="S9")) == "unknown-org"
    assert refused(desk.do(case_id, "assign", org="S2", who=county)) == "not-permitted"
    listed = [len(desk.service.applications(who)["items"]) for who in (team, county, other, all_)]
    assert listed == [1, 1, 0, 1]
    with pytest.raises(Refused) as error:
        desk.do(case_id, "complete_step", step="acceptance", who=all_)
    assert error.value.refusal.code == "not-permitted"
    with pytest.raises(Refused):
        desk.do(case_id, "countersign", who=team)


def test_an_unknown_application_is_not_found(desk: Desk):
    assert refused(desk.do("nowhere", "notify", notice="hotlines")) == "not-found"
    with pytest.raises(Refused):
        desk.shown("nowhere")


# ---- personal data ---------------------------------------------------------------------------------------------------


def test_no_name_phone_or_address_enters_the_chain(desk: Desk):
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    history = json.dumps(desk.service.events(CLERK, case_id), default=str, ensure_ascii=False)
    assert not any(word in history for word in ("张三", "13800000000", "演示路"))


# ---- a new notice ----------------------------------------------------------------------------------------------------


def test_a_notice_moves_the_open_deadlines_with_an_event_and_leaves_the_rest(desk: Desk):
    admin = Principal("admin", "admin")
    desk.clock.set("2026-12-28")
    ended = desk.submit("residential", 1).case_id
    desk.clock.set("2027-01-05")
    moved, hv = desk.submit("residential", 2).case_id, desk.submit("hv_single", 3).case_id
    desk.do(hv, "add_approval")
    desk.do(hv, "terminate", reason="lapsed")
    desk.do(ended, "terminate", reason="other")
    assert ended is not None
    assert moved is not None
    # 6 7 8 =3, 11 =4, 12 =5
    assert due(desk.shown(moved)) == "2027-01-12"
    first = desk.submit("residential", 2, key="before", premises={"id": "P9"})

    desk.service.import_notice(admin, NOTICE_2027)
    # Sunday the 10th is worked: 6 7 8 =3, 10 =4, 11 =5
    assert due(desk.shown(moved)) == "2027-01-11"
    recorded = [one["type"] for one in desk.service.events(CLERK, moved)["items"]]
    assert recorded == ["application_submitted", "deadlines_recomputed"]
    assert [one["type"] for one in desk.service.events(CLERK, ended)["items"]][-1] == "terminated"
    assert desk.disagreeing() == []
    # An answer given before is given again as it was, by the calendar of its day.
    again = desk.submit("residential", 2, key="before", premises={"id": "P9"})
    assert (again.body, again.replayed) == (first.body, True)
    # The same notice again changes nothing.
    version = desk.shown(moved)["version"]
    desk.service.import_notice(admin, NOTICE_2027)
    assert desk.shown(moved)["version"] == version


def test_a_key_stands_for_the_body_that_was_sent_with_it(sqlite_desk: Desk):
    """Whatever writes the digest, keys of earlier versions must be known again: it is over the case and its JSON."""
    desk = sqlite_desk
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential", 1).case_id
    assert case_id is not None
    command = COMMANDS.validate_python({"command": "complete_step", "step": "acceptance"})
    assert desk.service.command(CLERK, case_id, command, "k").result().refusal is None
    with desk.service.database.read() as tx:
        kept = tx.remembered(CLERK.who, "k")
    assert kept is not None
    assert kept.body_hash == hashlib.sha256(f"{case_id}\n{command.model_dump_json()}".encode()).hexdigest()
