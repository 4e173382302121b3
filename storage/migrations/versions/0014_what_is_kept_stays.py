"""Definitions, calendar notices and the records of other systems are added and neither changed nor removed."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SAME = {
    "definition": "hash = NEW.hash",
    "calendar_notice": "hash = NEW.hash",
    "evidence_record": "id = NEW.id OR digest = NEW.digest",
}
"""Which row is there already, by table."""
DELIVERED = "EXISTS (SELECT 1 FROM evidence_record WHERE digest = NEW.digest)"
EVIDENCE = f"CASE WHEN {DELIVERED} THEN RAISE(IGNORE) ELSE RAISE(ABORT, 'evidence_record exists') END"
FUNCTION = (
    "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'what is kept here stays as it is' USING ERRCODE = 'restrict_violation'; END $$"
)


def upgrade() -> None:
    """Set the guards up."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION)
        for table in SAME:
            name = f"{table}_append_only"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        return
    for table, same in SAME.items():
        for act in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  # our own names
        then = EVIDENCE if table == "evidence_record" else "RAISE(IGNORE)"
        op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} BEGIN SELECT {then}; END")


def downgrade() -> None:
    """Evidence is never migrated backwards: restore the backup made before the upgrade."""
    raise NotImplementedError("向前迁移不可撤销, 请恢复升级前的备份 / migrations only go forward; restore the backup")
