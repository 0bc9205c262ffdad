"""Which articles of different sources tell the same story. See `ports.Stories`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from publisher.model import Article
from publisher.store import _shared as shared
from publisher.store._articles import article_from, current
from publisher.store.engine import Access
from publisher.store.tables import article, sketch, source

#: Of a sketch of eight, so many must be the same before two texts are compared.
_SHARED = 2
_LIKELIEST = 10
#: More articles at one address than any story has.
_MOST = 20


#: The table, where a parameter has its name.
_article = article


class Stories:
    def __init__(self, access: Access) -> None:
        self._access = access

    def of(self, articles: Collection[Article]) -> tuple[Article, ...]:
        known = {one.id for one in articles}
        with self._access.read() as connection:
            together = shared.among(connection, article.c.story, {one.story for one in articles})
            query = current().where(together, sa.not_(shared.among(connection, article.c.id, known)))
            rows = connection.execute(query.order_by(article.c.first_seen_at, article.c.id)).mappings()
            return tuple(article_from(row) for row in rows)

    def at(self, article: Article) -> tuple[Article, ...]:
        same = current().where(_article.c.canonical_url == article.canonical_url, _article.c.id != article.id)
        with self._access.read() as connection:
            rows = connection.execute(same.order_by(_article.c.id).limit(_MOST)).mappings()
            found = [article_from(row) for row in rows]
        sources = Counter(one.source for one in (*found, article))
        return () if max(sources.values()) > 1 else tuple(found)

    def keep(self, article: Article, hashes: Collection[int]) -> None:
        at = article.revision.published_at
        with self._access.write() as connection:
            connection.execute(sa.delete(sketch).where(sketch.c.article == article.id))
            rows = [{"article": article.id, "hash": value, "at": at} for value in set(hashes)]
            if rows:
                connection.execute(sa.insert(sketch), rows)

    def alike(self, article: Article, hashes: Collection[int], *, within: timedelta) -> tuple[Article, ...]:
        if not hashes:
            return ()
        at = article.revision.published_at
        with self._access.read() as connection:
            ours = sa.select(source.c.id).where(source.c.slug == article.source).scalar_subquery()
            near = sa.and_(sketch.c.at.between(at - within, at + within), _article.c.source != ours)
            shares = sa.func.count().label("shares")
            likely = (
                sa.select(sketch.c.article, shares)
                .join(_article, _article.c.id == sketch.c.article)
                .where(shared.among(connection, sketch.c.hash, set(hashes)), near)
                .group_by(sketch.c.article)
                .having(sa.func.count() >= _SHARED)
                .order_by(shares.desc(), sketch.c.article)
                .limit(_LIKELIEST)
            )
            ids = connection.execute(likely).scalars().all()
            rows = connection.execute(current().where(shared.among(connection, _article.c.id, ids))).mappings()
            found = {row["id"]: article_from(row) for row in rows}
        return tuple(found[id] for id in ids)

    def forget(self, *, before: datetime) -> None:
        old = sa.select(sketch.c.article).where(sketch.c.at < before).limit(1)
        with self._access.read() as connection:
            if connection.execute(old).first() is None:
                return  # nobody waits for the writers' turn for nothing
        with self._access.write() as connection:
            connection.execute(sa.delete(sketch).where(sketch.c.at < before))
