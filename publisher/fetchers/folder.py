"""A folder of articles: plain text, Markdown with front matter, HTML.

Every look reads every file. What did not change has the same `raw_hash`, and nothing more is done for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo

from publisher.errors import SourceInvalid
from publisher.fetchers._markup import Draft, read_html, read_markdown
from publisher.fetchers._text import read_text
from publisher.model import Fetched, FetchedArticle, Refusal, Source
from publisher.ports import Known, nothing_known

MAXIMUM_BYTES: Final = 5 * 1024 * 1024  # of one file
MAXIMUM_FILES: Final = 100_000
_PAGE: Final = 100
_KINDS: Final = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
#: Hidden files, and what editors and word processors leave beside the file they have open.
_IGNORED: Final = (".", "~", "#")
_LEAVES: Final = "it is a link that leads out of the folder: put the file itself here"


@dataclass(slots=True)
class _Reading:
    """What has been read of the page that is being filled; `names` are the identities of all pages."""

    articles: list[FetchedArticle] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def page(self) -> Fetched:
        page = Fetched(articles=tuple(self.articles), cursor={}, refused=tuple(self.refused))
        self.articles, self.refused = [], []
        return page


class ArticleFolder:
    """Reads a folder and those below it; `source.url` is its path.

    Options: `timezone` (of dates that name none), `categories` ("folders" makes the names of subfolders
    categories), `base_url` (what relative addresses in files are relative to).
    """

    def fetch(
        self,
        source: Source,
        *,
        now: datetime,  # noqa: ARG002  # the port's
        known: Known = nothing_known,  # noqa: ARG002  # as the port has it
    ) -> Iterator[Fetched]:
        """Raises SourceInvalid when there is no such folder, or it may not be read."""
        reading = _Reading()
        for path in _files(source, reading.refused):
            self._read(source, path, reading)
            if len(reading.articles) >= _PAGE:
                yield reading.page()
        yield reading.page()

    def check(self, source: Source, *, now: datetime) -> str:
        """Such as "12 articles, 1 not readable". Raises SourceInvalid as `fetch` does."""
        pages = list(self.fetch(source, now=now))
        articles = sum(len(page.articles) for page in pages)
        refused = sum(len(page.refused) for page in pages)
        told = f"{articles:,} article{'' if articles == 1 else 's'}"
        return f"{told}, {refused:,} not readable" if refused else told

    def _read(self, source: Source, path: PurePosixPath, reading: _Reading) -> None:
        name = _shown(path)
        try:
            article = _article(source, path, _bytes(source, path))
        except Draft:
            return
        except OSError as error:
            reading.refused.append(Refusal(item=name, reason=f"it cannot be opened ({error.strerror or error})"))
        except ValueError as error:
            reading.refused.append(Refusal(item=name, reason=str(error)))
        else:
            other = reading.names.setdefault(article.native_id, name)
            if other == name:
                reading.articles.append(article)
            else:
                reason = f"same id as {other}, {article.native_id[:100]!r}: give each its own"
                reading.refused.append(Refusal(item=name, reason=reason))


def _files(source: Source, refused: list[Refusal]) -> list[PurePosixPath]:
    """The paths of the files to read, relative to the folder, in a lasting order."""
    root = _root(source)
    found: list[PurePosixPath] = []

    def unreadable(error: OSError) -> None:
        place = Path(error.filename or root)
        refused.append(Refusal(item=_named(root, place), reason=f"the folder cannot be opened ({error.strerror})"))

    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(_IGNORED))
        refused += [
            Refusal(item=_named(root, here / name), reason=_LEAVES) for name in folders if _leaves(root, here / name)
        ]
        wanted = (name for name in names if not name.startswith(_IGNORED) and Path(name).suffix.lower() in _KINDS)
        found += [PurePosixPath((here / name).relative_to(root).as_posix()) for name in wanted]
        if len(found) > MAXIMUM_FILES:
            raise SourceInvalid(f"the folder {root} has more than {MAXIMUM_FILES:,} articles: use several sources")
    return sorted(found)


def _root(source: Source) -> Path:
    root = Path(source.url)
    remedy = f"set the path of the source {source.slug!r} in settings.toml"
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        raise SourceInvalid(f"the folder of articles {root} {what}: create it, or {remedy}", source=source.slug)
    if not os.access(root, os.R_OK | os.X_OK):
        raise SourceInvalid(f"the folder of articles {root} may not be read: allow it, or {remedy}", source=source.slug)
    return root


def _leaves(root: Path, place: Path) -> bool:
    """Whether this is a link that leads out of the folder. (Links to folders inside are not followed either.)"""
    try:
        return place.is_symlink() and not place.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return True


def _named(root: Path, place: Path) -> str:
    return _shown(PurePosixPath(place.relative_to(root).as_posix())) if place.is_relative_to(root) else place.name


def _bytes(source: Source, path: PurePosixPath) -> bytes:
    """What is in the file. Raises ValueError when it is none to be read, and OSError."""
    root = Path(source.url)
    place = root / path
    if _leaves(root, place):
        raise ValueError(_LEAVES)
    told = place.stat()
    if not stat.S_ISREG(told.st_mode):
        raise ValueError("it is no ordinary file")
    with place.open("rb") as file:
        data = file.read(MAXIMUM_BYTES + 1)
    if len(data) > MAXIMUM_BYTES:
        raise ValueError(f"it has {told.st_size:,} bytes, and an article may have {MAXIMUM_BYTES:,}")
    return data


def _article(source: Source, path: PurePosixPath, data: bytes) -> FetchedArticle:
    zone = _zone(source)
    kind = _KINDS[path.suffix.lower()]
    native_id = ""
    if kind == "markdown":
        native_id, article = read_markdown(data, zone)
    else:
        article = read_text(data) if kind == "text" else read_html(data, zone)
    folders = _categories(path) if source.options.get("categories") == "folders" else ()
    return replace(
        article,
        native_id=native_id or _shown(path),
        base_url=str(source.options.get("base_url") or ""),
        categories=(*article.categories, *folders),
        raw_hash=_raw_hash(source, path, data),
    )


def _zone(source: Source) -> tzinfo:
    name = str(source.options.get("timezone") or "UTC")
    return UTC if name == "UTC" else ZoneInfo(name)


def _categories(path: PurePosixPath) -> tuple[str, ...]:
    """The folders above a file as categories: "local-news" is "Local news"."""
    names = (
        " ".join(unicodedata.normalize("NFC", part).replace("-", " ").replace("_", " ").split())
        for part in path.parts[:-1]
    )
    return tuple(name[:1].upper() + name[1:] if name.islower() else name for name in names if name)


def _raw_hash(source: Source, path: PurePosixPath, data: bytes) -> str:
    """Over the file and what else decides how it is read."""
    options = [source.options.get(name) for name in ("timezone", "categories", "base_url")]
    return hashlib.sha256(f"{_shown(path)}\n{options}\n".encode() + data).hexdigest()


def _shown(path: PurePosixPath) -> str:
    """The path as text, the same on every system, whatever bytes the name has."""
    return unicodedata.normalize("NFC", str(path)).encode("utf-8", "backslashreplace").decode()
