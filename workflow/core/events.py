"""What happened, as it enters the evidence chain.

An event has two times: when it is said to have happened and when the system learned of it.  Payloads are plain JSON
values; personal data never enters them (only its salted digest does).
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any

from definitions.model import Frozen


class Principal(Frozen, frozen=True):
    """Who acts: the name a key belongs to, its role, and the unit it is scoped to (None: the whole tree)."""

    who: str
    role: str
    org: str | None = None

    @property
    def caller(self) -> str:
        """Whose idempotency keys these are. Two units may each have a key of one name, such as "hall": neither is
        answered what the other was, and the key they both count up is used by each for itself."""
        return self.who if self.org is None else f"{self.who}\n{self.org}"


def folded(name: str) -> str:
    """A name as it is compared: two spellings that differ in width, in case or in blanks at the ends are one person."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


class Event(Frozen, frozen=True):
    """One entry of a case's history. `seq` counts from 1 without gaps."""

    seq: int
    type: str
    payload: dict[str, Any]
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    actor: str
    source: str
