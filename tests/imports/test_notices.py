"""A notice that arrives while others work: what it moves, and that nobody goes on counting by the old calendar.

By the statute alone 2027 begins with one day off; the invented notice rests from 12-31 to 01-02 and works on Saturday
12-26.  Five working days after Thursday 2026-12-24: before it 25 28 29 30 31, after it 25 26 28 29 30.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from definitions.calendar import NoticeError
from storage import EventRow
from tests.imports.conftest import ADMIN
from workflow.core.commands import COMMANDS, Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.service import notices
from workflow.service.demo import SimulatedClock
from workflow.service.doctor import diagnose
from workflow.service.service import Service
from workflow.service.upkeep import verify

NOTICE = Path(__file__).parents[1] / "definitions" / "data" / "notice_2027_invented.yaml"
CHANGE = """
year: 2027
title: 关于调整2027年部分节假日安排的通知（测试用）
number: 测试〔2027〕2号
published_on: 2027-01-15
holidays:
  - name: {zh: 调休, en: Rest}
    days: [2027-03-08]
"""
BEFORE, AFTER = "2026-12-31", "2026-12-30"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def opened(url: str) -> Service:
    return Service.open(url, clock=SimulatedClock(dt.datetime.fromisoformat("2026-12-24T10:00:00+08:00")))


@pytest.fixture
def server(url: str) -> Iterator[Service]:
    """A process that serves, and read the calendar before the notice came."""
    with opened(url) as service:
        yield service


@pytest.fixture
def importer(url: str) -> Iterator[Service]:
    with opened(url) as service:
        yield service


def facts(number: int, on: str = "2026-12-24") -> Submission:
    return Submission.model_validate(
        {
            "customer": {"id": f"C{number}"}, "premises": {"id": f"P{number}"}, "customer_kind": "residential",
            "capacity_kw": 8.0, "voltage": "low", "area": "urban", "region": "960102", "channel": "online",
            "occurred_at": f"{on}T09:00:00", "reason": "测试",
            "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
        }
    )  # fmt: skip


def apply(service: Service, number: int, on: str = "2026-12-24") -> str:
    return str(service.submit(ADMIN, facts(number, on)).result().case_id)


def total(service: Service, case_id: str) -> tuple[str | None, bool]:
    """What the row says, whatever anybody would compute now."""
    with service.database.read() as tx:
        (row,) = [one for one in tx.deadlines(case_id) if one.key == "total"]
        case = tx.case(case_id)
    assert case is not None
    assert case.closed_at is not None or case.due_on == row.due_on
    return row.due_on, row.provisional


def recounted(service: Service, case_id: str) -> list[EventRow]:
    with service.database.read() as tx:
        return [row for row in tx.events(case_id) if row.type == "deadlines_recomputed"]


def test_open_deadlines_are_recounted_each_with_an_event(server, importer):
    moved = apply(server, 1)
    # Fri 12-11: five working days end on Fri 12-18, before anything the notice says.
    early = apply(server, 2, on="2026-12-11")
    closed = apply(server, 3)
    server.command(ADMIN, closed, COMMANDS.validate_python({"command": "terminate", "reason": "duplicate"})).result()
    assert total(server, moved) == (BEFORE, True)
    done = importer.import_notice(ADMIN, NOTICE)
    assert (done.changed, done.firm_until, len(done.added)) == (1, "2027-12-21", 1)
    assert total(server, moved) == (AFTER, False)
    assert (len(recounted(server, moved)), recounted(server, early), recounted(server, closed)) == (1, [], [])
    assert verify(server, None, True, lambda *_: None).holds


def test_importing_again_adds_nothing(server, importer):
    case_id = apply(server, 1)
    importer.import_notice(ADMIN, NOTICE)
    again = importer.import_notice(ADMIN, NOTICE)
    assert (again.added, again.changed) == ([], 0)
    assert len(recounted(server, case_id)) == 1
    with server.database.read() as tx:
        assert len(tx.notices()) == 1


def test_a_server_that_read_the_old_calendar_counts_by_the_new_one(server, importer):
    old = apply(server, 1)
    importer.import_notice(ADMIN, NOTICE)
    assert total(server, apply(server, 2)) == (AFTER, False)
    server.command(ADMIN, old, COMMANDS.validate_python({"command": "complete_step", "step": "acceptance"})).result()
    assert total(server, old) == (AFTER, False)
    assert verify(importer, None, True, lambda *_: None).holds


def test_a_decision_under_way_when_the_notice_comes_is_recounted(server, importer):
    """The server has read the old calendar inside its transaction and has not committed when the import begins."""
    inside, release = threading.Event(), threading.Event()

    def slowly(tx):
        answer = server.cases.submission(tx, ADMIN, facts(1), None)
        inside.set()
        assert release.wait(20)
        return answer.case_id

    under_way = server.writer.submit((1, ""), slowly)
    assert inside.wait(20)
    importing = threading.Thread(target=importer.import_notice, args=(ADMIN, NOTICE))
    importing.start()
    importing.join(0.5)
    assert importing.is_alive(), "the import must wait for who may still count by the old calendar"
    release.set()
    importing.join(20)
    assert not importing.is_alive()
    case_id = under_way.result()
    assert total(server, case_id) == (AFTER, False)
    assert len(recounted(server, case_id)) == 1


def test_a_change_within_the_year_moves_firm_due_dates(server, importer):
    """Five working days after Mon 2027-03-01 end on Mon 03-08, the very day that the change takes away."""
    importer.import_notice(ADMIN, NOTICE)
    for service in (server, importer):
        service.clock.moment = dt.datetime.fromisoformat("2027-03-01T10:00:00+08:00")
    case_id, next_week = apply(server, 1, on="2027-03-01"), apply(server, 2, on="2027-02-26")
    assert (total(server, case_id), total(server, next_week)) == (("2027-03-08", False), ("2027-03-05", False))
    done = importer.import_notice(ADMIN, CHANGE)
    assert (done.recounted, done.changed) == (1, 1)
    assert (total(server, case_id), total(server, next_week)) == (("2027-03-09", False), ("2027-03-05", False))


def test_a_reader_with_an_older_snapshot_does_not_turn_the_calendar_back(server, importer):
    """The server learns of the second notice before a reader of it looks at the state after the first."""
    importer.import_notice(ADMIN, NOTICE)
    with server.database.read() as old:
        old.setting("calendar")  # the snapshot is taken with the first read
        importer.clock.moment = dt.datetime.fromisoformat("2027-01-15T10:00:00+08:00")
        importer.import_notice(ADMIN, CHANGE)
        with server.database.read() as new:
            newest = server.calendars.refresh(new)
        assert server.calendars.refresh(old).is_working(dt.date(2027, 3, 8))
        assert server.calendars.current() is newest
        assert not newest.is_working(dt.date(2027, 3, 8))


def test_an_interrupted_recount_is_finished_by_importing_again(server, importer, url, monkeypatch):
    cases = [apply(server, number) for number in range(5)]
    monkeypatch.setattr(notices, "PAGE", 2)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importer.import_notice(ADMIN, NOTICE, stop)
    assert {fact.name: fact.status for fact in diagnose(importer)}["recount"] == "wrong"
    done = importer.import_notice(ADMIN, NOTICE)
    assert (done.added, done.changed) == ([], 3)
    assert [total(server, one) for one in cases] == [(AFTER, False)] * 5
    assert [len(recounted(server, one)) for one in cases] == [1] * 5
    assert "recount" not in {fact.name for fact in diagnose(importer)}


def test_a_notice_of_tomorrow_is_refused_and_nothing_is_kept(server, importer):
    """10 November 2026 written as of 2027; and the day itself, in the zone of business: 16:00 UTC is midnight there."""
    text = NOTICE.read_text(encoding="utf-8")
    with pytest.raises(NoticeError, match=r":3: .*2027-11-10.*2026-12-24.*/ .*after today"):
        importer.import_notice(ADMIN, text.replace("2026-11-10", "2027-11-10"))
    with server.database.read() as tx:
        assert (tx.notices(), tx.setting("calendar")) == ([], None)
    importer.clock.moment = dt.datetime.fromisoformat("2026-11-09T15:59:59+00:00")
    with pytest.raises(NoticeError, match="2026-11-09"):
        importer.import_notice(ADMIN, NOTICE)
    importer.clock.moment = dt.datetime.fromisoformat("2026-11-09T16:00:00+00:00")
    assert importer.import_notice(ADMIN, NOTICE).added


def test_a_notice_that_contradicts_is_refused_and_nothing_is_kept(server, importer):
    text = NOTICE.read_text(encoding="utf-8").replace("2027-01-02", "2026-12-30")
    with pytest.raises(NoticeError, match=":"):
        importer.import_notice(ADMIN, text)
    with pytest.raises(Refused, match="not-permitted"):
        importer.import_notice(Principal("前端", "front_line"), NOTICE)
    with server.database.read() as tx:
        assert (tx.notices(), tx.setting("calendar")) == ([], None)
