"""The queries that run all day walk an index, whatever has piled up."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from publisher.store import Database, open_store
from publisher.store._audience import candidates
from publisher.store._claiming import claimable
from publisher.store._proving import HELD
from publisher.store.tables import batch, subscription
from tests.people import NOW


@pytest.fixture
def sqlite(sqlite_url: str) -> Database:
    return open_store(sqlite_url)


def explained(store: Database, query: sa.Select[tuple[object, ...]]) -> str:
    compiled = query.compile(store._access.engine, compile_kwargs={"literal_binds": True})
    with store._access.read() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
    store.close()
    return "\n".join(str(row[3]) for row in rows)


def test_a_claim_walks_the_index_of_claims_in_its_order(sqlite: Database) -> None:
    first = sa.select(batch.c.id).where(batch.c.mailer == "maildir", claimable(NOW))
    plan = explained(sqlite, first.order_by(batch.c.priority.desc(), batch.c.state.desc(), batch.c.id).limit(1))
    assert "ix_batch_claim" in plan
    assert "TEMP B-TREE" not in plan


def test_held_batches_are_found_by_their_index(sqlite: Database) -> None:
    plan = explained(sqlite, sa.select(batch.c.id).where(HELD))
    assert "ix_batch_held" in plan


def test_candidates_come_from_the_index_of_their_newsletter(sqlite: Database) -> None:
    page = (
        candidates()
        .params(slug="daily")
        .where(subscription.c.subscriber > 5)
        .order_by(subscription.c.subscriber)
        .limit(10)
    )
    plan = explained(sqlite, page)
    assert "ix_subscription_newsletter_subscriber" in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN subscription" not in plan
