"""Each edition keeps why each article is in it or not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "edition_choice",
        sa.Column("edition", BIG, sa.ForeignKey("edition.id"), nullable=False),
        sa.Column("told", JSON, nullable=False),
        sa.PrimaryKeyConstraint("edition"),
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
