"""Plugs: all that the pipeline works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from publisher.model import (
    Feed,
    FeedPattern,
    Newsletter,
    Rulebook,
    Site,
    Source,
    Terms,
)
from publisher.ports.adapters import Fetcher, Folder, Format, Hub, Mailbox, Mailer, Pictures, Receiver, Templates
from publisher.ports.clock import Clock
from publisher.ports.hubs import HubCaller
from publisher.ports.store import Store


class Keys(Protocol):
    """The keys in `var/` or the environment: signing (rotated by key id) and the one for addresses."""

    def unsubscribe(self, public_id: bytes, newsletter: str) -> str: ...

    def unsubscribe_tokens(self, newsletter: str, public_ids: Sequence[bytes]) -> list[str]:
        """`unsubscribe` of many at once, for one newsletter."""

    def read_unsubscribe(self, token: str) -> tuple[bytes, str]:
        """(public id, newsletter slug). Raises BadToken."""

    def sign(self, purpose: str, value: Mapping[str, Any]) -> str: ...

    def read(self, purpose: str, token: str, *, maximum_age: timedelta) -> Mapping[str, Any]:
        """Raises BadToken when forged, of another purpose, or too old."""

    def address(self, email_key: str) -> bytes:
        """The HMAC under which a suppression is kept."""

    def derived(self, purpose: bytes) -> tuple[bytes, ...]:
        """Keys for one purpose: the first one makes, every one is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the pipeline works with."""

    site: Site
    feeds: tuple[Feed, ...]
    patterns: tuple[FeedPattern, ...]
    newsletters: tuple[Newsletter, ...]
    sources: tuple[Source, ...]
    fetchers: Mapping[str, Fetcher]
    receiver: Receiver
    hubs: HubCaller  # those that other people's feeds name
    formats: Mapping[str, Format]
    folder: Folder
    hub: Hub | None
    mailers: Mapping[str, Mailer]
    terms: tuple[Terms, ...]
    mailboxes: Mapping[str, Mailbox]  # by the mailer whose bounces come back there
    templates: Templates
    store: Store
    clock: Clock
    keys: Keys
    pictures: Pictures | None  # reads pictures that are to be mailed; None: they stay where they are
    owner: str  # this process, in leases
    rulebook: Rulebook = field(default_factory=Rulebook)
