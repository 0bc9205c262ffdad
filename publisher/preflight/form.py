"""The form of a message: what filters take for spam, and what a screen reader needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from publisher.preflight.reading import Opened, blank
from publisher.preflight.rules import Seen

#: With fewer letters than this, a message with a picture is a picture.
FEWEST_LETTERS = 120
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
_ROWS = re.compile(r"[!?]{2,}|\${2,}|€{2,}|£{2,}|[!?] [!?]")


def check(opened: Opened) -> Iterator[Seen]:
    yield from _capitals(opened)
    if match := _ROWS.search(opened.header("Subject")):
        yield Seen("punctuation", "the subject", f"It says “{match[0]}”")
    letters = sum(map(str.isalpha, opened.seen))
    pictures = len(opened.nodes("img"))
    if pictures and letters < FEWEST_LETTERS:
        yield Seen("image-only", "the HTML part", f"Pictures: {pictures}; letters: {letters}")
    if not blank(opened.text):
        yield Seen("text-part", "the message", "It has no text part, or an empty one")
    yield from _language(opened)


def _capitals(opened: Opened) -> Iterator[Seen]:
    for where, text, least, most in (
        ("the subject", opened.header("Subject"), 8, 0.9),
        ("the text", opened.seen, 200, 0.5),
    ):
        cased = [letter for letter in text if letter.isupper() or letter.islower()]
        if len(cased) >= least and sum(map(str.isupper, cased)) > most * len(cased):
            yield Seen("capitals", where, "It is written in capitals")


def _language(opened: Opened) -> Iterator[Seen]:
    root = opened.tree.css_first("html")
    given = root.attributes if root else {}
    language = (given.get("lang") or "").strip()
    if not language:
        yield Seen("language", "<html>", "It does not say its language")
    elif language.split("-")[0].lower() in _RIGHT_TO_LEFT and (given.get("dir") or "").lower() != "rtl":
        yield Seen("direction", "<html>", f"Its language is {language}, and it runs from left to right")
