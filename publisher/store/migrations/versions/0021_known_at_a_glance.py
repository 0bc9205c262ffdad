"""Which items of a feed are known is answered from an index alone: rows of revisions hold whole texts."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_index("ix_revision_raw_hash_article_number", "revision", ["raw_hash", "article", "number"])
    op.drop_index("ix_revision_raw_hash", "revision")


def downgrade() -> None:
    op.create_index("ix_revision_raw_hash", "revision", ["raw_hash"])
    op.drop_index("ix_revision_raw_hash_article_number", "revision")
