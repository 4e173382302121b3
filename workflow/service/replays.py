"""Replays asked for from the pages: a history is uploaded or chosen, judged by a process of its own that outlives the
request (see `replay_process`), and read from its results; findings on its cases are reviewed as live ones are.

Uploaded files lie in the file store under their digests, the results in a folder for each replay beside it; all nodes
of one installation must see the same folder.  What is at work and how far it is stands in the database; a process that
dies is noticed by its silence, and the next one takes up where it ended.  Dates are of the business zone.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
import uuid6

from storage import FileStore, FindingEventRow, FindingRow, ReplayRunRow, Tx
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.replay.intake import ready
from workflow.service import access, findings
from workflow.service.judging import AREA, content, event
from workflow.service.portal.house import files as uploads
from workflow.service.service import MOST_PER_PAGE, Service
from workflow.service.timeline import drawing, records

if TYPE_CHECKING:
    from workflow.replay.output.reading import Results

LARGEST: Final = 512 * 1024 * 1024
"""Bytes of one uploaded file."""
SILENT_AFTER: Final = dt.timedelta(seconds=90)
"""A process that has not been heard of for so long is taken for dead."""
PAGE: Final = 30
MOST_DRAWN: Final = 200
"""Cases of a random sample."""
MAPPINGS: Final = tuple(name for name in ready() if name in ("contract", "hv_ledger", "lv_milestones", "xes"))
"""Ready mappings to choose from."""
SUFFIXES: Final = (".csv", ".txt", ".parquet", ".xlsx", ".xlsm", ".xls", ".xes", ".xes.gz", ".gz", ".zip")


class Asked(NamedTuple):
    """What is to be replayed. `cases`, `events`: name and digest of files in the store; both None: the live store."""

    name: str
    as_of: dt.date
    mapping: str
    cases: tuple[str, str] | None
    events: tuple[str, str] | None


# ---- asking for one --------------------------------------------------------------------------------------------------


def store(service: Service, principal: Principal, name: str, chunks: Iterable[bytes]) -> tuple[str, str]:
    """Keep an uploaded file; its name and digest. Raises Refused `malformed-request` for what is too large or no table,
    StorageUnavailable."""
    _check(service, principal)
    short = Path(name.replace("\\", "/")).name[:120] or "history"
    if not short.lower().endswith(SUFFIXES):
        raise refuse(
            "malformed-request",
            f"{short}: 只接受 CSV、Parquet、Excel、XES 文件",
            f"{short}: only CSV, Parquet, Excel and XES files are taken",
        )

    def bounded() -> Iterable[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > LARGEST:
                raise refuse(
                    "malformed-request",
                    f"{short}: 文件超过 {LARGEST // 1024 // 1024} MB, 请用命令行 baozhuang replay",
                    f"{short}: larger than {LARGEST // 1024 // 1024} MB; use the command baozhuang replay",
                )
            yield chunk

    return short, files(service).put(bounded()).digest


def ask(service: Service, principal: Principal, asked: Asked) -> str:
    """Note a replay; its id. It belongs to the principal's unit. Asked for again by whoever did before it has ended, it
    is the same one. Raises Refused."""
    _check(service, principal)
    if asked.mapping not in MAPPINGS:
        raise refuse("malformed-request", "mapping: 没有这个对照表", "mapping: there is no such mapping")
    row = ReplayRunRow(
        str(uuid6.uuid7()), asked.name[:120], principal.org, principal.who, write(service.clock.now()),
        asked.as_of.isoformat(), asked.mapping, *_of(asked.cases), *_of(asked.events),
    )  # fmt: skip

    def work(tx: Tx) -> str:
        for one in tx.list_replays(principal.org):
            if one.state in ("queued", "running") and _as_asked(one) == _as_asked(row):
                return one.id
        tx.add_replay(row)
        return row.id

    return service.transact(work)


def _as_asked(row: ReplayRunRow) -> tuple[object, ...]:
    return (row.name, row.org, row.created_by, row.as_of, row.mapping, row.cases_file, row.events_file)


def again(service: Service, principal: Principal, run_id: str, as_of: dt.date) -> str:
    """Note a replay of the same history as another, judged as of another date; its id. Raises Refused."""
    row = _run(service, principal, run_id)
    histories = [
        None if digest is None or name is None else (name, digest)
        for name, digest in ((row.cases_name, row.cases_file), (row.events_name, row.events_file))
    ]
    return ask(service, principal, Asked(row.name, as_of, row.mapping, *histories))


def _of(file: tuple[str, str] | None) -> tuple[str | None, str | None]:
    return (None, None) if file is None else (file[1], file[0])


def launch(service: Service, principal: Principal, run_id: str) -> None:
    """Start a process that does a replay and outlives this one. Asking again while one is at work does nothing. Raises
    Refused, OSError."""
    _check(service, principal)
    with service.database.read() as tx:
        row = _seen(tx, principal, run_id)
    if row.state == "done" or (row.state == "running" and not silent(service, row)):
        return
    _started[:] = [one for one in _started if one.poll() is None]  # those that have ended are let go of
    started = subprocess.Popen(  # noqa: S603  # our own command, no text of anybody's
        [sys.executable, "-m", "workflow.cli", "replay-run", row.id],
        env={
            **os.environ,
            "BAOZHUANG_DATABASE": service.database.address,
            "BAOZHUANG_FILES": str(uploads(service).directory),
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    _started.append(started)


_started: list[subprocess.Popen[bytes]] = []


def stop(service: Service, principal: Principal, run_id: str) -> None:
    """Have a replay stopped; what it has finished is kept for the next start. Raises Refused."""
    _check(service, principal)

    def work(tx: Tx) -> None:
        _seen(tx, principal, run_id)
        tx.stop_replay(run_id, write(service.clock.now()))

    service.transact(work)


def silent(service: Service, row: ReplayRunRow) -> bool:
    """Whether a running replay has not been heard of for too long."""
    heard = dt.datetime.fromisoformat(row.beat_at or row.created_at)
    return row.state == "running" and service.clock.now() - heard > SILENT_AFTER


# ---- reading ---------------------------------------------------------------------------------------------------------


def listed(service: Service, principal: Principal, *, cursor: str | None = None, limit: int = PAGE) -> dict[str, Any]:
    """A page of replays, newest first. Raises Refused."""
    _check(service, principal)
    limit = max(1, min(limit, MOST_PER_PAGE))
    with service.database.read() as tx:
        rows = tx.list_replays(principal.org, before=cursor, limit=limit + 1)
    return {
        "items": [shown(service, row) for row in rows[:limit]],
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }


def shown(service: Service, row: ReplayRunRow) -> dict[str, Any]:
    """A replay as its pages show it. `state` is `interrupted` when its process has fallen silent."""
    return {
        "id": row.id,
        "name": row.name,
        "created_by": row.created_by,
        "created_at": dt.datetime.fromisoformat(row.created_at),
        "as_of": dt.date.fromisoformat(row.as_of),
        "mapping": row.mapping,
        "files": [name for name in (row.cases_name, row.events_name) if name],
        "state": "interrupted" if silent(service, row) else row.state,
        "stage": row.stage,
        "percent": row.percent,
        "error": row.error,
        "finished_at": None if row.finished_at is None else dt.datetime.fromisoformat(row.finished_at),
    }


def one(service: Service, principal: Principal, run_id: str) -> dict[str, Any]:
    """One replay, with its summary and its findings about organisations when it is done. Raises Refused."""
    row = _run(service, principal, run_id)
    told: dict[str, Any] = {"run": shown(service, row), "summary": None, "about_orgs": []}
    if row.state == "done":
        with _results(service, row) as found:
            told.update(summary=found.summary(), about_orgs=found.of_organisations(PAGE))
    return told


def found(
    service: Service, principal: Principal, run_id: str, what: Literal["findings", "cases"], *, offset: int = 0,
    **narrowed: str,
) -> dict[str, Any]:  # fmt: skip
    """A page of a replay's findings or cases. Raises Refused."""
    row = _done(service, principal, run_id)
    with _results(service, row) as results:
        read = results.findings if what == "findings" else results.verdicts
        page = read(narrowed, max(0, offset), PAGE)
        orgs = results.organisations()
    names = findings.rule_names(service)
    for item in page.rows:
        if "rule" in item:
            item["name"] = findings.name_of(names, item["rule"])
    return {
        "run": shown(service, row),
        "items": page.rows,
        "orgs": orgs,
        "next": str(offset + PAGE) if page.more else None,
    }


def sample(
    service: Service, principal: Principal, run_id: str, *, seed: str, size: int, verdicts: tuple[str, ...]
) -> dict[str, Any]:
    """A random sample of a replay's cases; the same seed draws the same. Raises Refused."""
    row = _done(service, principal, run_id)
    with _results(service, row) as results:
        rows = results.sample(seed, max(1, min(size, MOST_DRAWN)), verdicts)
    return {"run": shown(service, row), "items": rows, "seed": seed, "size": size, "verdicts": verdicts}


def new_seed() -> str:
    """A seed to draw by: to be written down, so that anybody can draw again."""
    return str(secrets.randbelow(10**8))


def case(service: Service, principal: Principal, run_id: str, case_id: str) -> dict[str, Any]:
    """One case of a replay: its verdict, its findings with their reviews, its records on one line of time. Raises
    Refused."""
    row = _done(service, principal, run_id)
    with _results(service, row) as results:
        told = results.case(case_id)
    if told is None:
        raise refuse("not-found", f"回放中没有 {case_id[:64]}", f"There is no {case_id[:64]} in the replay")
    with service.database.read() as tx:
        known = {one.rule: one for one in tx.findings_of(run_id, case_id)}
        reviewed = {rule: findings.told_of(service, tx, principal, one) for rule, one in known.items()}
    names = findings.rule_names(service)
    listed_ = [
        reviewed.get(one["rule"]) or {**one, "id": one["rule"], "application_no": one["case_no"], "stands": True,
                                      "status": "open", "name": findings.name_of(names, one["rule"]), "history": [],
                                      "acts": findings.first_acts(), "reply_by": None}
        for one in told["findings"]
    ]  # fmt: skip
    return {
        "run": shown(service, row),
        "case": told,
        "findings": listed_,
        "drawing": drawing(told["events"], told["findings"]),
        "records": records(told["events"]),
    }


def review(
    service: Service, principal: Principal, run_id: str, *, case_id: str, rule: str, asked: findings.Review
) -> dict[str, Any]:
    """One act of the review of a finding of a replay; with the first one the finding becomes a row of the database.
    Raises Refused."""
    row = _done(service, principal, run_id)
    with _results(service, row) as results:
        told = results.case(case_id)
    one = next((one for one in (told or {"findings": []})["findings"] if one["rule"] == rule), None)
    if one is None:
        raise refuse("not-found", f"回放中没有发现 {rule[:8]}", f"There is no finding {rule[:8]} in the replay")
    at = write(service.clock.now())

    def keep(tx: Tx) -> str:
        known = {there.rule: there.id for there in tx.findings_of(run_id, case_id)}
        if rule in known:
            return known[rule]
        fresh = FindingRow(
            str(uuid6.uuid7()), run_id, case_id, one["case_no"], row.org or one["org"], rule, one["tag"],
            one["severity"], msgspec.json.encode(one["evidence"]).decode(), one["explanation"],
            one["explanation_en"], True, "open", None, at, at, at,
        )  # fmt: skip
        if tx.add_finding(fresh):
            kept: list[FindingEventRow] = [event(fresh, "found", at, content(fresh))]
            tx.append_finding_events(kept)
        return next(there.id for there in tx.findings_of(run_id, case_id) if there.rule == rule)

    finding_id = service.transact(keep)
    return findings.act(service, principal, finding_id, asked)


def paper(
    service: Service, principal: Principal, run_id: str, case_ids: Iterable[str], form: Literal["docx", "xlsx"]
) -> bytes:
    """The working paper of cases of a replay. Raises Refused."""
    told = [one for case_id in case_ids for one in case(service, principal, run_id, case_id)["findings"]]
    row = _run(service, principal, run_id)
    return findings.written(service, f"工作底稿 {row.name}", told, form)


# ---- underneath ------------------------------------------------------------------------------------------------------


def _check(service: Service, principal: Principal) -> None:
    access.check_reads(service.law.roles, principal, "replays")
    access.check_administers(service.law.roles, principal, AREA)


def _seen(tx: Tx, principal: Principal, run_id: str) -> ReplayRunRow:
    row = tx.replay_run(run_id)
    if row is None or not access.sees(tx, principal, row.org):
        raise refuse("not-found", f"没有找到回放 {run_id[:64]}", f"There is no replay {run_id[:64]}")
    return row


def _run(service: Service, principal: Principal, run_id: str) -> ReplayRunRow:
    _check(service, principal)
    with service.database.read() as tx:
        return _seen(tx, principal, run_id)


def _done(service: Service, principal: Principal, run_id: str) -> ReplayRunRow:
    row = _run(service, principal, run_id)
    if row.state != "done":
        raise refuse("transition-not-allowed", "回放尚未完成", "The replay is not finished yet")
    return row


def files(service: Service) -> FileStore:
    """Where uploaded histories lie, under their digests."""
    return FileStore(uploads(service).directory / "replays")


def folder(service: Service, run_id: str) -> Path:
    """Where a replay keeps its input and its results."""
    return uploads(service).directory / "replay-runs" / run_id


def _results(service: Service, row: ReplayRunRow) -> Results:
    from workflow.replay.output.reading import Results  # noqa: PLC0415  # loads DuckDB, which a server seldom needs

    return Results(folder(service, row.id) / "out")
