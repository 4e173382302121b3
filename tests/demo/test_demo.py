"""The demonstration shows what it promises, through the engine, and may be asked for again."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from typer.testing import CliRunner

from storage import Database
from workflow.cli import app
from workflow.core.state import from_snapshot
from workflow.service.demo import SimulatedClock, fill
from workflow.service.demo_cases import PROVINCE, kva_of
from workflow.service.service import Service
from workflow.service.upkeep import verify

NOW = dt.datetime.fromisoformat("2026-11-23T18:00:00+08:00")
SUMMER_2024 = dt.datetime.fromisoformat("2024-08-01T18:00:00+08:00")


def quietly(*_: object) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.db"
    Database.open(url, migrate=True).close()
    return url, fill(url, quietly, NOW)


@pytest.fixture(scope="module")
def service(filled):
    with Service.open(filled[0], clock=SimulatedClock(NOW)) as opened:
        yield opened


def test_it_shows_every_class_every_ending_and_every_kind_of_trouble(filled, service):
    with service.database.read() as tx:
        rows = list(tx.cases())
        events = Counter(event.type for event in tx.all_events())
        timers = Counter(deadline.status for row in rows for deadline in tx.deadlines(row.id))
    assert 200 <= len(rows) <= 600
    assert filled[1].cases == len(rows)
    assert {row.user_class for row in rows} == {"residential", "lv_zero", "lv_other", "hv_single", "hv_dual"}
    assert {"energised", "withdrawn", "terminated", "refused"} <= {row.state for row in rows}
    assert sum(row.closed_at is None for row in rows) >= 30
    assert len({row.submitted_at[:7] for row in rows}) >= 24
    for type_ in (
        "step_returned", "suspension_proposed", "step_waiver_proposed", "countersigned", "charge_added",
        "approval_added", "approval_decided", "notified", "rated",
    ):  # fmt: skip
        assert events[type_] >= 5, type_
    assert timers["breached"] >= 20
    assert any(row.predecessor for row in rows)
    assert any(row.closed_at is None and row.due_on and row.due_on < "2026-11-23" for row in rows)
    states = [from_snapshot(row.snapshot) for row in rows]
    assert all(state.manager and state.project_manager for state in states)
    today = NOW.date()
    assert any(not s.closed and any(p.from_ <= today <= (p.to or today) for p in s.suspensions) for s in states)


def test_its_chains_hold_and_its_projections_are_what_the_events_give(service):
    assert verify(service, None, True, quietly).holds


def test_nothing_was_recorded_after_today_and_little_late(service):
    with service.database.read() as tx:
        events = list(tx.all_events())
    assert max(event.recorded_at for event in events) <= NOW.isoformat(timespec="microseconds")
    assert all(event.occurred_at <= event.recorded_at for event in events)
    late = sum('"late"' in event.payload for event in events)
    assert 0 < late < len(events) / 20


def test_its_keys_work_and_see_the_province(filled, service):
    assert set(filled[1].keys) == {"front_line", "supervisor", "admin"}
    for role, secret in filled[1].keys.items():
        principal = service.authenticate(secret)
        assert (principal.role, principal.org) == (role, PROVINCE)
        assert len(service.applications(principal, limit=500)["items"]) == filled[1].cases


def test_asking_again_changes_nothing(filled):
    again = fill(filled[0], quietly, NOW)
    assert (again.fresh, again.cases, again.events, again.keys) == (False, filled[1].cases, filled[1].events, {})


def contents(url: str) -> list[tuple[object, ...]]:
    database = Database.open(url)
    with database.read() as tx:
        found: list[tuple[object, ...]] = [
            (row.application_no, row.external_id, row.state, row.version, row.due_on) for row in tx.cases()
        ]
    database.close()
    return found


def test_the_same_day_gives_the_same_cases_also_after_an_interruption(tmp_path):
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("whole", "interrupted")]
    for url in urls:
        Database.open(url, migrate=True).close()
    fill(urls[0], quietly, SUMMER_2024)
    calls = []

    def stop(*_: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(urls[1], stop, SUMMER_2024)
    assert fill(urls[1], quietly, SUMMER_2024).fresh
    assert contents(urls[0]) == contents(urls[1]) != []


@pytest.mark.parametrize(
    ("net_mw", "kva"), [(0.5, 200), (2.0, 200), (2.01, 250), (50, 5000), (63, 6300), (1200, 63000)]
)
def test_sizes(net_mw, kva):
    assert kva_of(net_mw) == kva


def test_the_command_prints_the_address_and_how_to_get_a_key(filled):
    done = CliRunner().invoke(app, ["demo", "--database", filled[0], "--port", "8123"])
    assert done.exit_code == 0, done.output
    assert "http://127.0.0.1:8123/api/v1" in done.stdout
    assert "baozhuang keys create" in done.stdout
