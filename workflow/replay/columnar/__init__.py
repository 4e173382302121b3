"""The rules over a whole province's history at once: set-based, on DuckDB in one process or on Spark."""

from workflow.replay.columnar.judge import Judged, judge

__all__ = ["Judged", "judge"]
