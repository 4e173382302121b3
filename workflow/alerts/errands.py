"""From a message of the outbox to what is sent where: the address looked up now, the text or event written now.

Personal data are read here, in the moment of sending, and nowhere kept: neither in the outbox nor in an event.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import Text
from storage import AlertRow, CaseRow, DestinationRow, MessageRow, OrderRow, Tx
from workflow.alerts import texts
from workflow.core.state import from_snapshot
from workflow.service.addresses import fill
from workflow.service.law import Law

_PHONE = re.compile(r"\+?\d{5,20}")


class Errand(NamedTuple):
    """A message ready to go. `gateway` names what receives it, without secrets: what fails together.  Either `event`
    goes to a webhook or `told` through Apprise, which a gateway to customers uses with any web address (`generic`)."""

    message: MessageRow
    gateway: str
    url: str
    secret: str | None = None
    event: bytes | None = None
    told: texts.Told | None = None
    destination: str | None = None
    generic: bool = False


class Undeliverable(Exception):
    """It cannot be sent, however often it is tried; `zh` and `en` say what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


class Pointless(Exception):
    """There is nothing left to tell: the message is cancelled."""


class Errands:
    """Makes errands of messages inside one reading transaction."""

    def __init__(self, tx: Tx, law: Law, calendar: WorkingCalendar, today: dt.date) -> None:
        self._tx = tx
        self._law = law
        self._calendar = calendar
        self._today = today
        self._destinations: list[DestinationRow] | None = None

    def errand(self, message: MessageRow) -> Errand:
        """What is to be sent. Raises Undeliverable, Pointless."""
        if message.recipient == "customer":
            return self._to_customer(message)
        if message.recipient.startswith("destination:"):
            return self._to_destination(message, message.recipient.partition(":")[2])
        return self._to_person(message)

    # Where

    def _to_destination(self, message: MessageRow, destination_id: str) -> Errand:
        row = self._tx.destination(destination_id)
        if row is None or row.disabled_at is not None:
            raise Undeliverable(
                "接收端已停用或不存在; 请登记新的接收端后重新发送", "the destination is disabled; register another one"
            )
        if row.kind == "webhook":
            return Errand(
                message, _gateway(row.url), row.url, row.secret, event=self._event(message), destination=row.id
            )
        return Errand(message, _gateway(row.url), row.url, told=self._told(message), destination=row.id)

    def _to_person(self, message: MessageRow) -> Errand:
        member = self._tx.member(message.recipient)
        contact = None if member is None else member.contact
        if member is None or not contact:
            raise Undeliverable(
                "人员没有登记联系方式; 请补登后重新发送 (baozhuang staff import)",
                "no contact is on record for this person; import the staff again, then retry",
            )
        if "://" in contact:
            return Errand(message, _gateway(contact), contact, told=self._told(message))
        way = self._nearest("apprise", member.org, "{contact}")
        if way is None:
            raise Undeliverable(
                "没有通往人员的通道: 登记地址含 {contact} 的 apprise 接收端, 或把联系方式写成 Apprise 地址",
                "there is no gateway to persons: register an apprise destination whose address holds {contact}",
            )
        url = fill(way.url, {"{contact}": contact})
        return Errand(message, _gateway(way.url), url, told=self._told(message), destination=way.id)

    def _to_customer(self, message: MessageRow) -> Errand:
        case = self._case(message)
        body = _read(message.body)
        if case is None or body.get("notice") in proved_notices(case):
            raise Pointless
        way = self._nearest("customer", case.org, "{phone}")
        if way is None:
            raise Undeliverable(
                "没有登记客户通道 (customer 接收端)",
                "no gateway to customers (a destination of kind customer) is registered",
            )
        person = self._tx.personal(case.id)
        if person is None or person.salt is None:
            raise Pointless  # erased
        phone = re.sub(r"[\s()-]", "", person.phone or "")
        if not _PHONE.fullmatch(phone):
            raise Undeliverable(
                "客户没有可用的电话; 请以其他方式告知并登记 (notify)",
                "the customer has no usable number; tell them another way and record it (notify)",
            )
        url = fill(way.url, {"{phone}": phone})
        told = texts.Told(str(body.get("title", "")), str(body.get("text", "")))
        return Errand(message, _gateway(way.url), url, told=told, destination=way.id, generic=True)

    def _nearest(self, kind: str, org: str | None, place: str) -> DestinationRow | None:
        """The destination of `kind` closest above `org`, with a place for the number or name."""
        if self._destinations is None:
            self._destinations = [row for row in self._tx.destinations() if row.disabled_at is None]
        unit = None if org is None else self._tx.org(org)
        above = [] if unit is None else [code for code in unit.path.split("/") if code]
        return nearest([row for row in self._destinations if row.kind == kind and place in row.url], org, above)

    # What

    def _told(self, message: MessageRow) -> texts.Told:
        body = _read(message.body)
        if "text" in body:
            if message.kind == "digest" and body.get("date") != self._today.isoformat():
                raise Pointless  # yesterday's list
            return texts.Told(str(body.get("title", "")), str(body["text"]))
        if message.kind == "order":
            order = self._order(body)
            return texts.order(order.content, dt.date.fromisoformat(order.reply_by), self._number(order.case_id))
        if message.kind == "event":
            return texts.test(str(body.get("destination", "")))
        alert = self._alert(message)
        return texts.alert(self._calendar, self._facts(alert, escalated=bool(body.get("escalation"))), self._today)

    def _event(self, message: MessageRow) -> bytes:
        body = _read(message.body)
        if message.kind == "order":
            order = self._order(body)
            data = {
                "order_id": order.id, "alert_id": order.alert_id, "case_id": order.case_id, "org": order.org,
                "application_no": self._number(order.case_id), "reply_by": order.reply_by,
            }  # fmt: skip
            return texts.event(message.id, texts.TYPES["order"], order.case_id, order.issued_at, data)
        if message.kind == "alert":
            alert = self._alert(message)
            return texts.event(
                message.id, texts.TYPES["alert"], alert.subject, alert.raised_at,
                {
                    "alert_id": alert.id, "subject": alert.subject, "case_id": alert.case_id, "org": alert.org,
                    "application_no": self._number(alert.case_id), "level": alert.level, "scope": alert.scope,
                    "step": alert.step, "key": alert.key, "day": alert.day, "due_on": alert.due_on,
                    "remaining_days": alert.remaining, "unit": self._unit(alert.scope),
                },
            )  # fmt: skip
        return texts.event(message.id, texts.TYPES["test"], message.case_id, message.created_at, body)

    def _facts(self, alert: AlertRow, *, escalated: bool) -> texts.Facts:
        case = None if alert.case_id is None else self._tx.case(alert.case_id)
        timer = None
        if case is not None:
            timer = next((row for row in self._tx.deadlines(case.id) if row.key == alert.key), None)
        return texts.Facts(
            level=alert.level,
            scope=alert.scope,
            due_on=dt.date.fromisoformat(alert.due_on),
            remaining=alert.remaining,
            day=dt.date.fromisoformat(alert.day),
            unit=self._unit(alert.scope),
            application_no=None if case is None else case.application_no,
            subject=self._subject(alert, case),
            state=None if case is None else case.state,
            provisional=timer is not None and timer.provisional,
            escalated=escalated,
        )

    def _subject(self, alert: AlertRow, case: CaseRow | None) -> Text | None:
        kind, _, name = alert.key.partition(":")
        if case is None:
            return Text(name or kind, name or kind)
        definition = self._law.pinned(self._tx, case.definition_hash)
        if alert.scope == "step":
            return next((rule.name for rule in definition.steps if rule.code == alert.step), None)
        if alert.scope == "milestone":
            return next((rule.name for rule in definition.milestones if rule.code == name), None)
        return None

    def _unit(self, scope: str) -> str:
        return self._law.book.ladder(on=self._today).of(scope).unit

    def _alert(self, message: MessageRow) -> AlertRow:
        alert = None if message.alert_id is None else self._tx.alert(message.alert_id)
        if alert is None or alert.status == "cleared":
            raise Pointless
        return alert

    def _order(self, body: dict[str, Any]) -> OrderRow:
        order = self._tx.order(str(body.get("order_id", "")))
        if order is None or order.status == "closed":
            raise Pointless
        return order

    def _case(self, message: MessageRow) -> CaseRow | None:
        return None if message.case_id is None else self._tx.case(message.case_id)

    def _number(self, case_id: str | None) -> str | None:
        case = None if case_id is None else self._tx.case(case_id)
        return None if case is None else case.application_no


def proved_notices(case: CaseRow) -> set[str]:
    """The notices that the customer has been given with proof."""
    return {given.notice for given in from_snapshot(case.snapshot).notices if given.proof is not None}


def nearest(rows: list[DestinationRow], org: str | None, above: list[str]) -> DestinationRow | None:
    """Of `rows` the one registered for `org` or, from below, a unit `above` it (topmost first), else for all."""
    for code in (org, *reversed(above), None):
        found = next((row for row in rows if row.org == code), None)
        if found is not None:
            return found
    return None


def _gateway(url: str) -> str:
    """Scheme and host of an address, which may be shown; where a key stands for the host, the scheme alone."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}" if "." in host or ":" in host or scheme in ("http", "https") else f"{scheme}://"


def _read(body: str) -> dict[str, Any]:
    found = msgspec.json.decode(body)
    return found if isinstance(found, dict) else {}
