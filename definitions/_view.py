"""The law as one region sees it on one day, and the definition of a class built from that view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from definitions._alerting import bands
from definitions._law import Law, Layer
from definitions.alerting import LEVELS, DeliveryRule, Ladder, LadderRule, Recipient
from definitions.model import (
    NATION,
    ApprovalRule,
    ChainRule,
    ChargeRule,
    ClassificationRule,
    ClassRow,
    CountingRule,
    Definition,
    DocumentForm,
    DocumentRule,
    ExtraDocumentRule,
    LateRule,
    MilestoneRule,
    NoticeRule,
    PlanValidityRule,
    StepRule,
    Text,
    TotalRule,
)
from definitions.shapes import INHERIT, Entry, Timeline


class Found(NamedTuple):
    """A value in force, and the layer it comes from."""

    entry: Entry
    region: str


def in_force(timeline: Timeline, on: dt.date) -> Entry | None:
    """The entry of `timeline` in force on `on`, or None before its first date."""
    found = None
    for entry in timeline:
        if entry.start > on:
            break
        found = entry
    return found


class Profile(NamedTuple):
    """One step as it stands on the path of a region, and the values it was made from. `limit` in working days."""

    code: str
    name: Text
    parts: tuple[str, ...]
    limit: int | None
    documents: tuple[str, ...]
    required_for: str
    starts: str
    waivable: bool
    found: tuple[Found, ...]

    @property
    def clauses(self) -> tuple[str, ...]:
        return cited(found.entry for found in self.found)


def cited(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The clause ids of `entries`, each once, in order."""
    return tuple(dict.fromkeys(code for entry in entries for code in entry.clauses))


@dataclass(slots=True)
class View:
    """Reads values by path: the most local layer that says anything on `on` speaks. Keeps what was read."""

    law: Law
    layers: Sequence[Layer]
    on: dt.date
    used: list[Found] = field(default_factory=list)

    def find(self, path: str) -> Found | None:
        """The value at `path` in force, or None where no layer has one."""
        for layer in reversed(self.layers):
            entry = in_force(layer.timelines.get(path, ()), self.on)
            if entry is not None and entry.value != INHERIT:
                found = Found(entry, layer.region)
                self.used.append(found)
                return found
        return None

    def get(self, path: str) -> Entry:
        """The value at `path`, which the loader has made sure is there."""
        found = self.find(path)
        if found is None:
            raise LookupError(f"{path} {self.on}")
        return found.entry

    def beneath(self, prefix: str) -> dict[str, Entry]:
        """Every value in force directly beneath `prefix`, by the last part of its path."""
        names = dict.fromkeys(
            path[len(prefix) :] for layer in self.layers for path in layer.timelines if path.startswith(prefix)
        )
        entries = {name: self.find(prefix + name) for name in names}
        return {name: found.entry for name, found in entries.items() if found is not None}

    def profile(self, user_class: str) -> tuple[Profile, ...]:
        """The steps of `user_class` in order, with the region's waivers and mergers carried out."""
        steps = list(self.parts(user_class))
        merge = self.find(f"classes.{user_class}.merge")
        for group in merge.entry.value if merge else ():
            inside = [step for step in steps if step.code in group["parts"]]
            if tuple(step.code for step in inside) != group["parts"]:
                continue  # refused by the overlay check, which names the fault
            at = steps.index(inside[0])
            one = _merged(inside, group, merge)  # type: ignore[arg-type]  # `merge` is there when it has groups
            steps[at : at + len(inside)] = [one]
        return tuple(steps)

    def parts(self, user_class: str) -> tuple[Profile, ...]:
        """The steps of `user_class` in order, none merged."""
        return tuple(self._step(user_class, code) for code in self.get(f"classes.{user_class}.path").value)

    def _step(self, user_class: str, code: str) -> Profile:
        prefix = f"classes.{user_class}.steps.{code}"
        limit, required = self.find(f"{prefix}.limit"), self.find(f"{prefix}.required_for")
        starts, documents = self.get(f"{prefix}.starts"), self.find(f"{prefix}.documents")
        path = self.find(f"classes.{user_class}.path")
        found = [item for item in (limit or path, required, Found(starts, NATION)) if item]
        return Profile(
            code=code,
            name=Text(**self.law.catalogues["steps"]["steps"][code]),
            parts=(code,),
            limit=limit.entry.value if limit else None,
            documents=documents.entry.value if documents else (),
            required_for=required.entry.value if required else "all",
            starts=starts.value,
            waivable=code in self.get("steps.waivable").value,
            found=tuple(found),
        )


def _merged(steps: Sequence[Profile], group: dict[str, Any], merge: Found) -> Profile:
    """Several steps as one. It carries the code of its last part, starts as its first does, keeps every document, and
    may never take longer than its parts together."""
    limits = [step.limit for step in steps if step.limit is not None]
    bounds = [sum(limits)] if len(limits) == len(steps) else []
    bounds += [group["limit"]] if "limit" in group else []
    everyone = any(step.required_for == "all" for step in steps)
    return Profile(
        code=steps[-1].code,
        name=Text(**group["name"]),
        parts=group["parts"],
        limit=min(bounds) if bounds else None,
        documents=tuple(dict.fromkeys(kind for step in steps for kind in step.documents)),
        required_for="all" if everyone else "important_customers",
        starts=steps[0].starts,
        waivable=all(step.waivable for step in steps),
        found=(merge, *(found for step in steps for found in step.found)),
    )


def build(view: View, user_class: str) -> Definition:
    """The definition of `user_class` as `view` sees it, without hash, version and interval (the book adds them)."""
    law = view.law
    facts = law.classes[user_class]
    prefix = f"classes.{user_class}"
    steps = view.profile(user_class)
    documents = law.catalogues["documents"]

    def document(kind: str, clauses: tuple[str, ...]) -> DocumentRule:
        forms = view.get(f"documents.kinds.{kind}.forms")
        return DocumentRule(
            kind=kind,
            name=Text(**documents["kinds"][kind]["name"]),
            forms=tuple(msgspec.convert(form, DocumentForm) for form in forms.value),
            clauses=tuple(dict.fromkeys(clauses + forms.clauses)),
            aliases=documents["kinds"][kind].get("aliases", ()),
        )

    def step(profile: Profile) -> StepRule:
        asked = cited(view.get(f"{prefix}.steps.{part}.documents") for part in profile.parts)
        return StepRule(
            code=profile.code,
            name=profile.name,
            limit=profile.limit,
            starts=profile.starts,  # type: ignore[arg-type]  # the loader has checked the word
            required_for=profile.required_for,  # type: ignore[arg-type]  # the loader has checked the word
            waivable=profile.waivable,
            parts=profile.parts,
            documents=tuple(document(kind, asked) for kind in profile.documents),
            clauses=profile.clauses,
        )

    validity = view.find(f"plan_validity.{facts['voltage']}") if _has_plan(steps) else None
    definition = Definition(
        hash="",
        version="",
        user_class=user_class,
        name=Text(**facts["name"]),
        region=NATION,
        regions=(),
        in_force_from=view.on,
        in_force_to=None,
        steps=tuple(step(profile) for profile in steps),
        total=_total(view, f"{prefix}.total"),
        counting=_counting(view),
        late=_late(view),
        charges=_charges(view, f"{prefix}.charges"),
        notices=_notices(view),
        approvals=_approvals(view),
        chain=_chain(view),
        plan_validity=PlanValidityRule(validity.entry.value, validity.entry.clauses) if validity else None,
        extra_documents=tuple(
            ExtraDocumentRule(
                kind=kind,
                name=Text(**documents["outside_the_list"][kind]["name"]),
                effect=effect.value,
                clauses=effect.clauses,
                aliases=documents["outside_the_list"][kind].get("aliases", ()),
            )
            for kind in documents["outside_the_list"]
            for effect in (view.get(f"documents.outside_the_list.{kind}.effect"),)
        ),
        document_clauses=view.get(f"{prefix}.closed_documents").clauses,
        step_clauses=view.get(f"{prefix}.closed_steps").clauses,
        clauses={},
        last_verified_on=view.on,
        milestones=_milestones(view, prefix),
    )
    view.get(f"{prefix}.duties")
    regions = [layer.region for layer in view.layers if any(found.region == layer.region for found in view.used)]
    fee_clauses = tuple(code for item in definition.charges.catalogue for code in item.clauses)
    ids = dict.fromkeys(cited(found.entry for found in view.used) + fee_clauses)
    return msgspec.structs.replace(
        definition,
        region=regions[-1],
        regions=tuple(regions),
        clauses={code: law.clauses[code] for code in ids},
        last_verified_on=min(found.entry.last_verified_on for found in view.used),
    )


def _has_plan(steps: Iterable[Profile]) -> bool:
    return any("supply_plan" in step.parts for step in steps)


def _total(view: View, prefix: str) -> TotalRule:
    limit, kind = view.get(f"{prefix}.limit"), view.get(f"{prefix}.kind")
    deductible, rounds = view.get(f"{prefix}.deductible"), view.get(f"{prefix}.rounds")
    return TotalRule(
        kind=kind.value,
        limit=limit.value,
        deductible=deductible.value,
        rounds=rounds.value,
        clauses=cited((limit, kind, deductible, rounds)),
    )


def _counting(view: View) -> CountingRule:
    practice, opens, closes = (view.get(f"counting.{name}") for name in ("rest_day_submission", "opens", "closes"))
    return CountingRule(
        rest_day_submission=practice.value,
        opens=dt.time.fromisoformat(opens.value),
        closes=dt.time.fromisoformat(closes.value),
        clauses=cited((practice, opens, closes)),
    )


def _late(view: View) -> LateRule:
    days, ahead = view.get("late.working_days"), view.get("late.client_ahead_seconds")
    by_source = view.beneath("late.by_source.")
    return LateRule(
        working_days=days.value,
        by_source={source: entry.value for source, entry in by_source.items()},
        client_ahead_seconds=ahead.value,
        clauses=cited((days, *by_source.values(), ahead)),
    )


def _charges(view: View, prefix: str) -> ChargeRule:
    zero, catalogue = view.get(f"{prefix}.zero_investment"), view.get(f"{prefix}.catalogue")
    fees = view.law.fees
    return ChargeRule(
        zero_investment=zero.value,
        catalogue=tuple(fees[code] for code in catalogue.value),
        clauses=cited((zero, catalogue)),
    )


def _notices(view: View) -> tuple[NoticeRule, ...]:
    """Those in force: a notice whose first date is still to come is not due yet."""
    found = []
    for code, facts in view.law.catalogues["notices"]["notices"].items():
        channels = view.find(f"notices.{code}.channels")
        if channels:
            entry = channels.entry
            found.append(NoticeRule(code, Text(**facts["name"]), facts["at_step"], entry.value, entry.clauses))
    return tuple(found)


def _approvals(view: View) -> tuple[ApprovalRule, ...]:
    return tuple(
        ApprovalRule(
            voltage=facts["voltage"],
            max_kv=None if facts["max_kv"] is None else float(facts["max_kv"]),
            limit=entry.value,
            clauses=entry.clauses,
        )
        for code, facts in view.law.catalogues["approvals"]["approvals"].items()
        for entry in (view.get(f"approvals.{code}.limit"),)
    )


def _milestones(view: View, prefix: str) -> tuple[MilestoneRule, ...]:
    """The milestones, with budgets where the class's total has them."""
    facts, rows = view.law.catalogues["milestones"], view.get("milestones.budgets")
    limit = view.get(f"{prefix}.total.limit").value
    held = [row for row in rows.value if row["limit_at_least"] <= limit]
    days: dict[str, int] = {}
    if held and view.get(f"{prefix}.total.kind").value in facts["totals"]:
        days = max(held, key=lambda row: int(row["limit_at_least"]))["days"]
    return tuple(
        MilestoneRule(
            code=code,
            name=Text(**one["name"]),
            owner=Text(**facts["owners"][one["owner"]]),
            reached_by=one["reached_by"],
            implies=one["implies"],
            always=one["needed"] == "always",
            until=one["until"],
            keeps_plan=one.get("keeps_plan", False),
            budget=days.get(code),
            clauses=rows.clauses,
        )
        for code, one in facts["milestones"].items()
    )


def _chain(view: View) -> ChainRule:
    window, before, share = (
        view.get(f"chaining.{name}") for name in ("window_days", "before_working_days", "capacity_tolerance")
    )
    return ChainRule(window.value, before.value, share.value, cited((window, before, share)))


def classification(view: View) -> ClassificationRule:
    """The table as `view` sees it: thresholds put in, rows without a threshold in force left out."""
    thresholds = view.beneath("classification.")
    rows = thresholds.pop("rows").value
    built = [row for row in (_row(facts, thresholds) for facts in rows) if row]
    ids = dict.fromkeys(
        [code for row in built for code in row.clauses] + list(cited(found.entry for found in view.used))
    )
    return ClassificationRule(
        rows=tuple(built),
        zero_investment_kw={area: thresholds[f"zero_investment_kw.{area}"].value for area in ("urban", "rural")},
        low_voltage_kw=thresholds["low_voltage_kw"].value,
        clauses={code: view.law.clauses[code] for code in ids},
        zero_investment_sizes=thresholds["zero_investment_sizes"].value,
    )


def _row(facts: dict[str, Any], thresholds: dict[str, Entry]) -> ClassRow | None:
    clauses: dict[str, None] = dict.fromkeys(facts["clauses"])
    missing = False

    def put_in(value: Any) -> Any:
        nonlocal missing
        if isinstance(value, dict):
            return {key: put_in(inner) for key, inner in value.items()}
        if isinstance(value, str) and value.startswith("$"):
            threshold = thresholds[value[1:]]
            missing = missing or threshold.value is None
            clauses.update(dict.fromkeys(threshold.clauses))
            return threshold.value
        return value

    when = put_in(facts["when"])
    if missing:
        return None
    return ClassRow(
        when=when, clauses=tuple(clauses), then=facts.get("then"), ask=facts.get("ask"), refuse=facts.get("refuse")
    )


def ladder(view: View) -> Ladder:
    """Every ladder as `view` sees it."""
    facts = view.law.catalogues["ladder"]
    rules: dict[str, LadderRule] = {}
    for code, one in facts["ladders"].items():
        entry = view.get(f"ladders.{code}.bands")
        rule = LadderRule(code, Text(**one["name"]), one["scopes"], one["unit"], bands(entry.value), entry.clauses)
        rules |= dict.fromkeys(rule.scopes, rule)
    named = {code: msgspec.convert({"code": code, **one}, Recipient) for code, one in facts["recipients"].items()}
    return Ladder(rules, named)


def delivery(view: View) -> DeliveryRule:
    """How alerts and notices are delivered, as `view` sees it."""
    entries = view.beneath("delivery.")
    hours = {level: entries.pop(f"escalate_after_hours.{level}") for level in LEVELS}
    texts = view.law.catalogues["delivery"]["customer_texts"]
    facts = {name: entry.value for name, entry in entries.items()}
    facts |= {name: dt.time.fromisoformat(facts[name]) for name in ("opens", "closes", "digest_at")}
    facts["escalate_after_hours"] = {level: entry.value for level, entry in hours.items()}
    facts["customer_texts"] = {
        code: {"notice": code, **{key: one[key] for key in one if key != "mark"}} for code, one in texts.items()
    }
    return msgspec.convert({**facts, "clauses": cited((*entries.values(), *hours.values()))}, DeliveryRule)
