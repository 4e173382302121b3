"""Histories as they come, made canonical: every row read is accepted, rejected with its reason, or ignored as told.

`run` takes them in; it is not loaded by looking at a mapping.
"""

from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.mapping import MappingFile
from workflow.replay.intake.mapping_file import load, ready
from workflow.replay.intake.result import Intake

__all__ = ["BadHistory", "Intake", "MappingFile", "load", "ready"]
