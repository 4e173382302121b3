"""The ways a message leaves: signed webhooks for systems, Apprise for people. Each attempt ends in an `Outcome`."""

from __future__ import annotations

from typing import Any

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """What became of one attempt. `proof`: of a delivery, for the record; `reason`: of a failure, Chinese and English,
    without addresses' secrets. `final`: trying again is pointless; `gone`: the receiver asked for nothing more;
    `wait_seconds`: how long it asked us to wait."""

    proof: dict[str, Any] | None = None
    reason: str | None = None
    final: bool = False
    gone: bool = False
    wait_seconds: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.proof is not None


def failed(zh: str, en: str, **more: Any) -> Outcome:
    """A failed attempt."""
    return Outcome(reason=f"{zh} / {en}", **more)
