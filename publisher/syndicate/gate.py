"""The publication gate: what readers get was parsed back, whole, and misses nothing that was there before.

The entries' own rules are checked once, when a fragment is made: it is read back in a document of its own. A
document is checked in its frame, and by a pass over all its bytes that finds the ids that should be there; that is
as good as reading every entry back, since every fragment stands in it unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from publisher.errors import GateError
from publisher.model import Article, Feed, FeedDocument, Fragment
from publisher.ports import Folder, Format, Fragments


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An article that no format could publish, and why; the rest of the feed goes out without it."""

    article: Article
    reason: str

    @property
    def item(self) -> str:
        return f"{self.article.revision.title!r} ({self.article.entry_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a feed: names of files written and of files that already held those bytes; `digests` are the
    SHA-256 of all of them, by name."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    format: Format
    name: str
    data: bytes
    ids: tuple[str, ...]


def publish(
    document: FeedDocument,
    formats: Mapping[str, Format],
    folder: Folder,
    *,
    known: Callable[[Collection[str]], Collection[str]],
    fragments: Fragments | None = None,
    may_be_empty: bool = False,
) -> Published:
    """Build, read back, compare, and replace the feed's files.

    An article that a format cannot publish is left out of all of them and named in the result. Entries are taken
    from `fragments`, and kept there when they had to be made. `known` tells which of some entries' ids belong to
    stored articles: only those may vanish from among the others. Raises GateError, before any file is touched, when
    the feed itself does not pass, lost entries, or would lose all of them; `may_be_empty` says that nothing is what
    it should hold. Raises FolderError; the last good files stay.
    """
    chosen = _chosen(document.feed, formats)
    for format in chosen:
        _frame(document, format)
    made, faults = _entries(document, chosen, fragments)
    left_out = _left_out(document, chosen, made, faults)
    gone = {left.article.id for left in left_out}
    kept = [article for article in document.articles if article.id not in gone]
    if left_out and not kept:
        raise GateError(
            f"feed {document.feed.slug}: none of its articles passes; first: {left_out[0].item}: {left_out[0].reason}",
            feed=document.feed.slug,
        )
    document = replace(document, articles=tuple(kept))
    files = [_file(document, format, [made[format.name, article.id] for article in kept]) for format in chosen]
    fresh = [(file, last) for file in files if (last := folder.get(file.name)) != file.data]
    for file, last in fresh:
        _compare(file, last, document, known, may_be_empty=may_be_empty)
    written = folder.put_all([(file.name, file.data, file.format.media_type) for file, _ in fresh])
    return Published(
        written=written,
        unchanged=tuple(file.name for file in files if file.name not in written),
        left_out=left_out,
        digests={file.name: hashlib.sha256(file.data).hexdigest() for file in files},
    )


def together(published: Iterable[Published]) -> Published:
    """What became of several documents of one feed, as one."""
    several = tuple(published)
    return Published(
        written=tuple(name for one in several for name in one.written),
        unchanged=tuple(name for one in several for name in one.unchanged),
        left_out=tuple({left.article.id: left for one in several for left in one.left_out}.values()),
    )


def _chosen(feed: Feed, formats: Mapping[str, Format]) -> tuple[Format, ...]:
    for name in feed.formats:
        if name not in formats:
            known = ", ".join(sorted(formats))
            raise GateError(f"feed {feed.slug}: there is no format {name!r}; known are {known}", feed=feed.slug)
    return tuple(formats[name] for name in feed.formats)


# ---------------------------------------------------------------- entries, each checked once


def _entries(
    document: FeedDocument, formats: Sequence[Format], kept: Fragments | None
) -> tuple[dict[tuple[str, int], Fragment], dict[int, str]]:
    """Fragments by format and article, and by article the reason why it cannot be published."""
    shapes = {format.name: _shape(document.feed, format) for format in formats}
    there = kept.get(shapes, [article.id for article in document.articles]) if kept else {}
    made: dict[tuple[str, int], Fragment] = {}
    new: list[Fragment] = []
    faults: dict[int, str] = {}
    for article in document.articles:
        stamp = _stamp(article)
        for format in formats:
            fragment = there.get((format.name, article.id))
            if fragment is None or fragment.stamp != stamp:
                try:
                    fragment = _fragment(document, format, article, stamp)
                except GateError as error:
                    faults.setdefault(article.id, f"{format.name}: {error.ids.get('rule', error)}")
                    continue
                new.append(fragment)
            made[format.name, article.id] = fragment
    if kept and new:
        kept.keep(new)
    return made, faults


def _shape(feed: Feed, format: Format) -> str:
    """All that makes a difference to an entry besides its article."""
    return f"{format.version} {feed.content} {feed.ids} {feed.language}"


def _stamp(article: Article) -> str:
    """All that makes a difference to an entry about its article: revisions never change, the rest may."""
    names = (article.entry_id, article.guid, article.canonical_url)
    parts = (article.state.value, article.retracted_at, article.retraction_note, *names)
    told = hashlib.sha256(repr(parts).encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{article.revision.number} {told}"


def _fragment(document: FeedDocument, format: Format, article: Article, stamp: str) -> Fragment:
    """Made, and read back in a document of its own. Raises GateError."""
    try:
        id, data = format.fragment(article, document.feed)
        read = format.read(format.join(replace(document, articles=(article,)), [data]))
    except GateError:
        raise
    except Exception as error:  # whatever one article does to a format, the others must be published
        raise GateError(f"{type(error).__name__}: {error}") from error
    if [entry.id for entry in read] != [id]:
        raise GateError(f"its id was written, but {len(read)} others were read back")
    shape = _shape(document.feed, format)
    return Fragment(article=article.id, format=format.name, shape=shape, stamp=stamp, id=id, data=data)


def _left_out(
    document: FeedDocument,
    formats: Iterable[Format],
    made: Mapping[tuple[str, int], Fragment],
    faults: Mapping[int, str],
) -> tuple[LeftOut, ...]:
    """Articles that do not pass on their own, or whose id another has."""
    left_out = []
    taken: set[tuple[str, str]] = set()
    for article in document.articles:
        reason = faults.get(article.id, "")
        ids = set() if reason else {(format.name, made[format.name, article.id].id) for format in formats}
        if ids & taken:
            reason = "its id is used by another article of the feed"
        if reason:
            left_out.append(LeftOut(article=article, reason=reason))
        else:
            taken |= ids
    return tuple(left_out)


# ---------------------------------------------------------------- documents


def _frame(document: FeedDocument, format: Format) -> None:
    """Raises GateError when the feed itself is at fault."""
    try:
        format.read(format.join(replace(document, articles=()), []))
    except GateError as error:
        raise _fault(document.feed, format, str(error), error) from error
    except Exception as error:
        raise _fault(document.feed, format, f"{type(error).__name__}: {error}") from error


def _file(document: FeedDocument, format: Format, entries: Sequence[Fragment]) -> _File:
    """Joined, and parsed back in whole. Raises GateError."""
    data = format.join(document, [fragment.data for fragment in entries])
    wanted = tuple(fragment.id for fragment in entries)
    try:
        read = format.ids(data)
    except GateError as error:
        raise _fault(document.feed, format, str(error), error) from error
    if read != wanted:
        raise _fault(
            document.feed, format, f"{len(wanted)} entries were written, but {len(read)} others were read back"
        )
    return _File(format=format, name=f"{document.name}.{format.ending}", data=data, ids=wanted)


def _fault(feed: Feed, format: Format, rule: str, cause: GateError | None = None) -> GateError:
    ids = {"rule": rule} | (cause.ids if cause else {}) | {"feed": feed.slug, "format": format.name}
    return GateError(f"feed {feed.slug}, {format.name}: {rule}", **ids)


# ---------------------------------------------------------------- what was published before


def _compare(
    file: _File,
    last: bytes | None,
    document: FeedDocument,
    known: Callable[[Collection[str]], Collection[str]],
    *,
    may_be_empty: bool,
) -> None:
    """Raises GateError when the feed shrank to nothing, or entries vanished that nobody can account for."""
    before = _ids(file.format, last)
    if before and not file.ids and not may_be_empty:
        raise _fault(document.feed, file.format, f"it shrank to nothing, from {len(before)} in {file.name}")
    vanished = _vanished(before, file.ids)
    lost = set(vanished) - set(known(vanished)) if vanished else ()
    if lost:
        first = next(id for id in vanished if id in lost)
        raise _fault(
            document.feed,
            file.format,
            f"{len(lost)} of its entries vanished, and the store knows nothing of them, first {first}; collect them"
            f" again, or remove {file.name} from the folder if that is right",
        )


def _vanished(before: Sequence[str], now: Collection[str]) -> list[str]:
    """Ids that left from among others. Those at the end made room for newer ones, as they do in every feed."""
    there = set(now)
    stayed = [place for place, id in enumerate(before) if id in there]
    return [id for id in before[: stayed[-1]] if id not in there] if stayed else []


def _ids(format: Format, data: bytes | None) -> tuple[str, ...]:
    """The entries of a published file; none when there is no file, or a broken one, which may go."""
    try:
        return format.ids(data) if data is not None else ()
    except GateError:
        return ()
