"""How alerts and their delivery are doing, as facts: for `/readyz`, `/metrics` and `doctor`.

Read from the heartbeats and the outbox, so any process can tell it.  A worker that has stopped is a fact and no reason
to take the interface out of service: applications are driven without it.  Moments are of the business zone
(Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from storage import SweepRow, Tx
from workflow.core.times import business_date, write

EVERY = {
    "due": 5,
    "deliver": 5,
    "escalate": 60,
    "stale": 300,
    "horizon": 3600,
    "reports": 3600,
    "orders": 60,
    "notices": 60,
    "digest": 60,
}
"""The sweeps, in the order in which they are run one after the other, and every how many seconds each begins."""

GRACE_SECONDS = 120
"""So much later than due a sweep may have ended well last: a busy database or a restart is no failure."""

UNSENT_SECONDS = 900
"""A message that could go out and has waited longer says that delivery does not keep up."""


class SweepHealth(msgspec.Struct, frozen=True):
    """One sweep. `lag_seconds`: since it last ended well, None before it ever has; `late`: longer than it should be."""

    name: str
    worker: str | None
    last_good_at: str | None
    lag_seconds: int | None
    late: bool
    cut_short: bool
    error: str | None


class AlertHealth(msgspec.Struct, frozen=True):
    """The sweeps and what waits. `looks_behind_days`: for how many days the oldest deadline has been waiting to be
    looked at; `for_nobody`: alerts of the last run that raised any for which no recipient was found."""

    sweeps: list[SweepHealth]
    ever_ran: bool
    looks_behind_days: int
    standing: dict[str, int]
    oldest_unsent_seconds: int
    pending: int
    dead: int
    for_nobody: int
    calendar_days_left: int

    @property
    def late(self) -> list[str]:
        """The sweeps that are late or ended with an error."""
        return [one.name for one in self.sweeps if one.late or one.error]


FOR_NOBODY_SETTING = "alerts_for_nobody"
"""How many alerts of the last run that raised any found no recipient at all."""


def of_alerts(tx: Tx, now: dt.datetime, firm_until: dt.date) -> AlertHealth:
    """How alerts are doing as of `now`."""
    today = business_date(now)
    there = {row.name: row for row in tx.sweeps()}
    oldest = tx.oldest_look()
    unsent = tx.oldest_unsent(write(now))
    counts = tx.unsent_counts()
    return AlertHealth(
        sweeps=[_sweep(name, there.get(name), now) for name in EVERY],
        ever_ran=bool(there),
        looks_behind_days=0 if oldest is None else max(0, (today - dt.date.fromisoformat(oldest)).days),
        standing=tx.standing_by_level(),
        oldest_unsent_seconds=0 if unsent is None else _seconds_since(unsent, now),
        pending=counts["pending"],
        dead=counts["dead"],
        for_nobody=int(tx.setting(FOR_NOBODY_SETTING) or 0),
        calendar_days_left=(firm_until - today).days,
    )


def _sweep(name: str, row: SweepRow | None, now: dt.datetime) -> SweepHealth:
    if row is None:
        return SweepHealth(name, None, None, None, True, False, None)
    lag = None if row.last_good_at is None else _seconds_since(row.last_good_at, now)
    late = lag is None or lag > EVERY[name] + GRACE_SECONDS
    return SweepHealth(name, row.worker, row.last_good_at, lag, late, row.cut_short, row.error)


def _seconds_since(moment: str, now: dt.datetime) -> int:
    return max(0, int((now - dt.datetime.fromisoformat(moment)).total_seconds()))


def concerns(health: AlertHealth) -> Iterator[tuple[str, str, str]]:
    """What is not as it should be: name, and what to do about it in Chinese and English."""
    if not health.ever_ran:
        yield (
            "sweeps",
            "从未运行过预警任务; 请运行 baozhuang worker",
            "no sweep has ever run: start baozhuang worker",
        )
    elif health.late:
        names = ", ".join(health.late)
        yield (
            "sweeps",
            f"预警任务停滞或出错: {names}; 请检查 baozhuang worker 及其日志",
            f"sweeps are late or failing: {names}; look at baozhuang worker and its log",
        )
    if health.oldest_unsent_seconds > UNSENT_SECONDS:
        minutes = health.oldest_unsent_seconds // 60
        yield (
            "unsent",
            f"最早一条待发送的消息已等待 {minutes} 分钟",
            f"the oldest message that may go out has waited for {minutes} minutes",
        )
    if health.dead:
        yield (
            "dead_letters",
            f"{health.dead} 条消息多次发送失败, 请查看未送达清单并重新发送",
            f"{health.dead} messages could not be delivered: see the dead letters and send them again",
        )
    if health.for_nobody:
        yield (
            "no_recipient",
            f"{health.for_nobody} 条预警没有可通知的人员, 请导入人员 (baozhuang staff import)",
            f"{health.for_nobody} alerts have no recipient: import the staff (baozhuang staff import)",
        )


def as_facts(health: AlertHealth) -> dict[str, Any]:
    """What `/readyz` shows of it."""
    facts: dict[str, Any] = msgspec.to_builtins(health)
    facts["sweeps"] = {one.pop("name"): one for one in facts["sweeps"]}
    facts["concerns"] = [f"{zh} / {en}" for _, zh, en in concerns(health)]
    return facts
