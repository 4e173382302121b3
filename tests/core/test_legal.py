"""Which level of law a stated basis names: a statute about companies is one, a company's own rule is none [L25]."""

from __future__ import annotations

import pytest

from tests.core.driver import shipped_book
from workflow.core.legal import level


@pytest.mark.parametrize(
    ("basis", "named"),
    [
        ("《中华人民共和国公司法》第三条", "law"),
        ("law:《公司法》（2023年修订）第三条", "law"),
        ("law:公司法第三条", "law"),
        ("法律依据:公司法第三条", "law"),
        ("法律依据：公司法第三条", "law"),
        ("Company Law Article 5", "law"),
        ("Article 5 of the Company Law", "law"),
        ("Companies Act Article 5", "law"),
        ("《证券公司监督管理条例》第十条", "regulation"),
        ("《某省供电公司管理办法》第三条", None),
        ("《国家电网有限公司供电服务条例》第三条", None),
        ("《省公司业扩报装条例》第三条", None),
        ("《国网湖北省公司供电服务条例》第三条", None),
        ("《State Grid Company Service Code》 Article 3", None),
        ("Utility Company Law Article 3", None),
        ("《公司规定》第二条", None),
        ("公司规定第2条", None),
        ("《公司章程》第八条", None),
        ("某公司用电法第三条", None),
        ("State Grid Corporation Regulation Article 3", None),
        ("Power Company Measures Article 3", None),
        ("某公司《管理规则》第三条, 依据《电力法》", "departmental_rule"),
    ],
)
def test_a_statute_about_companies_is_law_and_a_rule_of_a_company_is_none(basis: str, named: str | None):
    found = level(shipped_book().legal_basis, basis)
    assert (None if found is None else found.level) == named
