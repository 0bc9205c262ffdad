"""Since when an article is missing from its source's complete lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column("article", sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE article SET missed_at = first_seen_at WHERE missing_looks > 0")
    op.drop_index("ix_article_missing", "article")
    where = sa.text("missed_at IS NOT NULL")
    op.create_index("ix_article_missing", "article", ["source"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
