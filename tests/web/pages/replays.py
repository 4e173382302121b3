"""Pages of a replay: of the demonstration's own applications, done once for the office."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from urllib.parse import quote

from tests.web.site import Office, Page
from workflow.core.events import Principal
from workflow.service import replay_process, replays
from workflow.service.demo import PROVINCE
from workflow.service.replays import Asked

INSPECTOR = Principal("inspector", "inspector", PROVINCE)


def once(find: Callable[[Office], str]) -> Callable[[Office], str]:
    """Found once for each office, whose service is its own."""
    known: dict[int, str] = {}

    @wraps(find)
    def found(office: Office) -> str:
        key = id(office.service)
        if key not in known:
            known[key] = find(office)
        return known[key]

    return found


@once
def done(office: Office) -> str:
    """A finished replay of the live store as of the day of the office."""
    asked = Asked("演示: 本系统的申请", dt.date(2026, 11, 25), "contract", None, None)
    run_id = replays.ask(office.service, INSPECTOR, asked)
    assert replay_process.work(office.service, run_id)
    return run_id


@once
def waiting(office: Office) -> str:
    """A replay that nobody has begun."""
    asked = Asked("一季度台账", dt.date(2026, 3, 31), "hv_ledger", ("一季度台账.xlsx", "0" * 64), None)
    return replays.ask(office.service, INSPECTOR, asked)


@once
def worst(office: Office) -> str:
    """The gravest case of the finished replay."""
    page = replays.found(office.service, INSPECTOR, done(office), "cases", verdict="suspected")
    return quote(page["items"][0]["case_id"])


PAGES = [
    Page("replays", "/replays", role="inspector"),
    Page("replay-waiting", lambda office: f"/replays/{waiting(office)}?still=1", role="inspector"),
    Page("replay", lambda office: f"/replays/{done(office)}", role="inspector"),
    Page("replay-findings", lambda office: f"/replays/{done(office)}/findings", role="inspector"),
    Page("replay-cases", lambda office: f"/replays/{done(office)}/cases", role="inspector"),
    Page("replay-case", lambda office: f"/replays/{done(office)}/case?case={worst(office)}", role="inspector"),
    Page("replay-sample", lambda office: f"/replays/{done(office)}/sample?seed=20261125&size=12", role="inspector"),
]
