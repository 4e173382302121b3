"""The book: the law in force for a class, a region and a day, as one immutable value with a content hash.

`resolve` is what the engine asks at every submission; the definition it returns is what the case stays pinned to.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from definitions._law import Law, Layer
from definitions._loader import SHIPPED, read
from definitions._overlay import check_overlays
from definitions._view import View, build, classification, delivery, ladder
from definitions.alerting import BreachCauses, DeliveryRule, Ladder
from definitions.model import (
    NATION,
    BoardBand,
    ClassificationRule,
    Clause,
    Definition,
    Frozen,
    LegalBasisRule,
    OverviewRule,
    PortalRule,
    ReportRules,
    RoleRule,
    SignInRule,
    Text,
)
from definitions.shapes import DefinitionError, Problem

__all__ = [
    "Book",
    "Change",
    "DefinitionError",
    "NoRuleInForce",
    "Problem",
    "UnknownClass",
    "check",
    "content_hash",
    "decode",
    "diff",
    "encode",
    "load",
    "resolve",
]

_NOT_HASHED: Final = ("hash", "last_verified_on", "in_force_to")
"""What a definition says beside its rules. Comparing a text with its source once more, or a later law that ends this
one, changes no rule of a case that is already under way, so neither may change what the case is pinned to."""

_LATER: Final = ("milestones",)
"""Fields that definitions were first published without. Empty, they are left out, so that those hashes still hold."""


class NoRuleInForce(LookupError):
    """No rule of this book was in force on that day: the answer is unknown, never a guess [D-IN-FORCE]."""

    def __init__(self, user_class: str, on: dt.date, since: dt.date) -> None:
        self.user_class, self.on, self.since = user_class, on, since
        super().__init__(
            f"{on} 没有可适用于 {user_class} 的规则, 规则自 {since} 起 / "
            f"no rule for {user_class} was in force on {on}; rules begin on {since}"
        )


class UnknownClass(LookupError):
    """There is no such user class."""

    def __init__(self, user_class: str, known: tuple[str, ...]) -> None:
        self.user_class = user_class
        listed = ", ".join(known)
        super().__init__(f"没有用户类别 {user_class}, 可用: {listed} / no user class {user_class}; known: {listed}")


class Change(Frozen, frozen=True):
    """One difference between two definitions. `path` such as `steps.supply_plan.limit`; None: absent on that side."""

    path: str
    before: Any
    after: Any
    clauses_before: tuple[str, ...]
    clauses_after: tuple[str, ...]


class Book:
    """A loaded, checked set of rules. Immutable; safe to share between threads."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._timelines: dict[tuple[str, tuple[str, ...]], tuple[list[dt.date], list[Definition]]] = {}
        self._tables: dict[tuple[str, ...], tuple[list[dt.date], list[ClassificationRule]]] = {}
        self._ladders: dict[tuple[str, ...], tuple[list[dt.date], list[Ladder]]] = {}
        self._deliveries: dict[dt.date, DeliveryRule] = {}
        # Regions without a word on ladders share those of what stands above them.
        self._with_ladders = {
            code for code, layer in law.layers.items() if any(path.startswith("ladders.") for path in layer.timelines)
        }

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of the user classes."""
        return tuple(sorted(self._law.classes))

    @functools.cached_property
    def roles(self) -> dict[str, RoleRule]:
        """Who may do what, by role."""
        return self._law.roles

    @functools.cached_property
    def overview(self) -> OverviewRule:
        """What a supervisor's overview is counted by [D-OVERVIEW]."""
        return self._law.overview

    @functools.cached_property
    def names(self) -> dict[str, dict[str, Text]]:
        """What the codes are called, by kind (user_class, step, document, notice, milestone, role, recipient, cause)
        and code."""
        return self._law.names

    @functools.cached_property
    def bands(self) -> tuple[BoardBand, ...]:
        """The bands of the board, the most urgent first [D-BOARD]."""
        return self._law.bands

    @functools.cached_property
    def sign_in(self) -> SignInRule:
        """How staff sign in to the pages [D-SIGN-IN]."""
        return self._law.sign_in

    @functools.cached_property
    def legal_basis(self) -> LegalBasisRule:
        """How a stated legal basis is read [L25]."""
        return self._law.legal_basis

    @functools.cached_property
    def reports(self) -> ReportRules:
        """The regulator's half-yearly tables and how their indicators are judged."""
        return self._law.reports

    @functools.cached_property
    def breach_causes(self) -> BreachCauses:
        """The fixed list of why a limit was broken."""
        return self._law.breach_causes

    @functools.cached_property
    def portal(self) -> PortalRule:
        """How the customer's public pages are kept."""
        return self._law.portal

    def delivery(self, *, on: dt.date) -> DeliveryRule:
        """How alerts and notices are delivered on `on` (business zone). Raises `NoRuleInForce`."""
        start = self._start("delivery.opens")
        if on < start:
            raise NoRuleInForce("delivery", on, start)
        days = self._delivery_days
        day = days[bisect.bisect_right(days, on) - 1]
        if day not in self._deliveries:
            self._deliveries[day] = delivery(View(self._law, (self._law.layers[NATION],), day))
        return self._deliveries[day]

    @functools.cached_property
    def _delivery_days(self) -> list[dt.date]:
        return _days((self._law.layers[NATION],), ("delivery.",), self._start("delivery.opens"))

    @functools.cached_property
    def verified_on(self) -> dt.date:
        """The date on which the value checked longest ago was last compared with its source."""
        return self._law.verified_on

    @property
    def clauses(self) -> dict[str, Clause]:
        """Every clause of the book, cited or not, by id."""
        return dict(self._law.clauses)

    @property
    def regions(self) -> dict[str, Text]:
        """The regions with rules of their own, by GB/T 2260 code."""
        return {code: layer.name for code, layer in self._law.layers.items() if code != NATION}

    def resolve(self, *, on: dt.date, user_class: str, region: str = NATION) -> Definition:
        """The definition of `user_class` in `region` (GB/T 2260) for an application submitted on `on` (business zone).

        Counties and cities without rules of their own share the definition of what stands above them.
        Raises `UnknownClass`, `NoRuleInForce`, and ValueError for a region that is not six digits.
        """
        starts, definitions = self._timeline(user_class, region)
        at = bisect.bisect_right(starts, on) - 1
        if at < 0:
            raise NoRuleInForce(user_class, on, starts[0])
        return definitions[at]

    def classification(self, *, on: dt.date, region: str = NATION) -> ClassificationRule:
        """The classification table in force in `region` on `on` (business zone). Raises `NoRuleInForce`, ValueError."""
        chain = self._chain(region)
        key = tuple(layer.region for layer in chain)
        if key not in self._tables:
            days = _days(chain, ("classification.",), self._start("classification.rows"))
            self._tables[key] = (days, [classification(View(self._law, chain, day)) for day in days])
        starts, tables = self._tables[key]
        at = bisect.bisect_right(starts, on) - 1
        if at < 0:
            raise NoRuleInForce("classification", on, starts[0])
        return tables[at]

    def zero_investment_ceiling(self) -> float:
        """The largest capacity (kW) of zero investment in the nation's latest table: what a region's own promise before
        it is held to [D-ZERO-2021]."""
        return float(max(kw or 0 for kw in self.classification(on=dt.date.max).zero_investment_kw.values()))

    @functools.lru_cache(maxsize=4096)  # noqa: B019  # a book lives as long as the program; asked at every command
    def ladder(self, *, on: dt.date, region: str = NATION) -> Ladder:
        """The ladders of alerts in force in `region` on `on`, the day of looking (business zone), for every open case
        whenever it was submitted [D-LADDER]. The same object for the same rules. Raises `NoRuleInForce`, ValueError."""
        key = tuple(layer.region for layer in self._chain(region) if layer.region in self._with_ladders)
        if key not in self._ladders:
            layers = tuple(self._law.layers[code] for code in key)
            days = _days(layers, ("ladders.",), self._start("ladders.legal.bands"))
            self._ladders[key] = (days, [ladder(View(self._law, layers, day)) for day in days])
        starts, ladders = self._ladders[key]
        at = bisect.bisect_right(starts, on) - 1
        if at < 0:
            raise NoRuleInForce("ladder", on, starts[0])
        return ladders[at]

    def timeline(self, user_class: str, region: str = NATION) -> list[tuple[dt.date, dt.date | None, Definition]]:
        """Every definition the class has had in the region: first day, last day (None: open), definition."""
        _, definitions = self._timeline(user_class, region)
        return [(item.in_force_from, item.in_force_to, item) for item in definitions]

    def _start(self, path: str) -> dt.date:
        return self._law.nation[path][0].start

    def _chain(self, region: str) -> tuple[Layer, ...]:
        if not is_region(region):
            raise ValueError(f"地区应为六位行政区划代码: {region!r} / a region is six digits (GB/T 2260): {region!r}")
        return self._law.chain(region)

    def _timeline(self, user_class: str, region: str) -> tuple[list[dt.date], list[Definition]]:
        if user_class not in self._law.classes:
            raise UnknownClass(user_class, self.classes)
        chain = self._chain(region)
        key = (user_class, tuple(layer.region for layer in chain))
        if key not in self._timelines:
            definitions = list(_definitions(self._law, chain, user_class))
            self._timelines[key] = ([item.in_force_from for item in definitions], definitions)
        return self._timelines[key]


def _days(chain: tuple[Layer, ...], prefixes: tuple[str, ...], start: dt.date) -> list[dt.date]:
    """`start` and every later day on which a value under `prefixes` changes."""
    days = {
        entry.start
        for layer in chain
        for path, timeline in layer.timelines.items()
        if path.startswith(prefixes)
        for entry in timeline
    }
    return sorted({start, *(day for day in days if day > start)})


_SHARED = (
    "approvals.",
    "chaining.",
    "counting.",
    "documents.",
    "late.",
    "milestones.",
    "notices.",
    "plan_validity.",
    "steps.",
)


def _definitions(law: Law, chain: tuple[Layer, ...], user_class: str) -> Iterator[Definition]:
    """The definitions of a class in time order; days on which nothing changes for it are passed over."""
    start = law.nation[f"classes.{user_class}.path"][0].start
    bodies: list[Definition] = []
    for day in _days(chain, (f"classes.{user_class}.", *_SHARED), start):
        body = build(View(law, chain, day), user_class)
        if not bodies or _rules(body) != _rules(bodies[-1]):
            bodies.append(body)
    for index, body in enumerate(bodies):
        following = bodies[index + 1].in_force_from if index + 1 < len(bodies) else None
        suffix = "" if body.region == NATION else f"-{body.region}"
        dated = msgspec.structs.replace(
            body,
            version=f"{user_class}-{body.in_force_from}{suffix}",
            in_force_to=following - dt.timedelta(days=1) if following else None,
        )
        yield msgspec.structs.replace(dated, hash=content_hash(dated))


def _rules(body: Definition) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(body)
    return {key: facts[key] for key in facts if key not in {"in_force_from", *_NOT_HASHED}}


def content_hash(definition: Definition) -> str:
    """sha256 (hex) of the canonical JSON of the rules: all fields but `hash`, `last_verified_on` and `in_force_to`."""
    facts = msgspec.to_builtins(definition)
    rules = {key: facts[key] for key in facts if key not in _NOT_HASHED and (facts[key] or key not in _LATER)}
    return hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()


def encode(definition: Definition) -> bytes:
    """Canonical JSON: UTF-8, keys sorted, no blanks."""
    return msgspec.json.encode(msgspec.to_builtins(definition), order="deterministic")


def decode(content: bytes) -> Definition:
    """The definition in `content`. Raises ValueError when it is not one, or not the one its hash names."""
    try:
        definition = msgspec.json.decode(content, type=Definition)
    except msgspec.DecodeError as error:
        raise ValueError(f"不是规则内容: {error} / not a definition: {error}") from error
    if content_hash(definition) != definition.hash:
        raise ValueError(
            f"规则内容与其哈希 {definition.hash} 不符 / the content is not what its hash {definition.hash} names"
        )
    return definition


_NOT_COMPARED: Final = {"version", "region", "regions", "in_force_from", "clauses", *_NOT_HASHED}
_KEYS: Final = ("code", "kind")


def diff(a: Definition, b: Definition) -> list[Change]:
    """Every difference from `a` to `b`, each with the clauses behind both sides. A list whose members have a code is
    compared member by member; where only the ground of an unchanged value differs, its `clauses` are the change."""
    before, after = (
        {key: value for key, value in msgspec.to_builtins(item).items() if key not in _NOT_COMPARED} for item in (a, b)
    )
    return list(_compare("", _keyed(before), _keyed(after), (), ()))


def _keyed(value: Any) -> Any:
    """Lists of coded records as mappings, so that they are compared by code and not by place."""
    if isinstance(value, dict):
        return {key: _keyed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        for key in _KEYS:
            if value and all(isinstance(item, dict) and key in item for item in value):
                return {item[key]: _keyed(item) for item in value}
        if value and all(isinstance(item, dict) and "voltage" in item for item in value):
            return {f"{item['voltage']}_{item['max_kv']}kV": _keyed(item) for item in value}
        return [_keyed(item) for item in value]
    return value


def _compare(
    path: str, before: Any, after: Any, ground_before: tuple[str, ...], ground_after: tuple[str, ...]
) -> Iterator[Change]:
    if isinstance(after, dict) and before == []:
        before = {}
    if isinstance(before, dict) and after == []:
        after = {}
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield Change(path, before, after, _ground(before, ground_before), _ground(after, ground_after))
        return
    grounds = _ground(before, ground_before), _ground(after, ground_after)
    found: list[Change] = []
    for key in dict.fromkeys([*before, *after]):
        if key != "clauses":
            below = f"{path}.{key}" if path else key
            found.extend(_compare(below, before.get(key), after.get(key), *grounds))
    if not found and before.get("clauses") != after.get("clauses"):
        found.append(Change(f"{path}.clauses", before.get("clauses"), after.get("clauses"), *grounds))
    yield from found


def _ground(value: Any, inherited: tuple[str, ...]) -> tuple[str, ...]:
    own = value.get("clauses") if isinstance(value, dict) else None
    return tuple(own) if own else inherited if value is not None else ()


def load(directory: Path | str | None = None, regions: Path | str | None = None) -> Book:
    """The book in `directory` (default: the shipped data), with the overlays of a further folder `regions`.

    The same pair of folders is read once. Raises `DefinitionError` naming every fault with file and line.
    """
    return _load(Path(directory) if directory else SHIPPED, Path(regions) if regions else None)


@functools.lru_cache(maxsize=8)
def _load(directory: Path, regions: Path | None) -> Book:
    return Book(_read(directory, regions))


def _read(directory: Path, regions: Path | None) -> Law:
    law = read(directory, regions)
    problems = list(check_overlays(law))
    if problems:
        raise DefinitionError(problems)
    return law


def check(directory: Path | str | None = None, regions: Path | str | None = None) -> tuple[Problem, ...]:
    """Every fault of the folders, read afresh; empty when the book would load."""
    try:
        _read(Path(directory) if directory else SHIPPED, Path(regions) if regions else None)
    except DefinitionError as error:
        return error.problems
    return ()


def is_region(text: str) -> bool:
    """Whether it is written like the code of a region: six digits (GB/T 2260)."""
    return len(text) == 6 and text.isascii() and text.isdigit()


def region_or_nation(text: str | None) -> str:
    """The code of a region; NATION for a name or anything else, which no region's rules can be told by."""
    return text if text is not None and is_region(text) else NATION


def resolve(*, on: dt.date, user_class: str, region: str = NATION) -> Definition:
    """`Book.resolve` on the shipped book."""
    return load().resolve(on=on, user_class=user_class, region=region)
