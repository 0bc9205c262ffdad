"""Our feeds and which articles are in them. See `ports.Feeds`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import NotFound
from publisher.model import Article, Feed, FeedEntry, FeedPage, FeedPattern
from publisher.store import _members as members
from publisher.store import _shared as shared
from publisher.store._feeds import feed_from, insert_feed, keep, keep_patterns, made_again, pages_due
from publisher.store.engine import Access
from publisher.store.tables import feed, feed_entry, feed_page, instance


class Feeds:
    def __init__(self, access: Access) -> None:
        self._access = access

    def sync(self, feeds: Sequence[Feed], patterns: Sequence[FeedPattern], *, made_with: str = "") -> tuple[str, ...]:
        """A pattern that is new or changed is returned by its own slug. What a pattern made follows it.

        Each is returned once: fill them in the same transaction."""
        now = self._access.now()
        with self._access.write() as connection:
            known = {row["slug"]: row for row in connection.execute(sa.select(feed)).mappings()}
            changed, kept = keep_patterns(connection, patterns)
            made = made_again(known.values(), kept, {one.slug for one in feeds})
            refill = [one.slug for one in feeds if keep(connection, one, known.get(one.slug))]
            for one in made:
                keep(connection, one, known[one.slug])
            wanted = [one.slug for one in (*feeds, *made)]
            shared.retire(connection, feed, wanted, removed_at=now, tidy=False)
            if made_with:
                _make_with(connection, made_with)
            return (*refill, *changed)

    def all(self) -> tuple[Feed, ...]:
        with self._access.read() as connection:
            rows = connection.execute(sa.select(feed).where(feed.c.active).order_by(feed.c.id))
            return tuple(feed_from(row) for row in rows.mappings())

    def get(self, slug: str) -> Feed:
        with self._access.read() as connection:
            row = connection.execute(sa.select(feed).where(feed.c.slug == slug, feed.c.active)).mappings().first()
        if row is None:
            raise NotFound(f"there is no feed {slug!r}", feed=slug)
        return feed_from(row)

    def add(self, feed: Feed) -> None:
        with self._access.write() as connection:
            insert_feed(connection, feed)

    def place(self, entries: Iterable[FeedEntry]) -> None:
        """Raises NotFound when there is no such feed."""
        by_feed: dict[str, list[FeedEntry]] = defaultdict(list)
        for entry in entries:
            by_feed[entry.feed].append(entry)
        if not by_feed:
            return
        with self._access.write() as connection:
            ids = shared.ids_of(connection, feed, by_feed)
            members.place(connection, [(ids[slug], entry) for slug, placed in by_feed.items() for entry in placed])
            members.due(connection, ids.values())

    def withdraw(self, places: Mapping[int, Collection[str]]) -> None:
        if any(places.values()):
            with self._access.write() as connection:
                ids = members.withdraw(connection, places)
                members.due(connection, ids)

    def revised(self, articles: Collection[int]) -> None:
        with self._access.write() as connection:
            members.revised(connection, articles)

    def memberships(self, articles: Collection[int]) -> Mapping[int, tuple[str, ...]]:
        held: dict[int, tuple[str, ...]] = {}
        with self._access.read() as connection:
            for id, _, slug in members.places(connection, articles):
                held[id] = (*held.get(id, ()), slug)
        return held

    def empty(self, feed: str) -> None:
        with self._access.write() as connection:
            id = _id(connection, feed)
            members.take_out(connection, id)
            _due(connection, _is(id), built=0, pages=0)

    def lock(self) -> None:
        """SQLite has one writer at a time anyway; PostgreSQL locks the one row that is always there. Without it,
        two that place articles lock the same feeds in different order."""
        with self._access.write() as connection:
            connection.execute(sa.select(instance.c.number).with_for_update(key_share=True))

    def current(self, feed: str, *, now: datetime) -> tuple[Article, ...]:
        with self._access.read() as connection:
            return members.current_document(connection, _row(connection, feed), now)

    def page(self, feed: str, number: int) -> tuple[Article, ...]:
        with self._access.read() as connection:
            return members.page(connection, _id(connection, feed), number)

    def seal(self, feed: str) -> None:
        with self._access.write() as connection:
            members.seal(connection, _row(connection, feed))

    def due_pages(self, feed: str) -> tuple[FeedPage, ...]:
        """The oldest first."""
        columns = (feed_page.c.number, feed_page.c.wanted, feed_page.c.built)
        with self._access.read() as connection:
            due = sa.and_(feed_page.c.feed == _id(connection, feed), feed_page.c.wanted != feed_page.c.built)
            rows = connection.execute(sa.select(*columns).where(due).order_by(feed_page.c.number))
            return tuple(FeedPage(number=number, wanted=wanted, built=built) for number, wanted, built in rows)

    def page_built(self, feed: str, page: FeedPage) -> None:
        with self._access.write() as connection:
            which = sa.and_(feed_page.c.feed == _id(connection, feed), feed_page.c.number == page.number)
            connection.execute(sa.update(feed_page).where(which).values(built=page.wanted))

    def all_pages_due(self, feed: str) -> None:
        with self._access.write() as connection:
            pages_due(connection, feed_page.c.feed == _id(connection, feed))

    def due(self, now: datetime | None = None, *, failed_before: datetime | None = None) -> tuple[str, ...]:
        pages = sa.select(feed_page.c.feed).where(feed_page.c.wanted != feed_page.c.built)
        due = [
            feed.c.wanted != feed.c.built,
            feed.c.failed_at.is_not(None),
            sa.and_(feed.c.archive, feed.c.id.in_(pages)),
        ]
        if now is not None:
            due.append(feed.c.changes_at <= now)
        waiting = sa.select(feed.c.slug).where(feed.c.active, sa.or_(*due))
        if failed_before is not None:
            waiting = waiting.where(sa.or_(feed.c.failed_at.is_(None), feed.c.failed_at <= failed_before))
        with self._access.read() as connection:
            return tuple(connection.execute(waiting.order_by(feed.c.id)).scalars())

    def built(self, feed: str, wanted: int, *, at: datetime, error: str, shown: Collection[int] | None = None) -> None:
        """A failure is told with the count that was published before: the feed then stays due."""
        with self._access.write() as connection:
            _built(connection, feed, wanted, at, error)
            if shown is not None:
                members.show(connection, _id(connection, feed), shown, at)

    def states(self) -> Mapping[str, tuple[datetime | None, str, int]]:
        counted = sa.select(feed_entry.c.feed, sa.func.count().label("n")).where(sa.not_(feed_entry.c.gone))
        held = counted.group_by(feed_entry.c.feed).subquery()
        joined = feed.outerjoin(held, held.c.feed == feed.c.id)
        columns = (feed.c.slug, feed.c.built_at, feed.c.error, sa.func.coalesce(held.c.n, 0))
        with self._access.read() as connection:
            rows = connection.execute(sa.select(*columns).select_from(joined).where(feed.c.active).order_by(feed.c.id))
            return {slug: (built_at, error, n) for slug, built_at, error, n in rows}


def _make_with(connection: Connection, made_with: str) -> None:
    """Feeds that were made before this was noted are left as they are."""
    before = connection.execute(sa.select(instance.c.made_with)).scalar_one()
    if before == made_with:
        return
    connection.execute(sa.update(instance).values(made_with=made_with))
    if before:
        connection.execute(sa.update(feed).where(feed.c.active).values(wanted=feed.c.wanted + 1, tidy=False))
        pages_due(connection, sa.true())


def _built(connection: Connection, slug: str, wanted: int, at: datetime, error: str) -> None:
    """An error with a count that was built before is a failure; with a newer one, it tells what was left out."""
    failed = sa.and_(sa.literal(bool(error)), feed.c.built >= wanted)
    values = {
        "error": error,
        "failed_at": sa.case((failed, sa.literal(at, feed.c.failed_at.type)), else_=None),
        "built_at": sa.case((failed, feed.c.built_at), else_=sa.literal(at, feed.c.built_at.type)),
        "built": sa.case((feed.c.built < wanted, wanted), else_=feed.c.built),
        # Somebody built a later one: whichever wrote its files last, building once more ends it.
        "wanted": sa.case((feed.c.built > wanted, feed.c.wanted + 1), else_=feed.c.wanted),
    }
    connection.execute(sa.update(feed).where(feed.c.slug == slug).values(**values))


def _due(connection: Connection, which: sa.ColumnElement[bool], **values: int) -> None:
    connection.execute(sa.update(feed).where(which).values(wanted=feed.c.wanted + 1, **values))


def _id(connection: Connection, slug: str) -> int:
    return shared.id_of(connection, feed, slug)


def _is(id: int) -> sa.ColumnElement[bool]:
    return feed.c.id == id


def _row(connection: Connection, slug: str) -> sa.RowMapping:
    return connection.execute(sa.select(feed).where(feed.c.id == _id(connection, slug))).mappings().one()
