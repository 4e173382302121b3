"""What all doors of the public pages share: the principal, the installation's secret, the unit that receives."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path

import msgspec

from definitions.model import ORG_LEVELS, PortalRule
from storage import FileStore, OrgRow, Tx
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.service import access
from workflow.service.service import Service

PORTAL = Principal("portal", "customer")
"""Who the public pages act as. It belongs to no unit; each door narrows it to the one case that was proved."""

AREA = "customers"
"""What the staff may read and administer of it (`roles.yaml`)."""

_SECRET, _RECEIVER = "portal.secret", "portal.receiver"


def rule(service: Service) -> PortalRule:
    """How the public pages are kept."""
    return service.law.book.portal


def now(service: Service) -> str:
    """The present moment as rows keep it."""
    return write(service.clock.now())


def files(service: Service) -> FileStore:
    """Where uploaded files lie: `BAOZHUANG_FILES`, else a folder beside a SQLite database, else the user's data
    directory. All nodes of one installation must see the same folder."""
    stated = os.environ.get("BAOZHUANG_FILES")
    if stated:
        return FileStore(Path(stated))
    database = service.database.file
    if database is not None:
        return FileStore(database.with_name(f"{database.name}.files"))
    from platformdirs import user_data_path  # noqa: PLC0415  # only a server without a stated folder asks for it

    return FileStore(user_data_path("baozhuang", appauthor=False) / "files")


def secret(service: Service) -> bytes:
    """The installation's secret, drawn when it is first needed; what is derived from it means nothing elsewhere."""
    with service.database.read() as tx:
        known = tx.setting(_SECRET)
    if known is None:

        def draw(tx: Tx) -> str:
            there = tx.setting(_SECRET)
            if there is None:
                there = secrets.token_hex(32)
                tx.put_setting(_SECRET, there)
            return there

        known = service.transact(draw)
    return bytes.fromhex(known)


def pseudonym(key: bytes, kind: str, *words: str) -> str:
    """A code for what people write in many ways: the same words, whatever their width, case and blanks, give the same
    code; without the installation's secret it tells nothing."""
    plain = "\n".join("".join(unicodedata.normalize("NFKC", word).casefold().split()) for word in words)
    digest = hmac.new(key, f"{kind}\n{plain}".encode(), hashlib.sha256).hexdigest()
    return f"online-{digest[:24]}"


class Served(msgspec.Struct, frozen=True):
    """A region one may apply from, and the unit that receives there."""

    region: str
    org: str
    name: str


class Settings(msgspec.Struct, frozen=True):
    """How this installation keeps its public pages. `receiver`: the unit for regions without one of their own."""

    files: str
    receiver: str | None
    regions: list[Served]


def settings(service: Service) -> Settings:
    """How this installation keeps its public pages."""
    with service.database.read() as tx:
        served = [Served(unit.region or "", unit.code, unit.name) for unit in served_regions(tx)]
        return Settings(str(files(service).directory), tx.setting(_RECEIVER), served)


# ---- the unit that receives ------------------------------------------------------------------------------------------


def receiver(tx: Tx, region: str) -> OrgRow | None:
    """The unit that receives an application from `region`: the one of that county, else of its city, else of its
    province, the highest of several; else the unit the installation names. None when nobody does."""
    units = {unit.code: unit for unit in tx.orgs()}
    for place in dict.fromkeys((region, f"{region[:4]}00", f"{region[:2]}0000")):
        there = [unit for unit in units.values() if unit.region == place]
        if there:
            return max(there, key=lambda unit: (ORG_LEVELS.index(unit.level), -len(unit.path), unit.code))
    return units.get(tx.setting(_RECEIVER) or "")


def set_receiver(service: Service, principal: Principal, org: str) -> None:
    """Name the unit that receives what no unit of the region does. Raises Refused."""
    access.check_administers(service.law.roles, principal, "orgs")

    def work(tx: Tx) -> None:
        access.known_org(tx, org)
        if not access.sees(tx, principal, org):
            raise refuse("not-permitted", f"单位 {org} 不在您的管辖范围内", f"The unit {org} lies outside your part")
        tx.put_setting(_RECEIVER, org)

    service.transact(work)


def served_regions(tx: Tx) -> list[OrgRow]:
    """The regions one may apply from, each by the unit that receives there, by region; teams share their county's."""
    best: dict[str, OrgRow] = {}
    for unit in tx.orgs():
        if unit.region is None:
            continue
        known = best.get(unit.region)
        if known is None or ORG_LEVELS.index(unit.level) > ORG_LEVELS.index(known.level):
            best[unit.region] = unit
    return [best[region] for region in sorted(best)]
