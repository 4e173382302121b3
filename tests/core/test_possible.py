"""What may be done now, and why not: the engine's own answer, held against courses read out of the rule text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.core.driver import PAPERS, SUPERVISOR, Case, answer, submitted
from workflow.core.commands import COMMAND_NAMES
from workflow.core.events import Principal
from workflow.core.evolve import _EFFECTS
from workflow.core.possible import _PROBES, may_sign, possible
from workflow.core.telling import _TELL, names_of, told


def may(case: Case) -> set[str]:
    """The commands that can be given now."""
    found = possible(case.context(), case.definition, case.state, COMMAND_NAMES)
    return {one.command for one in found if one.refusal is None}


def why_not(case: Case, command: str) -> str | None:
    found = {one.command: one.refusal for one in possible(case.context(), case.definition, case.state, COMMAND_NAMES)}
    refusal = found[command]
    return None if refusal is None else refusal.code


def test_every_command_is_tried_and_every_event_is_told():
    assert set(_PROBES) == set(COMMAND_NAMES)
    assert set(_TELL) == {*_EFFECTS, "application_submitted"}


def test_a_residential_case_goes_on_from_acceptance_by_completing_it():
    case = submitted("residential")
    assert {"complete_step", "return_step", "suspend", "withdraw", "correct"} <= may(case)
    # Its documents came complete, so nothing is there to be handed in; the two steps can never be waived [L7].
    assert why_not(case, "waive_step") == "step-not-allowed"
    assert why_not(case, "resume") == "transition-not-allowed"
    assert why_not(case, "decide_approval") == "transition-not-allowed"
    assert why_not(case, "countersign") == "transition-not-allowed"


def test_nothing_may_be_charged_where_investment_is_zero():
    assert why_not(submitted("residential"), "add_charge") == "charge-not-allowed"
    assert why_not(submitted("hv_single"), "add_charge") == "charge-not-allowed"  # its catalogue is empty
    assert why_not(submitted("hv_dual"), "add_charge") is None


def test_a_step_that_waits_is_handed_in_and_may_be_waived_where_the_rules_know_it():
    case = submitted("hv_single")
    case.do("complete_step", "2024-01-08", step="acceptance")
    case.do("complete_step", "2024-01-12", step="supply_plan")
    assert case.state.state == "design_review.waiting"
    assert {"submit_step", "waive_step"} <= may(case)
    assert not {"complete_step", "return_step"} & may(case)
    assert why_not(case, "complete_step") == "transition-not-allowed"
    case.do("submit_step", "2024-01-15", step="design_review", documents=PAPERS["design_review"])
    assert {"complete_step", "return_step", "waive_step"} <= may(case)
    assert "submit_step" not in may(case)


def test_nothing_is_completed_while_days_are_deducted():
    case = submitted("residential")
    case.suspend("2024-01-09", "2024-01-09", None)
    assert why_not(case, "complete_step") == "suspension-in-force"
    assert {"resume", "register_documents"} <= may(case)


def test_a_closed_case_takes_a_rating_and_no_more():
    case = submitted("residential").drive("2024-01-09")
    assert may(case) == {"rate"}
    assert why_not(case, "suspend") == "transition-not-allowed"


def test_trying_changes_nothing():
    case = submitted("hv_dual")
    before = case.state
    possible(case.context(), case.definition, case.state, COMMAND_NAMES)
    assert case.state is before


def test_nobody_signs_his_own_record_and_a_waiver_whose_step_is_over_cannot_be_signed():
    case = submitted("hv_single")
    case.do("complete_step", "2024-01-08", step="acceptance")
    case.do("complete_step", "2024-01-12", step="supply_plan")
    case.do("waive_step", "2024-01-12", step="design_review", legal_basis="《供电监管办法》第十一条")
    event = case.state.pending[0].event
    own = may_sign(case.context(Principal("clerk", "supervisor")), case.definition, case.state, event)
    assert own is not None
    assert own.code == "countersign-own-record"
    assert may_sign(case.context(SUPERVISOR), case.definition, case.state, event) is None
    case.do("submit_step", "2024-01-15", step="design_review", documents=PAPERS["design_review"])
    case.do("complete_step", "2024-01-16", step="design_review")
    over = may_sign(case.context(SUPERVISOR), case.definition, case.state, event)
    assert over is not None
    assert over.code == "transition-not-allowed"


def test_the_history_is_told_in_sentences():
    case = submitted("hv_single", documents=PAPERS["low"])
    assert answer(case.do("submit_step", "2024-01-08", step="acceptance")) == "document-missing"
    case.do("register_documents", "2024-01-09", documents=[{"kind": "project_approval"}])
    storm: dict[str, Any] = {"from": "2024-01-09"}
    case.do("suspend", "2024-01-09", reason="force_majeure", notice="通告3号", **storm)
    case.do("correct", "2024-01-09", field="case.capacity_kw", new_value=800.0, reason="录错")
    names = names_of(case.definition)
    said = [told(event.type, event.payload, names).zh for event in case.history]
    assert said == [
        "用户提出用电申请, 附: 用电人有效身份证件、用电地址物权证件",
        "业务受理: 资料不齐, 未予收件, 缺: 用电工程项目批准文件",
        "登记资料: 用电工程项目批准文件",
        "业务受理: 资料齐全, 自动起算",
        "提出因不可抗力中止: 2024-01-09 起, 未定结束日 (通告3号; 只记录, 不扣除), 待会签",
        "提出更正容量: 630 改为 800, 待会签",
    ]


@pytest.mark.parametrize("user_class", ["residential", "lv_other", "hv_dual"])
def test_whatever_is_not_possible_is_told_in_words_and_not_in_codes(user_class: str):
    case = submitted(user_class)
    told_: list[str] = []
    for _ in range(2):
        found = possible(case.context(), case.definition, case.state, COMMAND_NAMES)
        told_ += [text for one in found if one.refusal for text in (one.refusal.detail.zh, one.refusal.detail.en)]
        case.do("complete_step", "2024-01-09", step="acceptance")
    assert [text for text in told_ if re.search(r"[a-z]+[_.][a-z]+", text)] == []


def test_a_step_that_is_not_due_is_told_by_its_name_and_by_where_the_case_stands():
    case = submitted("hv_single")
    case.do("complete_step", "2024-01-08", step="acceptance")
    refusal = case.do("complete_step", "2024-01-09", step="mid_inspection").refusal
    assert refusal is not None
    assert refusal.detail.zh == "现在办到供电方案答复 (办理中), 不能办理中间检查"
    assert refusal.detail.en == "The application is at Supply plan (in hand); Intermediate inspection is not due now"


@pytest.mark.parametrize(
    ("approval", "said"),
    [("道路挖掘", "审批「道路挖掘」已有批复"), ("1", "审批「1」已有批复"), ("9", "审批「9」没有登记过送审")],
)
def test_a_decision_on_no_approval_that_waits_is_refused_by_its_name(approval: str, said: str):
    case = submitted("hv_single")
    for name in ("道路挖掘", "占用绿地", "占道施工"):
        case.do("add_approval", approval=name)
    case.do("decide_approval", approval="道路挖掘", decision="granted")
    refusal = case.do("decide_approval", approval=approval, decision="refused").refusal
    assert refusal is not None
    assert (refusal.code, said in refusal.detail.zh) == ("transition-not-allowed", True)
    several = case.do("decide_approval", decision="granted").refusal
    assert several is not None
    assert "(2 占用绿地、3 占道施工)" in several.detail.zh


def test_an_ended_application_says_in_words_how_it_ended_and_what_it_still_takes():
    case = submitted("residential").drive("2024-01-08")
    refusal = case.do("complete_step", step="metering").refusal
    assert refusal is not None
    assert refusal.detail.zh == "申请已结束 (已送电), 只能登记评价或会签补录"
