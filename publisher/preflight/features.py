"""HTML and CSS that a mail program does not know, by the published table (`support`).

What stands under @media or @supports, under a selector for one mail program, or in a conditional comment only adds to
what is shown without it: that is a stated fallback. So is everything in `HARMLESS`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from selectolax.lexbor import LexborNode

from publisher.preflight import styles, support
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

#: Where these are not known, text, pictures or the places of things are lost.
LOST: Final = frozenset(
    [
        "css-display-flex",
        "css-display-grid",
        "css-position",
        "css-variables",
        "css-function-light-dark",
        "css-modern-color",
        "css-at-import",
        "css-clip-path",
        "css-mask-image",
        "css-writing-mode",
        "css-function-clamp",
        "css-function-min",
        "css-function-max",
        "css-unit-calc",
        "html-audio",
        "html-video",
        "html-object",
        "html-svg",
        "html-form",
        "html-input-text",
        "html-input-submit",
        "html-select",
        "html-textarea",
        "html-button-submit",
        "html-dialog",
        "html-link",
        "image-avif",
        "image-base64",
        "image-hdr",
        "image-heif",
        "image-mp4",
        "image-svg",
        "image-tiff",
        "image-webp",
        "image-ico",
    ]
)
#: What happens instead, where these are not known.
HARMLESS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("css-border-radius", "css-box-shadow", "css-text-shadow", "css-outline", "css-outline-offset"),
        "corners are square and nothing throws a shadow",
    ),
    **dict.fromkeys(("css-animation", "css-transition", "css-transform", "css-at-keyframes"), "nothing moves"),
    **dict.fromkeys(
        ("css-word-break", "css-overflow-wrap", "css-word-wrap", "css-hyphens", "css-orphans", "css-widows"),
        "lines break where the mail program likes",
    ),
    **dict.fromkeys(
        ("css-text-decoration-color", "css-text-decoration-thickness", "css-text-underline-offset"),
        "links are underlined as usual",
    ),
    **dict.fromkeys(("css-user-select", "css-cursor", "css-resize"), "it is about a mouse"),
    **dict.fromkeys(("css-at-font-face", "css-sytem-ui"), "the next font of the list is used"),
    **dict.fromkeys(("css-color-scheme", "html-meta-color-scheme"), "the mail program turns colours as it likes"),
    **dict.fromkeys(("css-min-width", "css-min-height", "css-max-height", "css-overflow"), "the content decides"),
    **dict.fromkeys(("css-object-fit", "css-object-position", "css-aspect-ratio"), "the picture has its own shape"),
    **dict.fromkeys(("css-background-position", "css-background-size", "css-background-repeat"), "see its picture"),
    **dict.fromkeys(
        ("html-aria-describedby", "html-aria-labelledby", "html-aria-live", "html-aria-hidden", "html-aria-label"),
        "a screen reader reads the text itself",
    ),
    **dict.fromkeys(("html-abbr", "html-acronym", "html-bdi", "html-wbr", "html-semantics"), "its text is shown"),
    **dict.fromkeys(("html-srcset", "html-picture", "html-loading-attribute"), "the src of the picture is shown"),
    **dict.fromkeys(("html-body", "html-target", "html-image-maps"), "the mail program does it its own way"),
    "css-display-none": "mso-hide hides it in Outlook",
    "css-visibility": "mso-hide hides it in Outlook",
    "css-table-layout": "the content decides how wide columns are",
    "css-border-spacing": "cellspacing says the same",
    "css-height": "Yahoo takes it for the least height",
    "css-list-style-position": "marks stand outside",
    "html-hidden": "display: none says the same",
}
_PROGRAM_ONLY = re.compile(r"\[data-og|\.ExternalClass|#MessageViewBody|\.gmail|u \+ |\[class~=|#outlook|:root")
_FUNCTION = re.compile(r"\b([a-z-]+)\(")
_UNIT = re.compile(r"\d(ch|rem|vh|vw|vmin|vmax)\b")
_IMAGE = re.compile(r"\.(apng|avif|bmp|gif|hdr|heif|ico|jpe?g|mp4|png|svg|tiff?|webp)(?:[?#]|$)", re.IGNORECASE)
_SAME = {"jpeg": "jpg", "tif": "tiff"}
#: Every mail program takes these out, so the published table does not even list them.
_TAKEN_OUT = frozenset({"script", "iframe", "embed", "applet"})

#: What shows that a feature is used, and where.
Marks = Iterator[tuple[tuple[str, str], str]]


def check(opened: Opened, table: support.Table) -> Iterator[Seen]:
    known = table.by_mark()
    told: set[str] = set()
    for mark, where in _marks(opened):
        feature = known.get(mark)
        if feature is None or feature.slug in told or feature.slug in HARMLESS or not feature.lacking:
            continue
        told.add(feature.slug)
        rule = "unsupported" if feature.slug in LOST else "differs"
        yield Seen(rule, where, f"{', '.join(feature.lacking)} cannot do {feature.title} ({table.date})")
    for node in opened.nodes(", ".join(sorted(_TAKEN_OUT))):
        yield Seen("unsupported", f"<{node.tag}>", f"Every mail program takes <{node.tag}> out")


def _marks(opened: Opened) -> Marks:
    for node in opened.nodes("body, body *, head link"):
        yield from _of_element(node)
        style = styles.declarations(node.attributes.get("style") or "")
        yield from _of_style(style, f"<{node.tag}>")
        if _paints(style) and not _painted_below(node, style):
            yield ("property", "background-image"), f"<{node.tag}>"
    for rule in styles.sheets(opened.tree):
        if rule.condition.startswith("@") and not rule.condition.startswith(("@media", "@supports")):
            yield ("at", rule.condition.split()[0]), rule.condition.split()[0]
        elif not rule.condition and not _PROGRAM_ONLY.search(rule.selector):
            yield from _of_style(rule.declarations, f"the style of {rule.selector[:40]}")
    if any("@import" in (node.text() or "") for node in opened.nodes("style")):
        yield ("at", "@import"), "<style>"


def _of_element(node: LexborNode) -> Marks:
    tag, where = node.tag or "", f"<{node.tag}>"
    yield ("element", tag), where
    for name, value in node.attributes.items():
        yield ("attribute", name), f"{where} {name}"
        yield ("value", f"<{tag} {name}={value}>"), where
    source = node.attributes.get("src") or ""
    if tag in ("img", "source") and source.startswith("data:"):
        yield ("image", "base64"), where
    elif tag == "img" and (match := _IMAGE.search(source.partition("?")[0])):
        ending = match[1].lower()
        yield ("image", _SAME.get(ending, ending)), f"{where} {source[-60:]}"


def _of_style(given: styles.Declarations, where: str) -> Marks:
    for name, (value, _) in given.items():
        if name.startswith(("mso-", "-webkit-", "-ms-", "-moz-", "background")):
            continue  # read by those that know them, and backgrounds are looked at with their ground
        place = f"{where} {name}"
        if name == "position" and value in ("static", "relative"):
            continue
        yield ("property", name), place
        yield ("value", f"{name}:{value}"), place
        yield from ((("function", one), place) for one in _FUNCTION.findall(value))
        yield from ((("unit", one), place) for one in _UNIT.findall(value))


def _paints(given: styles.Declarations) -> bool:
    return any("url(" in given.get(name, ("", False))[0] for name in ("background", "background-image"))


def _painted_below(node: LexborNode, given: styles.Declarations) -> bool:
    """Whether there is a colour where the picture is not shown."""
    plain = re.sub(r"url\([^)]*\)", "", given.get("background", ("", False))[0])
    return "background-color" in given or "bgcolor" in node.attributes or bool(re.search(r"#|rgb|\b[a-z]{3,}\b", plain))
