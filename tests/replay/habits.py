"""Histories in which several units do now and then what the statistical rules count, and as often nearly do it."""

from __future__ import annotations

import datetime as dt
import random

from definitions.model import STEPS
from tests.replay.histories import Draft, History, Maker, calendar
from tests.replay.oracle.peers import EXEMPTING

_MINUTE = dt.timedelta(minutes=1)
_SITE = ("mid_inspection", "completion_inspection", "metering")


def habits(seed: int, size: int = 90) -> History:
    """Cases of four units and of none, in two counties of a city, in another province and in no region."""
    maker = Maker(seed, orgs=4, years=(2023, 2024))
    history, rng = History(), random.Random(seed)
    for _ in range(size):
        region = rng.choice(("420202", "420203", "430100", None))
        draft = maker.lawful(region=region, contractor=rng.choice(("甲", "乙", "", None)))
        draft.facts["manager"] = rng.choice((f"{draft.facts['org']}-M", "M", None))
        draft.facts["org"] = rng.choice((draft.facts["org"], draft.facts["org"], draft.facts["org"], None))
        for act in _ACTS:
            if rng.random() < 0.4:
                act(draft, rng)
        history.take([draft])
    return history.shuffled(rng)


def _steps(draft: Draft, lifecycle: str) -> list[str]:
    return [step for step in STEPS if draft.has(step, lifecycle)]


def _ends(draft: Draft, rng: random.Random) -> None:
    """Terminated some days before or after the limit of the whole, instead of getting power."""
    day = calendar().add(draft.t0.date(), rng.randint(1, 16))
    at = dt.datetime.combine(day, dt.time(16, 20, 5))
    draft.events = [one for one in draft.events if one["occurred_at"] is not None and one["occurred_at"] <= at]
    draft.drop("metering", "complete")
    draft.add("application", "terminate", at, value="other")


def _keeps_to_the_day(draft: Draft, rng: random.Random) -> None:
    """A step begun on any day ends on its last day, a day before or behind, or on the day it began."""
    limits = {step.code: step.limit for step in draft.rules.steps}
    for code in _steps(draft, "complete"):
        done, limit = draft.get(code, "complete"), limits.get(code)
        begun = draft.get(code, "start") if draft.has(code, "start") else draft.get("acceptance", "complete")
        if code == "acceptance" or limit is None or rng.random() < 0.3:
            continue
        day = begun["occurred_at"].date()
        many = rng.choice((0, limit - 1, limit, limit, limit + 1))
        end = calendar().add(day, many) + dt.timedelta(days=rng.choice((0, 0, 1))) if many else day
        draft.move(done, dt.datetime.combine(end, dt.time(rng.randint(9, 20), 7, 9)))
    if draft.rules.whole_process and draft.has("metering", "complete"):
        end = calendar().add(draft.t0.date(), rng.choice((4, 5, 14, 15, 16)))
        draft.move(draft.get("metering", "complete"), dt.datetime.combine(end, dt.time(11, 7, 9)))


def _goes_again(draft: Draft, rng: random.Random) -> None:
    """A step has another start, return or completion."""
    if codes := _steps(draft, "complete"):
        code = rng.choice(codes)
        at = draft.get(code, "complete")["occurred_at"] - dt.timedelta(hours=rng.randint(0, 30))
        draft.add(code, rng.choice(("start", "return", "complete")), at)


def _enters_at_once(draft: Draft, rng: random.Random) -> None:
    """Start and completion entered minutes apart, either of them first; or only the day of it is known."""
    for code in ("supply_plan", "design_review"):
        if draft.has(code, "complete"):
            done = draft.get(code, "complete")
            if not draft.has(code, "start"):
                draft.add(code, "start", done["occurred_at"] - dt.timedelta(hours=2))
            begun = draft.get(code, "start")
            done["recorded_at"] = done["occurred_at"].replace(second=0) + _MINUTE
            begun["recorded_at"] = done["recorded_at"] + rng.choice((-5, -4, 5, 6)) * _MINUTE
            if rng.random() < 0.1:
                done["recorded_at"], done["recorded_is_date"] = done["recorded_at"].replace(hour=0, minute=0), True


def _works_at_night(draft: Draft, rng: random.Random) -> None:
    for code in _SITE:
        if draft.has(code, "complete"):
            done = draft.get(code, "complete")
            day = done["occurred_at"].date() + dt.timedelta(days=rng.choice((0, 0, 1, 2)))
            draft.move(done, dt.datetime.combine(day, dt.time(rng.choice((0, 5, 6, 12, 21, 22)), rng.choice((0, 59)))))
            done["source"] = rng.choice(("marketing", "field_terminal", None))
            done["occurred_is_date"] = rng.random() < 0.1
            done["actor"] = rng.choice((done["actor"], "night", None))


def _rounds(draft: Draft, rng: random.Random) -> None:
    for event in draft.events:
        if event["activity"] in STEPS:
            event["occurred_at"] = event["occurred_at"].replace(
                minute=rng.choice((0, 15, 30)), second=rng.choice((0, 0, 1))
            )
            event["actor"] = rng.choice((event["actor"], "clerk", None))


def _leaves_out(draft: Draft, rng: random.Random) -> None:
    """No record of energy or of the meter, of one of them nobody knows when, or no time of recording anywhere."""
    what = rng.choice(("first_energy", "meter_installed", "recorded_at", "metering"))
    if what == "recorded_at":
        for event in draft.events:
            event["recorded_at"] = None
    elif what == "metering":
        for event in draft.events:
            if event["activity"] == "metering":
                event["recorded_at"] = None
    elif draft.has(what) and rng.random() < 0.3:
        draft.get(what)["occurred_at"] = None
    else:
        draft.drop(what)


def _excuses(draft: Draft, rng: random.Random) -> None:
    """A value or batch that exempts, or nearly one; papers that are said to be volunteered, twice or of no kind."""
    for _ in range(rng.randint(1, 2)):
        event = rng.choice(draft.events)
        if rng.random() < 0.5 and event["lifecycle"] == "observed":
            event["value"] = rng.choice(EXEMPTING)
        elif rng.random() < 0.6:
            event["batch"] = rng.choice(("migration:1", "estate:7", "outage:3", "estate"))
    for _ in range(rng.randint(0, 2)):
        draft.add(
            "document",
            "received",
            draft.t0,
            value=rng.choice(("photo", "promise")),
            ref=rng.choice(("volunteered", "x")),
        )


_ACTS = (_keeps_to_the_day, _goes_again, _enters_at_once, _works_at_night, _rounds, _leaves_out, _excuses, _ends)
