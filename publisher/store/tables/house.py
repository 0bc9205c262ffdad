"""This installation, its notices and its editors."""

from __future__ import annotations

import sqlalchemy as sa

from publisher.store.columns import BIG, data, identity, moment, refers, text, whole, yes_no
from publisher.store.tables.base import metadata, partial, table, unique

instance = sa.Table(
    "instance",
    metadata,
    sa.Column("number", BIG, primary_key=True, autoincrement=False),
    sa.CheckConstraint("number = 1", name="one"),  # there is one row
    text("uuid"),
    moment("created_at", nullable=False),
    moment("checked_at"),
    text("made_with", server_default=""),
)

notice = table(
    "notice",
    identity(),
    text("kind"),
    text("key"),
    text("address"),
    text("subject"),
    text("html"),
    text("text"),
    text("sender"),
    text("mailer"),
    text("state"),
    whole("attempts"),
    moment("lease_until"),
    text("last_error"),
    moment("created_at", nullable=False),
    moment("sent_at"),
    moment("seen_at"),  # when an event told of it
    whole("number", server_default="0"),  # that of the newest attempt when it was made
    unique("key"),
    partial("ix_notice_witness", "mailer", "created_at", where="kind = 'witness'"),
    partial("ix_notice_open", "id", where="state IN ('ready', 'claimed', 'submitting')"),
)

editor = table(
    "editor",
    identity(),
    text("name"),
    text("email"),
    text("role"),
    text("secret_hash"),
    yes_no("active"),
    moment("created_at", nullable=False),
    unique("name"),
)

audit_entry = table(
    "audit_entry",
    identity(),
    refers("editor", "editor.id", nullable=True),
    text("actor"),
    text("action"),
    text("object"),
    data("before", nullable=True),
    data("after", nullable=True),
    moment("at", nullable=False),
    sa.Index(None, "object"),
)
