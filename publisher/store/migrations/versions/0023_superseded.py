"""Which variant came in place of another when a story was changed after its edition was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("variant", sa.Column("superseded_by", BIG, nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
