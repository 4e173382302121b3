"""Counting judgements: what a table keeps of the cases that have passed. Its size does not grow with their number."""

from __future__ import annotations

from collections import Counter
from typing import Any

from definitions.model import IndicatorRule
from workflow.reports.measures import Judgement
from workflow.reports.placing import PLACES, Openness, Place


def rate(part: int, whole: int) -> float | None:
    """A share, four decimals; None of nothing."""
    return round(part / whole, 4) if whole else None


def average(total: int, number: int) -> float | None:
    """An average, two decimals; None of nothing."""
    return round(total / number, 2) if number else None


class Population:
    """How many cases stand where: energised, withdrawn, terminated or refused in the period, or open at its end."""

    def __init__(self) -> None:
        self._places: Counter[Place] = Counter()
        self._overdue = self._late_round = self._chained = 0

    def add(self, where: Place, openness: Openness | None = None, *, chained: bool = False) -> None:
        """Count one case; `openness` for an open one; `chained`: it continues an earlier application."""
        self._places[where] += 1
        self._chained += chained
        if openness is not None:
            self._overdue += openness.overdue
            self._late_round += openness.late_round

    def shown(self) -> dict[str, int]:
        """The counts. `overdue` and `open_with_late_round` are parts of `open`; `chained` is a part of all."""
        return {
            **{where: self._places[where] for where in PLACES},
            "overdue": self._overdue,
            "open_with_late_round": self._late_round,
            "chained": self._chained,
        }


class _Days:
    """Judged by used days: how many, how many on time, days in all."""

    def __init__(self) -> None:
        self.number = self.on_time = self.used = 0

    def add(self, on_time: bool, used: int) -> None:
        self.number += 1
        self.on_time += on_time
        self.used += used


class Tally:
    """The figures of one indicator."""

    def __init__(self, rule: IndicatorRule) -> None:
        self.rule = rule
        self.population = Population()
        self._judged = self._met = self._unjudged = self._provisional = 0
        self._timed = self._chained_cases = 0
        self._filed, self._chained, self._since_changed = _Days(), _Days(), _Days()
        self._limits: Counter[int] = Counter()
        self._steps: dict[str, _Days] = {}
        self._counts: Counter[str] = Counter()

    def add(self, judgement: Judgement) -> None:
        """Count one judgement."""
        self._counts.update(judgement.counts)
        self._provisional += judgement.provisional
        if judgement.met is None:
            self._unjudged += 1
            return
        self._judged += 1
        self._met += judgement.met
        if judgement.used is not None:
            self._filed.add(judgement.met, judgement.used)
            met, used = judgement.chained or (judgement.met, judgement.used)
            self._chained.add(met, used)
            self._chained_cases += judgement.chained is not None
        if judgement.limit is not None:
            self._limits[judgement.limit] += 1
        if judgement.since_changed is not None:
            self._since_changed.add(judgement.since_changed, 0)
        for one in judgement.steps:
            self._steps.setdefault(one.step, _Days()).add(one.on_time, one.used)

    def shown(self) -> dict[str, Any]:
        """The figures; all null where the indicator is not to be had from applications."""
        if self.rule.measure == "reported":
            return {"cases": None, **dict.fromkeys(_FIGURES), "steps": None, "counts": None}
        timed = self._filed.number > 0
        changed = self._since_changed
        return {
            "cases": self.population.shown(),
            "judged": self._judged,
            "met": self._met if self._judged else None,
            "rate": rate(self._met, self._judged),
            "shown_only": self._unjudged,
            "average_used_working_days": average(self._filed.used, self._filed.number),
            "limits_working_days": sorted(self._limits),
            "provisional": self._provisional,
            "as_chained": {
                "continued_cases": self._chained_cases,
                "met": self._chained.on_time,
                "rate": rate(self._chained.on_time, self._chained.number),
                "average_used_working_days": average(self._chained.used, self._chained.number),
            }
            if timed
            else None,
            "by_limit_when_energised": {"cases": changed.number, "met": changed.on_time} if changed.number else None,
            "steps": [
                {
                    "step": code,
                    "rounds": days.number,
                    "on_time": days.on_time,
                    "rate": rate(days.on_time, days.number),
                    "average_used_working_days": average(days.used, days.number),
                }
                for code, days in self._steps.items()
            ],
            "counts": dict(sorted(self._counts.items())),
        }


_FIGURES = (
    "judged", "met", "rate", "shown_only", "average_used_working_days", "limits_working_days", "provisional",
    "as_chained", "by_limit_when_energised",
)  # fmt: skip
