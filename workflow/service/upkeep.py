"""Looking after a database: create it, prove its chains, mark checkpoints, rebuild projections, publish, erase.

For whoever holds the database; nothing here needs a key.  Times are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from definitions.book import Book, encode
from definitions.model import NATION
from storage import Damaged, Database, DefinitionRow, Flaw, Head, Tx, read_checkpoint, verify_case, write_checkpoint
from storage import verify as verify_chains
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.service import access, evidence, load_times
from workflow.service.law import damaged
from workflow.service.service import Progress, Service

CHECKPOINT_SETTING = "checkpoint"
"""When the latest checkpoint was made, of how many cases and records, its root. The file itself is kept elsewhere."""


def prepare(url: str | Path) -> str:
    """Create the database or bring its schema up to date; which kind it is. Idempotent. Raises StorageError."""
    database = Database.open(url, migrate=True)
    database.close()
    return database.dialect


class Verified(msgspec.Struct, frozen=True):
    """What verification found. `flaws`: the first bad event of each bad case. `damaged`: definitions, notices, records
    of other systems, findings and personal data that are not what their hashes name, or are gone. `differing`: cases
    whose projections are not what their events give, and `differing_months`: those of a unit and source (`unit source
    month`) whose load times are not what its cases give; None when not compared."""

    cases: int
    events: int
    flaws: list[dict[str, Any]]
    missing_triggers: list[str]
    damaged: list[str]
    differing: list[str] | None
    differing_months: list[str] | None

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.flaws or self.missing_triggers or self.damaged or self.differing or self.differing_months)


def verify(service: Service, checkpoint: Path | None, projections: bool, progress: Progress) -> Verified:
    """Verify every chain against its application and the checkpoint file; definitions, notices, the records of other
    systems, findings and personal data against their hashes; on request the projections. Raises StorageError when the
    checkpoint cannot be used."""
    mark = None if checkpoint is None else read_checkpoint(checkpoint)
    with service.database.read() as tx:
        found = verify_chains(tx, mark, lambda done: progress(done, None))
        rows = [str(one) for one in damaged(tx)]
        records = [str(one) for one in evidence.rewritten(tx)]
        reviews = [str(one) for one in evidence.restated(tx)]
        people = [str(one) for one in evidence.disowned(tx, {flaw.case_id for flaw in found.flaws})]
        differing = months = None
        # A case whose chain is broken has no trustworthy events to compare with, nor has one whose records, or whose
        # rules, were changed.
        if projections and not (found.flaws or rows or records):
            calendar = service.calendars.refresh(tx)
            miscounted = service.judging.miscounted(tx)
            differing = sorted({*evidence.differing(tx, service.law, calendar, service.today), *miscounted})
            months = list(load_times.differing(tx, service.judging.detectors.gates))
    flaws = [_told(flaw) for flaw in found.flaws]
    damage = rows + records + reviews + people
    return Verified(found.cases, found.events, flaws, found.missing_triggers, damage, differing, months)


def _told(flaw: Flaw) -> dict[str, Any]:
    return {"case_id": flaw.case_id, "event": flaw.seq, "code": flaw.code, "text": flaw.text}


def checkpoint(service: Service, path: Path) -> dict[str, Any]:
    """Write a checkpoint of every chain, of the records of other systems and of the history of findings to `path`; its
    counts and root, which the pages show from then on. Raises OSError."""
    at = write(service.clock.now())
    with service.database.read() as tx:
        made = write_checkpoint(path, at, tx.marks)
    told = {"created_at": made.created_at, "cases": made.cases, "records": made.records, "root": made.root}
    text = msgspec.json.encode(told).decode()
    service.transact(lambda tx: tx.put_setting(CHECKPOINT_SETTING, text))
    return {"file": str(path), **told}


class Rebuilt(msgspec.Struct):
    """How many cases were written anew, and what is left as it stands: cases whose chain is broken, each with its first
    bad event, and those that rest on a definition or a notice that is changed or gone (`damaged`)."""

    cases: int = 0
    flaws: list[dict[str, Any]] = []
    damaged: list[str] = []


def rebuild(service: Service, progress: Progress) -> Rebuilt:
    """Write the projections of every case anew from its events, each case in its own transaction, then what is summed
    over them. A broken chain is left as it is: what is made of its events would agree with them, and nobody would find
    that they were changed."""
    with service.database.write() as tx:
        tx.drop_broken_months()
        ids = [head.case_id for head in tx.heads()]
    done = Rebuilt()

    def one(case_id: str) -> None:
        def work(tx: Tx) -> tuple[int, Flaw | None]:
            row = tx.case(case_id, lock=True)
            if row is None:
                return 0, None
            flaw = verify_case(case_id, tx.events(case_id), Head(case_id, row.version, row.head_hash))
            if flaw is not None:
                return 0, flaw
            calendar = service.calendars.refresh(tx)
            evidence.rebuild(tx, service.law, calendar, case_id, service.today)
            service.judging.recount(tx, case_id)
            return 1, None

        try:
            written, flaw = service.transact(work, case_id=case_id)
        except Damaged as error:
            if str(error) not in done.damaged:
                done.damaged.append(str(error))
            return
        done.cases += written
        if flaw is not None:
            done.flaws.append(_told(flaw))

    for number, case_id in enumerate(ids, start=1):
        one(case_id)
        progress(number, len(ids))
    _sum_up(service)
    return done


def _sum_up(service: Service) -> None:
    """Sum up anew when the records of each unit were made; what is kept of cases that are not there is left out."""
    with service.database.write() as tx:
        for case_id in tx.unowned_months():
            tx.put_recorded_months(case_id, [])
        units = tx.units_of_months()
    for org in units:
        with service.database.write() as tx:
            tx.mark_months(tx.unit_months(org))
        load_times.settle(service.database, org, service.judging.detectors.gates)


def publish(service: Service, principal: Principal) -> dict[str, int]:
    """Make every definition of the book, of the nation and of each region, a row of the database, so that every node
    and every later version of the program can read it; how many there are and how many were new. Raises Refused."""
    access.check_administers(service.law.roles, principal, "definitions")
    book: Book = service.law.book
    found = {
        definition.hash: definition
        for region in (NATION, *book.regions)
        for user_class in book.classes
        for _, _, definition in book.timeline(user_class, region)
    }
    now = write(service.clock.now())

    def work(tx: Tx) -> int:
        fresh = [one for one in found.values() if tx.definition(one.hash) is None]
        for one in fresh:
            tx.put_definition(DefinitionRow(one.hash, encode(one).decode(), now))
        return len(fresh)

    published = service.transact(work)
    return {"definitions": len(found), "published": published}


def find(service: Service, principal: Principal, which: str) -> str:
    """The id of the application with this id or application number. Raises Refused `not-found`."""
    with service.database.read() as tx:
        row = tx.case(which) or tx.case_by_number(which)
        if row is None or not access.sees(tx, principal, row.org):
            raise refuse("not-found", f"没有找到申请 {which[:64]}", f"There is no application {which[:64]}")
        return row.id


def erase(service: Service, principal: Principal, case_id: str) -> bool:
    """Erase the personal data of an application; False when that was done before. The chain still holds: it has only
    their digest. Raises Refused, also while the application is open, because it cannot be served without them."""
    access.check_administers(service.law.roles, principal, "applications")

    def work(tx: Tx) -> bool:
        held = service.cases.load(tx, principal, case_id, lock=True)
        if not held.state.closed:
            raise refuse(
                "transition-not-allowed",
                f"申请 {held.state.application_no} 尚未结束, 不能删除客户资料; 请先办结",
                f"The application {held.state.application_no} is still open; its personal data can be erased once it "
                "has ended",
            )
        return tx.erase_personal(case_id)

    return service.transact(work, case_id=case_id)
