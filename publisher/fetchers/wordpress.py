"""WordPress, through its REST API (https://developer.wordpress.org/rest-api/reference/posts/).

The first look reads everything; later ones what was modified since, and what is new among the posts that stand first
by date or by id: WordPress does not touch a post's time of change when a scheduled one comes out, and an import brings
its own. Every so many looks the ids of all posts
are listed, a few pages in each look, so that what was removed is found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from publisher.errors import SourceInvalid
from publisher.fetchers._listing import LIST_EVERY, is_due, one_look_later
from publisher.fetchers._shared import Broken, count, fields, moment, whole, words
from publisher.fetchers._wordpress_api import Api, find, overlap, zone_of
from publisher.fetchers._wordpress_bylines import Bylines
from publisher.fetchers._wordpress_list import list_posts
from publisher.fetchers._wordpress_new import EMBED, Windows, newcomers
from publisher.fetchers._wordpress_pages import PER_PAGE, Page, Place, Walk
from publisher.fetchers._wordpress_post import article, modified_at, name
from publisher.kit.http_session import Limits, open_session
from publisher.model import Fetched, FetchedArticle, Refusal, SecondLook, Source
from publisher.ports import Known, nothing_known


class WordPress:
    """Fetches the posts of a WordPress site.

    Options of the source: `post_types`, the REST names of what to read (default `["posts"]`), and `list_every`, the
    number of looks from one list of all ids to the next (0: never). Secrets:
    `username` and `password` (an application password) for sites that show their API to nobody else.

    The cursor holds by post type the newest change that was seen, and while a look or a list is under way how far it
    is, so that one that was broken off goes on there.
    """

    def __init__(self, *, user_agent: str = "", limits: Limits = Limits()) -> None:
        self._user_agent = user_agent
        self._limits = limits

    def fetch(
        self,
        source: Source,
        *,
        now: datetime,
        known: Known = nothing_known,  # noqa: ARG002  # the port's
    ) -> Iterator[Fetched]:
        """Page by page, as `ports.Fetcher` says. Raises SourceUnavailable and SourceInvalid."""
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            cursor: dict[str, object] = (
                dict(source.cursor) if source.cursor.get("url") == source.url else {"url": source.url}
            )
            api = find(session, source, self._limits, known=str(cursor.get("api", "")))
            cursor["api"] = api.root
            kinds, listed = _post_types(source), fields(cursor.get("list"))
            list_due = is_due(listed, whole(source.options.get("list_every", LIST_EVERY)))
            if not list_due:
                cursor["list"] = one_look_later(listed)
            for kind in kinds:
                look = _Look(api, kind, _State.of(fields(cursor.get("types")).get(kind)), now)
                for articles, refused in look.pages():
                    cursor = {**cursor, "types": {**fields(cursor.get("types")), kind: look.state.as_json()}}
                    yield Fetched(articles=articles, cursor=cursor, refused=refused)
            if list_due:
                listing, listed = list_posts(api, kinds, listed, now=now)
                yield Fetched(articles=(), cursor={**cursor, "list": listed}, listing=listing)

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """As `ports.Fetcher`: one request for each post type. A post behind a password is published to nobody."""
        wanted = sorted({id for id in ids if id.isdecimal()}, key=int)[:PER_PAGE]
        if not wanted:
            return SecondLook()
        found: list[FetchedArticle] = []
        there: set[str] = set()
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            api = find(session, source, self._limits, known=str(source.cursor.get("api", "")))
            for kind in _post_types(source):
                try:
                    posts, _ = api.posts(kind, include=",".join(wanted), per_page=PER_PAGE, _embed=EMBED)
                except Broken as failure:
                    raise failure.error from failure
                open_ = [post for post in posts if not fields(post.get("content")).get("protected")]
                there.update(str(whole(post.get("id"))) for post in open_)
                articles, _ = _Look(api, kind, _State(), now).read(open_)
                found += articles
        return SecondLook(articles=tuple(found), gone=frozenset(wanted) - there)

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        """Such as "The Harbour Gazette: 12 articles"."""
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            api = find(session, source, self._limits)
            total = sum(self._total(api, kind) for kind in _post_types(source))
            return f"{api.title[:60]}: {count(total)}" if api.title else count(total)

    def _total(self, api: Api, kind: str) -> int:
        try:
            posts, total = api.posts(kind, per_page=PER_PAGE, _fields="id")
        except Broken as failure:
            raise failure.error from failure
        return len(posts) if total is None else total


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Where the reading of one post type stands. `newest` and `place` only while a look is under way: `newest`
    becomes `since` when it is finished. `windows` are the ids that stood first when the last look began."""

    since: str = ""
    windows: Windows | None = None
    newest: str | None = None
    place: Place = field(default_factory=Place)

    @classmethod
    def of(cls, value: object) -> _State:
        told = fields(value)
        newest = told.get("newest")
        return cls(
            since=words(told.get("since")),
            windows=Windows.of(told.get("windows")),
            newest=newest if isinstance(newest, str) else None,
            place=Place.of(told),
        )

    def as_json(self) -> Mapping[str, object]:
        told = {"since": self.since, "windows": self.windows.as_json() if self.windows else {}}
        return told if self.newest is None else {**told, "newest": self.newest, **self.place.as_json()}


class _Look:
    """One look at one post type, page by page."""

    def __init__(self, api: Api, kind: str, state: _State, now: datetime) -> None:
        self._api = api
        self._kind = kind
        self._zone = zone_of(api.zone)
        self._bylines = Bylines(api)
        self._now = now
        self.state = state

    def pages(self) -> Iterator[tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]]:
        """The articles of each page and what was refused; `state` is then what stands after it."""
        came: set[int] = set()
        if self.state.newest is None:
            # The newest change before the look begins: what changes while it goes on is the next look's.
            newest, windows = self._newest(self._now), Windows.seen(self._api, self._kind)
            for page in newcomers(self._api, self._kind, self.state.windows, windows):
                came.update(whole(post.get("id")) for post in page.posts)
                yield self._articles(page)
            self.state = replace(self.state, newest=newest, windows=windows)
        asked: dict[str, object] = {"_embed": EMBED}
        since = moment(self.state.since)
        if since:
            # With its offset: without one, WordPress takes the time for the site's local time.
            asked["modified_after"] = (since - overlap(since, self._zone)).isoformat()
        for page in Walk(self._api, self._kind, self.state.place, **asked).pages():
            read = self._articles(replace(page, posts=[one for one in page.posts if whole(one.get("id")) not in came]))
            if page.ended:
                self.state = _State(since=self.state.newest or self.state.since, windows=self.state.windows)
            else:
                self.state = replace(self.state, place=page.place)
            yield read

    def read(self, posts: Sequence[Mapping[str, Any]]) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
        """The articles of these posts, and what was refused."""
        return self._articles(Page(posts=posts, place=Place(), ended=True))

    def _articles(self, page: Page) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
        articles: list[FetchedArticle] = []
        refused: list[Refusal] = []
        for post in page.posts:
            try:
                if page.broken:
                    raise ValueError(page.broken)
                articles.append(article(post, self._zone, self._api.root, self._bylines.of(post)))
            except ValueError as error:
                refused.append(Refusal(item=name(post), reason=str(error), id=words(post.get("id"))))
        return tuple(articles), tuple(refused)

    def _newest(self, now: datetime) -> str:
        asked = {
            "orderby": "modified",
            "order": "desc",
            "per_page": 1,
            "_fields": "id,date,date_gmt,modified,modified_gmt",
        }
        try:
            posts, _ = self._api.posts(self._kind, **asked)
        except Broken as failure:
            raise failure.error from failure
        times = [time for post in posts if (time := modified_at(post, self._zone))]
        # A post that says it changed in the future must not hide what changes until then.
        return min(*times, now).isoformat() if times else ""


def _post_types(source: Source) -> tuple[str, ...]:
    given = source.options.get("post_types") or ("posts",)
    kinds = (given,) if isinstance(given, str) else tuple(str(kind) for kind in given)
    for kind in kinds:
        if not re.fullmatch(r"[\w-]+", kind):
            raise SourceInvalid(f'post_types holds {kind!r}: give names such as "posts" or "pages"')
    return kinds
