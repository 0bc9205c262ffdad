"""Colours and their contrast, as WCAG 2.2 (1.4.3) counts it."""

from __future__ import annotations

import re

#: Red, green, blue and alpha, 0 to 255.
Colour = tuple[int, int, int, int]

WHITE: Colour = (255, 255, 255, 255)
BLACK: Colour = (0, 0, 0, 255)
LINK: Colour = (0, 0, 238, 255)

_RGBA = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+%?))?\s*\)")
_TOKEN = re.compile(r"#[0-9a-f]{3,8}\b|rgba?\([^)]*\)|hsla?\([^)]*\)|[a-z]+", re.IGNORECASE)


def colour(text: str) -> Colour | None:
    """The first colour in a value such as "#0b5277" or "url(x) white"; None without one that is known."""
    from PIL import ImageColor  # late: a picture library

    for token in _TOKEN.findall(re.sub(r"url\([^)]*\)", "", text)):
        name = token.lower()
        if name == "transparent":
            return (0, 0, 0, 0)
        if match := _RGBA.fullmatch(name):
            red, green, blue = (min(int(part), 255) for part in match.groups()[:3])
            return red, green, blue, _alpha(match[4])
        try:
            given = ImageColor.getrgb(name)
        except ValueError:
            continue
        return (*given[:3], given[3] if len(given) > 3 else 255)
    return None


def _alpha(text: str | None) -> int:
    if not text:
        return 255
    share = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    return round(255 * min(max(share, 0), 1))


def over(above: Colour, below: Colour) -> Colour:
    """A colour that lets through, laid on one that does not."""
    share = above[3] / 255
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(above[:3], below[:3], strict=True))
    return red, green, blue, 255


def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same) to 21 (black on white)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [value / 255 for value in colour[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def shown(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour[:3])
