"""SQLite that waits for no disk.

Only a power cut could tell the difference, and no test cuts the power: what a killed process has written is there all
the same.
"""

from __future__ import annotations

from storage import database

AS_IN_SERVICE = {name: getattr(database, name) for name in ("SQLITE_WRITER_PRAGMAS", "SQLITE_READER_PRAGMAS")}
IN_HASTE = {name: tuple(one.replace("= FULL", "= OFF") for one in pragmas) for name, pragmas in AS_IN_SERVICE.items()}


def wait_for_none() -> None:
    """Whatever this process opens from now on waits for no disk."""
    for name, pragmas in IN_HASTE.items():
        setattr(database, name, pragmas)
