"""When a lost answer cannot be cleared up because nothing has been handed over since."""

from __future__ import annotations

from datetime import datetime, timedelta

from publisher.model import Capability
from publisher.ports import Store

#: How long after a lost call must have ended another call is waited for, before a witness is made.
GRACE = timedelta(minutes=5)


def lacks_witness(store: Store, name: str, able: Capability, now: datetime) -> tuple[datetime, datetime] | None:
    """Whether a batch in doubt waits for something that was handed over later, and nothing was: when it was handed
    over, and when its call must have ended."""
    if not able.evidence:
        return None
    own_key = able.evidence == "search"
    lost_at = store.outbox.doubted(name, before=now - able.timeout - GRACE, own_key=own_key)
    if lost_at is None:
        return None
    over = lost_at + able.timeout
    there = store.outbox.witness(name, over) if own_key else store.events.witness(name, over)
    return None if there else (lost_at, over)
