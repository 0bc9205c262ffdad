"""What every file of the feed folder was made with: when a setting changes that, all of them are made again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("instance", sa.Column("made_with", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
