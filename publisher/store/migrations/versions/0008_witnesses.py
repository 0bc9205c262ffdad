"""Witnesses: notices by which a provider shows that it shows what it took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("notice", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    where = sa.text("kind = 'witness'")
    columns = ["mailer", "created_at"]
    op.create_index("ix_notice_witness", "notice", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
