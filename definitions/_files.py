"""The shape of every YAML file of the book: which keys it has and what may stand under them."""

from __future__ import annotations

import datetime as dt
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from definitions.alerting import LEVELS
from definitions.json_schema import published
from definitions.model import ORG_LEVELS
from definitions.shapes import (
    CODE,
    NAME,
    WORD,
    At,
    Bool,
    Citations,
    Date,
    Dated,
    Int,
    ListOf,
    MapOf,
    Marked,
    Maybe,
    OneOf,
    Record,
    Shape,
    Share,
    Str,
)

REGION_PATTERN: Final = r"^[1-9]\d{5}$"
_TEXT = Str()
_CODES = ListOf(CODE)
_SOURCES = MapOf(
    r"^[A-Z0-9][A-Z0-9-]*$",
    Record({"title": _TEXT, "kind": OneOf(("regulator", "public", "weak", "project", "regional"))}),
)
_CLAUSES = MapOf(
    r"^(L[1-9]\d?|I[1-9]\d?|S-[A-Z0-9-]+|D-[A-Z0-9-]+)$", Record({"source": _TEXT, "item": _TEXT, "quote": _TEXT})
)
_REGION_CLAUSES = MapOf(r"^R\d{6}-[A-Za-z0-9-]+$", Record({"source": _TEXT, "item": _TEXT, "quote": _TEXT}))
_TIME = Str(r"^([01]\d|2[0-3]):[0-5]\d$", ("时刻, 如 08:30", "a time such as 08:30"), dt.time.fromisoformat)
_RATE = Str(
    r"^[1-9]\d* per ([1-9]\d* )?(second|minute|hour|day)s?$",
    ("频次, 如 20 per 15 minutes", "a rate such as 20 per hour"),
)
_CHANNELS = ListOf(OneOf(("wechat", "sms", "app", "phone", "email", "hall", "online")), minimum=1)
_DAYS = Maybe(Int(0))


@dataclass(frozen=True, slots=True)
class _FactTest:
    """What a classification row asks of one fact: a literal, a list of literals, null, a bound, or `$threshold`."""

    def read(self, node: yaml.Node, at: At) -> Any:
        literal, listed, bounded = self._shapes()
        shape = (
            bounded
            if isinstance(node, yaml.MappingNode)
            else listed
            if isinstance(node, yaml.SequenceNode)
            else literal
        )
        return shape.read(node, at)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [shape.schema() for shape in self._shapes()]}

    def _shapes(self) -> tuple[Shape, ...]:
        return Maybe(_TEXT), ListOf(Maybe(_TEXT), minimum=1), Record({}, {"at_most": _BOUND, "at_least": _BOUND})


@dataclass(frozen=True, slots=True)
class _Bound:
    """A number, or the `$name` of a threshold."""

    def read(self, node: yaml.Node, at: At) -> Any:
        return (_THRESHOLD if node.tag.endswith(":str") else Int(0)).read(node, at)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Int(0).schema(), _THRESHOLD.schema()]}


_THRESHOLD = Str(r"^\$[a-z_.]+$", ("门槛名 $…", "a threshold $…"))
_BOUND = _Bound()
_FACTS = (
    "customer_kind|enterprise_size|capacity_kw|voltage|supply_count|area|hv_request_ref|business_type|voltage_kv"
    "|important_customer"
)
_ROW = Marked(
    Record(
        {"when": MapOf(f"^({_FACTS})$", _FactTest(), minimum=1), "clauses": Citations()},
        {"then": CODE, "ask": OneOf(tuple(_FACTS.split("|"))), "refuse": _TEXT},
    )
)
_FORM = Record({"code": CODE, "name": NAME}, {"aliases": ListOf(_TEXT)})
_STARTS = OneOf(("submission", "previous_step", "hand_in"))
_REQUIRED = OneOf(("all", "important_customers"))
_VOLTAGE = OneOf(("low", "high"))
_MERGED = ListOf(
    Record({"name": NAME, "parts": ListOf(CODE, minimum=2)}, {"limit": Int(0)}),
)


def _subjects(*, inherit: bool) -> dict[str, Shape]:
    """The dated values that a region may also give, in the shape of national files or of an overlay."""

    def dated(of: Shape) -> Dated:
        return Dated(of, inherit)

    return {
        "limit": dated(_DAYS) if inherit else Dated(Int(0)),
        "documents": dated(_CODES),
        "required_for": dated(_REQUIRED),
        "zero_investment": dated(Bool()),
        "catalogue": dated(_CODES),
        "deductible": dated(ListOf(OneOf(("force_majeure",)))),
        "rounds": dated(OneOf(("all", "last"))),
        "rest_day_submission": dated(OneOf(("strict", "deemed"))),
        "days": dated(Int(0)),
        "approval": dated(_DAYS),
        "kw": dated(Maybe(Int(1))),
        "sizes": dated(ListOf(OneOf(("micro", "small", "medium", "large")))),
        "bands": dated(ListOf(_BAND, minimum=1)),
    }


MEASURES: Final = (
    "approvals", "timing", "steps", "online", "documents", "nearby", "zero_investment", "notice", "reported",
)  # fmt: skip
"""How an indicator can be judged; `workflow.reports` has one function for each but the last."""

_MONTH_DAY = Dated(Str(r"^(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])$", ("月日, 如 07-15", "a month and day such as 07-15")))
_INDICATOR = Marked(
    Record(
        {
            "finish": OneOf(("2020 年底前", "2021 年底前", "2022 年底前", "持续推进")),
            "content": _TEXT,
            "standard": Maybe(_TEXT),
            "ledger": ListOf(Str(r"^L([1-9]|[1-4]\d|5[0-7])$", ("台账项号", "an item of the ledger")), minimum=1),
            "measure": OneOf(MEASURES),
            "reported_by": CODE,
        },
        {
            "starred": Bool(only=True),
            "at_most": Dated(Int(1)),
            "notice": CODE,
            "cases": Record(
                {},
                {
                    "user_class": ListOf(CODE, minimum=1),
                    "voltage": _VOLTAGE,
                    "area": OneOf(("urban", "rural")),
                    "enterprise_size": ListOf(OneOf(("micro", "small", "medium", "large")), minimum=1),
                    "capacity_kw": Dated(Int(1)),
                    "submitted_from": Date(),
                    "submitted_to": Date(),
                },
            ),
        },
    )
)

SCOPES: Final = ("step", "total", "approval", "milestone", "plan", "report", "order", "horizon", "finding")
"""What a ladder may stand for; every one of them has exactly one."""

_BAND = Marked(
    Record(
        {"level": OneOf(LEVELS), "left": Int(-999), "recipients": ListOf(CODE, minimum=1)},
        {"at_least": Int(1), "at_most": Int(1), "every": Int(1)},
    )
)

_WAITS = ListOf(Int(1), minimum=1)


def _only_the_number(text: str) -> None:
    """A text to a customer may name the application and nothing else, least of all a person."""
    fields = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    if fields - {"application_no"}:
        raise ValueError(", ".join(sorted(fields)))


_FILLED = Str(None, ("只含 {application_no} 的文字", "a text with no field but {application_no}"), _only_the_number)
_TEMPLATE = Record({"zh": _FILLED, "en": _FILLED})

_N, _R = _subjects(inherit=False), _subjects(inherit=True)

CLASS_FILE: Final = Record(
    {
        "class": CODE,
        "name": NAME,
        "voltage": _VOLTAGE,
        "path": Dated(ListOf(CODE, minimum=1)),
        "total": Record(
            {
                "kind": Dated(OneOf(("whole_process", "step_sum"))),
                "limit": _N["limit"],
                "deductible": _N["deductible"],
                "rounds": _N["rounds"],
            }
        ),
        "steps": MapOf(
            WORD,
            Record(
                {"starts": Dated(_STARTS), "documents": _N["documents"]},
                {"limit": _N["limit"], "required_for": _N["required_for"]},
            ),
            minimum=1,
        ),
        "charges": Record({"zero_investment": _N["zero_investment"], "catalogue": _N["catalogue"]}),
        "closed_documents": Dated(Bool(only=True)),
        "closed_steps": Dated(Bool(only=True)),
        "duties": Dated(Bool(only=True)),
    }
)

FILES: Final[Mapping[str, Record]] = {
    "clauses": Record({"sources": _SOURCES, "clauses": _CLAUSES}),
    "steps": Record({"steps": MapOf(WORD, NAME, minimum=1), "waivable": Dated(_CODES)}),
    "documents": Record(
        {
            "kinds": MapOf(
                WORD, Record({"name": NAME, "forms": Dated(ListOf(_FORM, minimum=1))}, {"aliases": ListOf(_TEXT)})
            ),
            "outside_the_list": MapOf(
                WORD,
                Record(
                    {"name": NAME, "effect": Dated(OneOf(("forbidden", "agent", "deferral")))},
                    {"aliases": ListOf(_TEXT)},
                ),
            ),
        }
    ),
    "charges": Record(
        {"fees": MapOf(WORD, Record({"name": NAME, "clauses": Citations()}, {"aliases": ListOf(_TEXT)}))}
    ),
    "notices": Record({"notices": MapOf(WORD, Record({"name": NAME, "at_step": CODE, "channels": Dated(_CHANNELS)}))}),
    "approvals": Record(
        {
            "approvals": MapOf(
                WORD, Record({"voltage": _VOLTAGE, "max_kv": Maybe(Int(1)), "limit": _N["approval"]}), minimum=1
            )
        }
    ),
    "counting": Record(
        {"rest_day_submission": _N["rest_day_submission"], "opens": Dated(_TIME), "closes": Dated(_TIME)}
    ),
    "late": Record(
        {"working_days": _N["days"], "by_source": MapOf(WORD, _N["days"]), "client_ahead_seconds": _N["days"]}
    ),
    "chaining": Record(
        {"window_days": Dated(Int(0)), "before_working_days": Dated(Int(0)), "capacity_tolerance": Dated(Share())}
    ),
    "plan_validity": Record({"low": Dated(Int(1)), "high": Dated(Int(1))}),
    "classification": Record(
        {
            "zero_investment_kw": Record({"urban": _N["kw"], "rural": _N["kw"]}),
            "zero_investment_sizes": _N["sizes"],
            "low_voltage_kw": _N["kw"],
            "rows": Dated(ListOf(_ROW, minimum=1)),
        }
    ),
    "ladder": Record(
        {
            "recipients": MapOf(
                WORD, Record({"name": NAME, "level": Maybe(OneOf(ORG_LEVELS))}, {"role": CODE}), minimum=1
            ),
            "ladders": MapOf(
                WORD,
                Record(
                    {
                        "name": NAME,
                        "scopes": ListOf(OneOf(SCOPES), minimum=1),
                        "unit": OneOf(("working_days", "natural_days")),
                        "bands": _N["bands"],
                    }
                ),
                minimum=1,
            ),
        }
    ),
    "milestones": Record(
        {
            "owners": MapOf(WORD, NAME, minimum=1),
            "milestones": MapOf(
                WORD,
                Marked(
                    Record(
                        {
                            "name": NAME,
                            "owner": CODE,
                            "reached_by": ListOf(CODE, minimum=1),
                            "implies": _CODES,
                            "needed": OneOf(("always", "for_works")),
                            "until": CODE,
                        },
                        {"keeps_plan": Bool(only=True)},
                    )
                ),
                minimum=1,
            ),
            "totals": ListOf(OneOf(("whole_process", "step_sum"))),
            "budgets": Dated(
                ListOf(Marked(Record({"limit_at_least": Int(1), "days": MapOf(WORD, Int(1), minimum=1)})), minimum=1)
            ),
        }
    ),
    "breach_causes": Record(
        {"causes": MapOf(WORD, NAME, minimum=1), "clauses": Citations(), "last_verified_on": Date()}
    ),
    "board": Record(
        {
            "bands": Dated(
                ListOf(
                    Marked(
                        Record(
                            {
                                "code": CODE,
                                "at_most": Maybe(Int(-1)),
                                "name": NAME,
                                "tone": OneOf(("black", "red", "orange", "yellow", "green", "blue", "grey")),
                            }
                        )
                    ),
                    minimum=1,
                )
            )
        }
    ),
    "overview": Record(
        {
            "ageing_working_days": Dated(ListOf(Int(1), minimum=1)),
            "period_days": Dated(Int(1)),
            "trend_weeks": Dated(Int(1)),
        }
    ),
    "portal": Record(
        {
            "hotlines": ListOf(Record({"number": Str(r"^\d{3,12}$"), "name": NAME}), minimum=1),
            "uploads": Record(
                {
                    "largest_bytes": Dated(Int(1)),
                    "most_files": Dated(Int(1)),
                    "types": ListOf(
                        Record(
                            {
                                "media": Str(r"^(application|image)/[a-z0-9.+-]+$"),
                                "name": _TEXT,
                                "suffix": Str(r"^\.[a-z0-9]+$"),
                            }
                        ),
                        minimum=1,
                    ),
                }
            ),
            "rates": Record(dict.fromkeys(("apply", "upload", "track", "act", "complain"), _RATE)),
            "draft_hours": Dated(Int(1)),
            "visit_minutes": Dated(Int(1)),
            "clauses": Citations(),
            "last_verified_on": Date(),
        }
    ),
    "delivery": Record(
        {
            "opens": Dated(_TIME),
            "closes": Dated(_TIME),
            "digest_at": Dated(_TIME),
            "retry_seconds": Dated(_WAITS),
            "jitter": Dated(Share()),
            "lease_seconds": Dated(Int(1)),
            "escalate_after_hours": Record({level: Dated(Maybe(Int(1))) for level in LEVELS}),
            "escalation_chain": Dated(ListOf(CODE, minimum=1)),
            "verify_after_months": Dated(Int(1)),
            "customer_texts": MapOf(
                WORD, Marked(Record({"text": _TEMPLATE}, {"zero_investment": _TEMPLATE})), minimum=1
            ),
        }
    ),
    "legal_basis": Record(
        {
            "prefixes": ListOf(_TEXT),
            "never": ListOf(_TEXT),
            "statutes": ListOf(_TEXT),
            "article_patterns": ListOf(Str(None, ("正则表达式", "a regular expression"), re.compile), minimum=1),
            "levels": ListOf(
                Record(
                    {
                        "level": CODE,
                        "name": NAME,
                        "endings": ListOf(_TEXT, minimum=1),
                        "not_endings": ListOf(_TEXT),
                        "lifts_document_ban": Bool(),
                        "grounds_refusal": Bool(),
                    }
                ),
                minimum=1,
            ),
            "clauses": Citations(),
            "last_verified_on": Date(),
        }
    ),
    "roles": Record(
        {
            "roles": MapOf(
                WORD,
                Record({"name": NAME, "commands": _CODES, "reads": _CODES, "administers": _CODES}, {"public": Bool()}),
                minimum=1,
            ),
            "clauses": Citations(),
            "last_verified_on": Date(),
        }
    ),
    "sign_in": Record(
        {
            "password_length": Dated(Int(8)),
            "failures": Record({name: Dated(Int(1)) for name in ("account", "address", "window_minutes")}),
            "session": Record({name: Dated(Int(1)) for name in ("idle_minutes", "hours", "noted_every_minutes")}),
        }
    ),
    "conflicts": Record(
        {
            "conflicts": ListOf(
                Record(
                    {
                        "subject": NAME,
                        "dates": MapOf(r"^[LI][1-9]\d?$", Date(), minimum=2),
                        "followed": Str(r"^[LI][1-9]\d?$"),
                        "reason": NAME,
                        "clauses": Citations(),
                    }
                )
            ),
            "last_verified_on": Date(),
        }
    ),
    "indicators": Record(
        {
            "first_half_due": _MONTH_DAY,
            "whole_year_due": _MONTH_DAY,
            "enterprise_kw": Dated(Int(1)),
            "reporters": MapOf(WORD, NAME, minimum=1),
            "measures": MapOf(f"^({'|'.join(MEASURES)})$", NAME, minimum=len(MEASURES)),
            "indicators": MapOf(r"^I([1-9]|[12]\d|3[0-8])$", _INDICATOR, minimum=38),
            "clauses": Citations(),
            "last_verified_on": Date(),
        }
    ),
    "later_instruments": Record(
        {
            "instruments": MapOf(
                r"^[a-z][a-z0-9-]*$",
                Record(
                    {
                        "name": NAME,
                        "in_force_from": Date(),
                        "in_force_to": Maybe(Date()),
                        "status": OneOf(("not_established",)),
                        "values": Record({}),
                        "clauses": Citations(),
                        "last_verified_on": Date(),
                    }
                ),
            )
        }
    ),
}

REGION_FILE: Final = Record(
    {"region": Str(REGION_PATTERN, ("六位行政区划代码", "a six-digit GB/T 2260 code")), "name": NAME},
    {
        "sources": _SOURCES,
        "clauses": _REGION_CLAUSES,
        "classes": MapOf(
            WORD,
            Record(
                {},
                {
                    "total": Record(
                        {},
                        {"limit": Dated(Int(0), inherit=True), "deductible": _R["deductible"], "rounds": _R["rounds"]},
                    ),
                    "steps": MapOf(
                        WORD,
                        Record(
                            {},
                            {
                                "limit": Dated(Int(0), inherit=True),
                                "documents": _R["documents"],
                                "required_for": _R["required_for"],
                            },
                        ),
                    ),
                    "merge": Dated(_MERGED, inherit=True),
                    "charges": Record({}, {"zero_investment": _R["zero_investment"], "catalogue": _R["catalogue"]}),
                },
            ),
        ),
        "approvals": MapOf(WORD, Record({}, {"limit": Dated(Int(0), inherit=True)})),
        "counting": Record({}, {"rest_day_submission": _R["rest_day_submission"]}),
        "ladders": MapOf(WORD, Record({}, {"bands": _R["bands"]})),
        "late": Record(
            {}, {"working_days": _R["days"], "by_source": MapOf(WORD, _R["days"]), "client_ahead_seconds": _R["days"]}
        ),
        "classification": Record(
            {},
            {
                "zero_investment_kw": Record({}, {"urban": _R["kw"], "rural": _R["kw"]}),
                "zero_investment_sizes": _R["sizes"],
                "low_voltage_kw": _R["kw"],
            },
        ),
    },
)


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every kind of file, by name; a date is its ISO text, as editors read YAML."""
    shapes = {"class": CLASS_FILE, **FILES, "region": REGION_FILE}
    return {name: published(f"baozhuang definitions: {name}", shape) for name, shape in shapes.items()}
