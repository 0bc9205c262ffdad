"""Which articles of different sources tell the same story. See `ports.Stories`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Article
from publisher.ports import Sketched
from publisher.store import _shared as shared
from publisher.store._articles import article_from, current
from publisher.store.engine import Access
from publisher.store.tables import article, sketch, source

#: Of a sketch of eight, so many must be the same before two texts are compared.
_SHARED = 2
_LIKELIEST = 10

#: Of a hash: an article that has it too, whose source that is, and when it was published.
_Holders = Mapping[int, Sequence[tuple[int, str, datetime]]]

_DROP = sa.delete(sketch).where(sketch.c.article == sa.bindparam("of"))
_KEEP = sa.insert(sketch)


class Stories:
    def __init__(self, access: Access) -> None:
        self._access = access

    def of(self, articles: Collection[Article]) -> tuple[Article, ...]:
        with self._access.read() as connection:
            wanted = {
                "stories": shared.given(connection, {one.story for one in articles}),
                "known": shared.given(connection, {one.id for one in articles}),
            }
            rows = connection.execute(_together(self._access.sqlite), wanted).mappings()
            return tuple(article_from(row) for row in rows)

    def at(self, articles: Collection[Article]) -> Mapping[int, tuple[Article, ...]]:
        urls = {one.canonical_url for one in articles}
        with self._access.read() as connection:
            found = connection.execute(_addresses(self._access.sqlite), {"urls": shared.given(connection, urls)})
            there: dict[str, list[int]] = defaultdict(list)
            crowded = set()
            for url, id, number in found:
                there[url].append(id)
                if number > 1:
                    crowded.add(url)
            others = {
                one.id: [id for id in sorted(there[one.canonical_url]) if id != one.id]
                for one in articles
                if one.canonical_url not in crowded
            }
            return _named(connection, others)

    def keep(self, sketches: Collection[Sketched]) -> None:
        ids = [{"of": one.id} for one, _ in sketches]
        rows = [
            {"article": one.id, "hash": value, "at": one.revision.published_at}
            for one, hashes in sketches
            for value in set(hashes)
        ]
        with self._access.write() as connection:
            if ids:
                connection.execute(_DROP, ids)
            if rows:
                connection.execute(_KEEP, rows)

    def alike(self, sketches: Collection[Sketched], *, within: timedelta) -> Mapping[int, tuple[Article, ...]]:
        if not any(hashes for _, hashes in sketches):
            return {}
        times = [one.revision.published_at for one, _ in sketches]
        wanted = {"earliest": min(times) - within, "latest": max(times) + within}
        with self._access.read() as connection:
            hashes = shared.given(connection, {value for _, hashes in sketches for value in hashes})
            holders: dict[int, list[tuple[int, str, datetime]]] = defaultdict(list)
            for value, *holder in connection.execute(_holders(self._access.sqlite), wanted | {"hashes": hashes}):
                holders[value].append(tuple(holder))
            likely = {one.id: _likeliest(one, hashes, holders, within) for one, hashes in sketches}
            return _named(connection, likely)

    def forget(self, *, before: datetime) -> None:
        old = sa.select(sketch.c.article).where(sketch.c.at < before).limit(1)
        with self._access.read() as connection:
            if connection.execute(old).first() is None:
                return  # nobody waits for the writers' turn for nothing
        with self._access.write() as connection:
            connection.execute(sa.delete(sketch).where(sketch.c.at < before))


def _named(connection: Connection, ids: Mapping[int, Sequence[int]]) -> Mapping[int, tuple[Article, ...]]:
    """The articles behind ids, in their order; those that have none are left out."""
    every = {id for some in ids.values() for id in some}
    if not every:
        return {}
    rows = connection.execute(_these(shared.is_sqlite(connection)), {"ids": shared.given(connection, every)})
    found = {row["id"]: article_from(row) for row in rows.mappings()}
    return {one: tuple(found[id] for id in some) for one, some in ids.items() if some}


def _likeliest(article: Article, hashes: Collection[int], holders: _Holders, within: timedelta) -> list[int]:
    """The ids of those that share enough of its hashes, the likeliest first."""
    at = article.revision.published_at
    shares = Counter(
        id
        for value in set(hashes)
        for id, slug, there in holders.get(value, ())
        if slug != article.source and abs(there - at) <= within
    )
    enough = [(-number, id) for id, number in shares.items() if number >= _SHARED]
    return [id for _, id in sorted(enough)[:_LIKELIEST]]


@cache
def _together(sqlite: bool) -> sa.Select[Any]:
    told = shared.among_given(sqlite, article.c.story, "stories")
    others = current().where(told, sa.not_(shared.among_given(sqlite, article.c.id, "known")))
    return others.order_by(article.c.first_seen_at, article.c.id)


@cache
def _addresses(sqlite: bool) -> sa.Select[Any]:
    """Of each address and source: one article there, and how many there are."""
    there = shared.among_given(sqlite, article.c.canonical_url, "urls")
    each = (article.c.canonical_url, sa.func.min(article.c.id), sa.func.count())
    return sa.select(*each).where(there).group_by(article.c.canonical_url, article.c.source)


@cache
def _holders(sqlite: bool) -> sa.Select[Any]:
    near = sketch.c.at.between(
        sa.bindparam("earliest", type_=sketch.c.at.type), sa.bindparam("latest", type_=sketch.c.at.type)
    )
    joined = sketch.join(article, article.c.id == sketch.c.article).join(source, source.c.id == article.c.source)
    holders = sa.select(sketch.c.hash, sketch.c.article, source.c.slug, sketch.c.at).select_from(joined)
    return holders.where(shared.among_given(sqlite, sketch.c.hash, "hashes"), near)


@cache
def _these(sqlite: bool) -> sa.Select[Any]:
    return current().where(shared.among_given(sqlite, article.c.id, "ids"))
