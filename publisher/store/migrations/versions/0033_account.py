"""Which account of a mailer a batch was handed to; of those that were before, nobody knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column("batch", sa.Column("account", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
