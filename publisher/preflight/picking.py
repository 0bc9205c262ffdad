"""Which of an edition's variants are looked at: the largest, and the strangest."""

from __future__ import annotations

import re
from collections.abc import Iterable

from publisher.model import Variant

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def largest(variants: Iterable[Variant]) -> Variant:
    """The one with the most HTML. Raises ValueError without variants."""
    return max(variants, key=lambda one: (len(one.rendered.html.encode()), -one.id))


def strangest(variants: Iterable[Variant]) -> Variant:
    """The one that most can go wrong with: another direction, many kinds of labels, many different tags and styles,
    letters beyond ASCII, a long subject. Raises ValueError without variants."""
    return max(variants, key=_strangeness)


def _strangeness(one: Variant) -> tuple[int, int]:
    html, subject = one.rendered.html, one.rendered.subject
    kinds = set(re.findall(r"<[a-z0-9]+|[a-z-]++(?=\s*:)", html))
    score = len(kinds) + 4 * len({item.label for item in one.items}) + len(subject) // 5
    score += 40 * bool(_RIGHT_TO_LEFT.search(subject + html)) + 5 * (not subject.isascii())
    return score, -one.id
