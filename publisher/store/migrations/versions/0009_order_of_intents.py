"""The order of intents: which call was begun, and which witness made, later than another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("attempt", sa.Column("number", BIG, nullable=False, server_default="0"))
    op.add_column("notice", sa.Column("number", BIG, nullable=False, server_default="0"))
    op.create_index("ix_attempt_number", "attempt", ["number"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
