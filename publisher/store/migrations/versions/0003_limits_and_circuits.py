"""What mailers may be given, and whether they take anything.

Both tables only held what lasts for minutes, so they are made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, TIME, FLAG, REAL = sa.Text(), sa.DateTime(timezone=True), sa.Boolean(), sa.Double[float]()


def upgrade() -> None:
    op.drop_table("bucket")
    op.drop_table("mailer_state")
    op.create_table(
        "bucket",
        sa.Column("mailer", TEXT, nullable=False),
        sa.Column("tokens", REAL, nullable=False),
        sa.Column("rate", REAL, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("day_used", BIG, nullable=False),
        sa.Column("sent_days", BIG, nullable=False),
        sa.Column("waits_priority", BIG, nullable=False),
        sa.Column("waits_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("mailer", name=op.f("pk_bucket")),
    )
    op.create_table(
        "mailer_state",
        sa.Column("mailer", TEXT, nullable=False),
        sa.Column("active", FLAG, nullable=False),
        sa.Column("rate", REAL, nullable=False),
        sa.Column("growth", REAL, nullable=False),
        sa.Column("per_day", BIG, nullable=False),
        sa.Column("warm_up", BIG, nullable=False),
        sa.Column("batch", BIG, nullable=False),
        sa.Column("shared_body", FLAG, nullable=False),
        sa.Column("fallback", TEXT, nullable=False),
        sa.Column("circuit", TEXT, nullable=False),
        sa.Column("failure", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("failures", BIG, nullable=False),
        sa.Column("trial", BIG, nullable=True),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("blocked_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("mailer", name=op.f("pk_mailer_state")),
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup made before the upgrade.")
