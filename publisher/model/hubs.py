"""Words: hubs that tell of news (WebSub, W3C Recommendation)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLink:
    """The hub that a feed names, and the address under which the hub knows the feed; both "" when it names none."""

    hub: str = ""
    topic: str = ""


class LeaseState(StrEnum):
    ASKED = "asked"  # the hub has not yet made sure that we want it
    ACTIVE = "active"  # the hub tells us of news until the lease ends
    LEAVING = "leaving"  # we want no more of it, and the hub has not yet made sure of that


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLease:
    """What we have asked a hub for. `key` is the last part of `callback`, the address it calls: nobody else knows it.
    `secret` is what it signs with. `until` is when the lease ends, None as long as there is none. `failures` counts the
    tries that brought nothing, since the last that did."""

    id: int = 0
    source: str
    topic: str
    hub: str
    key: str
    callback: str
    secret: str
    state: LeaseState = LeaseState.ASKED
    until: datetime | None = None
    failures: int = 0
    error: str = ""
