"""Templates: Jinja2 in its sandbox, looked up in several folders, with errors that an editor can act on.

A template sees the values it is given and nothing else: no settings, no environment variables, no Python
internals, no files outside the template folders. What a template may cost is bounded: `range`, repeated
strings, powers, and the size of the output.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import textwrap
import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import css_inline
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
    meta,
    pass_context,
    select_autoescape,
)
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from publisher.errors import TemplateError
from publisher.kit import html

#: The most steps that `range` takes in a template.
MAXIMUM_STEPS: Final = 1_000
#: The longest output of one template, and the longest repeated string, in characters.
MAXIMUM_OUTPUT: Final = 2_000_000
#: The widest number a power may make, in bits.
MAXIMUM_BITS: Final = 1_024

_DATE_STYLES: Final = frozenset({"full", "long", "medium", "short"})
_TAG: Final = re.compile(r'<[a-z][^\s>]*(?:\s[^\s=>]+="[^"]*")+>')
_STYLE_MARK: Final = re.compile(r' data-css-inline="ignore"|<style>\s*</style>')
# Jinja names the class of a value that lacks an attribute; its module means nothing to an editor.
_UNDEFINED: Final = re.compile(r"'(?:\w+\.)+(\w+) object'")


class TemplateFolders:
    """Templates by name from several folders: the first folder that has the name wins.

    Put a site's own folder before the packaged one. `{% extends %}`, `{% include %}` and `{% import %}` look
    in all of them, so a site may replace one part of a packaged template. Names ending in `.html` escape
    the values they show; others do not. Implements `ports.Templates`.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._refers: dict[bytes, list[str]] = {}  # by source: parsing one takes milliseconds
        self._environment = _Sandbox(
            loader=FileSystemLoader([str(folder) for folder in folders]),
            autoescape=select_autoescape(("html",), default=False, default_for_string=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_shown,
        )
        self._environment.globals = {"range": _bounded_range, "namespace": Namespace}
        self._environment.filters.pop("random")
        self._environment.filters |= {
            "date": _date,
            "direction": direction,
            "names": _names,
            "text": html.text,
            "wrap": wrap,
        }

    def render(self, name: str, values: Mapping[str, Any], *, language: str = "en") -> str:
        """A template filled in. Besides `values` it sees `language` and `direction` ("ltr" or "rtl").

        Raises TemplateError with the file, the line and the culprit.
        """
        try:
            template = self._environment.get_template(name)
            return _bounded(template, {**values, "language": language, "direction": direction(language)})
        except Exception as error:  # whatever a template or its values make Jinja raise, an editor mends it there
            raise self._explain(name, error) from error

    def fingerprint(self, prefix: str) -> str:
        """A hash over all template sources below a prefix such as "digest/daily", and those they refer to.

        Never fails: what cannot be read or parsed is hashed as it is, so mending it changes the hash.
        """
        start = f"{prefix.rstrip('/')}/"
        waiting = [name for name in self._environment.list_templates() if name.startswith(start)]
        sources: dict[str, bytes] = {}
        while waiting:
            name = waiting.pop()
            if name not in sources:
                sources[name] = self._bytes(name)
                waiting += self._references(sources[name])
        digest = hashlib.sha256()
        for name, source in sorted(sources.items()):
            digest.update(f"{name}\0{len(source)}\0".encode() + source)
        return digest.hexdigest()

    def _bytes(self, name: str) -> bytes:
        for folder in self._folders:
            with contextlib.suppress(OSError):
                return (folder / name).read_bytes()
        return b""

    def _references(self, source: bytes) -> list[str]:
        """The templates that this one extends, includes or imports by name."""
        if source not in self._refers:
            found: list[str | None] = []
            with contextlib.suppress(TemplateSyntaxError, UnicodeDecodeError):
                found += meta.find_referenced_templates(self._environment.parse(source.decode()))
            self._refers[source] = [name for name in found if name and ".." not in name]
        return self._refers[source]

    def _explain(self, name: str, error: Exception) -> TemplateError:
        file, line = self._place(name, error)
        return TemplateError(self._words(error), template=file, line=line)

    def _place(self, name: str, error: Exception) -> tuple[str, int | None]:
        """The file and line in a template that an error comes from, as far as that can be told."""
        if isinstance(error, TemplateSyntaxError):
            return error.filename or error.name or name, error.lineno
        roots = tuple(str(folder) for folder in self._folders)
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename.startswith(roots):
                return frame.filename, frame.lineno
        return name, None

    def _words(self, error: Exception) -> str:
        if isinstance(error, TemplateNotFound):
            return f"there is no template {error.name} in {self._places()}"
        if isinstance(error, UnicodeDecodeError):
            return "it is not UTF-8; save it as UTF-8"
        if isinstance(error, RecursionError):
            return "it includes itself without end"
        return _UNDEFINED.sub(r"\1", str(error)) or type(error).__name__

    def _places(self) -> str:
        return " or ".join(map(str, self._folders))


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with bounds on what two small operators may make."""

    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A mapping's own entry wins over a method of mappings, so `words.copy` is a word."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and (abs(right) > MAXIMUM_BITS or abs(left) > 2**MAXIMUM_BITS):
            raise SecurityError("this power is too large")
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if hasattr(many, "__len__") and isinstance(times, int) and len(many) * times > MAXIMUM_OUTPUT:
                    raise SecurityError("this repetition is too long")
        return super().call_binop(context, operator, left, right)


def _bounded(template: Template, values: Mapping[str, Any]) -> str:
    parts: list[str] = []
    length = 0
    for part in template.generate(**values):
        length += len(part)
        if length > MAXIMUM_OUTPUT:
            raise SecurityError(f"it makes more than {MAXIMUM_OUTPUT:,} characters")
        parts.append(part)
    return "".join(parts)


def _shown(value: Any) -> Any:
    """What `{{ value }}` writes: anything but a function, which somebody forgot to call."""
    if callable(value) and not isinstance(value, Undefined):
        raise SecurityError(f"{getattr(value, '__name__', 'this')} is a function; call it with ()")
    return value


def _bounded_range(*bounds: int) -> range:
    steps = range(*bounds)
    if len(steps) > MAXIMUM_STEPS:
        raise SecurityError(f"a range may have at most {MAXIMUM_STEPS:,} steps")
    return steps


# ---------------------------------------------------------------- filters


def direction(language: str) -> str:
    """The direction a language is written in, for the `dir` attribute: "ltr" or "rtl"."""
    return _locale(language).text_direction


def wrap(value: str, width: int = 72, indent: str = "") -> str:
    """Text with its lines broken at spaces, paragraph by paragraph; an address longer than a line stays whole."""
    wrapper = textwrap.TextWrapper(
        width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapper.fill(line) if line.strip() else "" for line in value.splitlines())


@pass_context
def _date(context: Context, value: date, format: str = "full", timezone: str = "") -> str:
    """A day or an instant in the reader's language: a style ("full", "long", "medium", "short") or a CLDR pattern.

    An instant is shown in that time zone (an IANA name), else in that of the value `timezone`, else in UTC.
    """
    locale = _locale(str(context["language"]))
    if isinstance(value, datetime):
        value = value.astimezone(ZoneInfo(timezone or str(context.get("timezone", "UTC"))))
    if isinstance(value, datetime) and format not in _DATE_STYLES:
        return format_datetime(value, format, locale=locale)
    return format_date(value, format, locale)


@pass_context
def _names(context: Context, value: Iterable[str]) -> str:
    """Several names as one would say them: "Orla Keane, Tom Daly and Ann Ruane"."""
    return format_list(list(value), locale=_locale(str(context["language"])))


def _locale(language: str) -> Locale:
    """The locale of a language tag such as "en-IE"; an unknown one falls back to its language, then English."""
    for tag in (language, language.split("-", maxsplit=1)[0], "en"):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    raise AssertionError("Babel knows English")


# ---------------------------------------------------------------- mail


def inline_css(document: str) -> str:
    """An HTML document with its styles written onto its elements, since many mail programs read only those.

    Rules that cannot be written onto an element (media queries, `[data-ogsc]`) stay in `<style>`, and a
    `<style data-css-inline="ignore">` stays as it is. Nothing is loaded, from the network or from files.
    """
    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True, remove_inlined_selectors=True
    )
    # HTML allows < and > in a quoted attribute, where less able parsers take them for tags.
    return _TAG.sub(_without_brackets, _STYLE_MARK.sub("", inliner.inline(document)))


def _without_brackets(tag: re.Match[str]) -> str:
    return "<" + tag[0][1:-1].replace("<", "&lt;").replace(">", "&gt;") + ">"
