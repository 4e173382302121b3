"""The state diagram of a definition, drawn as SVG: read off the machine that drives the cases, laid out in layers.

One row for each step; what waits for the customer stands on the left, what the utility is timed for on the right.  A
pure function of the definition and the language; colours and fonts are the page's, by class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from definitions.model import Definition
from workflow.core.machine import CLOSED, ENDINGS, ENERGISED, machine_for
from workflow.reports.listing import Language

WIDTH: Final = 360
_BOX_WIDTH, _BOX_HEIGHT, _GAP, _TOP = 146, 58, 46, 92
_LEFT = {"waiting": 4, "running": WIDTH - 4 - _BOX_WIDTH}
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>'
)
_LETTER = 7.4
"""Width of a Latin letter at 14 px; a Chinese character is twice that wide, less a little."""

_WORDS: Final = {
    "waiting": ("等用户", "Customer's turn"),
    "running": ("供电企业计时", "Utility's clock"),
    "submit_step": ("提交", "hand in"),
    "return_step": ("退回", "return"),
    "complete_step": ("办结", "done"),
    "waive_step": ("免办", "waived"),
    "complete": ("资料齐", "complete"),
    "lacking": ("缺资料", "lacking"),
    ENERGISED: ("已送电", "Energised"),
    "apply": ("申请", "Application"),
    "days": ("{} 个工作日内", "within {} WD"),
}


class Edge(NamedTuple):
    """A transition, or several between the same two states. `trigger`: the command that leads along it, or `complete`
    and `lacking` for an application that comes in with and without all of its documents."""

    source: str
    target: str
    triggers: tuple[str, ...]


def edges(definition: Definition) -> list[Edge]:
    """The transitions of the definition's machine, those with the same ends together; the endings that every open
    state shares are left out."""
    machine = machine_for(definition, important_customer=True)
    first = definition.steps[0].code
    found: dict[tuple[str, str], list[str]] = {
        ("", f"{first}.running"): ["complete"],
        ("", f"{first}.waiting"): ["lacking"],
    }
    for name, event in machine.events.items():
        if name in ENDINGS:
            continue
        for transitions in event.transitions.values():
            for one in transitions:
                found.setdefault((str(one.source), str(one.dest)), []).append(name)
    return [Edge(source, target, tuple(triggers)) for (source, target), triggers in found.items()]


def draw(definition: Definition, language: Language) -> str:
    """The diagram as an SVG element."""
    layers = {step.code: layer for layer, step in enumerate(definition.steps)}
    height = _TOP + len(layers) * (_BOX_HEIGHT + _GAP) + 44
    title = f"{_of(definition.name, language)}: {_word('apply', language)} → {_word(ENERGISED, language)}"
    parts = [
        f'<svg class="machine" viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        _TIP,
    ]
    parts += [_text(_LEFT[side] + _BOX_WIDTH / 2, 14, _word(side, language), "side") for side in ("waiting", "running")]
    parts += [f'<circle class="start" cx="{WIDTH / 2}" cy="34" r="7"/>']
    for edge in edges(definition):
        parts += _edge(edge, layers, language)
    for step in definition.steps:
        for side in ("waiting", "running"):
            limit = None if side == "waiting" else step.limit
            parts += _box(f"{step.code}.{side}", layers, _of(step.name, language), limit, language)
    parts += _end(len(layers), language)
    return "".join((*parts, "</svg>"))


def _of(text: object, language: Language) -> str:
    return str(getattr(text, language))


def _word(key: str, language: Language) -> str:
    return _WORDS[key][language == "en"]


def _corner(state: str, layers: dict[str, int]) -> tuple[float, float]:
    """The upper left corner of a state's box."""
    if state in CLOSED:
        return _LEFT["running"], _TOP + len(layers) * (_BOX_HEIGHT + _GAP)
    code, _, side = state.partition(".")
    return _LEFT[side], _TOP + layers[code] * (_BOX_HEIGHT + _GAP)


def _edge(edge: Edge, layers: dict[str, int], language: Language) -> Iterator[str]:
    label = " / ".join(_word(trigger, language) for trigger in edge.triggers)
    x2, y2 = _corner(edge.target, layers)
    if not edge.source:
        side = -1 if edge.target.endswith(".waiting") else 1
        middle = x2 + _BOX_WIDTH / 2
        yield _line([(WIDTH / 2 + 7 * side, 34), (middle, 34), (middle, y2)], edge)
        yield _text(middle, 58, label, "label", beside=8)
        return
    x1, y1 = _corner(edge.source, layers)
    if y1 == y2:
        right = x2 > x1
        y = y1 + (18 if right else 40)
        start, end = (x1 + _BOX_WIDTH, x2) if right else (x1, x2 + _BOX_WIDTH)
        yield _line([(start, y), (end, y)], edge)
        yield _text(WIDTH / 2, y - 7 if right else y + 16, label, "label")
        return
    bottom = y1 + _BOX_HEIGHT
    if x1 == x2:
        middle = x1 + _BOX_WIDTH / 2
        yield _line([(middle, bottom), (middle, y2)], edge)
        yield _text(middle, bottom + 27, label, "label", beside=-8 if x1 == _LEFT["waiting"] else 8)
        return
    start, end = (x1 + _BOX_WIDTH / 2, x2 + _BOX_WIDTH / 2 + (26 if x2 < x1 else -26))
    turn = bottom + _GAP / 2
    yield _line([(start, bottom), (start, turn), (end, turn), (end, y2)], edge)
    yield _text(WIDTH / 2, turn - 6, label, "label")


def _line(points: Iterable[tuple[float, float]], edge: Edge) -> str:
    back = {"return_step", "waive_step"}.issuperset(edge.triggers)
    path = " ".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="edge{" back" if back else ""}" d="M{path}" marker-end="url(#tip)"/>'


def _text(x: float, y: float, text: str, kind: str, beside: float = 0) -> str:
    anchor = "start" if beside > 0 else "end" if beside < 0 else "middle"
    return f'<text class="{kind}" x="{x + beside:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _box(state: str, layers: dict[str, int], name: str, limit: int | None, language: Language) -> Iterator[str]:
    x, y = _corner(state, layers)
    side = state.rpartition(".")[2]
    yield f'<rect class="state {side}" x="{x:g}" y="{y:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="8"/>'
    lines = _wrapped(name)
    if limit is not None:
        lines.append(_word("days", language).format(limit))
    first = y + _BOX_HEIGHT / 2 + 5 - (len(lines) - 1) * 9
    for number, line in enumerate(lines):
        small = limit is not None and number == len(lines) - 1
        yield _text(x + _BOX_WIDTH / 2, first + number * 18, line, "limit" if small else "name")


def _wrapped(name: str) -> list[str]:
    lines = [""]
    for word in name.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer) > _BOX_WIDTH - 12:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines[:2]


def _width(text: str) -> float:
    return sum(14 if ord(sign) > 0x2E80 else _LETTER for sign in text)


def _end(layer: int, language: Language) -> Iterator[str]:
    x, y = _LEFT["running"], _TOP + layer * (_BOX_HEIGHT + _GAP)
    yield f'<rect class="state end" x="{x}" y="{y}" width="{_BOX_WIDTH}" height="36" rx="18"/>'
    yield _text(x + _BOX_WIDTH / 2, y + 23, _word(ENERGISED, language), "name")
