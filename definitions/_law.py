"""What was read from the files, before it is resolved: dated values by path and layer, catalogues beside them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from definitions.alerting import BreachCauses
from definitions.model import (
    NATION,
    BoardBand,
    Clause,
    FeeItem,
    IndicatorRule,
    LegalBasisRule,
    LegalLevel,
    OverviewRule,
    PortalRule,
    ReportRules,
    RoleRule,
    SignInRule,
    Text,
)
from definitions.shapes import Entry, Timeline

"""The code under which the national rules stand."""


@dataclass(slots=True)
class Layer:
    """The dated values of the nation or of one region, by path such as `classes.lv_zero.total.limit`."""

    region: str
    name: Text
    timelines: dict[str, Timeline] = field(default_factory=dict)


@dataclass(slots=True)
class Law:
    """Everything that was read: values by path and layer, and the undated catalogues beside them."""

    layers: dict[str, Layer]
    catalogues: dict[str, Any]
    classes: dict[str, dict[str, Any]]
    clauses: dict[str, Clause]

    @property
    def nation(self) -> dict[str, Timeline]:
        return self.layers[NATION].timelines

    def chain(self, region: str) -> tuple[Layer, ...]:
        """The layers above `region`, nation first: province, city, county, as far as they exist."""
        codes = dict.fromkeys((NATION, region[:2] + "0000", region[:4] + "00", region))
        return tuple(self.layers[code] for code in codes if code in self.layers)

    @property
    def roles(self) -> dict[str, RoleRule]:
        return {
            code: msgspec.convert({"role": code, **facts}, RoleRule)
            for code, facts in self.catalogues["roles"]["roles"].items()
        }

    @property
    def names(self) -> dict[str, dict[str, Text]]:
        named = {
            "user_class": self.classes,
            "document": {**self.catalogues["documents"]["kinds"], **self.catalogues["documents"]["outside_the_list"]},
            "notice": self.catalogues["notices"]["notices"],
            "milestone": self.catalogues["milestones"]["milestones"],
            "role": self.catalogues["roles"]["roles"],
            "recipient": self.catalogues["ladder"]["recipients"],
        }
        plain = {"step": self.catalogues["steps"]["steps"], "cause": self.catalogues["breach_causes"]["causes"]}
        return {
            **{kind: {code: Text(**facts["name"]) for code, facts in of.items()} for kind, of in named.items()},
            **{kind: {code: Text(**name) for code, name in of.items()} for kind, of in plain.items()},
        }

    @property
    def sign_in(self) -> SignInRule:
        facts = _single(self.catalogues["sign_in"])
        failures, session = facts["failures"], facts["session"]
        return SignInRule(
            password_length=facts["password_length"],
            failures_of_account=failures["account"],
            failures_from_address=failures["address"],
            failure_window=dt.timedelta(minutes=failures["window_minutes"]),
            idle=dt.timedelta(minutes=session["idle_minutes"]),
            lasts=dt.timedelta(hours=session["hours"]),
            noted_every=dt.timedelta(minutes=session["noted_every_minutes"]),
        )

    @property
    def legal_basis(self) -> LegalBasisRule:
        facts = self.catalogues["legal_basis"]
        return LegalBasisRule(
            levels=msgspec.convert(facts["levels"], tuple[LegalLevel, ...]),
            article_patterns=facts["article_patterns"],
            never=facts["never"],
            prefixes=facts["prefixes"],
            statutes=facts["statutes"],
            clauses=facts["clauses"],
        )

    @property
    def breach_causes(self) -> BreachCauses:
        facts = self.catalogues["breach_causes"]
        return BreachCauses(msgspec.convert(facts["causes"], dict[str, Text]), facts["clauses"])

    @property
    def overview(self) -> OverviewRule:
        return msgspec.convert(_single(self.catalogues["overview"]), OverviewRule)

    @property
    def bands(self) -> tuple[BoardBand, ...]:
        return msgspec.convert(_single(self.catalogues["board"]["bands"]), tuple[BoardBand, ...])

    @property
    def portal(self) -> PortalRule:
        facts = _single(self.catalogues["portal"])
        return msgspec.convert({name: facts[name] for name in PortalRule.__struct_fields__}, PortalRule)

    @property
    def verified_on(self) -> dt.date:
        """The oldest `last_verified_on` of any value in force now or later, national or regional."""
        lines = [line for layer in self.layers.values() for line in layer.timelines.values()]
        undated: list[dt.date] = [
            facts["last_verified_on"] for facts in self.catalogues.values() if "last_verified_on" in facts
        ]
        return min([line[-1].last_verified_on for line in lines] + undated)

    @property
    def reports(self) -> ReportRules:
        facts = _single(self.catalogues["indicators"])
        reporters = facts["reporters"]
        return ReportRules(
            indicators=tuple(
                msgspec.convert({**one, "id": code, "reported_by": reporters[one["reported_by"]]}, IndicatorRule)
                for code, one in sorted(facts["indicators"].items(), key=lambda item: int(item[0][1:]))
            ),
            measures=msgspec.convert(facts["measures"], dict[str, Text]),
            first_half_due=facts["first_half_due"],
            whole_year_due=facts["whole_year_due"],
            enterprise_kw=facts["enterprise_kw"],
        )

    @property
    def fees(self) -> dict[str, FeeItem]:
        return {
            code: msgspec.convert({"code": code, "aliases": (), **facts}, FeeItem)
            for code, facts in self.catalogues["charges"]["fees"].items()
        }


def timelines(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Timeline]]:
    """Every timeline in a file's facts with its path below `prefix`."""
    for key, value in facts.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            yield from timelines(value, path)
        elif _is_timeline(value):
            yield path, value


def _single(facts: Any) -> Any:
    """The facts with every timeline, which must hold one value, replaced by that value; marks are left out."""
    if isinstance(facts, dict):
        return {key: _single(value) for key, value in facts.items() if key != "mark"}
    if _is_timeline(facts):
        return _single(facts[0].value)
    return tuple(map(_single, facts)) if isinstance(facts, tuple) else facts


def _is_timeline(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Entry)
