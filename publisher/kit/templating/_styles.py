"""Styles for mail programs, which read little but what is written onto the elements."""

from __future__ import annotations

import re
from typing import Final

import css_inline

_TAG: Final = re.compile(r'<[a-z][^\s>]*+(?:\s[^\s=>]++="[^"]*+")++>')  # never tries a shorter part again
_MARK: Final = ' data-css-inline="ignore"'
_NO_STYLE: Final = re.compile(r"<style>\s*</style>")


def inline_css(document: str) -> str:
    """An HTML document with its styles written onto its elements, since many mail programs read only those.

    Rules that cannot be written onto an element (media queries, `[data-ogsc]`) stay in `<style>`, and a
    `<style data-css-inline="ignore">` stays as it is. Nothing is loaded, from the network or from files.
    """
    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True, remove_inlined_selectors=True
    )
    written = _NO_STYLE.sub("", inliner.inline(document)).replace(_MARK, "")
    # HTML allows < and > in a quoted attribute, where less able parsers take them for tags.
    return _TAG.sub(_without_brackets, written)


def _without_brackets(tag: re.Match[str]) -> str:
    return "<" + tag[0][1:-1].replace("<", "&lt;").replace(">", "&gt;") + ">"
