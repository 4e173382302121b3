"""A verdict is what decides whether a promise is kept: each boundary, and the ranks of percentiles."""

from __future__ import annotations

import json

import pytest

from bench.http_clients import percentile
from bench.report import Figure, Section, Target, as_json, as_markdown, as_text, in_rounds


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target(0.4), 0.4, True),
        (Target(0.4), 0.399, False),
        (Target(2e-6, below=True), 1.99e-6, True),
        (Target(2e-6, below=True), 2e-6, False),
    ],
)
def test_target_at_its_boundary(target: Target, value: float, met: bool):
    assert target.met(value) is met
    assert Figure("x", value, "share", target).verdict.endswith(": met" if met else ": not met")


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("seconds", 4.08e-7, "408 ns"),
        ("seconds", 0.0575, "57.5 ms"),
        ("seconds", 61.0, "61 s"),
        ("MiB", 3 * 2**20, "3 MiB"),
        ("share", 0.5, "50%"),
        ("commands/s", 1234.4, "1,234 commands/s"),
    ],
)
def test_unit(unit: str, value: float, shown: str):
    assert Figure("x", value, unit).shown == shown


def test_every_form_of_the_report_carries_figure_and_verdict():
    section = Section("Title", "python -m bench --only x", notes=["a note"])
    section.add("rate", 10.0, "commands/s", Target(20.0))
    for text in (as_text({"Python": "3"}, [section]), as_markdown({"Python": "3"}, [section])):
        assert "10 commands/s" in text
        assert "≥ 20 commands/s: not met" in text
        assert "a note" in text
    (told,) = json.loads(as_json({"Python": "3"}, [section]))["sections"]
    assert told["figures"] == [
        {"name": "rate", "value": 10.0, "unit": "commands/s", "target": {"bound": 20.0, "below": False}, "met": False}
    ]


def test_rounds_take_turns_in_both_directions():
    order: list[str] = []
    rates = iter(range(6))

    def way(name: str) -> float:
        order.append(name)
        return float(next(rates))

    found = in_rounds({"a": lambda: way("a"), "b": lambda: way("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found["a"].median == 3.0  # of 0, 3, 4
    assert str(found["b"]) == "1 to 5"


@pytest.mark.parametrize(("share", "value"), [(0.50, 2.0), (0.99, 4.0), (0.25, 1.0), (0.26, 2.0)])
def test_percentile_is_the_nearest_rank(share: float, value: float):
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
