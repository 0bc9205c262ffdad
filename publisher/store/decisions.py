"""Why each article is in or out of each output. See `ports.Decisions`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa

from publisher.model import Decision
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import decision as table


class Decisions:
    def __init__(self, access: Access) -> None:
        self._access = access

    def record(self, decisions: Iterable[Decision]) -> None:
        rows = {(one.output, one.article, one.revision): _row(one) for one in decisions}
        if not rows:
            return
        with self._access.write() as connection:
            connection.execute(_record(self._access.sqlite), list(rows.values()))

    def of(self, article: int) -> tuple[Decision, ...]:
        """The newest first."""
        about = sa.select(table).where(table.c.article == article)
        with self._access.read() as connection:
            rows = connection.execute(about.order_by(table.c.at.desc(), table.c.revision.desc(), table.c.output))
            return tuple(Decision(**row) for row in rows.mappings())


@cache
def _record(sqlite: bool) -> Any:
    statement = shared.insert_of(sqlite, table)
    new = statement.excluded
    differs = sa.or_(table.c.included != new.included, table.c.rule != new.rule)
    return statement.on_conflict_do_update(
        index_elements=["output", "article", "revision"],
        set_={"included": new.included, "rule": new.rule, "at": new.at},
        where=differs,
    )


def _row(one: Decision) -> dict[str, object]:
    return {
        "output": one.output,
        "article": one.article,
        "revision": one.revision,
        "included": one.included,
        "rule": one.rule,
        "at": one.at,
    }
