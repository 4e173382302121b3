"""How often one network address may knock at a door of the public pages.

Counted by the package `limits` over a storage in the database, so that every process and node sees one count.  What is
kept is a pseudonym of the address, and only until the count expires.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Any

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from storage import StorageError
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.service.portal import house
from workflow.service.service import Service


class _Counts(Storage):
    """The counts of `limits`, as rows."""

    STORAGE_SCHEME = None

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return StorageError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        moment = self._service.clock.now()
        until = write(moment + dt.timedelta(seconds=expiry))
        return self._service.transact(lambda tx: tx.count_knock(key, write(moment), until, amount))

    def get(self, key: str) -> int:
        found = self._found(key)
        return 0 if found is None else found[0]

    def get_expiry(self, key: str) -> float:
        found = self._found(key)
        moment = self._service.clock.now() if found is None else dt.datetime.fromisoformat(found[1])
        return moment.timestamp()

    def check(self) -> bool:
        return self._service.database.schema_is_current()

    def reset(self) -> int | None:
        return self._service.transact(lambda tx: tx.forget_knocks(None))

    def clear(self, key: str) -> None:
        self._service.transact(lambda tx: tx.forget_knocks(key))

    def _found(self, key: str) -> tuple[int, str] | None:
        with self._service.database.read() as tx:
            return tx.knocks(key, house.now(self._service))


def knock(service: Service, door: str, address: str) -> None:
    """Count one request at `door` (`rates` of `portal.yaml`) from a network address. Raises Refused
    `too-many-attempts` with the seconds to wait."""
    rate = parse(house.rule(service).rates[door])
    who = house.pseudonym(house.secret(service), "address", _network(address))
    counts: Any = _Counts(service)
    if FixedWindowRateLimiter(counts).hit(rate, door, who):
        return
    left = counts.get_expiry(rate.key_for(door, who)) - service.clock.now().timestamp()
    seconds = max(1, round(left))
    raise refuse(
        "too-many-attempts",
        f"操作过于频繁, 请 {-(-seconds // 60)} 分钟后再试; 急事请拨打 95598",
        f"Too often; try again in {-(-seconds // 60)} min, or ring 95598",
        wait_seconds=seconds,
    )


def _network(address: str) -> str:
    """The address, or for IPv6 the network one customer has (/64)."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False).network_address)
