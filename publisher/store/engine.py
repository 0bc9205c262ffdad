"""Connections: one way to read and one way to write, on SQLite and on PostgreSQL.

Reading sees one moment of the database. Writing on SQLite takes the one write lock at its beginning, so
that it never finds out at the end that somebody was quicker.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError, PendingRollbackError
from sqlalchemy.pool import StaticPool

from publisher.errors import StoreError

#: How long a writer waits for another one before it gives up.
_BUSY_SECONDS = 30
_CONNECT_SECONDS = 10

#: The first that tells what an INSERT or UPDATE did (RETURNING).
_OLDEST_SQLITE = (3, 35)


def parse(url: str) -> URL:
    """A store's address for SQLAlchemy. Raises StoreError when it is none."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text is not repeated: it may hold a password that we could not find in it.
        raise StoreError(
            "The store's url cannot be read; write sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    if parsed.drivername == "sqlite":
        return parsed
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"The store's url is {hidden(parsed)}; Publisher keeps its store in SQLite (sqlite:///PATH)"
        " or PostgreSQL (postgresql://USER@HOST/NAME)."
    )


def hidden(url: URL) -> str:
    """The address as it may be shown: without its password."""
    query = {key: "***" if "password" in key.lower() else value for key, value in url.query.items()}
    return url.set(drivername=url.drivername.partition("+")[0], query=query).render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """The file of a SQLite store; None when it is in memory or on a server."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def make_engine(url: URL) -> Engine:
    options: dict[str, Any] = {
        "hide_parameters": True,  # addresses of readers do not belong into error texts
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
    }
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, options)
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args=timeout, **options)


def _sqlite(url: URL, options: dict[str, Any]) -> Engine:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}, and Publisher needs"
            f" {'.'.join(map(str, _OLDEST_SQLITE))}: use a newer build of Python, or PostgreSQL."
        )
    path = file_of(url)
    if path is None:
        options["poolclass"] = StaticPool
    else:
        _make_file(path)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}, **options)
    sa.event.listen(engine, "connect", _prepare_connection)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "before_cursor_execute", _let_others_run)
    return engine


def _make_file(path: Path) -> None:
    """An empty file that only we may read, as it will hold readers' addresses; SQLite fills it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be written ({error.strerror}); "
            "give this user the right to write to that file and its folder, or name another one under [store] url."
        ) from error


def _prepare_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, never behind our back
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    # Said to the driver itself: a delivery begins hundreds a second, and SQLAlchemy's way there takes longer.
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _let_others_run(*_: object) -> None:
    """Before each statement. SQLite works in our own thread and never waits for anybody, so Linux would let a ledger's
    dozen statements run in one go; whoever only has to hand on the next letter waits for all of them, and a connection
    idles. A processor that nobody else wants goes on at once."""
    os.sched_yield()


class Access:
    """How the roles reach the database: each call its own transaction, or all within a bound one."""

    def __init__(self, engine: Engine, bound: Connection | None = None) -> None:
        self.engine = engine
        self.bound = bound
        self.sqlite = engine.dialect.name == "sqlite"
        # In memory all threads share one connection, so they take turns.
        self._shared = isinstance(engine.pool, StaticPool)
        self._turn: AbstractContextManager[object] = threading.RLock() if self._shared else nullcontext()
        # Writers to one file queue here: SQLite itself lets them sleep and try again, for up to a tenth of a second.
        self._queue = threading.Lock() if self.sqlite and not self._shared else None
        self._mine = threading.local()
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = engine if self.sqlite else engine.execution_options(**snapshot)
        self._writer = engine.execution_options(writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One moment of the database. Raises StoreError when it cannot be read."""
        if self.bound is not None:
            yield self.bound
            return
        if self._shared:
            self._refuse_second()
        with self.words(), self._turn, self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at the end. Raises StoreError when the database cannot be written."""
        if self.bound is not None:
            yield self.bound
            return
        self._refuse_second()
        with self.words(), self._turn, self._queued(), self._writer.begin() as connection:
            self._mine.writing = True
            try:
                yield connection
            finally:
                self._mine.writing = False

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """This thread's turn to write; whoever waits too long goes on, and SQLite has the last word."""
        mine = self._queue is not None and self._queue.acquire(timeout=_BUSY_SECONDS)
        try:
            yield
        finally:
            if mine and self._queue is not None:
                self._queue.release()

    def _refuse_second(self) -> None:
        """A second transaction beside one's own would wait for itself."""
        if getattr(self._mine, "writing", False):
            raise RuntimeError("this thread is in a transaction: use the store that it was given there")

    def now(self) -> datetime:
        """The database's clock, aware and UTC; on SQLite that is the system's."""
        if self.sqlite:
            return datetime.now(UTC)
        with self.read() as connection:
            moment: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        return moment.astimezone(UTC)

    @contextmanager
    def words(self) -> Iterator[None]:
        """The database's complaints as StoreError, which says what mends them."""
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            raise StoreError(self.explain(error.orig)) from error
        except sqlite3.Error as error:
            raise StoreError(self.explain(error)) from error
        except PendingRollbackError as error:  # somebody went on in a transaction that had lost its connection
            raise StoreError(self.explain(Exception("the connection was lost in a transaction"))) from error

    def explain(self, error: BaseException | None) -> str:
        reason = " ".join(str(error).split())
        return f"The store {hidden(self.engine.url)} cannot be used: {reason}. {_remedy(reason, self.sqlite)}"


def _remedy(reason: str, sqlite: bool) -> str:
    for sign, remedy in (
        ("full", "Free some space on the disk; nothing that was committed is lost."),
        ("No space left", "Free some space on the disk; nothing that was committed is lost."),
        ("readonly", "Give this user the right to write to the file and its folder."),
        ("unable to open", "Give this user the right to write to the file and its folder."),
        ("not a database", "Name another file under [store] url, or restore a backup."),
        ("malformed", "Restore the last backup."),
        ("permission denied", "Let the store's user own its database: it makes its own tables."),
        ("read-only", "Name the address of the primary server, not of a standby."),
        ("locked", "Another process has been writing for long; try again when it is finished."),
        ("password", "Check user and password of the store's url, or ~/.pgpass."),
        ("does not exist", "Create it first, or correct the store's url."),
    ):
        if sign in reason:
            return remedy
    return "Check the file and its disk." if sqlite else "Check that the server runs and that the store's url is right."
