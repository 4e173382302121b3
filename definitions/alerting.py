"""The shapes of what warns: rungs, milestones, causes of breaches, and how alerts are delivered.

None of it is law and none of it is part of a definition that a case is pinned to: it is how a utility keeps the law, so
the values in force on the day of looking hold for every open case [D-LADDER].  A region may only warn earlier and more
people.  Dates are calendar dates of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

from definitions.model import Frozen, Text

Level = Literal["yellow", "orange", "red", "black"]
LEVELS: Final = ("yellow", "orange", "red", "black")
"""The levels of an alert, in the order in which they are reached; black is overdue."""

Unit = Literal["working_days", "natural_days"]


class Band(Frozen, frozen=True):
    """One row of a ladder: the rung `level` is reached when `left` days of the budget remain (0: due today, negative:
    overdue) and goes to `recipients`. It stands for budgets from `at_least` to `at_most` (None: without end), and only
    where `left` is not more than the budget. `every`: it comes again each so many days; None: once."""

    level: Level
    left: int
    recipients: tuple[str, ...]
    at_least: int = 1
    at_most: int | None = None
    every: int | None = None

    def holds(self, budget: int | None) -> bool:
        """Whether a timer of `budget` days has this rung; None: a date without a budget, which has all of them."""
        if budget is None:
            return True
        return self.left <= budget and self.at_least <= budget and (self.at_most is None or budget <= self.at_most)


class LadderRule(Frozen, frozen=True):
    """The ladder of some scopes of timers, in working or natural days; bands in the order of `left`, most first."""

    code: str
    name: Text
    scopes: tuple[str, ...]
    unit: Unit
    bands: tuple[Band, ...]
    clauses: tuple[str, ...]


class Recipient(Frozen, frozen=True):
    """A role that alerts go to. `level`: the level of the organisation, at or above the case's own, whose manager or
    supervisor it is; None: named by the case or the order itself, or, where `role` is given, everybody of that role of
    the unit and of those above it."""

    code: str
    name: Text
    level: Literal["team", "county", "city", "province"] | None
    role: str | None = None


class Ladder(Frozen, frozen=True, eq=False):
    """Every ladder in force in a region on a day. Compared by identity, so that it is cheap to look things up by;
    the book hands out the same one for the same rules."""

    rules: dict[str, LadderRule]
    recipients: dict[str, Recipient]

    def of(self, scope: str) -> LadderRule:
        """The ladder of `scope`: step, total, approval, milestone, plan, report, order, horizon, finding. Raises
        KeyError."""
        return self.rules[scope]


class BreachCauses(Frozen, frozen=True):
    """The fixed list of why a limit was broken, by code, in the order to offer them."""

    causes: dict[str, Text]
    clauses: tuple[str, ...]


class CustomerText(Frozen, frozen=True):
    """What a notice says to the customer; `{application_no}` is filled in. `zero_investment`: the wording for classes
    with zero investment, where it differs."""

    notice: str
    text: Text
    zero_investment: Text | None = None


class DeliveryRule(Frozen, frozen=True):
    """How alerts and notices are delivered. `opens`/`closes`: when people are sent to, on working days; `digest_at`:
    the daily list. `retry_seconds`: the wait after each failed attempt, shortened or lengthened at random by at most
    the share `jitter`; a message is dead after one more attempt than there are waits. `escalate_after_hours`: working
    hours without acknowledgement, by level, after which an alert goes up `escalation_chain` (None: it does not).
    `verify_after_months`: after how long rules should be compared with their sources again."""

    opens: dt.time
    closes: dt.time
    digest_at: dt.time
    retry_seconds: tuple[int, ...]
    jitter: float
    lease_seconds: int
    escalate_after_hours: dict[str, int | None]
    escalation_chain: tuple[str, ...]
    verify_after_months: int
    customer_texts: dict[str, CustomerText]
    clauses: tuple[str, ...]

    @property
    def attempts(self) -> int:
        """How often a message is tried before it is dead."""
        return len(self.retry_seconds) + 1
