"""`python -m workflow.replay.mappings` writes the JSON Schema of mapping files anew; a test holds it to the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from workflow.replay.intake.mapping_file import schema

FILE: Final = Path(__file__).parent / "mapping.schema.json"


def text() -> str:
    """The text of the schema file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
