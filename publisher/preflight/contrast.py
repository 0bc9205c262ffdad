"""Whether text can be read on its ground, in light and in dark mode. Computed from what is inlined and from the
style sheets that mail programs keep; over pictures nothing can be said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from selectolax.lexbor import LexborNode

from publisher.preflight import styles
from publisher.preflight.colours import BLACK, LINK, WHITE, Colour, colour, contrast, over, shown
from publisher.preflight.reading import Opened, blank, texts
from publisher.preflight.rules import Seen

#: Below this nobody sees that there is text.
INVISIBLE = 1.3
_LETTERS = re.compile(r"\w")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(px|pt)")


@dataclass(frozen=True, slots=True)
class Look:
    """What an element and those around it give to its text. `ground` is None over a picture; `size` in px."""

    ink: Colour = BLACK
    ground: Colour | None = WHITE
    size: float = 16
    bold: bool = False
    shown: bool = True


def check(opened: Opened) -> Iterator[Seen]:
    found = styles.sheets(opened.tree)
    for dark in (False, True) if any(rule.dark for rule in found) else (False,):
        yield from _mode(opened, found, dark)


def _mode(opened: Opened, found: tuple[styles.StyleRule, ...], dark: bool) -> Iterator[Seen]:
    given = styles.cascade(opened.tree, found, dark=dark)
    looks: dict[int, Look] = {}
    told: set[tuple[str, str]] = set()
    for node, text in texts(opened.tree.body):
        look = _look(node, given, looks)
        if look.ground is None or not look.shown or look.size < 2 or not _LETTERS.search(text):
            continue
        ink = over(look.ink, look.ground)
        ratio, least = contrast(ink, look.ground), _least(look)
        pair = shown(ink), shown(look.ground)
        if ratio >= least or pair in told:
            continue
        told.add(pair)
        mode = "in dark mode" if dark else "in light mode"
        rule = "invisible" if ratio < INVISIBLE else "contrast-dark" if dark else "contrast"
        yield Seen(
            rule,
            f"“{blank(text)[:40]}”, {mode}",
            f"{pair[0]} on {pair[1]} has a contrast of {ratio:.1f} to 1, and {least:g} is needed",
        )


def _least(look: Look) -> float:
    large = look.size >= 24 or (look.bold and look.size >= 18.66)
    return 3 if large else 4.5


def _look(node: LexborNode, given: Mapping[int, styles.Declarations], looks: dict[int, Look]) -> Look:
    """How text in an element looks; those around it are looked at first."""
    line = []
    here: LexborNode | None = node
    while here is not None and here.mem_id not in looks:
        line.append(here)
        here = here.parent
    look = looks[here.mem_id] if here is not None else Look()
    for one in reversed(line):
        look = looks[one.mem_id] = _within(look, one, given.get(one.mem_id, {}))
    return look


def _within(outer: Look, node: LexborNode, own: styles.Declarations) -> Look:
    value = {name: text for name, (text, _) in own.items()}
    ink = colour(value.get("color", "") or node.attributes.get("color") or "")
    if ink is None:
        ink = LINK if node.tag == "a" and "inherit" not in value.get("color", "") else outer.ink
    weight = value.get("font-weight", "")
    bold = node.tag in ("b", "strong", "h1", "h2", "h3", "th") or outer.bold
    if weight:
        bold = weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 700)
    return Look(
        ink=ink,
        ground=_ground(outer.ground, node, value),
        size=_size(value.get("font-size", ""), outer.size),
        bold=bold,
        shown=outer.shown and value.get("display") != "none",
    )


def _ground(outer: Colour | None, node: LexborNode, value: Mapping[str, str]) -> Colour | None:
    given = value.get("background-color") or value.get("background") or node.attributes.get("bgcolor") or ""
    own = colour(given)
    if own is not None and own[3]:
        return over(own, outer or WHITE)
    image = "url(" in value.get("background-image", "") + value.get("background", "")
    return None if image or "background" in node.attributes else outer


def _size(text: str, outer: float) -> float:
    match = _SIZE.search(text)
    if not match:
        return outer
    return float(match[1]) * (4 / 3 if match[2] == "pt" else 1)
