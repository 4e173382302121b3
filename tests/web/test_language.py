"""Every message has an English text and every English text a message."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.extract import extract_from_dir

import workflow.web
from workflow.web.language import catalogues

ROOT = Path(workflow.web.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {
    "templates/**.html": {"trimmed": "true", "newstyle_gettext": "true", "extensions": "jinja2.ext.loopcontrols"}
}
PLACES = re.compile(r"%\((\w+)\)s")


def messages() -> set[str]:
    """The messages of the code and the templates."""
    found = extract_from_dir(ROOT, METHODS, OPTIONS)
    return {one if isinstance(one, str) else one[0] for _, _, one, _, _ in found}


def english() -> list[tuple[str, str, str]]:
    """Catalogue, message and text; of a plural, each of its texts."""
    told: list[tuple[str, str, str]] = []
    for name, catalogue in catalogues():
        for message in catalogue:
            if message.id:
                key = message.id if isinstance(message.id, str) else message.id[0]
                texts = [message.string] if isinstance(message.string, str) else message.string or [""]
                told.extend((name, key, str(text)) for text in texts)
    return told


def test_no_message_lacks_an_english_text():
    assert messages() - {message for _, message, text in english() if text.strip()} == set()


def test_no_english_text_is_stale():
    known = messages()
    assert [(name, message) for name, message, _ in english() if message not in known] == []


def test_a_message_has_one_english_text():
    """Also when two areas use it; of a plural, one of each number."""
    texts: dict[str, dict[str, set[str]]] = {}
    for name, message, text in english():
        texts.setdefault(message, {}).setdefault(name, set()).add(text)
    assert [message for message, homes in texts.items() if len(set(map(frozenset, homes.values()))) > 1] == []


def test_a_text_fills_in_what_its_message_does():
    assert [
        (message, text) for _, message, text in english() if set(PLACES.findall(message)) != set(PLACES.findall(text))
    ] == []


def test_english_texts_hold_no_chinese():
    assert [text for _, _, text in english() if re.search(r"[\u3400-\u9fff]", text)] == []
