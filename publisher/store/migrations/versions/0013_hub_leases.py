"""What we have asked hubs for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "hub_lease",
        sa.Column("id", BIG, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", BIG, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["source.id"], name="fk_hub_lease_source"),
        sa.PrimaryKeyConstraint("id", name="pk_hub_lease"),
        sa.UniqueConstraint("key", name="uq_hub_lease_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hub_lease_source", "hub_lease", ["source"])
    op.create_index("ix_hub_lease_next_at", "hub_lease", ["next_at"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
