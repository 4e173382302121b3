"""Personal data as those see them who need not know them in full."""

from __future__ import annotations

from definitions.model import Frozen
from storage import PersonalRow

_KEPT_OF_ADDRESS = 6
_HIDDEN = "***"


class Person(Frozen, frozen=True):
    """Who an application is about. `masked`: shown in part only; `erased`: their data were erased."""

    id: str | None
    name: str | None
    phone: str | None
    address: str | None
    masked: bool
    erased: bool


def person(row: PersonalRow | None, *, in_full: bool) -> Person:
    """The customer of an application, in full or masked."""
    if row is None or row.salt is None:
        return Person(None, None, None, None, masked=False, erased=True)
    if in_full:
        return Person(row.customer_id, row.customer_name, row.phone, row.address, masked=False, erased=False)
    return Person(
        row.customer_id, name(row.customer_name), phone(row.phone), address(row.address), masked=True, erased=False
    )


def name(full: str | None) -> str | None:
    """张三 as 张*: the first character, and a star for each other, three at most."""
    return None if not full else full[0] + "*" * min(len(full) - 1, 3)


def phone(full: str | None) -> str | None:
    """13800001234 as 138****1234; a short number shows its last two digits."""
    if not full:
        return None
    return f"{full[:3]}****{full[-4:]}" if len(full) >= 9 else f"{_HIDDEN}{full[-2:]}"


def address(full: str | None) -> str | None:
    """The town and the beginning of the street."""
    return None if not full else full[:_KEPT_OF_ADDRESS] + _HIDDEN
