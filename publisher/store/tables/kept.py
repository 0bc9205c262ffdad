"""What is kept of editions that have left."""

from __future__ import annotations

from publisher.store.columns import blob, moment, refers, text, whole, yes_no
from publisher.store.tables.base import partial, primary, table

# Texts by their SHA-256, compressed: what variants were made from.
material = table(
    "material",
    text("hash"),
    blob("body"),
    primary("hash"),
)

# The pages of editions in the archive. One is due while `wanted` and `built` differ.
archive_page = table(
    "archive_page",
    refers("edition", "edition.id"),
    whole("wanted"),
    whole("built"),
    yes_no("listed"),
    text("name"),
    text("subject"),
    text("language"),
    text("notice"),
    text("content"),
    whole("stories"),
    moment("at"),
    moment("updated_at"),
    moment("failed_at"),
    text("last_error"),
    primary("edition"),
    partial("ix_archive_page_due", "edition", where="wanted <> built"),
)

# Accounts of editions, sealed. Events may tell more of its letters later: `telling` counts how often they did, and
# `told` is the digest of all that as of `told_telling`.
receipt = table(
    "receipt",
    refers("edition", "edition.id"),
    whole("number"),
    text("body"),
    text("hash"),
    text("seal"),
    moment("made_at", nullable=False),
    moment("finished_at"),
    text("told"),
    text("told_seal"),
    whole("telling"),
    whole("told_telling"),
    primary("edition", "number"),
    partial("ix_receipt_telling", "edition", where="telling <> told_telling"),
)
