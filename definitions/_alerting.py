"""What must hold of ladders, milestones and delivery beyond their shape; when one ladder is tighter than another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from definitions._files import SCOPES
from definitions._law import Law
from definitions.alerting import LEVELS, Band
from definitions.model import NATION
from definitions.shapes import INHERIT, Mark, Problem

BUDGETS: Final = range(1, 121)
"""Budgets on which ladders are compared and their bands checked: beyond the last of them nothing changes, which is
checked too. The longest limit of the book is 32 working days, the longest plan 366 natural days."""


def bands(rows: Iterable[dict[str, Any]]) -> tuple[Band, ...]:
    """The rows of a ladder, most days left first."""
    read = [msgspec.convert({key: row[key] for key in row if key != "mark"}, Band) for row in rows]
    return tuple(sorted(read, key=lambda band: -band.left))


def tighter(above: tuple[dict[str, Any], ...], here: tuple[dict[str, Any], ...]) -> bool:
    """Whether `here` warns as early and as many as `above` does, for every budget: each rung of `above` has one of the
    same level that comes no later, goes to all its recipients, and comes again as often."""
    upper, lower = bands(above), bands(here)
    return all(
        any(
            band.level == rung.level
            and band.left >= rung.left
            and set(band.recipients) >= set(rung.recipients)
            and (rung.every is None or (band.every is not None and band.every <= rung.every))
            for band in lower
            if band.holds(budget)
        )
        for budget in BUDGETS
        for rung in upper
        if rung.holds(budget)
    )


def check_alerting(law: Law) -> Iterator[Problem]:
    """Every fault of ladders, milestones and delivery that their shape does not show."""
    yield from _check_scopes(law)
    yield from _check_bands(law)
    yield from _check_milestones(law)
    yield from _check_delivery(law)


def _check_scopes(law: Law) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    ladders = law.catalogues["ladder"]["ladders"]
    for code, one in ladders.items():
        mark = one["bands"][0].mark
        for scope in one["scopes"]:
            if scope in owner:
                yield Problem(mark, f"{scope} 已属 {owner[scope]}", f"{scope} has the ladder {owner[scope]} already")
            owner.setdefault(scope, code)
    mark = next(iter(ladders.values()))["bands"][0].mark
    for scope in SCOPES:
        if scope not in owner:
            yield Problem(Mark(mark.file, 1), f"{scope} 没有预警级别", f"{scope} has no ladder")


_OF_APPLICATIONS: Final = {"step", "total", "approval", "milestone", "plan"}
"""What runs on an application, and so in a region; everything else is looked at by the national ladders."""


def _check_bands(law: Law) -> Iterator[Problem]:
    known, ladders = law.catalogues["ladder"]["recipients"], law.catalogues["ladder"]["ladders"]
    for layer in law.layers.values():
        for where, timeline in layer.timelines.items():
            if not where.startswith("ladders."):
                continue
            ladder = ladders.get(where.split(".")[1])
            if layer.region != NATION and ladder and not _OF_APPLICATIONS.issuperset(ladder["scopes"]):
                yield Problem(
                    timeline[0].mark,
                    f"{where}: 只按全国的级别预警, 地区不得另定",
                    "the ladder is national; what a region gave here would warn nobody",
                )
            for entry in timeline:
                if entry.value == INHERIT:
                    continue
                for row in entry.value:
                    for role in row["recipients"]:
                        if role not in known:
                            yield Problem(row["mark"], f"没有收件岗位 {role}", f"there is no recipient {role}")
                yield from _check_rungs(where, entry.value)


def _check_rungs(where: str, rows: tuple[dict[str, Any], ...]) -> Iterator[Problem]:
    """One ladder: whatever the budget, levels come in order, no two rungs at once, before and after the due date as
    their names say, and only the last comes again."""
    mark = rows[0]["mark"]
    told: set[str] = set()
    for budget in BUDGETS:
        rungs = [band for band in bands(rows) if band.holds(budget)]
        lefts = [band.left for band in rungs]
        faults = []
        if len(set(lefts)) < len(lefts):
            faults.append(("两级预警在同一天", "two rungs on one day"))
        if [LEVELS.index(band.level) for band in rungs] != sorted(LEVELS.index(band.level) for band in rungs):
            faults.append(("级别的先后不对", "the levels are out of order"))
        if any((band.level == "black") != (band.left < 0) for band in rungs):
            faults.append(("黑色才是超期", "black is overdue, and nothing else is"))
        if any(band.every is not None for band in rungs[:-1]):
            faults.append(("只有最后一级可以重复", "only the last rung may come again"))
        if not any(band.left == 0 for band in rungs):
            faults.append(("没有当日到期的一级", "there is no rung on the due date"))
        for zh, en in faults:
            if en not in told:
                told.add(en)
                yield Problem(mark, f"{where}: 时限 {budget} 天: {zh}", f"with a budget of {budget} days: {en}")


def _check_milestones(law: Law) -> Iterator[Problem]:
    facts, steps = law.catalogues["milestones"], law.catalogues["steps"]["steps"]
    known = facts["milestones"]
    records: dict[str, str] = {}
    for code, one in known.items():
        mark = one["mark"]
        named = (("owner", (one["owner"],), facts["owners"]), ("until", (one["until"],), steps),
                 ("implies", one["implies"], [other for other in known if other != code]))  # fmt: skip
        for name, words, there in named:
            for word in words:
                if word not in there:
                    yield Problem(mark, f"里程碑 {code}: 没有 {name} {word}", f"milestone {code}: no {name} {word}")
        for record in (code, *one["reached_by"]):
            if records.setdefault(record, code) != code:
                zh = f"记录 {record} 既指 {records[record]} 又指 {code}"
                yield Problem(mark, zh, f"the record {record} means both {records[record]} and {code}")
    yield from _check_budgets(law)


def _check_budgets(law: Law) -> Iterator[Problem]:
    known = law.catalogues["milestones"]["milestones"]
    for entry in law.nation["milestones.budgets"]:
        for row in entry.value:
            for code, days in row["days"].items():
                if code not in known:
                    yield Problem(row["mark"], f"没有里程碑 {code}", f"there is no milestone {code}")
                    continue
                if days >= row["limit_at_least"]:
                    yield Problem(
                        row["mark"],
                        f"里程碑 {code} 的 {days} 天不早于全过程时限 {row['limit_at_least']} 天",
                        f"milestone {code} at {days} days is no earlier than the limit of {row['limit_at_least']}",
                    )
                late = [other for other in known[code]["implies"] if row["days"].get(other, 0) > days]
                for other in late:
                    yield Problem(
                        row["mark"], f"{code} 早于它之前的 {other}", f"{code} comes before {other}, which it implies"
                    )


def _check_delivery(law: Law) -> Iterator[Problem]:
    facts, nation = law.catalogues["delivery"], law.layers[NATION].timelines
    notices, recipients = law.catalogues["notices"]["notices"], law.catalogues["ladder"]["recipients"]
    for code, text in facts["customer_texts"].items():
        if code not in notices:
            yield Problem(text["mark"], f"没有告知 {code}", f"there is no notice {code}")
    for code, notice in notices.items():
        if code not in facts["customer_texts"]:
            mark = notice["channels"][0].mark
            yield Problem(mark, f"告知 {code} 没有文字 (delivery.yaml)", f"notice {code} has no text in delivery.yaml")
    for entry in nation["delivery.escalation_chain"]:
        for role in entry.value:
            if role not in recipients:
                yield Problem(entry.mark, f"没有收件岗位 {role}", f"there is no recipient {role}")
    for name in ("opens", "digest_at"):
        for entry in nation[f"delivery.{name}"]:
            closes = [other for other in nation["delivery.closes"] if other.start <= entry.start]
            if closes and entry.value >= closes[-1].value:
                yield Problem(entry.mark, f"{entry.value} 不早于下班时间", f"{entry.value} is not before closing")
