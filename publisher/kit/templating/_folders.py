"""Templates by name from several folders, with errors that name the place."""

from __future__ import annotations

import contextlib
import hashlib
import re
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    select_autoescape,
)
from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

from publisher.errors import TemplateError
from publisher.kit import html
from publisher.kit.templating._bounds import MAXIMUM_OUTPUT, bounded_range, budget
from publisher.kit.templating._filters import direction, shown_date, shown_names, shown_number, shown_time, wrapping
from publisher.kit.templating._sandbox import Sandbox, shown
from publisher.kit.templating._words import LOCALES, Words

# Jinja names the class of a value that lacks an attribute; its module means nothing to an editor.
_UNDEFINED: Final = re.compile(r"'(?:\w+\.)+(\w+) object'")


class TemplateFolders:
    """Templates by name from several folders: the first folder that has the name wins.

    Put a site's own folder before the packaged one. `{% extends %}`, `{% include %}` and `{% import %}` look
    in all of them, so a site may replace one part of a packaged template. Names ending in `.html` escape
    the values they show; others do not. Implements `ports.Templates`.
    """

    def __init__(self, folders: Sequence[Path], *, changing: bool = True) -> None:
        """Where nobody changes them, their files are read once, and what their macros made is remembered."""
        self._folders = tuple(folders)
        self._refers: dict[bytes, list[str]] = {}  # by source: parsing one takes milliseconds
        self._environment = Sandbox(
            loader=FileSystemLoader([str(folder) for folder in folders]),
            autoescape=select_autoescape(("html",), default=False, default_for_string=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=shown,
            auto_reload=changing,
        )
        self._environment.globals = {"range": bounded_range, "namespace": Namespace}
        self._words = Words(self._folders)
        self._environment.add_words(self._words)
        self._environment.add_filters(
            date=shown_date,
            direction=direction,
            names=shown_names,
            number=shown_number,
            text=html.text,
            time=shown_time,
            wrap=wrapping(),
        )

    def render(self, name: str, values: Mapping[str, Any], *, language: str = "en") -> str:
        """A template filled in. Besides `values` it sees `language` and `direction` ("ltr" or "rtl").

        Raises TemplateError with the file, the line and the culprit.
        """
        try:
            with budget(), self._words.once():
                template = self._environment.get_template(name)
                return _bounded(template, {**values, "language": language, "direction": direction(language)})
        except Exception as error:  # whatever a template or its values make Jinja raise, an editor mends it there
            raise self._explain(name, error) from error

    def fingerprint(self, prefix: str) -> str:
        """A hash over the sources below a prefix such as "digest/daily": see `sources`.

        Never fails: what cannot be read or parsed is hashed as it is, so mending it changes the hash.
        """
        digest = hashlib.sha256()
        for name, source in sorted(self.sources(prefix).items()):
            digest.update(f"{name}\0{len(source)}\0".encode() + source)
        return digest.hexdigest()

    def sources(self, prefix: str) -> dict[str, bytes]:
        """All template sources below a prefix, those they refer to, and all words, by name."""
        start = f"{prefix.rstrip('/')}/"
        waiting = [name for name in self._environment.list_templates() if name.startswith((start, f"{LOCALES}/"))]
        sources: dict[str, bytes] = {}
        while waiting:
            name = waiting.pop()
            if name not in sources:
                sources[name] = self._bytes(name)
                waiting += () if name.endswith(".po") else self._references(sources[name])
        return sources

    def _bytes(self, name: str) -> bytes:
        for folder in self._folders:
            with contextlib.suppress(OSError):
                return (folder / name).read_bytes()
        return b""

    def _references(self, source: bytes) -> list[str]:
        """The templates that this one extends, includes or imports. Which ones nobody can tell where one goes by a
        value: then it may be any."""
        if source not in self._refers:
            found: list[str | None] = []
            with contextlib.suppress(TemplateSyntaxError, UnicodeDecodeError):
                found += meta.find_referenced_templates(self._environment.parse(source.decode()))
            if None in found:
                found += self._environment.list_templates()
            self._refers[source] = [name for name in found if name and ".." not in name]
        return self._refers[source]

    def _explain(self, name: str, error: Exception) -> TemplateError:
        file, line = self._place(name, error)
        return TemplateError(self._said(error), template=file, line=line)

    def _place(self, name: str, error: Exception) -> tuple[str, int | None]:
        """The file and line in a template that an error comes from, as far as that can be told."""
        if isinstance(error, TemplateSyntaxError):
            return error.filename or error.name or name, error.lineno
        roots = tuple(str(folder) for folder in self._folders)
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename.startswith(roots):
                return frame.filename, frame.lineno
        return name, None

    def _said(self, error: Exception) -> str:
        if isinstance(error, TemplateNotFound):
            return f"there is no template {error.name} in {self._places()}"
        if isinstance(error, UnicodeDecodeError):
            return "it is not UTF-8; save it as UTF-8"
        if isinstance(error, RecursionError):
            return "it includes itself without end"
        return _UNDEFINED.sub(r"\1", str(error)) or type(error).__name__

    def _places(self) -> str:
        return " or ".join(map(str, self._folders))


def _bounded(template: Template, values: Mapping[str, Any]) -> str:
    parts: list[str] = []
    length = 0
    for part in template.generate(**values):
        length += len(part)
        if length > MAXIMUM_OUTPUT:
            raise SecurityError(f"it makes more than {MAXIMUM_OUTPUT:,} characters")
        parts.append(part)
    return "".join(parts)
