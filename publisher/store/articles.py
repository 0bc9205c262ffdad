"""Articles and their revisions. See `ports.Articles`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import Conflict
from publisher.model import Arrival, Article, ArticleState, Revision
from publisher.store import _shared as shared
from publisher.store._articles import article_from, article_row, current, revision_from, revision_row, word_row
from publisher.store.engine import Access
from publisher.store.tables import article, revision, source

#: The table, where a parameter has its name.
_table = article

_PAGE = 200
_FOUND = 20


class Articles:
    def __init__(self, access: Access) -> None:
        self._access = access

    def known(self, source: str, *, native_ids: Collection[str]) -> Mapping[str, Article]:
        with self._access.read() as connection:
            wanted = shared.among(connection, article.c.native_id, native_ids)
            found = _load(connection, _of_source(connection, source), wanted)
        return {one.native_id: one for one in found}

    def identified(self, ids: Collection[str], *, guids: bool) -> frozenset[str]:
        names = (article.c.entry_id, article.c.guid) if guids else (article.c.entry_id,)
        with self._access.read() as connection:
            return frozenset(
                found
                for name in names
                for found in connection.execute(sa.select(name).where(shared.among(connection, name, ids))).scalars()
            )

    def unchanged(self, source: str, *, raw_hashes: Collection[str]) -> Mapping[str, str]:
        with self._access.read() as connection:
            one = sa.and_(revision.c.article == article.c.id, revision.c.number == article.c.revision)
            current_ones = sa.select(revision.c.raw_hash, article.c.native_id).join(article, one)
            where = (
                shared.among(connection, revision.c.raw_hash, raw_hashes),
                _of_source(connection, source),
                article.c.missing_looks == 0,
            )
            return {row.raw_hash: row.native_id for row in connection.execute(current_ones.where(*where))}

    def missing(self, source: str, *, title: str) -> tuple[Article, ...]:
        with self._access.read() as connection:
            gone = sa.and_(_of_source(connection, source), article.c.missing_looks > 0)
            return _load(connection, gone, revision.c.title == title, limit=_FOUND)

    def newest(self, source: str) -> datetime | None:
        with self._access.read() as connection:
            live = sa.and_(_of_source(connection, source), article.c.state == ArticleState.LIVE.value)
            latest = sa.select(article.c.published_at).where(live).order_by(article.c.published_at.desc()).limit(1)
            found: datetime | None = connection.execute(latest).scalar_one_or_none()
            return found

    def add(self, article: Article) -> Article:
        with self._access.write() as connection:
            id = _insert(connection, article)
            revision_values = revision_row(id, article.revision)
            connection.execute(sa.insert(revision).values(**revision_values))
            return _one(connection, id)

    def revise(self, article: Article) -> None:
        number = article.revision.number
        with self._access.write() as connection:
            done = _update(connection, article, revision=number, published_at=article.revision.published_at)
            if not done:
                raise Conflict(f"Article {article.entry_id} has been changed since; read it again.")
            connection.execute(sa.insert(revision).values(**revision_row(article.id, article.revision)))

    def seen(self, article: Article) -> None:
        with self._access.write() as connection:
            if not _update(connection, article):
                raise Conflict(f"Article {article.entry_id} has been changed since; read it again.")
            current_one = sa.and_(revision.c.article == article.id, revision.c.number == article.revision.number)
            connection.execute(sa.update(revision).where(current_one).values(raw_hash=article.revision.raw_hash))

    def decide(self, article: Article) -> None:
        with self._access.write() as connection:
            connection.execute(sa.update(_table).where(_table.c.id == article.id).values(**word_row(article)))

    def get(self, ids: Collection[int]) -> Mapping[int, Article]:
        with self._access.read() as connection:
            return {one.id: one for one in _load(connection, shared.among(connection, article.c.id, ids))}

    def revisions(self, keys: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Revision]:
        wanted = set(keys)
        with self._access.read() as connection:
            articles = shared.among(connection, revision.c.article, {id for id, _ in wanted})
            numbers = shared.among(connection, revision.c.number, {number for _, number in wanted})
            rows = connection.execute(sa.select(revision).where(articles, numbers)).mappings()
            found = {(row["article"], row["number"]): revision_from(row) for row in rows}
        return {key: one for key, one in found.items() if key in wanted}

    def find(self, words: str) -> tuple[Article, ...]:
        """An exact id or address finds that article alone; otherwise every word must be in the title."""
        text = words.strip()
        if not text:
            return ()
        names = (article.c.entry_id, article.c.native_id, article.c.canonical_url)
        in_title = sa.and_(*(revision.c.title.icontains(word, autoescape=True) for word in text.split()))
        with self._access.read() as connection:
            exact = _load(connection, sa.or_(*(name == text for name in names)), limit=_FOUND)
            return exact or _load(connection, in_title, limit=_FOUND)

    def held_due(self, now: datetime) -> bool:
        with self._access.read() as connection:
            return connection.execute(sa.select(article.c.id).where(_held_due(now)).limit(1)).first() is not None

    def release(self, now: datetime) -> tuple[Article, ...]:
        live = sa.update(article).where(_held_due(now)).values(state=ArticleState.LIVE.value).returning(article.c.id)
        with self._access.write() as connection:
            ids = connection.execute(live).scalars().all()
            return _load(connection, shared.among(connection, article.c.id, ids)) if ids else ()

    def published_since(self, since: datetime, until: datetime) -> tuple[Article, ...]:
        """Both ends belong to the time."""
        came = sa.and_(article.c.first_seen_at.between(since, until), article.c.arrival != Arrival.ARCHIVE.value)
        within = sa.or_(article.c.published_at.between(since, until), came, article.c.mail_at.between(since, until))
        with self._access.read() as connection:
            return _load(connection, article.c.state == ArticleState.LIVE.value, within)

    def each(self) -> Iterator[Article]:
        last = 0
        while True:
            with self._access.read() as connection:
                page = _load(connection, article.c.id > last, order=[article.c.id], limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].id

    def count(self) -> Mapping[ArticleState, int]:
        with self._access.read() as connection:
            rows = connection.execute(sa.select(article.c.state, sa.func.count()).group_by(article.c.state))
            return Counter({ArticleState(state): int(n) for state, n in rows})

    def by_source(self) -> Mapping[str, int]:
        joined = source.join(article, article.c.source == source.c.id)
        with self._access.read() as connection:
            rows = connection.execute(
                sa.select(source.c.slug, sa.func.count()).select_from(joined).group_by(source.c.slug)
            )
            return {str(slug): int(n) for slug, n in rows}


def _load(
    connection: Connection,
    *where: sa.ColumnElement[bool],
    order: list[Any] | None = None,
    limit: int | None = None,
) -> tuple[Article, ...]:
    """Articles with their current revision, the newest first unless told otherwise."""
    newest = [article.c.published_at.desc(), article.c.id.desc()]
    rows = connection.execute(current().where(*where).order_by(*(order or newest)).limit(limit))
    return tuple(article_from(row) for row in rows.mappings())


def _held_due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(article.c.state == ArticleState.HELD.value, article.c.published_at <= now)


def _one(connection: Connection, id: int) -> Article:
    return _load(connection, article.c.id == id)[0]


def _of_source(connection: Connection, slug: str) -> sa.ColumnElement[bool]:
    return article.c.source == shared.id_of(connection, source, slug)


def _insert(connection: Connection, new: Article) -> int:
    """Raises Conflict when the source, or the site, has an article of that name already."""
    values = (
        article_row(new)
        | word_row(new)
        | {
            "source": shared.id_of(connection, source, new.source),
            "entry_id": new.entry_id,
            "first_seen_at": new.first_seen_at,
            "revision": new.revision.number,
            "published_at": new.revision.published_at,
        }
    )
    statement = shared.insert(connection, article).values(**values).on_conflict_do_nothing().returning(article.c.id)
    id = connection.execute(statement).scalar_one_or_none()
    if id is None:
        raise Conflict(f"Article {new.entry_id} is known already.")
    return int(id)


def _update(connection: Connection, changed: Article, **newer: Any) -> bool:
    """Take over what may change about an article; with a newer revision only if it is newer, and never over an
    editor's word that was given since."""
    words = {name: value for name, value in word_row(changed).items() if name in ("mail", "mail_at", "retracted_by")}
    same = [article.c[name].is_not_distinct_from(value) for name, value in words.items()]
    where = sa.and_(article.c.id == changed.id, *same)
    if newer:
        where = sa.and_(where, article.c.revision < newer["revision"])
    done = connection.execute(sa.update(article).where(where).values(**article_row(changed), **newer))
    return done.rowcount == 1
