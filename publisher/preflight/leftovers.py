"""What was to be replaced and was not: a template's syntax, and words that stood in for others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

_TEMPLATE = re.compile(
    r"\{\{.{0,60}|\}\}|\{%.{0,60}|%\}|\*\|[A-Z_:]{2,40}\|\*|<%.{0,40}|%%[A-Za-z_]{2,40}%%"
    r"|%recipient\.\w+%|\[(?:FNAME|LNAME|EMAIL|FIRST ?NAME|UNSUBSCRIBE)\]|xPUBLISHERx\w*"
)
#: As programs write it; a story about programs may quote it.
_DOLLAR = re.compile(r"\$\{[^}]{1,40}\}")
#: "To come", as English newsrooms mark what they have yet to write. With a number it is a flight; elsewhere, a name.
_TO_COME = re.compile(r"\bTK\b(?!\s*Maxx|\s*Elevator|[- ]?\d)")
_PLACEHOLDER = re.compile(
    r"\b(?:TK){2,3}\b"
    r"|(?i:\blorem ipsum\b|\bdolor sit amet\b|\[(?:insert|headline|caption|tbd)[^\]]{0,40}\]"
    r"|\bheadline (?:goes )?here\b|\bdummy text\b)"
)


def check(opened: Opened) -> Iterator[Seen]:
    patterns = [("template", _TEMPLATE), ("placeholder", _PLACEHOLDER)]
    if opened.language in ("", "en"):
        patterns.append(("placeholder", _TO_COME))
    for where, text in _places(opened):
        told = where in ("the HTML part", "the text part")
        for rule, pattern in patterns if told else (*patterns, ("template", _DOLLAR)):
            if match := pattern.search(text):
                yield Seen(rule, where, f"It says “{match[0].strip()[:60]}”")


def _places(opened: Opened) -> Iterator[tuple[str, str]]:
    yield "the subject", opened.header("Subject")
    yield "the sender", opened.header("From")
    yield "the HTML part", opened.seen
    yield "the text part", opened.text
    for node in opened.nodes("a[href], img"):
        for name in ("href", "src", "alt", "title"):
            if value := node.attributes.get(name):
                yield f"the {name} of <{node.tag}>", value
