"""Archive pages, what current documents showed, and entries kept as they were written.

SQLite cannot add a column without leaving a default behind, so both tables are made anew, with all they hold.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TEXT, TIME, FLAG, BLOB = sa.Text(), sa.DateTime(timezone=True), sa.Boolean(), sa.LargeBinary()
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_FEED = (
    "id, slug, title, description, home_url, language, selection, selection_hash, formats, entries, pattern, wanted,"
    " built, built_at, failed_at, error, active, removed_at"
)


def upgrade() -> None:
    op.execute("CREATE TABLE feed_before AS SELECT * FROM feed")
    op.execute("CREATE TABLE feed_entry_before AS SELECT * FROM feed_entry")
    op.drop_table("feed_entry")
    op.drop_table("feed")
    _feed()
    _feed_entry()
    op.execute(
        f"INSERT INTO feed ({_FEED}, content, ids, archive, remember_seconds, interval_seconds, pages)"  # noqa: S608
        f" SELECT {_FEED}, 'full', 'tag', 1 = 1, 2592000, 900, 0 FROM feed_before"
    )
    op.execute(
        "INSERT INTO feed_entry (feed, article, sort_key, page, gone, shown)"
        " SELECT feed, article, sort_key, 0, 1 = 0, 1 = 0 FROM feed_entry_before"
    )
    op.execute("UPDATE feed SET wanted = wanted + 1")
    op.drop_table("feed_before")
    op.drop_table("feed_entry_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval(pg_get_serial_sequence('feed', 'id'), COALESCE(max(id), 0) + 1, false) FROM feed")
    _pages_and_fragments()


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", BIG, sa.Identity(), autoincrement=True, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in "slug title description home_url language".split()),  # noqa: SIM905
        sa.Column("selection", JSON, nullable=False),
        sa.Column("selection_hash", TEXT, nullable=False),
        sa.Column("formats", JSON, nullable=False),
        sa.Column("entries", BIG, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in ("pattern", "content", "ids")),
        sa.Column("archive", FLAG, nullable=False),
        *(
            sa.Column(name, BIG, nullable=False)
            for name in ("remember_seconds", "interval_seconds", "pages", "wanted", "built")
        ),
        *(sa.Column(name, TIME, nullable=True) for name in ("changes_at", "built_at", "failed_at")),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("active", FLAG, nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_feed"),
        sa.UniqueConstraint("slug", name="uq_feed_slug"),
        sqlite_autoincrement=True,
    )


def _feed_entry() -> None:
    op.create_table(
        "feed_entry",
        _refers("feed_entry", "feed", "feed.id"),
        _refers("feed_entry", "article", "article.id"),
        sa.Column("sort_key", BYTEWISE, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("page", BIG, nullable=False),
        sa.Column("gone", FLAG, nullable=False),
        sa.Column("shown", FLAG, nullable=False),
        sa.PrimaryKeyConstraint("feed", "article", name="pk_feed_entry"),
    )
    op.create_index("ix_feed_entry_article", "feed_entry", ["article"])
    op.create_index("ix_feed_entry_order", "feed_entry", ["feed", sa.text("sort_key DESC")])
    op.create_index("ix_feed_entry_page", "feed_entry", ["feed", "page", "sort_key"])
    _partial("ix_feed_entry_until", "feed_entry", ["feed", "until"], "until IS NOT NULL")
    _partial("ix_feed_entry_shown", "feed_entry", ["feed", "article"], "shown")


def _pages_and_fragments() -> None:
    op.create_table(
        "feed_page",
        _refers("feed_page", "feed", "feed.id"),
        *(sa.Column(name, BIG, nullable=False) for name in ("number", "wanted", "built")),
        sa.PrimaryKeyConstraint("feed", "number", name="pk_feed_page"),
    )
    _partial("ix_feed_page_due", "feed_page", ["feed"], "wanted != built")
    op.create_table(
        "fragment",
        _refers("fragment", "article", "article.id"),
        *(sa.Column(name, TEXT, nullable=False) for name in ("format", "shape", "stamp", "id")),
        sa.Column("data", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("article", "format", "shape", name="pk_fragment"),
    )


def _refers(table: str, column: str, target: str) -> sa.Column[int]:
    return sa.Column(column, BIG, sa.ForeignKey(target, name=f"fk_{table}_{column}"), nullable=False)


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
