"""The models and the migrations describe one and the same schema, triggers and checks included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import storage
from storage import GENESIS, Database, Duplicate, NotMigrated
from storage.database import SCHEMAS
from storage.guards import guards
from storage.models import Table
from storage.rows import NewEvent

POSTGRESQL_DUMP = """
SELECT 'column', table_name, column_name, data_type, is_nullable, column_default, collation_name
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'index', tablename, indexname, indexdef, NULL, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled::text, NULL, NULL
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', proname, prosrc, NULL, NULL, NULL, NULL FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'table', relname, reloptions::text, NULL, NULL, NULL, NULL
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


def dump(connection: sa.Connection) -> list[str]:
    """Everything the database knows of its schema, except Alembic's own table."""
    if connection.dialect.name == "postgresql":
        rows = [str(tuple(row)) for row in connection.execute(sa.text(POSTGRESQL_DUMP))]
    else:
        found = connection.execute(sa.text("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        # The parts of a CREATE TABLE may stand in another order: compare them as a set of lines.
        rows = [
            line.strip().rstrip(",")
            for kind, name, table, sql in found
            for line in (sql or f"{kind} {name} {table}").splitlines()
            if table != "alembic_version"
        ]
    return sorted(re.sub(r"\s+", " ", row) for row in rows if "alembic_version" not in row)


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    return sa.create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)


def test_alembic_finds_nothing_to_migrate(engine: sa.Engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []


class Older(NamedTuple):
    """An empty database, in which an earlier schema is made."""

    url: str
    engine: sa.Engine

    def upgrade(self, connection: sa.Connection, revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(storage.__file__).with_name("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def older(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Older]:
    server = None if database_url.startswith("sqlite") else request.getfixturevalue("postgresql")
    url = server.create(template="template0") if server else f"sqlite:///{tmp_path / 'old.db'}"
    yield Older(url, sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool))
    if server:
        server.drop(url)


def test_models_create_what_migrations_create(engine: sa.Engine, older: Older):
    with engine.connect() as connection:
        migrated = dump(connection)
    with older.engine.begin() as connection:
        Table.metadata.create_all(connection)
    with older.engine.connect() as connection:
        created = dump(connection)
    assert created == migrated
    told = "\n".join(migrated)
    for name in [*guards(engine.dialect.name), "ck_event_hash", "ix_deadline_look"]:
        assert name in told


def test_text_compares_by_code_point_on_postgresql(postgresql_url: str):
    engine = sa.create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        others = connection.execute(
            sa.text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND table_name <> 'alembic_version' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
            )
        ).all()
    assert others == []


def test_the_program_knows_all_revisions_in_order():
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).with_name("migrations")))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == SCHEMAS


FIRST_EVENT = (
    "c1", 1, "application_submitted", '{"名": "é"}', "2026-01-05T09:00:00.000000+08:00",
    "2026-01-05T09:00:01.000000+08:00", "key-1", "marketing", "0" * 64, "a" * 64,
)  # fmt: skip
OLD_PERSON = ("c1", "salt", "C1", "王五", None, "沿江大道 1 号")
OLD_ROWS = {"event": FIRST_EVENT, "personal": OLD_PERSON}
OLD_DEADLINES = """
INSERT INTO deadline
  (case_id, key, scope, step, round, budget, ledger, due_on, provisional, status, calendar_hash)
VALUES
  ('c1', 'total', 'total', NULL, NULL, 22, '[]', '2026-02-09', {true}, 'running', 'x'),
  ('c1', 'step:acceptance:1', 'step', 'acceptance', 1, 1, '[]', '2026-01-06', {false}, 'met', 'x')
"""


def test_a_database_with_data_is_upgraded_from_the_first_schema(older: Older):
    sqlite = older.engine.dialect.name == "sqlite"
    marks = {"true": "1", "false": "0"} if sqlite else {"true": "true", "false": "false"}
    with older.engine.begin() as connection:
        older.upgrade(connection, "0001")
        connection.exec_driver_sql(OLD_DEADLINES.format(**marks))
        for table, row in OLD_ROWS.items():
            values = {f"v{place}": value for place, value in enumerate(row)}
            names = ", ".join(f":{name}" for name in values)
            connection.execute(sa.text(f"INSERT INTO {table} VALUES ({names})").bindparams(**values))
    with pytest.raises(NotMigrated, match="older"):
        Database.open(older.url)
    database = Database.open(older.url, migrate=True)
    with database.read() as tx:
        rows = {row.key: row for row in tx.deadlines("c1")}
        assert tx.events("c1") == [FIRST_EVENT]
        assert tx.personal("c1") == OLD_PERSON
        assert tx.missing_triggers() == []
    with pytest.raises(Duplicate), database.write() as tx:
        tx.append_events("c1", 1, GENESIS, [NewEvent(*FIRST_EVENT[2:8])])
    database.close()
    # What ran is looked at at once, by whoever knows the ladder; nothing else is.
    assert rows["total"] == (
        "c1", "total", "total", None, None, 22, "[]", "2026-02-09", True, "running", "x", "2021-01-01",
    )  # fmt: skip
    assert rows["step:acceptance:1"] == (
        "c1", "step:acceptance:1", "step", "acceptance", 1, 1, "[]", "2026-01-06", False, "met", "x", None,
    )  # fmt: skip
    with older.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []


OLD_CASE = """
INSERT INTO application
  (id, application_no, org, region, user_class, state, premises_id, voltage, capacity_kw, business_type, channel,
   submitted_at, provisional, definition_hash, version, head_hash, snapshot)
VALUES
  ('c1', 'BZ-1', 'T1', '420100', 'residential', 'metering.running', 'P1', 'low', 8, 'new', 'hall', '{at}', {false},
   'd', 3, '{hash}', '{snapshot}')
"""
OLD_EVENT = """
INSERT INTO event VALUES ('c1', {seq}, 'late', '{{}}', '{at}', '{recorded}', 'clerk', 'm', '{hash}', '{hash}')
"""
WAITS = """{"version":3,"pending":[{"event":2,"kind":"suspend","actor":"clerk","payload":{"notice":"N"}},
{"event":3,"kind":"late","actor":"lead"}]}"""


def test_what_waits_for_a_signature_is_queued_by_the_upgrade(older: Older):
    false = "0" if older.engine.dialect.name == "sqlite" else "false"
    at, digest = "2026-01-05T10:00:00.000000+08:00", "0" * 64
    with older.engine.begin() as connection:
        older.upgrade(connection, "0002")
        connection.exec_driver_sql(OLD_CASE.format(at=at, false=false, hash=digest, snapshot=WAITS))
        for seq in (1, 2, 3):
            recorded = at.replace("T10", f"T1{seq}")
            connection.exec_driver_sql(OLD_EVENT.format(seq=seq, at=at, recorded=recorded, hash=digest))
    database = Database.open(older.url, migrate=True)
    with database.read() as tx:
        rows = tx.pending("c1")
    database.close()
    assert rows == [
        ("c1", 2, "suspend", "clerk", "T1", at.replace("T10", "T12")),
        ("c1", 3, "late", "lead", "T1", at.replace("T10", "T13")),
    ]


def test_every_case_is_judged_anew_after_the_upgrade_that_counts_times_of_recording(older: Older):
    at = "2026-01-05T10:00:00.000000+08:00"
    with older.engine.begin() as connection:
        older.upgrade(connection, "0015")
        connection.exec_driver_sql(f"INSERT INTO judgement VALUES ('c1', 3, 'by these', '{at}', '2026-01-08', NULL)")
    database = Database.open(older.url, migrate=True)
    with database.read() as tx:
        assert tx.judgement("c1") == ("c1", 3, "", at, "2026-01-08", None)
    database.close()


def test_records_and_histories_of_findings_are_sealed_by_the_upgrade(older: Older):
    at, later = "2026-01-05T10:00:00.000000+08:00", "2026-01-06T10:00:00.000000+08:00"
    with older.engine.begin() as connection:
        older.upgrade(connection, "0016")
        connection.exec_driver_sql(f"INSERT INTO evidence_record VALUES ('r1', NULL, '装表', 'd1', '{at}', 'k1')")
        for id_, finding, type_, when in (
            ("e3", "f1", "state", later),
            ("e1", "f1", "found", at),
            ("e2", "f2", "found", at),
        ):
            connection.exec_driver_sql(
                f"INSERT INTO finding_event VALUES ('{id_}', '{finding}', '{type_}', '{when}', 'who', '甲')"
            )
    Database.open(older.url, migrate=True).close()
    # Written out by hand: a Chinese character is three bytes.
    record = f"2:r1,-6:装表,2:d1,32:{at},2:k1,"
    entry = "2:{},2:{},1:{},5:{},32:{},3:who,3:甲,".format
    entries = {
        "e1": (1, entry("e1", "f1", 1, "found", at)),
        "e2": (1, entry("e2", "f2", 1, "found", at)),
        "e3": (2, entry("e3", "f1", 2, "state", later)),
    }

    def sealed(fields: str) -> str:
        return sha256(b"baozhuang row 1\0" + fields.encode()).hexdigest()

    with older.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id, case_id, content, received_at, hash FROM evidence_record").all()
        assert rows == [("r1", None, "装表", at, sealed(record))]
        rows = connection.exec_driver_sql("SELECT id, seq, hash FROM finding_event ORDER BY id").all()
        assert rows == [(id_, seq, sealed(fields)) for id_, (seq, fields) in entries.items()]
    database = Database.open(older.url)
    with database.read() as tx:
        assert tx.missing_triggers() == []
        assert [whole for _, whole in tx.all_evidence()] == [True]
        assert [(id_, len(events), whole) for id_, _, events, whole in tx.all_findings()] == [
            ("f1", 2, True),
            ("f2", 1, True),
        ]
    database.close()


def test_migrating_again_changes_nothing(database: Database):
    with database.write() as tx:
        tx.put_setting("a", "b")
    database.migrate()
    assert database.schema_is_current()
    with database.read() as tx:
        assert tx.setting("a") == "b"


@pytest.mark.parametrize(("revision", "told"), [("9999", "newer"), (None, "empty")])
def test_another_schema_is_refused_with_what_to_do(database: Database, database_url: str, revision, told):
    with database.write() as tx:
        tx._query(sa.text("DELETE FROM alembic_version"))
        if revision is not None:
            tx._query(sa.text("INSERT INTO alembic_version VALUES (:it)").bindparams(it=revision))
    assert not database.schema_is_current()
    with pytest.raises(NotMigrated, match=told):
        Database.open(database_url)
    if revision is not None:
        with pytest.raises(NotMigrated, match=told):
            Database.open(database_url, migrate=True)


def test_whoever_has_it_open_writes_no_more_into_another_schema(database: Database, database_url: str):
    with database.write() as tx:
        tx.put_setting("a", "b")
    other = Database.open(database_url)
    with other.write() as tx:
        tx._query(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    other.close()
    with pytest.raises(NotMigrated, match="newer"), database.write() as tx:
        tx.put_setting("a", "c")
    with database.read() as tx:
        assert tx.setting("a") == "b"


def test_an_older_schema_is_refused_with_what_to_do(database_url: str, monkeypatch):
    monkeypatch.setattr("storage.database.SCHEMAS", (*SCHEMAS, "9999"))
    with pytest.raises(NotMigrated, match="older"):
        Database.open(database_url)


def test_an_empty_postgresql_database_is_told_to_initialise(postgresql, request: pytest.FixtureRequest):
    url = postgresql.create(template="template0")
    request.addfinalizer(lambda: postgresql.drop(url))
    with pytest.raises(NotMigrated, match="baozhuang init"):
        Database.open(url)
    Database.open(url, migrate=True).close()
    Database.open(url).close()
