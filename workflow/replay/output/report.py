"""The report as one page that needs nothing else: no script, no asset, no network.

Names and evidence come from foreign files: everything that is not ours is escaped by the template engine.  The page is
bounded (at most `LARGEST` bytes): so many cases, events, organisations and characters are
shown, and it says what is not.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from definitions.detectors import PLACE
from definitions.model import Clause
from workflow.replay.output import drawing, facts, words
from workflow.replay.output.cells import plain
from workflow.replay.output.facts import LAGS, Tables
from workflow.replay.output.rulebook import Rules

LARGEST: Final = 4_000_000

_LAG_WORDS: Final = dict(
    zip(
        LAGS,
        ("早于发生\nbefore it", "1 小时内\n≤ 1 h", "当日\nsame day", "次日\n1 day", "2–3 日\n2–3 days",
         "4–7 日\n4–7 days", "8–30 日\n8–30 days", "30 日以上\n> 30 days", "不详\nunknown"),
        strict=True,
    )
)  # fmt: skip
_LOUD_LAGS: Final = ("before", "day3", "day7", "day30", "later")


def page(tables: Tables, summary: Mapping[str, Any], rules: Rules, clauses: Mapping[str, Clause]) -> str:
    """The report of a finished judging."""
    dots, suspected, of = facts.dotted(tables)
    cases = [_with_drawing(one) for one in facts.worst(tables)]
    texts = {one.rule: one.explanation for one in rules}
    statistical = tables.rows(
        "SELECT rule, org, explanation, explanation_en FROM f WHERE case_id IS NULL ORDER BY ALL LIMIT 100"
    )
    return _template().render(
        s=summary,
        run=summary["run"],
        counts=summary["counts"],
        total=sum(summary["verdicts"].values()),
        w=words,
        texts=texts,
        clauses=clauses,
        lags=drawing.bars(_lags(summary["lags"]), "录入滞后 recording lags"),
        days=[_drawn(one) for one in summary["days"]],
        dotted=drawing.dots(dots, suspected, "点图 dotted chart"),
        dotted_cases=len(suspected),
        dotted_of=of,
        cases=cases,
        statistical=statistical,
        lacked=[(o["org"], said) for o in summary["organisations"] for said in o["cannot_judge_rules"]][
            : facts.SHOWN_ORGS
        ],
        limits=facts,
        largest=LARGEST,
    )


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("workflow.replay.output"), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["plain"] = plain
    environment.filters["moment"] = _moment
    environment.filters["sentence"] = lambda text: PLACE.sub("…", text)
    return environment.get_template("report.html")


def _moment(value: Any, only_date: bool) -> str:
    if value is None:
        return "不详"
    return f"{value:%Y-%m-%d}" if only_date else f"{value:%Y-%m-%d %H:%M}"


def _lags(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, bool]]:
    return [(_LAG_WORDS[name], sum(one[name] for one in found.values()), name in _LOUD_LAGS) for name in LAGS]


def _drawn(one: Mapping[str, Any]) -> tuple[Mapping[str, Any], int, int, Markup]:
    """Days used, how many cases that is, how many of them used more than the limit, and the drawing."""
    items = _days(one)
    late = sum(many for _, many, loud in items if loud)
    return (
        one,
        sum(many for _, many, _ in items),
        late,
        drawing.bars(items, "用时 days used", wide=440, limit=one["limit"]),
    )


def _days(one: Mapping[str, Any]) -> list[tuple[str, int, bool]]:
    limit, last = one["limit"], one["limit"] + facts.BEYOND
    shown = range(max(last, *one["used"]) + 1 if any(day > limit for day in one["used"]) else limit + 1)
    return [
        (f"{day}{'+' if day == last else ''}", one["used"].get(day, one["used"].get(str(day), 0)), day > limit)
        for day in shown
    ]


def _with_drawing(case: dict[str, Any]) -> dict[str, Any]:
    """The case with its events numbered, those that findings rest on marked, and its two timelines drawn."""
    accused = {(one["field"], one["row"]) for finding in case["findings"] for one in finding["records"]}
    number = 0
    shown: dict[str, Sequence[Any]] = {}
    for side in ("own", "others"):
        listed = []
        for one in case[side]:
            rings = (f"{one['activity']}.{one['lifecycle']}", one["row"]) in accused
            listed.append({**one, "accused": rings})
        if len(listed) > facts.SHOWN_EVENTS:
            # What findings rest on stays; of the rest the first.
            plain_ones = [one for one in listed if not one["accused"]]
            spare = max(facts.SHOWN_EVENTS - (len(listed) - len(plain_ones)), 0)
            kept = {id(one) for one in plain_ones[:spare]}
            listed = [one for one in listed if one["accused"] or id(one) in kept][: facts.SHOWN_EVENTS]
        for one in listed:
            number += 1
            one["number"] = number
        shown[side] = listed
    title = f"两条时间线 both timelines {plain(case['case_id'])}"
    return {
        **case,
        "left_out": len(case["own"]) + len(case["others"]) - number,
        **shown,
        "drawing": drawing.timelines(shown["own"], shown["others"], title),
    }
