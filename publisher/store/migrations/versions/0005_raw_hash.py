"""Items of a feed that did not change are found by their raw hash."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_revision_raw_hash", "revision", ["raw_hash"])


def downgrade() -> None:
    op.drop_index("ix_revision_raw_hash", "revision")
