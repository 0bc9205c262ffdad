"""The ledger of delivery: chunks, batches, attempts and what came back."""

from __future__ import annotations

import sqlalchemy as sa

from publisher.store.columns import blob, data, identity, moment, refers, text, whole, yes_no
from publisher.store.tables.base import partial, primary, table, unique

plan_chunk = table(
    "plan_chunk",
    refers("edition", "edition.id"),
    whole("chunk_lo"),
    whole("chunk_hi"),
    primary("edition", "chunk_lo"),
)

plan_exclusion = table(
    "plan_exclusion",
    refers("edition", "edition.id"),
    whole("chunk_lo"),
    text("reason"),
    whole("n"),
    blob("members"),
    primary("edition", "chunk_lo", "reason"),
)

# The counts beside the bitmaps are what the sums add up: no database counts bits the same way.
batch = table(
    "batch",
    identity(),
    refers("edition", "edition.id"),
    refers("parent", "batch.id", nullable=True, index=True),
    whole("sequence"),
    whole("chunk"),
    whole("wave"),
    whole("priority"),
    whole("n"),
    whole("first_id"),
    whole("last_id"),
    whole("fence"),
    whole("attempt"),
    whole("skipped_n"),
    whole("rejected_n"),
    whole("moved_n"),
    whole("possible_duplicates"),
    whole("deferrals"),
    whole("letterhead"),
    text("mailer"),
    text("state"),
    text("owner"),
    text("key"),
    text("payload_hash"),
    text("account", server_default=""),
    text("last_error"),
    yes_no("suspect"),
    moment("not_before"),
    moment("next_at"),
    moment("lease_until"),
    moment("key_expires_at"),
    moment("intent_at"),
    moment("first_intent_at"),
    moment("unknown_since"),
    moment("resolved_at"),
    blob("skipped"),
    data("skips", server_default="{}"),  # by reason: the positions that were skipped for it
    blob("rejected"),
    blob("moved"),
    blob("delivered"),
    blob("runs"),
    unique("edition", "sequence"),
    unique("key"),
    sa.Index(None, "edition", "chunk"),
    # In the order of a claim; "unknown" sorts after "ready", so descending puts it first.
    partial("ix_batch_claim", "mailer", "priority DESC", "state DESC", "id", where="state IN ('ready', 'unknown')"),
    partial("ix_batch_held", "edition", where="state = 'held'"),
    partial("ix_batch_lease", "lease_until", where="state IN ('claimed', 'submitting', 'resolving')"),
)

delivery_exception = table(
    "delivery_exception",
    refers("batch", "batch.id"),
    whole("subscriber"),  # no reference: what was sent stays on record when a person is erased
    text("kind"),
    refers("edition", "edition.id", index=True),
    text("code"),
    text("detail"),
    moment("at", nullable=False),
    primary("batch", "subscriber", "kind"),
    sa.Index(None, "subscriber"),
)

attempt = table(
    "attempt",
    refers("batch", "batch.id"),
    whole("attempt"),
    whole("fence"),
    text("worker"),
    text("mailer"),
    moment("intent_at", nullable=False),
    moment("ended_at"),
    text("outcome"),
    text("code"),
    text("reference"),
    whole("number", server_default="0"),  # grows with every intent, whatever the clock says
    primary("batch", "attempt"),
    sa.Index(None, "number"),
    partial("ix_attempt_open", "intent_at", where="ended_at IS NULL"),
)

mail_event = table(
    "mail_event",
    identity(),
    text("mailer"),
    text("event_id"),
    moment("received_at", nullable=False),
    blob("body"),
    moment("processed_at"),
    unique("mailer", "event_id"),
    sa.Index(None, "mailer", "received_at"),
    partial("ix_mail_event_waiting", "id", where="processed_at IS NULL"),
)

# Looks into the mailbox that a mailer's bounces come back to.
mailbox = table(
    "mailbox",
    text("mailer"),
    moment("next_look_at", nullable=False),
    moment("looked_at"),
    whole("events"),
    whole("automatic"),
    whole("unreadable"),
    text("last_error"),
    primary("mailer"),
)

# Tokens are messages that may leave now, refilled up to `at`. Nothing of `waits_priority` or less is claimed before
# `waits_until`. `sent_days` counts the days before that of `at` on which something was sent.
bucket = table(
    "bucket",
    text("mailer"),
    sa.Column("tokens", sa.Double(), nullable=False),
    sa.Column("rate", sa.Double(), nullable=False),
    moment("at", nullable=False),
    whole("day_used"),
    whole("sent_days"),
    whole("waits_priority"),
    moment("waits_until"),
    primary("mailer"),
)

# What the settings said last, what the mailer says that it takes in a second, and how it stands. `trial` is the batch
# that a half-open circuit lets through, or a notice, whose id is made negative there.
mailer_state = table(
    "mailer_state",
    text("mailer"),
    yes_no("active"),
    sa.Column("rate", sa.Double(), nullable=False),
    sa.Column("growth", sa.Double(), nullable=False),
    whole("per_day"),
    whole("warm_up"),
    whole("batch"),
    yes_no("shared_body"),
    text("fallback"),
    text("circuit"),
    text("failure"),
    text("reason"),
    whole("failures"),
    whole("trial", nullable=True),
    moment("opened_at"),
    moment("blocked_until"),
    sa.Column("told_rate", sa.Double(), nullable=False, server_default="0"),
    primary("mailer"),
)
