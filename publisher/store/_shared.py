"""What several roles need: upserts, long lists of values, and slugs for ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from publisher.errors import NotFound


def insert(connection: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, which both databases write alike."""
    return insert_of(is_sqlite(connection), table)


def insert_of(on_sqlite: bool, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if on_sqlite else postgresql.insert(table)


def is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def among(connection: Connection, column: sa.ColumnElement[Any], values: Collection[Any]) -> sa.ColumnElement[bool]:
    """`column` is one of `values`, as a single parameter, so that no limit on parameters is met.

    On SQLite this is IN over json_each: an UPDATE joined to json_each would scan the whole table instead.
    """
    if connection.dialect.name == "sqlite":
        listed = sa.func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    kind = column.type.dialect_impl(connection.dialect)
    array = sa.cast(sa.literal(list(values), sa.ARRAY(kind)), sa.ARRAY(kind))
    return column == sa.func.any(array)


def among_given(sqlite: bool, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The same of values that are given (see `given`) under that name when the statement is executed, so that it is
    built only once."""
    if sqlite:
        listed = sa.func.json_each(sa.bindparam(name)).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    array = sa.ARRAY(column.type)
    return column == sa.func.any(sa.cast(sa.bindparam(name, type_=array), array))


def rows_of(found: sa.CursorResult[Any]) -> list[tuple[Any, ...]]:
    """All rows of a SELECT by place and straight from the driver, for texts, numbers and bytes, which need no turning:
    where there are millions, SQLAlchemy's own rows take as long again as the database does."""
    assert found.cursor
    rows: list[tuple[Any, ...]] = list(found.cursor.fetchall())
    found.close()
    return rows


def each_given(sqlite: bool, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    """The same values as rows of a SELECT."""
    if sqlite:
        return sa.func.json_each(sa.bindparam(name)).table_valued("value").c.value
    array = sa.ARRAY(column.type)
    return sa.func.unnest(sa.cast(sa.bindparam(name, type_=array), array))


def given(connection: Connection, values: Collection[int | str]) -> str | list[int | str]:
    return orjson.dumps(list(values)).decode() if connection.dialect.name == "sqlite" else list(values)


def id_of(connection: Connection, table: sa.Table, slug: str) -> int:
    """The id behind a slug. Raises NotFound."""
    found = connection.execute(_id_of(table), {"slug": slug}).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no {table.name} {slug!r}; run `publisher check` to see what the settings hold.")
    return int(found)


def ids_of(connection: Connection, table: sa.Table, slugs: Collection[str]) -> dict[str, int]:
    """Ids by slug. Raises NotFound naming the first slug that is missing."""
    rows = connection.execute(_ids_of(is_sqlite(connection), table), {"slugs": given(connection, slugs)})
    found = {str(slug): int(id) for slug, id in rows}
    for slug in slugs:
        if slug not in found:
            raise NotFound(f"There is no {table.name} {slug!r}; run `publisher check` to see what the settings hold.")
    return found


@cache
def _id_of(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table.c.id).where(table.c.slug == sa.bindparam("slug"))


@cache
def _ids_of(sqlite: bool, table: sa.Table) -> sa.Select[Any]:
    return sa.select(table.c.slug, table.c.id).where(among_given(sqlite, table.c.slug, "slugs"))


def rename(connection: Connection, table: sa.Table, old: str, new: str) -> bool:
    """Give a row its new slug, unless there is no such row or the new slug is taken."""
    slugs = connection.execute(sa.select(table.c.slug).where(table.c.slug.in_([old, new]))).scalars().all()
    if slugs != [old]:
        return False
    connection.execute(sa.update(table).where(table.c.slug == old).values(slug=new))
    return True


def retire(connection: Connection, table: sa.Table, kept: Sequence[str], **values: Any) -> None:
    """Rows that the settings no longer name become inactive; their history stays."""
    gone = sa.and_(table.c.active, sa.not_(among(connection, table.c.slug, kept)))
    connection.execute(sa.update(table).where(gone).values(active=False, **values))
