"""When a lost answer cannot be cleared up because nothing has been handed over since."""

from __future__ import annotations

from datetime import datetime, timedelta

from publisher.model import Capability
from publisher.ports import Store

#: How long after a lost call must have ended another call is waited for, before a witness is made.
GRACE = timedelta(minutes=5)


def lacks_witness(store: Store, name: str, able: Capability, now: datetime) -> tuple[datetime, datetime, int] | None:
    """Whether a batch in doubt waits for something that was handed over later, and nothing was: when it was handed
    over, when its call must have ended, and its id."""
    if not able.evidence:
        return None
    own_key = able.evidence == "search"
    lost = store.outbox.doubted(name, before=now - able.timeout - GRACE, own_key=own_key)
    if lost is None:
        return None
    lost_at, id = lost
    over = lost_at + able.timeout
    there = (store.outbox if own_key else store.events).witness(name, over, than=id)
    return None if there else (lost_at, over, id)
