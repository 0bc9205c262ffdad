"""Plugs: the store, whose roles commit together."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from publisher.ports.content import Articles, Decisions, Feeds, Fragments, Listings, Sources, Stories
from publisher.ports.hubs import Hubs
from publisher.ports.keeping import Kept
from publisher.ports.ledger import Editions, Events, Outbox
from publisher.ports.mailboxes import Mailboxes
from publisher.ports.memory import Memory
from publisher.ports.readers import Audience, Notices
from publisher.ports.serving import Serving


class Store(Protocol):
    sources: Sources
    articles: Articles
    listings: Listings
    stories: Stories
    feeds: Feeds
    fragments: Fragments
    decisions: Decisions
    editions: Editions
    outbox: Outbox
    audience: Audience
    notices: Notices
    events: Events
    mailboxes: Mailboxes
    serving: Serving
    hubs: Hubs
    kept: Kept
    memory: Memory

    @property
    def instance(self) -> str:
        """A UUID made once with the database; keys are derived from it."""

    def transaction(self) -> AbstractContextManager[Store]:
        """A store whose every call commits together at the end of the block, or not at all."""

    def now(self) -> datetime:
        """The database's clock."""

    def check(self) -> str: ...

    def close(self) -> None: ...
