"""The built-in words: every message of the templates in every language that comes with Publisher."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parents[1] / "templates"
LANGUAGES = ("ar", "de", "es", "fr")
PLURALS = {"ar": 6, "de": 2, "es": 2, "fr": 2}


def catalogue(language: str) -> Catalog:
    with (ROOT / "locales" / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


def used() -> Iterator[str]:
    """Every message that a template asks for, the singular where there are two."""
    keywords = ["_", "gettext", "ngettext"]
    for path in sorted(ROOT.rglob("*.*")):
        if path.suffix in (".html", ".txt"):
            with path.open("rb") as source:
                for _, _, message, _ in babel_extract(source, keywords, [], {"silent": "false", "trimmed": "true"}):
                    yield message if isinstance(message, str) else message[0]


def places(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def test_languages_that_come_with_publisher() -> None:
    assert tuple(sorted(path.stem for path in (ROOT / "locales").iterdir())) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_and_none_is_left_over(language: str) -> None:
    translated = {m.id if isinstance(m.id, str) else m.id[0] for m in catalogue(language) if m.id}

    assert translated == set(used())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_names_what_its_message_names(language: str) -> None:
    for message in catalogue(language):
        if isinstance(message.id, str):
            assert message.string
            assert places(message.string) == places(message.id) or not message.id
        else:
            assert len(message.string) == PLURALS[language]
            assert all(places(form) - {"num"} == places(message.id[0]) - {"num"} for form in message.string)


def test_words_are_asked_for_only_in_languages_of_readers() -> None:
    """A message is a sentence or a label, never a fragment that another language could not place."""
    assert all(message[0].isupper() or message.startswith("%(") for message in used())
