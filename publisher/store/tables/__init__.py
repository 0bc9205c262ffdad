"""Every table, once. What makes sending safe are the unique constraints here, not care elsewhere.

Migrations spell the same tables out again, for the day these have moved on; a test holds the two together.
"""

from __future__ import annotations

from publisher.store.tables.base import metadata
from publisher.store.tables.content import (
    article,
    decision,
    ended_file,
    feed,
    feed_entry,
    feed_page,
    feed_pattern,
    fragment,
    hub_lease,
    pushed,
    revision,
    sketch,
    source,
    topic,
)
from publisher.store.tables.editions import (
    edition,
    edition_choice,
    edition_item,
    newsletter,
    subscriber,
    subscription,
    subscription_past,
    suppression,
    variant,
    variant_item,
)
from publisher.store.tables.house import audit_entry, editor, instance, notice
from publisher.store.tables.kept import archive_page, material, receipt
from publisher.store.tables.ledger import (
    attempt,
    batch,
    bucket,
    delivery_exception,
    mail_event,
    mailbox,
    mailer_state,
    plan_chunk,
    plan_exclusion,
)

__all__ = [
    "archive_page",
    "article",
    "attempt",
    "audit_entry",
    "batch",
    "bucket",
    "decision",
    "delivery_exception",
    "edition",
    "edition_choice",
    "edition_item",
    "editor",
    "ended_file",
    "feed",
    "feed_entry",
    "feed_page",
    "feed_pattern",
    "fragment",
    "hub_lease",
    "instance",
    "mail_event",
    "mailbox",
    "mailer_state",
    "material",
    "metadata",
    "newsletter",
    "notice",
    "plan_chunk",
    "plan_exclusion",
    "pushed",
    "receipt",
    "revision",
    "sketch",
    "source",
    "subscriber",
    "subscription",
    "subscription_past",
    "suppression",
    "topic",
    "variant",
    "variant_item",
]
