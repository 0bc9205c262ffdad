"""The first tables.

Spelled out here and never imported from `store.tables`: what a migration does may not change with the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TEXT, TIME, FLAG, BLOB = sa.Text(), sa.DateTime(timezone=True), sa.Boolean(), sa.LargeBinary()
REAL = sa.Double[float]()
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for part in (_articles, _feeds, _editions, _variants, _readers, _batches, _plans_and_outcomes, _events, _house):
        part()


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")


def _table(name: str, *parts: SchemaItem) -> None:
    own_id = any(isinstance(part, sa.Column) and part.name == "id" for part in parts)
    op.create_table(name, *parts, sqlite_autoincrement=own_id)


def _identity() -> sa.Column[int]:
    return sa.Column("id", BIG, sa.Identity(), autoincrement=True, nullable=False)


def _many(kind: sa.types.TypeEngine[Any], names: str, null: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=null) for name in names.split()]


def _refers(table: str, column: str, target: str, null: bool = False) -> sa.Column[int]:
    return sa.Column(column, BIG, sa.ForeignKey(target, name=f"fk_{table}_{column}"), nullable=null)


def _keys(table: str, primary: Sequence[str], unique: Sequence[Sequence[str]] = ()) -> list[sa.Constraint]:
    named = [sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}") for columns in unique]
    return [sa.PrimaryKeyConstraint(*primary, name=f"pk_{table}"), *named]


def _index(name: str, table: str, *columns: str | sa.TextClause, where: str) -> None:
    op.create_index(name, table, list(columns), sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _articles() -> None:
    _table(
        "source",
        _identity(),
        *_many(TEXT, "slug kind url"),
        *_many(BIG, "interval_seconds"),
        *_many(FLAG, "active"),
        *_many(JSON, "cursor"),
        *_many(TIME, "next_fetch_at fetched_at first_complete_at", null=True),
        *_many(BIG, "failures"),
        *_many(TEXT, "last_error"),
        *_keys("source", ("id",), unique=[("slug",)]),
    )
    _table(
        "article",
        _identity(),
        _refers("article", "source", "source.id"),
        *_many(TEXT, "native_id guid story canonical_url entry_id state mail"),
        *_many(TIME, "first_seen_at"),
        *_many(TIME, "retracted_at", null=True),
        *_many(BIG, "missing_looks revision"),
        *_many(TIME, "published_at"),
        *_keys("article", ("id",), unique=[("entry_id",), ("source", "native_id")]),
    )
    op.create_index("ix_article_canonical_url", "article", ["canonical_url"])
    op.create_index("ix_article_state_first_seen_at", "article", ["state", "first_seen_at"])
    op.create_index("ix_article_state_published_at", "article", ["state", "published_at"])
    op.create_index("ix_article_story", "article", ["story"])
    _table(
        "revision",
        _refers("revision", "article", "article.id"),
        *_many(BIG, "number"),
        *_many(TEXT, "kind title"),
        *_many(TIME, "published_at updated_at"),
        *_many(TEXT, "content_hash raw_hash language note standfirst"),
        *_many(JSON, "authors categories tags"),
        *_many(JSON, "image", null=True),
        *_many(JSON, "enclosures"),
        *_many(TEXT, "content_html"),
        *_keys("revision", ("article", "number")),
    )


def _feeds() -> None:
    _table(
        "feed",
        _identity(),
        *_many(TEXT, "slug title description home_url language"),
        *_many(JSON, "selection"),
        *_many(TEXT, "selection_hash"),
        *_many(JSON, "formats"),
        *_many(BIG, "entries"),
        *_many(TEXT, "pattern"),
        *_many(BIG, "wanted built"),
        *_many(TIME, "built_at failed_at", null=True),
        *_many(TEXT, "error"),
        *_many(FLAG, "active"),
        *_many(TIME, "removed_at", null=True),
        *_keys("feed", ("id",), unique=[("slug",)]),
    )
    _table(
        "feed_pattern",
        *_many(TEXT, "slug each selection_hash"),
        *_keys("feed_pattern", ("slug",)),
    )
    _table(
        "feed_entry",
        _refers("feed_entry", "feed", "feed.id"),
        _refers("feed_entry", "article", "article.id"),
        sa.Column("sort_key", BYTEWISE, nullable=False),
        *_keys("feed_entry", ("feed", "article")),
    )
    op.create_index("ix_feed_entry_article", "feed_entry", ["article"])
    op.create_index("ix_feed_entry_order", "feed_entry", ["feed", sa.text("sort_key DESC")])
    _table(
        "decision",
        *_many(TEXT, "output"),
        _refers("decision", "article", "article.id"),
        *_many(BIG, "revision"),
        *_many(FLAG, "included"),
        *_many(TEXT, "rule"),
        *_many(TIME, "at"),
        *_keys("decision", ("output", "article", "revision")),
    )
    op.create_index("ix_decision_article", "decision", ["article"])


def _editions() -> None:
    _table(
        "newsletter",
        _identity(),
        *_many(TEXT, "slug name"),
        *_many(JSON, "was"),
        *_many(FLAG, "active"),
        *_many(TIME, "born_at"),
        *_many(TIME, "next_due_at", null=True),
        *_keys("newsletter", ("id",), unique=[("slug",)]),
    )
    _table(
        "edition",
        _identity(),
        _refers("edition", "newsletter", "newsletter.id"),
        *_many(TEXT, "slot"),
        *_many(TIME, "due_at"),
        *_many(TEXT, "state reason hold_reason subject"),
        *_many(TIME, "composed_at"),
        *_many(TIME, "approved_at", null=True),
        *_many(TEXT, "approved_by approved_hash template_hash"),
        *_many(JSON, "settings letterheads"),
        *_many(TIME, "undo_until finished_at", null=True),
        *_many(BIG, "priority"),
        *_many(TEXT, "mailer"),
        *_many(BIG, "plan_generation plan_cursor maximum_subscriber candidates planned"),
        *_keys("edition", ("id",), unique=[("newsletter", "slot")]),
    )
    op.create_index("ix_edition_due_at", "edition", ["due_at"])
    op.create_index("ix_edition_state", "edition", ["state"])
    _table(
        "edition_item",
        _refers("edition_item", "edition", "edition.id"),
        _refers("edition_item", "article", "article.id"),
        *_many(BIG, "revision position"),
        *_many(TEXT, "label section"),
        *_many(FLAG, "pinned"),
        *_many(JSON, "overrides"),
        *_keys("edition_item", ("edition", "article")),
    )
    op.create_index("ix_edition_item_article_revision", "edition_item", ["article", "revision"])


def _variants() -> None:
    _table(
        "variant",
        _identity(),
        _refers("variant", "edition", "edition.id"),
        *_many(TEXT, "key language template subject html text content_hash"),
        _refers("variant", "supersedes", "variant.id", null=True),
        *_keys("variant", ("id",), unique=[("edition", "key")]),
    )
    _table(
        "variant_item",
        _refers("variant_item", "variant", "variant.id"),
        _refers("variant_item", "article", "article.id"),
        *_many(BIG, "revision position"),
        *_many(TEXT, "label section"),
        *_many(FLAG, "pinned"),
        *_many(JSON, "overrides"),
        *_keys("variant_item", ("variant", "article")),
    )
    op.create_index("ix_variant_item_article_revision", "variant_item", ["article", "revision"])


def _readers() -> None:
    _table(
        "subscriber",
        _identity(),
        *_many(BLOB, "public_id"),
        *_many(TEXT, "email email_key"),
        *_many(BLOB, "address_key"),
        *_many(TEXT, "name language timezone"),
        *_many(JSON, "attributes"),
        *_many(TIME, "created_at"),
        *_keys("subscriber", ("id",), unique=[("email_key",), ("public_id",)]),
    )
    op.create_index("ix_subscriber_address_key", "subscriber", ["address_key"])
    _table(
        "subscription",
        _refers("subscription", "subscriber", "subscriber.id"),
        _refers("subscription", "newsletter", "newsletter.id"),
        *_many(TEXT, "status cadence"),
        *_many(TIME, "changed_at"),
        *_many(JSON, "topics evidence"),
        *_keys("subscription", ("subscriber", "newsletter")),
    )
    op.create_index("ix_subscription_newsletter_subscriber", "subscription", ["newsletter", "subscriber"])
    _table(
        "subscription_past",
        _identity(),
        _refers("subscription_past", "subscriber", "subscriber.id"),
        _refers("subscription_past", "newsletter", "newsletter.id"),
        *_many(TEXT, "status"),
        *_many(TIME, "changed_at"),
        *_many(JSON, "evidence"),
        *_keys("subscription_past", ("id",)),
    )
    op.create_index("ix_subscription_past_subscriber_newsletter", "subscription_past", ["subscriber", "newsletter"])
    _table(
        "suppression",
        *_many(BLOB, "address_key"),
        *_many(TEXT, "scope"),
        *_many(TEXT, "address", null=True),
        *_many(TEXT, "reason"),
        *_many(JSON, "evidence"),
        *_many(TIME, "since"),
        *_keys("suppression", ("address_key", "scope")),
    )


def _batches() -> None:
    _table(
        "batch",
        _identity(),
        _refers("batch", "edition", "edition.id"),
        _refers("batch", "parent", "batch.id", null=True),
        *_many(BIG, "sequence chunk wave priority n first_id last_id fence attempt skipped_n rejected_n"),
        *_many(BIG, "moved_n possible_duplicates deferrals letterhead"),
        *_many(TEXT, "mailer state owner key payload_hash last_error"),
        *_many(FLAG, "suspect"),
        *_many(
            TIME, "not_before next_at lease_until key_expires_at intent_at first_intent_at unknown_since", null=True
        ),
        *_many(TIME, "resolved_at", null=True),
        *_many(BLOB, "skipped rejected moved delivered runs"),
        *_keys("batch", ("id",), unique=[("edition", "sequence"), ("key",)]),
    )
    _index(
        "ix_batch_claim",
        "batch",
        "mailer",
        sa.text("priority DESC"),
        sa.text("state DESC"),
        "id",
        where="state IN ('ready', 'unknown')",
    )
    op.create_index("ix_batch_edition_chunk", "batch", ["edition", "chunk"])
    _index("ix_batch_lease", "batch", "lease_until", where="state IN ('claimed', 'submitting', 'resolving')")
    op.create_index("ix_batch_parent", "batch", ["parent"])


def _plans_and_outcomes() -> None:
    _table(
        "plan_chunk",
        _refers("plan_chunk", "edition", "edition.id"),
        *_many(BIG, "chunk_lo chunk_hi"),
        *_keys("plan_chunk", ("edition", "chunk_lo")),
    )
    _table(
        "plan_exclusion",
        _refers("plan_exclusion", "edition", "edition.id"),
        *_many(BIG, "chunk_lo"),
        *_many(TEXT, "reason"),
        *_many(BIG, "n"),
        *_many(BLOB, "members"),
        *_keys("plan_exclusion", ("edition", "chunk_lo", "reason")),
    )
    _table(
        "delivery_exception",
        _refers("delivery_exception", "batch", "batch.id"),
        *_many(BIG, "subscriber"),
        *_many(TEXT, "kind"),
        _refers("delivery_exception", "edition", "edition.id"),
        *_many(TEXT, "code detail"),
        *_many(TIME, "at"),
        *_keys("delivery_exception", ("batch", "subscriber", "kind")),
    )
    op.create_index("ix_delivery_exception_edition", "delivery_exception", ["edition"])
    op.create_index("ix_delivery_exception_subscriber", "delivery_exception", ["subscriber"])
    _table(
        "attempt",
        _refers("attempt", "batch", "batch.id"),
        *_many(BIG, "attempt fence"),
        *_many(TEXT, "worker mailer"),
        *_many(TIME, "intent_at"),
        *_many(TIME, "ended_at", null=True),
        *_many(TEXT, "outcome code reference"),
        *_keys("attempt", ("batch", "attempt")),
    )
    _index("ix_attempt_open", "attempt", "intent_at", where="ended_at IS NULL")


def _events() -> None:
    _table(
        "mail_event",
        _identity(),
        *_many(TEXT, "mailer event_id"),
        *_many(TIME, "received_at"),
        *_many(BLOB, "body"),
        *_many(TIME, "processed_at", null=True),
        *_keys("mail_event", ("id",), unique=[("mailer", "event_id")]),
    )
    _index("ix_mail_event_waiting", "mail_event", "id", where="processed_at IS NULL")
    _table(
        "bucket",
        *_many(TEXT, "scope"),
        *_many(REAL, "tokens rate burst"),
        *_many(TIME, "at"),
        *_many(TIME, "blocked_until", null=True),
        *_many(BIG, "day_used"),
        *_many(BIG, "day_limit", null=True),
        *_keys("bucket", ("scope",)),
    )
    _table(
        "mailer_state",
        *_many(TEXT, "mailer circuit"),
        *_many(TIME, "blocked_until", null=True),
        *_many(TEXT, "reason"),
        *_keys("mailer_state", ("mailer",)),
    )


def _house() -> None:
    _table(
        "instance",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        *_many(TEXT, "uuid"),
        *_many(TIME, "created_at"),
        *_many(TIME, "checked_at", null=True),
        sa.CheckConstraint("number = 1", name=op.f("ck_instance_one")),
        *_keys("instance", ("number",)),
    )
    _table(
        "notice",
        _identity(),
        *_many(TEXT, "kind key address subject html text sender mailer state"),
        *_many(BIG, "attempts"),
        *_many(TIME, "lease_until", null=True),
        *_many(TEXT, "last_error"),
        *_many(TIME, "created_at"),
        *_many(TIME, "sent_at", null=True),
        *_keys("notice", ("id",), unique=[("key",)]),
    )
    _index("ix_notice_open", "notice", "id", where="state IN ('ready', 'claimed', 'submitting')")
    _table(
        "editor",
        _identity(),
        *_many(TEXT, "name email role secret_hash"),
        *_many(FLAG, "active"),
        *_many(TIME, "created_at"),
        *_keys("editor", ("id",), unique=[("name",)]),
    )
    _table(
        "audit_entry",
        _identity(),
        _refers("audit_entry", "editor", "editor.id", null=True),
        *_many(TEXT, "actor action object"),
        *_many(JSON, "before after", null=True),
        *_many(TIME, "at"),
        *_keys("audit_entry", ("id",)),
    )
    op.create_index("ix_audit_entry_object", "audit_entry", ["object"])
