"""Editors let an edition go although a rule of preflight blocks it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("edition", sa.Column("overrides", JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
