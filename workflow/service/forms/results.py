"""What is handed over at the end of a step: the supply plan, the opinions, the record of energising."""

from __future__ import annotations

from definitions.model import StepRule, Text
from workflow.core import view
from workflow.core.machine import path
from workflow.core.state import Round
from workflow.service.casefile.reading import Reading
from workflow.service.forms.parts import (
    CUSTOMER,
    HOTLINES,
    MANAGER,
    METERER,
    REVIEWER,
    Coded,
    Form,
    Pair,
    Sheet,
    capacity,
    cited,
    days,
    defects,
    identified,
    iso_date,
    listed,
    round_of,
    voltage,
)
from workflow.service.masking import Person

REVIEWED = ("design_review", "mid_inspection", "completion_inspection")
"""The steps whose result is an opinion in writing."""


def _judged(turn: Round) -> tuple[Pair, ...]:
    """The dates and the days of a round."""
    limit, used = days(turn.budget), days(turn.used)
    return (
        Pair(Text("收件日期", "Handed in on"), iso_date(turn.started_at)),
        Pair(Text("答复日期", "Answered on"), iso_date(turn.ended_at)),
        Pair(Text("规定时限", "Limit"), limit or Text("计入全过程", "in the whole process")),
        Pair(Text("实际用时", "Used"), used),
    )


_OPINIONS = {
    "design_review": Text("设计审查意见书", "Opinion on the design"),
    "mid_inspection": Text("中间检查意见书", "Opinion on the intermediate inspection"),
    "completion_inspection": Text("竣工检验意见书", "Opinion on the completed works"),
}


def opinion(reading: Reading, who: Person, rule: StepRule, number: int, turn: Round) -> Form:
    """设计审查, 中间检查 or 竣工检验意见书: the written result of one round."""
    part = next(code for code in REVIEWED if code in rule.parts)
    passed = turn.outcome == "complete"
    kinds = {document.kind: document.name for document in rule.documents}
    seen = [kinds[d.kind] for d in reading.state.documents if d.kind in kinds and d.received_at <= turn.ended]
    result = (
        Text("合格", "Passed") if passed else Text("不合格，请整改后重新提交", "Not passed: remedy and hand in again")
    )
    return Form(
        f"opinion-{rule.code}-{number}",
        _OPINIONS[part],
        round_of(rule, number),
        (
            *identified(reading, who),
            *_judged(turn),
            Pair(Text("审阅资料", "Documents seen"), listed(dict.fromkeys(seen)), wide=True),
            Pair(Text("结论", "Result"), result, wide=True),
        ),
        () if passed else (defects(turn),),
        (HOTLINES,),
        cited(reading.definition, rule.clauses),
        (CUSTOMER, REVIEWER),
    )


def plan(reading: Reading, who: Person, turn: Round, reason: str | None) -> Form:
    """供电方案答复单: what is known of the plan, its validity, the charges, and the documents of the later steps."""
    state, definition, names = reading.state, reading.definition, reading.names
    validity = view.plan(reading.calendar, definition, state, reading.today)
    valid_until = None if validity is None else iso_date(validity["valid_until"])
    later = [step for step in path(definition, state.facts.important_customer) if step.documents]
    charges = [
        (names.get(one.item, Text(one.item, one.item)), f"{one.amount:,.2f}", Coded("collector", one.collector))
        for one in state.charges
    ]
    return Form(
        "supply_plan",
        Text("供电方案答复单", "Reply with the supply plan"),
        None,
        (
            *identified(reading, who),
            *_judged(turn),
            Pair(Text("供电容量", "Capacity"), capacity(reading)),
            Pair(Text("供电电压", "Voltage"), voltage(reading)),
            Pair(Text("电源数", "Sources"), str(state.facts.supply_count)),
            Pair(Text("方案有效期至", "Valid until"), valid_until),
            Pair(Text("供电电源和接入点", "Source and point of connection"), None, wide=True),
            Pair(Text("受电和计量方式", "Reception and metering"), None, wide=True),
            Pair(Text("产权分界点", "Boundary of ownership"), None, wide=True),
            *((Pair(Text("方案说明", "Reason for the plan"), reason, wide=True),) if reason else ()),
        ),
        (
            Sheet(
                Text("收费", "Charges"),
                (Text("项目", "Item"), Text("金额（元）", "Amount (yuan)"), Text("收取单位", "Collected by")),
                tuple(charges) or ((Text("无", "none"), "0.00", "—"),),
            ),
            Sheet(
                Text("后续各环节需要的资料", "Documents of the steps that follow"),
                (Text("环节", "Step"), Text("仅需", "Only")),
                tuple((step.name, listed(d.name for d in step.documents)) for step in later[1:])
                or ((Text("无", "none"), "—"),),
            ),
        ),
        (HOTLINES,),
        cited(definition, [*definition.document_clauses, *definition.charges.clauses]),
        (CUSTOMER, MANAGER),
    )


def energised(reading: Reading, who: Person) -> Form:
    """送电单: when, within which limit, and the meter (for the pen)."""
    state, definition = reading.state, reading.definition
    closing, total = state.closing, definition.total
    return Form(
        "energised",
        Text("送电单", "Record of energising"),
        None,
        (
            *identified(reading, who),
            Pair(Text("申请日期", "Applied on"), iso_date(state.submitted_at)),
            Pair(Text("送电日期", "Energised on"), iso_date(state.ended)),
            Pair(Text("规定时限", "Limit"), days(total.limit)),
            Pair(Text("实际用时", "Used"), days(None if closing is None else closing.used)),
            Pair(Text("供电容量", "Capacity"), capacity(reading)),
            Pair(Text("供电电压", "Voltage"), voltage(reading)),
            Pair(Text("电能表编号", "Meter no."), None),
            Pair(Text("起度", "Initial reading"), None),
            Pair(Text("互感器变比", "Transformer ratio"), None),
            Pair(Text("封印编号", "Seal no."), None),
        ),
        (),
        (HOTLINES,),
        cited(definition, total.clauses),
        (CUSTOMER, METERER, MANAGER),
    )
