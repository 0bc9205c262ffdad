"""Wiring: settings.toml and the environment become `ports.Parts`. A new adapter is one line here."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from publisher import __version__, pipeline
from publisher import settings as settings_module
from publisher.app._mail import mailboxes, mailer_of
from publisher.app._preflight import rulebook
from publisher.model import (
    Feed,
    FeedPattern,
    FirstWave,
    Limits,
    Newsletter,
    SectionRule,
    Selection,
    Site,
    Source,
    Terms,
    Work,
)
from publisher.ports import (
    Clock,
    Engine,
    Fetcher,
    Folder,
    Format,
    Hub,
    HubCaller,
    Mailer,
    Parts,
    Pictures,
    Receiver,
    Store,
    Watcher,
)
from publisher.settings import (
    READERS,
    WEEKDAYS,
    AnyMailer,
    FeedSettings,
    FolderSettings,
    NewsletterSettings,
    SelectionSettings,
    Settings,
    SourceSettings,
)

if TYPE_CHECKING:
    from publisher.fetchers.discovery import Found as Found


#: Seconds for which a file must have been left alone: until then somebody may still be writing it.
SETTLE = 1.0


@dataclass(frozen=True, slots=True)
class StoreClock:
    """The database's clock, for leases that several machines compare; `stopping` ends every wait."""

    store: Store
    stopping: threading.Event

    def now(self) -> datetime:
        return self.store.now()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        return self.stopping.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A site, opened: its folder, its settings and the parts made from them."""

    root: Path
    settings: Settings
    parts: Parts
    stopping: threading.Event

    def close(self) -> None:
        self.parts.store.close()


def open_app(root: Path, environment: Mapping[str, str], clock: Clock | None = None) -> App:
    """Open the site in a folder. Raises SettingsError, StoreError."""
    settings = settings_module.load(root / "settings.toml", environment)
    stopping = threading.Event()
    store = open_store(root, settings, environment)
    parts = _parts(root, settings, environment, store, clock or StoreClock(store, stopping))
    leave_alone_what_stays()
    return App(root=root, settings=settings, parts=parts, stopping=stopping)


def leave_alone_what_stays() -> None:
    """Once in a process: the garbage collector goes no more through what is there by now, and looks less often. A
    delivery makes letters by the thousand, none of them in a circle, and each time it would go through everything else
    as well: a seventh of the time with Mailgun. At its own pace, one look for every 700 of them, it takes a tenth."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.set_threshold(20_000)


def open_store(root: Path, settings: Settings, environment: Mapping[str, str]) -> Store:
    from publisher.store import open_store as open_  # late: SQLAlchemy is slow to import

    return open_(_store_url(root, settings, environment))


def _store_url(root: Path, settings: Settings, environment: Mapping[str, str]) -> str:
    url = settings.store.url
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        return f"sqlite:///{root / url.removeprefix('sqlite:///')}"
    if settings.store.password_env:
        parts = urlsplit(url)
        login = f"{parts.username or ''}:{quote(environment[settings.store.password_env], safe='')}@"
        return urlunsplit(parts._replace(netloc=login + parts.netloc.rpartition("@")[2]))
    return url


def _parts(root: Path, settings: Settings, environment: Mapping[str, str], store: Store, clock: Clock) -> Parts:
    from publisher.kit.templating import TemplateFolders
    from publisher.kit.tokens import KeyRing

    keys = KeyRing.load(root / "var" / "keys", environment)
    mailers = {mailer.name: mailer_of(root, mailer, environment, keys) for mailer in settings.mailers}
    return Parts(
        site=site(settings),
        feeds=tuple(_feed(settings, feed) for feed in settings.feeds if not feed.each),
        patterns=tuple(_pattern(settings, feed) for feed in settings.feeds if feed.each),
        newsletters=tuple(_newsletter(settings, newsletter) for newsletter in settings.newsletters),
        sources=tuple(_source(root, settings, source, environment) for source in settings.sources),
        fetchers=fetchers(settings.site.url),
        receiver=receiver(),
        hubs=_hub_caller(settings.site.url),
        formats=formats(),
        folder=_folder(root, settings.folder, environment),
        hub=_hub(settings.site.hub),
        mailers=mailers,
        terms=tuple(_terms(mailer, mailers[mailer.name]) for mailer in settings.mailers),
        mailboxes=mailboxes(root, settings.bounces, environment),
        templates=TemplateFolders([root / "templates", packaged("templates")]),
        store=store,
        clock=clock,
        keys=keys,
        pictures=_pictures(settings),
        rulebook=rulebook(root, settings),
        owner=f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}",
    )


def packaged(name: str) -> Path:
    """A folder that the wheel carries; in a checkout the one at the top of the repository."""
    inside = Path(str(resources.files("publisher"))) / "data" / name
    return inside if inside.exists() else Path(__file__).parents[2] / name


# ---------------------------------------------------------------- adapters by name


def fetchers(home: str) -> dict[str, Fetcher]:
    from publisher.fetchers.folder import ArticleFolder
    from publisher.fetchers.ghost import Ghost
    from publisher.fetchers.push import Push
    from publisher.fetchers.syndication import Syndication
    from publisher.fetchers.wordpress import WordPress

    def of_site(fetcher: type[Ghost | Syndication | WordPress]) -> Fetcher:
        return fetcher(user_agent=_user_agent(home))

    by_http = {"ghost": of_site(Ghost), "syndication": of_site(Syndication), "wordpress": of_site(WordPress)}
    return {"folder": ArticleFolder(settle=SETTLE), "push": Push(), **by_http}


def _user_agent(home: str) -> str:
    """Who asks, and for whom."""
    return f"Publisher/{__version__} (+{home})"


def _pictures(settings: Settings) -> Pictures | None:
    from publisher.fetchers.pictures import PictureReader

    if not settings.site.host_pictures:
        return None
    return PictureReader(user_agent=_user_agent(settings.site.url))


def _hub_caller(home: str) -> HubCaller:
    from publisher.fetchers.websub import WebSub

    return WebSub(user_agent=_user_agent(home))


def receiver() -> Receiver:
    from publisher.fetchers.push import Push

    return Push()


def formats() -> dict[str, Format]:
    from publisher.formats.atom import Atom
    from publisher.formats.json_feed import JsonFeed
    from publisher.formats.rss import Rss

    return {"rss": Rss(), "atom": Atom(), "json": JsonFeed()}


def engine(handler: Callable[[Work], None], on_error: Callable[[Work, BaseException], None]) -> Engine:
    from publisher.engines.embedded import Embedded

    return Embedded(handler, on_error=on_error, lanes={"collect": pipeline.LOOKS, "look": 1})


def watcher(parts: Parts, changed: Callable[[str], None], failed: Callable[[BaseException], None]) -> Watcher:
    """Watches the folders that are sources; `changed` is told a source's slug."""
    from publisher.engines.watching import Watching
    from publisher.fetchers.folder import matters

    folders = {source.slug: Path(source.url) for source in parts.sources if source.kind == "folder"}
    return Watching(folders, changed, failed, matters=matters)


def _folder(root: Path, settings: FolderSettings, environment: Mapping[str, str]) -> Folder:
    if settings.kind == "local":
        from publisher.folders.local import LocalFolder

        return LocalFolder(root / settings.path, compressed=settings.compressed)
    from publisher.folders.bucket import Bucket

    bucket, _, prefix = (settings.url or "").removeprefix("s3://").partition("/")
    return Bucket(
        bucket,
        prefix,
        endpoint=settings.endpoint,
        region=settings.region,
        key_id=environment.get(settings.key_id_env, ""),
        secret=environment.get(settings.secret_env, ""),
    )


def _hub(url: str) -> Hub | None:
    from publisher.kit.websub import WebSubHub

    return WebSubHub(url) if url else None


# ---------------------------------------------------------------- settings as nouns


def site(settings: Settings) -> Site:
    there = settings.site
    sender = settings.newsletters[0].sender if settings.newsletters else f"publisher@{urlsplit(there.url).hostname}"
    return Site(
        name=there.name,
        url=there.url,
        language=there.language,
        timezone=there.timezone,
        public_url=there.public_url,
        local_url=f"http://{settings.web.host}:{settings.web.port}",
        tag_authority=there.tag_authority,
        postal_address=there.postal_address,
        hub=there.hub,
        gone=settings.folder.gone,
        alarms=settings.alarms.addresses,
        alarm_mailer=settings.alarms.mailer,
        alarm_sender=settings.alarms.sender or sender,
    )


def _source(root: Path, settings: Settings, source: SourceSettings, environment: Mapping[str, str]) -> Source:
    given = source.model_dump()
    options = {name: value for name, value in given.items() if name not in SourceSettings.model_fields}
    password = environment.get(options.pop("password_env", "") or "", "")
    username = options.pop("username", "")
    key = environment.get(options.pop("key_env", "") or "", "")
    path = options.pop("path", None)
    secrets = {"username": username, "password": password} if username else {"key": key} if key else {}
    if source.webhook_secret_env:
        secrets["webhook"] = environment[source.webhook_secret_env]
    return Source(
        slug=source.slug,
        was=source.was,
        kind=options.pop("kind"),
        # The same wherever the command is given: a source at another place is read afresh.
        url=os.path.abspath(root / path) if path else options.pop("url", ""),
        interval=source.interval,
        options={**options, "timezone": settings.site.timezone},
        secrets=secrets,
        allow_private=source.allow_private,
        identity=source.identity,
        backdated=source.backdated,
        outage=source.outage,
    )


def _selection(select: SelectionSettings) -> Selection:
    return Selection(**select.model_dump())


def _feed(settings: Settings, feed: FeedSettings) -> Feed:
    return Feed(**_output(settings, feed))


def _pattern(settings: Settings, feed: FeedSettings) -> FeedPattern:
    return FeedPattern(each=feed.each, **_output(settings, feed))


def _output(settings: Settings, feed: FeedSettings) -> dict[str, Any]:
    """What a feed and a pattern have in common, by its names in the model."""
    given = feed.model_dump(exclude={"each", "select"})
    site = settings.site
    return {**given, "home_url": site.url, "language": site.language, "selection": _selection(feed.select)}


def _terms(mailer: AnyMailer, opened: Mailer) -> Terms:
    return Terms(
        mailer=mailer.name,
        limits=Limits(rate=mailer.rate, per_day=mailer.per_day, warm_up=mailer.warm_up, growth=mailer.growth),
        fallback=mailer.fallback,
        batch=opened.capability.batch,
        shared_body=opened.capability.shared_body,
    )


def _newsletter(settings: Settings, newsletter: NewsletterSettings) -> Newsletter:
    given = newsletter.model_dump()
    by_readers = newsletter.timezone == READERS
    given.update(
        language=newsletter.language or settings.site.language,
        timezone=settings.site.timezone if by_readers else newsletter.timezone or settings.site.timezone,
        by_readers=by_readers,
        alerts=_selection(newsletter.alerts) if newsletter.alerts else None,
        weekday=WEEKDAYS.index(newsletter.weekday) + 1,
        sections=tuple(
            SectionRule(title=one.title, categories=one.categories or (one.title,), limit=one.limit, order=one.order)
            for one in newsletter.sections
        ),
        selection=_selection(newsletter.select),
        first_wave=FirstWave(**newsletter.first_wave.model_dump()),
    )
    del given["select"]
    return Newsletter(**given)


# ---------------------------------------------------------------- publisher check


def checks(app: App) -> Iterator[tuple[str, Callable[[], str]]]:
    """What `publisher check` tries: a name, and a call that returns a short line or raises PublisherError."""
    parts = app.parts
    yield "store", parts.store.check
    yield "folder", parts.folder.check
    for source in parts.sources:
        fetcher = parts.fetchers[source.kind]
        yield f"source {source.slug}", partial(fetcher.check, source, now=parts.clock.now())
    for name, mailer in parts.mailers.items():
        yield f"mailer {name}", mailer.check
    for name, mailbox in parts.mailboxes.items():
        yield f"bounces of {name}", mailbox.check


# ---------------------------------------------------------------- publisher init


def discover(url: str, *, allow_private: bool = False) -> tuple[Found, ...]:
    """What a new site could collect from behind an address, the best first. Raises SourceError."""
    from publisher.fetchers.discovery import discover as look
    from publisher.kit.http_session import open_session

    with open_session(allow_private=allow_private) as session:
        return look(url, session=session, now=datetime.now(UTC))
