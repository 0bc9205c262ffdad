"""Words: subscribers, subscriptions and suppressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class SubscriptionStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionReason(StrEnum):
    HARD_BOUNCE = "hard bounce"
    SOFT_BOUNCES = "soft bounces"  # so many letters in a row that nobody reads there
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person. `public_id` is 12 random bytes; `email_key` is the address as compared, unique.

    `address_key` is the HMAC of `email_key` under which a suppression is kept (`ports.Keys.address`)."""

    id: int = 0
    public_id: bytes
    email: str
    email_key: str
    address_key: bytes = b""
    name: str = ""
    language: str = ""
    timezone: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A person's consent to one newsletter, with the evidence: when, from where, by which words.

    `topics` are what they follow (see `model.topics`), everything when empty; `cadence` is "" for the newsletter's own;
    `alerts` says whether they want its alerts."""

    subscriber: int
    newsletter: str
    status: SubscriptionStatus
    topics: tuple[str, ...] = ()
    cadence: str = ""
    alerts: bool = True
    evidence: Mapping[str, Any] = field(default_factory=dict)
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that is never to be mailed, kept as an HMAC. `scope` is "" for everything or a newsletter."""

    address_key: bytes
    address: str | None
    reason: SuppressionReason
    scope: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    since: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """All that decides what a subscriber gets of a newsletter's edition, but for what they were sent before: one value
    for all of a page who agree in it, since millions are looked at at once."""

    status: SubscriptionStatus
    suppressed: str = ""  # the reason, when they are
    language: str = ""
    topics: tuple[str, ...] = ()
    timezone: str = ""


class Candidate(NamedTuple):
    """A subscriber of a newsletter with what a letter to them needs. A named tuple, because many are made at once."""

    subscriber: int
    public_id: bytes
    email: str
    name: str
    language: str
    status: SubscriptionStatus
    suppressed: str = ""  # the reason, when they are
    topics: tuple[str, ...] = ()
    timezone: str = ""

    @property
    def standing(self) -> Standing:
        return Standing(self.status, self.suppressed, self.language, self.topics, self.timezone)
