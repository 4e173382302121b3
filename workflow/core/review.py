"""The review of a finding: which act is possible when, and what it leads to.

A unit is heard before anything is held against it: its statement is invited with a date, and a finding is confirmed
only once the statement is in or that date has passed.  What was excluded by mistake, or rectified on paper only, goes
back.  Pure; dates are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from workflow.core.refusals import refuse


class Act(NamedTuple):
    """An act: from which statuses, to which; `by`: `reviewer` (administers findings) or `unit` (the one concerned)."""

    since: tuple[str, ...]
    then: str
    by: str
    zh: str
    en: str


ACTS: Final = {
    "invite": Act(("open",), "awaiting_statement", "reviewer", "请单位说明", "invite the unit's statement"),
    "state": Act(("awaiting_statement",), "stated", "unit", "提交说明", "give the statement"),
    "confirm": Act(("awaiting_statement", "stated"), "confirmed", "reviewer", "核实属实", "confirm"),
    "exclude": Act(
        ("open", "awaiting_statement", "stated", "confirmed"), "excluded", "reviewer", "排除", "exclude with the reason"
    ),
    "reopen": Act(("excluded",), "open", "reviewer", "撤销排除", "take the exclusion back"),
    "rectify": Act(("confirmed",), "rectified", "reviewer", "登记整改", "record the rectification"),
    "recheck": Act(("rectified",), "rechecked", "reviewer", "回头看通过", "re-check: rectified indeed"),
    "fail_recheck": Act(("rectified",), "confirmed", "reviewer", "回头看未通过", "re-check: not rectified"),
}
"""The acts of a review, by name."""

STATUSES: Final = {
    "open": ("未处理", "Open"),
    "awaiting_statement": ("待说明", "Awaiting the statement"),
    "stated": ("已说明", "Statement given"),
    "confirmed": ("已核实", "Confirmed"),
    "excluded": ("已排除", "Excluded"),
    "rectified": ("已整改", "Rectified"),
    "rechecked": ("已复查", "Re-checked"),
}
"""The names of the statuses, Chinese and English."""

TRUE: Final = frozenset({"confirmed", "rectified", "rechecked"})
"""Statuses that say that the rule was right."""
FALSE: Final = frozenset({"excluded"})
"""Statuses that say that it was not."""


def after(act: str, status: str, reply_by: dt.date | None, today: dt.date) -> str:
    """The status that an act leads to. Raises Refused `transition-not-allowed`."""
    rule = ACTS[act]
    if status not in rule.since:
        zh, en = STATUSES[status]
        raise refuse(
            "transition-not-allowed",
            f"该发现现为“{zh}”, 不能{rule.zh}",
            f"The finding is “{en.lower()}”; one cannot {rule.en} now",
            status=status,
        )
    if act == "confirm" and status == "awaiting_statement" and reply_by is not None and today <= reply_by:
        raise refuse(
            "transition-not-allowed",
            f"单位可在 {reply_by} 前说明, 此前不能认定",
            f"The unit may give its statement until {reply_by}; the finding cannot be confirmed before",
            status=status,
        )
    return rule.then


def possible(status: str, by: str) -> tuple[str, ...]:
    """The acts that `reviewer` or `unit` may do now."""
    return tuple(name for name, act in ACTS.items() if status in act.since and act.by == by)


def named(status: str) -> bool:
    """Whether the unit may be named outside the review: its statement is in, or it let the date pass."""
    return status in {"stated", *TRUE}
