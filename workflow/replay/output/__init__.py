"""What a replay hands over: tables, a report to read, a workbook for the desk, and a summary for machines."""

from workflow.replay.output.run import RESULTS, Files, hand_over

__all__ = ["RESULTS", "Files", "hand_over"]
