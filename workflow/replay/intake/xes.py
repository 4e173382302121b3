"""XES logs, plain or gzip, read as a stream: one table of traces (cases) and one of events.

An entity or a document type declaration is refused.  Attributes keep their keys; a nested one is `key/child`.  An event
carries what its trace is called as `case:case_id` and `case:concept:name`.  What a log declares under `global` says
which attributes every trace or event has; the values there (`__INVALID__`, 1970) fill in nothing: what an event lacks
is missing evidence, and a value that nobody recorded would be made up.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder  # the types; parsing is defusedxml's

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, iterparse

from workflow.replay.intake.faults import BadHistory, clean
from workflow.replay.intake.raw import Raw, Spool
from workflow.replay.intake.text import chunks, opened

_NAMES: Final = {name: f"case:{name}" for name in ("case_id", "concept:name")}
"""What a trace may be called by → what its events carry that as."""
_VALUES = {"string", "date", "int", "float", "boolean", "id"}
_ENCODING: Final = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']""")


def read(path: Path, stem: Path) -> tuple[Raw, Raw]:
    """The traces and the events. Raises BadHistory."""
    traces = Spool(stem.with_name(stem.name + "-traces"), tuple(_NAMES))
    events = Spool(stem.with_name(stem.name + "-events"), (*_NAMES.values(), *_NAMES, "time:timestamp"))
    for element, inside in elements(path, {"trace", "event"}, "log"):
        if _tag(element) == "trace":
            own = attributes(element)
            traces.add(own, traces.rows + 1)
            names = {theirs: own[name] for name, theirs in _NAMES.items() if name in own}
            for event in element:
                if _tag(event) == "event":
                    events.add({**attributes(event), **names}, events.rows + 1)
        elif not inside:  # an event that belongs to no case
            events.add(attributes(element), events.rows + 1)
    return traces.raw("cases", path.name), events.raw("events", path.name)


def elements(path: Path, names: set[str], root: str) -> Iterator[tuple[Element, bool]]:
    """The elements called one of `names`, whole, each with whether it lies in another of them; what was read is let
    go.  Raises BadHistory for what is no XML of that root, cut short, or dangerous."""
    file = opened(path)
    try:
        depth, top = 0, None
        text, encoding = _readable(file, next(chunks(path), b""))
        parser = DefusedXMLParser(target=TreeBuilder(), encoding=encoding, forbid_dtd=True)
        for kind, element in iterparse(text, events=("start", "end"), parser=parser):
            if top is None:
                top = element
                if _tag(top) != root:
                    raise BadHistory(f"{path.name}: 根元素是 {_tag(top)}, 应为 {root} / the root must be {root}")
            if _tag(element) in names:
                depth += 1 if kind == "start" else -1
                if kind == "end":
                    yield element, depth > 0
                    if depth == 0:
                        element.clear()
                        top.clear()
    except ParseError as error:
        raise BadHistory(f"{path.name}: XML 不完整或有错: {error} / the XML is cut short or malformed") from error
    except DefusedXmlException as error:
        raise BadHistory(
            f"{path.name}: 含有实体或文档类型声明, 出于安全不予读取 / holds an entity or a DTD; refused for safety"
        ) from error
    except (ValueError, LookupError) as error:  # bytes that are not in it, an encoding that nobody or no parser knows
        if isinstance(error, BadHistory):
            raise
        raise BadHistory(
            f"{path.name}: XML 编码有误, 请另存为 UTF-8 / the XML's encoding is wrong or not known; save it as UTF-8"
        ) from error
    finally:
        file.close()


def _readable(file: BinaryIO, head: bytes) -> tuple[Any, str | None]:
    """The file as the parser can read it, and its encoding unless the parser finds that out: it knows none of several
    bytes a character but UTF-8 and UTF-16, so Chinese ones come to it as UTF-8. Raises LookupError."""
    declared = _ENCODING.match(head)
    name = declared and codecs.lookup(declared[1].decode()).name
    if name not in ("gb2312", "gbk", "gb18030"):
        return file, None
    return codecs.EncodedFile(file, "utf-8", "gb18030"), "utf-8"


def attributes(element: Element, prefix: str = "") -> dict[str, str | None]:
    """The XES attributes of a trace or an event, by key."""
    found: dict[str, str | None] = {}
    for one in element:
        tag, key = _tag(one), one.get("key")
        if key is None or (tag not in _VALUES and tag not in ("list", "container")):
            continue
        value = one.get("value")
        if tag in _VALUES and value is not None and value.strip():
            found[prefix + key] = clean(value)
        nested = one if tag in _VALUES else (one.find("{*}values") if one.find("{*}values") is not None else one)
        if nested is not None and len(nested):
            found |= attributes(nested, f"{prefix}{key}/")
    return found


def inside(element: Element, name: str) -> Iterator[Element]:
    """The elements of a name in `element`, whatever their namespace."""
    return (one for one in element.iter() if _tag(one) == name)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
