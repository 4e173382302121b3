"""What a file of YAML says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# The C loader when PyYAML has it: the same answer ten times sooner, and every process of a run reads all scenarios.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
