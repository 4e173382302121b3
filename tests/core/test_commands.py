"""What counts as written down: a text of which something can be seen."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workflow.core.commands import EvidenceRef

BLANKS = {
    "a space": " ",
    "a tab": "\t",
    "line breaks": "\r\n",
    "full width": "\u3000",
    "does not break": "\u00a0",
    "no width": "\u200b",
    "byte order mark": "\ufeff",
    "line separator": "\u2028",
    "soft hyphen": "\u00ad",
    "Hangul filler": "\u3164",
    "empty Braille": "\u2800",
    "several": " \u3000\u200d\u2060",
}


@pytest.mark.parametrize("name", BLANKS)
def test_blanks_alone_are_no_text(name: str) -> None:
    with pytest.raises(ValidationError, match=r"不能只有空白.* / must not be blank"):
        EvidenceRef(ref=BLANKS[name])


@pytest.mark.parametrize("text", ["0", " 依据 ", "。", "\ue000", "𠮷", "a\u200db"])
def test_a_text_is_kept_as_it_was_written(text: str) -> None:
    assert EvidenceRef(ref=text).ref == text
