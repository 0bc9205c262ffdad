"""The subject: there, short enough, and another than the last one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from publisher.model import Situation
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

#: A subject past this many characters is cut off by every mail program.
LONGEST: Final = 90


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    subject = " ".join(opened.header("Subject").split())
    if not subject:
        yield Seen("subject-empty", "the subject", "It is empty")
        return
    if len(subject) > LONGEST:
        yield Seen("subject-long", "the subject", f"It has {len(subject)} characters; {LONGEST} can be read")
    if _same(subject) == _same(situation.last_subject):
        yield Seen("subject-repeated", "the subject", f"“{subject[:80]}” was the last one too")


def _same(subject: str) -> str:
    return "".join(letter for letter in subject.casefold() if letter.isalnum())
