"""Why something was not done: typed, with the clause, in Chinese and English.

A refusal is a sentence a clerk can act on.  Its `code` is part of the HTTP contract; `kind` says what sort of "no" it
is, and the faces translate that into a status code.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from definitions.model import Clause, Frozen, Text

Kind = Literal["malformed", "forbidden", "unknown", "not_now", "stale", "rule"]


class Refusal(Frozen, frozen=True):
    """What was refused and why. `extra`: machine-readable particulars, such as the complete list of missing
    documents."""

    code: str
    kind: Kind
    title: Text
    detail: Text
    clauses: tuple[Clause, ...] = ()
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


_TITLES: dict[str, tuple[Kind, str, str]] = {
    "transition-not-allowed": ("not_now", "现在不能这样办理", "Not allowed now"),
    "suspension-in-force": ("not_now", "中止期间不能办结", "A suspension is in force"),
    "step-not-allowed": ("rule", "该类用户没有这个环节", "This class has no such step"),
    "document-not-allowed": ("rule", "资料不在允许清单内", "Document not on the closed list"),
    "document-missing": ("rule", "资料不齐", "Documents are missing"),
    "region-not-served": ("rule", "该地区暂不能网上申请", "This region is not served here"),
    "file-not-allowed": ("rule", "文件不能接收", "The file cannot be taken in"),
    "charge-not-allowed": ("rule", "不得收取该费用", "This charge is not allowed"),
    "time-in-future": ("rule", "发生时间在未来", "The time lies in the future"),
    "time-before-previous-step": ("rule", "发生时间早于上一环节", "The time precedes the last step event"),
    "late-record-needs-reason": ("rule", "补录需要说明原因", "A late record needs a reason"),
    "no-rule-in-force": ("rule", "当日没有适用的规定", "No rule was in force on that date"),
    "fact-needed": ("rule", "缺少判定用户类别所需的事实", "A fact that decides the class is needed"),
    "hv-needs-customer-request": ("rule", "应以低压接入", "To be connected at low voltage"),
    "legal-basis-needed": ("rule", "需要法定依据", "A legal basis is needed"),
    "evidence-not-accepted": ("rule", "证据不能采信", "The evidence cannot be accepted"),
    "suspension-not-allowed": ("rule", "不得中止", "This suspension is not allowed"),
    "correction-not-allowed": ("rule", "不能这样更正", "This correction is not allowed"),
    "class-change-too-late": ("rule", "用户类别已不能更改", "Too late to change the class"),
    "say-which": ("rule", "请指明是哪一条", "Say which one is meant"),
    "milestone-unknown": ("rule", "没有这个里程碑", "There is no such milestone"),
    "milestone-needed": ("rule", "不能写为不需要", "It cannot be stated as not needed"),
    "countersign-own-record": ("forbidden", "不能会签自己的记录", "Four eyes: not your own record"),
    "not-permitted": ("forbidden", "没有办理权限", "Not permitted"),
    "sign-in-failed": ("forbidden", "登录失败", "Sign-in failed"),
    "form-expired": ("forbidden", "表单已过期", "The form has expired"),
    "too-many-attempts": ("forbidden", "尝试次数过多", "Too many attempts"),
    "password-not-allowed": ("rule", "不能使用该密码", "This password cannot be used"),
    "account-exists": ("rule", "账户已存在", "The account exists"),
    "not-found": ("unknown", "没有找到", "Not found"),
    "stale-version": ("stale", "记录已被他人更新", "The record has moved on"),
    "idempotency-key-reused": ("rule", "幂等键已用于另一请求", "Idempotency key used for another request"),
    "unknown-org": ("rule", "没有这个单位", "No such unit"),
    "malformed-request": ("malformed", "请求格式有误", "Malformed request"),
    "too-many-rows": ("rule", "行数过多", "Too many rows"),
    "address-not-allowed": ("rule", "接收地址不可用", "This address cannot be used"),
    "calendar-out-of-range": ("rule", "日期超出工作日历范围", "Beyond the working calendar"),
}  # fmt: skip


class Refused(Exception):
    """Raised inside a decision to end it; `refusal` is what the caller gets."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.detail.zh} / {refusal.detail.en}")
        self.refusal = refusal


def refusal(code: str, zh: str, en: str, clauses: tuple[Clause, ...] = (), **extra: Any) -> Refusal:
    """Build the refusal `code` with its particulars; unknown codes are a programming error (KeyError)."""
    kind, title_zh, title_en = _TITLES[code]
    return Refusal(code, kind, Text(title_zh, title_en), Text(zh, en), clauses, extra)


def refuse(code: str, zh: str, en: str, clauses: tuple[Clause, ...] = (), **extra: Any) -> Refused:
    """The exception that carries `refusal(...)`; written `raise refuse(...)`."""
    return Refused(refusal(code, zh, en, clauses, **extra))
