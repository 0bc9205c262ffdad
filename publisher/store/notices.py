"""Mail that is no edition: one row each, once. See `ports.Notices`."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from publisher.model import Notice, NoticeState, Rendered
from publisher.store import _shared as shared
from publisher.store._order import last, newest
from publisher.store.engine import Access
from publisher.store.tables import notice as table

_OPEN = (NoticeState.READY.value, NoticeState.CLAIMED.value, NoticeState.SUBMITTING.value)


class Notices:
    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, notice: Notice) -> bool:
        with self._access.write() as connection:
            statement = (
                shared.insert(connection, table).values(**_row(notice), number=newest()).on_conflict_do_nothing()
            )
            return connection.execute(statement.returning(table.c.id)).first() is not None

    def claim(self, *, now: datetime, lease: timedelta) -> Notice | None:
        """The oldest first. One whose lease ran out is unknown from then on, and is not handed over again;
        one that was given back rests until its lease ends."""
        lost = sa.and_(table.c.state == NoticeState.SUBMITTING.value, table.c.lease_until < now)
        rested = sa.or_(table.c.lease_until.is_(None), table.c.lease_until <= now)
        ready = sa.select(table.c.id).where(table.c.state == NoticeState.READY.value, rested)
        with self._access.write() as connection:
            connection.execute(sa.update(table).where(lost).values(state=NoticeState.UNKNOWN.value))
            first = ready.order_by(table.c.id).limit(1).with_for_update(skip_locked=True)
            id = connection.execute(first).scalar_one_or_none()
            if id is None:
                return None
            taken = {
                "state": NoticeState.SUBMITTING.value,
                "attempts": table.c.attempts + 1,
                "lease_until": now + lease,
            }
            row = connection.execute(sa.update(table).where(table.c.id == id).values(**taken).returning(table))
            return _notice(row.mappings().one())

    def settle(
        self, id: int, state: NoticeState, *, now: datetime, error: str, next_at: datetime | None = None
    ) -> None:
        sent_at = now if state is NoticeState.SENT else None
        values = {"state": state.value, "last_error": error, "sent_at": sent_at}
        if next_at is not None:
            values["lease_until"] = next_at
        with self._access.write() as connection:
            outcome = sa.update(table).where(table.c.id == id, table.c.state != NoticeState.SENT.value)
            connection.execute(outcome.values(**values))

    def by_key(self, key: str) -> Notice | None:
        with self._access.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.key == key)).mappings().one_or_none()
            return _notice(row) if row else None

    def waiting(self) -> int:
        with self._access.read() as connection:
            count = sa.select(sa.func.count()).select_from(table).where(table.c.state.in_(_OPEN))
            return int(connection.execute(count).scalar_one())

    def witnesses(self, mailer: str, after: datetime, *, than: int = 0) -> tuple[Notice, ...]:
        # Said in these words, the partial index can be used.
        which = sa.and_(sa.text("notice.kind = 'witness'"), table.c.mailer == mailer, table.c.created_at > after)
        with self._access.read() as connection:
            which = sa.and_(which, table.c.number >= last(connection, than))
            rows = connection.execute(sa.select(table).where(which).order_by(table.c.id))
            return tuple(_notice(row) for row in rows.mappings())

    def last(self, limit: int) -> tuple[Notice, ...]:
        with self._access.read() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.id.desc()).limit(limit))
            return tuple(_notice(row) for row in rows.mappings())


def _row(one: Notice) -> dict[str, object]:
    return {
        "kind": one.kind,
        "key": one.key,
        "address": one.address,
        "subject": one.rendered.subject,
        "html": one.rendered.html,
        "text": one.rendered.text,
        "sender": one.sender,
        "mailer": one.mailer,
        "state": one.state.value,
        "attempts": one.attempts,
        "last_error": one.last_error,
        "created_at": one.created_at,
        "sent_at": one.sent_at,
    }


def _notice(row: sa.RowMapping) -> Notice:
    return Notice(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        address=row["address"],
        rendered=Rendered(subject=row["subject"], html=row["html"], text=row["text"]),
        sender=row["sender"],
        mailer=row["mailer"],
        state=NoticeState(row["state"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
    )
