"""How articles come and go: how each came in, what an editor said about mail, why it is gone, what a list named
so far, and the sketches that tell the same story of two sources.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("source", _text("listing"))
    op.add_column("source", sa.Column("listed", sa.LargeBinary(), nullable=True))
    op.add_column("article", sa.Column("mail_at", TIME, nullable=True))
    for column in (_text("arrival", "news"), _text("retracted_by"), _text("retraction_note")):
        op.add_column("article", column)
    op.create_index("ix_article_source_published_at", "article", ["source", "published_at"])
    _index("ix_article_missing", "source", where="missing_looks > 0")
    _index("ix_article_mail_at", "mail_at", where="mail_at IS NOT NULL")
    op.create_table(
        "sketch",
        sa.Column("article", BIG, sa.ForeignKey("article.id", name="fk_sketch_article"), nullable=False),
        sa.Column("hash", BIG, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash", "article", name="pk_sketch"),
    )
    op.create_index("ix_sketch_article", "sketch", ["article"])
    op.create_index("ix_sketch_at", "sketch", ["at"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _index(name: str, column: str, *, where: str) -> None:
    op.create_index(name, "article", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
