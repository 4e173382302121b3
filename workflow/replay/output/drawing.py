"""The drawings of the report as SVG: numbers in, markup out; the few words in them are escaped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

from workflow.replay.output.words import kind

_WIDE: Final = 640
_LETTER: Final = 6.4
"""Width of a digit at the size of the drawings."""


def _svg(width: int, height: int, label: str, inner: str) -> Markup:
    return Markup(  # noqa: S704  # every text in it was escaped
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">'
        f"{inner}</svg>"
    )


def bars(items: Sequence[tuple[str, int, bool]], label: str, wide: int = _WIDE, limit: int | None = None) -> Markup:
    """One upright bar for each (name, number, conspicuous). `limit`: the last bar before a line that says so."""
    top, height, bottom = 18, 120, 34
    step = wide / max(len(items), 1)
    most = max((many for _, many, _ in items), default=0) or 1
    every = 1 if step >= 26 else 5  # names of narrow bars would run into each other
    parts = [f'<line class="axis" x1="0" y1="{top + height}" x2="{wide}" y2="{top + height}"/>']
    if limit is not None:
        x = (limit + 1) * step
        parts.append(f'<line class="limit" x1="{x:.1f}" y1="2" x2="{x:.1f}" y2="{top + height}"/>')
        parts.append(
            f'<text class="dim {"to" if x > wide / 2 else "from"}" x="{x:.1f}" y="10" dx="{-4 if x > wide / 2 else 4}">时限 limit</text>'
        )
    # Numbers that would run into each other are left to the tallest bar.
    roomy = all(len(f"{many:,}") * _LETTER < step for _, many, _ in items)
    named = _with_room([name.partition("\n")[0] for name, *_ in items], step, {
        at for at, (_, many, loud) in enumerate(items) if at % every == 0 or (loud and many)
    })  # fmt: skip
    for at, (name, many, loud) in enumerate(items):
        tall = max(round(many / most * height, 1), 1 if many else 0)
        x = at * step + step * 0.14
        middle = at * step + step / 2
        parts.append(
            f'<rect class="{"loud" if loud else "bar"}" x="{x:.1f}" y="{top + height - tall:.1f}" '
            f'width="{step * 0.72:.1f}" height="{tall:.1f}"/>'
        )
        if many and (roomy or many == most):
            parts.append(f'<text x="{middle:.1f}" y="{top + height - tall - 4:.1f}">{many:,}</text>')
        first, _, second = name.partition("\n")
        if at in named:
            parts.append(f'<text x="{middle:.1f}" y="{top + height + 14}">{escape(first)}</text>')
        if second:
            parts.append(f'<text class="dim" x="{middle:.1f}" y="{top + height + 27}">{escape(second)}</text>')
    below = bottom if any("\n" in name for name, _, _ in items) else bottom - 13
    return _svg(wide, top + height + below, label, "".join(parts))


def _with_room(names: Sequence[str], step: float, wanted: set[int]) -> set[int]:
    """Which of the wanted names under bars `step` apart can be written without running into each other: the last one,
    then from the left."""

    def apart(one: int, other: int) -> bool:
        return abs(one - other) * step >= (len(names[one]) + len(names[other])) / 2 * _LETTER + 3

    placed: list[int] = [max(wanted)] if wanted else []
    for at in sorted(wanted):
        if all(apart(at, other) for other in (placed[0], placed[-1])):
            placed.append(at)
    return set(placed)


_GROUPS: Final = (
    ("submit", ("application",)),
    ("step", ("acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection")),
    ("end", ("metering",)),
    ("paper", ("document", "suspension", "correction")),
)


def _group(activity: str, life: str) -> str:
    if life == "observed":
        return "seen"
    return next((name for name, activities in _GROUPS if activity in activities), "step")


def dots(found: Sequence[tuple[int, str, str, dt.datetime]], suspected: Sequence[bool], label: str) -> Markup:
    """Cases from top to bottom by their first trace, time from left to right; a mark at the left of suspected ones."""
    if not found:
        return Markup("")
    high = max(140, min(520, len(suspected) * 3))
    low, top = min(at for *_, at in found), max(at for *_, at in found)
    span = max((top - low).total_seconds(), 1)
    per = high / max(len(suspected), 1)
    paths: dict[str, list[str]] = {}
    for line, activity, life, at in found:
        x = 12 + (at - low).total_seconds() / span * (_WIDE - 24)
        paths.setdefault(_group(activity, life), []).append(f"M{x:.0f} {(line + 0.5) * per:.1f}h0")
    # Where another system says the same moment, the case's own event lies on top.
    ordered = sorted(paths.items(), key=lambda one: (one[0] != "seen", one[0]))
    parts = [f'<path class="dot {name}" d="{"".join(marks)}"/>' for name, marks in ordered]
    marked = "".join(f"M2 {(line + 0.5) * per:.1f}h6" for line, yes in enumerate(suspected) if yes)
    if marked:
        parts.append(f'<path class="mark" d="{marked}"/>')
    parts.append(f'<line class="axis" x1="0" y1="{high + 2}" x2="{_WIDE}" y2="{high + 2}"/>')
    years = range(low.year + 1, top.year + 1)
    if 0 < len(years) <= 12:
        for year in years:
            x = 12 + (dt.datetime(year, 1, 1) - low).total_seconds() / span * (_WIDE - 24)
            parts.append(f'<line class="grid" x1="{x:.0f}" y1="0" x2="{x:.0f}" y2="{high}"/>')
            parts.append(f'<text x="{x:.0f}" y="{high + 16}">{year}</text>')
    else:
        parts.append(f'<text class="from" x="0" y="{high + 16}">{low:%Y-%m-%d}</text>')
        parts.append(f'<text class="to" x="{_WIDE}" y="{high + 16}">{top:%Y-%m-%d}</text>')
    return _svg(_WIDE, high + 22, label, "".join(parts))


def timelines(own: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], label: str) -> Markup:
    """Two lines of one time: the case's own events above, records of other systems below, numbered as in the tables;
    what a finding rests on is ringed."""
    moments = [one["occurred"] for one in (*own, *others) if one["occurred"] is not None]
    if not moments:
        return Markup("")
    low, span = min(moments), max((max(moments) - min(moments)).total_seconds(), 1)

    def lanes(events: Sequence[Mapping[str, Any]]) -> list[tuple[float, int, Mapping[str, Any]]]:
        ends: list[float] = []
        placed = []
        for one in sorted((one for one in events if one["occurred"] is not None), key=lambda one: one["occurred"]):
            x = 14 + (one["occurred"] - low).total_seconds() / span * (_WIDE - 28)
            lane = next((at for at, end in enumerate(ends) if x - end >= 19), None)
            if lane is None:
                lane = len(ends) if len(ends) < 8 else min(range(8), key=ends.__getitem__)
            ends[lane : lane + 1] = [x]
            placed.append((x, lane, one))
        return placed

    above, below = lanes(own), lanes(others)
    rows_above = max((lane for _, lane, _ in above), default=0) + 1
    rows_below = max((lane for _, lane, _ in below), default=0) + 1
    axis = rows_above * 19 + 6
    parts = [f'<line class="axis" x1="0" y1="{axis}" x2="{_WIDE}" y2="{axis}"/>']
    marks = []
    for side, placed in (("own", above), ("seen", below)):
        for x, lane, one in placed:
            y = axis - 13 - lane * 19 if side == "own" else axis + 13 + lane * 19
            loud = " ringed" if one.get("accused") else ""
            name = kind(f"{one['activity']}.{one['lifecycle']}")
            parts.append(f'<line class="stem" x1="{x:.0f}" y1="{axis}" x2="{x:.0f}" y2="{y}"/>')
            marks.append(
                f'<g class="{side}{loud}"><title>{escape(name.zh)} {one["occurred"]:%Y-%m-%d %H:%M}</title><circle cx="{x:.0f}" cy="{y}" r="8.5"/>'
                f'<text x="{x:.0f}" y="{y + 3.5}">{one["number"]}</text></g>'
            )
    parts += marks  # above all stems, which would strike their numbers out
    bottom = axis + rows_below * 19 + 20
    parts.append(f'<text class="from" x="0" y="{bottom}">{low:%Y-%m-%d}</text>')
    parts.append(f'<text class="to" x="{_WIDE}" y="{bottom}">{max(moments):%Y-%m-%d}</text>')
    return _svg(_WIDE, bottom + 6, label, "".join(parts))
