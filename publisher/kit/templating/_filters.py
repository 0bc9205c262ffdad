"""Filters for days, names and lines, in the reader's language."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import lru_cache, wraps
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.lists import format_list
from babel.numbers import format_decimal
from jinja2 import pass_context
from jinja2.runtime import Context

_DATE_STYLES: Final = frozenset({"full", "long", "medium", "short"})
#: Texts whose lines are remembered, and the most characters of each: a story stands in many variants of an edition.
_TEXTS, _LONGEST = 1_000, 2_000


def direction(language: str) -> str:
    """The direction a language is written in, for the `dir` attribute: "ltr" or "rtl"."""
    return _locale(language).text_direction


def wrap(value: str, width: int = 72, indent: str = "", hanging: str | None = None) -> str:
    """Text with its lines broken at spaces, paragraph by paragraph; an address longer than a line stays whole.

    Lines after the first begin with `hanging`, by default with the same `indent`.
    """
    later = indent if hanging is None else hanging
    wrapper = textwrap.TextWrapper(
        width, initial_indent=indent, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapper.fill(line) if line.strip() else "" for line in value.splitlines())


def wrapping() -> Callable[..., str]:
    """`wrap`, which remembers the texts it was given last."""
    remembered = lru_cache(_TEXTS)(wrap)

    @wraps(wrap)
    def wrapped(value: str, *how: object, **named: object) -> str:
        short = isinstance(value, str) and len(value) <= _LONGEST
        return (remembered if short else wrap)(value, *how, **named)  # type: ignore[arg-type]

    return wrapped


@pass_context
def shown_date(context: Context, value: date, format: str = "full", timezone: str = "") -> str:
    """A day or an instant in the reader's language: a style ("full", "long", "medium", "short") or a CLDR pattern.

    An instant is shown in that time zone (an IANA name), else in that of the value `timezone`, else in UTC.
    """
    locale = _locale(str(context["language"]))
    if isinstance(value, datetime):
        value = _local(value, timezone or str(context.get("timezone", "UTC")))
    if isinstance(value, datetime) and format not in _DATE_STYLES:
        return format_datetime(value, format, locale=locale)
    return format_date(value, format, locale)


@pass_context
def shown_time(context: Context, value: datetime, timezone: str = "") -> str:
    """The time of day of an instant, as the reader's language writes it; the time zone as for `date`."""
    local = _local(value, timezone or str(context.get("timezone", "UTC")))
    return format_time(local, "short", tzinfo=local.tzinfo, locale=_locale(str(context["language"])))


def _local(value: datetime, timezone: str) -> datetime:
    """An instant on the clocks of a time zone; as it is where no calendar has that day: a source may date an
    article in the year 1 or 9999."""
    try:
        return value.astimezone(ZoneInfo(timezone))
    except OverflowError:
        return value


@pass_context
def shown_number(context: Context, value: float) -> str:
    """A number with the separators of the reader's language."""
    return format_decimal(value, locale=_locale(str(context["language"])))


@pass_context
def shown_names(context: Context, value: Iterable[str]) -> str:
    """Several names as one would say them: "Orla Keane, Tom Daly and Ann Ruane"."""
    return format_list(list(value), locale=_locale(str(context["language"])))


@lru_cache(maxsize=200)
def _locale(language: str) -> Locale:
    """The locale of a language tag such as "en-IE"; an unknown one falls back to its language, then English."""
    for tag in (language, language.split("-", maxsplit=1)[0], "en"):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    raise AssertionError("Babel knows English")
