"""A source's own id of an article that is known by another name, so that its lists can be compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("article", sa.Column("own_id", sa.Text(), nullable=False, server_default=""))
    where = sa.text("own_id != ''")
    op.create_index("ix_article_own_id", "article", ["source", "own_id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
