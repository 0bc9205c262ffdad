"""Pages of the archive: which are due, and what lists tell of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Page
from publisher.store import _shared as shared
from publisher.store.tables import archive_page, edition, edition_item, newsletter

_OF = archive_page.c
_DUE = _OF.wanted != _OF.built
_FIELDS = tuple(field.name for field in fields(Page))


def archive(connection: Connection, id: int) -> None:
    texts = dict.fromkeys(("name", "subject", "language", "notice", "content", "last_error"), "")
    values = {"edition": id, "wanted": 1, "built": 0, "listed": False, "stories": 0, **texts}
    connection.execute(shared.insert(connection, archive_page).values(**values).on_conflict_do_nothing())


def touch(connection: Connection, *which: sa.ColumnElement[bool]) -> None:
    _lock(connection, *which)
    connection.execute(sa.update(archive_page).where(*which).values(wanted=_OF.wanted + 1))


def _lock(connection: Connection, *which: sa.ColumnElement[bool]) -> None:
    """Whoever changes several pages takes them in one order, so that no two wait for each other."""
    if not shared.is_sqlite(connection):
        connection.execute(sa.select(_OF.edition).where(*which).order_by(_OF.edition).with_for_update()).all()


def holding(connection: Connection, articles: Collection[int]) -> sa.ColumnElement[bool]:
    held = sa.select(edition_item.c.edition).where(shared.among(connection, edition_item.c.article, articles))
    return _OF.edition.in_(held)


def due_archives(connection: Connection, hidden: Collection[str], *, failed_before: datetime) -> tuple[str, ...]:
    rested = sa.or_(_OF.failed_at.is_(None), _OF.failed_at <= failed_before)
    due = _slugs(connection, sa.and_(_DUE, rested))
    closing = _slugs(connection, sa.and_(_OF.built > 0, newsletter.c.slug.in_(hidden))) if hidden else []
    return (*(slug for slug in due if slug not in hidden), *closing)


def _slugs(connection: Connection, which: sa.ColumnElement[bool]) -> list[str]:
    owned = archive_page.join(edition, edition.c.id == _OF.edition)
    owned = owned.join(newsletter, newsletter.c.id == edition.c.newsletter)
    found = sa.select(newsletter.c.slug).select_from(owned).where(which).distinct().order_by(newsletter.c.slug)
    return [str(slug) for slug in connection.execute(found).scalars()]


def _of(slug: str) -> sa.ColumnElement[bool]:
    owner = sa.select(newsletter.c.id).where(newsletter.c.slug == slug).scalar_subquery()
    return _OF.edition.in_(sa.select(edition.c.id).where(edition.c.newsletter == owner))


def due_pages(connection: Connection, slug: str) -> tuple[tuple[int, int], ...]:
    rows = connection.execute(sa.select(_OF.edition, _OF.wanted).where(_DUE, _of(slug)).order_by(_OF.edition))
    return tuple((row.edition, row.wanted) for row in rows)


def pages(connection: Connection, slug: str) -> tuple[Page, ...]:
    columns = [_OF[name] for name in _FIELDS]
    there = sa.select(*columns).where(_OF.listed, _of(slug))
    rows = connection.execute(there.order_by(_OF.at.desc(), _OF.edition.desc())).mappings()
    return tuple(Page(**row) for row in rows)


def built(connection: Connection, pages: Mapping[int, Page], wanted: Mapping[int, int]) -> None:
    _lock(connection, shared.among(connection, _OF.edition, pages))
    for id, page in pages.items():
        told = {name: getattr(page, name) for name in _FIELDS}
        state = {"built": wanted[id], "failed_at": None, "last_error": ""}
        connection.execute(sa.update(archive_page).where(_OF.edition == id).values(**told, **state))


def failed(connection: Connection, slug: str, *, at: datetime, error: str) -> None:
    _lock(connection, _DUE, _of(slug))
    connection.execute(sa.update(archive_page).where(_DUE, _of(slug)).values(failed_at=at, last_error=error))


def close(connection: Connection, slug: str) -> None:
    _lock(connection, _of(slug))
    connection.execute(sa.update(archive_page).where(_of(slug)).values(built=0, listed=False))
