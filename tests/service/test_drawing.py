"""The drawn machine says what the machine does, and nothing lies over anything else."""

from __future__ import annotations

import datetime as dt
import itertools
import xml.etree.ElementTree as ET

import pytest

from definitions.book import load
from workflow.core.machine import ENDINGS, fire, machine_for
from workflow.service.drawing import WIDTH, draw, edges

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ("residential", "lv_zero", "lv_other", "hv_single", "hv_dual")


def definition(user_class: str):
    return load().resolve(on=dt.date(2026, 1, 1), user_class=user_class)


@pytest.mark.parametrize("user_class", CLASSES)
def test_every_drawn_edge_is_one_the_engine_takes_and_none_is_left_out(user_class: str) -> None:
    found = definition(user_class)
    machine = machine_for(found, important_customer=True)
    drawn = {(edge.source, trigger): edge.target for edge in edges(found) if edge.source for trigger in edge.triggers}
    taken = {
        (state, trigger): target
        for state in machine.states
        for trigger in machine.events
        if trigger not in ENDINGS and (target := fire(machine, trigger, state)) is not None
    }
    assert drawn == taken


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("user_class", CLASSES)
def test_boxes_lie_apart_inside_the_picture(user_class: str, language: str) -> None:
    picture = ET.fromstring(draw(definition(user_class), language))  # type: ignore[arg-type]  # a stand-in
    height = float(picture.attrib["viewBox"].split()[3])
    boxes = [[float(box.attrib[name]) for name in ("x", "y", "width", "height")] for box in picture.iter(f"{SVG}rect")]
    steps = len(definition(user_class).steps)
    assert len(boxes) == 2 * steps + 1
    for x, y, wide, high in boxes:
        assert x >= 0
        assert x + wide <= WIDTH
        assert y + high <= height
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1


def test_limits_stand_in_the_boxes_the_utility_is_timed_for() -> None:
    words = [text.text for text in ET.fromstring(draw(definition("hv_single"), "zh")).iter(f"{SVG}text")]
    assert [word for word in words if "工作日" in (word or "")] == [
        f"{days} 个工作日内" for days in (1, 10, 3, 2, 3, 3)
    ]  # fmt: skip
