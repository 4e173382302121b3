"""Histories as they come, made canonical: every row read is accepted, rejected with its reason, or ignored as told."""

from workflow.replay.intake.result import Intake

__all__ = ["Intake"]
