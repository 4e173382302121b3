"""Writes `data/calendar/festivals.yaml`: the statutory festivals of the years no notice covers yet.

The dates come from the package `holidays`; they are kept as data so that every node reads the same days whatever
version of the package it has, and so that the command line need not import it.  A test compares the file with the
installed package.  Regenerate with ``python -m definitions._calendar_festivals > …/festivals.yaml``.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator

FIRST_YEAR, LAST_YEAR = 2027, 2099

LAW = {
    "title": "全国年节及纪念日放假办法",
    "number": "国务院令第795号",
    "published_on": dt.date(2024, 11, 10),
    "quote": "全体公民放假的假日，如果适逢周六、周日，应当在工作日补假。",
}
NAMES = {
    "new_year": ("元旦", "New Year's Day"),
    "spring_festival": ("春节", "Spring Festival"),
    "qingming": ("清明节", "Tomb-Sweeping Day"),
    "labour_day": ("劳动节", "Labour Day"),
    "dragon_boat": ("端午节", "Dragon Boat Festival"),
    "mid_autumn": ("中秋节", "Mid-Autumn Festival"),
    "national_day": ("国庆节", "National Day"),
}
_ALIASES = {"农历除夕": "spring_festival"}
_IN_LIEU = "（补假）"
_SHIFTED = "休息日（由"


def festivals(year: int) -> dict[str, dict[str, list[dt.date]]]:
    """The statutory festivals of `year`: per festival its days (`on`) and the working days given in lieu of those that
    fall on a weekend (`in_lieu`).  Days off that a notice gained by shifting weekends are left out."""
    from holidays.utils import country_holidays  # noqa: PLC0415 - slow to import, and only this function needs it

    codes = {zh: code for code, (zh, _) in NAMES.items()} | _ALIASES
    found: dict[str, dict[str, list[dt.date]]] = {}
    for day, label in sorted(country_holidays("CN", years=year, language="zh_CN").items()):
        for name in label.split("; "):
            if name.startswith(_SHIFTED):
                continue
            code = codes[name.removesuffix(_IN_LIEU)]
            found.setdefault(code, {}).setdefault("in_lieu" if name.endswith(_IN_LIEU) else "on", []).append(day)
    return {code: found[code] for code in NAMES if code in found}


def lines() -> Iterator[str]:
    """The lines of the data file."""
    from holidays.version import __version__  # noqa: PLC0415 - as above

    yield "# 全国年节及纪念日放假办法规定的节日，以及逢周六、周日时的补假日；未公布放假通知的年份据此暂定。"
    yield "# Statutory festivals and the days given in lieu of weekends, for years without a notice yet (provisional)."
    yield "# Written by `python -m definitions._calendar_festivals`; do not edit by hand."
    yield f"origin: {{package: holidays, version: {__version__}, country: CN, licence: MIT}}"
    yield "law:"
    yield from (f"  {key}: {value}" for key, value in LAW.items())
    yield "names:"
    yield from (f"  {code}: {{zh: {zh}, en: {en}}}" for code, (zh, en) in NAMES.items())
    yield "years:"
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        yield f"  {year}:"
        for code, days in festivals(year).items():
            parts = (f"{key}: [{', '.join(f'{day:%m-%d}' for day in days[key])}]" for key in days)
            yield f"    {code}: {{{', '.join(parts)}}}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
