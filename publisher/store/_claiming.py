"""Taking the next batch of a mailer: what may be claimed, the tokens for it, and whose batches it takes over.

One order of locks, of all transactions on PostgreSQL, keeps everybody from waiting for each other in a circle:

1. batches that are waited for, the lowest id first: those of an answer, of events, of a person's word, of a stop;
   and the notice of an answer;
2. the bucket, of several mailers in the order of their names;
3. batches and notices that a claim, a sweep or a correction finds, which passes over those that somebody has locked;
4. the edition; no transaction locks two: so an answer whose letters move to children is settled apart from a claim;
5. the mailer's row.

Whoever waits for a batch holds at most batches with lower ids, and whoever holds a bucket or an edition waits for no
batch. Stopping an edition is committed before anything waits for what its workers hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Batch, BatchState, EditionState, Terms
from publisher.store import _circuit as circuit
from publisher.store import _rates as rates
from publisher.store._batches import batch_from, batch_row, bits, lock_edition, reserve_sequence
from publisher.store._circuit import Standing
from publisher.store._settling import child
from publisher.store.tables import batch, edition, mailer_state

_READY, _UNKNOWN = BatchState.READY.value, BatchState.UNKNOWN.value
#: Statements of every claim are built once: for small batches, building them takes longer than the database does.
_AT = sa.bindparam("at", type_=batch.c.next_at.type)
_Which = Callable[[], sa.ColumnElement[bool]]


# ---------------------------------------------------------------- what is due


def due(connection: Connection, now: datetime) -> Iterator[tuple[str, int]]:
    """Mailers that have something to claim, each with its greatest priority, the most urgent first."""
    urgency: dict[str, int] = {}
    greatest = sa.func.max(batch.c.priority)
    free = sa.and_(~circuit.blocked(batch, now), sa.or_(batch.c.state == _UNKNOWN, ~rates.waiting(batch, now)))
    own = sa.select(batch.c.mailer, greatest).where(claimable(now), free).group_by(batch.c.mailer)
    found = [(mailer, priority) for mailer, priority in connection.execute(own)]
    for first, second in _relays(connection, now).items():
        theirs = sa.select(greatest).where(batch.c.mailer == first, claimable(now), _untouched())
        theirs = theirs.where(~rates.waiting(batch, now, mailer=second))
        found.append((second, connection.execute(theirs).scalar_one_or_none()))
    for mailer, priority in found:
        if priority is not None:
            urgency[mailer] = max(priority, urgency.get(mailer, priority))
    yield from sorted(urgency.items(), key=lambda one: (-one[1], one[0]))


def claimable(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Ready ones of editions that are sending; unknown ones also while the rest settles, and when it was cancelled."""

    def of(*states: EditionState) -> sa.Exists:
        running = edition.c.state.in_([state.value for state in states])
        return sa.exists().where(edition.c.id == batch.c.edition, running)

    def reached(column: sa.Column[datetime]) -> sa.ColumnElement[bool]:
        return sa.or_(column.is_(None), column <= now)

    may_go = sa.and_(of(EditionState.SENDING).where(batch.c.wave <= edition.c.wave), reached(batch.c.not_before))
    ready = sa.and_(batch.c.state == _READY, may_go)
    looked_up = of(EditionState.SENDING, EditionState.SETTLING, EditionState.CANCELLED)
    unknown = sa.and_(batch.c.state == _UNKNOWN, looked_up)
    # Said in these words, the partial index of claims can be used.
    claimable = sa.text("batch.state IN ('ready', 'unknown')")
    return sa.and_(claimable, reached(batch.c.next_at), sa.or_(ready, unknown))


def _any() -> sa.ColumnElement[bool]:
    return sa.true()


def _is_ready() -> sa.ColumnElement[bool]:
    return batch.c.state == _READY


def _untouched() -> sa.ColumnElement[bool]:
    """Nothing of it was ever handed to anybody: only such a batch may go through another mailer."""
    return sa.and_(batch.c.state == _READY, batch.c.attempt == 0, batch.c.unknown_since.is_(None))


def _relays(connection: Connection, now: datetime) -> Mapping[str, str]:
    """Mailers that take nothing, or are not in the settings any more, and who takes over from each."""
    return {str(first): str(taker) for first, taker in connection.execute(_pairs(), {"at": now}).all()}


@cache
def _pairs() -> sa.Select[Any]:
    second = mailer_state.alias()
    free = sa.or_(second.c.blocked_until.is_(None), second.c.blocked_until <= _AT)
    well = sa.and_(second.c.active, second.c.circuit == "closed", free)
    out = sa.or_(mailer_state.c.circuit != "closed", ~mailer_state.c.active)
    pairs = sa.select(mailer_state.c.mailer, second.c.mailer)
    return pairs.where(second.c.mailer == mailer_state.c.fallback, out, well)


# ---------------------------------------------------------------- claiming


def claim(connection: Connection, mailer: str, owner: str, *, now: datetime, lease: timedelta) -> Batch | None:
    """Most urgent: by priority, then unknown before ready, then the oldest."""
    stands = circuit.standing(connection, mailer)
    if not stands.takes(now):
        return None
    limits = stands.terms.limits
    tokens = rates.locked(connection, mailer, limits, now) if limits else None
    found = _first(connection, stands, now)
    if found is None:
        return None
    if found.state is BatchState.READY:
        found = _fitting(connection, found, stands.terms, limits.largest(tokens.sent_days) if tokens else 0)
    if not stands.closed:
        lock_edition(connection, found.edition)  # making its letters may need it, and it comes before the mailer
        if not circuit.begin_trial(connection, mailer, found.id, now=now, lease=lease):
            return None
    if tokens and found.state is BatchState.READY:
        size, priority = found.size, found.priority
        if not rates.take(connection, mailer, limits, tokens, size=size, priority=priority):
            circuit.not_tried(connection, found)
            return None
    return _taken(connection, found, mailer, owner, until=now + lease)


def _taken(connection: Connection, found: Batch, mailer: str, owner: str, *, until: datetime) -> Batch | None:
    by = {"this": found.id, "mailer": mailer, "owner": owner, "lease_until": until}
    row = connection.execute(_taking(), by).mappings().one_or_none()
    return batch_from(row) if row is not None else None


@cache
def _taking() -> sa.UpdateBase:
    taken = {
        "state": sa.case((batch.c.state == _READY, BatchState.CLAIMED.value), else_=BatchState.RESOLVING.value),
        "fence": batch.c.fence + 1,
        **{name: sa.bindparam(name, type_=batch.c[name].type) for name in ("mailer", "owner", "lease_until")},
    }
    still = sa.and_(batch.c.id == sa.bindparam("this"), batch.c.state.in_([_READY, _UNKNOWN]))
    return sa.update(batch).where(still).values(**taken).returning(batch)


def _first(connection: Connection, stands: Standing, now: datetime) -> Batch | None:
    """The next one: its own, or one that nobody touched of a mailer that it takes over from."""
    mailer = stands.terms.mailer
    if not stands.closed:  # what is on trial should be handed over, and not only looked up
        ready = _next(connection, mailer, now, _is_ready)
        return ready or _next(connection, mailer, now)
    found = [_next(connection, mailer, now)]
    for first, second in _relays(connection, now).items() if stands.second else ():
        if second == mailer:
            found.append(_next(connection, first, now, _untouched))
    return min((one for one in found if one), key=_place, default=None)


def _next(connection: Connection, mailer: str, now: datetime, which: _Which = _any) -> Batch | None:
    row = connection.execute(_most_urgent(which), {"of": mailer, "at": now}).mappings().one_or_none()
    return batch_from(row) if row is not None else None


@cache
def _most_urgent(which: _Which) -> sa.Select[Any]:
    wanted = sa.select(batch).where(batch.c.mailer == sa.bindparam("of"), claimable(_AT), which())
    first = wanted.order_by(batch.c.priority.desc(), batch.c.state.desc(), batch.c.id).limit(1)
    return first.with_for_update(skip_locked=True, key_share=True, of=batch)


def _place(one: Batch) -> tuple[int, bool, int]:
    return -one.priority, one.state is BatchState.READY, one.id


# ---------------------------------------------------------------- what is too large


def _fitting(connection: Connection, found: Batch, terms: Terms, largest: int) -> Batch:
    """The batch as this mailer can take it. What is too large for it, or for what its limits can ever grant, moves to
    children, whose keys are derived; the first of them is returned."""
    taken_over = found.mailer != terms.mailer
    sizes = [size for size in (largest, terms.batch if taken_over else 0) if size]
    size, one_variant = min(sizes, default=found.size), taken_over and terms.shared_body
    if found.size <= size and not one_variant:
        return found
    parts = cut(found, size, one_variant=one_variant)
    if len(parts) == 1:
        return found
    sequence = reserve_sequence(connection, found.edition)
    made = [
        replace(child(found, "cut", positions, sequence=number, next_at=found.next_at), mailer=terms.mailer)
        for number, positions in enumerate(parts, start=sequence)
    ]
    moved = bits("moved", range(found.size))
    parent = sa.update(batch).where(batch.c.id == found.id)
    connection.execute(parent.values(state=BatchState.SPLIT.value, last_error="cut into smaller ones", **moved))
    connection.execute(sa.insert(batch), [batch_row(one) for one in made])
    first = sa.and_(batch.c.edition == found.edition, batch.c.sequence == sequence)
    return batch_from(connection.execute(sa.select(batch).where(first)).mappings().one())


def cut(found: Batch, size: int, *, one_variant: bool) -> tuple[frozenset[int], ...]:
    """Its positions in parts of at most that size, each of one variant where they share a body."""
    together: dict[int, list[int]] = {}
    for position, (_, variant) in enumerate(found.members):
        together.setdefault(variant if one_variant else 0, []).append(position)
    return tuple(
        frozenset(positions[start : start + size])
        for positions in together.values()
        for start in range(0, len(positions), size)
    )
