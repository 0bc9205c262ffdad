"""The complete lists of what sources have, and who is missing from them. See `ports.Listings`.

What a list has named is a bitmap over the ids of articles in the source's row: it takes an eighth of a byte for
each id, so neither memory nor the database notices an archive of a million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import OTHER_NAMES, ArticleState, Listing, Missing
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import article, source

#: Articles that are looked through at once, and ids that are written at once.
_PAGE = 5_000

#: Lists in a row that do not name an article before it is retracted.
ENOUGH = 2

_REMOVED = sa.and_(article.c.state == ArticleState.RETRACTED.value, article.c.retracted_by == "")
_THERE = article.c.state != ArticleState.RETRACTED.value
#: Lists name articles by the source's own ids: who is known only by another name can be missing from none.
_LISTED = sa.or_(
    article.c.own_id != "", sa.not_(sa.or_(*(article.c.native_id.startswith(name) for name in OTHER_NAMES)))
)


class Listings:
    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, source: str, listing: Listing, *, at: datetime) -> None:
        with self._access.write() as connection:
            id, begun, named = _under_way(connection, source)
            if begun.partition(" ")[2] != listing.look:
                begun, named = f"{at.isoformat()} {listing.look}", bytearray()
            for name in (article.c.native_id, article.c.own_id):
                there = sa.and_(article.c.source == id, name != "", shared.among(connection, name, listing.ids))
                for one in connection.execute(sa.select(article.c.id).where(there)).scalars():
                    _mark(named, one)
            _keep(connection, id, begun, bytes(named))

    def compare(self, source: str) -> Missing:
        stored, gone, back = 0, [], []
        with self._access.read() as connection:
            id, begun, named = _under_way(connection, source)
            since = datetime.fromisoformat(begun.partition(" ")[0])
            for one, there, missing, came in _each(connection, id):
                stored += there
                if _is_marked(named, one):
                    back += [one] if missing else []
                elif there and came < since:
                    gone.append(one)
        return Missing(stored=stored, gone=tuple(gone), back=tuple(back))

    def forget(self, source: str) -> None:
        with self._access.write() as connection:
            _keep(connection, _under_way(connection, source)[0], "", None)

    def miss(self, ids: Collection[int], *, at: datetime) -> None:
        now = sa.literal(at, article.c.missed_at.type)
        first = sa.case((article.c.missing_looks > 0, article.c.missed_at), else_=now)
        with self._access.write() as connection:
            for some in _chunks(ids):
                these = sa.and_(shared.among(connection, article.c.id, some), _THERE)
                connection.execute(sa.update(article).where(these).values(missed_at=first))

    def away(self, source: str) -> tuple[int, ...]:
        with self._access.read() as connection:
            missing = sa.select(article.c.id).where(_away(_under_way(connection, source)[0]))
            return tuple(connection.execute(missing).scalars())

    def retire(self, source: str, *, at: datetime, patience: timedelta, at_once: bool = False) -> tuple[int, ...]:
        gone = {"state": ArticleState.RETRACTED.value, "retracted_at": at, "retracted_by": "", "retraction_note": ""}
        counts = sa.true() if at_once else sa.or_(article.c.missing_looks == 0, article.c.missed_at <= at - patience)
        looks = sa.literal(ENOUGH) if at_once else article.c.missing_looks + 1
        with self._access.write() as connection:
            missing = _away(_under_way(connection, source)[0])
            connection.execute(sa.update(article).where(missing, counts).values(missing_looks=looks))
            enough = sa.update(article).where(missing, article.c.missing_looks >= ENOUGH).values(**gone)
            return tuple(connection.execute(enough.returning(article.c.id)).scalars())

    def find(self, ids: Collection[int], *, at: datetime) -> tuple[int, ...]:
        held, live = sa.literal(ArticleState.HELD.value), sa.literal(ArticleState.LIVE.value)
        state = sa.case((article.c.published_at > sa.literal(at, article.c.published_at.type), held), else_=live)
        found: list[int] = []
        with self._access.write() as connection:
            for some in _chunks(ids):
                these = shared.among(connection, article.c.id, some)
                back = sa.update(article).where(these, _REMOVED).values(state=state, retracted_at=None)
                found += connection.execute(back.returning(article.c.id)).scalars()
                connection.execute(sa.update(article).where(these).values(missing_looks=0, missed_at=None))
        return tuple(found)


def _away(source: int) -> sa.ColumnElement[bool]:
    """The articles that the last complete list of a source did not name, and that are not retracted."""
    return sa.and_(article.c.source == source, article.c.missed_at.is_not(None), _THERE)


def _under_way(connection: Connection, slug: str) -> tuple[int, str, bytearray]:
    """The id of a source, when which list of it was begun ("2026-11-22T06:00:00+00:00 name"), and what it named.
    Raises NotFound."""
    id = shared.id_of(connection, source, slug)
    row = connection.execute(sa.select(source.c.listing, source.c.listed).where(source.c.id == id)).one()
    return id, row.listing, bytearray(row.listed or b"")


def _keep(connection: Connection, id: int, begun: str, named: bytes | None) -> None:
    connection.execute(sa.update(source).where(source.c.id == id).values(listing=begun, listed=named))


def _each(connection: Connection, id: int) -> Iterator[tuple[int, bool, bool, datetime]]:
    """Of each article of a source: its id, whether it is there (not retracted), whether the last list did not name it,
    and when it came in."""
    columns = (article.c.id, _THERE, article.c.missed_at.is_not(None), article.c.first_seen_at)
    every = sa.select(*columns).where(article.c.source == id, _LISTED).execution_options(yield_per=_PAGE)
    for one, there, missing, came in connection.execute(every):
        yield int(one), bool(there), bool(missing), came


def _chunks(ids: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _PAGE):
        yield ordered[start : start + _PAGE]


def _mark(bitmap: bytearray, position: int) -> None:
    missing = position // 8 + 1 - len(bitmap)
    if missing > 0:
        bitmap.extend(bytes(missing))
    bitmap[position >> 3] |= 1 << (position & 7)


def _is_marked(bitmap: bytearray, position: int) -> bool:
    place = position >> 3
    return place < len(bitmap) and bool(bitmap[place] >> (position & 7) & 1)
