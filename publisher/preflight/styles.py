"""The styles of a message, as far as mail programs read them: rules, and what they give to each element."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.DOTALL)
_DECLARATION = re.compile(r"""(?:[^;"'(]|"[^"]*"|'[^']*'|\([^)]*\)|["'(])+""")
_DARK = re.compile(r"prefers-color-scheme\s*:\s*dark")

#: By property: its value, and whether it is !important.
Declarations = dict[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class StyleRule:
    """`condition` is the at-rule it stands in, such as "@media (max-width: 480px)", "" outside of any."""

    condition: str
    selector: str
    declarations: Declarations = field(default_factory=dict)

    @property
    def dark(self) -> bool:
        return bool(_DARK.search(self.condition))


def declarations(text: str) -> Declarations:
    found: Declarations = {}
    for piece in _DECLARATION.findall(text):
        name, colon, value = piece.partition(":")
        if colon:
            plain = re.sub(r"\s*!\s*important\s*$", "", value.strip(), flags=re.IGNORECASE)
            found[name.strip().lower()] = (plain, plain != value.strip())
    return found


def rules(css: str, condition: str = "") -> Iterator[StyleRule]:
    """The rules of a style sheet in order; those in @media and @supports with their condition."""
    text = _COMMENT.sub("", css)
    position = 0
    while (start := text.find("{", position)) >= 0:
        head = text[position:start].rpartition(";")[2].strip()
        end = _closing(text, start)
        inner = text[start + 1 : end]
        if head.startswith(("@media", "@supports")):
            yield from rules(inner, f"{condition} {head}".strip())
        elif head.startswith("@"):
            yield StyleRule(f"{condition} {head}".strip(), "", declarations(inner))
        else:
            yield StyleRule(condition, head, declarations(inner))
        position = end + 1


def _closing(text: str, start: int) -> int:
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.start()
    return len(text)


def sheets(tree: LexborHTMLParser) -> tuple[StyleRule, ...]:
    return tuple(rule for node in tree.css("style") for rule in rules(node.text() or ""))


def cascade(tree: LexborHTMLParser, found: tuple[StyleRule, ...], *, dark: bool) -> Mapping[int, Declarations]:
    """By element (`mem_id`): its own declarations, in light or in dark mode, on a wide window."""
    given: dict[int, Declarations] = {}
    fitting = [rule for rule in found if rule.selector and (not rule.condition or (dark and rule.dark))]
    for rule in sorted(fitting, key=lambda rule: _weight(rule.selector)):
        for node in _matched(tree, rule.selector):
            _add(given.setdefault(node.mem_id, {}), rule.declarations)
    for node in tree.css("[style]"):
        own = given.setdefault(node.mem_id, {})
        urgent = {name: value for name, value in own.items() if value[1]}
        own.update(declarations(node.attributes.get("style") or ""))
        own.update({name: value for name, value in urgent.items() if not own[name][1] or name in urgent})
    return given


def _add(own: Declarations, more: Declarations) -> None:
    for name, (value, urgent) in more.items():
        if urgent or not own.get(name, ("", False))[1]:
            own[name] = (value, urgent)


def _weight(selector: str) -> tuple[int, int, int]:
    """CSS specificity, of the first of several selectors."""
    first = selector.partition(",")[0]
    return (
        first.count("#"),
        len(re.findall(r"[.\[]|(?<!:):(?!:)", first)),
        len(re.findall(r"(?:^|[\s>+~])[a-z]", first)),
    )


def _matched(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    try:
        return tree.css(selector)
    except (SelectolaxError, ValueError):
        return []  # a selector for one mail program only
