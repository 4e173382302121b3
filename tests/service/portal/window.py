"""Customers at the public pages: what they type and bring, and a service that receives it."""

from __future__ import annotations

import io

from storage import OrgRow
from tests.service.conftest import Desk
from workflow.service.portal import apply, uploads

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
UNITS = [
    OrgRow("HB", None, "province", "某省公司", "某电力公司", "420000"),
    OrgRow("WH", "HB", "city", "某市公司", None, "420100"),
    OrgRow("JA", "WH", "county", "某区公司", None, "420102"),
    OrgRow("JA1", "JA", "team", "某供电所", None, "420102"),
]
FORM = {
    "name": "张三丰",
    "phone": "13800001111",
    "region": "420102",
    "address": "解放路 1 号 2 栋 301",
    "business_type": "new",
    "account_no": "",
    "customer_kind": "residential",
    "enterprise_size": "",
    "area": "urban",
    "capacity_kw": "8",
    "voltage": "low",
    "supply_count": "1",
}
SHOP = {**FORM, "customer_kind": "non_residential", "enterprise_size": "medium", "capacity_kw": "100"}


def incoming(name: str = "身份证.pdf", content: bytes = PDF) -> uploads.Incoming:
    return uploads.Incoming(name, io.BytesIO(content))


class Window(Desk):
    """A desk whose customers come in through the public pages, from one address each."""

    def draft(self, form: dict[str, str] = FORM, address: str = "203.0.113.1") -> apply.Draft:
        return apply.begin(self.service, form, address)

    def add(self, held: apply.Draft, kind: str, **more: object) -> None:
        file = more.pop("file", None) or incoming()
        apply.add_file(self.service, held, kind, file, volunteered=bool(more.get("volunteered")), address="203.0.113.1")  # type: ignore[arg-type]  # a stand-in

    def sent(self, form: dict[str, str] = FORM, kinds: tuple[str, ...] = ("identity", "premises_title")) -> apply.Sent:
        held = self.draft(form)
        for kind in kinds:
            self.add(held, kind)
        assert apply.send(self.service, held) is None
        found = apply.sent(self.service, held)
        assert found is not None
        return found

    def case_id(self, number: str) -> str:
        with self.service.database.read() as tx:
            row = tx.case_by_number(number)
        assert row is not None
        return row.id
