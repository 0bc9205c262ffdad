"""Looks into mailboxes that bounces come back to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mailbox",
        sa.Column("mailer", sa.Text(), nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", BIG, nullable=False),
        sa.Column("automatic", BIG, nullable=False),
        sa.Column("unreadable", BIG, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mailer", name="pk_mailbox"),
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
