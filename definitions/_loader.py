"""Reads a folder of YAML into a `Law`, or refuses it with every fault, its file and its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from definitions._consistency import check_between_files
from definitions._files import CLASS_FILE, FILES, REGION_FILE, REGION_PATTERN
from definitions._law import Law, Layer, timelines
from definitions.model import NATION, Clause, Text
from definitions.shapes import INVALID, DefinitionError, Mark, Problem, Reader

SHIPPED: Final = Path(__file__).parent / "data"


def read(directory: Path, regions: Path | None = None) -> Law:
    """Everything under `directory` and the overlays under `regions` (beside those in `directory`/regions).

    Raises `DefinitionError` with every fault found. Faults between files are looked for once every file is well formed.
    """
    reader = Reader(directory, regions)
    catalogues = _read_subjects(reader)
    classes = _read_classes(reader)
    overlays = _read_regions(reader, [directory / "regions", *([regions] if regions else [])])
    clauses = _gather_clauses(reader, catalogues, overlays)
    _check_citations(reader, clauses)
    if reader.problems:
        raise DefinitionError(reader.problems)
    law = _assemble(reader, catalogues, classes, overlays, clauses)
    reader.problems.extend(check_between_files(law))
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
            if not re.search(REGION_PATTERN, folder.name):
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


_SELF_NAMED = {"approvals", "ladder", "notices"}
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
        nation.timelines.update(timelines(facts, "" if stem in _SELF_NAMED else stem))
    for code, facts in classes.items():
        nation.timelines.update(timelines(facts, f"classes.{code}"))
    layers = {NATION: nation}
    for path, facts in overlays:
        name = Text(**facts["name"])
        layer = layers.setdefault(facts["region"], Layer(facts["region"], name))
        if layer.name != name:
            _refuse(reader, path, f"地区名称与另一文件不同: {layer.name.zh}", f"another file names it {layer.name.en}")
        for where, timeline in timelines({key: facts[key] for key in facts if key not in ("sources", "clauses")}):
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
