"""Regional rules may only tighten [L16 L26 L31 L35 L36]: checked on every day on which either side changes.

What *tighter* means differs by subject, and is said once, in `SUBJECTS`.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from definitions._alerting import tighter
from definitions._law import Law, Layer
from definitions._view import Found, Profile, View, cited, in_force
from definitions.model import NATION
from definitions.shapes import INHERIT, Entry, Mark, Problem


def _number_at_most(above: int | None, here: int | None) -> bool:
    """No limit at all is the loosest of limits."""
    return above is None or (here is not None and here <= above)


def _number_at_least(above: int | None, here: int | None) -> bool:
    return (above or 0) <= (here or 0)


def _subset(above: tuple[str, ...], here: tuple[str, ...]) -> bool:
    return set(here) <= set(above)


def _superset(above: tuple[str, ...], here: tuple[str, ...]) -> bool:
    return set(here) >= set(above)


def _order(*from_loose_to_tight: Any) -> Callable[[Any, Any], bool]:
    return lambda above, here: bool(from_loose_to_tight.index(here) >= from_loose_to_tight.index(above))


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of value a region may give. `tight(above, here)`: whether `here` may stand under `above`.
    `lasting`: whether a region's own later value must also be as tight as its earlier one [L36]."""

    path: str
    tight: Callable[[Any, Any], bool]
    zh: str
    en: str
    lasting: bool = False


SUBJECTS: Final = (
    Subject("classes.*.total.limit", _number_at_most, "时限只可缩短", "a limit may only be shorter"),
    Subject("classes.*.total.deductible", _subset, "可扣除的事由只可减少", "grounds of deduction may only be fewer"),
    Subject("classes.*.total.rounds", _order("last", "all"), "合计不可少计轮次", "a sum may not leave rounds out"),
    Subject("classes.*.steps.*.limit", _number_at_most, "时限只可缩短", "a limit may only be shorter"),
    Subject("classes.*.steps.*.documents", _subset, "资料只可减少", "documents may only be fewer"),
    Subject("classes.*.steps.*.required_for", _order("all", "important_customers"), "环节只可减少",
            "steps may only be fewer"),
    Subject("classes.*.charges.catalogue", _subset, "收费项目只可减少", "fee items may only be fewer"),
    Subject("classes.*.charges.zero_investment", _order(False, True), "零投资范围只可扩大 [L36]",
            "zero investment may only widen [L36]", lasting=True),
    Subject("classification.zero_investment_kw.*", _number_at_least, "零投资容量只可提高 [L36]",
            "zero-investment capacity may only rise [L36]", lasting=True),
    Subject("classification.zero_investment_sizes", _superset, "零投资范围只可扩大 [L36]",
            "zero investment may only widen [L36]", lasting=True),
    Subject("classification.low_voltage_kw", _number_at_least, "低压接入容量上限只可提高 [L31]",
            "the low-voltage ceiling may only rise [L31]"),
    Subject("approvals.*.limit", _number_at_most, "时限只可缩短", "a limit may only be shorter"),
    Subject("late.working_days", _number_at_most, "补录界限只可缩短", "the bound of a late record may only be shorter"),
    Subject("late.by_source.*", _number_at_most, "补录界限只可缩短", "the bound of a late record may only be shorter"),
    Subject("late.client_ahead_seconds", _number_at_most, "时钟偏差只可缩小", "a clock may only be less far ahead"),
    Subject("counting.rest_day_submission", _order("deemed", "strict"), "起算只可更早",
            "counting may only begin earlier"),
    Subject("ladders.*.bands", tighter, "预警只可更早、收件人只可更多",
            "a ladder may only warn earlier and more people"),
)  # fmt: skip


def check_overlays(law: Law) -> Iterator[Problem]:
    """Every place where a region is looser than what stands above it, or than the nation is than itself [L36]."""
    for region in law.layers:
        chain = law.chain(region)
        yield from _check_lasting(law, chain)
        if region != NATION:
            yield from _check_values(law, chain)
            yield from _check_waivers(law, chain[-1])
            yield from _check_steps(law, chain)


def _subject(path: str) -> Subject | None:
    return next((subject for subject in SUBJECTS if fnmatch.fnmatchcase(path, subject.path)), None)


def _say(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_say, value)) + "]"
    if isinstance(value, dict):
        return " ".join(f"{key}={_say(inner)}" for key, inner in value.items() if key != "mark")
    return "无 none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _looser(path: str, on: dt.date, mine: Entry, theirs: Entry, subject: Subject) -> Problem:
    what = f"{_say(mine.value)} ({', '.join(mine.clauses)})"
    than = f"{_say(theirs.value)} ({', '.join(theirs.clauses)})"
    where = f"{theirs.mark.file}:{theirs.mark.line}"
    return Problem(
        mine.mark,
        f"{path}: {on} 起为 {what}, 比 {where} 的 {than} 宽松; {subject.zh}",
        f"from {on} it is {what}, looser than {than} of {where}; {subject.en}",
    )


def _days(chain: tuple[Layer, ...], path: str) -> list[dt.date]:
    """Every day on which any layer's value at `path` changes, from the day the nation has one."""
    days = {entry.start for layer in chain for entry in layer.timelines.get(path, ())}
    national = chain[0].timelines.get(path)
    return sorted(day for day in days if national is None or day >= national[0].start)


def _check_values(law: Law, chain: tuple[Layer, ...]) -> Iterator[Problem]:
    """The region's own values against the layers above, each path once per pair of values."""
    for path, own in chain[-1].timelines.items():
        subject = _subject(path)
        if subject is None:
            continue  # mergers: checked on the steps they make
        seen: set[tuple[Mark, dt.date, Mark, dt.date]] = set()
        for day in _days(chain, path):
            mine = in_force(own, day)
            above = View(law, chain[:-1], day).find(path) or _fallback(law, chain[:-1], path, day)
            if mine is None or mine.value == INHERIT or above is None:
                continue
            pair = (mine.mark, mine.start, above.entry.mark, above.entry.start)
            if pair in seen:
                continue
            seen.add(pair)
            if not subject.tight(above.entry.value, mine.value):
                yield _looser(path, day, mine, above.entry, subject)


def _fallback(law: Law, above: tuple[Layer, ...], path: str, day: dt.date) -> Found | None:
    """A source without a bound of its own is held to the general one."""
    return View(law, above, day).find("late.working_days") if path.startswith("late.by_source.") else None


def _check_lasting(law: Law, chain: tuple[Layer, ...]) -> Iterator[Problem]:
    """What a region has promised stays promised: its later value, or falling back, may not be narrower [L36]."""
    for path, own in chain[-1].timelines.items():
        subject = _subject(path)
        if subject is None or not subject.lasting:
            continue
        before: Entry | None = None
        for day in sorted({entry.start for layer in chain for entry in layer.timelines.get(path, ())}):
            found = View(law, chain, day).find(path)
            now = found.entry if found else None
            speaking = in_force(own, day)  # while the region itself is silent, a fault is that of the layers above
            if before and speaking:
                value = now.value if now else _nothing(before.value)
                if not subject.tight(before.value, value):
                    said = replace(speaking, value=value, clauses=(now or speaking).clauses)
                    yield _looser(path, day, said, before, subject)
            before = now or before


def _nothing(value: Any) -> Any:
    return () if isinstance(value, tuple) else False if isinstance(value, bool) else None


def _check_waivers(law: Law, layer: Layer) -> Iterator[Problem]:
    """Only the steps of `steps.waivable` may be waived for ordinary customers: completion inspection never."""
    for path, timeline in layer.timelines.items():
        if not fnmatch.fnmatchcase(path, "classes.*.steps.*.required_for"):
            continue
        for entry in timeline:
            waivable = in_force(law.nation["steps.waivable"], entry.start) or law.nation["steps.waivable"][0]
            if entry.value == "important_customers" and path.split(".")[3] not in waivable.value:
                grounds = ", ".join(waivable.clauses)
                yield Problem(
                    entry.mark,
                    f"{path}: 这个环节不得免除; 可免除的是 {_say(waivable.value)} ({grounds})",
                    f"this step is never waived; {_say(waivable.value)} may be ({grounds})",
                )


def _check_steps(law: Law, chain: tuple[Layer, ...]) -> Iterator[Problem]:
    """The path as a whole: mergers join neighbouring steps of the path above, and nothing gets longer by merging."""
    for user_class, facts in law.classes.items():
        prefix = f"classes.{user_class}."
        watched = (f"{prefix}steps.", f"{prefix}merge")
        if not any(path.startswith(watched) for path in chain[-1].timelines):
            continue
        start = facts["path"][0].start
        days = {
            entry.start
            for layer in chain
            for path, timeline in layer.timelines.items()
            if path.startswith((*watched, f"{prefix}path"))
            for entry in timeline
        }
        told: set[str] = set()
        for day in sorted({start, *(day for day in days if day > start)}):
            for problem in _check_profile(law, chain, user_class, day):
                if problem.zh not in told:
                    told.add(problem.zh)
                    yield problem


def _check_profile(law: Law, chain: tuple[Layer, ...], user_class: str, day: dt.date) -> Iterator[Problem]:
    above = View(law, chain[:-1], day).profile(user_class)
    view = View(law, chain, day)
    merge = view.find(f"classes.{user_class}.merge")
    if merge:
        faults = list(_check_groups(view, user_class, merge))
        yield from faults
        if faults:
            return
    for step in view.profile(user_class):
        parts = [other for other in above if set(other.parts) & set(step.parts)]
        own_merge = merge if merge and merge.region == chain[-1].region else None
        at = max((found for found in step.found if found.region == chain[-1].region), default=own_merge, key=_latest)
        if at is None or (len(step.parts) == 1 and len(parts) == 1 and parts[0].parts == step.parts):
            continue  # not this region's doing, or a step of its own, whose values are checked one by one
        if any(not set(other.parts) <= set(step.parts) for other in parts):
            yield _split(user_class, step, parts, at)
        elif not _number_at_most(_sum(parts), step.limit):
            yield _longer(user_class, step.code, step.limit, parts, at)
        elif step.required_for == "all":
            yield from _check_spared(user_class, step, parts, at)


def _check_spared(user_class: str, step: Profile, above: list[Profile], at: Found) -> Iterator[Problem]:
    """A merged step is everybody's: whoever is spared a part of it above is asked for nothing more by the merging."""
    left = [part for part in above if part.required_for == "all"]
    papers = {kind for part in left for kind in part.documents}
    if _number_at_most(_sum(left), step.limit) and papers >= set(step.documents):
        return
    spared = [part for part in above if part.required_for != "all"]
    codes = _say(tuple(code for part in spared for code in part.parts))
    theirs = f"{codes} ({', '.join(dict.fromkeys(code for part in spared for code in part.clauses))})"
    mine = f"{_say(step.parts)} ({', '.join(at.entry.clauses)})"
    yield Problem(
        at.entry.mark,
        f"classes.{user_class}.{step.code}: 上级对一般用户免除 {theirs}; "
        f"合并 {mine} 不得使一般用户的资料或时限多于其余部分",
        f"ordinary customers are spared {theirs} above; merging {mine} may not ask of them more documents or more days "
        "than the other parts do",
    )


def _latest(found: Found) -> dt.date:
    return found.entry.start


def _sum(parts: list[Profile]) -> int | None:
    limits = [part.limit for part in parts if part.limit is not None]
    return sum(limits) if len(limits) == len(parts) else None


def _longer(user_class: str, code: str, limit: int | None, parts: list[Profile], at: Found) -> Problem:
    grounds = ", ".join(dict.fromkeys(code for part in parts for code in part.clauses))
    mine = f"{_say(limit)} ({', '.join(at.entry.clauses)})"
    return Problem(
        at.entry.mark,
        f"classes.{user_class}.{code}: 时限 {mine} 长于各部分之和 {_say(_sum(parts))} ({grounds})",
        f"the limit {mine} is longer than its parts together, {_say(_sum(parts))} ({grounds})",
    )


def _split(user_class: str, step: Profile, above: list[Profile], at: Found) -> Problem:
    merged = next(other for other in above if not set(other.parts) <= set(step.parts))
    grounds = ", ".join(merged.clauses)
    return Problem(
        at.entry.mark,
        f"classes.{user_class}.{step.code}: 上级已将 {_say(merged.parts)} 合并 ({grounds}), 不得再拆开",
        f"{_say(merged.parts)} are merged above ({grounds}) and may not be taken apart",
    )


def _check_groups(view: View, user_class: str, merge: Found) -> Iterator[Problem]:
    """Each merger names neighbouring steps of the path, in order, each step once, and leaves acceptance alone: the
    closed list and the customer's one complete list of what is missing belong to it [L24]."""
    path = view.get(f"classes.{user_class}.path")
    steps: tuple[str, ...] = path.value
    seen: set[str] = set()
    for group in merge.entry.value:
        parts = group["parts"]
        at = steps.index(parts[0]) if parts[0] in steps else len(steps)
        neighbours = steps[at : at + len(parts)] == parts
        if not neighbours or seen & set(parts) or "acceptance" in parts:
            grounds = ", ".join(cited((merge.entry, path)))
            yield Problem(
                merge.entry.mark,
                f"classes.{user_class}.merge: {_say(parts)} 应是路径上依次相邻、不重复的环节, 受理除外 ({grounds})",
                f"{_say(parts)} must be neighbours on the path, in order, each once, without acceptance ({grounds})",
            )
        seen |= set(parts)
        inside = [step for step in view.parts(user_class) if step.code in parts]
        if neighbours and "limit" in group and not _number_at_most(_sum(inside), group["limit"]):
            yield _longer(user_class, parts[-1], group["limit"], inside, merge)
