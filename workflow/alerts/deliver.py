"""Sending what waits in the outbox: lease, send outside any transaction, record.

At least once and never lost: a worker that dies leaves its leases to run out, and the message goes again under the same
id.  Systems are sent to at any hour, people in working hours [D-DELIVERY].  What fails together waits together: after a
few failures in a row a gateway is left alone for a while, so that one that hangs holds up nobody else.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from definitions.alerting import DeliveryRule
from storage import MessageRow, StorageError, Tx
from workflow.alerts import customer, policy
from workflow.alerts.channels import Outcome, failed
from workflow.alerts.channels.relay import Relay
from workflow.alerts.channels.webhook import Limits, Webhooks
from workflow.alerts.errands import Errand, Errands, Pointless, Undeliverable
from workflow.alerts.sweep import SECONDS, Run
from workflow.alerts.texts import Told
from workflow.core.times import business_date, write
from workflow.service import Service
from workflow.service.addresses import Addresses

log = structlog.get_logger("baozhuang.delivery")

MOST_AT_ONCE: Final = 256
"""Messages leased and not yet settled."""

MOST_PER_GATEWAY: Final = 64
"""Of these, for one gateway; the rest of its messages wait their turn in the outbox."""

SENDS_PER_GATEWAY: Final = 8
LEAST_LEASED: Final = 32
"""It is not worth a transaction to take fewer, while others are on their way."""

FAILURES_IN_A_ROW: Final = 3
REST_SECONDS: Final = (30, 60, 120, 300, 600)
"""For how long a gateway is left alone after failures in a row, the first time, the second…"""

LOOK_SECONDS: Final = 1.0
"""How often a run looks for new messages while others are on their way."""

TURN_SECONDS: Final = 5
"""When a message that found its gateway busy comes up again."""

GIVEN_UP_AFTER: Final = dt.timedelta(days=7)
"""A message that only ever found its gateway resting is dead by then [D-DELIVERY]."""

RECORD_ATTEMPTS: Final = 5


class Delivered(NamedTuple):
    """What a run did: messages `looked` at, how many were `sent`, `failed` (to be tried again, or dead), `cancelled`,
    and whether there was more to do when its time was over or it was told to stop."""

    looked: int
    sent: int
    failed: int
    cancelled: int
    cut_short: bool


class Gateway:
    """What is known of one gateway in this process: who is sending to it, and whether it is left alone."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(SENDS_PER_GATEWAY)
        self.waiting = 0
        self.failures = 0
        self.rests = 0
        self.until = 0.0

    def resting(self) -> float:
        """Seconds for which it is still left alone; 0 when it is not."""
        return max(0.0, self.until - time.monotonic())

    def note(self, outcome: Outcome) -> None:
        """An attempt ended."""
        if outcome.delivered:
            self.failures = self.rests = 0
            return
        self.failures += 1
        if self.failures >= FAILURES_IN_A_ROW and not self.resting():
            rest = REST_SECONDS[min(self.rests, len(REST_SECONDS) - 1)]
            self.until = time.monotonic() + rest
            self.rests += 1
            self.failures = FAILURES_IN_A_ROW - 1  # after the rest one attempt decides


class Delivery:
    """Sends messages for one worker. Keep it from run to run: it remembers which gateways are resting."""

    def __init__(
        self,
        service: Service,
        worker: str,
        *,
        addresses: Addresses | None = None,
        limits: Limits | None = None,
        relay_seconds: float = 20.0,
    ) -> None:
        self._service = service
        self._worker = worker
        self._addresses = addresses or Addresses.of_environment()
        self._limits = limits or Limits()
        self._relay_seconds = relay_seconds
        self._gateways: dict[str, Gateway] = {}
        self._chance = random.Random()  # noqa: S311  # spreads retries; guards nothing
        self._counts: Counter[str] = Counter()
        self._stopped: Callable[[], bool] = lambda: False

    def sweep(self, run: Run) -> None:
        """The sweep `deliver`: `run` as the worker's scheduler calls it."""
        done = self.run(seconds=SECONDS, stop=run.stop)
        run.count(done.looked, done.sent)
        run.cut_short = done.cut_short

    def run(self, *, seconds: float = SECONDS, stop: threading.Event | None = None) -> Delivered:
        """Send what may go out now, for at most about `seconds`; when `stop` is set the messages being sent are
        finished and the others given back. Raises StorageError when the database cannot be read."""
        end = time.monotonic() + seconds
        self._stopped = lambda: time.monotonic() >= end or (stop is not None and stop.is_set())
        self._counts.clear()
        with self._service.database.read() as tx:
            if tx.oldest_unsent(write(self._now())) is None:
                return Delivered(0, 0, 0, 0, False)  # idling writes nothing
        self._gateways = {name: one for name, one in self._gateways.items() if one.failures or one.resting()}
        more = asyncio.run(self._run())
        counts = self._counts
        return Delivered(counts["looked"], counts["sent"], counts["failed"], counts["cancelled"], more)

    # The run

    async def _run(self) -> bool:
        for gateway in self._gateways.values():
            gateway.turns = asyncio.Semaphore(SENDS_PER_GATEWAY)  # one belongs to one event loop
        tasks: set[asyncio.Task[None]] = set()
        more, look_at = True, 0.0
        async with (
            Webhooks(self._addresses, self._limits) as webhooks,
            Relay(self._addresses, seconds=self._relay_seconds) as relay,
        ):
            try:
                while not self._stopped():
                    room = MOST_AT_ONCE - len(tasks)
                    if room >= LEAST_LEASED and (more or time.monotonic() >= look_at):
                        errands, taken = await self._lease(room)
                        more, look_at = taken == room, time.monotonic() + LOOK_SECONDS
                        tasks |= {asyncio.create_task(self._deliver(one, webhooks, relay)) for one in errands}
                    if tasks:
                        done, tasks = await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
                        for task in done:
                            task.result()
                    elif not more:
                        break
                more = (more or bool(tasks)) and self._stopped()
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.to_thread(self._give_back)
        return more

    def _give_back(self) -> None:
        try:
            self._service.transact(lambda tx: tx.release_messages(self._worker))
        except StorageError as error:
            log.warning("leases_not_released", error=type(error).__name__)  # they run out by themselves

    async def _lease(self, room: int) -> tuple[list[Errand], int]:
        """Take messages and make errands of them; what cannot or need not be sent is settled at once. The errands, and
        how many messages were taken."""
        now = self._now()
        until = write(now + dt.timedelta(seconds=self._rule().lease_seconds))
        rows: list[MessageRow] = await self._write(lambda tx: tx.lease_messages(self._worker, write(now), until, room))
        self._counts["looked"] += len(rows)
        if not rows:
            return [], 0
        errands, settled = await asyncio.to_thread(self._prepare, rows)
        await asyncio.gather(*(self._recorded(settle) for settle in settled))
        return errands, len(rows)

    def _prepare(self, rows: list[MessageRow]) -> tuple[list[Errand], list[Callable[[Tx], Any]]]:
        now = self._now()
        errands: list[Errand] = []
        settled: list[Callable[[Tx], Any]] = []
        pointless: list[str] = []
        with self._service.database.read() as tx:
            calendar = self._service.calendars.refresh(tx)
            opens = policy.opening(calendar, self._rule(), now)
            making = Errands(tx, self._service.law, calendar, business_date(now))
            for row in rows:
                if opens > now and row.channel != "webhook" and row.kind != "event":
                    settled.append(self._postponed([row], opens))
                    continue
                try:
                    errands.append(making.errand(row))
                except Pointless:
                    pointless.append(row.id)
                except Undeliverable as error:
                    settled.append(self._failed(row, str(error), None))
                except (LookupError, ValueError) as error:
                    log.exception("message_not_understood", message=row.id)
                    settled.append(
                        self._failed(row, f"消息内容有误 / the message cannot be read: {error!r:.200}", None)
                    )
        if pointless:
            self._counts["cancelled"] += len(pointless)
            settled.append(lambda tx: tx.cancel_messages(pointless))
        return errands, settled

    async def _deliver(self, errand: Errand, webhooks: Webhooks, relay: Relay) -> None:
        row = errand.message
        gateway = self._gateways.setdefault(errand.gateway, Gateway())
        if gateway.waiting >= MOST_PER_GATEWAY:
            await self._recorded(self._postponed([row], self._now() + dt.timedelta(seconds=TURN_SECONDS)))
            return
        gateway.waiting += 1
        try:
            async with gateway.turns:
                if self._stopped() or self._lease_is_short(row):
                    return  # given back, or taken by another worker by now
                rest = gateway.resting()
                if rest:
                    await self._recorded(self._rested(row, rest))
                    return
                outcome = await self._send(errand, webhooks, relay)
                gateway.note(outcome)
        finally:
            gateway.waiting -= 1
        await self._settle(errand, outcome)

    async def _send(self, errand: Errand, webhooks: Webhooks, relay: Relay) -> Outcome:
        try:
            if errand.event is not None:
                return await webhooks.post(errand.url, errand.secret, errand.message.id, errand.event, self._now())
            told = errand.told or Told("", "")
            return await relay.send(errand.url, told.title, told.text, generic=errand.generic)
        except Exception as error:
            log.exception("send_failed", message=errand.message.id, gateway=errand.gateway)
            return failed(f"发送程序出错: {type(error).__name__}", f"sending went wrong: {type(error).__name__}")

    # What became of it

    async def _settle(self, errand: Errand, outcome: Outcome) -> None:
        row = errand.message
        if outcome.proof is not None:
            self._counts["sent"] += 1
            now = self._now()
            proof = {**outcome.proof, "at": write(now), "gateway": errand.gateway}
            await self._recorded(lambda tx: self._sent(tx, row, now, proof), case_id=row.case_id)
            return
        now = self._now()
        retry = None if outcome.final else policy.next_attempt(self._rule(), row.attempts + 1, now, self._chance)
        if retry is not None and outcome.wait_seconds is not None:
            retry = max(retry, now + dt.timedelta(seconds=outcome.wait_seconds))
        await self._recorded(self._failed(row, outcome.reason or "", retry))
        if outcome.gone and errand.destination is not None:
            gone, at = errand.destination, write(self._now())
            log.warning("destination_gone", destination=gone)
            await self._recorded(lambda tx: tx.disable_destination(gone, at))

    def _sent(self, tx: Tx, row: MessageRow, now: dt.datetime, proof: dict[str, Any]) -> None:
        """The delivery, and of a customer's notice its proof in the case's history, in one transaction: once."""
        kept = msgspec.json.encode(proof).decode()
        if row.kind == "customer_notice":
            customer.record(self._service, tx, row, now, proof)
            return
        tx.message_sent(row.id, write(now), kept)

    def _failed(self, row: MessageRow, reason: str, retry: dt.datetime | None) -> Callable[[Tx], Any]:
        self._counts["failed"] += 1
        log.info("message_not_delivered", message=row.id, attempt=row.attempts + 1, dead=retry is None)
        at = None if retry is None else write(retry)
        return lambda tx: tx.message_failed(row.id, self._worker, reason, at)

    def _postponed(self, rows: list[MessageRow], until: dt.datetime) -> Callable[[Tx], Any]:
        ids = [row.id for row in rows]
        return lambda tx: tx.postpone_messages(ids, self._worker, write(until))

    def _rested(self, row: MessageRow, seconds: float) -> Callable[[Tx], Any]:
        now = self._now()
        if now - dt.datetime.fromisoformat(row.created_at) > GIVEN_UP_AFTER:
            return self._failed(
                row, row.last_error or "接收方长期没有答复 / the receiver has not answered for days", None
            )
        return self._postponed([row], now + dt.timedelta(seconds=seconds * (1 + 0.2 * self._chance.random())))

    # Underneath

    def _lease_is_short(self, row: MessageRow) -> bool:
        longest = max(self._limits.total, self._relay_seconds) + 5
        ends = dt.datetime.fromisoformat(row.claimed_until or row.created_at)
        return self._now() + dt.timedelta(seconds=longest) > ends

    def _rule(self) -> DeliveryRule:
        return self._service.law.book.delivery(on=business_date(self._now()))

    def _now(self) -> dt.datetime:
        return self._service.clock.now()

    async def _write(self, work: Callable[[Tx], Any], case_id: str | None = None) -> Any:
        return await self._service.queue(work, case_id=case_id)

    async def _recorded(self, work: Callable[[Tx], Any], case_id: str | None = None) -> None:
        """Write what became of a message, trying again while the database is away; in the end the lease runs out and
        the message is sent again: at least once."""
        for attempt in range(1, RECORD_ATTEMPTS + 1):
            try:
                await self._write(work, case_id)
            except StorageError as error:
                log.warning("delivery_not_recorded", attempt=attempt, error=type(error).__name__)
                if attempt < RECORD_ATTEMPTS:
                    await asyncio.sleep(0.2 * 2**attempt)
            else:
                return
