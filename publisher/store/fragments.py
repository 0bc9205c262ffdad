"""Entries as formats wrote them. See `ports.Fragments`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from publisher.model import Fragment
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import fragment


class Fragments:
    def __init__(self, access: Access) -> None:
        self._access = access

    def get(self, format: str, shape: str, articles: Collection[int]) -> Mapping[int, Fragment]:
        columns = (fragment.c.article, fragment.c.stamp, fragment.c.id, fragment.c.data)
        with self._access.read() as connection:
            wanted = shared.among(connection, fragment.c.article, articles)
            rows = connection.execute(
                sa.select(*columns).where(wanted, fragment.c.format == format, fragment.c.shape == shape)
            )
            return {
                article: Fragment(article=article, stamp=stamp, id=id, data=data) for article, stamp, id, data in rows
            }

    def keep(self, format: str, shape: str, fragments: Sequence[Fragment]) -> None:
        of_all = {"format": format, "shape": shape}
        rows = [
            {**of_all, "article": one.article, "stamp": one.stamp, "id": one.id, "data": one.data} for one in fragments
        ]
        with self._access.write() as connection:
            statement = shared.insert(connection, fragment)
            new = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=["article", "format", "shape"],
                set_={"stamp": new.stamp, "id": new.id, "data": new.data},
            )
            connection.execute(statement, rows)
