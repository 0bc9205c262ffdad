"""The ledger of delivery. See `ports.Outbox` and docs/delivery.md.

Every change of a batch in hand is conditional on its fence, which grows with every claim: a worker that was
thought dead changes nothing. Nothing is handed to a mailer without a committed intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import NotFound
from publisher.model import (
    OPEN_BATCHES,
    Batch,
    BatchState,
    Edition,
    EditionState,
    Outcome,
    Result,
    Sums,
    Work,
)
from publisher.store import _planning as planning
from publisher.store import _reckoning as reckoning
from publisher.store import _shared as shared
from publisher.store._batches import batch_from, batch_row, bits
from publisher.store._by_hand import ByHand, end_cancelled
from publisher.store._settling import Settlement, children, settlement
from publisher.store.engine import Access
from publisher.store.tables import attempt, batch, delivery_exception, edition, mailer_state

_READY, _CLAIMED, _SUBMITTING = BatchState.READY, BatchState.CLAIMED, BatchState.SUBMITTING
_UNKNOWN, _RESOLVING = BatchState.UNKNOWN, BatchState.RESOLVING

#: States from which a call may be proved not to have left, and states in which it may have.
_PROVED, _DOUBTFUL = (_CLAIMED, _SUBMITTING), (_SUBMITTING, _RESOLVING)

#: States of an edition in which something may leave: after "stop" no intent is committed any more.
_GOING = (EditionState.SENDING, EditionState.SETTLING)

#: A batch that nothing is decided about yet.
_FRESH = {"state": _READY.value, "payload_hash": "", "first_intent_at": None, **bits("skipped", ())}


class Outbox(ByHand):
    def __init__(self, access: Access) -> None:
        self._access = access

    def plan(
        self,
        edition: Edition,
        *,
        upto: int,
        batches: Sequence[Batch],
        excluded: Mapping[str, Sequence[int]],
        finished: bool,
    ) -> None:
        """When `finished`, the edition is sending from then on. Raises ValueError when a recipient stands
        twice or outside the chunk."""
        planning.check(edition, upto, batches, excluded)
        planned = sum(one.size for one in batches)
        left_out = sum(map(len, excluded.values()))
        with self._access.write() as connection:
            planning.advance(connection, edition, upto, planned=planned, excluded=left_out, finished=finished)
            planning.put_chunk(connection, edition, upto)
            planning.put_batches(connection, edition, batches)
            planning.put_exclusions(connection, edition, excluded)

    def next_sequence(self, edition: int) -> int:
        with self._access.read() as connection:
            return _next_sequence(connection, edition)

    def batches(self, edition: int) -> tuple[Batch, ...]:
        with self._access.read() as connection:
            of = sa.select(batch).where(batch.c.edition == edition).order_by(batch.c.sequence)
            return tuple(batch_from(row) for row in connection.execute(of).mappings())

    def batch(self, id: int) -> Batch:
        """Raises NotFound."""
        with self._access.read() as connection:
            row = connection.execute(sa.select(batch).where(batch.c.id == id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no batch {id}.")
        return batch_from(row)

    def due(self, now: datetime) -> tuple[Work, ...]:
        """The most urgent first."""
        urgency = sa.func.max(batch.c.priority)
        waiting = sa.select(batch.c.mailer, urgency).where(_claimable(now)).group_by(batch.c.mailer)
        with self._access.read() as connection:
            rows = connection.execute(waiting.order_by(urgency.desc(), batch.c.mailer))
            return tuple(Work(kind="deliver", key=mailer, priority=priority) for mailer, priority in rows)

    def claim(self, mailer: str, owner: str, *, now: datetime, lease: timedelta) -> Batch | None:
        """Most urgent: by priority, then unknown before ready, then the oldest."""
        first = sa.select(batch.c.id).where(batch.c.mailer == mailer, _claimable(now))
        first = first.order_by(batch.c.priority.desc(), batch.c.state.desc(), batch.c.id).limit(1)
        taken = {
            "state": sa.case((batch.c.state == _READY.value, _CLAIMED.value), else_=_RESOLVING.value),
            "owner": owner,
            "fence": batch.c.fence + 1,
            "lease_until": now + lease,
        }
        with self._access.write() as connection:
            id = connection.execute(first.with_for_update(skip_locked=True, of=batch)).scalar_one_or_none()
            if id is None:
                return None
            still = sa.and_(batch.c.id == id, batch.c.state.in_([_READY.value, _UNKNOWN.value]))
            row = connection.execute(sa.update(batch).where(still).values(**taken).returning(batch))
            found = row.mappings().one_or_none()
        return batch_from(found) if found is not None else None

    def intend(
        self, batch: Batch, *, now: datetime, payload_hash: str, skipped: frozenset[int], letterhead: int = 0
    ) -> Batch | None:
        made = {"payload_hash": payload_hash, "letterhead": letterhead, **bits("skipped", skipped)}
        with self._access.write() as connection:
            intended = _intend(connection, batch, now, made)
            if intended is not None:
                connection.execute(sa.insert(attempt).values(**_attempt_row(intended, now)))
            return intended

    def settle(self, batch: Batch, results: Sequence[Result], *, now: datetime, next_at: datetime) -> bool:
        """A letter without a result counts as unknown; a batch whose letters are all unknown stays whole. One
        that was only claimed can be refused, and given up. Raises ValueError when a result has no letter."""
        with self._access.write() as connection:
            held = _held(connection, batch, _CLAIMED, _SUBMITTING, _RESOLVING)
            if held is None:
                return False
            settled = settlement(held, results)
            sequence = _reserve_sequence(connection, held.edition) if settled.moved else 0
            made = children(held, settled, sequence=sequence, now=now, next_at=next_at)
            _finish(connection, held, settled, now=now, next_at=next_at)
            _put_children(connection, made)
            _put_exceptions(connection, held, results, now)
            _end_attempts(connection, [held.id], now, settled.state.value, results)
            return True

    def back(self, batch: Batch, *, next_at: datetime, error: str) -> bool:
        """What is ready again is as if never tried, but for its count of attempts: who is skipped, and with
        that the bytes, are decided anew, so that somebody who left meanwhile gets nothing."""
        now = self._access.now()
        with self._access.write() as connection:
            again = _change(connection, batch, _PROVED, ~_doubted(), next_at=next_at, last_error=error, **_FRESH)
            doubt = {"state": _UNKNOWN.value, "next_at": next_at, "last_error": error}
            changed = again or _change(connection, batch, _PROVED, _doubted(), **doubt)
            if changed:
                _end_attempts(connection, [batch.id], now, "not sent")
            return changed

    def unknown(self, batch: Batch, *, now: datetime, next_at: datetime, error: str) -> bool:
        with self._access.write() as connection:
            since = _since(now)
            changed = _change(
                connection,
                batch,
                _DOUBTFUL,
                state=_UNKNOWN.value,
                unknown_since=since,
                next_at=next_at,
                last_error=error,
            )
            if changed:
                _end_attempts(connection, [batch.id], now, "unknown")
            return changed

    def hold(self, batch: Batch, *, error: str) -> bool:
        now = self._access.now()
        with self._access.write() as connection:
            changed = _change(
                connection,
                batch,
                _DOUBTFUL,
                state=BatchState.HELD.value,
                unknown_since=_since(now),
                last_error=error,
            )
            if changed:
                _end_attempts(connection, [batch.id], now, "unknown")
            return changed

    def block(self, mailer: str, *, until: datetime, reason: str) -> None:
        """A shorter block never ends a longer one."""
        with self._access.write() as connection:
            statement = shared.insert(connection, mailer_state)
            statement = statement.values(mailer=mailer, circuit="closed", blocked_until=until, reason=reason)
            new, old = statement.excluded, mailer_state.c.blocked_until
            statement = statement.on_conflict_do_update(
                index_elements=["mailer"],
                set_={"blocked_until": new.blocked_until, "reason": new.reason},
                where=sa.or_(old.is_(None), old < new.blocked_until),
            )
            connection.execute(statement)

    def blocked(self, now: datetime) -> Mapping[str, tuple[datetime, str]]:
        columns = (mailer_state.c.mailer, mailer_state.c.blocked_until, mailer_state.c.reason)
        with self._access.read() as connection:
            rows = connection.execute(sa.select(*columns).where(mailer_state.c.blocked_until > now))
            return {mailer: (until, reason) for mailer, until, reason in rows}

    def sweep(self, now: datetime) -> int:
        with self._access.write() as connection:
            ended = sa.and_(
                batch.c.state.in_([state.value for state in (_CLAIMED, _SUBMITTING, _RESOLVING)]),
                batch.c.lease_until < now,
            )
            lost = sa.select(batch.c.id, batch.c.state).where(ended).with_for_update(skip_locked=True)
            rows = connection.execute(lost).all()
            before = [id for id, state in rows if state == _CLAIMED.value]
            after = [id for id, state in rows if state != _CLAIMED.value]
            _free(connection, before, state=_READY.value)
            _free(connection, after, state=_UNKNOWN.value, unknown_since=_since(now))
            _end_attempts(connection, after, now, "unknown")
            return len(rows) + end_cancelled(connection)

    def open(self, edition: int) -> int:
        unfinished = batch.c.state.in_([state.value for state in OPEN_BATCHES])
        with self._access.read() as connection:
            count = sa.select(sa.func.count()).select_from(batch).where(batch.c.edition == edition, unfinished)
            return int(connection.execute(count).scalar_one())

    def sums(self, edition: int) -> Sums:
        with self._access.read() as connection:
            return reckoning.sums(connection, edition)

    def trace(self, subscriber: int) -> tuple[tuple[str, str, str], ...]:
        """The newest edition first. Outcomes are the words of `Sums`, and "excluded" with its reason."""
        with self._access.read() as connection:
            return tuple(reckoning.trace(connection, subscriber))


def _claimable(now: datetime) -> sa.ColumnElement[bool]:
    """Ready ones of editions that are sending; unknown ones also while the rest settles."""

    def of(*states: EditionState) -> sa.ColumnElement[bool]:
        running = edition.c.state.in_([state.value for state in states])
        return sa.exists().where(edition.c.id == batch.c.edition, running)

    def reached(column: sa.Column[datetime]) -> sa.ColumnElement[bool]:
        return sa.or_(column.is_(None), column <= now)

    ready = sa.and_(batch.c.state == _READY.value, reached(batch.c.not_before), of(EditionState.SENDING))
    unknown = sa.and_(batch.c.state == _UNKNOWN.value, of(EditionState.SENDING, EditionState.SETTLING))
    # Said in these words, the partial index of claims can be used.
    claimable = sa.text("batch.state IN ('ready', 'unknown')")
    blocked = sa.exists().where(mailer_state.c.mailer == batch.c.mailer, mailer_state.c.blocked_until > now)
    return sa.and_(claimable, reached(batch.c.next_at), sa.or_(ready, unknown), ~blocked)


def _doubted() -> sa.ColumnElement[bool]:
    """The outcome of an earlier attempt is unknown."""
    return batch.c.unknown_since.is_not(None)


def _next_sequence(connection: Connection, id: int) -> int:
    last = connection.execute(sa.select(sa.func.max(batch.c.sequence)).where(batch.c.edition == id)).scalar_one()
    return 0 if last is None else int(last) + 1


def _reserve_sequence(connection: Connection, id: int) -> int:
    """The next number, which nobody else gets until the transaction is over."""
    connection.execute(sa.select(edition.c.id).where(edition.c.id == id).with_for_update(key_share=True))
    return _next_sequence(connection, id)


def _current(held: Batch, states: Iterable[BatchState]) -> sa.ColumnElement[bool]:
    """The batch, if this claim of it is still the last one and it is in one of those states."""
    return sa.and_(
        batch.c.id == held.id,
        batch.c.fence == held.fence,
        batch.c.state.in_([state.value for state in states]),
    )


def _held(connection: Connection, held: Batch, *states: BatchState) -> Batch | None:
    """The batch as it stands now, locked, if the claim still holds."""
    row = connection.execute(sa.select(batch).where(_current(held, states)).with_for_update())
    found = row.mappings().one_or_none()
    return batch_from(found) if found is not None else None


def _change(
    connection: Connection, held: Batch, states: Iterable[BatchState], *where: sa.ColumnElement[bool], **values: Any
) -> bool:
    changed = sa.update(batch).where(_current(held, states), *where)
    return connection.execute(changed.values(owner="", lease_until=None, **values)).rowcount == 1


def _free(connection: Connection, ids: Sequence[int], **values: Any) -> None:
    if ids:
        freed = sa.update(batch).where(shared.among(connection, batch.c.id, ids))
        connection.execute(freed.values(owner="", lease_until=None, **values))


def _since(now: datetime) -> sa.ColumnElement[Any]:
    """When the first doubt arose."""
    return sa.func.coalesce(batch.c.unknown_since, sa.literal(now, batch.c.unknown_since.type))


def _intend(connection: Connection, held: Batch, now: datetime, made: Mapping[str, Any]) -> Batch | None:
    first = sa.func.coalesce(batch.c.first_intent_at, sa.literal(now, batch.c.first_intent_at.type))
    going = sa.select(edition.c.id).where(edition.c.state.in_([one.value for one in _GOING]))
    intended = sa.update(batch).where(_current(held, (_CLAIMED, _RESOLVING)), batch.c.edition.in_(going))
    row = connection.execute(
        intended.values(
            state=_SUBMITTING.value,
            attempt=batch.c.attempt + 1,
            intent_at=now,
            first_intent_at=first,
            **made,
        ).returning(batch)
    )
    found = row.mappings().one_or_none()
    return batch_from(found) if found is not None else None


def _finish(connection: Connection, held: Batch, settled: Settlement, *, now: datetime, next_at: datetime) -> None:
    values: dict[str, Any] = {"state": settled.state.value, "owner": "", "lease_until": None}
    if settled.state is _UNKNOWN:
        values |= {"unknown_since": held.unknown_since or now, "next_at": next_at}
    else:
        values |= {"resolved_at": now} | bits("rejected", settled.rejected) | bits("moved", settled.moved)
    connection.execute(sa.update(batch).where(batch.c.id == held.id).values(**values))


def _put_children(connection: Connection, made: Sequence[Batch]) -> None:
    if made:
        connection.execute(sa.insert(batch), [batch_row(one) for one in made])


def _put_exceptions(connection: Connection, held: Batch, results: Sequence[Result], now: datetime) -> None:
    members = held.members
    rows = [
        {
            "batch": held.id,
            "subscriber": members[result.position][0],
            "kind": "rejected",
            "edition": held.edition,
            "code": result.code,
            "detail": result.detail,
            "at": now,
        }
        for result in results
        if result.outcome is Outcome.REJECTED
    ]
    if rows:
        connection.execute(sa.insert(delivery_exception), rows)


def _attempt_row(intended: Batch, now: datetime) -> dict[str, Any]:
    return {
        "batch": intended.id,
        "attempt": intended.attempt,
        "fence": intended.fence,
        "worker": intended.owner,
        "mailer": intended.mailer,
        "intent_at": now,
        "outcome": "",
        "code": "",
        "reference": "",
    }


def _end_attempts(
    connection: Connection, ids: Sequence[int], now: datetime, outcome: str, results: Sequence[Result] = ()
) -> None:
    """Write down how the attempts under way ended; code and reference when all letters share them."""
    if not ids:
        return
    codes, references = {result.code for result in results}, {result.reference for result in results}
    under_way = sa.and_(shared.among(connection, attempt.c.batch, ids), attempt.c.ended_at.is_(None))
    connection.execute(
        sa.update(attempt)
        .where(under_way)
        .values(
            ended_at=now,
            outcome=outcome,
            code=codes.pop() if len(codes) == 1 else "",
            reference=references.pop() if len(references) == 1 else "",
        )
    )
