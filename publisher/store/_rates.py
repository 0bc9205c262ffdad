"""What a mailer may still be given: one row that all workers of all processes take their tokens from.

A token is a message. Claiming takes the tokens of a whole batch or none, by the database's clock, so that no lease is
held while waiting; what turns out not to leave is given back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Batch, Limits, Notice, Priority
from publisher.store import _shared as shared
from publisher.store.tables import bucket

#: Of the rate in the settings, won back in a minute after a mailer asked us to slow down.
RECOVERY = 0.05
#: It is never slowed down to less than this part of it.
SLOWEST = 1 / 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """`rate` is that of this moment: after a mailer asked us to slow down, less than the settings allow."""

    tokens: float
    rate: float
    at: datetime
    day_used: int = 0
    sent_days: int = 0


# ---------------------------------------------------------------- deciding


def refilled(there: Bucket, limits: Limits, now: datetime) -> Bucket:
    """As it stands now. Time never runs backwards in it, so neither does the day, which is one of UTC."""
    now = max(now, there.at)
    seconds = (now - there.at).total_seconds()
    new_day = _day(now) > _day(there.at)
    return Bucket(
        tokens=min(limits.burst, there.tokens + there.rate * seconds),
        rate=min(limits.rate, there.rate + limits.rate * RECOVERY * seconds / 60),
        at=now,
        day_used=0 if new_day else there.day_used,
        sent_days=there.sent_days + (new_day and there.day_used > 0),
    )


def granted_at(there: Bucket, limits: Limits, size: int) -> datetime:
    """When a batch of that size may be claimed: now, when the tokens are there."""
    if there.day_used + size > limits.today(there.sent_days):
        return _day(there.at) + timedelta(days=1)
    missing = size - there.tokens
    if not limits.rate or missing <= 1e-6:
        return there.at
    return there.at + timedelta(seconds=max(missing / there.rate, 0.001))


def slowed(there: Bucket, limits: Limits) -> Bucket:
    """Half as fast, from nothing on."""
    return replace(there, tokens=0.0, rate=max(there.rate / 2, limits.rate * SLOWEST))


def _day(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


# ---------------------------------------------------------------- reading and writing


def locked(connection: Connection, mailer: str, limits: Limits, now: datetime) -> Bucket:
    """The bucket as it stands now, which until this transaction ends nobody else looks into."""
    full = {"mailer": mailer, "tokens": limits.burst, "rate": limits.rate, "at": now}
    nothing = {"day_used": 0, "sent_days": 0, "waits_priority": 0}
    connection.execute(shared.insert(connection, bucket).values(**full, **nothing).on_conflict_do_nothing())
    return refilled(_read(connection, mailer), limits, now)


def take(connection: Connection, mailer: str, limits: Limits, there: Bucket, *, size: int, priority: int) -> bool:
    """Take the tokens of a batch; False, and a note when to look again, when there are too few."""
    at = granted_at(there, limits, size)
    if at > there.at:
        _write(connection, mailer, there, waits_until=at, waits_priority=priority)
        return False
    used = replace(there, tokens=there.tokens - size if limits.rate else there.tokens, day_used=there.day_used + size)
    _write(connection, mailer, used)
    return True


def take_again(connection: Connection, mailer: str, limits: Limits, there: Bucket, again: Batch) -> datetime | None:
    """Take the tokens of a batch for one more call; when they will be there if there are too few. It waits for the rate
    alone, and counts once a day: a key does not live so long that it could wait for tomorrow."""
    size = again.size - len(again.skipped | again.moved)
    at = granted_at(there, Limits(rate=limits.rate), min(size, int(limits.burst)))
    if at > there.at:
        _write(connection, mailer, there, waits_until=at, waits_priority=again.priority)
        return at
    today = 0 if _day(again.intent_at or there.at) == _day(there.at) else size
    tokens = max(0.0, there.tokens - size) if limits.rate else there.tokens
    _write(connection, mailer, replace(there, tokens=tokens, day_used=there.day_used + today))
    return None


def give_back(connection: Connection, held: Batch | Notice, unused: int) -> None:
    """Tokens of letters that did not leave. Those of a day that is over are of no use any more."""
    if unused <= 0:
        return
    row = connection.execute(_row(held.mailer).with_for_update()).mappings().one_or_none()
    if row is None:
        return
    paid = (held.intent_at if isinstance(held, Batch) else None) or row["at"]
    same_day = _day(paid) == _day(row["at"])
    connection.execute(
        sa.update(bucket)
        .where(bucket.c.mailer == held.mailer)
        .values(
            tokens=row["tokens"] + unused,  # what is too much runs over when it is next looked into
            day_used=max(0, row["day_used"] - unused) if same_day else row["day_used"],
            waits_until=None,
        )
    )


def slow(connection: Connection, mailer: str, limits: Limits, now: datetime) -> None:
    there = locked(connection, mailer, limits, now)
    _write(connection, mailer, slowed(there, limits))


def changed(connection: Connection, mailer: str, rate: float) -> None:
    """It is another rate than before: nobody waits because of the old one."""
    now_on = {"rate": rate, "waits_until": None}
    connection.execute(sa.update(bucket).where(bucket.c.mailer == mailer).values(**now_on))


def sent_days(connection: Connection, mailer: str) -> int:
    days = sa.select(bucket.c.sent_days).where(bucket.c.mailer == mailer)
    return int(connection.execute(days).scalar() or 0)


def waiting(batch: sa.FromClause, now: datetime, mailer: str = "") -> sa.ColumnElement[bool]:
    """The tokens of such a batch are known not to be there yet, at its own mailer or at another one."""
    return sa.exists().where(bucket.c.mailer == (mailer or batch.c.mailer), _short(batch.c.priority, now))


def notices_wait(notice: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    """The same of a notice, which waits for no batch."""
    return sa.exists().where(bucket.c.mailer == notice.c.mailer, _short(Priority.NOTICE, now))


def turn(connection: Connection, notices: sa.Select[Any], now: datetime) -> datetime | None:
    """When there will be a token for the first of the mailers of such notices."""
    soonest = sa.select(bucket.c.waits_until).where(bucket.c.mailer.in_(notices), _short(Priority.NOTICE, now))
    return connection.execute(soonest.order_by(bucket.c.waits_until).limit(1)).scalar()


def _short(priority: Any, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(bucket.c.waits_until > now, bucket.c.waits_priority >= priority)


def _row(mailer: str) -> sa.Select[Any]:
    return sa.select(bucket).where(bucket.c.mailer == mailer)


def _read(connection: Connection, mailer: str) -> Bucket:
    row = connection.execute(_row(mailer).with_for_update()).mappings().one()
    return Bucket(**{name: row[name] for name in Bucket.__dataclass_fields__})


def _write(connection: Connection, mailer: str, there: Bucket, **values: Any) -> None:
    values |= {name: getattr(there, name) for name in Bucket.__dataclass_fields__}
    connection.execute(sa.update(bucket).where(bucket.c.mailer == mailer).values(**values))
