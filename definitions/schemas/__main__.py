"""`python -m definitions.schemas` writes the JSON Schemas of the data files anew; a test holds them to the loader."""

from __future__ import annotations

import json
from pathlib import Path

from definitions._files import schemas


def texts() -> dict[str, str]:
    """The text of every schema file, by file name."""
    return {
        f"{name}.schema.json": json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        for name, schema in schemas().items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
