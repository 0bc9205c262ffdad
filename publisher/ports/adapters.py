"""Plugs: what fetchers, formats, folders, mailers, engines and templates do for the steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from publisher.model import (
    Article,
    Capability,
    Feed,
    FeedDocument,
    Fetched,
    FetchedArticle,
    FileStamp,
    MailEvent,
    Mailing,
    Prepared,
    Question,
    ReadEntry,
    Result,
    SecondLook,
    Source,
    Work,
)

#: Of these raw hashes, those that stored articles of the source have now, with each article's native id.
Known = Callable[[Collection[str]], Mapping[str, str]]


def nothing_known(raw_hashes: Collection[str]) -> Mapping[str, str]:  # noqa: ARG001  # there is nothing to look up
    return {}


class Fetcher(Protocol):
    def fetch(self, source: Source, *, now: datetime, known: Known = nothing_known) -> Iterator[Fetched]:
        """Read a source from its cursor, page by page; each page's cursor may be committed with its articles.

        Where a source can be listed completely, its pages carry parts of that list (`Listing`), as often as the
        fetcher thinks worth it: an article that two complete lists in a row do not name is taken as retracted,
        and one that a list names again is back. Items whose raw hash is `known` may be left out, and counted in
        `Fetched.same`; a list names them all the same.

        Raises SourceUnavailable (try later) or SourceInvalid (an editor should look). Items that cannot be
        read are reported in `Fetched.refused` and never stop the rest.
        """

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """Look at the articles with these native ids once more, in as few requests as can be. What the source says
        nothing of is neither told nor gone. Raises as `fetch` does."""

    def check(self, source: Source, *, now: datetime) -> str:
        """Try the source without collecting; a short line such as "12 articles". Raises as `fetch` does."""


class Receiver(Protocol):
    def read(self, source: Source, body: bytes) -> Mapping[str, FetchedArticle]:
        """The articles of a call that pushes them, in their order, by how each is called in words to its maker. Raises
        SourceInvalid with one line for each thing that is wrong; then none of them counts."""


class Format(Protocol):
    name: str  # "rss"
    ending: str  # "rss", appended to a feed's address after a dot
    media_type: str  # "application/rss+xml"

    version: str  # of how entries are written: fragments of another version are made anew

    def write(self, document: FeedDocument) -> bytes:
        """The feed as bytes: the same document gives the same bytes, whenever and wherever."""

    def fragment(self, article: Article, feed: Feed) -> tuple[str, bytes]:
        """One entry: its id in this format, and its bytes. Of the feed only `content`, `ids` and `language` make a
        difference."""

    def join(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        """The document around the fragments of its articles, in their order: the bytes that `write` gives."""

    def read(self, data: bytes) -> tuple[ReadEntry, ...]:
        """Read a feed back with a parser that did not write it. Raises GateError when it is not valid."""

    def ids(self, data: bytes) -> tuple[str, ...]:
        """Parse the whole of a feed, likewise, and tell only its entries' ids in their order: quick, for
        fragments that were read back when they were made. Raises GateError when it cannot be parsed."""


class Folder(Protocol):
    near: bool  # whether a stamp costs no time worth waiting for
    copies: tuple[str, ...]  # the codings in which copies stand beside each file

    def put(self, name: str, data: bytes, media_type: str) -> bool:
        """Replace a file atomically; False when it already held these bytes and was left alone.

        Raises FolderError; the last good file stays.
        """

    def put_all(self, files: Sequence[tuple[str, bytes, str]]) -> tuple[str, ...]:
        """The same for several (name, data, media type), each of them whole at every moment, at less cost. The names
        of those that were replaced."""

    def get(self, name: str) -> bytes | None: ...

    def stamp(self, name: str) -> FileStamp | None:
        """Which version of a file stands there, without reading it; None when there is none."""

    def end(self, name: str) -> None:
        """Take a file away for good: whoever serves the folder answers that it is gone, until it is put again or
        removed. Nothing happens when it has ended already."""

    def is_gone(self, name: str) -> bool:
        """Whether a file has ended."""

    def remove(self, name: str) -> None:
        """Take a file away, or what tells that it has ended; nothing happens when there is neither."""

    def names(self) -> Iterator[str]:
        """The names of all files, sorted; of those that have ended there is none."""

    def check(self) -> str:
        """Try to write; a short line such as "feeds, writable". Raises FolderError."""


class Pictures(Protocol):
    def read(self, url: str, *, allow_private: bool) -> bytes:
        """The file at an address, at most 20 MB. Raises SourceUnavailable and SourceInvalid."""


class Hub(Protocol):
    def tell(self, topic: str) -> None:
        """Tell the hub that what stands at this address has changed. Raises HubError."""


class Mailer(Protocol):
    """`account` stands for the account that the settings name, and the place within it: the same for the same settings,
    another for others, and no secret. What was handed to one is known to no other."""

    name: str
    account: str
    capability: Capability

    def prepare(self, mailing: Mailing) -> Prepared:
        """The exact bytes of a mailing. Pure: the same mailing gives the same bytes on every machine."""

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """Hand a mailing over once: one result per letter.

        Raises TryLater (proved that nothing was taken), MailerMisconfigured (likewise, and a person must
        act), OutcomeUnknown (anything may have been taken).
        """

    def rate(self) -> float | None:
        """Messages in a second that the account may send, as the provider says; 0 when it says nothing of that, None
        when it cannot be asked just now. Quick when asked often."""

    def look_up(self, question: Question, *, now: datetime) -> tuple[Result, ...]:
        """What the provider knows of a batch whose answer was lost, one result per letter: accepted where it
        has it, deferred where it provably never had it, unknown while it cannot tell. Only asked where
        `capability.evidence` is "search". Raises TryLater, MailerMisconfigured."""

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        """Read a webhook call: its signature first, compared in constant time, then its events. `headers`
        have names in lower case. Raises WebhookRejected; what is signed and says nothing to us is no event."""

    def close(self) -> None:
        """Hang up connections that were kept from one call to the next; they are opened again when needed."""

    def check(self) -> str:
        """Try the mailer without sending; a short line. Raises DeliveryError."""


class Mailbox(Protocol):
    """Where bounces and complaints about the mail of one mailer come back by mail."""

    mailer: str
    interval: timedelta  # between two looks

    def read(self, handle: Callable[[Sequence[bytes]], Sequence[bool]], *, limit: int) -> bool:
        """Give messages to `handle`, some at a time, the oldest first, each cut at 1 MB. It answers for each: True
        when it is done with and may go, False to set it aside in a folder. None is touched before `handle` has
        returned, so after a kill it comes again. Stops after `limit` messages, or when it takes too long; True when
        more wait. Raises MailboxError."""

    def check(self) -> str:
        """Try the mailbox without touching a message; a short line. Raises MailboxError."""


class Engine(Protocol):
    """Who wakes a worker. A submission may be lost, repeated, delayed or reordered, and a handler may be
    killed anywhere; handlers therefore take only (kind, key), read the store again, and are idempotent."""

    def submit(self, work: Work, *, not_before: datetime | None = None) -> None: ...

    def tick(self, call: Callable[[], None], seconds: float) -> None:
        """Call regularly, never twice at once."""

    def run(self) -> None:
        """Start working; returns when `drain` was called and all work in hand is finished."""

    def drain(self, timeout: float) -> bool:
        """Take nothing new and let work in hand finish; False when some was left after `timeout` seconds."""

    def health(self) -> str: ...


class Watcher(Protocol):
    """Tells when something changes in folders. What it misses is found by looking regularly."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Templates(Protocol):
    """Templates by name; a site's own win over the packaged ones."""

    def render(self, name: str, values: Mapping[str, Any], *, language: str = "en") -> str:
        """Raises TemplateError with file, line and the culprit."""

    def fingerprint(self, prefix: str) -> str:
        """A hash over all template sources below a prefix such as "digest/daily"."""

    def sources(self, prefix: str) -> Mapping[str, bytes]:
        """Those sources by name, all that is needed to render what is below the prefix again."""
