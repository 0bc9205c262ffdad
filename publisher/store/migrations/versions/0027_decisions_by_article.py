"""Decisions stand by article: those about one are written together, and one index fewer is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("article", "revision", "output")
_COLUMNS = "article, revision, output, included, rule, at"


def upgrade() -> None:
    op.drop_index("ix_decision_article", "decision")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_decision", "decision", type_="primary")
        op.create_primary_key("pk_decision", "decision", list(_KEY))
        return
    op.rename_table("decision", "decision_before")
    _decision()
    op.execute(
        f"INSERT INTO decision ({_COLUMNS})"  # noqa: S608
        f" SELECT {_COLUMNS} FROM decision_before ORDER BY article, revision, output"
    )
    op.drop_table("decision_before")


def _decision() -> None:
    op.create_table(
        "decision",
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("article", BIG, sa.ForeignKey("article.id", name="fk_decision_article"), nullable=False),
        sa.Column("revision", BIG, nullable=False),
        sa.Column("included", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_decision"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
