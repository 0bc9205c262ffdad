"""What a source's last looks refused, for whoever asks how it stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    told = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("source", sa.Column("refused", told, nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
