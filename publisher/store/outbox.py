"""The ledger of delivery. See `ports.Outbox` and docs/delivery.md.

Every change of a batch in hand is conditional on its fence, which grows with every claim: a worker that was
thought dead changes nothing. Nothing is handed to a mailer without a committed intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import NotFound
from publisher.model import (
    OPEN_BATCHES,
    Batch,
    BatchState,
    Delivery,
    Edition,
    EditionState,
    Outcome,
    Result,
    Wave,
    Work,
)
from publisher.store import _attempts as attempts
from publisher.store import _circuit as circuit
from publisher.store import _claiming as claiming
from publisher.store import _history as histories
from publisher.store import _planning as planning
from publisher.store import _rates as rates
from publisher.store import _reckoning as reckoning
from publisher.store import _shared as shared
from publisher.store import _waves as waves
from publisher.store._batches import batch_from, batch_row, bits, by_reason, next_sequence, reserve_sequence
from publisher.store._by_hand import ByHand, end_cancelled
from publisher.store._circuit import Mailers
from publisher.store._doubts import Doubts
from publisher.store._reckoning import Reckoning
from publisher.store._settling import Settlement, children, settlement
from publisher.store._superseding import Renewing
from publisher.store.engine import Access
from publisher.store.tables import batch, delivery_exception, edition

_READY, _CLAIMED, _SUBMITTING = BatchState.READY, BatchState.CLAIMED, BatchState.SUBMITTING
_UNKNOWN, _RESOLVING = BatchState.UNKNOWN, BatchState.RESOLVING

#: States from which a call may be proved not to have left, and states in which it may have.
_PROVED, _DOUBTFUL = (_CLAIMED, _SUBMITTING), (_SUBMITTING, _RESOLVING)

#: States of an edition in which something may leave: after "stop" no intent is committed any more.
_GOING = (EditionState.SENDING, EditionState.SETTLING)

#: A batch that nothing is decided about yet.
_FRESH = {
    "state": _READY.value,
    "payload_hash": "",
    "account": "",
    "first_intent_at": None,
    **bits("skipped", ()),
    "skips": {},
}


class Outbox(ByHand, Doubts, Mailers, Reckoning, Renewing):
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
            return next_sequence(connection, edition)

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
        with self._access.read() as connection:
            urgency = claiming.due(connection, now)
            return tuple(Work(kind="deliver", key=mailer, priority=priority) for mailer, priority in urgency)

    def claim(self, mailer: str, owner: str, *, now: datetime, lease: timedelta) -> Batch | None:
        with self._access.write() as connection:
            return claiming.claim(connection, mailer, owner, now=now, lease=lease)

    def intend(
        self,
        batch: Batch,
        *,
        now: datetime,
        payload_hash: str,
        skipped: frozenset[int],
        account: str = "",
        letterhead: int = 0,
        why: Mapping[int, str] | None = None,
    ) -> Batch | None:
        made = {"payload_hash": payload_hash, "letterhead": letterhead, **bits("skipped", skipped)}
        made["account"] = batch.account if batch.first_intent_at else account
        if why is not None:
            made["skips"] = by_reason(why)
        with self._access.write() as connection:
            intended = _intend(connection, batch, now, made)
            if intended is not None:
                attempts.begin(connection, intended, now)
            return intended

    def lock(self, batch: Batch) -> None:
        if not self._access.sqlite:  # which has one writer at a time anyway
            with self._access.write() as connection:
                _held(connection, batch, _CLAIMED, _SUBMITTING, _RESOLVING)

    def settle(self, batch: Batch, results: Sequence[Result], *, now: datetime, next_at: datetime) -> bool:
        """A letter without a result counts as unknown; a batch whose letters are all unknown stays whole. One
        that was only claimed can be refused, and given up. Raises ValueError when a result has no letter."""
        with self._access.write() as connection:
            held = _held(connection, batch, _CLAIMED, _SUBMITTING, _RESOLVING)
            if held is None:
                return False
            settled = settlement(held, results)
            _give_back(connection, held, settled)  # locks in the order of `_claiming`: the mailer last
            sequence = reserve_sequence(connection, held.edition) if settled.moved else 0
            made = children(held, settled, sequence=sequence, now=now, next_at=next_at)
            _finish(connection, held, settled, now=now, next_at=next_at)
            _put_children(connection, made)
            _put_exceptions(connection, held, results, now)
            attempts.end(connection, [held.id], now, settled.state.value, results)
            _judge(connection, held, results)
            return True

    def back(self, batch: Batch, *, next_at: datetime, error: str) -> bool:
        """What is ready again is as if never tried, but for its count of attempts: who is skipped, and with
        that the bytes, are decided anew, so that somebody who left meanwhile gets nothing."""
        now = self._access.now()
        with self._access.write() as connection:
            again = _change(connection, batch, _PROVED, ~_doubted(), next_at=next_at, last_error=error, **_FRESH)
            doubt = {"state": _UNKNOWN.value, "next_at": next_at, "last_error": error}
            changed = again or _change(connection, batch, _PROVED, _doubted(), **doubt)
            if again:
                rates.give_back(connection, batch, batch.size)
            if changed:
                circuit.not_tried(connection, batch)
                attempts.end(connection, [batch.id], now, "not sent")
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
                circuit.not_tried(connection, batch)
                attempts.end(connection, [batch.id], now, "unknown")
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
                circuit.not_tried(connection, batch)
                attempts.end(connection, [batch.id], now, "unknown")
            return changed

    def sweep(self, now: datetime) -> int:
        with self._access.write() as connection:
            ended = sa.and_(
                batch.c.state.in_([state.value for state in (_CLAIMED, _SUBMITTING, _RESOLVING)]),
                batch.c.lease_until < now,
            )
            lost = sa.select(batch.c.id, batch.c.state).where(ended)
            lost = lost.with_for_update(skip_locked=True, key_share=True)
            rows = connection.execute(lost).all()
            before = [id for id, state in rows if state == _CLAIMED.value]
            after = [id for id, state in rows if state != _CLAIMED.value]
            _free(connection, before, state=_READY.value)
            unsent = sa.select(batch).where(shared.among(connection, batch.c.id, before)).order_by(batch.c.mailer)
            for row in connection.execute(unsent).mappings().all() if before else ():
                rates.give_back(connection, batch_from(row), row["n"])
            _free(connection, after, state=_UNKNOWN.value, unknown_since=_since(now))
            attempts.end(connection, after, now, "unknown")
            return len(rows) + end_cancelled(connection)

    def open(self, edition: int) -> int:
        unfinished = batch.c.state.in_([state.value for state in OPEN_BATCHES])
        with self._access.read() as connection:
            count = sa.select(sa.func.count()).select_from(batch).where(batch.c.edition == edition, unfinished)
            return int(connection.execute(count).scalar_one())

    def first_wave(self, edition: int) -> Wave | None:
        with self._access.read() as connection:
            return waves.first_wave(connection, edition)

    def history(self, subscriber: int) -> tuple[Delivery, ...]:
        with self._access.read() as connection:
            return tuple(histories.history(connection, subscriber))

    def trace(self, subscriber: int) -> tuple[tuple[str, str, str], ...]:
        """The newest edition first. Outcomes are the words of `Sums`, and "excluded" with its reason."""
        with self._access.read() as connection:
            return tuple(reckoning.trace(connection, subscriber))


def _doubted() -> sa.ColumnElement[bool]:
    """The outcome of an earlier attempt is unknown."""
    return batch.c.unknown_since.is_not(None)


def _current(id: Any, fence: Any, states: Iterable[BatchState]) -> sa.ColumnElement[bool]:
    """The batch of that id, if the claim with that fence is still the last one and it is in one of those states."""
    among = batch.c.state.in_([state.value for state in states])
    return sa.and_(batch.c.id == id, batch.c.fence == fence, among)


def _claim_given(states: Iterable[BatchState]) -> sa.ColumnElement[bool]:
    """The same for statements that are made once: the id is given as "this", the fence as "since"."""
    return _current(sa.bindparam("this"), sa.bindparam("since"), states)


def _held(connection: Connection, held: Batch, *states: BatchState) -> Batch | None:
    """The batch as it stands now, locked, if the claim still holds."""
    found = connection.execute(_holding(states), {"this": held.id, "since": held.fence}).mappings().one_or_none()
    return batch_from(found) if found is not None else None


@cache
def _holding(states: tuple[BatchState, ...]) -> sa.Select[Any]:
    return sa.select(batch).where(_claim_given(states)).with_for_update(key_share=True)


def _change(
    connection: Connection, held: Batch, states: Iterable[BatchState], *where: sa.ColumnElement[bool], **values: Any
) -> bool:
    changed = sa.update(batch).where(_current(held.id, held.fence, states), *where)
    return connection.execute(changed.values(owner="", lease_until=None, **values)).rowcount == 1


def _free(connection: Connection, ids: Sequence[int], **values: Any) -> None:
    if ids:
        freed = sa.update(batch).where(shared.among(connection, batch.c.id, ids))
        connection.execute(freed.values(owner="", lease_until=None, **values))


def _since(now: datetime) -> sa.ColumnElement[Any]:
    """When the first doubt arose."""
    return sa.func.coalesce(batch.c.unknown_since, sa.literal(now, batch.c.unknown_since.type))


def _intend(connection: Connection, held: Batch, now: datetime, made: Mapping[str, Any]) -> Batch | None:
    by = {"this": held.id, "since": held.fence, "at": now, **made}
    found = connection.execute(_intending(tuple(made)), by).mappings().one_or_none()
    return batch_from(found) if found is not None else None


@cache
def _intending(made: tuple[str, ...]) -> sa.UpdateBase:
    at = sa.bindparam("at", type_=batch.c.intent_at.type)
    values: dict[str, Any] = {name: sa.bindparam(name, type_=batch.c[name].type) for name in made}
    values |= {"state": _SUBMITTING.value, "attempt": batch.c.attempt + 1, "intent_at": at}
    values["first_intent_at"] = sa.func.coalesce(batch.c.first_intent_at, at)
    going = sa.select(edition.c.id).where(edition.c.state.in_([one.value for one in _GOING]))
    intended = sa.update(batch).where(_claim_given((_CLAIMED, _RESOLVING)), batch.c.edition.in_(going))
    return intended.values(**values).returning(batch)


def _finish(connection: Connection, held: Batch, settled: Settlement, *, now: datetime, next_at: datetime) -> None:
    values: dict[str, Any] = {"state": settled.state.value, "owner": "", "lease_until": None}
    if settled.state is _UNKNOWN:
        values |= {"unknown_since": held.unknown_since or now, "next_at": next_at}
    else:
        values |= {"resolved_at": now} | bits("rejected", settled.rejected) | bits("moved", settled.moved)
    connection.execute(_finishing(), {"this": held.id, **values})


@cache
def _finishing() -> sa.Update:
    return sa.update(batch).where(batch.c.id == sa.bindparam("this"))


def _give_back(connection: Connection, held: Batch, settled: Settlement) -> None:
    """The tokens of letters that did not leave."""
    if held.state is _SUBMITTING and held.unknown_since is None:
        rates.give_back(connection, held, len(held.skipped) + sum(map(len, settled.again)))
    elif held.state is _CLAIMED:
        rates.give_back(connection, held, held.size)


def _judge(connection: Connection, held: Batch, results: Sequence[Result]) -> None:
    """What an answer tells of the mailer."""
    answered = any(result.outcome in (Outcome.ACCEPTED, Outcome.REJECTED) for result in results)
    if held.state is _SUBMITTING and answered:
        circuit.proved(connection, held)
    else:
        circuit.not_tried(connection, held)


def _put_children(connection: Connection, made: Sequence[Batch]) -> None:
    if made:
        connection.execute(sa.insert(batch), [batch_row(one) for one in made])


def _put_exceptions(connection: Connection, held: Batch, results: Sequence[Result], now: datetime) -> None:
    rejected = [result for result in results if result.outcome is Outcome.REJECTED]
    members = held.members if rejected else ()
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
        for result in rejected
    ]
    if rows:
        connection.execute(sa.insert(delivery_exception), rows)
