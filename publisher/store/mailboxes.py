"""Looks into mailboxes that bounces come back to. See `ports.Mailboxes`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from publisher.model import MailboxLook
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import mailbox as table

_COUNTS = ("events", "automatic", "unreadable")


class Mailboxes:
    def __init__(self, access: Access) -> None:
        self._access = access

    def due(self, mailers: Collection[str], now: datetime) -> tuple[str, ...]:
        if not mailers:
            return ()
        with self._access.read() as connection:
            resting = sa.select(table.c.mailer).where(table.c.next_look_at > now)
            later = set(connection.execute(resting).scalars())
        return tuple(mailer for mailer in mailers if mailer not in later)

    def take(self, mailer: str, *, now: datetime, until: datetime) -> bool:
        fresh = {"mailer": mailer, "next_look_at": until, "last_error": "", **dict.fromkeys(_COUNTS, 0)}
        with self._access.write() as connection:
            insert = shared.insert(connection, table).values(**fresh)
            taken = insert.on_conflict_do_update(
                index_elements=["mailer"],
                set_={"next_look_at": insert.excluded.next_look_at},
                where=table.c.next_look_at <= now,
            )
            return connection.execute(taken.returning(table.c.mailer)).first() is not None

    def looked(self, look: MailboxLook, *, next_at: datetime) -> None:
        more = {name: table.c[name] + getattr(look, name) for name in _COUNTS}
        said = {"looked_at": look.at, "next_look_at": next_at, "last_error": look.error}
        with self._access.write() as connection:
            connection.execute(sa.update(table).where(table.c.mailer == look.mailer).values(**more, **said))

    def looks(self) -> tuple[MailboxLook, ...]:
        with self._access.read() as connection:
            rows = connection.execute(
                sa.select(table).where(table.c.looked_at.is_not(None)).order_by(table.c.mailer)
            ).mappings()
            return tuple(
                MailboxLook(
                    mailer=row["mailer"],
                    at=row["looked_at"],
                    error=row["last_error"],
                    **{name: row[name] for name in _COUNTS},
                )
                for row in rows
            )
