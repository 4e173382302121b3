"""The application form, and the notices that tell everything missing at once (一次性告知)."""

from __future__ import annotations

from definitions.model import StepRule, Text
from workflow.core.machine import path
from workflow.core.state import Round
from workflow.service.casefile.reading import Reading
from workflow.service.forms.parts import (
    CLERK,
    CUSTOMER,
    HOTLINES,
    MANAGER,
    Coded,
    Form,
    Pair,
    Sheet,
    Value,
    any_of,
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


def application(reading: Reading, who: Person) -> Form:
    """用电申请表: who applies for what, the documents given, the steps and limits that apply."""
    state, definition, names = reading.state, reading.definition, reading.names
    facts = state.facts
    size = None if facts.enterprise_size is None else Coded("enterprise_size", facts.enterprise_size)
    steps = path(definition, facts.important_customer)
    total = definition.total
    kind = Text("全过程", "whole process") if total.kind == "whole_process" else Text("各环节合计", "sum of the steps")
    return Form(
        "application",
        Text("用电申请表", "Application for electricity"),
        None,
        (
            *identified(reading, who),
            Pair(Text("联系电话", "Telephone"), who.phone),
            Pair(Text("申请日期", "Applied on"), iso_date(state.submitted_at)),
            Pair(Text("业务类型", "Business"), Coded("business", facts.business_type)),
            Pair(Text("受理渠道", "Channel"), Coded("channel", facts.channel)),
            Pair(Text("用户性质", "Kind of customer"), Coded("customer_kind", facts.customer_kind)),
            Pair(Text("企业规模", "Size"), size if facts.customer_kind != "residential" else "—"),
            Pair(Text("申请容量", "Capacity"), capacity(reading)),
            Pair(Text("供电电压", "Voltage"), voltage(reading)),
            Pair(Text("电源数", "Sources"), str(facts.supply_count)),
            Pair(Text("城乡", "Area"), Coded("area", facts.area)),
        ),
        (
            Sheet(
                Text("已提供资料", "Documents provided"),
                (Text("资料", "Document"), Text("取得方式", "Obtained"), Text("日期", "Date")),
                tuple(
                    (
                        names.get(one.kind, Text(one.kind, one.kind)),
                        Text("用户自愿提供", "volunteered")
                        if one.volunteered
                        else Coded("document_source", one.source),
                        iso_date(one.received_at),
                    )
                    for one in state.documents
                    if one.step == steps[0].code
                ),
            ),
            Sheet(
                Text("办理环节和时限", "Steps and limits"),
                (Text("环节", "Step"), Text("时限", "Limit"), Text("需要的资料", "Documents")),
                (
                    *(
                        (
                            step.name,
                            days(step.limit) or Text("计入全过程", "in the whole process"),
                            listed(document.name for document in step.documents),
                        )
                        for step in steps
                    ),
                    (kind, days(total.limit), "—"),
                ),
            ),
        ),
        (
            Text(
                "除上列资料外，供电企业不得要求提供其他资料，不得要求签订用电承诺书。",
                "The utility may ask for no other document and for no letter of commitment.",
            ),
            HOTLINES,
        ),
        cited(definition, definition.document_clauses),
        (CUSTOMER, CLERK),
    )


def told_at_once(reading: Reading, who: Person, missing: list[dict[str, object]]) -> Form:
    """一次性告知书 of documents: everything that is missing, and the forms of each that will do."""
    rules = {d.kind: d for step in reading.definition.steps for d in step.documents}
    rows: list[tuple[Value, ...]] = []
    for number, item in enumerate(missing, start=1):
        rule = rules.get(str(item["kind"]))
        name = Text(str(item["name"]), str(item["name_en"]))
        accepted = any_of(form.name for form in rule.forms) if rule is not None else "—"
        rows.append((str(number), name, accepted))
    return Form(
        "missing",
        Text("一次性告知书", "Notice of everything that is missing"),
        Text("申请资料", "Documents"),
        (*identified(reading, who), Pair(Text("告知日期", "Given on"), iso_date(reading.today))),
        (
            Sheet(
                Text("需要补齐的资料（全部）", "Documents to be provided (all of them)"),
                (Text("序号", "No."), Text("资料", "Document"), Text("下列一种即可", "Any one of")),
                tuple(rows),
            ),
        ),
        (
            Text(
                "以上为全部需要补齐的资料，一次告知；补齐即受理，不再另行要求。",
                "This is the complete list. Once these are provided the application is accepted; nothing else follows.",
            ),
            HOTLINES,
        ),
        cited(reading.definition, reading.definition.document_clauses),
        (CUSTOMER, CLERK),
    )


def returned(reading: Reading, who: Person, rule: StepRule, number: int, turn: Round) -> Form:
    """一次性告知书 of defects: everything to be remedied before the step is handed in again."""
    return Form(
        f"returned-{rule.code}-{number}",
        Text("一次性告知书", "Notice of everything that is to be remedied"),
        round_of(rule, number),
        (*identified(reading, who), Pair(Text("告知日期", "Given on"), iso_date(turn.ended))),
        (defects(turn),),
        (
            Text(
                "以上为全部问题，一次告知；整改后重新提交，即开始新一轮办理，复查只看以上各项。",
                "This is the complete list. Hand in again once it is remedied: a new round starts, and only these are "
                "looked at again.",
            ),
            HOTLINES,
        ),
        cited(reading.definition, reading.definition.step_clauses),
        (CUSTOMER, MANAGER),
    )
