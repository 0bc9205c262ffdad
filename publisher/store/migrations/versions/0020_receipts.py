"""Receipts of editions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "receipt",
        sa.Column("edition", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("told_seal", sa.Text(), nullable=False),
        sa.Column("telling", BIG, nullable=False),
        sa.Column("told_telling", BIG, nullable=False),
        sa.ForeignKeyConstraint(["edition"], ["edition.id"], name="fk_receipt_edition"),
        sa.PrimaryKeyConstraint("edition", "number", name="pk_receipt"),
    )
    open_ones = sa.text("telling <> told_telling")
    op.create_index("ix_receipt_telling", "receipt", ["edition"], sqlite_where=open_ones, postgresql_where=open_ones)


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
