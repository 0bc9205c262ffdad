"""When events came: whether somebody was there to hear them."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index("ix_mail_event_mailer_received_at", "mail_event", ["mailer", "received_at"])


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
