"""The store: every role over one database. Implements `ports.Store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import sqlalchemy as sa

from publisher import ports
from publisher.store.articles import Articles
from publisher.store.audience import Audience
from publisher.store.decisions import Decisions
from publisher.store.editions import Editions
from publisher.store.engine import Access, hidden
from publisher.store.events import Events
from publisher.store.feeds import Feeds
from publisher.store.fragments import Fragments
from publisher.store.hubs import Hubs
from publisher.store.kept import Kept
from publisher.store.listings import Listings
from publisher.store.mailboxes import Mailboxes
from publisher.store.memory import Memory
from publisher.store.notices import Notices
from publisher.store.outbox import Outbox
from publisher.store.serving import Serving
from publisher.store.sources import Sources
from publisher.store.stories import Stories
from publisher.store.tables import instance


class Database:
    """One store. May be used by several threads; each call is its own transaction unless `transaction` binds it."""

    def __init__(self, access: Access, uuid: str = "") -> None:
        self._access = access
        self._uuid = uuid
        self.sources: ports.Sources = Sources(access)
        self.articles: ports.Articles = Articles(access)
        self.listings: ports.Listings = Listings(access)
        self.stories: ports.Stories = Stories(access)
        self.feeds: ports.Feeds = Feeds(access)
        self.fragments: ports.Fragments = Fragments(access)
        self.decisions: ports.Decisions = Decisions(access)
        self.editions: ports.Editions = Editions(access)
        self.outbox: ports.Outbox = Outbox(access)
        self.audience: ports.Audience = Audience(access)
        self.notices: ports.Notices = Notices(access)
        self.events: ports.Events = Events(access)
        self.mailboxes: ports.Mailboxes = Mailboxes(access)
        self.serving: ports.Serving = Serving(access)
        self.hubs: ports.Hubs = Hubs(access)
        self.kept: ports.Kept = Kept(access)
        self.memory: ports.Memory = Memory(access)

    @property
    def instance(self) -> str:
        """A UUID made once with the database."""
        if not self._uuid:
            with self._access.read() as connection:
                self._uuid = str(connection.execute(sa.select(instance.c.uuid)).scalar_one())
        return self._uuid

    def transaction(self) -> AbstractContextManager[Database]:
        """A database whose every call commits together at the end of the block, or not at all.

        Only the yielded one belongs to the transaction, and only to this thread; within it, another one is
        part of the same.
        """
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[Database]:
        with self._access.write() as connection:
            yield Database(Access(self._access.engine, bound=connection), self._uuid)

    def now(self) -> datetime:
        return self._access.now()

    def check(self) -> str:
        """Try to write. Raises StoreError."""
        now = self.now()
        with self._access.write() as connection:
            connection.execute(sa.update(instance).values(checked_at=now))
            info = connection.dialect.server_version_info or ()
        version = ".".join(map(str, info))
        name = "SQLite" if self._access.sqlite else "PostgreSQL"
        return f"{name} {version}, {hidden(self._access.engine.url)}, writable"

    def close(self) -> None:
        self._access.engine.dispose()
