"""New, changed, moved, come back, or the same: one page of a source against what is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from publisher.collect import naming
from publisher.collect.cleaning import cleaned, line
from publisher.model import (
    Arrival,
    Article,
    ArticleState,
    Fetched,
    FetchedArticle,
    MailPermission,
    Refusal,
    Revision,
    RevisionKind,
    Site,
    Source,
)
from publisher.ports import Articles

GUID: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What becomes of one page of a source. `returned` were taken as removed and are there again; `touched` say
    the same as before, but something beside the content moved (name, address, raw hash); `unchanged` counts
    those that need nothing."""

    new: tuple[Article, ...] = ()
    changed: tuple[Article, ...] = ()
    returned: tuple[Article, ...] = ()
    touched: tuple[Article, ...] = ()
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class Tally:
    """The sums over all pages of one look. `unheard` are those of the refused that no earlier look refused, the first
    of them."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    returned: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)
    unheard: tuple[Refusal, ...] = ()

    def add(self, accepted: Accepted) -> None:
        self.new += len(accepted.new)
        self.changed += len(accepted.changed)
        self.returned += len(accepted.returned)
        self.unchanged += accepted.unchanged + len(accepted.touched)
        self.refused += accepted.refused


@dataclass(slots=True)
class _Sorted:
    """The articles of a page, by what becomes of them."""

    new: list[Article] = field(default_factory=list)
    changed: list[Article] = field(default_factory=list)
    returned: list[Article] = field(default_factory=list)
    touched: list[Article] = field(default_factory=list)
    unchanged: int = 0

    def add(self, before: Article, after: Article) -> None:
        if after.revision.number != before.revision.number:
            self.changed.append(after)
        elif before.state is ArticleState.RETRACTED and after.state is not ArticleState.RETRACTED:
            self.returned.append(after)
        elif after != before:
            self.touched.append(after)
        else:
            self.unchanged += 1


def accept(
    source: Source,
    fetched: Fetched,
    articles: Articles,
    *,
    site: Site,
    now: datetime,
    newest: datetime | None = None,
) -> Accepted:
    """Decide about one page of a source. Nothing is written; the same page after `record` is all unchanged.

    `newest` is the date of the newest article that earlier looks have stored: what came in long after its date
    is measured by it. Of two articles with one identity in a page the first is taken and the other refused by name.
    """
    named, refused = naming.named(source, fetched)
    known = _Known.of(source, named.values(), articles)
    sorted_ = _Sorted()
    said: list[tuple[naming.Named, Revision, Article | None]] = []
    for one in named.values():
        sent, before = one.sent, known.find(one)
        if before and _is_same(before, one):
            sorted_.unchanged += 1
            continue
        try:
            said.append((one, cleaned(sent, site), before))
        except ValueError as error:
            refused.append(Refusal(item=naming.shown(sent), reason=str(error), id=sent.native_id))
    known.miss(source, {says.title for one, says, before in said if one.sent.place and not before}, articles)
    for one, says, found in said:
        before = found or (known.moved(says) if one.sent.place else None)
        if before is None:
            sorted_.new.append(_first(source, one, says, site=site, now=now, newest=newest))
        else:
            sorted_.add(before, _after(before, one, says, now))
    return Accepted(
        new=tuple(sorted_.new),
        changed=tuple(sorted_.changed),
        returned=tuple(sorted_.returned),
        touched=tuple(sorted_.touched),
        unchanged=sorted_.unchanged,
        refused=tuple(refused),
    )


def record(accepted: Accepted, articles: Articles) -> tuple[Article, ...]:
    """Write what was accepted; the new, changed and returned articles, with their ids, for placing into feeds.

    Raises Conflict when another process, or an editor, has changed one of them since: accept the page again, in
    a new transaction.
    """
    stored = articles.add_all(accepted.new)
    articles.revise(*accepted.changed)
    articles.seen(*accepted.returned, *accepted.touched)
    return (*stored, *accepted.changed, *accepted.returned)


# ---------------------------------------------------------------- which one it is


@dataclass(slots=True)
class _Known:
    """The stored articles that those of a page may be. Each is taken once."""

    by_name: dict[str, Article]
    taken: set[int] = field(default_factory=set)
    missing: tuple[Article, ...] = ()

    @classmethod
    def of(cls, source: Source, named: Collection[naming.Named], articles: Articles) -> _Known:
        every = {name for one in named for name in one.names}
        by_name = dict(articles.known(source.slug, native_ids=every))
        return cls(by_name, {by_name[one.names[0]].id for one in named if one.names[0] in by_name})

    def find(self, one: naming.Named) -> Article | None:
        """By its identity; else by what it was known by before the setting changed, or before it had an id."""
        identity, *names = one.names
        if found := self.by_name.get(identity):
            return found
        others = (self.by_name.get(name) for name in names)
        return self._take(one for one in others if one)

    def miss(self, source: Source, titles: Collection[str], articles: Articles) -> None:
        """Look for those of the titles that are missing at their place."""
        self.missing = articles.missing(source.slug, titles=titles) if titles else ()

    def moved(self, says: Revision) -> Article | None:
        """An article that is missing at its place and says the same: it is the one that was moved here."""
        return self._take(one for one in self.missing if _text(one.revision) == _text(says) and not one.retracted_by)

    def _take(self, candidates: Iterable[Article]) -> Article | None:
        for one in candidates:
            if one.id not in self.taken:
                self.taken.add(one.id)
                return one
        return None


def _text(says: Revision) -> tuple[str, ...]:
    """Without categories: they may come from the folder that a file lies in."""
    return says.title, says.standfirst, says.content_html


def _is_same(before: Article, one: naming.Named) -> bool:
    """Whether the source sent the very same again: then nothing needs to be cleaned or compared."""
    sent = one.sent
    if (before.native_id, before.own_id) != (one.names[0], one.own_id):
        return False
    return bool(sent.raw_hash) and sent.raw_hash == before.revision.raw_hash and before.missed_at is None


# ---------------------------------------------------------------- first, next


def _first(
    source: Source,
    one: naming.Named,
    says: Revision,
    *,
    site: Site,
    now: datetime,
    newest: datetime | None,
) -> Article:
    sent, identity = one.sent, one.names[0]
    published = _utc(sent.published_at) or now
    updated = min(_utc(sent.updated_at) or published, now)
    arrival = _arrival(source, published, newest)
    return Article(
        source=source.slug,
        native_id=identity,
        own_id=one.own_id,
        guid=line(sent.guid, GUID),
        story=naming.story(source, identity),
        canonical_url=naming.canonical(sent),
        entry_id=naming.entry_id(source, identity, site),
        state=state(published, now),
        mail=MailPermission.EXCLUDED if arrival is Arrival.BACKDATED else MailPermission.ALLOWED,
        arrival=arrival,
        first_seen_at=now,
        revision=replace(says, published_at=published, updated_at=max(published, updated)),
    )


def _arrival(source: Source, published: datetime, newest: datetime | None) -> Arrival:
    """Of a source that has never been read to its end everything may be old, and nothing can be too old."""
    if source.completed_at is None:
        return Arrival.ARCHIVE
    if newest is not None and newest - published > source.backdated:
        return Arrival.BACKDATED
    return Arrival.NEWS


def _after(before: Article, one: naming.Named, says: Revision, now: datetime) -> Article:
    """The article as it is once this page is recorded: with its next revision when it says something else."""
    touched = _touched(before, one, now)
    if says.content_hash == before.revision.content_hash and not _rescheduled(before, one.sent):
        return touched
    return _next(touched, before, one.sent, says, now)


def _next(touched: Article, before: Article, sent: FetchedArticle, says: Revision, now: datetime) -> Article:
    """The article with its next revision. Once it was live, its date is kept."""
    old = before.revision
    held = before.state is ArticleState.HELD
    published = (_utc(sent.published_at) or old.published_at) if held else old.published_at
    updated = _utc(sent.updated_at)
    if updated is None or not old.updated_at < updated <= now:
        updated = now
    corrects = bool(says.note) and says.note != old.note
    return replace(
        touched,
        state=state(published, now) if held else touched.state,
        revision=replace(
            says,
            article=before.id,
            number=old.number + 1,
            kind=RevisionKind.CORRECTION if corrects else RevisionKind.EDIT,
            note=says.note or old.note,  # what was corrected stays told
            published_at=published,
            updated_at=max(published, updated),
        ),
    )


def _touched(before: Article, one: naming.Named, now: datetime) -> Article:
    """What was taken as removed is live again; what an editor retracted stays so."""
    sent = one.sent
    back = before.state is ArticleState.RETRACTED and not before.retracted_by
    return replace(
        before,
        native_id=one.names[0],
        own_id=one.own_id,
        guid=line(sent.guid, GUID) or before.guid,
        canonical_url=naming.canonical(sent) or before.canonical_url,
        state=state(before.revision.published_at, now) if back else before.state,
        retracted_at=None if back else before.retracted_at,
        missing_looks=0,
        missed_at=None,
        revision=replace(before.revision, raw_hash=sent.raw_hash),
    )


def _rescheduled(before: Article, sent: FetchedArticle) -> bool:
    """Whether an article that nobody has seen yet has another time now."""
    published = _utc(sent.published_at)
    return before.state is ArticleState.HELD and published not in (None, before.revision.published_at)


def state(published: datetime, now: datetime) -> ArticleState:
    return ArticleState.HELD if published > now else ArticleState.LIVE


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
