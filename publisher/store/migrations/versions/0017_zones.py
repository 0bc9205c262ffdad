"""Which time zones readers are in, without reading all of them."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_index("ix_subscriber_timezone", "subscriber", ["timezone"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
