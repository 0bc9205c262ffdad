"""What events prove about a batch, and their sums for an edition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_positions
from publisher.model import EventKind
from publisher.store._kept import waiting_for
from publisher.store._lookups import by_address, members_of
from publisher.store._merging import KINDS
from publisher.store._order import begun_later, last, line
from publisher.store._witnesses import same_account, told_of
from publisher.store.tables import batch, delivery_exception, edition

#: What tells that a reader has a letter, or will have it: all but that it was refused.
_REFUSED = (EventKind.SOFT_BOUNCE, EventKind.HARD_BOUNCE, EventKind.BLOCKED)
_HAVE_IT = tuple(kind.value for kind in EventKind if kind not in _REFUSED)


def tally(connection: Connection, id: int) -> Counter[EventKind]:
    of = sa.and_(delivery_exception.c.edition == id, delivery_exception.c.kind.in_(KINDS))
    kinds = sa.select(delivery_exception.c.kind, sa.func.count()).where(of).group_by(delivery_exception.c.kind)
    sums = Counter({EventKind(kind): int(n) for kind, n in connection.execute(kinds)})
    bitmaps = sa.select(batch.c.delivered).where(batch.c.edition == id)
    delivered = sum(int.from_bytes(bitmap).bit_count() for bitmap in connection.execute(bitmaps).scalars())
    return sums + Counter({EventKind.DELIVERED: delivered})


def positions(connection: Connection, key: str) -> frozenset[int]:
    """By subscriber, because a letter that moved to a child has another position there. Events that wait count as
    well: that nothing was told would else be believed too early."""
    row = connection.execute(sa.select(batch.c.id).where(batch.c.key == key)).one_or_none()
    if row is None:
        return frozenset()
    seen = {who for id, of in line(connection, row.id) for who in _seen(connection, id, of)}
    mine = members_of(connection, [row.id])[row.id].subscribers
    return frozenset(at for at, who in enumerate(mine) if who in seen)


def arrived(connection: Connection, id: int) -> frozenset[int]:
    """Events that wait do not count here: to look for them takes long, and they are merged within seconds."""
    told: set[int] = set()
    for before in (one for one, _ in line(connection, id)):
        told |= _delivered(connection, before)
        of = sa.and_(delivery_exception.c.batch == before, delivery_exception.c.kind.in_(_HAVE_IT))
        told |= set(connection.execute(sa.select(delivery_exception.c.subscriber).where(of)).scalars())
    if not told:
        return frozenset()
    return frozenset(at for at, who in enumerate(members_of(connection, [id])[id].subscribers) if who in told)


def _delivered(connection: Connection, id: int) -> set[int]:
    bitmap = connection.execute(sa.select(batch.c.delivered).where(batch.c.id == id)).scalar_one()
    if not bitmap:
        return set()
    subscribers = members_of(connection, [id])[id].subscribers
    return {subscribers[at] for at in unpack_positions(bitmap)}


def _seen(connection: Connection, id: int, key: str) -> Iterator[int]:
    """The subscribers about whose letter in this batch an event was kept. Of one whom the server refused at once it
    only tells that: it proves nothing of the letter when they are mailed again."""
    subscribers = members_of(connection, [id])[id].subscribers
    yield from _delivered(connection, id)
    of = sa.and_(delivery_exception.c.batch == id, delivery_exception.c.kind.in_((*KINDS, "rejected")))
    told = connection.execute(sa.select(delivery_exception.c.subscriber, delivery_exception.c.kind).where(of)).all()
    refused = {(who, kind) for who, said in told if said == "rejected" for kind in (*_REFUSED, said)}
    yield from (who for who, kind in told if (who, kind) not in refused)
    waiting = list(waiting_for(connection, key))
    placed = [(subscribers[one.position], one.kind) for one in waiting if 0 <= one.position < len(subscribers)]
    yield from (who for who, kind in placed if (who, kind) not in refused)
    compared = {one.recipient.strip().casefold() for one in waiting if not 0 <= one.position < len(subscribers)}
    yield from (who for who, _ in by_address(connection, compared).values())


def witness(connection: Connection, mailer: str, after: datetime, *, than: int = 0) -> str:
    """Only editions that may have been under way since then are looked at."""
    number = last(connection, than)
    recent = sa.or_(edition.c.finished_at.is_(None), edition.c.finished_at > after)
    told = sa.exists().where(delivery_exception.c.batch == batch.c.id, delivery_exception.c.kind.in_(KINDS))
    found = (
        sa.select(batch.c.key)
        .where(
            batch.c.edition.in_(sa.select(edition.c.id).where(recent)),
            batch.c.mailer == mailer,
            batch.c.first_intent_at > after,
            begun_later(number),
            same_account(connection, than),
            sa.or_(batch.c.delivered != b"", told),
        )
        .limit(1)
    )
    return connection.execute(found).scalar_one_or_none() or told_of(connection, mailer, after, number)
