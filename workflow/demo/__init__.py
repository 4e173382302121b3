"""Data behind the demonstration; where it comes from is told in the README beside it."""
