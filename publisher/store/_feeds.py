"""Feeds between rows and values, and what the settings say about them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Feed, FeedPattern, Selection
from publisher.store import _shared as shared
from publisher.store.tables import feed, feed_page, feed_pattern


def keep_patterns(connection: Connection, patterns: Sequence[FeedPattern]) -> tuple[list[str], list[FeedPattern]]:
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


def made_again(known: Iterable[sa.RowMapping], patterns: Sequence[FeedPattern], taken: Collection[str]) -> list[Feed]:
    """The feeds that patterns have made and would make today, as they would make them."""
    by_slug = {pattern.slug: pattern for pattern in patterns}
    found = []
    for row in known:
        pattern = by_slug.get(row["pattern"])
        names = pattern.named(feed_from(row)) if pattern and row["slug"] not in taken else None
        if pattern and names:
            found.append(pattern.feed(row["slug"], names))
    return found


def keep(connection: Connection, one: Feed, known: sa.RowMapping | None) -> bool:
    """Insert or update a feed; True when its membership must be filled anew."""
    if known is None:
        return insert_feed(connection, one)
    row = _row(one)
    refill = not known["active"] or known["selection_hash"] != row["selection_hash"]
    if refill or any(known[name] != value for name, value in row.items()):
        changed = row | {"active": True, "removed_at": None, "wanted": feed.c.wanted + 1, "tidy": False}
        connection.execute(sa.update(feed).where(feed.c.id == known["id"]).values(**changed))
        pages_due(connection, feed_page.c.feed == known["id"])
    return refill


def insert_feed(connection: Connection, one: Feed) -> bool:
    """True when there was none of that slug, or only one that had been removed."""
    values = _row(one) | {"active": True, "removed_at": None, "error": "", "tidy": False}
    statement = shared.insert(connection, feed).values(**values, wanted=1, built=0, pages=0)
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
        "content": one.content,
        "ids": one.ids,
        "archive": one.archive,
        "remember_seconds": round(one.remember.total_seconds()),
        "interval_seconds": round(one.interval.total_seconds()),
    }


def _selection_row(selection: Selection) -> tuple[dict[str, list[str]], str]:
    """A selection as it is stored, and its hash."""
    stored = {name: list(values) for name, values in asdict(selection).items()}
    return stored, hashlib.sha256(orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)).hexdigest()


def feed_from(row: sa.RowMapping) -> Feed:
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
        content=row["content"],
        ids=row["ids"],
        archive=row["archive"],
        remember=timedelta(seconds=row["remember_seconds"]),
        interval=timedelta(seconds=row["interval_seconds"]),
        pages=row["pages"],
        wanted=row["wanted"],
        built=row["built"],
    )


def pages_due(connection: Connection, which: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.update(feed_page).where(which).values(wanted=feed_page.c.wanted + 1))
