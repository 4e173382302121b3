"""What a replay hands over: tables, a report to read, a workbook for the desk, and a summary for machines."""

from workflow.replay.output.run import BY, RESULTS, Files, hand_over

__all__ = ["BY", "RESULTS", "Files", "hand_over"]
