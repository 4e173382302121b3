"""What is published (公开) [L46], on any date in any region: workflow, limits, steps, documents, charges and lines of
every class; what differs between two of them; the state diagram; capacity-limited areas."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from workflow.service import rules
from workflow.service.drawing import draw
from workflow.service.portal import areas, catalogue, house
from workflow.web.area import N_, Area, Link
from workflow.web.language import half, said
from workflow.web.visit import Visit, Visitor

router = APIRouter()
AREA = Area("published", router, order=92, links=(Link("/catalogue", N_("服务标准"), "definitions"),))

Text = Annotated[str, Query(max_length=32)]


class _Asked:
    """A date and a region out of the address bar; what cannot be read is told beside its field."""

    def __init__(self, visit: Visit, on: str, region: str) -> None:
        self.faults: dict[str, str] = {}
        self.on_typed = on
        self.on, self.region = visit.service.today, catalogue.NATION
        try:
            self.on = rules.parse_day(on) if on else self.on
        except ValueError as error:
            self.faults["on"] = half(str(error), visit.language)
        if region and not rules.is_region(region):
            self.faults["region"] = visit.gettext("请填写六位行政区划代码")
        elif region:
            self.region = region


def _regions(visit: Visit) -> list[tuple[str, str]]:
    known = catalogue.regions(visit.service)
    return [(code, f"{said(text, visit.language)} ({code})") for code, text in known.items()]


def _page(visit: Visit, template: str, asked: _Asked, **values: Any) -> Response:
    known = _regions(visit)
    return visit.page(
        template,
        status=422 if asked.faults else 200,
        asked=asked,
        regions=known,
        named=dict(known),
        rule=house.rule(visit.service),
        **values,
    )


@router.get("/catalogue")
def published(visit: Visitor, on: Text = "", region: Text = "") -> Response:
    """The published catalogue of every class."""
    asked = _Asked(visit, on, region)
    found = catalogue.every(visit.service, asked.on, asked.region)
    if not found:
        asked.faults.setdefault("on", visit.gettext("这一天没有适用的全国规定 (自 2021-01-01 起施行)"))
    return _page(visit, "published/catalogue.html", asked, definitions=found)


@router.get("/catalogue/areas")
def limited(visit: Visitor, on: Text = "", region: Text = "") -> Response:
    """The published lists of capacity-limited areas."""
    asked = _Asked(visit, on, region)
    wanted = None if asked.region == catalogue.NATION else asked.region
    return _page(visit, "published/areas.html", asked, items=areas.published(visit.service, on=asked.on, region=wanted))


@router.get("/catalogue/differences")
def differences(
    visit: Visitor,
    *,
    user_class: Annotated[str, Query(alias="class", max_length=32)] = "lv_zero",
    on: Text = "",
    to: Text = "",
    region: Text = "",
    other: Text = "",
) -> Response:
    """What differs between two dates or two regions."""
    first, second = _Asked(visit, on, region), _Asked(visit, to, other or region)
    first.faults |= {f"other_{name}": told for name, told in second.faults.items()}
    before, after = (catalogue.one(visit.service, user_class, asked.on, asked.region) for asked in (first, second))
    for name, found in (("on", before), ("other_on", after)):
        if found is None:
            first.faults.setdefault(name, visit.gettext("这一天没有适用的全国规定 (自 2021-01-01 起施行)"))
    changes = [] if before is None or after is None or first.faults else catalogue.changes(before, after)
    return _page(
        visit,
        "published/differences.html",
        first,
        second=second,
        user_class=user_class,
        classes=catalogue.classes(visit.service),
        before=before,
        after=after,
        changes=changes,
    )


@router.get("/catalogue/{user_class}")
def one(visit: Visitor, user_class: str, on: Text = "", region: Text = "") -> Response:
    """One class: limits, steps, documents and charges with the clauses in their words, and the course as a drawing."""
    asked = _Asked(visit, on, region)
    found = catalogue.one(visit.service, user_class, asked.on, asked.region)
    if found is None:
        asked.faults.setdefault("on", visit.gettext("这一天没有适用的全国规定 (自 2021-01-01 起施行)"))
    return _page(
        visit,
        "published/class.html",
        asked,
        definition=found,
        timeline=catalogue.timeline(visit.service, user_class, asked.region),
        drawing=None if found is None else draw(found, visit.language),
    )
