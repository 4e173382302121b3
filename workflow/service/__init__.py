"""What the faces may ask for. Everything below is reached through here.

Names are loaded when they are first used: a due date is answered without loading a database's driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage import Contention, Damaged, NotMigrated, OutcomeUnknown, StorageError, StorageUnavailable
    from workflow.core.commands import COMMAND_NAMES, COMMANDS, CONTROL, Command, Submission
    from workflow.core.events import Principal
    from workflow.core.refusals import Refusal, Refused, refusal, refuse
    from workflow.core.timers import past_due
    from workflow.core.times import BUSINESS_ZONE, FIRST_YEAR, LAST_YEAR
    from workflow.service.cases import Answer
    from workflow.service.service import Service, SystemClock
    from workflow.service.writer import Reply

__all__ = [
    "BUSINESS_ZONE",
    "COMMANDS",
    "COMMAND_NAMES",
    "CONTROL",
    "FIRST_YEAR",
    "LAST_YEAR",
    "Answer",
    "Command",
    "Contention",
    "Damaged",
    "NotMigrated",
    "OutcomeUnknown",
    "Principal",
    "Refusal",
    "Refused",
    "Reply",
    "Service",
    "StorageError",
    "StorageUnavailable",
    "Submission",
    "SystemClock",
    "past_due",
    "refusal",
    "refuse",
]

_HOMES = {
    "storage": ("Contention", "Damaged", "NotMigrated", "OutcomeUnknown", "StorageError", "StorageUnavailable"),
    "workflow.core.commands": ("COMMANDS", "COMMAND_NAMES", "CONTROL", "Command", "Submission"),
    "workflow.core.events": ("Principal",),
    "workflow.core.refusals": ("Refusal", "Refused", "refusal", "refuse"),
    "workflow.core.timers": ("past_due",),
    "workflow.core.times": ("BUSINESS_ZONE", "FIRST_YEAR", "LAST_YEAR"),
    "workflow.service.cases": ("Answer",),
    "workflow.service.service": ("Service", "SystemClock"),
    "workflow.service.writer": ("Reply",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value
