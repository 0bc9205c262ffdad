"""Our feeds and which articles are in them. See `ports.Feeds`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Article, ArticleState, Feed, FeedEntry, FeedPattern, Selection
from publisher.store import _shared as shared
from publisher.store._articles import article_from, current
from publisher.store.engine import Access
from publisher.store.tables import article, feed, feed_entry, feed_pattern, instance


class Feeds:
    def __init__(self, access: Access) -> None:
        self._access = access

    def sync(self, feeds: Sequence[Feed], patterns: Sequence[FeedPattern]) -> tuple[str, ...]:
        """A pattern that is new or changed is returned by its own slug. What a pattern made follows it.

        Each is returned once: fill them in the same transaction."""
        now = self._access.now()
        with self._access.write() as connection:
            known = {row["slug"]: row for row in connection.execute(sa.select(feed)).mappings()}
            changed, kept = _keep_patterns(connection, patterns)
            made = _made(known.values(), kept, {one.slug for one in feeds})
            refill = [one.slug for one in feeds if _keep(connection, one, known.get(one.slug))]
            for one in made:
                _keep(connection, one, known[one.slug])
            wanted = [one.slug for one in (*feeds, *made)]
            shared.retire(connection, feed, wanted, removed_at=now)
            return (*refill, *changed)

    def all(self) -> tuple[Feed, ...]:
        with self._access.read() as connection:
            rows = connection.execute(sa.select(feed).where(feed.c.active).order_by(feed.c.id))
            return tuple(_feed(row) for row in rows.mappings())

    def add(self, feed: Feed) -> None:
        with self._access.write() as connection:
            _insert(connection, feed)

    def place(self, entries: Iterable[FeedEntry]) -> None:
        """Raises NotFound when there is no such feed."""
        by_feed: dict[str, list[FeedEntry]] = defaultdict(list)
        for entry in entries:
            by_feed[entry.feed].append(entry)
        if not by_feed:
            return
        with self._access.write() as connection:
            ids = shared.ids_of(connection, feed, by_feed)
            rows = [
                {"feed": ids[slug], "article": entry.article, "sort_key": entry.sort_key}
                for slug, placed in by_feed.items()
                for entry in placed
            ]
            statement = shared.insert(connection, feed_entry)
            statement = statement.on_conflict_do_update(
                index_elements=["feed", "article"], set_={"sort_key": statement.excluded.sort_key}
            )
            connection.execute(statement, rows)
            _due(connection, shared.among(connection, feed.c.id, ids.values()))

    def withdraw(self, article: int, feeds: Collection[str]) -> None:
        with self._access.write() as connection:
            named = sa.select(feed.c.id).where(shared.among(connection, feed.c.slug, feeds))
            gone = sa.delete(feed_entry).where(feed_entry.c.article == article, feed_entry.c.feed.in_(named))
            ids = connection.execute(gone.returning(feed_entry.c.feed)).scalars().all()
            _due(connection, shared.among(connection, feed.c.id, ids))

    def memberships(self, article: int) -> tuple[str, ...]:
        held = sa.select(feed.c.slug).join(feed_entry, feed_entry.c.feed == feed.c.id)
        with self._access.read() as connection:
            slugs = held.where(feed_entry.c.article == article, feed.c.active).order_by(feed.c.id)
            return tuple(connection.execute(slugs).scalars())

    def empty(self, feed: str) -> None:
        with self._access.write() as connection:
            id = _id(connection, feed)
            connection.execute(sa.delete(feed_entry).where(feed_entry.c.feed == id))
            _due(connection, _is(id), built=0)

    def lock(self) -> None:
        """SQLite has one writer at a time anyway; PostgreSQL locks the one row that is always there. Without it,
        two that place articles lock the same feeds in different order."""
        with self._access.write() as connection:
            connection.execute(sa.select(instance.c.number).with_for_update(key_share=True))

    def newest(self, feed: str, limit: int) -> tuple[Article, ...]:
        with self._access.read() as connection:
            entries = current().join(feed_entry, feed_entry.c.article == article.c.id)
            live = entries.where(feed_entry.c.feed == _id(connection, feed), _live())
            rows = connection.execute(live.order_by(feed_entry.c.sort_key.desc(), article.c.id.desc()).limit(limit))
            return tuple(article_from(row) for row in rows.mappings())

    def due(self, *, failed_before: datetime | None = None) -> tuple[str, ...]:
        waiting = sa.select(feed.c.slug).where(feed.c.active, feed.c.wanted != feed.c.built)
        if failed_before is not None:
            waiting = waiting.where(sa.or_(feed.c.failed_at.is_(None), feed.c.failed_at <= failed_before))
        with self._access.read() as connection:
            return tuple(connection.execute(waiting.order_by(feed.c.id)).scalars())

    def built(self, feed: str, wanted: int, *, at: datetime, error: str) -> None:
        """A failure is told with the count that was published before: the feed then stays due."""
        with self._access.write() as connection:
            _built(connection, feed, wanted, at, error)

    def states(self) -> Mapping[str, tuple[datetime | None, str, int]]:
        held = sa.select(feed_entry.c.feed, sa.func.count().label("n")).group_by(feed_entry.c.feed).subquery()
        joined = feed.outerjoin(held, held.c.feed == feed.c.id)
        columns = (feed.c.slug, feed.c.built_at, feed.c.error, sa.func.coalesce(held.c.n, 0))
        with self._access.read() as connection:
            rows = connection.execute(sa.select(*columns).select_from(joined).where(feed.c.active).order_by(feed.c.id))
            return {slug: (built_at, error, n) for slug, built_at, error, n in rows}


def _keep_patterns(connection: Connection, patterns: Sequence[FeedPattern]) -> tuple[list[str], list[FeedPattern]]:
    """The slugs of patterns that are new or select otherwise, and the patterns whose feeds stay."""
    told = {pattern.slug: (pattern.each, _selection_row(pattern.selection)[1]) for pattern in patterns}
    rows = connection.execute(sa.select(feed_pattern)).all()
    known = {slug: (each, selection) for slug, each, selection in rows}
    connection.execute(sa.delete(feed_pattern).where(feed_pattern.c.slug.not_in(told)))
    for slug, (each, selection) in told.items():
        now = {"each": each, "selection_hash": selection}
        statement = shared.insert(connection, feed_pattern).values(slug=slug, **now)
        connection.execute(statement.on_conflict_do_update(index_elements=["slug"], set_=now))
    changed = [slug for slug in told if known.get(slug) != told[slug]]
    kept = [pattern for pattern in patterns if known.get(pattern.slug, ("",))[0] == pattern.each]
    return changed, kept


def _made(known: Iterable[sa.RowMapping], patterns: Sequence[FeedPattern], taken: Collection[str]) -> list[Feed]:
    """The feeds that patterns have made and would make today, as they would make them."""
    by_slug = {pattern.slug: pattern for pattern in patterns}
    rows = [row for row in known if row["pattern"] in by_slug and row["slug"] not in taken]
    made = [_again(_feed(row), by_slug[row["pattern"]]) for row in rows]
    return [one for one in made if one is not None]


def _again(made: Feed, pattern: FeedPattern) -> Feed | None:
    """None when the pattern does not make a feed of that name any more."""
    field = "categories" if pattern.each == "category" else "authors"
    (name,) = getattr(made.selection, field)
    allowed = {one.casefold() for one in getattr(pattern.selection, field)}
    if allowed and name.casefold() not in allowed:
        return None
    return replace(
        made,
        title=pattern.title.replace("{name}", name),
        description=pattern.description.replace("{name}", name),
        home_url=pattern.home_url,
        language=pattern.language,
        selection=replace(pattern.selection, **{field: (name,)}),
        formats=pattern.formats,
        limit=pattern.limit,
    )


def _keep(connection: Connection, one: Feed, known: sa.RowMapping | None) -> bool:
    """Insert or update a feed; True when its membership must be filled anew."""
    if known is None:
        return _insert(connection, one)
    row = _row(one)
    refill = not known["active"] or known["selection_hash"] != row["selection_hash"]
    if refill or any(known[name] != value for name, value in row.items()):
        changed = row | {"active": True, "removed_at": None, "wanted": feed.c.wanted + 1}
        connection.execute(sa.update(feed).where(feed.c.id == known["id"]).values(**changed))
    return refill


def _insert(connection: Connection, one: Feed) -> bool:
    """True when there was none of that slug, or only one that had been removed."""
    values = _row(one) | {"active": True, "removed_at": None, "error": ""}
    statement = shared.insert(connection, feed).values(**values, wanted=1, built=0)
    statement = statement.on_conflict_do_update(
        index_elements=["slug"], set_=values | {"wanted": feed.c.wanted + 1}, where=sa.not_(feed.c.active)
    )
    return connection.execute(statement.returning(feed.c.id)).first() is not None


def _row(one: Feed) -> dict[str, Any]:
    selection, selection_hash = _selection_row(one.selection)
    return {
        "slug": one.slug,
        "title": one.title,
        "description": one.description,
        "home_url": one.home_url,
        "language": one.language,
        "selection": selection,
        "selection_hash": selection_hash,
        "formats": list(one.formats),
        "entries": one.limit,
        "pattern": one.pattern,
    }


def _selection_row(selection: Selection) -> tuple[dict[str, list[str]], str]:
    """A selection as it is stored, and its hash."""
    stored = {name: list(values) for name, values in asdict(selection).items()}
    return stored, hashlib.sha256(orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _feed(row: sa.RowMapping) -> Feed:
    return Feed(
        id=row["id"],
        slug=row["slug"],
        title=row["title"],
        description=row["description"],
        home_url=row["home_url"],
        language=row["language"],
        selection=Selection(**{name: tuple(values) for name, values in row["selection"].items()}),
        formats=tuple(row["formats"]),
        limit=row["entries"],
        pattern=row["pattern"],
        wanted=row["wanted"],
        built=row["built"],
    )


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


def _live() -> sa.ColumnElement[bool]:
    return article.c.state == ArticleState.LIVE.value
