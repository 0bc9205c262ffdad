"""Entries as formats wrote them. See `ports.Fragments`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from publisher.model import Fragment
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import fragment

_OF = fragment.c
_FIELDS = tuple(column.name for column in fragment.columns)


class Fragments:
    def __init__(self, access: Access) -> None:
        self._access = access

    def get(self, shapes: Mapping[str, str], articles: Collection[int]) -> Mapping[tuple[str, int], Fragment]:
        wanted = sa.or_(*(sa.and_(_OF.format == format, _OF.shape == shape) for format, shape in shapes.items()))
        with self._access.read() as connection:
            rows = connection.execute(
                sa.select(fragment).where(shared.among(connection, _OF.article, articles), wanted)
            )
            return {(row.format, row.article): Fragment(**row._mapping) for row in rows}

    def keep(self, fragments: Sequence[Fragment]) -> None:
        rows = [{name: getattr(one, name) for name in _FIELDS} for one in fragments]
        with self._access.write() as connection:
            statement = shared.insert(connection, fragment)
            new = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=["article", "format", "shape"],
                set_={"stamp": new.stamp, "id": new.id, "data": new.data},
            )
            connection.execute(statement, rows)
