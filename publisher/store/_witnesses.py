"""What proves that a provider shows what it took: batches and notices that it took after a lost call had ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import BatchState, EditionState, KeptEvent, NoticeState
from publisher.store import _shared as shared
from publisher.store._order import begun_later, last
from publisher.store.tables import batch, edition, notice

_DOUBTED = (BatchState.UNKNOWN.value, BatchState.RESOLVING.value)
_GOING = (EditionState.SENDING.value, EditionState.SETTLING.value, EditionState.CANCELLED.value)


#: How long events of a witness are waited for.
LATELY = timedelta(days=7)


def doubted(connection: Connection, mailer: str, *, before: datetime, own_key: bool) -> tuple[datetime, int] | None:
    """When a batch in doubt was last handed over, and its id: the last such time before the given one."""
    going = sa.select(edition.c.id).where(edition.c.state.in_(_GOING))
    which = sa.and_(batch.c.mailer == mailer, batch.c.state.in_(_DOUBTED), batch.c.edition.in_(going))
    if own_key:
        which = sa.and_(which, batch.c.payload_hash != "")
    columns = (batch.c.id, batch.c.first_intent_at, batch.c.intent_at, batch.c.unknown_since)
    rows = connection.execute(sa.select(*columns).where(which))
    last = [(max(moment for moment in row[1:] if moment), int(row[0])) for row in rows if any(row[1:])]
    return max((one for one in last if one[0] < before), default=None)


def accepted(connection: Connection, mailer: str, after: datetime, *, than: int) -> str:
    """The key of a batch that was accepted, or else of a notice that may have been; one whose answer was lost is a
    witness as well when it can be seen."""
    number = last(connection, than)
    later = sa.select(batch.c.key).where(
        batch.c.mailer == mailer,
        batch.c.state == BatchState.ACCEPTED.value,
        batch.c.skipped_n < batch.c.n,  # where everybody was skipped nothing was handed over
        batch.c.first_intent_at > after,
        begun_later(number),
        same_account(connection, than),
    )
    found = connection.execute(later.order_by(batch.c.id).limit(1)).scalar()
    if found is None:
        mailed = notice.c.state.in_([NoticeState.SENT.value, NoticeState.UNKNOWN.value])
        notices = sa.select(notice.c.key).where(_of(mailer, after, number), mailed)
        sent_first = notice.c.state == NoticeState.SENT.value
        found = connection.execute(notices.order_by(sent_first.desc(), notice.c.id.desc()).limit(1)).scalar()
    return found or ""


def same_account(connection: Connection, id: int) -> sa.ColumnElement[bool]:
    """A batch handed to the account that this one was handed to; any, where that is not known."""
    of = sa.select(batch.c.account).where(batch.c.id == id)
    account = connection.execute(of).scalar_one_or_none()
    return batch.c.account == account if account else sa.true()


def told_of(connection: Connection, mailer: str, after: datetime, number: int) -> str:
    """The key of a notice of which an event told."""
    seen = sa.select(notice.c.key).where(_of(mailer, after, number), notice.c.seen_at.is_not(None)).limit(1)
    return connection.execute(seen).scalar() or ""


def see(connection: Connection, kept: Sequence[KeptEvent], at: datetime) -> None:
    """Some of these events may tell of witnesses. There are few, of which hardly any is waited for."""
    # Said in these words, the partial index can be used.
    lately = sa.and_(sa.text("notice.kind = 'witness'"), notice.c.created_at > at - LATELY, notice.c.seen_at.is_(None))
    unseen = connection.execute(sa.select(notice.c.id, notice.c.mailer, notice.c.key).where(lately)).all()
    if unseen:
        told = {(one.mailer, one.event.batch) for one in kept}
        seen = [id for id, mailer, key in unseen if (mailer, key) in told]
        connection.execute(sa.update(notice).where(shared.among(connection, notice.c.id, seen)).values(seen_at=at))


def _of(mailer: str, after: datetime, number: int) -> sa.ColumnElement[bool]:
    # Said in these words, the partial index can be used.
    made = sa.and_(sa.text("notice.kind = 'witness'"), notice.c.mailer == mailer, notice.c.created_at > after)
    return sa.and_(made, notice.c.number >= number)
