"""What events mean for readers: letters in a row, suppressions and the end of subscriptions.

Each row ends as the least or the gravest of all that was asked for, whatever came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_runs
from publisher.model import Ending, EventKind, SubscriptionStatus, Suppression, SuppressionReason
from publisher.store import _shared as shared
from publisher.store._merging import has_bit
from publisher.store.tables import (
    batch,
    delivery_exception,
    edition,
    newsletter,
    plan_chunk,
    subscription,
    subscription_past,
    suppression,
)

Row = sa.RowMapping
Letters = tuple[tuple[int, datetime | None], ...]

_SOFT = EventKind.SOFT_BOUNCE.value
_LEFT = SubscriptionStatus.UNSUBSCRIBED.value

#: Whose reason stays: the last one.
_GRAVITY = (
    SuppressionReason.UNSUBSCRIBE,  # can be taken back by the reader, and must not hide that there is nobody
    SuppressionReason.SOFT_BOUNCES,
    SuppressionReason.HARD_BOUNCE,
    SuppressionReason.COMPLAINT,
    SuppressionReason.MANUAL,
)


# ---------------------------------------------------------------- letters in a row


def letters(connection: Connection, subscribers: Collection[int], least: int) -> dict[int, Letters]:
    if not subscribers:
        return {}
    table = delivery_exception.c
    of = sa.and_(shared.among(connection, table.subscriber, subscribers), table.kind == _SOFT)
    bounced: dict[int, dict[int, datetime]] = defaultdict(dict)
    for who, id, at in connection.execute(sa.select(table.subscriber, table.batch, table.at).where(of)):
        bounced[who][id] = at
    return {who: _letters(connection, who, soft) for who, soft in bounced.items() if len(soft) >= least}


def _letters(connection: Connection, who: int, soft: Mapping[int, datetime]) -> Letters:
    """From the first letter that bounced to the last; `soft` says when, by batch. One letter of an edition may be
    told about under the batch it was first in, and under a child that it moved to."""
    columns = (batch.c.first_intent_at, batch.c.mailer)
    rows = connection.execute(sa.select(*columns).where(shared.among(connection, batch.c.id, soft))).all()
    times = [first for first, _ in rows if first is not None]
    if not times:
        return ()
    found: dict[int, datetime | None] = {}
    delivered: set[int] = set()
    between = around(who, min(times), max(times), {mailer for _, mailer in rows})
    for row in connection.execute(between).mappings():
        members = [member for _, run in unpack_runs(row["runs"]) for member in run]
        position = members.index(who) if who in members else -1
        if position >= 0 and (row["id"] in soft or not _stayed(row, position)):
            bounced = [at for at in (found.get(row["edition"]), soft.get(row["id"])) if at]
            found[row["edition"]] = min(bounced, default=None)
            if has_bit(row["delivered"], position):
                delivered.add(row["edition"])
    return tuple((id, None if id in delivered else at) for id, at in found.items())


def around(who: int, first: datetime, last: datetime, mailers: Iterable[str]) -> sa.Select[Any]:
    """The batches around a reader that left in that time, by way of their chunks, in the order they left."""
    recent = sa.select(edition.c.id).where(
        edition.c.composed_at <= last, sa.or_(edition.c.finished_at.is_(None), edition.c.finished_at >= first)
    )
    chunk = sa.and_(plan_chunk.c.edition == batch.c.edition, plan_chunk.c.chunk_lo == batch.c.chunk)
    return (
        sa.select(batch)
        .select_from(plan_chunk.join(batch, chunk))
        .where(
            plan_chunk.c.edition.in_(recent),
            plan_chunk.c.chunk_lo < who,
            plan_chunk.c.chunk_hi >= who,
            batch.c.first_id <= who,
            batch.c.last_id >= who,
            batch.c.first_intent_at.between(first, last),
            batch.c.mailer.in_(list(mailers)),
        )
        .order_by(batch.c.first_intent_at, batch.c.id)
    )


def _stayed(row: Row, position: int) -> bool:
    """Whether the letter was not handed over with this batch, or refused."""
    return any(has_bit(row[name], position) for name in ("skipped", "rejected", "moved"))


# ---------------------------------------------------------------- suppressions


def suppress(connection: Connection, wanted: Sequence[Suppression]) -> int:
    """Everywhere: the scope of each is taken to be ""."""
    best: dict[bytes, Suppression] = {}
    for one in wanted:
        best[one.address_key] = min(one, best.get(one.address_key, one), key=_order)
    there = _standing(connection, best)
    changed = [one for key, one in best.items() if key not in there or _outweighs(one, there[key])]
    if changed:
        statement = shared.insert(connection, suppression)
        new = {name: statement.excluded[name] for name in ("address", "reason", "evidence", "since")}
        statement = statement.on_conflict_do_update(index_elements=["address_key", "scope"], set_=new)
        connection.execute(statement, [_suppression_row(one) for one in changed])
    return len(best.keys() - there.keys())


def _standing(connection: Connection, keys: Collection[bytes]) -> dict[bytes, Suppression]:
    mine = sa.and_(suppression.c.address_key.in_(list(keys)), suppression.c.scope == "")
    rows = connection.execute(sa.select(suppression).where(mine).with_for_update()).mappings()
    return {row["address_key"]: Suppression(**{**row, "reason": SuppressionReason(row["reason"])}) for row in rows}


def _order(one: Suppression) -> tuple[int, datetime, str]:
    """Least is what stays: the gravest reason; of the same the earliest, then that of the first event by its id."""
    return -_GRAVITY.index(one.reason), one.since, str(one.evidence.get("event", ""))


def _outweighs(new: Suppression, old: Suppression) -> bool:
    """Soft bounces are counted anew each time, so the last count stands."""
    if new.reason is old.reason is SuppressionReason.SOFT_BOUNCES:
        return new != old
    return old.reason is not SuppressionReason.MANUAL and _order(new) < _order(old)


def _suppression_row(one: Suppression) -> dict[str, Any]:
    return {
        "address_key": one.address_key,
        "scope": "",
        "address": one.address,
        "reason": one.reason.value,
        "evidence": dict(one.evidence),
        "since": one.since,
    }


def release(connection: Connection, keys: Collection[bytes]) -> int:
    soft = suppression.c.reason == SuppressionReason.SOFT_BOUNCES.value
    mine = sa.and_(suppression.c.address_key.in_(list(keys)), suppression.c.scope == "", soft)
    return connection.execute(sa.delete(suppression).where(mine)).rowcount if keys else 0


# ---------------------------------------------------------------- subscriptions


def end(connection: Connection, endings: Sequence[Ending]) -> int:
    by_reader: dict[int, list[Ending]] = defaultdict(list)
    for one in endings:
        by_reader[one.subscriber].append(one)
    ended = 0
    for row in _subscriptions(connection, by_reader):
        asked = [one for one in by_reader[row["subscriber"]] if one.newsletter in ("", row["slug"])]
        ended += _end(connection, row, asked)
    return ended


def _subscriptions(connection: Connection, ids: Collection[int]) -> Sequence[Row]:
    """Locked, in an order that everybody keeps to."""
    if not ids:
        return []
    joined = subscription.join(newsletter, newsletter.c.id == subscription.c.newsletter)
    found = sa.select(subscription, newsletter.c.slug).select_from(joined)
    found = found.where(shared.among(connection, subscription.c.subscriber, ids))
    found = found.order_by(subscription.c.subscriber, subscription.c.newsletter).with_for_update(of=subscription)
    return connection.execute(found).mappings().all()


def _end(connection: Connection, row: Row, asked: Sequence[Ending]) -> bool:
    """End one subscription, or make an earlier event the evidence of an end that events made. True when it was
    not ended before. Who left by themselves has left: no event changes that."""
    over = row["status"] == _LEFT
    if over and "event" not in row["evidence"]:
        return False
    consent = datetime.fromisoformat(row["evidence"]["consent_of"]) if over else row["changed_at"]
    reasons = [(one.at, one.event_id, _why(one, consent)) for one in asked if one.always or one.at >= consent]
    if over:
        reasons.append((row["changed_at"], row["evidence"]["event"], row["evidence"]))
    if not reasons:
        return False
    at, event_id, evidence = min(reasons, key=lambda reason: reason[:2])
    if over and event_id == row["evidence"]["event"]:
        return False
    if not over:
        past = {name: row[name] for name in ("subscriber", "newsletter", "status", "changed_at", "evidence")}
        connection.execute(sa.insert(subscription_past).values(**past))
    mine = sa.and_(subscription.c.subscriber == row["subscriber"], subscription.c.newsletter == row["newsletter"])
    connection.execute(sa.update(subscription).where(mine).values(status=_LEFT, changed_at=at, evidence=evidence))
    return not over


def _why(one: Ending, consent: datetime) -> dict[str, str]:
    """The evidence, with the time of the consent that ended: a later event is held against that one too."""
    return {
        "unsubscribed": one.why,
        "mailer": one.mailer,
        "event": one.event_id,
        "consent_of": consent.isoformat(),
    }
