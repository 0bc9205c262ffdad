"""Files of readers, line by line: text in whatever encoding a spreadsheet wrote, and new files written whole."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from publisher.cli import console

if TYPE_CHECKING:
    from publisher.audience import Imported
    from publisher.model import Refusal
    from publisher.ports import Parts


def take(
    parts: Parts,
    path: Path,
    newsletter: str,
    refused: Callable[[Refusal], None],
    *,
    shown: bool = True,
    rechoose: bool = False,
) -> Imported:
    """Add the readers in a CSV file to the newsletters it names, or where it names none to the given or only one. With
    `rechoose` it also says what those want who are known already.

    Raises OSError, NotFound for an unknown newsletter, and typer.BadParameter when the file cannot be used.
    """
    from publisher.audience import Importer

    with path.open("rb") as file, console.progress(f"reading {path.name}", path.stat().st_size, shown=shown) as bar:
        source = Lines(file)
        lines = iter(source)
        header = next(lines, "")
        importer = Importer(
            store=parts.store,
            keys=parts.keys,
            newsletters={known.slug: known for known in parts.newsletters},
            default=meant(parts, newsletter, needed="newsletters" not in header.casefold()),
            origin=path.name,
            now=parts.clock.now(),
            rechoose=rechoose,
        )
        try:
            return importer.run(chain([header], lines), refused, source.telling(bar))
        except ValueError as error:
            raise typer.BadParameter(f"{path}: {error}") from None


def meant(parts: Parts, newsletter: str, *, needed: bool) -> tuple[str, ...]:
    """The newsletter that is meant where none is named: the given one, or the only one there is."""
    from publisher import pipeline

    if newsletter:
        return (pipeline.newsletter_of(parts, newsletter).slug,)
    slugs = [known.slug for known in parts.newsletters]
    if len(slugs) == 1 or not needed:
        return tuple(slugs) if len(slugs) == 1 else ()
    raise typer.BadParameter(f"which one? There is {', '.join(slugs) or 'none yet'}", param_hint="--newsletter")


@dataclass(slots=True)
class Lines:
    """The lines of a file as text. `read` counts its bytes so far.

    UTF-16 is known by its mark; a line that is not UTF-8 is read as Windows-1252, which is what spreadsheets of
    Western Europe write.
    """

    file: BufferedReader
    read: int = 0

    def __iter__(self) -> Iterator[str]:
        if self.file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            for text in codecs.getreader("utf-16")(self.file):
                self.read += 2 * len(text)
                yield text
            return
        for line in self.file:
            self.read += len(line)
            yield _text(line)

    def telling(self, bar: Callable[[int], None]) -> Callable[[int], None]:
        """Tells a bar that counts bytes how far the lines have got, whatever it is called with."""
        told = 0

        def advance(_lines: int) -> None:
            nonlocal told
            bar(self.read - told)
            told = self.read

        return advance


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


@contextmanager
def written_whole(path: Path) -> Iterator[IO[str]]:
    """A text file that only its owner may read, and that is there whole or not at all. Raises OSError."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        error.filename = str(path.parent)  # nobody knows the temporary name
        raise
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
