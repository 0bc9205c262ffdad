"""What was withdrawn while its edition was sent, what sources said was gone, and why readers were skipped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("variant", sa.Column("withdrawn", sa.Text(), nullable=False, server_default=""))
    op.add_column("edition_item", sa.Column("partly", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("edition", sa.Column("gone", JSON, nullable=False, server_default="[]"))
    op.add_column("batch", sa.Column("skips", JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
