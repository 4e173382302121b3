"""Who is told: from the roles a rung names to people, and from people to the ways that reach them [D-LADDER].

A role with a level of the organisation means the supervisors of the unit of that level at or above the case's own; the
others are named by the case or the order.  Where nobody is found the next level up is told instead, so that no alert is
raised for nobody; where there is nobody at all, that is a fact of its own in the health of the installation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from definitions.alerting import Recipient
from definitions.model import ORG_LEVELS
from storage import DestinationRow, OrgRow, StaffRow, Tx
from workflow.alerts.texts import TYPES

"""The levels of the organisation, from below."""

SUPERVISOR = "supervisor"
ANY_LEVEL = frozenset(("alert", TYPES["alert"]))
"""What a destination lists to be told of alerts of every level; listing nothing means everything."""

CONTACT = "{contact}"
"""Where the address of a gateway to persons takes what the register says of them."""


class Receiver(NamedTuple):
    """One way to somebody. `recipient` and `channel` as a message has them; `person`: sent to in working hours only."""

    recipient: str
    channel: str
    person: bool


class Directory:
    """The organisation, its people and its destinations, as read at one moment."""

    def __init__(
        self, orgs: Iterable[OrgRow], staff: Iterable[StaffRow], destinations: Iterable[DestinationRow] = ()
    ) -> None:
        self._orgs = {org.code: org for org in orgs}
        self._staff = {member.id: member for member in staff}
        self._of_role: dict[tuple[str, str], list[str]] = {}
        for member in self._staff.values():
            self._of_role.setdefault((member.role, member.org), []).append(member.id)
        enabled = [one for one in destinations if one.disabled_at is None and one.kind != "customer"]
        self._gateways = {one.org for one in enabled if CONTACT in one.url}
        self._listening = [
            (one, frozenset(msgspec.json.decode(one.events))) for one in enabled if CONTACT not in one.url
        ]
        self._found: dict[tuple[object, ...], tuple[str, ...]] = {}
        self._ways: dict[str, tuple[Receiver, ...]] = {}
        self._systems: dict[tuple[str | None, str], tuple[Receiver, ...]] = {}

    @classmethod
    def read(cls, tx: Tx) -> Directory:
        """The directory as the database has it now."""
        return cls(tx.orgs(), tx.staff(), tx.destinations())

    def people(
        self,
        roles: tuple[str, ...],
        recipients: Mapping[str, Recipient],
        org: str | None,
        named: tuple[tuple[str, str | None], ...],
    ) -> tuple[str, ...]:
        """The staff ids of everybody in `roles`, each once, in the order of the roles. `named`: role and staff id of
        those whom the case or the order names. Empty when there is nobody up to the top."""
        key = (roles, org, named)
        if key not in self._found:
            by_name = dict(named)
            ids: list[str] = []
            for role in roles:
                everybody = recipients[role].role
                if everybody is not None:
                    ids += self._everybody(everybody, org)
                else:
                    ids += self._one_role(recipients[role].level, org, by_name.get(role))
            self._found[key] = tuple(dict.fromkeys(ids))
        return self._found[key]

    def _one_role(self, level: str | None, org: str | None, named: str | None) -> list[str]:
        if level is None and named in self._staff:
            return [named]
        # Nobody is named, or somebody who has left: the next level up, beginning with the case's own unit.
        units = self._above(org)
        for wanted in ORG_LEVELS if level is None else ORG_LEVELS[ORG_LEVELS.index(level) :]:
            found = [
                one for unit in units if unit.level == wanted for one in self._of_role.get((SUPERVISOR, unit.code), ())
            ]
            if found:
                return sorted(found)
        return []

    def _everybody(self, role: str, org: str | None) -> list[str]:
        """All staff of a role whose unit is the case's own or stands above it."""
        return sorted(one for unit in self._above(org) for one in self._of_role.get((role, unit.code), ()))

    def _above(self, org: str | None) -> list[OrgRow]:
        """The unit and those above it. A case of no unit belongs to the top: to every unit without a parent."""
        if org is None:
            return [unit for unit in self._orgs.values() if unit.parent is None]
        unit = self._orgs.get(org)
        return [] if unit is None else [self._orgs[code] for code in unit.path.split("/") if code in self._orgs]

    def substitutes(self, people: Iterable[str]) -> tuple[str, ...]:
        """Who stands in for these people, where somebody does."""
        found = (self._staff[one].substitute for one in people if one in self._staff)
        return tuple(dict.fromkeys(one for one in found if one is not None and one in self._staff))

    def ways(self, person: str) -> tuple[Receiver, ...]:
        """How a person is reached: the inbox always, and what the register says where a message can go there: an
        address, or a number for which somebody has registered a gateway."""
        if person not in self._ways:
            ways = [Receiver(person, "inbox", False)]
            member = self._staff.get(person)
            if member is not None and member.contact and ("://" in member.contact or self._has_gateway(member.org)):
                ways.append(Receiver(person, "apprise", True))
            self._ways[person] = tuple(ways)
        return self._ways[person]

    def _has_gateway(self, org: str) -> bool:
        return not self._gateways.isdisjoint({unit.code for unit in self._above(org)} | {org, None})

    def systems(self, org: str | None, level: str) -> tuple[Receiver, ...]:
        """The destinations that are told of alerts of `level` in `org`: those of the unit, of one above it, or of no
        unit, which listen to the level. Groups of people wait for working hours, systems do not."""
        key = (org, level)
        if key not in self._systems:
            units = {unit.code for unit in self._above(org)} | {org, None}
            self._systems[key] = tuple(
                Receiver(f"destination:{one.id}", one.kind, one.kind == "apprise")
                for one, events in self._listening
                if one.org in units and (not events or level in events or events & ANY_LEVEL)
            )
        return self._systems[key]
