"""The pages of editions in the archive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "archive_page",
        sa.Column("edition", BIG, nullable=False),
        sa.Column("wanted", BIG, nullable=False),
        sa.Column("built", BIG, nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("stories", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition"], ["edition.id"], name="fk_archive_page_edition"),
        sa.PrimaryKeyConstraint("edition", name="pk_archive_page"),
    )
    due = sa.text("wanted <> built")
    op.create_index("ix_archive_page_due", "archive_page", ["edition"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
