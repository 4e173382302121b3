"""What must hold between well-formed files: no gap under a path, no name with two meanings, no dead reference."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from definitions._alerting import check_alerting
from definitions._law import Law, timelines
from definitions.model import NATION
from definitions.shapes import INHERIT, Mark, Problem, Timeline


def check_between_files(law: Law) -> Iterator[Problem]:
    """Every fault that no single file shows."""
    for code, facts in law.classes.items():
        yield from _check_class(law, code, facts)
    yield from _check_shared(law)
    yield from _check_names(law)
    yield from _check_rows(law)
    yield from _check_references(law)
    yield from _check_indicators(law)
    yield from _check_bands(law)
    yield from check_alerting(law)


def _gap(timeline: Timeline, where: str, start: dt.date) -> Problem:
    first = timeline[0]
    return Problem(
        first.mark,
        f"{where} 自 {first.start} 才有值, 而 {start} 起就需要: 缺口",
        f"{where} begins on {first.start} and is needed from {start}: a gap",
    )


def _early(timeline: Timeline, where: str, start: dt.date) -> Problem:
    first = timeline[0]
    return Problem(
        first.mark,
        f"{where} 自 {first.start} 就有值, 而 {start} 以前用不到",
        f"{where} begins on {first.start}, before it can apply on {start}",
    )


def _check_span(timeline: Timeline, where: str, start: dt.date) -> Iterator[Problem]:
    if timeline[0].start > start:
        yield _gap(timeline, where, start)
    elif timeline[0].start < start:
        yield _early(timeline, where, start)


def _check_class(law: Law, code: str, facts: dict[str, Any]) -> Iterator[Problem]:
    path: Timeline = facts["path"]
    start = path[0].start
    own = {where: timeline for where, timeline in timelines(facts) if not where.startswith("steps.")}
    for where, timeline in own.items():
        yield from _check_span(timeline, f"classes.{code}.{where}", start)
    first_on_path: dict[str, dt.date] = {}
    for entry in path:
        for step in entry.value:
            first_on_path.setdefault(step, entry.start)
            if step not in facts["steps"]:
                yield Problem(entry.mark, f"环节 {step} 没有规定", f"step {step} is on the path but not described")
        if entry.value[0] != "acceptance":
            yield Problem(entry.mark, "第一个环节应为 acceptance", "the first step must be acceptance")
    by_step = any(entry.value == "step_sum" for entry in facts["total"]["kind"])
    for step, rules in facts["steps"].items():
        where = f"classes.{code}.steps.{step}"
        mark = rules["starts"][0].mark
        if step not in law.catalogues["steps"]["steps"]:
            yield Problem(mark, f"环节 {step} 不在 steps.yaml", f"step {step} is not in steps.yaml")
        if step not in first_on_path:
            yield Problem(mark, f"环节 {step} 从不在办理路径上", f"step {step} is never on the path")
            continue
        for name, timeline in rules.items():
            yield from _check_span(timeline, f"{where}.{name}", first_on_path[step])
        if by_step and "limit" not in rules:
            yield Problem(mark, f"{where} 缺少时限: 合计按环节计算", f"{where} has no limit; the total sums steps")


def _check_shared(law: Law) -> Iterator[Problem]:
    """Rules that every class needs must reach back to the first day on which any class is in force."""
    start = min(facts["path"][0].start for facts in law.classes.values())
    own_dates = ("classes.", "notices.", "indicators.")
    for where, timeline in law.nation.items():
        if not where.startswith(own_dates) and timeline[0].start > start:
            yield _gap(timeline, where, start)


def _check_names(law: Law) -> Iterator[Problem]:
    """One spelling must never mean two kinds of document."""
    owner: dict[str, str] = {}
    documents = law.catalogues["documents"]

    def claim(names: tuple[str, ...], whose: str, mark: Mark) -> Iterator[Problem]:
        for name in names:
            other = owner.setdefault(name.casefold(), whose)
            if other != whose:
                yield Problem(mark, f"“{name}”既指 {other} 又指 {whose}", f"{name!r} means both {other} and {whose}")

    for code, kind in {**documents["kinds"], **documents["outside_the_list"]}.items():
        dated: Timeline = kind.get("forms") or kind["effect"]
        yield from claim((code, kind["name"]["zh"], *kind.get("aliases", ())), code, dated[0].mark)
        for entry in kind.get("forms", ()):
            for form in entry.value:
                yield from claim((form["code"], form["name"]["zh"], *form.get("aliases", ())), code, entry.mark)


def _check_rows(law: Law) -> Iterator[Problem]:
    known = {where.removeprefix("classification.") for where in law.nation if where.startswith("classification.")}
    for entry in law.nation["classification.rows"]:
        for number, row in enumerate(entry.value, start=1):
            outcomes = [key for key in ("then", "ask", "refuse") if key in row]
            if len(outcomes) != 1:
                yield Problem(row["mark"], f"第 {number} 行只可有一个结果", f"row {number} needs then, ask or refuse")
            if "then" in row and row["then"] not in law.classes:
                yield Problem(row["mark"], f"没有类别 {row['then']}", f"row {number}: no class {row['then']}")
            for name in _references(row["when"]):
                if name not in known:
                    yield Problem(row["mark"], f"没有门槛 ${name}", f"row {number}: no threshold ${name}")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, str) and value.startswith("$"):
        yield value[1:]


def _check_references(law: Law) -> Iterator[Problem]:
    """Every code that a dated value names exists, in the nation and in every region."""
    steps = law.catalogues["steps"]["steps"]
    kinds, fees = law.catalogues["documents"]["kinds"], law.catalogues["charges"]["fees"]
    for layer in law.layers.values():
        for where, timeline in layer.timelines.items():
            if layer.region != NATION and where not in law.nation and not _may_be_new(law, where):
                yield Problem(timeline[0].mark, f"全国规则没有 {where}", f"there is no national {where}")
            known = kinds if where.endswith(".documents") else fees if where.endswith(".catalogue") else None
            known = steps if where == "steps.waivable" else known
            for entry in timeline:
                for code in entry.value if known is not None and entry.value != INHERIT else ():
                    if known is not None and code not in known:
                        yield Problem(entry.mark, f"没有 {code}", f"there is no {code}")
    for code, notice in law.catalogues["notices"]["notices"].items():
        if notice["at_step"] not in steps:
            mark = notice["channels"][0].mark
            yield Problem(mark, f"告知 {code} 的环节 {notice['at_step']} 不存在", f"notice {code}: unknown step")


def _may_be_new(law: Law, where: str) -> bool:
    """A region may limit a step that the nation leaves unlimited, waive it, merge steps, or name a late source."""
    parts = where.split(".")
    if parts[0] == "classes" and parts[1] in law.classes:
        return parts[2] == "merge" or (parts[2] == "steps" and parts[3] in law.classes[parts[1]]["steps"])
    return parts[:2] == ["late", "by_source"]


_NEEDS = {"steps": "at_most", "notice": "notice"}
"""What a measure cannot do without; no other measure has a use for it."""


def _check_indicators(law: Law) -> Iterator[Problem]:
    """Every code that an indicator names exists, it has what its measure needs, and its values have one date each."""
    facts = law.catalogues["indicators"]
    for where, timeline in timelines(facts):
        if len(timeline) > 1:
            yield Problem(timeline[1].mark, f"{where} 只可有一个日期", f"{where} may have one date only")
    for code, one in facts["indicators"].items():
        known = (
            ("reported_by", (one["reported_by"],), facts["reporters"]),
            ("user_class", one.get("cases", {}).get("user_class", ()), law.classes),
            ("notice", (one["notice"],) if "notice" in one else (), law.catalogues["notices"]["notices"]),
        )
        for name, named, there in known:
            for word in named:
                if word not in there:
                    yield Problem(one["mark"], f"指标 {code}: 没有 {name} {word}", f"{code}: no {name} {word}")
        for name in _NEEDS.values():
            if (name in one) != (_NEEDS.get(one["measure"]) == name):
                yield Problem(
                    one["mark"],
                    f"指标 {code}: 判定方式 {one['measure']} 与 {name} 不相配",
                    f"{code}: the measure {one['measure']} and {name} do not go together",
                )


def _check_bands(law: Law) -> Iterator[Problem]:
    """The bands of the board follow each other, and only the last one has no end."""
    for entry in law.catalogues["board"]["bands"]:
        *bounded, last = entry.value
        if last["at_most"] is not None:
            yield Problem(last["mark"], "最后一档不设上限 (at_most: null)", "the last band has no end (at_most: null)")
        before: int | None = None
        for band in bounded:
            here = band["at_most"]
            if here is None or (before is not None and here <= before):
                yield Problem(
                    band["mark"], f"{band['code']} 应晚于上一档", f"{band['code']} must end after the band before"
                )
            before = here if here is not None else before
