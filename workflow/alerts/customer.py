"""What the customer must be told [L47 L49 L22]: queued once per application and notice, its proof put into the history.

The notices that an application owes (`definitions/data/notices.yaml`) become messages to the customer as soon as a
gateway to customers is registered, for applications submitted from then on.  When one has been delivered, the proof
enters the case's history as a `notify` of the outbox, in the transaction that marks the message sent: once, even when a
worker dies between sending and recording and the message goes out again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
import structlog

from definitions.model import Definition
from storage import CaseRow, DestinationRow, MessageRow, Tx
from workflow.alerts.errands import nearest, proved_notices
from workflow.alerts.policy import opening
from workflow.alerts.sweep import Run
from workflow.core.commands import EvidenceRef, Notify
from workflow.core.events import Principal
from workflow.core.state import from_snapshot
from workflow.core.times import business_date, write
from workflow.service import Service
from workflow.service.messages import fresh

log = structlog.get_logger("baozhuang.delivery")

OUTBOX: Final = Principal("outbox", "system")
"""Who records what was delivered."""

BOOKMARK: Final = "customer_notices_after"
"""The setting that holds the id up to which applications have been looked at."""

OVERLAP: Final = dt.timedelta(minutes=10)
"""Ids are in the order of time, but other processes' clocks differ and transactions end later than they begin."""

RECENT: Final = dt.timedelta(days=7)
"""An application brought in from before, such as one from another system, was told then [D-DELIVERY]."""

PAGE: Final = 500
TITLE: Final = "用电报装告知"


def sweep(run: Run) -> None:
    """The sweep `notices`: queue what customers of new applications are still to be told."""
    after = ""
    while room := run.room(PAGE):
        page, messages = _page(run.service, run.now, after, room)
        if not page:
            return
        run.begins()
        done = run.service.transact(partial(_store, messages, _bookmark(run.now, page)))
        run.count(len(page), done)
        if len(page) < room:
            return
        after = page[-1].id


def record(service: Service, tx: Tx, message: MessageRow, now: dt.datetime, proof: dict[str, Any]) -> None:
    """A notice was delivered: mark the message sent and put the proof into the case's history, unless that was done
    when it was delivered before."""
    if message.case_id is None:
        raise ValueError("a customer's notice belongs to an application")
    tx.case(message.case_id, lock=True)  # whoever else delivered it has recorded it by now, or waits for us
    known = tx.message(message.id)
    if known is None or known.status == "sent":
        return
    body = msgspec.json.decode(message.body)
    digest = hashlib.sha256(msgspec.json.encode(proof)).hexdigest()
    command = Notify(
        command="notify",
        notice=body["notice"],
        channel=body.get("channel"),
        evidence=EvidenceRef(ref=f"message:{message.id} sha256:{digest}"),
    )
    answer = service.cases.command(tx, OUTBOX, message.case_id, command, key=message.id, if_match=None)
    if answer.refusal is not None:
        log.warning("notice_not_recorded", message=message.id, code=answer.refusal.code)
        proof = {**proof, "not_in_history": answer.refusal.code}
    tx.message_sent(message.id, write(now), msgspec.json.encode(proof).decode())


def due(definition: Definition, row: CaseRow) -> list[str]:
    """The notices whose step has been reached and whose delivery is not proved."""
    reached = {step.code for step in from_snapshot(row.snapshot).steps if step.status != "pending"}
    proved = proved_notices(row)
    return [rule.code for rule in definition.notices if rule.at_step in reached and rule.code not in proved]


def _page(service: Service, now: dt.datetime, after: str, room: int) -> tuple[list[CaseRow], list[MessageRow]]:
    """The next applications in the order of their ids, and the messages for them."""
    with service.database.read() as tx:
        ways = [row for row in tx.destinations() if row.kind == "customer" and row.disabled_at is None]
        if not ways:
            return [], []
        calendar = service.calendars.refresh(tx)
        rule = service.law.book.delivery(on=business_date(now))
        people_from = write(opening(calendar, rule, now))
        units = {unit.code: [code for code in unit.path.split("/") if code] for unit in tx.orgs()}
        page = list(islice(tx.cases(max(after, _start(tx, ways))), room))
        messages = []
        for row in page:
            way = nearest(ways, row.org, units.get(row.org or "", []))
            since = write(now - RECENT)
            if way is None or row.closed_at is not None or row.submitted_at < max(since, way.created_at):
                continue
            definition = service.law.pinned(tx, row.definition_hash)
            for notice in due(definition, row):
                text = rule.customer_texts.get(notice)
                if text is None:
                    log.warning("notice_without_text", notice=notice)
                    continue
                said = text.text
                if definition.charges.zero_investment and text.zero_investment is not None:
                    said = text.zero_investment
                body = {
                    "notice": notice,
                    "channel": _channel(way.url),
                    "title": TITLE,
                    "text": said.zh.format(application_no=row.application_no),
                }
                messages.append(_message(row, body, write(now), people_from))
    return page, messages


def _start(tx: Tx, ways: list[DestinationRow]) -> str:
    """After which id to go on; before any gateway was registered there is nothing to tell."""
    first = dt.datetime.fromisoformat(min(way.created_at for way in ways))
    return max(tx.setting(BOOKMARK) or "", _lowest_id(first - OVERLAP))


def _bookmark(now: dt.datetime, page: list[CaseRow]) -> str:
    """Up to where everything has been looked at; never so far that a transaction still under way would be missed."""
    return min(page[-1].id, _lowest_id(now - OVERLAP))


def _store(messages: list[MessageRow], bookmark: str, tx: Tx) -> int:
    new = [one for one in messages if tx.message_by_dedupe(one.dedupe) is None]
    tx.queue_messages(new)
    if bookmark > (tx.setting(BOOKMARK) or ""):
        tx.put_setting(BOOKMARK, bookmark)
    return len(new)


def _lowest_id(moment: dt.datetime) -> str:
    """The lowest id (UUID 7) given at `moment`."""
    text = f"{int(moment.timestamp() * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-000000000000"


def _channel(url: str) -> str:
    """How the customer is reached, in the words of the history."""
    scheme = url.partition("://")[0].lower()
    if scheme in ("mailto", "mailtos"):
        return "email"
    return "wechat" if scheme in ("wechat", "wxpusher", "wecombot") else "sms"


def _message(row: CaseRow, body: dict[str, str], now: str, not_before: str) -> MessageRow:
    return fresh(
        "customer_notice", "customer", "apprise", msgspec.json.encode(body).decode(), now,
        case_id=row.id, org=row.org, not_before=not_before, dedupe=f"{row.id}:customer:{body['notice']}",
    )  # fmt: skip
