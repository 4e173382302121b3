"""What is well with an installation and what is not: facts for whoever runs it, each with what to do about it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.model import NATION
from storage import Tx
from workflow.core.state import from_snapshot
from workflow.service import health
from workflow.service.law import damaged
from workflow.service.notices import UNFINISHED_SETTING
from workflow.service.portal import house
from workflow.service.service import Service

VERIFIED_FOR_DAYS = 183
"""After half a year the rules are to be compared with their sources again."""

NOTICE_EXPECTED_DAYS = 45
"""The next year's notice is usually out by early November: so many days before the horizon it is asked for."""

LITTLE_DISK = 1 << 30
"""Free bytes below which a SQLite database is in danger."""

MANY_UNSIGNED = 100
"""More records waiting for a second signature than this is a queue that nobody works off."""


class Fact(msgspec.Struct, frozen=True):
    """One line of the report. `status`: `wrong` is to be put right now, `warn` soon."""

    name: str
    status: Literal["ok", "warn", "wrong"]
    zh: str
    en: str


def diagnose(service: Service) -> list[Fact]:
    """The facts of the service's database, as of now."""
    today = service.today
    facts = [Fact("database", "ok", f"可用 ({service.database.dialect})", f"answers ({service.database.dialect})")]
    with service.database.read() as tx:
        facts += _schema(service, tx)
        bad = [Fact("published", "wrong", one.zh, one.en) for one in damaged(tx)]
        if bad:
            return facts + bad  # the rest is counted by them
        facts.append(Fact("published", "ok", "规则和放假通知与其哈希相符", "definitions and notices have their hashes"))
        facts += _calendar(service.calendars.refresh(tx), tx, today)
        facts += _unsigned(tx)
    facts += _alerts(service)
    facts += _definitions(service.law.book, today)
    facts.append(_files(house.files(service).directory))
    if service.database.file is not None:
        facts.append(_disk(service.database.file.absolute().parent))
    return facts


def _schema(service: Service, tx: Tx) -> Iterator[Fact]:
    yield (
        Fact("schema", "ok", "为当前版本", "is the current one")
        if service.database.schema_is_current()
        else Fact("schema", "wrong", "不是当前版本, 请运行 baozhuang init", "is not current: run baozhuang init")
    )
    missing = ", ".join(tx.missing_triggers())
    yield (
        Fact(
            "triggers",
            "wrong",
            f"缺少防篡改触发器 {missing}, 请核查",
            f"append-only triggers gone: {missing}",
        )
        if missing
        else Fact("triggers", "ok", "防篡改触发器齐全", "append-only triggers are in place")
    )


def _calendar(calendar: WorkingCalendar, tx: Tx, today: dt.date) -> Iterator[Fact]:
    left = (calendar.firm_until - today).days
    year = calendar.firm_until.year + 1
    yield Fact(
        "calendar",
        "wrong" if left < 0 else "warn" if left < NOTICE_EXPECTED_DAYS else "ok",
        f"工作日历确定至 {calendar.firm_until} (还有 {left} 天); {year} 年放假通知发布后请运行 "
        "baozhuang calendar import",
        f"firm until {calendar.firm_until} ({left} days left); import the notice for {year} when it is out",
    )
    if tx.setting(UNFINISHED_SETTING):
        yield Fact(
            "recount",
            "wrong",
            "上次导入放假通知后重算未完成, 请再导入一次同一文件",
            "recounting after the last notice was not finished: import the same file again",
        )


def _unsigned(tx: Tx) -> Iterator[Fact]:
    """Read from the snapshots: in a text without the key nothing waits."""
    waiting = Counter(
        "late" if pending.kind == "late" else "proposed"
        for row in tx.cases()
        if '"pending":' in row.snapshot
        for pending in from_snapshot(row.snapshot).pending
    )
    yield Fact(
        "unsigned",
        "warn" if waiting.total() > MANY_UNSIGNED else "ok",
        f"待会签: {waiting['proposed']} 项申请 (中止、豁免、更正), {waiting['late']} 条补录",
        f"waiting for a second signature: {waiting['proposed']} proposals, {waiting['late']} late records",
    )


def _alerts(service: Service) -> Iterator[Fact]:
    found = service.alert_health()
    concerns = {
        one.name: Fact(one.name, "wrong" if one.urgent else "warn", one.zh, one.en) for one in health.concerns(found)
    }
    good = {
        "sweeps": ("预警任务按时运行", "the sweeps run on time"),
        "unsent": (f"待发送消息 {found.pending} 条", f"messages waiting to be sent: {found.pending}"),
        "dead_letters": ("没有未送达的消息", "there are no dead letters"),
        "no_recipient": ("预警都有可通知的人员", "every alert has a recipient"),
    }
    for name, (zh, en) in good.items():
        yield concerns.get(name) or Fact(name, "ok", zh, en)
    failing = [f"{one.name}: {one.error}" for one in found.sweeps if one.error]
    if failing:
        yield Fact("sweep_errors", "wrong", "; ".join(failing), "; ".join(failing))


def _definitions(book: Book, today: dt.date) -> Iterator[Fact]:
    stale = sorted(
        {
            f"{user_class}@{region}"
            for region in (NATION, *book.regions)
            for user_class in book.classes
            if (today - book.resolve(on=today, user_class=user_class, region=region).last_verified_on).days
            > VERIFIED_FOR_DAYS
        }
    )
    yield (
        Fact(
            "definitions",
            "wrong",
            f"规则超过 {VERIFIED_FOR_DAYS} 天未与原文核对: {', '.join(stale)}",
            f"rules not compared with their sources for more than {VERIFIED_FOR_DAYS} days: {', '.join(stale)}",
        )
        if stale
        else Fact("definitions", "ok", "规则均在核对期内", "all rules were compared with their sources in time")
    )


def _files(folder: Path) -> Fact:
    """Whether customers' files can be stored: the folder comes into being with the first of them."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK) or shutil.disk_usage(nearest).free < LITTLE_DISK:
        return Fact(
            "files",
            "wrong",
            f"文件目录 {folder} 不可写或空间不足",
            f"the folder {folder} cannot be written or is nearly full",
        )
    return Fact("files", "ok", f"用户上传的文件存放在 {folder}", f"customers' files lie in {folder}")


def _disk(folder: Path) -> Fact:
    free = shutil.disk_usage(folder).free
    return Fact(
        "disk",
        "wrong" if free < LITTLE_DISK else "ok",
        f"剩余磁盘空间 {free / (1 << 30):.1f} GiB",
        f"free disk space: {free / (1 << 30):.1f} GiB",
    )
