"""The JSON Schema of a kind of file, for editors. What several places of it have in common is said once, in `$defs`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from definitions.shapes import Shape

_SHORTEST: Final = 80
"""Characters of a part that is worth a name of its own."""

Part = Callable[[dict[str, Any], str], dict[str, Any]]


def published(title: str, shape: Shape) -> dict[str, Any]:
    """The schema of files of `shape`."""
    whole, times, shared = shape.schema(), Counter[str](), dict[str, tuple[str, dict[str, Any]]]()

    def count(part: dict[str, Any], name: str) -> dict[str, Any]:
        times[json.dumps(part)] += 1
        return part if times[json.dumps(part)] > 1 else _inside(part, name, count)

    def share(part: dict[str, Any], name: str) -> dict[str, Any]:
        text = json.dumps(part)
        if times[text] == 1 or len(text) < _SHORTEST:
            return _inside(part, name, share)
        if text not in shared:
            taken = sum(one.rstrip("0123456789") == name for one, _ in shared.values())
            own = f"{name}{taken + 1}" if taken else name
            shared[text] = own, {}
            shared[text] = own, _inside(part, name, share)
        return {"$ref": f"#/$defs/{shared[text][0]}"}

    _inside(whole, "file", count)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    body = _inside(whole, "file", share)
    return {**head, **body, **({"$defs": dict(sorted(shared.values()))} if shared else {})}


def _inside(schema: dict[str, Any], name: str, of: Part) -> dict[str, Any]:
    """The schema with each schema right inside it as `of` makes it; `name`: what the nearest field is called."""
    found = dict(schema)
    for key in ("properties", "patternProperties"):
        if key in schema:
            fields = schema[key].items()
            found[key] = {one: of(part, one if key == "properties" else name) for one, part in fields}
    if "items" in schema:
        found["items"] = of(schema["items"], name)
    if "anyOf" in schema:
        found["anyOf"] = [of(part, name) for part in schema["anyOf"]]
    return found
