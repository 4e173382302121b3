"""How alerts and their delivery are doing, as facts: for `/readyz`, `/metrics` and `doctor`.

Read from the heartbeats and the outbox, so any process can tell it.  A worker that has stopped is a fact and no reason
to take the interface out of service: applications are driven without it.  Moments are of the business zone
(Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from storage import SweepRow, Tx
from workflow.core.times import business_date, write

EVERY = {
    "ladders": 60,
    "due": 5,
    "deliver": 5,
    "escalate": 60,
    "stale": 300,
    "horizon": 3600,
    "reports": 3600,
    "orders": 60,
    "notices": 60,
    "digest": 60,
    "findings": 30,
    "leftovers": 3600,
}
"""The sweeps, in the order in which they are run one after the other, and every how many seconds each begins."""

GRACE_SECONDS = 120
"""So much later than due a sweep may have ended well last: a busy database or a restart is no failure."""

UNSENT_SECONDS = 900
"""A message that could go out and has waited longer says that delivery does not keep up."""


class SweepHealth(msgspec.Struct, frozen=True):
    """One sweep. `lag_seconds`: since it last ended well, None before it ever has; `late`: longer than it should be;
    `cut_short`: it left something for the next run; `error`: of the last run."""

    name: str
    lag_seconds: int | None
    late: bool
    cut_short: bool
    error: str | None


class AlertHealth(msgspec.Struct, frozen=True):
    """The sweeps and what waits. `looks_behind_days`: for how many days the oldest deadline has been waiting to be
    looked at; `for_nobody`: alerts of the last run that raised any for which no recipient was found; `standing`:
    alerts that stand, by level, and `pending` messages, both None where they were not counted."""

    sweeps: tuple[SweepHealth, ...]
    ever_ran: bool
    looks_behind_days: int
    oldest_unsent_seconds: int
    dead: int
    for_nobody: int
    calendar_days_left: int
    standing: dict[str, int] | None
    pending: int | None

    @property
    def late(self) -> list[str]:
        """The sweeps that are late or ended with an error."""
        return [one.name for one in self.sweeps if one.late or one.error]


FOR_NOBODY_SETTING = "alerts_for_nobody"
"""How many alerts of the last run that raised any found no recipient at all."""


def of_alerts(tx: Tx, now: dt.datetime, firm_until: dt.date, *, counted: bool) -> AlertHealth:
    """How alerts are doing as of `now`. `counted`: with what takes longer the more alerts stand."""
    today = business_date(now)
    there = {row.name: row for row in tx.sweeps()}
    oldest = tx.oldest_look()
    unsent = tx.oldest_unsent(write(now))
    return AlertHealth(
        sweeps=tuple(_sweep(name, there.get(name), now) for name in EVERY),
        ever_ran=bool(there),
        looks_behind_days=0 if oldest is None else max(0, (today - dt.date.fromisoformat(oldest)).days),
        oldest_unsent_seconds=0 if unsent is None else _seconds_since(unsent, now),
        dead=tx.dead_count(),
        for_nobody=int(tx.setting(FOR_NOBODY_SETTING) or 0),
        calendar_days_left=(firm_until - today).days,
        standing=tx.standing_by_level() if counted else None,
        pending=tx.pending_count() if counted else None,
    )


def _sweep(name: str, row: SweepRow | None, now: dt.datetime) -> SweepHealth:
    if row is None:
        return SweepHealth(name, None, True, False, None)
    lag = None if row.last_good_at is None else _seconds_since(row.last_good_at, now)
    late = lag is None or lag > EVERY[name] + GRACE_SECONDS
    return SweepHealth(name, lag, late, row.cut_short, row.error)


def _seconds_since(moment: str, now: dt.datetime) -> int:
    return max(0, int((now - dt.datetime.fromisoformat(moment)).total_seconds()))


class Concern(NamedTuple):
    """What is not as it should be, and what to do about it. `urgent`: now; otherwise soon."""

    name: str
    urgent: bool
    zh: str
    en: str


def concerns(health: AlertHealth) -> Iterator[Concern]:
    """What is not as it should be."""
    if not health.ever_ran:
        yield Concern(
            "sweeps",
            False,
            "从未运行过预警任务; 请运行 baozhuang worker",
            "no sweep has ever run: start baozhuang worker",
        )
    elif health.late:
        names = ", ".join(health.late)
        yield Concern(
            "sweeps",
            True,
            f"预警任务停滞或出错: {names}; 请检查 baozhuang worker 及其日志",
            f"sweeps are late or failing: {names}; look at baozhuang worker and its log",
        )
    if health.oldest_unsent_seconds > UNSENT_SECONDS:
        minutes = health.oldest_unsent_seconds // 60
        yield Concern(
            "unsent",
            True,
            f"最早一条待发送的消息已等待 {minutes} 分钟; 请检查 baozhuang worker 和接收端",
            f"the oldest sendable message has waited for {minutes} minutes: look at the worker and the receivers",
        )
    if health.dead:
        yield Concern(
            "dead_letters",
            False,
            f"{health.dead} 条消息多次发送失败, 请查看未送达清单并重新发送",
            f"{health.dead} messages could not be delivered: see the dead letters and send them again",
        )
    if health.for_nobody:
        yield Concern(
            "no_recipient",
            False,
            f"{health.for_nobody} 条预警没有可通知的人员, 请导入人员 (baozhuang staff import)",
            f"{health.for_nobody} alerts have no recipient: import the staff (baozhuang staff import)",
        )


def as_facts(health: AlertHealth) -> dict[str, Any]:
    """What `/readyz` shows of it, where no key is asked for: no text of an error, which may name machines and files."""
    facts: dict[str, Any] = msgspec.to_builtins(health)
    for left_out in ("standing", "pending"):
        facts.pop(left_out)
    facts["sweeps"] = {
        one.name: {
            "lag_seconds": one.lag_seconds,
            "late": one.late,
            "cut_short": one.cut_short,
            "failing": one.error is not None,
        }
        for one in health.sweeps
    }
    facts["concerns"] = [one.name for one in concerns(health)]
    return facts
