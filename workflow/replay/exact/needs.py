"""The same need filed again: what a case tells those of its need, and what they tell of it (D14, D35).

Who is of the same need is found by premises, or by customer and address, by whoever keeps the cases; here voltage and
capacity are compared.  Moments are those of the rules' language, days count from its first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from definitions._expressions import MOMENT_DAY
from definitions.model import Frozen
from workflow.core.chain import SLACK_KW
from workflow.replay.exact.judge import ExactVerdict
from workflow.replay.exact.language import Worked
from workflow.replay.tables import SOURCE_NUMBERS

Thresholds = Mapping[str, Any]
_OF_THE_CUSTOMER = (SOURCE_NUMBERS["customer_app"], SOURCE_NUMBERS["callcentre"])


class Site(Frozen, frozen=True):
    """What a case shows of its need. `claimed`: its first trace; `filed`: its submission, else that trace; `ended`:
    when it ended without having been energised; `proved`: the customer's own request, a lapsed plan, a changed need or
    a duplicate closed on its day explains that; `lost`: it may have ended, and nobody knows when."""

    case_id: str
    voltage: str
    capacity_kw: float
    claimed: int
    filed: int
    ended: int | None
    proved: bool
    lost: bool

    def needed_again(self, later: Site, tolerance: float) -> bool:
        """Whether `later` is for the same need, by voltage and capacity."""
        return (
            later.case_id != self.case_id
            and later.voltage == self.voltage
            and abs(later.capacity_kw - self.capacity_kw) <= tolerance * self.capacity_kw + SLACK_KW
        )


def explained(ending: Mapping[str, Any], *, withdrawn: bool, filed: int, rule: Thresholds) -> bool:
    """Whether the record of an `ending` says why nobody is to blame for it [policy 6 D14]."""
    value, at = ending["value"], ending["occurred"]
    asked = ending["ref"] != "" and not ending["only_uploads"]
    # Who asked is not known where the record says no source: its reference may be the customer's.
    by_customer = ending["src"] in _OF_THE_CUSTOMER or (ending["src"] == 0 and withdrawn)
    return (
        (asked and by_customer)
        or value in rule["lapsed"]
        or value in rule["changed"]
        or (value in rule["duplicate"] and at is not None and at // MOMENT_DAY == filed // MOMENT_DAY)
    )


def of_the_same_need(
    own: Site | None, others: Iterable[Site] | None, restart: Thresholds, again: Thresholds, worked: Worked
) -> dict[str, Any]:
    """The facts that other cases of the need supply. `others` None: nobody looked for them. `restart`, `again`: the
    thresholds of D14 and D35."""
    if own is None or others is None:
        return {**_UNKNOWN, "ending_proved": own is not None and own.proved}
    there = sorted(others, key=lambda one: (one.claimed, one.case_id))
    tolerance = restart["capacity_tolerance"]
    later = [one for one in there if own.needed_again(one, tolerance) and _near_in_time(own, one, restart, worked)]
    ended = [one for one in there if one.needed_again(own, tolerance) and _lately(one, own, again)]
    days = [_days(worked, one.ended, own.filed) for one in ended]
    return {
        **_CERTAIN,
        "restart_known": True,
        "earlier_ending_lost": any(
            one.lost and one.needed_again(own, tolerance) and one.claimed // MOMENT_DAY <= own.filed // MOMENT_DAY
            for one in there
        ),
        "ending_proved": own.proved,
        "restarted_by": later[0].case_id if later else None,
        "earlier_endings": len(ended) or None,
        "earlier_ending_case": max((one.case_id for one in ended), default=None),
        "quick_return": any(many is not None and many <= again["quick_working_days"] for many in days),
    }


_CERTAIN = {"restart_lost": False, "ending_unsure": False}
"""A live application says of what place, voltage and capacity it is, and nobody ends one without a reference."""
_UNKNOWN: dict[str, Any] = {
    **_CERTAIN,
    "restart_known": False,
    "earlier_ending_lost": False,
    "restarted_by": None,
    "earlier_endings": None,
    "earlier_ending_case": None,
    "quick_return": False,
}


def _days(worked: Worked, first: int | None, last: int) -> int | None:
    """Working days from one moment's day to another's; None outside the calendar."""
    low, high = worked(None if first is None else first // MOMENT_DAY), worked(last // MOMENT_DAY)
    return None if low is None or high is None else high - low


def _near_in_time(old: Site, new: Site, restart: Thresholds, worked: Worked) -> bool:
    """Whether `new` was filed between some working days before the ending of `old` and some days after it."""
    if old.ended is None:
        return False
    after = new.filed // MOMENT_DAY - old.ended // MOMENT_DAY
    if after > 0:
        return bool(after <= restart["after_days"])
    before = _days(worked, new.filed, old.ended)
    return before is not None and before <= restart["before_working_days"]


def _lately(old: Site, new: Site, again: Thresholds) -> bool:
    """Whether `old` was ended without an explanation within the window before `new` was filed."""
    if old.ended is None or old.proved:
        return False
    return bool(0 <= new.filed // MOMENT_DAY - old.ended // MOMENT_DAY <= again["window_days"])


def nearness(
    judged: ExactVerdict, *, whole: bool | None, submitted: bool, served: bool, restart: Thresholds
) -> dict[str, Any]:
    """Whether a case was ended near or past a limit: that of the whole process, or of the step that ran when it ended.
    `whole`: None where no definition is in force; `served`: it had been energised by then, so that none ran."""
    if whole is None or judged.state is None or judged.state.closed_at is None:
        return {"near_known": False, "near_limit": False}
    started = submitted if whole else any(step.rounds for step in judged.state.steps)
    clocks = [
        (turn.budget, turn.used)
        for step in judged.state.steps
        for turn in step.rounds
        if turn.outcome == "ended" and turn.budget is not None and turn.used is not None
    ]
    if whole and submitted and not judged.in_doubt and judged.limit is not None and judged.used_filed is not None:
        clocks.append((judged.limit, judged.used_filed))
    near = restart["near_working_days"]
    return {
        "near_known": started and not (judged.torn or judged.in_doubt),
        "near_limit": not served and any(budget - used <= min(near, budget / 2) for budget, used in clocks),
    }
