"""One store for SQLite and PostgreSQL: SQLAlchemy Core, one file per role. `open_store` is the way in."""

from __future__ import annotations

from publisher.store.database import Database
from publisher.store.engine import Access, make_engine, parse
from publisher.store.schema import migrate

__all__ = ["Database", "open_store"]


def open_store(url: str) -> Database:
    """Open a store and bring its tables up to date.

    `sqlite:///PATH` (the file and its folder are made when missing; a relative path starts at the working
    directory), `sqlite://` (in memory, for tests) or `postgresql://USER@HOST/NAME`. Raises StoreError, which
    names the url without its password, when the database cannot be reached or written, or is newer than this
    Publisher.
    """
    engine = make_engine(parse(url))
    try:
        migrate(Access(engine))
        return Database(Access(engine))
    except BaseException:
        engine.dispose()
        raise
