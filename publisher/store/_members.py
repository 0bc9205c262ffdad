"""Which articles a feed's documents hold: the current one, and the archive pages that keep theirs for ever.

An article enters a feed on page 0, and its current document holds all of page 0. When there are more than the feed's
limit, the oldest of them are sealed in archive pages of so many. A late article with an old date is sealed with those
that came when it did; a sealed page gains and loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Article, ArticleState, FeedEntry
from publisher.store import _shared as shared
from publisher.store._articles import article_from, current
from publisher.store._feeds import pages_due
from publisher.store.tables import article, feed, feed_entry, feed_page, fragment

_HERE = sa.not_(feed_entry.c.gone)
#: Spelled as its index spells it: SQLite would not know `shown = 1` for the same.
_SHOWN = sa.text("feed_entry.shown")
_LIVE = article.c.state == ArticleState.LIVE.value


def place(connection: Connection, entries: Sequence[tuple[int, FeedEntry]]) -> None:
    """Each with the id of its feed. On an archive page an article keeps its place."""
    rows = [
        {
            "feed": id,
            "article": entry.article,
            "sort_key": entry.sort_key,
            "until": entry.until,
            "page": 0,
            "gone": False,
            "shown": False,
        }
        for id, entry in entries
    ]
    connection.execute(_place(shared.is_sqlite(connection)), rows)


def places(connection: Connection, articles: Collection[int]) -> Iterator[tuple[int, int, str]]:
    """Each article with the id and the slug of each feed that holds it."""
    held = {"articles": shared.given(connection, articles)}
    for row in connection.execute(_places(shared.is_sqlite(connection)), held):
        yield row.article, row.feed, row.slug


def withdraw(connection: Connection, leaving: Mapping[int, Collection[str]]) -> frozenset[int]:
    """Take articles out of feeds, by slug; the ids of the feeds that held one."""
    rows = [
        {"of": article, "from": feed} for article, feed, slug in places(connection, leaving) if slug in leaving[article]
    ]
    if rows:
        connection.execute(_WITHDRAW, rows)
    return frozenset(row["from"] for row in rows)


def due(connection: Connection, feeds: Collection[int]) -> None:
    if feeds:
        connection.execute(_due(shared.is_sqlite(connection)), {"feeds": shared.given(connection, feeds)})


def revised(connection: Connection, articles: Collection[int]) -> None:
    """The archive pages that hold these are due."""
    held = {"articles": shared.given(connection, articles)}
    pages = [
        {"of": id, "page": number} for id, number in connection.execute(_pages_of(shared.is_sqlite(connection)), held)
    ]
    if pages:
        connection.execute(_PAGE_DUE, pages)


def take_out(connection: Connection, id: int) -> None:
    """Everything, archive pages too."""
    connection.execute(sa.delete(feed_page).where(feed_page.c.feed == id))
    everything = sa.update(feed_entry).where(feed_entry.c.feed == id)
    connection.execute(everything.values(gone=True, page=0, until=None))


def current_document(connection: Connection, row: sa.RowMapping, now: datetime) -> tuple[Article, ...]:
    """The newest, what stands on no archive page yet, and what is still to be told of."""
    placed = sa.select(feed_entry.c.article).where(feed_entry.c.feed == row["id"], _HERE)
    live = placed.join(article, article.c.id == feed_entry.c.article).where(_LIVE)
    newest = live.order_by(feed_entry.c.sort_key.desc()).limit(row["entries"])
    told = placed.where(feed_entry.c.until > now).order_by(feed_entry.c.until.desc()).limit(row["entries"])
    queries = [newest, told]
    if row["archive"]:
        queries.append(live.where(feed_entry.c.page == 0))
    ids = {id for query in queries for id in connection.execute(query).scalars()}
    return _articles(connection, row["id"], shared.among(connection, feed_entry.c.article, ids))


def page(connection: Connection, id: int, number: int) -> tuple[Article, ...]:
    """The members of an archive page, whatever became of them since."""
    return _articles(connection, id, feed_entry.c.page == number)


def _articles(connection: Connection, id: int, which: sa.ColumnElement[bool]) -> tuple[Article, ...]:
    entries = current().join(feed_entry, feed_entry.c.article == article.c.id)
    rows = connection.execute(
        entries.where(feed_entry.c.feed == id, which).order_by(feed_entry.c.sort_key.desc(), article.c.id.desc())
    )
    return tuple(article_from(row) for row in rows.mappings())


def seal(connection: Connection, row: sa.RowMapping) -> None:
    """Put the oldest of page 0 into archive pages, so that at most the feed's limit are left there."""
    id, limit, pages = row["id"], row["entries"], row["pages"]
    if not row["archive"]:
        return
    loose = (
        sa.select(feed_entry.c.article)
        .join(article, article.c.id == feed_entry.c.article)
        .where(feed_entry.c.feed == id, feed_entry.c.page == 0, _HERE, _LIVE)
        .order_by(feed_entry.c.sort_key)
    )
    articles = connection.execute(loose).scalars().all()
    full = -((limit - len(articles)) // limit)  # rounded up
    if full <= 0:
        return
    numbers = range(pages + 1, pages + full + 1)
    sealed = [
        {"of": one, "number": number}
        for place, number in enumerate(numbers)
        for one in articles[place * limit : (place + 1) * limit]
    ]
    here = sa.and_(feed_entry.c.feed == id, feed_entry.c.article == sa.bindparam("of"))
    connection.execute(sa.update(feed_entry).where(here).values(page=sa.bindparam("number")), sealed)
    connection.execute(
        sa.insert(feed_page), [{"feed": id, "number": number, "wanted": 1, "built": 0} for number in numbers]
    )
    connection.execute(sa.update(feed).where(feed.c.id == id).values(pages=numbers[-1]))
    pages_due(connection, sa.and_(feed_page.c.feed == id, feed_page.c.number == pages))  # it now has a successor


def show(connection: Connection, id: int, articles: Collection[int], now: datetime) -> None:
    """The current document was published with these. Of those that left every current document, what formats wrote
    is kept no longer."""
    listed = shared.among(connection, feed_entry.c.article, articles)
    of_feed = feed_entry.c.feed == id
    connection.execute(sa.update(feed_entry).where(of_feed, listed, sa.not_(feed_entry.c.shown)).values(shown=True))
    left = sa.update(feed_entry).where(of_feed, _SHOWN, sa.not_(listed)).values(shown=False)
    ids = connection.execute(left.returning(feed_entry.c.article)).scalars().all()
    if ids:
        still = sa.select(feed_entry.c.article).where(
            shared.among(connection, feed_entry.c.article, ids), feed_entry.c.shown
        )
        unused = sa.and_(shared.among(connection, fragment.c.article, ids), fragment.c.article.not_in(still))
        connection.execute(sa.delete(fragment).where(unused))
    forgotten = sa.and_(of_feed, feed_entry.c.gone, feed_entry.c.page == 0)
    connection.execute(sa.delete(feed_entry).where(forgotten))
    ends = sa.select(sa.func.min(feed_entry.c.until)).where(of_feed, feed_entry.c.until > now, _HERE)
    connection.execute(sa.update(feed).where(feed.c.id == id).values(changes_at=ends.scalar_subquery()))


# ---------------------------------------------------------------- statements, each built once

_WITHDRAW = (
    sa.update(feed_entry)
    .where(feed_entry.c.article == sa.bindparam("of"), feed_entry.c.feed == sa.bindparam("from"))
    .values(gone=True, until=None)
)
_PAGE_DUE = (
    sa.update(feed_page)
    .where(feed_page.c.feed == sa.bindparam("of"), feed_page.c.number == sa.bindparam("page"))
    .values(wanted=feed_page.c.wanted + 1)
)


@cache
def _place(sqlite: bool) -> Any:
    statement = shared.insert_of(sqlite, feed_entry)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["feed", "article"],
        set_={
            "sort_key": sa.case((feed_entry.c.page == 0, new.sort_key), else_=feed_entry.c.sort_key),
            "until": new.until,
            "gone": False,
        },
    )


@cache
def _places(sqlite: bool) -> sa.Select[Any]:
    held = sa.select(feed_entry.c.article, feed_entry.c.feed, feed.c.slug).join(feed, feed_entry.c.feed == feed.c.id)
    these = shared.among_given(sqlite, feed_entry.c.article, "articles")
    return held.where(these, _HERE, feed.c.active).order_by(feed.c.id)


@cache
def _pages_of(sqlite: bool) -> sa.Select[Any]:
    these = shared.among_given(sqlite, feed_entry.c.article, "articles")
    pages = sa.select(feed_entry.c.feed, feed_entry.c.page).where(these, feed_entry.c.page > 0)
    return pages.distinct().order_by(feed_entry.c.feed, feed_entry.c.page)


@cache
def _due(sqlite: bool) -> sa.Update:
    return sa.update(feed).where(shared.among_given(sqlite, feed.c.id, "feeds")).values(wanted=feed.c.wanted + 1)
