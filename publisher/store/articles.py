"""Articles and their revisions. See `ports.Articles`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Arrival, Article, ArticleState, Revision
from publisher.store import _collected as collected
from publisher.store import _shared as shared
from publisher.store._articles import article_from, current, revision_from, word_row
from publisher.store.engine import Access
from publisher.store.tables import article, revision, source

_DECIDE = sa.update(article).where(article.c.id == sa.bindparam("of"))

_PAGE = 200
_FOUND = 20


class Articles:
    def __init__(self, access: Access) -> None:
        self._access = access

    def known(self, source: str, *, native_ids: Collection[str]) -> Mapping[str, Article]:
        with self._access.read() as connection:
            return {one.native_id: one for one in collected.known(connection, source, native_ids)}

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
            own = sa.case((article.c.own_id != "", article.c.own_id), else_=article.c.native_id)
            current_ones = sa.select(revision.c.raw_hash, own).join(article, one)
            where = (
                shared.among(connection, revision.c.raw_hash, raw_hashes),
                # As a sum no index has it: else SQLite would go through everything that a source ever published.
                article.c.source + 0 == _id_of(connection, source),
                article.c.missed_at.is_(None),
            )
            return dict(shared.rows_of(connection.execute(current_ones.where(*where))))

    def missing(self, source: str, *, titles: Collection[str]) -> tuple[Article, ...]:
        with self._access.read() as connection:
            gone = sa.and_(_of_source(connection, source), article.c.missed_at.is_not(None))
            titled = shared.among(connection, revision.c.title, titles)
            return _load(connection, gone, titled, limit=_FOUND * len(titles))

    def newest(self, source: str) -> datetime | None:
        with self._access.read() as connection:
            live = sa.and_(_of_source(connection, source), article.c.state == ArticleState.LIVE.value)
            latest = sa.select(article.c.published_at).where(live).order_by(article.c.published_at.desc()).limit(1)
            found: datetime | None = connection.execute(latest).scalar_one_or_none()
            return found

    def add(self, article: Article) -> Article:
        return self.add_all([article])[0]

    def add_all(self, articles: Sequence[Article]) -> tuple[Article, ...]:
        if not articles:
            return ()
        with self._access.write() as connection:
            ids = collected.insert(connection, articles)
        return tuple(
            replace(one, id=id, revision=replace(one.revision, article=id))
            for one, id in zip(articles, ids, strict=True)
        )

    def revise(self, *articles: Article) -> None:
        if articles:
            with self._access.write() as connection:
                collected.revise(connection, articles)

    def seen(self, *articles: Article) -> None:
        if articles:
            with self._access.write() as connection:
                collected.see(connection, articles)

    def decide(self, *articles: Article) -> None:
        rows = [word_row(one) | {"of": one.id} for one in articles]
        if rows:
            with self._access.write() as connection:
                connection.execute(_DECIDE, rows)

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
        names = (article.c.entry_id, article.c.native_id, article.c.own_id, article.c.canonical_url)
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


def _of_source(connection: Connection, slug: str) -> sa.ColumnElement[bool]:
    return article.c.source == _id_of(connection, slug)


def _id_of(connection: Connection, slug: str) -> int:
    return shared.id_of(connection, source, slug)
