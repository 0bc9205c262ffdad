"""A page of a source's articles: which are known, and new ones and changed ones written together.

A page costs a few statements, however many articles it holds, and each statement is built once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import Conflict
from publisher.model import Article
from publisher.store import _shared as shared
from publisher.store._articles import article_from, article_row, current, revision_row, word_row
from publisher.store.tables import article, revision, source

_ADD_REVISIONS = sa.insert(revision)
_UPDATE = sa.update(article).where(article.c.id == sa.bindparam("of"))
_SEE = sa.update(revision).where(revision.c.article == sa.bindparam("of"), revision.c.number == sa.bindparam("current"))


def known(connection: Connection, slug: str, native_ids: Collection[str]) -> Iterator[Article]:
    wanted = {"source": shared.id_of(connection, source, slug), "names": shared.given(connection, native_ids)}
    rows = connection.execute(_known(shared.is_sqlite(connection)), wanted).mappings()
    return map(article_from, rows)


def insert(connection: Connection, new: Sequence[Article]) -> list[int]:
    """New articles with their first revisions; their ids. Raises Conflict when the source, or the site, has an
    article of one of the names already."""
    sources = shared.ids_of(connection, source, {one.source for one in new})
    rows = [
        article_row(one)
        | word_row(one)
        | {
            "source": sources[one.source],
            "entry_id": one.entry_id,
            "first_seen_at": one.first_seen_at,
            "revision": one.revision.number,
            "published_at": one.revision.published_at,
        }
        for one in new
    ]
    added = connection.execute(_add(shared.is_sqlite(connection)), rows)
    found = {str(row.entry_id): int(row.id) for row in added}
    for one in new:
        if one.entry_id not in found:
            raise Conflict(f"Article {one.entry_id} is known already.")
    ids = [found[one.entry_id] for one in new]
    connection.execute(_ADD_REVISIONS, [revision_row(id, one.revision) for id, one in zip(ids, new, strict=True)])
    return ids


def revise(connection: Connection, changed: Sequence[Article]) -> None:
    """Raises Conflict when one has that revision already, or an editor has said something about it since."""
    _hold(connection, changed, newer=True)
    rows = [
        article_row(one) | {"of": one.id, "revision": one.revision.number, "published_at": one.revision.published_at}
        for one in changed
    ]
    connection.execute(_UPDATE, rows)
    connection.execute(_ADD_REVISIONS, [revision_row(one.id, one.revision) for one in changed])


def see(connection: Connection, touched: Sequence[Article]) -> None:
    """Raises Conflict when an editor has said something about one since."""
    _hold(connection, touched, newer=False)
    connection.execute(_UPDATE, [article_row(one) | {"of": one.id} for one in touched])
    current_ones = [
        {"of": one.id, "current": one.revision.number, "raw_hash": one.revision.raw_hash} for one in touched
    ]
    connection.execute(_SEE, current_ones)


def _hold(connection: Connection, articles: Sequence[Article], *, newer: bool) -> None:
    """Until the transaction ends nobody else changes these. A newer revision must really be newer, and an editor's
    word that was given since is never written over."""
    ids = {"ids": shared.given(connection, [one.id for one in articles])}
    stored = {row["id"]: row for row in connection.execute(_held(shared.is_sqlite(connection)), ids).mappings()}
    for one in articles:
        row = stored.get(one.id)
        words = word_row(one)
        if (
            row is None
            or (newer and row["revision"] >= one.revision.number)
            or any(row[name] != words[name] for name in _WORDS)
        ):
            raise Conflict(f"Article {one.entry_id} has been changed since; read it again.")


#: What only an editor says.
_WORDS = ("mail", "mail_at", "retracted_by")


@cache
def _known(sqlite: bool) -> sa.Select[Any]:
    named = shared.among_given(sqlite, article.c.native_id, "names")
    return current().where(article.c.source == sa.bindparam("source"), named)


@cache
def _add(sqlite: bool) -> Any:
    return shared.insert_of(sqlite, article).on_conflict_do_nothing().returning(article.c.entry_id, article.c.id)


@cache
def _held(sqlite: bool) -> sa.Select[Any]:
    columns = (article.c.id, article.c.revision, *(article.c[name] for name in _WORDS))
    these = shared.among_given(sqlite, article.c.id, "ids")
    return sa.select(*columns).where(these).order_by(article.c.id).with_for_update()
