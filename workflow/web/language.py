"""The two languages of the pages: messages are written in Chinese, English comes from the catalogues.

Every area keeps one catalogue, `locales/en/LC_MESSAGES/<area>.po`; all are read together when the program starts, and
nothing compiled is kept.
"""

from __future__ import annotations

import functools
import gettext
import io
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final, Literal

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
TAGS: Final = {"zh": "zh-CN", "en": "en"}
"""The languages as HTML names them."""


def catalogues() -> Iterator[tuple[str, Catalog]]:
    """Every English catalogue with its name."""
    for file in sorted(files("workflow.web").joinpath("locales/en/LC_MESSAGES").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".po"):
            yield file.name.removesuffix(".po"), read_po(io.BytesIO(file.read_bytes()), locale="en", abort_invalid=True)


@functools.cache
def translations(language: Language) -> gettext.NullTranslations:
    """Where the messages of a language are looked up."""
    if language == "zh":
        return gettext.NullTranslations()
    every = Catalog(locale="en")
    for _, catalogue in catalogues():
        for message in catalogue:
            if message.id:
                every.add(message.id, message.string)
    compiled = io.BytesIO()
    write_mo(compiled, every)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def said(text: Any, language: Language) -> str:
    """A term that carries both languages (`zh` and `en`, as attributes or keys) in this one; other text as it is."""
    if text is None or isinstance(text, str):
        return text or ""
    if isinstance(text, dict):
        return str(text[language])
    return str(getattr(text, language))


def half(sentence: str, language: Language) -> str:
    """The half in this language of a sentence in both, `中文 / English`."""
    zh, _, en = sentence.partition(" / ")
    return zh if language == "zh" else en or zh
