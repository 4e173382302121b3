"""A file that is handed in twice says nothing that it does not say once."""

from __future__ import annotations

import pytest

from tests.replay.outside.harness import Answers, History, read, replay


def said(answers: Answers) -> dict[str, tuple[object, ...]]:
    return {
        case: (answers.said(case), one["verdict"], answers.unjudged(case), one["used_working_days_filed"])
        for case, one in answers.verdicts.items()
    }


# Back-filled: a burst of fewer records than make one; two findings that rest on one record. Over its limit: a step
# handed in again at the minute of its return, of which a copy of the start would be another round's.
@pytest.mark.parametrize("name", ["back_filled", "over_limit"])
def test_a_history_handed_in_twice_is_judged_as_once(tmp_path, name):
    once = read(name)
    twice = History(once.cases, once.events + once.events, once.told)
    assert said(replay(tmp_path / "twice", twice)) == said(replay(tmp_path / "once", once))
