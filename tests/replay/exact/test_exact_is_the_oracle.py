"""The engine's own judgement of a case against the naive oracle, on histories in which anything may be wrong."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import pytest

from definitions import load
from tests.core.driver import REGIONS
from tests.replay.histories import FACTS, calendar, disturbed
from tests.replay.oracle.judge import Answer, judge
from workflow.replay.exact import ExactVerdict, judge_case

AS_OF = dt.date(2025, 6, 27)
EXACT = ("D08", "D23", "D26", "D41", "L01", "L02")
UNSEEN = {"D23", "D41"}
"""Whether an organisation keeps papers and payments at all is for who sees its other cases."""
BOOK = load(regions=REGIONS)


def both(seed: int) -> tuple[Answer, dict[str, ExactVerdict]]:
    history = disturbed(seed)
    if seed % 3 == 0:
        for case in history.cases:
            case["region"] = "420100"
    by_case = defaultdict(list)
    for event in history.events:
        by_case[event["case_id"]].append(event)
    answer = judge(history.cases, history.events, calendar=calendar(), as_of=AS_OF, case_columns=FACTS)
    exact = {
        case["case_id"]: judge_case(BOOK, calendar(), case, by_case[case["case_id"]], AS_OF) for case in history.cases
    }
    return answer, exact


@pytest.mark.parametrize("seed", range(40))
def test_every_rule_the_engine_judges(seed):
    answer, exact = both(seed)
    expected = {fired for fired in answer.fired() if fired[1] in EXACT}
    got = {(case, f.rule, f.severity) for case, v in exact.items() for f in v.findings if f.rule in EXACT}
    assert got == expected
    skipped = {fired for fired in answer.fired() if fired[1] == "D24"}
    assert skipped <= {(case, f.rule, f.severity) for case, v in exact.items() for f in v.findings}
    for case, verdict in answer.verdicts.items():
        assert {rule for rule in verdict.unjudged if rule in EXACT} - UNSEEN == {
            r for r in exact[case].unjudged if r in EXACT
        } - UNSEEN, case
        assert (
            verdict.limit_working_days, verdict.used_working_days_filed, verdict.on_time_filed
        ) == (
            (exact[case].limit if exact[case].used_filed is not None else None),
            exact[case].used_filed, exact[case].on_time_filed,
        ), case  # fmt: skip
