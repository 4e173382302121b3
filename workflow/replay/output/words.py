"""The words of the report for what the tables say in codes, Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from definitions.model import Text

VERDICTS: Final[Mapping[str, Text]] = {
    "suspected": Text(zh="疑似", en="suspected"),
    "notice": Text(zh="提示", en="notice"),
    "cannot_judge": Text(zh="无法判定", en="cannot judge"),
    "open": Text(zh="未办结", en="open"),
    "clear": Text(zh="未见异常", en="clear"),
}
"""In the order in which an inspector reads."""

TAGS: Final[Mapping[str, Text]] = {
    "off_system": Text(zh="体外循环", en="off the system"),
    "back_filled": Text(zh="后补流程", en="back-filled"),
    "re_run": Text(zh="重走流程", en="re-run"),
    "over_limit": Text(zh="超时限", en="over the limit"),
    "other": Text(zh="其他", en="other"),
}

SEVERITIES: Final[Mapping[str, Text]] = {
    "critical": Text(zh="严重", en="critical"),
    "high": Text(zh="高", en="high"),
    "medium": Text(zh="中", en="medium"),
    "low": Text(zh="低", en="low"),
}

ACTIVITIES: Final[Mapping[str, Text]] = {
    "application": Text(zh="申请", en="application"),
    "acceptance": Text(zh="业务受理", en="acceptance"),
    "supply_plan": Text(zh="供电方案答复", en="supply plan"),
    "design_review": Text(zh="设计审查", en="design review"),
    "mid_inspection": Text(zh="中间检查", en="mid inspection"),
    "completion_inspection": Text(zh="竣工检验", en="completion inspection"),
    "metering": Text(zh="装表接电", en="metering"),
    "document": Text(zh="资料", en="document"),
    "suspension": Text(zh="中止", en="suspension"),
    "correction": Text(zh="更正", en="correction"),
    "service_contact": Text(zh="服务联系", en="service contact"),
    "site_survey": Text(zh="现场勘查", en="site survey"),
    "works_started": Text(zh="开工", en="works started"),
    "contract_signed": Text(zh="合同签订", en="contract signed"),
    "fee_paid": Text(zh="缴费", en="fee paid"),
    "material_issued": Text(zh="领料", en="material issued"),
    "meter_issued": Text(zh="领表", en="meter issued"),
    "meter_installed": Text(zh="装表", en="meter installed"),
    "first_energy": Text(zh="首次用电", en="first energy"),
    "work_ticket": Text(zh="工作票", en="work ticket"),
    "outage_plan": Text(zh="停电计划", en="outage plan"),
    "design_dated": Text(zh="设计文件日期", en="design dated"),
    "test_report_dated": Text(zh="试验报告日期", en="test report dated"),
    "completion_report_dated": Text(zh="竣工报告日期", en="completion report dated"),
    "licence_expires": Text(zh="资质到期", en="licence expires"),
    "callback": Text(zh="回访", en="callback"),
}

LIFECYCLES: Final[Mapping[str, Text]] = {
    "submit": Text(zh="提交", en="submitted"),
    "withdraw": Text(zh="撤回", en="withdrawn"),
    "terminate": Text(zh="终止", en="terminated"),
    "refuse": Text(zh="不予办理", en="refused"),
    "start": Text(zh="开始", en="started"),
    "complete": Text(zh="办结", en="completed"),
    "return": Text(zh="退回", en="returned"),
    "waive": Text(zh="免办", en="waived"),
    "requested": Text(zh="要求", en="requested"),
    "received": Text(zh="收到", en="received"),
    "end": Text(zh="结束", en="ended"),
    "changed": Text(zh="修改", en="changed"),
    "observed": Text(zh="", en=""),
}

SAID: Final[Mapping[str, Text]] = {
    "force_majeure": Text(zh="不可抗力", en="force majeure"),
    "customer": Text(zh="客户原因", en="the customer's reason"),
    "connection_request": Text(zh="要求用电", en="asks for supply"),
    "inspection_request": Text(zh="要求检验", en="asks for an inspection"),
    "enquiry": Text(zh="咨询", en="enquiry"),
    "pre_application": Text(zh="预申请", en="before the application"),
    "appointment": Text(zh="预约", en="appointment"),
    "submitted": Text(zh="何时提交", en="when submitted"),
    "energised": Text(zh="何时送电", en="when energised"),
    "temporary_supply": Text(zh="临时用电", en="temporary supply"),
    "test": Text(zh="试验", en="test"),
    "trial": Text(zh="试送电", en="trial"),
    "rotation": Text(zh="轮换", en="rotation"),
    "renewal": Text(zh="续签", en="renewal"),
    "framework": Text(zh="框架合同", en="framework contract"),
    "planning": Text(zh="规划", en="planning"),
    "grid_project": Text(zh="电网工程", en="grid project"),
    "early_grid_works": Text(zh="电网提前施工", en="early grid works"),
    "live_line": Text(zh="带电作业", en="live-line work"),
    "maintenance": Text(zh="检修", en="maintenance"),
    "civil_works": Text(zh="土建", en="civil works"),
    "standard_design": Text(zh="典型设计", en="standard design"),
    "reuse": Text(zh="沿用", en="used again"),
    "factory_test": Text(zh="出厂试验", en="factory test"),
    "prepaid": Text(zh="预付电费", en="prepaid"),
    "refund": Text(zh="退费", en="refund"),
    "desk_survey": Text(zh="图上勘查", en="desk survey"),
    "recheck": Text(zh="复核", en="recheck"),
    "identity": Text(zh="用电人有效身份证件", en="valid identity document of the customer"),
    "premises_title": Text(zh="用电地址物权证件", en="title to the premises"),
    "project_approval": Text(zh="用电工程项目批准文件", en="approval of the project"),
    "designer_qualification": Text(zh="设计单位资质证明材料", en="qualification of the designer"),
    "design_documents": Text(zh="用电工程设计及说明书", en="design of the works with its description"),
    "contractor_qualification": Text(zh="施工单位资质证明材料", en="qualification of the contractor"),
    "concealed_works_records": Text(zh="隐蔽工程施工及试验记录", en="records and tests of concealed works"),
    "completion_report": Text(zh="工程竣工报告（含竣工图纸）", en="completion report with as-built drawings"),
    "commitment_letter": Text(zh="用电承诺书", en="commitment letter"),
    "agent_authorisation": Text(zh="授权委托书", en="authorisation of the agent"),
    "agent_identity": Text(zh="代理人身份证件", en="identity document of the agent"),
    "deferral_letter": Text(zh="容缺受理承诺书", en="letter for acceptance with documents to follow"),
}
"""What a record says of itself in `value`, where the contract or a rule knows the word; of a document its kind."""

SOURCES: Final[Mapping[str, Text]] = {
    "marketing": Text(zh="营销系统", en="marketing"),
    "metering": Text(zh="计量采集", en="metering"),
    "material": Text(zh="物资", en="material"),
    "dispatch": Text(zh="调度", en="dispatch"),
    "contract": Text(zh="合同", en="contract"),
    "finance": Text(zh="财务", en="finance"),
    "callcentre": Text(zh="客服", en="call centre"),
    "customer_app": Text(zh="客户应用", en="customer app"),
    "field_terminal": Text(zh="现场终端", en="field terminal"),
    "archive": Text(zh="档案", en="archive"),
}

CLASSES: Final[Mapping[str, Text]] = {
    "residential": Text(zh="居民", en="residential"),
    "lv_zero": Text(zh="“三零”低压非居民", en="low voltage, zero investment"),
    "lv_other": Text(zh="其他低压非居民", en="other low voltage"),
    "hv_single": Text(zh="高压单电源", en="high voltage, one supply"),
    "hv_dual": Text(zh="高压双电源", en="high voltage, two supplies"),
}


def word(words: Mapping[str, Text], code: str | None) -> Text:
    """The words for `code`; a code of a process that is not ours stands for itself."""
    return words.get(code or "", Text(zh=code or "—", en=code or "—"))


def kind(name: str) -> Text:
    """The words for a kind of event, `metering.complete`."""
    activity, _, life = name.partition(".")
    one, other = word(ACTIVITIES, activity), word(LIFECYCLES, life)
    return Text(zh=f"{one.zh}{other.zh}", en=f"{one.en} {other.en}".strip())


def in_words(evidence: Mapping[str, Any]) -> str:
    """The records that a finding rests on, a line each, as an inspector reads them (Chinese)."""
    return "\n".join(
        f"{record['value']} {kind(record['field']).zh}（{word(SOURCES, record['source'] or None).zh}）"
        for record in evidence.get("records", [])
    )
