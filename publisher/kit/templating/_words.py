"""Built-in words in the reader's language: gettext catalogues, `locales/<language>.po` in the template folders.

They are read as they are, so a site adds a language, or changes one word, with one file of its own and no tool.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from jinja2 import pass_context
from jinja2.runtime import Context

#: The folder of catalogues inside a folder of templates.
LOCALES = "locales"

#: By language: what is spoken while a template is rendered.
_SPOKEN: Final[ContextVar[dict[str, NullTranslations] | None]] = ContextVar("spoken", default=None)


class Words:
    """Translations from several folders: for each message the first folder that has it wins; English is built in."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    @pass_context
    def one(self, context: Context, message: str) -> str:
        return self._of(str(context["language"])).gettext(message)

    @pass_context
    def many(self, context: Context, singular: str, plural: str, count: int) -> str:
        return self._of(str(context["language"])).ngettext(singular, plural, count)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within it, in this thread, the files of a language are looked at once and not for each word."""
        before = _SPOKEN.set({})
        try:
            yield
        finally:
            _SPOKEN.reset(before)

    def _of(self, language: str) -> NullTranslations:
        spoken = _SPOKEN.get()
        if spoken is None:
            return self._read(language)
        if language not in spoken:
            spoken[language] = self._read(language)
        return spoken[language]

    def _read(self, language: str) -> NullTranslations:
        return _chain(tuple(_stamped(self._folders, language)))


def _stamped(folders: Sequence[Path], language: str) -> Iterator[tuple[Path, int]]:
    """The catalogues for a language tag, the most special first, each with when it was written."""
    for tag in dict.fromkeys((language, language.split("-", maxsplit=1)[0])):
        for folder in folders:
            path = folder / LOCALES / f"{tag}.po"
            try:
                yield path, path.stat().st_mtime_ns
            except OSError:
                continue


@lru_cache(maxsize=100)
def _chain(catalogues: tuple[tuple[Path, int], ...]) -> NullTranslations:
    first: NullTranslations = NullTranslations()
    for path, _ in reversed(catalogues):
        translations = _read(path)
        translations.add_fallback(first)
        first = translations
    return first


def _read(path: Path) -> GNUTranslations:
    compiled = io.BytesIO()
    try:
        with path.open("rb") as source:
            write_mo(compiled, read_po(source, abort_invalid=True))
    except (PoFileError, ValueError) as error:
        raise ValueError(f"{path} is no gettext catalogue: {error}") from error
    compiled.seek(0)
    return GNUTranslations(compiled)
