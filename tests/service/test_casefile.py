"""The file of a case as its pages read it: worked by hand, masked, scoped, and in few queries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from storage import OrgRow
from storage._execution import Execution
from tests.core.driver import PAPERS, at
from tests.service.conftest import CLERK, SUPERVISOR, Desk, refused
from workflow.core.events import Principal
from workflow.service import Refused, contacts, forms
from workflow.service.casefile import acting, dealings
from workflow.service.casefile.account import account
from workflow.service.casefile.history import history
from workflow.service.casefile.overview import overview
from workflow.service.upkeep import checkpoint

INSPECTOR = Principal("inspector", "inspector")


def plant(desk: Desk) -> str:
    """A high-voltage case: returned once in design review, and handed in again."""
    desk.clock.set("2024-03-04 10:00")
    case_id = desk.submit("hv_single").case_id
    assert case_id is not None
    for when, name, fields in (
        ("2024-03-04 15:00", "complete_step", {"step": "acceptance"}),
        ("2024-03-07 15:00", "complete_step", {"step": "supply_plan", "plan_reason": "最近公线无余量"}),
        ("2024-03-11 09:00", "submit_step", {"step": "design_review", "documents": list(PAPERS["design_review"])}),
        ("2024-03-12 09:00", "return_step", {"step": "design_review", "defects": ["缺接地计算", "图纸未签字"]}),
    ):
        desk.clock.set(when)
        assert refused(desk.do(case_id, name, **fields)) is None
    return case_id


def test_the_file_says_whose_clock_runs_and_what_moves_the_case_on(desk: Desk):
    case_id = plant(desk)
    found = overview(desk.service, SUPERVISOR, case_id)
    assert (found.head.state, found.head.clock, found.next_act) == ("design_review.waiting", "customer", "submit_step")
    desk.do(case_id, "submit_step", step="design_review")
    found = overview(desk.service, SUPERVISOR, case_id)
    assert (found.head.clock, found.next_act) == ("utility", "complete_step")
    home = desk.submit("residential", 2, documents=[{"kind": "identity"}]).case_id
    assert home is not None
    # The whole process is limited: the utility's clock runs although the customer is waited for.
    found = overview(desk.service, SUPERVISOR, home)
    assert (found.head.state, found.head.clock, found.next_act) == (
        "acceptance.waiting",
        "utility",
        "register_documents",
    )
    assert [one["status"] for one in found.documents[0]["documents"]] == ["provided", "missing"]
    desk.do(home, "register_documents", documents=[{"kind": "premises_title"}])
    dates: dict[str, Any] = {"from": "2024-03-12"}
    desk.do(home, "suspend", reason="force_majeure", notice="N", **dates)
    desk.do(home, "countersign")
    assert overview(desk.service, SUPERVISOR, home).head.clock == "stopped"


def test_documents_are_told_step_by_step_and_what_lies_outside_the_list_apart(desk: Desk):
    case_id = plant(desk)
    desk.do(case_id, "register_documents", documents=[{"kind": "环评批复", "volunteered": True}])
    found = overview(desk.service, SUPERVISOR, case_id)
    told = {one["step"]: [row["status"] for row in one["documents"]] for one in found.documents}
    assert told == {
        "acceptance": ["provided"] * 3,
        "supply_plan": [],
        "design_review": ["provided"] * 2,
        "mid_inspection": ["later"] * 2,
        "completion_inspection": ["later"],
        "metering": [],
    }
    assert [(one["name"].zh, one["volunteered"]) for one in found.extra["provided"]] == [("环评批复", True)]
    assert [one["name"].zh for one in found.extra["forbidden"]] == ["用电承诺书"]
    assert {clause.id for clause in found.extra["clauses"]} >= {"L24", "L25"}


def test_who_need_not_know_a_person_sees_it_masked(desk: Desk):
    case_id = plant(desk)
    clear, masked = (overview(desk.service, who, case_id).person for who in (SUPERVISOR, INSPECTOR))
    assert (clear.name, clear.phone, clear.address) == ("张三", "13800000000", "演示路 1 号")
    assert (masked.name, masked.phone, masked.address) == ("张*", "138****0000", "演示路 1 ***")
    (form, *_) = forms.forms(desk.service, INSPECTOR, case_id).forms
    assert "张三" not in str(form)
    assert "13800000000" not in str(form)


def test_outside_the_viewers_unit_nothing_is_found(desk: Desk):
    desk.service.put_orgs([OrgRow(code, None, "county", code, None, None) for code in ("N", "S")])
    desk.clock.set("2024-03-04")
    case_id = desk.submit("residential", org="N").case_id
    assert case_id is not None
    stranger = Principal("s", "supervisor", "S")
    for read in (
        lambda: overview(desk.service, stranger, case_id),
        lambda: history(desk.service, stranger, case_id),
        lambda: account(desk.service, stranger, case_id),
        lambda: dealings.dealings(desk.service, stranger, case_id),
        lambda: forms.forms(desk.service, stranger, case_id),
        lambda: acting.sheet(desk.service, stranger, case_id, "complete_step"),
        lambda: contacts.record(
            desk.service,
            stranger,
            case_id,
            contacts.RecordContact(subject="enquiry", by="phone", occurred_at=desk.clock.now()),
        ),
    ):
        with pytest.raises(Refused) as error:
            read()
        assert error.value.refusal.code == "not-found"


def test_each_page_is_read_in_few_queries(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.service.put_orgs(
        [OrgRow("P", None, "province", "省", None, None), OrgRow("N", "P", "county", "N", None, None)]
    )
    desk.clock.set("2024-03-04")
    case_id = desk.submit("residential", org="N").case_id
    assert case_id is not None
    desk.do(case_id, "assign", manager="m1")
    desk.do(case_id, "withdraw", reason="不需要", evidence={"ref": "APP-1"})
    viewer = Principal("p", "supervisor", "P")
    ran: list[str] = []
    for name in ("_execute", "_query"):
        real = getattr(Execution, name)

        def counted(self: Any, statement: Any, *rest: Any, _real: Any = real) -> Any:
            ran.append(str(statement))
            return _real(self, statement, *rest)

        monkeypatch.setattr(Execution, name, counted)
    for read in (
        overview, history, account, dealings.dealings, forms.forms,
        lambda service, who, case: acting.sheet(service, who, case, "assign"),
    ):  # fmt: skip
        ran.clear()
        read(desk.service, viewer, case_id)
        assert len(ran) <= 8, ran


def test_both_times_stand_and_a_late_record_is_marked_for_ever_but_unsigned_only_until_signed(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    desk.clock.set("2024-01-12 11:00")
    desk.do(case_id, "complete_step", step="acceptance", occurred_at="2024-01-09T10:00", reason="系统停机")
    (late,) = [one for one in history(desk.service, SUPERVISOR, case_id).events if one["late"]]
    # 10, 11 and 12 January are the working days between.
    assert (late["late"]["working_days"], late["late"]["reason"].zh, late["unsigned"]) == (3, "系统停机", True)
    assert f"{late['occurred_at']:%m-%d %H:%M}" == "01-09 10:00"
    assert f"{late['recorded_at']:%m-%d %H:%M}" == "01-12 11:00"
    desk.do(case_id, "countersign")
    found = history(desk.service, SUPERVISOR, case_id)
    (late,) = [one for one in found.events if one["late"]]
    assert (late["unsigned"], late["signed_by"]) == (False, "supervisor")
    assert found.flaw is None
    assert found.events[-1]["hash"] == found.head_hash
    assert [one["prev_hash"] for one in found.events[1:]] == [one["hash"] for one in found.events[:-1]]


def test_one_signature_covers_everything_a_late_command_recorded(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential", documents=[{"kind": "identity"}]).case_id
    assert case_id is not None
    desk.clock.set("2024-01-12")
    late: dict[str, Any] = {"occurred_at": "2024-01-09T10:00", "reason": "系统停机"}
    desk.do(case_id, "register_documents", documents=[{"kind": "premises_title"}], **late)

    def marks() -> list[tuple[str, bool, str | None]]:
        events = history(desk.service, SUPERVISOR, case_id).events
        return [(one["type"], one["unsigned"], one["signed_by"]) for one in events if one["late"]]

    assert marks() == [("documents_registered", True, None), ("step_submitted", True, None)]
    desk.do(case_id, "countersign")
    assert marks() == [("documents_registered", False, "supervisor"), ("step_submitted", False, "supervisor")]


def test_a_long_history_is_read_page_by_page(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    for _ in range(104):
        desk.do(case_id, "assign", manager="m1")
    last = history(desk.service, SUPERVISOR, case_id)
    assert (last.total, len(last.events), last.events[-1]["seq"], last.earlier) == (105, 100, 105, 6)
    first = history(desk.service, SUPERVISOR, case_id, before=last.earlier)
    assert ([one["seq"] for one in first.events], first.earlier) == ([1, 2, 3, 4, 5], None)


def test_the_latest_checkpoint_is_shown(desk: Desk, tmp_path):
    case_id = plant(desk)
    assert history(desk.service, SUPERVISOR, case_id).checkpoint is None
    made = checkpoint(desk.service, tmp_path / "heads.json")
    shown = history(desk.service, SUPERVISOR, case_id).checkpoint
    assert shown is not None
    assert (shown["root"], shown["cases"], shown["created_at"]) == (made["root"], 1, desk.clock.now())


def test_a_broken_chain_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    from storage import Tx

    case_id = plant(desk)
    real = Tx.events

    def altered(self: Tx, which: str) -> Any:
        rows = real(self, which)
        return [rows[0], rows[1]._replace(actor="somebody else"), *rows[2:]]

    monkeypatch.setattr(Tx, "events", altered)
    flaw = history(desk.service, SUPERVISOR, case_id).flaw
    assert flaw is not None
    assert (flaw.seq, flaw.code) == (2, "altered")


def test_the_account_tells_each_day_with_notices_and_clauses(desk: Desk):
    desk.clock.set("2024-02-07 09:00")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    found = account(desk.service, SUPERVISOR, case_id)
    (total,) = [one for one in found.limits if one["key"] == "total"]
    # 8, 9, 18 (make-up), 19 and 20 February; 10 to 17 February rest.
    assert total["due_on"] == dt.date(2024, 2, 20)
    assert [day.date.day for day in total["days"] if day.counted is not None] == [8, 9, 18, 19, 20]
    assert {notice.year for notice in total["notices"]} == {2024}
    assert {clause.id for clause in total["clauses"]} >= {"L4", "I6"}


def test_the_count_of_a_sum_goes_on_from_the_rounds_before(desk: Desk):
    case_id = plant(desk)
    found = account(desk.service, SUPERVISOR, case_id)
    (total,) = [one for one in found.limits if one["key"] == "total"]
    assert total["due_on"] is None  # the customer is waited for
    assert [(one["step"], one["used_working_days"]) for one in found.rounds] == [
        ("acceptance", 0),
        ("supply_plan", 3),
        ("design_review", 1),
    ]
    desk.do(case_id, "submit_step", step="design_review")  # on Tuesday 12 March
    (total,) = [one for one in account(desk.service, SUPERVISOR, case_id).limits if one["key"] == "total"]
    # Used so far: acceptance 0, the plan 3 (5, 6, 7 March), design review 1 (12 March); 18 of 22 are left.
    assert (total["used_working_days"], total["before"]) == (4, 4)
    assert total["days"][-1].counted == 18
    # 13 March to 3 April are 16 working days; 4 to 6 April rest, the 7th is worked, the 8th is the eighteenth.
    assert total["due_on"] == dt.date(2024, 4, 8)


def test_a_contact_is_written_down_once_and_feeds_the_rules(desk: Desk):
    case_id = plant(desk)
    said = contacts.RecordContact(
        subject="inspection_request",
        by="phone",
        occurred_at=at("2024-03-11 09:30"),
        ref="REC-7",
        note="问进度",
    )
    for again in (False, True):
        assert contacts.record(desk.service, CLERK, case_id, said, "k1")[1] is again
    (one,) = dealings.dealings(desk.service, SUPERVISOR, case_id).contacts
    assert (one["subject"], one["by"], one["ref"], one["note"], one["recorded_by"]) == (
        "inspection_request", "phone", "REC-7", "问进度", "clerk",
    )  # fmt: skip
    with pytest.raises(Refused) as error:
        contacts.record(desk.service, INSPECTOR, case_id, said)
    assert error.value.refusal.code == "not-permitted"
    late = said.model_copy(update={"occurred_at": desk.clock.now() + dt.timedelta(hours=1)})
    with pytest.raises(Refused) as error:
        contacts.record(desk.service, CLERK, case_id, late)
    assert error.value.refusal.code == "time-in-future"


def pairs(form: forms.Form) -> dict[str, Any]:
    return {pair.label.zh: pair.value for pair in form.pairs}


def test_the_forms_of_a_returned_high_voltage_case(desk: Desk):
    found = forms.forms(desk.service, SUPERVISOR, plant(desk))
    assert [(one.key, one.title.zh) for one in found.forms] == [
        ("application", "用电申请表"),
        ("supply_plan", "供电方案答复单"),
        ("returned-design_review-1", "一次性告知书"),
        ("opinion-design_review-1", "设计审查意见书"),
    ]
    application, plan, returned, opinion = found.forms
    assert pairs(application)["申请容量"] == "630 kVA"
    steps = {row[0].zh: row[1].zh for row in application.sheets[1].rows if isinstance(row[0], type(plan.title))}  # type: ignore[union-attr]  # the test fails without
    assert steps == {
        "业务受理": "1 个工作日", "供电方案答复": "10 个工作日", "设计审查": "3 个工作日", "中间检查": "2 个工作日",
        "竣工检验": "3 个工作日", "装表接电": "3 个工作日", "各环节合计": "22 个工作日",
    }  # fmt: skip
    # Accepted on Monday 4 March, answered on Thursday the 7th: three working days of ten; valid one year.
    assert pairs(plan)["答复日期"] == "2024-03-07"
    assert pairs(plan)["实际用时"] == pairs(plan)["规定时限"].__class__("3 个工作日", "3 working days")
    assert pairs(plan)["方案说明"] == "最近公线无余量"
    assert pairs(plan)["供电电源和接入点"] is None
    assert [row[1] for row in returned.sheets[0].rows] == ["缺接地计算", "图纸未签字"]
    assert pairs(opinion)["结论"].zh.startswith("不合格")
    assert pairs(opinion)["审阅资料"].zh == "设计单位资质证明材料、用电工程设计及说明书"


def test_the_forms_of_a_case_with_papers_missing_and_of_an_energised_one(desk: Desk):
    desk.clock.set("2024-01-08")
    case_id = desk.submit("residential", documents=[{"kind": "identity"}]).case_id
    assert case_id is not None
    found = forms.forms(desk.service, SUPERVISOR, case_id)
    notice = forms.one(found, "missing")
    assert [row[1].zh for row in notice.sheets[0].rows] == ["用电地址物权证件"]  # type: ignore[union-attr]  # the test fails without
    assert "不动产权证" in notice.sheets[0].rows[0][2].zh  # type: ignore[union-attr]  # the test fails without
    with pytest.raises(Refused):
        forms.one(found, "energised")
    desk.clock.set("2024-01-10")
    desk.do(case_id, "register_documents", documents=[{"kind": "premises_title"}])
    desk.do(case_id, "complete_step", step="acceptance")
    desk.do(case_id, "complete_step", step="metering")
    found = forms.forms(desk.service, SUPERVISOR, case_id)
    assert [one.key for one in found.forms] == ["application", "energised"]
    energised = pairs(forms.one(found, "energised"))
    assert (energised["送电日期"], energised["实际用时"].zh, energised["规定时限"].zh) == (
        "2024-01-10", "2 个工作日", "5 个工作日",
    )  # fmt: skip
    assert energised["电能表编号"] is None


def fields(desk: Desk, case_id: str, command: str) -> dict[str, acting.Field]:
    return {one.name: one for one in acting.sheet(desk.service, SUPERVISOR, case_id, command).fields}


def test_every_command_of_a_role_has_a_form_made_of_its_own_model(desk: Desk):
    case_id = plant(desk)
    role = desk.service.law.roles["supervisor"]
    for name in role.commands:
        if name != "submit":
            assert acting.sheet(desk.service, SUPERVISOR, case_id, name).act.command == name
    with pytest.raises(Refused) as error:
        acting.sheet(desk.service, INSPECTOR, case_id, "complete_step")
    assert error.value.refusal.code == "not-found"
    hand_in = acting.sheet(desk.service, SUPERVISOR, case_id, "submit_step")
    assert hand_in.fixed == {"step": "design_review"}
    assert [one.kind for one in hand_in.papers] == ["designer_qualification", "design_documents"]
    suspend = fields(desk, case_id, "suspend")
    assert {name: (one.kind, one.required) for name, one in suspend.items() if not one.aside} == {
        "notice": ("text", True), "from": ("day", True), "to": ("day", False), "note": ("prose", False),
    }  # fmt: skip
    assert [code for code, _ in fields(desk, case_id, "notify")["notice"].choices] == ["hotlines", "policy", "progress"]
    assert fields(desk, case_id, "withdraw")["evidence"].required
    times = [code for code, _ in fields(desk, case_id, "correct")["field"].choices if code.endswith("occurred_at")]
    assert times == [
        "acceptance.complete.occurred_at",
        "supply_plan.complete.occurred_at",
        "design_review.start.occurred_at",
        "design_review.return.occurred_at",
    ]


def test_what_a_form_sends_becomes_a_command_or_its_faults(desk: Desk):
    case_id = plant(desk)
    charge = list(fields(desk, case_id, "rate").values())
    assert acting.command_of("rate", {"score": "4", "comment": ""}, charge).score == 4
    with pytest.raises(acting.Faulty) as error:
        acting.command_of("rate", {"score": "nine"}, charge)
    assert [one.field for one in error.value.faults] == ["score"]
    with pytest.raises(acting.Faulty) as error:
        acting.command_of("suspend", {"reason": "force_majeure"}, ())
    assert {one.field for one in error.value.faults} == {"notice", "from"}
    assert acting.corrected("case.capacity_kw", "800") == 800
    assert acting.corrected("case.important_customer", "是") is True
    assert acting.corrected("metering.complete.occurred_at", "2024-01-01T10:00") == "2024-01-01T10:00"


@pytest.mark.parametrize(
    ("command", "fields", "told"),
    [
        ("refuse", {"legal_basis": "《电力供应与使用条例》第二十三条"}, "不予办理: 《电力供应与使用条例》第二十三条"),
        ("terminate", {"reason": "duplicate", "note": "另有一件"}, "终止申请: 重复申请; 另有一件"),
        ("withdraw", {"reason": "不需要", "evidence": {"ref": "APP-1"}}, "用户撤回申请: 不需要"),
    ],
)
def test_a_case_that_ended_without_supply_says_why(desk: Desk, command: str, fields: dict[str, Any], told: str):
    desk.clock.set("2024-03-04 10:00")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    desk.do(case_id, command, **fields)
    desk.do(case_id, "rate", score=1, comment="没有说明白")
    ended = overview(desk.service, SUPERVISOR, case_id).ended
    assert ended is not None
    assert ended.zh == told
    assert history(desk.service, SUPERVISOR, case_id).events[-1]["what"].zh == "用户评价 1 分: 没有说明白"


def test_what_was_typed_as_a_reason_is_told_beside_the_record(desk: Desk):
    desk.clock.set("2024-03-04 10:00")
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    desk.do(case_id, "complete_step", step="acceptance", reason="用户已到营业厅确认")
    assert history(desk.service, SUPERVISOR, case_id).events[-1]["reason"].zh == "用户已到营业厅确认"
