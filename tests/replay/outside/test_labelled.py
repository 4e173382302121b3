"""Labelled histories from the text of policy §3, §5 and §6, through the command: a line an inspector can read each."""

from __future__ import annotations

import pytest

from tests.replay.outside.harness import HERE, Answers, read, replay, wrong

FILES = {path.stem: read(path.stem) for path in sorted(HERE.glob("*.yaml")) if path.stem != "lawful"}
_ANSWERS: dict[str, Answers] = {}


@pytest.fixture
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """One run per file of scenarios."""
    if request.param not in _ANSWERS:
        _ANSWERS[request.param] = replay(tmp_path_factory.mktemp(request.param), FILES[request.param])
    return _ANSWERS[request.param]


@pytest.mark.parametrize(
    ("answers", "told"),
    [(name, told) for name, history in FILES.items() for told in history.told],
    indirect=["answers"],
    ids=[f"{name}: {told.name}" for name, history in FILES.items() for told in history.told],
)
def test_the_label_holds(answers, told):
    assert wrong(answers, told) == []
