"""Mail that is no edition: one row each, once. See `ports.Notices`.

A notice takes a token as batches do, and locks in their order, which stands in `_claiming`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Notice, NoticeState, Priority, Rendered
from publisher.store import _circuit as circuit
from publisher.store import _claiming as claiming
from publisher.store import _rates as rates
from publisher.store import _shared as shared
from publisher.store._order import last, newest
from publisher.store.engine import Access
from publisher.store.tables import notice as table

# Said in these words, the partial index can be used.
_OPEN = sa.text("notice.state IN ('ready', 'claimed', 'submitting')")


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
        """The oldest first, each mailer's apart: where one is blocked or has no tokens, those of the others go on.
        One whose lease ran out is unknown from then on, and is not handed over again; one that was given back rests
        until its lease ends."""
        lost = sa.and_(_OPEN, table.c.state == NoticeState.SUBMITTING.value, table.c.lease_until < now)
        with self._access.write() as connection:
            connection.execute(sa.update(table).where(lost).values(state=NoticeState.UNKNOWN.value))
        passed: list[str] = []
        while (mailer := self._next(passed, now)) is not None:
            with self._access.write() as connection:
                if (taken := _claim(connection, mailer, now=now, lease=lease)) is not None:
                    return taken
            passed.append(mailer)
        return None

    def _next(self, passed: Sequence[str], now: datetime) -> str | None:
        """The mailer of the oldest one that may leave, as far as one can see, and is of none of those."""
        free = (~circuit.blocked(table, now), ~rates.notices_wait(table, now), table.c.mailer.not_in(passed))
        with self._access.read() as connection:
            oldest = sa.select(table.c.mailer).where(_ready(now), *free).order_by(table.c.id).limit(1)
            return connection.execute(oldest).scalar_one_or_none()

    def turn(self, now: datetime) -> datetime | None:
        with self._access.read() as connection:
            mailers = sa.select(table.c.mailer).where(_ready(now), ~circuit.blocked(table, now))
            return rates.turn(connection, mailers, now)

    def settle(
        self, id: int, state: NoticeState, *, now: datetime, error: str, next_at: datetime | None = None
    ) -> None:
        sent_at = now if state is NoticeState.SENT else None
        values = {"state": state.value, "last_error": error, "sent_at": sent_at}
        if next_at is not None:
            values["lease_until"] = next_at
        which = sa.and_(table.c.id == id, table.c.state != NoticeState.SENT.value)
        with self._access.write() as connection:
            row = connection.execute(sa.select(table).where(which).with_for_update()).mappings().one_or_none()
            if row is None:
                return
            held = _notice(row)
            if state is NoticeState.READY:  # what did not leave took nothing
                rates.give_back(connection, held, 1)
            connection.execute(sa.update(table).where(which).values(**values))
            if state is NoticeState.SENT:
                circuit.proved(connection, held)
            else:
                circuit.not_tried(connection, held)

    def by_key(self, key: str) -> Notice | None:
        with self._access.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.key == key)).mappings().one_or_none()
            return _notice(row) if row else None

    def waiting(self) -> int:
        with self._access.read() as connection:
            count = sa.select(sa.func.count()).select_from(table).where(_OPEN)
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


def _ready(now: datetime) -> sa.ColumnElement[bool]:
    rested = sa.or_(table.c.lease_until.is_(None), table.c.lease_until <= now)
    return sa.and_(_OPEN, table.c.state == NoticeState.READY.value, rested)


def _claim(connection: Connection, mailer: str, *, now: datetime, lease: timedelta) -> Notice | None:
    stands = circuit.standing(connection, mailer)
    if not stands.takes(now):
        return None
    limits = stands.terms.limits
    tokens = rates.locked(connection, mailer, limits, now) if limits else None
    oldest = sa.select(table).where(table.c.mailer == mailer, _ready(now)).order_by(table.c.id).limit(1)
    row = connection.execute(oldest.with_for_update(skip_locked=True)).mappings().one_or_none()
    if row is None:
        return None
    found = _notice(row)
    if not (stands.closed or _on_trial(connection, found, now=now, lease=lease)):
        return None
    if tokens and not rates.take(connection, mailer, limits, tokens, size=1, priority=Priority.NOTICE):
        circuit.not_tried(connection, found)
        return None
    taken = {"state": NoticeState.SUBMITTING.value, "attempts": table.c.attempts + 1, "lease_until": now + lease}
    changed = sa.update(table).where(table.c.id == found.id).values(**taken).returning(table)
    return _notice(connection.execute(changed).mappings().one())


def _on_trial(connection: Connection, found: Notice, *, now: datetime, lease: timedelta) -> bool:
    """Whether it may try a mailer that failed. Batches that are due do so first: what they meet, a small message to an
    editor may not."""
    if any(mailer == found.mailer for mailer, _ in claiming.due(connection, now)):
        return False
    return circuit.begin_trial(connection, found.mailer, circuit.on_trial(found), now=now, lease=lease)


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
