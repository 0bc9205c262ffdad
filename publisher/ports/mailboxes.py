"""Plug: what the store keeps of mailboxes that bounces come back to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from publisher.model import MailboxLook


class Mailboxes(Protocol):
    """The looks at mailboxes that bounces come back to, by the mailer they belong to."""

    def due(self, mailers: Collection[str], now: datetime) -> tuple[str, ...]:
        """Those to look into now: nobody has, or it is time again."""

    def take(self, mailer: str, *, now: datetime, until: datetime) -> bool:
        """Make it ours to look, and nobody's until then. False when it is not due: another process was first."""

    def looked(self, look: MailboxLook, *, next_at: datetime) -> None:
        """Record a look; its counts add up."""

    def looks(self) -> tuple[MailboxLook, ...]:
        """The last look at each mailbox, with the counts of all."""
