"""The one set of tables, and how a table is written down."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def table(name: str, *parts: SchemaItem, by_key: bool = False) -> sa.Table:
    """A table; one with an id of its own never gives that id twice. `by_key`: SQLite keeps its rows in the order of
    the primary key, as good as in an index."""
    own_id = any(isinstance(part, sa.Column) and part.name == "id" for part in parts)
    return sa.Table(name, metadata, *parts, sqlite_autoincrement=own_id, sqlite_with_rowid=not by_key)


def primary(*columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns)


def unique(*columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns)


def partial(name: str, *columns: str, where: str) -> sa.Index:
    """An index over only some rows; a column may be followed by DESC."""
    condition = sa.text(where)
    parts = [sa.text(column) if " " in column else column for column in columns]
    return sa.Index(name, *parts, sqlite_where=condition, postgresql_where=condition)
