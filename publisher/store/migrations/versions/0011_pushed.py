"""Calls that pushed articles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pushed",
        sa.Column("source", BIG, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["source.id"], name="fk_pushed_source"),
        sa.PrimaryKeyConstraint("source", "call", name="pk_pushed"),
    )
    op.create_index("ix_pushed_at", "pushed", ["at"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
