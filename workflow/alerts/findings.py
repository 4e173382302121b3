"""The sweep `findings`: judges what waits to be judged, and tells the inspectors of what was found.

A case waits because records came in, because its history has moved on since it was judged, because the rules have
changed, because its day has come, or because the times of recording of its unit are found to be those of a load, or no
more.  Who is told: every inspector of the case's unit
and of those above it, once for each finding; the unit itself learns of it when its statement is invited.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import uuid6

from definitions.detectors import Detectors
from storage import AlertRow, FindingRow, MessageRow, Tx
from workflow.alerts.raising import Raiser
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.core.times import write
from workflow.service import load_times
from workflow.service.judging import subject

PAGE = 20
"""Cases judged, and findings told, in one transaction: commands wait no longer than these take."""
ROUND_PAGE = 2000
"""Applications looked at together for whether they have moved on."""
ROUND_EVERY = dt.timedelta(minutes=10)
"""From the end of one round over all applications, which looks for those that have moved on, to the next."""
ROUND_SETTING = "findings_round"
"""How far the round has come (empty: it is ended), and when."""
INSPECTOR = "inspector"
LEVELS = ("red", "orange", "yellow")


def sweep(run: Run) -> None:
    """Judge what waits, go round the applications, judge by the load times that follow, tell what was found."""
    _waiting(run)
    _round(run)
    _load_times(run)
    _tell(run)


def _waiting(run: Run) -> None:
    after = ""
    while limit := run.room(PAGE):
        with run.service.database.read() as tx:
            page = tx.cases_to_judge(run.today.isoformat(), after, limit)
        if not page:
            return
        _judge(run, page)
        after = page[-1]
        if len(page) < limit:
            return


def _round(run: Run) -> None:
    """Go on with the round over all applications; one that was cut short goes on where it stopped."""
    with run.service.database.read() as tx:
        at, _, told = (tx.setting(ROUND_SETTING) or "").partition(" ")
    last = dt.datetime.fromisoformat(told) if told else None
    if run.since is not None and (last is None or last < run.since):
        at = ""  # what another round has passed already may have moved on since
    elif not at and last is not None and run.now - last < ROUND_EVERY:
        return
    after, whole = at, False
    while not whole and run.room(PAGE):
        with run.service.database.read() as tx:
            page = tx.judged_page(run.service.judging.digest, after, ROUND_PAGE)
        moved = [one.case_id for one in page if one.moved]
        for start in range(0, len(moved), PAGE):
            if not run.room(PAGE):
                break
            _judge(run, moved[start : start + PAGE])
            after = moved[start : start + PAGE][-1]
        else:
            whole = len(page) < ROUND_PAGE
            after = "" if whole else page[-1].case_id
            continue
        break
    if not whole and not after:
        return  # there was no room to begin
    with run.service.database.write() as tx:
        tx.put_setting(ROUND_SETTING, f"{after} {write(run.now)}")


def _load_times(run: Run) -> None:
    """Sum up when the records of each unit were made, and judge anew the cases of the months whose answer is another
    (gate b)."""
    _settle(run)
    after = ""
    while run.room(PAGE) and (page := _otherwise(run, after)):
        for start in range(0, len(page), PAGE):
            if not run.room(PAGE):
                return
            _judge(run, page[start : start + PAGE])
        after = page[-1]
    if after:
        _settle(run)


def _otherwise(run: Run, after: str) -> list[str]:
    with run.service.database.read() as tx:
        return tx.judged_otherwise(after, ROUND_PAGE)


def _settle(run: Run) -> None:
    with run.service.database.read() as tx:
        units = tx.units_marked()
    for org in units:
        if not run.room(1):
            return
        run.begins()
        load_times.settle(run.service.database, org, run.service.judging.detectors.gates)


def _judge(run: Run, case_ids: list[str]) -> None:
    run.begins()
    with run.service.database.write() as tx:
        for case_id, done in run.service.judging.judge_each(tx, case_ids):
            if isinstance(done, Exception):
                run.fault(case_id, done)
            run.count(1, done is True)


def _tell(run: Run) -> None:
    with run.service.database.read() as tx:
        if not tx.any_finding_to_tell():
            return
        directory = Directory.read(tx)
    run.begins()
    while limit := run.room(PAGE):
        with run.service.database.write() as tx:
            calendar = run.service.calendars.refresh(tx)
            rule = run.service.law.book.delivery(on=run.today)
            raiser = Raiser(calendar, rule, directory, run.now)
            rows = tx.findings_to_tell(limit)
            for row in rows:
                _alert(run, tx, raiser, row)
            tx.findings_told([row.id for row in rows], write(run.now))
        run.count(len(rows), len(rows))
        if len(rows) < limit:
            return


def _alert(run: Run, tx: Tx, raiser: Raiser, row: FindingRow) -> None:
    detectors = run.service.judging.detectors
    if row.rule in detectors.verdicts["alerted_as_limits"]:  # type: ignore[operator]  # a list, as its file says
        return
    level = level_of(detectors, row.severity)
    today = run.today.isoformat()
    left = LEVELS.index(level)
    alert = AlertRow(
        str(uuid6.uuid7()), subject(row.id), None, row.org, None, row.rule, "finding", None, level, row.found_at[:10],
        today, left, "open", write(run.now),
    )  # fmt: skip
    raised = tx.raise_alerts([alert])
    ladder = run.service.law.book.ladder(on=run.today)
    messages: list[MessageRow] = []
    for one in (*raised.new, *raised.revived):
        people = raiser.people((INSPECTOR,), ladder, row.org, ())
        messages += raiser.messages(one, people, _body(detectors, row))
    tx.queue_messages(messages)


def level_of(detectors: Detectors, severity: str) -> str:
    """The level at which a finding of this severity is told."""
    for level in LEVELS:
        if severity in detectors.verdicts[f"alert_{level}"]:  # type: ignore[operator]  # a list, as its file says
            return level
    return LEVELS[-1]


def _body(detectors: Detectors, row: FindingRow) -> str:
    names: dict[str, Any] = {one.rule: one.name for one in detectors.rules}
    name = names[row.rule]
    title = f"【检查发现】{row.case_no or row.case_id} {row.rule} {name.zh}"
    text = "\n".join((
        f"{row.explanation}。",
        "下一步: 核对证据, 请该单位说明; 收到说明之前不点名。",
        "",
        f"Finding {row.rule} ({name.en}) on {row.case_no or row.case_id}: {row.explanation_en}.",
        "Next: look at the evidence and invite the unit's statement; no unit is named before it.",
    ))  # fmt: skip
    return msgspec.json.encode({"title": title, "text": text, "finding_id": row.id}).decode()
