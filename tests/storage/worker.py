"""A process that writes until it is told to stop or is killed: `python -m tests.storage.worker URL NAME COUNT [halt]`.

Every command takes a number, grows one of three shared cases by two events, and leaves a round, a deadline and an
answer.  A line is printed only after the commit, as an acknowledgement would be sent.  With `halt` it stops inside its
last transaction and waits to be killed.
"""

from __future__ import annotations

import sys
import time

from storage import CaseRow, Contention, Database, Remembered, RoundRow, Tx
from tests.storage.samples import MOMENT, deadline, event, store

SHARED = ("c1", "c2", "c3")


def prepare(database: Database) -> None:
    """Store the shared cases."""
    with database.write() as tx:
        for case_id in SHARED:
            store(tx, case_id)


def command(tx: Tx, case_id: str, key: str) -> tuple[CaseRow, CaseRow]:
    """One command but for its last write: the application before and after it."""
    before = tx.case(case_id, lock=True)
    assert before is not None
    serial = tx.next_serial("wuhan", 2026)
    head = tx.append_events(case_id, before.version + 1, before.head_hash, [event(f'"{key}"'), event()])
    after = before._replace(version=before.version + 2, head_hash=head)
    tx.put_round(RoundRow(case_id, "acceptance", after.version, MOMENT, None, None, None))
    tx.put_deadline(deadline(case_id, budget=after.version))
    tx.remember(Remembered("worker", key, "b" * 64, case_id, serial, b"x" * 3000, MOMENT))
    return after, before


def tell(line: str) -> None:
    """Say something to whoever started us, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(url: str, name: str, count: str, halt: str = "") -> None:
    """Write `count` commands."""
    database = Database.open(url)
    for number in range(int(count)):
        key, case_id = f"{name}-{number}", SHARED[number % 3]
        while True:
            try:
                with database.write() as tx:
                    after, before = command(tx, case_id, key)
                    if halt and number == int(count) - 1:
                        tell("inside")
                        time.sleep(60)
                    tx.update_case(after, before)
            except Contention:
                continue
            break
        tell(key)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
