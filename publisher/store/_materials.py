"""Bodies by their SHA-256, each kept once: recipes, and the templates they name."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.store import _shared as shared
from publisher.store.tables import material


def put(connection: Connection, bodies: Mapping[str, bytes]) -> None:
    if not bodies:
        return
    known = sa.select(material.c.hash).where(shared.among(connection, material.c.hash, bodies))
    there = set(connection.execute(known).scalars())
    rows = [{"hash": hash, "body": zlib.compress(body)} for hash, body in bodies.items() if hash not in there]
    if rows:
        connection.execute(shared.insert(connection, material).on_conflict_do_nothing(), rows)


def get(connection: Connection, hashes: Collection[str]) -> dict[str, bytes]:
    rows = connection.execute(sa.select(material).where(shared.among(connection, material.c.hash, hashes)))
    return {row.hash: zlib.decompress(row.body) for row in rows}
