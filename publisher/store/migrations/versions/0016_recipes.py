"""What variants were made from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "material",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_material"),
    )
    op.add_column("variant", sa.Column("recipe", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
