"""What a person decides about batches: stop them, or say what became of those nobody else can tell about."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import BatchState, EditionState, Rejection
from publisher.store import _proving as proving
from publisher.store import _retrying as retrying
from publisher.store import _shared as shared
from publisher.store import _witnesses as witnesses
from publisher.store._batches import bits, lock_batches
from publisher.store.engine import Access
from publisher.store.tables import batch, edition, mailer_state

_UNSENT = (BatchState.READY, BatchState.CLAIMED)
_BACK = (BatchState.READY,)
#: Of these a call may be under way; also of an unknown one, whose worker may be frozen and not dead.
_IN_HAND = (BatchState.CLAIMED, BatchState.SUBMITTING, BatchState.UNKNOWN, BatchState.RESOLVING)
#: And of one that is held, for so long after its last intent: by then every server has hung up on a worker that froze
#: in mid-call (RFC 5321 section 4.5.3.2 asks for minutes).
_FROZEN = timedelta(hours=2)


class ByHand:
    """These methods of `ports.Outbox`."""

    _access: Access

    def cancel(self, edition: int) -> int:
        with self._access.write() as connection:
            unsent = batch.c.state.in_([state.value for state in _UNSENT])
            ids = lock_batches(connection, batch.c.edition == edition, unsent)
            these = shared.among(connection, batch.c.id, ids)
            return sum(connection.execute(_cancelled_of(these).returning(_LEFT)).scalars())

    def in_hand(self, edition: int) -> int:
        """On PostgreSQL a worker may have claimed a batch, and committed neither that nor the intent: such a batch is
        still ready to everybody else, but locked. So all are counted, but for the ready ones that nobody has locked.
        That waits for nobody, not even for a worker that is frozen."""
        lately = sa.and_(batch.c.state == BatchState.HELD.value, batch.c.intent_at > self._access.now() - _FROZEN)
        if self._access.sqlite:
            with self._access.read() as connection:
                return _letters(connection, _left_of(edition, _IN_HAND, lately))
        with self._access.write() as connection:
            free = _letters(connection, _left_of(edition, _BACK).with_for_update(read=True, skip_locked=True))
            return _letters(connection, _left_of(edition, (*_IN_HAND, *_BACK), lately)) - free

    def resolve(self, edition: int, *, accepted: bool, now: datetime) -> int:
        held = sa.and_(batch.c.edition == edition, batch.c.state == BatchState.HELD.value)
        decided = {"state": BatchState.ACCEPTED.value, "resolved_at": now, "last_error": "a person said it was sent"}
        again = {
            "state": BatchState.READY.value,
            "next_at": now,
            "payload_hash": "",
            "account": "",
            "first_intent_at": None,
            "unknown_since": None,
            "possible_duplicates": _LEFT,
            "last_error": "a person said to send it again",
            **bits("skipped", ()),
            "skips": {},
        }
        with self._access.write() as connection:
            ids = lock_batches(connection, held)
            proving.prove(connection, edition, now, ids)  # whom an event tells of needs nobody's word
            these = sa.or_(*(shared.among(connection, column, ids) for column in (batch.c.id, batch.c.parent)))
            rows = connection.execute(sa.select(batch.c.id, batch.c.key, batch.c.n).where(held, these)).all()
            for id, key, _ in rows:
                # Sent again it is another call: a provider that knows the old key would give the old answer.
                values = decided if accepted else again | {"key": str(uuid.uuid5(uuid.UUID(key), "again"))}
                connection.execute(sa.update(batch).where(batch.c.id == id).values(**values))
            return sum(size for _, _, size in rows)

    def prove(self, now: datetime) -> int:
        """Each edition in a transaction of its own (see `_claiming`)."""
        with self._access.read() as connection:
            told = proving.told_of(connection)
        proved = 0
        for id, ids in sorted(told.items()):
            with self._access.write() as connection:
                proved += proving.prove(connection, id, now, ids)
        return proved

    def rejections(self, edition: int) -> tuple[Rejection, ...]:
        with self._access.read() as connection:
            return tuple(retrying.rejections(connection, edition))

    def retry(self, rejections: Sequence[Rejection], *, now: datetime) -> int:
        with self._access.write() as connection:
            return retrying.retry(connection, rejections, now)

    def doubted(self, mailer: str, *, before: datetime, own_key: bool) -> tuple[datetime, int] | None:
        with self._access.read() as connection:
            return witnesses.doubted(connection, mailer, before=before, own_key=own_key)

    def witness(self, mailer: str, after: datetime, *, than: int = 0) -> str:
        with self._access.read() as connection:
            return witnesses.accepted(connection, mailer, after, than=than)


def _left_of(
    edition: int, states: Iterable[BatchState], or_else: sa.ColumnElement[bool] | None = None
) -> sa.Select[tuple[int]]:
    which: sa.ColumnElement[bool] = batch.c.state.in_([state.value for state in states])
    which = which if or_else is None else sa.or_(which, or_else)
    return sa.select(_LEFT.label("left")).where(batch.c.edition == edition, which)


def _letters(connection: Connection, left: sa.Select[tuple[int]]) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(left.subquery().c.left), 0))).scalar_one())


def end_cancelled(connection: Connection) -> int:
    """What came back from a worker after its edition was cancelled: nothing of it leaves any more. What is in doubt is
    still looked up, unless nobody does that for its mailer."""
    cancelled = sa.select(edition.c.id).where(edition.c.state == EditionState.CANCELLED.value)
    # Said in these words, the partial index of claims can be used.
    back = sa.and_(batch.c.edition.in_(cancelled), sa.text("batch.state IN ('ready', 'unknown')"))
    free = sa.select(batch.c.id).where(back).with_for_update(skip_locked=True, key_share=True)
    theirs = shared.among(connection, batch.c.id, list(connection.execute(free).scalars()))
    return connection.execute(_held_of(theirs)).rowcount + connection.execute(_cancelled_of(theirs, *_BACK)).rowcount


def _held_of(which: sa.ColumnElement[bool]) -> sa.Update:
    gone = sa.exists().where(mailer_state.c.mailer == batch.c.mailer, ~mailer_state.c.active)
    doubtful = sa.and_(which, batch.c.state == BatchState.UNKNOWN.value, gone)
    return sa.update(batch).where(doubtful).values(state=BatchState.HELD.value)


def _cancelled_of(which: sa.ColumnElement[bool], *states: BatchState) -> sa.Update:
    unsent = sa.and_(which, batch.c.state.in_([state.value for state in states or _UNSENT]))
    return sa.update(batch).where(unsent).values(state=BatchState.CANCELLED.value, owner="")


#: Recipients of a batch that are not decided about in another one.
_LEFT = batch.c.n - batch.c.skipped_n - batch.c.moved_n
