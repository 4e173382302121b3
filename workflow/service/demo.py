"""The demonstration: a few hundred made-up applications, put through the engine itself on the real calendar.

Every command is given at the moment of a simulated clock, in order of time over all cases, as if the service had run
since 2024; nothing is written past the engine.  High-voltage applications take their arrivals, sizes and withdrawals
from a real queue (`workflow/demo`).  All names are invented, the region codes are ones that GB/T 2260 does not assign.
The same day gives the same cases; a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from definitions.calendar import shipped
from storage import AreaRow, Database, OrgRow, StaffRow, Tx
from workflow.core.commands import COMMANDS, Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.times import business_date, write
from workflow.service import accounts, demo_records, rules
from workflow.service.demo_cases import ADMINISTRATOR, COUNTER, INSPECTOR, PROVINCE, Act, orgs, staff, stories
from workflow.service.service import Progress, Service, SystemClock

DONE_SETTING = "demonstration"
ACTS_PER_COMMIT = 100

__all__ = ["PROVINCE", "Filled", "SimulatedClock", "fill"]

_Due = tuple[dt.datetime, str, int, Act]


class SimulatedClock:
    """A clock that stands where it was set."""

    def __init__(self, moment: dt.datetime) -> None:
        self.moment = moment

    def now(self) -> dt.datetime:
        """The simulated moment."""
        return self.moment


class DemoAccount(msgspec.Struct, frozen=True):
    """An account of the demonstration; the password is shown once."""

    staff: str
    role: str
    password: str


class Filled(msgspec.Struct, frozen=True):
    """What the demonstration put in. `fresh`: now, not in an earlier run; `keys`: role and secret, shown once;
    `accounts`: one for each role."""

    fresh: bool
    cases: int
    events: int
    keys: dict[str, str]
    accounts: list[DemoAccount]


ACCOUNTS = ("YZ-WL-XT-GY-1", "YZ-WL-0", INSPECTOR, ADMINISTRATOR, COUNTER)
"""Who may sign in to the demonstration: a manager, a supervisor, and one of each other role."""


def fill(url: str | Path, progress: Progress, until: dt.datetime | None = None) -> Filled:
    """Put the demonstration into the migrated database at `url`, once, up to `until` (default: now). Raises
    StorageError."""
    until = until or SystemClock().now()
    clock = SimulatedClock(until)
    with Service(Database.open(url), rules.book(), clock, one_caller=True) as service:
        fresh = not _setting(service)
        keys: dict[str, str] = {}
        opened: list[DemoAccount] = []
        if fresh:
            service.put_orgs([OrgRow(*one) for one in orgs()])
            service.put_staff([StaffRow(*one) for one in staff()])
            _play(service, clock, until, progress)
            clock.moment = until
            with service.database.read() as tx:
                observed = demo_records.records(tx.cases())
            service.receive_evidence(Principal("演示采集系统", "front_line", PROVINCE), observed)
            _publish_areas(service, until)
            for name, role in (("演示前端", "front_line"), ("演示主管", "supervisor"), ("演示管理员", "admin")):
                keys[role] = service.create_key(name, role, PROVINCE)["key"]
            for staff_id in ACCOUNTS:
                made = accounts.create(service, Principal("demonstration", "admin"), staff_id, must_change=False)
                opened.append(DemoAccount(staff_id, made["role"], made["password"]))
            service.transact(lambda tx: tx.put_setting(DONE_SETTING, until.isoformat()))
        with service.database.read() as tx:
            heads = list(tx.heads())
    return Filled(fresh, len(heads), sum(head.seq for head in heads), keys, opened)


def _publish_areas(service: Service, until: dt.datetime) -> None:
    """A list of capacity-limited areas, published a month before."""
    day, at = (until - dt.timedelta(days=30)).date().isoformat(), write(until)
    source = "西汀区供电公司网站(演示)"
    rows = [
        AreaRow("960102", day, "10kV 听潮一线", 0.0, "主变重载", None, source, at, "demonstration"),
        AreaRow("960102", day, "10kV 晴川二线", 1200.0, "线路重载", None, source, at, "demonstration"),
    ]
    service.transact(lambda tx: tx.publish_areas("960102", day, rows))


def _setting(service: Service) -> str | None:
    with service.database.read() as tx:
        return tx.setting(DONE_SETTING)


def _play(service: Service, clock: SimulatedClock, until: dt.datetime, progress: Progress) -> None:
    """Give every command whose moment has come, in order of time over all cases."""
    agenda: list[_Due] = sorted(
        (act.at, story.name, number, act)
        for story in stories(shipped(), business_date(until))
        for number, act in enumerate(story.acts)
        if act.at <= until
    )
    ids: dict[str, str] = {}
    for start in range(0, len(agenda), ACTS_PER_COMMIT):
        part = agenda[start : start + ACTS_PER_COMMIT]

        def act_out(tx: Tx, part: list[_Due] = part) -> None:
            for at, name, number, act in part:
                clock.moment = at
                _give(service, tx, (name, number), act, ids)

        service.transact(act_out)
        progress(start + len(part), len(agenda))


def _give(service: Service, tx: Tx, which: tuple[str, int], act: Act, ids: dict[str, str]) -> None:
    """One command; a refusal is a fault of the demonstration and stops it."""
    name, number = which
    principal = Principal(act.who, act.role, PROVINCE)
    key = f"demonstration {name} {number}"
    if number == 0:
        answer = service.cases.submission(tx, principal, Submission.model_validate(act.body), key)
        ids[name] = answer.case_id or ""
    else:
        answer = service.cases.command(
            tx, principal, ids[name], COMMANDS.validate_python(act.body), key=key, if_match=None
        )
    if answer.refusal is not None:
        raise Refused(answer.refusal)
