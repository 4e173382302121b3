"""The bare loop writes what the engine writes, and a filled database is one the engine could have made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench import volume
from bench.bare import Bare, ThroughStorage, prepare
from bench.cases import CLASSES, Marks
from bench.engine import engine
from bench.recording import Names, Pattern, Written, again, record, written
from storage import Database, personal_digest, verify
from workflow.service import Service, upkeep

TABLES = ("application", "event", "step_round", "deadline", "idempotency", "personal", "serial")


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Names, Written]]]:
    path = tmp_path_factory.mktemp("bench") / "engine.db"
    with engine(path) as service:
        steps = written(record(service, Marks("0a0a0a0a").cases(CLASSES, len(CLASSES))))
    return path, steps


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def test_a_six_step_case_is_eleven_commands(driven: tuple[Path, list[tuple[Names, Written]]]):
    classes = [one.row.user_class for _, one in driven[1]]
    assert {name: classes.count(name) for name in CLASSES} == {
        "residential": 3, "lv_zero": 3, "lv_other": 5, "hv_single": 11, "hv_dual": 11,
    }  # fmt: skip
    ended = [one.row.state for _, one in driven[1] if one.row.closed_at]
    assert ended == ["energised"] * len(CLASSES)


def test_the_bare_loop_leaves_the_rows_the_engine_left(
    driven: tuple[Path, list[tuple[Names, Written]]], tmp_path: Path
):
    path, steps = driven
    bare = Bare(tmp_path / "bare.db")
    bare.run(prepare(one for _, one in steps))
    bare.close()
    through = ThroughStorage(tmp_path / "storage.db")
    through.run([one for _, one in steps], per_commit=7)
    through.close()
    for table in TABLES:
        expected = rows(path, table)
        assert expected
        assert rows(tmp_path / "bare.db", table) == expected
        assert rows(tmp_path / "storage.db", table) == expected


def test_names_are_new_everywhere_and_nothing_else_is(driven: tuple[Path, list[tuple[Names, Written]]]):
    recorded = [(Pattern(one, own), own) for own, one in driven[1]]
    copied = again(recorded, "0b0b0b0b")
    for (own, before), after in zip(driven[1], copied, strict=True):
        text, told = repr(after), repr(before)
        for token in (own.id, own.mark, own.number):
            assert token in told
            assert token not in text
        assert after.row.state == before.row.state
        assert after.row.id in after.row.snapshot
        assert [event.type for event in after.events] == [event.type for event in before.events]


def test_percent_signs_survive_the_blanks():
    own = Names("id-1", "mark-1", "number-1", "digest-1")
    pattern = Pattern(("100 % of id-1", ["%s", "mark-1"], 3, None), own)
    names = {"id": "I", "mark": "M", "number": "N", "digest": "D"}
    assert pattern.fill(names) == ("100 % of I", ["%s", "M"], 3, None)


def test_a_filled_database_holds_and_can_be_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(volume, "SETS", 1)
    monkeypatch.setattr(volume, "SAMPLE", 20)
    path = tmp_path / "filled.db"
    volume.fill(path, 60)
    with closing(Database.open(path)) as database, database.read() as tx:
        found = verify(tx)
        cases = [row for row in (tx.case(head.case_id) for head in tx.heads()) if row]
        for row in cases:
            person = tx.personal(row.id)
            assert person is not None
            assert person.customer_id is not None
            digest = personal_digest(
                str(person.salt), person.customer_id, person.customer_name, person.phone, person.address
            )
            assert f'"personal_digest":"{digest}"' in tx.events(row.id)[0].payload
    assert (found.holds, found.cases) == (True, 60)
    assert len({row.application_no for row in cases}) == 60
    waiting = [row for row in cases if row.closed_at is None]
    assert waiting
    with Service.open(path) as service:
        assert upkeep.verify(service, None, True, lambda done, of: None).holds
        for row in waiting:
            case = Marks("0c0c0c0c" + row.id[-8:]).stored(row.id, row.user_class, row.state)
            while case.turn < case.length:
                case.take(case.ask(service).result())
        assert upkeep.verify(service, None, True, lambda done, of: None).holds


def test_a_broken_chain_is_noticed_before_the_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(volume, "SETS", 1)
    monkeypatch.setattr(volume, "event_hash", lambda *_: "0" * 64)
    with pytest.raises(AssertionError):
        volume.fill(tmp_path / "filled.db", 30)
    assert not (tmp_path / "filled.db").exists()
