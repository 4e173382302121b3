"""Bringing a database to the schema of this program.

A module of its own, because Alembic takes longer to load than most commands take to run.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_LOCK = 0x6261_6F7A  # "baoz": any number that nobody else locks


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing, inside the transaction `connection` is in. Idempotent.

    Several nodes may start at once: the first migrates, the others wait and find nothing to do.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
