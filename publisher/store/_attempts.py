"""The attempts on batches: one row for each intent, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Batch, Result
from publisher.store import _shared as shared
from publisher.store._order import newest
from publisher.store.tables import attempt


def begin(connection: Connection, intended: Batch, now: datetime) -> None:
    connection.execute(_beginning(), _attempt_row(intended, now))


@cache
def _beginning() -> sa.Insert:
    return sa.insert(attempt).values(number=newest() + 1)


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


def end(
    connection: Connection, ids: Sequence[int], now: datetime, outcome: str, results: Sequence[Result] = ()
) -> None:
    """Write down how the attempts under way ended; code and reference when all letters share them."""
    if not ids:
        return
    codes, references = {result.code for result in results}, {result.reference for result in results}
    ended = {
        "ids": shared.given(connection, ids),
        "ended_at": now,
        "outcome": outcome,
        "code": codes.pop() if len(codes) == 1 else "",
        "reference": references.pop() if len(references) == 1 else "",
    }
    connection.execute(_ending(connection.dialect.name == "sqlite"), ended)


@cache
def _ending(sqlite: bool) -> sa.Update:
    under_way = sa.and_(shared.among_given(sqlite, attempt.c.batch, "ids"), attempt.c.ended_at.is_(None))
    return sa.update(attempt).where(under_way)
