"""Bring a database up to this version's tables, safely when several processes start together."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import StoreError
from publisher.store import _shared as shared
from publisher.store.engine import Access, file_of, hidden
from publisher.store.tables import instance

#: The newest migration. A constant, so that opening a store that is up to date need not load alembic.
HEAD = "0033"

SCRIPTS = Path(__file__).parent / "migrations"

#: Any number that other programs on the same server are unlikely to lock.
_LOCK = 0x5055424C49534852


def migrate(access: Access) -> None:
    """Raises StoreError when the database is newer than this Publisher, or does not let us make tables."""
    try:
        with _alone(access), access.write() as connection:
            _bring_up(access, connection)
    except sa.exc.DBAPIError as error:
        raise StoreError(access.explain(error.orig)) from error


def _bring_up(access: Access, connection: Connection) -> None:
    if not access.sqlite:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    found = current(connection)
    if found == HEAD:
        return
    if found is not None and found not in _known():
        raise StoreError(
            f"The store {hidden(access.engine.url)} was made by a newer Publisher (its tables are at {found}, "
            f"this one knows {HEAD}). Upgrade Publisher, or restore the backup made before the upgrade."
        )
    _upgrade(connection)
    _name(connection)


def current(connection: Connection) -> str | None:
    """The migration a database is at; None when it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@contextmanager
def _alone(access: Access) -> Iterator[None]:
    """On a SQLite file: nobody else opens it meanwhile. The lock ends with the process, however it ends."""
    path = file_of(access.engine.url)
    if path is None:
        yield
        return
    try:
        lock = path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        raise StoreError(
            f"The folder {path.parent} cannot be written ({error.strerror}); SQLite needs files beside {path.name}: "
            "give this user the right to write to that folder."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write_ahead(access)
        yield


def _write_ahead(access: Access) -> None:
    """Turn on the write-ahead log, which stays with the file. That cannot be done within a transaction."""
    with access.words():
        connection = access.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def _known() -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions())


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _name(connection: Connection) -> None:
    """Give a new database its UUID."""
    made = {"number": 1, "uuid": str(uuid4()), "created_at": datetime.now(UTC)}
    connection.execute(shared.insert(connection, instance).values(**made).on_conflict_do_nothing())
