"""The form of the public application: what is typed, what is wrong with it field by field, what it says.

The fields are text as a browser sends them.  What they say is a `Submission` without its documents; the class, the
limits and the closed list are decided by the rules, never here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from definitions.model import Text
from workflow.core.commands import Submission, blank
from workflow.service.portal import house
from workflow.service.validation import describe

FIELDS: Final = (
    "name", "phone", "region", "address", "business_type", "account_no", "customer_kind", "enterprise_size", "area",
    "capacity_kw", "voltage", "supply_count", "important_customer", "hv_request",
)  # fmt: skip
"""The fields of the form, in its order."""

CHOICES: Final = {
    "business_type": ("new", "increase", "temporary"),
    "customer_kind": ("residential", "non_residential"),
    "enterprise_size": ("", "micro", "small", "medium", "large"),
    "area": ("urban", "rural"),
    "voltage": ("low", "high"),
    "supply_count": ("1", "2"),
}
"""What may be chosen; empty where the answer may be left open."""

_LONGEST: Final = {"name": 100, "address": 300}
_OF_FIELD = {
    "customer.name": "name", "customer.phone": "phone", "premises.address": "address", "premises.id": "account_no",
}  # fmt: skip
_PHONE = re.compile(r"^\+?\d[\d ()-]{4,24}$")

Faults = dict[str, Text]
"""What is wrong, by field; `form` is the whole."""


class Read(NamedTuple):
    """What a form says: `body` holds the fields of a submission (None when there are faults)."""

    body: dict[str, Any] | None
    faults: Faults


def typed(form: Mapping[str, Any]) -> dict[str, str]:
    """The fields as typed, without what is no field of the form; nothing typed is thrown away."""
    return {name: value[:1000] for name in FIELDS if isinstance(value := form.get(name, ""), str)}


def read(fields: Mapping[str, str], key: bytes, draft_id: str) -> Read:
    """What the fields say. `key`: the installation's secret, from which codes of customer and premises are derived."""
    said = {name: unicodedata.normalize("NFKC", fields.get(name, "")).strip() for name in FIELDS}
    faults: Faults = {}
    for name in ("name", "phone", "region", "address", "capacity_kw"):
        if blank(said[name]):
            faults[name] = Text("请填写", "Please fill this in")
    for name, longest in _LONGEST.items():
        if len(said[name]) > longest:
            faults[name] = Text(f"至多 {longest} 个字", f"At most {longest} characters")
    for name, choices in CHOICES.items():
        if said[name] not in choices:
            faults[name] = Text("请选择一项", "Please choose one")
    if said["phone"] and not _PHONE.match(said["phone"]):
        faults["phone"] = Text("请填写电话号码, 如 13800000000", "Please give a telephone number such as 13800000000")
    capacity = _number(said["capacity_kw"])
    if said["capacity_kw"] and capacity is None:
        faults["capacity_kw"] = Text("请填写数字, 如 8 或 100", "Please give a number such as 8 or 100")
    if said["business_type"] == "increase" and blank(said["account_no"]):
        faults["account_no"] = Text("增容请填写原用电户号", "For an increase give the account number you have")
    if faults or capacity is None:
        return Read(None, faults)
    body = {
        "customer": {
            "id": house.pseudonym(key, "customer", said["phone"], said["name"]),
            "name": said["name"],
            "phone": re.sub(r"[ ()-]", "", said["phone"]),
        },
        "premises": {
            "id": said["account_no"] or house.pseudonym(key, "premises", said["region"], said["address"]),
            "address": said["address"],
        },
        "customer_kind": said["customer_kind"],
        "enterprise_size": None if said["customer_kind"] == "residential" else said["enterprise_size"] or None,
        "capacity_kw": capacity,
        "voltage": said["voltage"],
        "supply_count": int(said["supply_count"]),
        "area": said["area"],
        "region": said["region"],
        "channel": "online",
        "source": "customer_app",
        "business_type": said["business_type"],
        "important_customer": bool(said["important_customer"]),
        "hv_request_ref": f"portal:{draft_id}" if said["hv_request"] and said["voltage"] == "high" else None,
    }
    try:
        Submission.model_validate(body)
    except ValidationError as error:
        return Read(None, _faults(error))
    return Read(body, {})


def _faults(error: ValidationError) -> Faults:
    found: Faults = {}
    for one in describe(error.errors()):
        name = _OF_FIELD.get(one["field"], one["field"])
        found.setdefault(name if name in FIELDS else "form", Text(one["message"], one["message_en"]))
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
