"""How many messages in a second a mailer says that it takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.add_column("mailer_state", sa.Column("told_rate", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
