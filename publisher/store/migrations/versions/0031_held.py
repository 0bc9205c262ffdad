"""Held batches are found at once, whatever has piled up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    where = sa.text("state = 'held'")
    op.create_index("ix_batch_held", "batch", ["edition"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
