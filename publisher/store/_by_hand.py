"""What a person decides about batches: stop them, or say what became of those nobody else can tell about."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from publisher.model import BatchState
from publisher.store._batches import bits
from publisher.store.engine import Access
from publisher.store.tables import batch

_UNSENT = (BatchState.READY, BatchState.CLAIMED)
_IN_HAND = (BatchState.CLAIMED, BatchState.SUBMITTING, BatchState.RESOLVING)


class ByHand:
    """These methods of `ports.Outbox`."""

    _access: Access

    def cancel(self, edition: int) -> int:
        unsent = sa.and_(
            batch.c.edition == edition, batch.c.state.in_([BatchState.READY.value, BatchState.CLAIMED.value])
        )
        cancelled = sa.update(batch).where(unsent).values(state=BatchState.CANCELLED.value, owner="")
        doubtful = sa.update(batch).where(batch.c.edition == edition, batch.c.state == BatchState.UNKNOWN.value)
        with self._access.write() as connection:
            connection.execute(doubtful.values(state=BatchState.HELD.value))
            return sum(connection.execute(cancelled.returning(_LEFT)).scalars())

    def in_hand(self, edition: int) -> int:
        held = sa.and_(batch.c.edition == edition, batch.c.state.in_([state.value for state in _IN_HAND]))
        with self._access.read() as connection:
            return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(_LEFT), 0)).where(held)).scalar_one())

    def resolve(self, edition: int, *, accepted: bool, now: datetime) -> int:
        held = sa.and_(batch.c.edition == edition, batch.c.state == BatchState.HELD.value)
        decided = {"state": BatchState.ACCEPTED.value, "resolved_at": now, "last_error": "a person said it was sent"}
        again = {
            "state": BatchState.READY.value,
            "next_at": now,
            "payload_hash": "",
            "first_intent_at": None,
            "unknown_since": None,
            "possible_duplicates": _LEFT,
            "last_error": "a person said to send it again",
            **bits("skipped", ()),
        }
        with self._access.write() as connection:
            changed = sa.update(batch).where(held).values(**(decided if accepted else again)).returning(batch.c.n)
            return sum(connection.execute(changed).scalars())

    def witness(self, mailer: str, after: datetime) -> str:
        later = sa.select(batch.c.key).where(
            batch.c.mailer == mailer,
            batch.c.state == BatchState.ACCEPTED.value,
            batch.c.skipped_n < batch.c.n,  # where everybody was skipped nothing was handed over
            batch.c.first_intent_at > after,
        )
        with self._access.read() as connection:
            return connection.execute(later.order_by(batch.c.id).limit(1)).scalar() or ""


#: Recipients of a batch that are not decided about in another one.
_LEFT = batch.c.n - batch.c.skipped_n - batch.c.moved_n
