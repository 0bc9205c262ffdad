"""Waves: up to which one the batches of an edition may leave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("edition", sa.Column("wave", BIG, nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
