"""A folder of articles: plain text, Markdown with front matter, HTML.

Every look opens every file. What is in one that is known, by its `raw_hash`, is not read; and the names of all files
are a complete list of what the folder has.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePath, PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo

from publisher.errors import SourceInvalid
from publisher.fetchers._again import whole_again
from publisher.fetchers._markup import Draft, id_of, read_html, read_markdown
from publisher.fetchers._text import read_text
from publisher.model import Fetched, FetchedArticle, Listing, Refusal, SecondLook, Source
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
_CLOSED: Final = "the folder cannot be opened"
#: It could be any article, also one that seems to be missing.
_STOPS: Final = "until it can, nothing that is missing from the source counts as removed"
_LEAVES: Final = "it is a link that leads out of the folder: put the file itself here"


@dataclass(slots=True)
class _Names:
    """What is in the folder: the identity of each file, by its path; those to be read; the places of those that have
    not told their identity; and whether that is all."""

    by_path: dict[PurePosixPath, str] = field(default_factory=dict)
    new: list[PurePosixPath] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    certain: bool = True
    refused: list[Refusal] = field(default_factory=list)

    def refuse(self, path: PurePosixPath, reason: str) -> None:
        self.refused.append(Refusal(item=_shown(path), reason=reason, id=_shown(path)))

    def hide(self, path: PurePosixPath, reason: str) -> None:
        """Refuse a file of which nobody can tell which article it is."""
        self.refuse(path, f"{reason}; {_STOPS}")
        self.hidden.append(_shown(path))
        self.certain = False


class ArticleFolder:
    """Reads a folder and those below it; `source.url` is its path.

    Options: `timezone` (of dates that name none), `categories` ("folders" makes the names of subfolders
    categories), `base_url` (what relative addresses in files are relative to).
    """

    def __init__(self, *, settle: float = 0) -> None:
        """`settle`: a file that was changed less than so many seconds ago is waited for, and left out when it is
        changed again meanwhile: somebody is still writing it."""
        self._settle = settle

    def fetch(self, source: Source, *, now: datetime, known: Known = nothing_known) -> Iterator[Fetched]:
        """As `ports.Fetcher`; with the first page comes the list. Raises SourceInvalid when there is no such folder,
        or it may not be read."""
        names = _names(source, known, self._settle)
        ids = (*names.by_path.values(), *names.hidden)
        listing = Listing(look=now.isoformat(), ids=ids, complete=True, certain=names.certain)
        page = Fetched(
            articles=(),
            cursor={},
            refused=tuple(names.refused),
            listing=listing,
            same=len(names.by_path) - len(names.new),
            whole=True,
        )
        for start in range(0, max(1, len(names.new)), _PAGE):
            articles, refused = _read(source, names, names.new[start : start + _PAGE])
            yield replace(page, articles=articles, refused=(*page.refused, *refused))
            page = Fetched(articles=(), cursor={})

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """As `ports.Fetcher`."""
        return whole_again(self, source, ids, now=now)

    def check(self, source: Source, *, now: datetime) -> str:
        """Such as "12 articles, 1 not readable". Raises SourceInvalid as `fetch` does."""
        pages = list(self.fetch(source, now=now))
        articles = sum(len(page.articles) for page in pages)
        refused = sum(len(page.refused) for page in pages)
        told = f"{articles:,} article{'' if articles == 1 else 's'}"
        return f"{told}, {refused:,} not readable" if refused else told


def matters(place: PurePath) -> bool:
    """Whether a look could find something else since this changed, which is given relative to the folder: a file that
    is read, or a folder. Others, such as pictures or what an editor keeps beside an open file, do not count."""
    ignored = any(part.startswith(_IGNORED) for part in place.parts)
    return not ignored and (place.suffix.lower() in _KINDS or not place.suffix)


def _names(source: Source, known: Known, settle: float) -> _Names:
    """Gives each file its identity: the one it is known by, what its front matter says, or its path."""
    names = _Names()
    hashes: dict[PurePosixPath, str] = {}
    paths = _files(source, names.refused)
    unfinished = _unfinished(source, paths, settle)
    for path in paths:
        try:
            if path in unfinished:
                raise ValueError("it is being written: it will be read when it is whole")
            hashes[path] = _raw_hash(source, path, _bytes(source, path))
        except (OSError, ValueError) as error:
            if _KINDS[path.suffix.lower()] == "markdown":
                names.hide(path, _why(error))
            else:
                names.refuse(path, _why(error))
                names.by_path[path] = _shown(path)
    names.certain = names.certain and not any(refusal.reason.startswith(_CLOSED) for refusal in names.refused)
    same = known(set(hashes.values()))
    taken = {id: path for path, id in names.by_path.items()}
    for path, raw_hash in hashes.items():
        try:
            id = same.get(raw_hash) or _identity(source, path)
        except Draft:
            continue
        except (OSError, ValueError) as error:
            names.hide(path, _why(error))
            continue
        if (other := taken.setdefault(id, path)) != path:
            names.refuse(path, f"same id as {_shown(other)}, {id[:100]!r}: give each its own")
            continue
        names.by_path[path] = id
        if raw_hash not in same:
            names.new.append(path)
    return names


def _unfinished(source: Source, paths: Sequence[PurePosixPath], settle: float) -> set[PurePosixPath]:
    """Those that somebody is writing right now. Waits at most `settle` seconds to find out."""
    young = {path: told for path in paths if settle and _age(told := _told(source, path)) < settle}
    if not young:
        return set()
    time.sleep(max(0.0, settle - min(map(_age, young.values()))))
    return {path for path, told in young.items() if _told(source, path) != told}


def _told(source: Source, path: PurePosixPath) -> tuple[int, int]:
    """When it was changed last, in nanoseconds, and its size; zeros when it cannot be known."""
    try:
        told = (Path(source.url) / path).stat()
    except OSError:
        return (0, 0)
    return (told.st_mtime_ns, told.st_size)


def _age(told: tuple[int, int]) -> float:
    """Seconds. What another machine's clock dates into the future is taken as old."""
    age = time.time() - told[0] / 1e9
    return age if age >= 0 else float("inf")


def _identity(source: Source, path: PurePosixPath) -> str:
    if _KINDS[path.suffix.lower()] != "markdown":
        return _shown(path)
    return id_of(_bytes(source, path)) or _shown(path)


def _read(
    source: Source, names: _Names, paths: Sequence[PurePosixPath]
) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
    articles: list[FetchedArticle] = []
    refused: list[Refusal] = []
    for path in paths:
        try:
            article = _article(source, path, _bytes(source, path))
            if article.native_id == names.by_path[path]:  # else it was saved again just now: the next look reads it
                articles.append(article)
        except Draft:
            continue
        except (OSError, ValueError) as error:
            refused.append(Refusal(item=_shown(path), reason=_why(error), id=_shown(path)))
    return tuple(articles), tuple(refused)


def _why(error: OSError | ValueError) -> str:
    return f"it cannot be opened ({error.strerror or error})" if isinstance(error, OSError) else str(error)


def _files(source: Source, refused: list[Refusal]) -> list[PurePosixPath]:
    """The paths of the files to read, relative to the folder, in a lasting order."""
    root = _root(source)
    found: list[PurePosixPath] = []

    def unreadable(error: OSError) -> None:
        place = Path(error.filename or root)
        refused.append(Refusal(item=_named(root, place), reason=f"{_CLOSED} ({error.strerror}); {_STOPS}"))

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
        place=_shown(path),
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
