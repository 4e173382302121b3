"""The areas of the pages, one module or package each; whatever has an `AREA` here is part of the site."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from workflow.web.area import Area


def every() -> tuple[Area, ...]:
    """All areas in the order of the navigation."""
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = [module.AREA for module in modules if hasattr(module, "AREA")]
    return tuple(sorted(found, key=lambda area: (area.order, area.name)))
