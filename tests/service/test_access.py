"""What somebody may not do is told in words, whatever the roles file names."""

from __future__ import annotations

from tests.core.driver import shipped_book
from workflow.core.commands import COMMAND_NAMES
from workflow.service.access import AREAS, COMMANDS


def test_every_area_and_every_command_has_a_name():
    roles = shipped_book().roles.values()
    assert set(AREAS) == {area for role in roles for area in (*role.reads, *role.administers)}
    assert set(COMMANDS) == {"submit", *COMMAND_NAMES}
    assert set(COMMANDS) == {command for role in roles for command in role.commands}
