"""Newsletters, their editions and the readers."""

from __future__ import annotations

import sqlalchemy as sa

from publisher.store.columns import blob, data, identity, moment, refers, text, whole, yes_no
from publisher.store.tables.base import primary, table, unique

newsletter = table(
    "newsletter",
    identity(),
    text("slug"),
    text("name"),
    data("was"),
    yes_no("active"),
    moment("born_at", nullable=False),  # first seen in the settings
    moment("next_due_at"),
    unique("slug"),
)

edition = table(
    "edition",
    identity(),
    refers("newsletter", "newsletter.id"),
    text("slot"),
    moment("due_at", nullable=False),
    text("state"),
    text("reason"),
    text("hold_reason"),
    text("subject"),
    moment("composed_at", nullable=False),
    moment("approved_at"),
    text("approved_by"),
    text("approved_hash"),
    text("template_hash"),
    data("settings"),  # of the newsletter and its audience, as they were approved
    data("letterheads"),  # those its messages were made with; a batch names its own by place
    data("overrides", server_default="[]"),  # of preflight: rule, who said so, when
    moment("undo_until"),
    moment("finished_at"),
    moment("looked_at"),  # when the sources of its stories were last asked about them, while it is sent
    data("gone", server_default="[]"),  # the articles that were not published there any more
    whole("priority"),
    whole("wave", server_default="0"),  # the last one whose batches may leave
    text("mailer"),
    whole("plan_generation"),
    whole("plan_cursor"),
    whole("maximum_subscriber"),
    whole("candidates"),
    whole("planned"),
    unique("newsletter", "slot"),
    sa.Index(None, "state"),
    sa.Index(None, "due_at"),
)

edition_item = table(
    "edition_item",
    refers("edition", "edition.id"),
    refers("article", "article.id"),
    whole("revision"),
    whole("position"),
    text("label"),
    text("section"),
    yes_no("pinned"),
    yes_no("spare", server_default=sa.false()),
    yes_no("partly", server_default=sa.false()),  # not all who were to get it did: memory alone decides who has it
    data("overrides"),
    primary("edition", "article"),
    sa.Index(None, "article", "revision"),
)

# Why each article that was considered is in it or not: [article, revision, whether it is in, rule, when] of each.
edition_choice = table(
    "edition_choice",
    refers("edition", "edition.id"),
    data("told"),
    primary("edition"),
)

variant = table(
    "variant",
    identity(),
    refers("edition", "edition.id"),
    text("key"),
    text("language"),
    text("template"),
    text("subject"),
    text("html"),
    text("text"),
    text("content_hash"),
    refers("supersedes", "variant.id", nullable=True),
    whole("superseded_by", server_default="0"),  # the one in its place for who was not mailed, 0 for none
    text("withdrawn", server_default=""),  # why nothing of it may be shown any more, "" while something may
    text("recipe", server_default=""),
    unique("edition", "key"),
)

variant_item = table(
    "variant_item",
    refers("variant", "variant.id"),
    refers("article", "article.id"),
    whole("revision"),
    whole("position"),
    text("label"),
    text("section"),
    yes_no("pinned"),
    yes_no("spare", server_default=sa.false()),
    data("overrides"),
    primary("variant", "article"),
    sa.Index(None, "article", "revision"),
)

subscriber = table(
    "subscriber",
    identity(),
    blob("public_id"),
    text("email"),
    text("email_key"),
    blob("address_key"),
    text("name"),
    text("language"),
    text("timezone"),
    data("attributes"),
    moment("created_at", nullable=False),
    unique("public_id"),
    unique("email_key"),
    sa.Index(None, "timezone"),
    sa.Index(None, "address_key"),
)

subscription = table(
    "subscription",
    refers("subscriber", "subscriber.id"),
    refers("newsletter", "newsletter.id"),
    text("status"),
    text("cadence"),
    yes_no("alerts", server_default=sa.true()),
    moment("changed_at", nullable=False),
    data("topics"),
    data("evidence"),
    primary("subscriber", "newsletter"),
    sa.Index(None, "newsletter", "subscriber"),
)

# What a subscription said before it changed: consent must still be provable after somebody left.
subscription_past = table(
    "subscription_past",
    identity(),
    refers("subscriber", "subscriber.id"),
    refers("newsletter", "newsletter.id"),
    text("status"),
    moment("changed_at", nullable=False),
    data("evidence"),
    sa.Index(None, "subscriber", "newsletter"),
)

suppression = table(
    "suppression",
    blob("address_key"),
    text("scope"),
    text("address", nullable=True),
    text("reason"),
    data("evidence"),
    moment("since", nullable=False),
    primary("address_key", "scope"),
)
