"""What was to be replaced and was not: a template's syntax, and words that stood in for others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

_TEMPLATE = re.compile(
    r"\{\{.{0,60}|\}\}|\{%.{0,60}|%\}|\*\|[A-Z_:]{2,40}\|\*|<%.{0,40}|%%[A-Za-z_]{2,40}%%|\$\{[^}]{1,40}\}"
    r"|%recipient\.\w+%|\[(?:FNAME|LNAME|EMAIL|FIRST ?NAME|UNSUBSCRIBE)\]|xPUBLISHERx\w*"
)
_PLACEHOLDER = re.compile(
    r"\b(?:TK){1,3}\b(?!\s*Maxx|\s*Elevator|-\d)"
    r"|(?i:\blorem ipsum\b|\bdolor sit amet\b|\[(?:insert|headline|caption|tbd)[^\]]{0,40}\]"
    r"|\bheadline (?:goes )?here\b|\bdummy text\b)"
)


def check(opened: Opened) -> Iterator[Seen]:
    for where, text in _places(opened):
        for rule, pattern in (("template", _TEMPLATE), ("placeholder", _PLACEHOLDER)):
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
