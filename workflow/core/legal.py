"""Reading a stated legal basis: which level of law it names, and whether it names an article.

Only a law, an administrative regulation or a local regulation lifts the ban on extra documents [L25]; departmental
rules, normative documents and company rules do not.
"""

from __future__ import annotations

import re

from definitions.model import LegalBasisRule, LegalLevel

_QUOTED = re.compile(r"《([^》]+)》\s*(?:[（(][^）)]*[）)])?[\s,，、的]*")


def _title(rule: LegalBasisRule, text: str, article: re.Match[str]) -> str:
    """The title of the text whose article is named: of several in 《》 the first with an article right behind it, so
    that "a company's 《规则》第三条, made under the 《电力法》" does not borrow the law's name."""
    quoted = list(_QUOTED.finditer(text))
    for one in quoted:
        if any(re.compile(pattern).match(text, one.end()) for pattern in rule.article_patterns):
            return one.group(1).strip()
    if quoted:
        return ""
    before, after = text[: article.start()].strip(" ,，、：:"), text[article.end() :].strip(" ,，、：:")
    return before or re.sub(r"^of (the )?", "", after)


def level(rule: LegalBasisRule, basis: str) -> LegalLevel | None:
    """The level of law that `basis` names together with an article of it; None when it names no article or nothing
    that counts as law (a company's or a platform's rule, a normative document)."""
    text = basis.strip()
    for prefix in rule.prefixes:
        text = text.removeprefix(prefix).strip()
    article = next((m for pattern in rule.article_patterns if (m := re.search(pattern, text))), None)
    if article is None:
        return None
    title = re.sub(r"[（(][^）)]*[）)]$", "", _title(rule, text, article)).strip()
    if title not in rule.statutes and any(word in title for word in rule.never):
        return None
    for one in rule.levels:
        if title.endswith(one.endings) and not title.endswith(one.not_endings):
            return one
    return None


def lifts_document_ban(rule: LegalBasisRule, basis: str | None) -> bool:
    """Whether `basis` lets a document outside the closed list be asked for [L25]."""
    found = level(rule, basis) if basis else None
    return found is not None and found.lifts_document_ban


def grounds_refusal(rule: LegalBasisRule, basis: str) -> bool:
    """Whether `basis` can carry a final refusal."""
    found = level(rule, basis)
    return found is not None and found.grounds_refusal
