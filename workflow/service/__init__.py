"""What the faces may ask for. Everything below is reached through here."""

from storage import StorageError, StorageUnavailable
from workflow.core.commands import COMMAND_NAMES, COMMANDS, Command, Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refusal, Refused, refusal, refuse
from workflow.service.cases import Answer
from workflow.service.service import LOCAL, Service, SystemClock

__all__ = [
    "COMMANDS",
    "COMMAND_NAMES",
    "LOCAL",
    "Answer",
    "Command",
    "Principal",
    "Refusal",
    "Refused",
    "Service",
    "StorageError",
    "StorageUnavailable",
    "Submission",
    "SystemClock",
    "refusal",
    "refuse",
]
