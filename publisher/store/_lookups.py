"""What events are looked up by: batches by key, members by position, readers by id or address."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_positions, unpack_runs
from publisher.model import BatchState
from publisher.store import _shared as shared
from publisher.store.tables import batch, edition, newsletter, subscriber


class Sheet(NamedTuple):
    """What merging needs of a batch. `plain`: all of its letters are known to be accepted."""

    id: int
    edition: int
    n: int
    delivered: bytes
    accepted: bool
    plain: bool


class Members(NamedTuple):
    """The subscribers of a batch by position, and the positions that were not handed over with it, or refused."""

    subscribers: tuple[int, ...]
    out: frozenset[int]


def sheets_of(connection: Connection, keys: Collection[str]) -> dict[str, Sheet]:
    if not keys:
        return {}
    incomplete = batch.c.skipped_n + batch.c.rejected_n + batch.c.moved_n
    columns = (batch.c.key, batch.c.id, batch.c.edition, batch.c.n, batch.c.delivered, batch.c.state, incomplete)
    rows = connection.execute(sa.select(*columns).where(shared.among(connection, batch.c.key, keys)))
    accepted = BatchState.ACCEPTED.value
    return {
        key: Sheet(id, edition, n, delivered, state == accepted, state == accepted and not incomplete)
        for key, id, edition, n, delivered, state, incomplete in rows
    }


def members_of(connection: Connection, ids: Collection[int]) -> dict[int, Members]:
    if not ids:
        return {}
    columns = (batch.c.id, batch.c.runs, batch.c.skipped, batch.c.rejected, batch.c.moved)
    rows = connection.execute(sa.select(*columns).where(shared.among(connection, batch.c.id, ids)))
    return {
        id: Members(
            tuple(chain.from_iterable([run for _, run in unpack_runs(runs)])),
            unpack_positions(skipped) | unpack_positions(rejected) | unpack_positions(moved),
        )
        for id, runs, skipped, rejected, moved in rows
    }


def position_in(members: Members, subscriber_id: int) -> int:
    return members.subscribers.index(subscriber_id) if subscriber_id in members.subscribers else -1


def slugs_of(connection: Connection, editions: Collection[int]) -> dict[int, str]:
    if not editions:
        return {}
    of = edition.join(newsletter, newsletter.c.id == edition.c.newsletter)
    rows = connection.execute(
        sa.select(edition.c.id, newsletter.c.slug)
        .select_from(of)
        .where(shared.among(connection, edition.c.id, editions))
    )
    return {int(id): str(slug) for id, slug in rows}


def address_keys(connection: Connection, ids: Collection[int]) -> dict[int, bytes]:
    if not ids:
        return {}
    asked = shared.among(connection, subscriber.c.id, ids)
    rows = connection.execute(sa.select(subscriber.c.id, subscriber.c.address_key).where(asked))
    return {int(id): bytes(key) for id, key in rows}


def by_address(connection: Connection, keys: Collection[str]) -> dict[str, tuple[int, bytes]]:
    if not keys:
        return {}
    columns = (subscriber.c.email_key, subscriber.c.id, subscriber.c.address_key)
    rows = connection.execute(sa.select(*columns).where(shared.among(connection, subscriber.c.email_key, keys)))
    return {email_key: (id, key) for email_key, id, key in rows}
