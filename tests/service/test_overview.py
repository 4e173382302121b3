"""The supervisor's overview, counted by hand on a small district: what is open, late, old, and whose."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from storage import OrgRow, StaffRow
from tests.service.conftest import CLERK, Desk, HandClock
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service.overview import overview

COUNTY = Principal("li", "supervisor", "county")
NATION = Principal("zhao", "supervisor")


@pytest.fixture
def district(desk: Desk, clock: HandClock) -> Desk:
    """Two stations below one county, and another county. On Monday 2024-03-04:

    - east 1: residential of 2024-01-08, energised on 01-12: in time (due 01-15).
    - east 2: residential of 2024-01-08, energised on 01-18: late.
    - east 3: residential of 2024-02-19, open in acceptance: due 02-26, overdue; its age is 10 working days (02-20 to
      03-04, weekends 02-24/25 and 03-02/03 left out).
    - west 4: residential of 2024-03-01, open in metering, due 03-08; its age is 1 working day.
    - west 5: residential of 2024-02-27, withdrawn on 02-28.
    - other 6: residential of 2024-03-01, open, in the other county.
    """
    desk.service.put_orgs(
        [
            OrgRow("county", None, "county", "江岸区公司", None, None, ""),
            OrgRow("east", "county", "team", "东供电所", None, None, ""),
            OrgRow("west", "county", "team", "西供电所", None, None, ""),
            OrgRow("other", None, "county", "别县公司", None, None, ""),
        ]
    )
    desk.service.put_staff([StaffRow("wang", "王五", "east", "manager", None, None)])

    def submit(day: str, number: int, org: str, **more: Any) -> str:
        clock.set(f"{day} 10:00")
        case_id = desk.submit("residential", number, org=org, **more).case_id
        assert case_id is not None
        return case_id

    first, second = submit("2024-01-08", 1, "east"), submit("2024-01-08", 2, "east")
    for day, case_id in (("2024-01-12", first), ("2024-01-18", second)):
        clock.set(f"{day} 15:00")
        desk.do(case_id, "complete_step", step="acceptance")
        desk.do(case_id, "complete_step", step="metering")
    submit("2024-02-19", 3, "east", manager="wang")
    withdrawn = submit("2024-02-27", 5, "west")
    clock.set("2024-02-28 09:00")
    desk.do(withdrawn, "withdraw", reason="不办了", evidence={"ref": "APP-1", "source": "customer_app"})
    fourth = submit("2024-03-01", 4, "west")
    desk.do(fourth, "complete_step", step="acceptance")
    submit("2024-03-01", 6, "other")
    clock.set("2024-03-04 09:00")
    return desk


def test_each_unit_stands_with_what_is_below_it(district: Desk) -> None:
    shown = overview(district.service, COUNTY)
    assert (shown.org, shown.name, shown.as_of) == ("county", "江岸区公司", dt.date(2024, 3, 4))
    assert [unit.key for unit in shown.units] == ["east", "west"]  # the most overdue first
    east, west = shown.units
    assert (east.open, east.overdue, east.energised, east.energised_late, east.ended) == (1, 1, 2, 1, 0)
    assert (west.open, west.overdue, west.energised, west.energised_late, west.ended) == (1, 0, 0, 0, 1)
    assert (east.on_time, east.on_time_with_open) == (1 / 2, 1 / 3)
    assert west.on_time is None
    assert (shown.total.open, shown.total.overdue, shown.total.energised) == (2, 1, 2)
    assert east.steps == {"acceptance": (1, 1)}
    assert west.steps == {"metering": (1, 0)}
    assert east.broken == {None: 1}


def test_open_ones_are_shown_by_their_age_in_working_days(district: Desk, clock: HandClock) -> None:
    shown = overview(district.service, COUNTY)
    assert shown.ageing_edges == (5, 10, 20, 40)
    assert shown.total.ageing == [1, 1, 0, 0, 0]  # one day, ten days: the edge belongs to the younger band
    clock.set("2024-03-05 09:00")
    assert overview(district.service, COUNTY).total.ageing == [1, 0, 1, 0, 0]  # eleven


def test_what_is_due_by_the_next_working_day_is_counted_apart(district: Desk, clock: HandClock) -> None:
    for day, soon in (("2024-03-06", 0), ("2024-03-07", 1), ("2024-03-08", 1)):  # west 4 is due on Friday 03-08
        clock.set(day)
        west = next(unit for unit in overview(district.service, COUNTY).units if unit.key == "west")
        assert west.due_soon == soon, day
        assert west.overdue == 0
    for day in ("2024-03-09", "2024-03-11"):  # whatever is finished on the Saturday is late already
        clock.set(day)
        west = next(unit for unit in overview(district.service, COUNTY).units if unit.key == "west")
        assert (west.due_soon, west.overdue) == (0, 1), day


def test_the_weeks_of_the_trend_begin_on_monday(district: Desk) -> None:
    weeks = overview(district.service, COUNTY).weeks
    assert [weeks[0].monday, weeks[-1].monday, len(weeks)] == [dt.date(2023, 12, 18), dt.date(2024, 3, 4), 12]
    counted = {week.monday: (week.submitted, week.energised, week.late, week.ended) for week in weeks}
    assert counted[dt.date(2024, 1, 8)] == (2, 1, 0, 0)
    assert counted[dt.date(2024, 1, 15)] == (0, 1, 1, 0)
    assert counted[dt.date(2024, 2, 19)] == (1, 0, 0, 0)
    assert counted[dt.date(2024, 2, 26)] == (2, 0, 0, 1)
    assert sum(week.submitted for week in weeks) == 5


def test_what_ended_before_the_period_is_no_part_of_the_rates(district: Desk, clock: HandClock) -> None:
    """Ninety days up to 2024-04-10 begin on 01-12, up to 04-17 on 01-19."""
    clock.set("2024-04-10")
    assert overview(district.service, COUNTY).total.energised == 2
    clock.set("2024-04-11")
    assert overview(district.service, COUNTY).total.energised == 1
    clock.set("2024-04-17")
    east = next(unit for unit in overview(district.service, COUNTY).units if unit.key == "east")
    assert (east.energised, east.on_time, east.on_time_with_open) == (0, None, 0)


def test_whoever_looks_sees_his_own_part_only(district: Desk) -> None:
    whole = overview(district.service, NATION)
    assert {unit.key for unit in whole.units} == {"county", "other"}
    assert whole.total.open == 3
    assert [group.key for group in overview(district.service, NATION, "east").path] == [None, "county", "east"]
    below = overview(district.service, COUNTY, "east")
    assert [group.key for group in below.path] == ["county", "east"]
    assert [(one.manager, one.name, one.cases, one.overdue) for one in below.managers] == [("wang", "王五", 1, 1)]
    for unit in ("other", "nowhere"):
        with pytest.raises(Refused):
            overview(district.service, COUNTY, unit)
    with pytest.raises(Refused, match="not-permitted"):
        overview(district.service, CLERK)


def test_a_unit_of_its_own_stands_beside_those_below_it(district: Desk, clock: HandClock) -> None:
    clock.set("2024-03-04 10:00")
    district.submit("residential", 7, org="county")
    shown = overview(district.service, COUNTY)
    assert {unit.key: unit.open for unit in shown.units} == {"east": 1, "west": 1, "county": 1}
