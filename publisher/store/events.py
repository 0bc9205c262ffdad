"""What mailers told: kept once, merged in any order. See `ports.Events`.

Everything merged is a set that only grows (a bit, a row under its key) or the least of some values, so the same
events end in the same rows however they were ordered, parted into transactions or repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Ending, EventKind, HandedOver, KeptEvent, MailEvent, Merged, Suppression
from publisher.store import _evidence as evidence
from publisher.store import _kept as keeping
from publisher.store import _merging as merging
from publisher.store import _readers as readers
from publisher.store import _returned as returned
from publisher.store import _shared as shared
from publisher.store._witnesses import see
from publisher.store.engine import Access
from publisher.store.tables import mail_event

#: Any number but that of migrations: who holds it merges, and nobody else does.
_LOCK = 0x5055424C45564E54
#: Later than any letter.
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
#: Events deleted in one transaction.
_ROUND = 5_000


class Events:
    def __init__(self, access: Access) -> None:
        self._access = access

    def keep(self, mailer: str, events: Sequence[MailEvent], *, at: datetime) -> int:
        """What is kept of one is what `MailEvent` says, as JSON, and nothing else that the mailer sent."""
        if not events:
            return 0
        with self._access.write() as connection:
            statement = shared.insert(connection, mail_event).on_conflict_do_nothing()
            rows = [
                {"mailer": mailer, "event_id": keeping.id_of(one), "received_at": at, "body": keeping.body_of(one)}
                for one in events
            ]
            return len(connection.execute(statement.returning(mail_event.c.id), rows).all())

    def waiting(self) -> bool:
        with self._access.read() as connection:
            first = sa.select(mail_event.c.id).where(keeping.WAITING).limit(1)
            return connection.execute(first).first() is not None

    def take(self, limit: int) -> tuple[KeptEvent, ...]:
        """None when another process is merging right now."""
        with self._access.write() as connection:
            if not self._access.sqlite and not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
                return ()
            columns = (mail_event.c.id, mail_event.c.mailer, mail_event.c.event_id, mail_event.c.body)
            rows = connection.execute(sa.select(*columns).where(keeping.WAITING).order_by(mail_event.c.id).limit(limit))
            found = shared.rows_of(rows)
            return tuple(
                [KeptEvent(id, name, keeping.event_from(event_id, body)) for id, name, event_id, body in found]
            )

    def merge(self, kept: Sequence[KeptEvent], *, at: datetime) -> Merged:
        """Events of opens and clicks prove a delivery as well."""
        with self._access.write() as connection:
            merged = merging.merge(connection, kept)
            see(connection, kept, at)
            _done(connection, [one.id for one in kept], at)
            return merged

    def letters(
        self, subscribers: Collection[int], *, least: int
    ) -> Mapping[int, tuple[tuple[int, datetime | None], ...]]:
        with self._access.read() as connection:
            return readers.letters(connection, subscribers, least)

    def suppress(self, suppressions: Sequence[Suppression]) -> int:
        """What an editor suppressed by hand stays as it is. A reason of soft bounces replaces another such."""
        with self._access.write() as connection:
            return readers.suppress(connection, suppressions)

    def release(self, address_keys: Collection[bytes]) -> int:
        with self._access.write() as connection:
            return readers.release(connection, address_keys)

    def end(self, endings: Sequence[Ending]) -> int:
        """Of two events that end the same subscription the earlier one is its evidence."""
        with self._access.write() as connection:
            return readers.end(connection, endings)

    def tally(self, edition: int) -> Mapping[EventKind, int]:
        with self._access.read() as connection:
            return evidence.tally(connection, edition)

    def reader(self, key: str, position: int) -> str | None:
        with self._access.read() as connection:
            return returned.reader(connection, key, position)

    def handed_over(self, subscriber: int, mailer: str, since: datetime) -> tuple[HandedOver, ...]:
        with self._access.read() as connection:
            return tuple(returned.handed_over(connection, subscriber, mailer, since, _LATEST))

    def positions(self, key: str) -> frozenset[int]:
        with self._access.read() as connection:
            return evidence.positions(connection, key)

    def arrived(self, batch: int) -> frozenset[int]:
        with self._access.read() as connection:
            return evidence.arrived(connection, batch)

    def witness(self, mailer: str, after: datetime, *, than: int = 0) -> str:
        with self._access.read() as connection:
            return evidence.witness(connection, mailer, after, than=than)

    def heard(self, mailer: str, after: datetime, before: datetime, kind: EventKind | None = None) -> bool:
        between = sa.and_(mail_event.c.received_at > after, mail_event.c.received_at < before)
        found = sa.select(mail_event.c.id).where(mail_event.c.mailer == mailer, between)
        with self._access.read() as connection:
            some = found if kind is None else found.where(keeping.is_of(kind))
            return connection.execute(some.limit(1)).first() is not None

    def forget(self, before: datetime) -> int:
        """In transactions of a few thousand, so that nobody waits long."""
        forgotten = 0
        while True:
            oldest = sa.select(mail_event.c.id, mail_event.c.received_at, mail_event.c.processed_at)
            found = oldest.order_by(mail_event.c.id).limit(_ROUND).subquery()
            over = sa.select(found.c.id).where(found.c.received_at < before, found.c.processed_at.is_not(None))
            with self._access.write() as connection:
                deleted = connection.execute(sa.delete(mail_event).where(mail_event.c.id.in_(over))).rowcount
            forgotten += deleted
            if deleted < _ROUND:
                return forgotten


def _done(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    if ids:
        mine = shared.among(connection, mail_event.c.id, ids)
        connection.execute(sa.update(mail_event).where(mine).values(processed_at=at))
