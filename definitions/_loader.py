"""Reads a folder of YAML into a `Law`, or refuses it with every fault, its file and its line.

Here stand the shape of each file, and what must hold between files: every citation exists, nothing is defined twice,
and no dated value leaves a gap under the path of the class that needs it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from definitions._shapes import (
    INHERIT,
    INVALID,
    At,
    Bool,
    Citations,
    Date,
    Dated,
    DefinitionError,
    Int,
    ListOf,
    MapOf,
    Mark,
    Maybe,
    OneOf,
    Problem,
    Reader,
    Record,
    Shape,
    Share,
    Str,
    Timeline,
)
from definitions.model import Clause, FeeItem, LegalBasisRule, LegalLevel, RoleRule, Text

NATION: Final = "000000"
SHIPPED: Final = Path(__file__).parent / "data"

_WORD = r"^[a-z][a-z0-9_]*$"
_REGION = r"^[1-9]\d{5}$"
_TEXT = Str()
_CODE = Str(_WORD, ("编码(小写字母、数字、下划线)", "a code in lower case"))
_NAME = Record({"zh": _TEXT, "en": _TEXT})
_CODES = ListOf(_CODE)
_SOURCES = MapOf(
    r"^[A-Z0-9][A-Z0-9-]*$",
    Record({"title": _TEXT, "kind": OneOf(("regulator", "public", "weak", "project", "regional"))}),
)
_CLAUSES = MapOf(
    r"^(L[1-9]\d?|I[1-9]\d?|S-[A-Z0-9-]+|D-[A-Z0-9-]+)$", Record({"source": _TEXT, "item": _TEXT, "quote": _TEXT})
)
_REGION_CLAUSES = MapOf(r"^R\d{6}-[A-Za-z0-9-]+$", Record({"source": _TEXT, "item": _TEXT, "quote": _TEXT}))
_TIME = Str(r"^([01]\d|2[0-3]):[0-5]\d$", ("时刻, 如 08:30", "a time such as 08:30"), dt.time.fromisoformat)
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
_ROW = Record(
    {"when": MapOf(f"^({_FACTS})$", _FactTest(), minimum=1), "clauses": Citations()},
    {"then": _CODE, "ask": OneOf(tuple(_FACTS.split("|"))), "refuse": _TEXT},
)
_FORM = Record({"code": _CODE, "name": _NAME}, {"aliases": ListOf(_TEXT)})
_STARTS = OneOf(("submission", "previous_step", "hand_in"))
_REQUIRED = OneOf(("all", "important_customers"))
_VOLTAGE = OneOf(("low", "high"))
_MERGED = ListOf(
    Record({"name": _NAME, "parts": ListOf(_CODE, minimum=2)}, {"limit": Int(0)}),
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
    }


_N, _R = _subjects(inherit=False), _subjects(inherit=True)

CLASS_FILE: Final = Record(
    {
        "class": _CODE,
        "name": _NAME,
        "voltage": _VOLTAGE,
        "path": Dated(ListOf(_CODE, minimum=1)),
        "total": Record(
            {
                "kind": Dated(OneOf(("whole_process", "step_sum"))),
                "limit": _N["limit"],
                "deductible": _N["deductible"],
                "rounds": _N["rounds"],
            }
        ),
        "steps": MapOf(
            _WORD,
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
    "steps": Record({"steps": MapOf(_WORD, _NAME, minimum=1), "waivable": Dated(_CODES)}),
    "documents": Record(
        {
            "kinds": MapOf(
                _WORD, Record({"name": _NAME, "forms": Dated(ListOf(_FORM, minimum=1))}, {"aliases": ListOf(_TEXT)})
            ),
            "outside_the_list": MapOf(
                _WORD,
                Record(
                    {"name": _NAME, "effect": Dated(OneOf(("forbidden", "agent", "deferral")))},
                    {"aliases": ListOf(_TEXT)},
                ),
            ),
        }
    ),
    "charges": Record(
        {"fees": MapOf(_WORD, Record({"name": _NAME, "clauses": Citations()}, {"aliases": ListOf(_TEXT)}))}
    ),
    "notices": Record(
        {"notices": MapOf(_WORD, Record({"name": _NAME, "at_step": _CODE, "channels": Dated(_CHANNELS)}))}
    ),
    "approvals": Record(
        {
            "approvals": MapOf(
                _WORD, Record({"voltage": _VOLTAGE, "max_kv": Maybe(Int(1)), "limit": _N["approval"]}), minimum=1
            )
        }
    ),
    "counting": Record(
        {"rest_day_submission": _N["rest_day_submission"], "opens": Dated(_TIME), "closes": Dated(_TIME)}
    ),
    "late": Record(
        {"working_days": _N["days"], "by_source": MapOf(_WORD, _N["days"]), "client_ahead_seconds": _N["days"]}
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
    "legal_basis": Record(
        {
            "prefixes": ListOf(_TEXT),
            "never": ListOf(_TEXT),
            "article_patterns": ListOf(Str(None, ("正则表达式", "a regular expression"), re.compile), minimum=1),
            "levels": ListOf(
                Record(
                    {
                        "level": _CODE,
                        "name": _NAME,
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
                _WORD, Record({"name": _NAME, "commands": _CODES, "reads": _CODES, "administers": _CODES}), minimum=1
            ),
            "clauses": Citations(),
            "last_verified_on": Date(),
        }
    ),
    "conflicts": Record(
        {
            "conflicts": ListOf(
                Record(
                    {
                        "subject": _NAME,
                        "dates": MapOf(r"^[LI][1-9]\d?$", Date(), minimum=2),
                        "followed": Str(r"^[LI][1-9]\d?$"),
                        "reason": _NAME,
                        "clauses": Citations(),
                    }
                )
            ),
            "last_verified_on": Date(),
        }
    ),
    "later_instruments": Record(
        {
            "instruments": MapOf(
                r"^[a-z][a-z0-9-]*$",
                Record(
                    {
                        "name": _NAME,
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
    {"region": Str(_REGION, ("六位行政区划代码", "a six-digit GB/T 2260 code")), "name": _NAME},
    {
        "sources": _SOURCES,
        "clauses": _REGION_CLAUSES,
        "classes": MapOf(
            _WORD,
            Record(
                {},
                {
                    "total": Record(
                        {},
                        {"limit": Dated(Int(0), inherit=True), "deductible": _R["deductible"], "rounds": _R["rounds"]},
                    ),
                    "steps": MapOf(
                        _WORD,
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
        "approvals": MapOf(_WORD, Record({}, {"limit": Dated(Int(0), inherit=True)})),
        "counting": Record({}, {"rest_day_submission": _R["rest_day_submission"]}),
        "late": Record(
            {}, {"working_days": _R["days"], "by_source": MapOf(_WORD, _R["days"]), "client_ahead_seconds": _R["days"]}
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
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"baozhuang definitions: {name}",
            **shape.schema(),
        }
        for name, shape in shapes.items()
    }


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
    def roles(self) -> tuple[RoleRule, ...]:
        return tuple(
            msgspec.convert({"role": code, **facts}, RoleRule)
            for code, facts in self.catalogues["roles"]["roles"].items()
        )

    @property
    def legal_basis(self) -> LegalBasisRule:
        facts = self.catalogues["legal_basis"]
        return LegalBasisRule(
            levels=msgspec.convert(facts["levels"], tuple[LegalLevel, ...]),
            article_patterns=facts["article_patterns"],
            never=facts["never"],
            prefixes=facts["prefixes"],
            clauses=facts["clauses"],
        )

    @property
    def fees(self) -> dict[str, FeeItem]:
        return {
            code: msgspec.convert({"code": code, "aliases": (), **facts}, FeeItem)
            for code, facts in self.catalogues["charges"]["fees"].items()
        }


def read(directory: Path, regions: Path | None = None) -> Law:
    """Everything under `directory` and the overlays under `regions` (beside those in `directory`/regions).

    Raises `DefinitionError` with every fault found. Faults between files are looked for once every file is well formed.
    """
    reader = Reader(directory)
    catalogues = _read_subjects(reader)
    classes = _read_classes(reader)
    overlays = _read_regions(reader, [directory / "regions", *([regions] if regions else [])])
    clauses = _gather_clauses(reader, catalogues, overlays)
    _check_citations(reader, clauses)
    if reader.problems:
        raise DefinitionError(reader.problems)
    law = _assemble(reader, catalogues, classes, overlays, clauses)
    reader.problems.extend(_check_between_files(law))
    if reader.problems:
        raise DefinitionError(reader.problems)
    return law


def _refuse(reader: Reader, path: Path, zh: str, en: str) -> None:
    reader.problems.append(Problem(Mark(reader.name(path), 1), zh, en))


def _read_subjects(reader: Reader) -> dict[str, Any]:
    for path in sorted(reader.root.glob("*")):
        if path.is_file() and (path.suffix != ".yaml" or path.stem not in FILES) and path.suffix != ".md":
            _refuse(reader, path, "不认识的文件", "unknown file")
    found: dict[str, Any] = {}
    for stem, shape in FILES.items():
        path = reader.root / f"{stem}.yaml"
        if path.is_file():
            found[stem] = reader.read(path, shape)
        else:
            _refuse(reader, path, "缺少这个文件", "this file is missing")
    return {stem: facts for stem, facts in found.items() if facts is not INVALID}


def _read_classes(reader: Reader) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    home: dict[str, str] = {}
    paths = sorted((reader.root / "classes").glob("*.yaml"))
    if not paths:
        _refuse(reader, reader.root / "classes", "没有任何用户类别", "there is no user class")
    for path in paths:
        facts = reader.read(path, CLASS_FILE)
        if facts is INVALID or "class" not in facts:
            continue
        code = facts["class"]
        if code in home:
            _refuse(reader, path, f"类别 {code} 已在 {home[code]} 定义", f"class {code} is defined in {home[code]}")
        else:
            home[code], found[code] = reader.name(path), facts
    return found


def _read_regions(reader: Reader, roots: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for root in roots:
        if not root.is_dir():
            if root != reader.root / "regions":
                _refuse(reader, root, "没有这个文件夹", "there is no such folder")
            continue
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            if not re.search(_REGION, folder.name):
                _refuse(reader, folder, "文件夹名应为六位行政区划代码", "name the folder by its GB/T 2260 code")
            for path in sorted(folder.glob("*.yaml")):
                facts = reader.read(path, REGION_FILE)
                if facts is INVALID:
                    continue
                if facts.get("region", folder.name) != folder.name:
                    zh = f"文件写的地区是 {facts['region']}, 文件夹是 {folder.name}"
                    _refuse(reader, path, zh, f"the file says {facts['region']}, its folder {folder.name}")
                found.append((path, facts))
    return found


def _gather_clauses(
    reader: Reader, catalogues: dict[str, Any], overlays: list[tuple[Path, dict[str, Any]]]
) -> dict[str, Clause]:
    base = catalogues.get("clauses", {})
    books = [(reader.root / "clauses.yaml", NATION, base)]
    books += [(path, facts.get("region", NATION), facts) for path, facts in overlays]
    sources: dict[str, str] = {}
    for path, _, facts in books:
        for code, source in facts.get("sources", {}).items():
            if code in sources:
                _refuse(reader, path, f"来源 {code} 定义了两次", f"source {code} is defined twice")
            sources[code] = source.get("title", "")
    found: dict[str, Clause] = {}
    for path, region, facts in books:
        for code, clause in facts.get("clauses", {}).items():
            if len(clause) < 3:
                continue  # its fault is already reported
            if code in found:
                _refuse(reader, path, f"条款 {code} 定义了两次", f"clause {code} is defined twice")
            if region != NATION and not code.startswith(f"R{region}-"):
                _refuse(reader, path, f"条款 {code} 应以 R{region}- 开头", f"clause {code} must begin with R{region}-")
            if clause["source"] not in sources:
                _refuse(
                    reader, path, f"条款 {code} 的来源 {clause['source']} 不存在",
                    f"clause {code} names an unknown source {clause['source']}",
                )  # fmt: skip
            found[code] = Clause(code, sources.get(clause["source"], ""), clause["item"], clause["quote"])
    return found


def _check_citations(reader: Reader, clauses: dict[str, Clause]) -> None:
    for cited in reader.citations:
        for code in cited.ids:
            if code not in clauses:
                reader.problems.append(Problem(cited.mark, f"条款 {code} 不存在", f"there is no clause {code}"))


def _timelines(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Timeline]]:
    for key, value in facts.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            yield from _timelines(value, path)
        elif _is_timeline(value):
            yield path, value


def _is_timeline(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and hasattr(value[0], "last_verified_on")


_SELF_NAMED = {"approvals", "notices"}
"""Files whose top key repeats their name; their paths do not."""


def _assemble(
    reader: Reader,
    catalogues: dict[str, Any],
    classes: dict[str, dict[str, Any]],
    overlays: list[tuple[Path, dict[str, Any]]],
    clauses: dict[str, Clause],
) -> Law:
    nation = Layer(NATION, Text("全国", "National"))
    for stem, facts in catalogues.items():
        nation.timelines.update(_timelines(facts, "" if stem in _SELF_NAMED else stem))
    for code, facts in classes.items():
        nation.timelines.update(_timelines(facts, f"classes.{code}"))
    layers = {NATION: nation}
    for path, facts in overlays:
        name = Text(**facts["name"])
        layer = layers.setdefault(facts["region"], Layer(facts["region"], name))
        if layer.name != name:
            _refuse(reader, path, f"地区名称与另一文件不同: {layer.name.zh}", f"another file names it {layer.name.en}")
        for where, timeline in _timelines({key: facts[key] for key in facts if key not in ("sources", "clauses")}):
            if where in layer.timelines:
                first = layer.timelines[where][0].mark
                reader.problems.append(
                    Problem(
                        timeline[0].mark,
                        f"{where} 已在 {first.file}:{first.line} 定义",
                        f"{where} is already defined in {first.file}:{first.line}",
                    )
                )
            layer.timelines.setdefault(where, timeline)
    return Law(layers, catalogues, classes, clauses)


def _check_between_files(law: Law) -> Iterator[Problem]:
    for code, facts in law.classes.items():
        yield from _check_class(law, code, facts)
    yield from _check_shared(law)
    yield from _check_names(law)
    yield from _check_rows(law)
    yield from _check_references(law)


def _gap(timeline: Timeline, where: str, start: dt.date) -> Problem:
    first = timeline[0]
    return Problem(
        first.mark,
        f"{where} 自 {first.start} 才有值, 而 {start} 起就需要: 缺口",
        f"{where} begins on {first.start} and is needed from {start}: a gap",
    )


def _early(timeline: Timeline, where: str, start: dt.date) -> Problem:
    first = timeline[0]
    return Problem(
        first.mark,
        f"{where} 自 {first.start} 就有值, 而 {start} 以前用不到",
        f"{where} begins on {first.start}, before it can apply on {start}",
    )


def _check_span(timeline: Timeline, where: str, start: dt.date) -> Iterator[Problem]:
    if timeline[0].start > start:
        yield _gap(timeline, where, start)
    elif timeline[0].start < start:
        yield _early(timeline, where, start)


def _check_class(law: Law, code: str, facts: dict[str, Any]) -> Iterator[Problem]:
    path: Timeline = facts["path"]
    start = path[0].start
    own = {where: timeline for where, timeline in _timelines(facts) if not where.startswith("steps.")}
    for where, timeline in own.items():
        yield from _check_span(timeline, f"classes.{code}.{where}", start)
    first_on_path: dict[str, dt.date] = {}
    for entry in path:
        for step in entry.value:
            first_on_path.setdefault(step, entry.start)
            if step not in facts["steps"]:
                yield Problem(entry.mark, f"环节 {step} 没有规定", f"step {step} is on the path but not described")
        if entry.value[0] != "acceptance":
            yield Problem(entry.mark, "第一个环节应为 acceptance", "the first step must be acceptance")
    by_step = any(entry.value == "step_sum" for entry in facts["total"]["kind"])
    for step, rules in facts["steps"].items():
        where = f"classes.{code}.steps.{step}"
        mark = rules["starts"][0].mark
        if step not in law.catalogues["steps"]["steps"]:
            yield Problem(mark, f"环节 {step} 不在 steps.yaml", f"step {step} is not in steps.yaml")
        if step not in first_on_path:
            yield Problem(mark, f"环节 {step} 从不在办理路径上", f"step {step} is never on the path")
            continue
        for name, timeline in rules.items():
            yield from _check_span(timeline, f"{where}.{name}", first_on_path[step])
        if by_step and "limit" not in rules:
            yield Problem(mark, f"{where} 缺少时限: 合计按环节计算", f"{where} has no limit; the total sums steps")


def _check_shared(law: Law) -> Iterator[Problem]:
    """Rules that every class needs must reach back to the first day on which any class is in force."""
    start = min(facts["path"][0].start for facts in law.classes.values())
    optional = ("classes.", "channels", "notices.")
    for where, timeline in law.nation.items():
        if not where.startswith(optional) and not where.endswith(".channels") and timeline[0].start > start:
            yield _gap(timeline, where, start)


def _check_names(law: Law) -> Iterator[Problem]:
    """One spelling must never mean two kinds of document."""
    owner: dict[str, str] = {}
    documents = law.catalogues["documents"]

    def claim(names: tuple[str, ...], whose: str, mark: Mark) -> Iterator[Problem]:
        for name in names:
            other = owner.setdefault(name.casefold(), whose)
            if other != whose:
                yield Problem(mark, f"“{name}”既指 {other} 又指 {whose}", f"{name!r} means both {other} and {whose}")

    for code, kind in {**documents["kinds"], **documents["outside_the_list"]}.items():
        dated: Timeline = kind.get("forms") or kind["effect"]
        yield from claim((code, kind["name"]["zh"], *kind.get("aliases", ())), code, dated[0].mark)
        for entry in kind.get("forms", ()):
            for form in entry.value:
                yield from claim((form["code"], form["name"]["zh"], *form.get("aliases", ())), code, entry.mark)


def _check_rows(law: Law) -> Iterator[Problem]:
    known = {where.removeprefix("classification.") for where in law.nation if where.startswith("classification.")}
    for entry in law.nation["classification.rows"]:
        for number, row in enumerate(entry.value, start=1):
            outcomes = [key for key in ("then", "ask", "refuse") if key in row]
            if len(outcomes) != 1:
                yield Problem(entry.mark, f"第 {number} 行只可有一个结果", f"row {number} needs then, ask or refuse")
            if "then" in row and row["then"] not in law.classes:
                yield Problem(entry.mark, f"没有类别 {row['then']}", f"row {number}: no class {row['then']}")
            for name in _references(row["when"]):
                if name not in known:
                    yield Problem(entry.mark, f"没有门槛 ${name}", f"row {number}: no threshold ${name}")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, str) and value.startswith("$"):
        yield value[1:]


def _check_references(law: Law) -> Iterator[Problem]:
    """Every code that a dated value names exists, in the nation and in every region."""
    steps = law.catalogues["steps"]["steps"]
    kinds, fees = law.catalogues["documents"]["kinds"], law.catalogues["charges"]["fees"]
    for layer in law.layers.values():
        for where, timeline in layer.timelines.items():
            if layer.region != NATION and where not in law.nation and not _may_be_new(law, where):
                yield Problem(timeline[0].mark, f"全国规则没有 {where}", f"there is no national {where}")
            known = kinds if where.endswith(".documents") else fees if where.endswith(".catalogue") else None
            known = steps if where == "steps.waivable" else known
            for entry in timeline:
                for code in entry.value if known is not None and entry.value != INHERIT else ():
                    if known is not None and code not in known:
                        yield Problem(entry.mark, f"没有 {code}", f"there is no {code}")
    for code, notice in law.catalogues["notices"]["notices"].items():
        if notice["at_step"] not in steps:
            mark = notice["channels"][0].mark
            yield Problem(mark, f"告知 {code} 的环节 {notice['at_step']} 不存在", f"notice {code}: unknown step")


def _may_be_new(law: Law, where: str) -> bool:
    """A region may limit a step that the nation leaves unlimited, waive it, merge steps, or name a late source."""
    parts = where.split(".")
    if parts[0] == "classes" and parts[1] in law.classes:
        return parts[2] == "merge" or (parts[2] == "steps" and parts[3] in law.classes[parts[1]]["steps"])
    return parts[:2] == ["late", "by_source"]
