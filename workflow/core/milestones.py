"""Internal milestones of the works, as they are recorded: they only warn, and block nothing [D-MILESTONES]."""

from __future__ import annotations

from typing import Any

import msgspec

from definitions.model import MilestoneRule
from workflow.core.commands import ReachMilestone
from workflow.core.deed import Deed
from workflow.core.inner import judge_milestone
from workflow.core.refusals import refuse


def _milestone_rule(deed: Deed, stated: str) -> MilestoneRule:
    """The milestone of that code, or the one that a record of that name reaches."""
    rules = deed.definition.milestones
    found = next((rule for rule in rules if stated == rule.code or stated in rule.reached_by), None)
    if found is None:
        raise refuse(
            "milestone-unknown",
            f"没有里程碑 {stated}; 可用: {'、'.join(f'{rule.code} {rule.name.zh}' for rule in rules) or '无'}",
            f"There is no milestone {stated}; known: {', '.join(rule.code for rule in rules) or 'none'}",
        )
    return found


def reach_milestone(deed: Deed, command: ReachMilestone) -> None:
    """A milestone reached, stated not to be needed, or needed after all. One reached again is recorded and changes
    nothing, unless it was earlier: the first occurrence counts. Raises Refused."""
    if command.milestone is None and not command.not_needed and not command.needed:
        raise refuse(
            "malformed-request",
            "请指明 milestone, 或 not_needed、needed 中的里程碑",
            "Name a milestone, or some in `not_needed` or `needed`",
        )
    if command.milestone is not None:
        rule = _milestone_rule(deed, command.milestone)
        known = deed.open_state.milestone(rule.code)
        judged = judge_milestone(deed.context.calendar, deed.definition, deed.open_state, rule, deed.occurred_at)
        payload: dict[str, Any] = {"milestone": msgspec.to_builtins(judged), "record": command.milestone}
        if known is not None and known.reached and known.at <= deed.occurred_at:
            payload["again"] = True
        deed.emit("milestone_reached", payload)
    if command.not_needed or command.needed:
        deed.emit("milestones_needed", _needs(deed, command))


def _needs(deed: Deed, command: ReachMilestone) -> dict[str, Any]:
    """Which milestones the site does without, and which it needs after all. Refuses what is reached, and what no site
    does without."""
    without = [_milestone_rule(deed, code) for code in dict.fromkeys(command.not_needed)]
    again = [_milestone_rule(deed, code).code for code in dict.fromkeys(command.needed)]
    for rule in without:
        known = deed.open_state.milestone(rule.code)
        if rule.always or rule.code in again or (known is not None and known.reached):
            raise refuse(
                "milestone-needed",
                f"里程碑 {rule.name.zh} 已经到达、必须经过, 或同时写在 needed 中, 不能写为不需要",
                f"The milestone {rule.name.en} is reached, needed everywhere, or also named in `needed`; it cannot be "
                "stated as not needed",
                deed.clauses(*rule.clauses),
            )
    state = deed.open_state
    back = [code for code in again if (one := state.milestone(code)) is not None and not one.reached]
    return {"not_needed": [rule.code for rule in without], "needed": back}
