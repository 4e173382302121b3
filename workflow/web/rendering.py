"""Templates: one Jinja environment for each language, with the filters and names every page may use.

Filters: `day`, `moment`, `number`, `left` (working days), `say` (a term with both languages), `named` (`name` or
`name_en` of a row).  Names: `asset(name)`, `lang`; and of the request `visit` and `word(kind, code)`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workflow.service import BUSINESS_ZONE
from workflow.web import static_files
from workflow.web.language import TAGS, Language, said, translations

_WEEKDAYS: Final = {"zh": "一二三四五六日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}


def render(language: Language, template: str, values: Mapping[str, Any]) -> str:
    """The text of a page. Raises jinja2.UndefinedError for a name that nobody gave."""
    return _environment(language).get_template(template).render(values)


@functools.cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("workflow.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # by the extension
    environment.globals.update(
        asset=static_files.address,
        lang=language,
        lang_tag=TAGS[language],
    )
    environment.filters.update(
        day=functools.partial(day, language),
        moment=moment,
        clock=clock,
        number=number,
        left=functools.partial(left, language),
        say=lambda text: said(text, language),
        named=lambda row, name="name": row[name] if language == "zh" else row[f"{name}_en"],
    )
    return environment


def _local(value: dt.datetime) -> dt.datetime:
    return value.astimezone(BUSINESS_ZONE)


def day(language: Language, value: dt.date | None, weekday: bool = True) -> str | Markup:
    """A date of the business zone: `2026-01-16 周五`; of a moment, its date. None is a dash."""
    if value is None:
        return "—"
    shown = _local(value).date() if isinstance(value, dt.datetime) else value
    if not weekday:
        return _time(shown.isoformat(), shown.isoformat())
    name = _WEEKDAYS[language][shown.weekday()]
    return _time(shown.isoformat(), f"{shown.isoformat()} {'周' if language == 'zh' else ''}{name}")


def moment(value: dt.datetime | None) -> str | Markup:
    """A moment on the clock of the business zone, to the minute; None is a dash."""
    if value is None:
        return "—"
    local = _local(value)
    return _time(local.isoformat(timespec="minutes"), f"{local:%Y-%m-%d %H:%M}")


def clock(value: dt.datetime) -> str | Markup:
    """The time of day of a moment in the business zone."""
    local = _local(value)
    return _time(local.isoformat(timespec="minutes"), f"{local:%H:%M}")


def _time(machine: str, shown: str) -> Markup:
    return Markup(f'<time datetime="{machine}">{shown}</time>')  # noqa: S704  # digits and words of ours


def number(value: float | None, digits: int = 2) -> str:
    """A number with thousands apart and no needless zeros; None is a dash."""
    if value is None:
        return "—"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def left(language: Language, days: int | None) -> str:
    """Working days that are left: 剩 2 天, 今日到期, 已超 1 天; None is a dash."""
    if days is None:
        return "—"
    lookup = translations(language)
    if days > 0:
        return lookup.ngettext("剩 %(num)s 天", "剩 %(num)s 天 ", days) % {"num": days}
    if days == 0:
        return lookup.gettext("今日到期")
    return lookup.ngettext("已超 %(num)s 天", "已超 %(num)s 天 ", -days) % {"num": -days}
