"""Alembic's entry: runs on the connection that `store.schema` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from publisher.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, as long as nobody commits in between; see `engine`
)
context.run_migrations()
