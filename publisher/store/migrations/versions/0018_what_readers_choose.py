"""Items for who has room, and readers who want no alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    for table in ("edition_item", "variant_item"):
        op.add_column(table, sa.Column("spare", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("subscription", sa.Column("alerts", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
