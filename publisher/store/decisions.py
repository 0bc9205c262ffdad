"""Why each article is in or out of each output. See `ports.Decisions`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Decision
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import decision as table
from publisher.store.tables import edition_choice

_SAID = ("output", "revision", "included", "rule", "at")
_Said = tuple[str, int, bool, str, datetime]


class Decisions:
    def __init__(self, access: Access) -> None:
        self._access = access

    def record(self, decisions: Iterable[Decision]) -> None:
        last = {(one.output, one.article, one.revision): one for one in decisions}
        alike: dict[_Said, list[int]] = defaultdict(list)
        for one in last.values():
            alike[one.output, one.revision, one.included, one.rule, one.at].append(one.article)
        if not alike:
            return
        with self._access.write() as connection:
            rows = [
                dict(zip(_SAID, said, strict=True)) | {"articles": shared.given(connection, articles)}
                for said, articles in alike.items()
            ]
            connection.execute(_record(self._access.sqlite), rows)

    def keep(self, edition: int, decisions: Iterable[Decision]) -> None:
        with self._access.write() as connection:
            told = {one.article: one for one in (*_kept(connection, edition), *decisions)}
            rows = [[one.article, one.revision, one.included, one.rule, one.at.isoformat()] for one in told.values()]
            statement = shared.insert(connection, edition_choice).values(edition=edition, told=rows)
            connection.execute(statement.on_conflict_do_update(index_elements=["edition"], set_={"told": rows}))

    def of_edition(self, edition: int) -> tuple[Decision, ...]:
        """In the order in which they were first considered."""
        with self._access.read() as connection:
            return tuple(_kept(connection, edition))

    def of(self, article: int) -> tuple[Decision, ...]:
        """The newest first."""
        about = sa.select(table).where(table.c.article == article)
        with self._access.read() as connection:
            rows = connection.execute(about.order_by(table.c.at.desc(), table.c.revision.desc(), table.c.output))
            return tuple(Decision(**row) for row in rows.mappings())


def _kept(connection: Connection, edition: int) -> Iterator[Decision]:
    told = connection.execute(sa.select(edition_choice.c.told).where(edition_choice.c.edition == edition))
    for article, revision, included, rule, at in told.scalar_one_or_none() or ():
        yield Decision(
            output=f"edition:{edition}",
            article=article,
            revision=revision,
            included=included,
            rule=rule,
            at=datetime.fromisoformat(at),
        )


@cache
def _record(sqlite: bool) -> Any:
    """What is said alike of several articles, in one go: a page of articles is said the same of by most feeds."""
    told = [sa.bindparam(name, type_=table.c[name].type).label(name) for name in _SAID]
    # SQLite takes ON CONFLICT for a part of the join, where no WHERE ends it.
    rows = sa.select(shared.each_given(sqlite, table.c.article, "articles"), *told).where(sa.true())
    statement = shared.insert_of(sqlite, table).from_select(["article", *_SAID], rows)
    new = statement.excluded
    differs = sa.or_(table.c.included != new.included, table.c.rule != new.rule)
    return statement.on_conflict_do_update(
        index_elements=["article", "revision", "output"],
        set_={"included": new.included, "rule": new.rule, "at": new.at},
        where=differs,
    )
