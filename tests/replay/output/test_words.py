"""What the report calls things and how it names its bars."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import yaml

import definitions
from workflow.replay.output.drawing import bars
from workflow.replay.output.words import SAID


def test_a_document_is_called_as_in_the_rules():
    data = yaml.safe_load((Path(definitions.__file__).parent / "data/documents.yaml").read_text(encoding="utf-8"))
    kinds = {kind: one for part in data.values() if isinstance(part, dict) for kind, one in part.items()}
    named = {kind: one["name"]["zh"] for kind, one in kinds.items() if isinstance(one, dict) and "name" in one}
    assert len(named) >= 8
    assert {kind: SAID[kind].zh for kind in named} == named


def test_names_of_bars_do_not_run_into_each_other():
    days = [(str(day) if day < 42 else "42+", 2 if day > 32 else 0, day > 32) for day in range(43)]
    drawn = re.findall(r'<text x="([\d.]+)" y="152">([^<]+)</text>', bars(days, "days", wide=320, limit=32))
    assert {"0", "30", "42+"} <= {name for _, name in drawn}
    spans = [(float(x) - len(name) * 3.2, float(x) + len(name) * 3.2) for x, name in drawn]
    assert all(left[1] < right[0] for left, right in pairwise(spans))
