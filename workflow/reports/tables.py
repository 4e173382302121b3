"""The two tables: annex 2 counts every indicator, annex 3 who benefited; each in all and, when asked, by groups."""

from __future__ import annotations

from typing import Any, Protocol

from definitions.model import IndicatorRule, ReportRules
from workflow.core.state import State
from workflow.reports.measures import MEASURES, approvals
from workflow.reports.placing import Case, Openness, Place, Window, openness, place, selected
from workflow.reports.tally import Population, Tally

INDICATORS_TITLE = "“获得电力”任务指标完成情况统计表"
BENEFITS_TITLE = "“三零”“三省”服务效益统计表"


class Table(Protocol):
    """What a table takes in and gives out."""

    def add(self, case: Case, where: Place | None) -> None: ...
    def shown(self) -> dict[str, Any]: ...


class Indicators:
    """Annex 2 for one group of cases."""

    def __init__(self, rules: ReportRules, window: Window) -> None:
        self._window = window
        self._all = Population()
        self._tallies = [Tally(rule) for rule in rules.indicators]

    def add(self, case: Case, where: Place | None) -> None:
        """Count one case; `where` None: it has no place in the period, and no approval of it can have one."""
        if where is None:
            return
        stands = openness(self._window, case) if where == "open" else None
        chained = bool(case.state.chain)
        self._all.add(where, stands, chained=chained)
        for tally in self._tallies:
            if tally.rule.measure == "approvals":
                self._add_approvals(tally, case)
            elif tally.rule.measure != "reported" and selected(tally.rule.cases, case.state):
                tally.population.add(where, stands, chained=chained)
                if where == "energised" and (judgement := MEASURES[tally.rule.measure](tally.rule, case, self._window)):
                    tally.add(judgement)

    def _add_approvals(self, tally: Tally, case: Case) -> None:
        for one in approvals(tally.rule, case, self._window):
            if one.judgement is None:
                tally.population.add("open", Openness(one.overdue, late_round=False))
            else:
                tally.add(one.judgement)

    def shown(self) -> dict[str, Any]:
        """`cases`: all of them, whatever their class; `items`: the figures of every indicator."""
        return {
            "cases": self._all.shown(),
            "items": [{"number": tally.rule.number, **tally.shown()} for tally in self._tallies],
        }


COLUMNS = ("residential", "enterprise", "other", "high_voltage")
"""The columns of annex 3: 居民用户, 160kW 及以下的企业用户, 其他用户 (all “三零”), and “三省”."""


class Benefits:
    """Annex 3 for one group of cases: users energised in the period, and their capacity.

    Savings and added sales are not known from applications: null. Capacity is summed in volt-amperes, so that the sum
    of a million cases is exact; low-voltage kW count as so many kVA [D-REPORTS].
    """

    def __init__(self, rules: ReportRules, _window: Window) -> None:
        self._enterprise_kw = rules.enterprise_kw
        self._users = dict.fromkeys(COLUMNS, 0)
        self._capacity_va = dict.fromkeys(COLUMNS, 0)
        self._outside = 0

    def column(self, case: Case) -> str | None:
        """The column a case belongs to; None for a low-voltage user without “三零” service, who has none."""
        state, facts = case.state, case.state.facts
        if state.user_class == "residential":
            return "residential"
        if facts.voltage == "high":
            return "high_voltage"
        if not case.definition.charges.zero_investment:
            return None
        return "enterprise" if facts.enterprise_size and facts.capacity_kw <= self._enterprise_kw else "other"

    def add(self, case: Case, where: Place | None) -> None:
        """Count a case energised in the period."""
        if where != "energised":
            return
        column = self.column(case)
        if column is None:
            self._outside += 1
            return
        self._users[column] += 1
        self._capacity_va[column] += round(case.state.facts.capacity_kw * 1000)

    def shown(self) -> dict[str, Any]:
        """The rows of annex 3, each by column and in all; `outside`: energised users that have no column."""
        users = {**self._users, "total": sum(self._users.values())}
        capacity = {**self._capacity_va, "total": sum(self._capacity_va.values())}
        unknown = dict.fromkeys((*COLUMNS, "total"))
        return {
            "users": users,
            "savings_wan_yuan": unknown,
            "added_sales_wan_kwh": unknown,
            "added_capacity_wan_kva": {column: round(va / 1e7, 7) for column, va in capacity.items()},
            "outside": self._outside,
        }


TABLES: dict[str, type[Indicators | Benefits]] = {"indicators": Indicators, "benefits": Benefits}
TITLES = {"indicators": INDICATORS_TITLE, "benefits": BENEFITS_TITLE}


class Report:
    """A table in all and one for each group that a case is added with. Bounded by the number of groups."""

    def __init__(self, kind: str, rules: ReportRules, window: Window, *, grouped: bool = False) -> None:
        self.kind, self.rules, self.window = kind, rules, window
        self._in_all: Table = TABLES[kind](rules, window)
        self._groups: dict[str | None, Table] | None = {} if grouped else None

    def add(self, case: Case, group: str | None = None) -> None:
        """Count one case."""
        where = place(self.window, case.state)
        self._in_all.add(case, where)
        if self._groups is not None and where is not None:
            if group not in self._groups:
                self._groups[group] = TABLES[self.kind](self.rules, self.window)
            self._groups[group].add(case, where)

    def shown(self) -> dict[str, Any]:
        """The answer: title, period with its deadline, the table, and the groups by key (null: belonging to none)."""
        window, period = self.window, self.window.period
        answer: dict[str, Any] = {
            "table": self.kind,
            "title": TITLES[self.kind],
            "period": {
                "name": period.name,
                "label": period.label,
                "first": period.first,
                "last": period.last,
                "as_of": window.as_of,
                "ended": window.as_of == period.last,
                "report_due_on": period.due_on,
            },
            **self._in_all.shown(),
            "notes": NOTES[self.kind],
        }
        if self.kind == "indicators":
            by_number = {rule.number: rule for rule in self.rules.indicators}
            answer["items"] = [{**self._described(by_number[item["number"]]), **item} for item in answer["items"]]
        if self._groups is not None:
            answer["groups"] = [
                {"key": key, **self._groups[key].shown()} for key in sorted(self._groups, key=lambda key: key or "~")
            ]
        return answer

    def _described(self, rule: IndicatorRule) -> dict[str, Any]:
        how = self.rules.measures[rule.measure]
        return {
            "number": rule.number,
            "starred": rule.starred,
            "finish": rule.finish,
            "content": rule.content,
            "standard": rule.standard,
            "ledger": list(rule.ledger),
            "measure": rule.measure,
            "how": how.zh,
            "how_en": how.en,
            "reported_by": rule.reported_by.zh,
            "reported_by_en": rule.reported_by.en,
        }


def in_the_period(window: Window, submitted_at: str, closed_at: str | None) -> bool:
    """Whether a row can have a place in the period, told from its times as text (business zone), before the rest of it
    is read."""
    return submitted_at[:10] <= window.as_of.isoformat() and (
        closed_at is None or closed_at[:10] >= window.period.first.isoformat()
    )


def needs_history(state: State) -> bool:
    """Whether a measure may ask for the events of this case."""
    return state.facts.voltage == "high" or bool(state.approvals)


NOTES = {
    "indicators": [
        {
            "zh": "申请按办结之日归入统计期; 撤回、终止、不予办理与期末未办结的单独列明, 不计入达标率。",
            "en": "A case belongs to the period of its ending; cases withdrawn, terminated, refused or still open are "
            "listed apart and are in no rate.",
        },
        {
            "zh": "各项数值为空 (null) 的, 不能从报装申请得出, 由责任单位填报。",
            "en": "Where the figures are null they cannot be had from applications; the responsible body reports them.",
        },
        {
            "zh": "终结后重新提出的同一需求: 主口径按单件, as_chained 按首次申请起算。",
            "en": "The same need filed again: the main figures count cases as filed, as_chained from the first one.",
        },
    ],
    "benefits": [
        {
            "zh": "节省投资、增加售电量不能从报装申请得出, 由填报单位填写。",
            "en": "Savings and added sales cannot be had from applications; whoever reports fills them in.",
        },
        {
            "zh": "户数按本期送电的申请计; 容量按申请容量合计, 低压千瓦按同数千伏安计。"
            "outside 为不实行“三零”“三省”服务的低压用户。",
            "en": "Users are applications energised in the period; capacity is the sum of what was applied for, "
            "low-voltage kW taken as kVA. `outside`: low-voltage users without either service.",
        },
    ],
}
