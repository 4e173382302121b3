"""One finished (or open) case at a time, judged by the engine's own machine, classification and timers."""

from workflow.replay.exact.judge import ExactFinding, ExactVerdict, JudgedRound, judge_case

__all__ = ["ExactFinding", "ExactVerdict", "JudgedRound", "judge_case"]
