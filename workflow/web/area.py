"""What an area of the pages says of itself: its routes, its places in the navigation, the largest body it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import APIRouter


@dataclass(frozen=True)
class Link:
    """A place in the navigation. `text` is a message marked with `N_`; `reads`: the area of the interface a role must
    be able to read (`roles.yaml`) for the link to be shown to it."""

    path: str
    text: str
    reads: str


@dataclass(frozen=True)
class Area:
    """One area of the site. `order` places its links; `uploads`: the largest body in bytes below a path, where it is
    more than a form."""

    name: str
    router: APIRouter
    order: int
    links: tuple[Link, ...] = ()
    uploads: dict[str, int] = field(default_factory=dict)


def N_(message: str) -> str:  # noqa: N802  # the name by which messages are found
    """Mark a message that is looked up where it is shown."""
    return message
